//! `liaison schedule next`: the next times of an entry, as the clocks of its zone show them.

use std::process::ExitCode;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::json;

use super::{answer, local};
use crate::{cli::words, config::schedule::Entry, scheduler::ticks::Odd};

pub(super) fn run(entry: &Entry, from: DateTime<Utc>, count: usize, json: bool) -> ExitCode {
    let ticks = &entry.ticks;
    let found = ticks.between(from, DateTime::<Utc>::MAX_UTC).take(count);
    let next: Vec<_> = found.map(|at| (at, ticks.odd(at).map(said))).collect();
    if json {
        let one = |(at, odd): &(DateTime<Utc>, Option<String>)| json!({"tick": words::date(*at), "local": local(*at, ticks.zone), "note": odd});
        answer::json(&next.iter().map(one).collect::<Vec<_>>());
        return ExitCode::SUCCESS;
    }
    let enabled = if entry.enabled { "" } else { "; switched off: none of these fires" };
    answer::line(&format!("{}: {} ({}){enabled}", entry.name, ticks.crontab.words(), ticks.zone));
    let row = |(at, odd): &(DateTime<Utc>, Option<String>)| {
        vec![local(*at, ticks.zone), at.format("%Y-%m-%d %H:%M:%S").to_string(), odd.clone().unwrap_or_default()]
    };
    answer::table(&["THERE", "UTC", ""], &next.iter().map(row).collect::<Vec<_>>());
    if next.len() < count {
        answer::note("there are no more before the year 2101");
    }
    ExitCode::SUCCESS
}

fn said(odd: Odd) -> String {
    let time = |reading: NaiveDateTime| reading.format("%H:%M:%S").to_string();
    match odd {
        Odd::Skipped(wanted) => format!("clocks are put forward: there is no {} on that day", time(wanted)),
        Odd::First => "clocks are put back later: this time comes twice, and this is the first".to_owned(),
        Odd::Second => "clocks were put back: this time comes for the second time".to_owned(),
    }
}
