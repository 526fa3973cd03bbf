//! Somebody's Google Calendar: lists with pages, cursors and windows, single events, and Meet.
//!
//! Each account has one calendar, whatever it is called in the path. Series are expanded when they are put in; a client that
//! asks for rules instead of instances is refused. What an answer leaves out, Google leaves out. All of it is in memory.

mod list;
mod shelf;

use self::shelf::{Shelf, merge};
use crate::desk::{Api, Desk, Refusal, Said};
use crate::http::Request;
use crate::query::take_apart;
use crate::series::Series;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where its API begins.
const BASE: &str = "/calendar/v3";

/// A calendar server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct GoogleServer {
    desk: Desk,
    google: Arc<Google>,
}

#[derive(Debug, Default)]
struct Google {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calendars: HashMap<String, Shelf>,
    page_size: Option<usize>,
    /// How often an event is looked at before its meeting is there.
    meeting_takes: u32,
    looks: HashMap<String, u32>,
    no_meetings: bool,
    no_permission: bool,
    conferences: u32,
    /// What was told to attendees, and of which event.
    mails: Vec<(String, String)>,
}

impl GoogleServer {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let google = Arc::new(Google::default());
        let desk = Desk::open(Arc::clone(&google) as Arc<dyn Api>).await?;
        Ok(Self { desk, google })
    }

    /// Tokens, troubles and counters.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What `api_url` is set to.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.desk.url(BASE)
    }

    /// Put an event into the calendar of `who`, or another one in its place: JSON as Google has it, with an `id`.
    ///
    /// # Panics
    /// When it has none.
    pub fn put(&self, who: &str, event: Value) {
        let id = event["id"].as_str().expect("an event has an id").to_owned();
        self.google.lock().of(who).put(&id, event);
    }

    /// Put in all instances of a series, or what it is now; those that are no more are deleted.
    pub fn put_series(&self, who: &str, series: &Series) {
        self.google.lock().of(who).put_series(series);
    }

    /// Delete an event, or a series with all its instances.
    pub fn remove(&self, who: &str, id: &str) {
        self.google.lock().of(who).remove_all(id);
    }

    /// What stands in the calendar.
    #[must_use]
    pub fn events(&self, who: &str) -> Vec<Value> {
        self.google.lock().of(who).living().cloned().collect()
    }

    /// No cursor that was given so far is good any more.
    pub fn expire_cursors(&self, who: &str) {
        self.google.lock().of(who).generation += 1;
    }

    /// In which zone the calendar is; it begins in Berlin.
    pub fn zone(&self, who: &str, zone: &str) {
        zone.clone_into(&mut self.google.lock().of(who).zone);
    }

    /// Pages are no longer than this, whatever is asked for.
    pub fn page_size(&self, size: usize) {
        self.google.lock().page_size = Some(size);
    }

    /// A meeting is there only after its event was looked at so often.
    pub fn meeting_takes(&self, looks: u32) {
        self.google.lock().meeting_takes = looks;
    }

    /// No meeting can be made any more.
    pub fn no_meetings(&self) {
        self.google.lock().no_meetings = true;
    }

    /// Whoever asks has consented to nothing any more.
    pub fn no_permission(&self) {
        self.google.lock().no_permission = true;
    }

    /// How many meetings were made.
    #[must_use]
    pub fn conferences(&self) -> u32 {
        self.google.lock().conferences
    }

    /// What was told to attendees, and of which event.
    #[must_use]
    pub fn mails(&self) -> Vec<(String, String)> {
        self.google.lock().mails.clone()
    }

    /// Close every connection, and return when no task is left.
    pub async fn stop(self) {
        self.desk.stop().await;
    }
}

impl Google {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Api for Google {
    fn answer(&self, who: &str, request: &Request) -> Said {
        let (pieces, query) = take_apart(&request.path);
        let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
        let body = || serde_json::from_slice::<Value>(&request.body).ok().filter(Value::is_object);
        let mut state = self.lock();
        if state.no_permission {
            return error(403, "global", "insufficientPermissions", "");
        }
        let ["calendar", "v3", "calendars", _, "events", rest @ ..] = &pieces[..] else { return not_found() };
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let size = state.page_size;
                list::page(state.of(who), &query, size)
            }
            ("POST", []) => match body() {
                Some(event) => state.insert(who, event, &query),
                None => error(400, "global", "parseError", ""),
            },
            ("GET", [id]) => state.read(who, id),
            ("PATCH", [id]) => match body() {
                Some(patch) => state.patch(who, id, &patch, request, &query),
                None => error(400, "global", "parseError", ""),
            },
            ("DELETE", [id]) => state.delete(who, id, request, &query),
            _ => not_found(),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Said {
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

type Query = HashMap<String, String>;

impl State {
    fn of(&mut self, who: &str) -> &mut Shelf {
        self.calendars.entry(who.to_owned()).or_default()
    }

    fn insert(&mut self, who: &str, mut event: Value, query: &Query) -> Said {
        let id = event["id"].as_str().map_or_else(|| self.of(who).fresh_id(), str::to_owned);
        let is_sound =
            (5..=1024).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'a'..=b'v' | b'0'..=b'9'));
        if !is_sound {
            return error(400, "global", "invalid", "");
        }
        if let Err(field) = check_times(&event) {
            return error(400, "global", field, "");
        }
        if self.of(who).is_taken(&id) {
            return error(409, "global", "duplicate", "");
        }
        event["id"] = json!(id);
        self.confer(&mut event, query);
        self.tell(&event, query, "invited");
        Said::json(200, self.of(who).put(&id, event))
    }

    fn read(&mut self, who: &str, id: &str) -> Said {
        let Some(mut event) = self.of(who).look(id).cloned() else { return not_found() };
        if event["conferenceData"]["createRequest"]["status"]["statusCode"] != "pending" {
            return Said::json(200, &event);
        }
        let looks = self.looks.entry(id.to_owned()).or_default();
        *looks += 1;
        if *looks >= self.meeting_takes {
            conclude(&mut event);
            event = self.of(who).put(id, event);
        }
        Said::json(200, &event)
    }

    fn patch(&mut self, who: &str, id: &str, patch: &Value, request: &Request, query: &Query) -> Said {
        let Some(known) = self.of(who).look(id).cloned() else { return not_found() };
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
        Said::json(200, self.of(who).put(id, event))
    }

    fn delete(&mut self, who: &str, id: &str, request: &Request, query: &Query) -> Said {
        let Some(known) = self.of(who).look(id).cloned() else { return not_found() };
        if known["status"] == "cancelled" {
            return error(410, "global", "deleted", "");
        }
        if is_another(&known, request) {
            return error(412, "global", "conditionNotMet", "If-Match");
        }
        self.tell(&known, query, "called off");
        self.of(who).remove_all(id);
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
        let code = if self.no_meetings { "failure" } else { "pending" };
        event["conferenceData"]["createRequest"]["status"] = json!({"statusCode": code});
        if !self.no_meetings {
            self.conferences += 1;
            let number = self.conferences;
            event["conferenceData"]["conferenceId"] = json!(format!("abc-{number:04}-xyz"));
            if self.meeting_takes == 0 {
                conclude(event);
            }
        }
    }

    fn tell(&mut self, event: &Value, query: &Query, what: &str) {
        let is_told = query.get("sendUpdates").is_some_and(|value| value == "all");
        if is_told && event["attendees"].as_array().is_some_and(|list| !list.is_empty()) {
            self.mails.push((what.to_owned(), event["id"].as_str().unwrap_or_default().to_owned()));
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
