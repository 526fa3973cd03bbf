//! `liaison webhooks test`: a real delivery, by the same way as all others.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use liaison_jobs::events;
use liaison_queue::{JobId, QueueName};
use serde_json::json;

use crate::{
    app::App,
    cli::{
        answer::{self, Usage},
        enqueue::{self, Sending},
        typed,
    },
};

#[derive(clap::Args)]
pub(crate) struct TestArgs {
    /// The id of the endpoint
    id: String,
    /// Which event
    #[arg(long, value_name = "EVENT", default_value = "webhook.test")]
    event: String,
    /// Wait so long for what it answers
    #[arg(long, value_name = "DURATION", value_parser = typed::duration, default_value = "1m")]
    wait: Duration,
    /// By the workers of which queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
}

pub(super) async fn run(app: &App, args: &TestArgs, json: bool) -> Result<ExitCode> {
    events::check_name(&args.event).map_err(|wrong| Usage(format!("--event: {wrong}")))?;
    let queue = args.queue.as_deref().map(typed::name::<QueueName>).transpose()?;
    let endpoint = super::find(&app.store().await?, &args.id).await?;
    if !endpoint.is_active {
        answer::note(&format!("it is disabled: nothing will be sent; liaison webhooks enable {}", args.id));
    }
    let id = JobId::generate();
    let mut envelope = json!({
        "id": id,
        "job": "send_webhook",
        "args": {
            "endpoint": args.id,
            "event": args.event,
            "data": {"test": true, "endpoint": args.id, "note": "an operator tries this endpoint"},
        },
        // Who looks on wants to know how this attempt ends.
        "max_attempts": 1,
        "priority": "high",
        "reply": true,
    });
    if let Some(queue) = &queue {
        envelope["queue"] = queue.as_str().into();
    }
    let sending = Sending { envelope: envelope.to_string(), id: Some(id), queue, run_at: None, wait: Some(args.wait) };
    enqueue::send(app, sending, json).await
}
