//! What the kernel says of a process, and a daemon of its own that is started to be looked at.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};

use super::measures::{Bench, Keep};
use crate::app::App;

const OURSELVES: &str = "/proc/self/exe";
/// How long a daemon idles while it is looked at.
const IDLE_FOR: Duration = Duration::from_secs(5);
const START: Duration = Duration::from_secs(30);

/// The processor time of a process, in the kernel's hundredths of a second.
pub(super) fn processor_time(pid: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in brackets may hold anything; the numbers begin after it. The 12th and 13th are user and system time.
    let numbers = stat.rsplit_once(") ").map_or("", |(_, numbers)| numbers);
    let ticks: u64 = numbers.split(' ').skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn status(pid: &str, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

pub(super) fn peak_mib(pid: &str) -> f64 {
    status(pid, "VmHWM:")
}

pub(super) fn resident_mib(pid: &str) -> f64 {
    status(pid, "VmRSS:")
}

/// A daemon as an operator sees it: started, left alone, stopped.
pub(super) struct Idle {
    pub(super) resident_mib: f64,
    pub(super) processor_percent: f64,
    pub(super) first_job_ms: f64,
    pub(super) bare_start_ms: f64,
}

impl Idle {
    pub(super) async fn measure(bench: &Bench<'_>, app: &App) -> Result<Self> {
        let begin = Instant::now();
        let bare = Command::new(OURSELVES).arg("--version").stdout(Stdio::null()).status().await?;
        let bare_start_ms = millis(begin.elapsed());
        if !bare.success() {
            bail!("cannot start this program once more");
        }
        let queue = super::measures::queue("bench-idle")?;
        let envelope = r#"{"job":"noop","queue":"bench-idle","id":"first","reply":true}"#;
        app.producer().enqueue(&[envelope]).await?;
        let begin = Instant::now();
        let mut daemon = start(bench)?;
        let id = liaison_queue::JobId::parse("first").map_err(anyhow::Error::msg)?;
        let told = app.inspector(&queue).reply(&id, START).await?;
        let first_job_ms = millis(begin.elapsed());
        told.context("the first job did not end")?;
        let pid = daemon.id().context("the daemon has ended")?.to_string();
        // Threads that were started for the first job have settled by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = processor_time(&pid);
        tokio::time::sleep(IDLE_FOR).await;
        let used = processor_time(&pid).saturating_sub(before);
        let idle = Self {
            resident_mib: resident_mib(&pid),
            processor_percent: used.as_secs_f64() / IDLE_FOR.as_secs_f64() * 100.0,
            first_job_ms,
            bare_start_ms,
        };
        daemon.kill().await?;
        Ok(idle)
    }
}

fn start(bench: &Bench<'_>) -> Result<Child> {
    let (variables, unset) = crate::config::variables(&bench.fixed(Keep::Sqlite)?);
    let mut command = Command::new(OURSELVES);
    for name in unset {
        command.env_remove(name);
    }
    command
        .args(["worker", "--queues", "bench-idle"])
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("start a daemon")
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
