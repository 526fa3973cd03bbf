//! Doing what was decided: the jobs of ticks into their queues, then their rows.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
    time::Duration,
};

use liaison_queue::{
    EntryName, Inspector, JobId, Link, QueueError, QueueName, Receipt, chain,
    clock::{Clock, Millis},
    faults::{self, Point},
    meters::SECONDS,
    schedule::{LEFT_AT_ONCE, Slot},
    shards,
};
use liaison_store::TickStatus;
use prometheus::{Histogram, IntCounterVec};
use tracing::{debug, info, warn};

use super::{
    LOOK, Scheduler,
    left::{Left, LeftJob},
    recording::Ended,
};
use crate::metrics;

/// What others have decided is theirs to do for so long; it takes them a few milliseconds.
pub(super) const THEIRS: Duration = Duration::from_secs(2);

static TICKS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counters(
        "liaison_schedule_ticks_total",
        "Ticks that this daemon decided, by what became of them",
        &["schedule", "status"],
    )
});
static LATENESS: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "From the instant of a tick to its decision; of those that fired";
    metrics::histogram("liaison_schedule_lateness_seconds", help, &SECONDS)
});

/// The one without labels is there from the beginning.
pub(crate) fn begin_counting() {
    LazyLock::force(&LATENESS);
}

/// What is left of the ticks of one entry, whether it stands in our file or not.
pub(super) struct Finisher {
    pub(super) name: EntryName,
    pub(super) slot: Slot,
    /// A job of ours may not be in its queue yet.
    pub(super) unfinished: bool,
    /// Ticks that wait here to be recorded.
    pub(super) in_hand: BTreeSet<Millis>,
}

impl Finisher {
    pub(super) fn new(name: EntryName, link: &Link, clock: &Clock) -> Self {
        let slot = Slot::new(link, &name, clock.clone());
        Self { name, slot, unfinished: false, in_hand: BTreeSet::new() }
    }

    /// Do what others have decided and had time for, and did not. True when they may still be at some of it.
    pub(super) async fn succeed(&mut self, all: &Scheduler, now: Millis) -> Result<bool, QueueError> {
        let there = self.slot.left().await?;
        // What is in hand is written when the store takes it; what is not there any more has been.
        self.in_hand.retain(|tick| there.binary_search(tick).is_ok());
        let there: Vec<_> = there.into_iter().filter(|tick| !self.in_hand.contains(tick)).collect();
        let (mut young, mut all_done) = (false, true);
        for some in there.chunks(LEFT_AT_ONCE) {
            let mut left = Vec::new();
            for (tick, text) in self.slot.left_of_all(some).await? {
                match serde_json::from_str::<Left>(&text) {
                    // By a clock that was put back since, nobody knows how long ago.
                    Ok(one) if (one.decided_at - now.0).abs() >= millis(THEIRS) => left.push((tick, one)),
                    Ok(_) => young = true,
                    // Of a newer release, which will do it.
                    Err(fault) => debug!(schedule = %self.name, "left alone: {fault}"),
                }
            }
            all_done &= self.finish(all, now, left).await?;
        }
        self.unfinished = young && self.unfinished;
        Ok(young || !all_done)
    }

    /// Enqueue, and hand on to be recorded and struck out: in this order, so that whoever comes after us does what we
    /// did not. False when something has to wait, because nobody can tell whether it has run.
    pub(super) async fn finish(
        &mut self,
        all: &Scheduler,
        now: Millis,
        left: Vec<(Millis, Left)>,
    ) -> Result<bool, QueueError> {
        if left.is_empty() {
            return Ok(true);
        }
        self.unfinished = true;
        let count = left.len();
        let done = self.enqueue(all, now, left).await?;
        faults::at(Point::TickEnqueued);
        self.unfinished = false;
        for (tick, left) in &done {
            self.say(*tick, left);
        }
        let all_done = done.len() == count;
        let ticks: Vec<_> = done.iter().map(|(tick, _)| *tick).collect();
        let entry = self.name.as_str();
        let rows = done.into_iter().map(|(tick, left)| left.row(entry, tick)).collect();
        self.in_hand.extend(&ticks);
        // It ends after us.
        let _ = all.records.send(Ended { slot: self.slot.clone(), ticks, rows });
        Ok(all_done)
    }

