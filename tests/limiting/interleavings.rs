//! Asks, returns, deaths and words of the other side in any order: no rule is broken, nobody starves, nothing leaks.

use std::time::Duration;

use liaison_queue::{Limit, Permit, Said, Zone};

use super::world::{Gate, World};

/// The same draws for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }
}

enum Job {
    /// Comes at this time at the earliest.
    Waiting(i64),
    /// Since when, until when.
    Running(Option<Permit>, i64, i64),
    Over,
}

struct Run<'a> {
    gate: Gate<'a>,
    rules: Vec<Limit>,
    dice: Dice,
    jobs: Vec<Job>,
    passes: Vec<i64>,
    /// What was said: from when to when, and how many could pass then.
    words: Vec<(i64, i64, usize)>,
    /// Until when the permit of a dead job counts.
    dead: Vec<i64>,
    asks: usize,
}

const JOBS: usize = 40;
const LEASE: i64 = 5_000;

fn rules(dice: &mut Dice) -> Vec<Limit> {
    let few = |dice: &mut Dice| u32::try_from(1 + dice.roll(5)).expect("few");
    let window = Limit::window(few(dice), Duration::from_millis(200 + 100 * dice.roll(20) as u64));
    let long = Limit::window(10 + few(dice), Duration::from_secs(15));
    let bucket = Limit::bucket(few(dice), Duration::from_secs(1), few(dice));
    let daily = Limit::daily(15 + few(dice), Zone::Asia__Kathmandu);
    let concurrent = Limit::concurrent(few(dice));
    match dice.roll(7) {
        0 => vec![window],
        1 => vec![window, long],
        2 => vec![bucket],
        3 => vec![window, daily],
        4 => vec![concurrent],
        5 => vec![window, concurrent],
        _ => vec![window, bucket, daily, concurrent],
    }
}

