//! A meeting for the tests of those who make them.

use super::{Draft, EventKey, meeting::MeetingDraft, meeting::MeetingSettings, meeting::Recording};

pub(super) fn draft() -> MeetingDraft {
    let event = Draft {
        key: EventKey::of(&["event", "b-1"]),
        title: "x".repeat(500),
        description: Some("What it is about.".to_owned()),
        location: None,
        start: "2027-01-12T14:00:00Z".parse().unwrap(),
        end: "2027-01-12T14:29:10Z".parse().unwrap(),
        zone: chrono_tz::Europe::Berlin,
        attendees: Vec::new(),
        reminders: None,
        link: None,
        with_meeting: true,
        tell_attendees: false,
    };
    let (waiting_room, recording) = (Some(true), Some(Recording::Cloud));
    MeetingDraft { event, settings: MeetingSettings { waiting_room, recording, ..MeetingSettings::default() } }
}
