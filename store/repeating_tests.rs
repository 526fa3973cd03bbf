//! What is a repeat and what is another run under a used number, stated once and held on both backends.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl as _};

use crate::connection::{AnyConnection, Purpose};
use crate::recording_tests::{at, execute, exit, record};
use crate::test_database::{TestDatabase, on_both};
use crate::{Exit, Recorded, RunOutcome, Store};

/// A death under the number of a run that another worker has recorded.
fn death_of_another_claim() -> Exit {
    let mut death = exit("x", 1, RunOutcome::Dead);
    death.run.worker = "host-2".to_owned();
    death.run.finished_at = at(30);
    death
}

async fn ends(store: &Store) -> Vec<(i32, RunOutcome)> {
    store.runs_of("x").await.expect("runs").iter().map(|run| (run.run, run.outcome)).collect()
}

#[test]
fn a_death_under_a_used_run_number_keeps_its_row_and_its_letter() {
    on_both(&async |database| {
        let store = database.store().await;
        assert_eq!(record(&store, vec![exit("x", 1, RunOutcome::Retry)]).await, [Recorded::New]);
        let batch = vec![death_of_another_claim(), exit("y", 1, RunOutcome::Done)];
        assert_eq!(record(&store, batch.clone()).await, [Recorded::New, Recorded::New]);
        let expected = [(1, RunOutcome::Retry), (2, RunOutcome::Dead)];
        assert_eq!(ends(&store).await, expected);
        assert_eq!(store.dead_letter("x").await.expect("read").expect("a letter").runs, 2);

        // As after a commit whose answer got lost.
        assert_eq!(record(&store, batch).await, [Recorded::Known, Recorded::Known]);
        assert_eq!(ends(&store).await, expected);
        assert_eq!(store.count_dead_letters(None).await.expect("count"), 1);
    });
}

#[test]
fn runs_that_share_a_number_in_one_batch_are_all_kept() {
    on_both(&async |database| {
        let store = database.store().await;
        let mut third = death_of_another_claim();
        third.run.finished_at = at(31);
        let batch = vec![exit("x", 1, RunOutcome::Retry), death_of_another_claim(), third, death_of_another_claim()];
        assert_eq!(record(&store, batch).await, [Recorded::New, Recorded::New, Recorded::New, Recorded::Known]);
        assert_eq!(ends(&store).await, [(1, RunOutcome::Retry), (2, RunOutcome::Dead), (3, RunOutcome::Dead)]);
        assert_eq!(store.dead_letter("x").await.expect("read").expect("a letter").runs, 3);
    });
}

#[test]
fn the_same_exit_is_recorded_once() {
    on_both(&async |database| {
        let store = database.store().await;
        for outcome in RunOutcome::ALL {
            let exit = exit(outcome.as_str(), 1, outcome);
            assert_eq!(record(&store, vec![exit.clone()]).await, [Recorded::New]);
            assert_eq!(record(&store, vec![exit]).await, [Recorded::Known]);
            assert_eq!(store.runs_of(outcome.as_str()).await.expect("runs").len(), 1);
        }
    });
}

#[test]
fn a_used_number_of_a_job_that_is_done_is_known() {
    on_both(&async |database| {
        let store = database.store().await;
        record(&store, vec![exit("x", 1, RunOutcome::Retry), exit("x", 2, RunOutcome::Done)]).await;
        assert_eq!(record(&store, vec![death_of_another_claim()]).await, [Recorded::Known]);
        assert_eq!(store.dead_letter("x").await.expect("read"), None);
    });
}

#[test]
fn a_row_without_a_free_number_is_refused_alone() {
    on_both(&async |database| {
        let store = database.store().await;
        record(&store, vec![exit("x", 1, RunOutcome::Retry)]).await;
        execute(&database.url, &format!("UPDATE job_runs SET run = {}", i32::MAX));
        let mut last = death_of_another_claim();
        last.run.run = i32::MAX;
        let answers = record(&store, vec![last, exit("y", 1, RunOutcome::Dead), exit("z", 1, RunOutcome::Done)]).await;
        assert!(matches!(&answers[0], Recorded::Refused { .. }), "{answers:?}");
        assert_eq!(answers[1..], [Recorded::New, Recorded::New]);
    });
}

