//! A disk without room, under Redis or under the store, in the middle of a run.

use std::time::{Duration, Instant};

use crate::support::{Daemon, House, Redis, http::Front, until};

use super::{all_went_well, held, lines, tell, times};

/// Longer than two leases of a second, and then some.
const OUTAGE: Duration = Duration::from_secs(5);
/// Less than a log of `SQLite` has when some runs are in it.
const FULL: u64 = 16 * 1024;

fn long(count: usize, ms: u32) -> Vec<String> {
    (0..count).map(|n| format!(r#"{{"id":"long-{n}","job":"sleep","args":{{"ms":{ms}}}}}"#)).collect()
}

fn until_some_are_done(house: &House, long: usize) {
    until("the long ones run and some others are done", || {
        let held = held(house);
        held.iter().filter(|id| id.starts_with("long")).count() == long && house.count("done") > 30
    });
}

#[test]
fn a_full_disk_under_redis_stops_work_calmly_and_the_work_goes_on_by_itself() {
    let house = House::sqlite_and(Redis::start_with(&["--appendfsync", "everysec"]));
    let house = house.set("LIAISON_WORKER__LEASE", "2s").set("LIAISON_WORKER__CONCURRENCY", "8");
    let workers = [house.worker(), house.worker()];
    house.redis.push("default", &[long(4, 6000), lines(1500, 20)].concat());
    until_some_are_done(&house, 4);

    house.redis.fill_disk(true);
    let begin = Instant::now();
    // Whatever was answered counts; the refusal says what it is.
    let (mut accepted, mut refusal) = (0, None);
    while refusal.is_none() {
        let line = format!(r#"{{"id":"late-{accepted}","job":"noop"}}"#);
        match house.redis.try_ask::<i64>(&["RPUSH", "liaison:{default}:inbox", &line]) {
            Ok(_) => accepted += 1,
            Err(fault) => refusal = Some(fault.to_string()),
        }
    }
    assert!(refusal.as_ref().is_some_and(|said| said.contains("MISCONF")), "{refusal:?}");
    let output = house.cli(&["enqueue", "noop", "--id", "too-late"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("cannot write to its disk"), "{said}");
    assert!(said.contains("nothing was accepted: make room on its disk"), "{said}");
    for worker in &workers {
        worker.says("claiming stopped, Redis cannot write to its disk");
    }
    // One that starts now waits like the others, and operators can still look.
    let late = house.worker();
    late.says("claiming stopped, Redis cannot write to its disk");
    assert_eq!(house.json(&["jobs", "show", "long-0"])["state"], "running");
    let before = held(&house);
    until("more than two leases have passed", || begin.elapsed() > OUTAGE);
    assert_eq!(held(&house), before, "nobody took anything from anybody");

    house.redis.fill_disk(false);
    for worker in workers.iter().chain([&late]) {
        worker.says("Redis is back after");
    }
    let jobs = 4 + 1500 + accepted;
    until("all are done", || house.count("done") == jobs);
    let logs = workers.into_iter().chain([late]).map(Daemon::stop).collect::<Vec<_>>();
    all_went_well(&house, jobs, &logs);
    for log in &logs {
        assert_eq!(times(log, "claiming stopped"), 1, "said once: {log}");
        assert!(times(log, "leases cannot be extended") <= 1, "said once: {log}");
        assert!(times(log, "cannot acknowledge yet") <= 1, "said once: {log}");
    }
    tell(&format!("{accepted} lines slipped in before the refusal; {} jobs were held through it", before.len()));
    assert_eq!(house.json(&["enqueue", "echo", "--args", "[1]"])["status"], "queued");
}

#[test]
fn a_disk_under_redis_that_is_full_again_and_again_tears_nothing_from_anybody() {
    let house = House::sqlite_and(Redis::start_with(&["--appendfsync", "everysec"]));
    let house = house.set("LIAISON_WORKER__LEASE", "2s").set("LIAISON_WORKER__CONCURRENCY", "8");
    let workers = [house.worker(), house.worker()];
    house.redis.push("default", &[long(4, 14_000), lines(8000, 20)].concat());
    until_some_are_done(&house, 4);
    // Shorter and longer than the silence after which reaping waits, which is two fifths of a lease; and than the second
    // after which Redis tries its disk again.
    for (full_ms, room_ms) in [(300, 1100), (900, 150), (1500, 1100), (200, 400), (600, 1200), (1100, 150), (450, 1100)]
    {
        for (full, ms) in [(true, full_ms), (false, room_ms)] {
            house.redis.fill_disk(full);
            let begin = Instant::now();
            until("some time has passed", || begin.elapsed() > Duration::from_millis(ms));
        }
    }
    until("all are done", || house.count("done") == 8004);
    let logs: Vec<_> = workers.into_iter().map(Daemon::stop).collect();
    tell(&format!("stopped and went on {} times", times(&logs[0], "claiming stopped")));
    all_went_well(&house, 8004, &logs);
}

#[test]
fn workers_that_die_or_stop_while_redis_has_no_disk_lose_nothing_and_are_no_harm_to_the_living() {
    let house = House::sqlite_and(Redis::start_with(&["--appendfsync", "everysec"]));
    let house = house.set("LIAISON_WORKER__LEASE", "2s").set("LIAISON_WORKER__CONCURRENCY", "8");
    let (killed, stopped) = (house.worker(), house.worker());
    house.redis.push("default", &lines(4000, 20));
    let begin = Instant::now();
    until("some are done", || house.count("done") > 30);
    let living = house.worker();
    until("some more are done", || house.count("done") > 100 && begin.elapsed() > Duration::from_secs(1));
    house.redis.fill_disk(true);
    for worker in [&killed, &stopped, &living] {
        worker.says("claiming stopped, Redis cannot write to its disk");
    }
    // Nothing changes there any more.
    let stuck = held(&house);
    killed.kill();
    let log = stopped.stop();
    assert!(log.contains("Redis did not take the last results in time"), "{log}");
    house.redis.fill_disk(false);
    living.says("took back");
    until("all are done", || house.count("done") == 4000);
    until("nothing is left", || house.redis.leftovers("default").is_empty());
    let log = living.stop();
    assert!(!log.contains("lost the lease") && !log.contains("too late"), "{log}");
    let done = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    let again = done.as_array().expect("a list").iter().filter(|run| run["run"] != 1);
    let again: Vec<_> = again.map(|run| run["job_id"].as_str().expect("an id").to_owned()).collect();
    assert!(again.iter().all(|id| stuck.contains(id)), "only what was held ran again: {again:?}");
    let again = again.len();
    tell(&format!("{again} of 4000 ran again, and are recorded once"));
    assert_eq!(house.json(&["dead", "list"]), serde_json::json!([]));
}

#[test]
fn a_redis_that_syncs_always_ends_itself_on_a_full_disk_and_what_it_accepted_is_there_again() {
    let mut house = House::sqlite().set("LIAISON_WORKER__LEASE", "2s").set("LIAISON_WORKER__CONCURRENCY", "8");
    let worker = house.worker();
    house.redis.push("default", &[long(2, 6000), lines(600, 20)].concat());
    until_some_are_done(&house, 2);
    house.redis.fill_disk(true);
    until("it has ended itself", || house.redis.has_ended());
    worker.says("claiming stopped, Redis does not answer");
    let begin = Instant::now();
    until("more than two leases have passed", || begin.elapsed() > OUTAGE);
    house.redis.resume();
    worker.says("Redis is back after");
    until("all are done", || house.count("done") == 602);
    let log = worker.stop();
    all_went_well(&house, 602, &[log]);
}

#[test]
fn a_full_disk_under_sqlite_stops_claiming_and_the_work_goes_on_by_itself() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "2s").set("LIAISON_WORKER__CONCURRENCY", "8");
    let worker = house.worker();
    house.redis.push("default", &[long(2, 6000), lines(1000, 20)].concat());
    until_some_are_done(&house, 2);
    worker.leave_room(Some(FULL));
    worker.says("the store cannot write to its disk, and so cannot record runs");
    let log = worker.log();
    assert!(log.contains("check its free space"), "{log}");
    let begin = Instant::now();
    until("claiming has stopped", || house.redis.ask::<i64>(&["HLEN", "liaison:{default}:held"]) > 2);
    let (before, done) = (held(&house), house.count("done"));
    until("more than two leases have passed", || begin.elapsed() > OUTAGE);
    let after = held(&house);
    assert!(before.iter().all(|id| after.contains(id)), "what was held was kept: {before:?} {after:?}");
    assert!(after.len() < 100 && house.count("done") == done, "claiming stopped: {} held", after.len());
    assert_ne!(house.json(&["queues", "list"])[0]["normal"], 0, "the rest waits in Redis");
    assert_eq!(house.json(&["enqueue", "noop", "--id", "meanwhile"])["status"], "queued");

    worker.leave_room(None);
    worker.says("the store is back after");
    until("all are done", || house.count("done") == 1003);
    let log = worker.stop();
    assert_eq!(times(&log, "cannot write to its disk"), 1, "said once: {log}");
    tell(&format!("{} jobs were held through it", after.len()));
    all_went_well(&house, 1003, &[log]);
}

#[test]
fn a_disk_that_is_full_when_a_daemon_starts_is_told_from_a_store_that_is_away() {
    let (mut house, front) = Front::of(House::sqlite());
    // It waits for Redis first, so that there is time to take its disk away.
    house.redis.kill();
    let worker = house.spawn(&["worker"]);
    worker.says("cannot start yet: Redis does not answer");
    worker.leave_room(Some(FULL));
    house.redis.resume();
    until("it says what it waits for", || {
        let (_, answer) = front.json("/readyz");
        let reasons = answer["reasons"].as_array().expect("reasons");
        reasons.iter().any(|reason| reason["what"] == "the store cannot write to its disk")
    });
    worker.leave_room(None);
    worker.says("ready: serving");
    worker.stop();
}
