//! `liaison schedule history`: what became of an entry's times.

use std::{collections::HashMap, process::ExitCode};

use anyhow::Result;
use liaison_queue::{JobId, QueueName, shards};
use liaison_store::{Store, TickRow, TickStatus};
use serde_json::{Value, json};

use super::{Schedule, answer, local};
use crate::{
    cli::{typed::Limit, words},
    config::schedule::Entry,
};

pub(super) async fn run(schedule: &Schedule, entry: &Entry, limit: &Limit, as_json: bool) -> Result<ExitCode> {
    let store = schedule.app.store().await?;
    let mut rows = store.ticks_of(entry.name.as_str(), limit.ask()).await?;
    limit.cut(&mut rows);
    let statuses = statuses(schedule, &store, &rows).await?;
    if as_json {
        answer::json(&rows.iter().map(|row| json(row, &status(row, &statuses))).collect::<Vec<_>>());
    } else if rows.is_empty() {
        answer::line(&format!("{} has not fired yet", entry.name));
    } else {
        let cells = |row: &TickRow| {
            let late = words::span((row.decided_at - row.tick_at).num_milliseconds());
            let ticks = u64::try_from(row.ticks).unwrap_or(1);
            let tick = match ticks {
                1 => local(row.tick_at, entry.ticks.zone),
                n => format!(
                    "{} and {} more, to {}",
                    local(row.tick_at, entry.ticks.zone),
                    words::count(n - 1),
                    local(row.until_at, entry.ticks.zone)
                ),
            };
            let job = row.job_id.clone().unwrap_or_else(|| "-".to_owned());
            vec![tick, late, status(row, &statuses), job, row.reason.clone().unwrap_or_default()]
        };
        answer::table(&["TICK", "DECIDED AFTER", "STATUS", "ID", "WHY"], &rows.iter().map(cells).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// How the jobs of these ticks ended; or, as long as Redis knows them, where they are.
pub(super) async fn statuses(schedule: &Schedule, store: &Store, rows: &[TickRow]) -> Result<HashMap<String, String>> {
    let ids = || rows.iter().filter_map(|row| Some((row.job_id.as_deref()?, row.queue.as_deref()?)));
    let mut known = store.last_outcomes(ids().map(|(id, _)| id.to_owned()).collect()).await?;
    for (id, queue) in ids() {
        // A job whose last run is to be retried still waits.
        if known.get(id).is_some_and(|outcome| outcome != "retry") {
            continue;
        }
        let (Ok(id), Ok(queue)) = (JobId::parse(id), QueueName::parse(queue)) else { continue };
        for part in shards::parts(&schedule.app.link, &queue).await? {
            if let Some(found) = schedule.app.inspector(&part).find(&id).await? {
                known.insert(id.to_string(), found.state.to_string());
            }
        }
    }
    Ok(known)
}

/// In one word: what became of the tick, and of its job if there is one.
pub(super) fn status(row: &TickRow, jobs: &HashMap<String, String>) -> String {
    let job = row.job_id.as_ref().filter(|_| row.status == TickStatus::Fired).and_then(|id| jobs.get(id));
    job.cloned().unwrap_or_else(|| row.status.to_string())
}

pub(super) fn json(row: &TickRow, status: &str) -> Value {
    let fired = row.status == TickStatus::Fired;
    json!({
        "tick": words::date(row.tick_at), "fired_at": fired.then(|| words::date(row.decided_at)),
        "job_id": row.job_id, "status": status, "ticks": row.ticks, "until": words::date(row.until_at),
        "reason": row.reason, "decided_at": words::date(row.decided_at),
    })
}
