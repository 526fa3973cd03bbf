//! Servers that die, forget, hang up, are full, or are replaced.

use std::time::{Duration, Instant};

use super::{
    SOON, Site,
    books::{Books, Row, until_empty},
    for_a_while,
    killing::Dice,
    load::Load,
    mention, play, stop,
    witness::Witness,
};
use crate::support::{House, Redis, Sentinels, until};

/// Redis dies again and again, and starts on what it has on disk.
fn redis_dies(fsync: &str) {
    const DEATHS: usize = 4;
    let row = play(|round| {
        let mut site = Site::new(House::sqlite_and(Redis::start_with(&["--appendfsync", fsync])));
        let workers = [site.house.worker(), site.house.worker()];
        let (mut dice, mut slowest) = (Dice::of(round), None);
        for _ in 0..DEATHS {
            let before = site.witness.jobs();
            // Some last longer than the lease, through it all.
            site.send_plain(2, 2500);
            site.send(300, 20);
            site.until_begun(before + 10);
            // What was accepted is written: a claim may be lost with Redis, a job must not be.
            until("Redis has written it", || {
                site.house.redis.ask::<String>(&["INFO", "persistence"]).contains("aof_buffer_length:0\r")
            });
            site.house.redis.kill();
            for_a_while(Duration::from_millis(dice.below(2000)));
            site.house.redis.resume();
            let mended = Instant::now();
            site.send_plain(10, 5);
            slowest = slowest.max(Some(site.back_after(mended)));
        }
        site.until_drained();
        stop(workers);
        site.judge(&format!("Redis killed and started again, appendfsync {fsync}"), DEATHS, slowest)
    });
    // With `everysec` a busy disk makes Redis keep what it answered in memory for a moment: that is lost with it.
    if fsync == "always" {
        assert_eq!(row.repeats, 0, "nobody died who held anything");
    }
    assert!(row.recovery < Some(SOON), "{row}");
}

#[test]
fn a_redis_that_is_killed_again_and_again_with_everysec_loses_nothing() {
    redis_dies("everysec");
}

#[test]
fn a_redis_that_is_killed_again_and_again_with_always_loses_nothing() {
    redis_dies("always");
}

/// Do something to Redis all the time until what was sent is through.
fn all_the_time(fault: &str, words: &[&str]) {
    let row = play(|_| {
        let mut site = Site::new(House::sqlite());
        let workers = [site.house.worker(), site.house.worker()];
        site.send(800, 20);
        let mut count = 0;
        until("all have left", || {
            site.house.redis.try_ask::<redis::Value>(words).expect("the command");
            count += 1;
            for_a_while(Duration::from_millis(150));
            site.leaked().is_empty()
        });
        stop(workers);
        site.judge(fault, count, None)
    });
    assert_eq!(row.repeats, 0);
}

#[test]
fn a_redis_that_forgets_its_scripts_all_the_time_is_no_fault() {
    all_the_time("SCRIPT FLUSH all the time", &["SCRIPT", "FLUSH"]);
}

#[test]
fn a_redis_that_hangs_up_all_the_time_repeats_nothing() {
    all_the_time("CLIENT KILL all the time", &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
}

#[test]
fn a_redis_whose_memory_is_full_in_the_middle_of_a_run_loses_nothing() {
    const TIMES: usize = 5;
    let row = play(|_| {
        let mut site = Site::new(House::sqlite());
        let workers = [site.house.worker(), site.house.worker()];
        let mut slowest = None;
        for time in 0..TIMES {
            let before = site.witness.jobs();
            site.send(200, 20);
            site.until_begun(before + 10);
            site.house.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]);
            // What is refused was not accepted.
            let more = Load::plain(&format!("more{time}"), 20, &site.witness.address(), 5);
            let push = |line: &str| site.house.redis.try_ask::<i64>(&["RPUSH", "liaison:{default}:inbox", line]);
            assert!(more.lines().iter().all(|line| push(line).is_err()), "it was full");
            for_a_while(Duration::from_millis(700));
            site.house.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
            let mended = Instant::now();
            site.send_plain(10, 5);
            slowest = slowest.max(Some(site.back_after(mended)));
        }
        site.until_drained();
        stop(workers);
        site.judge("Redis out of memory in the middle of a run", TIMES, slowest)
    });
    assert_eq!(row.repeats, 0);
    assert!(row.recovery < Some(SOON), "{row}");
}

