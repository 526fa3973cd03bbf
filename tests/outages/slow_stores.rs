//! A store that answers late, or not at all, while it seems to be there.

use std::time::{Duration, Instant};

use crate::support::{House, until};

use super::{all_went_well, held, tell};

#[test]
fn a_frozen_postgres_holds_back_the_claiming_and_doubles_nothing_that_it_commits_late() {
    const JOBS: usize = 9000;
    let house = House::own_postgres()
        .set("LIAISON_WORKER__LEASE", "1s")
        .set("LIAISON_WORKER__CONCURRENCY", "16")
        .set("LIAISON_STORE__STATEMENT_TIMEOUT", "1s");
    let postgres = house.postgres.as_ref().expect("a postgres");
    let worker = house.worker();
    let lines: Vec<String> = (0..JOBS).map(|n| format!(r#"{{"id":"s{n}","job":"sleep","args":{{"ms":5}}}}"#)).collect();
    house.redis.push("default", &lines);
    let mut most = 0;
    for round in 1..=2 {
        until("some are done", || house.count("done") > round * 500);
        postgres.signal("-STOP");
        let begin = Instant::now();
        worker.says_times("the database is hung, or too slow for its load", round);
        // What was recorded before may still be on its way out, and the log may have said so of another call already.
        until("what was under way has ended", || begin.elapsed() > Duration::from_secs(2));
        let before = held(&house);
        until("more than three leases have passed", || begin.elapsed() > Duration::from_secs(5));
        let after = held(&house);
        assert!(before.iter().all(|id| after.contains(id)), "what was held was kept");
        assert!(after.len() < JOBS / 2, "claiming stopped: {} held", after.len());
        most = most.max(after.len());
        postgres.signal("-CONT");
        worker.says_times("the store is back after", round);
    }
    until("all are done", || house.count("done") == JOBS);
    let log = worker.stop();
    tell(&format!("{most} jobs were held at most"));
    all_went_well(&house, JOBS, &[log]);
}
