//! What recording promises, stated once and held on both backends.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;

use crate::connection::{AnyConnection, Purpose};
use crate::test_database::{TestDatabase, keys, on_both, open};
use crate::test_postgres::TestPostgres;
use crate::{
    Burial, DatabaseUrl, DeadFilter, Exit, Fact, LogEntry, LogFilter, Recorded, Run, RunFilter, RunOutcome, Store,
    StoreError, StoreOptions, migrate,
};

pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + second, 123_456_000).expect("a time")
}

pub(crate) fn exit(job_id: &str, run: i32, outcome: RunOutcome) -> Exit {
    let run = Run {
        job_id: job_id.to_owned(),
        run,
        attempt: run,
        name: "send_webhook".to_owned(),
        queue: "default".to_owned(),
        worker: "host-1".to_owned(),
        outcome,
        reason: (outcome != RunOutcome::Done).then(|| "503 from the receiver".to_owned()),
        result: (outcome == RunOutcome::Done).then(|| r#"{"status":200}"#.to_owned()),
        enqueued_at: at(0),
        started_at: Some(at(1)),
        finished_at: at(i64::from(run) + 1),
        duration_ms: Some(17),
        retry_at: (outcome == RunOutcome::Retry).then(|| at(60)),
        trace: None,
    };
    let burial = Burial {
        envelope: b"{\"job\":\"send_webhook\",\"args\":\"top secret\"}\xff".to_vec(),
        attempts: 3,
        crashes: 1,
    };
    Exit { run, burial: (outcome == RunOutcome::Dead).then_some(burial), facts: Vec::new() }
}

pub(crate) async fn record(store: &Store, exits: Vec<Exit>) -> Vec<Recorded> {
    store.record(exits).await.map_err(|(error, _)| error).expect("record")
}

#[test]
fn a_fresh_run_is_new_and_reads_back_as_it_was() {
    on_both(&async |database| {
        let store = database.store().await;
        let exits: Vec<Exit> = RunOutcome::ALL.iter().map(|outcome| exit(outcome.as_str(), 1, *outcome)).collect();
        assert_eq!(record(&store, exits.clone()).await, vec![Recorded::New; RunOutcome::ALL.len()]);
        for exit in exits {
            assert_eq!(store.runs_of(&exit.run.job_id).await.expect("runs"), [exit.run]);
        }
    });
}

#[test]
fn a_repeat_is_known_and_changes_nothing() {
    on_both(&async |database| {
        let store = database.store().await;
        let (first, mut repeat) = (exit("a", 1, RunOutcome::Dead), exit("a", 1, RunOutcome::Dead));
        repeat.run.reason = Some("another reason".to_owned());
        assert_eq!(record(&store, vec![first.clone(), repeat.clone()]).await, [Recorded::New, Recorded::Known]);
        assert_eq!(record(&store, vec![repeat]).await, [Recorded::Known]);
        assert_eq!(store.runs_of("a").await.expect("runs"), [first.run]);
        let letter = store.dead_letter("a").await.expect("read").expect("a letter");
        assert_eq!(letter.reason, "503 from the receiver");
    });
}

#[test]
fn what_may_not_be_recorded_any_more_when_all_is_written_leaves_nothing() {
    on_both(&async |database| {
        let store = database.store().await;
        let batch = vec![exit("a", 1, RunOutcome::Done), exit("b", 1, RunOutcome::Dead)];
        let (fault, back) = store.record_while(batch.clone(), || false).await.expect_err("it may not");
        assert!(matches!(fault, StoreError::Withdrawn { .. }) && !fault.is_outage(), "{fault:?}");
        assert_eq!(back, batch);
        assert!(store.runs_of("a").await.expect("runs").is_empty());
        assert!(store.dead_letter("b").await.expect("read").is_none());
        assert_eq!(record(&store, back).await, [Recorded::New, Recorded::New]);
    });
}

#[test]
fn a_job_is_done_once() {
    on_both(&async |database| {
        let store = database.store().await;
        let batch =
            vec![exit("a", 2, RunOutcome::Done), exit("a", 1, RunOutcome::Retry), exit("a", 3, RunOutcome::Done)];
        assert_eq!(record(&store, batch).await, [Recorded::New, Recorded::New, Recorded::Known]);
        assert_eq!(record(&store, vec![exit("a", 4, RunOutcome::Done)]).await, [Recorded::Known]);

        let history = store.history_of(vec!["a".to_owned(), "b".to_owned()]).await.expect("history");
        assert_eq!(history.len(), 1, "b has none");
        assert_eq!((history["a"].last_run, history["a"].done.as_ref().map(|run| run.run)), (2, Some(2)));
        let ends: Vec<_> = history["a"].ends.iter().map(|end| (end.run, end.outcome)).collect();
        assert_eq!(ends, [(1, RunOutcome::Retry), (2, RunOutcome::Done)]);
    });
}

#[test]
fn a_batch_of_thousands_is_one_commit_and_its_history_is_found() {
    on_both(&async |database| {
        let store = database.store().await;
        let batch: Vec<Exit> = (0..5_001).map(|n| exit(&format!("job-{n}"), 1, RunOutcome::Done)).collect();
        let ids: Vec<String> = batch.iter().map(|exit| exit.run.job_id.clone()).collect();
        let answers = record(&store, batch).await;
        assert_eq!(answers.iter().filter(|answer| **answer == Recorded::New).count(), 5_001);
        assert_eq!(store.history_of(ids).await.expect("history").len(), 5_001);
    });
}

#[test]
fn a_dead_letter_is_sealed_listed_opened_replaced_and_forgotten() {
    on_both(&async |database| {
        let store = database.store().await;
        let dead: Vec<Exit> = (1..=5).map(|n| exit(&format!("job-{n}"), n, RunOutcome::Dead)).collect();
        let envelope = dead[0].burial.clone().expect("a burial").envelope;
        record(&store, dead).await;

        let filter = DeadFilter { limit: 3, ..DeadFilter::default() };
        let page = store.dead_letters(filter.clone()).await.expect("a page");
        let next = DeadFilter { after: page.last().map(crate::DeadLetter::cursor), ..filter };
        let pages: Vec<_> = page.iter().chain(&store.dead_letters(next).await.expect("the next")).cloned().collect();
        let ids: Vec<_> = pages.iter().map(|letter| letter.job_id.as_str()).collect();
        assert_eq!(ids, ["job-5", "job-4", "job-3", "job-2", "job-1"], "newest first");

        assert_eq!(store.dead_envelope("job-1").await.expect("open"), Some(envelope));
        let mut again = exit("job-1", 9, RunOutcome::Dead);
        again.run.reason = Some("died again".to_owned());
        record(&store, vec![again, exit("job-5", 1, RunOutcome::Dead)]).await;
        let letter = store.dead_letter("job-1").await.expect("read").expect("a letter");
        assert_eq!((letter.runs, letter.reason.as_str(), letter.attempts, letter.crashes), (9, "died again", 3, 1));
        let letter = store.dead_letter("job-5").await.expect("read").expect("a letter");
        assert_eq!(letter.runs, 5, "a late report of an older run replaces nothing");

        assert_eq!(store.count_dead_letters(Some("send_webhook".to_owned())).await.expect("count"), 5);
        let replaced = store.forget_dead_letters(vec![("job-1".to_owned(), 1)]).await;
        assert_eq!(replaced.expect("forget"), 0, "the letter of a later death is another one");
        let forgotten = store.forget_dead_letters(vec![("job-1".to_owned(), 9), ("unknown".to_owned(), 1)]).await;
        assert_eq!(forgotten.expect("forget"), 1);
        assert_eq!(store.dead_letter("job-1").await.expect("read"), None);
        assert_eq!(store.count_dead_letters(None).await.expect("count"), 4);
    });
}

#[tokio::test]
async fn the_file_of_a_store_does_not_show_an_envelope() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    record(&store, vec![exit("a", 1, RunOutcome::Dead)]).await;
    drop(store);
    for file in std::fs::read_dir(database.folder.as_ref().expect("a folder").path()).expect("the folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
        assert!(!bytes.windows(10).any(|window| window == b"top secret"));
    }
}

