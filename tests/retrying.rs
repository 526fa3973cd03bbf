//! Attempts: how many, when, and what becomes of a job that uses them up.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::support::{House, until};

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a time").parse().expect("RFC 3339")
}

#[test]
fn a_job_that_fails_twice_succeeds_on_its_third_attempt_on_time() {
    let house = House::sqlite();
    let worker = house.worker();
    let answer = house.json(&["enqueue", "fail", "--args", r#"{"times": 2}"#, "--id", "third", "--wait", "30s"]);
    assert_eq!(answer["outcome"], "done");
    let runs = house.runs("third");
    let outcomes: Vec<_> = runs.iter().filter_map(|run| run["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["retry", "retry", "done"]);
    assert_eq!(runs.iter().filter_map(|run| run["attempt"].as_i64()).collect::<Vec<_>>(), [1, 2, 3]);
    for two in runs.windows(2) {
        let (promised, started) = (time(&two[0]["retry_at"]), time(&two[1]["started_at"]));
        let late = started - promised;
        assert!(late >= chrono::TimeDelta::zero(), "started {late} before its time");
        assert!(late < chrono::TimeDelta::seconds(2), "started {late} after its time");
    }
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    worker.stop();
}

#[test]
fn a_panic_is_retried_and_then_buried_and_the_worker_lives_on() {
    let house = House::sqlite();
    let worker = house.worker();
    let output = house.cli(&["enqueue", "panic", "--id", "bug", "--wait", "30s", "--json"]);
    assert_eq!(output.status.code(), Some(1), "the job did not end well");
    let runs = house.runs("bug");
    let outcomes: Vec<_> = runs.iter().filter_map(|run| run["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["retry", "retry", "dead"]);
    let letter = house.json(&["dead", "show", "bug"]);
    let reason = letter["reason"].as_str().expect("a reason");
    assert!(reason.contains("gave up after 3 attempts: panicked: panicking as told"), "{reason}");
    let lines = house.json(&["logs", "--type", "diagnostics"]);
    let said: Vec<_> = lines.as_array().expect("lines").iter().filter_map(|line| line["message"].as_str()).collect();
    assert_eq!(said.len(), 3, "what it noted before it panicked is kept: {lines}");
    assert_eq!(house.json(&["enqueue", "noop", "--wait", "30s"])["outcome"], "done");
    worker.stop();
}

#[test]
fn a_job_that_takes_too_long_is_stopped_and_retried() {
    let house = House::sqlite();
    let worker = house.worker();
    let args = ["enqueue", "sleep", "--args", r#"{"ms": 60000}"#, "--id", "slow", "--timeout", "100ms"];
    let output = house.cli(&[&args[..], &["--max-attempts", "1", "--wait", "30s"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let runs = house.runs("slow");
    assert_eq!(runs[0]["reason"], "gave up after 1 attempts: timed out after 0.100 s");
    worker.stop();
}

#[test]
fn a_dead_letter_comes_back_with_other_arguments_and_its_runs_go_on() {
    let house = House::sqlite();
    let worker = house.worker();
    house.cli(&[
        "enqueue",
        "fail",
        "--args",
        r#"{"times": 9}"#,
        "--id",
        "lazarus",
        "--max-attempts",
        "1",
        "--wait",
        "30s",
    ]);
    assert_eq!(house.runs("lazarus")[0]["outcome"], "dead");
    house.json(&["dead", "revive", "lazarus", "--args", r#"{"times": 0}"#]);
    until("it is done", || house.runs("lazarus").len() == 2);
    let runs = house.runs("lazarus");
    assert_eq!((&runs[1]["outcome"], &runs[1]["run"], &runs[1]["attempt"]), (&"done".into(), &2.into(), &1.into()));
    assert_eq!(house.json(&["dead", "list"]), Value::Array(Vec::new()));
    worker.stop();
}
