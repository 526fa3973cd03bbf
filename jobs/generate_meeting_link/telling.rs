//! Who hears of a meeting: the host by the job's result and by an event, people by the integration log.
//!
//! The host's URL is nowhere but in the row, sealed. The passcode goes to the organizer's endpoints, for those who join;
//! neither stands in a result, which the history shows.

use liaison_queue::outcome::Failure;
use liaison_store::{Integration, LogEntry};
use serde_json::{Value, json};

use super::ledger::{FellBack, Ledger};
use crate::kit::{Booking, Context};

/// What the history keeps.
pub(super) fn result(ledger: &Ledger<'_>) -> Value {
    let row = &ledger.row;
    let fell_back: Vec<Value> = ledger.fell_back().iter().filter(|fell| !fell.is_of_before()).map(told_of).collect();
    json!({
        "booking_id": row.booking_id,
        "version": row.version,
        "provider": row.provider,
        "integration_id": row.integration_id,
        "id": row.external_id,
        "join_url": row.join_url,
        "fell_back_from": fell_back,
    })
}

fn told_of(fell: &FellBack) -> Value {
    json!({"provider": fell.provider, "integration_id": fell.integration_id, "reason": fell.reason})
}

pub(super) async fn made(ctx: &Context, ledger: &Ledger<'_>) -> Result<(), Failure> {
    let row = &ledger.row;
    let (event, did) =
        if row.made_for == Some(row.version) { ("meeting.created", "made") } else { ("meeting.updated", "changed") };
    let provider = row.provider.as_deref().unwrap_or_default();
    ctx.log(LogEntry {
        log_type: "video_link_created".to_owned(),
        message: format!("{did} the meeting of booking {} at {provider}", row.booking_id),
        details: Some(result(ledger).to_string()),
        success: true,
        ..line(ledger)
    });
    let mut data = result(ledger);
    data["starts_at"] = json!(row.starts_at);
    data["ends_at"] = json!(row.ends_at);
    data["passcode"] = json!(row.passcode);
    tell(ctx, ledger, event, &data).await
}

pub(super) async fn removed(ctx: &Context, ledger: &Ledger<'_>) -> Result<(), Failure> {
    let row = &ledger.row;
    let provider = row.provider.as_deref().unwrap_or_default();
    ctx.log(LogEntry {
        log_type: "video_link_removed".to_owned(),
        message: format!("removed the meeting of booking {} at {provider}", row.booking_id),
        success: true,
        ..line(ledger)
    });
    let data = json!({
        "booking_id": row.booking_id,
        "version": row.version,
        "provider": row.provider,
        "integration_id": row.integration_id,
        "id": row.external_id,
    });
    tell(ctx, ledger, "meeting.removed", &data).await
}

pub(super) fn not_removed(ctx: &Context, ledger: &Ledger<'_>, why: &str) {
    let message = format!("the meeting of booking {} was not removed: {why}", ledger.row.booking_id);
    ctx.log(LogEntry { log_type: "error".to_owned(), message, ..line(ledger) });
}

pub(super) fn gave_up(ctx: &Context, booking: &Booking, account: &Integration, why: &str) {
    ctx.log(LogEntry {
        log_type: "error".to_owned(),
        integration_type: "video".to_owned(),
        integration_id: Some(account.id.clone()),
        organizer_id: Some(booking.organizer_id.clone()),
        booking_id: Some(booking.id.clone()),
        message: format!("{} does not make the meeting of booking {}: {why}", account.provider, booking.id),
        ..LogEntry::default()
    });
}

pub(super) fn failed(ctx: &Context, booking: &Booking, why: &str) {
    ctx.log(LogEntry {
        log_type: "error".to_owned(),
        integration_type: "video".to_owned(),
        organizer_id: Some(booking.organizer_id.clone()),
        booking_id: Some(booking.id.clone()),
        message: format!("booking {} has no meeting: {why}", booking.id),
        ..LogEntry::default()
    });
}

fn line(ledger: &Ledger<'_>) -> LogEntry {
    let row = &ledger.row;
    LogEntry {
        integration_type: "video".to_owned(),
        integration_id: row.integration_id.clone(),
        organizer_id: Some(row.organizer_id.clone()),
        booking_id: Some(row.booking_id.clone()),
        ..LogEntry::default()
    }
}

/// An event for the organizer's endpoints: one for each version and kind, whoever tells of it.
async fn tell(ctx: &Context, ledger: &Ledger<'_>, event: &str, data: &Value) -> Result<(), Failure> {
    let row = &ledger.row;
    let key = Booking::key(&row.booking_id);
    let envelope = json!({
        "job": "send_webhook",
        "id": format!("{event}:{key}:{}", row.version),
        "queue": ctx.queue(),
        "args": {"organizer": row.organizer_id, "event": event, "data": data, "booking_id": row.booking_id},
    });
    ctx.enqueue(&[envelope]).await
}
