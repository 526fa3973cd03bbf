//! What people do to the schedule, and are told of it.

use chrono::Duration;
use serde_json::{Value, json};

use super::{EVERY_SECOND, history, house, left, now, time};
use crate::support::until;

#[test]
fn a_paused_entry_fires_nothing_until_it_is_resumed() {
    let house = house(EVERY_SECOND);
    let worker = house.worker();
    until("it fires", || !history(&house, "tick").is_empty());
    assert_eq!(house.json(&["schedule", "pause", "tick", "--by", "ann", "--reason", "a test"])["paused"], true);
    let listed = house.json(&["schedule", "list"]);
    let said = listed[0]["paused"].as_str().expect("who paused it").to_owned();
    assert!(said.starts_with("by ann at ") && said.ends_with(": a test") && listed[0]["next"].is_null(), "{listed}");
    until("what was decided before is finished", || left(&house, "tick") == 0);
    let paused_at = now(&house);
    until("three more seconds", || now(&house) > paused_at + 3_000);
    let resumed = house.json(&["schedule", "resume", "tick"]);
    assert!(resumed["left_out"].as_i64().expect("a number") >= 3, "{resumed}");
    let pause = |row: &&Value| row["status"] == "paused";
    let fired = || history(&house, "tick").iter().rev().position(|row| row["status"] == "paused");
    until("it fires again", || fired().is_some_and(|after| after >= 1));
    let rows = history(&house, "tick");
    let row = rows.iter().find(pause).expect("what was left out");
    assert_eq!(row["ticks"], resumed["left_out"]);
    assert!(time(row, "until") - time(row, "tick") >= Duration::seconds(2), "{row}");
    let during = |row: &&Value| {
        let tick = time(row, "tick").timestamp_millis();
        row["job_id"].is_string()
            && tick > paused_at
            && tick <= time(rows.iter().find(pause).expect("it"), "until").timestamp_millis()
    };
    assert_eq!(rows.iter().filter(during).count(), 0);
    worker.stop();
}

#[test]
fn a_pause_that_ends_after_redis_was_away_is_over_all_the_same() {
    let mut house = house(EVERY_SECOND);
    let worker = house.worker();
    until("it fires", || !history(&house, "tick").is_empty());
    house.json(&["schedule", "pause", "tick"]);
    house.redis.kill();
    worker.says("the schedule waits: Redis does not answer");
    house.redis.resume();
    worker.says("the schedule goes on");
    house.json(&["schedule", "resume", "tick"]);
    let before = history(&house, "tick").len();
    until("it fires again", || history(&house, "tick").len() > before);
    worker.stop();
}

#[test]
fn a_schedule_with_mistakes_stops_the_start_and_tells_them_all() {
    let house = house("[[schedule]]\nname = 'a'\njob = 'nop'\ncron = '61 * * * *'\ntimezone = 'Europe/Belin'\n");
    for command in [&["worker"][..], &["schedule", "list"]] {
        let output = house.cli(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for words in [
            "the configuration has 3 mistakes",
            "schedule[0].job (scheduler.toml:3): no `nop` in this build",
            "remedy: did you mean noop?",
            "schedule[0].cron (scheduler.toml:4): cron \"61 * * * *\": minute 61 is not in 0–59",
            "remedy: did you mean \"Europe/Berlin\"?",
        ] {
            assert!(said.contains(words), "{words} is not in:\n{said}");
        }
    }
}

#[test]
fn the_next_times_are_shown_across_a_change_of_clocks() {
    let house = house(
        "[[schedule]]\nname = 'nightly'\njob = 'noop'\ncron = '30 2 * * *'\ntimezone = 'America/New_York'\n\
         [[schedule]]\nname = 'often'\njob = 'noop'\ncron = '*/30 * * * *'\ntimezone = 'America/New_York'\n",
    );
    let next = |entry: &str, from: &str, count: &str| -> Vec<(String, Value)> {
        let ticks = house.json(&["schedule", "next", entry, "--from", from, "--count", count]);
        let one = |tick: &Value| (tick["local"].as_str().expect("a time").to_owned(), tick["note"].clone());
        ticks.as_array().expect("a list").iter().map(one).collect()
    };
    let forward = "clocks are put forward: there is no 02:30:00 on that day";
    assert_eq!(
        next("nightly", "2026-03-07T12:00:00Z", "2"),
        [
            ("Sun 2026-03-08 03:00:00 -0400".to_owned(), json!(forward)),
            ("Mon 2026-03-09 02:30:00 -0400".to_owned(), Value::Null),
        ]
    );
    let notes: Vec<_> = next("often", "2026-11-01T04:59:00Z", "5").into_iter().map(|(_, note)| note).collect();
    let (first, second) = (
        json!("clocks are put back later: this time comes twice, and this is the first"),
        json!("clocks were put back: this time comes for the second time"),
    );
    assert_eq!(notes, [first.clone(), first, second.clone(), second, Value::Null]);
    let output = house.cli(&["schedule", "next", "nigthly"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("no entry `nigthly` in scheduler.toml; did you mean nightly?")
    );
}

#[test]
fn an_entry_can_be_run_by_hand_and_its_end_be_waited_for() {
    let house = house(
        "[[schedule]]\nname = 'e'\njob = 'echo'\nargs = { text = 'hello' }\ncron = '0 0 1 1 *'\nqueue = 'default'\n",
    );
    let worker = house.worker();
    let answer = house.json(&["schedule", "run", "e", "--wait", "60s"]);
    assert_eq!((answer["outcome"].clone(), answer["result"].clone()), (json!("done"), json!({"text": "hello"})));
    assert_eq!(history(&house, "e"), [] as [Value; 0], "it is beside its times");
    worker.stop();
}
