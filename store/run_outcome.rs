//! How a run ended, as the history knows it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// The closed set of ends. The strings are in the database for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunOutcome {
    /// It did what it is for. At most one run of a job ends so.
    Done,
    /// It failed and waits for another attempt.
    Retry,
    /// It failed for good, and has a dead letter.
    Dead,
    /// Its time was over before it began.
    Expired,
    /// Somebody took it back.
    Cancelled,
    /// A later job with the same unique key took its place.
    Replaced,
}

/// A string that is no outcome, as a newer release may have written.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no outcome; known are done, retry, dead, expired, cancelled and replaced")]
pub struct UnknownOutcome(pub String);

impl RunOutcome {
    pub const ALL: [Self; 6] = [Self::Done, Self::Retry, Self::Dead, Self::Expired, Self::Cancelled, Self::Replaced];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
        }
    }
}

impl FromStr for RunOutcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(|| UnknownOutcome(text.to_owned()))
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for RunOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strings_in_the_database_stay() {
        assert_eq!(
            RunOutcome::ALL.map(RunOutcome::as_str),
            ["done", "retry", "dead", "expired", "cancelled", "replaced"]
        );
        for outcome in RunOutcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
        }
        assert_eq!("snoozed".parse::<RunOutcome>(), Err(UnknownOutcome("snoozed".into())));
    }
}
