//! Webex, as far as meetings go: it makes, shows, finds, changes and deletes them for the users whose tokens are good.
//!
//! So many meetings are made for a user in a day; the day ends when a test says so.

use crate::stand_in::{Asked, Rules, Said, StandIn, handles};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io;

/// More than any test makes.
const MAX_MEETINGS: usize = 100_000;
const MAX_TITLE: usize = 128;
const MAX_AGENDA: usize = 1300;
const MAX_TAG: usize = 64;
const MAX_TAGS: usize = 10;

/// A stand-in for Webex, until it is stopped or dropped.
#[derive(Debug)]
pub struct Webex {
    stand_in: StandIn<Desk>,
}

handles!(Webex);

#[derive(Debug)]
struct Desk {
    meetings: BTreeMap<String, (String, Map<String, Value>)>,
    made: usize,
    today: HashMap<String, u32>,
    daily: u32,
    over: usize,
    retry_after: u64,
}

impl Webex {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let (meetings, today) = (BTreeMap::new(), HashMap::new());
        let desk = Desk { meetings, made: 0, today, daily: 100, over: 0, retry_after: 3600 };
        Ok(Self { stand_in: StandIn::start(desk).await? })
    }

    /// What `api_url` is to be.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}/v1", self.stand_in.address())
    }

    /// All meetings that there are, as Webex would show them.
    #[must_use]
    pub fn meetings(&self) -> Vec<Value> {
        let state = self.stand_in.lock();
        state.rules.meetings.values().map(|(_, meeting)| Value::Object(meeting.clone())).collect()
    }

    /// How many were made, of whom some may be gone again.
    #[must_use]
    pub fn made(&self) -> usize {
        self.stand_in.lock().rules.made
    }

    /// A user deletes a meeting in Webex's own pages.
    pub fn forget(&self, id: &str) {
        self.stand_in.lock().rules.meetings.remove(id);
    }

    /// From now on so many meetings are made for a user in a day; who comes after is told to wait for so many seconds.
    pub fn daily(&self, passes: u32, retry_after: u64) {
        let mut state = self.stand_in.lock();
        (state.rules.daily, state.rules.retry_after) = (passes, retry_after);
    }

    /// A day has passed.
    pub fn next_day(&self) {
        self.stand_in.lock().rules.today.clear();
    }

    /// Requests that came after their user's day was full.
    #[must_use]
    pub fn over_the_limit(&self) -> usize {
        self.stand_in.lock().rules.over
    }
}

impl Rules for Desk {
    fn answer(&mut self, user: &str, asked: &Asked) -> Said {
        let (method, pieces) = asked.route();
        match (method, &pieces[..]) {
            ("GET", ["people", "me"]) => Said::json(200, json!({"id": user, "emails": ["u@webex.example"]})),
            ("POST", ["meetings"]) => self.create(user, &asked.body),
            ("GET", ["meetings"]) => self.list(user, &asked.query),
            (_, ["meetings", id]) => {
                if self.meetings.get(*id).is_none_or(|(owner, _)| owner != user) {
                    return trouble(404, "The requested resource could not be found.");
                }
                match method {
                    "GET" => Said::json(200, Value::Object(self.meetings[*id].1.clone())),
                    "PUT" => self.change(id, &asked.body),
                    "DELETE" => {
                        self.meetings.remove(*id);
                        Said::empty(204)
                    }
                    _ => trouble(405, "Method Not Allowed"),
                }
            }
            _ => trouble(404, "Not found."),
        }
    }

    fn unauthorized(&self) -> Said {
        trouble(401, "The request requires a valid access token set in the Authorization request header.")
    }
}

impl Desk {
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
