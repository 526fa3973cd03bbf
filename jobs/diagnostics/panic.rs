//! Panic, as a bug in a job would.
//!
//! Safe to run twice: it changes nothing.

use std::time::Duration;

use liaison_queue::{
    outcome::{Outcome, RunOutcome},
    retry::Retry,
};
use serde::Deserialize;

use crate::kit::{Context, Job, Sample};

#[derive(Debug, Deserialize)]
pub(crate) struct Panic {}

impl Job for Panic {
    const NAME: &'static str = "panic";
    const ABOUT: &'static str = "panics on every attempt";
    const TIMEOUT: Duration = Duration::from_secs(10);
    const RETRY: Retry = Retry::doubling(Duration::from_millis(500)).attempts(3);
    const SAMPLE: Option<Sample> = Some(Sample { args: "{}", ends: RunOutcome::Dead });

    async fn run(self, _: &Context) -> Outcome {
        panic!("panicking as told");
    }
}
