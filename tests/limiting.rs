//! Limits: over all daemons, exact where they are counted, and never at the cost of an attempt.

mod counter;
mod interleavings;
mod line;
mod world;

use std::time::Duration;

use chrono::Timelike as _;
use liaison_queue::clock::Clock;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{House, until};
use counter::Counter;

/// A line of the plain door that asks for a knock.
fn knock(id: &str, at: &Counter, limit: &Value, more: &[(&str, Value)]) -> String {
    let mut args = json!({"address": at.address(), "limit": limit});
    for (name, value) in more {
        args[name] = value.clone();
    }
    json!({"job": "knock", "id": id, "args": args}).to_string()
}

/// A zone in which midnight is far away.
fn noon() -> String {
    match 12 - i64::from(Clock::wall().date().hour()) {
        0 => "UTC".to_owned(),
        hours @ 1.. => format!("Etc/GMT-{hours}"),
        hours => format!("Etc/GMT+{}", -hours),
    }
}

fn holders(house: &House, key: &str) -> i64 {
    house.redis.ask(&["ZCARD", &format!("liaison:{{limit:{key}}}:permits")])
}

#[test]
fn a_hundred_a_second_and_a_thousand_a_day_over_three_daemons() {
    let (house, counter) = (House::sqlite(), Counter::start());
    let limit = json!({"key": "google:user:42", "per_second": 100, "per_day": 1000, "zone": noon()});
    let lines: Vec<String> = (0..5_000).map(|n| knock(&format!("{n:04}"), &counter, &limit, &[])).collect();
    house.redis.push("default", &lines);
    let daemons = [house.worker(), house.worker(), house.worker()];
    until("the day is used up, and the others wait", || {
        counter.count() >= 1_000 && house.redis.ask::<usize>(&["ZCARD", "liaison:{default}:due"]) == 4_000
    });
    until("what ended is recorded", || house.redis.ask::<usize>(&["HLEN", "liaison:{default}:held"]) == 0);
    {
        let seen = counter.seen();
        assert_eq!(seen.arrivals.len(), 1_000);
        let densest = seen.densest(Duration::from_secs(1));
        assert!(densest <= 100, "{densest} arrived within one second");
        assert!(
            seen.arrivals[999].saturating_sub(seen.arrivals[0]) < Duration::from_secs(14),
            "the limit is made use of"
        );
    }
    // No attempt was used and no row written but by those that passed.
    let runs = house.json(&["runs", "list", "--limit", "10000"]);
    let runs = runs.as_array().expect("a list");
    assert!(runs.len() == 1_000 && runs.iter().all(|run| run["outcome"] == "done" && run["attempt"] == 1));
    let tries: Vec<String> = house.redis.ask(&["HVALS", "liaison:{default}:tries"]);
    assert!(tries.len() >= 4_000 && tries.iter().all(|tries| tries.ends_with(" 0 0")), "an attempt was used");
    // The others come on the days after, a thousand on each, and not all at midnight.
    let due: Vec<String> = house.redis.ask(&["ZRANGE", "liaison:{default}:due", "0", "-1", "WITHSCORES"]);
    let due: Vec<i64> = due.iter().skip(1).step_by(2).map(|score| score.parse().expect("a time")).collect();
    let days: Vec<&[i64]> = due.chunk_by(|a, b| b - a < 3_600_000).collect();
    assert_eq!(days.iter().map(|day| day.len()).collect::<Vec<_>>(), [1_000; 4]);
    assert!(days.iter().all(|day| day.windows(101).all(|some| some[100] - some[0] >= 1_000)), "a herd");
    let shown = house.json(&["limits", "show", "google:user:42"]);
    assert_eq!((&shown["waiting"], &shown["days"][0]["passes"]), (&json!(4_000), &json!(1_000)));
    assert_eq!(house.json(&["limits", "list"])[0]["key"], "google:user:42");
    for daemon in daemons {
        daemon.stop();
    }
}

#[test]
fn a_killed_daemon_gives_its_permits_back() {
    let (house, counter) = (House::sqlite(), Counter::start());
    let limit = json!({"key": "one", "concurrent": 1});
    // Each is served by one daemon only, so nobody else takes up what the dead one held.
    let doomed = house.worker_with(&["--queues", "doomed"]);
    house.redis.push("doomed", &[knock("doomed", &counter, &limit, &[("hold_ms", json!(600_000))])]);
    until("it holds the permit", || counter.count() == 1);
    let heir = house.worker_with(&["--queues", "heirs"]);
    house.redis.push("heirs", &[knock("heir", &counter, &limit, &[])]);
    until("the heir waits", || house.redis.ask::<usize>(&["ZCARD", "liaison:{heirs}:due"]) == 1);
    doomed.kill();
    until("the heir has passed", || house.count("done") == 1);
    assert_eq!((counter.seen().most, holders(&house, "one")), (1, 0));
    assert_eq!(house.runs("heir").len(), 1, "waiting used up nothing");
    heir.stop();
}

