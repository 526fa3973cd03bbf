//! What is counted in a queue and on the way to Redis, for whoever scrapes this process.
//!
//! Every meter is in the registry of the process, and has a label only where its values are configured or few. Those of
//! a queue are resolved once, when its flow begins; to count is one atomic addition.

use std::{sync::LazyLock, time::Duration};

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, register_histogram, register_histogram_vec,
    register_int_counter, register_int_counter_vec,
};

use crate::names::QueueName;

/// Seconds, from what a busy daemon needs to what nobody should wait for.
pub const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0];
/// Numbers of jobs, up to what one step takes.
pub const SIZES: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 200.0, 500.0, 1000.0];

const INVARIANT: &str = "a meter is registered once, under a name of its own";

static CLAIMED: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "Jobs in each claim that brought some, over all queues";
    register_histogram!("liaison_claim_batch_size", help, SIZES.to_vec()).expect(INVARIANT)
});
static WAITED: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "From the enqueueing of a job without a delay to the start of its first run";
    register_histogram_vec!("liaison_claim_latency_seconds", help, &["queue"], SECONDS.to_vec()).expect(INVARIANT)
});
static TAKEN_BACK: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Jobs that were taken back from workers that died";
    register_int_counter_vec!("liaison_jobs_taken_back_total", help, &["queue"]).expect(INVARIANT)
});
static CRASHED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Jobs that were given up because they took their worker down too often";
    register_int_counter_vec!("liaison_jobs_crashed_total", help, &["queue"]).expect(INVARIANT)
});
static LOST: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Jobs whose lease this process lost while it held them";
    register_int_counter_vec!("liaison_leases_lost_total", help, &["queue"]).expect(INVARIANT)
});
static LATE: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Results that were dropped because their lease was lost";
    register_int_counter_vec!("liaison_results_dropped_total", help, &["queue"]).expect(INVARIANT)
});
static HANDED_BACK: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Jobs that were handed back, with no attempt used";
    register_int_counter_vec!("liaison_jobs_handed_back_total", help, &["queue"]).expect(INVARIANT)
});
static REDIS_ERRORS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("liaison_redis_errors_total", "Calls of Redis that failed").expect(INVARIANT)
});
static CONNECTS: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Connections to Redis that were made after one had broken";
    register_int_counter!("liaison_redis_reconnects_total", help).expect(INVARIANT)
});

/// The meters of one queue.
#[derive(Debug)]
pub struct Meters {
    pub(crate) claimed: Histogram,
    pub(crate) waited: Histogram,
    pub(crate) taken_back: IntCounter,
    pub(crate) crashed: IntCounter,
    pub(crate) lost: IntCounter,
    pub(crate) late: IntCounter,
    pub(crate) handed_back: IntCounter,
}

impl Meters {
    pub(crate) fn of(queue: &QueueName) -> Self {
        let label = &[queue.as_str()];
        Self {
            claimed: CLAIMED.clone(),
            waited: WAITED.with_label_values(label),
            taken_back: TAKEN_BACK.with_label_values(label),
            crashed: CRASHED.with_label_values(label),
            lost: LOST.with_label_values(label),
            late: LATE.with_label_values(label),
            handed_back: HANDED_BACK.with_label_values(label),
        }
    }

    pub(crate) fn claimed(&self, jobs: usize) {
        if jobs > 0 {
            self.claimed.observe(f64::from(u32::try_from(jobs).unwrap_or(u32::MAX)));
        }
    }

    pub(crate) fn waited(&self, wait: Duration) {
        self.waited.observe(wait.as_secs_f64());
    }
}

pub(crate) fn redis_failed() {
    REDIS_ERRORS.inc();
}

pub(crate) fn redis_connected_again() {
    CONNECTS.inc();
}

/// Those that belong to no queue are there from the beginning: a counter that appears with its first event hides it.
pub fn begin() {
    LazyLock::force(&REDIS_ERRORS);
    LazyLock::force(&CONNECTS);
    LazyLock::force(&CLAIMED);
}
