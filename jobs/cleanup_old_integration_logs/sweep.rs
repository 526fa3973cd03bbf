//! Going through the classes: what may go is deleted batch by batch, exported before if that is asked for, and the space
//! is given back. The job does it, and `liaison cleanup` beside it; both at once only share the work.

use std::{
    fmt::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::outcome::Failure;
use liaison_store::{Class, Expired, LogEntry, Old, Pruned, Store, StoreError};
use serde::Serialize;

use super::{
    archive::{Archive, Exported},
    pace::Pace,
};
use crate::kit::Retention;

/// Runs are kept for so long whatever is configured: a host may have its ids remembered for a week, and a job that was
/// recorded and not acknowledged when everything stopped is told by its run from one that must run. So are rows of
/// bookings: who was asked to write one may come as late, and must find that it was taken out.
pub const RUNS_KEPT_AT_LEAST: Duration = Duration::from_hours(8 * 24);
/// After a silence, whatever was in the hands of the dead has been claimed again after so long: far more than a lease.
const SETTLING: TimeDelta = TimeDelta::hours(1);
/// A consent that was not given in time is remembered for so long: whoever comes late with it is told what is the matter.
const STATES: TimeDelta = TimeDelta::days(1);
/// Rows read at a time for an export, and counted at a time.
const EXPORT_PAGE: u32 = 1_000;
const COUNT_PAGE: u32 = 10_000;

/// What is to be deleted, and how.
pub struct Sweep<'a> {
    pub store: &'a Store,
    pub now: DateTime<Utc>,
    pub retention: Retention,
    /// Instead of what is configured for each class.
    pub older_than: Option<Duration>,
    /// Of these only; empty means all.
    pub classes: Vec<Class>,
    /// The folder for what is deleted.
    pub export: Option<PathBuf>,
    /// Part of the names of exported files.
    pub name: String,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    No,
    /// After what is begun.
    Soon,
    /// After the batch.
    Now,
}

/// What there is to delete of a class.
#[derive(Debug, Clone, Serialize)]
pub struct Looked {
    pub class: Class,
    /// What is older may go.
    pub before: DateTime<Utc>,
    pub would_go: u64,
    /// Kept by a legal hold.
    pub held: u64,
    /// Kept because the daemon relies on it.
    pub needed: u64,
    /// Why nothing of it goes this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'static str>,
}

/// What became of a class.
#[derive(Debug, Clone, Serialize)]
pub struct Swept {
    pub class: Class,
    pub before: DateTime<Utc>,
    pub deleted: u64,
    pub held: u64,
    pub needed: u64,
    pub batches: u64,
    /// The longest that one batch kept others waiting.
    pub longest_batch_ms: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exported: Vec<Exported>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'static str>,
}

/// What became of all of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub classes: Vec<Swept>,
    pub space_returned_bytes: u64,
    /// The same for giving space back.
    pub longest_return_ms: u64,
    #[serde(skip)]
    pub finished: bool,
}

const SILENT: &str =
    "no run of the week before the last hour: after a silence, what was under way is claimed again first";

