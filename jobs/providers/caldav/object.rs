//! Our events as objects: a new one, and one that others have touched since.
//!
//! Times are written in UTC, which every client shows on its own clock, and which needs no rules of zones along with it.

use chrono::{DateTime, Utc};

use super::super::{
    Attendee, Draft,
    ical::{Component, Property},
};

const PRODID: &str = "-//Liaison//Liaison//EN";

fn utc(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dT%H%M%SZ").to_string()
}

/// An object with one event. The first of the owners invites.
pub(super) fn new(draft: &Draft, owners: &[String], now: DateTime<Utc>) -> Component {
    let mut event = Component::new("VEVENT");
    event.set(Property::text("UID", draft.key.as_str()));
    event.set(Property::new("SEQUENCE", "0"));
    fill(&mut event, draft, owners, now);
    let mut calendar = Component::new("VCALENDAR");
    calendar.set(Property::new("VERSION", "2.0"));
    calendar.set(Property::new("PRODID", PRODID));
    calendar.components.push(event);
    calendar
}

/// Make the event what the draft is. What the draft says nothing of stays: other people, notes of clients, alarms.
/// Nothing, if the object has no event.
pub(super) fn change(object: &mut Component, draft: &Draft, owners: &[String], now: DateTime<Utc>) -> Option<()> {
    let is_whole = |part: &&mut Component| part.name == "VEVENT" && part.get("RECURRENCE-ID").is_none();
    let event = object.components.iter_mut().find(is_whole)?;
    let sequence: i64 = event.raw("SEQUENCE").and_then(|text| text.parse().ok()).unwrap_or(0);
    event.set(Property::new("SEQUENCE", sequence.saturating_add(1).to_string()));
    event.set(Property::new("LAST-MODIFIED", utc(now)));
    fill(event, draft, owners, now);
    object.take_out("METHOD");
    Some(())
}

fn fill(event: &mut Component, draft: &Draft, owners: &[String], now: DateTime<Utc>) {
    event.set(Property::new("DTSTAMP", utc(now)));
    event.set(Property::new("DTSTART", utc(draft.start)));
    event.take_out("DURATION");
    event.set(Property::new("DTEND", utc(draft.end)));
    event.set(Property::text("SUMMARY", &draft.title));
    for (name, text) in [("DESCRIPTION", draft.text()), ("LOCATION", draft.place().map(str::to_owned))] {
        match text {
            Some(text) => event.set(Property::text(name, &text)),
            None => event.take_out(name),
        }
    }
    match &draft.link {
        Some(link) => event.set(Property::new("URL", link)),
        None => event.take_out("URL"),
    }
    // A booking that was called off and is on again.
    if event.says("STATUS", "CANCELLED") {
        event.take_out("STATUS");
    }
    if let (Some(owner), false) = (owners.first().filter(|owner| owner.contains('@')), draft.attendees.is_empty()) {
        if event.get("ORGANIZER").is_none() {
            event.set(Property::new("ORGANIZER", format!("mailto:{owner}")));
        }
        for attendee in &draft.attendees {
            let address = format!("mailto:{}", attendee.email);
            if !event.all("ATTENDEE").any(|known| known.value.eq_ignore_ascii_case(&address)) {
                event.properties.push(invited(attendee, address, draft.tell_attendees));
            }
        }
    }
    if let Some(minutes) = &draft.reminders {
        event.components.retain(|part| part.name != "VALARM");
        event.components.extend(minutes.iter().map(|minutes| alarm(*minutes, &draft.title)));
    }
}

fn invited(attendee: &Attendee, address: String, tell: bool) -> Property {
    let mut property = Property::new("ATTENDEE", address);
    if let Some(name) = &attendee.name {
        property = property.with("CN", name);
    }
    let role = if attendee.optional { "OPT-PARTICIPANT" } else { "REQ-PARTICIPANT" };
    property = property.with("ROLE", role).with("PARTSTAT", "NEEDS-ACTION").with("RSVP", "TRUE");
    // Servers that send invitations themselves (RFC 6638) leave it to us.
    if tell { property } else { property.with("SCHEDULE-AGENT", "CLIENT") }
}

