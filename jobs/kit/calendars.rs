//! What jobs about calendars share: the settings, and the envelopes by which they ask for each other.

use std::time::Duration;

use chrono::{DateTime, Utc};
use liaison_queue::{LaneName, QueueName, UniqueKey};
use liaison_store::{CalendarSync, LogEntry};
use serde_json::{Value, json};

use super::digest;

/// How calendars are synchronised, as the operator configured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarSettings {
    /// How much of the past is mirrored, and how much of the future.
    pub past: Duration,
    pub future: Duration,
    /// So often the window moves on, with a full round.
    pub full_sync: Duration,
    /// The most pages of one round.
    pub max_pages: u32,
    /// Events that are reconciled in one transaction.
    pub portion: u32,
    /// Over so long the calendars of one tick are spread.
    pub spread: Duration,
    /// So many failures in a row, by its own fault, disable the synchronisation of an account.
    pub disable_after: u32,
}

impl Default for CalendarSettings {
    fn default() -> Self {
        Self {
            past: Duration::from_hours(30 * 24),
            future: Duration::from_hours(365 * 24),
            full_sync: Duration::from_hours(24),
            max_pages: 2_000,
            portion: 500,
            spread: Duration::from_mins(10),
            disable_after: 5,
        }
    }
}

/// Where all about one calendar waits, so that its steps come one after the other.
pub(crate) fn lane(integration: &str) -> String {
    fitting("sync", integration, |name| LaneName::parse(name).is_ok())
}

/// The envelope that synchronises a calendar: of each there waits one at most.
pub(crate) fn sync_envelope(integration: &str, queue: &QueueName) -> Value {
    let unique = fitting("sync", integration, |key| UniqueKey::parse(key).is_ok());
    json!({
        "job": "sync_calendar_events",
        "args": {"integration_id": integration},
        "queue": queue,
        "lane": {"key": lane(integration), "on_delay": "pass"},
        "unique": {"key": unique, "scope": "while_queued"},
    })
}

/// The same for a calendar that was just connected: somebody sits there and waits for it.
#[must_use]
pub fn first_sync(integration: &str, queue: &QueueName) -> String {
    let mut envelope = sync_envelope(integration, queue);
    envelope["priority"] = "high".into();
    envelope.to_string()
}

/// The envelope that brings the mirror of a calendar into blocked times, in the same lane.
pub(crate) fn reconcile_envelope(integration: &str, queue: &QueueName) -> Value {
    let unique = fitting("reconcile", integration, |key| UniqueKey::parse(key).is_ok());
    json!({
        "job": "reconcile_calendar_events",
        "args": {"integration_id": integration},
        "queue": queue,
        "lane": {"key": lane(integration), "on_delay": "pass"},
        "unique": {"key": unique, "scope": "while_queued"},
    })
}

/// Readable where it fits, and one for each id in any case: hosts choose ids.
fn fitting(prefix: &str, id: &str, fits: impl Fn(&str) -> bool) -> String {
    let name = format!("{prefix}:{id}");
    if fits(&name) { name } else { format!("{prefix}:{}", digest(&[id])) }
}

/// A line about a calendar in the integration log.
pub(crate) fn line(calendar: &CalendarSync, message: String, success: bool, details: &Value) -> LogEntry {
    LogEntry {
        log_type: "calendar_sync".to_owned(),
        integration_type: "calendar".to_owned(),
        integration_id: Some(calendar.integration_id.clone()),
        organizer_id: Some(calendar.organizer_id.clone()),
        message,
        details: Some(details.to_string()),
        success,
        ..LogEntry::default()
    }
}

/// So much later, as far as there is time.
pub(crate) fn later(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = chrono::TimeDelta::from_std(by).unwrap_or(chrono::TimeDelta::MAX);
    at.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// So much earlier, as far as there is time.
pub(crate) fn earlier(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = chrono::TimeDelta::from_std(by).unwrap_or(chrono::TimeDelta::MAX);
    at.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// A part from 0 to 1 that is an account's own: what is due together is spread by it.
pub(crate) fn part_of(id: &str) -> f64 {
    let part = u32::from_str_radix(&digest(&[id])[..8], 16).unwrap_or(0);
    f64::from(part) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_account_is_called_it_has_a_lane_of_its_own() {
        assert_eq!(lane("a-1"), "sync:a-1");
        let (one, other) = ("two words".to_owned(), "x".repeat(500));
        for id in [&one, &other] {
            assert!(LaneName::parse(&lane(id)).is_ok(), "{id}");
            let envelope = sync_envelope(id, &QueueName::default_queue()).to_string();
            liaison_queue::envelope::Envelope::judge(envelope.as_bytes(), liaison_queue::envelope::Limits::default())
                .expect("it is accepted");
        }
        assert_ne!(lane(&one), lane(&other));
    }

    #[test]
    fn parts_are_spread() {
        let parts: Vec<f64> = (0..1_000).map(|n| part_of(&format!("calendar-{n}"))).collect();
        assert!(parts.iter().all(|part| (0.0..=1.0).contains(part)));
        assert!((400..600).contains(&parts.iter().filter(|part| **part < 0.5).count()));
    }
}
