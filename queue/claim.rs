//! The right to a batch of jobs: one token and one lease for all of them.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{claimed::Claimed, isolation::Isolation, names::QueueName};

/// Whether a job may be recorded by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Held,
    /// The lease ran out on our own clock, but nobody has said yet that it was taken away. Wait.
    Uncertain,
    /// Somebody else has it, or will have it.
    Lost,
}

#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) token: String,
    pub(crate) queue: QueueName,
    pub(crate) isolation: Isolation,
    born: Instant,
    /// Milliseconds after `born` until which nobody else can have taken the jobs.
    valid_ms: AtomicU64,
    lost: AtomicBool,
    /// Its last jobs are being settled: Redis may have forgotten it before we hear of that.
    ending: AtomicBool,
    open: AtomicUsize,
    jobs: OnceLock<Vec<Weak<Claimed>>>,
}

impl Claim {
    /// A claim whose call is about to be sent: the lease runs from before that, so we never believe in it too long.
    pub(crate) fn new(token: String, queue: QueueName, isolation: Isolation, lease: Duration) -> Self {
        let claim = Self {
            token,
            queue,
            isolation,
            born: Instant::now(),
            valid_ms: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            jobs: OnceLock::new(),
        };
        claim.extended(claim.born, lease);
        claim
    }

    pub(crate) fn extended(&self, asked: Instant, lease: Duration) {
        let valid = asked.duration_since(self.born) + lease;
        self.valid_ms.store(u64::try_from(valid.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Whether the jobs are still ours. Our clock is monotonic and counts the time of a frozen process too.
    pub(crate) fn hold(&self) -> Hold {
        let valid = self.born.elapsed().as_millis() < u128::from(self.valid_ms.load(Ordering::Acquire));
        match (self.lost.load(Ordering::Acquire), valid) {
            (true, _) => Hold::Lost,
            (false, true) => Hold::Held,
            (false, false) => Hold::Uncertain,
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Something of it is held that is not about to be settled.
    pub(crate) fn is_needed(&self) -> bool {
        self.open() > 0 && !self.ending.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self, jobs: usize) {
        self.open.fetch_sub(jobs, Ordering::AcqRel);
    }

    /// These are the jobs of the claim.
    pub(crate) fn holds(&self, jobs: &[Arc<Claimed>]) {
        self.open.store(jobs.len(), Ordering::Release);
        // Invariant: a claim is filled once.
        let _ = self.jobs.set(jobs.iter().map(Arc::downgrade).collect());
    }

    /// The jobs of this claim whose handlers run now.
    pub(crate) fn running(&self) -> impl Iterator<Item = Arc<Claimed>> + '_ {
        let jobs = self.jobs.get().map_or(&[][..], Vec::as_slice);
        jobs.iter().filter_map(Weak::upgrade).filter(|job| job.running_since().is_some())
    }
}
