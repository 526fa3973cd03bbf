//! The claim pump of one queue: admits lines, claims batches, fills the buffer, sleeps until there is work.
//!
//! If the process dies: before the claim's answer, the lease lapses and the jobs are reaped; after it, the same.
//! A claim whose answer was lost on the wire is given back by its token as soon as Redis can be reached again.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::BackoffBuilder;
use tokio::sync::Mutex;
use tracing::{debug, info, warn};

use crate::{
    acknowledger::{Acknowledger, Settlement},
    admitter::{Admitter, Round},
    buffer::Buffer,
    claim::Claim,
    claimed::Claimed,
    clock::Millis,
    error::{QueueError, chain},
    faults::{self, Point},
    flow::{Flow, Stage},
    isolation::Isolation,
    leases::Leases,
    scripts::{
        MAX_ITEMS, Scripts,
        held::{ClaimReply, ClaimTerms},
    },
    stop::{Phase, Stopping},
    tuning::Tuning,
    vitals::Pulse,
    wake::Wake,
};

/// Asked about jobs that may have a past before they may run. It waits for the store as long as it takes, and beats the
/// pulse of whoever asks with every attempt.
pub trait Screen: Send + Sync + 'static {
    fn screen<'a>(
        &'a self,
        jobs: &'a [Arc<Claimed>],
        pulse: &'a Pulse,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// An idle daemon looks by itself this often: a wake-up that was lost with a dying connection costs no more.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// Another daemon is admitting; it is done within a round trip or two.
const ADMITTER_BUSY: Duration = Duration::from_millis(5);
/// Claims whose fate is unknown; more than that will lapse by their lease.
const MAX_UNSURE: usize = 100;

pub(crate) struct Claimer {
    pub scripts: Scripts,
    pub admitter: Admitter,
    pub worker: String,
    pub terms: ClaimTerms,
    pub tuning: Tuning,
    pub flow: Arc<Flow>,
    pub leases: Arc<Leases>,
    pub buffer: Arc<Buffer>,
    pub screen: Arc<dyn Screen>,
    pub acknowledger: Acknowledger,
    /// Held during a round of whoever runs jobs alone: the parts of a queue must not each find nothing running.
    pub alone: Arc<Mutex<()>>,
    pub stopping: Stopping,
    /// Beaten in every turn of the loop; the calls of the scripts beat it too.
    pub pulse: Pulse,
}

#[derive(Default)]
struct Progress {
    claims: u64,
    /// Claims without an answer, and until when Redis may still carry them out.
    unsure: Vec<(String, Option<Millis>)>,
    /// The inbox probably holds lines.
    look: bool,
    paused: bool,
    away_since: Option<Instant>,
}