    /// Put the jobs of ticks that fired into their queues, unless they are or were there. What cannot be told about
    /// yet is left out, and stays.
    async fn enqueue(
        &self,
        all: &Scheduler,
        now: Millis,
        left: Vec<(Millis, Left)>,
    ) -> Result<Vec<(Millis, Left)>, QueueError> {
        let is_new = |left: &Left| (now.0 - left.decided_at).abs() < millis(THEIRS);
        let old: Vec<_> =
            left.iter().filter(|(_, left)| !is_new(left)).filter_map(|(_, left)| left.job.as_ref()).collect();
        let past = past(all, &old).await;
        let mut done = Vec::with_capacity(left.len());
        for (tick, mut left) in left {
            if let Some(job) = left.job.clone() {
                let known = match (is_new(&left), &past) {
                    (true, _) => Some(false),
                    (false, Some(past)) if past.contains_key(&job.id) => Some(true),
                    (false, past) if !lives(all, &job).await? => past.as_ref().map(|_| false),
                    (false, _) => Some(true),
                };
                match known {
                    // The queue may have forgotten its id, and the history cannot be asked: it stays.
                    None if now.0 - left.decided_at > millis(all.id_memory) / 2 => continue,
                    Some(true) => {}
                    Some(false) | None => {
                        let receipts = all.producer.enqueue(&[job.envelope.as_bytes()]).await?;
                        if let Some(Receipt::Rejected { reason }) = receipts.into_iter().next() {
                            let (name, id) = (&self.name, &job.id);
                            warn!(schedule = %name, job.id = %id, "{name}: its queue refused {id}: {reason}");
                            (left.status, left.reason) = (TickStatus::Refused, Some(reason));
                        }
                    }
                }
            }
            done.push((tick, left));
        }
        Ok(done)
    }

    fn say(&self, tick: Millis, left: &Left) {
        let name = &self.name;
        let ticks = left.ticks.unwrap_or(1);
        TICKS.with_label_values(&[name.as_str(), left.status.as_str()]).inc_by(u64::try_from(ticks).unwrap_or(0));
        let why = left.reason.as_deref().unwrap_or_default();
        match left.status {
            TickStatus::Fired => {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of lateness")]
                LATENESS.observe((left.decided_at - tick.0) as f64 / 1000.0);
                debug!(schedule = %name, "{name} fires");
            }
            TickStatus::Missed => warn!(schedule = %name, ticks, "{name}: {ticks} of its ticks were missed: {why}"),
            TickStatus::Skipped => info!(schedule = %name, "{name}: a tick is skipped: {why}"),
            TickStatus::Paused | TickStatus::Refused => {}
        }
    }
}

/// Whether this job still waits or runs.
pub(super) async fn alive(all: &Scheduler, job: Option<&(QueueName, JobId)>) -> Result<bool, QueueError> {
    let Some((queue, id)) = job else { return Ok(false) };
    for part in shards::parts(&all.link, queue).await? {
        if Inspector::new(all.link.clone(), part).find(id).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

/// Whether a job that was decided a while ago waits or runs.
async fn lives(all: &Scheduler, job: &LeftJob) -> Result<bool, QueueError> {
    let (Ok(queue), Ok(id)) = (QueueName::parse(&job.queue), JobId::parse(&job.id)) else { return Ok(true) };
    alive(all, Some(&(queue, id))).await
}

/// How these jobs have ended, if they have; none when nobody can tell in time.
async fn past(all: &Scheduler, jobs: &[&LeftJob]) -> Option<HashMap<String, String>> {
    let Some(store) = all.store.as_ref().filter(|_| !jobs.is_empty()) else { return Some(HashMap::new()) };
    let asked = store.last_outcomes(jobs.iter().map(|job| job.id.clone()).collect());
    match tokio::time::timeout(LOOK, asked).await {
        Ok(Ok(known)) => Some(known),
        Ok(Err(fault)) => {
            debug!(error = chain(&fault), "the history cannot say yet which ticks have run");
            None
        }
        Err(_) => None,
    }
}
