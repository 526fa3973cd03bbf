//! `liaison webhooks list` and `show`.

use std::process::ExitCode;

use anyhow::Result;
use liaison_store::{Endpoint, EndpointFilter};

use crate::{
    app::App,
    cli::{answer, typed::Limit, words},
};

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Of this organizer only
    #[arg(long, value_name = "ID")]
    organizer: Option<String>,
    /// Only those whose last attempt failed
    #[arg(long)]
    failing: bool,
    /// Only those that are disabled
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(app: &App, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let filter = EndpointFilter {
        organizer: args.organizer.clone(),
        active: args.disabled.then_some(false),
        failing: args.failing,
        limit: args.limit.ask(),
    };
    let mut endpoints = app.store().await?.endpoints(filter).await?;
    args.limit.cut(&mut endpoints);
    if json {
        answer::json(&endpoints);
    } else if endpoints.is_empty() {
        answer::line("no endpoints");
    } else {
        let row = |endpoint: &Endpoint| {
            vec![
                endpoint.id.clone(),
                endpoint.organizer_id.clone(),
                state(endpoint),
                words::count(endpoint.success_count.unsigned_abs()),
                words::count(endpoint.failure_count.unsigned_abs()),
                endpoint.last_triggered_at.map_or_else(|| "never".to_owned(), words::date),
                endpoint.events.join(","),
                endpoint.webhook_url.clone(),
            ]
        };
        let headings = ["ID", "ORGANIZER", "STATE", "DELIVERED", "FAILED", "LAST ATTEMPT", "EVENTS", "URL"];
        answer::table(&headings, &endpoints.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// How it answers, in a word or two.
fn state(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint { is_active: false, .. } => "disabled".to_owned(),
        Endpoint { failures_in_a_row: 1.., .. } => format!("failing, {} in a row", endpoint.failures_in_a_row),
        Endpoint { last_success_at: None, .. } => "untried".to_owned(),
        _ => "well".to_owned(),
    }
}

pub(super) async fn show(app: &App, id: &str, json: bool) -> Result<ExitCode> {
    let endpoint = super::find(&app.store().await?, id).await?;
    if json {
        answer::json(&endpoint);
        return Ok(ExitCode::SUCCESS);
    }
    let retries = match (endpoint.retry_failed, endpoint.max_retries) {
        (false, _) | (true, 0) => "none".to_owned(),
        (true, retries) => retries.to_string(),
    };
    let plain = format!("{}{}", endpoint.signature_header, if endpoint.signature_prefix { ": sha256=…" } else { "" });
    let signature = match (endpoint.has_secret, endpoint.signature.as_str()) {
        (false, _) => "none: it has no secret".to_owned(),
        (true, "standard") => "standard".to_owned(),
        (true, "plain") => format!("plain, in {plain}"),
        (true, _) => format!("standard, and plain in {plain}"),
    };
    let limit = |limit: Option<i32>| limit.map(|limit| limit.to_string());
    answer::card(&[
        ("id", Some(endpoint.id.clone())),
        ("name", Some(endpoint.name.clone()).filter(|name| *name != endpoint.id)),
        ("organizer", Some(endpoint.organizer_id.clone())),
        ("url", Some(format!("{} {}", endpoint.method, endpoint.webhook_url))),
        ("events", Some(endpoint.events.join(", "))),
        ("state", Some(state(&endpoint))),
        ("disabled", endpoint.disabled_at.map(words::date)),
        ("reason", endpoint.disabled_reason.clone()),
        ("signature", Some(signature)),
        ("old secret signs until", endpoint.old_secret_until.map(words::date)),
        ("headers of its own", Some(if endpoint.has_headers { "yes, sealed" } else { "none" }.to_owned())),
        ("retries", Some(retries)),
        ("timeout", Some(format!("{} s", endpoint.timeout_seconds))),
        ("at once", limit(endpoint.max_concurrent)),
        ("in a second", limit(endpoint.max_per_second)),
        ("order kept", Some(if endpoint.ordered { "for each subject" } else { "no" }.to_owned())),
        ("delivered", Some(words::count(endpoint.success_count.unsigned_abs()))),
        ("failed", Some(words::count(endpoint.failure_count.unsigned_abs()))),
        ("last attempt", endpoint.last_triggered_at.map(words::date)),
        ("last success", endpoint.last_success_at.map(words::date)),
        ("failing since", endpoint.failing_since.map(words::date)),
        ("warnings", (endpoint.warnings > 0).then(|| endpoint.warnings.to_string())),
        ("created", Some(words::date(endpoint.created_at))),
        ("updated", Some(words::date(endpoint.updated_at))),
    ]);
    Ok(ExitCode::SUCCESS)
}