impl Sweep<'_> {
    /// What would go, without touching anything.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn look(&self) -> Result<Vec<Looked>, Failure> {
        let mut all = Vec::new();
        for (class, before) in self.plan() {
            let skipped = self.skipped(class).await?;
            let Old { rows, held } = self.store.old(class, before).await.map_err(failed)?;
            let (mut would_go, mut after) = (0, None);
            loop {
                let page = self.store.expired(class, before, after, COUNT_PAGE, false).await.map_err(failed)?;
                would_go += page.rows.len() as u64;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let needed = rows.saturating_sub(held + would_go);
            let would_go = if skipped.is_some() { 0 } else { would_go };
            all.push(Looked { class, before, would_go, held, needed, skipped });
        }
        Ok(all)
    }

    /// Delete, for as long as nobody says halt.
    ///
    /// # Errors
    /// When the store or the folder for exports does not do its part. What was deleted by then stays deleted.
    pub async fn run(&self, halt: impl Fn() -> Halt, mut told: impl FnMut(&Swept)) -> Result<Report, Failure> {
        let archive = match &self.export {
            Some(folder) => Some(Archive::open(folder.clone(), &self.name, self.now).await?),
            None => None,
        };
        let mut report = Report { classes: Vec::new(), space_returned_bytes: 0, longest_return_ms: 0, finished: true };
        for (class, before) in self.plan() {
            let mut swept = Swept::of(class, before);
            swept.skipped = self.skipped(class).await?;
            if swept.skipped.is_none() {
                report.finished &= match &archive {
                    Some(archive) => self.export_and_delete(archive, &mut swept, &halt, &mut told).await?,
                    None => self.delete(&mut swept, &halt, &mut told).await?,
                };
            }
            // What is old and still there is kept, unless we were stopped.
            let Old { rows, held } = self.store.old(class, before).await.map_err(failed)?;
            swept.held = held;
            swept.needed = if report.finished { rows.saturating_sub(held) } else { 0 };
            told(&swept);
            report.classes.push(swept);
            if !report.finished {
                break;
            }
        }
        if self.classes.is_empty() && report.finished {
            self.store.forget_oauth_states(self.now - STATES).await.map_err(failed)?;
        }
        if report.classes.iter().any(|swept| swept.deleted > 0) {
            self.return_space(&mut report, &halt).await?;
        }
        Ok(report)
    }

    /// The classes, each with the time before which its rows are old.
    fn plan(&self) -> Vec<(Class, DateTime<Utc>)> {
        let is_meant = |class: &Class| self.classes.is_empty() || self.classes.contains(class);
        let before = |class: Class| {
            let age = self.older_than.or_else(|| self.retention.keep.get(&class).copied())?;
            let age = if class.tells_late_jobs() { age.max(RUNS_KEPT_AT_LEAST) } else { age };
            // Longer ago than there are dates is never.
            Some((class, self.now.checked_sub_signed(TimeDelta::from_std(age).ok()?)?))
        };
        Class::ALL.into_iter().filter(is_meant).filter_map(before).collect()
    }

    /// A job that was recorded but not acknowledged before everything stood still is claimed again when it goes on, and
    /// only its run tells that it is done: the runs stay until that is over, however old they have become. So do the rows
    /// that tell whoever comes late that a booking was taken out.
    async fn skipped(&self, class: Class) -> Result<Option<&'static str>, Failure> {
        if !class.tells_late_jobs() {
            return Ok(None);
        }
        let week = TimeDelta::from_std(RUNS_KEPT_AT_LEAST).unwrap_or_default();
        let lived = self.store.ran_between(self.now - week, self.now - SETTLING).await.map_err(failed)?;
        Ok((!lived).then_some(SILENT))
    }

    async fn delete(
        &self,
        swept: &mut Swept,
        halt: &impl Fn() -> Halt,
        told: &mut impl FnMut(&Swept),
    ) -> Result<bool, Failure> {
        let (mut speed, mut after) = (Pace::within(self.retention.batch), None);
        while halt() == Halt::No {
            let began = Instant::now();
            let page =
                self.store.expired(swept.class, swept.before, after, speed.rows(), false).await.map_err(failed)?;
            let waited = self.prune(swept, &page.rows, &mut speed).await?;
            told(swept);
            after = page.next;
            if after.is_none() {
                return Ok(true);
            }
            tokio::time::sleep(Pace::rest(began.elapsed().saturating_sub(waited), waited)).await;
        }
        Ok(false)
    }

    async fn export_and_delete(
        &self,
        archive: &Archive,
        swept: &mut Swept,
        halt: &impl Fn() -> Halt,
        told: &mut impl FnMut(&Swept),
    ) -> Result<bool, Failure> {
        let (mut speed, mut after) = (Pace::within(self.retention.batch), None);
        while halt() == Halt::No {
            let mut volume = None;
            loop {
                let began = Instant::now();
                let page = self.store.expired(swept.class, swept.before, after, EXPORT_PAGE, true);
                let page = page.await.map_err(failed)?;
                after = page.next;
                if page.rows.is_empty() {
                    break;
                }
                let open = match volume.take() {
                    Some(volume) => volume,
                    None => archive.begin(swept.class).await?,
                };
                let written = volume.insert(open.write(page.rows).await?);
                if written.is_full() || after.is_none() || halt() != Halt::No {
                    break;
                }
                tokio::time::sleep(Pace::rest(began.elapsed(), Duration::ZERO)).await;
            }
            let Some(volume) = volume else { return Ok(true) };
            let (exported, keys) = volume.close().await?;
            swept.exported.push(exported);
            let mut keys = keys.as_slice();
            while !keys.is_empty() && halt() != Halt::Now {
                let (some, rest) = keys.split_at((speed.rows() as usize).min(keys.len()));
                let began = Instant::now();
                let waited = self.prune(swept, some, &mut speed).await?;
                told(swept);
                tokio::time::sleep(Pace::rest(began.elapsed().saturating_sub(waited), waited)).await;
                keys = rest;
            }
            if after.is_none() {
                return Ok(keys.is_empty());
            }
        }
        Ok(false)
    }

    /// One batch; how long it waited for its turn.
    async fn prune(&self, swept: &mut Swept, rows: &[Expired], speed: &mut Pace) -> Result<Duration, Failure> {
        if rows.is_empty() {
            return Ok(Duration::ZERO);
        }
        let Pruned { rows: deleted, took, waited } =
            self.store.prune(swept.class, swept.before, rows).await.map_err(failed)?;
        speed.learn(u32::try_from(rows.len()).unwrap_or(u32::MAX), took);
        swept.deleted += deleted;
        swept.batches += 1;
        swept.longest_batch_ms = swept.longest_batch_ms.max(millis(took));
        Ok(waited)
    }

    async fn return_space(&self, report: &mut Report, halt: &impl Fn() -> Halt) -> Result<(), Failure> {
        let mut speed = Pace::within(self.retention.batch);
        while halt() == Halt::No {
            let Pruned { rows: bytes, took, waited } = self.store.return_space(speed.rows()).await.map_err(failed)?;
            if bytes == 0 {
                break;
            }
            speed.learn(speed.rows(), took);
            report.space_returned_bytes += bytes;
            report.longest_return_ms = report.longest_return_ms.max(millis(took));
            tokio::time::sleep(Pace::rest(took, waited)).await;
        }
        self.store.write_back().await.map_err(failed)
    }
}

