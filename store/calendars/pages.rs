//! A page of a provider on its way into the mirror, together with where its round goes on.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use super::mirror::{self, Row};
use super::rounds::{self, OpenRound, RoundEnd, RoundKind};
use super::{MirroredEvent, storable, writing};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::IDS_IN_A_QUERY;
use crate::schema::{calendar_integrations, odd_events};
use crate::store::Store;

/// Odd events that are kept of one account. A calendar with more has one thing wrong with it, and the first ones show it.
const MAX_ODD: i64 = 1_000;

/// What a page says of one event or series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    Is(Box<MirroredEvent>),
    /// Neither an instance of this id takes place any more, nor one of a series of this id.
    Gone(String),
    /// All instances of a series: others of it take place no more.
    Series {
        id: String,
        events: Vec<MirroredEvent>,
    },
    /// What cannot be understood; what is known of it stays as it is.
    Odd {
        id: String,
        reason: String,
    },
}

/// A page, with the round before and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncPage {
    pub integration_id: String,
    /// The step from which the caller goes on.
    pub step: i32,
    /// The round, with this page counted in.
    pub round: OpenRound,
    pub changes: Vec<Observed>,
    /// The zone of the calendar, if the provider says so.
    pub zone: Option<String>,
    pub end: RoundEnd,
    pub now: DateTime<Utc>,
}

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in the mirror. So many events changed in it.
    Changed(usize),
    /// Somebody else has taken this step: nothing was written.
    Overtaken,
}

impl Store {
    /// Put a page into the mirror and remember where its round goes on, or that it is whole. What is in the mirror
    /// already is not written. A full round that is whole takes out what it has not seen.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was.
    pub async fn apply_page(&self, mut page: SyncPage) -> Result<Applied, StoreError> {
        page.changes.iter_mut().for_each(Observed::make_storable);
        self.pool.write("store a page of a calendar", move |connection| apply(connection, &page)).await
    }
}

impl Observed {
    fn make_storable(&mut self) {
        match self {
            Self::Is(event) => event.make_storable(),
            Self::Gone(id) => storable(id),
            Self::Series { id, events } => {
                storable(id);
                events.iter_mut().for_each(MirroredEvent::make_storable);
            }
            Self::Odd { id, reason } => [id, reason].into_iter().for_each(storable),
        }
    }
}

/// A page without what it contradicts itself: of several words on one event the last one counts.
#[derive(Default)]
struct Sum<'a> {
    there: BTreeMap<&'a str, &'a MirroredEvent>,
    /// Events and series that are gone.
    gone: BTreeSet<&'a str>,
    /// Series of which all instances are among those that are there.
    series: BTreeSet<&'a str>,
    odd: BTreeMap<&'a str, &'a str>,
}

impl<'a> Sum<'a> {
    fn of(changes: &'a [Observed]) -> Self {
        let mut sum = Self::default();
        for change in changes {
            match change {
                Observed::Is(event) => sum.add(event),
                Observed::Gone(id) => {
                    sum.forget(id);
                    sum.odd.remove(id.as_str());
                    sum.gone.insert(id);
                }
                Observed::Series { id, events } => {
                    sum.forget(id);
                    sum.odd.remove(id.as_str());
                    sum.series.insert(id);
                    for event in events {
                        sum.add(event);
                    }
                }
                Observed::Odd { id, reason } => {
                    sum.gone.remove(id.as_str());
                    sum.odd.insert(id, reason);
                }
            }
        }
        sum
    }

    fn add(&mut self, event: &'a MirroredEvent) {
        self.odd.remove(event.event_id.as_str());
        self.there.insert(&event.event_id, event);
    }

    fn forget(&mut self, id: &str) {
        self.there.retain(|known, event| *known != id && event.series_id.as_deref() != Some(id));
    }

    /// Whether what is known, and is not there by this page, takes place no more. An instance that cannot be understood
    /// is missing from its series, and so are all instances of a series that cannot be: that takes out none of them.
    fn takes_out(&self, row: &Row) -> bool {
        let is_in = |has: &dyn Fn(&str) -> bool| has(&row.event_id) || row.series_id.as_deref().is_some_and(has);
        is_in(&|id| self.gone.contains(id))
            || (is_in(&|id| self.series.contains(id)) && !is_in(&|id| self.odd.contains_key(id)))
    }
}

fn apply(connection: &mut AnyConnection, page: &SyncPage) -> QueryResult<Applied> {
    let (id, round) = (page.integration_id.as_str(), &page.round);
    if !rounds::take_step(connection, id, page.step)? {
        return Ok(Applied::Overtaken);
    }
    let sum = Sum::of(&page.changes);
    let mut changed = set_zone(connection, page)?;
    let (others, out) = mirror_page(connection, id, &sum, round)?;
    changed += others;
    keep_odd(connection, page, &sum, &out)?;
    match &page.end {
        RoundEnd::Goes(position) => {
            let sum = round.changes.saturating_add(i32::try_from(changed).unwrap_or(i32::MAX));
            let next = OpenRound { position: Some(position.clone()), changes: sum, ..round.clone() };
            rounds::keep(connection, id, &next)?;
        }
        RoundEnd::Whole(cursor) => changed += finish(connection, page, cursor.as_deref())?,
    }
    Ok(Applied::Changed(changed))
}

