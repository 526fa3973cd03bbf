//! Who passes when: one case for each promise, on a clock of its own.

use std::time::Duration;

use liaison_queue::{Limit, Said, Zone, clock::Millis};
use rustix::process::Signal;

use super::world::World;
use crate::support::Redis;

const SECOND: i64 = 1_000;
/// What a window of a second is kept longer.
const MARGIN: i64 = 100;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("job-{n:04}")).collect()
}

#[test]
fn who_is_refused_first_passes_first_and_newcomers_queue_behind() {
    let world = World::new();
    let mut gate = world.gate("order");
    let rules = [Limit::per_second(10)];
    let mut waiting: Vec<(i64, String)> = Vec::new();
    let mut passed = Vec::new();
    for name in names(60) {
        match gate.pass(&name, &rules) {
            Ok(_) => passed.push((gate.now(), name)),
            Err(until) => waiting.push((until, name)),
        }
    }
    assert_eq!(passed.len(), 10);
    let slots: Vec<i64> = waiting.iter().map(|(until, _)| until - gate.now()).collect();
    let spacing = (SECOND + MARGIN) / 10;
    let expected: Vec<i64> = (0..50).map(|n| SECOND + MARGIN + n * spacing).collect();
    assert_eq!(slots, expected, "spread from the moment on at which there is room");
    // A newcomer comes between any two, and never gets ahead of those who wait.
    let mut newcomers = names(90).split_off(60).into_iter();
    let mut order: Vec<String> = waiting.iter().map(|(_, name)| name.clone()).collect();
    while let Some(next) = waiting.iter().enumerate().min_by_key(|(_, who)| who.0).map(|(at, _)| at) {
        let (until, name) = waiting.swap_remove(next);
        gate.advance_to(until);
        if let Some(newcomer) = newcomers.next() {
            let slot = gate.pass(&newcomer, &rules).expect_err("others wait");
            order.push(newcomer.clone());
            waiting.push((slot, newcomer));
        }
        drop(
            gate.pass(&name, &rules).unwrap_or_else(|again| panic!("{name} came at its slot, and was sent to {again}")),
        );
        passed.push((gate.now(), name));
    }
    let after: Vec<String> = passed.split_off(10).into_iter().map(|(_, name)| name).collect();
    assert_eq!(after, order);
    assert_eq!((gate.size("ZCARD", "line"), gate.size("ZCARD", "slots")), (0, 0));
}

#[test]
fn a_job_that_never_comes_back_blocks_nobody_for_long_and_has_its_place_if_it_does() {
    let world = World::new();
    let mut gate = world.gate("ghost");
    let rules = [Limit::per_second(1)];
    drop(gate.pass("first", &rules).expect("room"));
    let ghost = gate.pass("ghost", &rules).expect_err("none left");
    let mut slot = gate.pass("patient", &rules).expect_err("none left");
    let mut asked = 0;
    while let Err(again) = {
        gate.advance_to(slot);
        gate.pass("patient", &rules)
    } {
        assert!(again > slot, "it comes back later");
        (slot, asked) = (again, asked + 1);
        assert!(asked < 20, "still waiting for one that never came");
    }
    assert!(gate.now() - ghost <= 12 * SECOND, "waited {} ms for the ghost", gate.now() - ghost);
    // Another one waits, and yet the late one is the first, at the first moment at which there is room.
    let next = gate.pass("next", &rules).expect_err("the patient one has just passed");
    let late = gate.pass("ghost", &rules).expect_err("the same");
    assert_eq!(late, next, "both are told when there is room");
    gate.advance_to(next);
    let displaced = gate.pass("next", &rules).expect_err("the room belongs to who was first");
    drop(gate.pass("ghost", &rules).expect("its turn at last"));
    gate.advance_to(displaced.max(gate.now() + SECOND + MARGIN));
    drop(gate.pass("next", &rules).expect("and then the other's"));
}

#[test]
fn a_refusal_changes_no_rule_of_the_others() {
    let world = World::new();
    let mut gate = world.gate("all-or-nothing");
    let both = [Limit::per_second(100), Limit::daily(2, Zone::UTC)];
    for name in names(50) {
        let _ = gate.pass(&name, &both);
    }
    assert_eq!(gate.size("LLEN", "passes"), 2, "what the day refused, the window has not counted");
    gate.advance(SECOND);
    // Their places are tomorrow's, so they keep nobody from what is free today.
    for name in names(150).split_off(50) {
        drop(gate.pass(&name, &both[..1]).unwrap_or_else(|until| panic!("{name} waits until {until}")));
        gate.advance(20);
    }
}

