//! `liaison workers`: who works, on what, and who has not been heard of for too long.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::{Isolation, RunningCard, WorkerCard, clock::Millis};

use super::{Global, answer, block_on, typed::Limit, words};
use crate::app::App;

#[derive(clap::Subcommand)]
pub(crate) enum WorkersCommand {
    /// The workers of every queue, and what each is running
    List {
        #[command(flatten)]
        limit: Limit,
    },
}

pub(crate) fn run(global: &Global, command: &WorkersCommand) -> Result<ExitCode> {
    let app = global.app()?;
    match command {
        WorkersCommand::List { limit } => block_on(list(&app, limit, global.json)),
    }
}

async fn list(app: &App, limit: &Limit, json: bool) -> Result<ExitCode> {
    let mut workers = Vec::new();
    for queue in app.queues().await? {
        if workers.len() < limit.ask() as usize {
            workers.extend(app.inspector(&queue).workers().await?);
        }
    }
    limit.cut(&mut workers);
    let now = liaison_queue::now(&app.link).await?;
    if json {
        let value = |(card, alive): &(WorkerCard, bool)| {
            let mut value = serde_json::to_value(card).unwrap_or_default();
            value["alive"] = (*alive).into();
            words::with_dates(value)
        };
        answer::json(&workers.iter().map(value).collect::<Vec<_>>());
        return Ok(ExitCode::SUCCESS);
    }
    if workers.is_empty() {
        answer::line("no workers");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = workers.iter().map(|(card, alive)| row(card, *alive, now)).collect();
    let headings = ["WORKER", "QUEUE", "HOST", "PID", "RUNNING", "OF", "BUFFERED", "UNRECORDED", "STATE"];
    answer::table(&headings, &rows);
    let jobs: Vec<_> =
        workers.iter().flat_map(|(card, _)| card.jobs.iter().map(|job| running(card, job, now))).collect();
    if !jobs.is_empty() {
        answer::line("");
        answer::table(&["RUNNING", "JOB", "ATTEMPT", "FOR", "WORKER", "QUEUE"], &jobs);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(card: &WorkerCard, alive: bool, now: Millis) -> Vec<String> {
    let state = match (alive, card.draining) {
        (false, _) => format!("dead, last seen {} ago", words::span(now.0 - card.beat_at)),
        (true, true) => "draining".to_owned(),
        (true, false) => format!("up for {}", words::span(now.0 - card.started_at)),
    };
    let state = match card.configuration.problem {
        Some(_) => format!("{state}; could not take its new configuration: `liaison doctor` says why"),
        None => state,
    };
    let state = match card.isolation {
        Isolation::None => state,
        Isolation::Apart => format!("{state}; runs suspects apart from others"),
        Isolation::Alone => format!("{state}; runs suspects alone"),
    };
    let counts = [card.running, card.concurrency, card.buffered, card.unrecorded];
    let names = [card.worker.clone(), card.queue.clone(), card.host.clone(), card.pid.to_string()];
    names.into_iter().chain(counts.map(|count| words::count(count as u64))).chain([state]).collect()
}

fn running(card: &WorkerCard, job: &RunningCard, now: Millis) -> Vec<String> {
    let long = words::span(now.0 - job.since);
    vec![job.id.clone(), job.job.clone(), job.attempt.to_string(), long, card.worker.clone(), card.queue.clone()]
}
