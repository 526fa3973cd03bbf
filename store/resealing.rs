//! From old keys to the first one: every sealed value in the store, batch by batch, while daemons run.
//!
//! A value is read, opened, sealed with the first key, and put back only if nobody has changed it meanwhile: a token
//! that was refreshed in between stays what it became. What no key opens is named and left as it is. A batch that dies
//! has put back all of it or nothing, and there is nothing to remember: whoever goes on looks for what is left.
//!
//! Every sealed column of the store stands in [`SealedColumn::ALL`]. A new one must be added there, or a rotation would
//! leave it behind; a test compares the list with the schema.

use std::time::{Duration, Instant};

use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl as _};
use serde::{Serialize, Serializer};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::sealing::{KeyError, KeyRing};
use crate::store::Store;

/// A column that holds sealed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealedColumn {
    pub table: &'static str,
    pub column: &'static str,
    key: &'static str,
}

const fn column(table: &'static str, column: &'static str) -> SealedColumn {
    SealedColumn { table, column, key: "id" }
}

impl SealedColumn {
    pub const ALL: [Self; 12] = [
        Self { table: "dead_letters", column: "envelope", key: "job_id" },
        column("calendar_integrations", "access_token"),
        column("calendar_integrations", "refresh_token"),
        column("video_integrations", "access_token"),
        column("video_integrations", "refresh_token"),
        column("webhook_integrations", "headers"),
        column("webhook_integrations", "secret_key"),
        column("webhook_integrations", "old_secret_key"),
        column("webhook_deliveries", "payload"),
        Self { table: "oauth_states", column: "verifier", key: "state_hash" },
        Self { table: "meetings", column: "host_url", key: "booking_id" },
        Self { table: "meetings", column: "passcode", key: "booking_id" },
    ];

    /// What a value is sealed for. A secret that became the old one may have kept the seal of its first column.
    fn identities(self, id: &str) -> Vec<String> {
        let of = |column: &str| format!("{}:{id}:{column}", self.table);
        match (self.table, self.column) {
            ("dead_letters", _) => vec![crate::dead_letters::row_identity(id)],
            (_, "old_secret_key") => vec![of(self.column), of("secret_key")],
            (_, column) => vec![of(column)],
        }
    }

    /// Seal with the first key what any key opens.
    fn reseal(self, keys: &KeyRing, id: &str, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut fault = KeyError::Malformed;
        for identity in self.identities(id) {
            match keys.open(&identity, sealed) {
                Ok(plain) => return Ok(keys.seal(&identity, &plain)),
                Err(why) => fault = why,
            }
        }
        Err(fault)
    }
}

impl Serialize for SealedColumn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{}", self.table, self.column))
    }
}

/// How many values of a column one key seals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SealedCount {
    pub column: SealedColumn,
    /// The id of the key; none of what is no sealed value at all.
    pub key: Option<String>,
    pub values: u64,
}

/// A value that no key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    pub column: SealedColumn,
    pub id: String,
    pub why: String,
}

/// What a batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub resealed: u64,
    /// Changed by somebody else in between: theirs stays.
    pub changed: u64,
    pub closed: Vec<Closed>,
    /// The last row that was looked at; none when there are no more.
    pub last: Option<String>,
    /// How long it kept other writers waiting, with its commit.
    pub took: Duration,
}

impl Store {
    /// The ids of the keys, the one that seals first.
    #[must_use]
    pub fn key_ids(&self) -> Vec<String> {
        self.keys.ids()
    }

    /// The ring itself: whoever replaces its keys replaces them here.
    #[must_use]
    pub fn key_ring(&self) -> KeyRing {
        (*self.keys).clone()
    }

