//! `liaison integrations show`: the health of one grant, and what was done with it lately.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::clock::Clock;
use liaison_store::{LogFilter, LogLine};

use super::{
    Which, find,
    list::{away, with_state},
    state,
};
use crate::{
    app::App,
    cli::{answer, words},
};

/// Lines of the log that are shown; `liaison logs` has all of them.
const LINES: u32 = 10;

pub(super) async fn run(app: &App, which: &Which, json: bool) -> Result<ExitCode> {
    let store = app.store().await?;
    let row = find(&store, which).await?;
    let now = Clock::wall().date();
    let filter = LogFilter { integration: Some(row.id.clone()), limit: LINES, ..LogFilter::default() };
    let lines = store.logs(filter).await?;
    if json {
        let mut value = with_state(&row, now);
        value["log"] = serde_json::to_value(&lines)?;
        answer::json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    let at = |time: chrono::DateTime<chrono::Utc>| format!("{}, {}", words::date(time), away(time, now));
    let errors =
        (row.refresh_errors > 0).then(|| words::of(row.refresh_errors.unsigned_abs().into(), "failed refresh"));
    let errors = errors.map(|text| format!("{} in a row", text.replace("refreshs", "refreshes")));
    answer::card(&[
        ("id", Some(row.id.clone())),
        ("kind", Some(row.kind.as_str().to_owned())),
        ("provider", Some(row.provider.clone())),
        ("organizer", Some(row.organizer_id.clone())),
        ("user", row.provider_user_id.clone()),
        ("email", row.provider_email.clone()),
        ("state", Some(state(&row, now).to_owned())),
        ("token ends", row.token_expires_at.map(at)),
        ("scope", row.scope.clone()),
        ("last refresh", row.refreshed_at.map(at)),
        ("errors", errors),
        ("last error", row.refresh_error.clone()),
        ("disconnected", row.disconnected_at.map(at)),
        ("because", row.disconnected_reason.clone()),
        ("episodes", Some(row.disconnects.to_string())),
        ("version", Some(row.version.to_string())),
        ("added", Some(at(row.created_at))),
    ]);
    if !lines.is_empty() {
        answer::line("");
        let cells = |line: &LogLine| vec![words::date(line.created_at), line.log_type.clone(), line.message.clone()];
        answer::table(&["AT", "WHAT", "MESSAGE"], &lines.iter().map(cells).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}
