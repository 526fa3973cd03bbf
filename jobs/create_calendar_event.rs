//! Write a booking into every connected calendar of its organizer, or change what was written there before.
//!
//! One job for each calendar, so that none waits for another; its id follows from this one. Safe to run twice: an event has
//! its booking's key, a row for each booking and calendar says what is wanted before the provider is asked and what came of
//! it after, and what is of an older version does nothing. What was taken out since it was asked for is not written: it
//! ends as cancelled, and what it may have written before is taken out once more. Dies half-way: the same event is
//! written again, which is writing it once.

mod one;

use std::time::Duration;

use chrono::{DateTime, Utc};
use liaison_queue::{
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::{EventStatus, ExternalEvent, Integration, IntegrationFilter, IntegrationKind};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};

use crate::{
    kit::{Booking, Context, Job, Name, Sample, event_lane, store_failure},
    providers::entry,
    remove_calendar_event::RemoveCalendarEvent,
};

/// Who has more calendars is a mistake of its host.
const MAX_CALENDARS: u32 = 1000;

#[derive(Debug)]
pub(crate) struct CreateCalendarEvent {
    booking: Booking,
    /// As it came: it is handed on to the jobs for each calendar.
    written: Value,
    /// Of one calendar only; none: of all of them.
    integration_id: Option<String>,
    /// When the host asked for it, if that was not now.
    asked_at: Option<DateTime<Utc>>,
    tell_attendees: bool,
}

impl<'de> Deserialize<'de> for CreateCalendarEvent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            booking: Value,
            integration_id: Option<Name>,
            asked_at: Option<DateTime<Utc>>,
            #[serde(default = "yes")]
            tell_attendees: bool,
        }
        fn yes() -> bool {
            true
        }
        let Written { booking: written, integration_id, asked_at, tell_attendees } = Written::deserialize(from)?;
        let booking = serde_json::from_value(written.clone());
        let booking = booking.map_err(|fault| D::Error::custom(format!("booking: {fault}")))?;
        let integration_id = integration_id.map(|Name(id)| id);
        Ok(Self { booking, written, integration_id, asked_at, tell_attendees })
    }
}

impl Job for CreateCalendarEvent {
    const NAME: &'static str = "create_calendar_event";
    const ABOUT: &'static str = "writes a booking into the calendars of its organizer";
    const TIMEOUT: Duration = Duration::from_mins(2);
    // A calendar's outage of an afternoon.
    const RETRY: Retry = Retry::doubling(Duration::from_secs(5)).cap(Duration::from_mins(15)).attempts(30);
    const SAMPLE: Option<Sample> = Some(Sample {
        args: r#"{"booking": {"id": "sample", "version": 1, "organizer_id": "example", "title": "A first meeting",
            "starts_at": "2030-01-31T09:00:00+01:00", "ends_at": "2030-01-31T09:30:00+01:00",
            "timezone": "Europe/Berlin", "attendees": ["guest@example.org"]}}"#,
        ends: RunOutcome::Done,
    });

    async fn run(self, ctx: &Context) -> Outcome {
        match &self.integration_id {
            Some(id) => one::run(ctx, &self, id).await,
            None => self.fan_out(ctx).await,
        }
    }
}

impl CreateCalendarEvent {
    /// One job for each calendar.
    async fn fan_out(&self, ctx: &Context) -> Outcome {
        let filter = IntegrationFilter {
            kind: Some(IntegrationKind::Calendar),
            organizer: Some(self.booking.organizer_id.clone()),
            active: Some(true),
            disconnected: Some(false),
            limit: MAX_CALENDARS,
            ..IntegrationFilter::default()
        };
        let calendars = ctx.store()?.integrations(filter).await.map_err(|fault| store_failure(&fault))?;
        let writes = |calendar: &Integration| entry(&calendar.provider).is_some_and(|entry| entry.writes.is_some());
        let (calendars, others): (Vec<_>, Vec<_>) = calendars.into_iter().partition(writes);
        let mut jobs: Vec<Value> = calendars.iter().map(|calendar| self.child(ctx, calendar)).collect();
        jobs.extend(self.out_of_former_calendars(ctx).await?);
        if !jobs.is_empty() {
            ctx.enqueue(&jobs).await?;
        }
        let ids: Vec<&str> = calendars.iter().map(|calendar| calendar.id.as_str()).collect();
        Ok(Done(Some(json!({
            "booking_id": self.booking.id,
            "version": self.booking.version,
            "calendars": ids,
            "without_client": others.len(),
        }))))
    }

    /// A booking that somebody else is the organizer of now stands in none of the former one's calendars.
    async fn out_of_former_calendars(&self, ctx: &Context) -> Result<Vec<Value>, Failure> {
        let booking = &self.booking;
        let events = ctx.store()?.external_events(&booking.id).await.map_err(|fault| store_failure(&fault))?;
        let is_former = |event: &&ExternalEvent| {
            event.organizer_id != booking.organizer_id
                && event.version < booking.version
                && event.status != EventStatus::Removed
        };
        let child = |event| self.removal(ctx, event, None, self.asked_at(ctx));
        Ok(events.iter().filter(is_former).map(child).collect())
    }

    fn child(&self, ctx: &Context, calendar: &Integration) -> Value {
        json!({
            "job": Self::NAME,
            "queue": ctx.queue(),
            "lane": event_lane(&self.booking.id, &calendar.id),
            "args": {
                "booking": self.written,
                "integration_id": calendar.id,
                "asked_at": self.asked_at(ctx),
                "tell_attendees": self.tell_attendees,
            },
        })
    }

    /// The job that takes an event out, if it was asked for up to this version, or without one up to this time.
    fn removal(&self, ctx: &Context, event: &ExternalEvent, version: Option<i64>, asked_at: DateTime<Utc>) -> Value {
        json!({
            "job": RemoveCalendarEvent::NAME,
            "queue": ctx.queue(),
            "lane": event_lane(&event.booking_id, &event.integration_id),
            "args": {
                "booking_id": event.booking_id,
                "version": version,
                "integration_id": event.integration_id,
                "asked_at": asked_at,
                "tell_attendees": self.tell_attendees,
            },
        })
    }

    fn asked_at(&self, ctx: &Context) -> DateTime<Utc> {
        self.asked_at.unwrap_or(ctx.enqueued_at)
    }
}
