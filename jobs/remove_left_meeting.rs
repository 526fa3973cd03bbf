//! Take away what a booking left at a provider that it fell back from: asked for by `generate_meeting_link` alone.
//!
//! Safe to run twice: what is not there is as good as removed. What is the booking's meeting by now, or may become it,
//! stays: the row is read again under the lock of the booking.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::{
    Limit,
    outcome::{Done, Failure, Outcome},
    retry::Retry,
};
use liaison_store::{EventStatus, ExternalEvent, Integration, IntegrationKind, MeetingStatus};
use serde::Deserialize;
use serde_json::json;

use crate::{
    kit::{Booking, Context, Job, Sample, meeting_lock, store_failure},
    providers::{MadeBy, Meetings, What, Window, entry},
};

#[derive(Debug, Deserialize)]
pub(crate) struct RemoveLeftMeeting {
    booking_id: String,
    integration_id: String,
    /// None: nobody knows whether there is one.
    external_id: Option<String>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
}

impl Job for RemoveLeftMeeting {
    const NAME: &'static str = "remove_left_meeting";
    const ABOUT: &'static str = "removes a meeting that a booking has left at another provider";
    const TIMEOUT: Duration = Duration::from_mins(2);
    // Its provider was away when it was left: days may pass until it is back.
    const RETRY: Retry = Retry::doubling(Duration::from_mins(1)).cap(Duration::from_hours(2)).attempts(40);
    // It follows from others.
    const SAMPLE: Option<Sample> = None;

    async fn run(self, ctx: &Context) -> Outcome {
        let _one = ctx.limits.pass(&meeting_lock(&self.booking_id), &[Limit::concurrent(1)]).await?;
        if let Some(why) = self.is_wanted(ctx).await? {
            return Ok(Done(Some(json!({"skipped": why}))));
        }
        let store = ctx.store()?;
        let account = store.integration(IntegrationKind::Video, &self.integration_id).await;
        let Some(account) = account.map_err(|fault| store_failure(&fault))? else {
            return Ok(Done(Some(json!({"skipped": "there is no such account any more"}))));
        };
        let Some(id) = self.id(ctx, &account).await? else {
            return Ok(Done(Some(json!({"skipped": "nothing was left"}))));
        };
        if let Some(why) = is_in_a_calendar(ctx, &self.booking_id, &account, &id).await? {
            return Ok(Done(Some(json!({"skipped": why}))));
        }
        let asked = &id;
        let removed = ctx.meetings(&account, What::Calls, |desk| async move { desk.remove(asked).await }).await;
        removed.map_err(|trouble| trouble.failure(ctx.now()))?;
        Ok(Done(Some(json!({"removed": id, "provider": account.provider}))))
    }
}

impl RemoveLeftMeeting {
    /// Why it must stay, if it must.
    async fn is_wanted(&self, ctx: &Context) -> Result<Option<&'static str>, Failure> {
        let row = ctx.store()?.meeting(&self.booking_id).await.map_err(|fault| store_failure(&fault))?;
        let Some(row) = row.filter(|row| row.integration_id.as_ref() == Some(&self.integration_id)) else {
            return Ok(None);
        };
        match (row.status, &row.external_id, &self.external_id) {
            (MeetingStatus::Removed | MeetingStatus::Failed, ..) => Ok(None),
            // Another one than this was made there since.
            (_, Some(known), Some(left)) if known != left => Ok(None),
            (_, Some(_), _) => Ok(Some("it is the booking's meeting again")),
            (_, None, _) => {
                Err(Failure::retry("the same account is asked for the booking's meeting again; wait for that"))
            }
        }
    }

    async fn id(&self, ctx: &Context, account: &Integration) -> Result<Option<String>, Failure> {
        if self.external_id.is_some() {
            return Ok(self.external_id.clone());
        }
        let key = &Booking::key(&self.booking_id);
        let from = self.starts_at.unwrap_or(ctx.now());
        let around = Window { from, to: self.ends_at.unwrap_or(from + TimeDelta::days(1)) };
        let find = |desk: Box<dyn Meetings>| async move { desk.find(key, around).await };
        let found = ctx.meetings(account, What::Calls, find).await.map_err(|trouble| trouble.failure(ctx.now()))?;
        Ok(found.map(|meeting| meeting.id))
    }
}

/// Why it must stay, if it is the event of the booking in one of its organizer's calendars: one key, one event.
async fn is_in_a_calendar(
    ctx: &Context,
    booking_id: &str,
    account: &Integration,
    id: &str,
) -> Result<Option<&'static str>, Failure> {
    let events = ctx.store()?.external_events(booking_id).await.map_err(|fault| store_failure(&fault))?;
    let mut wanted = events.iter().filter(|event| event.status != EventStatus::Removed);
    if wanted.clone().any(|event| event.external_id.as_deref() == Some(id)) {
        return Ok(Some("it is the booking's event in a calendar"));
    }
    let comes_with_events = |name: &str| entry(name).is_some_and(|entry| entry.meetings == MadeBy::Event);
    let may_become_it = |event: &ExternalEvent| {
        event.status == EventStatus::Intended && event.external_id.is_none() && comes_with_events(&event.provider)
    };
    if comes_with_events(&account.provider) && wanted.any(may_become_it) {
        return Err(Failure::retry("the booking is being written into a calendar that may be the same; wait for that"));
    }
    Ok(None)
}
