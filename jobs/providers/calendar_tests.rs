//! What the tests of clients of calendars share: a session, rounds and what they come to, and an event to write.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono_tz::Tz;

use super::{Attendee, Calendar, Change, Draft, EventKey, Fault, Next, Session, Window};
use crate::kit::{
    Secret,
    outbound::{Outbound, OutboundSettings},
};

/// At noon, and not very patient.
pub(super) fn session(who: &'static str, url: &str, token: &str) -> Session {
    let outbound = Outbound::new(&OutboundSettings::default()).unwrap();
    let now = "2027-01-12T12:00:00Z".parse().unwrap();
    Session::new(who, url, &outbound, Secret::new(token), now).within(Duration::from_secs(20))
}

pub(super) fn window() -> Window {
    Window { from: "2027-01-01T00:00:00Z".parse().unwrap(), to: "2028-01-01T00:00:00Z".parse().unwrap() }
}

/// A whole round: what it said, how many pages it had, and its cursor.
pub(super) async fn round(
    client: &dyn Calendar,
    at: Option<&str>,
) -> Result<(Vec<Change>, usize, Option<String>), Fault> {
    let (mut all, mut pages, mut at) = (Vec::new(), 0, at.map(str::to_owned));
    loop {
        let page = client.changes(at.as_deref(), window()).await?;
        pages += 1;
        all.extend(page.changes);
        match page.next {
            Next::Page(next) => at = Some(next),
            Next::End(end) => return Ok((all, pages, end)),
        }
    }
}

/// The events that are there when these changes were taken in order; what belongs to a series goes with it.
pub(super) fn known(changes: &[Change]) -> BTreeSet<String> {
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Is(event) => drop(known.insert(event.id.clone(), event.series.clone())),
            Change::Gone(id) => known.retain(|event, series| event != id && series.as_ref() != Some(id)),
            Change::Series { id, events } => {
                known.retain(|_, series| series.as_ref() != Some(id));
                known.extend(events.iter().map(|event| (event.id.clone(), Some(id.clone()))));
            }
            Change::Odd { .. } => panic!("{change:?}"),
        }
    }
    known.into_keys().collect()
}

/// One of them to be written, for a guest.
pub(super) fn draft() -> Draft {
    Draft {
        key: EventKey::of(&["event", "booking-1"]),
        title: "Consultation".to_owned(),
        description: Some("Bring the papers.".to_owned()),
        location: Some("Room 1".to_owned()),
        start: "2027-07-12T09:00:00Z".parse().unwrap(),
        end: "2027-07-12T10:00:00Z".parse().unwrap(),
        zone: Tz::Europe__Berlin,
        attendees: vec![Attendee { email: "guest@example.com".to_owned(), name: None, optional: false }],
        reminders: Some(vec![10]),
        link: None,
        with_meeting: false,
        tell_attendees: true,
    }
}
