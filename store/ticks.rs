//! What became of the instants of the schedule.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::sql_types::{Integer, Nullable, Text, Timestamp};
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, RunQueryDsl as _, Selectable, SelectableHelper as _};
use serde::{Deserialize, Serialize};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::{IDS_IN_A_QUERY, MAX_ROWS};
use crate::schema::{job_runs, schedule_ticks};
use crate::store::Store;

/// The closed set of what can become of a tick. The strings are in the database for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TickStatus {
    /// Its job was put into the queue.
    Fired,
    /// The entry's job before was not over.
    Skipped,
    /// No daemon was there, and the entry does not make up for it.
    Missed,
    /// The entry was paused.
    Paused,
    /// The queue would not take its job.
    Refused,
}

impl TickStatus {
    pub const ALL: [Self; 5] = [Self::Fired, Self::Skipped, Self::Missed, Self::Paused, Self::Refused];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::Paused => "paused",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for TickStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

impl fmt::Display for TickStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One tick of an entry, or several in a row that were missed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TickRow {
    pub entry: String,
    pub tick_at: DateTime<Utc>,
    /// The last of them.
    pub until_at: DateTime<Utc>,
    pub ticks: i32,
    pub status: TickStatus,
    pub reason: Option<String>,
    pub job_id: Option<String>,
    pub queue: Option<String>,
    pub decided_at: DateTime<Utc>,
}

impl Store {
    /// Keep what became of these ticks; those that are kept already stay as they are.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_ticks(&self, rows: Vec<TickRow>) -> Result<(), StoreError> {
        let keep = move |connection: &mut AnyConnection| {
            for row in &rows {
                diesel::sql_query(include_str!("keep_tick.sql"))
                    .bind::<Text, _>(&row.entry)
                    .bind::<Timestamp, _>(row.tick_at.naive_utc())
                    .bind::<Timestamp, _>(row.until_at.naive_utc())
                    .bind::<Integer, _>(row.ticks)
                    .bind::<Text, _>(row.status.as_str())
                    .bind::<Nullable<Text>, _>(row.reason.as_deref())
                    .bind::<Nullable<Text>, _>(row.job_id.as_deref())
                    .bind::<Nullable<Text>, _>(row.queue.as_deref())
                    .bind::<Timestamp, _>(row.decided_at.naive_utc())
                    .execute(connection)?;
            }
            Ok(())
        };
        self.pool.write("keep ticks", keep).await
    }

    /// The newest ticks of an entry, newest first. What a newer release wrote and this one does not know is left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ticks_of(&self, entry: &str, limit: u32) -> Result<Vec<TickRow>, StoreError> {
        let entry = entry.to_owned();
        let load = move |connection: &mut AnyConnection| {
            schedule_ticks::table
                .filter(schedule_ticks::entry.eq(entry))
                .order(schedule_ticks::tick_at.desc())
                .limit(limit.min(MAX_ROWS).into())
                .select(Row::as_select())
                .load(connection)
        };
        let rows: Vec<Row> = self.pool.read("list ticks", load).await?;
        Ok(rows.into_iter().filter_map(Row::read).collect())
    }

    /// How the last run of each of these jobs ended, as it stands in the records.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_outcomes(&self, ids: Vec<String>) -> Result<HashMap<String, String>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let mut found: Vec<(String, String)> = Vec::new();
            for ids in ids.chunks(IDS_IN_A_QUERY) {
                let of_these = job_runs::table.filter(job_runs::job_id.eq_any(ids));
                let in_order = of_these.order((job_runs::job_id, job_runs::run));
                found.extend(
                    in_order.select((job_runs::job_id, job_runs::outcome)).load::<(String, String)>(connection)?,
                );
            }
            Ok(found)
        };
        // Of several runs of one job, the later overwrites the earlier.
        Ok(self.pool.read("look up how jobs ended", load).await?.into_iter().collect())
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schedule_ticks)]
struct Row {
    entry: String,
    tick_at: NaiveDateTime,
    until_at: NaiveDateTime,
    ticks: i32,
    status: String,
    reason: Option<String>,
    job_id: Option<String>,
    queue: Option<String>,
    decided_at: NaiveDateTime,
}

impl Row {
    fn read(self) -> Option<TickRow> {
        Some(TickRow {
            status: self.status.parse().ok()?,
            entry: self.entry,
            tick_at: self.tick_at.and_utc(),
            until_at: self.until_at.and_utc(),
            ticks: self.ticks,
            reason: self.reason,
            job_id: self.job_id,
            queue: self.queue,
            decided_at: self.decided_at.and_utc(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strings_in_the_database_stay() {
        assert_eq!(TickStatus::ALL.map(TickStatus::as_str), ["fired", "skipped", "missed", "paused", "refused"]);
        for status in TickStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }
}
