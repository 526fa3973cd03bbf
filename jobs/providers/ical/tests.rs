//! Reading and writing of objects, sound and unsound.

use proptest::prelude::*;

use super::{line::Property, *};

fn one(line: &str) -> Property {
    let text = format!("BEGIN:A\n{line}\nEND:A\n");
    let mut component = parse(text.as_bytes()).unwrap();
    assert_eq!(component.properties.len(), 1, "{line}");
    component.properties.remove(0)
}

#[test]
fn a_line_is_a_name_parameters_and_a_value() {
    let line =
        one(r#"attendee;CN="Last, First: the 2nd";Role=REQ-PARTICIPANT;MEMBER="mailto:a@b","mailto:c@d":mailto:e@f"#);
    assert_eq!((line.name.as_str(), line.value.as_str()), ("ATTENDEE", "mailto:e@f"));
    assert_eq!(line.parameter("CN"), Some("Last, First: the 2nd"));
    assert_eq!(line.parameter("ROLE"), Some("REQ-PARTICIPANT"));
    assert_eq!(line.parameters[2].1, ["mailto:a@b", "mailto:c@d"]);
    assert_eq!(line.parameter("RSVP"), None);
    assert_eq!(one("X;A=^'b^' ^^ ^n ^x:").parameter("A"), Some("\"b\" ^ \n ^x"));
    assert_eq!(
        one("X;A;B=:v").parameters,
        [("A".to_owned(), vec![String::new()]), ("B".to_owned(), vec![String::new()])]
    );
    assert_eq!(one("DTSTART;TZID=America/New_York:19970902T090000").parameter("TZID"), Some("America/New_York"));
    assert_eq!(one("X:a:b;c=d").value, "a:b;c=d");
}

#[test]
fn folds_are_undone_wherever_they_stand() {
    let text = "\u{feff}BEGIN:VCALENDAR\r\nSUMMARY:one\r\n  two\r\n\tthree\r\nD\r\n ESCRIPTION:x\nEND:VCALENDAR";
    let read = parse(text.as_bytes()).unwrap();
    assert_eq!(read.raw("SUMMARY"), Some("one twothree"));
    assert_eq!(read.raw("DESCRIPTION"), Some("x"));
    let mut bytes = b"BEGIN:A\r\nSUMMARY:\xc3\r\n \xa4\r\nEND:A\r\n".to_vec();
    assert_eq!(parse(&bytes).unwrap().raw("SUMMARY"), Some("ä"));
    bytes.truncate(12);
    assert!(parse(&bytes).is_err());
}

#[test]
fn what_is_no_property_is_passed_over() {
    let text = "BEGIN:VEVENT\nDESCRIPTION:see\nwhat is not folded: at all\n\n:\n;\nX-A=B\nUID:u\nEND:VEVENT\n";
    let read = parse(text.as_bytes()).unwrap();
    assert_eq!(read.properties.len(), 2, "{read:?}");
}

#[test]
fn what_is_no_calendar_is_refused_with_its_place() {
    let deep = "BEGIN:A\n".repeat(9);
    let long = format!("BEGIN:A\n{}END:A\n", "X:\n".repeat(200_001));
    let large = vec![b' '; 5 * 1024 * 1024];
    for (text, said) in [
        (&b""[..], "line 1 of the calendar object: it ends in the middle"),
        (b"hello", "ends in the middle"),
        (b"UID:u\n", "line 1 of the calendar object: it does not begin with BEGIN"),
        (b"BEGIN:A\nBEGIN:B\nEND:A\nEND:B\n", "line 3 of the calendar object: something else ends"),
        (b"END:A\n", "never began"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n", "ends in the middle"),
        (deep.as_bytes(), "line 9 of the calendar object: it is nested"),
        (long.as_bytes(), "more than 200,000 lines"),
        (&large, "larger than 4 MiB"),
    ] {
        let fault = parse(text).unwrap_err().to_string();
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn a_property_is_put_in_its_place() {
    let mut component = parse(b"BEGIN:A\nX:1\nY:2\nX:3\nEND:A\n").unwrap();
    component.set(Property::new("X", "4"));
    component.set(Property::new("Z", "5"));
    assert_eq!(component.write(), "BEGIN:A\r\nX:4\r\nY:2\r\nZ:5\r\nEND:A\r\n");
    component.take_out("X");
    assert_eq!(component.write(), "BEGIN:A\r\nY:2\r\nZ:5\r\nEND:A\r\n");
}

#[test]
fn times_and_durations_are_read_or_refused() {
    let day = |text: &str| Stamp::parse(text).map(|stamp| format!("{stamp:?}"));
    assert_eq!(day("20270111").unwrap(), "Day(2027-01-11)");
    assert_eq!(day("20270111T100000").unwrap(), "Local(2027-01-11T10:00:00)");
    assert_eq!(day("20270111T100000Z").unwrap(), "Utc(2027-01-11T10:00:00)");
    assert_eq!(day("20161231T235960Z").unwrap(), "Utc(2016-12-31T23:59:59)");
    for text in [
        "",
        "2027",
        "20270229",
        "20271301",
        "20270111T",
        "20270111T2400",
        "20270111T240000",
        "20270111T10000a",
        "2027011é",
        "20270111 100000",
    ] {
        assert_eq!(day(text), None, "{text}");
    }
    for (text, days, seconds) in [
        ("PT15M", 0, 900),
        ("-PT15M", 0, -900),
        ("P1D", 1, 0),
        ("P7W", 49, 0),
        ("P15DT5H0M20S", 15, 18_020),
        ("+P1DT1H", 1, 3600),
        ("PT0S", 0, 0),
    ] {
        assert_eq!(Span::parse(text), Some(Span { days, seconds }), "{text}");
    }
    for text in ["", "P", "PT", "1D", "P1", "P1H", "PT1D", "P-1D", "PT99999999999999999999S", "P9999999D", "PT1H2"] {
        assert_eq!(Span::parse(text), None, "{text}");
    }
}

fn property() -> impl Strategy<Value = Property> {
    let value = "[ -~äß€😀\t]{0,200}";
    let parameter = ("[A-Z][A-Z0-9-]{0,10}", prop::collection::vec("[ -~äß\n]{0,40}", 1..3));
    ("[A-Z][A-Z0-9-]{0,20}", prop::collection::vec(parameter, 0..3), value)
        .prop_filter("these open and close", |(name, ..)| name != "BEGIN" && name != "END")
        .prop_map(|(name, parameters, value)| Property { name, parameters, value })
}

fn component() -> impl Strategy<Value = Component> {
    let leaf = ("[A-Z-]{1,12}", prop::collection::vec(property(), 0..6)).prop_map(|(name, properties)| Component {
        name,
        properties,
        components: Vec::new(),
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        ("[A-Z-]{1,12}", prop::collection::vec(property(), 0..4), prop::collection::vec(inner, 0..3))
            .prop_map(|(name, properties, components)| Component { name, properties, components })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(component in component()) {
        let text = component.write();
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 75));
        prop_assert_eq!(parse(text.as_bytes()).unwrap(), component);
    }

    #[test]
    fn a_text_survives_its_escapes(text in "[ -~\näß\\\\;,]{0,100}") {
        prop_assert_eq!(unescape(&escape(&text)), text);
    }

    #[test]
    fn whatever_is_read_is_written_and_read_again(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(read) = parse(&bytes) {
            prop_assert_eq!(parse(read.write().as_bytes()).unwrap(), read);
        }
    }

    #[test]
    fn lines_of_all_kinds_are_read_and_written_again(lines in prop::collection::vec("[A-Za-z:;=,\"^\\\\ \t\r\u{0}ä-]{0,30}", 0..20)) {
        let text = format!("BEGIN:VCALENDAR\n{}\nEND:VCALENDAR\n", lines.join("\n"));
        if let Ok(read) = parse(text.as_bytes()) {
            prop_assert_eq!(parse(read.write().as_bytes()).unwrap(), read);
        }
    }

    #[test]
    fn no_time_or_duration_panics(text in "[-+PTZWDHMS0-9é ]{0,20}") {
        let _ = (Stamp::parse(&text), Span::parse(&text));
    }
}
