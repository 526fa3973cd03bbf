//! One entry's turn: what is due of it, who decides it, and doing what was decided.
//!
//! If the process dies before the decision, nothing has happened. After it, what is left stands in the entry's slot: this
//! daemon, once it is back, or another one that looks, puts the job into its queue under the same id, writes the same
//! row, and strikes it out. An id that the queue may have forgotten by then is looked up in the history first.

use std::time::{Duration, Instant};

use liaison_queue::{
    JobId, Link, QueueError, QueueName, chain,
    clock::{Clock, Millis},
    faults::{self, Point},
    schedule::{CLOCK_MISTAKE, Decided, Known},
};
use tracing::warn;

use super::{
    LOOK, Scheduler,
    finisher::{Finisher, THEIRS, alive, millis},
    left::Left,
    policy,
};
use crate::config::schedule::{Entry, Overlap};

/// An entry is looked at so often, whatever we think we know of it.
const EVERY: Duration = Duration::from_secs(30);
/// What one decision may carry.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A job, and the queue it belongs to.
type Job = (QueueName, JobId);

pub(crate) struct Turn {
    pub(crate) entry: Entry,
    finisher: Finisher,
    /// None until the entry is taken up.
    known: Option<Known>,
    /// The next tick, as far as we know what is decided.
    next: Option<Millis>,
    /// When to look at Redis again, whatever is due.
    look_at: Option<Instant>,
    /// Too much is left; said once.
    full: bool,
    /// Redis does not do what it is asked; said once.
    failing: bool,
}

impl Turn {
    pub(crate) fn new(entry: Entry, link: &Link, clock: &Clock) -> Self {
        let finisher = Finisher::new(entry.name.clone(), link, clock);
        Self { entry, finisher, known: None, next: None, look_at: None, full: false, failing: false }
    }

    /// Do what is left, and decide what is due.
    pub(crate) async fn round(&mut self, all: &Scheduler, now: Millis) -> Result<(), QueueError> {
        let is_time = self.look_at.is_none_or(|at| at <= Instant::now());
        if is_time || self.known.is_none() || self.is_far_ahead(now) {
            self.look(all, now).await?;
        }
        let paused = self.known.as_ref().is_none_or(|known| known.paused.is_some());
        if self.entry.enabled && !paused && self.next.is_some_and(|next| next <= now) {
            self.decide(all, now).await?;
        }
        Ok(())
    }

    /// How long there is nothing to do.
    pub(crate) fn idle(&self, now: Millis) -> Duration {
        let until = |next: Millis| Duration::from_millis(u64::try_from(next.0 - now.0).unwrap_or(0));
        let paused = self.known.as_ref().is_none_or(|known| known.paused.is_some());
        let next = self.next.filter(|_| self.entry.enabled && !paused);
        next.map_or(LOOK, |next| until(next).min(LOOK))
    }

