//! Panic, as a bug in a job would, after a line for the log that has to be kept.
//!
//! Safe to run twice: it changes nothing else.

use std::time::Duration;

use liaison_queue::{
    outcome::{Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::LogEntry;
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

    async fn run(self, ctx: &Context) -> Outcome {
        let message = format!("attempt {} is about to panic", ctx.attempt);
        let (log_type, integration_type) = ("diagnostics".to_owned(), "none".to_owned());
        ctx.log(LogEntry { log_type, integration_type, message, ..LogEntry::default() });
        panic!("panicking as told");
    }
}
