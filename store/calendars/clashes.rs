//! Overlaps of blocked times, found when one of them is new or another, and kept as conflicts.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, Bool, Text, Timestamp, Timestamptz};
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, QueryDsl as _, QueryableByName, RunQueryDsl as _,
};

use super::conflicts::{ConflictKind, ConflictStatus, Kept, Row};
use super::id_of;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::{IDS_IN_A_QUERY, MAX_ROWS};
use crate::schema::{blocked_times, calendar_conflicts as columns, calendar_conflicts::table};
use crate::store::Store;

/// A blocked time and what it overlaps.
#[derive(Debug, QueryableByName)]
struct Clash {
    #[diesel(sql_type = Text)]
    one_id: String,
    #[diesel(sql_type = Text)]
    other_id: String,
    #[diesel(sql_type = Text)]
    one_source: String,
    #[diesel(sql_type = Text)]
    other_source: String,
    #[diesel(sql_type = Text)]
    organizer_id: String,
    #[diesel(sql_type = Bool)]
    one_tentative: bool,
    #[diesel(sql_type = Bool)]
    other_tentative: bool,
    #[diesel(sql_type = Timestamp)]
    one_starts: NaiveDateTime,
    #[diesel(sql_type = Timestamp)]
    one_ends: NaiveDateTime,
    #[diesel(sql_type = Timestamp)]
    other_starts: NaiveDateTime,
    #[diesel(sql_type = Timestamp)]
    other_ends: NaiveDateTime,
}

impl Clash {
    /// The same conflict from whichever side it is found: the manual one is first, else the one with the lesser id.
    fn turned(self) -> Self {
        let is_right = match (self.one_source.as_str(), self.other_source.as_str()) {
            ("manual", _) => true,
            (_, "manual") => false,
            _ => self.one_id <= self.other_id,
        };
        if is_right {
            return self;
        }
        Self {
            one_id: self.other_id,
            other_id: self.one_id,
            one_source: self.other_source,
            other_source: self.one_source,
            organizer_id: self.organizer_id,
            one_tentative: self.other_tentative,
            other_tentative: self.one_tentative,
            one_starts: self.other_starts,
            one_ends: self.other_ends,
            other_starts: self.one_starts,
            other_ends: self.one_ends,
        }
    }

    fn row(self, now: NaiveDateTime) -> Row {
        let kind =
            if self.one_source == "manual" { ConflictKind::ManualSynced } else { ConflictKind::BetweenCalendars };
        // What is not certain gives way; what the calendar covers anyway need not be blocked by hand; else both stay.
        let covered = self.other_starts <= self.one_starts && self.one_ends <= self.other_ends;
        let suggestion = match kind {
            ConflictKind::ManualSynced if self.other_tentative && !self.one_tentative => Kept::Manual,
            ConflictKind::ManualSynced if covered => Kept::Synced,
            ConflictKind::BetweenCalendars | ConflictKind::ManualSynced => Kept::Both,
        };
        Row {
            id: id_of("cfl", &[&self.one_id, &self.other_id]),
            organizer_id: self.organizer_id,
            kind: kind.as_str().to_owned(),
            overlap_from: self.one_starts.max(self.other_starts),
            overlap_until: self.one_ends.min(self.other_ends),
            block_id: self.one_id,
            other_block_id: self.other_id,
            suggestion: suggestion.as_str().to_owned(),
            status: ConflictStatus::Open.as_str().to_owned(),
            resolution: None,
            resolved_by: None,
            detected_at: now,
            resolved_at: None,
            told: false,
        }
    }
}

