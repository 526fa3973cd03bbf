//! Ten thousand ticks over three daemons that are killed at any time: none lost, none doubled.

mod clocks;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, Utc};
use liaison_queue::{
    EntryName, Inspector, JobId, LinkOptions, QueueName, envelope::Limits, schedule::Slot, state::Priority,
};
use liaison_store::{KeyRing, StoreOptions, TickStatus};
use proptest::{
    prelude::Rng as _,
    test_runner::{RngAlgorithm, TestRng},
};
use tokio::task::JoinSet;

use super::*;
use crate::{
    config::schedule::{CatchUp, Entry, Overlap},
    embedded::{Folder, PrivateRedis},
    scheduler::{crontab::Crontab, ticks::Ticks},
};

const BEGIN: Millis = Millis(1_795_000_000_000);
/// Of simulated time; with the entries below this is a little over 10,000 ticks.
const LENGTH: Duration = Duration::from_secs(5_200);
/// The simulated clock does not run away from daemons that are killed all the time. In ms.
const BEHIND: i64 = 60_000;
/// With a machine under load.
const PATIENCE: Duration = Duration::from_mins(1);

fn entry(name: &str, cron: &str) -> Entry {
    Entry {
        name: EntryName::parse(name).unwrap(),
        job: "noop".into(),
        ticks: Ticks { crontab: Crontab::parse(cron).unwrap(), zone: chrono_tz::Europe::Berlin },
        args: serde_json::json!({}),
        queue: QueueName::parse(name).unwrap(),
        priority: Priority::Normal,
        catch_up: CatchUp::All { most: 1000, within: Duration::from_hours(1) },
        overlap: Overlap::Allow,
        jitter: Duration::ZERO,
        spread: Duration::ZERO,
        enabled: true,
        description: None,
    }
}

struct World {
    link: Link,
    store: Store,
    clock: Clock,
    entries: Arc<Vec<Entry>>,
    slots: Vec<Slot>,
}

impl World {
    async fn new(folder: &Path, redis: &PrivateRedis, entries: Vec<Entry>) -> Self {
        let link = Link::new(&redis.url(), LinkOptions::default()).unwrap();
        let url = format!("sqlite:{}/ticks.db", folder.display()).parse().unwrap();
        liaison_store::migrate(&url).await.unwrap();
        let keys = KeyRing::parse(&KeyRing::generate_line("test")).unwrap();
        let store = Store::open(&url, keys, StoreOptions::default()).await.unwrap();
        let clock = Clock::fixed(BEGIN);
        let slots = entries.iter().map(|entry| Slot::new(&link, &entry.name, clock.clone())).collect();
        Self { link, store, clock, entries: entries.into(), slots }
    }

    /// A daemon's scheduler. Every await in it is a place at which a task that is aborted stops for good, as a process
    /// that is killed.
    fn start_a_daemon(&self) -> JoinSet<()> {
        let mut task = JoinSet::new();
        task.spawn(self.daemon(Arc::default()));
        task
    }

