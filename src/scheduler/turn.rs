//! One entry's turn: what is due of it, who decides it, and doing what was decided.
//!
//! If the process dies before the decision, nothing has happened. After it, what is left stands in the entry's slot: this
//! daemon, once it is back, or another one that looks, puts the job into its queue under the same id, writes the same
//! row, and strikes it out. An id that the queue may have forgotten by then is looked up in the history first.

use std::{
    collections::BTreeSet,
    sync::LazyLock,
    time::{Duration, Instant},
};

use liaison_queue::{
    Inspector, JobId, Link, QueueError, QueueName, Receipt, chain,
    clock::{Clock, Millis},
    faults::{self, Point},
    meters::SECONDS,
    schedule::{CLOCK_MISTAKE, Decided, Known, Slot},
    shards,
};
use liaison_store::TickStatus;
use prometheus::{Histogram, IntCounterVec};
use tracing::{debug, info, warn};

use super::{
    LOOK, Scheduler,
    left::{Left, LeftJob},
    policy,
    recording::Ended,
};
use crate::{
    config::schedule::{Entry, Overlap},
    metrics,
};

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

/// What others have decided is theirs to do for so long; it takes them a few milliseconds.
const THEIRS: Duration = Duration::from_secs(2);

/// With so many ticks in hand, it is time to look which of them are recorded.
const IN_HAND: usize = 100;

pub(crate) struct Turn {
    pub(crate) entry: Entry,
    slot: Slot,
    /// None until the entry is taken up.
    known: Option<Known>,
    /// The next tick, as far as we know what is decided.
    next: Option<Millis>,
    /// When to look at Redis again, whatever is due.
    look_at: Option<Instant>,
    /// A job of ours may not be in its queue yet.
    unfinished: bool,
    /// Ticks that wait here to be recorded.
    in_hand: BTreeSet<Millis>,
}

impl Turn {
    pub(crate) fn new(entry: Entry, link: &Link, clock: &Clock) -> Self {
        let slot = Slot::new(link, &entry.name, clock.clone());
        Self { entry, slot, known: None, next: None, look_at: None, unfinished: false, in_hand: BTreeSet::new() }
    }

    /// Decide what is due and do what is left. Returns how long there is nothing more to do.
    pub(crate) async fn round(&mut self, all: &Scheduler, now: Millis) -> Result<Duration, QueueError> {
        if self.known.is_none() {
            self.slot.adopt(&self.line(), self.entry.enabled).await?;
            self.look(all, now).await?;
        } else if self.look_at.take_if(|at| *at <= Instant::now()).is_some() || self.is_far_ahead(now) {
            self.look(all, now).await?;
        }
        if !self.entry.enabled || self.known.as_ref().is_none_or(|known| known.paused.is_some()) {
            return Ok(LOOK);
        }
        if self.next.is_some_and(|next| next <= now) {
            self.decide(all, now).await?;
        }
        let until = self.next.map_or(LOOK, |next| Duration::from_millis(u64::try_from(next.0 - now.0).unwrap_or(0)));
        Ok(until.min(LOOK))
    }

    /// Whether what we know was decided by a clock that was wrong, and has been put right since.
    fn is_far_ahead(&self, now: Millis) -> bool {
        let tick = self.known.as_ref().and_then(|known| known.tick);
        self.entry.enabled && tick.is_some_and(|tick| tick > now.plus(CLOCK_MISTAKE))
    }

    /// What the entry's times are made of: with another line it begins anew.
    fn line(&self) -> String {
        format!("{} {}", self.entry.ticks.crontab.text, self.entry.ticks.zone)
    }

    async fn look(&mut self, all: &Scheduler, now: Millis) -> Result<(), QueueError> {
        let known = self.slot.look().await?;
        // Somebody forgot the entry, or a clock that was wrong decided far ahead: take it up again.
        let ahead = now.plus(CLOCK_MISTAKE);
        if self.entry.enabled && known.tick.is_none_or(|tick| tick > ahead) {
            if known.tick.is_some() {
                let name = &self.entry.name;
                warn!(schedule = %name, "{name}: its last tick lies far ahead; a clock was wrong. It goes on from now");
            }
            self.slot.adopt(&self.line(), true).await?;
            self.learn(self.slot.look().await?);
        } else {
            self.learn(known);
        }
        // Only a look tells that a pause is over.
        if self.known.as_ref().is_some_and(|known| known.paused.is_some()) {
            self.look_again(THEIRS);
        }
        self.succeed(all, now).await
    }

