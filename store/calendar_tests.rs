//! What calendars promise, stated once and held on both backends.

use chrono::{NaiveDate, TimeDelta};
use diesel::{QueryDsl as _, RunQueryDsl as _};

use crate::connection::{AnyConnection, Purpose};
use crate::recording_tests::{at, exit, record};
use crate::schema::calendar_events;
use crate::test_database::{TestDatabase, on_both};
use crate::{
    Added, Applied, Block, BlockedTime, CalendarSync, EventTime, Exit, Fact, IntegrationKind, Line, LogEntry,
    MirroredEvent, NewIntegration, Observed, OpenRound, Portion, RoundEnd, RoundKind, RunOutcome, Store, SyncFailure,
    SyncPage, Tokens,
};

pub(crate) fn line(id: &str) -> Line {
    LogEntry { id: id.to_owned(), log_type: "test".to_owned(), created_at: at(0), ..LogEntry::default() }.into()
}

pub(crate) async fn add(store: &Store, id: &str) {
    let tokens = Tokens { access_token: "a".to_owned(), refresh_token: None, expires_at: None, scope: None };
    let new = NewIntegration {
        kind: IntegrationKind::Calendar,
        id: Some(id.to_owned()),
        fresh_id: String::new(),
        organizer_id: "org".to_owned(),
        provider: "google".to_owned(),
        provider_user_id: None,
        provider_email: None,
        tokens,
    };
    let added = store.add_integration(new, at(0), line(&format!("add-{id}"))).await.expect("add");
    assert!(matches!(added, Added::New(_)));
}

async fn sync(store: &Store, id: &str) -> CalendarSync {
    store.calendar_sync(id).await.expect("read").expect("an account")
}

pub(crate) fn event(id: &str, hour: i64) -> MirroredEvent {
    MirroredEvent {
        event_id: id.to_owned(),
        series_id: None,
        uid: Some(format!("uid-{id}")),
        when: EventTime::Timed { start: at(hour * 3600), end: at(hour * 3600 + 1800) },
        title: Some(format!("title of {id}\0")),
        shown: "busy".to_owned(),
        declined: false,
        private: false,
        version: Some("1".to_owned()),
    }
}

pub(crate) fn of_series(id: &str, series: &str, hour: i64) -> MirroredEvent {
    MirroredEvent { series_id: Some(series.to_owned()), uid: None, ..event(id, hour) }
}

pub(crate) fn is(event: MirroredEvent) -> Observed {
    Observed::Is(Box::new(event))
}

/// The round that comes next, of this kind.
fn round(sync: &CalendarSync, kind: RoundKind) -> OpenRound {
    sync.open.clone().unwrap_or(OpenRound {
        kind,
        number: sync.round + i32::from(kind == RoundKind::Full),
        position: None,
        from: at(0),
        until: at(1_000_000),
        pages: 0,
        changes: 0,
        restarts: 0,
        landmark: None,
        job_id: "job".to_owned(),
        started_at: at(0),
    })
}

pub(crate) async fn page(store: &Store, id: &str, kind: RoundKind, changes: Vec<Observed>, end: RoundEnd) -> Applied {
    let page = page_after(&sync(store, id).await, kind, changes, end);
    store.apply_page(page).await.expect("apply")
}

/// What is asked for when the account stands so.
pub(crate) fn page_after(sync: &CalendarSync, kind: RoundKind, changes: Vec<Observed>, end: RoundEnd) -> SyncPage {
    let (integration_id, mut round) = (sync.integration_id.clone(), round(sync, kind));
    round.pages += 1;
    SyncPage { integration_id, step: sync.step, round, changes, zone: None, end, now: at(100) }
}

pub(crate) fn whole(cursor: &str) -> RoundEnd {
    RoundEnd::Whole(Some(cursor.to_owned()))
}

pub(crate) async fn full(store: &Store, id: &str, changes: Vec<Observed>) -> Applied {
    page(store, id, RoundKind::Full, changes, whole("c")).await
}

pub(crate) async fn more(store: &Store, id: &str, changes: Vec<Observed>) -> Applied {
    page(store, id, RoundKind::Incremental, changes, whole("c2")).await
}

