//! Somebody's mailbox behind Microsoft Graph: the delta of a calendar's view, single events, and meetings of Teams.
//!
//! Each account has one calendar. Instances of a series come bare, on one page with their master; one that was deleted
//! leaves no trace. An event with the transaction of another is that other one. All of it is in memory.

mod events;
mod shelf;
mod teams;
mod view;

use self::shelf::Shelf;
use self::teams::Teams;
use crate::desk::{Api, Desk, Refusal, Said};
use crate::http::Request;
use crate::query::take_apart;
use crate::series::Series;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where its API begins.
const BASE: &str = "/v1.0";

/// How a delta that is not good any more is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// 410, with a place to begin anew, and nothing else.
    #[default]
    Gone,
    /// 400 with the code.
    NotFound,
}

/// A mailbox server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct MicrosoftServer {
    desk: Desk,
    graph: Arc<Graph>,
}

#[derive(Debug, Default)]
struct Graph {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calendars: HashMap<String, Shelf>,
    teams: Teams,
    page_size: Option<usize>,
    reset: Reset,
    is_endless: bool,
    /// Instances come on pages without their master.
    is_split: bool,
    /// Where links lead, if not here.
    links_to: Option<String>,
    meeting_takes: u32,
    looks: HashMap<String, u32>,
    no_meetings: bool,
    mails: Vec<(String, String)>,
    /// Of mailboxes whose owners consented to tell.
    zones: HashMap<String, String>,
    turns: u64,
}

impl MicrosoftServer {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let graph = Arc::new(Graph::default());
        let desk = Desk::open(Arc::clone(&graph) as Arc<dyn Api>).await?;
        Ok(Self { desk, graph })
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

    /// Put an event into the calendar of `who`, or another one in its place: JSON as Graph has it, with an `id`.
    ///
    /// # Panics
    /// When it has none.
    pub fn put(&self, who: &str, event: Value) {
        let id = event["id"].as_str().expect("an event has an id").to_owned();
        self.graph.lock().of(who).put(&id, event);
    }

    /// Put in a series, or what it is now.
    pub fn put_series(&self, who: &str, series: &Series) {
        self.graph.lock().of(who).put_series(series);
    }

    /// Delete an event, or a series with all its instances.
    pub fn remove(&self, who: &str, id: &str) {
        self.graph.lock().of(who).remove(id);
    }

    /// The owner of the mailbox lives in this zone, and consents to tell.
    pub fn zone(&self, who: &str, name: &str) {
        self.graph.lock().zones.insert(who.to_owned(), name.to_owned());
    }

    /// What stands in the calendar, without the masters of series.
    #[must_use]
    pub fn events(&self, who: &str) -> Vec<Value> {
        self.graph.lock().of(who).living().cloned().collect()
    }

    /// No delta that was given so far is good any more, and is refused so.
    pub fn expire_cursors(&self, who: &str, reset: Reset) {
        let mut state = self.graph.lock();
        state.reset = reset;
        state.of(who).generation += 1;
    }

    /// Pages are no longer than this, whatever is asked for; but a series stays on one.
    pub fn page_size(&self, size: usize) {
        self.graph.lock().page_size = Some(size);
    }

    /// Deltas go round in circles.
    pub fn endless(&self, is_endless: bool) {
        self.graph.lock().is_endless = is_endless;
    }

    /// Instances come without their master.
    pub fn split_series(&self) {
        self.graph.lock().is_split = true;
    }

    /// Links to further pages lead to this address.
    pub fn lead_away(&self, base: &str) {
        self.graph.lock().links_to = Some(base.to_owned());
    }

    /// A meeting is there only after its event was looked at so often.
    pub fn meeting_takes(&self, looks: u32) {
        self.graph.lock().meeting_takes = looks;
    }

    /// The calendar has no meetings of Teams: who wants one is not heard.
    pub fn no_meetings(&self) {
        self.graph.lock().no_meetings = true;
    }

    /// Meetings that stand in no calendar.
    #[must_use]
    pub fn meetings(&self, who: &str) -> Vec<Value> {
        self.graph.lock().teams.of(who)
    }

    /// What was told to attendees, and of which event.
    #[must_use]
    pub fn mails(&self) -> Vec<(String, String)> {
        self.graph.lock().mails.clone()
    }

    /// Close every connection, and return when no task is left.
    pub async fn stop(self) {
        self.desk.stop().await;
    }
}

impl Graph {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refusal in the words of Graph.
fn error(status: u16, code: &str) -> Said {
    let inner = json!({"date": "2027-01-12T12:00:00", "request-id": "00000000-0000-0000-0000-000000000000"});
    let said = json!({"error": {"code": code, "message": format!("{code}, says the sandbox"), "innerError": inner}});
    Said::json(status, &said).header("request-id", "00000000-0000-0000-0000-000000000000")
}

fn not_found() -> Said {
    error(404, "ErrorItemNotFound")
}

impl Api for Graph {
    fn answer(&self, who: &str, request: &Request) -> Said {
        let (pieces, query) = take_apart(&request.path);
        let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
        let ["v1.0", "me", rest @ ..] = &pieces[..] else { return error(400, "BadRequest") };
        // A calendar by its id is the same as the main one: there is only one.
        let rest = if let ["calendars", _, below @ ..] = rest { below } else { rest };
        let body = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        let is_broken = matches!(request.method.as_str(), "POST" | "PATCH") && !body.is_object();
        if is_broken {
            return error(400, "RequestBodyRead");
        }
        let mut state = self.lock();
        match (request.method.as_str(), rest) {
            ("GET", ["calendarView", "delta"]) => state.delta(who, request, &query),
            ("GET", ["calendarView"]) => state.plain(who, request, &query),
            ("GET", ["mailboxSettings", "timeZone"]) => match state.zones.get(who) {
                Some(zone) => Said::json(200, json!({"value": zone})),
                None => error(403, "ErrorAccessDenied"),
            },
            ("POST", ["events"]) => state.insert(who, body),
            ("GET", ["events", id]) => state.read(who, id),
            ("PATCH", ["events", id]) => state.patch(who, id, &body, request),
            ("DELETE", ["events", id]) => state.delete(who, id, request),
            (method, ["onlineMeetings", rest @ ..]) => state.teams.answer(who, method, rest, &body),
            _ => error(400, "BadRequest"),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Said {
        match refusal {
            Refusal::Unauthorized => error(401, "InvalidAuthenticationToken"),
            Refusal::Crowded => error(429, "ApplicationThrottled").header("Retry-After", "1"),
            Refusal::TooMany { after } => {
                let said = error(429, "TooManyRequests");
                after.map_or(said.clone(), |after| said.header("Retry-After", after.to_string()))
            }
            Refusal::Status(status) => error(status, "ErrorInternalServerError"),
        }
    }
}

impl State {
    fn of(&mut self, who: &str) -> &mut Shelf {
        self.calendars.entry(who.to_owned()).or_default()
    }
}
