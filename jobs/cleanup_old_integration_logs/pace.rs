//! How large a batch may be, and how long to rest after it, so that nobody who writes waits for long. It learns from
//! every batch: a slow disk, large rows and many indexes all show in how long the last one took.

use std::time::Duration;

const FIRST_ROWS: u32 = 100;
const MIN_ROWS: u32 = 10;
/// A larger one gains nothing: the commit is a small part of it by then.
const MAX_ROWS: u32 = 5_000;
/// Of the bound this part is aimed at: the next batch may be slower than the last.
const AIM: u32 = 2;
/// While others write, the rest is so many times as long as the work: they keep six sevenths of the time, and lose to
/// the search for rows what a processor has to do besides.
const REST: u32 = 6;
/// Whoever waited less for the writer had it for itself.
const ALONE: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Pace {
    bound: Duration,
    rows: u32,
}

impl Pace {
    /// No batch should take longer than `bound`.
    pub(super) fn within(bound: Duration) -> Self {
        Self { bound, rows: FIRST_ROWS }
    }

    /// Rows of the next batch.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// A batch of so many rows took so long.
    pub(super) fn learn(&mut self, rows: u32, took: Duration) {
        if rows == 0 {
            return;
        }
        let aim = u64::try_from((self.bound / AIM).as_micros()).unwrap_or(u64::MAX);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let fits = u64::from(rows).saturating_mul(aim) / took;
        // Slowly up, and at once down.
        let most = self.rows.saturating_mul(2).min(MAX_ROWS);
        self.rows = u32::try_from(fits).unwrap_or(u32::MAX).clamp(MIN_ROWS, most.max(MIN_ROWS));
    }

    /// How long to let others go first. With nobody there it is as long as the work was.
    pub(super) fn rest(worked: Duration, waited: Duration) -> Duration {
        if waited < ALONE { worked } else { worked * REST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_grows_to_what_fits_and_shrinks_at_once() {
        let mut pace = Pace::within(Duration::from_millis(50));
        for expected in [200, 400, 800, 1_000, 1_000] {
            // 25 µs a row.
            pace.learn(pace.rows(), Duration::from_micros(u64::from(pace.rows()) * 25));
            assert_eq!(pace.rows(), expected);
        }
        pace.learn(1_000, Duration::from_millis(500));
        assert_eq!(pace.rows(), 50);
        pace.learn(50, Duration::from_mins(1));
        assert_eq!(pace.rows(), MIN_ROWS);
        pace.learn(0, Duration::from_mins(1));
        assert_eq!(pace.rows(), MIN_ROWS);
    }

    #[test]
    fn a_last_small_batch_says_little_about_the_next() {
        let mut pace = Pace::within(Duration::from_millis(50));
        pace.learn(100, Duration::from_micros(1));
        assert_eq!(pace.rows(), 200, "twice as many at most");
        pace.learn(1, Duration::from_micros(1));
        assert_eq!(pace.rows(), 400);
    }

    #[test]
    fn others_who_write_get_six_sevenths_of_the_time() {
        let work = Duration::from_millis(20);
        assert_eq!(Pace::rest(work, Duration::from_millis(3)), work * 6);
        assert_eq!(Pace::rest(work, Duration::from_micros(80)), work);
    }
}
