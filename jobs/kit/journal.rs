//! What a job leaves beside its run: kept here while it runs, and written in the transaction that records the run.

use std::sync::{Arc, Mutex, PoisonError};

use liaison_store::Fact;

/// Shared with the runner, so that what was noted before a timeout or a panic is kept.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<Fact>>>);

impl Journal {
    pub(crate) fn note(&self, fact: Fact) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fact);
    }

    /// All that was noted so far.
    #[must_use]
    pub fn take(&self) -> Vec<Fact> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