/// What blocks in these tests: timed events for their time, days in UTC, nothing that is free.
pub(crate) fn judge(event: &MirroredEvent, _zone: Option<&str>) -> Option<Block> {
    let (starts_at, ends_at, all_day) = match event.when {
        EventTime::Timed { start, end } => (start, end, false),
        EventTime::AllDay { first, after } => {
            let utc = |day: NaiveDate| day.and_hms_opt(0, 0, 0).expect("midnight").and_utc();
            (utc(first), utc(after), true)
        }
    };
    let tentative = event.shown == "tentative";
    (event.shown != "free").then(|| Block { starts_at, ends_at, all_day, tentative, title: event.title.clone() })
}

pub(crate) async fn reconcile(store: &Store, id: &str) -> Portion {
    let mut sum = Portion::default();
    loop {
        let portion = store.reconcile(id, 2, at(0), judge).await.expect("reconcile");
        sum = sum.plus(portion);
        if portion.events < 2 {
            return sum;
        }
    }
}

async fn blocked(store: &Store) -> Vec<BlockedTime> {
    store.blocked_times("org", at(-1), 1_000).await.expect("list")
}

pub(crate) async fn busy(store: &Store) -> Vec<String> {
    blocked(store).await.into_iter().filter_map(|block| block.external_event_id).collect()
}

pub(crate) fn connection(database: &TestDatabase) -> AnyConnection {
    AnyConnection::open(&database.url, Purpose::Write).expect("connect")
}

#[test]
fn the_cursor_changes_with_the_last_page_and_with_no_other() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        let goes = RoundEnd::Goes("page 2".to_owned());
        assert_eq!(page(&store, "a", RoundKind::Full, vec![is(event("e1", 1))], goes).await, Applied::Changed(1));
        let half = sync(&store, "a").await;
        let open = half.open.clone().expect("a round");
        assert_eq!((open.position.as_deref(), open.pages, open.changes), (Some("page 2"), 1, 1));
        assert_eq!((half.sync_token, half.last_sync_at, half.covers, half.changed), (None, None, None, true));
        assert_eq!(full(&store, "a", vec![is(event("e2", 2))]).await, Applied::Changed(1));
        let whole = sync(&store, "a").await;
        assert_eq!((whole.sync_token.as_deref(), whole.open, whole.last_sync_at), (Some("c"), None, Some(at(100))));
        assert_eq!((whole.covers, whole.round), (Some((at(0), at(1_000_000))), 1));
    });
}

#[test]
fn who_goes_on_from_a_step_that_somebody_else_has_taken_writes_nothing() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        let before = sync(&store, "a").await;
        full(&store, "a", vec![is(event("e1", 1))]).await;
        let late = SyncPage {
            integration_id: "a".to_owned(),
            step: before.step,
            round: round(&before, RoundKind::Full),
            changes: vec![is(event("late", 2))],
            zone: None,
            end: whole("late"),
            now: at(5),
        };
        assert_eq!(store.apply_page(late).await.expect("apply"), Applied::Overtaken);
        let now = sync(&store, "a").await;
        assert_eq!(now.sync_token.as_deref(), Some("c"));
        reconcile(&store, "a").await;
        assert_eq!(busy(&store).await, ["e1"]);
        store.abandon_round("a", before.step).await.expect("abandon");
        assert_eq!(sync(&store, "a").await, CalendarSync { changed: false, blocks_version: 1, ..now });
    });
}

#[test]
fn what_is_known_already_is_not_changed_and_what_changed_in_no_way_that_blocks_is_not_either() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![is(event("e1", 1)), is(event("e2", 2))]).await;
        reconcile(&store, "a").await;
        let before = blocked(&store).await;
        assert_eq!(full(&store, "a", vec![is(event("e1", 1)), is(event("e2", 2))]).await, Applied::Changed(0));
        let newer = MirroredEvent { version: Some("2".to_owned()), ..event("e1", 1) };
        assert_eq!(more(&store, "a", vec![is(newer)]).await, Applied::Changed(0));
        assert!(!sync(&store, "a").await.changed);
        let moved = event("e2", 3);
        assert_eq!(more(&store, "a", vec![is(moved)]).await, Applied::Changed(1));
        let portion = reconcile(&store, "a").await;
        assert_eq!((portion.created, portion.updated, portion.deleted), (0, 1, 0));
        let after = blocked(&store).await;
        assert_eq!(after[0], before[0], "it was not touched");
        assert_eq!((after[1].id.as_str(), after[1].starts_at), (before[1].id.as_str(), at(3 * 3600).naive_utc()));
        assert_eq!(reconcile(&store, "a").await, Portion::default(), "twice is as good as once");
        assert_eq!(after[0].title.as_deref(), Some("title of e1\u{fffd}"));
    });
}

