//! What a limit may be, and how the script is asked about it.

use std::time::Duration;

use super::days;
use crate::{
    clock::Millis,
    scripts::{limits::Rule, millis},
};

/// An IANA time zone, such as `Europe/Berlin`.
pub use chrono_tz::Tz as Zone;

/// Rules in one question.
pub(super) const MAX_RULES: usize = 8;
/// Passes in one window: each of them is remembered.
pub(super) const MAX_WINDOW: u32 = 10_000;
/// The longest window, and the longest time in which a bucket fills.
pub(super) const MAX_SPAN: Duration = Duration::from_hours(744);
pub(super) const MIN_SPAN: Duration = Duration::from_millis(10);
pub(super) const MAX_CONCURRENT: u32 = 10_000;
/// A window is kept this much longer than it was asked for, or by a tenth if that is less. What leaves us apart may
/// arrive closer together, by as much as one way to the other side takes longer than another.
pub(super) const MARGIN: Duration = Duration::from_millis(100);

/// One rule. Several are obeyed at once: a job passes under all of them, and is counted in all, or in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// So many in any span of that length, counted exactly, also where they arrive.
    Window { passes: u32, span: Duration },
    /// So many for each period on average, and a burst of so many at once. For limits of our own and for others that
    /// forgive: unlike a window it allows for no jitter on the way.
    Bucket { passes: u32, period: Duration, burst: u32 },
    /// So many on each day of a zone, whichever length that day has.
    Daily { passes: u32, zone: Zone },
    /// So many at once; each holds a permit until its end, or until its worker dies.
    Concurrent(u32),
}

impl Limit {
    #[must_use]
    pub const fn per_second(passes: u32) -> Self {
        Self::Window { passes, span: Duration::from_secs(1) }
    }

    #[must_use]
    pub const fn window(passes: u32, span: Duration) -> Self {
        Self::Window { passes, span }
    }

    #[must_use]
    pub const fn bucket(passes: u32, period: Duration, burst: u32) -> Self {
        Self::Bucket { passes, period, burst }
    }

    #[must_use]
    pub const fn daily(passes: u32, zone: Zone) -> Self {
        Self::Daily { passes, zone }
    }

    #[must_use]
    pub const fn concurrent(permits: u32) -> Self {
        Self::Concurrent(permits)
    }

    /// # Errors
    /// What is wrong with its numbers, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let span = |span: &Duration| {
            if (MIN_SPAN..=MAX_SPAN).contains(span) {
                return Ok(());
            }
            let (least, most) = (MIN_SPAN.as_millis(), MAX_SPAN.as_secs() / 3600);
            Err(format!("limit: a time of {span:?}; use {least} ms to {most} hours"))
        };
        let count = |what: &str, number: u32, most: u32| {
            if (1..=most).contains(&number) {
                return Ok(());
            }
            Err(format!("limit: {number} {what}; use 1 to {most}"))
        };
        match self {
            Self::Window { passes, span: length } => {
                span(length)?;
                count("passes in a window", *passes, MAX_WINDOW)
            }
            Self::Bucket { passes, period, burst } => {
                span(period)?;
                count("passes for each period", *passes, u32::MAX)?;
                count("passes in a burst", *burst, u32::MAX)?;
                // How long it takes to fill must be within the same bounds.
                let fills = period.as_secs_f64() / f64::from(*passes) * f64::from(*burst);
                if fills <= MAX_SPAN.as_secs_f64() { Ok(()) } else { span(&Duration::MAX) }
            }
            Self::Daily { passes, .. } => count("passes on a day", *passes, u32::MAX),
            Self::Concurrent(permits) => count("at once", *permits, MAX_CONCURRENT),
        }
    }

    /// By how much the ways of two passes to the other side may differ.
    pub(super) fn margin(&self) -> Option<Duration> {
        match self {
            Self::Window { span, .. } => Some(MARGIN.min(*span / 10)),
            Self::Bucket { .. } | Self::Daily { .. } | Self::Concurrent(_) => None,
        }
    }

    /// As the script reads it, on this day.
    pub(super) fn rule(&self, now: Millis) -> Rule {
        match self {
            Self::Window { passes, span } => {
                let kept = *span + self.margin().unwrap_or_default();
                Rule { kind: "window", passes: *passes, terms: millis(kept).to_string() }
            }
            Self::Bucket { passes, period, burst } => {
                let each = period.as_secs_f64() * 1000.0 / f64::from(*passes);
                Rule { kind: "bucket", passes: *burst, terms: format!("{each:.6}") }
            }
            Self::Daily { passes, zone } => {
                let bounds: Vec<String> = days::from(*zone, now).iter().map(|at| at.0.to_string()).collect();
                Rule { kind: "day", passes: *passes, terms: bounds.join(" ") }
            }
            Self::Concurrent(permits) => Rule { kind: "concurrent", passes: *permits, terms: String::new() },
        }
    }
}

/// # Errors
/// What is wrong with the first that is.
pub(super) fn check(rules: &[Limit]) -> Result<(), String> {
    if rules.len() > MAX_RULES {
        return Err(format!("limit: {} rules for one key; use at most {MAX_RULES}", rules.len()));
    }
    rules.iter().try_for_each(Limit::check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_limit_can_have_are_refused_with_what_is_allowed() {
        for (limit, words) in [
            (Limit::per_second(0), "1 to 10000"),
            (Limit::window(10_001, Duration::from_secs(1)), "10001 passes in a window; use 1 to 10000"),
            (Limit::window(1, Duration::ZERO), "10 ms to 744 hours"),
            (Limit::bucket(1, MAX_SPAN, 2), "744 hours"),
            (Limit::bucket(0, MIN_SPAN, 2), "passes for each period"),
            (Limit::daily(0, Zone::UTC), "on a day"),
            (Limit::concurrent(0), "at once; use 1 to 10000"),
        ] {
            let refusal = limit.check().unwrap_err();
            assert!(refusal.contains(words), "{refusal}");
        }
        assert_eq!(Limit::per_second(100).check(), Ok(()));
        assert!(check(&[Limit::per_second(1); 9]).unwrap_err().contains("at most 8"));
    }

    #[test]
    fn a_window_is_kept_longer_than_it_was_asked_for() {
        let kept = |span| Limit::window(1, Duration::from_millis(span)).rule(Millis(0)).terms;
        assert_eq!((kept(1_000), kept(100), kept(3_600_000)), ("1100".into(), "110".into(), "3600100".into()));
    }
}
