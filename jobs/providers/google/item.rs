//! An item of Google's list, in our words.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use crate::providers::{Change, Event, Shown, When, zones};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    status: Option<String>,
    summary: Option<String>,
    start: Option<Moment>,
    end: Option<Moment>,
    recurring_event_id: Option<String>,
    #[serde(rename = "iCalUID")]
    ical_uid: Option<String>,
    transparency: Option<String>,
    visibility: Option<String>,
    event_type: Option<String>,
    etag: Option<String>,
    #[serde(default)]
    attendees: Vec<Attendee>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moment {
    date: Option<String>,
    date_time: Option<String>,
    time_zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attendee {
    #[serde(default, rename = "self")]
    is_self: bool,
    response_status: Option<String>,
}

/// What an item says. `zone` is that of the calendar.
pub(super) fn change(text: &str, zone: Option<Tz>) -> Change {
    let item: Item = match serde_json::from_str(text) {
        Ok(item) => item,
        Err(fault) => return odd(id_of(text), format!("the item is no event: it breaks at byte {}", fault.column())),
    };
    // A deleted event may be nothing but its id.
    if item.status.as_deref() == Some("cancelled") {
        return Change::Gone(item.id);
    }
    match when(&item, zone) {
        Ok(when) => Change::Is(Box::new(event(item, when))),
        Err(why) => odd(Some(item.id), why),
    }
}

fn odd(id: Option<String>, why: String) -> Change {
    Change::Odd { id, why }
}

/// Of an item that holds something which we cannot read.
fn id_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_str::<Named>(text).ok().map(|named| named.id)
}

fn event(item: Item, when: When) -> Event {
    let answer = item.attendees.iter().find(|attendee| attendee.is_self);
    let answer = answer.and_then(|attendee| attendee.response_status.as_deref());
    let shown = match item.event_type.as_deref() {
        // Where somebody works, and who has a birthday, keeps nobody from meeting.
        Some("workingLocation" | "birthday") => Shown::Free,
        // What is left out has its default, which is opaque.
        _ if item.transparency.as_deref() == Some("transparent") => Shown::Free,
        Some("outOfOffice") => Shown::Away,
        _ if item.status.as_deref() == Some("tentative") || answer == Some("tentative") => Shown::Tentative,
        _ => Shown::Busy,
    };
    Event {
        id: item.id,
        series: item.recurring_event_id,
        uid: item.ical_uid,
        when,
        title: item.summary,
        shown,
        declined: answer == Some("declined"),
        private: matches!(item.visibility.as_deref(), Some("private" | "confidential")),
        version: item.etag,
    }
}

fn when(item: &Item, zone: Option<Tz>) -> Result<When, String> {
    let start = item.start.as_ref().ok_or("it has no start")?;
    // An end that is not said is as RFC 5545 has it: the same day, or the same instant.
    if let Some(date) = &start.date {
        let first = day(date)?;
        let after = match item.end.as_ref().and_then(|end| end.date.as_deref()) {
            Some(date) => day(date)?,
            None => first,
        };
        if after < first {
            return Err(format!("it ends on {after}, before it begins on {first}"));
        }
        let least = first.checked_add_days(Days::new(1)).ok_or("it is at the end of time")?;
        return Ok(When::AllDay { first, after: after.max(least) });
    }
    let start_at = instant(start, zone)?;
    let end_at = match &item.end {
        Some(end) if end.date_time.is_some() => instant(end, zone)?,
        _ => start_at,
    };
    if end_at < start_at {
        return Err(format!("it ends at {end_at}, before it begins at {start_at}"));
    }
    Ok(When::Timed { start: start_at, end: end_at })
}

fn day(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| "its date is none".to_owned())
}

