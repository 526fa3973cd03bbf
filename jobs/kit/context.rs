//! What a running job knows of itself.

use std::sync::Arc;

use liaison_queue::{Claimed, JobId, bonds::BatchEnd};

use super::{Limits, Trace};

#[derive(Debug, Clone)]
pub struct Context {
    /// The same over all attempts: what makes a second run of the same job recognisable.
    pub id: JobId,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// If this job follows a batch: how the jobs of that batch have ended.
    pub batch: Option<BatchEnd>,
    /// What it may do how often, over all daemons.
    pub limits: Limits,
    /// Where it stands among all that its host began: for the header of a call, and a span around it.
    pub trace: Trace,
    job: Arc<Claimed>,
}

impl Context {
    #[must_use]
    pub fn of(job: &Arc<Claimed>, limits: Limits, trace: Trace) -> Self {
        let (id, attempt, batch) = (job.id.clone(), job.attempt(), job.batch_end());
        Self { id, attempt, batch, limits, trace, job: Arc::clone(job) }
    }

    /// Until somebody takes the job back. A handler that waits for long should stop then, and put things in order; one
    /// that goes on is stopped where it stands after a grace.
    pub async fn cancelled(&self) {
        self.job.cancelled().await;
    }

    /// Whether somebody took the job back.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.job.cancellation().is_some()
    }
}
