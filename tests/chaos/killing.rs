//! Daemons that die when it pleases nobody: at random, under load, several at once.

use std::time::Duration;

use rustix::process::Signal;

use super::{LEASE, Site, books::Row, for_a_while, play, stop};
use crate::support::{
    Daemon, House,
    proxy::{Proxy, Server, Way, Wire},
};

/// A sequence without a pattern, the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Less than this.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64, by Sebastiano Vigna: public domain.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn random_kills(house: impl Fn() -> House, name: &str) {
    const KILLS: usize = 8;
    let row = play(|round| {
        let mut site = Site::new(house());
        let mut dice = Dice::of(round);
        let mut daemons: Vec<Daemon> = (0..3).map(|_| site.house.worker()).collect();
        for _ in 0..KILLS {
            let before = site.witness.jobs();
            site.send(400, 20);
            site.until_begun(before + 10);
            for_a_while(Duration::from_millis(dice.below(300)));
            daemons.swap_remove(usize::try_from(dice.below(3)).expect("small")).kill();
            daemons.push(site.house.spawn(&["worker"]));
        }
        site.until_drained();
        stop(daemons);
        site.judge(&format!("three daemons, one killed at random again and again, {name}"), KILLS, None)
    });
    assert!(row.repeats > 0, "they were busy when they died: {row}");
    // Each can have been at eight, and have had some that were not recorded yet.
    assert!(row.repeats <= row.faults * 64, "{row}");
}

#[test]
fn random_kills_of_three_daemons_lose_and_double_nothing_with_sqlite() {
    random_kills(House::sqlite, "SQLite");
}

#[test]
fn random_kills_of_three_daemons_lose_and_double_nothing_with_postgres() {
    random_kills(House::postgres, "PostgreSQL");
}

/// One thing or another happens to whoever is there.
fn mishap(site: &mut Site, daemons: &mut Vec<Daemon>, proxy: &Proxy, dice: &mut Dice) {
    match dice.below(7) {
        0 => {
            daemons.swap_remove(usize::try_from(dice.below(3)).expect("small")).kill();
            daemons.push(site.house.spawn(&["worker"]));
        }
        1 => {
            let frozen = &daemons[usize::try_from(dice.below(3)).expect("small")];
            frozen.signal(Signal::STOP);
            for_a_while(LEASE * 2);
            frozen.signal(Signal::CONT);
        }
        2 => {
            site.house.redis.kill();
            for_a_while(Duration::from_millis(dice.below(1500)));
            site.house.redis.resume();
        }
        3 => proxy.cut(),
        4 => proxy.cut_after(usize::try_from(dice.below(3000)).expect("small")),
        5 => {
            proxy.set(Way::Down, Wire::Lost);
            for_a_while(LEASE * 2);
            proxy.set(Way::Down, Wire::Good);
        }
        _ => site.house.redis.ask(&["SCRIPT", "FLUSH"]),
    }
}

#[test]
fn everything_at_once_loses_and_doubles_nothing() {
    const MISHAPS: usize = 10;
    play(|round| {
        let house = House::postgres().set("LIAISON_REDIS__RESPONSE_TIMEOUT", "500ms");
        let proxy = Proxy::before(Server::Socket(house.redis.socket()));
        let mut site = Site::new(house.set("LIAISON_REDIS_URL", &format!("redis://{}", proxy.address())));
        let mut dice = Dice::of(1000 + round);
        let mut daemons: Vec<Daemon> = (0..3).map(|_| site.house.worker()).collect();
        for _ in 0..MISHAPS {
            let before = site.witness.jobs();
            site.send(400, 25);
            site.until_begun(before + 10);
            for_a_while(Duration::from_millis(dice.below(200)));
            mishap(&mut site, &mut daemons, &proxy, &mut dice);
        }
        site.until_drained();
        // One that was started while Redis was away did not start.
        daemons.retain_mut(|daemon| !daemon.has_ended());
        stop(daemons);
        site.judge("three daemons, a bad wire, and everything at once", MISHAPS, None)
    });
}

#[test]
fn migrations_that_are_killed_anywhere_are_finished_by_the_next() {
    play(|round| {
        let mut dice = Dice::of(round);
        let house = House::sqlite();
        let kills = 12;
        for number in 0..kills {
            let database = format!("sqlite:{}", house.path(&format!("{}.db", number / 3)).display());
            let mut command = house.command(&["migrate"]);
            command.env("LIAISON_DATABASE_URL", &database);
            let migrating = Daemon::spawn(command);
            for_a_while(Duration::from_millis(dice.below(50)));
            migrating.kill();
        }
        for number in 0..kills / 3 {
            let database = format!("sqlite:{}", house.path(&format!("{number}.db")).display());
            let migrate = |words: &[&str]| house.command(words).env("LIAISON_DATABASE_URL", &database).output();
            assert!(migrate(&["migrate"]).expect("run liaison").status.success());
            let states = migrate(&["migrate", "status", "--json"]).expect("run liaison").stdout;
            let states: serde_json::Value = serde_json::from_slice(&states).expect("JSON");
            assert!(states.as_array().expect("a list").iter().all(|one| one["applied"] == true), "{states}");
        }
        Row { fault: "`liaison migrate` killed".into(), faults: kills, ..Row::default() }
    });
}

#[test]
fn nothing_runs_twice_when_nothing_breaks() {
    let row = play(|_| {
        let mut site = Site::new(House::sqlite());
        let worker = site.house.worker();
        site.send(400, 5);
        site.until_drained();
        worker.stop();
        site.judge("nothing", 0, None)
    });
    assert_eq!(row.repeats, 0);
}
