//! The last step of a job: out of the queue, or back to wait. One task per queue, in batches, for whoever still holds.
//!
//! What is settled here was recorded before. If the process dies before the step, the lease lapses, the job is claimed
//! again, and history says that it has ended. If the step's answer is lost, it is sent again and finds nothing held.

use std::{sync::Arc, time::Duration};

use backon::BackoffBuilder;
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::{
    claim::Claim,
    claimed::{Claimed, Tries},
    clock::Millis,
    error::{QueueError, chain},
    faults::{self, Point},
    isolation::Isolation,
    leases::Leases,
    outcome::RunOutcome,
    scripts::{
        MAX_ITEMS, Scripts,
        held::{Leaving, Parking},
    },
    stop::{Phase, Stopping},
    tuning::Tuning,
    vitals::Pulse,
};

/// With nothing to settle, how often the task shows that it would.
const SHOW_LIFE: Duration = Duration::from_secs(1);

/// How a claim on a job ends. Nothing happens until it is sent.
#[derive(Debug)]
#[must_use]
pub struct Settlement {
    job: Arc<Claimed>,
    how: How,
}

#[derive(Debug)]
enum How {
    Leave { outcome: RunOutcome, reply: Option<String> },
    Park { at: Option<Millis>, used_attempt: bool },
}

impl Settlement {
    /// It is recorded and over; `reply` goes to the host if it asked for one.
    pub fn leave(job: Arc<Claimed>, outcome: RunOutcome, reply: Option<String>) -> Self {
        Self { job, how: How::Leave { outcome, reply } }
    }

    /// Again at that time, with an attempt used up.
    pub fn retry(job: Arc<Claimed>, at: Millis) -> Self {
        Self { job, how: How::Park { at: Some(at), used_attempt: true } }
    }

    /// Again at that time, as if nothing had happened.
    pub fn snooze(job: Arc<Claimed>, at: Millis) -> Self {
        Self { job, how: How::Park { at: Some(at), used_attempt: false } }
    }

    /// At the head of its band, at once: somebody else may have it.
    pub fn hand_back(job: Arc<Claimed>) -> Self {
        Self { job, how: How::Park { at: None, used_attempt: false } }
    }

    /// Send it on its way; it is settled in the order of sending.
    pub fn send(self) {
        if matches!(self.how, How::Park { at: None, .. }) {
            self.job.meters().handed_back.inc();
        }
        let Acknowledger(way) = self.job.acknowledger().clone();
        // The settling task lives as long as any job does, so this cannot fail but in a process that is torn down.
        let _ = way.send(self);
    }
}

/// The way to the settling task of a queue. The task ends when every handle is gone and all is settled.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledger(mpsc::UnboundedSender<Settlement>);

/// How long things are remembered after a job has left.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub id: Duration,
    pub reply: Duration,
}

impl Acknowledger {
    /// The scripts' calls beat the pulse too.
    pub(crate) fn new(
        scripts: Scripts,
        leases: Arc<Leases>,
        tuning: Tuning,
        stopping: Stopping,
        pulse: Pulse,
    ) -> (Self, impl Future<Output = ()> + Send) {
        // Unbounded, but never longer than the flow lets jobs be unrecorded.
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Settler { scripts, leases, tuning, stopping, pulse }.run(receiver))
    }
}

struct Settler {
    scripts: Scripts,
    leases: Arc<Leases>,
    tuning: Tuning,
    stopping: Stopping,
    pulse: Pulse,
}

impl Settler {
    async fn run(self, mut receiver: mpsc::UnboundedReceiver<Settlement>) {
        let mut batch = Vec::with_capacity(MAX_ITEMS);
        let mut stopping = self.stopping.clone();
        loop {
            self.pulse.beat();
            let count = tokio::select! {
                biased;
                count = receiver.recv_many(&mut batch, MAX_ITEMS) => count,
                // Jobs that nobody will ever settle hold senders too: they must not keep us.
                () = stopping.reached(Phase::Abandon) => 0,
                () = tokio::time::sleep(SHOW_LIFE) => continue,
            };
            if count == 0 {
                return;
            }
            let (mut leaving, mut parking) = (Vec::new(), Vec::new());
            for Settlement { job, how } in batch.drain(..) {
                match how {
                    How::Leave { outcome, reply } => leaving.push((job, outcome, reply)),
                    How::Park { at, used_attempt } => parking.push((job, at, used_attempt)),
                }
            }
            if !leaving.is_empty() {
                self.leave(&leaving).await;
            }
            if !parking.is_empty() {
                self.park(&parking).await;
            }
        }
    }

