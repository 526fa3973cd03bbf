//! Somebody's Google Calendar: lists with pages, cursors and windows, single events, and Meet.
//!
//! Each account has one calendar, whatever it is called in the path. Series are expanded when they are put in; a client that
//! asks for rules instead of instances is refused. What an answer leaves out, Google leaves out. All of it is in memory.

mod list;
mod shelf;

use self::shelf::{Shelf, merge};
use crate::calendars::{Calendars, Keeps, Shelf as _};
use crate::desk::{Refusal, Said};
use crate::http::Request;
use crate::stand::{Call, Provider, Query, Stand};
use serde_json::{Value, json};

/// Google, as far as calendars go.
#[derive(Debug, Default)]
pub struct Google {
    calendars: Calendars<Shelf>,
    conferences: u32,
    no_permission: bool,
}

impl Keeps for Google {
    type Shelf = Shelf;

    fn calendars(&mut self) -> &mut Calendars<Shelf> {
        &mut self.calendars
    }
}

impl Stand<Google> {
    /// No cursor that was given so far is good any more.
    pub fn expire_cursors(&self, who: &str) {
        self.provider().calendars.renew(who);
    }

    /// In which zone the calendar is; it begins in Berlin.
    pub fn zone(&self, who: &str, zone: &str) {
        zone.clone_into(&mut self.provider().calendars.of(who).zone);
    }

    /// Whoever asks has consented to nothing any more.
    pub fn no_permission(&self) {
        self.provider().no_permission = true;
    }

    /// How many meetings were made.
    #[must_use]
    pub fn conferences(&self) -> u32 {
        self.provider().conferences
    }
}

/// A refusal in Google's words.
fn error(status: u16, domain: &str, reason: &str, location: &str) -> Said {
    let message = format!("{reason}, says the sandbox");
    let mut inner = json!({"domain": domain, "reason": reason, "message": message});
    if !location.is_empty() {
        inner["locationType"] = json!("parameter");
        inner["location"] = json!(location);
    }
    Said::json(status, json!({"error": {"errors": [inner], "code": status, "message": message}}))
}

fn not_found() -> Said {
    error(404, "global", "notFound", "")
}

impl Provider for Google {
    const BASE: &'static str = "/calendar/v3";

    fn answer(&mut self, who: &str, call: &Call<'_>) -> Said {
        let (method, pieces) = call.route();
        let (request, query, body) = (call.request, &call.query, &call.body);
        if self.no_permission {
            return error(403, "global", "insufficientPermissions", "");
        }
        let ["calendar", "v3", "calendars", _, "events", rest @ ..] = &pieces[..] else { return not_found() };
        match (method, rest) {
            ("GET", []) => {
                let size = self.calendars.page_size;
                list::page(self.calendars.of(who), query, size)
            }
            ("POST", []) | ("PATCH", [_]) if !body.is_object() => error(400, "global", "parseError", ""),
            ("POST", []) => self.insert(who, body.clone(), query),
            ("GET", [id]) => self.read(who, id),
            ("PATCH", [id]) => self.patch(who, id, body, request, query),
            ("DELETE", [id]) => self.delete(who, id, request, query),
            _ => not_found(),
        }
    }

    fn count_from(&mut self, number: u32) {
        self.calendars.count_from(number);
    }

