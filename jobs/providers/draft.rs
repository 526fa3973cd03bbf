//! What we write into somebody's calendar, and what then stands there.
//!
//! An event that we write has a key, and the key follows from what it is for. So whoever does not know whether it was
//! written, because the answer was lost, writes it again: there is one.

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sha2::{Digest as _, Sha256};

use crate::kit::Secret;

/// Hex digits of a key: 128 bits are more than all calendars hold.
const KEY_DIGITS: usize = 32;

/// What an event is called by us, before anybody else calls it anything. 32 hex digits: every provider takes them, as an
/// id (Google), as a transaction (Microsoft), as a UID and a file's name (`CalDAV`), as a tag (Webex).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EventKey(String);

impl EventKey {
    /// The key of what these parts name, such as the purpose, the booking and the account.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            // With its length, so that no two lists run together into the same bytes.
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let hex: String = digest.finalize().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect();
        Self(hex[..KEY_DIGITS].to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0')
}

/// Somebody who is invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attendee {
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) optional: bool,
}

/// An event as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) key: EventKey,
    pub(crate) title: String,
    /// Plain text.
    pub(crate) description: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    /// In which the times are shown.
    pub(crate) zone: Tz,
    pub(crate) attendees: Vec<Attendee>,
    /// Minutes before the start. None at all: as the calendar's owner has it; an empty list: none.
    pub(crate) reminders: Option<Vec<u32>>,
    /// Where people meet, if that is known: it is shown where people look for it.
    pub(crate) link: Option<String>,
    /// The provider's own meeting is made with the event: Meet, or Teams.
    pub(crate) with_meeting: bool,
    /// Whether the provider tells the attendees, where it leaves us the choice.
    pub(crate) tell_attendees: bool,
}

impl Draft {
    /// What an event is about, with the link at its end.
    pub(crate) fn text(&self) -> Option<String> {
        match (&self.description, &self.link) {
            (Some(text), Some(link)) if text.contains(link.as_str()) => Some(text.clone()),
            (Some(text), Some(link)) => Some(format!("{text}\n\n{link}")),
            (text, link) => text.clone().or_else(|| link.clone()),
        }
    }

    /// Where it takes place: somewhere, or else behind the link.
    pub(crate) fn place(&self) -> Option<&str> {
        self.location.as_deref().or(self.link.as_deref())
    }
}

/// How one gets into a meeting.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) url: String,
    pub(crate) passcode: Option<Secret>,
}

/// What became of the meeting that an event was to have.
#[derive(Debug, Clone)]
pub(crate) enum EventMeeting {
    /// There is none.
    None,
    /// It is being made: look again in a moment.
    Pending,
    Ready(Join),
    /// The provider could not make it, and will not.
    Failed,
}

/// An event that stands in the calendar.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// The provider's id of it: what `update`, `remove` and `look` ask for.
    pub(crate) id: String,
    /// Another one whenever it changes.
    pub(crate) version: Option<String>,
    pub(crate) meeting: EventMeeting,
    /// It was there before, and is not as the draft says: of the same key, but of an older draft, or changed by somebody.
    /// Whoever wants the draft updates it. Never after an update.
    pub(crate) differs: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_follows_from_its_parts_and_from_nothing_else() {
        let key = EventKey::of(&["event", "booking-1", "calendar:7"]);
        assert_eq!(key, EventKey::of(&["event", "booking-1", "calendar:7"]));
        assert_ne!(key, EventKey::of(&["event", "booking-1c", "alendar:7"]));
        assert!(key.as_str().len() == 32 && key.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
