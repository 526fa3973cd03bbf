//! Waiting for the end of a job.
//!
//! The worker leaves a reply for whoever asked for one, and one reader takes it. A duplicate cannot count on that: the
//! first envelope may not have asked, the job may have ended long ago, or somebody else may have taken the reply. So
//! beside waiting we look, for a duplicate before the first wait and for all every few seconds: as long as Redis knows
//! the job it lives, and we wait on; once it has left, its end stands in the store, which is written first.

use std::time::{Duration, Instant};

use anyhow::Result;
use liaison_queue::{Inspector, JobId, QueueError, QueueName};
use liaison_store::{Run, RunOutcome, Store};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::told::{Answer, Status};
use crate::{
    app::App,
    cli::{whereabouts, words},
    config::units::show_duration,
};

/// How long to wait for the reply before looking at the job. A reply ends the wait at once; this only bounds how late
/// it is noticed that none will come.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// While Redis is away: as often as the link connects anew.
const AWAY: Duration = Duration::from_millis(200);
/// Long enough for a reply that is there already.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What a worker leaves for whoever waits.
#[derive(Deserialize)]
struct Reply {
    outcome: String,
    result: Option<Box<RawValue>>,
    reason: Option<String>,
}

/// Fill in how the job ended; or that it did not, and where it is.
pub(super) async fn wait(
    app: &App,
    queue: &QueueName,
    id: &JobId,
    patience: Duration,
    answer: &mut Answer,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    let inspector = app.inspector(queue);
    let mut look = answer.status == Status::Duplicate;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let step = async {
            if look && inspector.find(id).await?.is_none() {
                // It left between two looks at most, so a reply that nobody took is there by now.
                return Ok(Some(inspector.reply(id, AT_ONCE).await?));
            }
            Ok::<_, QueueError>(inspector.reply(id, left.min(LOOK_EVERY)).await?.map(Some))
        };
        match step.await {
            Ok(Some(Some(reply))) if answer.take(&reply) => return Ok(()),
            Ok(Some(_)) => {
                recorded(app, id, answer).await;
                return Ok(());
            }
            Ok(None) => {}
            Err(fault) if fault.is_outage() && !left.is_zero() => tokio::time::sleep(AWAY.min(left)).await,
            Err(fault) => return Err(fault.into()),
        }
        if left.is_zero() {
            answer.status = Status::Waiting;
            answer.reason = Some(why_not_yet(app, &inspector, id, patience).await?);
            return Ok(());
        }
        look = true;
    }
}

/// It has left the queue: how, the store knows.
async fn recorded(app: &App, id: &JobId, answer: &mut Answer) {
    let end = async {
        let store: Store = app.store().await?;
        Ok::<_, anyhow::Error>(last_end(store.runs_of(id.as_str()).await?))
    };
    match end.await {
        Ok(Some(run)) => {
            answer.outcome = Some(run.outcome.to_string());
            answer.reason = run.reason;
            answer.result = run.result.and_then(|text| RawValue::from_string(text).ok());
        }
        Ok(None) => {
            answer.status = Status::Unknown;
            answer.reason = Some("it has left the queue, and the store has no record of its end".to_owned());
        }
        Err(fault) => {
            answer.status = Status::Unknown;
            answer.reason = Some(format!("it has left the queue, and the store cannot say how it ended: {fault:#}"));
        }
    }
}

/// The run with which a job left the queue: done once is done for ever, else the newest end counts.
fn last_end(runs: Vec<Run>) -> Option<Run> {
    let ends = runs.into_iter().filter(|run| run.outcome != RunOutcome::Retry);
    ends.max_by_key(|run| (run.outcome == RunOutcome::Done, run.run))
}

async fn why_not_yet(app: &App, inspector: &Inspector, id: &JobId, patience: Duration) -> Result<String> {
    let waited = show_duration(patience);
    let now = liaison_queue::now(&app.link).await?;
    let Some(found) = inspector.find(id).await? else {
        return Ok(format!("it ended just when the {waited} were over; ask `liaison jobs show {id}`"));
    };
    let depths = inspector.depths().await?;
    let nobody = if depths.workers == 0 { ", which no worker serves" } else { "" };
    let paused = if depths.paused { ", which is paused" } else { "" };
    let detail = words::plain(&whereabouts::detail(&found, now));
    Ok(format!("not ended within {waited}: {} in queue {}{nobody}{paused}; {detail}", found.state, found.queue))
}

impl Answer {
    /// Whether this was a reply that can be understood.
    fn take(&mut self, reply: &str) -> bool {
        let Ok(Reply { outcome, result, reason }) = serde_json::from_str(reply) else { return false };
        (self.outcome, self.result, self.reason) = (Some(outcome), result, reason);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RunOutcome::{Dead, Done, Expired, Retry};

    #[test]
    fn a_reply_is_taken_as_it_is() {
        let mut answer = Answer::default();
        assert!(answer.take(r#"{"id":"a","outcome":"done","run":1,"attempt":1,"result":{"b":1.50,"a":[]}}"#));
        assert_eq!(answer.outcome.as_deref(), Some("done"));
        assert_eq!(answer.result.unwrap().get(), r#"{"b":1.50,"a":[]}"#);
        assert!(!Answer::default().take("something else"));
    }

    #[test]
    fn done_counts_before_any_other_end_and_then_the_newest() {
        let runs = |ends: &[(i32, RunOutcome)]| ends.iter().map(|(run, outcome)| ended(*run, *outcome)).collect();
        assert!(last_end(runs(&[(1, Retry)])).is_none());
        assert_eq!(last_end(runs(&[(1, Retry), (2, Dead), (3, Expired)])).unwrap().run, 3);
        assert_eq!(last_end(runs(&[(1, Done), (2, Dead)])).unwrap().run, 1);
    }

    fn ended(run: i32, outcome: RunOutcome) -> Run {
        let at = chrono::DateTime::UNIX_EPOCH;
        Run {
            job_id: "a".into(),
            run,
            attempt: run,
            name: "noop".into(),
            queue: "default".into(),
            worker: "w".into(),
            outcome,
            reason: None,
            result: None,
            enqueued_at: at,
            started_at: None,
            finished_at: at,
            duration_ms: None,
            retry_at: None,
            trace: None,
        }
    }
}
