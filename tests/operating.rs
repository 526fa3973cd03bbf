//! What operators do to jobs, lanes and queues, and that it is recorded with who did it and why.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::support::{House, until};

const ANN: [&str; 4] = ["--by", "ann", "--reason", "not needed"];

/// The answers of a command, one JSON value a line, and whether it succeeded.
fn answers(house: &House, arguments: &[&str]) -> (Vec<Value>, bool) {
    let output = house.cli(&[arguments, &["--json"]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let values =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{arguments:?}: {text}")));
    (values.collect(), output.status.success())
}

/// The one answer of a command that had nothing to do.
fn in_vain(house: &House, arguments: &[&str]) -> String {
    let (answers, success) = answers(house, arguments);
    assert!(!success, "{arguments:?} did something: {answers:?}");
    answers[0]["status"].as_str().expect("a status").to_owned()
}

fn status(house: &House, arguments: &[&str]) -> String {
    house.json(arguments)["status"].as_str().expect("a status").to_owned()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a time").parse().expect("RFC 3339")
}

fn ids(list: &Value, field: &str) -> Vec<String> {
    let ids = list.as_array().expect("a list").iter().map(|one| one[field].as_str().expect("an id").to_owned());
    ids.collect()
}

fn nothing_is_left(house: &House) {
    until("nothing is left in Redis", || house.redis.leftovers("default").is_empty());
}

#[test]
fn what_waits_is_taken_back_wherever_it_waits_and_recorded_with_who_and_why() {
    let house = House::sqlite();
    house.json(&["enqueue", "noop", "--id", "ready"]);
    house.json(&["enqueue", "noop", "--id", "later", "--delay", "1h"]);
    house.json(&["enqueue", "noop", "--id", "first", "--lane", "l", "--delay", "1h"]);
    house.json(&["enqueue", "noop", "--id", "second", "--lane", "l"]);
    house.json(&["enqueue", "noop", "--id", "third", "--lane", "l"]);
    house.json(&["enqueue", "noop", "--id", "elsewhere", "--queue", "other"]);
    let targets = ["ready", "nobody", "later", "second", "elsewhere"];
    let (said, success) = answers(&house, &[&["jobs", "cancel"], &targets[..], &ANN].concat());
    assert!(!success, "one of them is unknown");
    let said: Vec<_> = said.iter().map(|one| (one["id"].as_str(), one["status"].as_str())).collect();
    let expected = targets.map(|id| (Some(id), Some(if id == "nobody" { "unknown" } else { "removed" })));
    assert_eq!(said, expected);
    assert_eq!(house.place("ready")["state"], "departing");
    assert_eq!(in_vain(&house, &["jobs", "cancel", "ready"]), "departing");
    // The head of a lane hands it on.
    assert_eq!(status(&house, &["jobs", "cancel", "first"]), "removed");
    let worker = house.worker();
    until("the third has run", || house.runs("third").len() == 1);
    until("all are recorded", || house.count("cancelled") == 4);
    worker.stop();
    nothing_is_left(&house);
    for id in ["ready", "later", "second"] {
        let runs = house.runs(id);
        assert_eq!((&runs[0]["outcome"], &runs[0]["reason"]), (&"cancelled".into(), &"by ann: not needed".into()));
        assert_eq!(runs[0]["started_at"], Value::Null, "it never ran");
    }
    assert_eq!(in_vain(&house, &["jobs", "cancel", "ready"]), "unknown", "it has left");
}

#[test]
fn who_takes_back_is_the_one_who_is_logged_in() {
    let house = House::sqlite();
    house.json(&["enqueue", "noop", "--id", "a"]);
    let mut command = house.command(&["jobs", "cancel", "a"]);
    let output = command.env("USER", "bob\nroot").output().expect("run liaison");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a: taken back before it ran\n");
    let worker = house.worker();
    until("it is recorded", || house.runs("a").len() == 1);
    worker.stop();
    assert_eq!(house.runs("a")[0]["reason"], "by bob root", "on one line");
}

#[test]
fn what_runs_stops_when_it_hears_of_it_and_is_stopped_when_it_does_not() {
    let house = House::sqlite().set("LIAISON_WORKER__CANCEL_GRACE", "4s");
    let worker = house.worker();
    house.json(&["enqueue", "sleep", "--id", "listens", "--args", r#"{"ms": 300000}"#]);
    house.json(&["enqueue", "sleep", "--id", "stubborn", "--args", r#"{"ms": 300000, "stubborn": true}"#]);
    let runs = |id: &str| house.place(id)["running_since"].is_string();
    until("they run", || runs("listens") && runs("stubborn"));
    assert_eq!(in_vain(&house, &["jobs", "run-now", "listens"]), "running");
    assert_eq!(in_vain(&house, &["jobs", "reprioritise", "listens", "high"]), "running");
    let (said, success) = answers(&house, &[&["jobs", "cancel", "listens", "stubborn"][..], &ANN].concat());
    assert!(success && said.iter().all(|one| one["status"] == "asked"), "{said:?}");
    until("both are recorded", || house.count("cancelled") == 2);
    let [listens, stubborn] = ["listens", "stubborn"].map(|id| house.runs(id).remove(0));
    for run in [&listens, &stubborn] {
        assert_eq!((&run["outcome"], &run["reason"]), (&"cancelled".into(), &"by ann: not needed".into()));
        assert!(run["started_at"].is_string(), "it ran");
    }
    // Both heard of it in the same moment; one of them went on until its grace was over.
    let longer = time(&stubborn["finished_at"]) - time(&listens["finished_at"]);
    assert!(longer > chrono::TimeDelta::seconds(3), "{longer}");
    nothing_is_left(&house);
    worker.stop();
}

#[test]
fn a_delayed_job_and_one_that_waits_for_its_retry_run_when_they_are_asked_to() {
    let house = House::sqlite();
    let worker = house.worker();
    house.json(&["enqueue", "noop", "--id", "later", "--delay", "1h"]);
    assert_eq!(status(&house, &["jobs", "run-now", "later"]), "moved");
    until("it has run", || house.runs("later").len() == 1);

    house.json(&["enqueue", "fail", "--id", "failing", "--args", r#"{"times": 900}"#, "--max-attempts", "1000"]);
    // Its waits grow up to ten seconds; one that is long enough to be cut short comes soon.
    let (mut due, mut runs) = (DateTime::UNIX_EPOCH, 0);
    until("it waits for long", || {
        let place = house.place("failing");
        if place["state"] == "scheduled" {
            (due, runs) = (time(&place["due_at"]), house.runs("failing").len());
        }
        let seconds: Vec<String> = house.redis.ask(&["TIME"]);
        due.timestamp() - seconds[0].parse::<i64>().expect("seconds") > 5
    });
    assert_eq!(status(&house, &["jobs", "run-now", "failing"]), "moved");
    until("it has run again", || house.runs("failing").len() > runs);
    let again = time(&house.runs("failing")[runs]["started_at"]);
    assert!(again < due, "at {again}, though it was due at {due} and asked for before");
    worker.stop();
}

#[test]
fn a_ready_job_goes_next_or_waits_in_another_band_and_none_is_doubled() {
    let house = House::sqlite();
    for id in ["a", "b", "c", "d"] {
        house.json(&["enqueue", "sleep", "--args", r#"{"ms": 2}"#, "--id", id]);
    }
    let order = || ids(&house.json(&["jobs", "list", "--state", "ready"]), "id");
    assert_eq!(status(&house, &["jobs", "reprioritise", "d", "high"]), "moved");
    assert_eq!(status(&house, &["jobs", "reprioritise", "a", "low"]), "moved");
    assert_eq!(status(&house, &["jobs", "reprioritise", "b", "normal"]), "moved", "where it is already");
    // There and back: it stands in its list twice, and goes next all the same.
    assert_eq!(status(&house, &["jobs", "reprioritise", "c", "low"]), "moved");
    assert_eq!(status(&house, &["jobs", "reprioritise", "c", "normal"]), "moved");
    assert_eq!(status(&house, &["jobs", "run-now", "c"]), "moved");
    assert_eq!(house.place("d")["priority"], "high");
    let depths = house.json(&["queues", "list"])[0].clone();
    assert_eq!((&depths["high"], &depths["normal"], &depths["low"]), (&1.into(), &2.into(), &1.into()));
    assert_eq!(order(), ["d", "c", "b", "a"]);
    assert_eq!(in_vain(&house, &["jobs", "run-now", "nobody"]), "unknown");
    // What wakes a sleeper is no line that somebody sent.
    house.redis.push("default", &[String::new()]);
    let said = house.cli(&["jobs", "cancel", "nobody"]);
    assert!(!String::from_utf8_lossy(&said.stderr).contains("in the inboxes"));
    house.redis.push("default", &[r#"{"job":"sleep","args":{"ms":2},"id":"e","priority":"low"}"#.to_owned()]);
    let said = house.cli(&["jobs", "cancel", "e"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("1 line in the inboxes that no daemon has read yet"));
    let worker = house.worker_with(&["--concurrency", "1"]);
    until("all are done", || house.count("done") == 5);
    worker.stop();
    let mut runs = house.json(&["runs", "list"]).as_array().expect("a list").clone();
    runs.sort_by_key(|run| run["started_at"].as_str().map(str::to_owned));
    assert_eq!(ids(&runs.into(), "job_id"), ["d", "c", "b", "a", "e"]);
    nothing_is_left(&house);
}

#[test]
fn a_purge_takes_back_all_that_waits_and_throws_nothing_away_unseen() {
    let house = House::sqlite();
    let mut lines: Vec<String> = (0..600).map(|n| format!(r#"{{"job":"noop","id":"ready-{n}"}}"#)).collect();
    lines.extend((0..200).map(|n| format!(r#"{{"job":"noop","lane":"lane-{}"}}"#, n % 10)));
    lines.extend((0..100).map(|n| format!(r#"{{"job":"noop","priority":"low","unique":"key-{n}"}}"#)));
    lines.extend((0..99).map(|_| r#"{"job":"noop","run_at":"2999-01-01T00:00:00Z"}"#.to_owned()));
    house.redis.push("default", &lines);
    let bulk = house.write("bulk", r#"{"job":"noop","id":"bulk","lane":"lane-0"}"#);
    house.json(&["enqueue", "--bulk", &bulk]);
    house.redis.push("default", &[r#"{"job":"noop","queue":"other","id":"other"}"#.into(), "not json".into()]);

    let refused = house.cli(&["queues", "purge", "default"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("add --yes") && said.contains("Take back 1,002 jobs that wait in default"), "{said}");
    assert_eq!(house.json(&["queues", "list"])[0]["inbox"], 1001, "nothing was touched");

    let purged = house.json(&[&["queues", "purge", "default", "--yes"][..], &ANN].concat());
    assert_eq!((&purged["cancelled"], &purged["running"]), (&1000.into(), &0.into()));
    let depths = house.json(&["queues", "list"])[0].clone();
    let waiting = ["inbox", "high", "normal", "low", "due_later", "in_lanes", "suspects"].map(|what| &depths[what]);
    assert_eq!(waiting, [0; 7].map(Value::from).each_ref());
    assert_eq!(depths["departing"], 1001, "the malformed line too waits for its record");
    assert_eq!(house.place("other")["queue"], "other", "what was not meant for this queue was sent on");
    assert_eq!(house.json(&["lanes", "list"]), Value::Array(Vec::new()));

    let worker = house.worker();
    until("all are recorded", || house.count("cancelled") == 1000 && house.count("dead") == 1);
    nothing_is_left(&house);
    assert_eq!(house.runs("ready-7")[0]["reason"], "by ann: not needed");
    assert_eq!(house.json(&["queues", "purge", "default", "--yes"])["cancelled"], 0);
    worker.stop();
}

#[test]
fn a_purge_leaves_what_runs_alone() {
    let house = House::sqlite();
    let worker = house.worker();
    house.json(&["enqueue", "sleep", "--id", "runs", "--args", r#"{"ms": 300000}"#]);
    until("it runs", || house.place("runs")["running_since"].is_string());
    house.json(&["queues", "pause", "default"]);
    house.json(&["enqueue", "noop", "--id", "waits"]);
    let output = house.cli(&["queues", "purge", "default", "--yes"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1 job taken back from default\n");
    assert!(said.contains("1 job runs on: `liaison jobs cancel ID`"), "{said}");
    // A pause does not hold up what has been decided.
    until("it is recorded", || house.runs("waits").len() == 1);
    assert_eq!(house.place("runs")["state"], "running");
    worker.kill();
}

#[test]
fn a_lane_shows_who_is_first_and_goes_on_without_it_when_it_is_skipped() {
    let house = House::sqlite();
    for (id, delay) in [("slow", "1h"), ("second", "0s"), ("third", "0s")] {
        house.json(&["enqueue", "noop", "--id", id, "--lane", "endpoint:1", "--delay", delay]);
    }
    house.json(&["enqueue", "noop", "--id", "other", "--lane", "endpoint:2", "--queue", "other"]);
    let lanes = house.json(&["lanes", "list"]);
    assert_eq!(ids(&lanes, "lane"), ["endpoint:1", "endpoint:2"], "the deepest first");
    assert_eq!((&lanes[0]["head"], &lanes[0]["waiting"]), (&"slow".into(), &2.into()));
    assert_eq!(house.json(&["lanes", "list", "--queue", "other"])[0]["lane"], "endpoint:2");
    let lane = house.json(&["lanes", "show", "endpoint:1"]);
    assert_eq!((&lane["head_is"]["state"], &lane["next"][0]), (&"scheduled".into(), &"second".into()));
    assert!(lane["head_is"]["due_at"].is_string(), "{lane}");
    assert_eq!(house.place("second")["state"], "waiting");
    assert_eq!(in_vain(&house, &["jobs", "run-now", "second"]), "waiting");
    assert_eq!(house.json(&["queues", "list"])[0]["in_lanes"], 2);

    assert_eq!(status(&house, &["lanes", "skip", "endpoint:1"]), "skipped");
    assert_eq!(house.json(&["lanes", "show", "endpoint:1"])["head"], "second");
    assert_eq!(in_vain(&house, &["lanes", "skip", "endpoint:1"]), "ready");
    let worker = house.worker();
    until("the others are done", || house.count("done") == 2);
    assert_eq!(house.place("slow")["state"], "scheduled", "it waits for its time");
    let empty = house.cli(&["lanes", "show", "endpoint:1"]);
    assert_eq!(empty.status.code(), Some(1), "it is in no lane until then");
    assert_eq!(status(&house, &["jobs", "run-now", "slow"]), "moved");
    until("it is done as well", || house.count("done") == 3);
    nothing_is_left(&house);

    house.json(&["enqueue", "sleep", "--id", "runs", "--lane", "endpoint:2", "--args", r#"{"ms": 300000}"#]);
    let both = house.cli(&["lanes", "skip", "endpoint:2"]);
    assert_eq!(both.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&both.stderr).contains("add --queue"), "it is in two queues");
    until("it runs", || house.place("runs")["running_since"].is_string());
    assert_eq!(in_vain(&house, &["lanes", "skip", "endpoint:2", "--queue", "default"]), "running");
    worker.kill();
}

#[test]
fn a_process_that_runs_suspects_says_so() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    let worker = house.worker();
    house.json(&["enqueue", "sleep", "--id", "present", "--args", r#"{"ms": 300000}"#]);
    until("it runs", || house.place("present")["running_since"].is_string());
    assert_eq!(house.json(&["workers", "list"])[0]["isolation"], "none");
    worker.kill();
    let worker = house.worker();
    let apart = || {
        let workers = house.json(&["workers", "list"]);
        let workers = workers.as_array().expect("a list").clone();
        workers.into_iter().find(|card| card["isolation"] == "apart" && card["running"] == 1)
    };
    until("it runs apart", || apart().is_some());
    let text = house.cli(&["workers", "list"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("runs suspects apart from others"));
    assert_eq!(status(&house, &["jobs", "cancel", "present"]), "asked", "there too it can be taken back");
    until("it is recorded", || house.runs("present").len() == 1);
    assert_eq!(house.runs("present")[0]["outcome"], "cancelled");
    worker.stop();
}
