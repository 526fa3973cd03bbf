//! What the database is like: for whoever asks how a living system is. Reads only, and little.

use chrono::NaiveDateTime;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use crate::connection::AnyConnection;
use crate::dead_letters::row_identity;
use crate::error::StoreError;
use crate::schema::dead_letters::{buried_at, envelope, job_id, table};
use crate::store::Store;

/// The database server, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// With its name, such as `PostgreSQL 15.8`.
    pub version: String,
    /// What time it is there, in ms since the epoch.
    pub now_ms: i64,
}

impl Store {
    /// Version and clock of the database.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn describe(&self) -> Result<DatabaseFacts, StoreError> {
        let ask = |connection: &mut AnyConnection| {
            let (version, now) = match connection {
                AnyConnection::Postgres(_) => (
                    "'PostgreSQL ' || current_setting('server_version')",
                    "(extract(epoch from clock_timestamp()) * 1000)::bigint",
                ),
                AnyConnection::Sqlite(_) => {
                    ("'SQLite ' || sqlite_version()", "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)")
                }
            };
            let version = diesel::select(sql::<Text>(version)).get_result(connection)?;
            let now_ms = diesel::select(sql::<BigInt>(now)).get_result(connection)?;
            Ok(DatabaseFacts { version, now_ms })
        };
        self.pool.read("ask the database about itself", ask).await
    }

    /// Try to open the newest and the oldest sealed envelopes, up to so many of each: the jobs whose letters no key
    /// opens, with the reason.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sealed_for_good(&self, most: u32) -> Result<Vec<(String, String)>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let columns = (job_id, envelope);
            let mut rows: Vec<(String, Vec<u8>)> =
                table.order(buried_at.desc()).limit(most.into()).select(columns).load(connection)?;
            rows.extend(
                table
                    .order(buried_at.asc())
                    .limit(most.into())
                    .select(columns)
                    .load::<(String, Vec<u8>)>(connection)?,
            );
            Ok(rows)
        };
        let mut rows = self.pool.read("look at sealed envelopes", load).await?;
        rows.sort();
        rows.dedup();
        let closed = |(id, sealed): (String, Vec<u8>)| {
            let fault = self.keys.open(&row_identity(&id), &sealed).err()?;
            Some((id, fault.to_string()))
        };
        Ok(rows.into_iter().filter_map(closed).collect())
    }

    /// How many dead letters were buried since then.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_dead_letters_since(&self, since: NaiveDateTime) -> Result<u64, StoreError> {
        let count = move |connection: &mut AnyConnection| -> diesel::QueryResult<i64> {
            table.filter(buried_at.ge(since)).count().get_result(connection)
        };
        Ok(self.pool.read("count dead letters", count).await?.unsigned_abs())
    }
}
