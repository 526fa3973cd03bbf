//! `liaison jobs`: where a job is, which there are, and which kinds of them this build knows.

mod list;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use liaison_jobs::{CATALOG, Entry};
use serde::Serialize;

use super::{Global, answer, block_on};
use crate::config::units::show_duration;

#[derive(clap::Subcommand)]
pub(crate) enum JobsCommand {
    /// Where one job is, whatever became of it, and all its runs; exit code 1 if nobody knows it
    Show {
        /// The id of the job
        id: String,
    },
    /// The jobs in a state
    List(list::ListArgs),
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
        JobsCommand::Catalog => {
            catalog(global.json);
            Ok(ExitCode::SUCCESS)
        }
    }
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
