//! Who is stuck: a part that has not come round for longer than any wait explains.
//!
//! Silence counts only while we looked: a machine that was suspended, or a process that was frozen, wakes up with parts
//! that are late and not stuck.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use liaison_queue::Sign;

use crate::config::Config;

/// How often we look.
pub(crate) const LOOK: Duration = Duration::from_secs(1);
/// Waits between attempts, ticks of idle loops, and a machine under load.
const SLACK: Duration = Duration::from_secs(5);
/// A call of Redis is at worst: the wait for those who look for the server or connect, the look, the wait and the
/// connecting itself, all twice where the server has moved …
const CONNECTS: u32 = 8;
/// … and an answer, or the lack of one, of each.
const ANSWERS: u32 = 2;

/// How long a part may be silent. It beats with every answer and every attempt, so one of them is what it can wait for:
/// a call of Redis, or a statement of the store.
pub(crate) fn bound(config: &Config) -> Duration {
    let call = config.redis.connect_timeout * CONNECTS + config.redis.response_timeout * ANSWERS;
    call.max(config.store.statement_timeout) + SLACK
}

/// A part that stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) part: String,
    pub(crate) silent: Duration,
}

pub(crate) struct Judge {
    bound: Duration,
    looked: Option<Instant>,
    /// By the number of the part: its beats, and how long it has had as many.
    seen: BTreeMap<u64, (u64, Duration)>,
}

impl Judge {
    pub(crate) fn new(bound: Duration) -> Self {
        Self { bound, looked: None, seen: BTreeMap::new() }
    }

    /// Look once more: the parts that are stuck.
    pub(crate) fn look(&mut self, now: Instant, signs: &[Sign]) -> Vec<Stuck> {
        let passed = self.looked.map_or(Duration::ZERO, |looked| now.duration_since(looked).min(LOOK * 2));
        self.looked = Some(now);
        let before = std::mem::take(&mut self.seen);
        let mut stuck = Vec::new();
        for sign in signs {
            let silent = match before.get(&sign.number) {
                Some((beats, silent)) if *beats == sign.beats => *silent + passed,
                Some(_) | None => Duration::ZERO,
            };
            self.seen.insert(sign.number, (sign.beats, silent));
            if silent > self.bound {
                stuck.push(Stuck { part: sign.name.clone(), silent });
            }
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use liaison_queue::Vitals;

    use super::*;

    const BOUND: Duration = Duration::from_mins(1);

    /// Look every second for so long; whether somebody was stuck at the end.
    fn look(judge: &mut Judge, now: &mut Instant, vitals: &Vitals, seconds: u64) -> Vec<Stuck> {
        let mut stuck = Vec::new();
        for _ in 0..seconds {
            *now += LOOK;
            stuck = judge.look(*now, &vitals.signs());
        }
        stuck
    }

    #[test]
    fn a_part_is_stuck_after_the_bound_and_well_with_its_next_beat() {
        let (mut judge, mut now, vitals) = (Judge::new(BOUND), Instant::now(), Vitals::default());
        let (claimer, keeper) = (vitals.part("the claimer of queue a"), vitals.part("the keeper"));
        for _ in 0..60 {
            keeper.beat();
            assert_eq!(look(&mut judge, &mut now, &vitals, 1), []);
        }
        keeper.beat();
        let stuck = look(&mut judge, &mut now, &vitals, 2);
        assert_eq!(stuck.iter().map(|stuck| stuck.part.as_str()).collect::<Vec<_>>(), ["the claimer of queue a"]);
        claimer.beat();
        assert_eq!(look(&mut judge, &mut now, &vitals, 1), []);
    }

    #[test]
    fn a_part_that_has_ended_is_not_stuck() {
        let (mut judge, mut now, vitals) = (Judge::new(BOUND), Instant::now(), Vitals::default());
        let claimer = vitals.part("the claimer of queue a");
        assert_eq!(look(&mut judge, &mut now, &vitals, 100).len(), 1);
        drop(claimer);
        assert_eq!(look(&mut judge, &mut now, &vitals, 100), []);
    }

    #[test]
    fn a_suspended_machine_is_not_stuck_when_it_wakes() {
        let (mut judge, mut now, vitals) = (Judge::new(BOUND), Instant::now(), Vitals::default());
        let _keeper = vitals.part("the keeper");
        look(&mut judge, &mut now, &vitals, 10);
        now += Duration::from_hours(8);
        assert_eq!(look(&mut judge, &mut now, &vitals, 10), []);
    }

    #[test]
    fn the_bound_is_longer_than_all_that_a_part_may_wait_for() {
        let config = crate::config::load(&crate::config::Sources::default()).expect("the defaults").config;
        assert_eq!(bound(&config), Duration::from_secs(65));
        assert!(bound(&config) > config.store.statement_timeout);
    }
}
