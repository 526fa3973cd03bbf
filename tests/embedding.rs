//! `liaison dev`: nothing to configure, nothing left behind, and its data found again.

use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{House, http::Front, until};

#[test]
fn dev_runs_one_of_each_job_and_leaves_no_process() {
    let house = House::sqlite();
    for _ in 0..2 {
        let output = house.cli(&["dev", "--once", "--json", "--data", "d"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
        assert!(rows.len() >= 5 && rows.iter().all(|row| row["ok"] == true), "{rows:?}");
        assert!(UnixStream::connect(house.path("d/redis.sock")).is_err(), "its Redis has ended");
    }
}

#[test]
fn dev_answers_probes_like_the_daemon() {
    let (house, front) = Front::of(House::sqlite());
    let first = house.spawn(&["dev", "--data", "d"]);
    until("it is ready", || front.connect().is_ok() && front.get("/readyz").status == 200);
    assert_eq!(front.get("/healthz").status, 200);
    until("it counts", || front.get("/metrics").body.contains(r#"liaison_runs_total{job="echo""#));
    first.signal(Signal::TERM);
    first.says("stopped");
}

#[test]
fn a_second_dev_on_the_same_folder_is_refused_and_a_killed_one_is_cleaned_up_after() {
    let house = House::sqlite();
    let first = house.spawn(&["dev", "--data", "d"]);
    until("its Redis answers", || UnixStream::connect(house.path("d/redis.sock")).is_ok());
    let second = house.cli(&["dev", "--data", "d"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("is in use by process"), "{said}");

    // Its Redis outlives a kill; the next one ends it and takes over its data.
    first.kill();
    let socket = house.path("d/redis.sock");
    assert!(UnixStream::connect(&socket).is_ok());
    let third = house.spawn(&["dev", "--data", "d"]);
    third.says("a power cut may cost");
    third.signal(Signal::TERM);
    third.says("stopped");
    until("its Redis has ended", || UnixStream::connect(&socket).is_err());
}
