//! Series with dates of their own, without some, and with instances that are otherwise.

use chrono_tz::Tz;

use super::{super::super::Shown, event, read, read_in, times};

/// Tuesdays at 9 in Berlin, in January 2027: 5, 12, 19, 26; in UTC at 8.
const WEEKLY: &str =
    "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=Europe/Berlin:20270105T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=4";

fn weekly(more: &str, others: &[&str]) -> String {
    let others = others.iter().map(|other| event(other));
    [format!("{WEEKLY}\n{more}\nEND:VEVENT")].into_iter().chain(others).collect::<Vec<_>>().join("\n")
}

fn january(lines: &str) -> String {
    times(&read(lines, "20270101", "20270201"))
}

#[test]
fn dates_are_left_out_in_every_way_that_calendars_write() {
    let rest = "0105T0800-0900 0119T0800-0900 0126T0800-0900";
    for line in [
        "EXDATE;TZID=Europe/Berlin:20270112T090000",
        "EXDATE:20270112T080000Z",
        "EXDATE;TZID=America/New_York:20270112T030000",
        "EXDATE;TZID=W. Europe Standard Time:20270112T090000",
        // Without its zone it is of the series'.
        "EXDATE:20270112T090000",
        "EXDATE;VALUE=DATE:20270112",
        "EXDATE;TZID=Europe/Berlin:20270112T090000,20270113T090000",
    ] {
        assert_eq!(january(&weekly(line, &[])), rest, "{line}");
    }
    let two = "EXDATE:20270105T080000Z\nEXDATE:20270126T080000Z";
    assert_eq!(january(&weekly(two, &[])), "0112T0800-0900 0119T0800-0900");
    // Another time is no instance.
    assert_eq!(
        january(&weekly("EXDATE:20270112T090000Z", &[])),
        "0105T0800-0900 0112T0800-0900 0119T0800-0900 0126T0800-0900"
    );
    let days = event("DTSTART;VALUE=DATE:20270105\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20270106");
    assert_eq!(january(&days), "0105-0106 0107-0108");
    let by_time = event("DTSTART;VALUE=DATE:20270105\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20270106T000000");
    assert_eq!(january(&by_time), "0105-0106 0107-0108");
}

#[test]
fn dates_are_added_with_and_without_ends_of_their_own() {
    for (line, more) in [
        ("RDATE;TZID=Europe/Berlin:20270113T090000", "0113T0800-0900"),
        ("RDATE:20270113T080000Z", "0113T0800-0900"),
        ("RDATE;VALUE=PERIOD:20270113T100000Z/20270113T130000Z", "0113T1000-1300"),
        ("RDATE;VALUE=PERIOD:20270113T100000Z/PT2H", "0113T1000-1200"),
        ("RDATE;TZID=Europe/Berlin;VALUE=PERIOD:20270113T100000/20270113T110000", "0113T0900-1000"),
        ("RDATE;VALUE=DATE:20270113", "0113T0800-0900"),
    ] {
        let found = format!("0105T0800-0900 0112T0800-0900 {more} 0119T0800-0900 0126T0800-0900");
        assert_eq!(january(&weekly(line, &[])), found, "{line}");
    }
    let alone = event("DTSTART:20270105T080000Z\nDURATION:PT1H\nRDATE:20270107T080000Z,20270105T080000Z");
    assert_eq!(january(&alone), "0105T0800-0900 0107T0800-0900");
}

#[test]
fn two_rules_make_what_either_makes() {
    let lines = event("DTSTART:20270105T080000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2\nRRULE:FREQ=DAILY;COUNT=3");
    assert_eq!(january(&lines), "0105T0800-0900 0106T0800-0900 0107T0800-0900 0112T0800-0900");
    let without =
        event("DTSTART:20270105T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\nEXRULE:FREQ=DAILY;INTERVAL=2");
    assert_eq!(january(&without), "0105T0800-0900 0106T0800-0900 0108T0800-0900");
}

