//! The rule about clocks that are put, over real zones and years.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate, TimeDelta};
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::*;

fn ticks(line: &str, zone: &str) -> Ticks {
    Ticks { crontab: Crontab::parse(line).unwrap(), zone: zone.parse().unwrap() }
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse::<NaiveDateTime>().unwrap().and_utc()
}

/// What the zone's clocks show at the ticks of a span, with their distance from UTC.
fn shown(line: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
    let ticks = ticks(line, zone);
    let show = |at: DateTime<Utc>| at.with_timezone(&ticks.zone).format("%d %H:%M:%S %z").to_string();
    ticks.between(instant(from), instant(until)).map(show).collect()
}

#[test]
fn an_appointment_in_the_gap_is_kept_when_the_gap_ends() {
    for (line, zone, from, until, want) in [
        // 02:00 to 03:00 is skipped.
        (
            "30 2 * * *",
            "America/New_York",
            "2026-03-07T12:00:00",
            "2026-03-09T12:00:00",
            vec!["08 03:00:00 -0400", "09 02:30:00 -0400"],
        ),
        // 01:00 to 02:00 is skipped, and both appointments fall together with a third.
        (
            "0,30 1,2 * * *",
            "Europe/Dublin",
            "2026-03-28T12:00:00",
            "2026-03-29T12:00:00",
            vec!["29 02:00:00 +0100", "29 02:30:00 +0100"],
        ),
        // Half an hour only, 02:00 to 02:30.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00", "2026-10-04T12:00:00", vec!["04 02:30:00 +1100"]),
        // Midnight is skipped: the day begins at 01:00.
        (
            "0 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T12:00:00",
            "2018-11-05T12:00:00",
            vec!["04 01:00:00 -0200", "05 00:00:00 -0200"],
        ),
        (
            "0 0 * * *",
            "Asia/Tehran",
            "2022-03-21T12:00:00",
            "2022-03-23T12:00:00",
            vec!["22 01:00:00 +0430", "23 00:00:00 +0430"],
        ),
        // The last hour of the day is skipped: it is kept in the last second that the day has.
        (
            "30 23 * * *",
            "America/Nuuk",
            "2024-03-30T12:00:00",
            "2024-04-01T12:00:00",
            vec!["30 22:59:59 -0200", "31 23:30:00 -0100"],
        ),
        // A whole day is skipped, and so are its appointments.
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T00:00:00",
            "2011-12-31T12:00:00",
            vec!["29 12:00:00 -1000", "31 12:00:00 +1400"],
        ),
        // Where the clocks go back for Ramadan, and forward after it.
        ("30 2 * * *", "Africa/Casablanca", "2024-04-13T12:00:00", "2024-04-14T12:00:00", vec!["14 03:00:00 +0100"]),
    ] {
        assert_eq!(shown(line, zone, from, until), want, "{line} in {zone}");
    }
}

#[test]
fn an_appointment_that_comes_twice_is_kept_the_first_time() {
    for (line, zone, from, until, want) in [
        (
            "30 1 * * *",
            "America/New_York",
            "2026-11-01T00:00:00",
            "2026-11-02T12:00:00",
            vec!["01 01:30:00 -0400", "02 01:30:00 -0500"],
        ),
        ("*/30 1 * * *", "Europe/Dublin", "2026-10-25T00:30:00", "2026-10-25T12:00:00", vec![]),
        (
            "*/30 1 * * *",
            "Europe/Dublin",
            "2026-10-24T12:00:00",
            "2026-10-25T12:00:00",
            vec!["25 01:00:00 +0100", "25 01:30:00 +0100"],
        ),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00", "2026-04-05T12:00:00", vec!["05 01:45:00 +1100"]),
        // The clocks go from midnight back into the day before: its evening comes twice, midnight once.
        (
            "0 0,23 * * *",
            "America/Sao_Paulo",
            "2018-02-17T12:00:00",
            "2018-02-18T12:00:00",
            vec!["17 23:00:00 -0200", "18 00:00:00 -0300"],
        ),
        (
            "0 0 * * *",
            "Asia/Tehran",
            "2022-09-20T12:00:00",
            "2022-09-22T12:00:00",
            vec!["21 00:00:00 +0430", "22 00:00:00 +0330"],
        ),
        ("30 2 * * *", "Africa/Casablanca", "2024-03-09T12:00:00", "2024-03-10T12:00:00", vec!["10 02:30:00 +0100"]),
    ] {
        assert_eq!(shown(line, zone, from, until), want, "{line} in {zone}");
    }
}

