//! A daemon that dies, or stands still, between two steps: at every point that has a name.

use std::time::Instant;

use liaison_queue::faults::{Deed, Point};
use rustix::process::Signal;

use super::{LEASE, SOON, Site, killed_itself, play, rounds, ticking::TICKS};
use crate::support::{Daemon, House, until};

/// Whether a point is reached only after another daemon has died.
fn needs_a_death(point: Point) -> bool {
    matches!(point, Point::Reaped | Point::ForSuspects)
}

/// Points that jobs do not lead to; `ticking.rs` plays those of ticks, `tokens.rs` those of tokens, `connecting.rs` those
/// of consents, and `meetings.rs` those of meetings and events.
fn is_of_jobs(point: Point) -> bool {
    let others =
        [TICKS, &crate::tokens::POINTS, &crate::connecting::POINTS, &crate::meetings::POINTS, &[Point::Reloading]];
    !others.iter().any(|points| points.contains(&point))
}

/// Enough of everything to come to this point: leases are only extended if something lasts.
fn send_for(site: &mut Site, point: Point) {
    if point == Point::Extended {
        site.send_plain(2, 1500);
    }
    site.send(60, 5);
}

/// One daemon after the other dies, at every point, at this visit.
fn deaths(site: &mut Site, visit: u32) -> usize {
    let mut deaths = 0;
    for point in Point::ALL.iter().filter(|point| is_of_jobs(**point)) {
        if needs_a_death(*point) {
            site.send(60, 5);
            killed_itself(&mut site.breaking("before_ack:kill"));
            deaths += 1;
        }
        send_for(site, *point);
        // What is reached once in a life is reached at the first visit.
        let visit = if needs_a_death(*point) || *point == Point::SentOn { 1 } else { visit };
        let mut dying = site.breaking(&format!("{point}:{}@{visit}", Deed::Kill));
        site.feed(&mut dying, Daemon::has_ended);
        killed_itself(&mut dying);
        deaths += 1;
    }
    deaths
}

fn die_everywhere(house: impl Fn() -> House, name: &str) {
    play(|round| {
        let mut site = Site::new(house());
        let visit = u32::try_from(round % 4 + 1).expect("small");
        let count = deaths(&mut site, visit);
        let worker = site.house.worker();
        site.until_drained();
        worker.stop();
        let points = Point::ALL.iter().filter(|point| is_of_jobs(**point)).count();
        site.judge(&format!("a daemon killed at each of {points} points, {name}"), count, None)
    });
}

#[test]
fn a_daemon_that_dies_at_any_point_loses_and_doubles_nothing_with_sqlite() {
    die_everywhere(House::sqlite, "SQLite");
}

#[test]
fn a_daemon_that_dies_at_any_point_loses_and_doubles_nothing_with_postgres() {
    die_everywhere(House::postgres, "PostgreSQL");
}

/// Where a frozen daemon could do the most harm when it wakes: all that the short form has time for.
const WORST: &[Point] =
    &[Point::AfterClaim, Point::AfterHandler, Point::BeforeCommit, Point::AfterCommit, Point::BeforePark];

/// One daemon stands still, another does all that is left, also what the frozen one held; then that wakes.
fn freeze(site: &mut Site, point: Point, visit: u64) {
    send_for(site, point);
    let visit = if point == Point::SentOn { 1 } else { visit };
    let mut frozen = site.breaking(&format!("{point}:{}@{visit}", Deed::Freeze));
    site.feed(&mut frozen, |frozen| {
        assert!(!frozen.has_ended(), "{point}: {}", frozen.log());
        frozen.is_stopped()
    });
    let other = site.house.worker();
    site.until_drained();
    frozen.signal(Signal::CONT);
    site.send(20, 5);
    site.until_drained();
    other.stop();
    frozen.stop();
}

/// With `PostgreSQL`: whoever stands still in the middle of writing to an `SQLite` file keeps everybody from writing.
#[test]
fn a_daemon_that_stands_still_past_its_lease_at_any_point_loses_and_doubles_nothing() {
    let anywhere = Point::ALL.iter().copied().filter(|point| is_of_jobs(*point) && !needs_a_death(*point));
    let points: Vec<Point> = if rounds() == 1 { WORST.to_vec() } else { anywhere.collect() };
    play(|round| {
        let mut site = Site::new(House::postgres());
        for point in &points {
            freeze(&mut site, *point, round % 4 + 1);
        }
        site.judge("a daemon frozen past its lease, point by point", points.len(), None)
    });
}

#[test]
fn the_process_for_suspects_may_die_too_and_the_innocent_are_not_charged() {
    play(|_| {
        let mut site = Site::new(House::sqlite());
        site.send(80, 5);
        killed_itself(&mut site.breaking("before_ack:kill@2"));
        // Its process for suspects dies as well; what that held runs alone, and ends.
        let worker = site.breaking("apart/before_ack:kill");
        worker.says("the process of the suspects ended with signal: 9");
        site.until_drained();
        worker.stop();
        site.judge("a daemon killed, then its process for suspects", 2, None)
    });
}

#[test]
fn what_a_dead_daemon_held_begins_again_within_its_lease_and_two_seconds() {
    let row = play(|_| {
        let mut site = Site::new(House::sqlite());
        let dying = site.house.worker();
        site.send_plain(8, 6_000);
        until("it runs them all", || site.witness.jobs() == 8);
        let other = site.house.worker();
        dying.kill();
        let death = Instant::now();
        let again = |site: &Site| -> Option<Vec<_>> {
            site.load.jobs.iter().map(|job| site.witness.next_start(&job.id, death)).collect()
        };
        until("all run again", || again(&site).is_some());
        let slowest = again(&site).into_iter().flatten().max();
        site.until_drained();
        other.stop();
        site.judge("one of two daemons killed, until all that it held runs again", 1, slowest)
    });
    assert!(row.recovery < Some(LEASE + SOON), "a lease and two seconds are allowed: {row}");
    assert_eq!(row.repeats, row.jobs, "each ran twice, and no more");
}

#[test]
fn a_daemon_that_dies_while_it_reloads_loses_and_doubles_nothing() {
    play(|_| {
        let mut site = Site::new(House::sqlite());
        site.send(60, 5);
        let mut dying = site.breaking("reloading:kill");
        dying.says("ready:");
        site.feed(&mut dying, |dying| {
            if dying.has_ended() {
                return true;
            }
            dying.signal(Signal::HUP);
            false
        });
        killed_itself(&mut dying);
        let worker = site.house.worker();
        site.until_drained();
        worker.stop();
        site.judge("a daemon killed while it takes another configuration", 1, None)
    });
}

#[test]
fn every_point_stands_in_the_code_once() {
    for point in Point::ALL {
        let name = format!("Point::{point:?}");
        let places = crate::tidy::uses(&["jobs", "queue", "src"], &name);
        assert_eq!(places.len(), 1, "{name} should stand in one place: {places:?}");
    }
}
