//! Take some time.
//!
//! Safe to run twice: it only waits.

use std::time::Duration;

use liaison_queue::{
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use serde::Deserialize;

use crate::kit::{Context, Job, Sample};

#[derive(Debug, Deserialize)]
pub(crate) struct Sleep {
    ms: u32,
    /// Do not listen when somebody takes the job back.
    #[serde(default)]
    stubborn: bool,
    /// Hold on to the thread meanwhile, as a handler must not.
    #[serde(default)]
    hog: bool,
}

impl Job for Sleep {
    const NAME: &'static str = "sleep";
    const ABOUT: &'static str = "takes `ms` milliseconds";
    // Longer than any test of a drain or a lease; an envelope may ask for more.
    const TIMEOUT: Duration = Duration::from_mins(10);
    const RETRY: Retry = Retry::doubling(Duration::from_secs(1));
    const SAMPLE: Option<Sample> = Some(Sample { args: r#"{"ms": 50}"#, ends: RunOutcome::Done });

    async fn run(self, ctx: &Context) -> Outcome {
        if self.hog {
            std::thread::sleep(Duration::from_millis(self.ms.into()));
            return Ok(Done(None));
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(self.ms.into())) => Ok(Done(None)),
            () = ctx.cancelled(), if !self.stubborn => Err(Failure::Cancelled { reason: "woken up".to_owned() }),
        }
    }
}
