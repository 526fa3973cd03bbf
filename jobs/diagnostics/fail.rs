//! Fail so many attempts, then succeed.
//!
//! Safe to run twice: it changes nothing; how often it failed stands in the queue.

use std::time::Duration;

use liaison_queue::{
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use serde::Deserialize;

use crate::kit::{Context, Job, Sample};

#[derive(Debug, Deserialize)]
pub(crate) struct Fail {
    times: u32,
}

impl Job for Fail {
    const NAME: &'static str = "fail";
    const ABOUT: &'static str = "fails `times` attempts, then succeeds";
    const TIMEOUT: Duration = Duration::from_secs(10);
    // Quick, so that a person who watches sees it come back.
    const RETRY: Retry = Retry::doubling(Duration::from_millis(500)).cap(Duration::from_secs(10));
    const SAMPLE: Option<Sample> = Some(Sample { args: r#"{"times": 1}"#, ends: RunOutcome::Done });

    async fn run(self, ctx: &Context) -> Outcome {
        if ctx.attempt <= self.times {
            return Err(Failure::retry(format!("failing as told, {} of {}", ctx.attempt, self.times)));
        }
        Ok(Done(None))
    }
}
