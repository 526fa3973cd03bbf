//! Webex, as far as meetings go: it makes, shows, finds, changes and deletes them for the users whose tokens are good.
//!
//! So many meetings are made for a user in a day; the day ends when a test says so.

use crate::desk::{Refusal, Said};
use crate::meetings::{Book, Meets};
use crate::stand::{Call, Provider, Query, Stand};
use serde_json::{Map, Value, json};

const MAX_TITLE: usize = 128;
const MAX_AGENDA: usize = 1300;
const MAX_TAG: usize = 64;
const MAX_TAGS: usize = 10;

/// Webex, as far as meetings go.
#[derive(Debug)]
pub struct Webex {
    /// Creations count for a day.
    book: Book,
    retry_after: u64,
}

impl Default for Webex {
    fn default() -> Self {
        Self { book: Book::default(), retry_after: 3600 }
    }
}

impl Meets for Webex {
    fn book(&mut self) -> &mut Book {
        &mut self.book
    }
}

impl Stand<Webex> {
    /// From now on so many meetings are made for a user in a day; who comes after is told to wait for so many seconds.
    pub fn daily(&self, passes: u32, retry_after: u64) {
        let mut webex = self.provider();
        (webex.book.daily, webex.retry_after) = (passes, retry_after);
    }
}

impl Provider for Webex {
    const BASE: &'static str = "/v1";

    fn answer(&mut self, user: &str, call: &Call<'_>) -> Said {
        let (method, pieces) = call.route();
        let ["v1", rest @ ..] = &pieces[..] else { return not_found() };
        match (method, rest) {
            ("GET", ["people", "me"]) => Said::json(200, json!({"id": user, "emails": ["u@webex.example"]})),
            ("POST", ["meetings"]) => self.create(user, &call.body),
            ("GET", ["meetings"]) => self.list(user, &call.query),
            (_, ["meetings", id]) => {
                let Some(meeting) = self.book.find(id, user) else {
                    return trouble(404, "The requested resource could not be found.");
                };
                match method {
                    "GET" => Said::json(200, meeting),
                    "PUT" | "PATCH" => self.change(id, &call.body),
                    "DELETE" => {
                        self.book.remove(id);
                        Said::empty(204)
                    }
                    _ => trouble(405, "Method Not Allowed"),
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
            Refusal::Unauthorized => trouble(401, "The request requires a valid access token."),
            Refusal::Crowded | Refusal::TooMany { after: None } => trouble(429, "Too Many Requests"),
            Refusal::TooMany { after: Some(after) } => trouble(429, "Too Many Requests").header("Retry-After", after),
            Refusal::Status(status) => trouble(status, "Something went wrong."),
        }
    }
}

impl Webex {
    fn create(&mut self, user: &str, body: &Value) -> Said {
        if self.book.is_over(user) {
            return trouble(429, "Too Many Requests").header("Retry-After", self.retry_after.to_string());
        }
        if self.book.is_full() {
            return trouble(400, "Too many meetings.");
        }
        if let Some(said) = invalid(body) {
            return said;
        }
        self.book.pass(user);
        let number = self.book.next();
        let id = format!("870f51ff287b41be8648412901e0{number:04}");
        let meeting = json!({
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
        Said::json(200, self.book.add(&id, user, meeting, body))
    }

    fn change(&mut self, id: &str, body: &Value) -> Said {
        invalid(body).unwrap_or_else(|| Said::json(200, self.book.change(id, body)))
    }

    fn list(&self, user: &str, query: &Query) -> Said {
        let tag = query.get("integrationTag");
        let has = |meeting: &&Map<String, Value>| {
            let tags = meeting.get("integrationTags").and_then(Value::as_array);
            tag.is_none_or(|tag| tags.is_some_and(|tags| tags.iter().any(|known| known == tag.as_str())))
        };
        let items: Vec<&Map<String, Value>> = self.book.of(user).filter(has).collect();
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

fn trouble(status: u16, message: &str) -> Said {
    let errors = json!([{"description": message}]);
    Said::json(status, json!({"message": message, "errors": errors, "trackingId": "ROUTER_sandbox"}))
}

fn not_found() -> Said {
    trouble(404, "Not found.")
}
