//! The recorder: every end of a run is committed to the store before Redis hears of it.
//!
//! Whatever finished while one commit was under way goes into the next: the groups grow with the load by themselves.
//! If the process dies before the commit, the job is claimed again and runs again; after it, history knows its end.

mod deciding;
mod rows;

use std::{sync::Arc, time::Duration};

use liaison_queue::{
    Claimed, Ended, Hold, Phase, Pulse, Settlement, Shares, Stopping,
    clock::Millis,
    faults::{self, Point},
};
use liaison_store::{Exit, Fact, Recorded, Run, RunOutcome, Store, StoreError};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

pub(crate) use self::rows::reply;
use self::rows::{burial, row};
use crate::{
    metrics::runs::{JobMeters, RunMeters, committed},
    patience::Patience,
    runner::{Brief, Ran},
    traces::Tracer,
};

/// The most rows in one commit: long enough to make the commit not count, short enough to bound its time.
const GROUP: usize = 2000;
/// With nothing to record, how often the recorder shows that it would.
const SHOW_LIFE: Duration = Duration::from_secs(1);
/// How often a lease is looked at again that ran out on our own clock only.
const UNCERTAIN: Duration = Duration::from_millis(100);
/// A row that the store refuses in every form is tried again after this long, and an operator is told.
const REFUSED_AGAIN: Duration = Duration::from_mins(1);

/// A job whose handler has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    job: Arc<Claimed>,
    ended: Ended<Ran>,
    at: Millis,
}

/// Where finished jobs are sent. The recorder ends when every handle is gone and all is recorded.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    way: mpsc::UnboundedSender<Finished>,
    shares: Arc<Shares>,
    tracer: Option<Tracer>,
    diagnostics: bool,
}

impl Records {
    pub(crate) fn take(&self, job: Arc<Claimed>, ended: Ended<Ran>) {
        if matches!(ended, Ended::Interrupted) {
            // Nothing to record, so it need not wait for a store that may be away.
            if let Some(tracer) = &self.tracer {
                tracer.unrecorded(&job, &Brief::of(&job, self.diagnostics), self.shares.now(), "handed_back");
            }
            info!(job.id = %job.id, "handing {} back: it did not finish within the grace period", job.id);
            return Settlement::hand_back(job).send();
        }
        // Unbounded, but claiming stops long before it grows: see the flow. The recorder outlives all handles.
        let _ = self.way.send(Finished { job, ended, at: self.shares.now() });
    }
}

pub(crate) struct Recorder {
    /// None only where nothing is to be kept, as in a benchmark of the bare queue.
    pub(crate) store: Option<Store>,
    pub(crate) patience: Patience,
    pub(crate) shares: Arc<Shares>,
    pub(crate) diagnostics: bool,
    pub(crate) stopping: Stopping,
    /// Told of every run that was recorded.
    pub(crate) observer: Option<mpsc::UnboundedSender<Run>>,
    /// Beaten with every batch, every attempt at the store, and every second without work.
    pub(crate) pulse: Pulse,
    pub(crate) meters: RunMeters,
    /// None: no spans are wanted.
    pub(crate) tracer: Option<Tracer>,
}

/// What becomes of a finished job.
enum Step {
    /// Commit the row, then settle.
    Record(Box<Exit>, Arc<Claimed>, After),
    /// Nothing to record.
    Settle(Settlement),
}

/// A job whose row is on its way.
struct End {
    job: Arc<Claimed>,
    after: After,
    /// For the host that waits.
    told: Option<String>,
    /// For the observer.
    seen: Option<Run>,
    /// Where it is counted, how long it ran, and since when it waits for its record.
    meters: Arc<JobMeters>,
    took: Option<Duration>,
    since: Millis,
}

/// How a job is settled once its row stands.
enum After {
    Leave { reply: bool, outcome: RunOutcome },
    Retry(Millis),
}

impl After {
    fn outcome(&self) -> RunOutcome {
        match self {
            Self::Leave { outcome, .. } => *outcome,
            Self::Retry(_) => RunOutcome::Retry,
        }
    }
}

impl Recorder {
    pub(crate) fn start(self) -> (Records, impl Future<Output = ()> + Send) {
        let (way, receiver) = mpsc::unbounded_channel();
        let (shares, tracer) = (Arc::clone(&self.shares), self.tracer.clone());
        let records = Records { way, shares, tracer, diagnostics: self.diagnostics };
        (records, self.run(receiver))
    }