impl Run<'_> {
    fn go(&mut self) {
        for step in 0.. {
            assert!(step < 20_000, "somebody starves: {} asks, {} passes", self.asks, self.passes.len());
            let now = self.gate.now();
            let ready: Vec<usize> = (0..self.jobs.len()).filter(|job| self.is_ready(*job, now)).collect();
            if ready.is_empty() {
                let next = self.jobs.iter().filter_map(|job| match job {
                    Job::Waiting(at) | Job::Running(_, _, at) => Some(*at),
                    Job::Over => None,
                });
                match next.min() {
                    Some(next) => self.gate.advance_to(next),
                    None => return,
                }
                continue;
            }
            let job = ready[self.dice.roll(ready.len())];
            self.step(job);
            if self.dice.once_in(3) {
                let ms = self.dice.roll(80);
                self.gate.advance(i64::try_from(ms).expect("few"));
            }
            if self.dice.once_in(60) && self.words.len() < 5 {
                self.speak();
            }
        }
    }

    fn is_ready(&self, job: usize, now: i64) -> bool {
        matches!(self.jobs[job], Job::Waiting(at) | Job::Running(_, _, at) if at <= now)
    }

    fn step(&mut self, job: usize) {
        let now = self.gate.now();
        match &mut self.jobs[job] {
            Job::Running(permit, since, _) => {
                let lapses = *since + LEASE;
                let permit = permit.take();
                if self.dice.once_in(15) {
                    // Its worker dies.
                    std::mem::forget(permit);
                    self.dead.push(lapses);
                } else {
                    drop(permit);
                    self.gate.settle();
                }
                self.jobs[job] = Job::Over;
            }
            Job::Waiting(_) if self.dice.once_in(40) => self.jobs[job] = Job::Over,
            Job::Waiting(_) => {
                self.asks += 1;
                self.jobs[job] = match self.gate.pass(&format!("job-{job}"), &self.rules) {
                    Ok(permit) => {
                        self.passes.push(now);
                        self.judge(now);
                        Job::Running(Some(permit), now, now + i64::try_from(self.dice.roll(700)).expect("few"))
                    }
                    Err(until) => {
                        assert!(until > now, "sent away until {until}, which is over");
                        // Some are claimed much later than they could be.
                        let late = if self.dice.once_in(20) { 15_000 } else { 30 };
                        Job::Waiting(until + i64::try_from(self.dice.roll(late)).expect("few"))
                    }
                };
            }
            Job::Over => {}
        }
    }

    fn speak(&mut self) {
        let now = self.gate.now();
        let seconds = 1 + self.dice.roll(3);
        let ends = now + i64::try_from(seconds).expect("few") * 1_000;
        let length = Some(Duration::from_secs(seconds as u64));
        if self.dice.once_in(2) {
            self.gate.told(Said { retry_after: length, ..Said::default() });
            self.words.push((self.passes.len().try_into().expect("few"), ends, 0));
        } else {
            // A word about a window that is over sooner than the last one's would be no new one.
            let left = self.dice.roll(4);
            let reset_at = Some(liaison_queue::clock::Millis(ends));
            if self.words.iter().all(|(_, other, _)| *other <= now) {
                self.gate.told(Said {
                    remaining: Some(u32::try_from(left).expect("few")),
                    reset_at,
                    ..Said::default()
                });
                self.words.push((self.passes.len().try_into().expect("few"), ends, left));
            }
        }
    }

    /// Nothing that has passed up to now breaks a rule.
    fn judge(&self, now: i64) {
        let within = |span: i64| self.passes.iter().filter(|at| **at > now - span).count();
        for rule in &self.rules {
            match *rule {
                Limit::Window { passes, span } => {
                    let span = i64::try_from(span.as_millis()).expect("short");
                    assert!(within(span) <= passes as usize, "{rule:?} at {now}: {:?}", self.passes);
                }
                Limit::Bucket { passes, burst, .. } => {
                    for (nth, from) in self.passes.iter().enumerate() {
                        let most = f64::from(burst)
                            + f64::from(passes) * f64::from(i32::try_from(now - from).expect("short")) / 1000.0;
                        let count = u32::try_from(self.passes.len() - nth).expect("few");
                        assert!(f64::from(count) <= most + 0.001, "{rule:?} at {now}: {:?}", self.passes);
                    }
                }
                Limit::Daily { passes, .. } => {
                    // Midnight in Kathmandu is a quarter past six in the evening.
                    let day = |at: i64| (at + 20_700_000) / 86_400_000;
                    let today = self.passes.iter().filter(|at| day(**at) == day(now)).count();
                    assert!(today <= passes as usize, "{rule:?}: {today} on one day");
                }
                Limit::Concurrent(permits) => {
                    // The one that has just passed is not among those that run. No keeper renews here.
                    let held = |job: &&Job| matches!(job, Job::Running(_, since, _) if since + LEASE > now);
                    let running = self.jobs.iter().filter(held).count();
                    let dead = self.dead.iter().filter(|until| **until > now).count();
                    assert!(running + dead < permits as usize, "{rule:?}: {running}, {dead} dead, and one more");
                }
                _ => unreachable!("no other rule is drawn"),
            }
        }
        for (since, until, most) in &self.words {
            let since = usize::try_from(*since).expect("a count");
            let passed = self.passes[since..].iter().filter(|at| *at < until).count();
            assert!(passed <= *most, "{most} were left until {until}, {passed} passed: {:?}", self.passes);
        }
    }
}

#[test]
fn in_any_order_of_events_no_rule_is_broken_and_everybody_passes() {
    let world = World::new();
    for seed in 1..=120_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let rules = rules(&mut dice);
        let gate = world.gate(&format!("seed:{seed}"));
        let begin = gate.now();
        let jobs = (0..JOBS).map(|_| Job::Waiting(begin + i64::try_from(dice.roll(4_000)).expect("few"))).collect();
        let (passes, words, dead) = (Vec::new(), Vec::new(), Vec::new());
        let mut run = Run { gate, rules, dice, jobs, passes, words, dead, asks: 0 };
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.go()));
        assert!(told.is_ok(), "seed {seed}, {:?}", run.rules);
        // Nothing leaks: who passed has left the line, and who ended has given back.
        let concurrent = run.rules.iter().any(|rule| matches!(rule, Limit::Concurrent(_)));
        if concurrent {
            assert!(run.gate.size("ZCARD", "permits") <= run.dead.len(), "seed {seed}: a permit leaked");
        }
        assert!(run.gate.size("ZCARD", "line") <= JOBS - run.passes.len(), "seed {seed}: a place leaked");
        // Each comes back a few times at most; a permit's return is an estimate, and the dead keep theirs for a while.
        let most = if concurrent { 60 } else { 15 };
        assert!(run.asks < JOBS * most, "seed {seed}, {:?}: {} asks for {JOBS} jobs", run.rules, run.asks);
    }
}
