//! A draft as Google's event, what of it differs from one that stands there, and the meeting of one.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use crate::{
    kit::Secret,
    providers::{Draft, EventMeeting, Join},
};

/// Google takes no more, and none that is longer before.
const MAX_REMINDERS: usize = 5;
const MAX_REMINDER_MINUTES: u32 = 40_320;

/// All that a draft says. What it leaves open is null, so that a patch takes it out.
pub(super) fn of(draft: &Draft) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("summary", json!(draft.title));
    put("description", json!(draft.text()));
    put("location", json!(draft.place()));
    put("start", time(draft.start, draft.zone));
    put("end", time(draft.end, draft.zone));
    // Whoever makes the meeting invites nobody: that is for whoever writes the booking into the same event.
    if !draft.with_meeting {
        put("attendees", Value::Array(draft.attendees.iter().map(attendee).collect()));
    }
    put("reminders", reminders(draft.reminders.as_deref()));
    if draft.with_meeting {
        put("conferenceData", conference(draft));
    }
    body
}

/// A null beside it, because a patch merges: the event may have been one of whole days.
fn time(at: DateTime<Utc>, zone: Tz) -> Value {
    let local = at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({"dateTime": local, "timeZone": zone.name(), "date": null})
}

fn attendee(who: &crate::providers::Attendee) -> Value {
    let mut value = json!({"email": who.email});
    if let Some(name) = &who.name {
        value["displayName"] = json!(name);
    }
    if who.optional {
        value["optional"] = json!(true);
    }
    value
}

fn reminders(minutes: Option<&[u32]>) -> Value {
    let Some(minutes) = minutes else { return json!({"useDefault": true, "overrides": null}) };
    let popup = |minutes: &u32| json!({"method": "popup", "minutes": (*minutes).min(MAX_REMINDER_MINUTES)});
    let overrides: Vec<_> = minutes.iter().take(MAX_REMINDERS).map(popup).collect();
    json!({"useDefault": false, "overrides": overrides})
}

/// The same request again makes no second meeting.
fn conference(draft: &Draft) -> Value {
    let key = json!({"type": "hangoutsMeet"});
    json!({"createRequest": {"requestId": draft.key.as_str(), "conferenceSolutionKey": key}})
}

/// What has to be written so that the event is as the draft says.
pub(super) fn changes(event: &Value, draft: &Draft) -> Map<String, Value> {
    let mut wanted = of(draft);
    wanted.remove("conferenceData");
    wanted.retain(|name, value| !is_as(name, event.get(name).unwrap_or(&Value::Null), value));
    if let Some(attendees) = wanted.get_mut("attendees") {
        keep_answers(attendees, event.get("attendees"));
    }
    // A draft of no meeting takes none away: the booking's meeting stands in the same event.
    if draft.with_meeting && event["conferenceData"].is_null() {
        wanted.insert("conferenceData".to_owned(), conference(draft));
    }
    wanted
}

fn is_as(name: &str, there: &Value, wanted: &Value) -> bool {
    match name {
        "start" | "end" => {
            let at =
                |value: &Value| value["dateTime"].as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            at(there).is_some() && at(there) == at(wanted) && there["timeZone"] == wanted["timeZone"]
        }
        "attendees" => emails(there) == emails(wanted),
        "reminders" => {
            let list = |value: &Value| value["overrides"].as_array().cloned().unwrap_or_default();
            there["useDefault"] == wanted["useDefault"] && list(there) == list(wanted)
        }
        // What is empty is left out of answers.
        _ => there.as_str().unwrap_or_default() == wanted.as_str().unwrap_or_default(),
    }
}

fn emails(attendees: &Value) -> Vec<String> {
    let all = attendees.as_array().into_iter().flatten();
    // The organizer may be added by Google itself.
    let invited = all.filter(|who| who["organizer"] != true);
    let mut emails: Vec<_> = invited.filter_map(|who| who["email"].as_str()).map(str::to_lowercase).collect();
    emails.sort_unstable();
    emails.dedup();
    emails
}

/// Whether anybody but its organizer is invited.
pub(super) fn has_guests(event: &Value) -> bool {
    !emails(&event["attendees"]).is_empty()
}

/// A list of attendees is replaced whole: whoever stays keeps the answer that was given.
fn keep_answers(wanted: &mut Value, there: Option<&Value>) {
    let known = there.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for who in wanted.as_array_mut().into_iter().flatten() {
        let email = who["email"].as_str().unwrap_or_default().to_lowercase();
        let same = |other: &&Value| other["email"].as_str().is_some_and(|other| other.to_lowercase() == email);
        if let Some(answer) = known.iter().find(same).and_then(|other| other.get("responseStatus")) {
            who["responseStatus"] = answer.clone();
        }
    }
}

