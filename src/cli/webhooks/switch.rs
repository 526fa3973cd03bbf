//! `liaison webhooks enable` and `disable`.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::clock::Clock;
use serde_json::json;

use crate::{
    app::App,
    cli::{answer, typed::Because},
};

pub(super) async fn enable(app: &App, id: &str, as_json: bool) -> Result<ExitCode> {
    let store = app.store().await?;
    let endpoint = super::find(&store, id).await?;
    store.enable_endpoint(id, Clock::wall().date()).await?;
    super::log(&store, &endpoint, "webhook_enabled", format!("endpoint {id} was enabled")).await?;
    if as_json {
        answer::json(&json!({"id": id, "is_active": true}));
    } else {
        answer::line(&format!("{id} is enabled"));
        if endpoint.disabled_at.is_some() {
            answer::note(&format!("What failed or was skipped: liaison webhooks replay --endpoint {id} --dry-run"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn disable(app: &App, id: &str, because: &Because, as_json: bool) -> Result<ExitCode> {
    let store = app.store().await?;
    let endpoint = super::find(&store, id).await?;
    let reason = match because.reason.as_str() {
        "" => format!("by {}", because.by()),
        reason => format!("by {}: {reason}", because.by()),
    };
    let was_on = store.disable_endpoint(id, &reason, Clock::wall().date()).await?;
    if was_on {
        super::log(&store, &endpoint, "webhook_disabled", format!("endpoint {id} was disabled {reason}")).await?;
    }
    if as_json {
        answer::json(&json!({"id": id, "is_active": false, "was_active": was_on}));
    } else {
        answer::line(&if was_on { format!("{id} is disabled") } else { format!("{id} was disabled already") });
    }
    Ok(ExitCode::SUCCESS)
}
