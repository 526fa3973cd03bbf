//! Jobs that were given up, each with the sealed envelope that can revive it. Written by `record.rs`.

mod held;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    RunQueryDsl as _, Selectable, SelectableHelper as _,
};
use serde::Serialize;

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::{IDS_IN_A_QUERY, MAX_ROWS};
use crate::schema::dead_letters::{self, buried_at, envelope, job_id, name, queue, runs, table};
use crate::store::Store;

pub use held::HeldLetter;
use held::held;

/// A job that was given up, without its envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    pub job_id: String,
    pub name: String,
    pub queue: String,
    pub reason: String,
    pub attempts: i32,
    pub crashes: i32,
    /// The claims so far; a revival goes on counting from here.
    pub runs: i32,
    pub enqueued_at: DateTime<Utc>,
    pub buried_at: DateTime<Utc>,
}

/// What to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    pub name: Option<String>,
    pub queue: Option<String>,
    /// At most 10,000.
    pub limit: u32,
    /// Where the page before this one ended.
    pub after: Option<DeadCursor>,
}

/// A place in the list that stays put while letters come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadCursor {
    pub buried_at: DateTime<Utc>,
    pub job_id: String,
}

impl DeadLetter {
    /// Where the list goes on after this letter.
    #[must_use]
    pub fn cursor(&self) -> DeadCursor {
        DeadCursor { buried_at: self.buried_at, job_id: self.job_id.clone() }
    }
}

/// What discarding letters did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discarded {
    pub letters: usize,
    /// What stays, once for each hold that keeps it.
    pub held: Vec<HeldLetter>,
}

/// What an envelope is sealed for.
pub(crate) fn row_identity(id: &str) -> String {
    format!("dead_letters:{id}")
}

impl Store {
    /// A page of dead letters, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn dead_letters(&self, filter: DeadFilter) -> Result<Vec<DeadLetter>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let mut query = table.into_boxed();
            if let Some(wanted) = filter.name {
                query = query.filter(name.eq(wanted));
            }
            if let Some(wanted) = filter.queue {
                query = query.filter(queue.eq(wanted));
            }
            if let Some(DeadCursor { buried_at: at, job_id: id }) = filter.after {
                let at = at.naive_utc();
                query = query.filter(buried_at.lt(at).or(buried_at.eq(at).and(job_id.lt(id))));
            }
            query
                .order((buried_at.desc(), job_id.desc()))
                .limit(filter.limit.min(MAX_ROWS).into())
                .select(DeadRow::as_select())
                .load(connection)
        };
        let rows: Vec<DeadRow> = self.pool.read("list dead letters", load).await?;
        Ok(rows.into_iter().map(DeadLetter::from).collect())
    }

    /// The dead letter of one job.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, StoreError> {
        let id = id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            table.filter(job_id.eq(id)).select(DeadRow::as_select()).first(connection).optional()
        };
        let row: Option<DeadRow> = self.pool.read("read a dead letter", load).await?;
        Ok(row.map(DeadLetter::from))
    }

    /// The envelope of a dead letter, opened.
    ///
    /// # Errors
    /// When the database cannot be read; [`StoreError::Sealed`] when no key opens the envelope.
    pub async fn dead_envelope(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let wanted = id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            table.filter(job_id.eq(wanted)).select(envelope).first(connection).optional()
        };
        let sealed: Option<Vec<u8>> = self.pool.read("read a dead letter's envelope", load).await?;
        let open = |sealed: Vec<u8>| self.keys.open(&row_identity(id), &sealed);
        sealed.map(open).transpose().map_err(|source| StoreError::Sealed { job_id: id.to_owned(), source })
    }

    /// Throw these dead letters away, each named by its job and its `runs`; what a legal hold keeps stays, and so do the
    /// runs, and letters that were replaced meanwhile.
    ///
    /// # Errors
    /// When the database cannot be written to; then all are still there.
    pub async fn discard_dead_letters(&self, letters: Vec<(String, i32)>) -> Result<Discarded, StoreError> {
        let discard = move |connection: &mut AnyConnection| {
            let mut discarded = Discarded::default();
            for some in letters.chunks(IDS_IN_A_QUERY) {
                let held = held(connection, some.iter().map(|(id, _)| id.as_str()))?;
                let is_free = |(id, _): &&(String, i32)| !held.iter().any(|letter| letter.job_id == *id);
                discarded.letters += forget(connection, some.iter().filter(is_free))?;
                discarded.held.extend(held);
            }
            Ok(discarded)
        };
        self.pool.write("discard dead letters", discard).await
    }

    /// Delete these dead letters, each named by its job and its `runs`; the runs themselves stay. Returns how many
    /// there were. A letter that was replaced meanwhile, because its job came back and died again, has more runs and
    /// stays: forgetting it would lose the job.
    ///
    /// # Errors
    /// When the database cannot be written to; then all are still there.
    pub async fn forget_dead_letters(&self, letters: Vec<(String, i32)>) -> Result<usize, StoreError> {
        let delete = move |connection: &mut AnyConnection| forget(connection, letters.iter());
        self.pool.write("delete dead letters", delete).await
    }

    /// How many dead letters there are, of all jobs or of those called `wanted`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_dead_letters(&self, wanted: Option<String>) -> Result<u64, StoreError> {
        let count = move |connection: &mut AnyConnection| -> diesel::QueryResult<i64> {
            match wanted {
                Some(wanted) => table.filter(name.eq(wanted)).count().get_result(connection),
                None => table.count().get_result(connection),
            }
        };
        Ok(self.pool.read("count dead letters", count).await?.unsigned_abs())
    }
}

fn forget<'a>(connection: &mut AnyConnection, letters: impl Iterator<Item = &'a (String, i32)>) -> QueryResult<usize> {
    let mut by_runs: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
    for (id, count) in letters {
        by_runs.entry(*count).or_default().push(id);
    }
    let mut deleted = 0;
    for (count, ids) in &by_runs {
        for ids in ids.chunks(IDS_IN_A_QUERY) {
            let these = table.filter(job_id.eq_any(ids)).filter(runs.eq(count));
            deleted += diesel::delete(these).execute(connection)?;
        }
    }
    Ok(deleted)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = dead_letters)]
struct DeadRow {
    job_id: String,
    name: String,
    queue: String,
    reason: String,
    attempts: i32,
    crashes: i32,
    runs: i32,
    enqueued_at: NaiveDateTime,
    buried_at: NaiveDateTime,
}

impl From<DeadRow> for DeadLetter {
    fn from(row: DeadRow) -> Self {
        Self {
            job_id: row.job_id,
            name: row.name,
            queue: row.queue,
            reason: row.reason,
            attempts: row.attempts,
            crashes: row.crashes,
            runs: row.runs,
            enqueued_at: row.enqueued_at.and_utc(),
            buried_at: row.buried_at.and_utc(),
        }
    }
}