impl Swept {
    fn of(class: Class, before: DateTime<Utc>) -> Self {
        let (exported, skipped) = (Vec::new(), None);
        Self { class, before, deleted: 0, held: 0, needed: 0, batches: 0, longest_batch_ms: 0, exported, skipped }
    }
}

impl Report {
    /// What the integration log keeps of it; its id and its time are for the caller to say.
    #[must_use]
    pub fn line(&self) -> LogEntry {
        LogEntry {
            log_type: "cleanup".to_owned(),
            integration_type: "none".to_owned(),
            message: self.sentence(),
            details: serde_json::to_string(self).ok(),
            success: true,
            ..LogEntry::default()
        }
    }

    /// All of it in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let sum = |of: fn(&Swept) -> u64| self.classes.iter().map(of).sum::<u64>();
        let files: usize = self.classes.iter().map(|swept| swept.exported.len()).sum();
        let mut text = format!("deleted {} rows", sum(|swept| swept.deleted));
        if files > 0 {
            let _ = write!(text, " after exporting them to {files} files");
        }
        let _ = write!(text, "; {} are held, {} are needed", sum(|swept| swept.held), sum(|swept| swept.needed));
        if !self.finished {
            text += "; there is more to do";
        }
        text
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An outage passes by itself; anything else may be mended before the attempts are used up.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn failed(fault: StoreError) -> Failure {
    let mut text = fault.to_string();
    let mut cause = std::error::Error::source(&fault);
    while let Some(source) = cause {
        let _ = write!(text, ": {source}");
        cause = source.source();
    }
    Failure::retry(text)
}
