//! A process for suspects: jobs that were there when a process of ours died.
//!
//! The daemon starts itself once more, for one queue, and that process runs nothing but suspects: together first, and
//! those whose company has died too, one at a time. So a job that kills its process kills no daemon and no neighbour.
//!
//! If the daemon dies, the other one sees its standard input end, finishes what it runs within its grace, and goes. If
//! that one dies, its leases lapse, and the reaper takes the jobs for what they are then.

use std::{
    ffi::OsString,
    fs::File,
    io::Write as _,
    os::fd::{AsRawFd as _, OwnedFd},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::BackoffBuilder as _;
use futures_util::future::OptionFuture;
use liaison_queue::{
    Isolation, Phase, QueueName, ServedQueue, Stopping, Suspects,
    faults::{self, Point},
};
use liaison_store::{Run, RunOutcome};
use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{ChildStdout, Command},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tracing::{info, warn};

use crate::{
    config::{environment::SUPERVISOR, secret::Secret},
    metrics::runs::RunMeters,
};

/// What starts this program once more; also after its file was replaced by an upgrade.
const OURSELVES: &str = "/proc/self/exe";
/// One that fell is not followed at once by the next, and the longer they fall, the later: a program that cannot start
/// must not start for ever. Suspects that fell it need a few starts in a row.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// So many at once, over all queues: each takes the memory of a small daemon.
const MAX_WARDS: usize = 4;
/// A process without suspects waits so long for more: longer than the reaper's beat, so that none is started in vain.
const IDLE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(100);

/// How to start a worker with the configuration of this one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Again {
    pub(crate) args: Vec<OsString>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) unset: Vec<&'static str>,
    /// The configuration file as it was when the daemon took it: what stands in it now may be half-written, or wrong.
    /// Without it the other process reads the file.
    pub(crate) text: Arc<Mutex<Option<Secret>>>,
}

/// A run in a process of suspects, as that process tells it on its standard output: who asks for metrics asks the
/// daemon, and a process that lives for seconds is never scraped.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    queue: String,
    job: String,
    outcome: String,
    ms: Option<u64>,
}

impl Told {
    pub(crate) fn of(run: Run) -> Self {
        let ms = run.duration_ms.and_then(|ms| u64::try_from(ms).ok());
        Self { queue: run.queue, job: run.name, outcome: run.outcome.as_str().to_owned(), ms }
    }

    /// One that cannot be read is of no release that knows us, and counts nowhere.
    fn count(line: &str, meters: &RunMeters) {
        let Ok(told) = serde_json::from_str::<Self>(line) else { return };
        let (Ok(queue), Ok(outcome)) = (QueueName::parse(&told.queue), told.outcome.parse::<RunOutcome>()) else {
            return;
        };
        meters.of(&queue, &told.job).ended(outcome, told.ms.map(Duration::from_millis));
    }
}

/// The processes of all suspects.
pub(crate) struct Wards {
    again: Again,
    places: Arc<Semaphore>,
    meters: Arc<RunMeters>,
    /// The queues that were served when we looked last.
    known: Vec<QueueName>,
    tasks: JoinSet<()>,
}

impl Wards {
    pub(crate) fn new(again: Again) -> Self {
        let places = Arc::new(Semaphore::new(MAX_WARDS));
        Self { again, places, meters: Arc::default(), known: Vec::new(), tasks: JoinSet::new() }
    }

    /// From now on these queues are served: start a process for the suspects of each whenever there are any. The wards
    /// of a queue end with it; those of a queue that has stayed stay.
    pub(crate) fn watch(&mut self, queues: &[ServedQueue]) {
        while self.tasks.try_join_next().is_some() {}
        for queue in queues.iter().filter(|queue| !self.known.contains(&queue.name)) {
            for isolation in [Isolation::Apart, Isolation::Alone] {
                let ward = Ward {
                    queue: queue.name.clone(),
                    isolation,
                    suspects: queue.suspects.clone(),
                    again: self.again.clone(),
                    places: Arc::clone(&self.places),
                    meters: Arc::clone(&self.meters),
                    stopping: queue.stopping.clone(),
                };
                self.tasks.spawn(ward.keep());
            }
        }
        self.known = queues.iter().map(|queue| queue.name.clone()).collect();
    }

    /// What is started from now on runs with this configuration file.
    pub(crate) fn configure(&self, text: Option<Secret>) {
        *self.again.text.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.unwrap_or_else(|| Secret::new("")));
    }

    /// Until all have ended, which they do with their queues.
    pub(crate) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The process for the suspects of one queue that run in one way.
struct Ward {
    queue: QueueName,
    isolation: Isolation,
    suspects: watch::Receiver<Suspects>,
    again: Again,
    places: Arc<Semaphore>,
    meters: Arc<RunMeters>,
    stopping: Stopping,
}

