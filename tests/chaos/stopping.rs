//! SIGTERM in the middle of it all.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rustix::process::Signal;
use serde_json::Value;

use super::{Site, books::Row, for_a_while, load::now, mention, play};
use crate::support::{House, until};

#[test]
fn sigterm_in_a_burst_finishes_what_runs_and_hands_the_rest_back() {
    const STOPS: usize = 4;
    let row = play(|_| {
        let mut site = Site::new(House::sqlite());
        for _ in 0..STOPS {
            let worker = site.house.worker();
            let before = site.witness.jobs();
            site.send(300, 20);
            site.until_begun(before + 10);
            worker.stop();
        }
        let worker = site.house.worker();
        site.until_drained();
        worker.stop();
        site.judge("SIGTERM in a burst", STOPS, None)
    });
    assert_eq!(row.repeats, 0, "a clean stop repeats nothing");
}

/// How many jobs of the records were running then.
fn running_at(house: &House, at: DateTime<Utc>) -> usize {
    let runs = house.json(&["runs", "list", "--limit", "10000"]);
    let time = |run: &Value, field: &str| run[field].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    let ran = |run: &&Value| time(run, "started_at") <= Some(at) && time(run, "finished_at") >= Some(at);
    runs.as_array().expect("a list").iter().filter(ran).count()
}

/// SIGTERM once a thousand jobs have been claimed: how many ran when it came, and when the daemon was gone.
fn stop_under_load() -> (usize, Duration) {
    const JOBS: usize = 1000;
    let house = House::sqlite().set("LIAISON_WORKER__CONCURRENCY", "1000");
    let mut worker = house.worker();
    // All at the same instant, so that all run at once.
    let due = now().timestamp_millis() + 1500;
    let line = |n| format!(r#"{{"id":"s{n}","job":"sleep","args":{{"ms":50}},"run_at":{due}}}"#);
    house.redis.push("default", &(0..JOBS).map(line).collect::<Vec<_>>());
    until("they are all there", || house.redis.ask::<usize>(&["HLEN", "liaison:{default}:held"]) == JOBS);
    // What is claimed and has not begun would be handed back.
    for_a_while(Duration::from_millis(15));
    let at = now();
    worker.signal(Signal::TERM);
    let asked = Instant::now();
    assert!(worker.end().success(), "{}", worker.log());
    let took = asked.elapsed();
    assert!(!worker.log().contains("handing"), "nothing that ran was interrupted: {}", worker.log());
    let waiting = house.redis.ask::<usize>(&["HLEN", "liaison:{default}:jobs"]);
    assert_eq!(house.count("done"), JOBS - waiting, "what has not run is still there");
    assert_eq!(house.redis.ask::<usize>(&["HLEN", "liaison:{default}:held"]), 0, "and nobody has it in his hands");
    (running_at(&house, at), took)
}

#[test]
fn sigterm_under_a_thousand_running_jobs_of_50_ms_ends_within_a_second_with_all_done() {
    let row = play(|_| {
        let (mut running, mut took) = (0, Duration::ZERO);
        // On a busy machine they may be over already when it comes.
        until("it came while most were running", || {
            (running, took) = stop_under_load();
            mention(&format!("{running} jobs were running when it came"));
            running > 500
        });
        let fault = "SIGTERM under 1,000 jobs of 50 ms, until its end".to_owned();
        Row { fault, jobs: running, faults: 1, recovery: Some(took), ..Row::default() }
    });
    assert!(row.recovery < Some(Duration::from_secs(1)), "{row}");
}
