//! `liaison dead revive`: queue jobs again, then forget their letters.
//!
//! In this order nothing is lost: whoever dies in between leaves a job that lives and a letter that is stale, and to
//! revive it again finds the job alive and forgets the letter. Two things could still go wrong, and do not:
//!
//! * The job dies again before its letter is forgotten. Then its letter is a new one, with more runs, and only the
//!   letter that was read is forgotten.
//! * The job is just being buried: its letter stands, but it has not left Redis yet and so looks alive. That life
//!   began when the letter says it was enqueued; then we wait until it has left.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use liaison_queue::{JobId, Producer, QueueName, Receipt, Revival, clock::Clock, shards};
use liaison_store::{DeadLetter, Store, StoreError};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    mend::{Mended, mend},
    pages::{Item, Which},
};
use crate::{
    app::App,
    cli::{
        answer::{self, Progress},
        typed, words,
    },
};

#[derive(clap::Args)]
pub(crate) struct ReviveArgs {
    #[command(flatten)]
    which: Which,
    /// New arguments in place of the old: JSON, or @FILE, or - for standard input
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
}

/// Envelopes in memory at a time.
const MAX_BYTES: usize = 4 << 20;
/// How often a job that is being buried is looked at again, and how many times: an acknowledgement takes less.
const LEAVING: Duration = Duration::from_millis(100);
const LOOKS: u32 = 30;

/// What became of one letter.
#[derive(Serialize)]
struct Revived {
    id: String,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Queued,
    /// It was alive already, and its letter is gone.
    Duplicate,
    /// Left as it was, for a reason.
    Refused,
    /// There is no letter of this id.
    Unknown,
}

struct Reviver<'a> {
    app: &'a App,
    store: Store,
    producer: Producer,
    args: Option<Box<RawValue>>,
    /// Queued, alive already, left as they were.
    counts: [u64; 3],
    /// How often to look whether a job has left; once it was in vain, nobody acknowledges, and waiting is no use.
    looks: u32,
    quiet: bool,
    json: bool,
}

