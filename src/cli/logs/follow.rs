//! `liaison logs --follow`: each line once, as it is written.
//!
//! A line bears the time at which it was said and is written with its run, later: after a long job, or an outage of the
//! database. So lines do not come in order of their times, and a cursor alone would pass over the late ones. We look
//! back over a while at each look, and remember what we have shown of it.

use std::{
    collections::HashMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::clock::Clock;
use liaison_store::{LogFilter, LogLine, Store};

use super::{DEFAULT_LIMIT, ListArgs, PAGE, lines};
use crate::cli::answer;

/// Longer than a job waits between saying and ending, unless the database was away.
const LOOK_BACK: TimeDelta = TimeDelta::minutes(15);
/// Between two looks; longer where a look takes long, so that looking costs a fifth of the time at most.
const LOOK: Duration = Duration::from_secs(1);
const SHARE: u32 = 5;

/// What was shown, as far back as we look.
struct Shown {
    since: Option<DateTime<Utc>>,
    lines: HashMap<String, DateTime<Utc>>,
}

pub(super) async fn run(store: &Store, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let mut shown = Shown { since: None, lines: HashMap::new() };
    // What is there already is known, and the newest of it are shown.
    shown.look(store, args).await?;
    let limit = args.limit.unwrap_or(DEFAULT_LIMIT);
    let mut newest = store.logs(LogFilter { limit, ..args.filter() }).await?;
    newest.reverse();
    shown.lines.extend(newest.iter().map(|line| (line.id.clone(), line.created_at)));
    let mut fresh = newest;
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        for line in &fresh {
            let text = if json { serde_json::to_string(line)? } else { lines::sentence(line) };
            if !answer::try_line(&text) {
                return Ok(ExitCode::SUCCESS);
            }
        }
        let began = Instant::now();
        fresh = shown.look(store, args).await?;
        let rest = LOOK.max(began.elapsed() * SHARE);
        let rest = if fresh.is_empty() { rest } else { Duration::ZERO };
        tokio::select! {
            biased;
            _ = &mut stop => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(rest) => {}
        }
        if answer::is_unheard() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

impl Shown {
    /// What is new since the last look, oldest first.
    async fn look(&mut self, store: &Store, args: &ListArgs) -> Result<Vec<LogLine>> {
        let since = Clock::wall().date() - LOOK_BACK;
        // What has become older than a look back was seen in the last look, or is too late for us.
        let since = self.since.map_or(since, |before| since.max(before));
        let (mut fresh, mut after) = (Vec::new(), None);
        loop {
            let from = args.since.map_or(since, |asked| asked.max(since));
            let filter = LogFilter { since: Some(from), oldest_first: true, limit: PAGE, after, ..args.filter() };
            let page = store.logs(filter).await?;
            let is_last = page.len() < PAGE as usize;
            after = page.last().map(LogLine::cursor);
            fresh.extend(page.into_iter().filter(|line| self.note(line)));
            if is_last {
                break;
            }
        }
        self.lines.retain(|_, at| *at >= since);
        self.since = Some(since);
        Ok(fresh)
    }

    /// Whether it is new to us.
    fn note(&mut self, line: &LogLine) -> bool {
        self.lines.insert(line.id.clone(), line.created_at).is_none()
    }
}
