//! Our events as objects: a new one, and one that others have touched since.
//!
//! Times are written in UTC, which every client shows on its own clock, and which needs no rules of zones along with it.

use chrono::{DateTime, Utc};

use super::super::{
    Attendee, Draft, When,
    ical::{Component, Property},
    instances,
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
    event.set(Property::new("DTSTAMP", utc(now)));
    let mut calendar = Component::new("VCALENDAR");
    fill(&mut event, &calendar, draft, owners);
    calendar.set(Property::new("VERSION", "2.0"));
    calendar.set(Property::new("PRODID", PRODID));
    calendar.components.push(event);
    calendar
}

/// Make the event what the draft is. What the draft says nothing of stays: other people, notes of clients, alarms.
/// Nothing, if the object has no event.
pub(super) fn change(object: &mut Component, draft: &Draft, owners: &[String], now: DateTime<Utc>) -> Option<()> {
    let at = object.components.iter().position(is_whole)?;
    let mut event = object.components[at].clone();
    let sequence: i64 = event.raw("SEQUENCE").and_then(|text| text.parse().ok()).unwrap_or(0);
    event.set(Property::new("SEQUENCE", sequence.saturating_add(1).to_string()));
    event.set(Property::new("LAST-MODIFIED", utc(now)));
    event.set(Property::new("DTSTAMP", utc(now)));
    fill(&mut event, object, draft, owners);
    object.components[at] = event;
    object.take_out("METHOD");
    Some(())
}

/// Whether it says all that the draft says.
pub(super) fn is_as(object: &Component, draft: &Draft, owners: &[String]) -> bool {
    let Some(event) = object.components.iter().find(|part| is_whole(part)) else { return false };
    let mut filled = event.clone();
    fill(&mut filled, object, draft, owners);
    filled == *event
}

fn is_whole(part: &Component) -> bool {
    part.name == "VEVENT" && part.get("RECURRENCE-ID").is_none()
}

fn fill(event: &mut Component, object: &Component, draft: &Draft, owners: &[String]) {
    // Another client may have written the same times in another way.
    let when = When::Timed { start: draft.start, end: draft.end };
    if instances::when(object, event, draft.start) != Some(when) {
        event.set(Property::new("DTSTART", utc(draft.start)));
        event.take_out("DURATION");
        event.set(Property::new("DTEND", utc(draft.end)));
    }
    set_text(event, "SUMMARY", Some(&draft.title));
    set_text(event, "DESCRIPTION", draft.text().as_deref());
    set_text(event, "LOCATION", draft.place());
    match &draft.link {
        Some(link) if event.raw("URL") != Some(link) => event.set(Property::new("URL", link)),
        Some(_) => {}
        None => event.take_out("URL"),
    }
    // A booking that was called off and is on again.
    if event.says("STATUS", "CANCELLED") {
        event.take_out("STATUS");
    }
    if let (Some(owner), false) = (owners.first().filter(|owner| owner.contains('@')), draft.attendees.is_empty()) {
        invite(event, owner, draft);
    }
    if let Some(minutes) = &draft.reminders {
        let wanted: Vec<_> = minutes.iter().map(|minutes| format!("-PT{minutes}M")).collect();
        let there: Vec<_> = event.parts("VALARM").filter_map(|alarm| alarm.raw("TRIGGER")).collect();
        if there != wanted {
            event.components.retain(|part| part.name != "VALARM");
            event.components.extend(wanted.iter().map(|trigger| alarm(trigger, &draft.title)));
        }
    }
}

/// A text that is there already stays as it is written.
fn set_text(event: &mut Component, name: &str, text: Option<&str>) {
    match text {
        Some(text) if event.text(name).as_deref() == Some(text.trim()) => {}
        Some(text) => event.set(Property::text(name, text)),
        None => event.take_out(name),
    }
}

fn invite(event: &mut Component, owner: &str, draft: &Draft) {
    if event.get("ORGANIZER").is_none() {
        event.set(Property::new("ORGANIZER", format!("mailto:{owner}")));
    }
    for attendee in &draft.attendees {
        let address = format!("mailto:{}", attendee.email);
        if !event.all("ATTENDEE").any(|known| known.value.trim().eq_ignore_ascii_case(&address)) {
            event.properties.push(invited(attendee, address, draft.tell_attendees));
        }
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

fn alarm(trigger: &str, title: &str) -> Component {
    let mut alarm = Component::new("VALARM");
    alarm.set(Property::new("ACTION", "DISPLAY"));
    alarm.set(Property::text("DESCRIPTION", title));
    alarm.set(Property::new("TRIGGER", trigger));
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
            attendees: vec![Attendee {
                email: "g@example.com".to_owned(),
                name: Some("G \"E\", R".to_owned()),
                optional: true,
            }],
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
    fn what_is_as_it_should_be_is_seen_to_be() {
        let object = new(&draft(), &owners(), now());
        assert!(is_as(&object, &draft(), &owners()));
        let there = ical::parse(object.write().as_bytes()).unwrap();
        assert!(is_as(&there, &draft(), &owners()));
        let elsewhere = there.write().replace("DTSTART:20270111T090000Z", "DTSTART;TZID=Europe/Berlin:20270111T100000");
        assert!(is_as(&ical::parse(elsewhere.as_bytes()).unwrap(), &draft(), &owners()));
        for other in [
            Draft { title: "Other".to_owned(), ..draft() },
            Draft { start: "2027-01-11T09:30:00Z".parse().unwrap(), ..draft() },
            Draft { link: None, ..draft() },
            Draft { reminders: Some(vec![5]), ..draft() },
            Draft {
                attendees: vec![Attendee { email: "new@example.com".to_owned(), name: None, optional: false }],
                ..draft()
            },
        ] {
            assert!(!is_as(&there, &other, &owners()), "{other:?}");
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
