//! The instants at which an entry fires: its crontab line, read off the clocks of a time zone.
//!
//! When clocks are put forward or back, one of two rules holds, and `docs/operations.md` tells of both:
//! - an entry with chosen hours keeps appointments: each happens once. One in the gap happens when the gap ends, or in
//!   the last second of its day if the day ends in the gap; one that comes twice happens the first time;
//! - an entry of every hour counts elapsed time: it fires at every reading that matches, both times if it comes twice,
//!   and a reading that is skipped is none.

use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;

use super::crontab::Crontab;

/// No zone is farther from UTC than this.
const FARTHEST: Duration = Duration::hours(16);
/// How far ahead one look for a change of clocks goes.
const LOOK: Duration = Duration::hours(36);

#[derive(Debug, Clone)]
pub(crate) struct Ticks {
    pub(crate) crontab: Crontab,
    pub(crate) zone: Tz,
}

/// What the clocks of the zone did at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// They never showed this reading, for which the entry asks.
    Skipped(NaiveDateTime),
    /// They show the reading twice, now for the first time.
    First,
    Second,
}

impl Ticks {
    /// The first tick after this instant.
    pub(crate) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let after = after.with_nanosecond(0)?;
        if self.crontab.every_hour() { self.next_elapsed(after) } else { self.next_appointment(after) }
    }

    /// The ticks after the first instant, up to the second one and with it.
    pub(crate) fn between(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        let mut at = after;
        std::iter::from_fn(move || {
            at = self.next(at).filter(|next| *next <= until)?;
            Some(at)
        })
    }

    /// The last `most` ticks of that span, without going through all of it.
    pub(crate) fn latest(&self, after: DateTime<Utc>, until: DateTime<Utc>, most: usize) -> Vec<DateTime<Utc>> {
        let mut span = Duration::minutes(1);
        loop {
            let from = after.max(until - span);
            let mut found: Vec<_> = self.between(from, until).collect();
            if found.len() >= most || from == after {
                return found.split_off(found.len().saturating_sub(most));
            }
            span = span * 8;
        }
    }

    fn next_appointment(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // What reads earlier than the clock now has been: the order of readings is that of their instants.
        let mut reading = self.reading(after);
        loop {
            reading = self.crontab.next_reading(reading)?;
            if let Some(at) = self.appointment(reading).filter(|at| *at > after) {
                return Some(at);
            }
        }
    }

    /// When this reading is kept: none if its whole day is skipped.
    fn appointment(&self, reading: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.zone.from_local_datetime(&reading) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
            LocalResult::None => {
                let end = self.end_of_gap(reading);
                let last = end - Duration::seconds(1);
                [end, last].into_iter().find(|at| self.reading(*at).date() == reading.date())
            }
        }
    }

    /// The first instant at which the clock is past a reading that it skips.
    fn end_of_gap(&self, reading: NaiveDateTime) -> DateTime<Utc> {
        let (mut before, mut after) = (reading.and_utc() - FARTHEST, reading.and_utc() + FARTHEST);
        while after - before > Duration::seconds(1) {
            let middle = before + Duration::seconds((after - before).num_seconds() / 2);
            if self.reading(middle) > reading { after = middle } else { before = middle }
        }
        after
    }

    fn next_elapsed(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = after + Duration::seconds(1);
        loop {
            // From here to the next change of clocks, readings and instants go together.
            let reading = self.reading(from);
            let shift = reading.and_utc() - from;
            let next = self.crontab.next_reading(reading - Duration::seconds(1))?.and_utc() - shift;
            if next <= from + Duration::hours(1) && self.reading(next).and_utc() - next == shift {
                // The usual case: no clocks are put twice within an hour.
                return Some(next);
            }
            match self.next_change(from) {
                Some(change) if change <= next => from = change,
                _ if next <= from + LOOK => return Some(next),
                // No reading matches before that one, give or take the two days by which clocks may be put.
                _ => from = (from + LOOK).max(next - Duration::days(2)),
            }
        }
    }

    /// The next instant at which the clocks are put, if it is near.
    fn next_change(&self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let shift = |at: DateTime<Utc>| self.reading(at).and_utc() - at;
        let now = shift(from);
        let hours = (1..=LOOK.num_hours()).map(|hours| from + Duration::hours(hours));
        let mut after = hours.into_iter().find(|at| shift(*at) != now)?;
        let mut before = after - Duration::hours(1);
        while after - before > Duration::seconds(1) {
            let middle = before + Duration::seconds((after - before).num_seconds() / 2);
            if shift(middle) == now { before = middle } else { after = middle }
        }
        Some(after)
    }

    fn reading(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.zone).naive_local()
    }

    /// What is odd about this tick, for people who look at a list of them.
    pub(crate) fn odd(&self, tick: DateTime<Utc>) -> Option<Odd> {
        let reading = self.reading(tick);
        let wanted = self.crontab.next_reading(reading - Duration::seconds(1));
        if wanted != Some(reading) {
            return self.kept_at(tick).map(Odd::Skipped);
        }
        match self.zone.from_local_datetime(&reading) {
            LocalResult::Ambiguous(first, _) if first.to_utc() == tick => Some(Odd::First),
            LocalResult::Ambiguous(_, second) if second.to_utc() == tick => Some(Odd::Second),
            LocalResult::Ambiguous(..) | LocalResult::Single(_) | LocalResult::None => None,
        }
    }

    /// The skipped reading that is kept at this tick.
    fn kept_at(&self, tick: DateTime<Utc>) -> Option<NaiveDateTime> {
        let mut reading = self.reading(tick) - Duration::days(1);
        let until = reading + Duration::days(2);
        let readings = std::iter::from_fn(|| {
            reading = self.crontab.next_reading(reading)?;
            Some(reading)
        });
        readings.take_while(|reading| *reading < until).find(|reading| {
            self.zone.from_local_datetime(reading) == LocalResult::None && self.appointment(*reading) == Some(tick)
        })
    }
}

#[cfg(test)]
mod tests;
