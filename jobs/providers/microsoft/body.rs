//! A draft as Graph's event, what of it differs from one that stands there, and the meeting of one.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use crate::providers::{Attendee, Draft, EventMeeting, Join, zones};

/// All that a draft says.
pub(super) fn of(draft: &Draft) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("subject", json!(draft.title));
    put("body", json!({"contentType": "text", "content": draft.text().unwrap_or_default()}));
    put("location", json!({"displayName": draft.place().unwrap_or_default()}));
    put("isAllDay", json!(false));
    put("start", time(draft.start, draft.zone));
    put("end", time(draft.end, draft.zone));
    put("attendees", Value::Array(draft.attendees.iter().map(attendee).collect()));
    match draft.reminders.as_deref() {
        // There is one: that which comes first.
        Some([]) => put("isReminderOn", json!(false)),
        Some(minutes) => {
            put("isReminderOn", json!(true));
            put("reminderMinutesBeforeStart", json!(minutes.iter().max()));
        }
        None => {}
    }
    if draft.with_meeting {
        put("isOnlineMeeting", json!(true));
        put("onlineMeetingProvider", json!("teamsForBusiness"));
    }
    body
}

/// Of the names of a zone that of Windows, which old mailboxes know; zones without one go by that of the IANA.
fn time(at: DateTime<Utc>, zone: Tz) -> Value {
    let local = at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S").to_string();
    json!({"dateTime": local, "timeZone": zones::windows(zone.name()).unwrap_or(zone.name())})
}

fn attendee(who: &Attendee) -> Value {
    let mut address = json!({"address": who.email});
    if let Some(name) = &who.name {
        address["name"] = json!(name);
    }
    json!({"type": if who.optional { "optional" } else { "required" }, "emailAddress": address})
}

/// What has to be written so that the event is as the draft says.
pub(super) fn changes(event: &Value, draft: &Draft) -> Map<String, Value> {
    let mut wanted = of(draft);
    // It cannot be taken back, and is made once.
    if event["isOnlineMeeting"] == true {
        wanted.remove("isOnlineMeeting");
        wanted.remove("onlineMeetingProvider");
        // Its body holds the way in, as a page that only Graph can write: whoever writes another body ends the meeting.
        wanted.remove("body");
    }
    wanted.retain(|name, value| !is_as(name, &event[name.as_str()], value));
    wanted
}

fn is_as(name: &str, there: &Value, wanted: &Value) -> bool {
    match name {
        // The answer is in UTC, whichever zone was written.
        "start" | "end" => instant(there).is_some() && instant(there) == instant(wanted),
        "attendees" => invited(there) == invited(wanted),
        "location" => there["displayName"].as_str().unwrap_or_default() == wanted["displayName"],
        "body" => words(&there["content"]) == words(&wanted["content"]),
        // It may be one that the calendar has no meetings of, and then will be no other.
        "onlineMeetingProvider" => true,
        _ => there == wanted,
    }
}

fn instant(time: &Value) -> Option<DateTime<Utc>> {
    let local: NaiveDateTime = time["dateTime"].as_str()?.trim_end_matches('Z').parse().ok()?;
    zones::instant(zones::zone(time["timeZone"].as_str()?)?, local)
}

fn invited(attendees: &Value) -> Vec<(String, bool)> {
    let all = attendees.as_array().into_iter().flatten();
    let mut invited: Vec<_> = all
        .filter_map(|who| {
            let email = who["emailAddress"]["address"].as_str()?.to_lowercase();
            Some((email, who["type"] == "optional"))
        })
        .collect();
    invited.sort_unstable();
    invited.dedup();
    invited
}

/// A text comes back with other line ends and other spaces.
fn words(text: &Value) -> Vec<&str> {
    text.as_str().unwrap_or_default().split_whitespace().collect()
}

