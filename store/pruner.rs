//! Deleting what is older than its time, class by class, in batches that keep nobody waiting.
//!
//! A batch is two steps. First a page of keys is read: what is old, what is not held, and what nobody needs any more.
//! Then those keys are deleted in one transaction, which asks the same questions again: what changed in between stays.
//! On `SQLite` the search runs beside the writer, and only the deletion takes its turn in the writer's queue. On
//! `PostgreSQL` rows that somebody has locked are left for another time. A batch that dies has deleted all of it or
//! nothing, and there is nothing to remember: whoever goes on begins at the oldest row.

mod shapes;

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamp};
use diesel::{ExpressionMethods as _, QueryDsl as _, QueryableByName, RunQueryDsl as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::connection::{AnyConnection, Purpose};
use crate::error::StoreError;
use crate::schema::job_runs;
use crate::store::Store;
use shapes::Sql;

/// A kind of rows that has an age of its own. The words are the names of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// With their attempts.
    WebhookDeliveries,
    Notifications,
    ExternalEvents,
    RemovedBookings,
    Meetings,
    DeadLetters,
    JobRuns,
    ScheduleTicks,
    IntegrationLogs,
}

/// A word that is no class.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no class of rows; known are {known}", known = Class::ALL.map(Class::as_str).join(", "))]
pub struct UnknownClass(pub String);

impl Class {
    /// In the order in which they are cleaned up: events before the word that they are taken out, letters before the runs
    /// of their jobs, and last the log, which is what ties a job to an organizer, a booking and an integration that are
    /// held.
    pub const ALL: [Self; 9] = [
        Self::WebhookDeliveries,
        Self::Notifications,
        Self::ExternalEvents,
        Self::RemovedBookings,
        Self::Meetings,
        Self::DeadLetters,
        Self::JobRuns,
        Self::ScheduleTicks,
        Self::IntegrationLogs,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebhookDeliveries => "webhook_deliveries",
            Self::Notifications => "notifications",
            Self::ExternalEvents => "external_events",
            Self::RemovedBookings => "removed_bookings",
            Self::Meetings => "meetings",
            Self::DeadLetters => "dead_letters",
            Self::JobRuns => "job_runs",
            Self::ScheduleTicks => "schedule_ticks",
            Self::IntegrationLogs => "integration_logs",
        }
    }
}

impl Class {
    /// Whether its rows tell a job that comes late that it is done, or wanted no more: such a job may come days later, and
    /// after a silence much later.
    #[must_use]
    pub const fn tells_late_jobs(self) -> bool {
        match self {
            Self::JobRuns | Self::ExternalEvents | Self::RemovedBookings | Self::Meetings => true,
            Self::WebhookDeliveries
            | Self::Notifications
            | Self::DeadLetters
            | Self::ScheduleTicks
            | Self::IntegrationLogs => false,
        }
    }
}

impl std::str::FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| UnknownClass(text.to_owned()))
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Class {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneCursor {
    at: NaiveDateTime,
    key: String,
    run: i32,
}

/// A row that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its primary key, as a JSON array.
    pub key: String,
    /// All of it as a JSON object, if that was asked for. Sealed values are sealed in there too, in hexadecimal.
    pub row: Option<String>,
}

/// Some rows that may go, oldest first.
#[derive(Clone, Debug, Default)]
pub struct ExpiredPage {
    pub rows: Vec<Expired>,
    /// Where the next page begins; none after the last one.
    pub next: Option<PruneCursor>,
}

/// What a batch did, and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub rows: u64,
    /// How long it kept other writers waiting, with its commit.
    pub took: Duration,
    /// How long it waited for others itself.
    pub waited: Duration,
}

/// What is old of a class, whether it may go or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Old {
    pub rows: u64,
    /// Of these, kept by a legal hold.
    pub held: u64,
}

