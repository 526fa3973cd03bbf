//! `liaison schedule`: when work starts by itself.

mod history;
mod list;
mod next;
mod pause;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use liaison_queue::{JobId, clock::Clock, schedule::Slot};

use super::{
    Global, answer,
    answer::Usage,
    block_on,
    enqueue::{self, Sending},
    typed::{self, Because, Limit},
};
use crate::{
    app::App,
    config::{
        hint::nearest,
        schedule::{self, Entry},
    },
    scheduler::left,
    telemetry,
};

#[derive(clap::Subcommand)]
pub(crate) enum ScheduleCommand {
    /// All entries: what they run, when next, and when last
    List,
    /// The next times of an entry
    Next {
        /// The name of the entry
        name: String,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
        /// From this time on, in RFC 3339 [default: now]
        #[arg(long, value_name = "TIME", value_parser = typed::instant)]
        from: Option<liaison_queue::clock::Millis>,
    },
    /// Enqueue an entry's job now, beside its times
    Run {
        /// The name of the entry
        name: String,
        /// Wait so long for its end; exit code 0 only if it is done by then
        #[arg(long, value_name = "DURATION", value_parser = typed::duration)]
        wait: Option<Duration>,
    },
    /// Let an entry fire no more, on all daemons
    Pause {
        /// The name of the entry
        name: String,
        #[command(flatten)]
        because: Because,
    },
    /// Let a paused entry fire again; what it left out is not made up for
    Resume {
        /// The name of the entry
        name: String,
    },
    /// What became of an entry's times, newest first
    History {
        /// The name of the entry
        name: String,
        #[command(flatten)]
        limit: Limit,
    },
}

pub(crate) fn run(global: &Global, command: &ScheduleCommand) -> Result<ExitCode> {
    let loaded = global.load(Vec::new(), None)?;
    let entries = schedule::read(&loaded.config)?;
    telemetry::start(&loaded.config.log);
    let file = &loaded.config.scheduler.file;
    let file = file.as_ref().map_or_else(|| "no schedule file".to_owned(), |path| path.display().to_string());
    let schedule = Schedule { app: App::new(loaded.config)?, entries, file };
    let json = global.json;
    block_on(async {
        match command {
            ScheduleCommand::List => list::run(&schedule, json).await,
            ScheduleCommand::Next { name, count, from } => {
                let from = from.unwrap_or_else(Clock::wall).date();
                Ok(next::run(schedule.entry(name)?, from, usize::from(*count), json))
            }
            ScheduleCommand::Run { name, wait } => now(&schedule, schedule.entry(name)?, *wait, json).await,
            ScheduleCommand::Pause { name, because } => pause::pause(&schedule, name, because, json).await,
            ScheduleCommand::Resume { name } => pause::resume(&schedule, name, json).await,
            ScheduleCommand::History { name, limit } => {
                history::run(&schedule, schedule.entry(name)?, limit, json).await
            }
        }
    })
}

/// The schedule as the file on this machine has it.
struct Schedule {
    app: App,
    entries: Vec<Entry>,
    file: String,
}

impl Schedule {
    fn entry(&self, name: &str) -> Result<&Entry, Usage> {
        self.entries.iter().find(|entry| entry.name.as_str() == name).ok_or_else(|| {
            let names = || self.entries.iter().map(|entry| entry.name.as_str());
            let hint = match nearest(name, names()) {
                Some(near) => format!("did you mean {near}?"),
                None if self.entries.is_empty() => "it has none: see scheduler.file".to_owned(),
                None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
            };
            Usage(format!("schedule: no entry `{name}` in {}; {hint}", self.file))
        })
    }

    fn slot(&self, entry: &Entry) -> Slot {
        Slot::new(&self.app.link, &entry.name, Clock::Redis)
    }
}

/// A job of the entry beside its times: with an id of its own, and under the same rule of overlap where that is a queue.
async fn now(schedule: &Schedule, entry: &Entry, wait: Option<Duration>, json: bool) -> Result<ExitCode> {
    let id = JobId::generate();
    let mut envelope = left::envelope(entry, id.as_str(), None, None);
    envelope["reply"] = wait.is_some().into();
    let sending =
        Sending { envelope: envelope.to_string(), id: Some(id), queue: Some(entry.queue.clone()), run_at: None, wait };
    enqueue::send(&schedule.app, sending, json).await
}

/// A tick as the clocks of its zone show it.
fn local(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M:%S %z").to_string()
}
