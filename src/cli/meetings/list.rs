//! `liaison meetings list`.

use std::process::ExitCode;

use anyhow::Result;
use liaison_store::{MeetingFilter, MeetingStatus, SealedMeeting};

use super::{fell_back, told};
use crate::{
    app::App,
    cli::{
        answer,
        typed::{self, Limit},
        words,
    },
};

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Of this organizer only
    #[arg(long, value_name = "ID")]
    organizer: Option<String>,
    /// Of this booking only
    #[arg(long, value_name = "ID")]
    booking: Option<String>,
    /// Only those that stand so
    #[arg(long, value_name = "STATE",
          value_parser = typed::one_of::<MeetingStatus>(MeetingStatus::ALL.into_iter().map(MeetingStatus::as_str)))]
    state: Option<MeetingStatus>,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(app: &App, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let filter = MeetingFilter {
        organizer: args.organizer.clone(),
        booking: args.booking.clone(),
        status: args.state,
        limit: args.limit.ask(),
    };
    let mut rows = app.store().await?.meetings(filter).await?;
    args.limit.cut(&mut rows);
    if json {
        answer::json(&rows.iter().map(told).collect::<Vec<_>>());
    } else if rows.is_empty() {
        answer::line("no meetings");
    } else {
        let headings = ["BOOKING", "VERSION", "ORGANIZER", "STATE", "PROVIDER", "STARTS", "JOIN", "REASON"];
        answer::table(&headings, &rows.iter().map(cells).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

fn cells(row: &SealedMeeting) -> Vec<String> {
    let meeting = &row.meeting;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        meeting.booking_id.clone(),
        meeting.version.to_string(),
        meeting.organizer_id.clone(),
        meeting.status.as_str().to_owned(),
        or_none(meeting.provider.clone()),
        or_none(meeting.starts_at.map(words::date)),
        or_none(meeting.join_url.clone()),
        or_none(reason(row)),
    ]
}

/// Why it is as it is: what is wrong now, or else why it was not made by whoever was wanted more.
fn reason(row: &SealedMeeting) -> Option<String> {
    let of = |fell: &serde_json::Value| {
        let (provider, reason) = (fell["provider"].as_str()?, fell["reason"].as_str()?);
        Some(format!("not {provider}: {reason}"))
    };
    row.meeting.reason.clone().or_else(|| fell_back(row).iter().find_map(of))
}