    fn refuse(refusal: Refusal) -> Said {
        match refusal {
            Refusal::Unauthorized => error(401, "global", "authError", "")
                .header("WWW-Authenticate", r#"Bearer realm="https://accounts.google.com/", error="invalid_token""#),
            Refusal::Crowded => error(403, "usageLimits", "userRateLimitExceeded", ""),
            Refusal::TooMany { after } => {
                let said = error(403, "usageLimits", "rateLimitExceeded", "");
                after.map_or(said.clone(), |after| said.header("Retry-After", after.to_string()))
            }
            Refusal::Status(status) => error(status, "global", "backendError", ""),
        }
    }
}

impl Google {
    fn insert(&mut self, who: &str, mut event: Value, query: &Query) -> Said {
        let id = event["id"].as_str().map_or_else(|| self.calendars.of(who).fresh_id(), str::to_owned);
        let is_sound =
            (5..=1024).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'a'..=b'v' | b'0'..=b'9'));
        if !is_sound {
            return error(400, "global", "invalid", "");
        }
        if let Err(field) = check_times(&event) {
            return error(400, "global", field, "");
        }
        if self.calendars.of(who).is_taken(&id) {
            return error(409, "global", "duplicate", "");
        }
        event["id"] = json!(id);
        self.confer(&mut event, query);
        self.tell(&event, query, "invited");
        Said::json(200, self.calendars.of(who).put(&id, event))
    }

    fn read(&mut self, who: &str, id: &str) -> Said {
        let Some(mut event) = self.calendars.of(who).look(id).cloned() else { return not_found() };
        if event["conferenceData"]["createRequest"]["status"]["statusCode"] != "pending" {
            return Said::json(200, &event);
        }
        if self.calendars.looked(id) {
            conclude(&mut event);
            event = self.calendars.of(who).put(id, event);
        }
        Said::json(200, &event)
    }

    fn patch(&mut self, who: &str, id: &str, patch: &Value, request: &Request, query: &Query) -> Said {
        let Some(known) = self.calendars.of(who).look(id).cloned() else { return not_found() };
        if known["status"] == "cancelled" && patch["status"].is_null() {
            return error(410, "global", "deleted", "");
        }
        if is_another(&known, request) {
            return error(412, "global", "conditionNotMet", "If-Match");
        }
        let mut event = known;
        let mut patch = patch.clone();
        if query.get("conferenceDataVersion").is_none_or(|version| version != "1") {
            patch.as_object_mut().expect("an object").remove("conferenceData");
        }
        merge(&mut event, &patch);
        if event["conferenceData"].is_null() {
            event.as_object_mut().expect("an object").remove("hangoutLink");
        }
        if let Err(field) = check_times(&event) {
            return error(400, "global", field, "");
        }
        self.confer(&mut event, query);
        self.tell(&event, query, "told of a change");
        Said::json(200, self.calendars.of(who).put(id, event))
    }

    fn delete(&mut self, who: &str, id: &str, request: &Request, query: &Query) -> Said {
        let Some(known) = self.calendars.of(who).look(id).cloned() else { return not_found() };
        if known["status"] == "cancelled" {
            return error(410, "global", "deleted", "");
        }
        if is_another(&known, request) {
            return error(412, "global", "conditionNotMet", "If-Match");
        }
        self.tell(&known, query, "called off");
        self.calendars.of(who).remove(id);
        Said::empty(204)
    }

    /// Make the meeting that an event asks for, now or later.
    fn confer(&mut self, event: &mut Value, query: &Query) {
        let is_read = query.get("conferenceDataVersion").is_some_and(|version| version == "1");
        let Some(object) = event.as_object_mut() else { return };
        let asked = object.get("conferenceData").and_then(|data| data.get("createRequest")).is_some();
        let is_new = object.get("conferenceData").is_some_and(|data| data["createRequest"]["status"].is_null());
        if !is_read || !asked {
            if !is_read {
                object.remove("conferenceData");
            }
            return;
        }
        if !is_new {
            return;
        }
        let code = if self.calendars.no_meetings { "failure" } else { "pending" };
        event["conferenceData"]["createRequest"]["status"] = json!({"statusCode": code});
        if !self.calendars.no_meetings {
            self.conferences += 1;
            let number = self.conferences;
            event["conferenceData"]["conferenceId"] = json!(format!("abc-{number:04}-xyz"));
            if self.calendars.meeting_takes == 0 {
                conclude(event);
            }
        }
    }

    fn tell(&mut self, event: &Value, query: &Query, what: &str) {
        if query.get("sendUpdates").is_some_and(|value| value == "all") {
            self.calendars.tell(event, what);
        }
    }
}

/// The meeting is there.
fn conclude(event: &mut Value) {
    let id = event["conferenceData"]["conferenceId"].as_str().unwrap_or_default().to_owned();
    let url = format!("https://meet.google.com/{id}");
    let data = &mut event["conferenceData"];
    data["createRequest"]["status"]["statusCode"] = json!("success");
    data["entryPoints"] = json!([{"entryPointType": "video", "uri": url, "label": id}]);
    event["hangoutLink"] = json!(url);
}

fn is_another(known: &Value, request: &Request) -> bool {
    request.header("if-match").is_some_and(|version| version != "*" && known["etag"] != version)
}

/// Which field is wrong, in Google's way of saying so.
fn check_times(event: &Value) -> Result<(), &'static str> {
    let (start, end) = (list::instant(&event["start"], "UTC"), list::instant(&event["end"], "UTC"));
    match (start, end) {
        (Some(start), Some(end)) if end < start => Err("timeRangeEmpty"),
        (Some(_), Some(_)) => Ok(()),
        _ => Err("required"),
    }
}
