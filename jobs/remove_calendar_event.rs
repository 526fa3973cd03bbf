//! Take a booking out of every calendar that it was written into.
//!
//! One job for each calendar, so that none waits for another. Safe to run twice: what is not there is as good as taken out.
//! That the booking is taken out is remembered first, so whoever is still on the way to write it finds that and writes
//! nothing, also if he was asked before and comes after.

use std::time::Duration;

use chrono::{DateTime, Utc};
use liaison_queue::{
    Limit,
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::{EventStatus, ExternalEvent, LogEntry, RemovedBooking};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    kit::{
        Booking, Context, Job, Name, Sample, Trouble, event_lane, event_lock, put_event, store_failure,
        written_calendar,
    },
    providers::{CalendarWriter, Fault, Window},
};

#[derive(Debug, Deserialize)]
pub(crate) struct RemoveCalendarEvent {
    booking_id: Name,
    /// Of this version and all before it; none: whatever was asked for before this.
    version: Option<i64>,
    /// Out of one calendar only; none: out of all of them.
    integration_id: Option<Name>,
    /// When the host asked for it, if that was not now.
    asked_at: Option<DateTime<Utc>>,
    #[serde(default = "yes")]
    tell_attendees: bool,
}

fn yes() -> bool {
    true
}

impl Job for RemoveCalendarEvent {
    const NAME: &'static str = "remove_calendar_event";
    const ABOUT: &'static str = "takes a booking out of the calendars that it was written into";
    const TIMEOUT: Duration = Duration::from_mins(2);
    // A calendar's outage of an afternoon.
    const RETRY: Retry = Retry::doubling(Duration::from_secs(5)).cap(Duration::from_mins(15)).attempts(30);
    // One that was never written: the samples run side by side, and a removal would win.
    const SAMPLE: Option<Sample> = Some(Sample { args: r#"{"booking_id": "sample-2"}"#, ends: RunOutcome::Done });

    async fn run(self, ctx: &Context) -> Outcome {
        match &self.integration_id {
            Some(Name(integration)) => self.one(ctx, integration).await,
            None => self.fan_out(ctx).await,
        }
    }
}

impl RemoveCalendarEvent {
    fn removed(&self, ctx: &Context) -> RemovedBooking {
        RemovedBooking {
            booking_id: self.booking_id.0.clone(),
            version: self.version,
            asked_at: self.asked_at.unwrap_or(ctx.enqueued_at),
            job_id: ctx.id.to_string(),
        }
    }

    /// One job for each calendar that has it, or may have it.
    async fn fan_out(&self, ctx: &Context) -> Outcome {
        let (store, removed) = (ctx.store()?, self.removed(ctx));
        let asked_at = removed.asked_at;
        store.remember_removal(removed).await.map_err(|fault| store_failure(&fault))?;
        let events = store.external_events(&self.booking_id.0).await.map_err(|fault| store_failure(&fault))?;
        let events: Vec<_> = events.iter().filter(|event| event.status != EventStatus::Removed).collect();
        let child = |event: &&ExternalEvent| {
            json!({
                "job": Self::NAME,
                "queue": ctx.queue(),
                "lane": event_lane(&event.booking_id, &event.integration_id),
                "args": {
                    "booking_id": event.booking_id,
                    "version": self.version,
                    "integration_id": event.integration_id,
                    "asked_at": asked_at,
                    "tell_attendees": self.tell_attendees,
                },
            })
        };
        let jobs: Vec<Value> = events.iter().map(child).collect();
        if !jobs.is_empty() {
            ctx.enqueue(&jobs).await?;
        }
        let ids: Vec<&str> = events.iter().map(|event| event.integration_id.as_str()).collect();
        Ok(Done(Some(json!({"booking_id": self.booking_id.0, "calendars": ids}))))
    }

    async fn one(&self, ctx: &Context, integration_id: &str) -> Outcome {
        let id = &self.booking_id.0;
        let _one = ctx.limits.pass(&event_lock(id, integration_id), &[Limit::concurrent(1)]).await?;
        let found = ctx.store()?.external_event(id, integration_id).await.map_err(|fault| store_failure(&fault))?;
        let Some(mut row) = found else { return Ok(Done(Some(json!({"skipped": "it was never written"})))) };
        if !self.removed(ctx).covers(row.version, row.asked_at) {
            let newer = row.version;
            return Ok(Done(Some(json!({"skipped": format!("version {newer} of the booking is wanted again")}))));
        }
        if row.status == EventStatus::Removed {
            if row.job_id == ctx.id.as_str() {
                log(ctx, &row);
            }
            return Ok(Done(Some(json!({"skipped": "it was taken out before"}))));
        }
        row.status = EventStatus::Removing;
        put_event(ctx, &mut row).await?;
        match self.take_out(ctx, &row).await {
            Ok(()) | Err(Trouble::Answered(Fault::Gone { .. })) => {}
            Err(trouble) => {
                let failure = trouble.failure(ctx.now());
                if let Failure::Fatal { reason } = &failure {
                    row.reason = Some(reason.clone());
                    put_event(ctx, &mut row).await?;
                    let message = format!("booking {id} was not taken out of the calendar: {reason}");
                    ctx.log(LogEntry { log_type: "error".to_owned(), message, ..line(&row) });
                }
                return Err(failure);
            }
        }
        (row.status, row.reason) = (EventStatus::Removed, None);
        put_event(ctx, &mut row).await?;
        log(ctx, &row);
        Ok(Done(Some(json!({"booking_id": id, "integration_id": integration_id, "removed": row.external_id}))))
    }

    async fn take_out(&self, ctx: &Context, row: &ExternalEvent) -> Result<(), Trouble> {
        let found = written_calendar(ctx, &row.integration_id).await.map_err(Trouble::NotAsked)?;
        // Whoever deletes an account has it forgotten with all that was written with it.
        let Some((account, calendar)) = found else { return Ok(()) };
        let (known, key) = (row.external_id.as_deref(), &Booking::key(&row.booking_id));
        let around = Window { from: row.starts_at, to: row.ends_at };
        let tell = self.tell_attendees;
        let remove = |desk: Box<dyn CalendarWriter>| async move {
            match known {
                Some(id) => desk.remove(id, tell).await,
                // It may have been written by somebody who never got to know.
                None => match desk.find(key, around).await? {
                    Some(made) => desk.remove(&made.id, tell).await,
                    None => Ok(()),
                },
            }
        };
        ctx.writer(&account, &calendar, remove).await
    }
}

fn log(ctx: &Context, row: &ExternalEvent) {
    ctx.log(LogEntry {
        log_type: "calendar_event_removed".to_owned(),
        message: format!("booking {} was taken out of the calendar", row.booking_id),
        success: true,
        ..line(row)
    });
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
