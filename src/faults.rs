//! What a test breaks in this process, told by an environment variable. Builds other than those of tests cannot: see
//! `queue/faults.rs`.

use anyhow::{Context as _, Error, Result};
use liaison_queue::{
    Isolation,
    faults::{self, Deed},
};
use rustix::process::{Signal, getpid, kill_process};

use crate::config::environment;

/// Take up the plan for this process, if there is one.
pub(crate) fn arm(isolation: Isolation) -> Result<()> {
    let Some(plan) = environment::faults() else { return Ok(()) };
    faults::arm(&plan, isolation.as_str(), strike).map_err(Error::msg).context("read the plan of faults")
}

fn strike(deed: Deed) {
    let signal = match deed {
        Deed::Kill => Signal::KILL,
        Deed::Freeze => Signal::STOP,
    };
    // It cannot fail for a process of one's own.
    let _ = kill_process(getpid(), signal);
}
