//! A process for suspects: jobs that were there when a process of ours died.
//!
//! The daemon starts itself once more, for one queue, and that process runs nothing but suspects: together first, and
//! those whose company has died too, one at a time. So a job that kills its process kills no daemon and no neighbour.
//!
//! If the daemon dies, the other one sees its standard input end, finishes what it runs within its grace, and goes. If
//! that one dies, its leases lapse, and the reaper takes the jobs for what they are then.

use std::{
    ffi::OsString,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use liaison_queue::{Flow, Isolation, Phase, QueueName, Stopping, Suspects};
use tokio::{io::AsyncReadExt as _, process::Command, sync::watch, task::JoinSet};
use tracing::{info, warn};

/// What starts this program once more; also after its file was replaced by an upgrade.
const OURSELVES: &str = "/proc/self/exe";
/// One that fell is not followed at once by the next: a program that cannot start must not start for ever.
const PAUSE: Duration = Duration::from_millis(500);
/// A process without suspects waits so long for more: longer than the reaper's beat, so that none is started in vain.
const IDLE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(100);

/// How to start a worker with the configuration of this one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Again {
    pub(crate) args: Vec<OsString>,
    pub(crate) environment: Vec<(String, String)>,
}

/// Start a process for the suspects of each queue whenever there are any.
pub(crate) fn watch(
    queues: &[(QueueName, watch::Receiver<Suspects>)],
    again: &Again,
    stopping: &Stopping,
) -> JoinSet<()> {
    let mut wards = JoinSet::new();
    for (queue, suspects) in queues {
        for isolation in [Isolation::Apart, Isolation::Alone] {
            let (queue, suspects, again) = (queue.clone(), suspects.clone(), again.clone());
            wards.spawn(keep(queue, isolation, suspects, again, stopping.clone()));
        }
    }
    wards
}

async fn keep(
    queue: QueueName,
    isolation: Isolation,
    mut suspects: watch::Receiver<Suspects>,
    again: Again,
    mut stopping: Stopping,
) {
    let count = move |known: &Suspects| match isolation {
        Isolation::None => 0,
        Isolation::Apart => known.apart,
        Isolation::Alone => known.alone,
    };
    loop {
        let waiting = tokio::select! {
            known = suspects.wait_for(|known| count(known) > 0) => known.map_or(0, |known| count(&known)),
            () = stopping.reached(Phase::Drain) => return,
        };
        if waiting == 0 || stopping.has_reached(Phase::Drain) {
            return;
        }
        info!(%queue, "queue {queue}: {waiting} jobs were there when a process died; they run {isolation} now, in a process of their own");
        match run(&queue, isolation, &again, &mut stopping).await {
            Ok(status) if status.success() => {}
            Ok(status) => {
                warn!(%queue, "queue {queue}: the process of the suspects ended with {status}");
                tokio::time::sleep(PAUSE).await;
            }
            Err(fault) => {
                warn!(%queue, error = %fault, "queue {queue}: cannot start a process for the suspects; they wait");
                tokio::time::sleep(PAUSE * 10).await;
            }
        }
    }
}

async fn run(
    queue: &QueueName,
    isolation: Isolation,
    again: &Again,
    stopping: &mut Stopping,
) -> std::io::Result<ExitStatus> {
    let mut child = Command::new(OURSELVES)
        .args(["worker", "--isolation", isolation.as_str(), "--queues", queue.as_str()])
        .args(&again.args)
        .envs(again.environment.iter().map(|(name, value)| (name, value)))
        // Its end tells the other one that we are gone, however we went.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let stdin = child.stdin.take();
    tokio::select! {
        status = child.wait() => return status,
        () = stopping.reached(Phase::Drain) => drop(stdin),
    }
    child.wait().await
}

/// In the process of suspects: until there are no more, or the daemon that started it is gone.
pub(crate) async fn no_more(flows: &[(QueueName, std::sync::Arc<Flow>)]) {
    let mut stdin = tokio::io::stdin();
    let mut idle = Duration::ZERO;
    loop {
        tokio::select! {
            read = stdin.read_u8() => if read.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
        idle = if flows.iter().all(|(_, flow)| flow.is_empty()) { idle + LOOK } else { Duration::ZERO };
        if idle >= IDLE {
            return;
        }
    }
}