#[test]
fn lists_are_newest_first_and_filtered() {
    on_both(&async |database| {
        let store = database.store().await;
        let mut batch: Vec<Exit> = (1..=4).map(|run| exit("a", run, RunOutcome::Retry)).collect();
        batch.push(exit("a", 5, RunOutcome::Done));
        record(&store, batch).await;
        let listed = async |filter: RunFilter| -> Vec<i32> {
            store.runs(filter).await.expect("list").iter().map(|run| run.run).collect()
        };
        let all = RunFilter { limit: 10, ..RunFilter::default() };
        assert_eq!(listed(all.clone()).await, [5, 4, 3, 2, 1]);
        assert_eq!(listed(RunFilter { outcome: Some(RunOutcome::Retry), limit: 2, ..all.clone() }).await, [4, 3]);
        assert_eq!(listed(RunFilter { outcome: Some(RunOutcome::Done), ..all.clone() }).await, [5]);
        assert_eq!(listed(RunFilter { since: Some(at(5)), ..all.clone() }).await, [5, 4]);
        assert_eq!(listed(RunFilter { name: Some("other".to_owned()), ..all }).await, [0; 0]);
    });
}

#[test]
fn a_row_the_database_refuses_does_not_hold_up_its_group() {
    on_both(&async |database| {
        let store = database.store().await;
        poison(&database.url);
        let mut batch: Vec<Exit> = (0..100).map(|n| exit(&format!("job-{n}"), 1, RunOutcome::Dead)).collect();
        for n in [17, 70] {
            batch[n].run.name = "poison".to_owned();
        }
        let answers = record(&store, batch).await;
        for (n, answer) in answers.iter().enumerate() {
            match answer {
                Recorded::Refused { reason, .. } => {
                    assert!([17, 70].contains(&n) && reason.contains("poisoned"), "{reason}");
                }
                answer => assert!(![17, 70].contains(&n) && *answer == Recorded::New, "{n}: {answer:?}"),
            }
        }
        assert_eq!(store.count_dead_letters(None).await.expect("count"), 98);
    });
}

