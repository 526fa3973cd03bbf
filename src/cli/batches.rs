//! `liaison batches`: jobs with one end; how far each batch is, and to open and seal one from a shell.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use liaison_queue::{
    BatchId, QueueName,
    batches::{BatchCard, BatchError, BatchFound, BatchState},
    clock::Millis,
    shards,
};
use serde_json::{Value, json};

use super::{
    Global,
    answer::{self, Usage},
    block_on,
    typed::{self, Limit},
    words,
};
use crate::app::App;

#[derive(clap::Subcommand)]
pub(crate) enum BatchesCommand {
    /// The batches that are not over, the oldest first
    List {
        /// Of this queue only
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// How far one batch is; exit code 1 if nobody opened it
    Show {
        #[command(flatten)]
        batch: Which,
    },
    /// Open a batch, before its jobs are sent; twice is as good as once
    Open {
        #[command(flatten)]
        batch: Which,
        /// The envelope of the job that follows when all have ended, in JSON, or @FILE, or - for standard input
        #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
        then: Option<String>,
    },
    /// Say how many jobs it has, after they were sent; when as many have ended, it is over
    Seal {
        #[command(flatten)]
        batch: Which,
        /// How many jobs of it were queued
        #[arg(long, value_name = "N")]
        size: u64,
    },
}

#[derive(clap::Args)]
pub(crate) struct Which {
    /// The id of the batch
    #[arg(value_name = "ID")]
    batch: String,
    /// Where all of its jobs wait [default: default]
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
}

impl Which {
    /// The batch, and the part of its queue that it is in.
    async fn find(&self, app: &App) -> Result<(BatchId, QueueName)> {
        let queue = self.queue.as_deref().map(typed::name::<QueueName>).transpose()?;
        let (batch, queue) = (typed::name::<BatchId>(&self.batch)?, queue.unwrap_or_else(QueueName::default_queue));
        let part = shards::part_of(&app.link, &queue, batch.as_str()).await?;
        Ok((batch, part))
    }
}

pub(crate) fn run(global: &Global, command: &BatchesCommand) -> Result<ExitCode> {
    let (app, json) = (global.app()?, global.json);
    block_on(async {
        match command {
            BatchesCommand::List { queue, limit } => list(&app, queue.as_deref(), limit, json).await,
            BatchesCommand::Show { batch } => show(&app, batch, json).await,
            BatchesCommand::Open { batch, then } => open(&app, batch, then.as_deref(), json).await,
            BatchesCommand::Seal { batch, size } => seal(&app, batch, *size, json).await,
        }
    })
}

async fn list(app: &App, queue: Option<&str>, limit: &Limit, json: bool) -> Result<ExitCode> {
    let mut batches = Vec::new();
    for queue in typed::queues(app, queue).await? {
        batches.extend(app.inspector(&queue).batches().await?);
    }
    batches.sort_by_key(|card| card.opened_at);
    limit.cut(&mut batches);
    if json {
        answer::json(&batches.iter().map(as_json).collect::<Vec<_>>());
        return Ok(ExitCode::SUCCESS);
    }
    if batches.is_empty() {
        answer::line("no batches");
        return Ok(ExitCode::SUCCESS);
    }
    let now = liaison_queue::now(&app.link).await?;
    let headings =
        ["BATCH", "QUEUE", "STATE", "ENDED", "OF", "DONE", "DEAD", "EXPIRED", "CANCELLED", "REPLACED", "OPENED"];
    answer::table(&headings, &batches.iter().map(|card| row(card, now)).collect::<Vec<_>>());
    Ok(ExitCode::SUCCESS)
}

fn row(card: &BatchCard, now: Millis) -> Vec<String> {
    let size = card.size.map_or("?".to_owned(), words::count);
    let counts = [card.done, card.dead, card.expired, card.cancelled, card.replaced].map(words::count);
    [card.batch.to_string(), card.queue.to_string(), card.state.to_string(), words::count(card.left()), size]
        .into_iter()
        .chain(counts)
        .chain([format!("{} ago", words::span(now.0 - card.opened_at))])
        .collect()
}

async fn show(app: &App, which: &Which, json: bool) -> Result<ExitCode> {
    let (batch, queue) = which.find(app).await?;
    let card = match app.inspector(&queue).batch(&batch).await? {
        BatchFound::Living(card) => card,
        BatchFound::Over => {
            return Ok(tell(json, &batch, &queue, BatchState::Over, "it is over; its follow-up has set out"));
        }
        BatchFound::Unknown => bail!(unknown(&batch, &queue)),
    };
    if json {
        answer::json(&as_json(&card));
        return Ok(ExitCode::SUCCESS);
    }
    let now = liaison_queue::now(&app.link).await?;
    let count = |number: u64| (number > 0).then(|| words::count(number));
    answer::card(&[
        ("batch", Some(card.batch.to_string())),
        ("queue", Some(card.queue.to_string())),
        ("state", Some(card.state.to_string())),
        ("opened", Some(format!("{} ago", words::span(now.0 - card.opened_at)))),
        ("jobs", Some(card.size.map_or("not sealed yet".to_owned(), words::count))),
        ("ended", Some(words::count(card.left()))),
        ("done", count(card.done)),
        ("dead", count(card.dead)),
        ("expired", count(card.expired)),
        ("cancelled", count(card.cancelled)),
        ("replaced", count(card.replaced)),
        ("then", card.follow_up.clone()),
    ]);
    Ok(ExitCode::SUCCESS)
}

async fn open(app: &App, which: &Which, then: Option<&str>, json: bool) -> Result<ExitCode> {
    let (batch, queue) = which.find(app).await?;
    let then = then.map(|written| typed::envelope("--then", written, app.limits())).transpose()?;
    let follow_up = then.as_ref().map(|envelope| envelope.get().as_bytes());
    let state = match app.batches(&queue).open(&batch, follow_up).await {
        Ok(state) => state,
        Err(BatchError::FollowUp(wrong)) => bail!(Usage(format!("--then: {wrong}"))),
        Err(BatchError::Queue(fault)) => return Err(fault).context("open the batch"),
    };
    let words = match state {
        BatchState::Over => "was over already; a new batch needs an id of its own",
        BatchState::Open | BatchState::Sealed => {
            "is open: send its jobs with --batch, then `liaison batches seal` with how many were queued"
        }
    };
    Ok(tell(json, &batch, &queue, state, words))
}

async fn seal(app: &App, which: &Which, size: u64, json: bool) -> Result<ExitCode> {
    let (batch, queue) = which.find(app).await?;
    // A mistyped id would be a batch that never ends.
    if matches!(app.inspector(&queue).batch(&batch).await?, BatchFound::Unknown) {
        bail!(unknown(&batch, &queue));
    }
    let state = app.batches(&queue).seal(&batch, size).await?;
    let words = match state {
        BatchState::Over => "is over".to_owned(),
        BatchState::Open | BatchState::Sealed => {
            format!("is sealed, and over when {} of it have ended", words::of(size, "job"))
        }
    };
    Ok(tell(json, &batch, &queue, state, &words))
}

fn tell(json: bool, batch: &BatchId, queue: &QueueName, state: BatchState, words: &str) -> ExitCode {
    if json {
        answer::json(&json!({"batch": batch, "queue": queue, "state": state}));
    } else {
        answer::line(&format!("{batch}: {words}"));
    }
    ExitCode::SUCCESS
}

fn unknown(batch: &BatchId, queue: &QueueName) -> String {
    format!("no batch {batch} is open in queue {queue}, and none of this id ended there within a week")
}

fn as_json(card: &BatchCard) -> Value {
    let mut value = words::with_dates(json!(card));
    value["ended"] = card.left().into();
    value
}
