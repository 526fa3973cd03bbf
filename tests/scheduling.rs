//! Work that starts by itself: on time, once, over any number of daemons; and what becomes of the times it could not.

mod by_hand;

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::support::{House, until};

const EVERY_SECOND: &str = "[[schedule]]\nname = 'tick'\njob = 'noop'\ncron = '* * * * * *'\noverlap = 'allow'\n";

fn house(schedule: &str) -> House {
    let house = House::sqlite();
    house.write("scheduler.toml", schedule);
    house
}

/// The history of an entry, oldest first.
fn history(house: &House, entry: &str) -> Vec<Value> {
    let rows = house.json(&["schedule", "history", entry, "--limit", "10000"]);
    let mut rows = rows.as_array().expect("a list").clone();
    rows.reverse();
    rows
}

fn time(row: &Value, field: &str) -> DateTime<Utc> {
    row[field].as_str().unwrap_or_else(|| panic!("no {field}: {row}")).parse().expect("RFC 3339")
}

fn statuses(house: &House, entry: &str) -> Vec<String> {
    history(house, entry).iter().map(|row| row["status"].as_str().expect("a status").to_owned()).collect()
}

/// What Redis knows of an entry, as a daemon left it.
fn remember(house: &House, entry: &str, field: &str, value: &str) {
    let key = format!("liaison:{{schedule:{entry}}}:state");
    house.redis.ask::<u64>(&["HSET", &key, field, value]);
}

/// What a daemon that died has left to do of a tick of `n`.
fn leave(house: &House, tick: i64, what: &Value) {
    house.redis.ask::<u64>(&["HSET", "liaison:{schedule:n}:left", &tick.to_string(), &what.to_string()]);
}

/// What time it is for Redis, ms since the epoch.
fn now(house: &House) -> i64 {
    let [seconds, micros]: [i64; 2] = house.redis.ask(&["TIME"]);
    seconds * 1000 + micros / 1000
}

/// Let a daemon take these entries up as the file has them, and go.
fn take_up(house: &House, entries: &[&str]) {
    let worker = house.worker();
    let line = |entry: &str| {
        house
            .json(&["schedule", "list"])
            .as_array()
            .expect("a list")
            .iter()
            .find(|row| row["name"] == entry)
            .expect("it")["cron"]
            .clone()
    };
    let known = |entry: &str| {
        let key = format!("liaison:{{schedule:{entry}}}:state");
        let [known, off]: [Option<String>; 2] = house.redis.ask(&["HMGET", &key, "line", "off"]);
        off.is_some() || known.is_some_and(|known| known.starts_with(line(entry).as_str().expect("a line")))
    };
    until("the entries are taken up", || entries.iter().all(|entry| known(entry)));
    worker.stop();
}

fn left(house: &House, entry: &str) -> u64 {
    house.redis.ask(&["HLEN", &format!("liaison:{{schedule:{entry}}}:left")])
}

