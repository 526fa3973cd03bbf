//! How a worker ends: first it claims no more and finishes what runs, then it hands the rest back.

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
pub struct Stop(watch::Sender<Phase>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::channel(Phase::Run).0)
    }
}

impl Stop {
    /// Move on to a phase; there is no way back.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let later = phase > *current;
            if later {
                *current = phase;
            }
            later
        });
    }

    #[must_use]
    pub fn watch(&self) -> Stopping {
        Stopping(self.0.subscribe())
    }
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