    async fn run(self, mut receiver: mpsc::UnboundedReceiver<Finished>) {
        let (mut batch, mut uncertain) = (Vec::with_capacity(GROUP), Vec::new());
        loop {
            self.pulse.beat();
            let patience = if uncertain.is_empty() { SHOW_LIFE } else { UNCERTAIN };
            let more = match tokio::time::timeout(patience, receiver.recv_many(&mut batch, GROUP)).await {
                Ok(count) => count > 0,
                Err(_) if uncertain.is_empty() => continue,
                Err(_) => false,
            };
            if batch.is_empty() && uncertain.is_empty() && !more {
                return;
            }
            let mut steps = std::mem::take(&mut uncertain);
            for finished in batch.drain(..) {
                match finished.job.hold() {
                    Hold::Lost => {
                        self.left_no_record(&finished.job, None, finished.at, "dropped");
                        too_late(&finished.job);
                    }
                    Hold::Held | Hold::Uncertain => {
                        let step = self.decide(finished);
                        if let (Some(tracer), Step::Record(exit, job, _)) = (&self.tracer, &step) {
                            tracer.recorded(job, &exit.run);
                        }
                        steps.push(step);
                    }
                }
            }
            uncertain = self.commit(steps).await;
            if !uncertain.is_empty() && !more {
                tokio::time::sleep(UNCERTAIN).await;
            }
        }
    }