#[test]
fn a_row_that_is_refused_gives_back_what_it_would_have_left() {
    on_both(&async |database| {
        let store = database.store().await;
        poison(&database.url);
        let line = |id: &str| Fact::Log(LogEntry { id: id.to_owned(), created_at: at(0), ..LogEntry::default() });
        let mut batch = ["good", "bad"].map(|id| exit(id, 1, RunOutcome::Done)).to_vec();
        batch[1].run.name = "poison".to_owned();
        for (exit, id) in batch.iter_mut().zip(["of-good", "of-bad"]) {
            exit.facts.push(line(id));
        }
        let mut answers = record(&store, batch.clone()).await;
        let Some(Recorded::Refused { facts: left, .. }) = answers.pop() else { panic!("it is poisoned") };
        assert_eq!((answers, &left), (vec![Recorded::New], &batch[1].facts));
        let again = Exit { facts: left, ..exit("bad", 1, RunOutcome::Done) };
        assert_eq!(record(&store, vec![again]).await, [Recorded::New]);
        assert_eq!(store.logs(LogFilter { limit: 9, ..LogFilter::default() }).await.expect("the log").len(), 2);
    });
}

#[test]
fn a_database_that_refuses_every_row_gives_the_batch_back() {
    on_both(&async |database| {
        let store = database.store().await;
        for (n, table) in ["job_runs", "dead_letters"].into_iter().enumerate() {
            execute(&database.url, &format!("ALTER TABLE {table} RENAME TO gone"));
            let batch = ["a", "b"].map(|id| exit(&format!("{id}{n}"), 1, RunOutcome::Dead)).to_vec();
            let (error, returned) = store.record(batch.clone()).await.expect_err("there is no table");
            assert!(!error.is_outage(), "{error:?}");
            assert_eq!(returned, batch);
            execute(&database.url, &format!("ALTER TABLE gone RENAME TO {table}"));
            assert_eq!(record(&store, returned).await, [Recorded::New, Recorded::New]);
        }
        assert_eq!(store.runs(RunFilter { limit: 9, ..RunFilter::default() }).await.expect("list").len(), 4);
    });
}

#[test]
fn a_nul_in_a_text_is_replaced() {
    on_both(&async |database| {
        let store = database.store().await;
        let mut exit = exit("a\0b", 1, RunOutcome::Dead);
        exit.run.reason = Some("\0".to_owned());
        assert_eq!(record(&store, vec![exit]).await, [Recorded::New]);
        let letter = store.dead_letter("a\u{fffd}b").await.expect("read").expect("a letter");
        assert_eq!(letter.reason, "\u{fffd}");
        assert!(store.dead_envelope("a\u{fffd}b").await.expect("open").is_some());
    });
}

