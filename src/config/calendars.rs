//! `[calendars]`: how much of calendars is mirrored, and how often all of it is asked for.

use std::time::Duration;

use liaison_jobs::CalendarSettings;

use super::key::Key;
use super::reader::Reader;

const DAY: Duration = Duration::from_hours(24);

pub(crate) const DEFAULT_PAST: Duration = Duration::from_hours(30 * 24);
pub(crate) const MIN_PAST: Duration = Duration::ZERO;
pub(crate) const MAX_PAST: Duration = Duration::from_hours(5 * 365 * 24);
pub(crate) const DEFAULT_FUTURE: Duration = Duration::from_hours(365 * 24);
pub(crate) const MIN_FUTURE: Duration = DAY;
pub(crate) const MAX_FUTURE: Duration = Duration::from_hours(5 * 365 * 24);
pub(crate) const DEFAULT_FULL_SYNC: Duration = DAY;
pub(crate) const MIN_FULL_SYNC: Duration = Duration::from_mins(1);
pub(crate) const MAX_FULL_SYNC: Duration = Duration::from_hours(30 * 24);
/// Half a million events, in pages of 250.
pub(crate) const DEFAULT_MAX_PAGES: u32 = 2_000;
pub(crate) const MIN_MAX_PAGES: u32 = 1;
pub(crate) const MAX_MAX_PAGES: u32 = 100_000;
pub(crate) const DEFAULT_PORTION: u32 = 500;
pub(crate) const MIN_PORTION: u32 = 1;
pub(crate) const MAX_PORTION: u32 = 10_000;
/// The tick comes every 15 minutes: what it asked for is under way when the next one looks.
pub(crate) const DEFAULT_SPREAD: Duration = Duration::from_mins(10);
pub(crate) const MIN_SPREAD: Duration = Duration::ZERO;
pub(crate) const MAX_SPREAD: Duration = DAY;
pub(crate) const DEFAULT_DISABLE_AFTER: u32 = 5;
pub(crate) const MIN_DISABLE_AFTER: u32 = 1;
pub(crate) const MAX_DISABLE_AFTER: u32 = 1_000;

/// How calendars are synchronised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Calendars {
    /// Defaults to 30 d.
    pub(crate) past: Duration,
    /// Defaults to 365 d.
    pub(crate) future: Duration,
    /// Defaults to 1 d.
    pub(crate) full_sync: Duration,
    /// Defaults to 2,000.
    pub(crate) max_pages: u32,
    /// Defaults to 500.
    pub(crate) portion: u32,
    /// Defaults to 10 min.
    pub(crate) spread: Duration,
    /// Defaults to 5.
    pub(crate) disable_after: u32,
}

impl Calendars {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("calendars");
        let past = from.value(
            Key::new("past", "How much of the past is mirrored.").default(DEFAULT_PAST).within(MIN_PAST..=MAX_PAST),
        );
        let future = from.value(
            Key::new("future", "How much of the future is mirrored: events that begin later block nothing yet.")
                .default(DEFAULT_FUTURE)
                .within(MIN_FUTURE..=MAX_FUTURE),
        );
        let full_sync = from.value(
            Key::new("full_sync", "So often the window moves on, with a round that asks for all of it.")
                .default(DEFAULT_FULL_SYNC)
                .within(MIN_FULL_SYNC..=MAX_FULL_SYNC),
        );
        if let Some(origin) = from.origin("full_sync").or_else(|| from.origin("future"))
            && full_sync > future
        {
            let key = from.place("full_sync").to_string();
            let problem = "is longer than future, so the window would end before it moves on";
            from.raw().mistake(key, origin, problem, "at most future", "make it less, or future more");
        }
        Self {
            past,
            future,
            full_sync,
            max_pages: from.value(
                Key::new("max_pages", "The most pages of one round; a provider that sends more goes round in circles.")
                    .default(DEFAULT_MAX_PAGES)
                    .within(MIN_MAX_PAGES..=MAX_MAX_PAGES),
            ),
            portion: from.value(
                Key::new("portion", "Events that become blocked times in one transaction.")
                    .default(DEFAULT_PORTION)
                    .within(MIN_PORTION..=MAX_PORTION),
            ),
            spread: from.value(
                Key::new("spread", "Over so long the calendars of one tick are spread, each by its own part.")
                    .default(DEFAULT_SPREAD)
                    .within(MIN_SPREAD..=MAX_SPREAD),
            ),
            disable_after: from.value(
                Key::new("disable_after", "After so many failures in a row a calendar is not synchronised any more.")
                    .default(DEFAULT_DISABLE_AFTER)
                    .within(MIN_DISABLE_AFTER..=MAX_DISABLE_AFTER),
            ),
        }
    }

    /// As the jobs want it.
    pub(crate) fn settings(&self) -> CalendarSettings {
        let Self { past, future, full_sync, max_pages, portion, spread, disable_after } = *self;
        CalendarSettings { past, future, full_sync, max_pages, portion, spread, disable_after }
    }
}
