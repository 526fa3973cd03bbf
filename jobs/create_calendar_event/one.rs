//! A booking in one calendar.

use liaison_queue::{
    Limit,
    faults::{self, Point},
    outcome::{Done, Failure, Outcome},
};
use liaison_store::{CalendarSync, EventStatus, ExternalEvent, Integration, LogEntry, RemovedBooking};
use serde_json::json;

use super::CreateCalendarEvent;
use crate::{
    kit::{Context, Trouble, event_lock, put_event, store_failure, written_calendar},
    providers::{CalendarWriter, Draft, Fault, Made},
};

pub(super) async fn run(ctx: &Context, job: &CreateCalendarEvent, integration_id: &str) -> Outcome {
    let booking = &job.booking;
    let Some((account, calendar)) = written_calendar(ctx, integration_id).await? else {
        return Ok(Done(Some(json!({"skipped": format!("there is no calendar {integration_id} any more")}))));
    };
    let _one = ctx.limits.pass(&event_lock(&booking.id, integration_id), &[Limit::concurrent(1)]).await?;
    let store = ctx.store()?;
    let found = store.external_event(&booking.id, integration_id).await.map_err(|fault| store_failure(&fault))?;
    let mut row = found.unwrap_or_else(|| new(ctx, job, &account));
    if row.turn > 0 && row.version > booking.version {
        let newer = row.version;
        return Ok(Done(Some(json!({"skipped": format!("version {newer} of the booking came before")}))));
    }
    if row.turn > 0 && row.version == booking.version && row.status == EventStatus::Created {
        if row.job_id == ctx.id.as_str() {
            log(ctx, &row);
        }
        return Ok(Done(Some(result(&row))));
    }
    if let Some(removed) = removed_since(ctx, job).await? {
        return overtaken(ctx, job, &row, &removed).await;
    }
    faults::at(Point::EventUnnoted);
    // A row that is there and not of a removed event may be that of one whose answer was lost.
    let is_nowhere = row.turn == 0 || row.status == EventStatus::Removed;
    if matches!(row.status, EventStatus::Removed | EventStatus::Removing) {
        // What was taken out and is wanted again is another event, which may have the same id.
        (row.external_id, row.etag) = (row.external_id.take().filter(|_| row.status == EventStatus::Removing), None);
    }
    (row.version, row.status) = (booking.version, EventStatus::Intended);
    (row.starts_at, row.ends_at, row.asked_at) = (booking.starts_at, booking.ends_at, job.asked_at(ctx));
    put_event(ctx, &mut row).await?;
    faults::at(Point::EventNoted);
    // After the intention was noted: whoever takes the booking out from here on finds it, and comes after us.
    if let Some(removed) = removed_since(ctx, job).await? {
        if is_nowhere {
            row.status = EventStatus::Removed;
            put_event(ctx, &mut row).await?;
        }
        return overtaken(ctx, job, &row, &removed).await;
    }
    faults::at(Point::BeforeEventCall);
    let draft = booking.draft(job.tell_attendees);
    let answer = write(ctx, (&account, &calendar), &mut row, &draft).await;
    faults::at(Point::EventAnswered);
    match answer {
        Ok(made) => {
            (row.external_id, row.etag) = (Some(made.id), made.version);
            (row.status, row.reason) = (EventStatus::Created, None);
            keep(ctx, job, &mut row).await?;
            faults::at(Point::EventStored);
            log(ctx, &row);
            Ok(Done(Some(result(&row))))
        }
        Err(trouble) => {
            let failure = trouble.failure(ctx.now());
            if let Failure::Fatal { reason } = &failure {
                (row.status, row.reason) = (EventStatus::Failed, Some(reason.clone()));
                put_event(ctx, &mut row).await?;
                refused(ctx, &row, reason);
            }
            Err(failure)
        }
    }
}

fn new(ctx: &Context, job: &CreateCalendarEvent, account: &Integration) -> ExternalEvent {
    let booking = &job.booking;
    ExternalEvent {
        booking_id: booking.id.clone(),
        integration_id: account.id.clone(),
        organizer_id: booking.organizer_id.clone(),
        provider: account.provider.clone(),
        version: booking.version,
        external_id: None,
        etag: None,
        status: EventStatus::Intended,
        reason: None,
        asked_at: job.asked_at(ctx),
        starts_at: booking.starts_at,
        ends_at: booking.ends_at,
        turn: 0,
        job_id: String::new(),
        created_at: ctx.now(),
        updated_at: ctx.now(),
    }
}

