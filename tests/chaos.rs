//! The suite that breaks things on purpose, and then asks whether every promise was kept.
//!
//! Each scenario sends jobs of every kind to real daemons, breaks something, mends it, and waits until nothing is left.
//! Then the checker compares three books that know nothing of each other: the records, Redis, and a witness whom the
//! jobs visit when they run. `make test` runs the short form, `make chaos` the same code for longer, with a table.

mod books;
mod killing;
mod load;
mod points;
mod servers;
mod stopping;
mod ticking;
mod wires;
mod witness;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use self::{
    books::{Books, HEAD, Row, leaked, until_empty},
    load::Load,
    witness::Witness,
};
use crate::support::{Daemon, House, until};

/// After an outage the next job begins within this time.
const SOON: Duration = Duration::from_secs(2);
/// Long enough that a daemon which is alive comes by in time on a machine that does other things too.
const LEASE: Duration = Duration::from_secs(2);
/// Rounds of the long form.
const LONG: u64 = 8;

/// How often each scenario is played: once, or more in the long form.
#[expect(clippy::disallowed_methods, reason = "how long the tests take is no setting of the product")]
fn rounds() -> u64 {
    if std::env::var_os("LIAISON_TEST_CHAOS").is_some_and(|form| form == "long") { LONG } else { 1 }
}

/// Play a scenario as often as the form says, each time with other dice, and tell what was seen.
fn play(scenario: impl Fn(u64) -> Row) -> Row {
    let begin = Instant::now();
    let row = (0..rounds()).map(scenario).reduce(|sum, row| sum.and(&row)).expect("at least one round");
    tell(&row, begin.elapsed());
    row
}

/// An installation with two queues, a witness, and what was sent there.
struct Site {
    house: House,
    witness: Witness,
    load: Load,
}

impl Site {
    fn new(house: House) -> Self {
        let house = house
            .set("LIAISON_WORKER__LEASE", "2s")
            .set("LIAISON_WORKER__CONCURRENCY", "8")
            .set("LIAISON_QUEUE__0__NAME", "default")
            .set("LIAISON_QUEUE__1__NAME", "other");
        Self { house, witness: Witness::start(), load: Load::default() }
    }

    /// Send so many jobs of every kind, each of which holds its slot for so long.
    fn send(&mut self, count: usize, hold_ms: u64) {
        let prefix = format!("j{}", self.load.jobs.len());
        let load = Load::mixed(&prefix, count, &self.witness.address(), hold_ms);
        self.house.redis.push("default", &load.lines());
        self.load = std::mem::take(&mut self.load).and(load);
    }

    /// Send so many that only visit.
    fn send_plain(&mut self, count: usize, hold_ms: u64) {
        let prefix = format!("j{}", self.load.jobs.len());
        let load = Load::plain(&prefix, count, &self.witness.address(), hold_ms);
        self.house.redis.push("default", &load.lines());
        self.load = std::mem::take(&mut self.load).and(load);
    }

    /// Send a little more again and again, until something has happened to this daemon.
    fn feed(&mut self, daemon: &mut Daemon, mut happened: impl FnMut(&mut Daemon) -> bool) {
        until("what was to happen has happened", || {
            if happened(daemon) {
                return true;
            }
            self.send(10, 5);
            for_a_while(Duration::from_millis(150));
            false
        });
    }

    /// Until so many of what was sent have begun to run.
    fn until_begun(&self, count: usize) {
        until("enough jobs have begun", || self.witness.jobs() >= count);
    }

    /// Start a daemon that breaks itself so.
    fn breaking(&self, plan: &str) -> Daemon {
        let mut command = self.house.command(&["worker"]);
        command.env("LIAISON_FAULTS", plan);
        Daemon::spawn(command)
    }

    fn leaked(&self) -> Vec<String> {
        leaked(|words| self.house.redis.ask(words))
    }

    /// Until nothing is left in Redis.
    fn until_drained(&self) {
        until_empty(|words| self.house.redis.ask(words));
    }

    /// How long after this instant the next job began. It must be soon.
    fn back_after(&self, mended: Instant) -> Duration {
        until("a job begins", || self.witness.first_after(mended).is_some());
        self.witness.first_after(mended).expect("it has begun")
    }

    /// Once nothing is left, compare the books.
    fn judge(&self, fault: &str, faults: usize, recovery: Option<Duration>) -> Row {
        self.until_drained();
        let (row, wrong) = Books::of(&self.house).compare(&self.load, &self.witness);
        let row = Row { fault: fault.to_owned(), faults, recovery, ..row };
        assert!(wrong.is_empty(), "{fault}: {} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
        row
    }
}

/// Print a row, and keep it for the table of `make chaos`.
#[expect(clippy::print_stdout, reason = "the table is what the suite is for, shown with --nocapture")]
fn tell(row: &Row, took: Duration) {
    println!("{HEAD}\n{row}");
    mention(&format!("it took {:.1} s", took.as_secs_f64()));
    let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    let file = std::fs::File::options().append(true).create(true).open(kept);
    // The table is a copy of what was printed.
    let _ = file.and_then(|mut file| writeln!(file, "{row}"));
}

/// Something that is not for the table.
#[expect(clippy::print_stdout, reason = "figures, shown with --nocapture")]
fn mention(figure: &str) {
    println!("{figure}");
}

/// SIGTERM for all of them, which must end well. One that was just started does not listen yet, and would end of it.
fn stop(daemons: impl IntoIterator<Item = Daemon>) {
    for daemon in daemons {
        until("the daemon listens to signals", || daemon.hears(Signal::TERM));
        daemon.stop();
    }
}

/// Wait for the end that a daemon was to prepare for itself.
fn killed_itself(daemon: &mut Daemon) {
    use std::os::unix::process::ExitStatusExt as _;
    let status = daemon.end();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}: {}", daemon.log());
}

/// Until so much time has passed: what happens meanwhile is the point.
fn for_a_while(time: Duration) {
    let begin = Instant::now();
    until("the time has passed", || begin.elapsed() >= time);
}
