//! A stop is clean: what runs may finish, the rest goes back, and no attempt is used up.

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{House, until};

#[test]
fn sigterm_lets_running_jobs_finish_and_hands_the_rest_back() {
    let house = House::sqlite();
    let worker = house.worker_with(&["--concurrency", "2"]);
    for number in 0..6 {
        house.json(&["enqueue", "sleep", "--args", r#"{"ms": 1500}"#, "--id", &format!("s{number}")]);
    }
    until("two run", || house.json(&["queues", "list"])[0]["running"].as_i64() >= Some(2));
    let log = worker.stop();
    assert!(log.contains("stopped"), "{log}");
    let done = house.count("done");
    assert!((1..=4).contains(&done), "{done} finished");
    let depths = &house.json(&["queues", "list"])[0];
    assert_eq!(depths["normal"].as_u64(), Some(6 - done as u64), "{depths}");
    assert_eq!(depths["running"], 0);
}

#[test]
fn a_job_that_outlasts_the_grace_period_goes_back_with_no_attempt_used() {
    let house = House::sqlite().set("LIAISON_WORKER__GRACE", "200ms");
    let worker = house.worker();
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 60000}"#, "--id", "endless"]);
    until("it runs", || house.json(&["jobs", "show", "endless"])["state"] == "running");
    let log = worker.stop();
    assert!(log.contains("handing endless back"), "{log}");
    let place = house.place("endless");
    assert_eq!((&place["state"], &place["attempts"], &place["crashes"]), (&"ready".into(), &0.into(), &0.into()));
    assert!(house.runs("endless").is_empty(), "a hand-back writes no run");
}

#[test]
fn a_second_signal_skips_ahead() {
    let house = House::sqlite().set("LIAISON_WORKER__GRACE", "1h");
    let mut worker = house.worker();
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 60000}"#, "--id", "endless"]);
    until("it runs", || house.json(&["jobs", "show", "endless"])["state"] == "running");
    worker.signal(Signal::TERM);
    worker.says("stopping:");
    worker.signal(Signal::TERM);
    assert!(worker.end().success());
    assert_eq!(house.json(&["jobs", "show", "endless"])["state"], "ready");
}

#[test]
fn a_stop_while_the_store_is_away_still_ends_and_keeps_what_is_held() {
    let house = House::own_postgres().set("LIAISON_WORKER__GRACE", "500ms");
    let worker = house.worker();
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 300}"#, "--id", "unrecorded"]);
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 60000}"#, "--id", "endless"]);
    until("both run", || house.json(&["queues", "list"])[0]["running"] == 2);
    house.postgres.as_ref().expect("a postgres").stop();
    worker.says("the store is away, cannot record runs");
    let log = worker.stop();
    assert!(log.contains("the store did not take the last results in time"), "{log}");
    let place = |id: &str| -> Option<String> { house.redis.ask(&["HGET", "liaison:{default}:held", id]) };
    assert_eq!(place("endless"), None, "what ran was handed back at once");
    assert!(place("unrecorded").is_some(), "what could not be recorded lapses with its lease, and runs again");
}

#[test]
fn a_log_that_cannot_be_written_takes_nobody_down() {
    let house = House::sqlite();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("open /dev/full");
    let mut worker = house.command(&["worker"]);
    let mut worker = worker.stdout(Stdio::null()).stderr(full).spawn().expect("start liaison");
    let answer = house.json(&["enqueue", "echo", "--args", "1", "--wait", "30s"]);
    worker.kill().expect("end the worker");
    worker.wait().expect("end the worker");
    assert_eq!(answer["outcome"], "done");
}
