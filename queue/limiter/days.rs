//! When the days of a zone begin, as instants: a day may have 23 or 25 hours, begin at one o'clock, or not exist.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::clock::Millis;

/// How many days ahead places are given by the quota of each; who comes behind them is sent there to ask again.
const AHEAD: u64 = 8;

/// The beginning of the day that this instant lies in, and of the days after it. At least two.
pub(super) fn from(zone: Tz, now: Millis) -> Vec<Millis> {
    let today = now.date().with_timezone(&zone).date_naive();
    // Where clocks go back over midnight, the same date comes twice: the instants decide, and not the name of the day.
    let first = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let dates = (0..AHEAD + 2).filter_map(|day| first.checked_add_days(Days::new(day)));
    let mut starts: Vec<Millis> = dates.filter_map(|date| start(zone, date)).collect();
    // A date that was left out begins when the next one does.
    starts.dedup();
    let current = starts.iter().rposition(|start| *start <= now).unwrap_or(0);
    starts.split_off(current)
}

/// The first instant of this date, or of the next one that exists.
fn start(zone: Tz, date: NaiveDate) -> Option<Millis> {
    // By the minute: clocks have been set forward at midnight by less than a quarter of an hour, and by a whole day.
    (0..=26 * 60).find_map(|minute| {
        let local = date.and_time(NaiveTime::MIN) + TimeDelta::minutes(minute);
        let found = zone.from_local_datetime(&local);
        [found.earliest(), found.latest()]
            .into_iter()
            .flatten()
            .map(|at| at.with_timezone(&Utc))
            // What was midnight until the clocks went back at that moment belongs to the day before.
            .find(|at| at.with_timezone(&zone).date_naive() >= date)
            .map(Millis::at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        Millis::at(text.parse().unwrap())
    }

    /// The length in hours of the day that this instant lies in, and when it begins.
    fn day(zone: &str, now: &str) -> (f64, String) {
        let found = from(zone.parse().unwrap(), at(now));
        assert!(found[0] <= at(now) && at(now) < found[1], "{zone} {now}: {found:?}");
        assert!(found.windows(2).all(|two| two[0] < two[1]) && found.len() >= 8, "{found:?}");
        #[expect(clippy::cast_precision_loss, reason = "a few hours")]
        let hours = (found[1].0 - found[0].0) as f64 / 3_600_000.0;
        (hours, found[0].date().format("%dT%H:%M").to_string())
    }

    #[test]
    fn a_day_lasts_as_long_as_its_zone_says() {
        for (zone, now, hours, begins) in [
            ("UTC", "2026-03-29T12:00:00Z", 24.0, "29T00:00"),
            ("Europe/Berlin", "2026-03-29T12:00:00Z", 23.0, "28T23:00"),
            ("Europe/Berlin", "2026-10-25T12:00:00Z", 25.0, "24T22:00"),
            ("America/New_York", "2026-11-01T12:00:00Z", 25.0, "01T04:00"),
            // Clocks go forward at midnight: the day begins at one.
            ("Africa/Cairo", "2026-04-24T12:00:00Z", 23.0, "23T22:00"),
            // Clocks go back at midnight to eleven: the evening comes twice, and belongs to the day before.
            ("Africa/Cairo", "2026-10-29T20:30:00Z", 25.0, "28T21:00"),
            ("Africa/Cairo", "2026-10-29T21:30:00Z", 25.0, "28T21:00"),
            ("Africa/Cairo", "2026-10-29T22:00:00Z", 24.0, "29T22:00"),
            // The 30th of December 2011 was left out.
            ("Pacific/Apia", "2011-12-30T09:59:59Z", 24.0, "29T10:00"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", 24.0, "30T10:00"),
            ("Australia/Lord_Howe", "2026-04-04T20:00:00Z", 24.5, "04T13:00"),
        ] {
            assert_eq!(day(zone, now), (hours, begins.to_owned()), "{zone} {now}");
        }
    }

    #[test]
    fn every_instant_lies_in_its_day_in_every_zone() {
        // Hours around the ends of March and October, when most clocks change, and the changes at midnight of others.
        for zone in chrono_tz::TZ_VARIANTS.iter().step_by(7) {
            for month in ["2026-03-27", "2026-10-23", "2018-11-03", "2024-04-25"] {
                let begin = at(&format!("{month}T00:30:00Z"));
                for hour in (0..120).step_by(5) {
                    let now = Millis(begin.0 + hour * 3_600_000);
                    let found = from(*zone, now);
                    assert!(found[0] <= now && now < found[1], "{zone} {now:?} {found:?}");
                }
            }
        }
    }
}