/// The word that took the booking out after this was asked for, if there is one: then nothing is written.
async fn removed_since(ctx: &Context, job: &CreateCalendarEvent) -> Result<Option<RemovedBooking>, Failure> {
    let removed = ctx.store()?.removed_booking(&job.booking.id).await.map_err(|fault| store_failure(&fault))?;
    Ok(removed.filter(|removed| removed.covers(job.booking.version, job.asked_at(ctx))))
}

/// A removal came before us. It may have looked for events before the row was there, or we may have asked before and
/// lost the answer: what may stand in the calendar is taken out once more, which is taking it out once.
async fn overtaken(ctx: &Context, job: &CreateCalendarEvent, row: &ExternalEvent, removed: &RemovedBooking) -> Outcome {
    if row.turn > 0 && row.status != EventStatus::Removed {
        ctx.enqueue(&[job.removal(ctx, row, removed.version, removed.asked_at)]).await?;
    }
    Err(Failure::Cancelled { reason: "the booking was taken out of the calendars since".to_owned() })
}

/// Write down what was written. If another job has changed the row, because this process stood still for longer than its
/// lease, and the booking was taken out then, its event stands there again: the row says so, and it is taken out again.
async fn keep(ctx: &Context, job: &CreateCalendarEvent, row: &mut ExternalEvent) -> Result<(), Failure> {
    let Err(failure) = put_event(ctx, row).await else { return Ok(()) };
    let now = ctx.store()?.external_event(&row.booking_id, &row.integration_id).await;
    if let Ok(Some(mut now)) = now
        && now.turn != row.turn
        && matches!(now.status, EventStatus::Removing | EventStatus::Removed)
    {
        now.status = EventStatus::Removing;
        (now.external_id, now.etag) = (row.external_id.clone(), row.etag.clone());
        put_event(ctx, &mut now).await?;
        let removed = removed_since(ctx, job).await?;
        let (version, asked_at) = removed.map_or((None, now.asked_at), |removed| (removed.version, removed.asked_at));
        ctx.enqueue(&[job.removal(ctx, &now, version, asked_at)]).await?;
    }
    Err(failure)
}

/// Write what shall be: into the event that there is, or a new one.
async fn write(
    ctx: &Context,
    (account, calendar): (&Integration, &CalendarSync),
    row: &mut ExternalEvent,
    draft: &Draft,
) -> Result<Made, Trouble> {
    if let Some(id) = row.external_id.clone() {
        let id = &id;
        // Whatever version it has by now: the booking says how it shall be.
        let update = |desk: Box<dyn CalendarWriter>| async move { desk.update(id, None, draft).await };
        match ctx.writer(account, calendar, update).await {
            // Somebody has deleted it: it is written again.
            Err(Trouble::Answered(Fault::Gone { .. })) => {
                (row.external_id, row.etag) = (None, None);
                put_event(ctx, row).await.map_err(Trouble::NotAsked)?;
            }
            answer => return answer,
        }
    }
    let create = |desk: Box<dyn CalendarWriter>| async move {
        let made = desk.create(draft).await?;
        // One of the same key that is not as it shall be.
        if made.differs { desk.update(&made.id, None, draft).await } else { Ok(made) }
    };
    ctx.writer(account, calendar, create).await
}

fn result(row: &ExternalEvent) -> serde_json::Value {
    json!({
        "booking_id": row.booking_id,
        "version": row.version,
        "integration_id": row.integration_id,
        "provider": row.provider,
        "external_id": row.external_id,
    })
}

fn log(ctx: &Context, row: &ExternalEvent) {
    ctx.log(LogEntry {
        log_type: "calendar_event_written".to_owned(),
        message: format!("booking {} stands in the calendar", row.booking_id),
        details: Some(result(row).to_string()),
        success: true,
        ..line(row)
    });
}

fn refused(ctx: &Context, row: &ExternalEvent, why: &str) {
    let message = format!("booking {} was not written into the calendar: {why}", row.booking_id);
    ctx.log(LogEntry { log_type: "error".to_owned(), message, ..line(row) });
}

fn line(row: &ExternalEvent) -> LogEntry {
    LogEntry {
        integration_type: "calendar".to_owned(),
        integration_id: Some(row.integration_id.clone()),
        organizer_id: Some(row.organizer_id.clone()),
        booking_id: Some(row.booking_id.clone()),
        ..LogEntry::default()
    }
}