impl Claimer {
    pub(crate) async fn run(mut self) {
        let mut wake = Wake::new(self.scripts.link.clone(), self.scripts.keys.inbox.clone());
        // The first round looks at everything: what waited while nobody was here.
        let mut progress = Progress { look: true, ..Progress::default() };
        let mut patience = outage_waits();
        while !self.stopping.has_reached(Phase::Drain) {
            self.pulse.beat();
            let settings = self.tuning.get();
            (self.terms.low_share, self.admitter.limits) = (settings.low_share, settings.limits);
            let lock = Arc::clone(&self.alone);
            let alone = if self.terms.isolation == Isolation::Alone { Some(lock.lock().await) } else { None };
            let want = self.want();
            if want == 0 {
                drop(alone);
                // Whoever does not ask Redis cannot know whether it is back; the keeper does.
                self.pulse.has_all();
                self.until_room().await;
                continue;
            }
            match self.round(want, &mut progress).await {
                Ok(None) => {
                    self.back_again(&mut progress);
                    patience = outage_waits();
                }
                Ok(Some(next_due)) => {
                    // Another part of the queue may have what fits into this room.
                    self.flow.room.notify_one();
                    drop(alone);
                    self.back_again(&mut progress);
                    patience = outage_waits();
                    progress.look = self.idle(&mut wake, next_due).await;
                }
                Err(error) => {
                    drop(alone);
                    self.away(&mut progress, &error);
                    wake.forget();
                    let pause = patience.next().unwrap_or(LOOK_ANYWAY);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.stopping.reached(Phase::Drain) => {}
                    }
                    progress.look = true;
                }
            }
        }
        for job in self.buffer.close() {
            Settlement::hand_back(job).send();
        }
    }

    /// Whoever runs alone has nothing beside it, not even a job that is still being recorded.
    fn want(&self) -> usize {
        match self.terms.isolation {
            Isolation::Alone if self.flow.is_empty() => self.flow.want().min(1),
            Isolation::Alone => 0,
            Isolation::None | Isolation::Apart => self.flow.want().min(MAX_ITEMS),
        }
    }

    async fn until_room(&mut self) {
        tokio::select! {
            () = self.flow.room.notified() => {}
            () = tokio::time::sleep(LOOK_ANYWAY) => {}
            () = self.stopping.reached(Phase::Drain) => {}
        }
    }

    /// One round at Redis. Some when there is nothing to do before the time it holds.
    async fn round(&self, want: usize, progress: &mut Progress) -> Result<Option<Option<Millis>>, QueueError> {
        let now = self.flow.shares().now();
        while let Some((token, until)) = progress.unsure.last() {
            if until.is_some_and(|until| now <= until) {
                break;
            }
            self.scripts.release(token).await?;
            progress.unsure.pop();
        }
        if self.terms.isolation == Isolation::Alone && !progress.unsure.is_empty() {
            // What may be held already under a lost answer must not get company.
            return Ok(Some(None));
        }
        let busy = progress.look && self.admit().await? == Round::Busy;
        progress.claims += 1;
        let claim = Claim::new(
            format!("{}/{}{}", self.worker, self.terms.isolation.mark(), progress.claims),
            self.scripts.queue.clone(),
            self.terms.isolation,
            self.terms.lease,
        );
        let until = self.flow.shares().known_now().map(|now| now.plus(self.scripts.link.response_timeout()));
        let reply = match self.scripts.claim(&claim.token, ClaimTerms { most: want, until, ..self.terms }).await {
            Ok(reply) => reply,
            Err(error) => {
                if progress.unsure.len() < MAX_UNSURE {
                    progress.unsure.push((claim.token, until));
                }
                return Err(error);
            }
        };
        faults::at_if(Point::AfterClaim, || !reply.items.is_empty());
        self.flow.shares().learn_time(reply.now);
        self.flow.fed(want, reply.items.len());
        self.flow.meters.claimed(reply.items.len());
        if progress.paused != reply.paused {
            progress.paused = reply.paused;
            let what = if reply.paused { "paused: claiming nothing from it" } else { "resumed" };
            info!(queue = %self.scripts.queue, "queue {} {what}", self.scripts.queue);
        }
        progress.look = reply.waiting > 0;
        // What is due in a paused queue is no reason to wake.
        let (got, next_due) = (reply.items.len(), reply.next_due.filter(|_| !reply.paused));
        self.take(claim, reply).await;
        if got == 0 && busy {
            tokio::time::sleep(ADMITTER_BUSY).await;
        }
        Ok((got == 0 && !progress.look).then_some(next_due))
    }

    /// Take in what hosts have pushed, and send on what came to the wrong inbox.
    async fn admit(&self) -> Result<Round, QueueError> {
        let round = match self.admitter.round().await {
            // A full Redis takes no more jobs, but it gives some out: that is what makes room.
            Err(QueueError::Full { .. }) => return Ok(Round::Busy),
            round => round?,
        };
        match round {
            Round::Busy => {}
            // An empty inbox is the time to send on what a process that died had not.
            Round::Empty => self.send_on().await?,
            Round::Admitted { jobs, duplicates, forwarded } => {
                debug!(queue = %self.scripts.queue, jobs, duplicates, "admitted {jobs} jobs");
                if forwarded {
                    self.send_on().await?;
                }
            }
        }
        Ok(round)
    }

    /// Lines for other queues are kept until they can be sent on; they must not keep this queue from its own work.
    async fn send_on(&self) -> Result<(), QueueError> {
        match self.admitter.forward().await {
            Err(fault) if matches!(fault, QueueError::Full { .. }) || !fault.is_outage() => {
                warn!(
                    queue = %self.scripts.queue, error = chain(&fault),
                    "queue {}: lines for other queues cannot be sent on yet; they are kept", self.scripts.queue
                );
                Ok(())
            }
            sent => sent,
        }
    }

    /// Put what was claimed on its way; what may have a past is asked about first.
    async fn take(&self, claim: Claim, reply: ClaimReply) {
        if reply.items.is_empty() {
            return;
        }
        let (claim, now) = (Arc::new(claim), reply.now);
        let jobs: Vec<_> = reply
            .items
            .into_iter()
            .map(|item| Arc::new(Claimed::new(item, &claim, &self.flow, &self.acknowledger, now)))
            .collect();
        claim.holds(&jobs);
        self.leases.add(&claim);
        let (old, fresh): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.may_have_a_past());
        self.buffer(fresh);
        if !old.is_empty() {
            let mut stopping = self.stopping.clone();
            tokio::select! {
                () = self.screen.screen(&old, &self.pulse) => self.buffer(old),
                () = stopping.reached(Phase::Drain) => {
                    for job in old {
                        Settlement::hand_back(job).send();
                    }
                }
            }
        }
    }

    /// On their way to a slot; or back, if another part of the queue has closed the buffer.
    fn buffer(&self, jobs: Vec<Arc<Claimed>>) {
        for job in self.buffer.extend(jobs) {
            Settlement::hand_back(job).send();
        }
    }

    /// Sleep until there is work. True when the inbox has lines.
    async fn idle(&mut self, wake: &mut Wake, next_due: Option<Millis>) -> bool {
        let now = self.flow.shares().now();
        let until_due = next_due.map_or(LOOK_ANYWAY, |due| {
            Duration::from_millis(u64::try_from(due.0 - now.0).unwrap_or(0)).min(LOOK_ANYWAY)
        });
        let overdue_look = until_due == LOOK_ANYWAY;
        tokio::select! {
            line = wake.next() => line,
            () = tokio::time::sleep(until_due) => overdue_look,
            () = self.stopping.reached(Phase::Drain) => false,
        }
    }

    fn away(&self, progress: &mut Progress, error: &QueueError) {
        self.pulse.waits_for(&format!("Redis {}", error.in_short()));
        if progress.away_since.is_none() {
            progress.away_since = Some(Instant::now());
            warn!(
                queue = %self.scripts.queue, error = chain(error),
                "queue {}: claiming stopped, Redis {}; {} held jobs are kept", self.scripts.queue, error.in_short(),
                self.flow.count(Stage::Running) + self.flow.count(Stage::Buffered),
            );
        }
    }

    fn back_again(&self, progress: &mut Progress) {
        if let Some(since) = progress.away_since.take() {
            self.pulse.has_all();
            info!(
                queue = %self.scripts.queue,
                "queue {}: Redis is back after {:.1} s, claiming again", self.scripts.queue, since.elapsed().as_secs_f32()
            );
        }
    }
}

/// Waits between attempts while Redis is away: quick at first, then about a second, never in step with other daemons.
fn outage_waits() -> impl Iterator<Item = Duration> {
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(LOOK_ANYWAY)
        .with_jitter()
        .without_max_times()
        .build()
}
