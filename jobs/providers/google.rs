//! Google Calendar: its events read page by page, and ours written; Meet comes with an event.
//!
//! Instances are asked for, never the rules of series: Google expands them. A full round has a window; what follows it
//! has a token that remembers that window. Written events have their key as id, so creating one twice is a conflict,
//! and the event that is there is the answer.

mod body;
mod cursor;
mod item;
#[cfg(test)]
mod tests;
mod trouble;

use chrono::SecondsFormat;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use self::cursor::Cursor;
use super::{
    Answering, Calendar, CalendarWriter, Draft, EventKey, EventMeeting, Fault, Made, Next, Page, Window,
    session::{Ask, Reply, Session},
};

/// As many as can be had by parts: a page is held in memory, and stored in one transaction.
const PAGE: u32 = 250;

#[derive(Debug, Clone)]
pub(crate) struct Google {
    session: Session,
    calendar: String,
}

/// A page as it comes. Items are read one by one: one that cannot be understood is no reason to lose the others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    time_zone: Option<String>,
    next_page_token: Option<String>,
    next_sync_token: Option<String>,
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
}

impl Google {
    /// A calendar of the account; none is its main one.
    pub(crate) fn new(session: Session, calendar: Option<&str>) -> Self {
        Self { session, calendar: calendar.unwrap_or("primary").to_owned() }
    }

    async fn page(&self, at: Option<&str>, window: Window) -> Result<Page, Fault> {
        let cursor = match at {
            None => Cursor::begin(window),
            // A cursor that is not ours, or of an older release, is one that is taken no more.
            Some(text) => Cursor::read(text).ok_or_else(|| Fault::Expired {
                why: format!("{}: the stored cursor cannot be read", self.session.who),
            })?,
        };
        let reply = self.session.ask(self.list(&cursor)).await?;
        if !reply.is_success() {
            return Err(trouble::of_reading(&self.session, &reply));
        }
        let list: List<'_> = self.session.parsed(&reply)?;
        let next = match (list.next_page_token, list.next_sync_token) {
            (Some(page), _) => Next::Page(cursor.on(page).text()),
            (None, Some(sync)) => Next::End(Some(Cursor::since(sync).text())),
            // Whoever took this for the end would take all that did not come for deleted.
            (None, None) => {
                let why =
                    format!("{} answers with a page that is neither followed by one nor the last", self.session.who);
                return Err(Fault::Retry { after: None, why });
            }
        };
        let zone = list.time_zone.as_deref().and_then(super::zones::zone);
        let changes = list.items.iter().map(|item| item::change(item.get(), zone)).collect();
        Ok(Page { changes, zone: list.time_zone, next })
    }

    /// What is constant stands here once: a round whose requests differ is refused.
    fn list(&self, cursor: &Cursor) -> Ask {
        let ask = Ask::get(&["calendars", &self.calendar, "events"])
            .query("singleEvents", "true")
            .query("maxResults", PAGE.to_string())
            // Of the attendees only the owner counts, and that one always comes.
            .query("maxAttendees", "1");
        let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        match cursor {
            Cursor::Full { from, to, page } => {
                ask.query("timeMin", time(*from)).query("timeMax", time(*to)).maybe("pageToken", page.clone())
            }
            Cursor::Since { sync, page } => ask.query("syncToken", sync).maybe("pageToken", page.clone()),
        }
    }

    fn event(&self, method: Method, id: &str) -> Ask {
        Ask::new(method, &["calendars", &self.calendar, "events", id])
    }

    /// The parsed event of a 2xx, or what is wrong.
    fn written(&self, reply: &Reply) -> Result<Value, Fault> {
        if reply.is_success() { self.session.parsed(reply) } else { Err(trouble::of(&self.session, reply)) }
    }

    async fn read(&self, id: &str) -> Result<Value, Fault> {
        let reply = self.session.ask(self.event(Method::GET, id)).await?;
        let event = self.written(&reply)?;
        if is_cancelled(&event) {
            return Err(Fault::Gone { why: format!("{}: the event was deleted", self.session.who) });
        }
        Ok(event)
    }

    async fn insert(&self, draft: &Draft) -> Result<Made, Fault> {
        let mut body = body::of(draft);
        body.insert("id".to_owned(), json!(draft.key.as_str()));
        let ask = Ask::post(&["calendars", &self.calendar, "events"], Value::Object(body));
        let reply = self.session.ask(writing(ask, draft.tell_attendees)).await?;
        if reply.is_success() {
            return self.made(&self.session.parsed(&reply)?, draft.with_meeting);
        }
        match trouble::of(&self.session, &reply) {
            // It is there, or was.
            conflict @ Fault::Conflict { .. } => self.found(draft, conflict).await,
            fault => Err(fault),
        }
    }