    fn learn(&mut self, known: Known) {
        self.next = known.tick.and_then(|tick| self.entry.ticks.next(tick.date())).map(Millis::at);
        self.known = Some(known);
    }

    async fn decide(&mut self, all: &Scheduler, now: Millis) -> Result<(), QueueError> {
        let Some(known) = self.known.clone() else { return Ok(()) };
        let Some(from) = known.tick else { return Ok(()) };
        let Some(plan) = policy::plan(&self.entry.ticks, self.entry.catch_up, from.date(), now.date()) else {
            return Ok(());
        };
        let (left, last) = self.rule(all, &plan, known.last.clone(), now).await?;
        let texts: Vec<_> = left.iter().map(|(tick, left)| (*tick, left.text())).collect();
        let to = Millis::at(plan.to);
        let new = last.as_ref().filter(|_| last != known.last);
        // Until Redis has answered, nobody knows whether it is decided: the next round looks.
        let decided = self.slot.decide((from, to), new.map(|(queue, id)| (queue, id)), &texts).await;
        if decided.is_err() {
            self.look_at = Some(Instant::now());
        }
        match decided? {
            Decided::Done => {
                faults::at(Point::TickDecided);
                self.learn(Known { tick: Some(to), last, ..known });
                for (tick, left) in &left {
                    self.say(*tick, left);
                }
                self.finish(all, now, left).await
            }
            Decided::Otherwise => {
                // If whoever decided it dies over it, somebody has to come after them.
                self.look_at = Some(Instant::now() + THEIRS);
                self.look(all, now).await
            }
            Decided::Early { by } => {
                self.next = Some(now.plus(by));
                Ok(())
            }
            Decided::TooMuchLeft => {
                let name = &self.entry.name;
                warn!(schedule = %name, "{name}: too many of its ticks wait to be enqueued or recorded; it waits too");
                self.look_again(LOOK);
                self.succeed(all, now).await
            }
        }
    }

    /// What becomes of each tick of the plan, and which job is the entry's last one then.
    async fn rule(
        &self,
        all: &Scheduler,
        plan: &policy::Plan,
        mut last: Option<(QueueName, JobId)>,
        now: Millis,
    ) -> Result<(Vec<(Millis, Left)>, Option<(QueueName, JobId)>), QueueError> {
        let mut left = Vec::new();
        if let Some(missed) = plan.missed {
            left.push((Millis::at(missed.first), Left::missed(missed, now)));
        }
        let mut busy = self.entry.overlap == Overlap::Skip && (self.unfinished || alive(all, last.as_ref()).await?);
        for tick in &plan.fire {
            let what = match &last {
                Some((_, before)) if busy => Left::skipped(before, now),
                Some(_) | None => {
                    let fired = Left::fired(&self.entry, *tick, now);
                    let id = fired.job.as_ref().and_then(|job| JobId::parse(&job.id).ok());
                    last = id.map(|id| (self.entry.queue.clone(), id));
                    // The next ones of this very plan find it waiting.
                    busy = self.entry.overlap == Overlap::Skip;
                    fired
                }
            };
            left.push((Millis::at(*tick), what));
        }
        Ok((left, last))
    }

