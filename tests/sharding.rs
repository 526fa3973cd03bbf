//! A queue in several parts: what must meet meets, everything gets done, and operators see one queue.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::support::{House, until};

const SHARDS: &str = "[[queue]]\nname = \"busy\"\nshards = 4\n";

fn house() -> House {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    house.write("liaison.toml", SHARDS);
    house
}

fn parts() -> [&'static str; 4] {
    ["busy", "busy#1", "busy#2", "busy#3"]
}

fn leftovers(house: &House) -> Vec<String> {
    parts().iter().flat_map(|part| house.redis.leftovers(part)).collect()
}

fn done(house: &House) -> HashMap<String, Value> {
    let runs = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    let runs = runs.as_array().expect("a list").clone();
    runs.into_iter().map(|run| (run["job_id"].as_str().expect("an id").to_owned(), run)).collect()
}

#[test]
fn a_queue_in_four_parts_keeps_its_lanes_and_loses_nothing_through_kills() {
    let house = house();
    let mut worker = house.worker();
    let other = house.worker();
    // All through one inbox, as a host does that knows nothing of parts.
    let lines: Vec<String> = (0..1200)
        .map(|n| {
            let lane = if n % 2 == 0 { format!(r#","lane":"user:{}""#, n % 20) } else { String::new() };
            format!(r#"{{"id":"s{n:04}","job":"sleep","args":{{"ms":5}}{lane}}}"#)
        })
        .collect();
    house.redis.push("busy", &lines);
    for kill in 1..=3 {
        until("some more jobs are done", || house.count("done") >= kill * 250);
        std::mem::replace(&mut worker, house.worker()).kill();
    }
    until("all jobs are done", || house.count("done") == 1200);
    until("nothing is left in Redis", || leftovers(&house).is_empty());
    worker.stop();
    other.stop();

    let done = done(&house);
    assert!(done.values().all(|run| run["queue"] == "busy"), "the records know one queue");
    let time = |run: &Value, field: &str| {
        run[field].as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>().expect("RFC 3339")
    };
    for lane in (0..20).step_by(2) {
        let of_lane: Vec<&Value> = (0..1200).filter(|n| n % 20 == lane).map(|n| &done[&format!("s{n:04}")]).collect();
        for two in of_lane.windows(2) {
            assert!(time(two[0], "finished_at") <= time(two[1], "started_at"), "{} then {}", two[0], two[1]);
        }
    }
    let used = parts().into_iter().filter(|part| {
        let counters: HashMap<String, i64> = house.redis.ask(&["HGETALL", &format!("liaison:{{{part}}}:counters")]);
        counters.get("left").is_some_and(|left| *left > 100)
    });
    assert_eq!(used.count(), 4, "all parts had their share");
}

#[test]
fn both_doors_meet_and_operators_see_one_queue() {
    let house = house();
    // A worker has to say how many parts there are, once.
    house.worker().stop();
    for n in 0..8 {
        let id = format!("same-{n}");
        let first = house.json(&["enqueue", "noop", "--queue", "busy", "--id", &id]);
        assert_eq!(first["status"], "queued", "{first}");
        let again = house.cli(&["enqueue", "noop", "--queue", "busy", "--id", &id, "--json"]);
        assert!(String::from_utf8_lossy(&again.stdout).contains("duplicate"));
        house.redis.push("busy", &[format!(r#"{{"id":"{id}","job":"noop"}}"#)]);
    }
    let torn = (0..8).map(|n| {
        let unique = format!("key-{n}");
        let said = house.cli(&["enqueue", "noop", "--queue", "busy", "--lane", "a", "--unique", &unique, "--json"]);
        String::from_utf8_lossy(&said.stdout).into_owned()
    });
    let refused: Vec<String> = torn.filter(|said| said.contains("leads to shard")).collect();
    assert!(!refused.is_empty(), "ties that lead apart are refused");

    house.json(&["queues", "pause", "busy"]);
    let rows = house.json(&["queues", "list"]);
    let paused = rows.as_array().expect("a list").iter().filter(|row| row["paused"] == true).count();
    assert_eq!(paused, 4, "{rows}");
    house.json(&["queues", "resume", "busy"]);
    let places: HashSet<String> =
        (0..8).map(|n| house.place(&format!("same-{n}"))["queue"].as_str().expect("a queue").to_owned()).collect();
    assert!(places.len() > 1, "they are spread: {places:?}");
    let listed = house.json(&["jobs", "list", "--queue", "busy"]);
    assert!(listed.as_array().expect("a list").len() >= 8, "{listed}");
    assert_eq!(house.json(&["jobs", "cancel", "same-0"])["status"].as_str().or(Some("removed")), Some("removed"));
    let worker = house.worker();
    let told = house.json(&["enqueue", "echo", "--queue", "busy", "--args", "[1]", "--wait", "30s"]);
    assert_eq!(told["outcome"], "done");
    until("all have ended", || leftovers(&house).is_empty());
    worker.stop();
    assert_eq!(house.runs("same-0")[0]["outcome"], "cancelled");
    assert_eq!((1..8).filter(|n| house.runs(&format!("same-{n}")).len() == 1).count(), 7, "once each");
}

#[test]
fn the_number_of_parts_changes_only_while_the_queue_is_empty() {
    let house = house();
    house.worker().stop();
    house.json(&["enqueue", "noop", "--queue", "busy", "--id", "waits", "--lane", "a"]);
    house.write("liaison.toml", "[[queue]]\nname = \"busy\"\nshards = 2\n");
    let refused = house.cli(&["worker"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("has 4 shards in Redis and is configured with 2"), "{said}");
    house.write("liaison.toml", SHARDS);
    let worker = house.worker();
    until("it is empty", || leftovers(&house).is_empty());
    worker.stop();
    house.write("liaison.toml", "[[queue]]\nname = \"busy\"\nshards = 2\n");
    house.worker().stop();
    assert_eq!(house.redis.ask::<String>(&["HGET", "liaison:shards", "busy"]), "2");
}