#[test]
fn at_midnight_comes_no_herd() {
    let world = World::new();
    let gate = world.gate("midnight");
    let day = 24 * 3600 * SECOND;
    let midnight = gate.now() - gate.now().rem_euclid(day) + day;
    let mut slots: Vec<i64> =
        names(1_000).iter().filter_map(|name| gate.pass(name, &[Limit::daily(200, Zone::UTC)]).err()).collect();
    assert_eq!(slots.len(), 800);
    assert!(slots.is_sorted() && slots[0] == midnight);
    for (nth, of_day) in slots.chunk_by(|a, b| (a - midnight) / day == (b - midnight) / day).enumerate() {
        assert_eq!(of_day.len(), 200, "day {nth}: as many as it has room for");
        assert!(of_day.windows(11).all(|some| some[10] - some[0] >= SECOND), "ten a second: {of_day:?}");
    }
    slots.dedup();
    assert_eq!(slots.len(), 800, "each has a slot of its own");
}

#[test]
fn a_quota_counts_days_of_its_zone() {
    let world = World::new();
    let mut gate = world.gate("days");
    let rules = [Limit::daily(1, Zone::Europe__Berlin)];
    // The 28th of March, 22:59:59.500 UTC: the last half second of the day before the one that has 23 hours.
    gate.advance_to(1_774_738_799_500);
    drop(gate.pass("saturday", &rules).expect("room"));
    let sunday = gate.pass("sunday", &rules).expect_err("the day is used up");
    assert_eq!(Millis(sunday).date().to_rfc3339(), "2026-03-28T23:00:00+00:00");
    gate.advance_to(sunday);
    drop(gate.pass("sunday", &rules).expect("a new day"));
    let monday = gate.pass("monday", &rules).expect_err("the day is used up");
    assert_eq!(Millis(monday).date().to_rfc3339(), "2026-03-29T22:00:00+00:00", "an hour was left out");
    // What is sent in the last moment may arrive on the next day.
    gate.advance_to(monday - 50);
    let fresh = world.gate("eve");
    fresh.clock.advance(Duration::from_millis((gate.now() - fresh.now()).unsigned_abs()));
    assert_eq!(fresh.pass("eve", &rules).expect_err("too close to midnight"), monday);
}

#[test]
fn the_word_of_the_other_side_is_obeyed_and_a_milder_one_does_not_undo_it() {
    let world = World::new();
    let mut gate = world.gate("told");
    let begin = gate.now();
    let at = |ms: i64| Some(Millis(begin + ms));
    let seconds = |n| Some(Duration::from_secs(n));
    gate.told(Said { retry_after: seconds(30), ..Said::default() });
    gate.told(Said { retry_after: seconds(5), ..Said::default() });
    assert_eq!(gate.pass("a", &[]).expect_err("blocked"), begin + 30 * SECOND);
    gate.advance(30 * SECOND);
    drop(gate.pass("a", &[]).expect("the time is over"));
    // Three left; then, out of order, more left in the same window.
    gate.told(Said { remaining: Some(3), reset_at: at(90 * SECOND), ..Said::default() });
    gate.told(Said { remaining: Some(50), reset_at: at(91 * SECOND), ..Said::default() });
    let passed = names(10).iter().filter(|name| gate.pass(name, &[]).is_ok()).count();
    assert_eq!(passed, 3);
    assert_eq!(gate.pass("b", &[]).expect_err("used up") / 10_000, (begin + 90 * SECOND) / 10_000);
    // A window that ends later counts anew.
    gate.told(Said { remaining: Some(50), reset_at: at(150 * SECOND), ..Said::default() });
    drop(gate.pass("job-0003", &[]).expect("a new window"));
    // What is absurd is cut.
    gate.told(Said { retry_after: Some(Duration::MAX), ..Said::default() });
    let day = 24 * 3600 * SECOND;
    assert!(gate.pass("c", &[]).expect_err("blocked") <= gate.now() + day + 10 * SECOND);
}

#[test]
fn those_who_wait_for_the_other_side_come_back_one_after_the_other() {
    let world = World::new();
    let gate = world.gate("spread");
    gate.told(Said { retry_after: Some(Duration::from_mins(1)), ..Said::default() });
    let slots: Vec<i64> = names(100).iter().map(|name| gate.pass(name, &[]).expect_err("blocked")).collect();
    assert!(slots.windows(2).all(|two| two[1] - two[0] >= 100), "{slots:?}");
}

