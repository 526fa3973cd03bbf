//! What conflicts promise, stated once and held on both backends.

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;

use crate::calendar_tests::{add, connection, event, full, is, judge, line, more, reconcile};
use crate::connection::AnyConnection;
use crate::recording_tests::at;
use crate::test_database::{TestDatabase, on_both};
use crate::{Conflict, ConflictFilter, ConflictKind, ConflictStatus, EventTime, Kept, MirroredEvent, Resolved, Store};

fn execute(database: &TestDatabase, sql: &str) {
    match &mut connection(database) {
        AnyConnection::Sqlite(connection) => connection.batch_execute(sql),
        AnyConnection::Postgres(connection) => connection.batch_execute(sql),
    }
    .unwrap_or_else(|fault| panic!("{sql}: {fault}"));
}

/// As a host writes it.
fn block_by_hand(database: &TestDatabase, id: &str, from: DateTime<Utc>, until: DateTime<Utc>) {
    let text = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let (from, until, now) = (text(from), text(until), text(at(7)));
    execute(
        database,
        &format!(
            "INSERT INTO blocked_times (id, organizer_id, starts_at, ends_at, created_at, updated_at) \
             VALUES ('{id}', 'org', '{from}', '{until}', '{now}', '{now}')"
        ),
    );
}

async fn conflicts(store: &Store) -> Vec<Conflict> {
    store.conflicts(ConflictFilter { limit: 100, ..ConflictFilter::default() }).await.expect("list")
}

#[test]
fn a_conflict_is_one_from_whichever_side_it_is_found_and_nobody_resolves_it_but_people() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        block_by_hand(database, "by-hand", at(3600), at(3600 + 900));
        full(&store, "a", vec![is(event("e1", 1))]).await;
        assert_eq!(reconcile(&store, "a").await.conflicts, 1);
        assert_eq!(store.check_manual_blocks("org", 10, at(0)).await.expect("check"), (1, 0));
        assert_eq!(store.check_manual_blocks("org", 10, at(0)).await.expect("check"), (0, 0), "it was looked at");
        let found = conflicts(&store).await;
        let conflict = &found[0];
        assert_eq!(
            (found.len(), conflict.kind, conflict.status),
            (1, ConflictKind::ManualSynced, ConflictStatus::Open)
        );
        assert_eq!((conflict.overlap_from, conflict.overlap_until), (at(3600), at(3600 + 900)));
        assert_eq!((conflict.block_id.as_str(), conflict.suggestion), ("by-hand", Kept::Synced), "it is covered");

        let untold = store.untold_conflicts("org", 10).await.expect("read");
        assert_eq!(untold, found);
        store.conflicts_were_told(vec![conflict.id.clone()]).await.expect("note");
        assert_eq!(store.untold_conflicts("org", 10).await.expect("read"), []);

        let resolve =
            async |line_id| store.resolve_conflict(&conflict.id, (Kept::Manual, "ada"), at(8), line(line_id)).await;
        let Resolved::Now(now) = resolve("r1").await.expect("resolve") else { panic!("it was open") };
        assert_eq!((now.resolution, now.resolved_by.as_deref()), (Some(Kept::Manual), Some("ada")));
        assert!(matches!(resolve("r2").await.expect("resolve"), Resolved::Before(_)));
        assert_eq!(store.close_conflicts("org", at(9), at(-9)).await.expect("close"), 0, "it is closed");
        // Nothing changed for it; then it collides in another way, and is asked about again.
        more(&store, "a", vec![is(MirroredEvent { title: None, ..event("e1", 1) })]).await;
        assert_eq!(reconcile(&store, "a").await.conflicts, 0);
        let longer = EventTime::Timed { start: at(3500), end: at(3600 + 600) };
        more(&store, "a", vec![is(MirroredEvent { when: longer, ..event("e1", 1) })]).await;
        assert_eq!(reconcile(&store, "a").await.conflicts, 1);
        assert_eq!(conflicts(&store).await[0].status, ConflictStatus::Open);
        assert_eq!(store.untold_conflicts("org", 10).await.expect("read").len(), 1);
    });
}

