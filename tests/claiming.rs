//! What is claimed, and in what order.

use crate::support::{House, until};

fn started(house: &House) -> Vec<String> {
    let runs = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    let mut runs: Vec<_> = runs
        .as_array()
        .expect("a list")
        .iter()
        .map(|run| {
            (run["started_at"].as_str().expect("a time").to_owned(), run["job_id"].as_str().expect("an id").to_owned())
        })
        .collect();
    runs.sort();
    runs.into_iter().map(|(_, id)| id).collect()
}

#[test]
fn high_goes_before_normal_before_low_and_low_does_not_starve() {
    let house = House::sqlite();
    house.json(&["queues", "pause", "default"]);
    let bands = ["low", "normal", "high"];
    let lines: Vec<String> = bands
        .iter()
        .flat_map(|band| {
            (0..60)
                .map(move |n| format!(r#"{{"id":"{band}-{n}","job":"sleep","priority":"{band}","args":{{"ms":3}}}}"#))
        })
        .collect();
    house.redis.push("default", &lines);
    let worker = house.worker_with(&["--concurrency", "1"]);
    house.json(&["queues", "resume", "default"]);
    until("all are done", || house.count("done") == 180);
    worker.stop();
    let order = started(&house);
    let place = |band: &str| -> usize {
        let places = order.iter().enumerate().filter(|(_, id)| id.starts_with(band)).map(|(at, _)| at);
        places.sum::<usize>() / 60
    };
    assert!(place("high") < place("normal") && place("normal") < place("low"), "{order:?}");
    let first_low = order.iter().position(|id| id.starts_with("low")).expect("low jobs ran");
    let last_high = order.iter().rposition(|id| id.starts_with("high")).expect("high jobs ran");
    assert!(first_low < last_high, "a low job is let in between");
}

#[test]
fn a_delayed_job_waits_for_its_time_and_an_idle_daemon_wakes_for_it() {
    let house = House::sqlite();
    let worker = house.worker();
    let answer = house.json(&["enqueue", "noop", "--id", "later", "--delay", "1500ms"]);
    assert_eq!(answer["status"], "queued");
    assert_eq!(house.json(&["jobs", "show", "later"])["state"], "scheduled");
    let due = house.place("later")["due_at"].clone();
    until("it is done", || house.runs("later").len() == 1);
    let started: chrono::DateTime<chrono::Utc> =
        house.runs("later")[0]["started_at"].as_str().expect("a time").parse().expect("RFC 3339");
    let due: chrono::DateTime<chrono::Utc> = due.as_str().expect("a time").parse().expect("RFC 3339");
    let late = started - due;
    assert!(late >= chrono::TimeDelta::zero() && late < chrono::TimeDelta::seconds(2), "{late}");
    worker.stop();
}

#[test]
fn a_job_whose_time_is_over_expires_and_is_recorded() {
    let house = House::sqlite();
    house.json(&["queues", "pause", "default"]);
    house.json(&["enqueue", "noop", "--id", "stale", "--expires", "100ms"]);
    let worker = house.worker();
    // Also while the queue is paused: whoever waits for its lane or its key need not wait for an operator.
    until("it is recorded", || house.runs("stale").len() == 1);
    house.json(&["queues", "resume", "default"]);
    assert_eq!(house.runs("stale")[0]["outcome"], "expired");
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    worker.stop();
}

#[test]
fn a_paused_queue_gives_nothing_until_it_is_resumed() {
    let house = House::sqlite();
    let worker = house.worker();
    house.json(&["queues", "pause", "default"]);
    worker.says("queue default paused");
    house.json(&["enqueue", "noop", "--id", "held-up"]);
    let place = house.place("held-up");
    assert_eq!((&place["state"], &place["place"]), (&"ready".into(), &1.into()));
    house.json(&["queues", "resume", "default"]);
    until("it is done", || house.runs("held-up").len() == 1);
    worker.stop();
}

#[test]
fn a_full_queue_does_not_keep_another_waiting() {
    let house = House::sqlite().set("LIAISON_QUEUE__0__NAME", "busy").set("LIAISON_QUEUE__1__NAME", "quiet");
    let worker = house.worker_with(&["--concurrency", "4"]);
    let lines: Vec<String> = (0..2000).map(|_| r#"{"job":"sleep","args":{"ms":20}}"#.to_owned()).collect();
    house.redis.push("busy", &lines);
    until("the busy one is at work", || house.count("done") > 50);
    let answer = house.json(&["enqueue", "echo", "--queue", "quiet", "--args", "1", "--wait", "5s"]);
    assert_eq!(answer["outcome"], "done");
    assert!(house.count("done") < 1500, "it did not have to wait for the busy queue's end");
    worker.stop();
}
