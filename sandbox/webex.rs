//! Webex, as far as meetings go: it makes, shows, finds, changes and deletes them for the users whose tokens are good.
//!
//! So many meetings are made for a user in a day; the day ends when a test says so.

use crate::desk::{Api, Desk, Refusal, Said};
use crate::http::Request;
use crate::query::take_apart;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than any test makes.
const MAX_MEETINGS: usize = 100_000;
const MAX_TITLE: usize = 128;
const MAX_AGENDA: usize = 1300;
const MAX_TAG: usize = 64;
const MAX_TAGS: usize = 10;

/// A stand-in for Webex, until it is stopped or dropped.
#[derive(Debug)]
pub struct WebexServer {
    desk: Desk,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    meetings: BTreeMap<String, (String, Map<String, Value>)>,
    made: usize,
    today: HashMap<String, u32>,
    daily: u32,
    over: usize,
    retry_after: u64,
}

impl WebexServer {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let (meetings, today) = (BTreeMap::new(), HashMap::new());
        let state = State { meetings, made: 0, today, daily: 100, over: 0, retry_after: 3600 };
        let shared = Arc::new(Shared(Mutex::new(state)));
        let desk = Desk::open(Arc::clone(&shared) as Arc<dyn Api>).await?;
        Ok(Self { desk, shared })
    }

    /// Whose tokens are taken, what goes wrong, and what was asked.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What `api_url` is to be.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.desk.url("/v1")
    }

    /// All meetings that there are, as Webex would show them.
    #[must_use]
    pub fn meetings(&self) -> Vec<Value> {
        let state = self.shared.lock();
        state.meetings.values().map(|(_, meeting)| Value::Object(meeting.clone())).collect()
    }

    /// How many were made, of whom some may be gone again.
    #[must_use]
    pub fn made(&self) -> usize {
        self.shared.lock().made
    }

    /// A user deletes a meeting in Webex's own pages.
    pub fn forget(&self, id: &str) {
        self.shared.lock().meetings.remove(id);
    }

    /// From now on so many meetings are made for a user in a day; who comes after is told to wait for so many seconds.
    pub fn daily(&self, passes: u32, retry_after: u64) {
        let mut state = self.shared.lock();
        (state.daily, state.retry_after) = (passes, retry_after);
    }

    /// A day has passed.
    pub fn next_day(&self) {
        self.shared.lock().today.clear();
    }

    /// Requests that came after their user's day was full.
    #[must_use]
    pub fn over_the_limit(&self) -> usize {
        self.shared.lock().over
    }

    /// Close every connection, and return when no task is left.
    pub async fn stop(self) {
        self.desk.stop().await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Api for Shared {
    fn answer(&self, user: &str, request: &Request) -> Said {
        let (pieces, query) = take_apart(&request.path);
        let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
        let body = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        let ["v1", rest @ ..] = &pieces[..] else { return not_found() };
        self.lock().answer(user, (request.method.as_str(), rest), &query, &body)
    }

    fn refuse(&self, refusal: Refusal) -> Said {
        match refusal {
            Refusal::Unauthorized => trouble(401, "The request requires a valid access token."),
            Refusal::Crowded | Refusal::TooMany { after: None } => trouble(429, "Too Many Requests"),
            Refusal::TooMany { after: Some(after) } => trouble(429, "Too Many Requests").header("Retry-After", after),
            Refusal::Status(status) => trouble(status, "Something went wrong."),
        }
    }
}

impl State {
    fn answer(
        &mut self,
        user: &str,
        (method, pieces): (&str, &[&str]),
        query: &HashMap<String, String>,
        body: &Value,
    ) -> Said {
        match (method, pieces) {
            ("GET", ["people", "me"]) => Said::json(200, json!({"id": user, "emails": ["u@webex.example"]})),
            ("POST", ["meetings"]) => self.create(user, body),
            ("GET", ["meetings"]) => self.list(user, query),
            (_, ["meetings", id]) => {
                if self.meetings.get(*id).is_none_or(|(owner, _)| owner != user) {
                    return trouble(404, "The requested resource could not be found.");
                }
                match method {
                    "GET" => Said::json(200, Value::Object(self.meetings[*id].1.clone())),
                    "PUT" | "PATCH" => self.change(id, body),
                    "DELETE" => {
                        self.meetings.remove(*id);
                        Said::empty(204)
                    }
                    _ => trouble(405, "Method Not Allowed"),
                }
            }
            _ => not_found(),
        }
    }

    fn create(&mut self, user: &str, body: &Value) -> Said {
        let passed = self.today.entry(user.to_owned()).or_default();
        if *passed >= self.daily {
            self.over += 1;
            return trouble(429, "Too Many Requests").header("Retry-After", self.retry_after.to_string());
        }
        if self.meetings.len() >= MAX_MEETINGS {
            return trouble(400, "Too many meetings.");
        }
        if let Some(said) = invalid(body) {
            return said;
        }
        *passed += 1;
        self.made += 1;
        let (number, id) = (self.made, format!("870f51ff287b41be8648412901e0{:04}", self.made));
        let mut meeting = json!({
            "id": id,
            "meetingNumber": format!("25500{number:05}"),
            "password": format!("pw{number}"),
            "meetingType": "meetingSeries",
            "state": "active",
            "hostUserId": user,
            "hostKey": format!("{number:06}"),
            "webLink": format!("https://site.webex.example/j.php?MTID=m{number}"),
            "sipAddress": format!("25500{number:05}@site.webex.example"),
        });
        merge(&mut meeting, body);
        let Value::Object(fields) = meeting.clone() else { return Said::empty(500) };
        self.meetings.insert(id, (user.to_owned(), fields));
        Said::json(200, meeting)
    }

    fn change(&mut self, id: &str, body: &Value) -> Said {
        if let Some(said) = invalid(body) {
            return said;
        }
        let Some((_, fields)) = self.meetings.get_mut(id) else { return Said::empty(500) };
        let mut meeting = Value::Object(std::mem::take(fields));
        merge(&mut meeting, body);
        if let Value::Object(changed) = meeting.clone() {
            *fields = changed;
        }
        Said::json(200, meeting)
    }

    fn list(&self, user: &str, query: &HashMap<String, String>) -> Said {
        let tag = query.get("integrationTag");
        let has = |meeting: &Map<String, Value>| {
            let tags = meeting.get("integrationTags").and_then(Value::as_array);
            tag.is_none_or(|tag| tags.is_some_and(|tags| tags.iter().any(|known| known == tag.as_str())))
        };
        let items: Vec<&Map<String, Value>> = self
            .meetings
            .values()
            .filter(|(owner, meeting)| owner == user && has(meeting))
            .map(|(_, meeting)| meeting)
            .collect();
        Said::json(200, json!({"items": items}))
    }
}

fn invalid(body: &Value) -> Option<Said> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let long = |name: &str, most: usize| text(name).chars().count() > most;
    if text("title").is_empty() || text("start").is_empty() || text("end").is_empty() {
        return Some(trouble(400, "title, start and end are required."));
    }
    if long("title", MAX_TITLE) || long("agenda", MAX_AGENDA) {
        return Some(trouble(400, "title or agenda is too long."));
    }
    if text("start") >= text("end") {
        return Some(trouble(400, "The meeting's end is not after its start."));
    }
    let tags = body.get("integrationTags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_long = |tag: &Value| tag.as_str().is_none_or(|tag| tag.len() > MAX_TAG);
    (tags.len() > MAX_TAGS || tags.iter().any(is_long)).then(|| trouble(400, "integrationTags cannot be read."))
}

fn merge(meeting: &mut Value, body: &Value) {
    for (name, value) in body.as_object().into_iter().flatten() {
        meeting[name.as_str()] = value.clone();
    }
}

fn trouble(status: u16, message: &str) -> Said {
    let errors = json!([{"description": message}]);
    Said::json(status, json!({"message": message, "errors": errors, "trackingId": "ROUTER_sandbox"}))
}

fn not_found() -> Said {
    trouble(404, "Not found.")
}
