//! Video conferences, whoever makes them.

use std::{fmt, time::Duration};

use chrono::{DateTime, Days, NaiveTime, Utc};
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

use super::{Answering, Draft, EventKey, Window, session::Reply};
use crate::kit::Secret;

/// How a meeting is to be. What is not said is as the account has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct MeetingSettings {
    pub(crate) waiting_room: Option<bool>,
    pub(crate) join_before_host: Option<bool>,
    pub(crate) host_video: Option<bool>,
    pub(crate) participant_video: Option<bool>,
    pub(crate) mute_on_entry: Option<bool>,
    pub(crate) recording: Option<Recording>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Recording {
    None,
    Local,
    Cloud,
}

/// A meeting as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MeetingDraft {
    /// Its key is what it is found by when an answer was lost.
    pub(crate) event: Draft,
    pub(crate) settings: MeetingSettings,
}

impl MeetingDraft {
    /// What it is about, with its key first: lists cut the rest off.
    pub(super) fn marked(&self, most: usize) -> String {
        let mark = mark(&self.event.key);
        let text = match &self.event.description {
            Some(text) => format!("{mark}\n\n{text}"),
            None => mark,
        };
        cut(&text, most)
    }

    pub(super) fn minutes(&self) -> i64 {
        let length = self.event.end - self.event.start;
        // Begun minutes count.
        (length.num_seconds() + 59).div_euclid(60).max(1)
    }
}

/// What stands in the text of a meeting, for whoever has to find it.
pub(super) fn mark(key: &EventKey) -> String {
    format!("Ref. {key}")
}

/// At most so many letters.
pub(super) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// A meeting that there is. Who has its host's URL is the host, so its `Debug` shows neither that nor its links.
#[derive(Clone)]
pub(crate) struct Meeting {
    pub(crate) id: String,
    pub(crate) join_url: String,
    pub(crate) host_url: Option<Secret>,
    pub(crate) passcode: Option<Secret>,
    /// It was there before, and is not as the draft says: whoever wants the draft updates it.
    pub(crate) differs: bool,
}

impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meeting").field("id", &self.id).field("differs", &self.differs).finish_non_exhaustive()
    }
}

/// Who makes video conferences.
pub(crate) trait Meetings: Send + Sync {
    /// Make one. Where the provider knows the key, one of its key is the answer; elsewhere each call makes another one,
    /// so whoever may have asked before looks first.
    fn create<'a>(&'a self, draft: &'a MeetingDraft) -> Answering<'a, Meeting>;

    /// Make the meeting what the draft is. None: its links are as they were. None of this id: `Fault::Gone`.
    fn update<'a>(&'a self, id: &'a str, draft: &'a MeetingDraft) -> Answering<'a, Option<Meeting>>;

    /// Take it away. That it is not there is as good.
    fn remove<'a>(&'a self, id: &'a str) -> Answering<'a, ()>;

    /// The meeting of this key, if it is there. `around` is where it was to take place.
    fn find<'a>(&'a self, key: &'a EventKey, around: Window) -> Answering<'a, Option<Meeting>>;
}

/// How long a provider asks us to wait, in whichever form it says so: seconds, a date of HTTP, or one of ISO 8601.
pub(super) fn asked_wait(reply: &Reply, now: DateTime<Utc>) -> Option<Duration> {
    reply.retry_after(now).or_else(|| {
        let text = reply.headers.get(RETRY_AFTER)?.to_str().ok()?;
        let at = DateTime::parse_from_rfc3339(text.trim()).ok()?.to_utc();
        Some((at - now).to_std().unwrap_or_default())
    })
}

/// Until the day ends in UTC.
pub(super) fn until_midnight(now: DateTime<Utc>) -> Duration {
    let midnight = (now.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
    (midnight - now).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_in_utc() {
        let wait = |text: &str| until_midnight(text.parse().unwrap()).as_secs();
        assert_eq!(wait("2027-01-12T23:59:59Z"), 1);
        assert_eq!(wait("2027-01-12T00:00:00Z"), 86_400);
    }

    #[test]
    fn a_meeting_shows_no_link() {
        let meeting = Meeting {
            id: "1".to_owned(),
            join_url: "https://a.example/hunter2".to_owned(),
            host_url: Some(Secret::new("hunter2")),
            passcode: Some(Secret::new("hunter2")),
            differs: false,
        };
        assert!(!format!("{meeting:?}").contains("hunter2"));
    }
}
