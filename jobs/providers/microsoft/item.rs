//! An item of Graph's list, as it is and in our words.

use chrono::{DateTime, Days, NaiveDateTime, Utc};
use serde::Deserialize;

use crate::providers::{Change, Event, Shown, When, zones};

/// An event, an instance, the master of a series, or that one of them is gone.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) id: String,
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    #[serde(rename = "@removed")]
    removed: Option<serde::de::IgnoredAny>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) series_master_id: Option<String>,
    change_key: Option<String>,
    #[serde(rename = "iCalUId")]
    ical_uid: Option<String>,
    subject: Option<String>,
    start: Option<Time>,
    end: Option<Time>,
    is_all_day: Option<bool>,
    show_as: Option<String>,
    is_cancelled: Option<bool>,
    sensitivity: Option<String>,
    response_status: Option<Response>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Time {
    date_time: String,
    time_zone: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Response {
    response: Option<String>,
}

/// An item, or what is to be kept aside of it.
pub(super) type Read = Result<Item, Change>;

pub(super) fn read(text: &str) -> Read {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_str(text).map_err(|fault: serde_json::Error| Change::Odd {
        id: serde_json::from_str::<Named>(text).ok().map(|named| named.id),
        why: format!("the item is no event: it breaks at byte {}", fault.column()),
    })
}

impl Item {
    pub(super) fn is_removed(&self) -> bool {
        self.removed.is_some()
    }

    pub(super) fn is_master(&self) -> bool {
        self.kind.as_deref() == Some("seriesMaster")
    }

    /// An instance that says only when it is.
    pub(super) fn is_bare(&self) -> bool {
        self.series_master_id.is_some() && self.show_as.is_none()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled == Some(true)
    }

    /// Another one whenever it changes.
    pub(super) fn version(&self) -> Option<&str> {
        self.etag.as_deref().or(self.change_key.as_deref())
    }

    /// With what it leaves to its master: all but when it is.
    pub(super) fn with(mut self, master: &Self) -> Self {
        let of = |own: &mut Option<String>, common: &Option<String>| {
            if own.is_none() {
                own.clone_from(common);
            }
        };
        of(&mut self.subject, &master.subject);
        of(&mut self.show_as, &master.show_as);
        of(&mut self.sensitivity, &master.sensitivity);
        of(&mut self.ical_uid, &master.ical_uid);
        of(&mut self.etag, &master.etag);
        self.is_all_day = self.is_all_day.or(master.is_all_day);
        self.is_cancelled = self.is_cancelled.or(master.is_cancelled);
        self.response_status = self.response_status.or_else(|| master.response_status.clone());
        self
    }

    /// What it says, as an event that takes place or not.
    pub(super) fn change(self) -> Change {
        if self.is_removed() || self.is_cancelled() {
            return Change::Gone(self.id);
        }
        match self.when() {
            Ok(when) => Change::Is(Box::new(self.event(when))),
            Err(why) => Change::Odd { id: Some(self.id), why },
        }
    }

    fn event(self, when: When) -> Event {
        let response = self.response_status.as_ref().and_then(|status| status.response.as_deref());
        let shown = match self.show_as.as_deref() {
            Some("free" | "workingElsewhere") => Shown::Free,
            Some("oof") => Shown::Away,
            Some("tentative") => Shown::Tentative,
            _ if response == Some("tentativelyAccepted") => Shown::Tentative,
            // `busy`; and `unknown`, or nothing, of which busy is the safer reading.
            _ => Shown::Busy,
        };
        Event {
            declined: response == Some("declined"),
            private: matches!(self.sensitivity.as_deref(), Some("private" | "personal" | "confidential")),
            version: self.version().map(str::to_owned),
            id: self.id,
            series: self.series_master_id,
            uid: self.ical_uid,
            when,
            title: self.subject,
            shown,
        }
    }

    fn when(&self) -> Result<When, String> {
        let start = self.start.as_ref().ok_or("it has no start")?;
        let end = self.end.as_ref().unwrap_or(start);
        let (from, to) = if self.is_all_day == Some(true) {
            // The zone may read UTC with the date unchanged: a day is a day, and never converted.
            let first = local(start)?.date();
            let least = first.checked_add_days(Days::new(1)).ok_or("it is at the end of time")?;
            let after = local(end)?.date();
            if after >= first {
                return Ok(When::AllDay { first, after: after.max(least) });
            }
            (first.to_string(), after.to_string())
        } else {
            let (start, end) = (instant(start)?, instant(end)?);
            if end >= start {
                return Ok(When::Timed { start, end });
            }
            (start.to_string(), end.to_string())
        };
        Err(format!("it ends at {to}, before it begins at {from}"))
    }
}

fn local(time: &Time) -> Result<NaiveDateTime, String> {
    time.date_time.trim_end_matches('Z').parse().map_err(|_| "its time is none".to_owned())
}

fn instant(time: &Time) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(&time.date_time) {
        return Ok(at.to_utc());
    }
    let zone = zones::zone(time.time_zone.as_deref().unwrap_or("UTC")).ok_or("nobody knows its zone")?;
    zones::instant(zone, local(time)?).ok_or_else(|| "its time is at the end of time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: &str = r#""start": {"dateTime": "2027-01-12T09:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2027-01-12T10:00:00.0000000", "timeZone": "UTC"}"#;

    fn of(rest: &str) -> Change {
        read(&format!(r#"{{"id": "A=/1", {rest}}}"#)).map_or_else(|odd| odd, Item::change)
    }

    fn is(rest: &str) -> Event {
        match of(&format!("{TIMES} {rest}")) {
            Change::Is(event) => *event,
            other => panic!("{rest}: {other:?}"),
        }
    }

    #[test]
    fn what_blocks_time_is_what_graph_says_does() {
        for (rest, shown, declined) in [
            ("", Shown::Busy, false),
            (r#", "showAs": "busy""#, Shown::Busy, false),
            (r#", "showAs": "unknown""#, Shown::Busy, false),
            (r#", "showAs": "tentative""#, Shown::Tentative, false),
            (r#", "showAs": "oof""#, Shown::Away, false),
            (r#", "showAs": "free""#, Shown::Free, false),
            (r#", "showAs": "workingElsewhere""#, Shown::Free, false),
            (r#", "showAs": "busy", "responseStatus": {"response": "declined"}"#, Shown::Busy, true),
            (r#", "showAs": "busy", "responseStatus": {"response": "tentativelyAccepted"}"#, Shown::Tentative, false),
            (
                r#", "showAs": "busy", "responseStatus": {"response": "organizer", "time": "0001-01-01T00:00:00Z"}"#,
                Shown::Busy,
                false,
            ),
        ] {
            let event = is(rest);
            assert_eq!((event.shown, event.declined), (shown, declined), "{rest}");
        }
        for private in ["private", "personal", "confidential"] {
            assert!(is(&format!(r#", "sensitivity": "{private}""#)).private);
        }
        assert!(!is(r#", "sensitivity": "normal""#).private);
        assert_eq!(of(&format!(r#"{TIMES}, "isCancelled": true"#)), Change::Gone("A=/1".to_owned()));
        assert_eq!(of(r#""@removed": {"reason": "deleted"}"#), Change::Gone("A=/1".to_owned()));
    }

    #[test]
    fn times_are_those_of_their_zone_by_either_name() {
        for zone in ["W. Europe Standard Time", "Europe/Berlin"] {
            let time =
                |hour: u8| format!(r#"{{"dateTime": "2027-07-12T{hour:02}:00:00.0000000", "timeZone": "{zone}"}}"#);
            let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
            let when = When::Timed { start: at("2027-07-12T08:00:00Z"), end: at("2027-07-12T09:00:00Z") };
            let change = of(&format!(r#""start": {}, "end": {}"#, time(10), time(11)));
            assert!(matches!(&change, Change::Is(event) if event.when == when), "{change:?}");
        }
    }

    #[test]
    fn whole_days_are_never_converted() {
        let day = |day: u8, zone: &str| {
            format!(r#"{{"dateTime": "2027-03-{day:02}T00:00:00.0000000", "timeZone": "{zone}"}}"#)
        };
        for zone in ["UTC", "Pacific Standard Time", "Tokyo Standard Time"] {
            let text = format!(r#""isAllDay": true, "start": {}, "end": {}"#, day(28, zone), day(29, zone));
            let when = When::AllDay { first: "2027-03-28".parse().unwrap(), after: "2027-03-29".parse().unwrap() };
            assert!(matches!(of(&text), Change::Is(event) if event.when == when), "{zone}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_kept_aside_with_its_id() {
        let time = |text: &str, zone: &str| format!(r#"{{"dateTime": "{text}", "timeZone": "{zone}"}}"#);
        for (rest, said) in [
            (r#""subject": "x""#.to_owned(), "no start"),
            (
                format!(r#""start": {}"#, time("2027-01-12T10:00:00", "tzone://Microsoft/Custom")),
                "nobody knows its zone",
            ),
            (format!(r#""start": {}"#, time("soon", "UTC")), "its time is none"),
            (
                format!(
                    r#""start": {}, "end": {}"#,
                    time("2027-01-12T10:00:00", "UTC"),
                    time("2027-01-12T09:00:00", "UTC")
                ),
                "before it begins",
            ),
            (r#""start": "secret""#.to_owned(), "is no event"),
        ] {
            match of(&rest) {
                Change::Odd { id: Some(id), why } if id == "A=/1" && why.contains(said) => {
                    assert!(!why.contains("secret"), "{why}");
                }
                other => panic!("{rest}: {other:?}"),
            }
        }
    }
}
