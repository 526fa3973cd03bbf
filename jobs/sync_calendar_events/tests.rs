//! Rounds against a provider in memory that changes while it is read, forgets its cursors, and goes round in circles.

mod provider;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::outcome::Failure;
use liaison_store::{
    Block, CalendarSync, DatabaseUrl, EventTime, IntegrationKind, KeyRing, LogEntry, MirroredEvent, NewIntegration,
    RoundKind, Store, StoreOptions, Tokens,
};

use self::provider::{Act, Provider};
use super::round::{Asked, Halt, Report, Work};
use crate::{kit::calendars::CalendarSettings, providers::Fault};

fn start() -> DateTime<Utc> {
    "2027-01-10T12:00:00Z".parse().expect("a time")
}

fn hour(hour: i64) -> DateTime<Utc> {
    start() + TimeDelta::hours(hour)
}

/// A store with accounts in it.
struct House {
    store: Store,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::Sqlite(folder.path().join("liaison.db"));
        liaison_store::migrate(&url).await.expect("migrate");
        let keys = KeyRing::parse("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("a key");
        let store = Store::open(&url, keys, StoreOptions::default()).await.expect("open");
        Self { store, _folder: folder }
    }

    async fn add(&self, id: &str) {
        let new = NewIntegration {
            kind: IntegrationKind::Calendar,
            id: Some(id.to_owned()),
            fresh_id: String::new(),
            organizer_id: id.to_owned(),
            provider: "google".to_owned(),
            provider_user_id: None,
            provider_email: None,
            tokens: Tokens { access_token: "a".to_owned(), refresh_token: None, expires_at: None, scope: None },
        };
        let entry = LogEntry { id: format!("add-{id}"), created_at: start(), ..LogEntry::default() };
        self.store.add_integration(new, start(), entry.into()).await.expect("add");
    }

    async fn state(&self, id: &str) -> CalendarSync {
        self.store.calendar_sync(id).await.expect("read").expect("an account")
    }

    async fn sync_at(&self, id: &str, provider: &Provider, asked: Asked, now: DateTime<Utc>) -> Result<Report, Halt> {
        let calendar = self.state(id).await;
        let settings = CalendarSettings { max_pages: 100, ..CalendarSettings::default() };
        let work =
            Work { store: &self.store, settings: &settings, calendar: &calendar, job_id: "job", now: &move || now };
        work.run(provider, &asked, now + TimeDelta::minutes(1)).await
    }

    async fn sync(&self, id: &str, provider: &Provider) -> Result<Report, Halt> {
        self.sync_at(id, provider, Asked::default(), start()).await
    }

    /// Who is busy when, as hosts see it.
    async fn busy(&self, id: &str) -> Vec<(String, DateTime<Utc>)> {
        let judge = |event: &MirroredEvent, _: Option<&str>| match event.when {
            EventTime::Timed { start: starts_at, end: ends_at } => {
                Some(Block { starts_at, ends_at, all_day: false, tentative: false, title: None })
            }
            EventTime::AllDay { .. } => None,
        };
        while self.store.reconcile(id, 7, start(), judge).await.expect("reconcile").events > 0 {}
        let mut busy: Vec<_> = self
            .store
            .blocked_times(id, hour(-1), 1_000)
            .await
            .expect("list")
            .into_iter()
            .map(|block| (block.external_event_id.unwrap_or_default(), block.starts_at.and_utc()))
            .collect();
        busy.sort();
        busy
    }
}

fn report(kind: RoundKind, pages: i32, changed: usize) -> Report {
    Report { kind, pages, changed, odd: 0, restarts: 0 }
}

#[tokio::test]
async fn a_first_round_is_full_and_the_next_one_asks_for_what_changed() {
    let (house, provider) = (House::new().await, Provider::of(25, 10));
    house.add("a").await;
    assert_eq!(house.sync("a", &provider).await.expect("well"), report(RoundKind::Full, 3, 25));
    provider.then(vec![vec![Act::Put(3, 40), Act::Remove(4), Act::Put(99, 9)]]);
    assert_eq!(house.sync("a", &provider).await.expect("well"), report(RoundKind::Incremental, 1, 3));
    assert_eq!(house.busy("a").await, provider.truth());
}

#[tokio::test]
async fn when_nothing_has_changed_nothing_is_written_but_that_once_an_hour() {
    let (house, provider) = (House::new().await, Provider::of(3, 10));
    house.add("a").await;
    house.sync("a", &provider).await.expect("well");
    let before = house.state("a").await;
    assert_eq!(house.sync("a", &provider).await.expect("well"), report(RoundKind::Incremental, 1, 0));
    assert_eq!(house.state("a").await, before);
    assert_eq!(provider.book(|book| book.asked), 2, "one request");
    house.sync_at("a", &provider, Asked::default(), hour(1)).await.expect("well");
    let noted = house.state("a").await;
    assert_eq!((noted.last_sync_at, noted.step), (Some(hour(1)), before.step + 1));
}