#[test]
fn an_instance_that_is_otherwise_takes_the_place_of_its_own() {
    let moved =
        "RECURRENCE-ID;TZID=Europe/Berlin:20270112T090000\nDTSTART;TZID=Europe/Berlin:20270113T140000\nDURATION:PT30M";
    assert_eq!(january(&weekly("", &[moved])), "0105T0800-0900 0113T1300-1330 0119T0800-0900 0126T0800-0900");
    for which in
        ["RECURRENCE-ID:20270112T080000Z", "RECURRENCE-ID;VALUE=DATE:20270112", "RECURRENCE-ID:20270112T090000"]
    {
        let moved = format!("{which}\nDTSTART:20270113T130000Z\nDURATION:PT30M");
        let found = january(&weekly("", &[&moved]));
        assert_eq!(found, "0105T0800-0900 0113T1300-1330 0119T0800-0900 0126T0800-0900", "{which}");
    }
    let off = "RECURRENCE-ID:20270112T080000Z\nDTSTART:20270112T080000Z\nSTATUS:CANCELLED";
    assert_eq!(january(&weekly("", &[off])), "0105T0800-0900 0119T0800-0900 0126T0800-0900");
    let day = "RECURRENCE-ID:20270112T080000Z\nDTSTART;VALUE=DATE:20270112";
    assert_eq!(january(&weekly("", &[day])), "0105T0800-0900 0112-0113 0119T0800-0900 0126T0800-0900");
}

#[test]
fn an_instance_may_be_moved_into_the_window_and_out_of_it() {
    let into = "RECURRENCE-ID:20270126T080000Z\nDTSTART:20270106T100000Z\nDURATION:PT1H";
    assert_eq!(times(&read(&weekly("", &[into]), "20270101", "20270110")), "0105T0800-0900 0106T1000-1100");
    let out = "RECURRENCE-ID:20270105T080000Z\nDTSTART:20270801T100000Z\nDURATION:PT1H";
    assert_eq!(times(&read(&weekly("", &[out]), "20270101", "20270110")), "");
}

#[test]
fn an_instance_keeps_its_name_wherever_it_is_moved() {
    let moved =
        "RECURRENCE-ID:20270112T080000Z\nDTSTART:20270113T130000Z\nDURATION:PT30M\nSUMMARY:Moved\nTRANSP:TRANSPARENT";
    let found = read(&weekly("SUMMARY:Usual", &[moved]), "20270101", "20270201");
    let names: Vec<_> = found.iter().map(|event| (event.id.as_str(), event.title.as_deref(), event.shown)).collect();
    assert_eq!(names[0], ("/c/a.ics#20270105T080000Z", Some("Usual"), Shown::Busy));
    assert_eq!(names[1], ("/c/a.ics#20270112T080000Z", Some("Moved"), Shown::Free));
    assert!(found.iter().all(|event| event.series.as_deref() == Some("/c/a.ics")));
}

#[test]
fn of_two_that_are_otherwise_the_later_one_counts() {
    let old = "RECURRENCE-ID:20270112T080000Z\nDTSTART:20270112T100000Z\nDURATION:PT1H\nSEQUENCE:1";
    let new = "RECURRENCE-ID:20270112T080000Z\nDTSTART:20270112T120000Z\nDURATION:PT1H\nSEQUENCE:2";
    for others in [[old, new], [new, old]] {
        assert_eq!(january(&weekly("", &others)), "0105T0800-0900 0112T1200-1300 0119T0800-0900 0126T0800-0900");
    }
}

#[test]
fn what_is_otherwise_counts_although_it_is_left_out_or_was_never_made() {
    let moved = "RECURRENCE-ID:20270112T080000Z\nDTSTART:20270112T100000Z\nDURATION:PT1H";
    assert_eq!(
        january(&weekly("EXDATE:20270112T080000Z", &[moved])),
        "0105T0800-0900 0112T1000-1100 0119T0800-0900 0126T0800-0900"
    );
    let never = "RECURRENCE-ID:20270114T080000Z\nDTSTART:20270114T100000Z\nDURATION:PT1H";
    assert_eq!(
        january(&weekly("", &[never])),
        "0105T0800-0900 0112T0800-0900 0114T1000-1100 0119T0800-0900 0126T0800-0900"
    );
    // Whoever is invited to one instance has nothing else.
    let alone = event("RECURRENCE-ID:20270112T080000Z\nDTSTART:20270112T100000Z\nDURATION:PT1H");
    assert_eq!(january(&alone), "0112T1000-1100");
    let range = event("RECURRENCE-ID;RANGE=THISANDFUTURE:20270112T080000Z\nDTSTART:20270112T100000Z\nDURATION:PT1H");
    assert_eq!(january(&range), "0112T1000-1100");
}

