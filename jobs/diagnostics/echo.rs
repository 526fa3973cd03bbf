//! Answer with one's own arguments; as the follow-up of a batch, with how its jobs have ended as well.
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

    async fn run(self, ctx: &Context) -> Outcome {
        Ok(Done(Some(match &ctx.batch {
            Some(batch) => serde_json::json!({"args": self.0, "batch": batch}),
            None => self.0,
        })))
    }
}
