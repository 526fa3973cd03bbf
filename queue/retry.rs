//! When a failed job runs again: exponential backoff with full jitter, capped, a policy per job.

use std::time::Duration;

/// A provider may ask for a longer wait than this; we come back and ask again instead of believing it.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// How often and how patiently a job is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    pub base: Duration,
    pub cap: Duration,
    pub attempts: u32,
}

impl Retry {
    pub const DEFAULT_CAP: Duration = Duration::from_hours(1);
    pub const DEFAULT_ATTEMPTS: u32 = 10;

    /// Waits of up to `base`, twice `base`, four times `base` … between attempts.
    #[must_use]
    pub const fn doubling(base: Duration) -> Self {
        Self { base, cap: Self::DEFAULT_CAP, attempts: Self::DEFAULT_ATTEMPTS }
    }

    /// How many attempts there are in all, the first one included.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// The longest wait after the attempt with this number (the first is 1).
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// The wait after `attempt` failed: anywhere up to the ceiling (full jitter), so that a thousand jobs that failed
    /// together do not come back together. `draw` is a fair random number.
    /// What the other side asked for wins, within a day, and is never undercut.
    #[must_use]
    pub fn wait(&self, attempt: u32, asked: Option<Duration>, draw: u32) -> Duration {
        let share = f64::from(draw) / f64::from(u32::MAX);
        match asked {
            Some(asked) => asked.min(MAX_RETRY_AFTER) + self.base.mul_f64(share),
            None => self.ceiling(attempt).mul_f64(share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ceiling_doubles_until_the_cap() {
        let policy = Retry::doubling(Duration::from_secs(1)).cap(Duration::from_secs(10));
        let ceilings: Vec<_> = (1..=6).map(|n| policy.ceiling(n).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 10, 10]);
    }

    proptest! {
        #[test]
        fn a_wait_never_exceeds_its_ceiling_and_ceilings_never_shrink(
            base_ms in 1u64..100_000, cap_ms in 1u64..10_000_000, attempt in 1u32..1000, draw: u32,
        ) {
            let policy = Retry::doubling(Duration::from_millis(base_ms)).cap(Duration::from_millis(cap_ms));
            let ceiling = policy.ceiling(attempt);
            prop_assert!(policy.wait(attempt, None, draw) <= ceiling);
            prop_assert_eq!(policy.wait(attempt, None, u32::MAX), ceiling);
            prop_assert!(ceiling <= policy.ceiling(attempt + 1));
        }

        #[test]
        fn what_the_other_side_asked_for_is_never_undercut_and_never_exceeds_a_day_by_much(
            asked_s in 0u64..10_000_000, attempt in 1u32..50, draw: u32,
        ) {
            let policy = Retry::doubling(Duration::from_secs(2));
            let wait = policy.wait(attempt, Some(Duration::from_secs(asked_s)), draw);
            prop_assert!(wait >= Duration::from_secs(asked_s).min(MAX_RETRY_AFTER));
            prop_assert!(wait <= MAX_RETRY_AFTER + policy.base);
        }
    }
}