#[test]
fn an_instance_and_all_behind_it_may_be_otherwise() {
    let from = "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20270112T090000\n\
        DTSTART;TZID=Europe/Berlin:20270113T110000\nDURATION:PT2H\nSUMMARY:Later";
    assert_eq!(january(&weekly("", &[from])), "0105T0800-0900 0113T1000-1200 0120T1000-1200 0127T1000-1200");
    let single = "RECURRENCE-ID:20270119T080000Z\nDTSTART:20270119T150000Z\nDURATION:PT1H";
    assert_eq!(january(&weekly("", &[from, single])), "0105T0800-0900 0113T1000-1200 0119T1500-1600 0127T1000-1200");
    let again = "RECURRENCE-ID;RANGE=THISANDFUTURE:20270126T080000Z\nDTSTART:20270126T080000Z\nDURATION:PT3H";
    assert_eq!(january(&weekly("", &[again, from])), "0105T0800-0900 0113T1000-1200 0120T1000-1200 0126T0800-1100");
    let off = "RECURRENCE-ID;RANGE=THISANDFUTURE:20270119T080000Z\nDTSTART:20270119T080000Z\nSTATUS:CANCELLED";
    assert_eq!(january(&weekly("", &[off])), "0105T0800-0900 0112T0800-0900");
    // Their names are those of the rule, so that they stay the same.
    let found = read(&weekly("", &[from]), "20270101", "20270201");
    assert_eq!(found[2].id, "/c/a.ics#20270119T080000Z");
}

#[test]
fn what_follows_may_be_moved_into_the_window_from_far() {
    let lines = format!(
        "{}\nBEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE:20270105T080000Z\nDTSTART:20270305T080000Z\nDURATION:PT1H\nEND:VEVENT",
        weekly("", &[])
    );
    assert_eq!(
        times(&read(&lines, "20270301", "20270401")),
        "0305T0800-0900 0312T0800-0900 0319T0800-0900 0326T0800-0900"
    );
}

#[test]
fn a_series_that_is_called_off_is_no_more() {
    assert_eq!(january(&weekly("STATUS:CANCELLED", &[])), "");
}

#[test]
fn several_series_in_one_object_do_not_mix() {
    let one = event("DTSTART:20270105T080000Z\nDURATION:PT1H");
    let two = one.replace("UID:u", "UID:v").replace("T08", "T10");
    let found = read(&format!("{one}\n{two}"), "20270101", "20270201");
    let ids: Vec<_> = found.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["/c/a.ics#u", "/c/a.ics#v"]);
    assert_eq!(times(&found), "0105T0800-0900 0105T1000-1100");
}

#[test]
fn days_that_repeat_are_days_of_the_calendar() {
    let days = event("DTSTART;VALUE=DATE:20270330\nDTEND;VALUE=DATE:20270401\nRRULE:FREQ=WEEKLY;UNTIL=20270413");
    let found = read_in(Tz::Europe__Berlin, &days, "20270301", "20270501").unwrap();
    assert_eq!(times(&found), "0330-0401 0406-0408 0413-0415");
    for until in ["20270413T000000Z", "20270413T235959Z", "20270413T000000"] {
        let days = days.replace("20270413", until);
        assert_eq!(times(&read(&days, "20270301", "20270501")), "0330-0401 0406-0408 0413-0415", "{until}");
    }
    let moved = "BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;VALUE=DATE:20270406\nDTSTART;VALUE=DATE:20270407\nEND:VEVENT";
    assert_eq!(times(&read(&format!("{days}\n{moved}"), "20270301", "20270501")), "0330-0401 0407-0408 0413-0415");
}
