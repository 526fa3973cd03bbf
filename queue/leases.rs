//! The claims that this process holds in one queue, for the keeper to extend and for operators to see.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{claim::Claim, claimed::Claimed};

#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<String, Arc<Claim>>>);

impl Leases {
    pub(crate) fn add(&self, claim: &Arc<Claim>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(claim.token.clone(), Arc::clone(claim));
    }

    pub(crate) fn remove(&self, token: &str) -> Option<Arc<Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token)
    }

    /// The claims of which something is still held.
    pub(crate) fn open(&self) -> Vec<Arc<Claim>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .filter(|claim| claim.open() > 0)
            .cloned()
            .collect()
    }

    /// The jobs whose handlers run now, up to a number that a person can read.
    #[must_use]
    pub(crate) fn running(&self, most: usize) -> Vec<Arc<Claimed>> {
        self.open().iter().flat_map(|claim| claim.running().collect::<Vec<_>>()).take(most).collect()
    }
}
