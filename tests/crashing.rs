//! Whatever dies: no job is lost, none is recorded as done twice, and no innocent is buried.

use std::{
    collections::HashSet,
    io::Write as _,
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{House, until};

const JOBS: usize = 5000;

fn id(number: usize) -> String {
    format!("kill-{number:05}")
}

/// Through the plain door, with nothing but `redis-cli`.
fn push_with_redis_cli(house: &House) {
    let mut cli = Command::new("redis-cli");
    cli.arg("-s").arg(house.redis.socket()).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut cli = cli.spawn().expect("start redis-cli");
    let mut lines = cli.stdin.take().expect("its input");
    for number in 0..JOBS {
        let envelope = format!(r#"{{"id":"{}","job":"sleep","args":{{"ms":5}}}}"#, id(number));
        writeln!(lines, "RPUSH liaison:{{default}}:inbox '{envelope}'").expect("write a command");
    }
    drop(lines);
    assert!(cli.wait().expect("redis-cli ends").success());
}

#[test]
fn five_kills_and_a_redis_crash_lose_no_job_and_bury_none() {
    let mut house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s").set("LIAISON_WORKER__CONCURRENCY", "8");
    push_with_redis_cli(&house);
    for kill in 1..=5 {
        let worker = house.worker();
        let enough = kill * JOBS / 8;
        until("some more jobs are done", || house.count("done") >= enough);
        if kill == 3 {
            house.redis.kill();
            worker.says("claiming stopped, Redis does not answer");
            house.redis.resume();
            worker.says("Redis is back");
            let more = house.count("done") + JOBS / 16;
            until("jobs are done after Redis came back", || house.count("done") >= more.min(JOBS));
        }
        worker.kill();
    }
    let worker = house.worker();
    until("all jobs are done", || house.count("done") == JOBS);
    until("nothing is left in Redis", || house.redis.leftovers("default").is_empty());
    worker.stop();

    let done = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    let done = done.as_array().expect("a list");
    let ids: HashSet<&str> = done.iter().filter_map(|run| run["job_id"].as_str()).collect();
    assert_eq!(ids, (0..JOBS).map(id).collect::<Vec<_>>().iter().map(String::as_str).collect());
    assert_eq!(done.len(), JOBS, "one `done` each");
    assert_eq!(house.json(&["dead", "list"]), Value::Array(Vec::new()));
    let repeats: i64 = done.iter().filter_map(|run| run["run"].as_i64()).map(|run| run - 1).sum();
    // What was in the workers' hands when they died ran again, or had not begun: five times up to a full load.
    assert!(repeats > 0, "five kills in full flight repeat something");
    assert!(repeats < 1000, "{repeats} claims were repeated: far more than the workers can have held");
    let counters: std::collections::HashMap<String, i64> = house.redis.ask(&["HGETALL", "liaison:{default}:counters"]);
    assert!(counters["reaped"] > 0, "{counters:?}");
}

#[test]
fn ten_kills_of_a_busy_daemon_bury_nobody() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s").set("LIAISON_WORKER__CRASH_LIMIT", "1");
    let lines: Vec<String> =
        (0..2000).map(|n| format!(r#"{{"id":"{}","job":"sleep","args":{{"ms":20}}}}"#, id(n))).collect();
    house.redis.push("default", &lines);
    for kill in 1..=10 {
        let worker = house.worker();
        until("some more jobs are done", || house.count("done") >= kill * 150);
        worker.kill();
    }
    let worker = house.worker();
    until("all jobs are done", || house.count("done") == 2000);
    until("nothing is left in Redis", || house.redis.leftovers("default").is_empty());
    worker.stop();
    assert_eq!(house.json(&["dead", "list"]), Value::Array(Vec::new()));
}

#[test]
fn a_job_that_was_recorded_but_not_acknowledged_is_not_run_again() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    let worker = house.worker();
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 400}"#, "--id", "between"]);
    until("it runs", || house.json(&["jobs", "show", "between"])["state"] == "running");
    // Redis hears nothing more: the run is committed, the acknowledgement waits.
    house.redis.signal(Signal::STOP);
    until("it is recorded", || house.runs("between").len() == 1);
    worker.kill();
    house.redis.signal(Signal::CONT);

    let worker = house.worker();
    worker.says("between has ended before");
    until("it has left", || house.redis.leftovers("default").is_empty());
    worker.stop();
    let runs = house.runs("between");
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!((&runs[0]["outcome"], &runs[0]["run"]), (&"done".into(), &1.into()));
}

#[test]
fn a_crash_between_the_record_of_a_retry_and_its_parking_keeps_the_promised_time() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    let worker = house.worker();
    // Long enough for Redis to stand still before it ends, and to fail then: the wait is half a second on average.
    let args = ["enqueue", "sleep", "--args", r#"{"ms": 60000}"#, "--id", "promise", "--timeout", "700ms"];
    house.json(&args);
    until("it runs", || house.place("promise")["state"] == "running");
    house.redis.signal(Signal::STOP);
    until("the retry is recorded", || house.runs("promise").len() == 1);
    worker.kill();
    house.redis.signal(Signal::CONT);
    let worker = house.worker();
    until("it was tried again", || house.runs("promise").len() == 2);
    worker.kill();
    let runs = house.runs("promise");
    let time =
        |value: &Value| -> chrono::DateTime<chrono::Utc> { value.as_str().expect("a time").parse().expect("RFC 3339") };
    assert!(time(&runs[1]["started_at"]) >= time(&runs[0]["retry_at"]), "{runs:?}");
    assert_eq!((&runs[0]["attempt"], &runs[1]["attempt"]), (&1.into(), &2.into()));
}

#[test]
fn a_job_that_crashes_its_process_is_buried_and_none_of_a_thousand_innocents_is() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s").set("LIAISON_WORKER__CRASH_LIMIT", "3");
    let mut lines: Vec<String> =
        (0..1000).map(|n| format!(r#"{{"id":"{}","job":"sleep","args":{{"ms":20}}}}"#, id(n))).collect();
    lines.insert(300, r#"{"id":"bomb","job":"crash"}"#.to_owned());
    house.redis.push("default", &lines);
    let mut first = house.worker();
    assert!(!first.end().success(), "nobody knows it yet: it takes its daemon with it");
    // From here on it takes only processes of its own.
    let worker = house.worker();
    worker.says("buried bomb: crashed its worker 3 times while it ran alone");
    until("the innocent are done", || house.count("done") == 1000);
    until("nothing is left in Redis", || house.redis.leftovers("default").is_empty());
    worker.stop();
    let letters = house.json(&["dead", "list"]);
    assert_eq!(letters.as_array().expect("a list").len(), 1, "{letters}");
    let letter = house.json(&["dead", "show", "bomb"]);
    assert_eq!((&letter["crashes"], &letter["attempts"], &letter["name"]), (&3.into(), &0.into(), &"crash".into()));
    let runs = house.runs("bomb");
    assert_eq!(runs.len(), 1, "a crash leaves no row of its own: {runs:?}");
    // Once with the others in the daemon, once apart with them, three times alone, and then not again.
    assert_eq!((&runs[0]["outcome"], &runs[0]["run"]), (&"dead".into(), &6.into()));
}
