//! What is cleaned up, what is kept, and what keys seal: stated once and held on both backends.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection as _;

use crate::connection::{AnyConnection, Purpose};
use crate::recording_tests::{at, exit, record};
use crate::test_database::{TestDatabase, on_both};
use crate::{
    Class, DatabaseUrl, Hold, HoldScope, KeyRing, LogEntry, LogFilter, RunOutcome, SealedColumn, Store, StoreOptions,
};

/// All that the tests write is older than this, unless they say otherwise.
fn before() -> DateTime<Utc> {
    at(1_000)
}

fn execute(url: &DatabaseUrl, sql: &str) {
    let mut connection = AnyConnection::open(url, Purpose::Write).expect("a connection");
    let done = match &mut connection {
        AnyConnection::Sqlite(connection) => connection.batch_execute(sql),
        AnyConnection::Postgres(connection) => connection.batch_execute(sql),
    };
    done.unwrap_or_else(|fault| panic!("{sql}: {fault}"));
}

fn line(id: &str, organizer: &str, second: i64) -> LogEntry {
    LogEntry {
        id: id.to_owned(),
        log_type: "webhook_sent".to_owned(),
        integration_type: "webhook".to_owned(),
        integration_id: Some(format!("endpoint-of-{organizer}")),
        organizer_id: Some(organizer.to_owned()),
        booking_id: Some(format!("booking-of-{organizer}")),
        message: "said \"hello\"\nand went".to_owned(),
        details: Some("{\"n\": 1}".to_owned()),
        success: true,
        created_at: at(second),
    }
}

fn hold(scope: HoldScope, key: &str) -> Hold {
    let (reason, placed_by) = ("case 7".to_owned(), "ada".to_owned());
    Hold { scope, key: key.to_owned(), reason, placed_by, placed_at: at(5_000) }
}

/// Delete all that may go, page by page; how many rows.
async fn sweep(store: &Store, class: Class, before: DateTime<Utc>, limit: u32) -> u64 {
    let (mut after, mut gone) = (None, 0);
    loop {
        let page = store.expired(class, before, after, limit, false).await.expect("a page");
        gone += store.prune(class, before, &page.rows).await.expect("delete").rows;
        after = page.next;
        if after.is_none() {
            return gone;
        }
    }
}

