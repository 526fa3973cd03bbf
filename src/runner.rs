//! Running one job: from its envelope to its outcome.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use liaison_jobs::{Context, Entry, Journal, Limits as JobLimits, Services, Surroundings};
use liaison_queue::{
    Claimed, Hold, Limit, LimitKey, Limiter, Permit, Shares,
    clock::Millis,
    envelope::{Envelope, Limits},
    faults::{self, Point},
    outcome::{Done, Failure, Outcome},
    retry::Retry,
};
use liaison_store::Fact;
use tokio::sync::watch;

use crate::traces::{self, Tracer};

/// What the recorder needs to know of a job beside its claim.
#[derive(Debug)]
pub(crate) struct Brief {
    pub(crate) name: String,
    pub(crate) trace: Option<String>,
    pub(crate) reply: bool,
    pub(crate) expires_at: Option<Millis>,
    pub(crate) max_attempts: u32,
    pub(crate) retry: Retry,
}

/// A run that came to its end by itself.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) brief: Brief,
    pub(crate) outcome: Outcome,
    /// What it leaves beside its row.
    pub(crate) facts: Vec<Fact>,
}

impl Ran {
    /// It ended before its handler began.
    fn not(brief: Brief, outcome: Outcome) -> Self {
        Self { brief, outcome, facts: Vec::new() }
    }
}

/// It counts as an attempt: a bug in a handler may depend on what it was told from outside, and pass.
fn panicked(panic: &(dyn Any + Send)) -> Failure {
    Failure::retry(format!("panicked: {}", liaison_queue::said_in_panic(panic)))
}

/// For envelopes that name no job that we know.
const UNKNOWN: Retry = Retry::doubling(Duration::from_secs(1));

impl Brief {
    /// Of an envelope; of a malformed one, what can be said without it.
    pub(crate) fn of(job: &Claimed, diagnostics: bool) -> Self {
        match Envelope::judge(job.envelope(), Limits::NONE) {
            Ok(envelope) => {
                let entry = liaison_jobs::find(envelope.job.as_str(), diagnostics).ok();
                Self::new(&envelope, entry)
            }
            Err(_) => Self {
                name: String::new(),
                trace: None,
                reply: false,
                expires_at: None,
                max_attempts: 1,
                retry: UNKNOWN,
            },
        }
    }

    fn new(envelope: &Envelope<'_>, entry: Option<&Entry>) -> Self {
        let retry = entry.map_or(UNKNOWN, |entry| entry.retry);
        Self {
            name: envelope.job.to_string(),
            trace: envelope.trace.clone(),
            reply: envelope.reply,
            expires_at: envelope.expires_at,
            max_attempts: envelope.max_attempts.unwrap_or(retry.attempts),
            retry,
        }
    }
}

/// Runs jobs from the catalogue.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) shares: Arc<Shares>,
    pub(crate) diagnostics: bool,
    /// It may change while jobs run.
    pub(crate) cancel_grace: watch::Receiver<Duration>,
    pub(crate) limiter: Limiter,
    /// None: no spans are wanted.
    pub(crate) tracer: Option<Tracer>,
    pub(crate) services: Arc<Services>,
}

impl Runner {
    pub(crate) async fn run(&self, job: Arc<Claimed>) -> Ran {
        // Somebody else has it by now: what is done twice is best not begun.
        if job.hold() == Hold::Lost {
            return Ran::not(Brief::of(&job, self.diagnostics), Err(Failure::HandBack));
        }
        // It has ended before, or it was condemned: the recorder knows what to do, and nothing runs.
        if job.verdict.is_some() || job.past.get().is_some_and(|past| past.ended.is_some()) {
            return Ran::not(Brief::of(&job, self.diagnostics), Ok(Done(None)));
        }
        // A crash between the record of a retry and its parking lost the wait, not the promise.
        let promised = job.past.get().and_then(|past| past.not_before);
        if let Some(until) = promised.filter(|until| *until > self.shares.now()) {
            return Ran::not(Brief::of(&job, self.diagnostics), Err(Failure::Snooze { until }));
        }
        let envelope = match Envelope::judge(job.envelope(), Limits::NONE) {
            Ok(envelope) => envelope,
            Err(refusal) => {
                let outcome = Err(Failure::fatal(format!("malformed: {refusal}")));
                return Ran::not(Brief::of(&job, self.diagnostics), outcome);
            }
        };
        let found = liaison_jobs::find(envelope.job.as_str(), self.diagnostics);
        let brief = Brief::new(&envelope, found.as_ref().ok().copied());
        let now = self.shares.now();
        let journal = Journal::default();
        let outcome = match found {
            _ if brief.expires_at.is_some_and(|end| end <= now) => Err(Failure::Expired),
            Err(reason) => Err(Failure::fatal(reason)),
            Ok(entry) => {
                let run = self.handle(&job, (&envelope, &brief), entry, &journal);
                // What it noted before it panicked is kept, which the catch of the worker's layers would lose.
                AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)))
            }
        };
        Ran { brief, outcome, facts: journal.take() }
    }

    async fn handle(
        &self,
        job: &Arc<Claimed>,
        (envelope, brief): (&Envelope<'_>, &Brief),
        entry: &Entry,
        journal: &Journal,
    ) -> Outcome {
        // Held to the end of the handler, whichever that is.
        let _place = self.place(job, entry).await?;
        let timeout = envelope.timeout.unwrap_or(entry.timeout);
        let args = envelope.args.map_or("{}", |args| args.get()).to_owned();
        let limits = JobLimits::new(self.limiter.clone(), job.id.clone(), job.token().to_owned());
        let now = self.shares.now();
        let trace = traces::begin(self.tracer.as_ref(), job, envelope.trace.as_deref(), now);
        let (max_attempts, services, journal) = (brief.max_attempts, Arc::clone(&self.services), journal.clone());
        let ctx = Context::of(job, now, Surroundings { max_attempts, limits, trace, services, journal });
        job.start(now);
        if envelope.run_at.is_none() {
            job.started_first();
        }
        faults::at(Point::BeforeHandler);
        let outcome = self.until_cancelled(job, timeout, (entry.run)(args, ctx)).await;
        faults::at(Point::AfterHandler);
        outcome
    }

    /// One of the places that a job has that runs only so many times at once.
    async fn place(&self, job: &Claimed, entry: &Entry) -> Result<Option<Permit>, Failure> {
        let Some(most) = entry.concurrency else { return Ok(None) };
        let key = LimitKey::of_job(entry.name).map_err(Failure::fatal)?;
        self.limiter.pass(&key, &[Limit::concurrent(most)], &job.id, job.token()).await.map(Some)
    }

    /// Run a handler to its end; to that of its time; or, once somebody takes the job back, to that of its grace.
    async fn until_cancelled(&self, job: &Claimed, timeout: Duration, run: impl Future<Output = Outcome>) -> Outcome {
        let run = tokio::time::timeout(timeout, run);
        tokio::pin!(run);
        let ended = tokio::select! {
            biased;
            ended = &mut run => Some(ended),
            _ = job.cancelled() => {
                let grace = *self.cancel_grace.borrow();
                tokio::time::timeout(grace, &mut run).await.ok()
            }
        };
        match (ended, job.cancellation()) {
            // It was done before it heard.
            (Some(Ok(Ok(done))), _) => Ok(done),
            (_, Some(reason)) => Err(Failure::Cancelled { reason: reason.to_owned() }),
            (Some(Ok(failed)), None) => failed,
            (Some(Err(_)) | None, None) => {
                Err(Failure::retry(format!("timed out after {:.3} s", timeout.as_secs_f64())))
            }
        }
    }
}