#[test]
fn a_job_that_is_done_after_all_has_no_letter() {
    on_both(&async |database| {
        let store = database.store().await;
        record(&store, vec![exit("x", 1, RunOutcome::Dead), exit("other", 1, RunOutcome::Dead)]).await;
        assert_eq!(record(&store, vec![exit("x", 2, RunOutcome::Done)]).await, [Recorded::New]);
        assert_eq!(store.dead_letter("x").await.expect("read"), None);

        // In one batch, and under a number that was used before.
        let mut done = exit("y", 1, RunOutcome::Done);
        done.run.finished_at = at(30);
        let batch = vec![done, exit("y", 1, RunOutcome::Dead)];
        assert_eq!(record(&store, batch).await, [Recorded::New, Recorded::Known], "the job is done");
        let batch = vec![exit("z", 2, RunOutcome::Done), exit("z", 1, RunOutcome::Dead)];
        assert_eq!(record(&store, batch).await, [Recorded::New, Recorded::New]);
        assert_eq!(store.count_dead_letters(None).await.expect("count"), 1, "that of the other job stays");
    });
}

#[test]
fn a_done_under_a_used_number_removes_the_letter() {
    on_both(&async |database| {
        let store = database.store().await;
        record(&store, vec![exit("x", 1, RunOutcome::Dead)]).await;
        assert_eq!(record(&store, vec![exit("x", 1, RunOutcome::Done)]).await, [Recorded::New]);
        assert_eq!(ends(&store).await, [(1, RunOutcome::Dead), (2, RunOutcome::Done)]);
        assert_eq!(store.dead_letter("x").await.expect("read"), None);
    });
}

#[test]
fn an_outcome_of_a_newer_release_hides_no_other_run() {
    on_both(&async |database| {
        let store = database.store().await;
        let batch = vec![
            exit("x", 1, RunOutcome::Retry),
            exit("x", 2, RunOutcome::Cancelled),
            exit("y", 1, RunOutcome::Retry),
            exit("y", 2, RunOutcome::Done),
        ];
        let done = batch[3].run.clone();
        record(&store, batch).await;
        execute(&database.url, "UPDATE job_runs SET outcome = 'superseded' WHERE outcome = 'cancelled'");

        let histories = store.history_of(vec!["x".to_owned(), "y".to_owned()]).await.expect("history");
        let x = &histories["x"];
        assert_eq!((x.last_run, &x.done, x.ends.len()), (2, &None, 1));
        assert_eq!((x.ends[0].run, x.ends[0].outcome, x.ends[0].retry_at), (1, RunOutcome::Retry, Some(at(60))));
        assert_eq!((histories["y"].last_run, &histories["y"].done), (2, &Some(done)));
    });
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// `SQLite` has one writer at a time, so only `PostgreSQL` can take the number between the look and the insert.
#[tokio::test]
async fn a_number_that_another_daemon_takes_first_is_skipped() {
    let database = TestDatabase::postgres();
    let store = database.store().await;
    record(&store, vec![exit("x", 1, RunOutcome::Retry)]).await;
    let mut other = AnyConnection::open(&database.url, Purpose::Write).expect("connect");
    other.begin(Purpose::Write).expect("begin");
    let rival = "INSERT INTO job_runs (job_id, run, attempt, name, queue, worker, outcome, enqueued_at, finished_at)
                 VALUES ('x', 2, 2, 'send_webhook', 'default', 'host-3', 'retry', now(), now())";
    other.batch_execute(rival).expect(rival);

    let waiting = "SELECT count(*) AS count FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut looking = AnyConnection::open(&database.url, Purpose::Read).expect("connect");
    let deadline = Instant::now() + Duration::from_mins(1);
    let release = async {
        while diesel::sql_query(waiting).get_result::<Count>(&mut looking).expect(waiting).count == 0 {
            assert!(Instant::now() < deadline, "it should wait for the other transaction");
            tokio::task::yield_now().await;
        }
        other.batch_execute("COMMIT").expect("commit");
    };
    let (answers, ()) = tokio::join!(record(&store, vec![death_of_another_claim()]), release);
    assert_eq!(answers, [Recorded::New]);
    assert_eq!(ends(&store).await, [(1, RunOutcome::Retry), (2, RunOutcome::Retry), (3, RunOutcome::Dead)]);
    assert_eq!(store.dead_letter("x").await.expect("read").expect("a letter").runs, 3);
}
