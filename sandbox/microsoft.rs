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
use crate::calendars::{Calendars, Keeps};
use crate::desk::{Refusal, Said};
use crate::stand::{Call, Provider, Stand};
use serde_json::{Value, json};
use std::collections::HashMap;

/// How a delta that is not good any more is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// 410, with a place to begin anew, and nothing else.
    #[default]
    Gone,
    /// 400 with the code.
    NotFound,
}

/// Graph, as far as calendars and meetings go.
#[derive(Debug, Default)]
pub struct Graph {
    calendars: Calendars<Shelf>,
    teams: Teams,
    reset: Reset,
    is_endless: bool,
    /// Instances come on pages without their master.
    is_split: bool,
    /// Where links lead, if not here.
    links_to: Option<String>,
    /// Of mailboxes whose owners consented to tell.
    zones: HashMap<String, String>,
    turns: u64,
}

impl Keeps for Graph {
    type Shelf = Shelf;

    fn calendars(&mut self) -> &mut Calendars<Shelf> {
        &mut self.calendars
    }
}

impl Stand<Graph> {
    /// No delta that was given so far is good any more, and is refused so.
    pub fn expire_cursors(&self, who: &str, reset: Reset) {
        let mut graph = self.provider();
        graph.reset = reset;
        graph.calendars.renew(who);
    }

    /// The owner of the mailbox lives in this zone, and consents to tell.
    pub fn zone(&self, who: &str, name: &str) {
        self.provider().zones.insert(who.to_owned(), name.to_owned());
    }

    /// Deltas go round in circles.
    pub fn endless(&self, is_endless: bool) {
        self.provider().is_endless = is_endless;
    }

    /// Instances come without their master.
    pub fn split_series(&self) {
        self.provider().is_split = true;
    }

    /// Links to further pages lead to this address.
    pub fn lead_away(&self, base: &str) {
        self.provider().links_to = Some(base.to_owned());
    }

    /// Meetings that stand in no calendar.
    #[must_use]
    pub fn meetings(&self, who: &str) -> Vec<Value> {
        self.provider().teams.of(who)
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

impl Provider for Graph {
    const BASE: &'static str = "/v1.0";

    fn answer(&mut self, who: &str, call: &Call<'_>) -> Said {
        let (method, pieces) = call.route();
        let (request, query, body) = (call.request, &call.query, &call.body);
        let ["v1.0", "me", rest @ ..] = &pieces[..] else { return error(400, "BadRequest") };
        // A calendar by its id is the same as the main one: there is only one.
        let rest = if let ["calendars", _, below @ ..] = rest { below } else { rest };
        if matches!(method, "POST" | "PATCH") && !body.is_object() {
            return error(400, "RequestBodyRead");
        }
        match (method, rest) {
            ("GET", ["calendarView", "delta"]) => self.delta(who, request, query),
            ("GET", ["calendarView"]) => self.plain(who, request, query),
            ("GET", ["mailboxSettings", "timeZone"]) => match self.zones.get(who) {
                Some(zone) => Said::json(200, json!({"value": zone})),
                None => error(403, "ErrorAccessDenied"),
            },
            ("POST", ["events"]) => self.insert(who, body.clone()),
            ("GET", ["events", id]) => self.read(who, id),
            ("PATCH", ["events", id]) => self.patch(who, id, body, request),
            ("DELETE", ["events", id]) => self.delete(who, id, request),
            (method, ["onlineMeetings", rest @ ..]) => self.teams.answer(who, method, rest, body),
            _ => error(400, "BadRequest"),
        }
    }

    fn count_from(&mut self, number: u32) {
        self.calendars.count_from(number);
        self.teams.made = number;
    }

    fn refuse(refusal: Refusal) -> Said {
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
