//! What is a state and no event: how deep the queues are, and how this process is. Looked up, not kept.
//!
//! The queues are looked at in the background, so that a scrape waits for nobody; one whose look failed has no gauges
//! until one succeeds, rather than old ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use liaison_queue::{Flow, Inspector, Link, QueueError, QueueName, Stage as Step, clock::Clock, shards};
use prometheus::{
    GaugeVec, IntGauge, IntGaugeVec, Opts,
    core::{MetricVec, MetricVecBuilder},
};

use super::{gauges, register};
use crate::vitals::Report;

/// Redis and all queues are looked at within so long, or not at all.
const PATIENCE: Duration = Duration::from_secs(4);

/// One queue over all its parts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Depth {
    pub(crate) waiting: u64,
    pub(crate) due_later: u64,
    pub(crate) in_lanes: u64,
    pub(crate) suspects: u64,
    pub(crate) running: u64,
    pub(crate) departing: u64,
    pub(crate) oldest_ms: i64,
    pub(crate) workers: u64,
    pub(crate) paused: bool,
}

impl Depth {
    fn add(mut self, part: &liaison_queue::Depths) -> Self {
        self.waiting += part.waiting();
        self.due_later += part.due_later;
        self.in_lanes += part.in_lanes;
        self.suspects += part.suspects;
        self.running += part.running;
        self.departing += part.departing;
        self.oldest_ms = self.oldest_ms.max(part.oldest_ms.unwrap_or(0));
        // Every worker of a queue shows itself in all of its parts.
        self.workers = self.workers.max(part.workers);
        self.paused |= part.paused;
        self
    }
}

/// What the last look at the queues brought; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Depths(Arc<Mutex<Looked>>);

#[derive(Default)]
struct Looked {
    at: Option<Instant>,
    found: BTreeMap<QueueName, Depth>,
}

impl Depths {
    /// Look at these queues.
    pub(crate) async fn look(&self, link: &Link, queues: &[QueueName]) {
        let looks = join_all(queues.iter().map(|queue| depth(link, queue)));
        let found = tokio::time::timeout(PATIENCE, looks).await.unwrap_or_default();
        let found: BTreeMap<_, _> =
            queues.iter().zip(found).filter_map(|(queue, depth)| Some((queue.clone(), depth.ok()?))).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Looked { at: Some(Instant::now()), found };
    }

    pub(crate) fn known(&self) -> BTreeMap<QueueName, Depth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).found.clone()
    }

    fn age(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).at.map(|at| at.elapsed())
    }
}

async fn depth(link: &Link, queue: &QueueName) -> Result<Depth, QueueError> {
    let parts = shards::parts(link, queue).await?;
    let looks = parts.into_iter().map(|part| {
        let inspector = Inspector::new(link.clone(), part);
        async move { inspector.depths().await }
    });
    join_all(looks).await.into_iter().try_fold(Depth::default(), |sum, part| Ok(sum.add(&part?)))
}

/// A gauge for each queue, and where its value comes from.
type Gauge<Of, Number> = (IntGaugeVec, fn(&Of) -> Number);

/// The gauges; there is one of it.
pub(crate) struct States {
    of_queue: [Gauge<Depth, u64>; 8],
    oldest: GaugeVec,
    of_process: [Gauge<Flow, usize>; 5],
    slots: IntGauge,
    age: GaugeVec,
    ready: IntGauge,
    healthy: IntGauge,
    /// The queues of the last scrape: of this process, and those that were looked at.
    shown: [Mutex<BTreeSet<QueueName>>; 2],
}

static STATES: LazyLock<States> = LazyLock::new(States::new);

