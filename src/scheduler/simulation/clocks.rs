//! A clock that is put back and forward, and machines that sleep: no tick fires twice, and none is forgotten.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Mutex, PoisonError},
    task::{Poll, Waker},
};

use super::*;

const STEPS: usize = 150;
/// In seconds: less than what counts as a clock that was wrong.
const BACK: u32 = 50 * 60;
const FORWARD: u32 = 2 * 60 * 60;

/// Closed, the machine sleeps: nothing in it goes on, wherever it is.
#[derive(Clone, Default)]
struct Lid(Arc<Mutex<(bool, Option<Waker>)>>);

impl Lid {
    fn put(&self, closed: bool) {
        let mut lid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lid.0 = closed;
        if !closed && let Some(waker) = lid.1.take() {
            waker.wake();
        }
    }

    async fn over(self, machine: impl Future<Output = ()>) {
        let mut machine = Box::pin(machine);
        poll_fn(move |context| {
            let mut lid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if lid.0 {
                lid.1 = Some(context.waker().clone());
                return Poll::Pending;
            }
            drop(lid);
            machine.as_mut().poll(context)
        })
        .await;
    }
}

/// What should have become of an entry's ticks.
struct Wanted {
    entry: Entry,
    decided: DateTime<Utc>,
    fired: BTreeSet<DateTime<Utc>>,
    /// The first of some in a row, and how many.
    missed: BTreeMap<DateTime<Utc>, i32>,
}

impl Wanted {
    /// Nothing happens twice, since all starts from what was decided last.
    fn at(&mut self, now: Millis) {
        let Entry { ticks, catch_up, .. } = &self.entry;
        let Some(plan) = policy::plan(ticks, *catch_up, self.decided, now.date()) else { return };
        self.fired.extend(&plan.fire);
        self.missed.extend(plan.missed.map(|missed| (missed.first, i32::try_from(missed.count).unwrap())));
        self.decided = plan.to;
    }
}

struct Machines {
    world: World,
    lids: Vec<Lid>,
    rounds: Vec<Arc<AtomicU64>>,
    wanted: Vec<Wanted>,
    _running: JoinSet<()>,
}

impl Machines {
    async fn start(world: World) -> Self {
        let lids: Vec<Lid> = (0..3).map(|_| Lid::default()).collect();
        let rounds: Vec<Arc<AtomicU64>> = lids.iter().map(|_| Arc::default()).collect();
        let mut running = JoinSet::new();
        for (lid, rounds) in lids.iter().zip(&rounds) {
            running.spawn(lid.clone().over(world.daemon(Arc::clone(rounds))));
        }
        let wanted = world.entries.iter().map(|entry| Wanted {
            entry: entry.clone(),
            decided: BEGIN.date(),
            fired: BTreeSet::new(),
            missed: BTreeMap::new(),
        });
        let machines = Self { wanted: wanted.collect(), world, lids, rounds, _running: running };
        machines.looked(&[true; 3]).await;
        machines
    }

    fn put(&self, clock: Millis) {
        let Clock::Fixed(now) = &self.world.clock else { unreachable!("it is ours") };
        now.store(clock.0, Ordering::Relaxed);
    }

    /// Every machine that is awake has looked at the clock, and done what there was to do.
    async fn looked(&self, awake: &[bool; 3]) {
        let begin = Instant::now();
        for (rounds, _) in self.rounds.iter().zip(awake).filter(|(_, awake)| **awake) {
            let before = rounds.load(Ordering::Relaxed);
            while rounds.load(Ordering::Relaxed) < before + 2 {
                assert!(begin.elapsed() < PATIENCE, "a machine stands still");
                tokio::task::yield_now().await;
            }
        }
    }

    /// All is decided as it should be, and nothing else.
    async fn are_right(&self, awake: &[bool; 3]) {
        self.looked(awake).await;
        for (wanted, slot) in self.wanted.iter().zip(&self.world.slots) {
            let tick = slot.look().await.unwrap().tick;
            assert_eq!(tick.map(Millis::date), Some(wanted.decided), "{}", wanted.entry.name);
        }
    }

    async fn step(&mut self, now: Millis, awake: &[bool; 3]) {
        self.put(now);
        self.wanted.iter_mut().for_each(|wanted| wanted.at(now));
        self.are_right(awake).await;
    }

    async fn until_finished(&self) {
        let begin = Instant::now();
        for slot in &self.world.slots {
            while !slot.left().await.unwrap().is_empty() {
                assert!(begin.elapsed() < PATIENCE, "not finished");
                tokio::task::yield_now().await;
            }
        }
    }

