//! How the daemon ends: a signal drains it, a second one skips ahead, and nothing held is forgotten.

use std::time::Duration;

use anyhow::{Context as _, Result};
use liaison_queue::Phase;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::app::Daemon;

/// After the grace period: to hand back, to record and to settle. A handler that never yields cannot be waited for.
const LAST_STEPS: Duration = Duration::from_secs(5);

/// SIGTERM and SIGINT, as one.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

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