#[test]
fn a_full_round_takes_out_what_it_has_not_seen_and_only_at_its_end() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![is(event("e1", 1)), is(event("e2", 2)), is(event("e3", 3))]).await;
        reconcile(&store, "a").await;
        let goes = || RoundEnd::Goes("p".to_owned());
        page(&store, "a", RoundKind::Full, vec![is(event("e3", 3))], goes()).await;
        assert_eq!(reconcile(&store, "a").await, Portion::default(), "nothing is gone in the middle of a round");
        // What cannot be understood any more still takes place, as far as anybody knows.
        let odd = Observed::Odd { id: "e2".to_owned(), reason: "no end".to_owned() };
        assert_eq!(page(&store, "a", RoundKind::Full, vec![odd], whole("c")).await, Applied::Changed(1));
        assert_eq!(reconcile(&store, "a").await.deleted, 1);
        assert_eq!(busy(&store).await, ["e2", "e3"]);
        let left: i64 = calendar_events::table.count().get_result(&mut connection(database)).expect("count");
        assert_eq!(left, 2, "what is gone leaves nothing behind");
    });
}

#[test]
fn a_round_that_begins_anew_sees_all_of_it_again() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![is(event("e1", 1)), is(event("e2", 2))]).await;
        let goes = RoundEnd::Goes("p".to_owned());
        page(&store, "a", RoundKind::Full, vec![is(event("e1", 1))], goes).await;
        // Its cursor dies: the next one has another number, and e1 is not there any more.
        let sync = sync(&store, "a").await;
        let open = sync.open.clone().expect("a round");
        let again = OpenRound { number: open.number + 1, pages: 1, restarts: 1, position: None, ..open };
        let page = SyncPage {
            integration_id: "a".to_owned(),
            step: sync.step,
            round: again,
            changes: vec![is(event("e2", 2))],
            zone: None,
            end: whole("c"),
            now: at(9),
        };
        assert_eq!(store.apply_page(page).await.expect("apply"), Applied::Changed(1));
        reconcile(&store, "a").await;
        assert_eq!(busy(&store).await, ["e2"]);
    });
}

#[test]
fn a_series_is_what_its_last_word_says() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        let all = |hours: &[i64]| hours.iter().map(|n| of_series(&format!("s-{n}"), "s", *n)).collect::<Vec<_>>();
        let series = |events| Observed::Series { id: "s".to_owned(), events };
        full(&store, "a", vec![is(event("other", 9)), series(all(&[1, 2, 3]))]).await;
        assert_eq!(more(&store, "a", vec![series(all(&[2, 3, 4]))]).await, Applied::Changed(2));
        reconcile(&store, "a").await;
        assert_eq!(busy(&store).await, ["s-2", "s-3", "s-4", "other"]);
        more(&store, "a", vec![Observed::Gone("s-3".to_owned())]).await;
        reconcile(&store, "a").await;
        assert_eq!(busy(&store).await, ["s-2", "s-4", "other"]);
        // Gone, and there again in the same page: the last word counts.
        let words = vec![Observed::Gone("s".to_owned()), is(of_series("s-2", "s", 2))];
        more(&store, "a", words).await;
        reconcile(&store, "a").await;
        assert_eq!(busy(&store).await, ["s-2", "other"]);
        let words = vec![is(of_series("s-5", "s", 5)), Observed::Gone("s".to_owned())];
        more(&store, "a", words).await;
        reconcile(&store, "a").await;
        assert_eq!(busy(&store).await, ["other"]);
    });
}

#[test]
fn an_event_that_comes_back_before_anybody_looked_was_never_away() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![is(event("e1", 1))]).await;
        reconcile(&store, "a").await;
        let before = blocked(&store).await;
        more(&store, "a", vec![Observed::Gone("e1".to_owned())]).await;
        more(&store, "a", vec![is(event("e1", 1))]).await;
        assert!(!reconcile(&store, "a").await.changed());
        assert_eq!(blocked(&store).await, before);
    });
}