/// Days are days in another zone, if the provider says so.
fn set_zone(connection: &mut AnyConnection, page: &SyncPage) -> QueryResult<usize> {
    use calendar_integrations as columns;
    let Some(zone) = &page.zone else { return Ok(0) };
    let account = columns::table.find(&page.integration_id);
    let before: Option<Option<String>> = account.select(columns::time_zone).first(connection).optional()?;
    if before.flatten().as_ref() == Some(zone) {
        return Ok(0);
    }
    diesel::update(columns::table.find(&page.integration_id))
        .set(columns::time_zone.eq(Some(zone)))
        .execute(connection)?;
    mirror::move_days(connection, &page.integration_id)
}

/// How many events are others than before, and which of them take place no more.
fn mirror_page(
    connection: &mut AnyConnection,
    integration: &str,
    sum: &Sum<'_>,
    round: &OpenRound,
) -> QueryResult<(usize, Vec<String>)> {
    // Whatever is not there may be an event, or a series.
    let series: Vec<&str> = sum.gone.iter().chain(&sum.series).chain(sum.odd.keys()).copied().collect();
    let mut events = series.clone();
    events.extend(sum.there.keys().copied());
    let mut known = mirror::known(connection, integration, &events, &series)?;
    let unseen = |row: &Row| round.kind == RoundKind::Full && row.round != round.number;
    let (mut changed, mut writes, mut seen) = (0, Vec::new(), Vec::new());
    for (id, event) in &sum.there {
        let before = known.remove(*id).map(|row| (row.changed, row.gone, unseen(&row), row.event()));
        match before {
            Some((_, false, unseen, Some(before))) if before == **event => {
                seen.extend(unseen.then(|| (*id).to_owned()));
            }
            Some((was_changed, false, _, Some(before))) if before.blocks_as(event) => {
                writes.push((*event, was_changed));
            }
            Some(_) | None => {
                changed += 1;
                writes.push((*event, true));
            }
        }
    }
    // What is known, and not there by this page. What cannot be understood now takes place as it was understood.
    let (out, kept): (Vec<Row>, Vec<Row>) = known.into_values().partition(|row| sum.takes_out(row));
    let out: Vec<String> = out.into_iter().filter(|row| !row.gone).map(|row| row.event_id).collect();
    seen.extend(kept.into_iter().filter(unseen).map(|row| row.event_id));
    writing::events(connection, integration, round.number, &writes)?;
    mirror::take_out(connection, integration, &out)?;
    mirror::see(connection, integration, &seen, round.number)?;
    Ok((changed + out.len(), out))
}

/// What cannot be understood is kept aside with its reason, until it can be, or is gone.
fn keep_odd(connection: &mut AnyConnection, page: &SyncPage, sum: &Sum<'_>, out: &[String]) -> QueryResult<()> {
    use odd_events as columns;
    let id = page.integration_id.as_str();
    let named = sum.there.keys().chain(&sum.gone).chain(&sum.series).copied();
    let understood: Vec<&str> = named.chain(out.iter().map(String::as_str)).collect();
    for ids in understood.chunks(IDS_IN_A_QUERY) {
        let rows = columns::table.filter(columns::integration_id.eq(id)).filter(columns::event_id.eq_any(ids));
        diesel::delete(rows).execute(connection)?;
    }
    if sum.odd.is_empty() {
        return Ok(());
    }
    let there: i64 = columns::table.filter(columns::integration_id.eq(id)).count().get_result(connection)?;
    let room = usize::try_from(MAX_ODD.saturating_sub(there)).unwrap_or(0);
    for (event, reason) in sum.odd.iter().take(room) {
        let now = page.now.naive_utc();
        let again = diesel::update(columns::table.find((id, event)))
            .set((columns::reason.eq(reason), columns::last_seen_at.eq(now)))
            .execute(connection)?;
        if again == 0 {
            let row = (
                columns::integration_id.eq(id),
                columns::event_id.eq(event),
                columns::reason.eq(reason),
                columns::first_seen_at.eq(now),
                columns::last_seen_at.eq(now),
            );
            diesel::insert_into(columns::table).values(row).execute(connection)?;
        }
    }
    Ok(())
}

/// The round is whole: only now the cursor changes.
fn finish(connection: &mut AnyConnection, page: &SyncPage, cursor: Option<&str>) -> QueryResult<usize> {
    use calendar_integrations as columns;
    let (id, round) = (page.integration_id.as_str(), &page.round);
    let mut out = 0;
    if round.kind == RoundKind::Full {
        out = mirror::sweep(connection, id, round.number)?;
        rounds::cover(connection, id, round)?;
        let stale = odd_events::table
            .filter(odd_events::integration_id.eq(id))
            .filter(odd_events::last_seen_at.lt(round.started_at.naive_utc()));
        diesel::delete(stale).execute(connection)?;
    }
    rounds::close(connection, id)?;
    diesel::update(columns::table.find(id))
        .set((
            columns::sync_token.eq(cursor),
            columns::last_sync_at.eq(Some(page.now.naive_utc())),
            columns::sync_errors.eq(0),
            columns::sync_error.eq(None::<String>),
        ))
        .execute(connection)?;
    Ok(out)
}
