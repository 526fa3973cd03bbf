//! `liaison meetings`: which video conference a booking has, and how it came to it.
//!
//! The host's link and the passcode stay sealed unless somebody asks for them.

mod list;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use liaison_store::SealedMeeting;
use serde_json::{Value, json};

use super::{Global, block_on};

#[derive(clap::Subcommand)]
pub(crate) enum MeetingsCommand {
    /// Meetings, the last changed first
    List(list::ListArgs),
    /// One meeting, who was given up for it, and the events of its booking in calendars
    Show(show::ShowArgs),
}

pub(crate) fn run(global: &Global, command: &MeetingsCommand) -> Result<ExitCode> {
    let (app, json) = (global.app()?, global.json);
    match command {
        MeetingsCommand::List(args) => block_on(list::run(&app, args, json)),
        MeetingsCommand::Show(args) => block_on(show::run(&app, args, json)),
    }
}

/// Who was given up for it: what the job has written down.
fn fell_back(row: &SealedMeeting) -> Vec<Value> {
    serde_json::from_str(&row.meeting.fell_back).unwrap_or_default()
}

/// A meeting, as programs get it. Of what is secret it says whether there is any.
fn told(row: &SealedMeeting) -> Value {
    let meeting = &row.meeting;
    json!({
        "booking_id": meeting.booking_id,
        "organizer_id": meeting.organizer_id,
        "state": meeting.status.as_str(),
        "version": meeting.version,
        "made_for": meeting.made_for,
        "provider": meeting.provider,
        "integration_id": meeting.integration_id,
        "id": meeting.external_id,
        "join_url": meeting.join_url,
        "has_host_url": row.has_host_url,
        "has_passcode": row.has_passcode,
        "reason": meeting.reason,
        "starts_at": meeting.starts_at,
        "ends_at": meeting.ends_at,
        "fell_back_from": fell_back(row),
        "trouble_since": meeting.trouble_since,
        "job_id": meeting.job_id,
        "created_at": meeting.created_at,
        "updated_at": meeting.updated_at,
    })
}