fn alarm(minutes: u32, title: &str) -> Component {
    let mut alarm = Component::new("VALARM");
    alarm.set(Property::new("ACTION", "DISPLAY"));
    alarm.set(Property::text("DESCRIPTION", title));
    alarm.set(Property::new("TRIGGER", format!("-PT{minutes}M")));
    alarm
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{EventKey, ical},
        *,
    };

    fn draft() -> Draft {
        Draft {
            key: EventKey::of(&["booking", "1"]),
            title: "Talk; with, Ada\\".to_owned(),
            description: Some("One\nTwo".to_owned()),
            location: None,
            start: "2027-01-11T09:00:00Z".parse().unwrap(),
            end: "2027-01-11T10:00:00Z".parse().unwrap(),
            zone: chrono_tz::Tz::Europe__Berlin,
            attendees: vec![Attendee { email: "g@example.com".to_owned(), name: Some("G \"E\", R".to_owned()), optional: true }],
            reminders: Some(vec![10, 60]),
            link: Some("https://meet.example/1?a=b,c".to_owned()),
            with_meeting: false,
            tell_attendees: false,
        }
    }

    fn now() -> DateTime<Utc> {
        "2027-01-01T00:00:00Z".parse().unwrap()
    }

    fn owners() -> Vec<String> {
        vec!["owner@example.com".to_owned()]
    }

    #[test]
    fn an_event_is_written_as_the_standard_has_it() {
        let text = new(&draft(), &owners(), now()).write();
        assert!(text.lines().all(|line| line.len() <= 75), "{text}");
        let whole = text.replace("\r\n ", "");
        for line in [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "DTSTAMP:20270101T000000Z",
            "DTSTART:20270111T090000Z",
            "DTEND:20270111T100000Z",
            "SUMMARY:Talk\\; with\\, Ada\\\\",
            "DESCRIPTION:One\\nTwo\\n\\nhttps://meet.example/1?a=b\\,c",
            "LOCATION:https://meet.example/1?a=b\\,c",
            "URL:https://meet.example/1?a=b,c",
            "ORGANIZER:mailto:owner@example.com",
            "ATTENDEE;CN=\"G ^'E^', R\";ROLE=OPT-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;SCHEDULE-AGENT=CLIENT:mailto:g@example.com",
            "TRIGGER:-PT60M",
            "END:VCALENDAR",
        ] {
            assert!(whole.lines().any(|found| found == line), "{line}\n{whole}");
        }
        assert!(!whole.contains("METHOD"));
    }

    #[test]
    fn what_others_wrote_into_an_event_stays() {
        let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nX-WR-CALNAME:Mine\r\nBEGIN:VTIMEZONE\r\nTZID:Here\r\nEND:VTIMEZONE\r\n\
            BEGIN:VEVENT\r\nUID:u\r\nDTSTART;TZID=Here:20270110T100000\r\nDURATION:PT1H\r\nSEQUENCE:4\r\nSTATUS:CANCELLED\r\n\
            X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC\r\nATTENDEE;PARTSTAT=ACCEPTED:MAILTO:G@example.com\r\n\
            ATTENDEE;PARTSTAT=ACCEPTED:mailto:other@example.com\r\nBEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n\
            END:VEVENT\r\nEND:VCALENDAR\r\n";
        let mut object = ical::parse(text.as_bytes()).unwrap();
        change(&mut object, &Draft { reminders: None, ..draft() }, &owners(), now()).unwrap();
        let whole = object.write().replace("\r\n ", "");
        for line in [
            "X-WR-CALNAME:Mine",
            "TZID:Here",
            "UID:u",
            "DTSTART:20270111T090000Z",
            "DTEND:20270111T100000Z",
            "SEQUENCE:5",
            "LAST-MODIFIED:20270101T000000Z",
            "X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC",
            "ATTENDEE;PARTSTAT=ACCEPTED:MAILTO:G@example.com",
            "ATTENDEE;PARTSTAT=ACCEPTED:mailto:other@example.com",
            "TRIGGER:-PT5M",
        ] {
            assert!(whole.lines().any(|found| found == line), "{line}\n{whole}");
        }
        for gone in ["METHOD", "DURATION", "CANCELLED", "NEEDS-ACTION"] {
            assert!(!whole.contains(gone), "{gone}\n{whole}");
        }
    }

    #[test]
    fn a_title_cannot_write_lines_of_its_own() {
        let draft = Draft { title: "a\r\nATTENDEE:mailto:evil@example.com\n\u{0}END:VEVENT".to_owned(), ..draft() };
        let object = ical::parse(new(&draft, &[], now()).write().as_bytes()).unwrap();
        let event = object.parts("VEVENT").next().unwrap();
        assert!(event.get("ATTENDEE").is_none());
        assert_eq!(event.text("SUMMARY").unwrap(), "a\nATTENDEE:mailto:evil@example.com\nEND:VEVENT");
    }
}
