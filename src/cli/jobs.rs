//! `liaison jobs`: where a job is, which there are, which kinds of them this build knows; to take one back, or to let it
//! go sooner.

mod cancel;
mod hurry;
mod list;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use liaison_jobs::{CATALOG, Entry};
use liaison_queue::{JobId, state::Priority};
use serde::Serialize;

use super::{Global, answer, block_on, typed, words};
use crate::{app::App, config::units::show_duration};

#[derive(clap::Subcommand)]
pub(crate) enum JobsCommand {
    /// Where one job is, whatever became of it, and all its runs; exit code 1 if nobody knows it
    Show {
        /// The id of the job
        id: String,
    },
    /// The jobs in a state
    List(list::ListArgs),
    /// Take jobs back: what waits is removed, what runs is told and then stopped; exit code 1 if one was not
    Cancel(cancel::CancelArgs),
    /// Let a job go next that waits for its time or in its band; exit code 1 if it cannot
    RunNow {
        /// The id of the job
        id: String,
    },
    /// Give a waiting job another priority; exit code 1 if it does not wait
    Reprioritise {
        /// The id of the job
        id: String,
        /// The band in which it waits from now on
        #[arg(value_parser = typed::one_of::<Priority>(Priority::ALL.iter().map(|band| band.as_str())))]
        priority: Priority,
    },
    /// The kinds of jobs that this build knows
    Catalog,
}

/// A kind of job, for programs.
#[derive(Serialize)]
struct Kind {
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    diagnostic: bool,
    timeout: String,
    attempts: u32,
}

pub(crate) fn run(global: &Global, command: &JobsCommand) -> Result<ExitCode> {
    match command {
        JobsCommand::Show { id } => block_on(show::run(&global.app()?, id, global.json)),
        JobsCommand::List(args) => block_on(list::run(&global.app()?, args, global.json)),
        JobsCommand::Cancel(args) => block_on(cancel::run(&global.app()?, args, global.json)),
        JobsCommand::RunNow { id } => block_on(hurry::run(&global.app()?, id, None, global.json)),
        JobsCommand::Reprioritise { id, priority } => {
            block_on(hurry::run(&global.app()?, id, Some(*priority), global.json))
        }
        JobsCommand::Catalog => {
            catalog(global.json);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn unknown(id: &JobId) -> String {
    format!("{id}: no job of this id is in Redis; `liaison jobs show {id}` knows whether it has ended")
}

/// A job that nobody knows may be a line that no daemon has read.
async fn hint_at_inboxes(app: &App) -> Result<()> {
    let mut lines = 0;
    for queue in app.queues().await? {
        lines += app.inspector(&queue).depths().await?.inbox;
    }
    if lines > 0 {
        let lines = words::of(lines, "line");
        answer::note(&format!("{lines} in the inboxes that no daemon has read yet; it may be among them"));
    }
    Ok(())
}

fn catalog(json: bool) {
    let kind = |entry: &Entry| Kind {
        name: entry.name,
        aliases: entry.aliases,
        about: entry.about,
        diagnostic: entry.diagnostic,
        timeout: show_duration(entry.timeout),
        attempts: entry.retry.attempts,
    };
    let kinds: Vec<Kind> = CATALOG.iter().map(kind).collect();
    if json {
        return answer::json(&kinds);
    }
    let row = |kind: &Kind| {
        let Kind { name, about, diagnostic, timeout, attempts, .. } = kind;
        let note = if *diagnostic { "needs worker.diagnostics = true" } else { "" };
        vec![(*name).into(), timeout.clone(), attempts.to_string(), (*about).into(), note.into()]
    };
    let rows: Vec<_> = kinds.iter().map(row).collect();
    answer::table(&["JOB", "TIMEOUT", "ATTEMPTS", "WHAT IT DOES", ""], &rows);
}
