//! The events that are sent, as data; and which of them an endpoint wants.
//!
//! A host may send others too: a name that is not in the catalogue is a custom event.

use serde::Serialize;

/// An event that everybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Event {
    pub name: &'static str,
    pub about: &'static str,
}

const fn event(name: &'static str, about: &'static str) -> Event {
    Event { name, about }
}

/// All events with a name of their own.
pub const EVENTS: &[Event] = &[
    event("booking_created", "a booking was made"),
    event("booking_cancelled", "a booking was cancelled"),
    event("booking_rescheduled", "a booking has another time"),
    event("booking_completed", "a booking took place"),
    event("notification_sent", "somebody was told something about a booking"),
    event("workflow_completion", "a workflow came to its end"),
    event("command_execution", "a command was carried out"),
    event("project_update", "a project changed"),
    event("system_alert", "something needs attention"),
    event("calendar.synced", "a calendar was synchronised"),
    event("calendar.conflict_detected", "a calendar has two things at one time"),
    event("meeting.created", "a booking has a video conference"),
    event("meeting.updated", "the video conference of a booking was changed"),
    event("meeting.removed", "the video conference of a booking was removed"),
    event("integration.disconnected", "a provider takes our tokens no more"),
    event("webhook.test", "an operator tries an endpoint"),
];

/// In a subscription: every event that is not in the catalogue.
pub const CUSTOM: &str = "custom_events";
/// Longer names are a mistake.
const MAX_NAME: usize = 100;

/// Whether this can be the name of an event: words of letters, digits and `_`, joined by full stops.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.len() > MAX_NAME {
        return Err(format!("the name of an event has at most {MAX_NAME} letters"));
    }
    if name.split('.').all(is_word) {
        return Ok(());
    }
    Err("an event is called by words of letters, digits and _, joined by full stops, as in booking_created".to_owned())
}

/// Whether this can be what an endpoint wants: a name of an event, with `*` for any part of it.
///
/// # Errors
/// What is wrong with it.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern == "*" {
        return Ok(());
    }
    let filled = pattern.replace('*', "x");
    check_name(&filled).map_err(|wrong| format!("{wrong}, or with * for any part of a name, as in booking_*"))
}

/// Whether an endpoint with this subscription wants this event.
#[must_use]
pub fn wants(patterns: &[String], name: &str) -> bool {
    let is_custom = || EVENTS.iter().all(|known| known.name != name);
    patterns.iter().any(|pattern| matches(pattern, name) || (pattern == CUSTOM && is_custom()))
}

fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(patterns: &[&str], name: &str) -> bool {
        wants(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>(), name)
    }

    #[test]
    fn a_subscription_wants_names_and_patterns() {
        for (patterns, name, expected) in [
            (&["booking_created"][..], "booking_created", true),
            (&["booking_created"], "booking_created2", false),
            (&["booking_*"], "booking_cancelled", true),
            (&["booking_*"], "booking_", true),
            (&["booking_*"], "bookings", false),
            (&["*"], "anything.at_all", true),
            (&["*.synced"], "calendar.synced", true),
            (&["c*.s*ed"], "calendar.synced", true),
            (&["a*a"], "a", false),
            (&["custom_events"], "invoice.paid", true),
            (&["custom_events"], "booking_created", false),
            (&["custom_events"], "custom_events", true),
            (&[], "booking_created", false),
        ] {
            assert_eq!(wanted(patterns, name), expected, "{patterns:?} {name}");
        }
    }

    #[test]
    fn names_are_words_joined_by_full_stops() {
        assert!(EVENTS.iter().all(|event| check_name(event.name).is_ok()));
        for bad in ["", ".", "a.", "a b", "ü", "a\n", "a*", "a-b", &"x".repeat(101)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_pattern("booking_*").is_ok() && check_pattern("*").is_ok() && check_pattern("a b*").is_err());
    }
}
