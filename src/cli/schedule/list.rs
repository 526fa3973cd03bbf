//! `liaison schedule list`: all entries at a glance.

use std::{collections::HashMap, process::ExitCode};

use anyhow::Result;
use chrono::{DateTime, Utc};
use liaison_queue::{clock::Millis, schedule::Known};
use liaison_store::{Store, TickRow};
use serde_json::json;

use super::{Schedule, answer, history, local};
use crate::{
    cli::words,
    config::schedule::{CatchUp, Entry, Overlap},
};

/// An entry with what Redis and the history know of it.
struct Row<'a> {
    entry: &'a Entry,
    known: Known,
    next: Option<DateTime<Utc>>,
    last: Option<(TickRow, String)>,
}

pub(super) async fn run(schedule: &Schedule, as_json: bool) -> Result<ExitCode> {
    let now = liaison_queue::now(&schedule.app.link).await?;
    // The history may be on another machine, or away: the list does without.
    let store = schedule.app.store().await.ok();
    let mut rows = Vec::new();
    for entry in &schedule.entries {
        let known = schedule.slot(entry).look().await?;
        let last = match &store {
            Some(store) => last(schedule, store, entry).await?,
            None => None,
        };
        let next = if entry.enabled && known.paused.is_none() { entry.ticks.next(now.date()) } else { None };
        rows.push(Row { entry, known, next, last });
    }
    if as_json {
        answer::json(&rows.iter().map(Row::json).collect::<Vec<_>>());
    } else if rows.is_empty() {
        answer::line(&format!("no entries ({})", schedule.file));
    } else {
        let rows: Vec<_> = rows.iter().map(|row| row.cells(now)).collect();
        answer::table(&["NAME", "WHEN", "ZONE", "NEXT", "IN", "LAST", "JOB", ""], &rows);
    }
    if store.is_none() {
        answer::note("the history cannot be read here, so there is no last time; `liaison check` shows which it is");
    }
    Ok(ExitCode::SUCCESS)
}

async fn last(schedule: &Schedule, store: &Store, entry: &Entry) -> Result<Option<(TickRow, String)>> {
    let rows = store.ticks_of(entry.name.as_str(), 1).await?;
    let statuses: HashMap<String, String> = history::statuses(schedule, store, &rows).await?;
    Ok(rows.into_iter().next().map(|row| {
        let status = history::status(&row, &statuses);
        (row, status)
    }))
}

impl Row<'_> {
    fn cells(&self, now: Millis) -> Vec<String> {
        let (entry, zone) = (self.entry, self.entry.ticks.zone);
        let last = self.last.as_ref();
        let last = last.map_or("-".to_owned(), |(row, status)| format!("{}, {status}", local(row.until_at, zone)));
        vec![
            entry.name.to_string(),
            entry.ticks.crontab.words(),
            zone.to_string(),
            self.next.map_or("-".to_owned(), |at| local(at, zone)),
            self.next.map_or("-".to_owned(), |at| words::span(Millis::at(at).0 - now.0)),
            last,
            entry.job.clone(),
            self.note(),
        ]
    }

    fn note(&self) -> String {
        match (&self.known.paused, self.entry.enabled, self.known.tick) {
            (_, false, _) => "switched off".to_owned(),
            (Some(who), true, _) => format!("paused {who}"),
            (None, true, None) => "no daemon has taken it up".to_owned(),
            (None, true, Some(_)) => String::new(),
        }
    }

    fn json(&self) -> serde_json::Value {
        let Entry { name, job, ticks, args: _, queue, priority, catch_up, overlap, .. } = self.entry;
        json!({
            "name": name.as_str(), "job": job, "cron": ticks.crontab.text, "timezone": ticks.zone.name(),
            "when": ticks.crontab.words(), "queue": queue.as_str(), "priority": priority.as_str(),
            "catch_up": said_catch_up(*catch_up), "overlap": said_overlap(*overlap),
            "enabled": self.entry.enabled, "description": self.entry.description, "paused": self.known.paused,
            "decided_to": self.known.tick.map(|tick| words::date(tick.date())),
            "next": self.next.map(words::date),
            "last": self.last.as_ref().map(|(row, status)| history::json(row, status)),
        })
    }
}

fn said_catch_up(policy: CatchUp) -> String {
    match policy {
        CatchUp::None => "none".to_owned(),
        CatchUp::Last => "last".to_owned(),
        CatchUp::All { most, within } => {
            format!("all of {most} within {}", crate::config::units::show_duration(within))
        }
    }
}

fn said_overlap(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Allow => "allow",
        Overlap::Skip => "skip",
        Overlap::Queue => "queue",
    }
}
