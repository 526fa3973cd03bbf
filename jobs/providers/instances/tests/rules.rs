//! Rules with known answers: all examples of RFC 5545, 3.8.5.3, and what it does not show.
//!
//! The answers of the examples are the standard's own; the others were worked out on a calendar.

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{
    super::{
        super::recurrence::{Rule, instances},
        *,
    },
    dates, read_in, stepped,
};

/// What a rule makes in New York from its start until the end, on the clock there.
fn made(start: &str, rule: &str, to: &str) -> Vec<String> {
    let lines = super::event(&format!("DTSTART;TZID=America/New_York:{start}\n{rule}\nDURATION:PT10M"));
    let events = read_in(Tz::UTC, &lines, "19950101", to).unwrap_or_else(|why| panic!("{rule}: {why}"));
    let clock = |event: &Event| match event.when {
        When::Timed { start, .. } => start.with_timezone(&Tz::America__New_York).format("%Y-%m-%dT%H%M").to_string(),
        When::AllDay { first, .. } => first.format("%Y-%m-%d").to_string(),
    };
    events.iter().map(clock).collect()
}

const FAR: &str = "20100101";

/// From when, by which rule, until when we look, and what it makes.
const STANDARD: &[(&str, &str, &str, &str)] = &[
    ("19970902", "FREQ=DAILY;COUNT=10", FAR, "1997-09 2..11"),
    (
        "19970902",
        "FREQ=DAILY;UNTIL=19971224T000000Z",
        FAR,
        "1997-09 2..30 | 1997-10 1..31 | 1997-11 1..30 | 1997-12 1..23",
    ),
    ("19970902", "FREQ=DAILY;INTERVAL=10;COUNT=5", FAR, "1997-09 2 12 22 | 1997-10 2 12"),
    (
        "19980101",
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        FAR,
        "1998-01 1..31 | 1999-01 1..31 | 2000-01 1..31",
    ),
    ("19980101", "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", FAR, "1998-01 1..31 | 1999-01 1..31 | 2000-01 1..31"),
    ("19970902", "FREQ=WEEKLY;COUNT=10", FAR, "1997-09 2 9 16 23 30 | 1997-10 7 14 21 28 | 1997-11 4"),
    (
        "19970902",
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        FAR,
        "1997-09 2 9 16 23 30 | 1997-10 7 14 21 28 | 1997-11 4 11 18 25 | 1997-12 2 9 16 23",
    ),
    (
        "19970902",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "19980218",
        "1997-09 2 16 30 | 1997-10 14 28 | 1997-11 11 25 | 1997-12 9 23 | 1998-01 6 20 | 1998-02 3 17",
    ),
    (
        "19970902",
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        FAR,
        "1997-09 2 4 9 11 16 18 23 25 30 | 1997-10 2",
    ),
    ("19970902", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", FAR, "1997-09 2 4 9 11 16 18 23 25 30 | 1997-10 2"),
    (
        "19970901",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        FAR,
        "1997-09 1 3 5 15 17 19 29 | 1997-10 1 3 13 15 17 27 29 31 | 1997-11 10 12 14 24 26 28 | 1997-12 8 10 12 22",
    ),
    ("19970902", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", FAR, "1997-09 2 4 16 18 30 | 1997-10 2 14 16"),
    (
        "19970905",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        FAR,
        "1997-09 5 | 1997-10 3 | 1997-11 7 | 1997-12 5 | 1998-01 2 | 1998-02 6 | 1998-03 6 | 1998-04 3 | 1998-05 1 | 1998-06 5",
    ),
    ("19970905", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", FAR, "1997-09 5 | 1997-10 3 | 1997-11 7 | 1997-12 5"),
    (
        "19970907",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        FAR,
        "1997-09 7 28 | 1997-11 2 30 | 1998-01 4 25 | 1998-03 1 29 | 1998-05 3 31",
    ),
    (
        "19970922",
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        FAR,
        "1997-09 22 | 1997-10 20 | 1997-11 17 | 1997-12 22 | 1998-01 19 | 1998-02 16",
    ),
    (
        "19970928",
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        "19980301",
        "1997-09 28 | 1997-10 29 | 1997-11 28 | 1997-12 29 | 1998-01 29 | 1998-02 26",
    ),
    (
        "19970902",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        FAR,
        "1997-09 2 15 | 1997-10 2 15 | 1997-11 2 15 | 1997-12 2 15 | 1998-01 2 15",
    ),
    (
        "19970930",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        FAR,
        "1997-09 30 | 1997-10 1 31 | 1997-11 1 30 | 1997-12 1 31 | 1998-01 1 31 | 1998-02 1",
    ),
    (
        "19970910",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        FAR,
        "1997-09 10..15 | 1999-03 10..13",
    ),
    (
        "19970902",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "19980401",
        "1997-09 2 9 16 23 30 | 1997-11 4 11 18 25 | 1998-01 6 13 20 27 | 1998-03 3 10 17 24 31",
    ),
    (
        "19970610",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        FAR,
        "1997-06 10 | 1997-07 10 | 1998-06 10 | 1998-07 10 | 1999-06 10 | 1999-07 10 | 2000-06 10 | 2000-07 10 | 2001-06 10 | 2001-07 10",
    ),
    (
        "19970310",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        FAR,
        "1997-03 10 | 1999-01 10 | 1999-02 10 | 1999-03 10 | 2001-01 10 | 2001-02 10 | 2001-03 10 | 2003-01 10 | 2003-02 10 | 2003-03 10",
    ),
    (
        "19970101",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        FAR,
        "1997-01 1 | 1997-04 10 | 1997-07 19 | 2000-01 1 | 2000-04 9 | 2000-07 18 | 2003-01 1 | 2003-04 10 | 2003-07 19 | 2006-01 1",
    ),
    ("19970519", "FREQ=YEARLY;BYDAY=20MO", "20000101", "1997-05 19 | 1998-05 18 | 1999-05 17"),
    ("19970512", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "20000101", "1997-05 12 | 1998-05 11 | 1999-05 17"),
    (
        "19970313",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "20000101",
        "1997-03 13 20 27 | 1998-03 5 12 19 26 | 1999-03 4 11 18 25",
    ),
    (
        "19970605",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "19990101",
        "1997-06 5 12 19 26 | 1997-07 3 10 17 24 31 | 1997-08 7 14 21 28 | 1998-06 4 11 18 25 | 1998-07 2 9 16 23 30 | 1998-08 6 13 20 27",
    ),
    (
        "19970913",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "19980701",
        "1997-09 13 | 1997-10 11 | 1997-11 8 | 1997-12 13 | 1998-01 10 | 1998-02 7 | 1998-03 7 | 1998-04 11 | 1998-05 9 | 1998-06 13",
    ),
    (
        "19961105",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "20050101",
        "1996-11 5 | 2000-11 7 | 2004-11 2",
    ),
    ("19970904", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", FAR, "1997-09 4 | 1997-10 7 | 1997-11 6"),
    (
        "19970929",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "19980401",
        "1997-09 29 | 1997-10 30 | 1997-11 27 | 1997-12 30 | 1998-01 29 | 1998-02 26 | 1998-03 30",
    ),
    ("19970902", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", FAR, "1997-09 2T0900 2T1200 2T1500"),
    ("19970902", "FREQ=MINUTELY;INTERVAL=15;COUNT=6", FAR, "1997-09 2T0900 2T0915 2T0930 2T0945 2T1000 2T1015"),
    ("19970902", "FREQ=MINUTELY;INTERVAL=90;COUNT=4", FAR, "1997-09 2T0900 2T1030 2T1200 2T1330"),
    (
        "19970902",
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
        "19970902T190000Z",
        "1997-09 2T0900 2T0920 2T0940 2T1000 2T1020 2T1040 2T1100 2T1120 2T1140 2T1200 2T1220 2T1240 2T1300 2T1320 2T1340 2T1400 2T1420 2T1440",
    ),
    (
        "19970902",
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
        "19970903T133000Z",
        "1997-09 2T0900 2T0920 2T0940 2T1000 2T1020 2T1040 2T1100 2T1120 2T1140 2T1200 2T1220 2T1240 2T1300 2T1320 2T1340 2T1400 2T1420 2T1440 2T1500 2T1520 2T1540 2T1600 2T1620 2T1640 3T0900 3T0920",
    ),
    ("19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", FAR, "1997-08 5 10 19 24"),
    ("19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", FAR, "1997-08 5 17 19 31"),
    ("20070115", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", FAR, "2007-01 15 30 | 2007-02 15 | 2007-03 15 30"),
];

/// What the standard shows no example of.
const OTHERS: &[(&str, &str, &str, &str)] = &[
    // A day that not every month or year has.
    ("20040131", "FREQ=MONTHLY;COUNT=5", FAR, "2004-01 31 | 2004-03 31 | 2004-05 31 | 2004-07 31 | 2004-08 31"),
    ("19960229", "FREQ=YEARLY;COUNT=3", FAR, "1996-02 29 | 2000-02 29 | 2004-02 29"),
    ("20030131", "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=4", FAR, "2003-01 31 | 2003-02 28 | 2003-03 31 | 2003-04 30"),
    ("20040130", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=30;COUNT=3", FAR, "2004-01 30 | 2004-03 30 | 2004-04 30"),
    ("20001231", "FREQ=YEARLY;BYYEARDAY=-1;COUNT=3", FAR, "2000-12 31 | 2001-12 31 | 2002-12 31"),
    ("20001231", "FREQ=YEARLY;BYYEARDAY=366;COUNT=3", FAR, "2000-12 31 | 2004-12 31 | 2008-12 31"),
    // Clocks are put by such rules.
    ("19981025", "FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;COUNT=3", FAR, "1998-10 25 | 1999-10 31 | 2000-10 29"),
    ("19980405", "FREQ=YEARLY;BYMONTH=4;BYDAY=1SU;COUNT=3", FAR, "1998-04 5 | 1999-04 4 | 2000-04 2"),
    ("20070311", "FREQ=YEARLY;BYMONTH=3;BYDAY=2SU;COUNT=3", FAR, "2007-03 11 | 2008-03 9 | 2009-03 8"),
    // Of the year, and not of a month.
    ("20030106", "FREQ=YEARLY;BYDAY=1MO;COUNT=3", FAR, "2003-01 6 | 2004-01 5 | 2005-01 3"),
    ("20031226", "FREQ=YEARLY;BYDAY=-1FR;COUNT=3", FAR, "2003-12 26 | 2004-12 31 | 2005-12 30"),
    // The first week may begin in the year before, and the last one may be the 53rd.
    ("19971229", "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO;COUNT=3", FAR, "1997-12 29 | 1999-01 4 | 2000-01 3"),
    ("19981228", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;COUNT=2", FAR, "1998-12 28 | 2004-12 27"),
    ("19971222", "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=MO;COUNT=3", FAR, "1997-12 22 | 1998-12 28 | 1999-12 27"),
    ("19970513", "FREQ=YEARLY;BYWEEKNO=20;COUNT=3", FAR, "1997-05 13 | 1998-05 12 | 1999-05 18"),
    ("19970511", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=SU;WKST=SU;COUNT=3", FAR, "1997-05 11 | 1998-05 17 | 1999-05 16"),
    // Positions.
    ("20040130", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=3", FAR, "2004-01 30 | 2004-02 27 | 2004-03 31"),
    ("20040101", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1;COUNT=3", FAR, "2004-01 1 | 2004-02 2 | 2004-03 1"),
    ("20040105", "FREQ=YEARLY;BYDAY=MO;BYSETPOS=1,-1;COUNT=4", FAR, "2004-01 5 | 2004-12 27 | 2005-01 3 | 2005-12 26"),
    ("20040101", "FREQ=DAILY;BYHOUR=9,12,15;BYSETPOS=-1;COUNT=3", FAR, "2004-01 1T0900 1T1500 2T1500"),
    ("20040105", "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1,3;COUNT=4", FAR, "2004-01 5 9 12 16"),
    ("20040101", "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2;COUNT=2", "20050101", "2004-01 1"),
    // The beginning is the first, and counts, whatever the rule says.
    ("20040106", "FREQ=WEEKLY;BYDAY=MO;COUNT=3", FAR, "2004-01 6 12 19"),
    ("20040106", "FREQ=MONTHLY;BYMONTHDAY=1;UNTIL=20040301T140000Z", FAR, "2004-01 6 | 2004-02 1 | 2004-03 1"),
    ("20040106", "FREQ=DAILY;COUNT=1", FAR, "2004-01 6"),
    ("20040106", "FREQ=DAILY;UNTIL=20030101T000000Z", FAR, "2004-01 6"),
    // The end in its three forms, the last of which the standard forbids here and calendars write.
    ("20040106", "FREQ=DAILY;UNTIL=20040108T140000Z", FAR, "2004-01 6 7 8"),
    ("20040106", "FREQ=DAILY;UNTIL=20040108T135959Z", FAR, "2004-01 6 7"),
    ("20040106", "FREQ=DAILY;UNTIL=20040108T090000", FAR, "2004-01 6 7 8"),
    ("20040106", "FREQ=DAILY;UNTIL=20040108", FAR, "2004-01 6 7 8"),
    // Lists of times, and of what is left out of hours.
    ("20040106", "FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30;COUNT=5", FAR, "2004-01 6T0900 6T0930 6T1700 6T1730 7T0900"),
    ("20040106", "FREQ=WEEKLY;BYDAY=TU,TH;BYHOUR=9,11;COUNT=5", FAR, "2004-01 6T0900 6T1100 8T0900 8T1100 13T0900"),
    ("20040106", "FREQ=HOURLY;BYHOUR=9,10;BYDAY=TU,WE;COUNT=5", FAR, "2004-01 6T0900 6T1000 7T0900 7T1000 13T0900"),
    ("20040106", "FREQ=HOURLY;INTERVAL=5;COUNT=4", FAR, "2004-01 6T0900 6T1400 6T1900 7T0000"),
    ("20040106", "FREQ=HOURLY;BYMINUTE=0,45;COUNT=3", FAR, "2004-01 6T0900 6T0945 6T1000"),
    ("20040106", "FREQ=MINUTELY;BYHOUR=9;BYMINUTE=0,10;COUNT=3", FAR, "2004-01 6T0900 6T0910 7T0900"),
    ("20040106", "FREQ=MINUTELY;INTERVAL=1440;COUNT=2", FAR, "2004-01 6 7"),
    // Days by the month, through days of the week, and by both.
    ("20040106", "FREQ=DAILY;BYDAY=MO,TU;COUNT=3", FAR, "2004-01 6 12 13"),
    ("20040106", "FREQ=DAILY;BYMONTHDAY=6,-1;COUNT=3", FAR, "2004-01 6 31 | 2004-02 6"),
    ("20040106", "FREQ=DAILY;INTERVAL=3;BYMONTH=1,3;COUNT=11", FAR, "2004-01 6 9 12 15 18 21 24 27 30 | 2004-03 3 6"),
    ("20040106", "FREQ=WEEKLY;BYMONTH=1,3;COUNT=5", FAR, "2004-01 6 13 20 27 | 2004-03 2"),
    ("20040102", "FREQ=MONTHLY;BYDAY=1FR,3FR;COUNT=4", FAR, "2004-01 2 16 | 2004-02 6 20"),
    ("20040130", "FREQ=MONTHLY;BYDAY=5FR;COUNT=3", FAR, "2004-01 30 | 2004-04 30 | 2004-07 30"),
    ("20040130", "FREQ=MONTHLY;BYMONTH=1,7;BYDAY=-1FR;COUNT=3", FAR, "2004-01 30 | 2004-07 30 | 2005-01 28"),
    ("20040704", "FREQ=YEARLY;BYMONTH=7;BYMONTHDAY=4;COUNT=2", FAR, "2004-07 4 | 2005-07 4"),
    ("20041125", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;COUNT=3", FAR, "2004-11 25 | 2005-11 24 | 2006-11 23"),
    ("20040601", "FREQ=YEARLY;BYMONTHDAY=1;BYMONTH=6,12;COUNT=3", FAR, "2004-06 1 | 2004-12 1 | 2005-06 1"),
    ("20040301", "FREQ=YEARLY;BYMONTHDAY=1;COUNT=3", FAR, "2004-03 1 | 2004-04 1 | 2004-05 1"),
    // Weeks that begin otherwise, and a year's end within one.
    ("20031230", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO;COUNT=4", FAR, "2003-12 30 | 2004-01 4 13 18"),
    ("20031230", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU;COUNT=4", FAR, "2003-12 30 | 2004-01 11 13 25"),
    // Spelled as some do.
    ("20040106", "freq=weekly;count=2;byday=tu", FAR, "2004-01 6 13"),
    ("20040106", "COUNT=2;FREQ=WEEKLY;X-OURS=1;", FAR, "2004-01 6 13"),
];

#[test]
fn rules_make_what_the_standard_says() {
    for (start, rule, to, found) in STANDARD.iter().chain(OTHERS) {
        let expected = dates(found, "0900");
        assert_eq!(made(&format!("{start}T090000"), &format!("RRULE:{rule}"), to), expected, "{start} {rule}");
    }
    assert!(STANDARD.len() + OTHERS.len() > 80);
}

#[test]
fn every_other_day_goes_on() {
    let found = made("19970902T090000", "RRULE:FREQ=DAILY;INTERVAL=2", "19980101");
    assert_eq!(found, stepped("1997-09-02", "1997-12-31", 2));
}

#[test]
fn friday_the_13th_without_its_beginning() {
    let rule = "RRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13\nEXDATE;TZID=America/New_York:19970902T090000";
    let found = dates("1998-02 13 | 1998-03 13 | 1998-11 13 | 1999-08 13 | 2000-10 13", "0900");
    assert_eq!(made("19970902T090000", rule, "20010101"), found);
}

#[test]
fn what_a_rule_makes_in_a_part_of_its_time_is_that_part() {
    for (start, rule, to, _) in STANDARD.iter().chain(OTHERS) {
        let text = format!("RRULE:{rule}");
        let whole = made(&format!("{start}T090000"), &text, to);
        let rule = Rule::parse(rule).unwrap();
        if rule.until.is_some() {
            continue;
        }
        let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H%M").unwrap();
        let whole: Vec<_> = whole.iter().map(|text| at(text)).collect();
        let begin = at(&format!("{}-{}-{}T0900", &start[..4], &start[4..6], &start[6..]));
        for (first, from) in whole.iter().enumerate() {
            let found = instances(&rule, begin, *from, whole[whole.len() - 1], 1000).unwrap();
            assert_eq!(found, whole[first..], "{text} from {from}");
        }
    }
}

/// What a plain rule of days makes, day by day.
fn by_hand(
    days: i64,
    weekdays: &[u32],
    count: Option<usize>,
    start: NaiveDateTime,
    to: NaiveDateTime,
) -> Vec<NaiveDateTime> {
    let all = (0..).map(|n| start + TimeDelta::days(n * days)).take_while(|at| *at <= to);
    let fits = |at: &NaiveDateTime| {
        *at == start || weekdays.is_empty() || weekdays.contains(&chrono::Datelike::weekday(at).num_days_from_monday())
    };
    all.filter(fits).take(count.unwrap_or(usize::MAX)).collect()
}

const NAMES: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

fn a_time() -> impl Strategy<Value = NaiveDateTime> {
    (1970_i32..2030, 1_u32..=366, 0_u32..1440).prop_filter_map("a day that is there", |(year, day, minute)| {
        chrono::NaiveDate::from_yo_opt(year, day)?.and_hms_opt(minute / 60, minute % 60, 0)
    })
}

fn a_rule() -> impl Strategy<Value = String> {
    let part = |name: &'static str, values: std::ops::RangeInclusive<i32>| {
        prop::option::weighted(0.25, prop::collection::vec(values.prop_filter("0 is none", |n| *n != 0), 1..4))
            .prop_map(move |list| {
                list.map_or_else(String::new, |list| {
                    format!(";{name}={}", list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
                })
            })
    };
    let frequency = prop::sample::select(vec!["MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let weekday = (-5_i32..=5, 0_usize..7)
        .prop_map(|(n, day)| if n == 0 { NAMES[day].to_owned() } else { format!("{n}{}", NAMES[day]) });
    let days = prop::option::weighted(0.3, prop::collection::vec(weekday, 1..4))
        .prop_map(|days| days.map_or_else(String::new, |days| format!(";BYDAY={}", days.join(","))));
    let lists = (
        part("BYMONTH", 1..=12),
        part("BYMONTHDAY", -31..=31),
        part("BYYEARDAY", -366..=366),
        part("BYWEEKNO", -53..=53),
    );
    let times = (part("BYHOUR", 1..=23), part("BYMINUTE", 1..=59), part("BYSETPOS", -5..=5));
    let ends = (prop::option::weighted(0.3, 1_u32..50), 1_u32..6, 0_usize..7);
    (frequency, days, lists, times, ends).prop_map(|(frequency, days, lists, times, (count, interval, week))| {
        let count = count.map_or_else(String::new, |count| format!(";COUNT={count}"));
        let (months, month_days, year_days, weeks) = lists;
        let (hours, minutes, positions) = times;
        format!(
            "FREQ={frequency};INTERVAL={interval};WKST={}{count}{days}{months}{month_days}{year_days}{weeks}{hours}{minutes}{positions}",
            NAMES[week]
        )
    })
}

proptest! {
    #[test]
    fn plain_rules_are_as_counted_by_hand(
        start in a_time(), interval in 1_i64..5, weekdays in prop::collection::btree_set(0_u32..7, 0..4),
        count in prop::option::of(1_usize..400), ahead in 0_i64..5000, long in 0_i64..400,
    ) {
        let weekdays: Vec<u32> = weekdays.into_iter().collect();
        let (from, to) = (start + TimeDelta::days(ahead), start + TimeDelta::days(ahead + long));
        let names: Vec<_> = weekdays.iter().map(|day| NAMES[*day as usize]).collect();
        let days = if names.is_empty() { String::new() } else { format!(";BYDAY={}", names.join(",")) };
        let end = count.map_or_else(String::new, |count| format!(";COUNT={count}"));
        let rule = Rule::parse(&format!("FREQ=DAILY;INTERVAL={interval}{days}{end}")).unwrap();
        let expected: Vec<_> =
            by_hand(interval, &weekdays, count, start, to).into_iter().filter(|at| *at >= from).collect();
        prop_assert_eq!(instances(&rule, start, from, to, 10_000).unwrap(), expected.clone());
        if interval == 1 && !weekdays.is_empty() {
            let weekly = Rule::parse(&format!("FREQ=WEEKLY{days}{end}")).unwrap();
            prop_assert_eq!(instances(&weekly, start, from, to, 10_000).unwrap(), expected);
        }
    }

    #[test]
    fn instances_ascend_and_none_is_doubled_or_outside(rule in a_rule(), start in a_time(), ahead in 0_i64..8000, long in 0_i64..400) {
        let (from, to) = (start + TimeDelta::days(ahead), start + TimeDelta::days(ahead + long));
        let rule = Rule::parse(&rule).unwrap();
        if let Ok(found) = instances(&rule, start, from, to, 2000) {
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(found.iter().all(|at| from <= *at && *at <= to));
            // Whoever looks at less sees the same.
            let middle = from + (to - from) / 2;
            if let Ok(half) = instances(&rule, start, middle, to, 2000) {
                let rest: Vec<_> = found.into_iter().filter(|at| *at >= middle).collect();
                prop_assert_eq!(half, rest);
            }
        }
    }

    #[test]
    fn no_rule_panics(text in "(FREQ|COUNT|UNTIL|BYDAY|INTERVAL|[A-Z-]{0,8}|[=;,]|-?[0-9]{1,12}|MO|DAILY){0,12}") {
        let _ = Rule::parse(&text);
    }
}
