//! Never more than one living lease on a job.

use rustix::process::Signal;

use crate::support::{House, until};

#[test]
fn a_frozen_worker_cannot_acknowledge_what_another_took_over() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    let frozen = house.worker();
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 500}"#, "--id", "contested"]);
    until("it runs", || house.json(&["jobs", "show", "contested"])["state"] == "running");
    frozen.signal(Signal::STOP);

    let other = house.worker();
    other.says("took back 1 jobs of workers that died");
    until("the other one has done it", || !house.runs("contested").is_empty());
    frozen.signal(Signal::CONT);
    frozen.says("ended too late");
    let log = frozen.stop();
    assert!(log.contains("lost the lease on 1 jobs"), "{log}");
    other.stop();

    let runs = house.runs("contested");
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!((&runs[0]["outcome"], &runs[0]["run"], &runs[0]["attempt"]), (&"done".into(), &2.into(), &1.into()));
    assert!(house.redis.leftovers("default").is_empty(), "{:?}", house.redis.leftovers("default"));
}

#[test]
fn a_long_job_keeps_its_lease_and_runs_once() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    let (one, two) = (house.worker(), house.worker());
    let answer = house.json(&["enqueue", "sleep", "--args", r#"{"ms": 4000}"#, "--id", "long", "--wait", "30s"]);
    assert_eq!(answer["outcome"], "done");
    assert_eq!(house.runs("long").len(), 1);
    for log in [one.stop(), two.stop()] {
        assert!(!log.contains("took back"), "{log}");
    }
}
