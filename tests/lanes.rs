//! Lanes: one at a time, in order, over all daemons, whatever dies; and full speed across them.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::support::{House, until};

const LANES: usize = 50;
const DEEP: usize = 20;

fn id(lane: usize, place: usize) -> String {
    format!("lane-{lane:02}-{place:02}")
}

fn millis(run: &Value, field: &str) -> i64 {
    let text = run[field].as_str().unwrap_or_else(|| panic!("no {field}: {run}"));
    text.parse::<chrono::DateTime<chrono::Utc>>().expect("RFC 3339").timestamp_millis()
}

/// The runs that did the work, by their jobs.
fn done(house: &House) -> HashMap<String, Value> {
    let runs = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    let runs = runs.as_array().expect("a list").clone();
    runs.into_iter().map(|run| (run["job_id"].as_str().expect("an id").to_owned(), run)).collect()
}

#[test]
fn fifty_lanes_over_two_daemons_keep_their_order_through_kills() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    let line = |lane: usize, place: usize| {
        format!(
            r#"{{"id":"{}","job":"sleep","args":{{"ms":20}},"lane":"user:{lane}","priority":"{}"}}"#,
            id(lane, place),
            ["high", "normal", "low"][(lane + place) % 3]
        )
    };
    let lines: Vec<String> = (0..DEEP).flat_map(|place| (0..LANES).map(move |lane| line(lane, place))).collect();
    house.redis.push("default", &lines);
    let (mut one, mut two) = (house.worker(), house.worker());
    for kill in 1..=4 {
        until("some more jobs are done", || house.count("done") >= kill * LANES * DEEP / 6);
        let dying = std::mem::replace(if kill % 2 == 0 { &mut one } else { &mut two }, house.worker());
        dying.kill();
    }
    until("all jobs are done", || house.count("done") == LANES * DEEP);
    until("nothing is left in Redis", || house.redis.leftovers("default").is_empty());
    one.stop();
    two.stop();

    let done = done(&house);
    let mut at_once: BTreeMap<i64, i64> = BTreeMap::new();
    for lane in 0..LANES {
        let runs: Vec<&Value> = (0..DEEP).map(|place| &done[&id(lane, place)]).collect();
        for two in runs.windows(2) {
            let (before, after) = (millis(two[0], "finished_at"), millis(two[1], "started_at"));
            assert!(before <= after, "in one lane: {} and then {}", two[0], two[1]);
        }
        for run in runs {
            *at_once.entry(millis(run, "started_at")).or_default() += 1;
            *at_once.entry(millis(run, "finished_at")).or_default() -= 1;
        }
    }
    let (mut now, mut most) = (0, 0);
    for change in at_once.values() {
        now += change;
        most = most.max(now);
    }
    assert!(most >= 25, "at most {most} of {LANES} lanes were served at once");
}

#[test]
fn a_retry_holds_its_lane_unless_it_lets_others_pass() {
    let house = House::sqlite();
    let fail = r#""job":"fail","args":{"times":1}"#;
    let lines = [
        format!(r#"{{"id":"held-1",{fail},"lane":"held"}}"#),
        r#"{"id":"held-2","job":"noop","lane":"held"}"#.to_owned(),
        format!(r#"{{"id":"open-1",{fail},"lane":{{"key":"open","on_delay":"pass"}}}}"#),
        r#"{"id":"open-2","job":"noop","lane":"open"}"#.to_owned(),
    ];
    house.redis.push("default", &lines);
    let worker = house.worker();
    until("all are done", || house.count("done") == 4);
    worker.stop();
    let done = done(&house);
    let ended = |id: &str| millis(&done[id], "finished_at");
    assert!(ended("held-1") <= millis(&done["held-2"], "started_at"), "the retry came first");
    assert!(ended("open-2") <= millis(&done["open-1"], "started_at"), "the retry let it pass");
    assert_eq!(house.redis.leftovers("default"), Vec::<String>::new());
}

#[test]
fn a_full_lane_refuses_and_takes_again() {
    let house = House::sqlite().set("LIAISON_QUEUES__MAX_LANE_DEPTH", "2");
    let send = |id: &str| {
        let file = house.write("line", &format!(r#"{{"id":"{id}","job":"noop","lane":"short"}}"#));
        house.cli(&["enqueue", "--bulk", &file, "--json"])
    };
    for id in ["turn", "first", "second"] {
        assert!(send(id).status.success(), "{id}");
    }
    let refused = String::from_utf8_lossy(&send("third").stdout).into_owned();
    assert!(refused.contains("lane: 2 jobs wait in `short` already"), "{refused}");
    let worker = house.worker();
    until("the lane is empty", || house.count("done") == 3);
    assert!(send("third").status.success());
    until("the last one is done", || house.count("done") == 4);
    worker.stop();
}
