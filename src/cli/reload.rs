//! `liaison reload`: let the daemons of this host read their configuration again, and say how that went.
//!
//! The files are judged here first, so that a mistake is told before anybody is disturbed. Daemons are found by their
//! cards in Redis. A number of a process is no name: before a signal is sent, a thread of that process must be called
//! after the worker on the card, and the signal goes through a handle that was taken before that look. So nothing else
//! is ever signalled. The answer is on the card, too.

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use liaison_queue::{Isolation, WorkerCard};
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde_json::json;

use super::{Global, answer, block_on, typed};
use crate::{app::App, config::mistake::ConfigError, offline};

#[derive(clap::Args)]
pub(crate) struct ReloadArgs {
    /// This process only [default: every daemon on this host with the same configuration file]
    #[arg(long)]
    pid: Option<u32>,
    /// How long to wait for the answers
    #[arg(long, value_name = "DURATION", value_parser = typed::duration, default_value = "30s")]
    wait: Duration,
}

/// A card is written once a second.
const LOOK: Duration = Duration::from_millis(100);
const NEWCOMERS: Duration = Duration::from_secs(3);

/// A daemon, and how often it had read its configuration again before we asked.
struct Daemon {
    card: WorkerCard,
    before: u64,
    /// It was found among the processes of this machine.
    here: bool,
    /// What came of it, once that is known.
    end: Option<Result<(), String>>,
}

pub(crate) fn run(global: &Global, args: &ReloadArgs) -> Result<ExitCode> {
    let loaded = global.load(Vec::new(), None)?;
    ConfigError::of(offline::mistakes(&loaded.config))?;
    let file = loaded.file.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let app = global.app()?;
    block_on(reload(&app, args, file, global.json))
}

async fn reload(app: &App, args: &ReloadArgs, file: Option<PathBuf>, json: bool) -> Result<ExitCode> {
    let file = file.map(|path| path.display().to_string());
    let (begin, mut known) = (Instant::now(), cards(app).await?);
    // One that was just started shows itself within a second.
    while known.is_empty() && begin.elapsed() < NEWCOMERS {
        tokio::time::sleep(LOOK).await;
        known = cards(app).await?;
    }
    let mut daemons = Vec::new();
    for card in known {
        let is_meant = args.pid.is_none_or(|pid| pid == card.pid);
        if !is_meant {
            continue;
        }
        if args.pid.is_none() && card.configuration.file != file {
            let theirs = card.configuration.file.as_deref().unwrap_or("no file");
            answer::note(&format!(
                "{} is left alone: it was configured by {theirs}; name it with --config, or the process with --pid",
                card.worker
            ));
            continue;
        }
        daemons.push(Daemon { before: card.configuration.times, card, here: false, end: None });
    }
    if daemons.is_empty() {
        bail!(
            "no daemon to reload: none on this host shows itself in Redis with {}; see `liaison workers list`, or send \
             SIGHUP to the process",
            file.map_or("the defaults and no configuration file".to_owned(), |file| format!(
                "the configuration {file}"
            ))
        );
    }
    for daemon in &mut daemons {
        match ask(&daemon.card) {
            Ok(here) => daemon.here = here,
            Err(problem) => daemon.end = Some(Err(problem)),
        }
    }
    listen(app, &mut daemons, args.wait).await?;
    Ok(show(&daemons, json))
}

/// Let every daemon of this host read its files again; who cannot be asked is left to those who wait for it.
pub(super) async fn signal_all(app: &App) -> Result<()> {
    for card in cards(app).await? {
        if let Err(problem) = ask(&card) {
            answer::note(&format!("{}: {problem}", card.worker));
        }
    }
    Ok(())
}