    /// The rows and the jobs are those that should be, each once.
    async fn have_done(&self, wanted: &Wanted) {
        let (name, ticks) = (wanted.entry.name.as_str(), &wanted.entry.ticks);
        let rows = self.world.store.ticks_of(name, 10_000).await.unwrap();
        let of = |status| rows.iter().filter(move |row| row.status == status).map(|row| (row.tick_at, row.ticks));
        assert_eq!(of(TickStatus::Missed).collect::<BTreeMap<_, _>>(), wanted.missed, "{name}");
        assert_eq!(of(TickStatus::Fired).map(|(tick, _)| tick).collect::<BTreeSet<_>>(), wanted.fired, "{name}");
        assert_eq!(rows.len(), wanted.missed.len() + wanted.fired.len(), "{name}");
        let missed: i32 = wanted.missed.values().sum();
        let all = ticks.between(BEGIN.date(), wanted.decided).count();
        assert_eq!(usize::try_from(missed).unwrap() + wanted.fired.len(), all, "{name}: each tick once");
        let depths = self.world.inspector(&wanted.entry).depths().await.unwrap();
        assert_eq!(depths.normal, wanted.fired.len() as u64, "{name}: one job each");
        for tick in &wanted.fired {
            assert!(self.world.has_job(&wanted.entry, *tick).await, "{name} has no job for {tick}");
        }
    }
}

fn entries() -> Vec<Entry> {
    let policies = [
        ("none", "* * * * *", CatchUp::None),
        ("last", "* * * * *", CatchUp::Last),
        ("all", "*/30 * * * * *", CatchUp::All { most: 50, within: Duration::from_hours(1) }),
    ];
    policies.map(|(name, cron, catch_up)| Entry { catch_up, ..entry(name, cron) }).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_put_and_machines_that_sleep_neither_lose_nor_double_a_tick() {
    let temporary = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(&Folder::take(temporary.path()).unwrap()).await.unwrap();
    let mut machines = Machines::start(World::new(temporary.path(), &redis, entries()).await).await;
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut upto = |most: u32| Duration::from_secs(u64::from(random.next_u32() % most + 1));
    let (mut now, mut highest) = (BEGIN, BEGIN);
    for step in 0..STEPS {
        // Which of them sleep through this: nobody, one, or all.
        let asleep = [[false; 3], [step % 2 == 0, step % 4 == 1, step % 4 == 3], [true; 3]][step % 3];
        machines.lids.iter().zip(asleep).for_each(|(lid, closed)| lid.put(closed));
        now = match step % 5 {
            0 => now.plus(upto(FORWARD)),
            1 | 3 => Millis(
                (now.0 - 10_000 - i64::try_from(upto(BACK).as_millis()).unwrap())
                    .max(highest.0 - i64::from(BACK) * 1000),
            ),
            _ => now.plus(upto(90)),
        };
        highest = highest.max(now);
        if asleep == [true; 3] {
            machines.put(now);
            machines.lids.iter().for_each(|lid| lid.put(false));
            machines.step(now, &[true; 3]).await;
        } else {
            machines.step(now, &asleep.map(|closed| !closed)).await;
        }
    }
    // Those that slept last find nothing to do.
    machines.lids.iter().for_each(|lid| lid.put(false));
    machines.are_right(&[true; 3]).await;
    machines.until_finished().await;
    for wanted in &machines.wanted {
        machines.have_done(wanted).await;
        assert!(wanted.missed.len() > 5 && wanted.fired.len() > 5, "too little happened to {}", wanted.entry.name);
    }
    redis.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_hours_ahead_silences_no_daemon_once_it_is_right() {
    let temporary = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(&Folder::take(temporary.path()).unwrap()).await.unwrap();
    let mut machines = Machines::start(World::new(temporary.path(), &redis, entries()).await).await;
    // A daemon whose tick somebody else has decided looks again soon; one that is alone has nobody to learn from.
    let alone = [true, false, false];
    machines.lids.iter().zip(alone).for_each(|(lid, awake)| lid.put(!awake));
    machines.step(BEGIN.plus(Duration::from_hours(5)), &alone).await;
    let right = BEGIN.plus(Duration::from_secs(10));
    machines.put(right);
    let begin = Instant::now();
    for slot in &machines.world.slots {
        while slot.look().await.unwrap().tick != Some(right) {
            assert!(begin.elapsed() < PATIENCE, "it waits for the wrong time to come");
            tokio::task::yield_now().await;
        }
    }
    machines.looked(&alone).await;
    // Minute by minute, so that all are on time.
    for minute in 1..=3 {
        let now = right.plus(Duration::from_mins(minute));
        machines.put(now);
        machines.looked(&alone).await;
        for entry in machines.world.entries.iter() {
            let tick = entry.ticks.latest(right.date(), now.date(), 1).pop().expect("one a minute");
            let late = now.date() - tick > chrono::Duration::from_std(policy::ON_TIME).unwrap();
            let fires = !(late && entry.catch_up == CatchUp::None);
            assert_eq!(machines.world.has_job(entry, tick).await, fires, "{} at {tick}", entry.name);
        }
    }
    redis.stop().await.unwrap();
}
