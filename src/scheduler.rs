//! WHEN work starts by itself: every daemon looks at the schedule, and whoever comes first decides a tick.
//!
//! A tick is decided in one atomic step in the entry's own slot in Redis, so that no tick is decided twice and none
//! after another one was. What follows, the job and then the row of the history, is kept there until it is done. If a
//! daemon dies in between, the next one that looks does it: the job's id is made from the entry and the instant, so
//! doing it twice is doing it once.

pub(crate) mod crontab;
pub(crate) mod left;
pub(crate) mod policy;
mod recording;
#[cfg(test)]
mod simulation;
pub(crate) mod ticks;
mod turn;
pub(crate) mod words;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use liaison_queue::{Link, Phase, Producer, Pulse, QueueError, Stopping, chain, clock::Clock, clock::Millis};
use liaison_store::Store;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::config::schedule::Entry;
pub(crate) use recording::{Ended, Recording};
use turn::Turn;
pub(crate) use turn::begin_counting;

/// The clock is looked at so often, whatever it said before: it may be put, and a machine that slept does not know it.
const LOOK: Duration = Duration::from_secs(1);
/// Entries that are decided at the same time.
const AT_ONCE: usize = 64;

pub(crate) struct Scheduler {
    /// The entries, as they were read last.
    pub(crate) entries: watch::Receiver<Arc<Vec<Entry>>>,
    pub(crate) link: Link,
    pub(crate) producer: Producer,
    /// Where nothing is recorded, there is no history of ticks either.
    pub(crate) store: Option<Store>,
    pub(crate) clock: Clock,
    /// How long the queue remembers the id of a job that has left.
    pub(crate) id_memory: Duration,
    pub(crate) pulse: Pulse,
    /// Where ticks go when their jobs are in their queues.
    pub(crate) records: mpsc::UnboundedSender<Ended>,
}

/// Where the ticks of a scheduler go, and who records them.
pub(crate) fn records(store: Option<Store>) -> (mpsc::UnboundedSender<Ended>, Recording) {
    // Bounded by what may be left of each entry.
    let (records, receiver) = mpsc::unbounded_channel();
    (records, Recording { store, receiver })
}

impl Scheduler {
    /// Until the daemon stops.
    pub(crate) async fn run(mut self, mut stopping: Stopping) {
        let mut away = None;
        self.pulse.beat();
        let mut turns = self.take_up();
        while !stopping.has_reached(Phase::Drain) {
            self.pulse.beat();
            let wait = match self.round(&mut turns).await {
                Ok(wait) => {
                    self.pulse.has_all();
                    back(&mut away);
                    wait
                }
                Err(fault) => {
                    self.pulse.waits_for(&format!("Redis {}", fault.in_short()));
                    if away.is_none() {
                        away = Some(Instant::now());
                        warn!(error = chain(&fault), "the schedule waits: Redis {}", fault.in_short());
                    }
                    LOOK
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Ok(()) = self.entries.changed() => turns = self.take_up(),
                () = stopping.reached(Phase::Drain) => {}
            }
        }
    }

    fn take_up(&mut self) -> Vec<Turn> {
        let entries = Arc::clone(&self.entries.borrow_and_update());
        let on = entries.iter().filter(|entry| entry.enabled).count();
        if !entries.is_empty() {
            info!(entries = entries.len(), on, "the schedule has {} entries, {on} of them switched on", entries.len());
        }
        entries.iter().map(|entry| Turn::new(entry.clone(), &self.link, &self.clock)).collect()
    }

    /// Decide all that is due, and say how long nothing will be.
    pub(crate) async fn round(&self, turns: &mut [Turn]) -> Result<Duration, QueueError> {
        if turns.is_empty() {
            return Ok(LOOK);
        }
        let now = self.now().await?;
        let (mut worst, mut wait) = (None, LOOK);
        for some in turns.chunks_mut(AT_ONCE) {
            let rounds = some.iter_mut().map(|turn| turn.round(self, now));
            for result in join_all(rounds).await {
                // One entry's trouble must not keep the others from their times.
                match result {
                    Ok(idle) => wait = wait.min(idle),
                    Err(fault) => worst = Some(fault),
                }
            }
        }
        worst.map_or(Ok(wait), Err)
    }

    async fn now(&self) -> Result<Millis, QueueError> {
        match &self.clock {
            Clock::Redis => liaison_queue::now(&self.link).await,
            Clock::Fixed(now) => Ok(Millis(now.load(Ordering::Relaxed))),
        }
    }
}

fn back(away: &mut Option<Instant>) {
    if let Some(since) = away.take() {
        info!("Redis is back after {:.1} s: the schedule goes on", since.elapsed().as_secs_f32());
    }
}
