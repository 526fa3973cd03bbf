//! What becomes of the ticks that are due: which fire, and which were missed.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::ticks::Ticks;
use crate::config::schedule::CatchUp;

/// A tick that is no later than this is on time, whatever the entry says of late ones: a busy moment, a restart or a
/// reconnect makes nobody miss anything.
pub(crate) const ON_TIME: Duration = Duration::from_secs(10);
/// As far as missed ticks are counted.
const MAX_COUNTED: usize = 10_000;

/// What is to be decided at once, in the order of the ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) missed: Option<Missed>,
    pub(crate) fire: Vec<DateTime<Utc>>,
    /// The last tick that is due.
    pub(crate) to: DateTime<Utc>,
}

/// Ticks in a row that nobody makes up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) first: DateTime<Utc>,
    pub(crate) last: DateTime<Utc>,
    /// At most 10,000, which then means "or more".
    pub(crate) count: usize,
}

/// What to do about the ticks after `after`, up to `now`; none when none is due.
pub(crate) fn plan(ticks: &Ticks, catch_up: CatchUp, after: DateTime<Utc>, now: DateTime<Utc>) -> Option<Plan> {
    ticks.next(after).filter(|first| *first <= now)?;
    let late = (now - ON_TIME).max(after);
    let on_time: Vec<_> = ticks.between(late, now).collect();
    let made_up = match catch_up {
        CatchUp::None => Vec::new(),
        CatchUp::Last if !on_time.is_empty() => Vec::new(),
        CatchUp::Last => ticks.latest(after, late, 1),
        CatchUp::All { most, within } => ticks.latest(after.max(now - within).min(late), late, most as usize),
    };
    let missed = missed(ticks, after, late, made_up.first().copied());
    let fire: Vec<_> = made_up.into_iter().chain(on_time).collect();
    let to = fire.last().copied().or(missed.map(|missed| missed.last))?;
    Some(Plan { missed, fire, to })
}

/// What lies before the first late tick that is made up for.
fn missed(ticks: &Ticks, after: DateTime<Utc>, late: DateTime<Utc>, kept: Option<DateTime<Utc>>) -> Option<Missed> {
    all(ticks, after, kept.map_or(late, |kept| kept - chrono::Duration::seconds(1)).max(after))
}

/// All ticks of a span as one: its ends, and their number.
pub(crate) fn all(ticks: &Ticks, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<Missed> {
    let first = ticks.between(after, until).next()?;
    let last = ticks.latest(after, until, 1).pop()?;
    Some(Missed { first, last, count: ticks.between(after, until).take(MAX_COUNTED).count() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::crontab::Crontab;

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-20T{time}Z").parse().unwrap()
    }

    fn decide(cron: &str, catch_up: CatchUp, after: &str, now: &str) -> (Vec<String>, Option<(String, String, usize)>) {
        let ticks = Ticks { crontab: Crontab::parse(cron).unwrap(), zone: chrono_tz::UTC };
        let plan = plan(&ticks, catch_up, at(after), at(now)).unwrap();
        let show = |at: &DateTime<Utc>| at.format("%T").to_string();
        assert_eq!(Some(plan.to), ticks.latest(at(after), at(now), 1).pop(), "everything that is due is decided");
        let missed = plan.missed.map(|missed| (show(&missed.first), show(&missed.last), missed.count));
        (plan.fire.iter().map(show).collect(), missed)
    }

    fn none() -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn what_is_on_time_fires_under_every_policy() {
        let all = CatchUp::All { most: 1, within: Duration::from_secs(1) };
        for policy in [CatchUp::None, CatchUp::Last, all] {
            assert_eq!(decide("* * * * * *", policy, "10:00:00", "10:00:03").0, ["10:00:01", "10:00:02", "10:00:03"]);
            assert_eq!(decide("*/5 * * * *", policy, "10:00:00", "10:05:09.9"), (vec!["10:05:00".into()], None));
        }
    }

    #[test]
    fn the_last_of_late_ticks_is_made_up_for_unless_a_newer_one_fires_anyway() {
        let missed = Some(("10:05:00".into(), "10:20:00".into(), 4));
        assert_eq!(decide("*/5 * * * *", CatchUp::Last, "10:00:00", "10:27:00"), (vec!["10:25:00".into()], missed));
        let missed = Some(("10:05:00".into(), "10:20:00".into(), 4));
        assert_eq!(decide("*/5 * * * *", CatchUp::Last, "10:00:00", "10:25:01"), (vec!["10:25:00".into()], missed));
        assert_eq!(decide("*/5 * * * *", CatchUp::Last, "10:00:00", "10:06:00"), (vec!["10:05:00".into()], None));
    }

    #[test]
    fn none_makes_up_for_nothing() {
        let missed = Some(("10:05:00".into(), "10:25:00".into(), 5));
        assert_eq!(decide("*/5 * * * *", CatchUp::None, "10:00:00", "10:27:00"), (none(), missed));
    }

    #[test]
    fn all_is_bounded_by_number_and_by_age() {
        let all = |most, minutes| CatchUp::All { most, within: Duration::from_mins(minutes) };
        let (fired, missed) = decide("*/5 * * * *", all(2, 60), "10:00:00", "10:27:00");
        assert_eq!(fired, ["10:20:00", "10:25:00"]);
        assert_eq!(missed, Some(("10:05:00".into(), "10:15:00".into(), 3)));
        let (fired, missed) = decide("*/5 * * * *", all(100, 8), "10:00:00", "10:27:00");
        assert_eq!(fired, ["10:20:00", "10:25:00"]);
        assert_eq!(missed, Some(("10:05:00".into(), "10:15:00".into(), 3)));
        assert_eq!(decide("*/5 * * * *", all(100, 600), "10:00:00", "10:27:00").0.len(), 5);
    }

    #[test]
    fn a_long_outage_is_counted_only_so_far() {
        let missed = decide("* * * * * *", CatchUp::None, "00:00:00", "23:00:00").1.unwrap();
        assert_eq!(missed, ("00:00:01".into(), "22:59:50".into(), MAX_COUNTED));
    }
}
