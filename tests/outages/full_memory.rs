//! A Redis at its limit of memory, with jobs of every kind inside.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{House, until};

/// Envelopes of every kind that waits otherwise than in a plain line, by their ids.
fn all_kinds(now: i64) -> Vec<Value> {
    let pad = "x".repeat(300);
    let plain = (0..600).map(|n| json!({"id": format!("plain-{n}"), "job": "noop", "args": {"pad": pad}}));
    let delayed = (0..40).map(|n| json!({"id": format!("later-{n}"), "job": "noop", "run_at": now + 1500 + n * 50}));
    let in_lanes = (0..60).map(|n| json!({"id": format!("lane-{n}"), "job": "noop", "lane": format!("l{}", n % 6)}));
    let retried = (0..30).map(|n| json!({"id": format!("retry-{n}"), "job": "fail", "args": {"times": 2}}));
    let unique =
        (0..30).map(|n| json!({"id": format!("unique-{n}"), "job": "noop", "unique": {"key": format!("u{n}")}}));
    let of_a_batch = (0..30).map(|n| json!({"id": format!("part-{n}"), "job": "noop", "batch": "import"}));
    let taken_back = (0..10).map(|n| json!({"id": format!("cancel-{n}"), "job": "noop", "run_at": now + 3_600_000}));
    let low = (0..30).map(|n| json!({"id": format!("low-{n}"), "job": "noop", "priority": "low"}));
    let long = (0..4).map(|n| json!({"id": format!("long-{n}"), "job": "sleep", "args": {"ms": 1500}}));
    long.chain(delayed)
        .chain(in_lanes)
        .chain(retried)
        .chain(unique)
        .chain(of_a_batch)
        .chain(taken_back)
        .chain(low)
        .chain(plain)
        .collect()
}

/// How often each outcome stands in the records of each kind.
fn ends(house: &House) -> BTreeMap<(String, String), usize> {
    let runs = house.json(&["runs", "list", "--limit", "10000"]);
    let mut counts = BTreeMap::new();
    for run in runs.as_array().expect("a list") {
        let word = |field: &str| run[field].as_str().unwrap_or_default().to_owned();
        let kind = word("job_id").split('-').next().unwrap_or_default().to_owned();
        *counts.entry((kind, word("outcome"))).or_default() += 1;
    }
    counts
}

#[test]
fn a_full_redis_drains_jobs_of_every_kind_to_the_last_also_past_a_kill() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s").set("LIAISON_WORKER__CONCURRENCY", "8");
    house.json(&["batches", "open", "import", "--then", r#"{"job": "echo", "id": "after-import"}"#]);
    let (now, _): (i64, i64) = house.redis.ask(&["TIME"]);
    let jobs = all_kinds(now * 1000);
    let lines: Vec<String> = jobs.iter().map(Value::to_string).collect();
    house.redis.push("default", &lines);
    house.json(&["batches", "seal", "import", "--size", "30"]);
    // Far below what is there already, and it stays so.
    house.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let refused = |arguments: &[&str]| {
        let output = house.cli(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("is full (maxmemory)"), "{arguments:?}: {said}");
    };
    let new_ones: [&[&str]; 5] = [
        &["enqueue", "noop"],
        &["enqueue", "noop", "--lane", "l1"],
        &["enqueue", "noop", "--unique", "u99", "--delay", "1h"],
        &["enqueue", "noop", "--batch", "import"],
        &["batches", "open", "export"],
    ];
    for arguments in new_ones {
        refused(arguments);
    }

    let killed = house.worker();
    until("the long ones run", || {
        let held: Vec<String> = house.redis.ask(&["HKEYS", "liaison:{default}:held"]);
        held.iter().filter(|id| id.starts_with("long")).count() == 4
    });
    killed.kill();
    let worker = house.worker();
    let cancelled: Vec<String> = (0..10).map(|n| format!("cancel-{n}")).collect();
    let ids: Vec<&str> = cancelled.iter().map(String::as_str).collect();
    let output = house.cli(&[&["jobs", "cancel", "--reason", "no room"], &ids[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: BTreeMap<(String, String), usize> = [
        ("after", "done", 1),
        ("cancel", "cancelled", 10),
        ("lane", "done", 60),
        ("later", "done", 40),
        ("long", "done", 4),
        ("low", "done", 30),
        ("part", "done", 30),
        ("plain", "done", 600),
        ("retry", "done", 30),
        ("retry", "retry", 60),
        ("unique", "done", 30),
    ]
    .map(|(kind, outcome, count)| ((kind.to_owned(), outcome.to_owned()), count))
    .into();
    until("all have ended as they should", || ends(&house) == expected);
    for arguments in new_ones {
        refused(arguments);
    }
    until("nothing is left", || house.redis.leftovers("default").iter().all(|key| key.ends_with(":batch:import")));
    assert_eq!(house.json(&["dead", "list"]), json!([]));
    house.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(house.json(&["enqueue", "noop", "--unique", "u1", "--lane", "l1", "--id", "now"])["status"], "queued");
    until("it is done", || house.runs("now").len() == 1);
    let log = worker.stop();
    assert!(log.contains("took back"), "the killed one's jobs ran apart: {log}");
}
