//! The queues of a worker as its keeper sees them: they come and go while it runs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{cards::Reread, flow::Flow, isolation::SuspectWatch, leases::Leases, scripts::Scripts, stop::Stopping};

/// One queue as the keeper sees it.
pub(crate) struct Kept {
    pub scripts: Scripts,
    /// Who claims there.
    pub worker: String,
    pub flow: Arc<Flow>,
    pub leases: Arc<Leases>,
    /// Told how many suspects wait.
    pub suspects: Arc<SuspectWatch>,
    pub stopping: Stopping,
    fate: Fate,
}

/// How it stands with a queue.
#[derive(Debug, Default)]
struct Fate {
    /// Redis did not answer when it was asked last.
    away: AtomicBool,
    /// Nothing of it is here any more.
    over: AtomicBool,
}

/// What a queue is kept with.
pub(crate) struct Held {
    pub flow: Arc<Flow>,
    pub leases: Arc<Leases>,
    pub suspects: Arc<SuspectWatch>,
    pub stopping: Stopping,
}

impl Kept {
    pub(crate) fn new(scripts: Scripts, worker: String, held: Held) -> Arc<Self> {
        let Held { flow, leases, suspects, stopping } = held;
        Arc::new(Self { scripts, worker, flow, leases, suspects, stopping, fate: Fate::default() })
    }

    /// Redis answered.
    pub(super) fn answers(&self) {
        self.fate.away.store(false, Ordering::Relaxed);
    }

    /// Redis does not answer; whether that is no news.
    pub(super) fn was_away(&self) -> bool {
        self.fate.away.swap(true, Ordering::Relaxed)
    }

    /// Nothing of it is here any more: the keeper signs it off and forgets it.
    pub(crate) fn end(&self) {
        self.fate.over.store(true, Ordering::Release);
    }

    pub(super) fn is_over(&self) -> bool {
        self.fate.over.load(Ordering::Acquire)
    }
}

/// The queues of a worker, which come and go; and what it says of itself.
#[derive(Default)]
pub(crate) struct Roll {
    queues: Mutex<Vec<Arc<Kept>>>,
    configuration: Mutex<Reread>,
}

impl Roll {
    pub(crate) fn add(&self, more: &[Arc<Kept>]) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(more);
    }

    pub(super) fn all(&self) -> Vec<Arc<Kept>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn forget(&self, gone: &Arc<Kept>) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).retain(|kept| !Arc::ptr_eq(kept, gone));
    }

    /// The last word on the configuration.
    pub(crate) fn reread(&self, how: Reread) {
        *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    pub(super) fn configuration(&self) -> Reread {
        self.configuration.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
