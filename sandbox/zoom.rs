//! Zoom, as far as meetings go: it makes, shows, lists, changes and deletes them for the users whose tokens are good.
//!
//! Ids are numbers beyond 32 bits, as there. So many requests that create or update pass for a user and a day; the day
//! ends when a test says so.

use crate::desk::{Api, Desk, Refusal, Said};
use crate::http::Request;
use crate::query::take_apart;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than any test makes.
const MAX_MEETINGS: usize = 100_000;
const PER_SECOND: &str = "You have reached the maximum per-second rate limit for this API. Try again later.";
const FIRST_ID: u64 = 85_000_000_000;
const MAX_TOPIC: usize = 200;
const MAX_AGENDA: usize = 2000;
/// Of an agenda in a list.
const LISTED_AGENDA: usize = 250;

/// A stand-in for Zoom, until it is stopped or dropped.
#[derive(Debug)]
pub struct ZoomServer {
    desk: Desk,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    meetings: BTreeMap<u64, (String, Map<String, Value>)>,
    next: u64,
    /// Creations and changes of each user today that passed.
    today: HashMap<String, u32>,
    daily: u32,
    over: usize,
    page: usize,
    made: usize,
}

impl ZoomServer {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let (meetings, today) = (BTreeMap::new(), HashMap::new());
        let state = State { meetings, next: FIRST_ID, today, daily: 100, over: 0, page: 300, made: 0 };
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
        self.desk.url("/v2")
    }

    /// All meetings that there are, as Zoom would show them.
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

    /// A user deletes a meeting in Zoom's own pages.
    pub fn forget(&self, id: &str) {
        let id = id.parse().unwrap_or(0);
        self.shared.lock().meetings.remove(&id);
    }

    /// From now on so many creations and changes pass for each user and day.
    pub fn daily(&self, passes: u32) {
        self.shared.lock().daily = passes;
    }

    /// At most so many meetings on a page of a list.
    pub fn page(&self, meetings: usize) {
        self.shared.lock().page = meetings.max(1);
    }

    /// It is past midnight in UTC.
    pub fn next_day(&self) {
        self.shared.lock().today.clear();
    }

    /// Requests that came after their user's day was full.
    #[must_use]
    pub fn over_the_limit(&self) -> usize {
        self.shared.lock().over
    }

    /// Creations and changes of a user today that passed.
    #[must_use]
    pub fn passed_today(&self, user: &str) -> u32 {
        self.shared.lock().today.get(user).copied().unwrap_or(0)
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
        let ["v2", rest @ ..] = &pieces[..] else { return not_found() };
        self.lock().answer(user, (request.method.as_str(), rest), &query, &body)
    }

    fn refuse(&self, refusal: Refusal) -> Said {
        match refusal {
            Refusal::Unauthorized => trouble(401, 124, "Access token is expired."),
            Refusal::Crowded | Refusal::TooMany { after: None } => trouble(429, 429, PER_SECOND),
            Refusal::TooMany { after: Some(after) } => trouble(429, 429, PER_SECOND).header("Retry-After", after),
            Refusal::Status(status) => trouble(status, status.into(), "Something went wrong."),
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
            ("GET", ["users", "me"]) => Said::json(200, json!({"id": user, "type": 2, "email": "u@zoom.example"})),
            ("POST", ["users", "me", "meetings"]) => self.limited(user).unwrap_or_else(|| self.create(user, body)),
            ("GET", ["users", "me", "meetings"]) => self.list(user, query),
            (_, ["meetings", id]) => {
                let id = id.parse().unwrap_or(0);
                if self.meetings.get(&id).is_none_or(|(owner, _)| owner != user) {
                    return trouble(404, 3001, &format!("Meeting does not exist: {id}."));
                }
                match method {
                    "GET" => Said::json(200, Value::Object(self.meetings[&id].1.clone())),
                    "PATCH" => self.limited(user).unwrap_or_else(|| self.change(id, body)),
                    "DELETE" => {
                        self.meetings.remove(&id);
                        Said::empty(204)
                    }
                    _ => trouble(405, 405, "Method not allowed."),
                }
            }
            _ => not_found(),
        }
    }

    fn limited(&mut self, user: &str) -> Option<Said> {
        let passed = self.today.entry(user.to_owned()).or_default();
        if *passed < self.daily {
            *passed += 1;
            return None;
        }
        self.over += 1;
        let message = format!(
            "You have exceeded the daily rate limit ({}) of Meeting Create/Update API requests permitted for this \
             particular user. You may resume these requests at GMT 00:00:00.",
            self.daily
        );
        // As it was seen: these two tell of another bucket, and when to come back is not said.
        let said = trouble(429, 429, &message).header("X-RateLimit-Category", "Light");
        Some(said.header("X-RateLimit-Limit", "80").header("X-RateLimit-Remaining", "79"))
    }

    fn create(&mut self, user: &str, body: &Value) -> Said {
        if self.meetings.len() >= MAX_MEETINGS {
            return trouble(400, 300, "Too many meetings.");
        }
        if let Some(said) = invalid(body, true) {
            return said;
        }
        self.next += 1;
        self.made += 1;
        let id = self.next;
        let mut meeting = json!({
            "id": id,
            "uuid": format!("/{id}//=="),
            "host_id": user,
            "status": "waiting",
            "type": 2,
            "created_at": "2026-01-01T00:00:00Z",
            "start_url": format!("https://zoom.example/s/{id}?zak=sandbox-host-secret-{id}"),
            "join_url": format!("https://zoom.example/j/{id}?pwd=sandbox"),
            "password": format!("pw{id}"),
        });
        merge(&mut meeting, body);
        let Value::Object(fields) = meeting.clone() else { return Said::empty(500) };
        self.meetings.insert(id, (user.to_owned(), fields));
        Said::json(201, meeting)
    }

    fn change(&mut self, id: u64, body: &Value) -> Said {
        if let Some(said) = invalid(body, false) {
            return said;
        }
        if let Some((_, fields)) = self.meetings.get_mut(&id) {
            let mut meeting = Value::Object(std::mem::take(fields));
            merge(&mut meeting, body);
            if let Value::Object(changed) = meeting {
                *fields = changed;
            }
        }
        Said::empty(204)
    }

    fn list(&self, user: &str, query: &HashMap<String, String>) -> Said {
        let mine: Vec<Value> = self
            .meetings
            .values()
            .filter(|(owner, _)| owner == user)
            .map(|(_, meeting)| {
                // A list says less, and less of what it says.
                let shown =
                    ["id", "uuid", "host_id", "topic", "type", "start_time", "duration", "timezone", "join_url"];
                let mut item: Map<String, Value> =
                    shown.iter().filter_map(|name| Some(((*name).to_owned(), meeting.get(*name)?.clone()))).collect();
                let agenda = meeting.get("agenda").and_then(Value::as_str).unwrap_or_default();
                item.insert("agenda".to_owned(), agenda.chars().take(LISTED_AGENDA).collect::<String>().into());
                Value::Object(item)
            })
            .collect();
        let asked: usize = query.get("page_size").and_then(|size| size.parse().ok()).unwrap_or(30);
        let (size, from) = (asked.min(300).min(self.page), query.get("next_page_token").map_or("", String::as_str));
        let from: usize = from.parse().unwrap_or(0);
        let next = if from + size < mine.len() { (from + size).to_string() } else { String::new() };
        let page: Vec<&Value> = mine.iter().skip(from).take(size).collect();
        let body = json!({
            "page_size": size, "total_records": mine.len(), "next_page_token": next, "meetings": page,
        });
        Said::json(200, body)
    }
}

