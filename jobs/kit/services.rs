//! What all jobs share; made once, by the daemon.

use std::fmt;

use liaison_queue::Producer;
use liaison_store::Store;

use super::Retention;

pub struct Services {
    /// None only where nothing is recorded, as in a benchmark of the bare queue.
    pub store: Option<Store>,
    pub producer: Producer,
    pub retention: Retention,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}
