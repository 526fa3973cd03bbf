//! The attendant: a thread of its own, which no handler can block, that looks at all parts, looks at the queues, tells
//! systemd, and answers over HTTP. It begins before Redis and the store are asked, and ends last.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use liaison_queue::{Flow, Link, QueueName, Stage as Step};
use tokio::sync::oneshot;

use super::{
    Condition, Report, Stage,
    judge::{Judge, LOOK, bound},
};
use crate::{
    config::Config,
    http::{Asked, Door, router},
    metrics::Depths,
};

/// How often the queues are looked at, for the metrics and the status.
const GATHER: Duration = Duration::from_secs(5);
/// Connecting to Redis and its answers, for that.
const PATIENCE: Duration = Duration::from_secs(2);
/// Queues that the status names; the others are summed up.
const NAMED: usize = 5;

/// The running thread; it ends when this is dropped.
pub(crate) struct Attendant {
    done: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    answers_at: Option<String>,
}

impl Attendant {
    pub(crate) fn start(config: &Config, link: &Link, condition: &Condition) -> Result<Self> {
        let door = Door::open(&config.http)?;
        let answers_at = door.as_ref().map(|door| door.shown().to_owned());
        crate::metrics::runs::begin();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let watch = Watch {
            condition: condition.clone(),
            depths: Depths::default(),
            link: link.separate(PATIENCE)?,
            bound: bound(config),
            slots: config.worker.concurrency,
        };
        let (done, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("attendant".into());
        let thread = thread
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = watch.attend(door) => {}
                        _ = ended => {}
                    }
                });
            })
            .context("start the attendant's thread")?;
        Ok(Self { done: Some(done), thread: Some(thread), answers_at })
    }

    /// Where health and metrics are answered, if they are.
    pub(crate) fn answers_at(&self) -> Option<&str> {
        self.answers_at.as_deref()
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        self.done = None;
        if let Some(thread) = self.thread.take() {
            // It waits for nothing but its timers; a panic in it was logged.
            let _ = thread.join();
        }
    }
}

struct Watch {
    condition: Condition,
    depths: Depths,
    link: Link,
    bound: Duration,
    slots: u32,
}

impl Watch {
    /// For ever.
    async fn attend(self, door: Option<Door>) {
        let asked = Asked { condition: self.condition.clone(), depths: self.depths.clone(), slots: self.slots };
        let served = async {
            match door {
                Some(door) => door.serve(router(asked)).await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.judge(), self.gather(), self.ping(), self.tell(), served);
    }

    async fn judge(&self) {
        let mut judge = Judge::new(self.bound);
        loop {
            self.condition.judged(&judge.look(Instant::now(), &self.condition.signs()));
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn gather(&self) {
        loop {
            let queues: Vec<QueueName> = self.condition.flows().into_iter().map(|(queue, _)| queue).collect();
            if queues.is_empty() {
                self.condition.serving().await;
                continue;
            }
            self.depths.look(&self.link, &queues).await;
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Signs of life for systemd, while there is life: in every part.
    async fn ping(&self) {
        let Some(watchdog) = self.condition.notifier().watchdog() else { return };
        loop {
            if self.condition.report().is_healthy() {
                self.condition.notifier().alive();
            }
            tokio::time::sleep(watchdog / 2).await;
        }
    }

    async fn tell(&self) {
        if !self.condition.notifier().is_heard() {
            return;
        }
        let mut told = String::new();
        loop {
            let text = status(&self.condition.report(), &self.depths, &self.condition.flows());
            if text != told {
                self.condition.notifier().status(&text);
                told = text;
            }
            let _ = tokio::time::timeout(LOOK, self.condition.changed()).await;
        }
    }
}

/// What `systemctl status` shows: what is wrong first, then what is there.
fn status(report: &Report, depths: &Depths, flows: &[(QueueName, Arc<Flow>)]) -> String {
    let troubles = report.troubles();
    let count = |step| flows.iter().map(|(_, flow)| flow.count(step)).sum::<usize>();
    let (running, unrecorded) = (count(Step::Running), count(Step::Unrecorded));
    let doing = match report.stage {
        Stage::Starting => "starting".to_owned(),
        Stage::Draining => format!("draining: {running} jobs still run, {unrecorded} wait for their record"),
        Stage::Reloading => "reloading the configuration".to_owned(),
        Stage::Serving => serving(depths),
    };
    let parts = [troubles, doing, report.remark.clone().unwrap_or_default()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The deepest queues first.
fn serving(depths: &Depths) -> String {
    let mut known: Vec<_> = depths.known().into_iter().collect();
    if known.is_empty() {
        return "serving".to_owned();
    }
    known.sort_by_key(|(_, depth)| std::cmp::Reverse(depth.waiting + depth.due_later + depth.running));
    let mut told: Vec<String> = known
        .iter()
        .take(NAMED)
        .map(|(queue, depth)| {
            let paused = if depth.paused { ", paused" } else { "" };
            format!("{queue}: {} waiting, {} due, {} running{paused}", depth.waiting, depth.due_later, depth.running)
        })
        .collect();
    if known.len() > NAMED {
        told.push(format!("{} more queues", known.len() - NAMED));
    }
    told.join("; ")
}