impl States {
    fn new() -> Self {
        let queue = |name: &str, help: &str| gauges(name, help, &["queue"]);
        let gauge = |name: &str, help: &str| register(IntGauge::new(name, help));
        let seconds = |name: &str, help: &str, labels: &[&str]| register(GaugeVec::new(Opts::new(name, help), labels));
        gauges("liaison_build_info", "Always 1; the version is a label", &["version"])
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        gauge("liaison_start_time_seconds", "When this process started, in seconds since 1970")
            .set(Clock::wall().0 / 1000);
        Self {
            of_queue: [
                (queue("liaison_queue_waiting", "Jobs that may run now and wait for a slot"), |depth| depth.waiting),
                (queue("liaison_queue_due", "Jobs that wait for their time: delays and retries"), |depth| {
                    depth.due_later
                }),
                (queue("liaison_queue_in_lanes", "Jobs that wait for their turn in a lane"), |depth| depth.in_lanes),
                (queue("liaison_queue_suspects", "Jobs that wait to run apart"), |depth| depth.suspects),
                (queue("liaison_queue_running", "Jobs that some worker holds"), |depth| depth.running),
                (queue("liaison_queue_departing", "Jobs that ended without a run and wait to be recorded"), |depth| {
                    depth.departing
                }),
                (queue("liaison_queue_workers", "Workers that show themselves in the queue"), |depth| depth.workers),
                (queue("liaison_queue_paused", "1 while the queue is paused"), |depth| u64::from(depth.paused)),
            ],
            oldest: seconds(
                "liaison_queue_oldest_seconds",
                "The age of the job that has waited longest for a slot",
                &["queue"],
            ),
            of_process: [
                (queue("liaison_slots", "Jobs of the queue that may run at once in this process"), Flow::concurrency),
                (queue("liaison_slots_used", "Jobs of the queue that run in this process"), |flow| {
                    flow.count(Step::Running)
                }),
                (queue("liaison_buffered", "Claimed jobs that wait for a slot in this process"), |flow| {
                    flow.count(Step::Buffered)
                }),
                (queue("liaison_unrecorded", "Jobs that have ended and wait for their record"), |flow| {
                    flow.count(Step::Unrecorded)
                }),
                (queue("liaison_held_bytes", "Bytes of the envelopes that this process holds"), Flow::bytes),
            ],
            slots: gauge("liaison_slots_all", "Jobs that may run at once in this process, over all queues"),
            age: seconds("liaison_depths_age_seconds", "How old the figures of the queues are", &[]),
            ready: gauge("liaison_ready", "1 while nothing is missing: what /readyz says"),
            healthy: gauge("liaison_healthy", "1 while every part progresses: what /healthz says"),
            shown: Default::default(),
        }
    }

    /// Bring every gauge up to date.
    pub(crate) fn refresh(report: &Report, depths: &Depths, flows: &[(QueueName, Arc<Flow>)], slots: u32) {
        let states = &*STATES;
        states.ready.set(report.is_ready().into());
        states.healthy.set(report.is_healthy().into());
        states.slots.set(slots.into());
        let int = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for queue in gone(&states.shown[0], flows.iter().map(|(queue, _)| queue)) {
            states.of_process.iter().for_each(|(gauge, _)| forget(gauge, &queue));
        }
        for (gauge, of) in &states.of_process {
            for (queue, flow) in flows {
                gauge.with_label_values(&[queue.as_str()]).set(int(of(flow) as u64));
            }
        }
        let known = depths.known();
        for queue in gone(&states.shown[1], known.keys()) {
            states.of_queue.iter().for_each(|(gauge, _)| forget(gauge, &queue));
            forget(&states.oldest, &queue);
        }
        for (gauge, of) in &states.of_queue {
            for (queue, depth) in &known {
                gauge.with_label_values(&[queue.as_str()]).set(int(of(depth)));
            }
        }
        for (queue, depth) in &known {
            let age = Duration::from_millis(u64::try_from(depth.oldest_ms).unwrap_or(0));
            states.oldest.with_label_values(&[queue.as_str()]).set(age.as_secs_f64());
        }
        if let Some(age) = depths.age() {
            states.age.with_label_values::<&str>(&[]).set(age.as_secs_f64());
        }
    }
}

/// Those of the last scrape that are not among these. Only their gauges are taken away: to make all of them anew costs
/// as much as to write them.
fn gone<'a>(shown: &Mutex<BTreeSet<QueueName>>, now: impl Iterator<Item = &'a QueueName>) -> Vec<QueueName> {
    let now: BTreeSet<_> = now.cloned().collect();
    let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
    let gone = shown.difference(&now).cloned().collect();
    *shown = now;
    gone
}

fn forget<M: MetricVecBuilder>(gauges: &MetricVec<M>, queue: &QueueName) {
    // One that was never set is as gone.
    let _ = gauges.remove_label_values(&[queue.as_str()]);
}
