//! What becomes of a job whose run is over: the one place where an outcome turns into a row and a settlement.

use std::{sync::Arc, time::Duration, time::Instant};

use liaison_queue::{
    Claimed, Ended, Settlement,
    clock::Millis,
    outcome::{Done, Failure},
};
use liaison_store::{Exit, RunOutcome};
use tracing::{debug, warn};

use super::{
    After, Finished, Recorder, Step,
    rows::{burial, row},
};
use crate::runner::{Brief, Ran};

impl Recorder {
    pub(super) fn decide(&self, Finished { job, mut ended, at }: Finished) -> Step {
        let facts = if let Ended::Ran(ran) = &mut ended { std::mem::take(&mut ran.facts) } else { Vec::new() };
        let mut step = self.decide_end(Finished { job, ended, at });
        if let Step::Record(exit, ..) = &mut step {
            exit.facts = facts;
        }
        step
    }

    fn decide_end(&self, Finished { job, ended, at }: Finished) -> Step {
        if let Some(past) = job.past.get().and_then(|past| past.ended.clone()) {
            let wants = Brief::of(&job, self.diagnostics).reply;
            return Step::Settle(Settlement::leave(job, past.outcome, wants.then_some(past.told)));
        }
        let (brief, outcome) = match ended {
            Ended::Interrupted => return Step::Settle(Settlement::hand_back(job)),
            Ended::Panicked(text) => {
                (Brief::of(&job, self.diagnostics), Err(Failure::retry(format!("panicked: {text}"))))
            }
            Ended::Ran(Ran { brief, outcome, .. }) => (brief, outcome),
        };
        if let Some(verdict) = job.verdict.clone() {
            let outcome = verdict.end.as_str().parse().unwrap_or(RunOutcome::Dead);
            return Self::leave(job, &brief, at, outcome, Some(verdict.reason), None);
        }
        match outcome {
            Ok(Done(value)) => {
                let result = value.map(|value| value.to_string());
                Self::leave(job, &brief, at, RunOutcome::Done, None, result)
            }
            Err(Failure::Retry { reason, after }) => Self::retry(job, &brief, at, reason, after),
            Err(Failure::Snooze { until }) => {
                self.meters.of(&job.queue, &brief.name).snoozed.inc();
                self.left_no_record(&job, Some(&brief), at, "snoozed");
                Step::Settle(Settlement::snooze(job, until))
            }
            Err(Failure::HandBack) => {
                self.left_no_record(&job, Some(&brief), at, "handed_back");
                Step::Settle(Settlement::hand_back(job))
            }
            Err(Failure::Fatal { reason }) => Self::leave(job, &brief, at, RunOutcome::Dead, Some(reason), None),
            Err(Failure::Expired) => {
                let reason = brief.expires_at.map(|end| format!("expired at {}", end.date().to_rfc3339()));
                Self::leave(job, &brief, at, RunOutcome::Expired, reason, None)
            }
            Err(Failure::Cancelled { reason }) => {
                Self::leave(job, &brief, at, RunOutcome::Cancelled, Some(reason), None)
            }
        }
    }

    /// For its span, if one is wanted.
    pub(super) fn left_no_record(&self, job: &Claimed, brief: Option<&Brief>, at: Millis, outcome: &'static str) {
        let Some(tracer) = &self.tracer else { return };
        match brief {
            Some(brief) => tracer.unrecorded(job, brief, at, outcome),
            None => tracer.unrecorded(job, &Brief::of(job, self.diagnostics), at, outcome),
        }
    }

    fn retry(job: Arc<Claimed>, brief: &Brief, at: Millis, reason: String, after: Option<Duration>) -> Step {
        let attempt = job.attempt();
        if attempt >= brief.max_attempts {
            let reason = format!("gave up after {attempt} attempts: {reason}");
            return Self::leave(job, brief, at, RunOutcome::Dead, Some(reason), None);
        }
        let when = at.plus(brief.retry.wait(attempt, after, random()));
        if brief.expires_at.is_some_and(|end| end <= when) {
            let reason = format!("would expire before the next attempt: {reason}");
            return Self::leave(job, brief, at, RunOutcome::Expired, Some(reason), None);
        }
        debug!(job.id = %job.id, attempt, "{} failed, again at {}: {reason}", job.id, when.date());
        let mut run = row(&job, brief, at, RunOutcome::Retry, Some(reason), None);
        run.retry_at = Some(when.date());
        Step::Record(Box::new(Exit { run, burial: None, facts: Vec::new() }), job, After::Retry(when))
    }

    fn leave(
        job: Arc<Claimed>,
        brief: &Brief,
        at: Millis,
        outcome: RunOutcome,
        reason: Option<String>,
        result: Option<String>,
    ) -> Step {
        let burial = (outcome == RunOutcome::Dead).then(|| {
            let why = reason.as_deref().unwrap_or("");
            warn!(job.id = %job.id, job.name = brief.name, "buried {}: {why}", job.id);
            burial(&job)
        });
        let run = row(&job, brief, at, outcome, reason, result);
        Step::Record(
            Box::new(Exit { run, burial, facts: Vec::new() }),
            job,
            After::Leave { reply: brief.reply, outcome },
        )
    }
}

/// A draw for the jitter; nobody's secret depends on it.
fn random() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(Instant::now());
    u32::try_from(bits >> 32).unwrap_or(u32::MAX)
}
