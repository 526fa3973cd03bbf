//! `liaison integrations list`.

use std::process::ExitCode;

use anyhow::Result;
use chrono::{DateTime, Utc};
use liaison_queue::clock::Clock;
use liaison_store::{Integration, IntegrationFilter, IntegrationKind};
use serde_json::{Value, json};

use super::{kinds, state};
use crate::{
    app::App,
    cli::{answer, typed::Limit, words},
};

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Of this kind only
    #[arg(long, value_parser = kinds())]
    kind: Option<IntegrationKind>,
    /// Of this organizer only
    #[arg(long, value_name = "ID")]
    organizer: Option<String>,
    /// At this provider only
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only those whose provider takes their tokens no more
    #[arg(long)]
    disconnected: bool,
    /// Only those whose last refresh failed
    #[arg(long)]
    failing: bool,
    /// Only those that are switched off
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(app: &App, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let filter = IntegrationFilter {
        kind: args.kind,
        organizer: args.organizer.clone(),
        provider: args.provider.clone(),
        active: args.off.then_some(false),
        disconnected: args.disconnected.then_some(true),
        failing: args.failing,
        limit: args.limit.ask(),
    };
    let mut rows = app.store().await?.integrations(filter).await?;
    args.limit.cut(&mut rows);
    let now = Clock::wall().date();
    if json {
        answer::json(&rows.iter().map(|row| with_state(row, now)).collect::<Vec<_>>());
    } else if rows.is_empty() {
        answer::line("no integrations");
    } else {
        let headings = ["ID", "KIND", "PROVIDER", "ORGANIZER", "ACCOUNT", "STATE", "TOKEN ENDS", "LAST REFRESH"];
        answer::table(&headings, &rows.iter().map(|row| cells(row, now)).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// An account, as programs get it.
pub(super) fn with_state(row: &Integration, now: DateTime<Utc>) -> Value {
    let mut value = json!(row);
    value["state"] = state(row, now).into();
    value
}

fn cells(row: &Integration, now: DateTime<Utc>) -> Vec<String> {
    let account = row.provider_email.as_ref().or(row.provider_user_id.as_ref());
    vec![
        row.id.clone(),
        row.kind.as_str().to_owned(),
        row.provider.clone(),
        row.organizer_id.clone(),
        account.cloned().unwrap_or_else(|| "-".to_owned()),
        state(row, now).to_owned(),
        row.token_expires_at.map_or("-".to_owned(), |at| away(at, now)),
        row.refreshed_at.map_or("-".to_owned(), |at| away(at, now)),
    ]
}

/// How far an instant is from now, in either direction.
pub(super) fn away(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let millis = (at - now).num_milliseconds();
    if millis >= 0 { format!("in {}", words::span(millis)) } else { format!("{} ago", words::span(-millis)) }
}