    async fn found(&self, draft: &Draft, conflict: Fault) -> Result<Made, Fault> {
        let reply = self.session.ask(self.event(Method::GET, draft.key.as_str())).await?;
        let event = match self.written(&reply) {
            Ok(event) => event,
            // Neither there nor free: whatever is in the way may have gone by the next time.
            Err(Fault::Gone { .. }) => return Err(conflict),
            Err(fault) => return Err(fault),
        };
        if !is_cancelled(&event) {
            let differs = !body::changes(&event, draft).is_empty();
            return Ok(Made { differs, ..self.made(&event, draft.with_meeting)? });
        }
        // A deleted event keeps its id for good; what it was is of no use.
        let mut body = body::of(draft);
        body.insert("status".to_owned(), json!("confirmed"));
        // Whoever was invited to it was told that it is off.
        body.entry("attendees").or_insert_with(|| json!([]));
        self.patch(draft.key.as_str(), version(&event), body, draft).await
    }

    async fn change(&self, id: &str, known: Option<&str>, draft: &Draft) -> Result<Made, Fault> {
        let event = self.read(id).await?;
        let now = version(&event);
        if known.is_some() && known != now {
            return Err(Fault::Conflict { why: format!("{}: the event has changed since", self.session.who) });
        }
        let changes = body::changes(&event, draft);
        // What is as it should be is not written again: nobody gets a mail that says nothing new.
        if changes.is_empty() {
            return self.made(&event, draft.with_meeting);
        }
        self.patch(id, now, changes, draft).await
    }

    async fn patch(
        &self,
        id: &str,
        version: Option<&str>,
        changes: serde_json::Map<String, Value>,
        draft: &Draft,
    ) -> Result<Made, Fault> {
        let ask = self.event(Method::PATCH, id).body(Value::Object(changes)).if_match(version);
        let reply = self.session.ask(writing(ask, draft.tell_attendees)).await?;
        self.made(&self.written(&reply)?, draft.with_meeting)
    }

    async fn delete(&self, id: &str, tell_attendees: bool) -> Result<(), Fault> {
        let ask = self.event(Method::DELETE, id).query("sendUpdates", told(tell_attendees));
        let reply = self.session.ask(ask).await?;
        if reply.is_success() {
            return Ok(());
        }
        match trouble::of(&self.session, &reply) {
            Fault::Gone { .. } => Ok(()),
            fault => Err(fault),
        }
    }

    /// Nobody is told of it. If somebody invites guests in this very moment, it is looked at again.
    async fn unmeet(&self, id: &str) -> Result<(), Fault> {
        let event = match self.read(id).await {
            Err(Fault::Gone { .. }) => return Ok(()),
            event => event?,
        };
        let ask = if body::has_guests(&event) {
            if event["conferenceData"].is_null() {
                return Ok(());
            }
            writing(self.event(Method::PATCH, id).body(json!({"conferenceData": null})), false)
        } else {
            self.event(Method::DELETE, id).query("sendUpdates", told(false))
        };
        let reply = self.session.ask(ask.if_match(version(&event))).await?;
        if reply.is_success() {
            return Ok(());
        }
        match trouble::of(&self.session, &reply) {
            Fault::Gone { .. } => Ok(()),
            fault => Err(fault),
        }
    }

    fn made(&self, event: &Value, with_meeting: bool) -> Result<Made, Fault> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text("id").ok_or_else(|| Fault::Retry {
            after: None,
            why: format!("{} answers with an event that has no id", self.session.who),
        })?;
        let meeting = if with_meeting { body::meeting(event) } else { EventMeeting::None };
        Ok(Made { id, version: text("etag"), meeting, differs: false })
    }
}

/// Of every write: without the version, what is said of conferences is passed over in silence.
fn writing(ask: Ask, tell_attendees: bool) -> Ask {
    ask.query("conferenceDataVersion", "1").query("sendUpdates", told(tell_attendees))
}

fn told(tell_attendees: bool) -> &'static str {
    if tell_attendees { "all" } else { "none" }
}

fn version(event: &Value) -> Option<&str> {
    event.get("etag").and_then(Value::as_str)
}

fn is_cancelled(event: &Value) -> bool {
    event.get("status").and_then(Value::as_str) == Some("cancelled")
}

impl Calendar for Google {
    fn changes<'a>(&'a self, at: Option<&'a str>, window: Window) -> Answering<'a, Page> {
        Box::pin(self.page(at, window))
    }
}

impl CalendarWriter for Google {
    fn create<'a>(&'a self, draft: &'a Draft) -> Answering<'a, Made> {
        Box::pin(self.insert(draft))
    }

    fn update<'a>(&'a self, id: &'a str, version: Option<&'a str>, draft: &'a Draft) -> Answering<'a, Made> {
        Box::pin(self.change(id, version, draft))
    }

    fn remove<'a>(&'a self, id: &'a str, tell_attendees: bool) -> Answering<'a, ()> {
        Box::pin(self.delete(id, tell_attendees))
    }

    fn remove_meeting<'a>(&'a self, id: &'a str) -> Answering<'a, ()> {
        Box::pin(self.unmeet(id))
    }

    fn look<'a>(&'a self, id: &'a str) -> Answering<'a, Made> {
        Box::pin(async move { self.made(&self.read(id).await?, true) })
    }

    fn find<'a>(&'a self, key: &'a EventKey, _around: Window) -> Answering<'a, Option<Made>> {
        // The key is the id.
        Box::pin(async move {
            match self.read(key.as_str()).await {
                Ok(event) => self.made(&event, true).map(Some),
                Err(Fault::Gone { .. }) => Ok(None),
                Err(fault) => Err(fault),
            }
        })
    }
}
