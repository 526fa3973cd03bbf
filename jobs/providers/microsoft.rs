//! Microsoft Graph: the calendars of Outlook read page by page, ours written, and meetings of Teams.
//!
//! A round is a delta over the view of a calendar, in which Graph expands series: their instances come bare, with what
//! they have in common in the master beside them, so a page is put together before it is told. Links are followed as
//! they are, and only within the configured address. A delta that goes round in circles, which is a known fault of the
//! service, is given up: see `cursor.rs`. An event that we write has its key as transaction, so creating it twice is
//! creating it once.

mod body;
mod cursor;
mod item;
mod meetings;
mod page;
#[cfg(test)]
mod tests;
mod trouble;

use chrono::SecondsFormat;
use reqwest::{Method, header::HeaderName};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use self::cursor::{Cursor, Way};
pub(crate) use self::meetings::OnlineMeeting;
use super::{
    Answering, Calendar, CalendarWriter, Draft, EventKey, Fault, Made, Next, Page, Window,
    session::{Ask, Reply, Session},
    zones,
};

/// As many as can be had by parts: a page is held in memory, and stored in one transaction.
const PAGE: u32 = 250;
/// Ids that outlive a move, times that need no zone, and text that is no page of HTML. The same in all calls, because ids
/// of one kind mean nothing among those of the other.
const COMMON: &str = r#"outlook.timezone="UTC", IdType="ImmutableId", outlook.body-content-type="text""#;
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Pages of a view that are looked through for an event of ours.
const MAX_SEARCHED: usize = 8;

#[derive(Debug, Clone)]
pub(crate) struct Microsoft {
    session: Session,
    /// None: the main one.
    calendar: Option<String>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta: Option<String>,
}

impl Microsoft {
    /// A calendar of the account; none is its main one.
    pub(crate) fn new(session: Session, calendar: Option<&str>) -> Self {
        Self { session, calendar: calendar.map(str::to_owned) }
    }

    async fn page(&self, at: Option<&str>, window: Window) -> Result<Page, Fault> {
        let cursor = match at {
            None => Cursor::begin(window),
            Some(text) => Cursor::read(text).ok_or_else(|| self.expired("the stored cursor cannot be read"))?,
        };
        let reply = self.session.ask(self.view(&cursor)?).await?;
        if !reply.is_success() {
            return Err(trouble::of_reading(&self.session, &reply));
        }
        let list: List<'_> = self.session.parsed(&reply)?;
        let items: Vec<_> = list.value.iter().map(|item| item::read(item.get())).collect();
        let next = self.next(cursor, &items, list.next, list.delta)?;
        let masters = self.missing_masters(&items).await?;
        let zone = if at.is_none() { self.zone().await? } else { None };
        Ok(Page { changes: page::changes(items, &masters), zone, next })
    }

    /// In which zone the owner of the mailbox lives: days are days there. None: nobody consented to our knowing, or it is
    /// none that we know; then it is as it was.
    async fn zone(&self) -> Result<Option<String>, Fault> {
        #[derive(Deserialize)]
        struct Setting {
            value: String,
        }
        let reply = self.session.ask(Ask::get(&["me", "mailboxSettings", "timeZone"])).await?;
        if reply.is_success() {
            let setting: Setting = self.session.parsed(&reply)?;
            return Ok(zones::zone(&setting.value).map(|zone| zone.name().to_owned()));
        }
        match trouble::of(&self.session, &reply) {
            fault @ (Fault::Retry { .. } | Fault::Limited { .. } | Fault::Unauthorized { .. }) => Err(fault),
            Fault::Reconnect { .. }
            | Fault::Gone { .. }
            | Fault::Expired { .. }
            | Fault::Conflict { .. }
            | Fault::Refused { .. }
            | Fault::Misconfigured { .. } => Ok(None),
        }
    }

    fn expired(&self, what: &str) -> Fault {
        Fault::Expired { why: format!("{}: {what}", self.session.who) }
    }

