//! Every exit is recorded, once.

use serde_json::{Value, json};

use crate::support::{House, on_both, until};

#[test]
fn a_hundred_malformed_lines_among_ten_thousand_delay_nobody_and_are_buried_with_their_reasons() {
    let house = House::sqlite();
    let bad = [
        "nonsense",
        "[1,2]",
        "{}",
        r#"{"job":7}"#,
        r#"{"job":"noop","run_at":"tomorrow"}"#,
        r#"{"job":"noop","max_attempts":-1}"#,
        r#"{"job":"noop","queue":"a}b"}"#,
        r#"{"job":"no such job"}"#,
        "{\"job\":\"noop\0\"}",
        r#"{"job":"noop","priority":"urgent"}"#,
    ];
    let mut lines = Vec::new();
    for number in 0..10_000 {
        lines.push(format!(r#"{{"id":"good-{number}","job":"noop"}}"#));
        if number % 100 == 50 {
            lines.push(bad[number / 100 % bad.len()].to_owned());
        }
    }
    house.redis.push("default", &lines);
    let worker = house.worker();
    until("all good ones are done", || house.count("done") == 10_000);
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    worker.stop();
    let letters = house.json(&["dead", "list", "--limit", "1000"]);
    let letters = letters.as_array().expect("a list");
    assert_eq!(letters.len(), 100);
    for letter in letters {
        let reason = letter["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("malformed: "), "{letter}");
    }
    let of = |word: &str| letters.iter().filter(|l| l["reason"].as_str().is_some_and(|r| r.contains(word))).count();
    assert_eq!((of("run_at:"), of("max_attempts:"), of("queue:"), of("priority:")), (10, 10, 10, 10));
    let shown = house.json(&["dead", "show", letters[0]["job_id"].as_str().expect("an id"), "--reveal"]);
    assert!(
        bad.iter().any(|line| shown["envelope"].as_str() == Some(line))
            || shown["envelope"].is_object()
            || shown["envelope"].is_array(),
        "{shown}"
    );
}

#[test]
fn postgres_keeps_the_same_records_as_sqlite() {
    let record = |house: &House| {
        let worker = house.worker();
        house.json(&["enqueue", "echo", "--args", r#"{"text": "a\u0000b"}"#, "--id", "e", "--wait", "30s"]);
        house.cli(&["enqueue", "fail", "--args", r#"{"times": 1}"#, "--id", "f", "--wait", "30s"]);
        house.cli(&[
            "enqueue",
            "fail",
            "--args",
            r#"{"times": 1}"#,
            "--id",
            "d",
            "--max-attempts",
            "1",
            "--wait",
            "30s",
        ]);
        worker.stop();
        let rows = |id: &str| -> Vec<Value> {
            let keep = ["job_id", "run", "attempt", "name", "queue", "outcome", "reason", "result"];
            house.runs(id).iter().map(|run| keep.iter().map(|name| run[*name].clone()).collect()).collect()
        };
        (rows("e"), rows("f"), rows("d"), house.json(&["dead", "show", "d", "--reveal"])["envelope"].clone())
    };
    assert_eq!(record(&House::postgres()), record(&House::sqlite()));
}

#[test]
fn an_unknown_job_and_wrong_arguments_are_buried_with_the_field_named() {
    let house = House::sqlite();
    let worker = house.worker();
    house.redis.push(
        "default",
        &[
            r#"{"id":"unknown","job":"no_such_job"}"#.to_owned(),
            r#"{"id":"wrong","job":"sleep","args":{"ms":"long"}}"#.to_owned(),
            r#"{"id":"missing","job":"sleep"}"#.to_owned(),
        ],
    );
    until("all are buried", || house.json(&["dead", "list"]).as_array().expect("a list").len() == 3);
    let reason = |id: &str| house.json(&["dead", "show", id])["reason"].as_str().expect("a reason").to_owned();
    assert!(reason("unknown").starts_with("job: no `no_such_job` in this build"), "{}", reason("unknown"));
    assert!(reason("wrong").starts_with("args.ms: invalid type: string, expected u32"), "{}", reason("wrong"));
    assert!(reason("missing").contains("missing field `ms`"), "{}", reason("missing"));
    worker.stop();
}

#[test]
fn the_same_id_runs_once_before_and_after_it_is_done() {
    let house = House::sqlite().set("LIAISON_QUEUES__ID_MEMORY", "1s");
    let send = || house.json(&["enqueue", "echo", "--args", r#"{"n": 1}"#, "--id", "same"]);
    assert_eq!(send(), json!({"id": "same", "status": "queued"}));
    assert_eq!(send()["status"], "duplicate");
    house.redis.push("default", &[r#"{"id":"same","job":"echo"}"#.to_owned()]);
    let worker = house.worker();
    until("it is done", || house.runs("same").len() == 1);
    until("it has left", || house.redis.leftovers("default").is_empty());
    assert_eq!(send()["of"], "same", "remembered after it left");
    until("Redis has forgotten it", || send()["status"] == "queued");
    worker.says("same has ended before");
    until("it has left again", || house.redis.leftovers("default").is_empty());
    assert_eq!(house.runs("same").len(), 1, "history remembers longer than Redis");
    worker.stop();
}

#[test]
fn what_no_release_of_ours_stored_is_buried_and_stops_nobody() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    for (id, stored) in [("alien", "{\"job\":\"abcdé\",\"args\":{}}"), ("torn", "17")] {
        house.redis.ask::<i64>(&["HSET", "liaison:{default}:jobs", id, stored]);
        house.redis.ask::<i64>(&["RPUSH", "liaison:{default}:ready:normal", id]);
    }
    // Held by a worker that died long ago, too.
    house.redis.ask::<i64>(&["HSET", "liaison:{default}:jobs", "orphan", "{\"job\":\"noop\"}"]);
    house.redis.ask::<i64>(&["HSET", "liaison:{default}:held", "orphan", "gone/1"]);
    house.redis.ask::<i64>(&["HSET", "liaison:{default}:claims", "gone/1", "1 orphan"]);
    house.redis.ask::<i64>(&["ZADD", "liaison:{default}:leases", "1", "gone/1"]);
    let worker = house.worker();
    assert_eq!(house.json(&["enqueue", "echo", "--args", "1", "--wait", "30s"])["outcome"], "done");
    until("all three have ended", || ["alien", "torn", "orphan"].iter().all(|id| !house.runs(id).is_empty()));
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    assert_eq!(house.runs("orphan")[0]["outcome"], "done", "an envelope without our header is an envelope");
    assert_eq!(house.runs("torn")[0]["outcome"], "dead");
    worker.stop();
}

#[test]
fn another_queues_line_is_moved_there() {
    let house = House::sqlite();
    let worker = house.worker();
    house.redis.push("default", &[r#"{"id":"lost","job":"noop","queue":"elsewhere"}"#.to_owned()]);
    until("it stands in its own queue", || {
        let place = house.cli(&["jobs", "show", "lost", "--json"]);
        serde_json::from_slice::<Value>(&place.stdout).is_ok_and(|place| place["queue"] == "elsewhere")
    });
    until("nothing is left where it came from", || house.redis.leftovers("default").is_empty());
    worker.stop();
    let worker = house.worker_with(&["--queues", "elsewhere"]);
    until("it is done", || house.runs("lost").len() == 1);
    worker.stop();
}

#[test]
fn a_daemon_with_another_store_refuses_to_start() {
    let house = House::sqlite();
    house.worker().stop();
    let other = House::sqlite();
    let url = house.redis.url();
    let other = other.set("LIAISON_REDIS_URL", &url);
    let output = other.cli(&["worker"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("keeps its history in store"), "{said}");
}

/// Have the database refuse rows of a table for which this holds.
fn refuse(house: &House, table: &str, when: &str) {
    if house.postgres.is_some() {
        house.sql(&format!(
            "CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF {when} THEN RAISE 'refused by a test'; END IF; RETURN NEW; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_{table}()"
        ));
    } else {
        house.sql(&format!(
            "CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table} WHEN {when}
             BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
        ));
    }
}

#[test]
fn what_a_job_noted_is_kept_when_the_store_refuses_the_texts_of_its_run() {
    on_both(|house| {
        refuse(&house, "job_runs", "NEW.result IS NOT NULL");
        refuse(&house, "notifications", "NEW.recipient = 'odd@example.org'");
        let worker = house.worker();
        for (id, to) in [("kept", "ann@example.org"), ("lost", "odd@example.org")] {
            let args = json!({"to": to, "subject": "s", "text": "t", "id": format!("mail:{id}")}).to_string();
            house.json(&["enqueue", "send_email", "--id", id, "--args", &args]);
            until("its run is recorded", || house.runs(id).len() == 1);
            let run = house.runs(id).remove(0);
            assert_eq!(run["outcome"], "done");
            assert!(run["reason"].as_str().is_some_and(|why| why.contains("refused the texts of this run")), "{run}");
        }
        assert_eq!(house.ask_sql("SELECT recipient FROM notifications"), ["ann@example.org"]);
        let jobs = house.ask_sql("SELECT DISTINCT job_id FROM integration_logs WHERE job_id IS NOT NULL");
        assert!(!jobs.contains(&"lost".to_owned()), "{jobs:?}");
        let log = worker.stop();
        assert!(log.contains("facts of it are lost") && !log.contains("the store refuses what kept noted"), "{log}");
    });
}