#[tokio::test]
async fn a_round_that_was_cut_off_goes_on_and_does_not_begin_anew() {
    let (house, provider) = (House::new().await, Provider::of(40, 10));
    house.add("a").await;
    let away = || Act::Say(Fault::Retry { after: None, why: "503".to_owned() });
    provider.then(vec![vec![], vec![], vec![away()]]);
    assert!(matches!(house.sync("a", &provider).await, Err(Halt::Fault(Fault::Retry { .. }))));
    assert_eq!(house.state("a").await.open.map(|open| open.pages), Some(2));
    provider.then(vec![vec![away()]]);
    assert!(house.sync("a", &provider).await.is_err());
    assert_eq!(house.sync("a", &provider).await.expect("well"), report(RoundKind::Full, 4, 40));
    assert_eq!(provider.book(|book| book.asked), 2 + 2 + 2, "no page came twice, but for the two that did not come");
    assert_eq!(house.busy("a").await, provider.truth());
}

#[tokio::test]
async fn a_turn_ends_and_the_next_one_goes_on_at_no_cost() {
    let (house, provider) = (House::new().await, Provider::of(40, 10));
    house.add("a").await;
    let calendar = house.state("a").await;
    let settings = CalendarSettings::default();
    let ticks = Mutex::new(0);
    // An hour passes between any two looks at the clock.
    let now = || {
        let mut ticks = ticks.lock().unwrap_or_else(PoisonError::into_inner);
        *ticks += 1;
        hour(*ticks)
    };
    let work = Work { store: &house.store, settings: &settings, calendar: &calendar, job_id: "job", now: &now };
    let ended = work.run(&provider, &Asked::default(), hour(4)).await;
    assert!(matches!(ended, Err(Halt::Failure(Failure::Snooze { .. }))), "{ended:?}");
    assert!(house.state("a").await.open.is_some());
    let rest = house.sync_at("a", &provider, Asked::default(), hour(5)).await.expect("well");
    assert_eq!((rest.pages, rest.changed, rest.restarts), (4, 40, 0));
}

#[tokio::test]
async fn a_cursor_that_dies_begins_a_full_round_that_deletes_nothing_but_what_is_gone() {
    let (house, provider) = (House::new().await, Provider::of(30, 10));
    house.add("a").await;
    house.sync("a", &provider).await.expect("well");
    let before = house.busy("a").await;
    provider.then(vec![
        vec![Act::Forget, Act::Remove(7), Act::Put(50, 60)],
        vec![Act::Remove(3)],
        vec![Act::Forget],
        vec![Act::Put(8, 70)],
    ]);
    let done = house.sync("a", &provider).await.expect("well");
    assert_eq!((done.kind, done.restarts), (RoundKind::Full, 2));
    // What changed behind its back comes with the next round.
    house.sync("a", &provider).await.expect("well");
    let after = house.busy("a").await;
    assert_eq!(after, provider.truth());
    assert!(before.iter().filter(|event| after.contains(event)).count() >= 27);
}

#[tokio::test]
async fn a_provider_whose_cursors_die_at_once_is_asked_again_later() {
    let (house, provider) = (House::new().await, Provider::of(30, 10));
    house.add("a").await;
    provider.then(vec![
        vec![],
        vec![Act::Forget],
        vec![],
        vec![Act::Forget],
        vec![],
        vec![Act::Forget],
        vec![],
        vec![Act::Forget],
    ]);
    assert!(matches!(house.sync("a", &provider).await, Err(Halt::Fault(Fault::Retry { .. }))));
    assert_eq!(house.state("a").await.open, None, "the next one begins anew");
    assert_eq!(house.sync("a", &provider).await.expect("well").restarts, 0);
    assert_eq!(house.busy("a").await, provider.truth());
}

#[tokio::test]
async fn circles_are_found_and_end_in_a_full_round() {
    let (house, provider) = (House::new().await, Provider::of(3, 10));
    house.add("a").await;
    house.sync("a", &provider).await.expect("well");
    provider.book(|book| book.circles = true);
    let done = house.sync("a", &provider).await.expect("well");
    assert_eq!((done.kind, done.restarts), (RoundKind::Full, 1));
    assert!(provider.book(|book| book.asked) < 80, "it was found soon");
    assert_eq!(house.busy("a").await, provider.truth());
}

/// It is the provider that has to mend it: nothing counts on the account.
#[tokio::test]
async fn a_full_round_that_goes_in_circles_is_tried_again_later() {
    let (house, provider) = (House::new().await, Provider::of(3, 1));
    house.add("a").await;
    provider.book(|book| book.circles_at_once = true);
    let ended = house.sync("a", &provider).await;
    assert!(matches!(&ended, Err(Halt::Fault(Fault::Retry { why, .. })) if why.contains("again")), "{ended:?}");
    assert_eq!((house.state("a").await.open, house.state("a").await.sync_errors), (None, 0));
    provider.book(|book| book.circles_at_once = false);
    assert_eq!(house.sync("a", &provider).await.expect("well").kind, RoundKind::Full);
    assert_eq!(house.busy("a").await, provider.truth());
}