#[test]
fn a_disk_under_sqlite_that_fills_again_and_again_loses_and_repeats_nothing() {
    const TIMES: usize = 3;
    let row = play(|_| {
        let mut site = Site::new(House::sqlite());
        let worker = site.house.worker();
        let mut slowest = None;
        for time in 1..=TIMES {
            let before = site.witness.jobs();
            site.send(200, 20);
            site.until_begun(before + 10);
            worker.leave_room(Some(8 * 1024));
            worker.says_times("cannot record runs", time);
            for_a_while(Duration::from_millis(1200));
            worker.leave_room(None);
            let mended = Instant::now();
            site.send_plain(10, 5);
            slowest = slowest.max(Some(site.back_after(mended)));
            worker.says_times("the store is back", time);
        }
        site.until_drained();
        worker.stop();
        site.judge("the disk of SQLite full", TIMES, slowest)
    });
    assert_eq!(row.repeats, 0);
    assert!(row.recovery < Some(SOON), "{row}");
}

/// What a replica had confirmed, and what the master alone had accepted.
fn fail_over(witness: &Witness) -> (House, Load, Load, Option<Duration>) {
    let mut sentinels = Sentinels::start();
    let house = House::sqlite()
        .set("LIAISON_REDIS_URL", &sentinels.url())
        .set("LIAISON_WORKER__LEASE", "1s")
        .set("LIAISON_WORKER__CONCURRENCY", "8")
        .set("LIAISON_QUEUE__0__NAME", "default")
        .set("LIAISON_QUEUE__1__NAME", "other");
    let workers = [house.worker(), house.worker()];
    let safe = Load { malformed: Vec::new(), ..Load::mixed("safe", 300, &witness.address(), 10) };
    let risky = Load::plain("risky", 200, &witness.address(), 10);
    let mut master = sentinels.servers[0].connect().expect("the master");
    let mut push = |lines: &[String]| {
        redis::cmd("RPUSH").arg("liaison:{default}:inbox").arg(lines).exec(&mut master).expect("push");
    };
    push(&safe.lines());
    let copies: i64 = sentinels.servers[0].ask(&["WAIT", "1", "5000"]);
    assert_eq!(copies, 1, "the replica has them");
    until("some have begun", || witness.jobs() > 20);
    risky.lines().chunks(20).for_each(push);
    sentinels.servers[0].kill();
    until("the other one is the master", || sentinels.servers[1].info("role").as_deref() == Some("master"));
    let mended = Instant::now();
    until("a job begins", || witness.first_after(mended).is_some());
    let back = witness.first_after(mended);
    until_empty(|words| sentinels.servers[1].ask(words));
    stop(workers);
    (house, safe, risky, back)
}

#[test]
fn a_failover_loses_at_most_what_the_replica_had_not_got() {
    play(|_| {
        let witness = Witness::start();
        let (house, safe, risky, back) = fail_over(&witness);
        let books = Books::of(&house);
        let (here, gone): (Vec<_>, Vec<_>) = risky.jobs.into_iter().partition(|job| books.has(&job.id));
        let (row, wrong) = books.compare(&safe.and(Load { jobs: here, malformed: Vec::new() }), &witness);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        mention(&format!("{} of 200 lines that no replica had confirmed were lost with the master", gone.len()));
        Row { fault: "a master behind sentinels killed".into(), faults: 1, recovery: back, ..row }
    });
}