    fn say(&self, tick: Millis, left: &Left) {
        let name = &self.entry.name;
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

    /// Do what others have decided and had time for, and did not.
    async fn succeed(&mut self, all: &Scheduler, now: Millis) -> Result<(), QueueError> {
        let there = self.slot.left().await?;
        // What is in hand is written when the store takes it; what is not there any more has been.
        self.in_hand.retain(|tick| there.binary_search_by_key(tick, |(tick, _)| *tick).is_ok());
        let mut left = Vec::new();
        for (tick, text) in there {
            if self.in_hand.contains(&tick) {
                continue;
            }
            match serde_json::from_str::<Left>(&text) {
                // By a clock that was put back since, nobody knows how long ago.
                Ok(one) if (one.decided_at - now.0).abs() >= millis(THEIRS) => left.push((tick, one)),
                Ok(_) => self.look_again(THEIRS),
                // Of a newer release, which will do it.
                Err(fault) => debug!(schedule = %self.entry.name, "left alone: {fault}"),
            }
        }
        self.finish(all, now, left).await
    }

    /// Enqueue, and hand on to be recorded and struck out: in this order, so that whoever comes after us does what we
    /// did not.
    async fn finish(&mut self, all: &Scheduler, now: Millis, left: Vec<(Millis, Left)>) -> Result<(), QueueError> {
        if left.is_empty() {
            return Ok(());
        }
        // Whatever goes wrong from here on, what is left stands in the slot.
        let before = self.look_at;
        self.look_again(THEIRS);
        self.unfinished = true;
        let count = left.len();
        let done = self.enqueue(all, now, left).await?;
        faults::at(Point::TickEnqueued);
        self.unfinished = false;
        if done.len() == count {
            self.look_at = before;
        }
        let ticks: Vec<_> = done.iter().map(|(tick, _)| *tick).collect();
        let entry = self.entry.name.as_str();
        let rows = done.into_iter().map(|(tick, left)| left.row(entry, tick)).collect();
        self.in_hand.extend(&ticks);
        if self.in_hand.len() > IN_HAND {
            self.look_again(THEIRS);
        }
        // It ends after us.
        let _ = all.records.send(Ended { slot: self.slot.clone(), ticks, rows });
        Ok(())
    }

    fn look_again(&mut self, after: Duration) {
        let at = Instant::now() + after;
        self.look_at = Some(self.look_at.map_or(at, |already| already.min(at)));
    }

    /// Put the jobs of ticks that fired into their queues, unless they are or were there. What cannot be told about
    /// yet is left out, and stays.
    async fn enqueue(
        &self,
        all: &Scheduler,
        now: Millis,
        left: Vec<(Millis, Left)>,
    ) -> Result<Vec<(Millis, Left)>, QueueError> {
        let mut done = Vec::with_capacity(left.len());
        for (tick, mut left) in left {
            if let Some(job) = left.job.clone() {
                let age = now.0 - left.decided_at;
                let is_new = age.abs() < millis(THEIRS);
                let was_there = if is_new { Some(false) } else { was_there(all, &job).await? };
                match was_there {
                    // The queue may have forgotten its id.
                    None if age > millis(all.id_memory) / 2 => continue,
                    Some(true) => {}
                    Some(false) | None => {
                        let receipts = all.producer.enqueue(&[job.envelope.as_bytes()]).await?;
                        if let Some(Receipt::Rejected { reason }) = receipts.into_iter().next() {
                            let (name, id) = (&self.entry.name, &job.id);
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
}

/// Whether this job still waits or runs.
async fn alive(all: &Scheduler, job: Option<&(QueueName, JobId)>) -> Result<bool, QueueError> {
    let Some((queue, id)) = job else { return Ok(false) };
    for part in shards::parts(&all.link, queue).await? {
        if Inspector::new(all.link.clone(), part).find(id).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the job waits, runs, or has run, now that the queue may have forgotten its id; none when nobody can tell.
async fn was_there(all: &Scheduler, job: &LeftJob) -> Result<Option<bool>, QueueError> {
    let (Ok(queue), Ok(id)) = (QueueName::parse(&job.queue), JobId::parse(&job.id)) else { return Ok(Some(true)) };
    if alive(all, Some(&(queue, id))).await? {
        return Ok(Some(true));
    }
    let Some(store) = &all.store else { return Ok(Some(false)) };
    match store.last_outcomes(vec![job.id.clone()]).await {
        Ok(known) => Ok(Some(known.contains_key(&job.id))),
        Err(fault) => {
            debug!(error = chain(&fault), "the history cannot say yet whether {} has run", job.id);
            Ok(None)
        }
    }
}

fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}