    fn view(&self, cursor: &Cursor) -> Result<Ask, Fault> {
        let ask = match &cursor.link {
            // It was judged when it was stored: the operator has moved us to another address since.
            Some(link) => {
                self.session.follow(link).map_err(|_| self.expired("the stored link leads to another address"))?
            }
            None => self.begin(cursor),
        };
        Ok(ask.header(PREFER, format!("odata.maxpagesize={PAGE}, {COMMON}")))
    }

    fn begin(&self, cursor: &Cursor) -> Ask {
        let pieces: &[&str] = match cursor.way {
            Way::Delta => &["calendarView", "delta"],
            Way::Plain => &["calendarView"],
        };
        let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let Window { from, to } = cursor.window;
        let ask =
            Ask::get(&self.below_calendar(pieces)).query("startDateTime", time(from)).query("endDateTime", time(to));
        match cursor.way {
            // Its parts are as large as its header says, and it takes no such parameter.
            Way::Delta => ask,
            Way::Plain => ask.query("$top", PAGE.to_string()),
        }
    }

    /// The path to something of our calendar.
    fn below_calendar<'a>(&'a self, pieces: &[&'a str]) -> Vec<&'a str> {
        let calendar = self.calendar.as_deref();
        let mut path = vec!["me"];
        path.extend(calendar.into_iter().flat_map(|id| ["calendars", id]));
        path.extend(pieces);
        path
    }

    /// Where the round goes on, or that it must not go on like this.
    fn next(
        &self,
        cursor: Cursor,
        items: &[item::Read],
        next: Option<String>,
        delta: Option<String>,
    ) -> Result<Next, Fault> {
        let link = match (next, delta, cursor.way) {
            (Some(link), _, _) => link,
            (None, Some(link), _) => {
                self.session.follow(&link)?;
                return Ok(Next::End(Some(cursor.ended(link).text())));
            }
            (None, None, Way::Plain) => return Ok(Next::End(None)),
            // Whoever took this for the end would take all that did not come for deleted.
            (None, None, Way::Delta) => {
                let why =
                    format!("{} answers with a page that is neither followed by one nor the last", self.session.who);
                return Err(Fault::Retry { after: None, why });
            }
        };
        // Judged before it is stored, so that a cursor in the store is one that can be followed.
        self.session.follow(&link)?;
        let (is_full, way, window) = (cursor.is_full, cursor.way, cursor.window);
        match cursor.on(link, &page::fingerprint(items)) {
            Some(cursor) => Ok(Next::Page(cursor.text())),
            // A full round goes on without a delta: what it finds then is all there is.
            None if is_full && way == Way::Delta => Ok(Next::Page(Cursor::plain(window).text())),
            None if is_full => {
                let why = format!("{}: the view of the calendar does not end", self.session.who);
                Err(Fault::Refused { why })
            }
            None => Err(self.expired("the delta repeats itself and does not end")),
        }
    }

    /// Masters of instances that came without them: an instance alone does not say what it is.
    async fn missing_masters(&self, items: &[item::Read]) -> Result<Vec<item::Item>, Fault> {
        let mut masters = Vec::new();
        for id in page::missing(items) {
            let reply = self.session.ask(call_of(Method::GET, id)).await?;
            if reply.is_success() {
                let master: &RawValue = self.session.parsed(&reply)?;
                masters.extend(item::read(master.get()).ok());
                continue;
            }
            match trouble::of(&self.session, &reply) {
                // It was deleted meanwhile, and with it its instances: the next round says so.
                Fault::Gone { .. } => {}
                fault => return Err(fault),
            }
        }
        Ok(masters)
    }

    /// The parsed event of a 2xx, or what is wrong.
    fn written(&self, reply: &Reply) -> Result<Value, Fault> {
        if reply.is_success() { self.session.parsed(reply) } else { Err(trouble::of(&self.session, reply)) }
    }

    async fn read(&self, id: &str) -> Result<Value, Fault> {
        self.written(&self.session.ask(call_of(Method::GET, id)).await?)
    }

    async fn insert(&self, draft: &Draft) -> Result<Made, Fault> {
        let mut body = body::of(draft);
        body.insert("transactionId".to_owned(), json!(draft.key.as_str()));
        let ask = Ask::post(&self.below_calendar(&["events"]), Value::Object(body)).header(PREFER, COMMON);
        let event = self.written(&self.session.ask(ask).await?)?;
        // The answer is the same, whether the event is new or was there; only what it says may be older.
        let differs = !body::changes(&event, draft).is_empty();
        Ok(Made { differs, ..self.made(&event, draft.with_meeting)? })
    }

    async fn change(&self, id: &str, known: Option<&str>, draft: &Draft) -> Result<Made, Fault> {
        let event = self.read(id).await?;
        let now = version(&event);
        if known.is_some() && known != now {
            return Err(Fault::Conflict { why: format!("{}: the event has changed since", self.session.who) });
        }
        let changes: Map<String, Value> = body::changes(&event, draft);
        // Everybody who is invited gets a mail for each change: what is as it should be is not written again.
        if changes.is_empty() {
            return self.made(&event, draft.with_meeting);
        }
        let ask = call_of(Method::PATCH, id).body(Value::Object(changes)).if_match(now);
        let event = self.written(&self.session.ask(ask).await?)?;
        self.made(&event, draft.with_meeting)
    }

    async fn delete(&self, id: &str) -> Result<(), Fault> {
        let reply = self.session.ask(call_of(Method::DELETE, id)).await?;
        if reply.is_success() {
            return Ok(());
        }
        match trouble::of(&self.session, &reply) {
            Fault::Gone { .. } => Ok(()),
            fault => Err(fault),
        }
    }

    /// Look through what stands around there: a transaction is told with its event, and cannot be asked for.
    async fn search(&self, key: &EventKey, around: Window) -> Result<Option<Made>, Fault> {
        let mut ask = self.begin(&Cursor::plain(around));
        for _ in 0..MAX_SEARCHED {
            let reply = self.session.ask(ask.header(PREFER, COMMON)).await?;
            if !reply.is_success() {
                return Err(trouble::of(&self.session, &reply));
            }
            let list: List<'_> = self.session.parsed(&reply)?;
            for item in list.value.iter().filter(|item| item.get().contains(key.as_str())) {
                let event: Value = serde_json::from_str(item.get()).unwrap_or_default();
                if event["transactionId"] == key.as_str() {
                    return self.made(&event, true).map(Some);
                }
            }
            let Some(link) = list.next else { return Ok(None) };
            ask = self.session.follow(&link)?;
        }
        let why = format!("{}: too many events around there to find ours among them", self.session.who);
        Err(Fault::Refused { why })
    }

    fn made(&self, event: &Value, with_meeting: bool) -> Result<Made, Fault> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text("id").ok_or_else(|| Fault::Retry {
            after: None,
            why: format!("{} answers with an event that has no id", self.session.who),
        })?;
        let version = version(event).map(str::to_owned);
        Ok(Made { id, version, meeting: body::meeting(event, with_meeting), differs: false })
    }
}

