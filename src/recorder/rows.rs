//! What is written down of a run that ended, and told to the host that waits for it.

use liaison_queue::{Claimed, clock::Millis};
use liaison_store::{Burial, Run, RunOutcome};

use crate::runner::Brief;

/// What a row may hold of a result or a reason; the rest is cut off, and says so.
const MAX_RESULT: usize = 64 * 1024;
const MAX_REASON: usize = 4 * 1024;

pub(super) fn burial(job: &Claimed) -> Burial {
    let crashes = i32::try_from(job.tries().crashes).unwrap_or(i32::MAX);
    Burial { envelope: job.envelope().to_vec(), attempts: attempts(job), crashes }
}

/// A condemned or expired job used up no attempt with this run.
fn attempts(job: &Claimed) -> i32 {
    let ran = job.started_at().is_some();
    i32::try_from(job.attempt() - u32::from(!ran)).unwrap_or(i32::MAX)
}

pub(super) fn row(
    job: &Claimed,
    brief: &Brief,
    at: Millis,
    outcome: RunOutcome,
    reason: Option<String>,
    result: Option<String>,
) -> Run {
    let started = job.started_at();
    Run {
        job_id: job.id.to_string(),
        run: i32::try_from(job.run()).unwrap_or(i32::MAX),
        attempt: attempts(job),
        name: brief.name.clone(),
        queue: job.queue.to_string(),
        worker: job.worker().to_owned(),
        outcome,
        reason: reason.map(|text| cut(text, MAX_REASON)),
        // A result that is cut off would be no JSON any more.
        result: result.map(|text| {
            if text.len() <= MAX_RESULT {
                text
            } else {
                format!("\"(a result of {} bytes, more than the {MAX_RESULT} that are kept)\"", text.len())
            }
        }),
        enqueued_at: job.enqueued_at.date(),
        started_at: started.map(Millis::date),
        finished_at: at.date(),
        duration_ms: started.map(|since| at.0 - since.0),
        retry_at: None,
        trace: brief.trace.clone(),
    }
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What a host that waits is told.
pub(crate) fn reply(run: &Run) -> String {
    let result = run.result.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let mut told = serde_json::json!({
        "id": run.job_id, "outcome": run.outcome.as_str(), "run": run.run, "attempt": run.attempt,
    });
    if let Some(result) = result {
        told["result"] = result;
    }
    if let Some(reason) = &run.reason {
        told["reason"] = reason.as_str().into();
    }
    told.to_string()
}
