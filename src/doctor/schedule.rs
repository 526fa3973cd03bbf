//! The schedule: whether its entries fire, and whether somebody has forgotten that one is paused.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use liaison_queue::{
    clock::Clock,
    schedule::{Known, Slot},
};

use super::{Check, Finding, Severity, unanswered, within};
use crate::{
    app::App,
    config::schedule::{self, Entry},
};

/// A daemon decides a tick within a second; so much later nobody is there to do it.
const LATE: Duration = Duration::minutes(1);

pub(super) async fn look(app: &App) -> Vec<Finding> {
    // What is wrong with the file, `liaison check` tells.
    let entries = match schedule::read(&app.config) {
        Ok(entries) => entries,
        Err(error) => {
            let place = app.config.scheduler.file.as_ref().map_or_else(String::new, |path| path.display().to_string());
            let remedy = "`liaison check` names every mistake; daemons go on with what they read before";
            let what = format!("cannot be used: {} mistakes", error.count());
            return vec![Finding::new(Check::ScheduleFires, Severity::Error, &place, what, remedy)];
        }
    };
    let known = match within(visit(app, &entries)).await {
        Ok(known) => known,
        Err(problem) => return vec![unanswered(Check::ScheduleFires, app.link.server(), &problem)],
    };
    let now = known.1;
    let findings = |judge: fn(&Entry, &Known, DateTime<Utc>) -> Option<Finding>, check, well: &str| {
        let found: Vec<Finding> =
            entries.iter().zip(&known.0).filter_map(|(entry, known)| judge(entry, known, now)).collect();
        if found.is_empty() { vec![Finding::ok(check, "the schedule", well)] } else { found }
    };
    let mut all = findings(silent, Check::ScheduleFires, "every entry that is on is looked after, and has a next time");
    all.extend(findings(paused, Check::SchedulePaused, "no entry is paused"));
    all
}

async fn visit(app: &App, entries: &[Entry]) -> Result<(Vec<Known>, DateTime<Utc>)> {
    let mut known = Vec::with_capacity(entries.len());
    for entry in entries {
        known.push(Slot::new(&app.link, &entry.name, Clock::Redis).look().await?);
    }
    Ok((known, liaison_queue::now(&app.link).await?.date()))
}

fn silent(entry: &Entry, known: &Known, now: DateTime<Utc>) -> Option<Finding> {
    if !entry.enabled || known.paused.is_some() {
        return None;
    }
    let place = format!("schedule {}", entry.name);
    let finding =
        |severity, what: String, remedy| Some(Finding::new(Check::ScheduleFires, severity, &place, what, remedy));
    let Some(tick) = known.tick else {
        let remedy = "`liaison reload`, if daemons read this file; else start one that does";
        return finding(Severity::Warning, "no daemon has taken it up".to_owned(), remedy);
    };
    if entry.ticks.next(now).is_none() {
        let what = format!("never fires again: {} has no next time", entry.ticks.crontab.text);
        return finding(Severity::Warning, what, "correct its cron, or take it out");
    }
    let due = entry.ticks.next(tick.date()).filter(|due| *due < now - LATE)?;
    let what = format!("was due at {} and nobody has decided it", due.format("%Y-%m-%dT%H:%M:%SZ"));
    finding(Severity::Error, what, "see that a daemon runs, and what its log and /readyz say")
}

fn paused(entry: &Entry, known: &Known, _: DateTime<Utc>) -> Option<Finding> {
    let who = known.paused.as_ref().filter(|_| entry.enabled)?;
    let place = format!("schedule {}", entry.name);
    let remedy = format!("if that is over: `liaison schedule resume {}`", entry.name);
    Some(Finding::new(Check::SchedulePaused, Severity::Advice, &place, format!("is paused {who}"), &remedy))
}
