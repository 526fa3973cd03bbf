//! Delete what is older than its time: logs, runs, deliveries, letters, ticks, notifications, meetings and events of
//! bookings, each with its own.
//!
//! Safe to run twice: it deletes what is old by now, and remembers nothing. One that dies half-way has deleted whole
//! batches, and the next begins at the oldest row that is left. What was exported and not yet deleted is exported once
//! more, so an archive may hold a row twice and never lacks one.

mod archive;
mod pace;
mod sweep;

use std::time::{Duration, Instant};

use liaison_queue::{
    JobId,
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::Class;
use serde::{Deserialize, Deserializer};
use serde_json::json;

pub use self::sweep::{Halt, Looked, RUNS_KEPT_AT_LEAST, Report, Sweep, Swept};
use crate::kit::{Context, Job, Sample};

/// Before its timeout it stops, and what is left is for the next job of the kind.
const WORK: Duration = Duration::from_mins(9);

#[derive(Debug, Default, Deserialize)]
pub(crate) struct CleanupOldIntegrationLogs {
    /// Only count.
    #[serde(default)]
    dry_run: bool,
    /// Instead of what is configured for each class, as `30d` or `12h`.
    older_than: Option<Age>,
    /// Some of them only.
    #[serde(default)]
    classes: Vec<Class>,
    /// Whether rows are exported before they are deleted; by default if a folder for that is configured.
    export: Option<bool>,
    /// Stop after so many seconds, and let another job go on.
    within: Option<u16>,
    /// Which job began it, and how many have gone on with it since: for those that go on.
    began_as: Option<String>,
    #[serde(default)]
    part: u32,
}

/// A length of time: a whole number and `d` or `h`.
#[derive(Debug, Clone, Copy)]
struct Age(Duration);

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || serde::de::Error::custom("not an age: write a whole number and d or h, as in 30d");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
        let hours = match unit {
            'd' => number.checked_mul(24),
            'h' => Some(number),
            _ => None,
        };
        hours.and_then(|hours| hours.checked_mul(3_600)).map(|s| Self(Duration::from_secs(s))).ok_or_else(wrong)
    }
}

impl Job for CleanupOldIntegrationLogs {
    const NAME: &'static str = "cleanup_old_integration_logs";
    const ABOUT: &'static str = "deletes what is older than its time; with `dry_run` only counts it";
    const TIMEOUT: Duration = Duration::from_mins(10);
    // Whatever keeps it from working, it has a day until the next one.
    const RETRY: Retry = Retry::doubling(Duration::from_mins(1)).attempts(6);
    const CONCURRENCY: Option<u32> = Some(1);
    const SAMPLE: Option<Sample> = Some(Sample { args: r#"{"dry_run": true}"#, ends: RunOutcome::Done });

    async fn run(self, ctx: &Context) -> Outcome {
        let sweep = self.sweep(ctx)?;
        if self.dry_run {
            let looked = sweep.look().await?;
            return Ok(Done(Some(json!({"dry_run": true, "classes": looked}))));
        }
        let (began, work) = (Instant::now(), self.within.map_or(WORK, |s| Duration::from_secs(s.into()).min(WORK)));
        let halt = || match (ctx.is_cancelled(), began.elapsed() >= work) {
            (true, _) => Halt::Now,
            (false, true) => Halt::Soon,
            (false, false) => Halt::No,
        };
        let report = sweep.run(halt, |_| ()).await?;
        ctx.log(report.line());
        if ctx.is_cancelled() {
            return Err(Failure::Cancelled { reason: report.sentence() });
        }
        let mut result = json!({"dry_run": false, "finished": report.finished, "sum": report});
        if !report.finished {
            result["continues_as"] = self.go_on(ctx).await?.into();
        }
        Ok(Done(Some(result)))
    }
}

impl CleanupOldIntegrationLogs {
    fn sweep<'a>(&self, ctx: &'a Context) -> Result<Sweep<'a>, Failure> {
        let retention = &ctx.services.retention;
        let export = match self.export {
            Some(false) => None,
            Some(true) | None => retention.export_folder.clone(),
        };
        if self.export == Some(true) && export.is_none() {
            return Err(Failure::fatal(
                "args.export: there is no folder to export to; set export_folder in [retention]",
            ));
        }
        Ok(Sweep {
            store: ctx.store()?,
            now: ctx.now(),
            retention: retention.clone(),
            older_than: self.older_than.map(|age| age.0),
            classes: self.classes.clone(),
            export,
            name: ctx.id.to_string(),
        })
    }

    /// Ask for the next part. Its id follows from ours, so that asking again is asking once.
    async fn go_on(&self, ctx: &Context) -> Result<String, Failure> {
        let (first, part) = (self.began_as.clone().unwrap_or_else(|| ctx.id.to_string()), self.part + 1);
        // An id that is too long to be gone on with begins anew.
        let id = format!("{first}.{part}");
        let id = JobId::parse(&id).unwrap_or_else(|_| JobId::generate()).to_string();
        let args = json!({
            "older_than": self.older_than.map(|age| format!("{}h", age.0.as_secs() / 3_600)),
            "classes": self.classes,
            "export": self.export,
            "within": self.within,
            "began_as": first,
            "part": part,
        });
        ctx.enqueue(&[json!({"id": id, "job": Self::NAME, "queue": ctx.queue(), "args": args})]).await?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_of_days_or_hours() {
        let age = |text: &str| serde_json::from_value::<Age>(json!(text)).map(|age| age.0);
        assert_eq!(age("30d").unwrap(), Duration::from_hours(720));
        assert_eq!(age("12h").unwrap(), Duration::from_hours(12));
        for text in ["", "d", "30", "30m", "-1d", "1.5d", "99999999999999999999d", "3ü"] {
            assert!(age(text).unwrap_err().to_string().contains("as in 30d"), "{text}");
        }
    }

    #[test]
    fn arguments_that_name_no_class_are_refused_with_those_that_there_are() {
        let fault = serde_json::from_str::<CleanupOldIntegrationLogs>(r#"{"classes": ["logs"]}"#).unwrap_err();
        assert!(fault.to_string().contains("integration_logs"), "{fault}");
    }
}
