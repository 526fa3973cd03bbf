//! Do nothing.
//!
//! Safe to run twice: it does nothing.

use std::time::Duration;

use liaison_queue::{
    outcome::{Done, Outcome, RunOutcome},
    retry::Retry,
};
use serde::Deserialize;

use crate::kit::{Context, Job, Sample};

#[derive(Debug, Deserialize)]
pub(crate) struct Noop {}

impl Job for Noop {
    const NAME: &'static str = "noop";
    const ABOUT: &'static str = "does nothing";
    const TIMEOUT: Duration = Duration::from_secs(10);
    const RETRY: Retry = Retry::doubling(Duration::from_secs(1));
    const SAMPLE: Option<Sample> = Some(Sample { args: "{}", ends: RunOutcome::Done });

    async fn run(self, _: &Context) -> Outcome {
        Ok(Done(None))
    }
}
