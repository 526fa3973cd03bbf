//! The history: which runs there were, and how they ended. Written by `record.rs`.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, Queryable, RunQueryDsl as _, Selectable,
    SelectableHelper as _,
};
use serde::Serialize;
use tracing::warn;

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::run_outcome::RunOutcome;
use crate::schema::job_runs;
use crate::store::Store;

/// Ids in one query: far below `SQLite`'s limit of 32,766 variables, and enough to make the round trip not count.
pub(crate) const IDS_IN_A_QUERY: usize = 1_000;
/// The most rows that one list returns, whatever was asked for.
pub(crate) const MAX_ROWS: u32 = 10_000;

/// One claim of a job, from start to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    pub job_id: String,
    /// Counts the claims of the job, from 1, and goes on after a revival.
    pub run: i32,
    pub attempt: i32,
    pub name: String,
    pub queue: String,
    pub worker: String,
    pub outcome: RunOutcome,
    pub reason: Option<String>,
    /// JSON text.
    pub result: Option<String>,
    pub enqueued_at: DateTime<Utc>,
    /// `None` for a job that ended before it began.
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: DateTime<Utc>,
    pub duration_ms: Option<i64>,
    pub retry_at: Option<DateTime<Utc>>,
    pub trace: Option<String>,
}

/// What to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub name: Option<String>,
    pub queue: Option<String>,
    pub outcome: Option<RunOutcome>,
    /// Finished at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// At most 10,000.
    pub limit: u32,
}

/// How the earlier runs of a job ended: enough to decide what a redelivered claim still has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub last_run: i32,
    pub done: Option<Run>,
    /// Every run that was recorded, oldest first, save those that ended in a way this release does not know.
    pub ends: Vec<RunEnd>,
}

/// How one run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    pub run: i32,
    pub outcome: RunOutcome,
    pub attempt: i32,
    pub enqueued_at: DateTime<Utc>,
    /// When the next attempt was due.
    pub retry_at: Option<DateTime<Utc>>,
}

impl Store {
    /// The history of each of `ids` that has one. A run whose outcome this release does not know, as a newer one beside
    /// it may write, counts in `last_run` only.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn history_of(&self, ids: Vec<String>) -> Result<HashMap<String, History>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let (mut ends, mut done): (Vec<EndRow>, Vec<RunRow>) = (Vec::new(), Vec::new());
            for ids in ids.chunks(IDS_IN_A_QUERY) {
                let of_these = job_runs::table.filter(job_runs::job_id.eq_any(ids));
                let of_these = of_these.order((job_runs::job_id, job_runs::run)).select(EndRow::as_select());
                let found = of_these.load(connection)?;
                let ids = found.iter().filter(|row| row.outcome == RunOutcome::Done.as_str()).map(|row| &row.job_id);
                let ids: Vec<&String> = ids.collect();
                if !ids.is_empty() {
                    let of_these = job_runs::table.filter(job_runs::job_id.eq_any(ids));
                    // In these words the planner recognises the partial index.
                    let whole = of_these.filter(sql::<Bool>("outcome = 'done'")).select(RunRow::as_select());
                    done.extend(whole.load(connection)?);
                }
                ends.extend(found);
            }
            Ok((ends, done))
        };
        let (ends, done) = self.pool.read("look up the history of jobs", load).await?;
        let mut histories: HashMap<String, History> = HashMap::new();
        for row in ends {
            histories.entry(row.job_id.clone()).or_insert_with(History::none).add(&row);
        }
        for row in done {
            if let Some(history) = histories.get_mut(&row.job_id) {
                history.done = Some(Run::try_from(row)?);
            }
        }
        Ok(histories)
    }

    /// The runs that `filter` lets through, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<Run>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let mut query = job_runs::table.into_boxed();
            if let Some(name) = filter.name {
                query = query.filter(job_runs::name.eq(name));
            }
            if let Some(queue) = filter.queue {
                query = query.filter(job_runs::queue.eq(queue));
            }
            match filter.outcome {
                None => {}
                Some(RunOutcome::Done) => query = query.filter(job_runs::outcome.eq(RunOutcome::Done.as_str())),
                // In these words the planner recognises the partial index.
                Some(trouble) => {
                    let not_done = sql::<Bool>("outcome <> 'done'");
                    query = query.filter(job_runs::outcome.eq(trouble.as_str()).and(not_done));
                }
            }
            if let Some(since) = filter.since {
                query = query.filter(job_runs::finished_at.ge(since.naive_utc()));
            }
            query
                .order((job_runs::finished_at.desc(), job_runs::job_id.desc(), job_runs::run.desc()))
                .limit(filter.limit.min(MAX_ROWS).into())
                .select(RunRow::as_select())
                .load(connection)
        };
        let rows: Vec<RunRow> = self.pool.read("list runs", load).await?;
        rows.into_iter().map(Run::try_from).collect()
    }

    /// Every run of one job, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn runs_of(&self, id: &str) -> Result<Vec<Run>, StoreError> {
        let id = id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            let of_this = job_runs::table.filter(job_runs::job_id.eq(id)).order(job_runs::run).limit(MAX_ROWS.into());
            of_this.select(RunRow::as_select()).load(connection)
        };
        let rows: Vec<RunRow> = self.pool.read("list the runs of a job", load).await?;
        rows.into_iter().map(Run::try_from).collect()
    }
}

impl History {
    fn none() -> Self {
        Self { last_run: 0, done: None, ends: Vec::new() }
    }

    fn add(&mut self, row: &EndRow) {
        let EndRow { job_id, run, attempt, .. } = row;
        self.last_run = self.last_run.max(*run);
        match row.outcome.parse() {
            Ok(outcome) => self.ends.push(RunEnd {
                run: *run,
                outcome,
                attempt: *attempt,
                enqueued_at: row.enqueued_at.and_utc(),
                retry_at: row.retry_at.map(|at| at.and_utc()),
            }),
            Err(unknown) => warn!(job.id = %job_id, run, "run {run} of {job_id} is left out of its history: {unknown}"),
        }
    }
}

/// What a history needs of every run; results, which may be large, are loaded for the done ones only.
#[derive(Queryable, Selectable)]
#[diesel(table_name = job_runs)]
struct EndRow {
    job_id: String,
    run: i32,
    outcome: String,
    attempt: i32,
    enqueued_at: NaiveDateTime,
    retry_at: Option<NaiveDateTime>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = job_runs)]
struct RunRow {
    job_id: String,
    run: i32,
    attempt: i32,
    name: String,
    queue: String,
    worker: String,
    outcome: String,
    reason: Option<String>,
    result: Option<String>,
    enqueued_at: NaiveDateTime,
    started_at: Option<NaiveDateTime>,
    finished_at: NaiveDateTime,
    duration_ms: Option<i64>,
    retry_at: Option<NaiveDateTime>,
    trace: Option<String>,
}

impl TryFrom<RunRow> for Run {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        let outcome = match row.outcome.parse() {
            Ok(outcome) => outcome,
            Err(source) => return Err(StoreError::Row { job_id: row.job_id, run: row.run, source }),
        };
        Ok(Self {
            job_id: row.job_id,
            run: row.run,
            attempt: row.attempt,
            name: row.name,
            queue: row.queue,
            worker: row.worker,
            outcome,
            reason: row.reason,
            result: row.result,
            enqueued_at: row.enqueued_at.and_utc(),
            started_at: row.started_at.map(|at| at.and_utc()),
            finished_at: row.finished_at.and_utc(),
            duration_ms: row.duration_ms,
            retry_at: row.retry_at.map(|at| at.and_utc()),
            trace: row.trace,
        })
    }
}
