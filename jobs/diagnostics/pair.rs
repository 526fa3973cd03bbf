//! Connect to an address, and never more than two at once over all daemons: a limit of the job itself.
//!
//! Safe to run twice: it connects twice, and whoever counts there sees it.

use std::time::Duration;

use liaison_queue::{
    outcome::{Done, Outcome},
    retry::Retry,
};
use serde::Deserialize;

use super::call;
use crate::kit::{Context, Job, Sample};

#[derive(Debug, Deserialize)]
pub(crate) struct Pair {
    address: String,
    /// How long the connection stays open.
    #[serde(default)]
    hold_ms: u32,
}

impl Job for Pair {
    const NAME: &'static str = "pair";
    const ABOUT: &'static str = "connects to `address`, two at once at most";
    const TIMEOUT: Duration = Duration::from_mins(10);
    const RETRY: Retry = Retry::doubling(Duration::from_secs(1));
    const CONCURRENCY: Option<u32> = Some(2);
    // It needs somebody to connect to.
    const SAMPLE: Option<Sample> = None;

    async fn run(self, ctx: &Context) -> Outcome {
        call(&self.address, ctx.id.as_str(), self.hold_ms).await?;
        Ok(Done(None))
    }
}
