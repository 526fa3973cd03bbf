//! What a calendar object says takes place: its events within a window, whatever rules, dates and exceptions make them.
//!
//! An object is all of a series: the event, and those of its instances that are otherwise. Whoever is in doubt is busy: an
//! exception counts although its instance is left out, and an instance that a clock skips takes place.

mod item;
mod moment;
mod recurring;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    Event, When, Window,
    ical::Component,
    recurrence::{Zone, Zones},
};
use item::Item;

/// An hourly event makes 8,760 a year; what makes more is no calendar.
const MAX_INSTANCES: usize = 10_000;
/// Clocks of the whole world, at the same time.
const WORLD: TimeDelta = TimeDelta::days(2);

/// An object, and what has to be known to read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// What all of its events are called together.
    pub(crate) id: &'a str,
    /// Another one whenever the object changes.
    pub(crate) version: Option<&'a str>,
    /// The calendar's: for times that name none, and for days.
    pub(crate) zone: Tz,
    /// Addresses of the calendar's owner, in lower case, without `mailto:`.
    pub(crate) owners: &'a [String],
    pub(crate) window: Window,
}

/// The events of an object within the window, in order.
///
/// # Errors
/// Why it cannot be understood, in words that repeat nothing of it.
pub(crate) fn events(source: &Source<'_>, object: &Component) -> Result<Vec<Event>, String> {
    let naive = |time: DateTime<Utc>, more: TimeDelta| {
        let time = time.naive_utc();
        time.checked_add_signed(more).unwrap_or(time)
    };
    let (from, to) = (naive(source.window.from, -WORLD), naive(source.window.to, WORLD));
    let zones = Zones::new(object, source.zone, from, to);
    let mut series: BTreeMap<&str, Vec<&Component>> = BTreeMap::new();
    for event in object.parts("VEVENT") {
        series.entry(event.raw("UID").unwrap_or_default()).or_default().push(event);
    }
    let is_one = series.len() == 1;
    let mut found = Vec::new();
    for (uid, parts) in series {
        // By the standard an object is one series.
        let id = if is_one { source.id.to_owned() } else { format!("{}#{uid}", source.id) };
        recurring::expand(source, &zones, &id, &parts, &mut found)?;
        if found.len() > MAX_INSTANCES {
            return Err(format!("it makes more than {MAX_INSTANCES} events"));
        }
    }
    found.sort_by(|one, other| begins(one, source).cmp(&begins(other, source)).then_with(|| one.id.cmp(&other.id)));
    Ok(found)
}

/// When one event takes place by itself, whatever it repeats; `near` is about then.
pub(crate) fn when(object: &Component, event: &Component, near: DateTime<Utc>) -> Option<When> {
    let near = near.naive_utc();
    let zones = Zones::new(object, Tz::UTC, near.checked_sub_signed(WORLD)?, near.checked_add_signed(WORLD)?);
    let item = Item::read(event, &zones).ok()?;
    item.when(&item.start)
}

fn begins(event: &Event, source: &Source<'_>) -> DateTime<Utc> {
    bounds(event.when, source.zone).0
}

/// From when to when, in a calendar of this zone.
fn bounds(when: When, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
    match when {
        When::Timed { start, end } => (start, end),
        When::AllDay { first, after } => {
            let midnight = |day: chrono::NaiveDate| Zone::Named(zone).time(day.and_time(NaiveTime::MIN));
            (midnight(first), midnight(after))
        }
    }
}

/// Whether any of it is within the window. What takes no time is where it begins.
fn is_within(when: When, source: &Source<'_>) -> bool {
    let (start, end) = bounds(when, source.zone);
    let Window { from, to } = source.window;
    start < to && (end > from || (start == end && start >= from))
}

fn event(item: &Item<'_>, source: &Source<'_>, id: String, when: When) -> Event {
    Event {
        id,
        series: Some(source.id.to_owned()),
        uid: item.component.raw("UID").map(str::to_owned),
        when,
        title: item.component.text("SUMMARY"),
        shown: item.shown(source.owners),
        declined: item.is_declined(source.owners),
        private: item.is_private(),
        version: source.version.map(str::to_owned),
    }
}