/// The meeting that an event has, or is to have. `asked`: it was to be made with this event.
pub(super) fn meeting(event: &Value, asked: bool) -> EventMeeting {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let online = &event["onlineMeeting"];
    if let Some(url) = text(&online["joinUrl"]) {
        return EventMeeting::Ready(Join { url, passcode: None });
    }
    match event["isOnlineMeeting"] == true {
        true => EventMeeting::Pending,
        // A calendar that has no such meetings passes over the wish in silence.
        false if asked => EventMeeting::Failed,
        false => EventMeeting::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::EventKey;

    fn draft() -> Draft {
        Draft {
            key: EventKey::of(&["event", "1"]),
            title: "Consultation".to_owned(),
            description: Some("Bring the papers.\nAnd a pen.".to_owned()),
            location: Some("Room 1".to_owned()),
            start: "2027-07-12T09:00:00Z".parse().unwrap(),
            end: "2027-07-12T10:00:00Z".parse().unwrap(),
            zone: Tz::Europe__Berlin,
            attendees: vec![Attendee {
                email: "guest@example.com".to_owned(),
                name: Some("A Guest".to_owned()),
                optional: false,
            }],
            reminders: Some(vec![10, 60]),
            link: None,
            with_meeting: false,
            tell_attendees: true,
        }
    }

    /// As Graph answers: in UTC, with seven digits, and a text that is almost the same.
    fn stands(draft: &Draft) -> Value {
        let mut event = Value::Object(of(draft));
        event["start"] = json!({"dateTime": "2027-07-12T09:00:00.0000000", "timeZone": "UTC"});
        event["end"] = json!({"dateTime": "2027-07-12T10:00:00.0000000", "timeZone": "UTC"});
        event["body"]["content"] = json!("Bring the papers.\r\nAnd a pen.\r\n");
        event["attendees"][0]["status"] = json!({"response": "accepted"});
        event
    }

    #[test]
    fn a_draft_is_written_in_its_zone_as_windows_calls_it() {
        let body = of(&draft());
        assert_eq!(body["start"], json!({"dateTime": "2027-07-12T11:00:00", "timeZone": "W. Europe Standard Time"}));
        let vienna = Draft { zone: Tz::Europe__Vienna, ..draft() };
        assert_eq!(of(&vienna)["start"]["timeZone"], "Europe/Vienna");
        assert_eq!(body["reminderMinutesBeforeStart"], 60);
        assert_eq!(of(&Draft { reminders: Some(vec![]), ..draft() })["isReminderOn"], false);
        assert!(!of(&Draft { reminders: None, ..draft() }).contains_key("isReminderOn"));
        assert!(!body.contains_key("isOnlineMeeting"));
    }

    #[test]
    fn what_is_as_it_should_be_is_not_written_again() {
        assert!(changes(&stands(&draft()), &draft()).is_empty(), "{:?}", changes(&stands(&draft()), &draft()));
        let moved = Draft { start: "2027-07-12T08:00:00Z".parse().unwrap(), ..draft() };
        assert_eq!(changes(&stands(&draft()), &moved).keys().collect::<Vec<_>>(), ["start"]);
    }

    #[test]
    fn the_way_into_a_meeting_is_never_written_over() {
        let mut event = stands(&draft());
        event["isOnlineMeeting"] = json!(true);
        let other = Draft { description: Some("Other words".to_owned()), with_meeting: true, ..draft() };
        assert!(changes(&event, &other).is_empty());
        event["isOnlineMeeting"] = json!(false);
        assert_eq!(changes(&event, &other).keys().collect::<Vec<_>>(), ["body", "isOnlineMeeting"]);
    }

    #[test]
    fn a_meeting_is_waited_for_until_it_can_be_joined() {
        let of = |is_online: bool, online: Value| json!({"isOnlineMeeting": is_online, "onlineMeeting": online});
        assert!(matches!(meeting(&of(true, Value::Null), true), EventMeeting::Pending));
        assert!(matches!(meeting(&of(false, Value::Null), true), EventMeeting::Failed));
        assert!(matches!(meeting(&of(false, Value::Null), false), EventMeeting::None));
        let ready = meeting(&of(true, json!({"joinUrl": "https://teams.example/l", "conferenceId": "12"})), true);
        assert!(matches!(ready, EventMeeting::Ready(join) if join.url == "https://teams.example/l"));
    }
}
