//! `liaison queues`: how deep, how old, served by whom; to hold a queue back for a while, or to empty it.

mod purge;

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::{Depths, QueueName, shards};
use serde_json::json;

use super::{
    Global, answer, block_on,
    typed::{self, Limit},
    words,
};
use crate::{app::App, config::hint::nearest};

#[derive(clap::Subcommand)]
pub(crate) enum QueuesCommand {
    /// All queues that are configured here or known to Redis
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Claim no more from a queue, on every worker, until it is resumed; what runs goes on
    Pause {
        /// The queue
        queue: String,
    },
    /// Claim from it again
    Resume {
        /// The queue
        queue: String,
    },
    /// Take back all that waits in a queue, to be recorded as cancelled; what runs goes on
    Purge(purge::PurgeArgs),
}

pub(crate) fn run(global: &Global, command: &QueuesCommand) -> Result<ExitCode> {
    let app = global.app()?;
    block_on(async {
        match command {
            QueuesCommand::List { limit } => list(&app, limit, global.json).await,
            QueuesCommand::Pause { queue } => hold(&app, queue, true, global.json).await,
            QueuesCommand::Resume { queue } => hold(&app, queue, false, global.json).await,
            QueuesCommand::Purge(args) => purge::run(&app, args, global.json).await,
        }
    })
}

async fn list(app: &App, limit: &Limit, json: bool) -> Result<ExitCode> {
    let mut names = app.queues().await?;
    limit.cut(&mut names);
    let mut queues = Vec::with_capacity(names.len());
    for name in &names {
        queues.push(app.inspector(name).depths().await?);
    }
    if json {
        answer::json(&words::with_dates(serde_json::to_value(&queues)?));
    } else if queues.is_empty() {
        answer::line("no queues");
    } else {
        let headings = [
            "QUEUE", "WAITING", "HIGH", "NORMAL", "LOW", "INBOX", "LATER", "LANES", "RUNNING", "OLDEST", "WORKERS", "",
        ];
        answer::table(&headings, &queues.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

fn row(queue: &Depths) -> Vec<String> {
    let mut notes = Vec::new();
    match (queue.paused, queue.workers, queue.is_empty()) {
        (true, _, _) => notes.push("paused".to_owned()),
        (false, 0, false) => notes.push("nobody serves it".to_owned()),
        (false, _, _) => {}
    }
    // Rare, and worth a look when there are any.
    if queue.suspects > 0 {
        notes.push(words::of(queue.suspects, "suspect"));
    }
    let Depths { high, normal, low, inbox, due_later, in_lanes, running, .. } = *queue;
    let counts = [queue.waiting(), high, normal, low, inbox, due_later, in_lanes, running];
    let oldest = queue.oldest_ms.map_or("-".to_owned(), words::span);
    let rest = [oldest, words::count(queue.workers), notes.join(", ")];
    [queue.queue.to_string()].into_iter().chain(counts.into_iter().map(words::count)).chain(rest).collect()
}

async fn hold(app: &App, queue: &str, pause: bool, json: bool) -> Result<ExitCode> {
    let name: QueueName = typed::name(queue)?;
    let known = app.queues().await?;
    if !known.contains(&name) {
        bail!(unknown(&name, &known));
    }
    let (mut running, mut waiting) = (0, 0);
    for part in shards::parts(&app.link, &name).await? {
        let inspector = app.inspector(&part);
        // Looked at before: to resume puts a line into the inbox, which wakes a worker and is no job.
        let depths = inspector.depths().await?;
        (running, waiting) = (running + depths.running, waiting + depths.waiting());
        if pause {
            inspector.pause().await?;
        } else {
            inspector.resume().await?;
        }
    }
    if json {
        answer::json(&json!({"queue": name, "paused": pause}));
    } else {
        let running = words::of(running, "job");
        answer::line(&if pause {
            format!("paused {name}: {running} still running; `liaison queues resume {name}` goes on")
        } else {
            format!("resumed {name}: {} waiting", words::of(waiting, "job"))
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// As many names as a person reads.
const SHOWN: usize = 20;

fn unknown(name: &QueueName, known: &[QueueName]) -> String {
    let near = nearest(name.as_str(), known.iter().map(QueueName::as_str));
    let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    let mut names: Vec<&str> = known.iter().take(SHOWN).map(QueueName::as_str).collect();
    if known.len() > SHOWN {
        names.push("…");
    }
    format!("queue: no queue `{name}` is configured here or known to Redis, which knows {}{hint}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_queue_names_the_known_ones_and_the_nearest() {
        let name = |text: &str| QueueName::parse(text).unwrap();
        let told = unknown(&name("emials"), &[name("default"), name("emails")]);
        assert!(told.contains("`emials`") && told.contains("default, emails") && told.contains("did you mean emails?"));
        let many: Vec<_> = (0..50).map(|n| name(&format!("q{n}"))).collect();
        assert!(unknown(&name("other"), &many).ends_with("q19, …"));
    }
}
