//! Objects and what they say, with answers that were known before.

mod overrides;
mod rules;
mod zones;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    super::{Shown, ical},
    *,
};

pub(super) fn utc(text: &str) -> DateTime<Utc> {
    let text = if text.len() == 8 { format!("{text}T000000Z") } else { text.to_owned() };
    ical::Stamp::parse(&text).unwrap().naive().and_utc()
}

/// The events of an object in a calendar of a zone.
pub(super) fn read_in(zone: Tz, lines: &str, from: &str, to: &str) -> Result<Vec<Event>, String> {
    let text = format!("BEGIN:VCALENDAR\n{lines}\nEND:VCALENDAR\n");
    let object = ical::parse(text.as_bytes()).unwrap();
    let window = Window { from: utc(from), to: utc(to) };
    let owners = ["me@example.com".to_owned()];
    events(&Source { id: "/c/a.ics", version: Some("\"1\""), zone, owners: &owners, window }, &object)
}

pub(super) fn read(lines: &str, from: &str, to: &str) -> Vec<Event> {
    read_in(Tz::UTC, lines, from, to).unwrap()
}

pub(super) fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT")
}

/// When each takes place, as `0911T0900-1000`, in UTC; whole days as `0911-0912`.
pub(super) fn times(events: &[Event]) -> String {
    let shown = |event: &Event| match event.when {
        When::Timed { start, end } => format!("{}-{}", start.format("%m%dT%H%M"), end.format("%H%M")),
        When::AllDay { first, after } => format!("{}-{}", first.format("%m%d"), after.format("%m%d")),
    };
    events.iter().map(shown).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_event_by_itself_is_called_by_its_resource() {
    let lines = event("DTSTART:20270111T090000Z\nDTEND:20270111T100000Z\nSUMMARY:One\\, two");
    let found = read(&lines, "20270101", "20270201");
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((one.id.as_str(), one.series.as_deref(), one.uid.as_deref()), ("/c/a.ics", Some("/c/a.ics"), Some("u")));
    assert_eq!((one.title.as_deref(), one.version.as_deref()), (Some("One, two"), Some("\"1\"")));
    assert_eq!((one.shown, one.declined, one.private), (Shown::Busy, false, false));
    let weekly = event("DTSTART;TZID=Europe/Berlin:20270111T100000\nRRULE:FREQ=WEEKLY;COUNT=2\nDURATION:PT1H");
    let ids: Vec<_> = read(&weekly, "20270101", "20270201").into_iter().map(|event| event.id).collect();
    assert_eq!(ids, ["/c/a.ics#20270111T090000Z", "/c/a.ics#20270118T090000Z"]);
    let daily = event("DTSTART;VALUE=DATE:20270111\nRRULE:FREQ=DAILY;COUNT=2");
    let ids: Vec<_> = read(&daily, "20270101", "20270201").into_iter().map(|event| event.id).collect();
    assert_eq!(ids, ["/c/a.ics#20270111", "/c/a.ics#20270112"]);
}

#[test]
fn how_an_event_is_shown_follows_from_what_it_says() {
    let me = |answer: &str| format!("ATTENDEE;PARTSTAT={answer}:MAILTO:Me@Example.com");
    let base = "DTSTART:20270111T090000Z\nDURATION:PT1H";
    for (lines, shown, declined, private) in [
        (String::new(), Shown::Busy, false, false),
        ("TRANSP:OPAQUE\nSTATUS:CONFIRMED".to_owned(), Shown::Busy, false, false),
        ("TRANSP:TRANSPARENT".to_owned(), Shown::Free, false, false),
        ("transp:transparent".to_owned(), Shown::Free, false, false),
        ("STATUS:TENTATIVE".to_owned(), Shown::Tentative, false, false),
        ("X-MICROSOFT-CDO-BUSYSTATUS:OOF".to_owned(), Shown::Away, false, false),
        ("X-MICROSOFT-CDO-BUSYSTATUS:FREE".to_owned(), Shown::Free, false, false),
        ("X-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE".to_owned(), Shown::Free, false, false),
        ("X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE".to_owned(), Shown::Tentative, false, false),
        (me("DECLINED"), Shown::Busy, true, false),
        (me("TENTATIVE"), Shown::Tentative, false, false),
        (me("ACCEPTED"), Shown::Busy, false, false),
        (me("NEEDS-ACTION"), Shown::Busy, false, false),
        ("ATTENDEE;PARTSTAT=DECLINED:mailto:you@example.com".to_owned(), Shown::Busy, false, false),
        ("ATTENDEE;EMAIL=me@example.com;PARTSTAT=DECLINED:urn:uuid:1".to_owned(), Shown::Busy, true, false),
        ("CLASS:PRIVATE".to_owned(), Shown::Busy, false, true),
        ("CLASS:CONFIDENTIAL".to_owned(), Shown::Busy, false, true),
        ("CLASS:PUBLIC".to_owned(), Shown::Busy, false, false),
    ] {
        let found = read(&event(&format!("{base}\n{lines}")), "20270101", "20270201");
        let [one] = &found[..] else { panic!("{lines}: {found:?}") };
        assert_eq!((one.shown, one.declined, one.private), (shown, declined, private), "{lines}");
    }
}

#[test]
fn what_is_called_off_or_is_no_event_takes_no_place() {
    for lines in [
        event("DTSTART:20270111T090000Z\nSTATUS:CANCELLED"),
        "BEGIN:VTODO\nUID:u\nDUE:20270111T090000Z\nEND:VTODO".to_owned(),
        String::new(),
        event("DTSTART:20280111T090000Z\nDURATION:PT1H"),
    ] {
        assert_eq!(read(&lines, "20270101", "20270201"), [], "{lines}");
    }
}

#[test]
fn an_end_is_said_in_many_ways() {
    for (lines, found) in [
        ("DTSTART:20270111T090000Z\nDTEND:20270111T100000Z", "0111T0900-1000"),
        ("DTSTART:20270111T090000Z\nDURATION:PT90M", "0111T0900-1030"),
        ("DTSTART:20270111T090000Z\nDURATION:P1D", "0111T0900-0900"),
        ("DTSTART:20270111T090000Z", "0111T0900-0900"),
        ("DTSTART;VALUE=DATE:20270111", "0111-0112"),
        ("DTSTART;VALUE=DATE:20270111\nDTEND;VALUE=DATE:20270113", "0111-0113"),
        ("DTSTART;VALUE=DATE:20270111\nDTEND;VALUE=DATE:20270111", "0111-0112"),
        ("DTSTART;VALUE=DATE:20270111\nDURATION:P3D", "0111-0114"),
        ("DTSTART;VALUE=DATE:20270111\nDURATION:PT1H", "0111-0112"),
        ("DTSTART;VALUE=DATE:20270111\nDTEND:20270112T120000", "0111-0113"),
        ("DTSTART:20270111T090000Z\nDTEND;VALUE=DATE:20270112", "0111T0900-0000"),
        ("DTSTART;TZID=Europe/Berlin:20270111T100000\nDTEND;TZID=America/New_York:20270111T050000", "0111T0900-1000"),
        ("DTSTART;TZID=Europe/Berlin:20270111T100000\nDTEND:20270111T110000", "0111T0900-1000"),
        ("DTSTART:20270110T200000Z\nDTEND:20270112T020000Z", "0110T2000-0200"),
    ] {
        assert_eq!(times(&read(&event(lines), "20270101", "20270201")), found, "{lines}");
    }
}

#[test]
fn what_cannot_be_understood_is_said_to_be_so() {
    let many = format!("DTSTART:20270111T090000Z\nRDATE:{}", ["20270112T090000Z"; 3].join(",").replace("12T", "12X"));
    for (lines, why) in [
        ("SUMMARY:a", "it has no DTSTART"),
        ("DTSTART:tomorrow", "its DTSTART is no time"),
        ("DTSTART;VALUE=DATE:20270229", "its DTSTART is no time"),
        ("DTSTART:20270111T090000Z\nDTEND:never", "its DTEND is no time"),
        ("DTSTART:20270111T090000Z\nDTEND:20270111T080000Z", "it ends before it begins"),
        ("DTSTART:20270111T090000Z\nDURATION:-PT1H", "it ends before it begins"),
        ("DTSTART:20270111T090000Z\nDURATION:long", "its DURATION is none"),
        ("DTSTART;TZID=Nowhere:20270111T090000", "it names a zone that is neither known nor told of in it"),
        ("DTSTART:20270111T090000Z\nRRULE:FREQ=SECONDLY", "it repeats every second, which is not followed"),
        ("DTSTART:20270111T090000Z\nRRULE:FREQ=OFTEN", "its rule has a FREQ that nobody has heard of"),
        ("DTSTART:20270111T090000Z\nRRULE:COUNT=2", "its rule has no FREQ"),
        ("DTSTART:20270111T090000Z\nRRULE:FREQ=DAILY;INTERVAL=0", "its rule has a INTERVAL that cannot be"),
        ("DTSTART:20270111T090000Z\nRRULE:FREQ=DAILY;BYDAY=XX", "its rule has a BYDAY that cannot be"),
        ("DTSTART:20270111T090000Z\nRRULE:FREQ=DAILY;BYMONTH=13", "its rule has a BYMONTH that cannot be"),
        ("DTSTART:20270111T090000Z\nRRULE:FREQ=YEARLY;RSCALE=HEBREW", "its rule has a RSCALE, which is not followed"),
        ("DTSTART:20270111T090000Z\nRRULE:FREQ=MINUTELY", "it repeats more than 10000 times"),
        ("DTSTART:20270111T090000Z\nEXDATE:never", "its EXDATE is no time"),
        ("DTSTART:20270111T090000Z\nRDATE;VALUE=PERIOD:20270112T090000Z/20270111T090000Z", "its RDATE is no period"),
        (&many, "its RDATE is no time"),
    ] {
        let found = read_in(Tz::UTC, &event(lines), "20270101", "20280101");
        assert_eq!(found, Err(why.to_owned()), "{lines}");
    }
}

#[test]
fn only_what_touches_the_window_is_found() {
    for (lines, is_there) in [
        ("DTSTART:20270104T220000Z\nDTEND:20270105T000000Z", false),
        ("DTSTART:20270104T220000Z\nDTEND:20270105T000001Z", true),
        ("DTSTART:20270105T235959Z\nDURATION:PT1H", true),
        ("DTSTART:20270106T000000Z\nDURATION:PT1H", false),
        ("DTSTART:20270105T000000Z", true),
        ("DTSTART:20270101T000000Z\nDTEND:20280101T000000Z", true),
        ("DTSTART;VALUE=DATE:20270105", true),
        ("DTSTART;VALUE=DATE:20270104", false),
        ("DTSTART;VALUE=DATE:20270106", false),
        ("DTSTART;VALUE=DATE:20261201\nDTEND;VALUE=DATE:20270201", true),
    ] {
        let found = read(&event(lines), "20270105", "20270106");
        assert_eq!(found.len(), usize::from(is_there), "{lines}");
    }
    // In Berlin the 5th begins an hour before it does in UTC.
    let day = event("DTSTART;VALUE=DATE:20270105");
    assert_eq!(read_in(Tz::Europe__Berlin, &day, "20270104T220000Z", "20270104T230001Z").unwrap().len(), 1);
    assert_eq!(read_in(Tz::Europe__Berlin, &day, "20270105T230000Z", "20270106T230000Z").unwrap().len(), 0);
    // One that began before the window, and is repeated.
    let nights = event("DTSTART:20261201T200000Z\nDTEND:20261203T080000Z\nRRULE:FREQ=WEEKLY");
    assert_eq!(times(&read(&nights, "20270106", "20270107")), "0105T2000-0800");
}

#[test]
fn what_began_long_ago_is_found_at_once() {
    for rule in [
        "FREQ=DAILY",
        "FREQ=DAILY;COUNT=1000000",
        "FREQ=HOURLY;INTERVAL=24",
        "FREQ=MINUTELY;INTERVAL=1440;COUNT=900000",
    ] {
        let lines = event(&format!("DTSTART:19700101T090000Z\nDURATION:PT1H\nRRULE:{rule}"));
        let began = std::time::Instant::now();
        for _ in 0..100 {
            assert_eq!(times(&read(&lines, "20270105", "20270107")), "0105T0900-1000 0106T0900-1000", "{rule}");
        }
        // 20,000 days a time would be seconds.
        assert!(began.elapsed() < std::time::Duration::from_secs(1), "{rule}: {:?}", began.elapsed());
    }
}

#[test]
fn no_rule_takes_long() {
    for rule in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",
        "FREQ=HOURLY;BYHOUR=3;BYDAY=MO;COUNT=4000000000",
        "FREQ=DAILY;INTERVAL=4294967295",
        "FREQ=YEARLY;INTERVAL=4294967295",
        "FREQ=MONTHLY;BYSETPOS=366",
        "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12;BYMINUTE=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15;BYSETPOS=1",
    ] {
        let lines = event(&format!("DTSTART:19000101T000000Z\nRRULE:{rule}"));
        let began = std::time::Instant::now();
        let _ = read_in(Tz::UTC, &lines, "20270101", "20290101");
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{rule}: {:?}", began.elapsed());
    }
}

/// Dates as `1997-09 2 3 | 1997-10 1T0930`; a time is the start's unless it is said.
pub(super) fn dates(text: &str, usual: &str) -> Vec<String> {
    let mut found = Vec::new();
    for month in text.split('|') {
        let mut words = month.split_ascii_whitespace();
        let Some(name) = words.next() else { continue };
        for day in words {
            let (first, last) = match day.split_once("..") {
                Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
                None => (0, 0),
            };
            if last > 0 {
                found.extend((first..=last).map(|day: u32| format!("{name}-{day:02}T{usual}")));
                continue;
            }
            let (day, time) = day.split_once('T').unwrap_or((day, usual));
            found.push(format!("{name}-{:02}T{time}", day.parse::<u32>().unwrap()));
        }
    }
    found
}

/// Every so many days from one to another, as `dates` has them.
pub(super) fn stepped(first: &str, last: &str, days: i64) -> Vec<String> {
    let parse = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    let (mut day, last) = (parse(first), parse(last));
    let mut found = Vec::new();
    while day <= last {
        found.push(format!("{}-{:02}-{:02}T0900", day.year(), day.month(), day.day()));
        day += TimeDelta::days(days);
    }
    found
}
