//! Zoom, as far as meetings go: it makes, shows, lists, changes and deletes them for the users whose tokens are good.
//!
//! Ids are numbers beyond 32 bits, as there. So many requests that create or update pass for a user and a day; the day
//! ends when a test says so.

use crate::desk::{Refusal, Said};
use crate::meetings::{Book, Meets};
use crate::stand::{Call, Provider, Query, Stand};
use serde_json::{Map, Value, json};

const PER_SECOND: &str = "You have reached the maximum per-second rate limit for this API. Try again later.";
/// Ids are numbers of as many digits, so that they are in order as texts, too.
const BEFORE_FIRST_ID: usize = 85_000_000_000;
const MAX_TOPIC: usize = 200;
const MAX_AGENDA: usize = 2000;
/// Of an agenda in a list.
const LISTED_AGENDA: usize = 250;

/// Zoom, as far as meetings go.
#[derive(Debug)]
pub struct Zoom {
    /// Creations and changes count for a day.
    book: Book,
    /// At most so many meetings on a page of a list.
    page: usize,
}

impl Default for Zoom {
    fn default() -> Self {
        Self { book: Book::default(), page: 300 }
    }
}

impl Meets for Zoom {
    fn book(&mut self) -> &mut Book {
        &mut self.book
    }
}

impl Stand<Zoom> {
    /// From now on so many creations and changes pass for each user and day.
    pub fn daily(&self, passes: u32) {
        self.provider().book.daily = passes;
    }

    /// At most so many meetings on a page of a list.
    pub fn page(&self, meetings: usize) {
        self.provider().page = meetings.max(1);
    }
}

impl Provider for Zoom {
    const BASE: &'static str = "/v2";

    fn answer(&mut self, user: &str, call: &Call<'_>) -> Said {
        let (method, pieces) = call.route();
        let ["v2", rest @ ..] = &pieces[..] else { return not_found() };
        match (method, rest) {
            ("GET", ["users", "me"]) => Said::json(200, json!({"id": user, "type": 2, "email": "u@zoom.example"})),
            ("POST", ["users", "me", "meetings"]) => {
                self.limited(user).unwrap_or_else(|| self.create(user, &call.body))
            }
            ("GET", ["users", "me", "meetings"]) => self.list(user, &call.query),
            (_, ["meetings", id]) => {
                let Some(meeting) = self.book.find(id, user) else {
                    return trouble(404, 3001, &format!("Meeting does not exist: {id}."));
                };
                match method {
                    "GET" => Said::json(200, meeting),
                    "PATCH" => self.limited(user).unwrap_or_else(|| self.change(id, &call.body)),
                    "DELETE" => {
                        self.book.remove(id);
                        Said::empty(204)
                    }
                    _ => trouble(405, 405, "Method not allowed."),
                }
            }
            _ => not_found(),
        }
    }

    fn count_from(&mut self, number: u32) {
        self.book.first = number;
    }

    fn refuse(refusal: Refusal) -> Said {
        match refusal {
            Refusal::Unauthorized => trouble(401, 124, "Access token is expired."),
            Refusal::Crowded | Refusal::TooMany { after: None } => trouble(429, 429, PER_SECOND),
            Refusal::TooMany { after: Some(after) } => trouble(429, 429, PER_SECOND).header("Retry-After", after),
            Refusal::Status(status) => trouble(status, status.into(), "Something went wrong."),
        }
    }
}

impl Zoom {
    fn limited(&mut self, user: &str) -> Option<Said> {
        if !self.book.is_over(user) {
            self.book.pass(user);
            return None;
        }
        let message = format!(
            "You have exceeded the daily rate limit ({}) of Meeting Create/Update API requests permitted for this \
             particular user. You may resume these requests at GMT 00:00:00.",
            self.book.daily
        );
        // As it was seen: these two tell of another bucket, and when to come back is not said.
        let said = trouble(429, 429, &message).header("X-RateLimit-Category", "Light");
        Some(said.header("X-RateLimit-Limit", "80").header("X-RateLimit-Remaining", "79"))
    }

    fn create(&mut self, user: &str, body: &Value) -> Said {
        if self.book.is_full() {
            return trouble(400, 300, "Too many meetings.");
        }
        if let Some(said) = invalid(body, true) {
            return said;
        }
        let id = BEFORE_FIRST_ID + self.book.next();
        let meeting = json!({
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
        Said::json(201, self.book.add(&id.to_string(), user, meeting, body))
    }

    fn change(&mut self, id: &str, body: &Value) -> Said {
        if let Some(said) = invalid(body, false) {
            return said;
        }
        self.book.change(id, body);
        Said::empty(204)
    }

    fn list(&self, user: &str, query: &Query) -> Said {
        // A list says less, and less of what it says.
        let shown = ["id", "uuid", "host_id", "topic", "type", "start_time", "duration", "timezone", "join_url"];
        let item = |meeting: &Map<String, Value>| {
            let mut item: Map<String, Value> =
                shown.iter().filter_map(|name| Some(((*name).to_owned(), meeting.get(*name)?.clone()))).collect();
            let agenda = meeting.get("agenda").and_then(Value::as_str).unwrap_or_default();
            item.insert("agenda".to_owned(), agenda.chars().take(LISTED_AGENDA).collect::<String>().into());
            Value::Object(item)
        };
        let mine: Vec<Value> = self.book.of(user).map(item).collect();
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

fn trouble(status: u16, code: u32, message: &str) -> Said {
    Said::json(status, json!({"code": code, "message": message}))
}

fn not_found() -> Said {
    trouble(404, 404, "Not found.")
}
