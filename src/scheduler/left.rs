//! What is left to do once ticks are decided, as it stands in Redis until it is done.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use liaison_queue::{JobId, clock::Millis};
use liaison_store::{TickRow, TickStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::policy::{Missed, ON_TIME};
use crate::config::schedule::{Entry, Overlap};

/// A row to write; and, for a tick that fires, a job to enqueue before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) status: TickStatus,
    /// When it was decided, ms since the epoch.
    pub(crate) decided_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The last of several, ms since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ticks: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<LeftJob>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LeftJob {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) envelope: String,
}

impl Left {
    pub(crate) fn fired(entry: &Entry, tick: DateTime<Utc>, now: Millis) -> Self {
        let (id, queue) = (job_id(entry, tick), entry.queue.to_string());
        // A late one is spread from now on: several that are made up for must not start together either.
        let on_time = now.date() - tick < chrono::Duration::from_std(ON_TIME).unwrap_or_default();
        let from = if on_time { Millis::at(tick) } else { now };
        let wait = entry.wait(tick);
        let run_at = (!wait.is_zero()).then(|| from.plus(wait));
        let envelope = envelope(entry, &id, run_at, Some(tick)).to_string();
        let job = Some(LeftJob { id, queue, envelope });
        Self { status: TickStatus::Fired, decided_at: now.0, reason: None, until: None, ticks: None, job }
    }

    pub(crate) fn skipped(before: &JobId, now: Millis) -> Self {
        let reason = Some(format!("{before} is not over"));
        Self { status: TickStatus::Skipped, decided_at: now.0, reason, until: None, ticks: None, job: None }
    }

    pub(crate) fn missed(missed: Missed, now: Millis) -> Self {
        let (until, ticks) = (Millis::at(missed.last).0, i32::try_from(missed.count).unwrap_or(i32::MAX));
        let reason = Some("no daemon was there in time".to_owned());
        let (until, ticks) = (Some(until), Some(ticks));
        Self { status: TickStatus::Missed, decided_at: now.0, reason, until, ticks, job: None }
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn row(self, entry: &str, tick: Millis) -> TickRow {
        let (job_id, queue) = self.job.map(|job| (job.id, job.queue)).unzip();
        TickRow {
            entry: entry.to_owned(),
            tick_at: tick.date(),
            until_at: self.until.map_or(tick, Millis).date(),
            ticks: self.ticks.unwrap_or(1),
            status: self.status,
            reason: self.reason,
            job_id,
            queue,
            decided_at: Millis(self.decided_at).date(),
        }
    }
}

/// The id of a tick's job: the same for whoever makes it.
pub(crate) fn job_id(entry: &Entry, tick: DateTime<Utc>) -> String {
    format!("{}@{}", entry.name, tick.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// The entry's job. What it is for stands in the envelope, for those who look at the job.
pub(crate) fn envelope(entry: &Entry, id: &str, run_at: Option<Millis>, tick: Option<DateTime<Utc>>) -> Value {
    let mut schedule = json!({"entry": entry.name.as_str()});
    if let Some(tick) = tick {
        schedule["tick"] = tick.to_rfc3339_opts(SecondsFormat::Secs, true).into();
    }
    let mut envelope = json!({
        "id": id, "job": entry.job, "args": entry.args, "queue": entry.queue.as_str(),
        "priority": entry.priority.as_str(), "schedule": schedule,
    });
    if entry.overlap == Overlap::Queue {
        envelope["lane"] = format!("schedule:{}", entry.name).into();
    }
    if let Some(run_at) = run_at {
        envelope["run_at"] = run_at.0.into();
    }
    envelope
}

impl Entry {
    /// How much later than its tick the job starts: an amount of the entry's own, and one of the tick's.
    fn wait(&self, tick: DateTime<Utc>) -> Duration {
        let part = |of: Duration, seed: &str| {
            let millis = u64::try_from(of.as_millis()).unwrap_or(u64::MAX);
            Duration::from_millis(if millis == 0 { 0 } else { spread_evenly(seed) % (millis + 1) })
        };
        part(self.spread, self.name.as_str()) + part(self.jitter, &job_id(self, tick))
    }
}

/// FNV-1a, finished so that neighbours lie far apart: the same on every machine and in every release.
fn spread_evenly(seed: &str) -> u64 {
    let hash = seed
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}
