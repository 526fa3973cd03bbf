//! Conflicts, as people look at them and resolve them.

use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, RunQueryDsl as _,
};
use serde::Serialize;

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::logs::Line;
use crate::runs::{IDS_IN_A_QUERY, MAX_ROWS};
use crate::schema::calendar_conflicts::{self as columns, table};
use crate::store::Store;

/// Between what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    ManualSynced,
    BetweenCalendars,
}

impl ConflictKind {
    pub const ALL: [Self; 2] = [Self::ManualSynced, Self::BetweenCalendars];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManualSynced => "manual_synced",
            Self::BetweenCalendars => "between_calendars",
        }
    }
}

/// How a conflict stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictStatus {
    Open,
    /// Somebody said what to keep.
    Resolved,
    /// Its blocked times overlap no more.
    Gone,
}

impl ConflictStatus {
    pub const ALL: [Self; 3] = [Self::Open, Self::Resolved, Self::Gone];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Gone => "gone",
        }
    }
}

impl FromStr for ConflictStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of = |status: &Self| status.as_str() == text;
        Self::ALL.into_iter().find(of).ok_or_else(|| "none of open, resolved and gone".to_owned())
    }
}

/// Which of two blocked times counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    Manual,
    Synced,
    Both,
}

impl Kept {
    pub const ALL: [Self; 3] = [Self::Manual, Self::Synced, Self::Both];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Synced => "synced",
            Self::Both => "both",
        }
    }
}

impl FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of = |kept: &Self| kept.as_str() == text;
        Self::ALL.into_iter().find(of).ok_or_else(|| "none of manual, synced and both".to_owned())
    }
}

/// Two blocked times of one organizer at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    pub id: String,
    pub organizer_id: String,
    pub kind: ConflictKind,
    /// The manual one, or the one with the lesser id.
    pub block_id: String,
    pub other_block_id: String,
    pub overlap_from: DateTime<Utc>,
    pub overlap_until: DateTime<Utc>,
    pub suggestion: Kept,
    pub status: ConflictStatus,
    pub resolution: Option<Kept>,
    pub resolved_by: Option<String>,
    pub detected_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
}

/// A row, in the order of its columns.
#[derive(Clone, Debug, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = columns)]
#[diesel(treat_none_as_null = true)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) organizer_id: String,
    pub(super) kind: String,
    pub(super) block_id: String,
    pub(super) other_block_id: String,
    pub(super) overlap_from: NaiveDateTime,
    pub(super) overlap_until: NaiveDateTime,
    pub(super) suggestion: String,
    pub(super) status: String,
    pub(super) resolution: Option<String>,
    pub(super) resolved_by: Option<String>,
    pub(super) detected_at: NaiveDateTime,
    pub(super) resolved_at: Option<NaiveDateTime>,
    pub(super) told: bool,
}

impl Row {
    /// None if a word is not one of ours.
    fn conflict(self) -> Option<Conflict> {
        Some(Conflict {
            id: self.id,
            organizer_id: self.organizer_id,
            kind: ConflictKind::ALL.into_iter().find(|kind| kind.as_str() == self.kind)?,
            block_id: self.block_id,
            other_block_id: self.other_block_id,
            overlap_from: self.overlap_from.and_utc(),
            overlap_until: self.overlap_until.and_utc(),
            suggestion: self.suggestion.parse().ok()?,
            status: self.status.parse().ok()?,
            resolution: self.resolution.and_then(|kept| kept.parse().ok()),
            resolved_by: self.resolved_by,
            detected_at: self.detected_at.and_utc(),
            resolved_at: self.resolved_at.map(|at| at.and_utc()),
        })
    }
}

/// What to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ConflictFilter {
    pub organizer: Option<String>,
    pub status: Option<ConflictStatus>,
    /// At most 10,000.
    pub limit: u32,
}

/// What became of a resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    Now(Box<Conflict>),
    /// It was closed before, and stays as it was.
    Before(Box<Conflict>),
    Unknown,
}

impl Store {
    /// Conflicts, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn conflicts(&self, filter: ConflictFilter) -> Result<Vec<Conflict>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let mut query = table.into_boxed();
            if let Some(organizer) = filter.organizer {
                query = query.filter(columns::organizer_id.eq(organizer));
            }
            if let Some(status) = filter.status {
                query = query.filter(columns::status.eq(status.as_str()));
            }
            let query = query.order((columns::detected_at.desc(), columns::id.asc()));
            query.limit(filter.limit.min(MAX_ROWS).into()).load::<Row>(connection)
        };
        let rows = self.pool.read("list conflicts", load).await?;
        Ok(rows.into_iter().filter_map(Row::conflict).collect())
    }

    /// One conflict.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn conflict(&self, id: &str) -> Result<Option<Conflict>, StoreError> {
        let id = id.to_owned();
        let find = move |connection: &mut AnyConnection| table.find(id).first::<Row>(connection).optional();
        Ok(self.pool.read("read a conflict", find).await?.and_then(Row::conflict))
    }

    /// Say what to keep, with this line in the log. Blocked times are left as they are.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was changed.
    pub async fn resolve_conflict(
        &self,
        id: &str,
        (keep, by): (Kept, &str),
        now: DateTime<Utc>,
        line: Line,
    ) -> Result<Resolved, StoreError> {
        let (id, by) = (id.to_owned(), by.to_owned());
        let resolve = move |connection: &mut AnyConnection| {
            let open = table.find(&id).filter(columns::status.eq(ConflictStatus::Open.as_str()));
            let resolved = diesel::update(open)
                .set((
                    columns::status.eq(ConflictStatus::Resolved.as_str()),
                    columns::resolution.eq(Some(keep.as_str())),
                    columns::resolved_by.eq(Some(&by)),
                    columns::resolved_at.eq(Some(now.naive_utc())),
                ))
                .execute(connection)?;
            let row: Option<Row> = table.find(&id).first(connection).optional()?;
            let Some(conflict) = row.and_then(Row::conflict).map(Box::new) else { return Ok(Resolved::Unknown) };
            if resolved == 0 {
                return Ok(Resolved::Before(conflict));
            }
            let mut line = line;
            line.entry.organizer_id = Some(conflict.organizer_id.clone());
            line.write(connection)?;
            Ok(Resolved::Now(conflict))
        };
        self.pool.write("resolve a conflict", resolve).await
    }

    /// Open conflicts of an organizer that hosts were not told of, in the order of their ids.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn untold_conflicts(&self, organizer_id: &str, limit: u32) -> Result<Vec<Conflict>, StoreError> {
        let organizer = organizer_id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            let untold = columns::organizer_id.eq(organizer).and(columns::told.eq(false));
            let open = table.filter(untold).filter(columns::status.eq(ConflictStatus::Open.as_str()));
            open.order(columns::id.asc()).limit(limit.min(MAX_ROWS).into()).load::<Row>(connection)
        };
        let rows = self.pool.read("look for conflicts to tell", load).await?;
        Ok(rows.into_iter().filter_map(Row::conflict).collect())
    }

    /// Hosts were told of these.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn conflicts_were_told(&self, ids: Vec<String>) -> Result<(), StoreError> {
        let note = move |connection: &mut AnyConnection| -> QueryResult<()> {
            for ids in ids.chunks(IDS_IN_A_QUERY) {
                diesel::update(table.filter(columns::id.eq_any(ids)))
                    .set(columns::told.eq(true))
                    .execute(connection)?;
            }
            Ok(())
        };
        self.pool.write("note who was told of conflicts", note).await
    }
}
