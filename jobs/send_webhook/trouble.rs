//! What follows from a failure: an endpoint that is gone, or fails for days, is disabled, and its organizer is told.
//!
//! The notice is asked for first, under an id that follows from the endpoint and its trouble: whoever dies in between asks
//! again, and asks once.

use chrono::{DateTime, Utc};
use liaison_queue::outcome::Failure;
use liaison_store::{Endpoint, LogEntry};
use serde_json::json;
use tracing::warn;

use super::{deliver::Tried, store_failure};
use crate::kit::Context;

/// The job that tells an organizer.
const NOTIFY: &str = "notify_integration_disconnected";

pub(super) async fn tell(ctx: &Context, endpoint: &Endpoint, tried: &Tried) -> Result<(), Failure> {
    // One that stands for another address has no row.
    if endpoint.id.starts_with("url_") {
        return Ok(());
    }
    let since = endpoint.failing_since.unwrap_or(tried.made.attempted_at);
    if tried.gone {
        return disable(ctx, endpoint, "it answered 410 Gone", tried.made.attempted_at).await;
    }
    let settings = &ctx.services.webhooks.settings;
    let failing = (ctx.now() - since).to_std().unwrap_or_default();
    if failing >= settings.disable_after {
        let reason = format!("no delivery succeeded since {}", since.format("%Y-%m-%d %H:%M UTC"));
        return disable(ctx, endpoint, &reason, since).await;
    }
    let due = settings.warnings(failing);
    if due > endpoint.warnings { warn_of(ctx, endpoint, due, since).await } else { Ok(()) }
}

async fn disable(ctx: &Context, endpoint: &Endpoint, reason: &str, since: DateTime<Utc>) -> Result<(), Failure> {
    let id = &endpoint.id;
    notify(ctx, endpoint, "disabled", since, reason).await?;
    let was_on = ctx.store()?.disable_endpoint(id, reason, ctx.now()).await.map_err(|fault| store_failure(&fault))?;
    ctx.services.webhooks.forget(id);
    if was_on {
        warn!(endpoint = %id, "disabled endpoint {id}: {reason}; `liaison webhooks enable {id}` turns it on again");
        ctx.log(entry(endpoint, "webhook_disabled", format!("endpoint {id} was disabled: {reason}")));
    }
    Ok(())
}

async fn warn_of(ctx: &Context, endpoint: &Endpoint, number: i32, since: DateTime<Utc>) -> Result<(), Failure> {
    let id = &endpoint.id;
    let reason = format!("no delivery succeeded since {}", since.format("%Y-%m-%d %H:%M UTC"));
    notify(ctx, endpoint, &format!("warning-{number}"), since, &reason).await?;
    let new = ctx.store()?.note_endpoint_warning(id, number).await.map_err(|fault| store_failure(&fault))?;
    ctx.services.webhooks.forget(id);
    if new {
        warn!(endpoint = %id, "endpoint {id}: {reason}; its organizer is warned");
        ctx.log(entry(endpoint, "webhook_warning", format!("endpoint {id}: {reason}")));
    }
    Ok(())
}

async fn notify(
    ctx: &Context,
    endpoint: &Endpoint,
    stage: &str,
    since: DateTime<Utc>,
    reason: &str,
) -> Result<(), Failure> {
    let word = stage.split('-').next().unwrap_or(stage);
    let envelope = json!({
        "id": format!("webhook-{stage}:{}:{}", endpoint.id, since.timestamp_millis()),
        "job": NOTIFY,
        "queue": ctx.queue(),
        "args": {"kind": "webhook", "id": endpoint.id, "stage": word, "reason": reason, "since": since},
    });
    ctx.enqueue(&[envelope]).await
}

fn entry(endpoint: &Endpoint, log_type: &str, message: String) -> LogEntry {
    LogEntry {
        log_type: log_type.to_owned(),
        integration_type: "webhook".to_owned(),
        integration_id: Some(endpoint.id.clone()),
        organizer_id: Some(endpoint.organizer_id.clone()),
        message,
        success: false,
        ..LogEntry::default()
    }
}
