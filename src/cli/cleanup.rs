//! `liaison cleanup`: what the job `cleanup_old_integration_logs` does, here and now. Redis is not asked.

use std::{cell::Cell, process::ExitCode, time::Duration};

use anyhow::{Result, anyhow};
use liaison_jobs::{Halt, Looked, Report, Sweep, Swept};
use liaison_queue::{JobId, clock::Clock, outcome::Failure};
use liaison_store::{Class, Store};

use super::{
    Global,
    answer::{self, Progress},
    block_on, typed, words,
};
use crate::{app::App, config::environment::operator};

#[derive(clap::Args)]
pub(crate) struct CleanupArgs {
    /// Only count what would go
    #[arg(long)]
    dry_run: bool,
    /// Instead of what the configuration says for each class, as in 30d
    #[arg(long, value_name = "DURATION", value_parser = typed::duration)]
    older_than: Option<Duration>,
    /// Of this class only; may be given several times
    #[arg(long, value_parser = typed::one_of::<Class>(Class::ALL.into_iter().map(Class::as_str)))]
    class: Vec<Class>,
    /// Do not export rows before they are deleted
    #[arg(long)]
    no_export: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(global: &Global, args: &CleanupArgs) -> Result<ExitCode> {
    let app = global.app()?;
    block_on(clean(&app, args, global.json))
}

async fn clean(app: &App, args: &CleanupArgs, json: bool) -> Result<ExitCode> {
    let store = app.store().await?;
    let sweep = sweep(app, &store, args);
    if args.dry_run || !args.yes {
        let looked = sweep.look().await.map_err(said)?;
        if args.dry_run {
            if json {
                answer::json(&looked);
            } else {
                answer::table(&HEADINGS, &looked.iter().map(row_of_look).collect::<Vec<_>>());
                tell_skipped(looked.iter().map(|looked| (looked.class, looked.skipped)));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let rows = looked.iter().map(|looked| looked.would_go).sum();
        if rows == 0 {
            answer::summary("nothing to delete", json);
            return Ok(ExitCode::SUCCESS);
        }
        if !answer::confirm(&format!("Delete for good: {}?", words::of(rows, "row")))? {
            answer::summary("nothing done", json);
            return Ok(ExitCode::SUCCESS);
        }
    }
    let report = swept(&sweep).await?;
    let mut line = report.line();
    line.message = format!("{}, by {}", line.message, operator());
    (line.id, line.created_at) = (JobId::generate().to_string(), Clock::wall().date());
    store.log(vec![line]).await?;
    if json {
        answer::json(&serde_json::json!({"finished": report.finished, "sum": report}));
    } else {
        let headings = ["CLASS", "OLDER THAN", "DELETED", "HELD", "NEEDED", "EXPORTED TO"];
        answer::table(&headings, &report.classes.iter().map(row_of_end).collect::<Vec<_>>());
        tell_skipped(report.classes.iter().map(|swept| (swept.class, swept.skipped)));
        if report.space_returned_bytes > 0 {
            answer::line(&format!("{} MiB given back", report.space_returned_bytes >> 20));
        }
    }
    if !report.finished {
        answer::note("stopped before the end; the next cleanup goes on");
    }
    Ok(if report.finished { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn sweep<'a>(app: &App, store: &'a Store, args: &CleanupArgs) -> Sweep<'a> {
    let retention = app.config.retention.of_jobs();
    let export = retention.export_folder.clone().filter(|_| !args.no_export);
    Sweep {
        store,
        now: Clock::wall().date(),
        retention,
        older_than: args.older_than,
        classes: args.class.clone(),
        export,
        name: JobId::generate().to_string(),
    }
}

/// To its end, or to Ctrl-C: the batch that is under way is finished.
async fn swept(sweep: &Sweep<'_>) -> Result<Report> {
    let (stopped, mut progress) = (Cell::new(false), Progress::of("rows deleted"));
    let halt = || if stopped.get() { Halt::Now } else { Halt::No };
    let (mut done, mut current) = (0, None);
    let told = |swept: &Swept| {
        if current.is_some_and(|(class, _)| class != swept.class) {
            done += current.map_or(0, |(_, rows)| rows);
        }
        current = Some((swept.class, swept.deleted));
        progress.at(done + swept.deleted);
    };
    let work = sweep.run(halt, told);
    tokio::pin!(work);
    let report = tokio::select! {
        report = &mut work => report,
        _ = tokio::signal::ctrl_c() => {
            stopped.set(true);
            work.await
        }
    };
    answer::progress("");
    report.map_err(said)
}

const HEADINGS: [&str; 5] = ["CLASS", "OLDER THAN", "WOULD GO", "HELD", "NEEDED"];

fn row_of_look(looked: &Looked) -> Vec<String> {
    let counts = [looked.would_go, looked.held, looked.needed].map(words::count);
    [looked.class.as_str().to_owned(), words::date(looked.before)].into_iter().chain(counts).collect()
}

fn row_of_end(swept: &Swept) -> Vec<String> {
    let counts = [swept.deleted, swept.held, swept.needed].map(words::count);
    let files: Vec<&str> = swept.exported.iter().map(|exported| exported.file.as_str()).collect();
    let mut row = vec![swept.class.as_str().to_owned(), words::date(swept.before)];
    row.extend(counts);
    row.push(if files.is_empty() { "-".to_owned() } else { files.join(" ") });
    row
}

fn tell_skipped(classes: impl Iterator<Item = (Class, Option<&'static str>)>) {
    for (class, why) in classes.filter_map(|(class, why)| Some((class, why?))) {
        answer::note(&format!("{} stays for now: {why}", class.as_str()));
    }
}

/// A job's failure, as a command says it.
pub(super) fn said(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Retry { reason, .. } | Failure::Fatal { reason } | Failure::Cancelled { reason } => anyhow!(reason),
        Failure::Snooze { .. } | Failure::Expired | Failure::HandBack => anyhow!("stopped before the end"),
    }
}
