//! The view of a calendar: as it is, and what changed since a link.

use super::shelf::Kept;
use super::{Graph, Reset, error};
use crate::desk::Said;
use crate::http::Request;
use crate::query::encode;
use crate::stand::Query;
use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use serde_json::{Value, json};

/// Not supported by the delta of events.
const UNSUPPORTED: &[&str] = &["$select", "$filter", "$expand", "$orderby", "$search"];

/// What a link holds: of which generation, up to which change it knows all, its window, whether it tells all or changes,
/// since which one, and after which event it goes on.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    generation: u64,
    seq: u64,
    from: i64,
    to: i64,
    since: Option<u64>,
    after: Option<u64>,
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let parts: Vec<i64> = text.split('~').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        // The last part is only there to make a link another one.
        let [generation, seq, from, to, since, after, _] = parts[..] else { return None };
        let number = |part: i64| u64::try_from(part).ok();
        let (since, after) = (number(since), number(after));
        Some(Self { generation: number(generation)?, seq: number(seq)?, from, to, since, after })
    }

    fn text(self, turn: u64) -> String {
        let Self { generation, seq, from, to, since, after } = self;
        let number = |part: Option<u64>| part.map_or_else(|| "-1".to_owned(), |part| part.to_string());
        format!("{generation}~{seq}~{from}~{to}~{}~{}~{turn}", number(since), number(after))
    }

    fn holds(self, event: &Value) -> bool {
        let at = |name: &str| instant(&event[name]).map(|at| at.timestamp());
        let (Some(start), end) = (at("start"), at("end")) else { return true };
        start < self.to && (end.unwrap_or(start) > self.from || start >= self.from)
    }
}

impl Graph {
    pub(super) fn delta(&mut self, who: &str, request: &Request, query: &Query) -> Said {
        if UNSUPPORTED.iter().any(|name| query.contains_key(*name)) {
            return error(400, "ErrorInvalidRequest");
        }
        let (generation, seq) = (self.calendars.of(who).generation, self.calendars.of(who).seq);
        let link =
            query.get("$skiptoken").map(|text| (text, false)).or(query.get("$deltatoken").map(|text| (text, true)));
        let cursor = match link {
            Some(_) if query.len() > 1 => return error(400, "ErrorInvalidRequest"),
            Some((text, begins)) => match Cursor::read(text) {
                // A new round knows all up to now.
                Some(cursor) if begins => Some(Cursor { seq, ..cursor }),
                cursor => cursor,
            },
            None => window(query).map(|(from, to)| Cursor { generation, seq, from, to, since: None, after: None }),
        };
        let Some(cursor) = cursor else { return error(400, "ErrorInvalidRequest") };
        if cursor.generation != generation {
            return self.reset(request);
        }
        let (items, after) = self.part(who, cursor, page_limit(request, self.calendars.page_size));
        self.turns += 1;
        let (base, turn) = (self.base(request), self.turns);
        let link =
            |name: &str, cursor: Cursor| format!("{base}/me/calendarView/delta?{name}={}", encode(&cursor.text(turn)));
        let mut list = json!({
            "@odata.context": format!("{base}/$metadata#Collection(event)"),
            "value": items,
        });
        if self.is_endless {
            list["@odata.nextLink"] = json!(link("$skiptoken", cursor));
        } else if after.is_some() {
            list["@odata.nextLink"] = json!(link("$skiptoken", Cursor { after, ..cursor }));
        } else {
            let next = Cursor { since: Some(cursor.seq), after: None, ..cursor };
            list["@odata.deltaLink"] = json!(link("$deltatoken", next));
        }
        applied(&list, request)
    }

    /// One page, and after what the next one begins.
    fn part(&mut self, who: &str, cursor: Cursor, limit: usize) -> (Vec<Value>, Option<u64>) {
        let is_split = self.is_split;
        let calendar = self.calendars.of(who);
        let rest = calendar.kept.range(cursor.after.map_or(0, |after| after + 1)..);
        let mut items = Vec::new();
        let mut last = None;
        for (at, kept) in rest.filter(|(_, kept)| cursor.since.is_none_or(|since| kept.seq > since)) {
            let group = told(kept, cursor, is_split);
            // A series is never parted, however long it is.
            if !items.is_empty() && items.len() + group.len() > limit {
                return (items, last);
            }
            items.extend(group);
            last = Some(*at);
        }
        (items, None)
    }

    fn reset(&self, request: &Request) -> Said {
        match self.reset {
            Reset::Gone => {
                let place = format!("{}/me/calendarView/delta?$deltatoken=", self.base(request));
                Said::empty(410).header("Location", place)
            }
            Reset::NotFound => error(400, "SyncStateNotFound"),
        }
    }

    fn base(&self, request: &Request) -> String {
        self.links_to.clone().unwrap_or_else(|| format!("http://{}/v1.0", request.header("host").unwrap_or_default()))
    }