#[test]
fn an_entry_of_every_hour_counts_elapsed_time() {
    for (line, zone, from, until, want) in [
        (
            "*/30 * * * *",
            "America/New_York",
            "2026-03-08T06:00:00",
            "2026-03-08T08:00:00",
            vec!["08 01:30:00 -0500", "08 03:00:00 -0400", "08 03:30:00 -0400", "08 04:00:00 -0400"],
        ),
        (
            "*/30 * * * *",
            "America/New_York",
            "2026-11-01T05:00:00",
            "2026-11-01T07:00:00",
            vec!["01 01:30:00 -0400", "01 01:00:00 -0500", "01 01:30:00 -0500", "01 02:00:00 -0500"],
        ),
        (
            "*/15 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:30:00",
            "2026-04-04T15:30:00",
            vec!["05 01:45:00 +1100", "05 01:30:00 +1030", "05 01:45:00 +1030", "05 02:00:00 +1030"],
        ),
        (
            "20 * * * *",
            "America/Sao_Paulo",
            "2018-02-18T01:00:00",
            "2018-02-18T04:00:00",
            vec!["17 23:20:00 -0200", "17 23:20:00 -0300", "18 00:20:00 -0300"],
        ),
        (
            "0 * * * *",
            "UTC",
            "2026-03-29T00:00:00",
            "2026-03-29T02:00:00",
            vec!["29 01:00:00 +0000", "29 02:00:00 +0000"],
        ),
        // On one day of the week only, across a change on the day before.
        (
            "0 * * * mon",
            "Europe/Dublin",
            "2026-10-24T12:00:00",
            "2026-10-26T01:30:00",
            vec!["26 00:00:00 +0000", "26 01:00:00 +0000"],
        ),
    ] {
        assert_eq!(shown(line, zone, from, until), want, "{line} in {zone}");
    }
}

#[test]
fn what_is_odd_about_a_tick_is_told() {
    let odd = |line: &str, zone: &str, at: &str| ticks(line, zone).odd(instant(at));
    let gap = NaiveDate::from_ymd_opt(2026, 3, 8).unwrap().and_hms_opt(2, 30, 0).unwrap();
    assert_eq!(odd("30 2 * * *", "America/New_York", "2026-03-08T07:00:00"), Some(Odd::Skipped(gap)));
    assert_eq!(odd("30 2 * * *", "America/New_York", "2026-03-09T06:30:00"), None);
    assert_eq!(odd("30 1 * * *", "America/New_York", "2026-11-01T05:30:00"), Some(Odd::First));
    assert_eq!(odd("30 * * * *", "America/New_York", "2026-11-01T06:30:00"), Some(Odd::Second));
}

#[test]
fn the_latest_ticks_are_those_that_a_walk_would_find() {
    for (line, most) in [("*/7 * * * * *", 5), ("0 3 * * *", 1), ("0 3 1 * *", 2), ("0 0 29 2 *", 1)] {
        let ticks = ticks(line, "Europe/Berlin");
        let (from, until) = (instant("2026-01-01T00:00:00"), instant("2026-04-01T00:00:00"));
        let all: Vec<_> = ticks.between(from, until).collect();
        assert_eq!(ticks.latest(from, until, most), all[all.len().saturating_sub(most)..], "{line}");
    }
}

/// Days on which the clocks of a zone were put, and the ones beside them.
fn days_of_changes(zone: Tz, years: std::ops::Range<i32>) -> Vec<NaiveDate> {
    let mut day = NaiveDate::from_ymd_opt(years.start, 1, 1).unwrap();
    let mut days = Vec::new();
    let shift = |day: NaiveDate| {
        let noon = day.and_hms_opt(12, 0, 0).unwrap().and_utc();
        noon.with_timezone(&zone).naive_local() - noon.naive_utc()
    };
    while day.year() < years.end {
        let next = day + TimeDelta::days(1);
        if shift(day) != shift(next) {
            days.extend([day - TimeDelta::days(1), day, next, next + TimeDelta::days(1)]);
        }
        day = next;
    }
    days.dedup();
    days
}