    /// Record what is ours. What may not be ours any more is given back, for another look: nobody else waits for it.
    async fn commit(&self, steps: Vec<Step>) -> Vec<Step> {
        let (mut exits, mut ends, mut uncertain) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Settle(settlement) => settlement.send(),
                Step::Record(_, job, _) if job.hold() == Hold::Lost => too_late(&job),
                Step::Record(_, job, _)
                    if job.hold() == Hold::Uncertain && self.stopping.has_reached(Phase::Abandon) => {}
                Step::Record(exit, job, after) if job.hold() == Hold::Uncertain => {
                    uncertain.push(Step::Record(exit, job, after));
                }
                Step::Record(exit, job, after) => {
                    let told = matches!(after, After::Leave { reply: true, .. }).then(|| reply(&exit.run));
                    let seen = self.observer.is_some().then(|| exit.run.clone());
                    let meters = self.meters.of(&job.queue, &exit.run.name);
                    let took = exit.run.duration_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
                    let since = Millis::at(exit.run.finished_at);
                    exits.push(*exit);
                    ends.push(End { job, after, told, seen, meters, took, since });
                }
            }
        }
        if exits.is_empty() {
            return uncertain;
        }
        faults::at(Point::BeforeCommit);
        let recorded = match self.record(exits, &mut ends).await {
            Ok(recorded) => recorded,
            Err(back) => {
                let again = back.into_iter().zip(ends);
                uncertain.extend(again.map(|(exit, end)| Step::Record(Box::new(exit), end.job, end.after)));
                return uncertain;
            }
        };
        faults::at(Point::AfterCommit);
        faults::at_if(Point::DepartureRecorded, || ends.iter().any(|end| end.job.verdict.is_some()));
        let oldest = ends.iter().map(|end| end.since).min().unwrap_or_else(|| self.shares.now());
        let lag = u64::try_from(self.shares.now().0 - oldest.0).unwrap_or(0);
        committed(ends.len(), Duration::from_millis(lag));
        for (End { job, after, told, seen, meters, took, .. }, recorded) in ends.into_iter().zip(recorded) {
            if let (Some(observer), Some(run)) = (&self.observer, seen) {
                // An observer that went away has seen enough.
                let _ = observer.send(run);
            }
            if let Recorded::Refused { reason, facts } = recorded
                // Boxed: it is rare, and would make every future around it larger.
                && !Box::pin(self.record_without_texts(&job, &after, &reason, facts)).await
            {
                Settlement::snooze(job, self.shares.now().plus(REFUSED_AGAIN)).send();
                continue;
            }
            meters.ended(after.outcome(), took);
            match after {
                After::Leave { outcome, .. } => Settlement::leave(job, queue_outcome(outcome), told).send(),
                After::Retry(when) => Settlement::retry(job, when).send(),
            }
        }
        uncertain
    }

    /// A row that is refused by its own fault is tried once more without what came from outside; then also without what
    /// its job noted, if that is the fault.
    async fn record_without_texts(&self, job: &Arc<Claimed>, after: &After, why: &str, facts: Vec<Fact>) -> bool {
        let outcome = after.outcome();
        error!(job.id = %job.id, reason = why, "the store refuses the row of {}; recording it without its texts", job.id);
        let brief = Brief { trace: None, ..Brief::of(job, self.diagnostics) };
        let reason = Some("the store refused the texts of this run; see the daemon's log".to_owned());
        let run = row(job, &brief, self.shares.now(), outcome, reason, None);
        let burial = (outcome == RunOutcome::Dead).then(|| burial(job));
        let left = facts.len();
        let bare = (left > 0).then(|| Exit { run: run.clone(), burial: burial.clone(), facts: Vec::new() });
        let reason = match self.record_one(job, Exit { run, burial, facts }).await {
            Some(Recorded::New | Recorded::Known) => return true,
            Some(Recorded::Refused { reason, .. }) => reason,
            // It comes back, if it is still ours.
            None => return false,
        };
        let Some(bare) = bare else { return false };
        error!(job.id = %job.id, reason, "the store refuses what {} noted; {left} facts of it are lost", job.id);
        matches!(self.record_one(job, bare).await, Some(Recorded::New | Recorded::Known))
    }

    /// One row by itself; none, if it may not be ours any more.
    async fn record_one(&self, job: &Arc<Claimed>, exit: Exit) -> Option<Recorded> {
        let meters = self.meters.of(&job.queue, &exit.run.name);
        let (after, since) = (After::Leave { reply: false, outcome: exit.run.outcome }, self.shares.now());
        let end = End { job: Arc::clone(job), after, told: None, seen: None, meters, took: None, since };
        self.record(vec![exit], &mut vec![end]).await.ok()?.pop()
    }

    /// Write one group, however long the store takes. What lost its lease meanwhile is dropped from it; a group of which
    /// something may not be ours any more is given back.
    async fn record(&self, exits: Vec<Exit>, ends: &mut Vec<End>) -> Result<Vec<Recorded>, Vec<Exit>> {
        let Some(store) = &self.store else { return Ok(vec![Recorded::New; exits.len()]) };
        let (mut rest, mut outage) = (exits, None);
        let recorded = loop {
            self.pulse.beat();
            let jobs: Vec<_> = ends.iter().map(|end| Arc::clone(&end.job)).collect();
            let held = move || jobs.iter().all(|job| job.hold() == Hold::Held);
            if !held() {
                self.patience.over(outage, &self.pulse);
                return Err(rest);
            }
            match store.record_while(rest, held).await {
                Ok(recorded) => break recorded,
                // We stood still, or Redis is away: the keeper will find out whose these jobs are.
                Err((StoreError::Withdrawn { .. }, back)) => {
                    self.patience.over(outage, &self.pulse);
                    return Err(back);
                }
                Err((fault, back)) => {
                    self.patience.wait("record runs", &fault, &mut outage, &self.pulse).await;
                    // The outage may have outlasted a lease: then somebody else records that job.
                    rest = without_the_lost(back, ends);
                }
            }
        };
        self.patience.over(outage, &self.pulse);
        let repeats = recorded.iter().filter(|what| **what == Recorded::Known).count();
        if repeats > 0 {
            info!(repeats, "{repeats} runs had been recorded before: repeats, dropped");
        }
        Ok(recorded)
    }
}

fn too_late(job: &Claimed) {
    job.dropped();
    let id = &job.id;
    warn!(job.id = %id, "{id} ended too late: its lease was lost, it runs elsewhere; result dropped");
}

/// Drop what is not ours any more, from both lists.
fn without_the_lost(exits: Vec<Exit>, ends: &mut Vec<End>) -> Vec<Exit> {
    let all = std::mem::take(ends).into_iter().zip(exits);
    let (lost, kept): (Vec<_>, Vec<_>) = all.partition(|(end, _)| end.job.hold() == Hold::Lost);
    for (end, _) in &lost {
        too_late(&end.job);
    }
    let (still, rest) = kept.into_iter().unzip();
    *ends = still;
    rest
}

/// The queue counts the ends of a batch by it.
fn queue_outcome(outcome: RunOutcome) -> liaison_queue::outcome::RunOutcome {
    outcome.as_str().parse().unwrap_or(liaison_queue::outcome::RunOutcome::Dead)
}