/// The living daemons of this host, each once.
async fn cards(app: &App) -> Result<Vec<WorkerCard>> {
    let (host, mut found) = (crate::app::host_name(), Vec::<WorkerCard>::new());
    for queue in app.queues().await? {
        for (card, alive) in app.inspector(&queue).workers().await? {
            let is_ours = alive && card.host == host && card.isolation == Isolation::None && !card.draining;
            if let Some(known) = found.iter_mut().find(|known| known.process() == card.process()) {
                // Its cards are written one after the other.
                known.beat_at = known.beat_at.max(card.beat_at);
                if known.configuration.times < card.configuration.times {
                    *known = card;
                }
            } else if is_ours {
                found.push(card);
            }
        }
    }
    Ok(found)
}

/// Signal the process of a card; false if there is no such process here.
fn ask(card: &WorkerCard) -> Result<bool, String> {
    let Some(pid) = i32::try_from(card.pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(false) };
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", card.pid)) else { return Ok(false) };
    let is_it = |comm: String| comm.trim_end() == card.thread();
    let mut names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    if !names.any(is_it) {
        return Ok(false);
    }
    match pidfd_send_signal(&handle, Signal::HUP) {
        Ok(()) => Ok(true),
        Err(Errno::PERM) => {
            Err(format!("process {} belongs to another user: reload it as root, or as that user", card.pid))
        }
        Err(fault) => Err(format!("process {} cannot be signalled: {fault}", card.pid)),
    }
}

/// Until everybody has answered, or the time is over.
async fn listen(app: &App, daemons: &mut Vec<Daemon>, patience: Duration) -> Result<()> {
    let begin = Instant::now();
    while daemons.iter().any(|daemon| daemon.end.is_none()) {
        let cards = cards(app).await?;
        for daemon in daemons.iter_mut().filter(|daemon| daemon.end.is_none()) {
            let card = cards.iter().find(|card| card.process() == daemon.card.process());
            daemon.hear(card, begin.elapsed() > patience);
        }
        // A process that died is on the list for ten seconds; it says nothing any more.
        if begin.elapsed() > NEWCOMERS {
            daemons.retain(|daemon| {
                let is_dead = !daemon.here && daemon.end.is_none();
                if is_dead {
                    let WorkerCard { worker, pid, .. } = &daemon.card;
                    answer::note(&format!(
                        "{worker} is silent, and its process {pid} is not here: it was not signalled"
                    ));
                }
                !is_dead
            });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

impl Daemon {
    /// What its card says now; `over` once nobody waits for it any longer.
    fn hear(&mut self, card: Option<&WorkerCard>, over: bool) {
        let pid = self.card.pid;
        match card {
            Some(card) if self.here && card.configuration.times > self.before => {
                self.end = Some(card.configuration.problem.clone().map_or(Ok(()), Err));
            }
            Some(card) if !self.here && card.beat_at > self.card.beat_at => {
                let problem = format!("it works, but process {pid} is not on this machine: reload it in its container");
                self.end = Some(Err(problem));
            }
            Some(_) | None if over && self.here => self.end = Some(Err("no answer in time: see its log".to_owned())),
            Some(_) | None => {}
        }
    }
}

fn show(daemons: &[Daemon], json: bool) -> ExitCode {
    let well = daemons.iter().all(|daemon| matches!(daemon.end, Some(Ok(()))));
    let problem = |daemon: &Daemon| daemon.end.as_ref().and_then(|end| end.as_ref().err().cloned());
    if json {
        let one = |daemon: &Daemon| {
            let problem = problem(daemon);
            let WorkerCard { worker, pid, .. } = &daemon.card;
            json!({"worker": worker, "pid": pid, "reloaded": problem.is_none(), "problem": problem})
        };
        answer::json(&daemons.iter().map(one).collect::<Vec<_>>());
    } else {
        for daemon in daemons {
            let WorkerCard { worker, pid, .. } = &daemon.card;
            let what = problem(daemon).map_or("reloaded".to_owned(), |problem| format!("failed: {problem}"));
            answer::line(&format!("{worker} (process {pid}): {what}"));
        }
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
