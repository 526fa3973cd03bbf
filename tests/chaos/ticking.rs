//! A schedule that two daemons share while they are killed: at every step of a tick, and at random.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use liaison_queue::faults::Point;
use serde_json::Value;

use super::{books::Row, for_a_while, killed_itself, killing::Dice, play, stop};
use crate::support::{Daemon, House, until};

/// What follows from a tick, step by step.
pub(super) const TICKS: &[Point] = &[Point::TickDecided, Point::TickEnqueued, Point::TickRecorded];

const SCHEDULE: &str = "[[schedule]]\nname = 'tick'\njob = 'noop'\ncron = '* * * * * *'\noverlap = 'allow'\n\
    catch_up = { all = 1000, within = '1h' }\n";

fn house() -> House {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    house.write("scheduler.toml", SCHEDULE);
    house
}

fn history(house: &House) -> Vec<Value> {
    let rows = house.json(&["schedule", "history", "tick", "--limit", "10000"]);
    rows.as_array().expect("a list").clone()
}

fn tick(row: &Value) -> DateTime<Utc> {
    row["tick"].as_str().expect("a time").parse().expect("RFC 3339")
}

/// Once every tick is done: each second from the first to the last has one, and each has one job that ran to its end once.
fn judge(house: &House, fault: &str, faults: usize) -> Row {
    let worker = house.worker();
    let left = || house.redis.ask::<u64>(&["HLEN", "liaison:{schedule:tick}:left"]);
    // One that was decided a moment ago is always on its way.
    until("what the dead left is done", || {
        left() <= 1 && history(house).iter().skip(1).all(|row| row["status"] == "done")
    });
    worker.stop();
    let rows = history(house);
    let ticks: Vec<_> = rows.iter().map(tick).collect();
    let seconds = (ticks[0] - ticks[ticks.len() - 1]).num_seconds() + 1;
    let seconds = usize::try_from(seconds).expect("a span");
    let ids: BTreeSet<_> = rows.iter().map(|row| row["job_id"].to_string()).collect();
    assert_eq!((ticks.len(), ids.len()), (seconds, seconds), "{fault}: {rows:#?}");
    let done = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    let done: Vec<_> = done.as_array().expect("a list").iter().map(|run| run["job_id"].to_string()).collect();
    let once: BTreeSet<_> = done.iter().cloned().collect();
    assert_eq!(done.len(), once.len(), "{fault}: a tick was done twice");
    Row {
        fault: fault.to_owned(),
        jobs: ticks.len(),
        faults,
        // The newest may have come too late to run before the stop.
        lost: rows.iter().skip(1).filter(|row| !once.contains(&row["job_id"].to_string())).count(),
        ..Row::default()
    }
}

#[test]
fn a_daemon_that_dies_at_any_step_of_a_tick_loses_and_doubles_none() {
    let row = play(|_| {
        let house = house();
        for point in TICKS {
            let mut command = house.command(&["worker"]);
            command.env("LIAISON_FAULTS", format!("{point}:kill@2"));
            killed_itself(&mut Daemon::spawn(command));
        }
        judge(&house, "a daemon killed at each of 3 steps of a tick", TICKS.len())
    });
    assert_eq!(row.lost, 0);
}

#[test]
fn two_daemons_of_one_schedule_that_are_killed_at_random_lose_and_double_no_tick() {
    const KILLS: usize = 6;
    let row = play(|round| {
        let house = house();
        let mut dice = Dice::of(round);
        let mut daemons = vec![house.worker(), house.worker()];
        for _ in 0..KILLS {
            for_a_while(Duration::from_millis(500 + dice.below(1000)));
            daemons.swap_remove(usize::try_from(dice.below(2)).expect("small")).kill();
            daemons.push(house.spawn(&["worker"]));
        }
        stop(daemons);
        judge(&house, "two daemons of one schedule, one killed at random again and again", KILLS)
    });
    assert_eq!(row.lost, 0);
}
