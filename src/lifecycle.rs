//! How the daemon ends: a signal drains it, a second one skips ahead, and nothing held is forgotten.

use std::time::Duration;

use anyhow::{Context as _, Result};
use liaison_queue::Phase;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::app::Daemon;

/// After the grace period: to hand back, to record and to settle. A handler that never yields cannot be waited for.
const LAST_STEPS: Duration = Duration::from_secs(5);

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
pub(crate) async fn drain(mut daemon: Daemon, grace: Duration, signals: &mut Signals) {
    info!("stopping: claiming no more, running jobs have {:.1} s to finish", grace.as_secs_f32());
    daemon.stop.advance(Phase::Drain);
    let in_time = tokio::select! {
        () = daemon.worker.drained() => true,
        () = tokio::time::sleep(grace) => false,
        () = signals.next() => false,
    };
    if !in_time {
        warn!("handing back what still runs");
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
    daemon.end(LAST_STEPS).await;
    info!("stopped");
}
