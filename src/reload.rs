//! Reading the configuration again while the daemon runs: all of it is taken, or nothing.
//!
//! Everything that can fail comes first: every file is read and judged, and Redis agrees to the queues that are new. Then
//! the daemon takes it, and nothing of that can fail. How the last attempt went is in one place, for the page, the
//! metrics and systemd to tell; the worker's card tells it to `liaison reload`.

use anyhow::Result;
use liaison_queue::{Changes, QueueName, Reread, clock::Clock};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::{
    app::{self, Daemon},
    config::{
        Config, Loaded,
        changes::Change,
        mistake::{ConfigError, Mistake},
        secret::Secret,
    },
    offline, telemetry,
};

/// Reads the configuration as this process did when it started: the same file, variables and flags.
pub(crate) type Read = Box<dyn Fn() -> Result<Loaded, ConfigError> + Send>;
/// What else is read again, such as the schedule. It is judged for a configuration, and answers with all its mistakes, or
/// with what takes it.
pub(crate) type Beside = Box<dyn FnMut(&Config) -> Result<Take, Vec<Mistake>> + Send>;
/// Takes what was judged. It cannot fail.
pub(crate) type Take = Box<dyn FnOnce() + Send>;

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
    beside: Vec<Beside>,
    current: Config,
    file: Option<String>,
    last: watch::Sender<Reloaded>,
}

/// All that was judged and can be taken.
struct Judged {
    config: Config,
    text: Option<Secret>,
    changes: Vec<Change>,
    takes: Vec<Take>,
}

impl Reloader {
    pub(crate) fn new(current: Config, file: Option<String>, read: Read) -> Self {
        metrics::gauge!("liaison_config_last_reload_successful").set(1);
        metrics::counter!("liaison_reload_failures_total").absolute(0);
        Self { read, beside: Vec::new(), current, file, last: watch::Sender::default() }
    }

    /// Read this too from now on.
    #[expect(dead_code, reason = "for the schedule")]
    pub(crate) fn with(mut self, beside: Beside) -> Self {
        self.beside.push(beside);
        self
    }

    /// What runs now.
    pub(crate) fn current(&self) -> &Config {
        &self.current
    }

    /// How the last attempt went, for whoever tells it.
    #[expect(dead_code, reason = "for the page, and for systemd")]
    pub(crate) fn watch(&self) -> watch::Receiver<Reloaded> {
        self.last.subscribe()
    }

    /// Read everything again. Dropped before its end, it has changed nothing.
    pub(crate) async fn reload(&mut self, daemon: &mut Daemon) {
        let told = match self.attempt(daemon).await {
            Ok((queues, changes)) => {
                tell(&queues, &changes);
                None
            }
            Err(fault) => Some(format!("{fault:#}")),
        };
        let well = told.is_none();
        if let Some(problem) = &told {
            error!(problem, "reload failed, the configuration stays as it was: {problem}");
            metrics::counter!("liaison_reload_failures_total").increment(1);
        }
        metrics::gauge!("liaison_config_last_reload_successful").set(u8::from(well));
        self.last.send_modify(|last| {
            *last = Reloaded { times: last.times + 1, at: Clock::wall().0, problem: told.clone() };
        });
        let Reloaded { times, at, problem } = self.last.borrow().clone();
        daemon.worker.reread(Reread { file: self.file.clone(), times, at, problem });
    }

    async fn attempt(&mut self, daemon: &mut Daemon) -> Result<(Changes, Vec<Change>)> {
        let Judged { config, text, changes, takes } = self.judge()?;
        let config = self.current.clone().taking(config);
        let queues = app::served(&config)?;
        // The last that can fail, and the only one that waits.
        daemon.worker.announce(&queues).await?;
        let queues = daemon.take(&config, text, &queues);
        for take in takes {
            take();
        }
        if config.log.level != self.current.log.level {
            telemetry::set_level(&config.log.level);
        }
        self.current = config;
        Ok((queues, changes))
    }

    fn judge(&mut self) -> Result<Judged, ConfigError> {
        let read = (self.read)();
        // Without a new configuration the files beside it are judged for the old one: all mistakes come together.
        let config = read.as_ref().map_or(&self.current, |loaded| &loaded.config);
        let mut mistakes = if read.is_ok() { offline::mistakes(config) } else { Vec::new() };
        let mut takes = Vec::new();
        for beside in &mut self.beside {
            match beside(config) {
                Ok(take) => takes.push(take),
                Err(more) => mistakes.extend(more),
            }
        }
        let Loaded { config, warnings, text, .. } = match read {
            Ok(loaded) => loaded,
            Err(error) => return Err(error.and(mistakes)),
        };
        ConfigError::of(mistakes)?;
        for warning in warnings {
            warn!("{warning}");
        }
        Ok(Judged { changes: self.current.changes(&config), config, text, takes })
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