    /// How many sealed values there are in each column, by the key that sealed them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sealed_counts(&self) -> Result<Vec<SealedCount>, StoreError> {
        let count = |connection: &mut AnyConnection| {
            let mut found = Vec::new();
            for column in SealedColumn::ALL {
                let rows: Vec<CountRow> = match connection {
                    AnyConnection::Sqlite(connection) => {
                        diesel::sql_query(counting(column, SQLITE_KEY)).load(connection)?
                    }
                    AnyConnection::Postgres(connection) => {
                        diesel::sql_query(counting(column, POSTGRES_KEY)).load(connection)?
                    }
                };
                let count = |row: CountRow| SealedCount { column, key: row.key, values: row.n.unsigned_abs() };
                found.extend(rows.into_iter().map(count));
            }
            Ok(found)
        };
        self.pool.read("count sealed values", count).await
    }

    /// Seal anew up to so many values of a column, of the rows after this one, that the first key did not seal.
    ///
    /// # Errors
    /// When the database cannot be read or written to; then this batch is as it was.
    pub async fn reseal(
        &self,
        column: SealedColumn,
        after: Option<String>,
        limit: u32,
    ) -> Result<Resealed, StoreError> {
        let rows = self.sealed_with_others(column, after, limit, "").await?;
        let last = rows.last().filter(|_| rows.len() == limit as usize).map(|row| row.id.clone());
        let mut batch = Resealed { last, ..Resealed::default() };
        let mut changes = Vec::new();
        for SealedRow { id, value } in rows {
            match column.reseal(&self.keys, &id, &value) {
                Ok(new) => changes.push((id, value, new)),
                Err(why) => batch.closed.push(Closed { column, id, why: why.to_string() }),
            }
        }
        let asked = changes.len() as u64;
        let put = move |connection: &mut AnyConnection| {
            let SealedColumn { table, column, key } = column;
            let began = Instant::now();
            let mut put = 0;
            for (id, old, new) in &changes {
                put +=
                    diesel::sql_query(format!("UPDATE {table} SET {column} = $1 WHERE {key} = $2 AND {column} = $3"))
                        .bind::<Binary, _>(new)
                        .bind::<Text, _>(id)
                        .bind::<Binary, _>(old)
                        .execute(connection)?;
            }
            Ok((put as u64, began))
        };
        if asked > 0 {
            let (put, began) = self.pool.write("seal values with the new key", put).await?;
            (batch.resealed, batch.changed, batch.took) = (put, asked - put, began.elapsed());
        }
        Ok(batch)
    }

    /// Values that no key of the ring opens: the first so many of each column whose key is not in the ring.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn closed_values(&self, most: u32) -> Result<Vec<Closed>, StoreError> {
        let known = self.keys.ids();
        let mut found = Vec::new();
        for SealedCount { column, key, .. } in self.sealed_counts().await? {
            if key.as_ref().is_some_and(|key| known.contains(key)) {
                continue;
            }
            let only = match &key {
                Some(key) => key.as_str(),
                None => continue,
            };
            for SealedRow { id, value } in self.sealed_with_others(column, None, most, only).await? {
                if let Err(why) = column.reseal(&self.keys, &id, &value) {
                    found.push(Closed { column, id, why: why.to_string() });
                }
            }
        }
        Ok(found)
    }

    /// Rows whose value another key than the first has sealed; with `only`, the one of this id.
    async fn sealed_with_others(
        &self,
        column: SealedColumn,
        after: Option<String>,
        limit: u32,
        only: &str,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let (mark, only) = (self.keys.mark(), only.to_owned());
        let load = move |connection: &mut AnyConnection| -> QueryResult<Vec<SealedRow>> {
            let SealedColumn { table, column, key } = column;
            let (begins, of_key) = match connection {
                AnyConnection::Sqlite(_) => ("substr", SQLITE_KEY.replace("COLUMN", column)),
                AnyConnection::Postgres(_) => ("substring", POSTGRES_KEY.replace("COLUMN", column)),
            };
            let length = mark.len();
            let query = diesel::sql_query(format!(
                "SELECT {key} AS id, {column} AS value FROM {table}
                 WHERE {key} > $1 AND {column} IS NOT NULL AND {begins}({column}, 1, {length}) <> $2
                 AND ($3 = '' OR {of_key} = $3) ORDER BY {key} LIMIT {limit}"
            ))
            .bind::<Text, _>(after.unwrap_or_default())
            .bind::<Binary, _>(mark)
            .bind::<Text, _>(only);
            match connection {
                AnyConnection::Sqlite(connection) => query.load(connection),
                AnyConnection::Postgres(connection) => query.load(connection),
            }
        };
        self.pool.read("look for what old keys sealed", load).await
    }
}

/// The id in a sealed value, as `sealing.rs` lays it out: a version, the length of the id, the id. None of anything else.
const SQLITE_KEY: &str = "CASE WHEN length(COLUMN) > 2 AND substr(COLUMN, 1, 1) = x'01' \
    THEN CAST(substr(COLUMN, 3, unicode(CAST(substr(COLUMN, 2, 1) AS TEXT))) AS TEXT) END";
const POSTGRES_KEY: &str = "CASE WHEN octet_length(COLUMN) > 2 AND get_byte(COLUMN, 0) = 1 \
    THEN encode(substring(COLUMN, 3, get_byte(COLUMN, 1)), 'escape') END";

fn counting(SealedColumn { table, column, .. }: SealedColumn, key: &str) -> String {
    let key = key.replace("COLUMN", column);
    format!("SELECT {key} AS key, count(*) AS n FROM {table} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1")
}

#[derive(QueryableByName)]
struct SealedRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = Nullable<Text>)]
    key: Option<String>,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binary_column_of_the_schema_is_known() {
        let schema = include_str!("schema.rs");
        let mut found = Vec::new();
        let mut table = "";
        for line in schema.lines().map(str::trim) {
            if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with(") {")) {
                table = name;
            }
            if let Some((column, _)) = line.split_once(" -> ").filter(|(_, kind)| kind.contains("Binary")) {
                found.push((table, column));
            }
        }
        let mut known = SealedColumn::ALL.map(|column| (column.table, column.column));
        found.sort_unstable();
        known.sort_unstable();
        assert_eq!(found, known);
    }
}
