//! When organizers are busy: what changed in the mirror, turned into blocked times portion by portion.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use diesel::result::QueryResult;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _};
use serde::Serialize;

use super::{MirroredEvent, clashes, id_of, mirror, rounds, storable, writing};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::{IDS_IN_A_QUERY, MAX_ROWS};
use crate::schema::blocked_times::{self as columns, table};
use crate::schema::{calendar_integrations, calendar_syncs};
use crate::store::Store;

/// What an event blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub starts_at: DateTime<Utc>,
    /// After its start.
    pub ends_at: DateTime<Utc>,
    pub all_day: bool,
    pub tentative: bool,
    pub title: Option<String>,
}

/// A row, as hosts read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Queryable)]
pub struct BlockedTime {
    pub id: String,
    pub organizer_id: String,
    pub integration_id: Option<String>,
    pub external_event_id: Option<String>,
    pub external_uid: Option<String>,
    /// `manual` or `synced`.
    pub source: String,
    pub starts_at: NaiveDateTime,
    pub ends_at: NaiveDateTime,
    pub all_day: bool,
    pub tentative: bool,
    pub title: Option<String>,
    pub created_at: NaiveDateTime,
    pub updated_at: NaiveDateTime,
    pub checked_at: Option<NaiveDateTime>,
}

/// What a portion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// Events that were looked at; fewer than were asked for, if these were the last ones.
    pub events: usize,
    pub created: usize,
    pub updated: usize,
    pub deleted: usize,
    /// Conflicts that are new, or new again.
    pub conflicts: usize,
}

impl Portion {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            created: self.created + other.created,
            updated: self.updated + other.updated,
            deleted: self.deleted + other.deleted,
            conflicts: self.conflicts + other.conflicts,
        }
    }

    /// Whether any blocked time is another than before.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.created + self.updated + self.deleted > 0
    }
}

/// A blocked time on its way into the table.
pub(super) struct Written {
    pub(super) id: String,
    pub(super) event_id: String,
    pub(super) uid: Option<String>,
    pub(super) what: Block,
}

impl Store {
    /// Turn the next changes of the mirror into blocked times, by a judge who says what an event blocks in the zone of
    /// the calendar, if anything. What is blocked already, and stays the same, is not written. Overlaps of what is new become conflicts.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was.
    pub async fn reconcile(
        &self,
        integration_id: &str,
        limit: u32,
        now: DateTime<Utc>,
        judge: impl Fn(&MirroredEvent, Option<&str>) -> Option<Block> + Send + 'static,
    ) -> Result<Portion, StoreError> {
        let (id, limit) = (integration_id.to_owned(), limit.clamp(1, MAX_ROWS));
        let work = move |connection: &mut AnyConnection| reconcile(connection, &id, limit, now, &judge);
        self.pool.write("reconcile a calendar with blocked times", work).await
    }

    /// Blocked times of an organizer that end after this, by their start.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn blocked_times(
        &self,
        organizer_id: &str,
        after: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<BlockedTime>, StoreError> {
        let organizer = organizer_id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            table
                .filter(columns::organizer_id.eq(organizer))
                .filter(columns::ends_at.gt(after.naive_utc()))
                .order((columns::starts_at.asc(), columns::id.asc()))
                .limit(limit.min(MAX_ROWS).into())
                .load(connection)
        };
        self.pool.read("list blocked times", load).await
    }
}

fn reconcile(
    connection: &mut AnyConnection,
    integration: &str,
    limit: u32,
    now: DateTime<Utc>,
    judge: &impl Fn(&MirroredEvent, Option<&str>) -> Option<Block>,
) -> QueryResult<Portion> {
    let account = calendar_integrations::table.find(integration);
    let organizer = account.select(calendar_integrations::organizer_id).first::<String>(connection).optional()?;
    let Some(organizer) = organizer else { return Ok(Portion::default()) };
    clashes::lock(connection, &organizer)?;
    rounds::lock(connection, integration)?;
    // Read under the lock: whoever puts the calendar into another zone marks its days again after this.
    let zone: Option<String> = account.select(calendar_integrations::time_zone).first(connection)?;
    let rows = mirror::changed(connection, integration, limit)?;
    let events = rows.len();
    let (mut wanted, mut there, mut gone): (BTreeMap<String, Option<Written>>, _, _) =
        (BTreeMap::new(), Vec::new(), Vec::new());
    for row in rows {
        let (event_id, is_gone) = (row.event_id.clone(), row.gone);
        let id = id_of("blk", &[integration, &event_id]);
        let event = row.event().filter(|_| !is_gone);
        let block = event.and_then(|event| Some(Written::of(&id, judge(&event, zone.as_deref())?, event)));
        wanted.insert(id, block);
        if is_gone { gone.push(event_id) } else { there.push(event_id) }
    }
    let portion = Portion { events, ..write(connection, (&organizer, integration), wanted, now)? };
    mirror::settle(connection, integration, &there, &gone)?;
    if portion.changed() {
        use calendar_syncs as syncs;
        diesel::update(syncs::table.find(integration))
            .set(syncs::blocks_version.eq(syncs::blocks_version + 1))
            .execute(connection)?;
    }
    Ok(portion)
}

impl Written {
    fn of(id: &str, mut what: Block, event: MirroredEvent) -> Self {
        (what.starts_at, what.ends_at) = (what.starts_at.trunc_subsecs(6), what.ends_at.trunc_subsecs(6));
        if let Some(title) = &mut what.title {
            storable(title);
        }
        Self { id: id.to_owned(), event_id: event.event_id, uid: event.uid, what }
    }

    fn is(&self, row: &BlockedTime) -> bool {
        let Block { starts_at, ends_at, all_day, tentative, title } = &self.what;
        starts_at.naive_utc() == row.starts_at
            && ends_at.naive_utc() == row.ends_at
            && (*all_day, *tentative) == (row.all_day, row.tentative)
            && (title, &self.uid) == (&row.title, &row.external_uid)
    }
}

/// Make the table so that these are there, or are not.
fn write(
    connection: &mut AnyConnection,
    owner: (&str, &str),
    wanted: BTreeMap<String, Option<Written>>,
    now: DateTime<Utc>,
) -> QueryResult<Portion> {
    let ids: Vec<&String> = wanted.keys().collect();
    let mut known: BTreeMap<String, BlockedTime> = BTreeMap::new();
    for ids in ids.chunks(IDS_IN_A_QUERY) {
        let rows: Vec<BlockedTime> = table.filter(columns::id.eq_any(ids.iter().copied())).load(connection)?;
        known.extend(rows.into_iter().map(|row| (row.id.clone(), row)));
    }
    let (mut portion, mut writes, mut deletes) = (Portion::default(), Vec::new(), Vec::new());
    for (id, block) in wanted {
        match (block, known.get(&id)) {
            (Some(block), Some(row)) if block.is(row) && row.organizer_id == owner.0 => {}
            (Some(block), before) => {
                if before.is_some() {
                    portion.updated += 1;
                } else {
                    portion.created += 1;
                }
                writes.push(block);
            }
            (None, Some(_)) => deletes.push(id),
            (None, None) => {}
        }
    }
    writing::blocks(connection, owner, &writes, now)?;
    for ids in deletes.chunks(IDS_IN_A_QUERY) {
        diesel::delete(table.filter(columns::id.eq_any(ids))).execute(connection)?;
    }
    portion.deleted = deletes.len();
    let new: Vec<&str> = writes.iter().map(|block| block.id.as_str()).collect();
    portion.conflicts = clashes::record(connection, &new, now)?;
    Ok(portion)
}
