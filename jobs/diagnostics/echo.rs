//! Answer with one's own arguments.
//!
//! Safe to run twice: it changes nothing.

use std::time::Duration;

use liaison_queue::{
    outcome::{Done, Outcome, RunOutcome},
    retry::Retry,
};
use serde::Deserialize;

use crate::kit::{Context, Job, Sample};

#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Echo(serde_json::Value);

impl Job for Echo {
    const NAME: &'static str = "echo";
    const ABOUT: &'static str = "answers with its arguments";
    const TIMEOUT: Duration = Duration::from_secs(10);
    const RETRY: Retry = Retry::doubling(Duration::from_secs(1));
    const SAMPLE: Option<Sample> = Some(Sample { args: r#"{"hello": "world"}"#, ends: RunOutcome::Done });

    async fn run(self, _: &Context) -> Outcome {
        Ok(Done(Some(self.0)))
    }
}
