//! How a worker ends: first it claims no more and finishes what runs, then it hands the rest back. One of its queues can
//! end before it does.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Run,
    /// Claim no more; what runs may finish.
    Drain,
    /// What still runs is interrupted and handed back.
    Interrupt,
    /// Give up on Redis and the store too.
    Abandon,
}

/// The one who says so.
#[derive(Debug)]
pub struct Stop {
    way: watch::Sender<Phase>,
    parts: Mutex<Vec<watch::Sender<Phase>>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { way: watch::channel(Phase::Run).0, parts: Mutex::default() }
    }
}

impl Stop {
    /// Move on to a phase, with all parts; there is no way back.
    pub fn advance(&self, phase: Phase) {
        // Under the lock, so that no part is made in between and left behind.
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        advance(&self.way, phase);
        parts.iter().for_each(|part| advance(part, phase));
    }

    #[must_use]
    pub fn watch(&self) -> Stopping {
        Stopping(self.way.subscribe())
    }

    /// One for a part, which ends with the whole or before it; and somebody who is told, without whom it is forgotten.
    pub(crate) fn part(&self) -> (Self, Stopping) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|part| !part.is_closed());
        let (way, told) = watch::channel(*self.way.borrow());
        parts.push(way.clone());
        (Self { way, parts: Mutex::default() }, Stopping(told))
    }
}

fn advance(way: &watch::Sender<Phase>, phase: Phase) {
    way.send_if_modified(|current| {
        let later = phase > *current;
        if later {
            *current = phase;
        }
        later
    });
}

/// Those who are told.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<Phase>);

impl Stopping {
    #[must_use]
    pub fn has_reached(&self, phase: Phase) -> bool {
        *self.0.borrow() >= phase
    }

    /// Until this phase is reached. A sender that is gone has said everything.
    pub async fn reached(&mut self, phase: Phase) {
        let _ = self.0.wait_for(|current| *current >= phase).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_before_the_whole_or_with_it_and_never_the_other_way_round() {
        let stop = Stop::default();
        let (one, one_told) = stop.part();
        let (_two, two_told) = stop.part();
        one.advance(Phase::Drain);
        assert!(one_told.has_reached(Phase::Drain));
        assert!(!two_told.has_reached(Phase::Drain) && !stop.watch().has_reached(Phase::Drain));
        stop.advance(Phase::Interrupt);
        assert!(one_told.has_reached(Phase::Interrupt) && two_told.has_reached(Phase::Interrupt));
        assert!(stop.part().1.has_reached(Phase::Interrupt), "one that comes late is told where the others are");
        drop((one_told, two_told));
        assert_eq!(stop.parts.lock().unwrap().len(), 3);
        drop(stop.part());
        assert_eq!(stop.parts.lock().unwrap().len(), 1, "what ended is forgotten");
    }
}
