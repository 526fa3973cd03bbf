//! What a run of a job ended in: a closed set, decided where it happens.

use std::time::Duration;

use crate::{clock::Millis, state::closed_set};

/// What a handler says: it did its work, or why and how not.
pub type Outcome = Result<Done, Failure>;

/// The work is done; the value, if any, is the job's result.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done(pub Option<serde_json::Value>);

/// Why a job did not finish, and what should become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Try again, by the job's own policy or after the time the other side asked for. Uses up an attempt.
    Retry { reason: String, after: Option<Duration> },
    /// Come back later; nothing went wrong. Uses up no attempt and writes no run.
    Snooze { until: Millis },
    /// No further attempt can help: the job goes to the dead letters.
    Fatal { reason: String },
    /// Its time was over before it started.
    Expired,
    /// Somebody took it back.
    Cancelled { reason: String },
    /// The daemon stops: hand the job back as if it had never been claimed.
    HandBack,
}

impl Failure {
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None }
    }

    pub fn retry_after(after: Duration, reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: Some(after) }
    }

    pub fn fatal(reason: impl Into<String>) -> Self {
        Self::Fatal { reason: reason.into() }
    }
}

closed_set! {
    /// How a run stands in the records. A snooze and a hand-back leave none.
    RunOutcome { Done => "done", Retry => "retry", Dead => "dead", Expired => "expired", Cancelled => "cancelled", Replaced => "replaced" }
}

/// A judgement passed on a job without running it: it waits in the departing list until it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub end: RunOutcome,
    pub reason: String,
}

impl Verdict {
    /// One line, as it stands in Redis: `dead crashed its worker 3 times`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (end, reason) = text.split_once(' ').unwrap_or((text, ""));
        Self { end: end.parse().unwrap_or(RunOutcome::Dead), reason: reason.to_owned() }
    }

    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.end, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_redis() {
        let verdict = Verdict { end: RunOutcome::Cancelled, reason: "by ops: a b  c".into() };
        assert_eq!(Verdict::parse(&verdict.line()), verdict);
        assert_eq!(Verdict::parse("nonsense here").end, RunOutcome::Dead);
    }
}
