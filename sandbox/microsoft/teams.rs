//! Meetings of Teams that stand in no calendar.

use super::{error, not_found};
use crate::desk::Said;
use serde_json::{Value, json};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Teams {
    /// Of each account, in the order in which they were made.
    meetings: HashMap<String, Vec<Value>>,
    pub(super) made: u32,
}

impl Teams {
    pub(super) fn of(&self, who: &str) -> Vec<Value> {
        self.meetings.get(who).cloned().unwrap_or_default()
    }

    pub(super) fn answer(&mut self, who: &str, method: &str, rest: &[&str], body: &Value) -> Said {
        match (method, rest) {
            ("POST", []) => self.make(who, body),
            ("POST", ["createOrGet"]) => self.make_or_find(who, body),
            ("GET", [id]) => self.found(who, id).map_or_else(not_found, |meeting| Said::json(200, meeting)),
            ("PATCH", [id]) => self.change(who, id, body),
            ("DELETE", [id]) => {
                let Some(all) = self.meetings.get_mut(who) else { return not_found() };
                let before = all.len();
                all.retain(|meeting| meeting["id"] != *id);
                if all.len() < before { Said::empty(204) } else { not_found() }
            }
            _ => error(400, "BadRequest"),
        }
    }

    fn found(&mut self, who: &str, id: &str) -> Option<&mut Value> {
        self.meetings.get_mut(who)?.iter_mut().find(|meeting| meeting["id"] == id)
    }

    fn make_or_find(&mut self, who: &str, body: &Value) -> Said {
        if body["externalId"].as_str().is_none_or(str::is_empty) {
            return error(400, "BadRequest");
        }
        let all = self.meetings.get(who).map(Vec::as_slice).unwrap_or_default();
        match all.iter().find(|meeting| meeting["externalId"] == body["externalId"]) {
            Some(known) => Said::json(200, known),
            None => self.make(who, body),
        }
    }

    fn make(&mut self, who: &str, body: &Value) -> Said {
        if !times_are_good(body) {
            return error(400, "BadRequest");
        }
        self.made += 1;
        let id = format!("MSo{:06}=", self.made);
        let mut meeting = body.clone();
        meeting["id"] = json!(id);
        meeting["joinWebUrl"] = json!(format!("https://teams.microsoft.com/l/meetup-join/{}", self.made));
        meeting["joinMeetingIdSettings"] =
            json!({"joinMeetingId": format!("{:012}", self.made), "passcode": format!("pass{}", self.made)});
        self.meetings.entry(who.to_owned()).or_default().push(meeting.clone());
        Said::json(201, &meeting)
    }

    fn change(&mut self, who: &str, id: &str, body: &Value) -> Said {
        // Both times, or none.
        let is_half = body["startDateTime"].is_null() != body["endDateTime"].is_null();
        if is_half || (!body["startDateTime"].is_null() && !times_are_good(body)) {
            return error(400, "BadRequest");
        }
        let Some(meeting) = self.found(who, id) else { return not_found() };
        for (name, value) in body.as_object().into_iter().flatten() {
            meeting[name.as_str()] = value.clone();
        }
        Said::json(200, meeting)
    }
}

/// With an offset, and in order.
fn times_are_good(body: &Value) -> bool {
    let at = |name: &str| chrono::DateTime::parse_from_rfc3339(body[name].as_str()?).ok();
    matches!((at("startDateTime"), at("endDateTime")), (Some(start), Some(end)) if start <= end)
}
