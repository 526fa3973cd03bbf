//! Time, passed in: Redis decides what is due and what has expired, so hosts' clocks do not matter.

use chrono::{DateTime, TimeZone, Utc};

/// Milliseconds since the epoch, the queue's only unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }

    /// The same instant as a date. Instants beyond what a date can hold are pulled back to its limits.
    #[must_use]
    pub fn date(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0).single().unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    #[must_use]
    pub fn plus(self, wait: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Where "now" comes from. Scripts use Redis `TIME` unless a test fixes it.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    #[default]
    Redis,
    Fixed(std::sync::Arc<std::sync::atomic::AtomicI64>),
}

impl Clock {
    /// A clock that stands still until it is told otherwise.
    #[must_use]
    pub fn fixed(now: Millis) -> Self {
        Self::Fixed(std::sync::Arc::new(now.0.into()))
    }

    pub fn advance(&self, by: std::time::Duration) {
        if let Self::Fixed(now) = self {
            now.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// What a script is given: empty means "ask Redis".
    pub(crate) fn argument(&self) -> String {
        match self {
            Self::Redis => String::new(),
            Self::Fixed(now) => now.load(std::sync::atomic::Ordering::Relaxed).to_string(),
        }
    }

    /// This process's own time, for log rows and for clients that have no Redis answer at hand.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    pub fn wall() -> Millis {
        Millis::at(Utc::now())
    }
}