fn call_of(method: Method, id: &str) -> Ask {
    Ask::new(method, &["me", "events", id]).header(PREFER, COMMON)
}

fn version(event: &Value) -> Option<&str> {
    event.get("@odata.etag").and_then(Value::as_str)
}

impl Calendar for Microsoft {
    fn changes<'a>(&'a self, at: Option<&'a str>, window: Window) -> Answering<'a, Page> {
        Box::pin(self.page(at, window))
    }
}

impl CalendarWriter for Microsoft {
    fn create<'a>(&'a self, draft: &'a Draft) -> Answering<'a, Made> {
        Box::pin(self.insert(draft))
    }

    fn update<'a>(&'a self, id: &'a str, version: Option<&'a str>, draft: &'a Draft) -> Answering<'a, Made> {
        Box::pin(self.change(id, version, draft))
    }

    /// Attendees are told whatever we say: Graph leaves no choice.
    fn remove<'a>(&'a self, id: &'a str, _tell_attendees: bool) -> Answering<'a, ()> {
        Box::pin(self.delete(id))
    }

    fn look<'a>(&'a self, id: &'a str) -> Answering<'a, Made> {
        Box::pin(async move { self.made(&self.read(id).await?, false) })
    }

    fn find<'a>(&'a self, key: &'a EventKey, around: Window) -> Answering<'a, Option<Made>> {
        Box::pin(self.search(key, around))
    }
}
