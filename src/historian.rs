//! Has this job ended before? Asked for every job that may have a past, before it may run.
//!
//! A process may die between the commit of a run and its acknowledgement; then the job is claimed again, and only the
//! history knows that it is over. While the store is away, such jobs wait, and keep their leases.

use std::{future::Future, pin::Pin, sync::Arc};

use liaison_queue::{Claimed, Past, PastEnd, Pulse, Screen, clock::Millis, outcome};
use liaison_store::{History, RunOutcome, Store};
use tracing::info;

use crate::{patience::Patience, recorder::reply};

pub(crate) struct Historian {
    pub(crate) store: Store,
    pub(crate) patience: Patience,
}

impl Screen for Historian {
    fn screen<'a>(
        &'a self,
        jobs: &'a [Arc<Claimed>],
        pulse: &'a Pulse,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let ids: Vec<String> = jobs.iter().map(|job| job.id.to_string()).collect();
            let look = || self.store.history_of(ids.clone());
            let mut histories = self.patience.until_ok("look up the history", pulse, look).await;
            for job in jobs {
                let past = histories.remove(job.id.as_str()).map_or_else(Past::default, |known| past(job, &known));
                if past.ended.is_some() {
                    info!(job.id = %job.id, "{} has ended before: acknowledged, not run again", job.id);
                }
                // Invariant: a job is screened once, before it is buffered.
                let _ = job.past.set(past);
            }
        })
    }
}

/// What the records say about this job, in this life of it: a life begins with its enqueueing.
fn past(job: &Claimed, known: &History) -> Past {
    let this_life = |at: chrono::DateTime<chrono::Utc>| Millis::at(at) == job.enqueued_at;
    let done = known.done.as_ref().map(|run| PastEnd { outcome: outcome::RunOutcome::Done, told: reply(run) });
    let ended = done.or_else(|| {
        let end = known.ends.iter().rev().find(|end| end.outcome != RunOutcome::Retry && this_life(end.enqueued_at))?;
        let told = serde_json::json!({"id": job.id, "outcome": end.outcome.as_str(), "run": end.run}).to_string();
        Some(PastEnd { outcome: end.outcome.as_str().parse().unwrap_or(outcome::RunOutcome::Dead), told })
    });
    let not_before = known
        .ends
        .last()
        .filter(|end| end.run == known.last_run && this_life(end.enqueued_at) && !job.tries().hurried)
        .and_then(|end| end.retry_at.map(Millis::at));
    let attempts = known.ends.iter().filter(|end| end.outcome == RunOutcome::Retry && this_life(end.enqueued_at));
    Past {
        last_run: u32::try_from(known.last_run).unwrap_or(0),
        attempts: attempts.map(|end| u32::try_from(end.attempt).unwrap_or(0)).max().unwrap_or(0),
        // What was parked in order comes back at its time, or later: then the promise is kept already.
        not_before,
        ended,
    }
}