/// What Zoom takes: numbers are numbers, and times are in UTC to the second.
fn invalid(body: &Value, whole: bool) -> Option<Said> {
    let field = |field: &str, message: &str| {
        let errors = json!([{"field": field, "message": message}]);
        Some(Said::json(400, json!({"code": 300, "message": "Validation Failed.", "errors": errors})))
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if !body.is_object() {
        return field("body", "Invalid JSON.");
    }
    if whole && (body["type"] != 2 || text("start_time").is_none()) {
        return field("type", "Invalid field.");
    }
    let is_time = |time: &str| time.len() == 20 && time.ends_with('Z') && time.as_bytes().get(10) == Some(&b'T');
    if text("start_time").is_some_and(|time| !is_time(time)) {
        return field("start_time", "Invalid field.");
    }
    if body.get("duration").is_some_and(|duration| !duration.is_u64()) {
        return field("duration", "Invalid field.");
    }
    if text("topic").is_some_and(|topic| topic.chars().count() > MAX_TOPIC) {
        return field("topic", "The value that you entered exceeds the maximum length.");
    }
    if text("agenda").is_some_and(|agenda| agenda.chars().count() > MAX_AGENDA) {
        return field("agenda", "The value that you entered exceeds the maximum length.");
    }
    None
}

fn merge(meeting: &mut Value, body: &Value) {
    for (name, value) in body.as_object().into_iter().flatten() {
        meeting[name.as_str()] = value.clone();
    }
}

fn trouble(status: u16, code: u32, message: &str) -> Said {
    Said::json(status, json!({"code": code, "message": message}))
}

fn not_found() -> Said {
    trouble(404, 404, "Not found.")
}
