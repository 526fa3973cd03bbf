//! Ten thousand ticks over three daemons that are killed at any time: none lost, none doubled.

use std::collections::BTreeSet;

use liaison_queue::{EntryName, Inspector, LinkOptions, QueueName, envelope::Limits, schedule::Slot, state::Priority};
use liaison_store::{KeyRing, StoreOptions, TickStatus};
use proptest::prelude::Rng as _;

use super::*;
use crate::{
    config::schedule::{CatchUp, Overlap},
    embedded::{Folder, PrivateRedis},
    scheduler::{crontab::Crontab, ticks::Ticks},
};

const BEGIN: Millis = Millis(1_795_000_000_000);
/// Of simulated time; with the entries below this is a little over 10,000 ticks.
const SECONDS: i64 = 5_200;
/// The simulated clock does not run away from daemons that are killed all the time.
const BEHIND: Duration = Duration::from_mins(1);

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

fn daemon(link: &Link, store: &Store, clock: &Clock, entries: &Arc<Vec<Entry>>) -> (Scheduler, Recording) {
    let (records, recording) = records(Some(store.clone()));
    let scheduler = Scheduler {
        // A receiver whose sender is gone keeps what it has.
        entries: watch::channel(Arc::clone(entries)).1,
        link: link.clone(),
        producer: Producer::new(link.clone(), Limits::NONE, clock.clone()),
        store: Some(store.clone()),
        clock: clock.clone(),
        id_memory: Duration::from_mins(10),
        pulse: liaison_queue::Vitals::default().part("the scheduler"),
        records,
    };
    (scheduler, recording)
}

/// Every await is a place at which a task that is aborted stops for good, as a process that is killed.
fn start((mut scheduler, recording): (Scheduler, Recording)) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut turns = scheduler.take_up();
        let rounds = async {
            loop {
                let _ = scheduler.round(&mut turns).await;
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(rounds, recording.run());
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_ticks_over_three_daemons_that_are_killed_are_neither_lost_nor_doubled() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::take(temporary.path()).unwrap();
    let redis = PrivateRedis::start(&folder).await.unwrap();
    let link = Link::new(&redis.url(), LinkOptions::default()).unwrap();
    let url = format!("sqlite:{}/ticks.db", temporary.path().display()).parse().unwrap();
    liaison_store::migrate(&url).await.unwrap();
    let keys = KeyRing::parse(&KeyRing::generate_line("test")).unwrap();
    let store = Store::open(&url, keys, StoreOptions::default()).await.unwrap();
    let clock = Clock::fixed(BEGIN);
    let entries = Arc::new(vec![
        entry("every", "* * * * * *"),
        entry("second", "*/2 * * * * *"),
        entry("odd", "1-59/2 * * * * *"),
    ]);
    let mut random = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);

    let mut daemons: Vec<_> = (0..3).map(|_| start(daemon(&link, &store, &clock, &entries))).collect();
    // Let the entries be taken up before the clock moves: what was before a first look is nobody's.
    let slots: Vec<_> = entries.iter().map(|entry| Slot::new(&link, &entry.name, clock.clone())).collect();
    for slot in &slots {
        while slot.look().await.unwrap().tick.is_none() {
            tokio::task::yield_now().await;
        }
    }
    let (mut now, mut kills) = (0, 0);
    while now < SECONDS {
        let step = i64::from(random.next_u32() % 5 + 1).min(SECONDS - now);
        now += step;
        clock.advance(Duration::from_secs(step.unsigned_abs()));
        let victim = (random.next_u32() % 3) as usize;
        // The kill meets a daemon anywhere between its look at the clock and the last strike.
        tokio::time::sleep(Duration::from_micros(u64::from(random.next_u32() % 4000))).await;
        daemons[victim].abort();
        kills += 1;
        let _ = (&mut daemons[victim]).await;
        daemons[victim] = start(daemon(&link, &store, &clock, &entries));
        for slot in &slots {
            while slot.look().await.unwrap().tick.unwrap().plus(BEHIND)
                < BEGIN.plus(Duration::from_secs(now.unsigned_abs()))
            {
                tokio::task::yield_now().await;
            }
        }
    }
    // What nobody finished is finished by whoever looks two seconds later.
    for slot in &slots {
        let decided =
            async || slot.look().await.unwrap().tick >= Some(BEGIN.plus(Duration::from_secs(SECONDS as u64 - 1)));
        let begin = Instant::now();
        while !decided().await || !slot.left().await.unwrap().is_empty() {
            assert!(begin.elapsed() < Duration::from_mins(1), "not finished");
            clock.advance(Duration::from_millis(1));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    daemons.iter().for_each(tokio::task::JoinHandle::abort);

    let (end, mut sum) = (BEGIN.plus(Duration::from_secs(SECONDS as u64)).date(), 0);
    for entry in entries.iter() {
        let want: BTreeSet<_> = entry.ticks.between(BEGIN.date(), end).collect();
        let rows = store.ticks_of(entry.name.as_str(), 10_000).await.unwrap();
        let rows: Vec<_> = rows.into_iter().filter(|row| row.tick_at <= end).collect();
        let odd: Vec<_> = rows.iter().filter(|row| row.status != TickStatus::Fired || row.ticks != 1).collect();
        assert!(odd.is_empty(), "{odd:#?}");
        let found: BTreeSet<_> = rows.iter().map(|row| row.tick_at).collect();
        assert_eq!((found.len(), rows.len()), (want.len(), want.len()), "{}", entry.name);
        assert_eq!(found, want, "{}", entry.name);
        let depths = Inspector::new(link.clone(), entry.queue.clone()).depths().await.unwrap();
        let later = depths.normal.saturating_sub(want.len() as u64);
        assert!(
            later <= 60 && depths.normal >= want.len() as u64,
            "{}: {} jobs for {}",
            entry.name,
            depths.normal,
            want.len()
        );
        sum += want.len();
    }
    println!("{sum} ticks, {kills} kills, none lost, none doubled");
    redis.stop().await.unwrap();
}