#[test]
fn a_permit_is_held_once_given_back_once_and_lapses() {
    let world = World::new();
    let mut gate = world.gate("permits");
    let rules = [Limit::concurrent(2)];
    let first = gate.pass("a", &rules).expect("room");
    let again = gate.pass("a", &rules).expect("it has one already");
    let second = gate.pass("b", &rules).expect("room");
    let until = gate.pass("c", &rules).expect_err("both are taken");
    assert!((gate.now() + 50..=gate.now() + 30 * SECOND).contains(&until), "an estimate, with bounds");
    drop(first);
    gate.settle();
    assert_eq!(gate.size("ZCARD", "permits"), 2, "its job still holds it");
    drop(again);
    gate.settle();
    assert_eq!((gate.size("ZCARD", "permits"), gate.size("HLEN", "holders")), (1, 1));
    gate.advance_to(until);
    let third = gate.pass("c", &rules).expect("a place is free");
    // Both workers die: nobody gives anything back.
    std::mem::forget((second, third));
    let until = gate.pass("d", &rules).expect_err("both are taken");
    gate.advance_to(until.max(gate.now() + 5 * SECOND));
    drop(gate.pass("d", &rules).expect("the leases are over"));
}

#[test]
fn what_is_not_used_leaves_redis_and_what_is_used_is_bounded() {
    let world = World::new();
    let mut gate = world.gate("bounded");
    let rules = [
        Limit::window(20, Duration::from_mins(1)),
        Limit::bucket(100, Duration::from_secs(1), 50),
        Limit::daily(1_000, Zone::UTC),
        Limit::concurrent(5),
    ];
    gate.told(Said { remaining: Some(500), reset_at: Some(Millis(gate.now() + 60_000)), ..Said::default() });
    for name in names(200) {
        drop(gate.pass(&name, &rules));
        gate.settle();
        gate.advance(1_000);
    }
    assert!(gate.size("LLEN", "passes") <= 20);
    let keys: Vec<String> = world.redis.ask(&["KEYS", "liaison:*"]);
    assert!(keys.len() >= 5, "{keys:?}");
    for key in keys {
        let left: i64 = world.redis.ask(&["PTTL", &key]);
        assert!(left > 0 && left < 30 * 3600 * SECOND, "{key} goes in {left} ms");
    }
}

#[test]
fn jobs_pass_on_a_full_redis_and_wait_for_one_that_is_away() {
    let mut world = World::on(Redis::start_with(&["--maxmemory-policy", "noeviction"]));
    {
        let gate = world.gate("full");
        // The scripts are known before memory runs out, as in any daemon that runs.
        drop(gate.pass("before", &[Limit::per_second(2)]).expect("room"));
        world.redis.ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
        drop(gate.pass("a", &[Limit::per_second(2)]).expect("room"));
        gate.pass("b", &[Limit::per_second(2)]).expect_err("none left");
        assert_eq!(gate.size("ZCARD", "line"), 1, "its place is kept");
    }
    world.redis.kill();
    let gate = world.gate("full");
    let until = gate.pass("c", &[Limit::per_second(2)]).expect_err("nobody answers");
    assert!((SECOND..=2 * SECOND).contains(&(until - gate.now())), "it asks again soon");
}

#[test]
fn a_pass_whose_answer_is_late_is_not_used_and_its_job_is_the_next() {
    let world = World::new();
    let gate = world.real_gate("stall");
    let zone: Zone = super::noon().parse().expect("a zone");
    let rules = [Limit::window(5, Duration::from_mins(10)), Limit::daily(1_000, zone)];
    drop(gate.pass("quick", &rules).expect("room"));
    let passes_today = || {
        let state: Vec<String> = world.redis.ask(&["HGETALL", "liaison:{limit:stall}:state"]);
        let day = state.chunks(2).find(|field| field[0].starts_with("day:")).expect("a day");
        day[1].clone()
    };
    // Redis judges, and then its answer is on the way for longer than ways differ.
    world.redis.signal(Signal::STOP);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::park_timeout(Duration::from_millis(500));
            world.redis.signal(Signal::CONT);
        });
        gate.pass("late", &rules).expect_err("too late to be used");
    });
    assert_eq!((passes_today(), gate.size("LLEN", "passes")), ("1".to_owned(), 2), "the day has it back");
    gate.pass("newcomer", &rules).expect_err("the late one comes first");
    drop(gate.pass("late", &rules).expect("its place was kept"));
    assert_eq!(passes_today(), "2");
}
