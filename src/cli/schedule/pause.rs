//! `liaison schedule pause` and `resume`: an entry that fires no more, and one that fires again.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::clock::Millis;
use liaison_store::{TickRow, TickStatus};
use serde_json::json;

use super::{Schedule, answer, local};
use crate::{
    cli::{typed::Because, words},
    config::schedule::Entry,
    scheduler::policy,
};

pub(super) async fn pause(schedule: &Schedule, name: &str, because: &Because, as_json: bool) -> Result<ExitCode> {
    let entry = schedule.entry(name)?;
    let now = liaison_queue::now(&schedule.app.link).await?;
    let why = if because.reason.is_empty() { String::new() } else { format!(": {}", words::plain(&because.reason)) };
    let who = format!("by {} at {}{why}", because.by(), words::date_of(now.0));
    let new = schedule.slot(entry).pause(&who).await?;
    if as_json {
        answer::json(&json!({"schedule": name, "paused": true, "already": !new}));
    } else if new {
        answer::line(&format!("paused {name}: it fires no more; `liaison schedule resume {name}` goes on"));
    } else {
        answer::line(&format!("{name} is paused already"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(schedule: &Schedule, name: &str, as_json: bool) -> Result<ExitCode> {
    let entry = schedule.entry(name)?;
    let slot = schedule.slot(entry);
    let who = slot.look().await?.paused;
    let before = slot.resume().await?;
    let now = liaison_queue::now(&schedule.app.link).await?;
    let left_out = match before {
        Some(tick) => record(schedule, entry, tick, now, who).await,
        None => 0,
    };
    let next = entry.ticks.next(now.date());
    if as_json {
        let next = next.map(words::date);
        answer::json(&json!({
            "schedule": name, "paused": false, "already": before.is_none(), "left_out": left_out, "next": next,
        }));
    } else if before.is_none() {
        answer::line(&format!("{name} was not paused"));
    } else {
        let next = next.map_or("never".to_owned(), |at| local(at, entry.ticks.zone));
        let left_out = words::of(left_out as u64, "tick");
        answer::line(&format!("resumed {name}: {left_out} left out meanwhile, next {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the pause has left out goes into the history, if it can be written here.
async fn record(schedule: &Schedule, entry: &Entry, from: Millis, now: Millis, who: Option<String>) -> usize {
    let Some(missed) = policy::all(&entry.ticks, from.date(), now.date()) else { return 0 };
    let row = TickRow {
        entry: entry.name.to_string(),
        tick_at: missed.first,
        until_at: missed.last,
        ticks: i32::try_from(missed.count).unwrap_or(i32::MAX),
        status: TickStatus::Paused,
        reason: who.map(|who| format!("paused {who}")),
        job_id: None,
        queue: None,
        decided_at: now.date(),
    };
    let kept = async { anyhow::Ok(schedule.app.store().await?.keep_ticks(vec![row]).await?) };
    if let Err(fault) = kept.await {
        answer::note(&format!("the history cannot be written here, and lacks what was left out: {fault:#}"));
    }
    missed.count
}