#[tokio::test]
async fn an_outage_gives_the_batch_back_and_passes_without_reopening() {
    let server = TestPostgres::start(&[]);
    let url: DatabaseUrl = server.database().parse().expect("a URL");
    migrate(&url).await.expect("migrate");
    let store = open(&url).await;
    record(&store, vec![exit("a", 1, RunOutcome::Done)]).await;

    server.stop();
    let (error, batch) = store.record(vec![exit("b", 1, RunOutcome::Done)]).await.expect_err("it is down");
    assert!(error.is_outage(), "{error:?}");
    let error = store.ping().await.expect_err("it is down");
    assert!(error.is_outage(), "{error:?}");
    server.resume();
    assert_eq!(record(&store, batch).await, [Recorded::New]);

    // Every connection was idle while the server went away and came back: nobody notices.
    let calls = || async { store.runs_of("a").await.expect("read").len() };
    assert_eq!(tokio::join!(calls(), calls(), calls(), calls(), calls()), (1, 1, 1, 1, 1));
    server.stop();
    server.resume();
    assert_eq!(tokio::join!(calls(), calls(), calls(), calls(), calls()), (1, 1, 1, 1, 1));
    assert_eq!(record(&store, vec![exit("b", 1, RunOutcome::Done)]).await, [Recorded::Known]);
}

#[tokio::test]
async fn what_a_frozen_server_commits_after_all_is_recorded_once() {
    let server = TestPostgres::start(&[]);
    let url: DatabaseUrl = server.database().parse().expect("a URL");
    migrate(&url).await.expect("migrate");
    let options = StoreOptions { call_timeout: Duration::from_millis(300), ..StoreOptions::default() };
    let store = Store::open(&url, keys(), options).await.expect("open the store");
    record(&store, vec![exit("a", 1, RunOutcome::Done)]).await;
    server.signal("-STOP");
    let (error, batch) = store.record(vec![exit("b", 1, RunOutcome::Done)]).await.expect_err("it is frozen");
    assert!(error.is_outage() && error.to_string().contains("the database is hung"), "{error:?}");
    server.signal("-CONT");
    let mut again = store.record(batch).await;
    while let Err((error, batch)) = again {
        assert!(error.is_outage(), "{error:?}");
        again = store.record(batch).await;
    }
    assert_eq!(store.runs_of("b").await.expect("runs").len(), 1);
}

#[tokio::test]
async fn a_locked_file_is_an_outage() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    let mut other = AnyConnection::open(&database.url, Purpose::Write).expect("connect");
    other.begin(Purpose::Write).expect("take the lock");
    let (error, _) = store.record(vec![exit("a", 1, RunOutcome::Done)]).await.expect_err("it is locked");
    assert!(error.is_outage(), "{error:?}");
    drop(other);
    assert_eq!(record(&store, vec![exit("a", 1, RunOutcome::Done)]).await, [Recorded::New]);
}

#[test]
fn the_identity_survives() {
    on_both(&async |database| {
        let id = database.store().await.identity().await.expect("an identity");
        assert_eq!((id.len(), database.store().await.identity().await.expect("the same")), (32, id));
    });
}

pub(crate) fn execute(url: &DatabaseUrl, statements: &str) {
    let mut connection = AnyConnection::open(url, Purpose::Write).expect("connect");
    connection.batch_execute(statements).expect(statements);
}

/// Make the database refuse runs of this name.
fn poison(url: &DatabaseUrl) {
    execute(
        url,
        match url {
            DatabaseUrl::Sqlite(_) => {
                "CREATE TRIGGER poison BEFORE INSERT ON job_runs WHEN NEW.name = 'poison'
                 BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
            }
            DatabaseUrl::Postgres(_) => {
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN IF NEW.name = 'poison' THEN RAISE 'poisoned'; END IF; RETURN NEW; END $$;
                 CREATE TRIGGER poison BEFORE INSERT ON job_runs FOR EACH ROW EXECUTE FUNCTION poison()"
            }
        },
    );
}
