//! `liaison dead`: jobs that were given up; to read, to bring back, or to throw away.

mod discard;
mod mend;
mod pages;
mod revive;

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::clock::Clock;
use liaison_store::{DeadFilter, DeadLetter, Store};

use super::{Global, answer, block_on, typed::Limit, words};
use crate::app::App;

#[derive(clap::Subcommand)]
pub(crate) enum DeadCommand {
    /// The newest dead letters
    List {
        /// Of jobs of this name only
        #[arg(long, value_name = "NAME")]
        job: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// One dead letter; exit code 1 if there is none
    Show {
        /// The id of the job
        id: String,
        /// Open the envelope and print it, with all that the host sent
        #[arg(long)]
        reveal: bool,
    },
    /// Queue jobs again under their ids, with their attempts counted anew
    Revive(revive::ReviveArgs),
    /// Throw letters away for good; the runs of their jobs stay
    Discard(pages::Which),
}

pub(crate) fn run(global: &Global, command: &DeadCommand) -> Result<ExitCode> {
    let app = global.app()?;
    block_on(async {
        match command {
            DeadCommand::List { job, limit } => list(&app, job.clone(), limit, global.json).await,
            DeadCommand::Show { id, reveal } => show(&app, id, *reveal, global.json).await,
            DeadCommand::Revive(args) => revive::run(&app, args, global.json).await,
            DeadCommand::Discard(which) => discard::run(&app, which, global.json).await,
        }
    })
}

async fn list(app: &App, name: Option<String>, limit: &Limit, json: bool) -> Result<ExitCode> {
    let filter = DeadFilter { name, limit: limit.ask(), ..DeadFilter::default() };
    let mut letters = app.store().await?.dead_letters(filter).await?;
    limit.cut(&mut letters);
    if json {
        answer::json(&letters);
    } else if letters.is_empty() {
        answer::line("no dead letters");
    } else {
        let row = |letter: &DeadLetter| {
            let DeadLetter { job_id, queue, attempts, crashes, reason, .. } = letter;
            let counts = [attempts.to_string(), crashes.to_string()];
            let texts = [words::date(letter.buried_at), job_id.clone(), name_of(letter), queue.clone()];
            texts.into_iter().chain(counts).chain([reason.clone()]).collect()
        };
        let headings = ["BURIED", "ID", "JOB", "QUEUE", "ATTEMPTS", "CRASHES", "REASON"];
        answer::table(&headings, &letters.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// A line that named no job has a letter all the same.
fn name_of(letter: &DeadLetter) -> String {
    if letter.name.is_empty() { "(malformed)".to_owned() } else { letter.name.clone() }
}

async fn show(app: &App, id: &str, reveal: bool, json: bool) -> Result<ExitCode> {
    let store = if reveal { app.store_with_keys().await? } else { app.store().await? };
    let Some(letter) = store.dead_letter(id).await? else {
        bail!("no dead letter of {id}; `liaison jobs show` says what became of a job");
    };
    let envelope = if reveal { opened(&store, id).await? } else { None };
    if json {
        let mut value = serde_json::to_value(&letter)?;
        if let Some(envelope) = envelope {
            value["envelope"] = envelope.into();
        }
        answer::json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    let age = words::span(Clock::wall().0 - letter.buried_at.timestamp_millis());
    answer::card(&[
        ("id", Some(letter.job_id.clone())),
        ("job", Some(name_of(&letter))),
        ("queue", Some(letter.queue.clone())),
        ("reason", Some(letter.reason.clone())),
        ("attempts", Some(letter.attempts.to_string())),
        ("crashes", Some(letter.crashes.to_string())),
        ("runs", Some(letter.runs.to_string())),
        ("enqueued", Some(words::date(letter.enqueued_at))),
        ("buried", Some(format!("{}, {age} ago", words::date(letter.buried_at)))),
        ("envelope", Some(envelope.unwrap_or_else(|| "sealed; --reveal opens it".to_owned()))),
    ]);
    Ok(ExitCode::SUCCESS)
}

/// As text: a malformed envelope may be anything.
async fn opened(store: &Store, id: &str) -> Result<Option<String>> {
    Ok(store.dead_envelope(id).await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
