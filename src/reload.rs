//! Reading the configuration again while the daemon runs: all of it is taken, or nothing.
//!
//! Everything that can fail comes first: every file is read and judged, and Redis agrees to the queues that are new. Then
//! the daemon takes it, and nothing of that can fail. How the last attempt went is in one place, for the page, the
//! metrics and systemd to tell; the worker's card tells it to `liaison reload`.

use std::sync::{Arc, LazyLock};

use anyhow::Result;
use liaison_queue::{
    Changes, QueueName, Reread,
    clock::Clock,
    faults::{self, Point},
};
use liaison_store::KeyRing;
use prometheus::{IntCounter, IntGauge};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::{
    app::{self, App, Daemon},
    config::{
        Config, Loaded,
        changes::Change,
        mistake::ConfigError,
        schedule::{self, Schedule},
        secret::Secret,
    },
    metrics, offline, telemetry,
};

static FAILURES: LazyLock<IntCounter> = LazyLock::new(|| {
    metrics::counter("liaison_reload_failures_total", "Times at which another configuration was refused")
});
static WENT_WELL: LazyLock<IntGauge> = LazyLock::new(|| {
    metrics::gauge("liaison_config_last_reload_successful", "1 while the files say what runs, 0 after a refusal")
});

/// Reads the configuration as this process did when it started: the same file, variables and flags.
pub(crate) type Read = Box<dyn Fn() -> Result<Loaded, ConfigError> + Send>;
/// How the daemon came to what it runs with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reloaded {
    /// How often it was read again.
    pub(crate) times: u64,
    /// When it was read last, in ms since the epoch.
    pub(crate) at: i64,
    /// Why the last reading changed nothing, with all mistakes; none when it went well.
    pub(crate) problem: Option<String>,
}

/// Keeps what is in effect, and replaces it.
pub(crate) struct Reloader {
    read: Read,
    schedule: watch::Sender<Arc<Schedule>>,
    current: Config,
    file: Option<String>,
    last: Reloaded,
}

/// All that was judged and can be taken.
struct Judged {
    config: Config,
    text: Option<Secret>,
    changes: Vec<Change>,
    schedule: Schedule,
}

impl Reloader {
    pub(crate) fn new(
        current: Config,
        file: Option<String>,
        read: Read,
        schedule: watch::Sender<Arc<Schedule>>,
    ) -> Self {
        WENT_WELL.set(1);
        LazyLock::force(&FAILURES);
        Self { read, schedule, current, file, last: Reloaded::default() }
    }

    /// What runs now.
    pub(crate) fn current(&self) -> &Config {
        &self.current
    }

    /// Read everything again. Dropped before its end, it has changed nothing. Why it failed, if it did.
    pub(crate) async fn reload(&mut self, daemon: &mut Daemon) -> Option<String> {
        let problem = match self.attempt(daemon).await {
            Ok((queues, changes)) => {
                tell(&queues, &changes);
                None
            }
            Err(fault) => Some(format!("{fault:#}")),
        };
        if let Some(problem) = &problem {
            error!(problem, "reload failed, the configuration stays as it was: {problem}");
            FAILURES.inc();
        }
        WENT_WELL.set(i64::from(problem.is_none()));
        self.last = Reloaded { times: self.last.times + 1, at: Clock::wall().0, problem };
        let Reloaded { times, at, problem } = self.last.clone();
        let (file, keys) = (self.file.clone(), daemon.keys.as_ref().map(KeyRing::ids).unwrap_or_default());
        daemon.worker.reread(Reread { file, times, at, problem: problem.clone(), keys });
        problem
    }

    async fn attempt(&mut self, daemon: &mut Daemon) -> Result<(Changes, Vec<Change>)> {
        let Judged { config, text, changes, schedule } = self.judge()?;
        let config = self.current.clone().taking(config);
        let queues = app::served(&config)?;
        // Its path needs a restart, what is in it does not.
        let keys = App::keys_of(&self.current)?;
        // The last that can fail, and the only one that waits.
        daemon.worker.announce(&queues).await?;
        faults::at(Point::Reloading);
        let queues = daemon.take(&config, text, &queues);
        take_keys(daemon, keys.as_ref());
        self.schedule.send_replace(Arc::new(schedule));
        if config.log.level != self.current.log.level {
            telemetry::set_level(&config.log.level);
        }
        self.current = config;
        Ok((queues, changes))
    }

    fn judge(&mut self) -> Result<Judged, ConfigError> {
        let Loaded { config, warnings, text, .. } = match (self.read)() {
            Ok(loaded) => loaded,
            // Without a new configuration the schedule is judged for the old one: all mistakes come together.
            Err(error) => return Err(error.and(schedule::mistakes(&self.current))),
        };
        ConfigError::of(offline::mistakes(&config))?;
        // Jobs that only a restart would bring cannot be started by it yet.
        let schedule = Schedule::of(&self.current.clone().taking(config.clone()))?;
        for warning in warnings {
            warn!("{warning}");
        }
        Ok(Judged { changes: self.current.changes(&config), config, text, schedule })
    }
}

/// Seal with the first of these keys from now on, and open with all of them: the store and all jobs hold the same ring.
fn take_keys(daemon: &Daemon, new: Option<&KeyRing>) {
    let (Some(keys), Some(new)) = (&daemon.keys, new) else { return };
    let (before, after) = (keys.ids(), new.ids());
    keys.replace_with(new);
    if before == after {
        return;
    }
    let (seals, all) = (after.first().map_or("none", String::as_str), after.join(", "));
    info!(keys = all, "reload: key {seals} seals now; {all} open what is stored");
    let gone: Vec<&str> = before.iter().filter(|id| !after.contains(id)).map(String::as_str).collect();
    if !gone.is_empty() {
        let gone = gone.join(", ");
        warn!(keys = gone, "reload: key {gone} is no longer in the file: what it sealed cannot be opened any more");
    }
}

/// What came of it, in the log: each thing that changed, and each that will only change with a restart.
fn tell(queues: &Changes, changes: &[Change]) {
    for Change { key, from, to, .. } in changes.iter().filter(|change| change.live) {
        info!(key, from, to, "reload: {key} is {to} now, it was {from}");
    }
    let names = |names: &[QueueName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let Changes { added, removed, changed } = queues;
    if !added.is_empty() {
        info!(queues = names(added), "reload: serving {} too", names(added));
    }
    if !removed.is_empty() {
        let removed = names(removed);
        info!(queues = removed, "reload: claiming no more from {removed}; what runs there goes on to its end");
    }
    if !changed.is_empty() {
        info!(queues = names(changed), "reload: other weights or slots for {}", names(changed));
    }
    for Change { key, .. } in changes.iter().filter(|change| !change.live) {
        warn!(key, "changed, but takes effect with a restart: {key}");
    }
    info!("reloaded the configuration");
}
