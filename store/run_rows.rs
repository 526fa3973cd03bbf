//! Runs on their way into the table, as each backend takes many the fastest.
//!
//! `SQLite` takes one prepared statement again and again, of a form whose text is not made anew each time: that is why it
//! is `INSERT OR IGNORE` and not `ON CONFLICT`, of which Diesel makes it. `PostgreSQL` takes arrays, one for each column, which spares
//! it a text of thirty thousand placeholders. Both skip what is there already and say so.

use std::collections::HashSet;

use diesel::pg::PgConnection;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::sqlite::SqliteConnection;
use diesel::{ExpressionMethods as _, QueryableByName, RunQueryDsl as _};

use crate::connection::AnyConnection;
use crate::runs::Run;
use crate::schema::job_runs;

/// Insert `runs`, and answer for each whether it is new.
pub(crate) fn insert(connection: &mut AnyConnection, runs: &[&Run]) -> QueryResult<Vec<bool>> {
    match connection {
        AnyConnection::Sqlite(connection) => runs.iter().map(|run| insert_one(connection, run)).collect(),
        AnyConnection::Postgres(connection) => insert_all(connection, runs),
    }
}

fn insert_one(connection: &mut SqliteConnection, run: &Run) -> QueryResult<bool> {
    let row = (
        job_runs::job_id.eq(&run.job_id),
        job_runs::run.eq(run.run),
        job_runs::attempt.eq(run.attempt),
        job_runs::name.eq(&run.name),
        job_runs::queue.eq(&run.queue),
        job_runs::worker.eq(&run.worker),
        job_runs::outcome.eq(run.outcome.as_str()),
        job_runs::reason.eq(run.reason.as_deref()),
        job_runs::result.eq(run.result.as_deref()),
        job_runs::enqueued_at.eq(run.enqueued_at.naive_utc()),
        job_runs::started_at.eq(run.started_at.map(|at| at.naive_utc())),
        job_runs::finished_at.eq(run.finished_at.naive_utc()),
        job_runs::duration_ms.eq(run.duration_ms),
        job_runs::retry_at.eq(run.retry_at.map(|at| at.naive_utc())),
        job_runs::trace.eq(run.trace.as_deref()),
    );
    let written = diesel::insert_or_ignore_into(job_runs::table).values(row).execute(connection)?;
    Ok(written == 1)
}

#[derive(QueryableByName)]
#[diesel(table_name = job_runs)]
struct RunKey {
    job_id: String,
    run: i32,
}

fn insert_all(connection: &mut PgConnection, runs: &[&Run]) -> QueryResult<Vec<bool>> {
    fn column<'a, T>(runs: &'a [&'a Run], of: impl Fn(&'a Run) -> T) -> Vec<T> {
        runs.iter().map(|run| of(run)).collect()
    }
    let new: Vec<RunKey> = diesel::sql_query(include_str!("insert_runs.sql"))
        .bind::<Array<Text>, _>(column(runs, |run| run.job_id.as_str()))
        .bind::<Array<Integer>, _>(column(runs, |run| run.run))
        .bind::<Array<Integer>, _>(column(runs, |run| run.attempt))
        .bind::<Array<Text>, _>(column(runs, |run| run.name.as_str()))
        .bind::<Array<Text>, _>(column(runs, |run| run.queue.as_str()))
        .bind::<Array<Text>, _>(column(runs, |run| run.worker.as_str()))
        .bind::<Array<Text>, _>(column(runs, |run| run.outcome.as_str()))
        .bind::<Array<Nullable<Text>>, _>(column(runs, |run| run.reason.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(runs, |run| run.result.as_deref()))
        .bind::<Array<Timestamptz>, _>(column(runs, |run| run.enqueued_at))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(runs, |run| run.started_at))
        .bind::<Array<Timestamptz>, _>(column(runs, |run| run.finished_at))
        .bind::<Array<Nullable<BigInt>>, _>(column(runs, |run| run.duration_ms))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(runs, |run| run.retry_at))
        .bind::<Array<Nullable<Text>>, _>(column(runs, |run| run.trace.as_deref()))
        .load(connection)?;
    // Of two equal keys in one group the first is new, and the second is its repeat.
    let mut new: HashSet<(String, i32)> = new.into_iter().map(|key| (key.job_id, key.run)).collect();
    Ok(runs.iter().map(|run| new.remove(&(run.job_id.clone(), run.run))).collect())
}
