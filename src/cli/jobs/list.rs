//! `liaison jobs list`: what lives comes from Redis, in the order in which it will be taken; what has ended comes from
//! the store, newest first.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::{QueueName, clock::Millis, shards, state::State};
use liaison_store::{DeadFilter, DeadLetter, Run, RunFilter, RunOutcome};
use serde_json::{Value, json};

use crate::{
    app::App,
    cli::{
        answer,
        typed::{self, Limit},
        whereabouts, words,
    },
};

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Of this queue only
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// In this state only [default: all in which a job lives]
    #[arg(long, value_parser = typed::one_of::<State>(State::ALL.iter().map(|state| state.as_str())))]
    state: Option<State>,
    #[command(flatten)]
    limit: Limit,
}

/// A job, for programs and for people.
struct Found {
    json: Value,
    row: Vec<String>,
}

pub(super) async fn run(app: &App, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let queue = args.queue.as_deref().map(typed::name::<QueueName>).transpose()?;
    let now = liaison_queue::now(&app.link).await?;
    let mut found = match args.state {
        None => alive(app, &LIVING, queue, args.limit.ask(), now).await?,
        Some(State::Done) => ended(app, RunOutcome::Done, queue, args.limit.ask(), now).await?,
        Some(State::Expired) => ended(app, RunOutcome::Expired, queue, args.limit.ask(), now).await?,
        Some(State::Cancelled) => ended(app, RunOutcome::Cancelled, queue, args.limit.ask(), now).await?,
        Some(State::Replaced) => ended(app, RunOutcome::Replaced, queue, args.limit.ask(), now).await?,
        Some(State::Dead) => dead(app, queue, args.limit.ask(), now).await?,
        Some(
            state @ (State::Scheduled
            | State::Waiting
            | State::Ready
            | State::Suspect
            | State::Running
            | State::Departing),
        ) => alive(app, &[state], queue, args.limit.ask(), now).await?,
    };
    args.limit.cut(&mut found);
    if json {
        answer::json(&found.into_iter().map(|one| one.json).collect::<Vec<_>>());
    } else if found.is_empty() {
        answer::line(&format!("no {}", args.state.map_or("jobs".to_owned(), |state| format!("{state} jobs"))));
    } else {
        let rows: Vec<_> = found.into_iter().map(|one| one.row).collect();
        answer::table(&["ID", "JOB", "QUEUE", "STATE", "DETAIL"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// Nearest to its end first.
const LIVING: [State; 6] =
    [State::Departing, State::Running, State::Suspect, State::Ready, State::Waiting, State::Scheduled];

async fn alive(app: &App, states: &[State], queue: Option<QueueName>, most: u32, now: Millis) -> Result<Vec<Found>> {
    let queues = match queue {
        Some(queue) => shards::parts(&app.link, &queue).await?,
        None => app.queues().await?,
    };
    let (mut found, most) = (Vec::new(), most as usize);
    for state in states {
        for queue in &queues {
            if found.len() < most {
                let jobs = app.inspector(queue).list(*state, most - found.len()).await?;
                found.extend(jobs.iter().map(|job| Found {
                    json: whereabouts::json(job),
                    row: row(
                        &[
                            job.id.as_str(),
                            job.job.as_deref().unwrap_or_default(),
                            job.queue.as_str(),
                            job.state.as_str(),
                        ],
                        whereabouts::detail(job, now),
                    ),
                }));
            }
        }
    }
    Ok(found)
}

async fn ended(
    app: &App,
    outcome: RunOutcome,
    queue: Option<QueueName>,
    limit: u32,
    now: Millis,
) -> Result<Vec<Found>> {
    let queue = queue.map(|queue| queue.to_string());
    let filter = RunFilter { queue, outcome: Some(outcome), limit, ..RunFilter::default() };
    let runs = app.store().await?.runs(filter).await?;
    let one = |run: &Run| Found {
        json: as_job(json!(run), outcome.as_str()),
        row: row(
            &[&run.job_id, &run.name, &run.queue, outcome.as_str()],
            ago(now, run.finished_at, run.reason.as_deref()),
        ),
    };
    Ok(runs.iter().map(one).collect())
}

async fn dead(app: &App, queue: Option<QueueName>, limit: u32, now: Millis) -> Result<Vec<Found>> {
    let filter = DeadFilter { queue: queue.map(|queue| queue.to_string()), limit, ..DeadFilter::default() };
    let letters = app.store().await?.dead_letters(filter).await?;
    let one = |letter: &DeadLetter| Found {
        json: as_job(json!(letter), State::Dead.as_str()),
        row: row(
            &[&letter.job_id, &letter.name, &letter.queue, State::Dead.as_str()],
            ago(now, letter.buried_at, Some(&letter.reason)),
        ),
    };
    Ok(letters.iter().map(one).collect())
}

fn row(cells: &[&str], detail: String) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).chain([detail]).collect()
}

fn ago(now: Millis, at: chrono::DateTime<chrono::Utc>, reason: Option<&str>) -> String {
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    format!("{} ago{reason}", words::span(now.0 - at.timestamp_millis()))
}

/// Jobs have the same names for the same things wherever they come from: `id`, `job`, `queue`, `state`.
fn as_job(mut record: Value, state: &str) -> Value {
    if let Some(fields) = record.as_object_mut() {
        fields.remove("outcome");
        for (from, to) in [("job_id", "id"), ("name", "job")] {
            let value = fields.remove(from).unwrap_or_default();
            fields.insert(to.to_owned(), value);
        }
        fields.insert("state".to_owned(), state.into());
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_as_a_job() {
        let record = json!({"job_id": "a", "name": "noop", "queue": "default", "outcome": "done", "run": 1});
        let expected = json!({"id": "a", "job": "noop", "queue": "default", "state": "done", "run": 1});
        assert_eq!(as_job(record, "done"), expected);
    }
}