    async fn leave(&self, jobs: &[(Arc<Claimed>, RunOutcome, Option<String>)]) {
        let items: Vec<_> = jobs
            .iter()
            .map(|(job, outcome, reply)| Leaving {
                id: &job.id,
                token: &job.claim.token,
                given: job.given,
                tied: job.bonds().map(|bonds| (bonds.for_leaving(), *outcome)),
                reply: reply.as_deref(),
            })
            .collect();
        let ended = ending(jobs.iter().map(|(job, ..)| &job.claim));
        let tokens: Vec<_> = ended.iter().map(|claim| claim.token.as_str()).collect();
        let memory = self.tuning.get().memory;
        let call = || self.scripts.acknowledge(&items, &tokens, memory.id, memory.reply);
        faults::at(Point::BeforeAck);
        let lost = self.insist("acknowledge", call).await;
        faults::at(Point::AfterAck);
        self.settled(lost, jobs.iter().map(|(job, ..)| job), &tokens);
    }

    async fn park(&self, jobs: &[(Arc<Claimed>, Option<Millis>, bool)]) {
        let items: Vec<_> = jobs
            .iter()
            .map(|(job, at, used_attempt)| {
                let tries = Tries {
                    runs: job.run(),
                    attempts: job.attempt() - u32::from(!used_attempt),
                    crashes: job.tries().crashes,
                    hurried: !used_attempt && job.tries().hurried,
                };
                // Whoever ended an attempt without killing its process is a suspect no more.
                let suspect = if *used_attempt { Isolation::None } else { job.claim.isolation };
                let passed_by = job.bonds().filter(|words| at.is_some() && words.lane_that_passes().is_some());
                let (id, token) = (&job.id, job.claim.token.as_str());
                Parking {
                    id,
                    token,
                    band: job.band,
                    suspect,
                    passed_by: passed_by.map(|words| words.0),
                    at: *at,
                    tries: tries.line(),
                }
            })
            .collect();
        let ended = ending(jobs.iter().map(|(job, ..)| &job.claim));
        let tokens: Vec<_> = ended.iter().map(|claim| claim.token.as_str()).collect();
        faults::at(Point::BeforePark);
        let lost = self.insist("park", || self.scripts.park(&items, &tokens)).await;
        faults::at(Point::AfterPark);
        self.settled(lost, jobs.iter().map(|(job, ..)| job), &tokens);
    }

    /// Ask until there is an answer, or until nobody waits for one any more.
    async fn insist<F>(&self, step: &'static str, call: impl Fn() -> F) -> Option<Vec<usize>>
    where
        F: Future<Output = Result<Vec<usize>, QueueError>>,
    {
        let mut waits = backon::ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times()
            .build();
        let mut stopping = self.stopping.clone();
        let mut unanswered = 0u32;
        loop {
            match call().await {
                // A repeated step finds what the unanswered one did; that is no lost lease.
                Ok(lost) => return Some(if unanswered == 0 { lost } else { Vec::new() }),
                Err(fault) => {
                    unanswered += 1;
                    if !fault.is_outage() {
                        error!(queue = %self.scripts.queue, error = chain(&fault), "cannot {step}; trying again");
                    } else if unanswered == 1 {
                        warn!(queue = %self.scripts.queue, error = chain(&fault), "cannot {step} yet: Redis {}", fault.in_short());
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(waits.next().unwrap_or(Duration::from_secs(1))) => {}
                () = stopping.reached(Phase::Abandon) => return None,
            }
        }
    }

    fn settled<'a>(&self, lost: Option<Vec<usize>>, jobs: impl Iterator<Item = &'a Arc<Claimed>>, ended: &[&str]) {
        let Some(lost) = lost else { return };
        for (at, job) in jobs.enumerate() {
            job.claim.close(1);
            if lost.contains(&at) {
                job.meters().late.inc();
                warn!(job.id = %job.id, queue = %job.queue, "the result of {} came too late: its lease was lost", job.id);
            }
        }
        for token in ended {
            self.leases.remove(token);
        }
    }
}

/// The claims of which nothing is left after these jobs.
fn ending<'a>(claims: impl Iterator<Item = &'a Arc<Claim>>) -> Vec<Arc<Claim>> {
    let mut counts: Vec<(&Arc<Claim>, usize)> = Vec::new();
    for claim in claims {
        // Neighbours in a batch come from the same few claims: a short list searched from its end.
        match counts.iter_mut().rev().find(|(known, _)| Arc::ptr_eq(known, claim)) {
            Some((_, count)) => *count += 1,
            None => counts.push((claim, 1)),
        }
    }
    let ended = counts.into_iter().filter(|(claim, count)| claim.open() == *count);
    ended.map(|(claim, _)| Arc::clone(claim)).inspect(|claim| claim.end()).collect()
}