impl Store {
    /// Rows of a class from before a time that may go, whole or only their keys.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn expired(
        &self,
        class: Class,
        before: DateTime<Utc>,
        after: Option<PruneCursor>,
        limit: u32,
        whole: bool,
    ) -> Result<ExpiredPage, StoreError> {
        let load = move |connection: &mut AnyConnection| -> QueryResult<Vec<Row>> {
            let sql = Sql::of(class, matches!(connection, AnyConnection::Sqlite(_))).page(whole, limit);
            let after = after.unwrap_or_else(PruneCursor::beginning);
            let query = diesel::sql_query(sql)
                .bind::<Timestamp, _>(before.naive_utc())
                .bind::<Timestamp, _>(after.at)
                .bind::<Text, _>(after.key)
                .bind::<Integer, _>(after.run);
            match connection {
                AnyConnection::Sqlite(connection) => query.load(connection),
                AnyConnection::Postgres(connection) => query.load(connection),
            }
        };
        let rows = self.pool.read("look for what is old", load).await?;
        let is_full = rows.len() == limit as usize;
        let last = rows.last().map(|row| PruneCursor { at: row.at, key: row.first.clone(), run: row.run });
        let rows = rows.into_iter().map(|row| Expired { key: row.key, row: row.whole }).collect();
        Ok(ExpiredPage { rows, next: last.filter(|_| is_full) })
    }

    /// Delete these rows in one transaction; those that may not go any more stay.
    ///
    /// # Errors
    /// When the database cannot be written to; then all are still there.
    pub async fn prune(&self, class: Class, before: DateTime<Utc>, keys: &[Expired]) -> Result<Pruned, StoreError> {
        let keys: Vec<&str> = keys.iter().map(|row| row.key.as_str()).collect();
        let keys = format!("[{}]", keys.join(","));
        let asked = Instant::now();
        let delete = move |connection: &mut AnyConnection| {
            let began = Instant::now();
            let sql = Sql::of(class, matches!(connection, AnyConnection::Sqlite(_)));
            let rows = diesel::sql_query(sql.delete())
                .bind::<Timestamp, _>(before.naive_utc())
                .bind::<Text, _>(&keys)
                .execute(connection)?;
            if let Some(children) = sql.delete_children() {
                diesel::sql_query(children).bind::<Text, _>(&keys).execute(connection)?;
            }
            Ok((rows, began))
        };
        let (rows, began) = self.pool.write("delete what is old", delete).await?;
        Ok(Pruned { rows: rows as u64, took: began.elapsed(), waited: began - asked })
    }

    /// How many rows of a class are from before a time, and how many of these a hold keeps.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn old(&self, class: Class, before: DateTime<Utc>) -> Result<Old, StoreError> {
        let count = move |connection: &mut AnyConnection| -> QueryResult<(i64, i64)> {
            let sql = Sql::of(class, matches!(connection, AnyConnection::Sqlite(_)));
            let mut count = |sql: String| -> QueryResult<i64> {
                let query = diesel::sql_query(sql).bind::<Timestamp, _>(before.naive_utc());
                let counted: Vec<Count> = match connection {
                    AnyConnection::Sqlite(connection) => query.load(connection)?,
                    AnyConnection::Postgres(connection) => query.load(connection)?,
                };
                Ok(counted.first().map_or(0, |count| count.rows))
            };
            Ok((count(sql.count_old())?, count(sql.count_held())?))
        };
        let (rows, held) = self.pool.read("count what is old", count).await?;
        Ok(Old { rows: rows.unsigned_abs(), held: held.unsigned_abs() })
    }

    /// Whether any run ended in this time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ran_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<bool, StoreError> {
        let look = move |connection: &mut AnyConnection| -> QueryResult<Vec<String>> {
            let then = job_runs::finished_at.between(from.naive_utc(), to.naive_utc());
            job_runs::table.filter(then).select(job_runs::job_id).limit(1).load(connection)
        };
        Ok(!self.pool.read("look for runs", look).await?.is_empty())
    }

    /// Give back up to so many free pages of the file: how many bytes, and how long that kept others waiting. The
    /// file shrinks when its log is written back, which [`Store::write_back`] does. `PostgreSQL` sees to its own space.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn return_space(&self, pages: u32) -> Result<Pruned, StoreError> {
        let asked = Instant::now();
        let shrink = move |connection: &mut AnyConnection| {
            let began = Instant::now();
            let AnyConnection::Sqlite(connection) = connection else { return Ok((0, began)) };
            let mut ask = |pragma: &str| -> QueryResult<i64> {
                let found: Vec<Count> = diesel::sql_query(pragma).load(connection)?;
                Ok(found.first().map_or(0, |count| count.rows))
            };
            let free = "SELECT freelist_count AS n FROM pragma_freelist_count";
            let (before, size) = (ask(free)?, ask("SELECT page_size AS n FROM pragma_page_size")?);
            connection.batch_execute(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let found: Vec<Count> = diesel::sql_query(free).load(connection)?;
            let after = found.first().map_or(0, |count| count.rows);
            Ok(((before - after).max(0) * size, began))
        };
        let (bytes, began) = self.pool.write("give free pages back", shrink).await?;
        Ok(Pruned { rows: bytes.unsigned_abs(), took: began.elapsed(), waited: began - asked })
    }

    /// Write the log of `SQLite` back into its file, as far as that disturbs nobody.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub async fn write_back(&self) -> Result<(), StoreError> {
        let Some(url) = self.pool.file().cloned() else { return Ok(()) };
        // On a connection of its own: it cannot be done within a transaction, and the writer has better things to do.
        let write_back = move || {
            let mut connection = AnyConnection::open(&url, Purpose::Write)?;
            let done = match &mut connection {
                AnyConnection::Sqlite(connection) => connection.batch_execute("PRAGMA wal_checkpoint(PASSIVE)"),
                AnyConnection::Postgres(_) => Ok(()),
            };
            done.map_err(|error| StoreError::query("write the log of the database back", error))
        };
        let done = tokio::task::spawn_blocking(write_back).await;
        done.unwrap_or(Err(StoreError::Panicked { doing: "write the log of the database back" }))
    }
}

impl PruneCursor {
    /// Before every row.
    fn beginning() -> Self {
        let at = NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or_default().and_hms_opt(0, 0, 0).unwrap_or_default();
        Self { at, key: String::new(), run: -1 }
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Timestamp)]
    at: NaiveDateTime,
    #[diesel(sql_type = Text)]
    first: String,
    #[diesel(sql_type = Integer)]
    run: i32,
    #[diesel(sql_type = Nullable<Text>)]
    whole: Option<String>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt, column_name = n)]
    rows: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_called_like_its_table() {
        let names = Class::ALL.map(Class::as_str);
        for name in names {
            assert_eq!(name.parse::<Class>().map(Class::as_str), Ok(name));
            assert!(include_str!("schema.rs").contains(&format!("    {name} (")), "{name}");
        }
        assert!("logs".parse::<Class>().unwrap_err().to_string().contains("webhook_deliveries, notifications"));
    }
}
