//! `liaison queues purge`: take back all that waits in a queue. Nothing is thrown away unseen: lines that no daemon has
//! read become jobs first, and every job is recorded as cancelled, with who did it and why, by the next daemon.

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::{Depths, QueueName, shards};
use serde_json::json;

use crate::{
    app::App,
    cli::{
        answer::{self, Progress},
        typed::{self, Because},
        words,
    },
};

#[derive(clap::Args)]
pub(crate) struct PurgeArgs {
    /// The queue
    queue: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    because: Because,
}

pub(super) async fn run(app: &App, args: &PurgeArgs, json: bool) -> Result<ExitCode> {
    let name: QueueName = typed::name(&args.queue)?;
    let known = app.queues().await?;
    if !known.contains(&name) {
        bail!(super::unknown(&name, &known));
    }
    let parts = shards::parts(&app.link, &name).await?;
    let before = depths(app, &parts).await?;
    let waiting = before.iter().map(all_that_waits).sum();
    let mut purged = 0;
    if waiting > 0 {
        let question = format!("Take back {} that wait in {name}, delayed ones and lanes too?", jobs(waiting));
        if !args.yes && !answer::confirm(&question)? {
            answer::summary("nothing done", json);
            return Ok(ExitCode::SUCCESS);
        }
        let by = args.because.by();
        let mut progress = Progress::of("taken back");
        // All lines first: one part may send some on to another.
        for part in &parts {
            app.operator(part).admit_all().await?;
        }
        for part in &parts {
            loop {
                let some = app.operator(part).purge(&by, &args.because.reason).await?;
                if some == 0 {
                    break;
                }
                purged += some;
                progress.at(purged);
            }
        }
        progress.clear();
    }
    let left = depths(app, &parts).await?;
    // What is being recorded is held like what runs, but it did not run before.
    let running = running(&left).min(running(&before));
    if json {
        answer::json(&json!({"queue": name, "cancelled": purged, "running": running}));
        return Ok(ExitCode::SUCCESS);
    }
    answer::line(&format!("{} taken back from {name}", jobs(purged)));
    if running > 0 {
        let run = if running == 1 { "runs" } else { "run" };
        answer::note(&format!("{} {run} on: `liaison jobs cancel ID` takes one back", jobs(running)));
    }
    if left.iter().any(|part| part.departing > 0 && part.workers == 0) {
        answer::note("no worker serves the queue; the next one records them as cancelled");
    }
    Ok(ExitCode::SUCCESS)
}

async fn depths(app: &App, parts: &[QueueName]) -> Result<Vec<Depths>> {
    let mut depths = Vec::with_capacity(parts.len());
    for part in parts {
        depths.push(app.inspector(part).depths().await?);
    }
    Ok(depths)
}

fn running(parts: &[Depths]) -> u64 {
    parts.iter().map(|part| part.running).sum()
}

fn all_that_waits(depths: &Depths) -> u64 {
    depths.waiting() + depths.due_later + depths.in_lanes + depths.suspects
}

fn jobs(number: u64) -> String {
    words::of(number, "job")
}
