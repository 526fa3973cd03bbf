//! What a page says, in the words of the mirror: judged, cut to what a row holds, and without what is nobody's business.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use liaison_store::{EventTime, MirroredEvent, Observed};

use crate::{
    kit::{digest, redact},
    providers::{Change, Event, Shown, When, Window},
};

/// Longer ids than any provider gives; they are part of a key.
const MAX_ID: usize = 2_000;
/// Of a title.
const MAX_TITLE: usize = 500;
/// Of why something cannot be understood.
const MAX_REASON: usize = 300;

/// The changes of a page, as far as they are in this window: what has left it is gone.
pub(super) fn observe(changes: Vec<Change>, window: Window) -> Vec<Observed> {
    changes.into_iter().flat_map(|change| one(change, window)).collect()
}

fn one(change: Change, window: Window) -> Vec<Observed> {
    match change {
        Change::Is(event) => vec![event_in(*event, window)],
        Change::Gone(id) => vec![Observed::Gone(id)],
        Change::Odd { id, why } => vec![odd(id, &why)],
        Change::Series { id, events } => {
            let (mut there, mut odd) = (Vec::new(), Vec::new());
            for event in events {
                match event_in(event, window) {
                    Observed::Is(event) => there.push(*event),
                    Observed::Gone(_) => {}
                    other => odd.push(other),
                }
            }
            let mut all = vec![Observed::Series { id, events: there }];
            all.append(&mut odd);
            all
        }
    }
}

fn event_in(event: Event, window: Window) -> Observed {
    if event.id.is_empty() || event.id.len() > MAX_ID {
        return odd(Some(event.id), "its id is empty, or longer than an id can be");
    }
    match is_within(event.when, window) {
        Ok(true) => Observed::Is(Box::new(row(event))),
        Ok(false) => Observed::Gone(event.id),
        Err(why) => odd(Some(event.id), why),
    }
}

/// Whether any of it is in the window. Days may be days of any zone.
fn is_within(when: When, window: Window) -> Result<bool, &'static str> {
    let (start, end) = match when {
        When::Timed { start, end } if end < start => return Err("it ends before it begins"),
        When::Timed { start, end } => (start, end),
        When::AllDay { first, after } if after <= first => return Err("it has no days"),
        When::AllDay { first, after } => {
            let midnight = |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
            let reach = |at: DateTime<Utc>, hours| at.checked_add_signed(TimeDelta::hours(hours));
            match (reach(midnight(first), -14), reach(midnight(after), 12)) {
                (Some(start), Some(end)) => (start, end),
                _ => return Err("it is beyond all calendars"),
            }
        }
    };
    Ok(start < window.to && (end > window.from || (start == end && start >= window.from)))
}

fn row(event: Event) -> MirroredEvent {
    let title = event.title.filter(|_| !event.private).map(|title| title.chars().take(MAX_TITLE).collect());
    MirroredEvent {
        event_id: event.id,
        series_id: event.series,
        uid: event.uid,
        when: match event.when {
            When::Timed { start, end } => EventTime::Timed { start, end },
            When::AllDay { first, after } => EventTime::AllDay { first, after },
        },
        title,
        shown: match event.shown {
            Shown::Busy => "busy",
            Shown::Tentative => "tentative",
            Shown::Away => "away",
            Shown::Free => "free",
        }
        .to_owned(),
        declined: event.declined,
        private: event.private,
        version: event.version,
    }
}

fn odd(id: Option<String>, why: &str) -> Observed {
    let reason: String = redact(why.as_bytes()).chars().take(MAX_REASON).collect();
    let id = match id {
        Some(id) if !id.is_empty() && id.len() <= MAX_ID => id,
        Some(id) => format!("long:{}", digest(&[&id])),
        // The same nameless thing is one thing.
        None => format!("nameless:{}", digest(&[why])),
    };
    Observed::Odd { id, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn window() -> Window {
        Window { from: at("2027-01-01T00:00:00Z"), to: at("2027-02-01T00:00:00Z") }
    }

    fn timed(start: &str, end: &str) -> Result<bool, &'static str> {
        is_within(When::Timed { start: at(start), end: at(end) }, window())
    }

    #[test]
    fn what_is_partly_in_the_window_is_in_it() {
        assert_eq!(timed("2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z"), Ok(false));
        assert_eq!(timed("2026-12-31T23:00:00Z", "2027-01-01T00:00:01Z"), Ok(true));
        assert_eq!(timed("2027-01-31T23:59:59Z", "2027-02-03T00:00:00Z"), Ok(true));
        assert_eq!(timed("2027-02-01T00:00:00Z", "2027-02-01T01:00:00Z"), Ok(false));
        assert_eq!(timed("2027-01-05T10:00:00Z", "2027-01-05T10:00:00Z"), Ok(true), "it has no length");
        assert!(timed("2027-01-05T10:00:00Z", "2027-01-05T09:00:00Z").is_err());
        // A day ends up to twelve hours later in the west, and begins up to fourteen hours earlier in the east.
        let day = |first: &str, after: &str| {
            let (first, after) = (first.parse().expect("a day"), after.parse().expect("a day"));
            is_within(When::AllDay { first, after }, window())
        };
        assert_eq!(day("2026-12-31", "2027-01-01"), Ok(true));
        assert_eq!(day("2026-12-30", "2026-12-31"), Ok(false));
        assert_eq!(day("2027-02-01", "2027-02-02"), Ok(true));
        assert_eq!(day("2027-02-02", "2027-02-03"), Ok(false));
        assert!(day("2027-01-02", "2027-01-02").is_err());
    }

    #[test]
    fn what_is_private_has_no_title_and_what_is_long_is_cut() {
        let event = Event {
            id: "a".to_owned(),
            series: None,
            uid: None,
            when: When::Timed { start: at("2027-01-05T10:00:00Z"), end: at("2027-01-05T11:00:00Z") },
            title: Some("x".repeat(1_000)),
            shown: Shown::Away,
            declined: false,
            private: false,
            version: None,
        };
        assert_eq!(row(event.clone()).title.map(|title| title.len()), Some(MAX_TITLE));
        assert_eq!(row(Event { private: true, ..event }).title, None);
    }
}
