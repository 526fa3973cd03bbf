//! WHEN work starts by itself: every daemon looks at the schedule, and whoever comes first decides a tick.
//!
//! A tick is decided in one atomic step in the entry's own slot in Redis, so that no tick is decided twice and none
//! after another one was. What follows, the job and then the row of the history, is kept there until it is done. If a
//! daemon dies in between, the next one that looks does it: the job's id is made from the entry and the instant, so
//! doing it twice is doing it once.

pub(crate) mod crontab;
mod finisher;
mod heir;
pub(crate) mod left;
pub(crate) mod policy;
mod recording;
#[cfg(test)]
mod simulation;
pub(crate) mod ticks;
mod turn;
pub(crate) mod words;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use liaison_queue::{Link, Phase, Producer, Pulse, Stopping, chain, clock::Clock, clock::Millis};
use liaison_store::Store;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::config::schedule::Schedule;
pub(crate) use finisher::begin_counting;
use heir::Heir;
pub(crate) use recording::{Ended, Recording};
use turn::Turn;

/// The clock is looked at so often, whatever it said before: it may be put, and a machine that slept does not know it.
const LOOK: Duration = Duration::from_secs(1);
/// Until Redis has told its time for the first time.
const SOON: Duration = Duration::from_millis(10);

pub(crate) struct Scheduler {
    /// As it was read last.
    pub(crate) schedule: watch::Receiver<Arc<Schedule>>,
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
pub(crate) fn records(store: Option<Store>, pulse: Pulse) -> (mpsc::UnboundedSender<Ended>, Recording) {
    // Bounded by what may be left of each entry.
    let (records, receiver) = mpsc::unbounded_channel();
    (records, Recording { store, receiver, pulse })
}

impl Scheduler {
    /// Until the daemon stops.
    pub(crate) async fn run(mut self, mut stopping: Stopping) {
        while !stopping.has_reached(Phase::Drain) {
            let turns = self.take_up();
            let heir = Heir::beside(&turns);
            let mut changes = self.schedule.clone();
            let (all, time) = (&self, Time::default());
            let time = &time;
            // Each entry goes its own way: what keeps one from its times keeps no other.
            let entries = join_all(turns.into_iter().map(|turn| all.attend(turn, time)));
            tokio::select! {
                () = async { tokio::join!(all.tell_time(time), heir.look_after(all, time), entries); } => {}
                Ok(()) = changes.changed() => {}
                () = stopping.reached(Phase::Drain) => {}
            }
        }
    }

    fn take_up(&mut self) -> Vec<Turn> {
        let schedule = Arc::clone(&self.schedule.borrow_and_update());
        // With the limits that hold from now on.
        self.producer = Producer::new(self.link.clone(), schedule.limits, self.clock.clone());
        self.id_memory = schedule.id_memory;
        let entries = &schedule.entries;
        let on = entries.iter().filter(|entry| entry.enabled).count();
        if !entries.is_empty() {
            info!(entries = entries.len(), on, "the schedule has {} entries, {on} of them switched on", entries.len());
        }
        entries.iter().map(|entry| Turn::new(entry.clone(), &self.link, &self.clock)).collect()
    }

    /// Ask Redis for its time again and again. Whoever cannot be asked has told it before, and every decision is judged
    /// by the clock of the server that makes it.
    async fn tell_time(&self, time: &Time) {
        let mut away = None;
        loop {
            self.pulse.beat();
            match liaison_queue::now(&self.link).await {
                Ok(now) => {
                    time.learn(now);
                    self.pulse.has_all();
                    back(&mut away);
                }
                Err(fault) => {
                    self.pulse.waits_for(&format!("Redis {}", fault.in_short()));
                    if away.is_none() {
                        away = Some(Instant::now());
                        warn!(error = chain(&fault), "the schedule waits: Redis {}", fault.in_short());
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One entry, turn after turn.
    async fn attend(&self, mut turn: Turn, time: &Time) {
        loop {
            let Some(now) = time.now() else {
                tokio::time::sleep(SOON).await;
                continue;
            };
            if let Err(fault) = turn.round(self, now).await {
                turn.fails(&fault, time.is_told());
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let wait = time.now().map_or(LOOK, |now| turn.idle(now));
            tokio::time::sleep(wait).await;
        }
    }

    /// A turn of each, all at the same simulated time.
    #[cfg(test)]
    pub(crate) async fn round(&self, turns: &mut [Turn]) -> Result<(), liaison_queue::QueueError> {
        let Clock::Fixed(now) = &self.clock else { unreachable!("simulated") };
        let now = Millis(now.load(std::sync::atomic::Ordering::Relaxed));
        join_all(turns.iter_mut().map(|turn| turn.round(self, now))).await.into_iter().collect()
    }
}

/// What time it is for Redis, as it was told last, going on by a clock that nobody puts.
#[derive(Default)]
struct Time(Mutex<Option<(Instant, Millis)>>);

impl Time {
    fn learn(&self, now: Millis) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), now));
    }

    /// Whether somebody answers who tells the time.
    fn is_told(&self) -> bool {
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_some_and(|(at, _)| at.elapsed() < LOOK * 2)
    }

    fn now(&self) -> Option<Millis> {
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.map(|(at, now)| now.plus(at.elapsed()))
    }
}

fn back(away: &mut Option<Instant>) {
    if let Some(since) = away.take() {
        info!("Redis is back after {:.1} s: the schedule goes on", since.elapsed().as_secs_f32());
    }
}