impl Ward {
    async fn keep(mut self) {
        let mut pauses = pauses();
        while let Some(waiting) = self.wanted().await {
            let (queue, isolation) = (&self.queue, self.isolation);
            let place = Arc::clone(&self.places);
            let _place = tokio::select! {
                place = place.acquire_owned() => place,
                () = self.stopping.reached(Phase::Drain) => return,
            };
            info!(%queue, "queue {queue}: {waiting} jobs were there when a process died; they run {isolation} now, in a process of their own");
            let pause = match self.run().await {
                Ok(status) if status.success() => {
                    pauses = self::pauses();
                    continue;
                }
                Ok(status) => {
                    let queue = &self.queue;
                    warn!(%queue, "queue {queue}: the process of the suspects ended with {status}");
                    pauses.next()
                }
                Err(fault) => {
                    let queue = &self.queue;
                    warn!(%queue, error = %fault, "queue {queue}: cannot start a process for the suspects; they wait");
                    pauses.next()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause.unwrap_or(PAUSES.1)) => {}
                () = self.stopping.reached(Phase::Drain) => return,
            }
        }
    }

    /// Until there are suspects: how many. None when we stop.
    async fn wanted(&mut self) -> Option<u64> {
        let isolation = self.isolation;
        let count = |known: &Suspects| match isolation {
            Isolation::None => 0,
            Isolation::Apart => known.apart,
            Isolation::Alone => known.alone,
        };
        tokio::select! {
            biased;
            () = self.stopping.reached(Phase::Drain) => None,
            known = self.suspects.wait_for(|known| count(known) > 0) => known.ok().map(|known| count(&known)),
        }
    }

    /// The words of our own command line that configure, with a copy of the file in the place of the file.
    fn arguments(&self) -> std::io::Result<(Vec<OsString>, Option<OwnedFd>)> {
        let mut arguments = self.again.args.clone();
        let text = self.again.text.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(text) = text else { return Ok((arguments, None)) };
        // In memory, and nobody else's to read: it may hold a password.
        let copy = memfd_create("liaison.toml", MemfdFlags::empty())?;
        fchmod(&copy, Mode::RUSR)?;
        let mut file = File::from(copy);
        file.write_all(text.expose().as_bytes())?;
        if let Some(at) = arguments.iter().position(|word| word == "--config") {
            arguments.drain(at..(at + 2).min(arguments.len()));
        }
        // It is inherited under the same number.
        arguments.extend(["--config".into(), format!("/proc/self/fd/{}", file.as_raw_fd()).into()]);
        Ok((arguments, Some(file.into())))
    }

    async fn run(&mut self) -> std::io::Result<ExitStatus> {
        let mut command = Command::new(OURSELVES);
        // Open until the other process has it.
        let (arguments, _copy) = self.arguments()?;
        // What systemd told us is for us: it must not take their word for ours.
        for name in self.again.unset.iter().chain(&SUPERVISOR) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["worker", "--isolation", self.isolation.as_str(), "--queues", self.queue.as_str()])
            .args(arguments)
            .envs(self.again.environment.iter().map(|(name, value)| (name, value)))
            // Its end tells the other one that we are gone, however we went.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        faults::at(Point::ForSuspects);
        let (stdin, told) = (child.stdin.take(), child.stdout.take());
        let listening = listen(told, &self.meters);
        let ended = async {
            tokio::select! {
                status = child.wait() => return status,
                () = self.stopping.reached(Phase::Drain) => drop(stdin),
            }
            child.wait().await
        };
        tokio::join!(ended, listening).0
    }
}

/// Until the other process has ended: count what it tells.
async fn listen(told: Option<ChildStdout>, meters: &RunMeters) {
    let mut lines: Option<Lines<_>> = told.map(|told| BufReader::new(told).lines());
    while let Some(Ok(Some(line))) = OptionFuture::from(lines.as_mut().map(Lines::next_line)).await {
        Told::count(&line, meters);
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    backon::ExponentialBuilder::default().with_min_delay(PAUSES.0).with_max_delay(PAUSES.1).without_max_times().build()
}

/// In the process of suspects: until there are no more, or the daemon that started it is gone.
pub(crate) async fn no_more(queues: &[ServedQueue]) {
    let mut stdin = tokio::io::stdin();
    let mut idle = Duration::ZERO;
    loop {
        tokio::select! {
            read = stdin.read_u8() => if read.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
        idle = if queues.iter().all(|queue| queue.flow.is_empty()) { idle + LOOK } else { Duration::ZERO };
        if idle >= IDLE {
            return;
        }
    }
}
