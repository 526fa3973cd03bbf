//! A removal that comes while a booking is being written wins, wherever the writing is, dies or stands still.

use liaison_queue::faults::{Deed, Point};
use liaison_sandbox::Trouble;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{City, city::booking};
use crate::support::{Daemon, House, until};

const EVERYWHERE: [Point; 5] =
    [Point::EventUnnoted, Point::EventNoted, Point::BeforeEventCall, Point::EventAnswered, Point::EventStored];

/// As hosts say it that count versions, and as others do.
fn removal(counts: bool) -> Value {
    if counts { json!({"booking_id": "b-1", "version": 1}) } else { json!({"booking_id": "b-1"}) }
}

fn city(house: House, lease: &str) -> City {
    let mut city = City::new(house);
    city.house = city.house.set("LIAISON_WORKER__LEASE", lease);
    city.calendar("c", "google");
    city
}

fn breaking(city: &City, point: Point, deed: Deed, visit: u32) -> Daemon {
    let mut command = city.house.command(&["worker"]);
    command.env("LIAISON_FAULTS", format!("{point}:{deed}@{visit}"));
    let daemon = Daemon::spawn(command);
    daemon.says("ready:");
    daemon
}

/// Nothing waits and nothing runs.
pub(super) fn settles(city: &City) {
    let size =
        |command: &str, key: &str| city.house.redis.ask::<usize>(&[command, &format!("liaison:{{default}}:{key}")]);
    until("nothing is left to do", || {
        size("ZCARD", "due") + size("HLEN", "held") + size("HLEN", "jobs") + size("HLEN", "lanes") == 0
    });
}

fn is_out(city: &City, how: &str) {
    settles(city);
    assert_eq!(city.standing("google", "c"), [] as [Value; 0], "{how}");
    let events = city.events("b-1");
    assert!(events.iter().all(|event| event.status.as_str() == "removed"), "{how}: {events:?}");
    assert_eq!(city.house.count("dead"), 0, "{how}");
}

/// The writer stands still there, for less than its lease, while the removal looks for events.
fn overtaken(point: Point, lost: bool, counts: bool) {
    let how = format!("at {point}, an answer was lost: {lost}, versions are counted: {counts}");
    let city = city(House::postgres(), "60s");
    if lost {
        city.google.desk().script("POST", "events", [Trouble::LostAnswer]);
    }
    // What comes after the answer comes once in any case.
    let is_early = matches!(point, Point::EventUnnoted | Point::EventNoted | Point::BeforeEventCall);
    let frozen = breaking(&city, point, Deed::Freeze, if lost && is_early { 2 } else { 1 });
    city.push("one", "create_calendar_event", &json!({"booking": booking("b-1", 1, 9)}));
    until(&format!("it stands still {how}"), || frozen.is_stopped());
    assert_eq!(city.standing("google", "c").len(), usize::from(lost || !is_early), "{how}");
    let other = city.house.worker();
    city.run("out", "remove_calendar_event", &removal(counts));
    frozen.signal(Signal::CONT);
    is_out(&city, &how);
    frozen.stop();
    other.stop();
}

#[test]
fn a_removal_wins_over_a_writing_that_it_overtakes_between_any_two_steps() {
    for (at, point) in EVERYWHERE.into_iter().enumerate() {
        overtaken(point, false, at % 2 == 0);
    }
}

#[test]
fn a_removal_wins_over_a_writing_whose_answer_was_lost_before() {
    for (at, point) in EVERYWHERE.into_iter().enumerate() {
        overtaken(point, true, at % 2 == 1);
    }
}

#[test]
fn a_removal_wins_over_a_writer_that_died_at_any_step() {
    for (at, point) in EVERYWHERE.into_iter().enumerate() {
        let how = format!("dead at {point}");
        let city = city(House::sqlite(), "1s");
        let mut first = breaking(&city, point, Deed::Kill, 1);
        city.push("one", "create_calendar_event", &json!({"booking": booking("b-1", 1, 9)}));
        assert!(!first.end().success(), "{how}");
        city.push("out", "remove_calendar_event", &removal(at % 2 == 0));
        let worker = city.house.worker();
        city.result("out");
        is_out(&city, &how);
        worker.stop();
    }
}

#[test]
fn a_writer_that_stood_still_for_longer_than_its_lease_leaves_no_event_behind() {
    for point in [Point::EventNoted, Point::BeforeEventCall, Point::EventAnswered] {
        let how = format!("asleep at {point}");
        let city = city(House::postgres(), "1s");
        let asleep = breaking(&city, point, Deed::Freeze, 1);
        city.push("one", "create_calendar_event", &json!({"booking": booking("b-1", 1, 9)}));
        until(&format!("it stands still {how}"), || asleep.is_stopped());
        let other = city.house.worker();
        city.run("out", "remove_calendar_event", &removal(true));
        is_out(&city, &how);
        asleep.signal(Signal::CONT);
        // It ends what it has begun.
        asleep.stop();
        is_out(&city, &how);
        other.stop();
    }
}
