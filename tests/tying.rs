//! What ties jobs to each other: lanes, unique keys and batches, as hosts and operators ask for them.

use serde_json::{Value, json};

use crate::support::{House, until};

fn enqueue(house: &House, id: &str, more: &[&str]) -> Value {
    house.json(&[&["enqueue", "noop", "--id", id], more].concat())
}

#[test]
fn a_batch_ends_once_with_how_its_jobs_ended_and_its_follow_up_runs() {
    let house = House::sqlite();
    let worker = house.worker();
    let early = house.cli(&["enqueue", "noop", "--batch", "import:7"]);
    assert_eq!(early.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&early.stderr).contains("open it before its jobs are sent"));
    let mistyped = house.cli(&["batches", "seal", "import:8", "--size", "3"]);
    assert_eq!(mistyped.status.code(), Some(1), "it would be a batch that never ends");
    let wrong = house.cli(&["batches", "open", "import:7", "--then", r#"{"job": "echo", "batch": "a"}"#]);
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stderr));

    let then = house.write("then.json", r#"{"job": "echo", "args": {"hello": "all"}}"#);
    let open = ["batches", "open", "import:7", "--then", &format!("@{then}")];
    assert_eq!(house.json(&open)["state"], "open");
    assert_eq!(house.json(&open)["state"], "open", "twice is as good as once");
    enqueue(&house, "a", &["--batch", "import:7"]);
    enqueue(&house, "b", &["--batch", "import:7"]);
    house.json(&["enqueue", "fail", "--args", r#"{"times": 9}"#, "--max-attempts", "1", "--batch", "import:7"]);
    until("all have ended", || house.json(&["batches", "show", "import:7"])["ended"] == 3);
    let card = house.json(&["batches", "list"])[0].clone();
    let counts = (&card["state"], &card["done"], &card["dead"], card["opened_at"].is_string());
    assert_eq!(counts, (&"open".into(), &2.into(), &1.into(), true));
    let follow_up = card["follow_up"].as_str().expect("its follow-up");
    assert!(follow_up.starts_with("import:7/"), "{follow_up}");
    assert_eq!(house.runs(follow_up).len(), 0, "nobody knows yet that there are no more");

    let seal = ["batches", "seal", "import:7", "--size", "3"];
    assert_eq!(house.json(&seal)["state"], "over");
    until("the follow-up has run", || house.runs(follow_up).len() == 1);
    assert_eq!(house.json(&seal)["state"], "over", "twice is as good as once");
    assert_eq!(house.json(&open)["state"], "over", "it cannot begin anew");
    assert_eq!(house.json(&["batches", "show", "import:7"])["state"], "over");
    let late = house.cli(&["enqueue", "noop", "--batch", "import:7"]);
    assert_eq!(late.status.code(), Some(1), "its end has been told");
    let runs = house.runs(follow_up);
    let told: Value = serde_json::from_str(runs[0]["result"].as_str().expect("a result")).expect("JSON");
    let batch = json!({
        "batch": "import:7", "size": 3, "done": 2, "dead": 1, "expired": 0, "cancelled": 0, "replaced": 0
    });
    assert_eq!(told, json!({"args": {"hello": "all"}, "batch": batch}));
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    assert_eq!(house.json(&["batches", "list"]), json!([]));
    worker.stop();
}

#[test]
fn of_a_unique_key_there_is_one_job_and_the_other_is_named() {
    let house = House::sqlite();
    enqueue(&house, "first", &["--unique", "user:1"]);
    let second = enqueue(&house, "second", &["--unique", "user:1"]);
    assert_eq!((&second["status"], &second["of"]), (&"duplicate".into(), &"first".into()));
    let waiting = house.cli(&["enqueue", "noop", "--unique", "user:1", "--wait", "1ms"]);
    let said = String::from_utf8_lossy(&waiting.stderr).into_owned();
    assert!(said.starts_with("liaison: first: not ended within 1ms: ready"), "{said}");
    let said = house.cli(&["enqueue", "noop", "--unique", "user:1"]);
    assert_eq!(String::from_utf8_lossy(&said.stdout), "not queued: first has its unique key\n");
    assert_eq!(enqueue(&house, "third", &["--unique", "user:2"])["status"], "queued");
    let worker = house.worker();
    until("both are done", || house.count("done") == 2);
    assert_eq!(enqueue(&house, "again", &["--unique", "user:1"])["status"], "queued", "the key is free again");
    assert_eq!(enqueue(&house, "timed", &["--unique", "user:3", "--unique-for", "1h"])["status"], "queued");
    until("it is done", || house.runs("timed").len() == 1);
    let waits = ["enqueue", "noop", "--unique", "user:3", "--wait", "60s", "--json"];
    let ended: Value = serde_json::from_slice(&house.cli(&waits).stdout).expect("JSON");
    // Waited for is the job that has the key.
    let told = (&ended["status"], &ended["of"], &ended["outcome"]);
    assert_eq!(told, (&"duplicate".into(), &"timed".into(), &"done".into()));
    worker.stop();
}

#[test]
fn a_job_that_is_replaced_is_recorded_and_one_that_runs_is_not_replaced() {
    let house = House::sqlite();
    enqueue(&house, "old", &["--unique", "k", "--delay", "1h"]);
    let due = house.place("old")["due_at"].clone();
    assert_eq!(enqueue(&house, "new", &["--unique", "k", "--replace", "--keep-due"])["status"], "queued");
    assert_eq!(house.place("new")["due_at"], due, "it runs when the other one would have");
    assert_eq!(enqueue(&house, "newest", &["--unique", "k", "--replace"])["status"], "queued");
    assert_eq!(house.place("newest")["state"], "ready");
    let worker = house.worker();
    until("all have ended", || house.count("replaced") == 2 && house.count("done") == 1);
    assert_eq!(house.runs("old")[0]["reason"], "by new");
    assert_eq!(house.json(&["jobs", "list", "--state", "replaced"]).as_array().map(Vec::len), Some(2));
    house.json(&["enqueue", "sleep", "--id", "runs", "--unique", "k", "--args", r#"{"ms": 300000}"#]);
    until("it runs", || house.place("runs")["running_since"].is_string());
    let answer = enqueue(&house, "too-late", &["--unique", "k", "--replace"]);
    assert_eq!((&answer["status"], &answer["of"]), (&"duplicate".into(), &"runs".into()));
    worker.kill();
}

#[test]
fn the_time_of_a_key_that_was_taken_over_is_forgotten() {
    let house = House::sqlite();
    // Long enough for the second to come while the first has the key.
    enqueue(&house, "old", &["--unique", "k", "--unique-for", "3s", "--delay", "1h"]);
    enqueue(&house, "new", &["--unique", "k", "--replace", "--delay", "1h"]);
    let worker = house.worker();
    until("its time is over", || !house.redis.ask::<bool>(&["EXISTS", "liaison:{default}:lapsing"]));
    let again = enqueue(&house, "another", &["--unique", "k"]);
    assert_eq!((&again["status"], &again["of"]), (&"duplicate".into(), &"new".into()), "the key is still taken");
    worker.stop();
}

#[test]
fn jobs_of_a_lane_run_one_at_a_time_in_the_order_in_which_they_came() {
    let house = House::sqlite();
    for n in 0..12 {
        let priority = ["low", "high", "normal"][n % 3];
        let args = ["--lane", "l", "--priority", priority, "--args", r#"{"ms": 20}"#];
        house.json(&[&["enqueue", "sleep", "--id", &format!("lane-{n:02}")], &args[..]].concat());
    }
    enqueue(&house, "passes", &["--lane", "m", "--lane-passes", "--delay", "1h"]);
    enqueue(&house, "is-passed-by", &["--lane", "m"]);
    let worker = house.worker();
    until("all but one are done", || house.count("done") == 13);
    assert_eq!(house.place("passes")["state"], "scheduled");
    worker.stop();
    let runs = house.json(&["runs", "list"]);
    let mut runs: Vec<&Value> = runs.as_array().expect("a list").iter().collect();
    runs.retain(|run| run["job_id"].as_str().is_some_and(|id| id.starts_with("lane-")));
    runs.sort_by_key(|run| run["job_id"].as_str());
    for two in runs.windows(2) {
        let (end, start) = (two[0]["finished_at"].as_str(), two[1]["started_at"].as_str());
        assert!(end <= start, "{two:?}");
    }
}

#[test]
fn a_full_lane_says_so_at_the_door_that_answers_and_in_the_dead_letters_at_the_other() {
    let house = House::sqlite().set("LIAISON_QUEUES__MAX_LANE_DEPTH", "2");
    for n in 0..3 {
        enqueue(&house, &format!("{n}"), &["--lane", "l", "--delay", "1h"]);
    }
    let full = house.cli(&["enqueue", "noop", "--id", "late", "--lane", "l"]);
    let said = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(1));
    assert!(said.contains("lane: 2 jobs wait in `l` already") && said.contains("max_lane_depth"), "{said}");
    let worker = house.worker();
    house.redis.push("default", &[r#"{"job":"noop","id":"late","lane":"l"}"#.to_owned()]);
    until("it is buried", || house.count("dead") == 1);
    let letter = house.json(&["dead", "show", "late"]);
    assert!(letter["reason"].as_str().is_some_and(|why| why.contains("2 jobs wait in `l` already")), "{letter}");
    worker.stop();
}

#[test]
fn the_script_of_the_door_is_printed_for_hosts() {
    let house = House::sqlite();
    let (script, keys) = liaison_queue::door();
    let printed = house.cli(&["enqueue", "--script"]);
    assert_eq!(String::from_utf8_lossy(&printed.stdout).trim_end(), script.trim_end());
    let answer = house.json(&["enqueue", "--script"]);
    assert_eq!((&answer["script"], &answer["keys"]), (&script.into(), &json!(keys)));
    assert_eq!(house.cli(&["enqueue", "noop", "--script"]).status.code(), Some(2));
}

#[test]
fn ties_that_do_not_fit_together_are_wrong_usage() {
    let house = House::sqlite();
    for (arguments, word) in [
        (&["--lane-passes"][..], "--lane"),
        (&["--unique-scope", "for", "--unique", "k"], "--unique-for"),
        (&["--unique-scope", "until_done", "--unique", "k", "--unique-for", "1h"], "until_done"),
        (&["--unique", "k", "--unique-for", "366d"], "365d"),
        (&["--unique", "k", "--keep-due"], "--replace"),
        (&["--replace"], "--unique"),
        (&["--unique", "a b"], "unique"),
        (&["--lane", ""], "lane"),
        (&["--batch", "ü"], "batch"),
    ] {
        let output = house.cli(&[&["enqueue", "noop"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?} does not say {word}: {said}");
    }
}

#[test]
fn a_dead_letter_whose_key_is_taken_comes_back_when_the_key_is_free() {
    let house = House::sqlite();
    let worker = house.worker();
    house.json(&[
        "enqueue",
        "fail",
        "--id",
        "dead",
        "--args",
        r#"{"times": 1}"#,
        "--max-attempts",
        "1",
        "--unique",
        "k",
    ]);
    until("it is dead and gone", || house.count("dead") == 1 && house.redis.leftovers("default").is_empty());
    enqueue(&house, "living", &["--unique", "k", "--delay", "1h"]);
    let refused = house.cli(&["dead", "revive", "dead"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("left as it was: living has its unique key"), "{said}");
    house.json(&["jobs", "cancel", "living"]);
    house.json(&["dead", "revive", "dead", "--args", r#"{"times": 0}"#]);
    until("it is done", || house.count("done") == 1);
    worker.stop();
}
