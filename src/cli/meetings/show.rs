//! `liaison meetings show`: the meeting of one booking, and what else is written about the booking.

use std::process::ExitCode;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use liaison_store::{ExternalEvent, Meeting, MeetingFilter, SealedMeeting};
use serde_json::{Value, json};

use super::{fell_back, told};
use crate::{
    app::App,
    cli::{answer, words},
};

#[derive(clap::Args)]
pub(crate) struct ShowArgs {
    /// The id of the booking
    #[arg(value_name = "BOOKING")]
    id: String,
    /// Show the host's link and the passcode, too
    #[arg(long)]
    reveal: bool,
}

pub(super) async fn run(app: &App, args: &ShowArgs, json: bool) -> Result<ExitCode> {
    let id = &args.id;
    let store = if args.reveal { app.store_with_keys().await? } else { app.store().await? };
    let filter = MeetingFilter { booking: Some(id.clone()), limit: 1, ..MeetingFilter::default() };
    let Some(row) = store.meetings(filter).await?.pop() else {
        bail!("{id}: no booking of this id has a meeting; `liaison meetings list` shows those that have one");
    };
    let opened = if args.reveal { store.meeting(id).await? } else { None };
    let events = store.external_events(id).await?;
    if json {
        let mut value = told(&row);
        if let Some(opened) = &opened {
            value["host_url"] = json!(opened.host_url);
            value["passcode"] = json!(opened.passcode);
        }
        value["events"] = events.iter().map(event).collect();
        answer::json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    answer::card(&card(&row, opened.as_ref()));
    let fell_back = fell_back(&row);
    if !fell_back.is_empty() {
        answer::line("");
        answer::table(&["GIVEN UP", "ACCOUNT", "AT", "REASON"], &fell_back.iter().map(given_up).collect::<Vec<_>>());
    }
    if !events.is_empty() {
        answer::line("");
        let headings = ["CALENDAR", "PROVIDER", "STATE", "VERSION", "ID", "REASON"];
        answer::table(&headings, &events.iter().map(cells).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

fn card(row: &SealedMeeting, opened: Option<&Meeting>) -> Vec<(&'static str, Option<String>)> {
    let meeting = &row.meeting;
    let at = |time: Option<DateTime<Utc>>| time.map(words::date);
    let secret = |is_there: bool, opened: Option<&String>| {
        is_there.then(|| opened.cloned().unwrap_or_else(|| "sealed; --reveal opens it".to_owned()))
    };
    vec![
        ("booking", Some(meeting.booking_id.clone())),
        ("organizer", Some(meeting.organizer_id.clone())),
        ("state", Some(meeting.status.as_str().to_owned())),
        ("reason", meeting.reason.clone()),
        ("version", Some(meeting.version.to_string())),
        ("made for", meeting.made_for.map(|version| format!("version {version}"))),
        ("provider", meeting.provider.clone()),
        ("account", meeting.integration_id.clone()),
        ("id", meeting.external_id.clone()),
        ("join", meeting.join_url.clone()),
        ("host", secret(row.has_host_url, opened.and_then(|opened| opened.host_url.as_ref()))),
        ("passcode", secret(row.has_passcode, opened.and_then(|opened| opened.passcode.as_ref()))),
        ("starts", at(meeting.starts_at)),
        ("ends", at(meeting.ends_at)),
        ("away since", at(meeting.trouble_since)),
        ("job", Some(meeting.job_id.clone())),
        ("created", at(Some(meeting.created_at))),
        ("changed", at(Some(meeting.updated_at))),
    ]
}

fn given_up(fell: &Value) -> Vec<String> {
    let text = |name: &str| fell[name].as_str().unwrap_or("-").to_owned();
    let at = fell["at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
    vec![text("provider"), text("integration_id"), at.map_or("-".to_owned(), words::date), text("reason")]
}

fn cells(event: &ExternalEvent) -> Vec<String> {
    vec![
        event.integration_id.clone(),
        event.provider.clone(),
        event.status.as_str().to_owned(),
        event.version.to_string(),
        event.external_id.clone().unwrap_or_else(|| "-".to_owned()),
        event.reason.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

/// An event of the booking in one calendar, as programs get it.
fn event(event: &ExternalEvent) -> Value {
    json!({
        "integration_id": event.integration_id,
        "organizer_id": event.organizer_id,
        "provider": event.provider,
        "state": event.status.as_str(),
        "version": event.version,
        "id": event.external_id,
        "reason": event.reason,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "asked_at": event.asked_at,
        "updated_at": event.updated_at,
    })
}
