//! What may change while a worker runs, and is looked up whenever it counts.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{acknowledger::Memory, envelope::Limits};

/// How a worker treats its jobs; the same in all its queues.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Deaths of a process in which a job ran alone before it is buried.
    pub crash_limit: u32,
    /// Every how many claims the lowest priority is served first.
    pub low_share: u32,
    pub limits: Limits,
    pub memory: Memory,
}

/// The settings as all parts of a worker see them.
#[derive(Debug, Clone)]
pub(crate) struct Tuning(Arc<RwLock<Settings>>);

impl Tuning {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(RwLock::new(settings)))
    }

    pub(crate) fn get(&self) -> Settings {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, settings: Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }
}
