//! `liaison integrations show`: the health of one grant, and what was done with it lately.

use std::process::ExitCode;

use anyhow::Result;
use chrono::{DateTime, Utc};
use liaison_queue::clock::Clock;
use liaison_store::{CalendarSync, IntegrationKind, LogFilter, LogLine, VideoAccount};
use serde_json::{Value, json};

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
    // An endpoint of webhooks may be called the same.
    let filter = LogFilter {
        integration: Some(row.id.clone()),
        integration_type: Some(row.kind.as_str().to_owned()),
        limit: LINES,
        ..LogFilter::default()
    };
    let lines = store.logs(filter).await?;
    let (calendar, video) = match row.kind {
        IntegrationKind::Calendar => (store.calendar_sync(&row.id).await?, None),
        IntegrationKind::Video => (None, store.video_account(&row.id).await?),
    };
    if json {
        let mut value = with_state(&row, now);
        if let Some(calendar) = &calendar {
            value["sync"] = sync(calendar);
        }
        if let Some(video) = &video {
            value["meetings"] = json!({
                "makes_links": video.auto_generate_links,
                "last_api_call": video.last_api_call,
                "api_calls_today": calls_today(video, now),
                "rate_limit_reset_at": video.rate_limit_reset_at,
            });
        }
        value["log"] = serde_json::to_value(&lines)?;
        answer::json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    let at = |time: DateTime<Utc>| format!("{}, {}", words::date(time), away(time, now));
    let errors =
        (row.refresh_errors > 0).then(|| words::of(row.refresh_errors.unsigned_abs().into(), "failed refresh"));
    let errors = errors.map(|text| format!("{} in a row", text.replace("refreshs", "refreshes")));
    let mut card = vec![
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
    ];
    card.extend(calendar.iter().flat_map(|calendar| sync_card(calendar, &at)));
    if let Some(video) = &video {
        card.push(("makes links", (!video.auto_generate_links).then(|| "only when asked for by name".to_owned())));
        card.push(("last call", video.last_api_call.map(at)));
        card.push(("calls today", Some(calls_today(video, now).to_string())));
        card.push(("limited until", video.rate_limit_reset_at.filter(|until| *until > now).map(at)));
    }
    answer::card(&card);
    if !lines.is_empty() {
        answer::line("");
        let cells = |line: &LogLine| vec![words::date(line.created_at), line.log_type.clone(), line.message.clone()];
        answer::table(&["AT", "WHAT", "MESSAGE"], &lines.iter().map(cells).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// Calls of today, in UTC: what is stored is of the day of the last one.
fn calls_today(video: &VideoAccount, now: DateTime<Utc>) -> i32 {
    let is_today = video.last_api_call.is_some_and(|last| last.date_naive() == now.date_naive());
    if is_today { video.api_calls_today } else { 0 }
}

/// How far a calendar is synchronised, as programs get it.
fn sync(calendar: &CalendarSync) -> Value {
    json!({
        "enabled": calendar.sync_enabled,
        "last_sync_at": calendar.last_sync_at,
        "errors": calendar.sync_errors,
        "error": calendar.sync_error,
        "calendar": calendar.calendar_id,
        "server": calendar.server_url,
        "time_zone": calendar.time_zone,
        "covers_from": calendar.covers.map(|covers| covers.0),
        "covers_until": calendar.covers.map(|covers| covers.1),
        "round": calendar.open.as_ref().map(|open| json!({
            "kind": open.kind.as_str(), "pages": open.pages, "changes": open.changes, "started_at": open.started_at,
        })),
    })
}

fn sync_card(calendar: &CalendarSync, at: &dyn Fn(DateTime<Utc>) -> String) -> [(&'static str, Option<String>); 8] {
    let round = calendar.open.as_ref();
    let round = round
        .map(|open| format!("{}, {} so far", open.kind.as_str(), words::of(open.pages.unsigned_abs().into(), "page")));
    [
        ("calendar", calendar.calendar_id.clone()),
        ("server", calendar.server_url.clone()),
        ("time zone", calendar.time_zone.clone()),
        ("last sync", calendar.last_sync_at.map(|last| format!("{}; noted once an hour if nothing changes", at(last)))),
        ("sync", (!calendar.sync_enabled).then(|| "disabled".to_owned())),
        ("sync errors", (calendar.sync_errors > 0).then(|| format!("{} in a row", calendar.sync_errors))),
        ("sync error", calendar.sync_error.clone()),
        ("round", round),
    ]
}
