//! Bad wires: between a daemon and Redis, between a daemon and `PostgreSQL`.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{SOON, Site, for_a_while, killing::Dice, mention, play, rounds, stop};
use crate::support::{
    Daemon, House,
    proxy::{Proxy, Server, Way, Wire},
    until,
};

/// What a wire can do to those who need it, and for how long.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    /// In the middle of an answer.
    CutAnswer,
    HalfClosed(Way),
    Lost(Way),
    LostBoth,
    Refused,
    Slow,
    Thin,
}

const FAULTS: &[Fault] = &[
    Fault::Cut,
    Fault::CutAnswer,
    Fault::CutAnswer,
    Fault::HalfClosed(Way::Up),
    Fault::HalfClosed(Way::Down),
    Fault::Lost(Way::Up),
    Fault::Lost(Way::Down),
    Fault::LostBoth,
    Fault::Refused,
    Fault::Slow,
    Fault::Thin,
];

/// Longer than a lease.
const OUTAGE: Duration = Duration::from_millis(1600);

impl Fault {
    /// Break the wire, wait, and mend it.
    fn strike(self, proxy: &Proxy, dice: &mut Dice) {
        match self {
            Self::Cut => proxy.cut(),
            Self::CutAnswer => proxy.cut_after(usize::try_from(dice.below(2000)).expect("small")),
            Self::HalfClosed(way) => proxy.half_close(way),
            Self::Lost(way) => proxy.set(way, Wire::Lost),
            Self::LostBoth => proxy.set_both(Wire::Lost),
            Self::Refused => {
                proxy.refuse(true);
                proxy.cut();
            }
            Self::Slow => proxy.set(Way::Down, Wire::Slow(Duration::from_millis(40))),
            Self::Thin => proxy.set(Way::Up, Wire::Thin(50_000)),
        }
        for_a_while(match self {
            Self::Cut | Self::CutAnswer | Self::HalfClosed(_) => Duration::from_millis(300),
            Self::Lost(_) | Self::LostBoth | Self::Refused | Self::Slow | Self::Thin => OUTAGE,
        });
        proxy.refuse(false);
        proxy.set_both(Wire::Good);
    }
}

/// All faults, one after the other, under load, with so many jobs each time that outlast a lease. The longest time until work went on.
fn strike_all(site: &mut Site, proxy: &Proxy, long: usize, round: u64) -> Option<Duration> {
    let (mut dice, mut slowest) = (Dice::of(round), None);
    for fault in FAULTS {
        let before = site.witness.jobs();
        // Some last longer than the lease.
        site.send_plain(long, 2500);
        site.send(150, 20);
        site.until_begun(before + 5);
        fault.strike(proxy, &mut dice);
        let mended = Instant::now();
        site.send_plain(10, 5);
        let back = site.back_after(mended);
        mention(&format!("{fault:?}: the next job began after {back:?}"));
        slowest = slowest.max(Some(back));
    }
    slowest
}

fn behind_a_bad_wire_to_redis() -> (House, Proxy) {
    let house = House::sqlite().set("LIAISON_REDIS__RESPONSE_TIMEOUT", "500ms");
    let proxy = Proxy::before(Server::Socket(house.redis.socket()));
    let url = format!("redis://{}", proxy.address());
    (house.set("LIAISON_REDIS_URL", &url), proxy)
}

#[test]
fn a_daemon_behind_a_bad_wire_to_redis_loses_and_repeats_nothing() {
    let row = play(|round| {
        let (house, proxy) = behind_a_bad_wire_to_redis();
        let mut site = Site::new(house);
        let worker = site.house.worker();
        let slowest = strike_all(&mut site, &proxy, 4, round);
        site.until_drained();
        worker.stop();
        assert!(proxy.connections() > FAULTS.len(), "it came again and again");
        site.judge("a bad wire to Redis: cut, half closed, lost, refused, slow", FAULTS.len(), slowest)
    });
    assert_eq!(row.repeats, 0, "nobody took anything from the only one");
    assert!(row.recovery < Some(SOON), "{row}");
}

#[test]
fn one_of_two_daemons_behind_a_bad_wire_to_redis_records_nothing_twice() {
    let row = play(|round| {
        let (house, proxy) = behind_a_bad_wire_to_redis();
        let direct = house.redis.url();
        let mut site = Site::new(house);
        let behind = site.house.worker();
        let mut command = site.house.command(&["worker"]);
        command.env("LIAISON_REDIS_URL", direct);
        let other = Daemon::spawn(command);
        other.says("ready:");
        let slowest = strike_all(&mut site, &proxy, 10, round);
        site.until_drained();
        stop([behind, other]);
        site.judge("the same, beside a daemon with a good wire", FAULTS.len(), slowest)
    });
    // In one round there may be nothing that lasts longer than a lease when the wire is bad for so long.
    assert!(rounds() == 1 || row.repeats > 0, "what was taken over ran again");
}

#[test]
fn a_daemon_behind_a_bad_wire_to_postgres_loses_and_repeats_nothing() {
    let row = play(|round| {
        let house = House::postgres().set("LIAISON_STORE__STATEMENT_TIMEOUT", "2s");
        let (proxy, url) = before_postgres(&house);
        let mut site = Site::new(house.set("LIAISON_DATABASE_URL", &url));
        let worker = site.house.worker();
        let slowest = strike_all(&mut site, &proxy, 4, round);
        site.until_drained();
        worker.stop();
        assert!(proxy.connections() > 1, "it came again");
        site.judge("a bad wire to PostgreSQL: the same", FAULTS.len(), slowest)
    });
    assert_eq!(row.repeats, 0, "results wait for the store");
}

/// A wire to the database of this house, and where to find it.
fn before_postgres(house: &House) -> (Proxy, String) {
    let (folder, database) = house.postgres_socket();
    let proxy = Proxy::before(Server::Socket(folder.join(".s.PGSQL.5432")));
    let url = format!("postgres://liaison@{}/{database}", proxy.address());
    (proxy, url)
}

#[test]
fn a_daemon_that_stands_still_in_the_middle_of_a_commit_keeps_nobody_from_recording() {
    let row = play(|_| {
        let house = House::postgres();
        let (proxy, url) = before_postgres(&house);
        let mut site = Site::new(house);
        let mut command = site.house.command(&["worker"]);
        command.env("LIAISON_DATABASE_URL", url);
        let frozen = Daemon::spawn(command);
        frozen.says("ready:");
        // What looks at the history commits too, and holds nothing.
        proxy.hold_from(&["INSERT", "COMMIT"]);
        site.send_plain(20, 5);
        until("its commit is under way", || proxy.is_holding());
        frozen.signal(Signal::STOP);
        // What it wrote is locked as long as the server believes in it; the other one has the same jobs to record.
        let other = site.house.worker();
        let begin = Instant::now();
        site.until_drained();
        let drained = begin.elapsed();
        other.stop();
        frozen.kill();
        site.judge("frozen in the middle of a commit, until the other has done it all", 1, Some(drained))
    });
    assert!(row.repeats > 0, "what was not committed ran again: {row}");
}