#[test]
fn a_schedule_of_two_daemons_of_which_one_is_killed_loses_and_doubles_no_tick() {
    let house = house(EVERY_SECOND);
    let (one, two) = (house.worker(), house.worker());
    until("a few ticks", || history(&house, "tick").len() >= 3);
    one.kill();
    let three = house.worker();
    until("more ticks", || history(&house, "tick").len() >= 8);
    two.stop();
    three.stop();
    let rows = history(&house, "tick");
    for pair in rows.windows(2) {
        assert_eq!(time(&pair[1], "tick") - time(&pair[0], "tick"), Duration::seconds(1), "{pair:#?}");
    }
    let ids: BTreeSet<_> = rows.iter().map(|row| row["job_id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids.len(), rows.len());
    // What the last daemon had no time for is run by the next.
    let _four = house.worker();
    until("every tick's job is done, once", || {
        ids.iter().all(|id| {
            let runs = house.runs(id);
            runs.len() == 1 && runs[0]["outcome"] == "done"
        })
    });
}

#[test]
fn a_tick_that_a_daemon_died_over_is_finished_by_another() {
    let house = house("[[schedule]]\nname = 'n'\njob = 'noop'\ncron = '0 0 1 1 *'\n");
    take_up(&house, &["n"]);
    let now = now(&house);
    let hour = 3_600_000;
    // Decided just now, and no more; decided an hour ago, run since, and only not recorded; and of that age, but not run.
    for (id, age) in [("n@young", 3_000), ("n@done", hour), ("n@old", hour)] {
        let envelope = json!({"id": id, "job": "noop"}).to_string();
        let what = json!({"status": "fired", "decided_at": now - age, "job": {"id": id, "queue": "default", "envelope": envelope}});
        leave(&house, now - age - i64::from(id == "n@old"), &what);
    }
    let missed =
        json!({"status": "missed", "decided_at": now - hour, "until": now - 2 * hour, "ticks": 7, "reason": "why"});
    leave(&house, now - 3 * hour, &missed);
    // In the records as done, and forgotten by Redis.
    let elsewhere = house.json(&["enqueue", "noop", "--id", "n@done"]);
    assert_eq!(elsewhere["status"], "queued");
    let worker = house.worker();
    until("all of it is finished", || left(&house, "n") == 0);
    until("the jobs are done", || ["n@young", "n@old", "n@done"].iter().all(|id| house.runs(id).len() == 1));
    let told: Vec<_> = history(&house, "n").iter().map(|row| (row["status"].clone(), row["ticks"].clone())).collect();
    assert_eq!(
        told,
        [(json!("missed"), json!(7)), (json!("done"), json!(1)), (json!("done"), json!(1)), (json!("done"), json!(1))]
    );
    worker.stop();
}

#[test]
fn a_tick_of_an_entry_that_was_taken_out_of_the_file_is_finished_all_the_same() {
    let house = house("[[schedule]]\nname = 'n'\njob = 'noop'\ncron = '0 0 1 1 *'\n");
    take_up(&house, &["n"]);
    let decided = now(&house) - 60_000;
    // More than is read at once.
    let ids: Vec<String> = (0..40).map(|n| format!("n@{n}")).collect();
    for (at, id) in ids.iter().enumerate() {
        let envelope = json!({"id": id, "job": "noop"}).to_string();
        let job = json!({"id": id, "queue": "default", "envelope": envelope});
        let what = json!({"status": "fired", "decided_at": decided, "job": job});
        leave(&house, decided + i64::try_from(at).expect("a few"), &what);
    }
    house.write("scheduler.toml", "");
    let worker = house.worker();
    until("all of it is finished", || left(&house, "n") == 0);
    until("the jobs are done", || ids.iter().all(|id| house.runs(id).len() == 1));
    worker.stop();
}

#[test]
fn an_old_tick_whose_job_has_run_is_not_run_again() {
    let house =
        house("[[schedule]]\nname = 'n'\njob = 'noop'\ncron = '0 0 1 1 *'\n").set("LIAISON_QUEUES__ID_MEMORY", "1s");
    let worker = house.worker();
    assert_eq!(house.json(&["enqueue", "noop", "--id", "n@done", "--wait", "60s"])["outcome"], "done");
    until("Redis has forgotten its id", || house.redis.leftovers("default").is_empty());
    worker.stop();
    let decided = now(&house) - 3_600_000;
    let envelope = json!({"id": "n@done", "job": "noop"}).to_string();
    let what = json!({"status": "fired", "decided_at": decided, "job": {"id": "n@done", "queue": "default", "envelope": envelope}});
    leave(&house, decided, &what);
    let worker = house.worker();
    until("it is finished", || left(&house, "n") == 0);
    assert_eq!(statuses(&house, "n"), ["done"]);
    assert_eq!(house.runs("n@done").len(), 1);
    worker.stop();
    assert_eq!(house.runs("n@done").len(), 1);
}

#[test]
fn what_was_missed_follows_the_policy_and_is_told() {
    let entry = |name: &str, rest: &str| {
        format!("[[schedule]]\nname = '{name}'\njob = 'noop'\ncron = '*/5 * * * *'\noverlap = 'allow'\n{rest}\n")
    };
    let all = entry("none", "catch_up = 'none'")
        + &entry("last", "")
        + &entry("all", "catch_up = { all = 3, within = '1h' }");
    let house = house(&all);
    take_up(&house, &["none", "last", "all"]);
    // All of them were decided up to two hours ago, at a full five minutes; then the daemons were away.
    let five = 300_000;
    let now = now(&house);
    let from = now - now % five - 24 * five;
    for entry in ["none", "last", "all"] {
        remember(&house, entry, "tick", &from.to_string());
    }
    let worker = house.worker();
    let count = |entry: &str, status: &str| -> i64 {
        let rows = history(&house, entry);
        rows.iter().filter(|row| row["status"] == status).map(|row| row["ticks"].as_i64().expect("a number")).sum()
    };
    // At a full five minutes, the last of them is on time, and fires under every policy.
    until("all is decided, and done", || {
        ["none", "last", "all"].iter().all(|entry| left(&house, entry) == 0)
            && ["last", "all"].iter().all(|entry| count(entry, "done") > 0)
            && history(&house, "none").len() + history(&house, "last").len() >= 3
    });
    let on_time = count("none", "done");
    assert!(on_time <= 1);
    assert_eq!(count("none", "done") + count("none", "missed"), 24);
    assert_eq!((count("last", "done"), count("last", "missed")), (1, 23));
    until("those that are made up for are done", || count("all", "done") == 3 + on_time);
    assert_eq!(count("all", "missed"), 21 - on_time);
    worker.says("of its ticks were missed: no daemon was there in time");
    worker.stop();
}

#[test]
fn an_entry_that_is_new_was_off_or_means_other_times_begins_from_now_on() {
    let cron = |cron: &str, more: &str| format!("[[schedule]]\nname = 'e'\njob = 'noop'\ncron = '{cron}'\n{more}");
    let house = house(&cron("0 0 1 1 *", ""));
    take_up(&house, &["e"]);
    let hours_ago = (now(&house) - 7_200_000).to_string();
    // Another line: its times before now are none of this entry.
    remember(&house, "e", "tick", &hours_ago);
    house.write("scheduler.toml", &cron("*/5 * * * *", "catch_up = 'last'"));
    take_up(&house, &["e"]);
    // Switched off, and on again.
    house.write("scheduler.toml", &cron("*/5 * * * *", "enabled = false"));
    take_up(&house, &["e"]);
    remember(&house, "e", "tick", &hours_ago);
    house.write("scheduler.toml", &cron("*/5 * * * *", ""));
    let worker = house.worker();
    until("it is taken up anew", || {
        let tick: i64 = house.redis.ask(&["HGET", "liaison:{schedule:e}:state", "tick"]);
        tick > now(&house) - 60_000
    });
    let missed = history(&house, "e").iter().filter(|row| row["status"] == "missed").count();
    assert_eq!(missed, 0);
    worker.stop();
}

#[test]
fn a_clock_that_was_far_ahead_does_not_silence_an_entry() {
    let house = house(EVERY_SECOND);
    take_up(&house, &["tick"]);
    let before = history(&house, "tick").len();
    remember(&house, "tick", "tick", &(now(&house) + 86_400_000).to_string());
    let worker = house.worker();
    until("it fires", || history(&house, "tick").len() > before + 1);
    worker.stop();
}

#[test]
fn a_tick_is_skipped_or_queued_while_the_job_before_is_not_over() {
    let entry = |name: &str, overlap: &str| {
        format!(
            "[[schedule]]\nname = '{name}'\njob = 'sleep'\nargs = {{ ms = 2500 }}\ncron = '* * * * * *'\noverlap = '{overlap}'\n"
        )
    };
    let house = house(&(entry("skip", "skip") + &entry("queue", "queue")));
    let worker = house.worker();
    until("two have run of each", || {
        ["skip", "queue"]
            .iter()
            .all(|entry| statuses(&house, entry).iter().filter(|status| *status == "done").count() >= 2)
    });
    let rows = history(&house, "skip");
    let skipped: Vec<_> = rows.iter().filter(|row| row["status"] == "skipped").collect();
    assert!(!skipped.is_empty() && skipped.iter().all(|row| row["job_id"].is_null()), "{rows:#?}");
    assert!(skipped[0]["reason"].as_str().expect("a reason").ends_with(" is not over"));
    // Never two at once: neither of those that skip, nor of those that wait in line.
    for entry in ["skip", "queue"] {
        let ids = history(&house, entry).into_iter().filter_map(|row| row["job_id"].as_str().map(str::to_owned));
        let mut spans: Vec<_> = ids
            .flat_map(|id| house.runs(&id))
            .map(|run| (time(&run, "started_at"), time(&run, "finished_at")))
            .collect();
        spans.sort();
        assert!(spans.windows(2).all(|two| two[0].1 <= two[1].0), "{entry}: {spans:?}");
    }
    assert!(!statuses(&house, "queue").contains(&"skipped".to_owned()));
    drop(worker);
}

#[test]
fn an_entry_that_waits_because_too_much_is_left_waits_quietly() {
    let house = house(EVERY_SECOND);
    take_up(&house, &["tick"]);
    // Of a newer release, which will do it: nobody here can.
    let fields: Vec<String> = (0..1000).flat_map(|n| [n.to_string(), "of a newer release".to_owned()]).collect();
    let words = ["HSET", "liaison:{schedule:tick}:left"].into_iter().chain(fields.iter().map(String::as_str));
    house.redis.ask::<u64>(&words.collect::<Vec<_>>());
    let worker = house.worker();
    worker.says("too many of its ticks wait");
    let calls = || -> u64 {
        let stats: String = house.redis.ask(&["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_hkeys:calls="));
        line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    };
    let (before, from) = (calls(), now(&house));
    until("four seconds have passed", || now(&house) > from + 4_000);
    assert!(calls() - before < 10, "{} looks in four seconds", calls() - before);
    house.redis.ask::<u64>(&["DEL", "liaison:{schedule:tick}:left"]);
    until("it fires", || !history(&house, "tick").is_empty());
    let log = worker.stop();
    assert_eq!(log.matches("too many of its ticks wait").count(), 1, "said once: {log}");
}

#[test]
fn jitter_and_spread_make_jobs_later_by_no_more_than_they_say() {
    let house = house(
        "[[schedule]]\nname = 'j'\njob = 'noop'\ncron = '* * * * * *'\noverlap = 'allow'\njitter = '10m'\n\
         [[schedule]]\nname = 's'\njob = 'noop'\ncron = '* * * * * *'\noverlap = 'allow'\nspread = '10m'\n",
    );
    let worker = house.worker();
    until("a few ticks of each", || ["j", "s"].iter().all(|entry| history(&house, entry).len() >= 4));
    worker.stop();
    let later = |entry: &str| -> Vec<i64> {
        let rows = history(&house, entry);
        rows.iter()
            .filter(|row| row["status"] == "scheduled")
            .map(|row| {
                let due = house.place(row["job_id"].as_str().expect("an id"));
                (time(&due, "due_at") - time(row, "tick")).num_milliseconds()
            })
            .collect()
    };
    let (jitter, spread) = (later("j"), later("s"));
    assert!(jitter.len() >= 3 && spread.len() >= 3, "{jitter:?} {spread:?}");
    assert!(jitter.iter().chain(&spread).all(|ms| (0..=600_000).contains(ms)), "{jitter:?} {spread:?}");
    assert!(jitter.windows(2).any(|two| two[0] != two[1]), "another amount at each tick: {jitter:?}");
    assert!(spread.windows(2).all(|two| two[0] == two[1]), "the same amount at each tick: {spread:?}");
}

#[test]
fn a_store_that_is_away_delays_the_history_and_not_the_ticks() {
    let house = House::own_postgres();
    house.write("scheduler.toml", EVERY_SECOND);
    let worker = house.worker();
    until("it fires", || !history(&house, "tick").is_empty());
    let postgres = house.postgres.clone().expect("a server");
    postgres.signal("-STOP");
    until("ticks are decided, and wait to be recorded", || left(&house, "tick") >= 3);
    postgres.signal("-CONT");
    until("they are recorded", || left(&house, "tick") <= 1);
    worker.stop();
    let rows = history(&house, "tick");
    for pair in rows.windows(2) {
        assert_eq!(time(&pair[1], "tick") - time(&pair[0], "tick"), Duration::seconds(1), "{pair:#?}");
    }
}
