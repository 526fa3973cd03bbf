//! Runs, by queue, job and outcome; the recorder; and the store's faults. Handles are resolved once for each queue and
//! job, so that counting a run is a look into two short maps and a few additions.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use liaison_queue::{QueueName, meters::SECONDS};
use liaison_store::RunOutcome;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::{counter, counters, histogram, histograms};
use crate::{scheduler, traces};

/// Of jobs that this build does not know: their names come from hosts, and may be anything.
const UNKNOWN: &str = "unknown";

static RUNS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters("liaison_runs_total", "Runs that were recorded, by what they ended in", &["queue", "job", "outcome"])
});
static DURATIONS: LazyLock<HistogramVec> =
    LazyLock::new(|| histograms("liaison_run_duration_seconds", "From the start of a handler to its end", &["job"]));
static SNOOZED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Jobs that were put off with no attempt used, as by a limit";
    counters("liaison_jobs_snoozed_total", help, &["queue", "job"])
});
static BATCHES: LazyLock<Histogram> = LazyLock::new(|| {
    histogram(
        "liaison_recorder_batch_size",
        "Runs in each commit",
        &[1.0, 2.0, 5.0, 10.0, 50.0, 200.0, 500.0, 1000.0, 2000.0],
    )
});
static LAG: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "From the end of a handler to the commit of its run; the oldest run of each commit";
    histogram("liaison_recorder_lag_seconds", help, &SECONDS)
});
static STORE_ERRORS: LazyLock<IntCounter> =
    LazyLock::new(|| counter("liaison_store_errors_total", "Calls of the store that failed"));
static STORE_OUTAGES: LazyLock<IntCounter> =
    LazyLock::new(|| counter("liaison_store_outages_total", "Times at which somebody began to wait for the store"));

/// Those that have no labels are there from the beginning: a counter that appears with its first event hides it.
pub(crate) fn begin() {
    liaison_queue::meters::begin();
    LazyLock::force(&BATCHES);
    LazyLock::force(&LAG);
    LazyLock::force(&STORE_ERRORS);
    LazyLock::force(&STORE_OUTAGES);
    scheduler::begin_counting();
    traces::begin_counting();
}

/// The meters of one job in one queue.
pub(crate) struct JobMeters {
    outcomes: Vec<(RunOutcome, IntCounter)>,
    durations: Histogram,
    pub(crate) snoozed: IntCounter,
}

impl JobMeters {
    fn of(queue: &QueueName, job: &str) -> Self {
        let counter = |outcome: &RunOutcome| RUNS.with_label_values(&[queue.as_str(), job, outcome.as_str()]);
        Self {
            outcomes: RunOutcome::ALL.iter().map(|outcome| (*outcome, counter(outcome))).collect(),
            durations: DURATIONS.with_label_values(&[job]),
            snoozed: SNOOZED.with_label_values(&[queue.as_str(), job]),
        }
    }

    /// One more run of it is recorded.
    pub(crate) fn ended(&self, outcome: RunOutcome, took: Option<Duration>) {
        if let Some((_, counter)) = self.outcomes.iter().find(|(known, _)| *known == outcome) {
            counter.inc();
        }
        if let Some(took) = took {
            self.durations.observe(took.as_secs_f64());
        }
    }
}

/// All meters that were needed so far. Its lock is the recorder's alone.
#[derive(Default)]
pub(crate) struct RunMeters(Mutex<HashMap<QueueName, HashMap<&'static str, Arc<JobMeters>>>>);

impl RunMeters {
    pub(crate) fn of(&self, queue: &QueueName, job: &str) -> Arc<JobMeters> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !queues.contains_key(queue) {
            queues.insert(queue.clone(), HashMap::new());
        }
        let jobs = queues.get_mut(queue).expect("inserted above");
        if let Some(meters) = jobs.get(job) {
            return Arc::clone(meters);
        }
        // Under its own name, also when it was called by an older one.
        let name = liaison_jobs::find(job, true).map_or(UNKNOWN, |entry| entry.name);
        Arc::clone(jobs.entry(name).or_insert_with(|| Arc::new(JobMeters::of(queue, name))))
    }
}

/// A group was committed; its oldest run had waited so long.
pub(crate) fn committed(runs: usize, lag: Duration) {
    BATCHES.observe(f64::from(u32::try_from(runs).unwrap_or(u32::MAX)));
    LAG.observe(lag.as_secs_f64());
}

/// A call of the store failed; `first` if nobody waited for it before.
pub(crate) fn store_failed(first: bool) {
    STORE_ERRORS.inc();
    if first {
        STORE_OUTAGES.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_invent_is_one_label() {
        let (meters, queue) = (RunMeters::default(), QueueName::parse("labels").expect("a name"));
        for n in 0..1000 {
            meters.of(&queue, &format!("invented{n}")).ended(RunOutcome::Dead, None);
        }
        meters.of(&queue, "echo").ended(RunOutcome::Done, Some(Duration::from_millis(7)));
        assert_eq!(meters.0.lock().expect("the meters")[&queue].len(), 2);
        let text = super::super::text();
        assert!(text.contains(r#"liaison_runs_total{job="unknown",outcome="dead",queue="labels"} 1000"#), "{text}");
        assert!(text.contains(r#"liaison_runs_total{job="echo",outcome="done",queue="labels"} 1"#), "{text}");
    }
}
