//! What was wrong once.

use serde_json::Value;

use crate::support::{House, until};

#[test]
fn a_flood_of_expired_jobs_costs_no_living_worker_its_leases() {
    const EXPIRED: usize = 60_000;
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    house.json(&["queues", "pause", "default"]);
    let time: Vec<String> = house.redis.ask(&["TIME"]);
    let soon = (time[0].parse::<i64>().expect("seconds") + 4) * 1000;
    let lines: Vec<String> =
        (0..EXPIRED).map(|n| format!(r#"{{"id":"e{n}","job":"noop","expires_at":{soon}}}"#)).collect();
    let living = house.worker();
    for chunk in lines.chunks(10_000) {
        house.redis.push("default", chunk);
    }
    until("they wait", || house.redis.ask::<usize>(&["HLEN", "liaison:{default}:jobs"]) > EXPIRED / 2);
    house.json(&[
        "enqueue",
        "sleep",
        "--args",
        r#"{"ms": 8000}"#,
        "--id",
        "healthy",
        "--priority",
        "high",
        "--queue",
        "other",
    ]);
    let other = house.worker_with(&["--queues", "other,default"]);
    until("the flood is over", || house.redis.ask::<usize>(&["HLEN", "liaison:{default}:jobs"]) == 0);
    until("the healthy one is done", || !house.runs("healthy").is_empty());
    assert_eq!(house.runs("healthy")[0]["run"], 1, "it ran once");
    for log in [living.stop(), other.stop()] {
        assert!(!log.contains("took back"), "{log}");
    }
}

#[test]
fn a_rejected_line_spares_a_good_one_of_the_same_id() {
    let house = House::sqlite();
    house.redis.push(
        "default",
        &[
            r#"{"id":"a","job":"noop","batch":"not-open"}"#.to_owned(),
            r#"{"id":"a","job":"echo","args":[1],"lane":"y","unique":"k"}"#.to_owned(),
            r#"{"id":"a","job":"noop","batch":"not-open"}"#.to_owned(),
            r#"{"id":"next","job":"noop","lane":"y"}"#.to_owned(),
        ],
    );
    let worker = house.worker();
    until("both are done", || house.count("done") == 2);
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    worker.stop();
    assert_eq!(house.json(&["dead", "list"]), Value::Array(Vec::new()));
}

#[test]
fn one_follow_up_of_two_batches_runs_once() {
    let house = House::sqlite();
    for batch in ["x", "y"] {
        house.json(&["batches", "open", batch, "--then", r#"{"job": "sleep", "args": {"ms": 200}, "id": "fin"}"#]);
        house.json(&["enqueue", "noop", "--batch", batch, "--id", batch]);
        house.json(&["batches", "seal", batch, "--size", "1"]);
    }
    let worker = house.worker();
    until("it is done", || !house.runs("fin").is_empty());
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    worker.stop();
    assert_eq!(house.runs("fin").len(), 1);
    let counters: std::collections::HashMap<String, i64> = house.redis.ask(&["HGETALL", "liaison:{default}:counters"]);
    assert_eq!(counters.get("lost"), None, "nobody held what another one held: {counters:?}");
}
