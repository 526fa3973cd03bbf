//! Abort the whole process, as a fault in native code or the out-of-memory killer would.
//!
//! Safe to run twice: it changes nothing; the queue counts the crashes and buries it.

use std::time::Duration;

use liaison_queue::{outcome::Outcome, retry::Retry};
use serde::Deserialize;

use crate::kit::{Context, Job, Sample};

#[derive(Debug, Deserialize)]
pub(crate) struct Crash {}

impl Job for Crash {
    const NAME: &'static str = "crash";
    const ABOUT: &'static str = "aborts the worker's process";
    const TIMEOUT: Duration = Duration::from_secs(10);
    const RETRY: Retry = Retry::doubling(Duration::from_secs(1));
    // It would take `liaison dev` with it.
    const SAMPLE: Option<Sample> = None;

    async fn run(self, _: &Context) -> Outcome {
        std::process::abort();
    }
}
