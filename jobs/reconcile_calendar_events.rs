//! Bring what is known of a calendar into the times at which its organizer is busy, and find what collides there.
//!
//! Safe to run twice: portions are taken by their marks in the mirror, each in one transaction that takes the marks away;
//! what is blocked already is not touched. Events for hosts have ids that follow from what they tell: a process that dies
//! before they were noted as told sends them again, under the same ids.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use liaison_queue::{
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::{Block, CalendarSync, Conflict, EventTime, MirroredEvent, Portion};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kit::{
    Context, Job, Sample, again,
    calendars::{earlier, line, reconcile_envelope},
    digest,
};

/// Closed conflicts are remembered for so long.
const REMEMBERED: Duration = Duration::from_hours(365 * 24);
/// Conflicts that are told in one step.
const TOLD_AT_ONCE: u32 = 100;
/// What a run does not finish in this time it leaves to another one: slots are for all.
const TURN: TimeDelta = TimeDelta::minutes(2);

#[derive(Debug, Deserialize)]
pub(crate) struct ReconcileCalendarEvents {
    integration_id: String,
}

impl Job for ReconcileCalendarEvents {
    const NAME: &'static str = "reconcile_calendar_events";
    const ABOUT: &'static str =
        "turns what is known of the calendar `integration_id` into blocked times, and finds conflicts";
    // A turn, and the events for hosts.
    const TIMEOUT: Duration = Duration::from_mins(5);
    const RETRY: Retry = Retry::doubling(Duration::from_secs(5)).cap(Duration::from_mins(5)).attempts(10);
    // In the same lane as the sample of sync_calendar_events: it comes after that.
    const SAMPLE: Option<Sample> = Some(Sample { args: r#"{"integration_id": "google"}"#, ends: RunOutcome::Done });
    const SAMPLE_LANE: Option<&'static str> = Some("sync:google");

    async fn run(self, ctx: &Context) -> Outcome {
        let id = &self.integration_id;
        let Some(calendar) = read(ctx, id).await? else {
            return Err(Failure::fatal(format!("there is no calendar integration {id}; `liaison integrations list`")));
        };
        let began = ctx.now();
        let mut sum = portions(ctx, &calendar, began).await?;
        sum.conflicts += check_manual(ctx, &calendar).await?;
        let closed = ctx
            .store()?
            .close_conflicts(&calendar.organizer_id, ctx.now(), earlier(ctx.now(), REMEMBERED))
            .await
            .map_err(|fault| again(&fault))?;
        tell_of_conflicts(ctx, &calendar).await?;
        tell_of_blocks(ctx, &calendar, sum).await?;
        let Portion { events, created, updated, deleted, conflicts } = sum;
        let result = json!({
            "events": events, "created": created, "updated": updated, "deleted": deleted,
            "conflicts": conflicts, "conflicts_closed": closed,
        });
        if sum.changed() || conflicts + closed > 0 {
            let message = format!(
                "blocked times: {created} created, {updated} updated, {deleted} deleted; {conflicts} new conflicts, \
                 {closed} are no more"
            );
            ctx.log(line(&calendar, message, true, &result));
        }
        Ok(Done(Some(result)))
    }
}

async fn read(ctx: &Context, id: &str) -> Result<Option<CalendarSync>, Failure> {
    ctx.store()?.calendar_sync(id).await.map_err(|fault| again(&fault))
}

/// All that has changed in the mirror, portion by portion.
async fn portions(ctx: &Context, calendar: &CalendarSync, began: DateTime<Utc>) -> Result<Portion, Failure> {
    let (store, size) = (ctx.store()?, ctx.services.calendars.portion);
    let mut sum = Portion::default();
    loop {
        let judge = |event: &MirroredEvent, zone: Option<&str>| block(event, zone_of(zone));
        let portion = store.reconcile(&calendar.integration_id, size, ctx.now(), judge).await;
        let portion = portion.map_err(|fault| again(&fault))?;
        sum = sum.plus(portion);
        if portion.events < size as usize {
            return Ok(sum);
        }
        if ctx.now() - began >= TURN {
            ctx.enqueue(&[reconcile_envelope(&calendar.integration_id, &ctx.queue())]).await?;
            return Ok(sum);
        }
    }
}

/// What hosts have blocked by hand since it was looked at.
async fn check_manual(ctx: &Context, calendar: &CalendarSync) -> Result<usize, Failure> {
    let (store, size) = (ctx.store()?, ctx.services.calendars.portion);
    let mut conflicts = 0;
    loop {
        let looked = store.check_manual_blocks(&calendar.organizer_id, size, ctx.now()).await;
        let (blocks, new) = looked.map_err(|fault| again(&fault))?;
        conflicts += new;
        if blocks < size as usize {
            return Ok(conflicts);
        }
    }
}

/// Send what nobody was told of yet, whichever run has found it.
async fn tell_of_conflicts(ctx: &Context, calendar: &CalendarSync) -> Result<(), Failure> {
    let store = ctx.store()?;
    loop {
        let untold = store.untold_conflicts(&calendar.organizer_id, TOLD_AT_ONCE).await;
        let untold = untold.map_err(|fault| again(&fault))?;
        if untold.is_empty() {
            return Ok(());
        }
        let envelopes: Vec<Value> = untold.iter().map(|conflict| conflict_event(ctx, conflict)).collect();
        ctx.enqueue(&envelopes).await?;
        let ids = untold.into_iter().map(|conflict| conflict.id).collect();
        store.conflicts_were_told(ids).await.map_err(|fault| again(&fault))?;
    }
}

async fn tell_of_blocks(ctx: &Context, calendar: &CalendarSync, sum: Portion) -> Result<(), Failure> {
    let Some(now) = read(ctx, &calendar.integration_id).await? else { return Ok(()) };
    if now.blocks_version == now.blocks_told {
        return Ok(());
    }
    let (id, version) = (&calendar.integration_id, now.blocks_version);
    let data = json!({
        "integration_id": id,
        "provider": calendar.provider,
        "created": sum.created,
        "updated": sum.updated,
        "deleted": sum.deleted,
        "conflicts": sum.conflicts,
    });
    let name = format!("calendar.synced:{}", digest(&[id, &version.to_string()]));
    ctx.enqueue(&[event(ctx, &name, "calendar.synced", &calendar.organizer_id, id, &data)]).await?;
    ctx.store()?.blocks_were_told(id, version).await.map_err(|fault| again(&fault))
}

fn conflict_event(ctx: &Context, conflict: &Conflict) -> Value {
    let Conflict { id, organizer_id, detected_at, .. } = conflict;
    let name = format!("calendar.conflict_detected:{}", digest(&[id, &detected_at.to_rfc3339()]));
    let data = json!({
        "id": id,
        "kind": conflict.kind,
        "blocked_times": [conflict.block_id, conflict.other_block_id],
        "overlap_from": conflict.overlap_from,
        "overlap_until": conflict.overlap_until,
        "suggestion": conflict.suggestion,
    });
    event(ctx, &name, "calendar.conflict_detected", organizer_id, id, &data)
}

/// The job that sends an event to all endpoints of an organizer that want it.
fn event(ctx: &Context, id: &str, name: &str, organizer: &str, subject: &str, data: &Value) -> Value {
    json!({
        "id": id,
        "job": "send_webhook",
        "queue": ctx.queue(),
        "args": {"organizer": organizer, "event": name, "subject": subject, "data": data},
    })
}

/// In which the days of a calendar are days.
fn zone_of(zone: Option<&str>) -> Tz {
    zone.and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC)
}

/// What an event blocks: nothing if its owner shows it as free, does not come, or if it has no length.
fn block(event: &MirroredEvent, zone: Tz) -> Option<Block> {
    if event.declined || event.shown == "free" {
        return None;
    }
    let (starts_at, ends_at, all_day) = match event.when {
        EventTime::Timed { start, end } => (start, end, false),
        EventTime::AllDay { first, after } => (beginning(first, zone), beginning(after, zone), true),
    };
    let tentative = event.shown == "tentative";
    (starts_at < ends_at).then(|| Block { starts_at, ends_at, all_day, tentative, title: event.title.clone() })
}

/// The first instant of a day. Where clocks are put forward at midnight it is an hour later; a day that an island has left
/// out to be on the other side of the date line begins with the next one.
fn beginning(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    let mut quarters = (0..=26 * 4).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
    let first = quarters.find_map(|local| zone.from_local_datetime(&local).earliest());
    first.map_or(midnight.and_utc(), |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(day: &str, zone: &str) -> String {
        beginning(day.parse().expect("a day"), zone.parse().expect("a zone")).to_rfc3339()
    }

    #[test]
    fn a_day_begins_when_its_zone_says() {
        for (day, zone, at) in [
            ("2027-03-28", "Europe/Berlin", "2027-03-27T23:00:00+00:00"),
            ("2027-03-29", "Europe/Berlin", "2027-03-28T22:00:00+00:00"),
            // Midnight does not exist: it is one o'clock at once.
            ("2027-03-28", "Asia/Beirut", "2027-03-27T22:00:00+00:00"),
            // Midnight comes twice: the day begins with the first one.
            ("2026-11-01", "America/Havana", "2026-11-01T04:00:00+00:00"),
            // A day that was left out.
            ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
            ("2027-01-05", "Pacific/Kiritimati", "2027-01-04T10:00:00+00:00"),
        ] {
            assert_eq!(begins(day, zone), at, "{day} in {zone}");
        }
    }

    #[test]
    fn what_blocks_and_what_does_not() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let event = |shown: &str, declined, end: &str| MirroredEvent {
            event_id: "e".to_owned(),
            series_id: None,
            uid: None,
            when: EventTime::Timed { start: at("2027-01-05T10:00:00Z"), end: at(end) },
            title: None,
            shown: shown.to_owned(),
            declined,
            private: false,
            version: None,
        };
        let blocks = |event: &MirroredEvent| block(event, Tz::UTC).map(|block| block.tentative);
        let end = "2027-01-05T11:00:00Z";
        assert_eq!(blocks(&event("busy", false, end)), Some(false));
        assert_eq!(blocks(&event("away", false, end)), Some(false));
        assert_eq!(blocks(&event("tentative", false, end)), Some(true));
        assert_eq!(blocks(&event("free", false, end)), None);
        assert_eq!(blocks(&event("busy", true, end)), None);
        assert_eq!(blocks(&event("busy", false, "2027-01-05T10:00:00Z")), None, "it has no length");
    }
}
