//! Waiting for a store that is away: calmly, saying so once, and holding back the claiming meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use liaison_queue::{Phase, Pulse, Shares, Stopping, chain};
use liaison_store::StoreError;
use tracing::{error, info, warn};

use crate::metrics::runs::store_failed;

/// How often a store that is away is tried again.
const EVERY: Duration = Duration::from_millis(500);

/// Shared by all who use the store in the path of a job.
#[derive(Clone)]
pub(crate) struct Patience {
    shares: Arc<Shares>,
    stopping: Stopping,
    waiting: Arc<AtomicUsize>,
}

impl Patience {
    pub(crate) fn new(shares: Arc<Shares>, stopping: Stopping) -> Self {
        Self { shares, stopping, waiting: Arc::default() }
    }

    /// Try until it works, with a beat of whoever waits for every attempt. With the last phase of a stop it never comes
    /// back, and is dropped by whoever waits for it.
    pub(crate) async fn until_ok<T, F>(&self, what: &str, pulse: &Pulse, attempt: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut outage = None;
        loop {
            pulse.beat();
            match attempt().await {
                Ok(value) => {
                    self.over(outage, pulse);
                    return value;
                }
                Err(fault) => self.wait(what, &fault, &mut outage, pulse).await,
            }
        }
    }

    /// One failed attempt: say so the first time, hold back the claiming, and wait a little.
    pub(crate) async fn wait(&self, what: &str, fault: &StoreError, outage: &mut Option<Instant>, pulse: &Pulse) {
        pulse.waits_for(in_short(fault));
        store_failed(outage.is_none());
        if outage.is_none() {
            *outage = Some(Instant::now());
            self.waiting.fetch_add(1, Ordering::AcqRel);
            self.shares.halt(true);
            let error = chain(fault);
            if let StoreError::Disk { .. } = fault {
                warn!(
                    error,
                    "the store cannot write to its disk, and so cannot {what}: claiming stopped, held jobs are kept"
                );
            } else if fault.is_outage() {
                warn!(error, "the store is away, cannot {what}: claiming stopped, held jobs are kept");
            } else {
                error!(error, "the store refuses to {what}: claiming stopped, held jobs are kept, trying again");
            }
        }
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stopping.reached(Phase::Abandon) => std::future::pending().await,
        }
    }

    /// It worked, at last or at once.
    pub(crate) fn over(&self, outage: Option<Instant>, pulse: &Pulse) {
        let Some(since) = outage else { return };
        pulse.has_all();
        if self.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shares.halt(false);
            info!("the store is back after {:.1} s: claiming again", since.elapsed().as_secs_f32());
        }
    }
}

/// What the store does instead of its work, for lines that tell what follows from it.
pub(crate) fn in_short(fault: &StoreError) -> &'static str {
    if matches!(fault, StoreError::Disk { .. }) {
        "the store cannot write to its disk"
    } else if fault.is_outage() {
        "the store is away"
    } else {
        "the store refuses"
    }
}
