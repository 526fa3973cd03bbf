//! `liaison lanes`: jobs that go one at a time; whose turn it is, who waits, and to let the others pass the first.

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::{LaneCard, LaneName, LaneView, Skipped, clock::Millis};
use serde_json::json;

use super::{
    Global,
    answer::{self, Usage},
    block_on,
    typed::{self, Limit},
    whereabouts, words,
};
use crate::app::App;

/// Lanes that are looked at in each queue to find the deepest.
const LOOKED_AT: usize = 10_000;

#[derive(clap::Subcommand)]
pub(crate) enum LanesCommand {
    /// The lanes with a job in them, the deepest first
    List {
        /// Of this queue only
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// One lane: whose turn it is, and who comes next; exit code 1 if it is empty
    Show {
        #[command(flatten)]
        lane: Which,
        #[command(flatten)]
        limit: Limit,
    },
    /// Let the others pass the first one while that waits for its time; exit code 1 if it does not wait
    Skip {
        #[command(flatten)]
        lane: Which,
    },
}

#[derive(clap::Args)]
pub(crate) struct Which {
    /// The lane
    lane: String,
    /// Its queue [default: wherever it is]
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
}

pub(crate) fn run(global: &Global, command: &LanesCommand) -> Result<ExitCode> {
    let app = global.app()?;
    block_on(async {
        match command {
            LanesCommand::List { queue, limit } => list(&app, queue.as_deref(), limit, global.json).await,
            LanesCommand::Show { lane, limit } => show(&app, lane, limit, global.json).await,
            LanesCommand::Skip { lane } => skip(&app, lane, global.json).await,
        }
    })
}

async fn list(app: &App, queue: Option<&str>, limit: &Limit, json: bool) -> Result<ExitCode> {
    let mut lanes: Vec<LaneCard> = Vec::new();
    for queue in typed::queues(app, queue).await? {
        lanes.extend(app.inspector(&queue).lanes(LOOKED_AT).await?);
    }
    lanes.sort_by(|a, b| b.waiting.cmp(&a.waiting).then_with(|| (&a.queue, &a.lane).cmp(&(&b.queue, &b.lane))));
    limit.cut(&mut lanes);
    if json {
        answer::json(&lanes);
    } else if lanes.is_empty() {
        answer::line("no lanes");
    } else {
        let row = |lane: &LaneCard| {
            vec![lane.lane.to_string(), lane.queue.to_string(), words::count(lane.waiting), lane.head.to_string()]
        };
        answer::table(&["LANE", "QUEUE", "WAITING", "FIRST"], &lanes.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// The one lane that is meant.
async fn find(app: &App, which: &Which, next: usize) -> Result<LaneView> {
    let name: LaneName = typed::name(&which.lane)?;
    let mut found = Vec::new();
    for queue in typed::queues(app, which.queue.as_deref()).await? {
        found.extend(app.inspector(&queue).lane(&name, next).await?);
    }
    match (found.pop(), found.as_slice()) {
        (Some(lane), []) => Ok(lane),
        (Some(lane), others) => {
            let mut queues: Vec<&str> = others.iter().map(|other| other.card.queue.as_str()).collect();
            queues.push(lane.card.queue.as_str());
            bail!(Usage(format!("lane {name} is in several queues, {}: add --queue", queues.join(", "))))
        }
        (None, _) => bail!("no job is in lane {name}; `liaison lanes list` shows those with jobs in them"),
    }
}

async fn show(app: &App, which: &Which, limit: &Limit, json: bool) -> Result<ExitCode> {
    let mut lane = find(app, which, limit.ask() as usize).await?;
    limit.cut(&mut lane.next);
    if json {
        let mut value = json!(lane);
        value["head_is"] = lane.head_is.as_ref().map(whereabouts::json).into();
        answer::json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    let now = liaison_queue::now(&app.link).await?;
    answer::card(&[
        ("lane", Some(lane.card.lane.to_string())),
        ("queue", Some(lane.card.queue.to_string())),
        ("first", Some(lane.card.head.to_string())),
        ("", Some(head(&lane, now))),
        ("waiting", Some(words::count(lane.card.waiting))),
    ]);
    if !lane.next.is_empty() {
        answer::line("");
        let row = |(at, id): (usize, &liaison_queue::JobId)| vec![words::count(at as u64 + 1), id.to_string()];
        answer::table(&["NEXT", "JOB"], &lane.next.iter().enumerate().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

fn head(lane: &LaneView, now: Millis) -> String {
    lane.head_is
        .as_ref()
        .map_or_else(|| "has just left".to_owned(), |job| format!("{}, {}", job.state, whereabouts::detail(job, now)))
}

async fn skip(app: &App, which: &Which, json: bool) -> Result<ExitCode> {
    let lane = find(app, which, 0).await?.card;
    let (skipped, head) = app.operator(&lane.queue).skip(&lane.lane).await?;
    let done = skipped == Skipped::Skipped;
    if json {
        answer::json(&json!({"lane": lane.lane, "queue": lane.queue, "status": skipped, "id": head}));
    } else {
        let (name, id) = (&lane.lane, head.as_ref().map_or("", |id| id.as_str()));
        match skipped {
            Skipped::Skipped => answer::line(&format!("{name}: the others go on, {id} is back when its time has come")),
            Skipped::Running => answer::note(&format!("{name}: {id} runs; `liaison jobs cancel {id}` stops it")),
            Skipped::Ready => answer::note(&format!("{name}: {id} does not wait for a time, it is about to run")),
            Skipped::Empty => answer::note(&format!("{name}: its last job has just left")),
        }
    }
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