/// The meeting that an event has, or is to have.
pub(super) fn meeting(event: &Value) -> EventMeeting {
    let data = &event["conferenceData"];
    let entries = data["entryPoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    let video = entries.iter().find(|entry| entry["entryPointType"] == "video");
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let url = video.and_then(|entry| text(&entry["uri"])).or_else(|| text(&event["hangoutLink"]));
    if let Some(url) = url {
        let passcode = video.and_then(|entry| text(&entry["passcode"])).map(Secret::new);
        return EventMeeting::Ready(Join { url, passcode });
    }
    match data["createRequest"]["status"]["statusCode"].as_str() {
        Some("failure") => EventMeeting::Failed,
        // Said to have been made, and nothing to show for it yet.
        Some(_) => EventMeeting::Pending,
        None => EventMeeting::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{Attendee, EventKey};

    fn draft() -> Draft {
        Draft {
            key: EventKey::of(&["event", "1"]),
            title: "Consultation".to_owned(),
            description: Some("Bring the papers.".to_owned()),
            location: None,
            start: "2027-07-12T09:00:00Z".parse().unwrap(),
            end: "2027-07-12T10:00:00Z".parse().unwrap(),
            zone: Tz::Europe__Berlin,
            attendees: vec![Attendee { email: "guest@example.com".to_owned(), name: None, optional: false }],
            reminders: Some(vec![10]),
            link: Some("https://meet.example/1".to_owned()),
            with_meeting: false,
            tell_attendees: true,
        }
    }

    /// As Google answers: what is null is left out.
    fn stands(draft: &Draft) -> Value {
        let mut event = Value::Object(of(draft));
        event["start"].as_object_mut().unwrap().remove("date");
        event["attendees"][0]["responseStatus"] = json!("accepted");
        event["attendees"].as_array_mut().unwrap().push(json!({"email": "me@example.com", "organizer": true}));
        event
    }

    #[test]
    fn a_draft_is_written_in_its_zone_with_the_link_where_people_look() {
        let body = of(&draft());
        assert_eq!(body["start"]["dateTime"], "2027-07-12T11:00:00+02:00");
        assert_eq!(body["start"]["timeZone"], "Europe/Berlin");
        assert_eq!(body["description"], "Bring the papers.\n\nhttps://meet.example/1");
        assert_eq!(body["location"], "https://meet.example/1");
        assert_eq!(body["reminders"], json!({"useDefault": false, "overrides": [{"method": "popup", "minutes": 10}]}));
        assert!(!body.contains_key("conferenceData"));
    }

    #[test]
    fn what_is_as_it_should_be_is_not_written_again() {
        assert!(changes(&stands(&draft()), &draft()).is_empty());
        let moved = Draft { start: "2027-07-12T08:00:00Z".parse().unwrap(), ..draft() };
        let changes = changes(&stands(&draft()), &moved);
        assert_eq!(changes.keys().collect::<Vec<_>>(), ["start"]);
        assert_eq!(changes["start"]["date"], Value::Null);
    }

    #[test]
    fn whoever_stays_invited_keeps_the_answer() {
        let mut more = draft();
        more.attendees.push(Attendee { email: "other@example.com".to_owned(), name: None, optional: true });
        let changes = changes(&stands(&draft()), &more);
        assert_eq!(
            changes["attendees"],
            json!([
                {"email": "guest@example.com", "responseStatus": "accepted"},
                {"email": "other@example.com", "optional": true},
            ])
        );
    }

    #[test]
    fn a_meeting_is_asked_for_once_and_never_taken_away() {
        let mut event = stands(&draft());
        event["conferenceData"] = json!({"conferenceId": "abc", "entryPoints": []});
        assert!(changes(&event, &draft()).is_empty());
        event["conferenceData"]["createRequest"] = json!({"requestId": draft().key.as_str()});
        assert!(changes(&event, &draft()).is_empty());
        let with = Draft { with_meeting: true, ..draft() };
        assert!(changes(&event, &with).is_empty());
        let asked = changes(&stands(&draft()), &with);
        assert_eq!(asked.keys().collect::<Vec<_>>(), ["conferenceData"], "whoever is invited stays so");
    }

    #[test]
    fn a_meeting_is_waited_for_until_it_can_be_joined() {
        let with = |data: Value| meeting(&json!({"conferenceData": data}));
        assert!(matches!(meeting(&json!({})), EventMeeting::None));
        let status = |code: &str| json!({"createRequest": {"status": {"statusCode": code}}});
        assert!(matches!(with(status("pending")), EventMeeting::Pending));
        assert!(matches!(with(status("failure")), EventMeeting::Failed));
        let ready = with(json!({
            "conferenceId": "abc-defg",
            "entryPoints": [
                {"entryPointType": "phone", "uri": "tel:+1"},
                {"entryPointType": "video", "uri": "https://meet.google.com/abc-defg"},
            ],
        }));
        match ready {
            EventMeeting::Ready(join) => assert_eq!(join.url, "https://meet.google.com/abc-defg"),
            other => panic!("{other:?}"),
        }
    }
}
