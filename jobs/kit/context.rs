//! What a running job knows of itself, and what it may use.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use liaison_queue::{Claimed, JobId, QueueName, Receipt, bonds::BatchEnd, clock::Millis, outcome::Failure};
use liaison_store::{Fact, LogEntry, Store};
use serde_json::Value;

use super::{Journal, Limits, Services, Trace};

#[derive(Debug, Clone)]
pub struct Context {
    /// The same over all attempts: what makes a second run of the same job recognisable.
    pub id: JobId,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// Nothing comes after this attempt: a failure is the end.
    pub is_last_attempt: bool,
    /// When the host asked for it: the same over all attempts.
    pub enqueued_at: DateTime<Utc>,
    /// If this job follows a batch: how the jobs of that batch have ended.
    pub batch: Option<BatchEnd>,
    /// What it may do how often, over all daemons.
    pub limits: Limits,
    /// Where it stands among all that its host began: for the header of a call, and a span around it.
    pub trace: Trace,
    pub(crate) services: Arc<Services>,
    journal: Journal,
    job: Arc<Claimed>,
    began: (Millis, Instant),
}

/// What the daemon gives to a run beside the job.
#[derive(Debug)]
pub struct Surroundings {
    /// How often it may be tried.
    pub max_attempts: u32,
    pub limits: Limits,
    pub trace: Trace,
    pub services: Arc<Services>,
    pub journal: Journal,
}

impl Context {
    /// For a run that begins now.
    #[must_use]
    pub fn of(job: &Arc<Claimed>, now: Millis, around: Surroundings) -> Self {
        let (id, attempt, batch, enqueued_at) =
            (job.id.clone(), job.attempt(), job.batch_end(), job.enqueued_at.date());
        let Surroundings { max_attempts, limits, trace, services, journal } = around;
        let is_last_attempt = attempt >= max_attempts;
        let (began, job) = ((now, Instant::now()), Arc::clone(job));
        Self { id, attempt, is_last_attempt, enqueued_at, batch, limits, trace, services, journal, job, began }
    }

    /// What time it is for Redis, which all daemons share.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let (began, since) = &self.began;
        began.plus(since.elapsed()).date()
    }

    /// The store.
    ///
    /// # Errors
    /// Where nothing is recorded: a benchmark of the bare queue runs no such job.
    pub fn store(&self) -> Result<&Store, Failure> {
        self.services.store.as_ref().ok_or_else(|| Failure::fatal("this process has no store"))
    }

    /// Leave a line in the integration log, with the run: its id and its time are set here.
    pub(crate) fn log(&self, entry: LogEntry) {
        let (id, created_at) = (JobId::generate().to_string(), self.now());
        self.note(Fact::Log(LogEntry { id, created_at, ..entry }));
    }

    /// Leave this with the run. What is not recorded, such as a snooze, leaves nothing.
    pub(crate) fn note(&self, fact: Fact) {
        self.journal.note(fact);
    }

    /// Ask for other jobs. Each has an id that follows from this job, so that asking again is asking once.
    ///
    /// # Errors
    /// A retry when Redis does not answer, and fatal when an envelope is refused: the same would be refused again.
    pub(crate) async fn enqueue(&self, envelopes: &[Value]) -> Result<(), Failure> {
        self.enqueue_new(envelopes).await.map(drop)
    }

    /// The same; how many of them are new, and not duplicates of what waits or runs.
    ///
    /// # Errors
    /// As `enqueue`.
    pub(crate) async fn enqueue_new(&self, envelopes: &[Value]) -> Result<usize, Failure> {
        let texts: Vec<String> = envelopes.iter().map(Value::to_string).collect();
        self.enqueue_texts(&texts).await
    }

    /// The same, for envelopes in which every byte of the arguments counts.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn enqueue_texts(&self, texts: &[String]) -> Result<usize, Failure> {
        let receipts = self.services.producer.enqueue(texts).await;
        let receipts = receipts.map_err(|fault| Failure::retry(format!("enqueue what follows: {fault}")))?;
        let mut new = 0;
        for receipt in receipts {
            match receipt {
                Receipt::Rejected { reason } => {
                    return Err(Failure::fatal(format!("what follows was refused: {reason}")));
                }
                Receipt::Queued { .. } => new += 1,
                Receipt::Duplicate { .. } => {}
            }
        }
        Ok(new)
    }

    /// The queue that it came from, over all its parts: where what follows goes as well.
    pub(crate) fn queue(&self) -> QueueName {
        self.job.queue.base()
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