#[test]
fn a_permit_is_kept_while_its_job_runs_and_comes_back_at_every_end() {
    // With this lease, a permit lapses after two seconds, and with the other one by no means within a test.
    let (house, counter) = (House::sqlite().set("LIAISON_WORKER__LEASE", "1s"), Counter::start());
    let worker = house.worker();
    let limit = json!({"key": "kept", "concurrent": 1});
    house.redis.push("default", &[knock("long", &counter, &limit, &[("hold_ms", json!(5_000))])]);
    until("it holds the permit", || counter.count() == 1);
    house.redis.push("default", &[knock("other", &counter, &limit, &[])]);
    until("both are done", || house.count("done") == 2);
    assert_eq!(counter.seen().most, 1, "the other one came in before the first had gone");
    worker.stop();

    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "60s").set("LIAISON_WORKER__GRACE", "100ms");
    let worker = house.worker();
    let ends = [
        ("done", json!({"hold_ms": 10}), "done"),
        ("panic", json!({"then": "panic"}), "dead"),
        ("fail", json!({"then": "fail"}), "dead"),
        ("timeout", json!({"hold_ms": 600_000}), "dead"),
    ];
    for (end, more, outcome) in ends {
        let more: Vec<(&str, Value)> =
            more.as_object().expect("fields").iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let mut line: Value =
            serde_json::from_str(&knock(end, &counter, &json!({"key": end, "concurrent": 1}), &more)).expect("JSON");
        line["timeout_ms"] = json!(if end == "timeout" { 300 } else { 60_000 });
        line["max_attempts"] = json!(1);
        house.redis.push("default", &[line.to_string()]);
        until("it has ended", || house.runs(end).last().is_some_and(|run| run["outcome"] == outcome));
        until("its permit is back", || holders(&house, end) == 0);
    }
    let stuck = json!({"key": "interrupt", "concurrent": 1});
    house.redis.push("default", &[knock("interrupt", &counter, &stuck, &[("hold_ms", json!(600_000))])]);
    until("it holds its permit", || holders(&house, "interrupt") == 1);
    worker.signal(Signal::TERM);
    worker.stop();
    assert_eq!(holders(&house, "interrupt"), 0, "handed back with its job");
}

#[test]
fn a_retry_after_is_obeyed_by_all_daemons() {
    let (house, counter) = (House::sqlite(), Counter::start());
    let daemons = [house.worker(), house.worker()];
    let limit = json!({"key": "busy", "per_second": 100, "retry_after": 2});
    house.redis.push("default", &[knock("first", &counter, &limit, &[])]);
    until("it was told to wait", || house.count("done") == 1);
    let lines: Vec<String> = (0..10).map(|n| knock(&format!("after-{n}"), &counter, &limit, &[])).collect();
    house.redis.push("default", &lines);
    until("another one has passed", || counter.count() >= 2);
    let arrivals = counter.seen().arrivals.clone();
    let waited = arrivals[1].saturating_sub(arrivals[0]);
    assert!(waited >= Duration::from_millis(1_900), "came back after {waited:?}");
    for daemon in daemons {
        daemon.stop();
    }
}

#[test]
fn a_job_that_runs_twice_at_once_does_so_over_all_daemons() {
    let (house, counter) = (House::sqlite(), Counter::start());
    let daemons = [house.worker(), house.worker()];
    let line = |n: usize| {
        let args = json!({"address": counter.address(), "hold_ms": 60});
        json!({"job": "pair", "id": format!("pair-{n}"), "args": args}).to_string()
    };
    house.redis.push("default", &(0..40).map(line).collect::<Vec<_>>());
    until("all are done", || house.count("done") == 40);
    let seen = counter.seen();
    assert_eq!((seen.most, seen.names.len()), (2, 40));
    until("nothing is held", || holders(&house, "job:pair") == 0);
    assert!((0..40).all(|n| house.runs(&format!("pair-{n}")).len() == 1), "waiting used up nothing");
    for daemon in daemons {
        daemon.stop();
    }
}