#[test]
fn a_conflict_is_gone_when_its_blocked_times_part() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        add(&store, "b").await;
        full(&store, "a", vec![is(event("e1", 1)), is(event("e2", 2))]).await;
        full(&store, "b", vec![is(MirroredEvent { uid: None, ..event("f1", 1) })]).await;
        reconcile(&store, "a").await;
        assert_eq!(reconcile(&store, "b").await.conflicts, 1);
        let found = conflicts(&store).await;
        assert_eq!((found[0].kind, found[0].suggestion), (ConflictKind::BetweenCalendars, Kept::Both));
        assert_eq!(store.close_conflicts("org", at(0), at(-9)).await.expect("close"), 0);
        more(&store, "b", vec![is(MirroredEvent { uid: None, ..event("f1", 7) })]).await;
        reconcile(&store, "b").await;
        assert_eq!(store.close_conflicts("org", at(10), at(-9)).await.expect("close"), 1);
        assert_eq!(conflicts(&store).await[0].status, ConflictStatus::Gone);
        more(&store, "b", vec![is(MirroredEvent { uid: None, ..event("f1", 1) })]).await;
        assert_eq!(reconcile(&store, "b").await.conflicts, 1, "it is back");
        assert_eq!(store.close_conflicts("org", at(999_999), at(-9)).await.expect("close"), 1, "it is over");
        store.close_conflicts("org", at(999_999), at(1_000_000)).await.expect("forget");
        assert_eq!(conflicts(&store).await, []);
    });
}

#[test]
fn what_is_no_conflict_is_none() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        add(&store, "b").await;
        let twin = |id: &str| MirroredEvent { uid: Some("the same".to_owned()), ..event(id, 1) };
        full(&store, "a", vec![is(twin("e1")), is(event("e2", 1)), is(event("before", 3))]).await;
        reconcile(&store, "a").await;
        block_by_hand(database, "one", at(3 * 3600 + 1800), at(4 * 3600));
        block_by_hand(database, "two", at(3 * 3600 + 1800), at(4 * 3600));
        assert_eq!(
            store.check_manual_blocks("org", 10, at(0)).await.expect("check"),
            (2, 0),
            "two by hand, next to one"
        );
        execute(database, "DELETE FROM blocked_times WHERE external_event_id = 'e2'");
        full(&store, "b", vec![is(twin("f1"))]).await;
        assert_eq!(reconcile(&store, "b").await.conflicts, 0, "one event in two calendars");
        let ours = format!(
            "INSERT INTO external_events (booking_id, integration_id, organizer_id, provider, version, external_id, \
             status, asked_at, starts_at, ends_at, job_id, created_at, updated_at) \
             VALUES ('b1', 'b', 'org', 'google', 1, 'ours', 'written', '{0}', '{0}', '{0}', 'j', '{0}', '{0}')",
            at(0).format("%Y-%m-%d %H:%M:%S")
        );
        execute(database, &ours);
        more(&store, "b", vec![is(event("ours", 3))]).await;
        let written = reconcile(&store, "b").await;
        assert_eq!((written.created, written.conflicts), (1, 0), "a booking is no conflict with itself");
        full(&store, "b", vec![is(event("f2", 3))]).await;
        let later = store.reconcile("b", 10, at(4 * 3600), judge).await.expect("reconcile");
        assert_eq!((later.created, later.conflicts), (1, 0), "it is over");
    });
}

#[test]
fn calendars_of_one_organizer_that_change_at_once_find_each_other() {
    on_both(&async |database| {
        let (one, other) = (database.store().await, database.store().await);
        add(&one, "a").await;
        add(&one, "b").await;
        for hour in 1..=20 {
            full(&one, "a", vec![is(event(&format!("a{hour}"), hour))]).await;
            full(&one, "b", vec![is(event(&format!("b{hour}"), hour))]).await;
            let (first, second) =
                tokio::join!(one.reconcile("a", 10, at(0), judge), other.reconcile("b", 10, at(0), judge));
            let found = first.expect("reconcile").conflicts + second.expect("reconcile").conflicts;
            assert_eq!(found, 1, "hour {hour}");
        }
    });
}
