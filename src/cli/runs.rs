//! `liaison runs`: what happened, from the store. Redis is not asked.

use std::process::ExitCode;

use anyhow::Result;
use chrono::{DateTime, Utc};
use liaison_queue::JobId;
use liaison_store::{Run, RunFilter, RunOutcome};

use super::{
    Global, answer, block_on,
    typed::{self, Limit},
    words,
};
use crate::app::App;

#[derive(clap::Subcommand)]
pub(crate) enum RunsCommand {
    /// The newest runs
    List(ListArgs),
    /// Every run of one job, with its results; exit code 1 if there is none
    Show {
        /// The id of the job
        id: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Of jobs of this name only
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// That ended so only
    #[arg(long, value_parser = typed::one_of::<RunOutcome>(RunOutcome::ALL.into_iter().map(RunOutcome::as_str)))]
    outcome: Option<RunOutcome>,
    /// That ended so long ago at most, as in 1h, or since a time in RFC 3339
    #[arg(long, value_name = "DURATION|TIME", value_parser = typed::since)]
    since: Option<DateTime<Utc>>,
    #[command(flatten)]
    limit: Limit,
}

pub(crate) fn run(global: &Global, command: &RunsCommand) -> Result<ExitCode> {
    let app = global.app()?;
    match command {
        RunsCommand::List(args) => block_on(list(&app, args, global.json)),
        RunsCommand::Show { id } => block_on(show(&app, id, global.json)),
    }
}

async fn list(app: &App, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let filter = RunFilter {
        name: args.job.clone(),
        outcome: args.outcome,
        since: args.since,
        limit: args.limit.ask(),
        ..RunFilter::default()
    };
    let mut runs = app.store().await?.runs(filter).await?;
    args.limit.cut(&mut runs);
    if json {
        answer::json(&runs);
    } else if runs.is_empty() {
        answer::line("no runs");
    } else {
        let row = |run: &Run| {
            let mut row = vec![words::date(run.finished_at), run.job_id.clone(), run.name.clone(), run.queue.clone()];
            row.extend(cells(run));
            row
        };
        let headings = ["FINISHED", "ID", "JOB", "QUEUE", "RUN", "ATTEMPT", "OUTCOME", "TOOK", "REASON OR RESULT"];
        answer::table(&headings, &runs.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(app: &App, id: &str, json: bool) -> Result<ExitCode> {
    let id: JobId = typed::name(id)?;
    let runs = app.store().await?.runs_of(id.as_str()).await?;
    if json {
        answer::json(&runs);
    } else {
        for (at, run) in runs.iter().enumerate() {
            if at > 0 {
                answer::line("");
            }
            card(run);
        }
    }
    if runs.is_empty() {
        answer::note(&format!("no run of {id} is recorded; `liaison jobs show {id}` also asks Redis"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The runs of one job below each other.
pub(crate) fn table_of_one(runs: &[Run]) {
    let row = |run: &Run| {
        let mut row = cells(run);
        row.insert(0, words::date(run.finished_at));
        row
    };
    let headings = ["FINISHED", "RUN", "ATTEMPT", "OUTCOME", "TOOK", "REASON OR RESULT"];
    answer::table(&headings, &runs.iter().map(row).collect::<Vec<_>>());
}

/// As much of a reason or a result as a table bears; `runs show` has all of it.
const SHOWN: usize = 100;

fn cells(run: &Run) -> Vec<String> {
    let text = run.reason.as_deref().or(run.result.as_deref()).unwrap_or_default();
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    vec![
        run.run.to_string(),
        run.attempt.to_string(),
        run.outcome.to_string(),
        run.duration_ms.map_or("-".to_owned(), words::span),
        shown,
    ]
}

fn card(run: &Run) {
    answer::card(&[
        ("id", Some(run.job_id.clone())),
        ("run", Some(run.run.to_string())),
        ("attempt", Some(run.attempt.to_string())),
        ("job", Some(run.name.clone()).filter(|name| !name.is_empty())),
        ("queue", Some(run.queue.clone())),
        ("worker", Some(run.worker.clone())),
        ("outcome", Some(run.outcome.to_string())),
        ("reason", run.reason.clone()),
        ("result", run.result.clone()),
        ("enqueued", Some(words::date(run.enqueued_at))),
        ("started", run.started_at.map(words::date)),
        ("finished", Some(words::date(run.finished_at))),
        ("took", run.duration_ms.map(words::span)),
        ("again at", run.retry_at.map(words::date)),
        ("trace", run.trace.clone()),
    ]);
}
