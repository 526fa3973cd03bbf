//! Lists of events: full ones with a window, and what changed since a cursor.

use super::error;
use super::shelf::{Kept, Shelf};
use crate::desk::Said;
use crate::stand::Query;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

/// Not to be given together with a cursor.
const FORBIDDEN: &[&str] = &[
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];

/// What a cursor holds: of which generation, up to which change it knows all, and its window.
#[derive(Clone, Debug)]
struct Cursor {
    generation: u64,
    seq: u64,
    from: i64,
    to: i64,
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('~').map(|part| part.parse::<i64>().ok());
        let mut number = || parts.next().flatten();
        let unsigned = |number: i64| u64::try_from(number).ok();
        Some(Self { generation: unsigned(number()?)?, seq: unsigned(number()?)?, from: number()?, to: number()? })
    }

    fn text(&self) -> String {
        format!("{}~{}~{}~{}", self.generation, self.seq, self.from, self.to)
    }

    fn holds(&self, event: &Value, zone: &str) -> bool {
        let time = |name: &str| instant(&event[name], zone).map(|at| at.timestamp());
        // What has no time that can be read, no window keeps out.
        let (Some(start), Some(end)) = (time("start"), time("end").or(time("start"))) else { return true };
        start < self.to && (end > self.from || start >= self.from)
    }
}

/// Where a page begins: what the round began with, and after which event.
struct Place {
    round: Cursor,
    after: u64,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let (after, round) = text.strip_prefix("page.")?.split_once('.')?;
        Some(Self { round: Cursor::read(round)?, after: after.parse().ok()? })
    }

    fn text(&self) -> String {
        format!("page.{}.{}", self.after, self.round.text())
    }
}

pub(super) fn page(shelf: &Shelf, query: &Query, size: Option<usize>) -> Said {
    let get = |name: &str| query.get(name).map(String::as_str);
    if get("singleEvents") != Some("true") {
        return error(400, "global", "invalid", "singleEvents");
    }
    let since = match get("syncToken").map(|text| text.strip_prefix("sync.").and_then(Cursor::read)) {
        None => None,
        Some(Some(cursor)) if cursor.generation == shelf.generation => Some(cursor),
        Some(_) => return error(410, "calendar", "fullSyncRequired", "syncToken"),
    };
    if let Some(name) = FORBIDDEN.iter().find(|name| since.is_some() && query.contains_key(**name)) {
        return error(400, "global", "invalid", name);
    }
    let place = match get("pageToken").map(Place::read) {
        Some(Some(place)) if place.round.generation == shelf.generation => Some(place),
        Some(_) => return error(400, "global", "invalid", "pageToken"),
        None => None,
    };
    let Some(window) = since.clone().or_else(|| window(query)) else {
        return error(400, "global", "invalid", "timeMin");
    };
    let (after, seq) = place.map_or((None, shelf.seq), |place| (Some(place.after), place.round.seq));
    let round = Cursor { generation: shelf.generation, seq, ..window };
    answer(shelf, &round, since.as_ref(), after, limit(query, size))
}

fn limit(query: &Query, size: Option<usize>) -> usize {
    let asked = query.get("maxResults").and_then(|text| text.parse().ok()).unwrap_or(250_usize).min(2500);
    size.map_or(asked, |size| size.min(asked)).max(1)
}

fn window(query: &Query) -> Option<Cursor> {
    let time = |name: &str, usual: i64| match query.get(name) {
        Some(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp()),
        None => Some(usual),
    };
    let (from, to) = (time("timeMin", i64::MIN)?, time("timeMax", i64::MAX)?);
    (from < to).then_some(Cursor { generation: 0, seq: 0, from, to })
}

fn answer(shelf: &Shelf, round: &Cursor, since: Option<&Cursor>, after: Option<u64>, limit: usize) -> Said {
    let is_told = |kept: &Kept| match since {
        Some(since) => kept.seq > since.seq,
        None => !kept.is_deleted() && round.holds(&kept.event, &shelf.zone),
    };
    let rest = shelf.kept.range(after.map_or(0, |after| after + 1)..);
    let mut found: Vec<_> = rest.filter(|(_, kept)| is_told(kept)).take(limit + 1).collect();
    let is_last = found.len() <= limit;
    found.truncate(limit);
    let items: Vec<_> = found.iter().map(|(_, kept)| shown(kept, round, &shelf.zone)).collect();
    let mut list = json!({
        "kind": "calendar#events",
        "etag": "\"p32\"",
        "summary": "sandbox",
        "timeZone": shelf.zone,
        "accessRole": "owner",
        "defaultReminders": [],
        "items": items,
    });
    if is_last {
        list["nextSyncToken"] = json!(format!("sync.{}", round.text()));
    } else {
        let after = found.last().map_or(0, |(at, _)| **at);
        list["nextPageToken"] = json!(Place { round: round.clone(), after }.text());
    }
    Said::json(200, &list)
}

/// What was moved out of the window is as good as deleted.
fn shown(kept: &Kept, round: &Cursor, zone: &str) -> Value {
    if kept.is_deleted() || round.holds(&kept.event, zone) {
        return kept.event.clone();
    }
    json!({"kind": "calendar#event", "etag": kept.event["etag"], "id": kept.event["id"], "status": "cancelled"})
}

/// The instant of a start or an end, for a calendar of this zone.
pub(super) fn instant(time: &Value, zone: &str) -> Option<DateTime<Utc>> {
    let in_zone = |local: NaiveDateTime, zone: &str| {
        let zone: Tz = zone.parse().ok()?;
        zone.from_local_datetime(&local).earliest().map(|at| at.to_utc())
    };
    if let Some(date) = time["date"].as_str() {
        return in_zone(date.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN), zone);
    }
    let text = time["dateTime"].as_str()?;
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => Some(at.to_utc()),
        Err(_) => in_zone(text.parse().ok()?, time["timeZone"].as_str()?),
    }
}