async fn log_ids(store: &Store) -> BTreeSet<String> {
    let filter = LogFilter { limit: 100, ..LogFilter::default() };
    store.logs(filter).await.expect("logs").into_iter().map(|line| line.id).collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn what_is_old_goes_page_by_page_and_what_is_young_stays() {
    on_both(&async |database| {
        let store = database.store().await;
        store.log((0..25).map(|n| line(&format!("old-{n:02}"), "o", n)).collect()).await.expect("write");
        store.log(vec![line("young", "o", 1_000)]).await.expect("write");
        // Many of the very same instant are told apart by their ids.
        store.log((0..9).map(|n| line(&format!("same-{n}"), "o", 7)).collect()).await.expect("write");
        let old = store.old(Class::IntegrationLogs, before()).await.expect("count");
        assert_eq!((old.rows, old.held), (34, 0));
        assert_eq!(sweep(&store, Class::IntegrationLogs, before(), 4).await, 34);
        assert_eq!(log_ids(&store).await, set(&["young"]));
    });
}

#[test]
fn a_page_that_is_only_read_goes_on_where_it_ended() {
    on_both(&async |database| {
        let store = database.store().await;
        store.log((0..9).map(|n| line(&format!("same-{n}"), "o", 7)).collect()).await.expect("write");
        let (mut after, mut seen) = (None, BTreeSet::new());
        loop {
            let page = store.expired(Class::IntegrationLogs, before(), after, 2, true).await.expect("a page");
            assert!(page.rows.iter().all(|row| seen.insert(row.key.clone())), "no row comes twice");
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 9);
    });
}

#[test]
fn a_whole_row_is_the_same_json_from_both_databases() {
    on_both(&async |database| {
        let store = database.store().await;
        store.log(vec![line("a", "o", 3)]).await.expect("write");
        record(&store, vec![exit("job", 1, RunOutcome::Dead)]).await;
        let whole = async |class| {
            let page = store.expired(class, before(), None, 10, true).await.expect("a page");
            page.rows.into_iter().map(|row| row.row.expect("whole")).collect::<Vec<_>>()
        };
        let compact = |row: &str| row.replace("\" : ", "\":").replace(", \"", ",\"");
        let logs = whole(Class::IntegrationLogs).await;
        assert_eq!(
            compact(&logs[0]),
            r#"{"id":"a","log_type":"webhook_sent","integration_type":"webhook","integration_id":"endpoint-of-o","organizer_id":"o","booking_id":"booking-of-o","message":"said \"hello\"\nand went","details":"{\"n\": 1}","success":true,"job_id":null,"created_at":"2026-11-18T11:06:43.123456Z"}"#
        );
        let letters = whole(Class::DeadLetters).await;
        assert!(compact(&letters[0]).contains(r#""envelope":"010474657374"#), "sealed, in hex: {}", letters[0]);
    });
}

#[test]
fn runs_go_when_their_job_is_over_and_its_letter_is_gone() {
    on_both(&async |database| {
        let store = database.store().await;
        let mut young = exit("went-on", 2, RunOutcome::Done);
        young.run.finished_at = before() + TimeDelta::seconds(1);
        let exits = vec![
            exit("done", 1, RunOutcome::Retry),
            exit("done", 2, RunOutcome::Done),
            exit("waits", 1, RunOutcome::Retry),
            exit("waits", 2, RunOutcome::Retry),
            exit("went-on", 1, RunOutcome::Retry),
            young,
            exit("dead", 1, RunOutcome::Retry),
            exit("dead", 2, RunOutcome::Dead),
            exit("cancelled", 1, RunOutcome::Cancelled),
        ];
        record(&store, exits).await;
        assert_eq!(sweep(&store, Class::JobRuns, before(), 2).await, 3);
        let left = async |id: &str| store.runs_of(id).await.expect("runs").len();
        assert_eq!((left("done").await, left("cancelled").await), (0, 0));
        assert_eq!((left("waits").await, left("went-on").await, left("dead").await), (2, 2, 2));
        assert_eq!(sweep(&store, Class::DeadLetters, before(), 10).await, 1);
        assert_eq!(sweep(&store, Class::JobRuns, before(), 10).await, 2);
        assert_eq!(left("dead").await, 0);
    });
}

#[test]
fn a_hold_keeps_all_that_it_covers_until_it_is_released() {
    on_both(&async |database| {
        let store = database.store().await;
        let mut by_job = exit("job-of-a", 1, RunOutcome::Done);
        by_job.facts = vec![crate::Fact::Log(line("log-of-a", "a", 1))];
        record(&store, vec![by_job, exit("job-of-nobody", 1, RunOutcome::Done), exit("held", 1, RunOutcome::Dead)])
            .await;
        let others = vec![line("log-of-b", "b", 2), line("log-of-c", "c", 3), line("log-of-d", "d", 4)];
        store.log(others).await.expect("write");
        for (scope, key) in [
            (HoldScope::Organizer, "a"),
            (HoldScope::Booking, "booking-of-b"),
            (HoldScope::Integration, "endpoint-of-c"),
            (HoldScope::Job, "held"),
        ] {
            assert!(store.hold(hold(scope, key), format!("hold-{key}")).await.expect("hold"));
            assert!(!store.hold(hold(scope, key), "again".to_owned()).await.expect("hold"), "there is one already");
        }
        assert_eq!(store.old(Class::IntegrationLogs, before()).await.expect("count").held, 3);
        assert_eq!(sweep(&store, Class::DeadLetters, before(), 1).await, 0);
        assert_eq!(sweep(&store, Class::JobRuns, before(), 1).await, 1, "the run of a held organizer's job stays");
        assert_eq!(sweep(&store, Class::IntegrationLogs, before(), 1).await, 1);
        let kept =
            ["log-of-a", "log-of-b", "log-of-c", "hold-a", "hold-booking-of-b", "hold-endpoint-of-c", "hold-held"];
        assert_eq!(log_ids(&store).await, set(&kept));

        let because = ("ada".to_owned(), "case closed".to_owned());
        let released =
            store.release(HoldScope::Organizer, "a", because.clone(), at(5_001), "released".to_owned()).await;
        assert_eq!(released.expect("release"), Some(hold(HoldScope::Organizer, "a")));
        let again = store.release(HoldScope::Organizer, "a", because, at(5_001), "never".to_owned()).await;
        assert_eq!(again.expect("release"), None);
        assert_eq!(store.holds().await.expect("holds").len(), 3);
        assert_eq!(sweep(&store, Class::JobRuns, before(), 10).await, 1);
        assert_eq!(sweep(&store, Class::IntegrationLogs, before(), 10).await, 1);
        assert!(log_ids(&store).await.contains("released"));
    });
}

#[test]
fn a_hold_that_comes_between_the_search_and_the_deletion_counts() {
    on_both(&async |database| {
        let store = database.store().await;
        store.log(vec![line("a", "a", 1), line("b", "b", 2)]).await.expect("write");
        let page = store.expired(Class::IntegrationLogs, before(), None, 10, false).await.expect("a page");
        store.hold(hold(HoldScope::Organizer, "a"), "hold".to_owned()).await.expect("hold");
        let pruned = store.prune(Class::IntegrationLogs, before(), &page.rows).await.expect("delete");
        assert_eq!((pruned.rows, log_ids(&store).await), (1, set(&["a", "hold"])));
    });
}

/// As SQL that both backends read.
fn seed_others(url: &DatabaseUrl) {
    let time = |second: i64| at(second).naive_utc().format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let mut sql = String::new();
    for (id, status) in [("d-done", "delivered"), ("d-lost", "failed"), ("d-tries", "retrying")] {
        let (old, payload) = (time(1), if url.redacted().starts_with("sqlite") { "x'00'" } else { "'\\x00'" });
        let _ = write!(
            sql,
            "INSERT INTO webhook_deliveries (id, endpoint_id, organizer_id, event_type, payload, payload_bytes, status,
                attempt_number, job_id, created_at, last_attempt_at)
             VALUES ('{id}', 'e', 'o', 'booking.created', {payload}, 1, '{status}', 1, 'j-{id}', '{old}', '{old}');
             INSERT INTO webhook_attempts (delivery_id, job_id, run, attempt, attempted_at, duration_ms)
             VALUES ('{id}', 'j-{id}', 1, 1, '{old}', 5);"
        );
    }
    for (entry, second) in [("daily", 1), ("daily", 2), ("yearly", 1), ("daily", 3), ("often", 1), ("often", 2_000)] {
        let (tick, until) = (time(second), time(second));
        let _ = write!(
            sql,
            "INSERT INTO schedule_ticks (entry, tick_at, until_at, ticks, status, job_id, queue, decided_at)
             VALUES ('{entry}', '{tick}', '{until}', 1, 'fired', '{entry}-{second}', 'default', '{tick}');"
        );
    }
    let old = time(1);
    for (id, integration) in [("told-a", "calendar-a"), ("told-b", "calendar-b")] {
        let _ = write!(
            sql,
            "INSERT INTO notifications (id, kind, recipient, integration_id, message_id, status, job_id, created_at)
             VALUES ('{id}', 'disconnected', 'r', '{integration}', 'm', 'sent', 'j', '{old}');"
        );
    }
    for (id, since) in [("calendar-a", format!("'{old}'")), ("calendar-b", "NULL".to_owned())] {
        let _ = write!(
            sql,
            "INSERT INTO calendar_integrations (id, organizer_id, provider, disconnected_at, created_at, updated_at)
             VALUES ('{id}', 'o', 'google', {since}, '{old}', '{old}');"
        );
    }
    execute(url, &sql);
}

async fn left(store: &Store, class: Class) -> u64 {
    store.old(class, at(1_000_000)).await.expect("count").rows
}

#[test]
fn what_the_daemon_relies_on_stays_however_old_it_is() {
    on_both(&async |database| {
        let store = database.store().await;
        seed_others(&database.url);
        let page = store.expired(Class::WebhookDeliveries, before(), None, 10, true).await.expect("a page");
        assert!(page.rows[0].row.as_ref().expect("whole").contains("\"duration_ms\""), "with its attempts");
        assert_eq!(sweep(&store, Class::WebhookDeliveries, before(), 1).await, 2, "one is still tried");
        assert_eq!(sweep(&store, Class::ScheduleTicks, before(), 1).await, 3, "the last of each entry stays");
        assert_eq!(sweep(&store, Class::Notifications, before(), 1).await, 1, "one is still disconnected");
        let rest = (left(&store, Class::WebhookDeliveries).await, left(&store, Class::ScheduleTicks).await);
        assert_eq!((rest, left(&store, Class::Notifications).await), ((1, 3), 1));
        let attempts = match AnyConnection::open(&database.url, Purpose::Write).expect("a connection") {
            AnyConnection::Sqlite(mut one) => count_attempts(&mut one),
            AnyConnection::Postgres(mut one) => count_attempts(&mut one),
        };
        assert_eq!(attempts, 1, "attempts go with their delivery");
    });
}

fn count_attempts<C>(connection: &mut C) -> i64
where
    C: diesel::connection::LoadConnection,
    crate::schema::webhook_attempts::table: diesel::QuerySource,
    diesel::dsl::Select<crate::schema::webhook_attempts::table, diesel::dsl::CountStar>:
        for<'a> diesel::query_dsl::methods::LoadQuery<'a, C, i64>,
{
    use diesel::{QueryDsl as _, RunQueryDsl as _};
    crate::schema::webhook_attempts::table.select(diesel::dsl::count_star()).get_result(connection).expect("count")
}

#[tokio::test]
async fn the_file_of_a_store_shrinks() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    for n in 0..20 {
        let lines = (0..500).map(|m| line(&format!("{n:02}-{m:03}"), "o", n)).collect();
        store.log(lines).await.expect("write");
    }
    store.write_back().await.expect("write back");
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("not a file") };
    let size = || std::fs::metadata(path).expect("the file").len();
    let full = size();
    assert_eq!(sweep(&store, Class::IntegrationLogs, before(), 1_000).await, 10_000);
    let mut bytes = 0;
    loop {
        let some = store.return_space(64).await.expect("give back").rows;
        bytes += some;
        if some == 0 {
            break;
        }
    }
    store.write_back().await.expect("write back");
    assert!(bytes > full / 2 && size() < full / 2, "{full} bytes before, {} now, {bytes} given back", size());
}