    /// The next turn looks what has become of this one. It is said once, and only if it is about this entry: that Redis
    /// is away for all is said elsewhere.
    pub(crate) fn fails(&mut self, fault: &QueueError, others_are_well: bool) {
        let name = &self.entry.name;
        if others_are_well && !std::mem::replace(&mut self.failing, true) {
            warn!(schedule = %name, error = chain(fault), "{name} waits: Redis {}", fault.in_short());
        }
        self.look_at = None;
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

    /// See how the entry stands in Redis, and do what others have left. Until this has gone well, nothing is decided.
    async fn look(&mut self, all: &Scheduler, now: Millis) -> Result<(), QueueError> {
        let mut known = self.finisher.slot.look().await?;
        // New here, forgotten by somebody, or decided far ahead by a clock that was wrong: it is taken up anew.
        let wrong = known.tick.is_some_and(|tick| tick > now.plus(CLOCK_MISTAKE)) && self.entry.enabled;
        if wrong {
            let name = &self.entry.name;
            warn!(schedule = %name, "{name}: its last tick lies far ahead; a clock was wrong. It goes on from now");
        }
        if self.known.is_none() || wrong || known.tick.is_none() {
            self.finisher.slot.adopt(&self.line(), self.entry.enabled).await?;
            known = self.finisher.slot.look().await?;
        }
        // Only a look tells that a pause is over, that somebody died, or that what is in hand is recorded.
        let after = if known.paused.is_some() { THEIRS } else { EVERY };
        self.look_at = None;
        self.learn(known);
        let young = self.finisher.succeed(all, now).await?;
        self.failing = false;
        self.look_again(if young { THEIRS } else { after });
        Ok(())
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
        let (texts, to, last) = fitting(&left, Millis::at(plan.to), last, known.last.as_ref());
        let left: Vec<_> = left.into_iter().take(texts.len()).collect();
        let new = last.as_ref().filter(|_| last != known.last);
        // If this fails, nobody knows whether it is decided: the next turn looks.
        match self.finisher.slot.decide((from, to), new.map(|(queue, id)| (queue, id)), &texts).await? {
            Decided::Done => {
                faults::at(Point::TickDecided);
                self.full = false;
                self.learn(Known { tick: Some(to), last, ..known });
                self.finisher.finish(all, now, left).await.map(drop)
            }
            Decided::Otherwise => {
                self.look(all, now).await?;
                // If whoever decided it dies over it, somebody has to come after them.
                self.look_again(THEIRS);
                Ok(())
            }
            Decided::Early { by } => {
                self.next = Some(now.plus(by));
                Ok(())
            }
            Decided::TooMuchLeft => {
                let name = &self.entry.name;
                if !std::mem::replace(&mut self.full, true) {
                    warn!(schedule = %name, "{name}: too many of its ticks wait to be enqueued or recorded; it waits too");
                }
                self.next = Some(now.plus(LOOK));
                Ok(())
            }
        }
    }

    /// What becomes of each tick of the plan, and which job is the entry's last one then.
    async fn rule(
        &self,
        all: &Scheduler,
        plan: &policy::Plan,
        mut last: Option<Job>,
        now: Millis,
    ) -> Result<(Vec<(Millis, Left)>, Option<Job>), QueueError> {
        let mut left = Vec::new();
        if let Some(missed) = plan.missed {
            left.push((Millis::at(missed.first), Left::missed(missed, now)));
        }
        let mut busy = self.entry.overlap == Overlap::Skip && self.is_busy(all, last.as_ref(), now).await?;
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

    /// Whether the last job is not over: it lives, or it is only on its way into its queue.
    async fn is_busy(&self, all: &Scheduler, last: Option<&Job>, now: Millis) -> Result<bool, QueueError> {
        if self.finisher.unfinished || alive(all, last).await? {
            return Ok(true);
        }
        let Some(tick) = self.known.as_ref().and_then(|known| known.tick) else { return Ok(false) };
        if self.finisher.in_hand.contains(&tick) {
            return Ok(false);
        }
        let left = self.finisher.slot.left_of(tick).await?.and_then(|text| serde_json::from_str::<Left>(&text).ok());
        Ok(left.is_some_and(|left| left.job.is_some() && (left.decided_at - now.0).abs() < millis(THEIRS)))
    }

    fn look_again(&mut self, after: Duration) {
        let at = Instant::now() + after;
        self.look_at = Some(self.look_at.map_or(at, |already| already.min(at)));
    }
}

/// As much as fits into one step: what is left to do of each tick, up to which tick, and the last job then. The rest is
/// decided in the next turn.
fn fitting(
    left: &[(Millis, Left)],
    to: Millis,
    last: Option<Job>,
    before: Option<&Job>,
) -> (Vec<(Millis, String)>, Millis, Option<Job>) {
    let mut bytes = 0;
    let texts = left.iter().map(|(tick, left)| (*tick, left.text())).take_while(|(_, text)| {
        let first = bytes == 0;
        bytes += text.len();
        first || bytes <= MAX_BYTES
    });
    let texts: Vec<_> = texts.collect();
    if texts.len() == left.len() {
        return (texts, to, last);
    }
    let kept = &left[..texts.len()];
    let fired = kept.iter().rev().find_map(|(_, left)| left.job.as_ref());
    let last = fired.and_then(|job| Some((QueueName::parse(&job.queue).ok()?, JobId::parse(&job.id).ok()?)));
    let to = kept.last().map_or(to, |(tick, left)| left.until.map_or(*tick, Millis));
    (texts, to, last.or_else(|| before.cloned()))
}