/// Every day that the zone's clocks showed has one tick, and no other day has any.
fn one_a_day(zone: Tz, line: &str, first: NaiveDate, last: NaiveDate) {
    let ticks = Ticks { crontab: Crontab::parse(line).unwrap(), zone };
    let (from, until) = (
        first.and_hms_opt(0, 0, 0).unwrap().and_utc() - FARTHEST,
        last.and_hms_opt(23, 59, 59).unwrap().and_utc() + FARTHEST,
    );
    let mut count: BTreeMap<NaiveDate, u32> = BTreeMap::new();
    let mut before = from;
    for tick in ticks.between(from, until) {
        assert!(tick > before, "{zone} {line}: {tick} after {before}");
        before = tick;
        *count.entry(tick.with_timezone(&zone).date_naive()).or_default() += 1;
    }
    let mut day = first;
    while day <= last {
        let minutes = (0..24 * 60).map(|minute| day.and_hms_opt(minute / 60, minute % 60, 0).unwrap());
        let mut minutes = minutes.map(|reading| zone.from_local_datetime(&reading));
        let exists = minutes.any(|shown| shown != LocalResult::None);
        assert_eq!(count.get(&day).copied().unwrap_or(0), u32::from(exists), "{zone} {line}: {day}");
        day += TimeDelta::days(1);
    }
}

#[test]
fn in_every_zone_a_daily_entry_fires_once_on_every_local_day() {
    for zone in TZ_VARIANTS {
        for (at, day) in days_of_changes(zone, 2005..2038).chunks(4).enumerate() {
            // Each change is met by another time of day; the small hours are those that matter.
            let line = ["30 0 * * *", "0 0 * * *", "30 2 * * *", "15 1 * * *", "30 23 * * *", "59 59 1 * * *"][at % 6];
            one_a_day(zone, line, day[0], day[day.len() - 1]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_any_time_of_day_a_daily_entry_fires_once_on_every_local_day(
        zone in 0..TZ_VARIANTS.len(), minute in 0..24 * 60u32, year in 1971..2037i32, day in 1..365u32,
    ) {
        let first = NaiveDate::from_yo_opt(year, day).unwrap();
        let line = format!("{} {} * * *", minute % 60, minute / 60);
        one_a_day(TZ_VARIANTS[zone], &line, first, first + TimeDelta::days(30));
    }

    #[test]
    fn ticks_increase_and_match_the_clock(
        zone in 0..TZ_VARIANTS.len(), second in 0..60u32, step in 1..60u32, from in 0..2_100_000_000i64,
    ) {
        let zone = TZ_VARIANTS[zone];
        let ticks = Ticks { crontab: Crontab::parse(&format!("{second} */{step} * * * *")).unwrap(), zone };
        let mut before = DateTime::from_timestamp(from, 0).unwrap();
        for _ in 0..200 {
            let tick = ticks.next(before).unwrap();
            prop_assert!(tick > before && tick - before <= TimeDelta::hours(3));
            let shown = tick.with_timezone(&zone);
            prop_assert_eq!((shown.second(), shown.minute() % step), (second, 0));
            before = tick;
        }
    }

    /// The ticks of an elapsed entry are exactly the instants whose reading matches.
    #[test]
    fn an_entry_of_every_hour_fires_at_every_reading_that_matches(
        zone in 0..TZ_VARIANTS.len(), year in 2000..2037i32, at in 0..1000usize,
    ) {
        let zone = TZ_VARIANTS[zone];
        let changes = days_of_changes(zone, year..year + 1);
        let day = changes.get(at % changes.len().max(1)).copied().unwrap_or(NaiveDate::from_yo_opt(year, 60).unwrap());
        let ticks = Ticks { crontab: Crontab::parse("*/20 * * * *").unwrap(), zone };
        let from = day.and_hms_opt(0, 0, 0).unwrap().and_utc();
        let found: Vec<_> = ticks.between(from, from + TimeDelta::days(2)).collect();
        let all = (1..=2 * 24 * 60).map(|minute| from + TimeDelta::minutes(minute));
        let want: Vec<_> = all.filter(|at| {
            let shown = at.with_timezone(&zone);
            shown.minute().is_multiple_of(20) && shown.second() == 0
        }).collect();
        prop_assert_eq!(found, want);
    }
}
