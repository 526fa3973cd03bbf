//! Series over changes of clocks, and zones of every kind.

use chrono_tz::Tz;

use super::{event, read, read_in, times};

#[test]
fn nine_o_clock_stays_nine_o_clock() {
    let lines = event("DTSTART;TZID=Europe/Berlin:20270322T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3");
    assert_eq!(times(&read(&lines, "20270301", "20270501")), "0322T0800-0900 0329T0700-0800 0405T0700-0800");
    let south = event("DTSTART;TZID=Australia/Sydney:20270329T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3");
    assert_eq!(times(&read(&south, "20270301", "20270501")), "0328T2200-2300 0404T2300-0000 0411T2300-0000");
    let utc = event("DTSTART:20270322T090000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2");
    assert_eq!(times(&read(&utc, "20270301", "20270501")), "0322T0900-1000 0329T0900-1000");
}

#[test]
fn an_instance_that_a_clock_skips_takes_place_once() {
    let lines = event("DTSTART;TZID=Europe/Berlin:20270327T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3");
    assert_eq!(times(&read(&lines, "20270301", "20270501")), "0327T0130-0230 0328T0130-0230 0329T0030-0130");
    // 02:00 is skipped and is 03:00, which is there as well.
    let hourly = event("DTSTART;TZID=Europe/Berlin:20270328T010000\nDURATION:PT30M\nRRULE:FREQ=HOURLY;COUNT=4");
    assert_eq!(times(&read(&hourly, "20270301", "20270501")), "0328T0000-0030 0328T0100-0130 0328T0200-0230");
}

#[test]
fn of_a_time_that_a_clock_shows_twice_the_first_is_meant() {
    let lines = event("DTSTART;TZID=Europe/Berlin:20271030T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3");
    assert_eq!(times(&read(&lines, "20271001", "20271201")), "1030T0030-0130 1031T0030-0130 1101T0130-0230");
}

#[test]
fn an_end_is_as_far_away_as_it_was_and_a_day_is_as_long_as_it_is_there() {
    // With DTEND the time that it takes stays, with DURATION the days.
    let exact = event(
        "DTSTART;TZID=Europe/Berlin:20270327T120000\nDTEND;TZID=Europe/Berlin:20270328T120000\nRRULE:FREQ=DAILY;COUNT=2",
    );
    assert_eq!(times(&read(&exact, "20270301", "20270501")), "0327T1100-1000 0328T1000-0900");
    let said = event("DTSTART;TZID=Europe/Berlin:20270327T120000\nDURATION:P1D\nRRULE:FREQ=DAILY;COUNT=2");
    assert_eq!(times(&read(&said, "20270301", "20270501")), "0327T1100-1000 0328T1000-1000");
}

#[test]
fn the_end_of_a_rule_is_a_time_and_not_a_clock() {
    // 17:00 in New York is 22:00 in UTC in winter, and 21:00 in summer.
    let lines =
        event("DTSTART;TZID=America/New_York:20270301T170000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;UNTIL=20270315T210000Z");
    assert_eq!(times(&read(&lines, "20270201", "20270501")), "0301T2200-2300 0308T2200-2300 0315T2100-2200");
    let before = lines.replace("20270315T210000Z", "20270315T205959Z");
    assert_eq!(times(&read(&before, "20270201", "20270501")), "0301T2200-2300 0308T2200-2300");
    // A day further on the clock of the place.
    let east =
        event("DTSTART;TZID=Pacific/Auckland:20270602T080000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20270603T200000Z");
    assert_eq!(times(&read(&east, "20270501", "20270701")), "0601T2000-2100 0602T2000-2100 0603T2000-2100");
}

#[test]
fn a_time_of_no_zone_is_of_the_object_s_or_of_the_calendar_s() {
    let lines = event("DTSTART:20270705T090000\nDTEND:20270705T100000\nRRULE:FREQ=WEEKLY;COUNT=2");
    let found = read_in(Tz::America__New_York, &lines, "20270701", "20270801").unwrap();
    assert_eq!(times(&found), "0705T1300-1400 0712T1300-1400");
    let own = format!("X-WR-TIMEZONE:Europe/Berlin\n{lines}");
    assert_eq!(
        times(&read_in(Tz::America__New_York, &own, "20270701", "20270801").unwrap()),
        "0705T0700-0800 0712T0700-0800"
    );
    let unknown = format!("X-WR-TIMEZONE:Nowhere\n{lines}");
    assert_eq!(
        times(&read_in(Tz::America__New_York, &unknown, "20270701", "20270801").unwrap()),
        "0705T1300-1400 0712T1300-1400"
    );
}

/// A zone as Outlook writes it under a name that says nothing: Berlin's rules.
const CUSTOM: &str = "BEGIN:VTIMEZONE\nTZID:Customized Time Zone 1\n\
    BEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n\
    RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\n\
    BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
    RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE";

#[test]
fn zones_are_known_by_all_of_their_names() {
    for zone in [
        "Europe/Berlin",
        "W. Europe Standard Time",
        "\"W. Europe Standard Time\"",
        "/freeassociation.sourceforge.net/Europe/Berlin",
        "/mozilla.org/20050126_1/Europe/Berlin",
        "Customized Time Zone 1",
        "\"Customized Time Zone 1\"",
    ] {
        let lines = event(&format!("DTSTART;TZID={zone}:20270322T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3"));
        let found = read(&format!("{CUSTOM}\n{lines}"), "20270301", "20270501");
        assert_eq!(times(&found), "0322T0800-0900 0329T0700-0800 0405T0700-0800", "{zone}");
    }
    let by_place = CUSTOM.replace("TZID:Customized Time Zone 1", "TZID:Mine\nX-LIC-LOCATION:Asia/Tokyo");
    let lines = event("DTSTART;TZID=Mine:20270322T090000\nDURATION:PT1H");
    assert_eq!(times(&read(&format!("{by_place}\n{lines}"), "20270301", "20270501")), "0322T0000-0100");
}

#[test]
fn a_zone_that_is_told_wrongly_makes_its_event_odd() {
    let lines = event("DTSTART;TZID=Mine:20270322T090000\nDURATION:PT1H");
    for (zone, why) in [
        ("TZID:Mine", "a zone of it has neither STANDARD nor DAYLIGHT"),
        (
            "TZID:Mine\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETTO:+0100\nEND:STANDARD",
            "a zone of it has no TZOFFSETFROM",
        ),
        (
            "TZID:Mine\nBEGIN:STANDARD\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD",
            "a zone of it has no DTSTART",
        ),
        (
            "TZID:Mine\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nRRULE:FREQ=HOURLY\nEND:STANDARD",
            "a zone of it: it repeats more than 2000 times",
        ),
    ] {
        let found =
            read_in(Tz::UTC, &format!("BEGIN:VTIMEZONE\n{zone}\nEND:VTIMEZONE\n{lines}"), "20270301", "20270501");
        assert_eq!(found, Err(why.to_owned()), "{zone}");
    }
}