    pub(super) fn plain(&mut self, who: &str, request: &Request, query: &Query) -> Said {
        let Some((from, to)) = window(query) else { return error(400, "ErrorInvalidRequest") };
        let number = |name: &str, usual: usize| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
        let top = self.calendars.page_size.map_or(1000, |size| size.min(1000)).min(number("$top", 10)).max(1);
        let skip: usize = number("$skip", 0);
        let cursor = Cursor { generation: 0, seq: 0, from, to, since: None, after: None };
        let living = self.calendars.of(who).kept.values().filter(|kept| !kept.is_deleted);
        let all: Vec<_> = living.flat_map(whole).filter(|event| cursor.holds(event)).collect();
        let mut list = json!({"value": all.iter().skip(skip).take(top).map(rendered).collect::<Vec<_>>()});
        if skip + top < all.len() {
            let rest = format!("$top={top}&$skip={}", skip + top);
            let window = ["startDateTime", "endDateTime"].map(|name| format!("{name}={}", encode(&query[name])));
            list["@odata.nextLink"] =
                json!(format!("{}/me/calendarView?{}&{rest}", self.base(request), window.join("&")));
        }
        applied(&list, request)
    }
}

/// An event, or each instance with all that its series says.
fn whole(kept: &Kept) -> Vec<Value> {
    if kept.event["type"] != "seriesMaster" {
        return vec![kept.event.clone()];
    }
    let instance = |bare: &Value| {
        let mut event = kept.event.clone();
        event.as_object_mut().expect("an event").remove("recurrence");
        for (name, value) in bare.as_object().into_iter().flatten() {
            event[name.as_str()] = value.clone();
        }
        event
    };
    kept.instances.iter().map(instance).collect()
}

/// What a delta says of one event or series.
fn told(kept: &Kept, cursor: Cursor, is_split: bool) -> Vec<Value> {
    let removed =
        |id: &Value| json!({"@odata.type": "#microsoft.graph.event", "id": id, "@removed": {"reason": "deleted"}});
    let is_series = kept.event["type"] == "seriesMaster";
    if kept.is_deleted {
        // Of what was never told there is nothing to take back.
        let ids = kept.instances.iter().chain([&kept.event]).map(|event| removed(&event["id"]));
        return if cursor.since.is_some() { ids.collect() } else { Vec::new() };
    }
    if !is_series {
        return match (cursor.holds(&kept.event), cursor.since) {
            (true, _) => vec![rendered(&kept.event)],
            // Also of an event that was never in the window.
            (false, Some(_)) => vec![removed(&kept.event["id"])],
            (false, None) => Vec::new(),
        };
    }
    let inside: Vec<_> = kept.instances.iter().filter(|one| cursor.holds(one)).collect();
    if inside.is_empty() && cursor.since.is_none() {
        return Vec::new();
    }
    let instances = inside.into_iter().map(|one| {
        if one["type"] != "exception" {
            return rendered(one);
        }
        // Whoever was changed says all of it.
        let all = whole(kept).into_iter().find(|event| event["id"] == one["id"]);
        rendered(&all.unwrap_or_default())
    });
    let master = (!is_split).then(|| rendered(&kept.event));
    master.into_iter().chain(instances).collect()
}

/// As it is answered: in UTC, but for whole days.
pub(super) fn rendered(event: &Value) -> Value {
    let mut event = event.clone();
    for name in ["start", "end"] {
        let Some(at) = instant(&event[name]) else { continue };
        if event["isAllDay"] == true {
            event[name]["timeZone"] = json!("UTC");
        } else {
            let text = at.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
            let text = if text.contains('.') { text } else { format!("{text}.0000000") };
            event[name] = json!({"dateTime": text, "timeZone": "UTC"});
        }
    }
    event
}

fn applied(list: &Value, request: &Request) -> Said {
    let said = Said::json(200, list);
    request.header("prefer").map_or(said.clone(), |preferences| said.header("Preference-Applied", preferences))
}

fn page_limit(request: &Request, size: Option<usize>) -> usize {
    let preferences = request.header("prefer").unwrap_or_default();
    let asked = preferences.split(',').find_map(|one| one.trim().strip_prefix("odata.maxpagesize="));
    let asked = asked.and_then(|text| text.parse().ok()).unwrap_or(10);
    size.map_or(asked, |size| size.min(asked)).max(1)
}

fn window(query: &Query) -> Option<(i64, i64)> {
    let time = |name: &str| Some(DateTime::parse_from_rfc3339(query.get(name)?).ok()?.timestamp());
    let (from, to) = (time("startDateTime")?, time("endDateTime")?);
    (from < to).then_some((from, to))
}

/// The instant of a start or an end. None: its zone is not known here.
pub(super) fn instant(time: &Value) -> Option<DateTime<Utc>> {
    let local: NaiveDateTime = time["dateTime"].as_str()?.trim_end_matches('Z').parse().ok()?;
    let zone = match time["timeZone"].as_str() {
        // As many as tests write to it.
        Some("W. Europe Standard Time") => "Europe/Berlin",
        Some("Eastern Standard Time") => "America/New_York",
        Some("Pacific Standard Time") => "America/Los_Angeles",
        Some("Tokyo Standard Time") => "Asia/Tokyo",
        Some("GMT Standard Time") => "Europe/London",
        Some("India Standard Time") => "Asia/Kolkata",
        Some("AUS Eastern Standard Time") => "Australia/Sydney",
        Some(zone) => zone,
        None => "UTC",
    };
    let zone: chrono_tz::Tz = zone.parse().ok()?;
    zone.from_local_datetime(&local).earliest().map(|at| at.to_utc())
}
