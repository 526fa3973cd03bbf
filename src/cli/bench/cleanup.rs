//! What a cleanup takes from those who record: the same drain into the same store, without and beside it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use liaison_jobs::{Halt, Retention, Sweep};
use liaison_queue::{JobId, clock::Clock};
use liaison_store::{Class, LogEntry, Store};

use super::{
    figures::{Figure, Figures, Unit},
    measures::{self, Bench, Keep},
};
use crate::cli::{answer, cleanup::said};

/// Rows older than this go, and they are half of all.
const AGE: Duration = Duration::from_hours(90 * 24);
/// Rows in one transaction while the store is filled.
const PORTION: u64 = 5_000;

impl Bench<'_> {
    pub(super) async fn cleanup(&self, figures: &mut Figures) -> Result<()> {
        let rows = self.args.cleanup_rows;
        let app = self.app("bench-alone", Keep::Sqlite)?;
        liaison_store::migrate(&app.database()?).await?;
        let store = app.store_with_keys().await?;
        answer::progress("old rows …");
        let now = Clock::wall().date();
        fill(&store, rows, now).await?;
        store.write_back().await?;
        answer::progress("records without a cleanup …");
        let jobs = self.args.jobs;
        let alone = self.drain_into("bench-alone", store.clone(), jobs).await?;
        answer::progress("records beside a cleanup …");
        let (began, gone) = (Instant::now(), AtomicU64::new(0));
        let keep = BTreeMap::from([(Class::IntegrationLogs, AGE)]);
        let sweep = Sweep {
            store: &store,
            now,
            retention: Retention { keep, ..Retention::default() },
            older_than: None,
            classes: vec![Class::IntegrationLogs],
            export: None,
            name: "bench".to_owned(),
        };
        let cleaning = async {
            let report = sweep.run(|| Halt::No, |swept| gone.store(swept.deleted, Ordering::Relaxed)).await;
            (report, began.elapsed())
        };
        let recording = async {
            let drained = self.drain_into("bench-beside", store.clone(), jobs).await;
            // What went while nobody recorded says nothing about recording.
            (drained, gone.load(Ordering::Relaxed), began.elapsed())
        };
        let ((report, whole), (beside, gone_meanwhile, meanwhile)) = tokio::join!(cleaning, recording);
        let (report, beside) = (report.map_err(said)?, beside?);
        figures.add(
            Figure::new(
                "drain_beside_cleanup_per_s",
                "drain into SQLite beside a cleanup",
                Unit::JobsPerSecond,
                measures::per_second(jobs, beside.time),
            )
            .over(measures::per_second(jobs, alone.time), "the same without"),
        );
        let rates = [(gone_meanwhile, meanwhile), (report.classes.iter().map(|swept| swept.deleted).sum(), whole)];
        let [busy, all] = rates.map(|(rows, time)| measures::per_second(rows, time));
        figures.add(Figure::new("cleanup_busy_per_s", "rows deleted beside records", Unit::RowsPerSecond, busy));
        figures.add(Figure::new("cleanup_per_s", "rows deleted, to the end", Unit::RowsPerSecond, all));
        let longest = report.classes.iter().map(|swept| swept.longest_batch_ms).max().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "a figure")]
        let longest = longest.max(report.longest_return_ms) as f64;
        figures.add(Figure::new("cleanup_longest", "the longest a batch kept others waiting", Unit::Millis, longest));
        Ok(())
    }
}

/// Lines of a log as busy hosts leave them, half of them old enough to go.
async fn fill(store: &Store, rows: u64, now: DateTime<Utc>) -> Result<()> {
    let age = TimeDelta::from_std(AGE)?;
    let mut written = 0;
    while written < rows {
        let portion = PORTION.min(rows - written);
        let line = |n: u64| {
            let back = if n < rows / 2 { age * 2 } else { age / 2 };
            let at = now - back + TimeDelta::milliseconds(i64::try_from(n).unwrap_or(0));
            LogEntry {
                id: JobId::generate().to_string(),
                log_type: "webhook_sent".to_owned(),
                integration_type: "webhook".to_owned(),
                integration_id: Some(format!("endpoint-{}", n % 1_000)),
                organizer_id: Some(format!("organizer-{}", n % 300)),
                booking_id: Some(format!("booking-{n}")),
                message: "booking.created delivered in 130 ms with 200".to_owned(),
                details: Some(r#"{"status": 200, "attempt": 1}"#.to_owned()),
                success: !n.is_multiple_of(50),
                created_at: at,
            }
        };
        store.log((written..written + portion).map(line).collect()).await?;
        written += portion;
    }
    Ok(())
}
