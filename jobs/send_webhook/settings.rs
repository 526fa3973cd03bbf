//! What holds for every endpoint.

use std::time::Duration;

/// An endpoint may ask for at most so many retries, and for at most so long a call.
pub const MAX_RETRIES: i32 = 20;
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// What `[webhooks]` says.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Calls of one endpoint at once, by this process.
    pub per_endpoint: usize,
    /// The waits between attempts; the last one is repeated.
    pub schedule: Vec<Duration>,
    /// Failures in a row after which deliveries park.
    pub breaker_after: u32,
    /// How long they park first; doubled with each failure, up to an hour.
    pub breaker_wait: Duration,
    /// After so long without a success an endpoint's organizer is warned …
    pub warn_after: Duration,
    /// … and after so long it is disabled. A second warning comes half-way between.
    pub disable_after: Duration,
    /// The largest body.
    pub max_request: usize,
    /// The longest call.
    pub max_timeout: Duration,
}

/// Between attempts to close an open breaker at most.
const MAX_BREAKER_WAIT: Duration = Duration::from_hours(1);

impl WebhookSettings {
    /// The wait after the attempt with this number; the first is 1.
    pub(super) fn wait(&self, attempt: u32) -> Duration {
        let at = (attempt.saturating_sub(1) as usize).min(self.schedule.len().saturating_sub(1));
        self.schedule.get(at).copied().unwrap_or(Duration::from_secs(5))
    }

    /// How long deliveries park after the last of so many failures in a row; none while they do not.
    pub(super) fn parked(&self, failures: u32) -> Option<Duration> {
        let more = failures.checked_sub(self.breaker_after.max(1))?;
        Some(self.breaker_wait.saturating_mul(1 << more.min(20)).min(MAX_BREAKER_WAIT))
    }

    /// How many warnings are due after so long without a success.
    pub(super) fn warnings(&self, failing: Duration) -> i32 {
        let second = self.warn_after / 2 + self.disable_after / 2;
        i32::from(failing >= self.warn_after) + i32::from(failing >= second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> WebhookSettings {
        WebhookSettings {
            per_endpoint: 2,
            schedule: vec![Duration::from_secs(5), Duration::from_mins(5)],
            breaker_after: 5,
            breaker_wait: Duration::from_secs(30),
            warn_after: Duration::from_hours(24),
            disable_after: Duration::from_hours(120),
            max_request: 1024,
            max_timeout: Duration::from_secs(30),
        }
    }

    #[test]
    fn the_schedule_goes_on_with_its_last_wait() {
        let waits: Vec<_> = (1..=4).map(|attempt| settings().wait(attempt).as_secs()).collect();
        assert_eq!(waits, [5, 300, 300, 300]);
    }

    #[test]
    fn a_breaker_opens_after_five_and_doubles_up_to_an_hour() {
        let waits: Vec<_> = [0, 4, 5, 6, 7, 40].map(|n| settings().parked(n).map(|wait| wait.as_secs())).into();
        assert_eq!(waits, [None, None, Some(30), Some(60), Some(120), Some(3600)]);
    }

    #[test]
    fn two_warnings_come_before_the_end() {
        let hours: Vec<_> = [1, 24, 71, 72, 119].map(|h| settings().warnings(Duration::from_hours(h))).into();
        assert_eq!(hours, [0, 1, 1, 2, 2]);
    }
}
