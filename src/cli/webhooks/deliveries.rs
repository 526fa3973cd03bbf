//! `liaison webhooks deliveries` and `delivery`: the ledger.

use std::process::ExitCode;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use liaison_store::{AttemptRow, Delivery, DeliveryFilter, DeliveryStatus};

use crate::{
    app::App,
    cli::{
        answer,
        typed::{self, Limit},
        words,
    },
};

/// Which deliveries are meant.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct Which {
    /// To this endpoint only
    #[arg(long, value_name = "ID")]
    pub(super) endpoint: Option<String>,
    /// Of this organizer only
    #[arg(long, value_name = "ID")]
    pub(super) organizer: Option<String>,
    /// Of this event only
    #[arg(long, value_name = "EVENT")]
    pub(super) event: Option<String>,
    /// About this booking only
    #[arg(long, value_name = "ID")]
    pub(super) booking: Option<String>,
    /// That stand so only; several times for several
    #[arg(long, value_parser =
        typed::one_of::<DeliveryStatus>(DeliveryStatus::ALL.into_iter().map(DeliveryStatus::as_str)))]
    pub(super) status: Vec<DeliveryStatus>,
    /// Only those that failed or were skipped
    #[arg(long, conflicts_with = "status")]
    pub(super) failed: bool,
    /// Asked for so long ago at most, as in 1h, or since a time in RFC 3339
    #[arg(long, value_name = "DURATION|TIME", value_parser = typed::since)]
    pub(super) since: Option<DateTime<Utc>>,
}

impl Which {
    pub(super) fn filter(&self, limit: u32) -> DeliveryFilter {
        let troubled = || vec![DeliveryStatus::Failed, DeliveryStatus::Skipped];
        DeliveryFilter {
            endpoint: self.endpoint.clone(),
            organizer: self.organizer.clone(),
            event: self.event.clone(),
            booking: self.booking.clone(),
            statuses: if self.failed { troubled() } else { self.status.clone() },
            since: self.since,
            before: None,
            limit,
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(app: &App, args: &ListArgs, json: bool) -> Result<ExitCode> {
    let mut deliveries = app.store().await?.deliveries(args.which.filter(args.limit.ask())).await?;
    args.limit.cut(&mut deliveries);
    if json {
        answer::json(&deliveries);
    } else if deliveries.is_empty() {
        answer::line("no deliveries");
    } else {
        let row = |delivery: &Delivery| {
            vec![
                words::date(delivery.created_at),
                delivery.id.clone(),
                delivery.event_type.clone(),
                delivery.endpoint_id.clone(),
                delivery.status.clone(),
                delivery.attempt_number.to_string(),
                delivery.response_status.map_or(String::new(), |status| status.to_string()),
                delivery.next_attempt_at.map_or(String::new(), words::date),
                delivery.error_message.clone().unwrap_or_default(),
            ]
        };
        let headings = ["ASKED", "ID", "EVENT", "ENDPOINT", "STATUS", "ATTEMPT", "ANSWER", "NEXT", "ERROR"];
        answer::table(&headings, &deliveries.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(app: &App, id: &str, json: bool) -> Result<ExitCode> {
    let store = app.store().await?;
    let Some(delivery) = store.delivery(id).await? else {
        bail!("there is no delivery {id}; `liaison webhooks deliveries` shows those that there are");
    };
    let attempts = store.attempts_of(id).await?;
    if json {
        let mut value = serde_json::to_value(&delivery)?;
        value["attempts"] = serde_json::to_value(&attempts)?;
        answer::json(&value);
        return Ok(ExitCode::SUCCESS);
    }
    answer::card(&[
        ("id", Some(delivery.id.clone())),
        ("event", Some(delivery.event_type.clone())),
        ("endpoint", Some(delivery.endpoint_id.clone())),
        ("organizer", Some(delivery.organizer_id.clone())),
        ("subject", delivery.subject.clone()),
        ("booking", delivery.booking_id.clone()),
        ("status", Some(delivery.status.clone())),
        ("error", delivery.error_message.clone()),
        ("body", Some(format!("{} bytes, sealed", delivery.payload_bytes))),
        ("asked", Some(words::date(delivery.created_at))),
        ("next attempt", delivery.next_attempt_at.map(words::date)),
        ("job", Some(delivery.job_id.clone())),
        ("last answer", delivery.response_body.clone()),
    ]);
    if !attempts.is_empty() {
        answer::line("");
        let row = |attempt: &AttemptRow| {
            vec![
                words::date(attempt.attempted_at),
                attempt.attempt.to_string(),
                words::span(attempt.duration_ms),
                attempt.response_status.map_or(String::new(), |status| status.to_string()),
                attempt.error_message.clone().unwrap_or_else(|| "delivered".to_owned()),
                attempt.job_id.clone(),
            ]
        };
        let headings = ["ATTEMPTED", "ATTEMPT", "TOOK", "ANSWER", "END", "JOB"];
        answer::table(&headings, &attempts.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}
