//! How the daemon begins and ends: it waits for what is away, and only for that; a signal drains it, a second one skips
//! ahead, and nothing held is forgotten.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use liaison_queue::{Phase, QueueError, StartError};
use liaison_store::StoreError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::{
    app::{App, Daemon},
    patience::in_short,
    vitals::bound,
};

/// After the grace period: to hand back, to record and to settle. A handler that never yields cannot be waited for.
const LAST_STEPS: Duration = Duration::from_secs(5);

/// Between two attempts to start while Redis or the store is away: as often as they are tried later.
const START_AGAIN: Duration = Duration::from_secs(1);

/// Start, and wait for a Redis or a store that is away: a restart would find it no sooner, and systemd would count and
/// log every one. What does not mend itself, such as a wrong password or an old schema, is an error at once.
pub(crate) async fn start(app: &App) -> Result<Daemon> {
    let mut waited: Option<Instant> = None;
    loop {
        // An attempt is a handful of calls, of Redis and of the store.
        app.condition.notifier().extend(bound(&app.config) * 4);
        let fault = match app.start(None).await {
            Ok(daemon) => {
                if let Some(since) = waited {
                    info!("what was away is back after {:.1} s", since.elapsed().as_secs_f32());
                }
                return Ok(daemon);
            }
            Err(fault) => fault,
        };
        let Some(what) = outage(&fault) else { return Err(fault) };
        if waited.is_none() {
            waited = Some(Instant::now());
            let error = format!("{fault:#}");
            warn!(error, "cannot start yet: {what}; waiting until that is over");
        }
        app.condition.start_waits(&what);
        tokio::time::sleep(START_AGAIN).await;
    }
}

/// What is away, if that is why a start failed.
fn outage(fault: &anyhow::Error) -> Option<String> {
    let redis = fault.downcast_ref::<QueueError>().or_else(|| match fault.downcast_ref::<StartError>()? {
        StartError::Queue(fault) => Some(fault),
        StartError::Thread(_) => None,
    });
    let redis = redis.filter(|fault| fault.is_outage()).map(|fault| format!("Redis {}", fault.in_short()));
    let store = || fault.downcast_ref::<StoreError>().filter(|fault| fault.is_outage()).map(in_short);
    redis.or_else(|| store().map(ToOwned::to_owned))
}

/// SIGTERM and SIGINT, as one; and SIGHUP.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Stop,
    /// To read the configuration again.
    Reload,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        Ok(Self { hangup, terminate, interrupt })
    }

    /// Until somebody asks for anything. Signals that come together are one.
    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Until somebody asks to stop.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Finish what runs within the grace period, hand the rest back, and record everything.
///
/// Before each step systemd is told how long it takes at most, so that its own patience need not be known.
pub(crate) async fn drain(mut daemon: Daemon, grace: Duration, signals: &mut Signals) {
    daemon.condition.drains(grace + LAST_STEPS);
    info!("stopping: claiming no more, running jobs have {:.1} s to finish", grace.as_secs_f32());
    daemon.stop.advance(Phase::Drain);
    let in_time = tokio::select! {
        () = daemon.worker.drained() => true,
        () = tokio::time::sleep(grace) => false,
        () = signals.next() => false,
    };
    if !in_time {
        warn!("handing back what still runs");
        daemon.condition.drains(LAST_STEPS * 2);
        daemon.stop.advance(Phase::Interrupt);
        let stuck = tokio::select! {
            () = daemon.worker.drained() => false,
            () = tokio::time::sleep(LAST_STEPS) => true,
            () = signals.next() => true,
        };
        if stuck {
            warn!("some jobs do not let go of their threads; their leases will lapse and they will run again");
            return;
        }
    }
    // The store, Redis, and the processes of suspects, one after the other.
    daemon.condition.drains(LAST_STEPS * 4);
    daemon.end(LAST_STEPS).await;
    info!("stopped");
}