    /// Its scheduler, which counts its rounds here.
    fn daemon(&self, rounds: Arc<AtomicU64>) -> impl Future<Output = ()> + use<> {
        let (records, recording) =
            records(Some(self.store.clone()), liaison_queue::Vitals::default().part("the history"));
        // Daemons share no connection: one that stands still holds up no other.
        let link = self.link.separate(PATIENCE).unwrap();
        let entries = self.entries.to_vec();
        let schedule = Schedule { entries, limits: Limits::NONE, id_memory: Duration::from_mins(10) };
        let mut scheduler = Scheduler {
            // A receiver whose sender is gone keeps what it has.
            schedule: watch::channel(Arc::new(schedule)).1,
            link: link.clone(),
            producer: Producer::new(link, Limits::NONE, self.clock.clone()),
            store: Some(self.store.clone()),
            clock: self.clock.clone(),
            id_memory: Duration::from_mins(10),
            pulse: liaison_queue::Vitals::default().part("the scheduler"),
            records,
        };
        async move {
            let mut turns = scheduler.take_up();
            let rounds = async {
                loop {
                    let _ = scheduler.round(&mut turns).await;
                    rounds.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            };
            tokio::join!(rounds, recording.run());
        }
    }

    async fn until_decided(&self, to: Millis) {
        for slot in &self.slots {
            while slot.look().await.unwrap().tick.is_none_or(|tick| tick < to) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// What nobody finished is finished by whoever looks two seconds later.
    async fn until_finished(&self) {
        let begin = Instant::now();
        for slot in &self.slots {
            while !slot.left().await.unwrap().is_empty() {
                assert!(begin.elapsed() < PATIENCE, "not finished");
                self.clock.advance(Duration::from_millis(1));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    fn inspector(&self, entry: &Entry) -> Inspector {
        Inspector::new(self.link.clone(), entry.queue.clone())
    }

    async fn has_job(&self, entry: &Entry, tick: DateTime<Utc>) -> bool {
        let id = JobId::parse(&left::job_id(entry, tick)).unwrap();
        self.inspector(entry).find(&id).await.unwrap().is_some()
    }

    /// The ticks up to this instant that have a row, a job, and no other of either.
    async fn count_ticks(&self, end: Millis) -> usize {
        let mut sum = 0;
        for entry in self.entries.iter() {
            let want: BTreeSet<_> = entry.ticks.between(BEGIN.date(), end.date()).collect();
            let rows = self.store.ticks_of(entry.name.as_str(), 10_000).await.unwrap();
            let rows: Vec<_> = rows.into_iter().filter(|row| row.tick_at <= end.date()).collect();
            let odd: Vec<_> = rows.iter().filter(|row| row.status != TickStatus::Fired || row.ticks != 1).collect();
            assert!(odd.is_empty(), "{odd:#?}");
            assert_eq!(rows.iter().map(|row| row.tick_at).collect::<BTreeSet<_>>(), want, "{}", entry.name);
            assert_eq!(rows.len(), want.len(), "{}", entry.name);
            for tick in &want {
                assert!(self.has_job(entry, *tick).await, "{} has no job for {tick}", entry.name);
            }
            sum += want.len();
        }
        sum
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_ticks_over_three_daemons_that_are_killed_are_neither_lost_nor_doubled() {
    let temporary = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(&Folder::take(temporary.path()).unwrap()).await.unwrap();
    let crons = [("every", "* * * * * *"), ("even", "*/2 * * * * *"), ("odd", "1-59/2 * * * * *")];
    let world = World::new(temporary.path(), &redis, crons.map(|(name, cron)| entry(name, cron)).into()).await;
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut daemons: Vec<_> = (0..3).map(|_| world.start_a_daemon()).collect();
    // What was before an entry is first taken up is nobody's.
    world.until_decided(BEGIN).await;
    let (mut now, mut kills) = (BEGIN, 0);
    let end = BEGIN.plus(LENGTH);
    while now < end {
        let step = Duration::from_secs(u64::from(random.next_u32() % 5 + 1));
        now = now.plus(step);
        world.clock.advance(step);
        // The kill meets a daemon anywhere between its look at the clock and the last strike.
        tokio::time::sleep(Duration::from_micros(u64::from(random.next_u32() % 4000))).await;
        let victim = &mut daemons[(random.next_u32() % 3) as usize];
        victim.shutdown().await;
        *victim = world.start_a_daemon();
        kills += 1;
        world.until_decided(Millis(now.0 - BEHIND)).await;
    }
    // Every other entry has no tick in the last second.
    world.until_decided(Millis(end.0 - 1_000)).await;
    world.until_finished().await;
    for daemon in &mut daemons {
        daemon.shutdown().await;
    }
    let sum = world.count_ticks(end).await;
    assert!(sum >= 10_000 && kills >= 1_000, "{sum} ticks, {kills} kills");
    redis.stop().await.unwrap();
}