#[tokio::test]
async fn a_round_of_more_pages_than_there_may_be_is_refused() {
    let (house, provider) = (House::new().await, Provider::of(110, 1));
    house.add("a").await;
    let ended = house.sync("a", &provider).await;
    assert!(matches!(&ended, Err(Halt::Fault(Fault::Refused { why })) if why.contains("max_pages")), "{ended:?}");
    assert_eq!(house.state("a").await.open, None);
}

#[tokio::test]
async fn the_window_moves_on_once_a_day_and_reaches_as_far_as_somebody_asks() {
    let (house, provider) = (House::new().await, Provider::of(3, 10));
    house.add("a").await;
    house.sync("a", &provider).await.expect("well");
    let day = Duration::from_hours(24);
    let usual = |now: DateTime<Utc>| Some((now - 30 * day, now + 365 * day));
    assert_eq!(house.state("a").await.covers, usual(start()));
    let sync = async |asked: Asked, now| house.sync_at("a", &provider, asked, now).await.expect("well").kind;
    assert_eq!(sync(Asked::default(), hour(17)).await, RoundKind::Incremental);
    assert_eq!(sync(Asked::default(), hour(24)).await, RoundKind::Full);
    assert_eq!(house.state("a").await.covers, usual(hour(24)));
    let near = Asked { from: Some(start() - 10 * day), to: Some(start() + 10 * day), ..Asked::default() };
    assert_eq!(sync(near, hour(25)).await, RoundKind::Incremental, "it is covered");
    let far = Asked { from: Some(start() - 90 * day), ..Asked::default() };
    assert_eq!(sync(far, hour(25)).await, RoundKind::Full);
    assert_eq!(house.state("a").await.covers.map(|covers| covers.0), far.from);
    assert_eq!(sync(far, hour(26)).await, RoundKind::Incremental);
    let force = Asked { force: true, ..Asked::default() };
    assert_eq!(sync(force, hour(26)).await, RoundKind::Full);
}

#[tokio::test]
async fn who_asks_for_a_time_far_ahead_keeps_no_full_round_from_its_day() {
    let (house, provider) = (House::new().await, Provider::of(3, 10));
    house.add("a").await;
    let sync = async |asked: Asked, now| house.sync_at("a", &provider, asked, now).await.expect("well").kind;
    let far = Asked { to: Some(hour(4 * 365 * 24)), ..Asked::default() };
    let back = Asked { from: Some(hour(-365 * 24)), ..Asked::default() };
    for (at, asked) in [(0, far), (100, back)] {
        assert_eq!(sync(asked, hour(at)).await, RoundKind::Full);
        assert_eq!(sync(asked, hour(at + 1)).await, RoundKind::Incremental, "it is covered");
        assert_eq!(sync(Asked::default(), hour(at + 17)).await, RoundKind::Incremental);
        assert_eq!(sync(Asked::default(), hour(at + 25)).await, RoundKind::Full, "a day is over");
        assert_eq!(sync(Asked::default(), hour(at + 26)).await, RoundKind::Incremental);
    }
}

/// Whatever happens while it is read, in the end everybody says the same.
#[tokio::test]
async fn in_the_end_blocked_times_are_those_of_the_provider() {
    let house = House::new().await;
    for seed in 1..=40_u64 {
        let (id, mut dice) = (format!("seed-{seed}"), seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut roll = |sides: u64| {
            // xorshift: the same numbers each time.
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        house.add(&id).await;
        let provider =
            Provider::of(u32::try_from(roll(40)).expect("small"), 1 + usize::try_from(roll(9)).expect("small"));
        for _ in 0..6 {
            let mut acts = Vec::new();
            for _ in 0..roll(8) {
                let one = |roll: &mut dyn FnMut(u64) -> u64| {
                    let (id, at) = (u32::try_from(roll(50)).expect("small"), i64::try_from(roll(99)).expect("small"));
                    match roll(9) {
                        0 => Act::Forget,
                        1 => Act::Say(Fault::Retry { after: None, why: "503".to_owned() }),
                        2..=4 => Act::Remove(id),
                        _ => Act::Put(id, at),
                    }
                };
                let count = roll(4);
                acts.push((0..count).map(|_| one(&mut roll)).collect());
            }
            provider.then(acts);
            // It may fail; then the next one goes on.
            let _ = house.sync(&id, &provider).await;
            if roll(2) == 0 {
                house.busy(&id).await;
            }
        }
        provider.then(Vec::new());
        for _ in 0..2 {
            house.sync(&id, &provider).await.expect("nothing stands in its way");
        }
        assert_eq!(house.busy(&id).await, provider.truth(), "seed {seed}");
    }
}
