//! `[worker]`: how jobs are run.

use std::time::Duration;

use super::key::Key;
use super::reader::Reader;

pub(crate) const DEFAULT_CONCURRENCY: u32 = 64;
pub(crate) const MIN_CONCURRENCY: u32 = 1;
pub(crate) const MAX_CONCURRENCY: u32 = 10_000;
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(10);
pub(crate) const MIN_LEASE: Duration = Duration::from_secs(1);
pub(crate) const MAX_LEASE: Duration = Duration::from_mins(10);
pub(crate) const DEFAULT_GRACE: Duration = Duration::from_secs(25);
pub(crate) const MIN_GRACE: Duration = Duration::ZERO;
pub(crate) const MAX_GRACE: Duration = Duration::from_hours(1);
pub(crate) const DEFAULT_CANCEL_GRACE: Duration = Duration::from_secs(5);
pub(crate) const MIN_CANCEL_GRACE: Duration = Duration::ZERO;
pub(crate) const MAX_CANCEL_GRACE: Duration = Duration::from_hours(1);
pub(crate) const DEFAULT_DIAGNOSTICS: bool = false;
pub(crate) const DEFAULT_CRASH_LIMIT: u32 = 3;
pub(crate) const MIN_CRASH_LIMIT: u32 = 1;
pub(crate) const MAX_CRASH_LIMIT: u32 = 100;

/// How jobs are run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Worker {
    /// Jobs run at once by this process, over all queues. Defaults to 64.
    pub(crate) concurrency: u32,
    /// How long a claimed job stays ours without a sign of life. Defaults to 10 s.
    pub(crate) lease: Duration,
    /// How long a stop waits for running jobs before it hands them back. Defaults to 25 s.
    pub(crate) grace: Duration,
    /// How long a job that is taken back while it runs may go on before it is stopped. Defaults to 5 s.
    pub(crate) cancel_grace: Duration,
    /// Whether the diagnostic jobs (`noop`, `echo`, `sleep`, `fail`, `panic`, `crash`, `knock`, `pair`) exist. Defaults to false.
    pub(crate) diagnostics: bool,
    /// Deaths of a process in which a job ran alone before it is buried. Defaults to 3.
    pub(crate) crash_limit: u32,
}

impl Worker {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("worker");
        Self {
            concurrency: from.value(
                Key::new("concurrency", "Jobs run at once by this process, over all queues.")
                    .default(DEFAULT_CONCURRENCY)
                    .within(MIN_CONCURRENCY..=MAX_CONCURRENCY),
            ),
            lease: from.value(
                Key::new("lease", "How long a claimed job stays this worker's without a sign of life.")
                    .default(DEFAULT_LEASE)
                    .within(MIN_LEASE..=MAX_LEASE),
            ),
            grace: from.value(
                Key::new("grace", "How long a stop waits for running jobs before it hands them back.")
                    .default(DEFAULT_GRACE)
                    .within(MIN_GRACE..=MAX_GRACE),
            ),
            cancel_grace: from.value(
                Key::new(
                    "cancel_grace",
                    "How long a job that is taken back while it runs may go on before it is stopped.",
                )
                .default(DEFAULT_CANCEL_GRACE)
                .within(MIN_CANCEL_GRACE..=MAX_CANCEL_GRACE),
            ),
            diagnostics: from.value(
                Key::new(
                    "diagnostics",
                    "Whether the jobs `noop`, `echo`, `sleep`, `fail`, `panic`, `crash`, `knock` and `pair` exist.",
                )
                .default(DEFAULT_DIAGNOSTICS),
            ),
            crash_limit: from.value(
                Key::new("crash_limit", "Deaths of a process in which a job ran alone before it is buried.")
                    .default(DEFAULT_CRASH_LIMIT)
                    .within(MIN_CRASH_LIMIT..=MAX_CRASH_LIMIT),
            ),
        }
    }
}