fn instant(time: &Moment, zone: Option<Tz>) -> Result<DateTime<Utc>, String> {
    let text = time.date_time.as_deref().ok_or("its start is neither a day nor a time")?;
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    // Without an offset it is a time of its zone.
    let local: NaiveDateTime = text.parse().map_err(|_| "its time is none")?;
    let zone = match &time.time_zone {
        Some(name) => zones::zone(name).ok_or("nobody knows its zone")?,
        None => zone.ok_or("its time has no zone")?,
    };
    zones::instant(zone, local).ok_or_else(|| "its time is at the end of time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Change {
        change(text, Some(Tz::Europe__Berlin))
    }

    fn is(rest: &str) -> Event {
        let text =
            format!(r#"{{"id": "e1", "start": {{"date": "2027-01-12"}}, "end": {{"date": "2027-01-13"}}{rest}}}"#);
        match of(&text) {
            Change::Is(event) => *event,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn timed(start: &str, end: &str) -> Change {
        of(&format!(r#"{{"id": "e1", "start": {start}, "end": {end}}}"#))
    }

    #[test]
    fn what_blocks_time_is_what_google_says_does() {
        for (rest, shown, declined) in [
            ("", Shown::Busy, false),
            (r#", "status": "confirmed", "transparency": "opaque""#, Shown::Busy, false),
            (r#", "transparency": "transparent""#, Shown::Free, false),
            (r#", "status": "tentative""#, Shown::Tentative, false),
            (r#", "eventType": "workingLocation""#, Shown::Free, false),
            (r#", "eventType": "birthday", "transparency": "transparent""#, Shown::Free, false),
            (r#", "eventType": "outOfOffice""#, Shown::Away, false),
            (r#", "eventType": "focusTime""#, Shown::Busy, false),
            (r#", "eventType": "fromGmail""#, Shown::Busy, false),
            (r#", "attendees": [{"email": "a@x", "responseStatus": "declined"}]"#, Shown::Busy, false),
            (r#", "attendees": [{"email": "b@x", "self": true, "responseStatus": "declined"}]"#, Shown::Busy, true),
            (r#", "attendees": [{"self": true, "responseStatus": "tentative"}]"#, Shown::Tentative, false),
            (r#", "attendees": [{"self": true, "responseStatus": "needsAction"}]"#, Shown::Busy, false),
        ] {
            let event = is(rest);
            assert_eq!((event.shown, event.declined), (shown, declined), "{rest}");
        }
        assert!(is(r#", "visibility": "private""#).private && is(r#", "visibility": "confidential""#).private);
        assert!(!is(r#", "visibility": "public""#).private && !is("").private);
    }

    #[test]
    fn a_deleted_event_needs_nothing_but_its_id() {
        assert_eq!(of(r#"{"kind": "calendar#event", "id": "e1", "status": "cancelled"}"#), Change::Gone("e1".into()));
        let exception = r#"{"id": "m_20270112T090000Z", "recurringEventId": "m", "status": "cancelled",
            "originalStartTime": {"dateTime": "2027-01-12T10:00:00+01:00"}}"#;
        assert_eq!(of(exception), Change::Gone("m_20270112T090000Z".into()));
    }

    #[test]
    fn times_are_read_in_every_form_that_google_has() {
        let nine = |end: &str| {
            let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
            When::Timed { start: at("2027-01-12T09:00:00Z"), end: at(end) }
        };
        let hour = nine("2027-01-12T10:00:00Z");
        for (start, end, when) in [
            (r#"{"dateTime": "2027-01-12T10:00:00+01:00"}"#, r#"{"dateTime": "2027-01-12T11:00:00+01:00"}"#, hour),
            (r#"{"dateTime": "2027-01-12T09:00:00Z"}"#, r#"{"dateTime": "2027-01-12T05:00:00-05:00"}"#, hour),
            (
                r#"{"dateTime": "2027-01-12T18:00:00", "timeZone": "Asia/Tokyo"}"#,
                r#"{"dateTime": "2027-01-12T11:00:00"}"#,
                hour,
            ),
            (r#"{"dateTime": "2027-01-12T09:00:00Z"}"#, "{}", nine("2027-01-12T09:00:00Z")),
            (r#"{"dateTime": "2027-01-12T09:00:00Z"}"#, "null", nine("2027-01-12T09:00:00Z")),
        ] {
            assert!(matches!(timed(start, end), Change::Is(event) if event.when == when), "{start} {end}");
        }
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (end, after) in [
            (r#"{"date": "2027-01-14"}"#, "2027-01-14"),
            (r#"{"date": "2027-01-12"}"#, "2027-01-13"),
            ("null", "2027-01-13"),
        ] {
            let when = When::AllDay { first: day("2027-01-12"), after: day(after) };
            assert!(
                matches!(timed(r#"{"date": "2027-01-12"}"#, end), Change::Is(event) if event.when == when),
                "{end}"
            );
        }
    }

    #[test]
    fn what_cannot_be_understood_is_kept_aside_with_its_id() {
        for (text, said) in [
            (r#"{"id": "e1"}"#, "no start"),
            (r#"{"id": "e1", "start": {}}"#, "neither a day nor a time"),
            (r#"{"id": "e1", "start": {"date": "2027-02-30"}}"#, "its date is none"),
            (r#"{"id": "e1", "start": {"dateTime": "soon"}}"#, "its time is none"),
            (r#"{"id": "e1", "start": {"dateTime": "2027-01-12T10:00:00", "timeZone": "Mars/Base"}}"#, "its zone"),
            (r#"{"id": "e1", "start": {"date": "2027-01-12"}, "end": {"date": "2027-01-10"}}"#, "before it begins"),
            (r#"{"id": "e1", "start": "2027-01-12", "summary": "secret plans"}"#, "is no event"),
        ] {
            match of(text) {
                Change::Odd { id: Some(id), why } if id == "e1" && why.contains(said) => {
                    assert!(!why.contains("secret"), "{why}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(of(r#"{"start": {}}"#), Change::Odd { id: None, .. }));
    }
}