impl Store {
    /// Look for conflicts of blocked times that the host wrote or changed since they were looked at: how many blocked times
    /// were looked at, and how many conflicts are new.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was.
    pub async fn check_manual_blocks(
        &self,
        organizer_id: &str,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<(usize, usize), StoreError> {
        use blocked_times as blocks;
        let (organizer, limit) = (organizer_id.to_owned(), limit.clamp(1, MAX_ROWS));
        let work = move |connection: &mut AnyConnection| {
            lock(connection, &organizer)?;
            let unlooked = "source = 'manual' AND (checked_at IS NULL OR checked_at <> updated_at)";
            let ids: Vec<String> = blocks::table
                .filter(blocks::organizer_id.eq(&organizer))
                // In these words the planner recognises the partial index.
                .filter(diesel::dsl::sql::<Bool>(unlooked))
                .order(blocks::id.asc())
                .limit(limit.into())
                .select(blocks::id)
                .load(connection)?;
            let new: Vec<&str> = ids.iter().map(String::as_str).collect();
            let conflicts = record(connection, &new, now)?;
            for ids in ids.chunks(IDS_IN_A_QUERY) {
                let rows = blocks::table.filter(blocks::id.eq_any(ids));
                diesel::update(rows).set(blocks::checked_at.eq(blocks::updated_at.nullable())).execute(connection)?;
            }
            Ok((ids.len(), conflicts))
        };
        self.pool.write("look for conflicts of manual blocked times", work).await
    }

    /// Close the conflicts of an organizer that are no more, and forget those that have been closed for long. How many
    /// were closed.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn close_conflicts(
        &self,
        organizer_id: &str,
        now: DateTime<Utc>,
        forget_before: DateTime<Utc>,
    ) -> Result<usize, StoreError> {
        let organizer = organizer_id.to_owned();
        let work = move |connection: &mut AnyConnection| {
            lock(connection, &organizer)?;
            let closed = diesel::sql_query(include_str!("close_conflicts.sql"))
                .bind::<Timestamp, _>(now.naive_utc())
                .bind::<Text, _>(&organizer)
                .execute(connection)?;
            let old = table
                .filter(columns::organizer_id.eq(&organizer))
                .filter(columns::status.ne(ConflictStatus::Open.as_str()))
                .filter(columns::resolved_at.lt(forget_before.naive_utc()));
            diesel::delete(old).execute(connection)?;
            Ok(closed)
        };
        self.pool.write("close conflicts", work).await
    }
}

/// Nobody else looks for conflicts of this organizer until the end of this transaction: two calendars that change at once
/// would not see what the other one blocks. `SQLite` has one writer anyway.
pub(super) fn lock(connection: &mut AnyConnection, organizer: &str) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(()),
        AnyConnection::Postgres(connection) => {
            let turn = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            diesel::sql_query(turn).bind::<Text, _>(organizer).execute(connection).map(drop)
        }
    }
}

/// Keep what these overlap, as far as it is new. How many conflicts are.
pub(super) fn record(connection: &mut AnyConnection, blocks: &[&str], now: DateTime<Utc>) -> QueryResult<usize> {
    let rows = find(connection, blocks, now)?;
    let ids: Vec<&String> = rows.keys().collect();
    let mut known: BTreeMap<String, Row> = BTreeMap::new();
    for ids in ids.chunks(IDS_IN_A_QUERY) {
        let found: Vec<Row> = table.filter(columns::id.eq_any(ids.iter().copied())).load(connection)?;
        known.extend(found.into_iter().map(|row| (row.id.clone(), row)));
    }
    let mut new = 0;
    for (id, row) in rows {
        let Some(before) = known.get(&id) else {
            let insert = diesel::insert_into(table).values(row).on_conflict_do_nothing();
            new += match connection {
                AnyConnection::Sqlite(connection) => insert.execute(connection)?,
                AnyConnection::Postgres(connection) => insert.execute(connection)?,
            };
            continue;
        };
        let same = (before.overlap_from, before.overlap_until) == (row.overlap_from, row.overlap_until);
        let is_open = before.status == ConflictStatus::Open.as_str();
        let is_gone = before.status == ConflictStatus::Gone.as_str();
        if same && !is_gone {
            continue;
        }
        // One that is still open is the same with other times; every other one is asked about anew.
        let fresh = if is_open {
            Row { detected_at: before.detected_at, told: before.told, ..row }
        } else {
            new += 1;
            row
        };
        diesel::update(table.find(&id)).set(&fresh).execute(connection)?;
    }
    Ok(new)
}

fn find(connection: &mut AnyConnection, blocks: &[&str], now: DateTime<Utc>) -> QueryResult<BTreeMap<String, Row>> {
    let mut clashes: Vec<Clash> = Vec::new();
    match connection {
        AnyConnection::Sqlite(connection) => {
            for block in blocks {
                let found: Vec<Clash> = diesel::sql_query(include_str!("find_clashes.sql"))
                    .bind::<Text, _>(*block)
                    .bind::<Timestamp, _>(now.naive_utc())
                    .load(connection)?;
                clashes.extend(found);
            }
        }
        AnyConnection::Postgres(connection) => {
            let found: Vec<Clash> = diesel::sql_query(include_str!("find_all_clashes.sql"))
                .bind::<Array<Text>, _>(blocks)
                .bind::<Timestamptz, _>(now)
                .load(connection)?;
            clashes.extend(found);
        }
    }
    let rows = clashes.into_iter().map(|clash| clash.turned().row(now.naive_utc()));
    Ok(rows.map(|row| (row.id.clone(), row)).collect())
}