fn ring(lines: &[&str]) -> KeyRing {
    KeyRing::parse(&lines.join("\n")).expect("keys")
}

async fn reseal_all(store: &Store) -> (u64, u64, usize) {
    let (mut resealed, mut changed, mut closed) = (0, 0, 0);
    for column in SealedColumn::ALL {
        let mut after = None;
        loop {
            let batch = store.reseal(column, after, 2).await.expect("reseal");
            (resealed, changed, closed) =
                (resealed + batch.resealed, changed + batch.changed, closed + batch.closed.len());
            after = batch.last;
            if after.is_none() {
                break;
            }
        }
    }
    (resealed, changed, closed)
}

#[test]
fn everything_is_sealed_anew_and_what_no_key_opens_is_named_and_left() {
    on_both(&async |database| {
        crate::migrate(&database.url).await.expect("migrate");
        let (old, new, lost) =
            (KeyRing::generate_line("old"), KeyRing::generate_line("new"), KeyRing::generate_line("lost"));
        let with = async |lines: &[&str]| {
            Store::open(&database.url, ring(lines), StoreOptions::default()).await.expect("open the store")
        };
        let store = with(&[&lost]).await;
        record(&store, vec![exit("lost-1", 1, RunOutcome::Dead)]).await;
        let store = with(&[&old]).await;
        record(&store, (0..5).map(|n| exit(&format!("dead-{n}"), 1, RunOutcome::Dead)).collect()).await;
        let old_ring = ring(&[&old]);
        let hex = |identity: &str, plain: &str| {
            let sealed = old_ring.seal(identity, plain.as_bytes());
            let hex: Vec<String> = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
            let hex = hex.concat();
            if database.folder.is_some() { format!("x'{hex}'") } else { format!("'\\x{hex}'") }
        };
        let time = "2026-01-01 00:00:00";
        execute(
            &database.url,
            &format!(
                "INSERT INTO webhook_integrations
                    (id, organizer_id, name, webhook_url, events, secret_key, old_secret_key, created_at, updated_at)
                 VALUES ('e', 'o', 'n', 'u', '[]', {}, {}, '{time}', '{time}');
                 INSERT INTO video_integrations (id, organizer_id, provider, access_token, created_at, updated_at)
                 VALUES ('v', 'o', 'zoom', {}, '{time}', '{time}');",
                hex("webhook_integrations:e:secret_key", "secret"),
                // It moved over with the seal of its first column.
                hex("webhook_integrations:e:secret_key", "older"),
                hex("video_integrations:v:access_token", "token"),
            ),
        );
        let store = with(&[&new, &old]).await;
        let keys = |counts: Vec<crate::SealedCount>| -> Vec<(String, String, u64)> {
            let named = |count: crate::SealedCount| {
                (count.column.column.to_owned(), count.key.unwrap_or_default(), count.values)
            };
            counts.into_iter().map(named).collect()
        };
        let row = |column: &str, key: &str, values| (column.to_owned(), key.to_owned(), values);
        assert_eq!(
            keys(store.sealed_counts().await.expect("count")),
            [
                row("envelope", "lost", 1),
                row("envelope", "old", 5),
                row("access_token", "old", 1),
                row("secret_key", "old", 1),
                row("old_secret_key", "old", 1)
            ]
        );
        let closed = store.closed_values(10).await.expect("look");
        assert_eq!(closed.len(), 1, "{closed:?}");
        assert!(closed[0].id == "lost-1" && closed[0].why.contains("`lost`"), "{closed:?}");

        assert_eq!(reseal_all(&store).await, (8, 0, 1));
        assert_eq!(reseal_all(&store).await, (0, 0, 1), "nothing is left to do");
        let store = with(&[&new]).await;
        assert!(store.dead_envelope("dead-3").await.expect("opens with the new key alone").is_some());
        assert!(store.dead_envelope("lost-1").await.is_err());
        let counts = keys(store.sealed_counts().await.expect("count"));
        assert!(counts.iter().all(|(_, key, _)| key == "new" || key == "lost"), "{counts:?}");
    });
}
