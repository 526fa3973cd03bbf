//! The scripts against a simple model: random steps in random order, over many sequences, with a clock that stands
//! still unless it is told. After each few steps everything in Redis is looked at; at the end everything is drained.
//!
//! A failing sequence is cut down to the steps that matter and printed with its seed, which then belongs into
//! `REGRESSIONS`. `LIAISON_SEQUENCES` sets how many sequences are tried, `LIAISON_SEED` where they begin.

mod held;
mod inspection;
mod model;
mod operating;
mod server;
mod world;

use std::fmt::Write as _;

use self::{server::Server, world::World};

/// Seeds that found something once.
const REGRESSIONS: &[u64] = &[];
const SEQUENCES: u64 = 10_000;
const MAX_STEPS: usize = 36;

/// Numbers that look random and are always the same: the generator known as splitmix64.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `sides`.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.next() % sides as u64).unwrap_or(0)
    }

    pub(super) fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        (!of.is_empty()).then(|| &of[self.roll(of.len())])
    }
}

/// What a step does. The numbers decide the rest when the step is taken, so that a sequence from which steps were cut
/// is still one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Put,
    Door,
    Inbox,
    Claim,
    Acknowledge,
    Park,
    Extend,
    /// A worker dies: nobody speaks for its claims any more.
    Crash,
    /// The answer to a claim is lost, and the worker gives it back when it can.
    LoseAnswer,
    Pass,
    Reap,
    Cancel,
    Hurry,
    Reprioritise,
    Skip,
    Purge,
    Pause,
    Batch,
    Revive,
    /// Redis is full for some steps.
    Full,
}

/// How often each step comes, in relation to the others.
const WEIGHTS: &[(Step, usize)] = &[
    (Step::Put, 12),
    (Step::Door, 4),
    (Step::Inbox, 4),
    (Step::Claim, 14),
    (Step::Acknowledge, 12),
    (Step::Park, 8),
    (Step::Extend, 2),
    (Step::Crash, 6),
    (Step::LoseAnswer, 2),
    (Step::Pass, 10),
    (Step::Reap, 8),
    (Step::Cancel, 4),
    (Step::Hurry, 3),
    (Step::Reprioritise, 3),
    (Step::Skip, 3),
    (Step::Purge, 1),
    (Step::Pause, 2),
    (Step::Batch, 4),
    (Step::Revive, 2),
    (Step::Full, 1),
];

fn sequence(seed: u64) -> Vec<(Step, u64)> {
    let mut dice = Dice(seed);
    let all: usize = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    let long = 4 + dice.roll(MAX_STEPS - 4);
    let mut steps = Vec::with_capacity(long);
    for _ in 0..long {
        let mut at = dice.roll(all);
        let step = WEIGHTS.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        steps.push((step.map_or(Step::Pass, |(step, _)| *step), dice.next()));
    }
    steps
}

async fn run(server: &Server, steps: &[(Step, u64)]) -> Result<(), String> {
    let mut world = World::new(server).await;
    for (at, (step, roll)) in steps.iter().enumerate() {
        world.take(*step, Dice(*roll)).await.map_err(|what| format!("at step {at}, {step:?}: {what}"))?;
        if at % 3 == 2 {
            world.inspect().await.map_err(|what| format!("after step {at}, {step:?}: {what}"))?;
        }
    }
    world.inspect().await.map_err(|what| format!("after the last step: {what}"))?;
    world.drain().await.map_err(|what| format!("while everything is drained: {what}"))
}

/// The shortest part of a failing sequence that still fails, found by leaving out one step after the other.
async fn shortest(server: &Server, mut steps: Vec<(Step, u64)>, mut what: String) -> (Vec<(Step, u64)>, String) {
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        match run(server, &fewer).await {
            Ok(()) => at += 1,
            Err(why) => (steps, what) = (fewer, why),
        }
    }
    (steps, what)
}

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is set from outside")]
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_order_of_steps_loses_doubles_or_holds_up_a_job() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (first, count) = (number("LIAISON_SEED").unwrap_or(1), number("LIAISON_SEQUENCES").unwrap_or(SEQUENCES));
        for seed in REGRESSIONS.iter().copied().chain(first..first + count) {
            let steps = sequence(seed);
            if let Err(what) = run(&server, &steps).await {
                let (steps, what) = shortest(&server, steps, what).await;
                let mut log = String::new();
                for (step, roll) in &steps {
                    let _ = writeln!(log, "  ({step:?}, {roll})");
                }
                panic!("seed {seed} fails {what}\nits shortest part:\n{log}");
            }
        }
    });
}
