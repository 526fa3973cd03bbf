//! Redis or the store goes away and comes back: nothing lost, nothing doubled, and nobody restarts anything.

mod full_disks;
mod full_memory;
mod slow_stores;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{House, until};

/// Jobs that take so long.
fn lines(count: usize, ms: u32) -> Vec<String> {
    (0..count).map(|n| format!(r#"{{"id":"o{n}","job":"sleep","args":{{"ms":{ms}}}}}"#)).collect()
}

#[expect(clippy::print_stdout, reason = "figures of operations.md, shown with --nocapture")]
fn tell(figures: &str) {
    println!("{figures}");
}

fn held(house: &House) -> Vec<String> {
    let mut held: Vec<String> = house.redis.ask(&["HKEYS", "liaison:{default}:held"]);
    held.sort();
    held
}

fn times(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

/// Every job is recorded as done, once, in its first run; nobody lost anything to anybody; Redis holds nothing of it.
fn all_went_well(house: &House, jobs: usize, logs: &[String]) {
    let done = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    let done = done.as_array().expect("a list");
    assert!(done.len() == jobs && done.iter().all(|run| run["run"] == 1), "{} of {jobs}, none twice", done.len());
    assert_eq!(house.json(&["dead", "list"]), Value::Array(Vec::new()));
    for log in logs {
        assert!(!log.contains("took back") && !log.contains("lost the lease") && !log.contains("too late"), "{log}");
    }
    until("nothing is left", || house.redis.leftovers("default").is_empty());
}

#[test]
fn postgres_away_for_twenty_seconds_under_load_loses_and_doubles_nothing() {
    const JOBS: usize = 8000;
    let house = House::own_postgres().set("LIAISON_WORKER__CONCURRENCY", "16");
    let postgres = house.postgres.as_ref().expect("a postgres");
    let worker = house.worker();
    house.redis.push("default", &lines(JOBS, 20));
    until("some are done", || house.count("done") > 500);
    postgres.stop();
    let begin = Instant::now();
    worker.says("the store is away, cannot");
    until("what was held has finished", || house.redis.ask::<i64>(&["HLEN", "liaison:{default}:held"]) > 0);
    let held: Vec<String> = house.redis.ask(&["HKEYS", "liaison:{default}:held"]);
    until("twenty seconds have passed", || begin.elapsed() > Duration::from_secs(20));
    let still: Vec<String> = house.redis.ask(&["HKEYS", "liaison:{default}:held"]);
    assert!(held.iter().all(|id| still.contains(id)), "what was held was kept, past ten leases");
    assert!(still.len() < 200, "claiming stopped: {} held", still.len());
    postgres.resume();
    worker.says("the store is back after");
    until("all are done", || house.count("done") == JOBS);
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    let log = worker.stop();
    assert!(!log.contains("took back"), "{log}");
    let done = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    assert!(done.as_array().expect("a list").iter().all(|run| run["run"] == 1), "nothing ran twice");
    assert_eq!(house.json(&["dead", "list"]), Value::Array(Vec::new()));
}

#[test]
fn a_redis_that_forgets_its_scripts_and_hangs_up_is_no_reason_to_restart() {
    let house = House::sqlite();
    let worker = house.worker();
    house.redis.push("default", &lines(2000, 5));
    for _ in 0..5 {
        let before = house.count("done");
        house.redis.ask::<()>(&["SCRIPT", "FLUSH"]);
        house.redis.ask::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        until("work goes on", || house.count("done") > before || house.count("done") == 2000);
    }
    until("all are done", || house.count("done") == 2000);
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    worker.stop();
}

#[test]
fn redis_away_while_nothing_happens_is_noticed_and_survived() {
    let mut house = House::sqlite();
    let worker = house.worker();
    house.redis.kill();
    worker.says("Redis does not answer");
    house.redis.resume();
    worker.says("Redis is back");
    assert_eq!(house.json(&["enqueue", "echo", "--args", "[1]", "--wait", "30s"])["result"], serde_json::json!([1]));
    worker.stop();
}

#[test]
fn a_full_redis_refuses_new_jobs_clearly_and_is_emptied_by_its_daemon() {
    let house = House::sqlite();
    house.json(&["queues", "list"]);
    let mut lines: Vec<String> =
        (0..2000).map(|n| format!(r#"{{"id":"f{n}","job":"noop","args":{{"pad":"{}"}}}}"#, "x".repeat(500))).collect();
    // One that cannot be sent on while there is no room must not keep the others from making some.
    lines.insert(0, r#"{"id":"away","job":"noop","queue":"elsewhere"}"#.to_owned());
    house.redis.push("default", &lines);
    // The limit lies below what is there already.
    house.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let output = house.cli(&["enqueue", "noop", "--id", "too-much"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("is full (maxmemory)"), "{said}");
    // A little more room than the lines alone take: enough to move some, never enough for all at once.
    let used: String = house.redis.ask(&["INFO", "memory"]);
    let used: u64 = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .expect("its use")
        .trim()
        .parse()
        .expect("bytes");
    house.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", &(used + 300_000).to_string()]);
    let worker = house.worker();
    until("all are done", || house.count("done") == 2000);
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    assert_eq!(house.json(&["enqueue", "noop", "--id", "now"])["status"], "queued");
    worker.stop();
}
