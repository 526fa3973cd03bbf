//! Single events: made, read, changed and deleted, each time with mail to whoever is invited.

use super::{Graph, error, not_found, view};
use crate::calendars::Shelf as _;
use crate::desk::Said;
use crate::http::Request;
use serde_json::{Value, json};

impl Graph {
    pub(super) fn insert(&mut self, who: &str, mut event: Value) -> Said {
        // Said again, it is the one that is there.
        if let Some(known) = self.calendars.of(who).of_transaction(&event["transactionId"]) {
            return Said::json(201, view::rendered(known));
        }
        if let Err(code) = check(&event) {
            return error(400, code);
        }
        let id = self.calendars.of(who).fresh_id();
        event["id"] = json!(id);
        self.confer(&mut event);
        self.calendars.tell(&event, "invited");
        Said::json(201, view::rendered(&self.calendars.of(who).put(&id, event)))
    }

    pub(super) fn read(&mut self, who: &str, id: &str) -> Said {
        let Some(mut event) = self.calendars.of(who).look(id).cloned() else { return not_found() };
        let is_awaited = event["isOnlineMeeting"] == true && event["onlineMeeting"].is_null();
        if is_awaited && self.calendars.looked(id) {
            conclude(&mut event);
            event = self.calendars.of(who).put(id, event);
        }
        Said::json(200, view::rendered(&event))
    }

    pub(super) fn patch(&mut self, who: &str, id: &str, patch: &Value, request: &Request) -> Said {
        let Some(mut event) = self.calendars.of(who).look(id).cloned() else { return not_found() };
        if is_another(&event, request) {
            return error(412, "ErrorIrresolvableConflict");
        }
        // Another body without the way in ends the meeting.
        let is_over = event["isOnlineMeeting"] == true && !patch["body"].is_null();
        for (name, value) in patch.as_object().into_iter().flatten() {
            // Immutable, and never taken back.
            if name != "transactionId" && !(name == "isOnlineMeeting" && *value == json!(false)) {
                event[name.as_str()] = value.clone();
            }
        }
        if let Err(code) = check(&event) {
            return error(400, code);
        }
        if is_over {
            event["onlineMeeting"] = Value::Null;
            event["isOnlineMeeting"] = json!(false);
        } else {
            self.confer(&mut event);
        }
        self.calendars.tell(&event, "told of a change");
        Said::json(200, view::rendered(&self.calendars.of(who).put(id, event)))
    }

    pub(super) fn delete(&mut self, who: &str, id: &str, request: &Request) -> Said {
        let Some(event) = self.calendars.of(who).look(id).cloned() else { return not_found() };
        if is_another(&event, request) {
            return error(412, "ErrorIrresolvableConflict");
        }
        self.calendars.tell(&event, "called off");
        self.calendars.of(who).remove(id);
        Said::empty(204)
    }

    fn confer(&mut self, event: &mut Value) {
        if event["isOnlineMeeting"] != true || !event["onlineMeeting"].is_null() {
            return;
        }
        if self.calendars.no_meetings || event["onlineMeetingProvider"] != "teamsForBusiness" {
            event["isOnlineMeeting"] = json!(false);
            event["onlineMeetingProvider"] = json!("unknown");
        } else if self.calendars.meeting_takes == 0 {
            conclude(event);
        }
    }
}

fn conclude(event: &mut Value) {
    let id = event["id"].as_str().unwrap_or_default();
    let url = format!("https://teams.microsoft.com/l/meetup-join/{}", crate::query::encode(id));
    event["onlineMeeting"] = json!({"joinUrl": url, "conferenceId": "123456"});
}

fn is_another(event: &Value, request: &Request) -> bool {
    request.header("if-match").is_some_and(|version| version != "*" && event["@odata.etag"] != version)
}

fn check(event: &Value) -> Result<(), &'static str> {
    let has_offset = |name: &str| event[name]["dateTime"].as_str().is_some_and(|text| text.contains(['+', 'Z']));
    if has_offset("start") || has_offset("end") {
        return Err("ErrorPropertyValidationFailure");
    }
    match (view::instant(&event["start"]), view::instant(&event["end"])) {
        (Some(start), Some(end)) if end < start => Err("ErrorPropertyValidationFailure"),
        (Some(_), Some(_)) => Ok(()),
        _ => Err("TimeZoneNotSupportedException"),
    }
}