pub(super) async fn run(app: &App, args: &ReviveArgs, json: bool) -> Result<ExitCode> {
    let max = app.limits().max_args;
    let new = args.args.as_deref().map(|written| typed::arguments(written, max)).transpose()?;
    let store = app.store_with_keys().await?;
    let Some(mut pages) = args.which.begin(&store, "Revive", json).await? else { return Ok(ExitCode::SUCCESS) };
    let quiet = args.which.is_all() && !json;
    let producer = app.producer();
    let mut reviver = Reviver { app, store, producer, args: new, counts: [0; 3], looks: LOOKS, quiet, json };
    let mut progress = Progress::of("revived");
    let walked = async {
        loop {
            let page = pages.next(&reviver.store).await?;
            if page.is_empty() {
                return Ok::<(), anyhow::Error>(());
            }
            reviver.page(page).await?;
            progress.at(reviver.counts[0]);
        }
    };
    let walked = walked.await;
    progress.clear();
    let [queued, alive, left] = reviver.counts;
    if args.which.is_all() {
        let (queued, alive, left) = (words::count(queued), words::count(alive), words::count(left));
        answer::summary(&format!("{queued} revived, {alive} were alive already, {left} left as they were"), json);
    }
    walked.context("revive dead letters; those not named above are as they were, so the same command goes on")?;
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Reviver<'_> {
    async fn page(&mut self, page: Vec<Item>) -> Result<()> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for item in page {
            let letter = match item {
                Item::Letter(letter) => letter,
                Item::Missing(id) => {
                    self.say(&Revived { id, status: Status::Unknown, reason: None, warning: None });
                    continue;
                }
            };
            match self.prepare(&letter).await? {
                Ok((revival, warning)) => {
                    bytes += revival.envelope.len();
                    batch.push((letter, revival, warning));
                }
                Err(reason) => {
                    let id = letter.job_id;
                    self.say(&Revived { id, status: Status::Refused, reason: Some(reason), warning: None });
                }
            }
            if bytes >= MAX_BYTES {
                self.send(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        self.send(batch).await
    }

    /// The job as it goes back; or why it cannot.
    async fn prepare(&self, letter: &DeadLetter) -> Result<Result<(Revival, Option<String>), String>> {
        let envelope = match self.store.dead_envelope(&letter.job_id).await {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return Ok(Err("its letter is gone: somebody else revived or discarded it".to_owned())),
            Err(fault @ StoreError::Sealed { .. }) => return Ok(Err(liaison_queue::chain(&fault))),
            Err(fault) => return Err(fault.into()),
        };
        let prepared = || {
            let Mended { envelope, warning } =
                mend(letter, envelope, self.args.as_deref(), self.app.limits(), Clock::wall())?;
            let runs = u32::try_from(letter.runs).unwrap_or(0);
            let (id, queue) = (JobId::parse(&letter.job_id)?, QueueName::parse(&letter.queue)?);
            Ok((Revival { id, queue, runs, envelope }, warning))
        };
        Ok(prepared())
    }

    async fn send(&mut self, batch: Vec<(DeadLetter, Revival, Option<String>)>) -> Result<()> {
        let (mut told, mut revivals) = (Vec::new(), Vec::new());
        for (letter, revival, warning) in batch {
            told.push((letter, warning));
            revivals.push(revival);
        }
        let receipts = self.producer.revive(&revivals).await?;
        let (mut answers, mut stale) = (Vec::new(), Vec::new());
        for (((letter, warning), revival), receipt) in told.into_iter().zip(revivals).zip(receipts) {
            let status = match receipt {
                Receipt::Queued { .. } => Ok(Status::Queued),
                Receipt::Duplicate { of, .. } if of != letter.job_id => {
                    Err(format!("{of} has its unique key; try again when that has ended"))
                }
                Receipt::Duplicate { .. } => self.alive(&letter, revival).await?,
                Receipt::Rejected { reason } => Err(reason),
            };
            let id = letter.job_id.clone();
            let status = match status {
                Ok(status) => status,
                Err(reason) => {
                    answers.push(Revived { id, status: Status::Refused, reason: Some(reason), warning: None });
                    continue;
                }
            };
            stale.push((letter.job_id, letter.runs));
            answers.push(Revived { id, status, reason: None, warning: warning.filter(|_| status == Status::Queued) });
        }
        // Invariant: a letter is forgotten after its job lives, and never one that was written later.
        let forgotten = self.store.forget_dead_letters(stale).await;
        for answer in &answers {
            self.say(answer);
        }
        forgotten.context("the jobs above are alive, but their letters stay until they are revived once more")?;
        Ok(())
    }

    /// The id is taken: by a later life of the job, or by the very life that is being buried, which has to leave first.
    async fn alive(&mut self, letter: &DeadLetter, revival: Revival) -> Result<Result<Status, String>> {
        let parts = shards::parts(&self.app.link, &revival.queue).await?;
        let (id, revivals) = (revival.id.clone(), [revival]);
        for _ in 0..self.looks {
            let mut found = None;
            for part in &parts {
                found = found.or(self.app.inspector(part).find(&id).await?);
            }
            match found {
                Some(job) if job.enqueued_at != letter.enqueued_at.timestamp_millis() => {
                    return Ok(Ok(Status::Duplicate));
                }
                Some(_) => tokio::time::sleep(LEAVING).await,
                None => match self.producer.revive(&revivals).await?.pop() {
                    Some(Receipt::Queued { .. }) => return Ok(Ok(Status::Queued)),
                    Some(Receipt::Rejected { reason }) => return Ok(Err(reason)),
                    Some(Receipt::Duplicate { .. }) | None => tokio::time::sleep(LEAVING).await,
                },
            }
        }
        self.looks = 1;
        let reason = "its death is recorded but not acknowledged, which needs a running worker; try again in a moment";
        Ok(Err(reason.to_owned()))
    }

    fn say(&mut self, revived: &Revived) {
        let Revived { id, status, reason, warning } = revived;
        let count = match status {
            Status::Queued => 0,
            Status::Duplicate => 1,
            Status::Refused | Status::Unknown => 2,
        };
        self.counts[count] += 1;
        if self.json {
            return answer::json(revived);
        }
        let (id, reason) = (words::plain(id), words::plain(reason.as_deref().unwrap_or_default()));
        let line = |text: &str| {
            if !self.quiet {
                answer::line(&format!("{id}: {text}"));
            }
        };
        match status {
            Status::Queued => line("queued again"),
            Status::Duplicate => line("was alive already; its letter is gone"),
            Status::Refused => answer::note(&format!("{id}: left as it was: {reason}")),
            Status::Unknown => answer::note(&format!("{id}: no dead letter of this id")),
        }
        if let Some(warning) = warning {
            answer::note(&format!("{id}: {warning}"));
        }
    }
}