#[test]
fn days_move_when_the_zone_of_the_calendar_does() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let when = EventTime::AllDay { first: day("2027-03-28"), after: day("2027-03-29") };
        let whole_day = MirroredEvent { when, ..event("day", 0) };
        full(&store, "a", vec![is(whole_day), is(event("e1", 1))]).await;
        reconcile(&store, "a").await;
        let sync = sync(&store, "a").await;
        let mut round = round(&sync, RoundKind::Incremental);
        round.pages = 1;
        let page = SyncPage {
            integration_id: "a".to_owned(),
            step: sync.step,
            round,
            changes: Vec::new(),
            zone: Some("Europe/Berlin".to_owned()),
            end: whole("c3"),
            now: at(9),
        };
        assert_eq!(store.apply_page(page).await.expect("apply"), Applied::Changed(1));
        let moved = |event: &MirroredEvent, zone: Option<&str>| {
            assert_eq!(zone, Some("Europe/Berlin"), "it is judged in the zone of now");
            let block = judge(event, zone)?;
            let (starts_at, ends_at) = (block.starts_at - TimeDelta::hours(1), block.ends_at - TimeDelta::hours(2));
            Some(Block { starts_at, ends_at, ..block })
        };
        let portion = store.reconcile("a", 10, at(0), moved).await.expect("reconcile");
        assert_eq!((portion.events, portion.updated), (1, 1));
        let days: Vec<_> = blocked(&store).await.into_iter().filter(|block| block.all_day).collect();
        assert_eq!(days[0].ends_at - days[0].starts_at, TimeDelta::hours(23), "clocks are put forward on it");
    });
}

#[test]
fn failures_in_a_row_disable_once_and_a_success_forgets_them() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        let failed = async |job: &str| {
            let reason = format!("refused\0 by {job}");
            let failure = SyncFailure { integration_id: "a".to_owned(), reason, disable_after: 3, at: at(50) };
            let exit = Exit { facts: vec![Fact::SyncFailed(failure)], ..exit(job, 1, RunOutcome::Dead) };
            record(&store, vec![exit]).await;
        };
        failed("j1").await;
        failed("j1").await;
        assert_eq!(sync(&store, "a").await.sync_errors, 1, "a run that is repeated counts once");
        full(&store, "a", Vec::new()).await;
        let well = sync(&store, "a").await;
        assert_eq!((well.sync_errors, well.sync_error), (0, None));
        for job in ["j2", "j3", "j4"] {
            failed(job).await;
        }
        let ill = sync(&store, "a").await;
        assert_eq!((ill.sync_enabled, ill.sync_errors, ill.disables), (false, 3, 1));
        assert_eq!(ill.sync_error.as_deref(), Some("refused\u{fffd} by j4"));
        assert_eq!(store.calendars_to_sync(None, 10).await.expect("list"), []);
        assert_eq!(store.count_disabled_calendars().await.expect("count"), 1);
        failed("j5").await;
        assert_eq!(sync(&store, "a").await.disables, 1, "it was disabled already");
        let account = crate::AccountId::new(IntegrationKind::Calendar, "a");
        assert!(store.switch_integration(&account, true, at(60), line("on")).await.expect("switch"));
        let on = sync(&store, "a").await;
        assert_eq!((on.sync_enabled, on.sync_errors, on.sync_error), (true, 0, None));
        assert_eq!(store.count_disabled_calendars().await.expect("count"), 0);
        assert_eq!(store.calendars_to_sync(None, 10).await.expect("list"), [("a".to_owned(), "google".to_owned())]);
    });
}

#[test]
fn hosts_are_told_of_a_version_of_blocked_times_once() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![is(event("e1", 1)), is(MirroredEvent { shown: "free".to_owned(), ..event("e2", 2) })])
            .await;
        reconcile(&store, "a").await;
        assert_eq!(busy(&store).await, ["e1"]);
        let version = sync(&store, "a").await.blocks_version;
        store.blocks_were_told("a", version).await.expect("note");
        store.blocks_were_told("a", version - 1).await.expect("note");
        let now = sync(&store, "a").await;
        assert_eq!((now.blocks_version, now.blocks_told), (version, version));
    });
}
