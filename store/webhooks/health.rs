//! How an endpoint answers: its counters, whether it is on, and how often its organizer was warned.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::webhook_integrations::{self as columns, table};
use crate::store::Store;

/// One attempt's end, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) at: DateTime<Utc>,
    pub(crate) well: bool,
}

/// What a group of attempts does to the counters of one endpoint.
#[derive(Debug, PartialEq, Eq)]
struct Sum {
    successes: i64,
    failures: i64,
    last: DateTime<Utc>,
    last_success: Option<DateTime<Utc>>,
    /// Those since the last success of the group, or all.
    failures_at_its_end: i32,
    /// The first of these.
    failing_since: Option<DateTime<Utc>>,
}

impl Sum {
    fn of(mut ends: Vec<Answered>) -> Option<Self> {
        ends.sort_by_key(|end| end.at);
        let last = ends.last()?.at;
        let since = ends.iter().rposition(|end| end.well).map_or(0, |at| at + 1);
        let successes = ends.iter().filter(|end| end.well).count();
        Some(Self {
            successes: i64::try_from(successes).unwrap_or(i64::MAX),
            failures: i64::try_from(ends.len() - successes).unwrap_or(i64::MAX),
            last,
            last_success: ends[..since].last().map(|end| end.at),
            failures_at_its_end: i32::try_from(ends.len() - since).unwrap_or(i32::MAX),
            failing_since: ends.get(since).map(|end| end.at),
        })
    }
}

/// Add these to the counters, one statement for each endpoint. In the order of their ids: two daemons wait for each other
/// instead of deadlocking.
pub(crate) fn count(connection: &mut AnyConnection, ends: impl Iterator<Item = (String, Answered)>) -> QueryResult<()> {
    let mut by_endpoint: BTreeMap<String, Vec<Answered>> = BTreeMap::new();
    for (endpoint, end) in ends {
        by_endpoint.entry(endpoint).or_default().push(end);
    }
    for (id, ends) in by_endpoint {
        let Some(sum) = Sum::of(ends) else { continue };
        add(connection, &id, &sum)?;
    }
    Ok(())
}

fn add(connection: &mut AnyConnection, id: &str, sum: &Sum) -> QueryResult<()> {
    let counted = (
        columns::success_count.eq(columns::success_count + sum.successes),
        columns::failure_count.eq(columns::failure_count + sum.failures),
        columns::last_triggered_at.eq(sum.last.naive_utc()),
    );
    let since = sum.failing_since.map(|at| at.naive_utc());
    if let Some(at) = sum.last_success {
        let reset = (
            columns::last_success_at.eq(at.naive_utc()),
            columns::failures_in_a_row.eq(sum.failures_at_its_end),
            columns::failing_since.eq(since),
            columns::warnings.eq(0),
        );
        return diesel::update(table.find(id)).set((counted, reset)).execute(connection).map(drop);
    }
    let failing = diesel::dsl::case_when(columns::failing_since.is_null(), since).otherwise(columns::failing_since);
    let more = (
        columns::failures_in_a_row.eq(columns::failures_in_a_row + sum.failures_at_its_end),
        columns::failing_since.eq(failing),
    );
    diesel::update(table.find(id)).set((counted, more)).execute(connection).map(drop)
}

impl Store {
    /// Send nothing there any more; whether it was on.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn disable_endpoint(&self, id: &str, reason: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let (id, reason, at) = (id.to_owned(), reason.to_owned(), now.naive_utc());
        let disable = move |connection: &mut AnyConnection| {
            let on = table.filter(columns::id.eq(id).and(columns::is_active.eq(true)));
            let off = (
                columns::is_active.eq(false),
                columns::disabled_at.eq(at),
                columns::disabled_reason.eq(reason),
                columns::updated_at.eq(at),
            );
            diesel::update(on).set(off).execute(connection).map(|changed| changed == 1)
        };
        self.pool.write("disable an endpoint", disable).await
    }

    /// Send there again, with its failures forgotten, so that nothing is parked for what was; whether there is one.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn enable_endpoint(&self, id: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let (id, at) = (id.to_owned(), now.naive_utc());
        let enable = move |connection: &mut AnyConnection| {
            let on = (
                columns::is_active.eq(true),
                columns::disabled_at.eq(None::<NaiveDateTime>),
                columns::disabled_reason.eq(None::<String>),
                columns::failures_in_a_row.eq(0),
                columns::failing_since.eq(None::<NaiveDateTime>),
                columns::warnings.eq(0),
                columns::updated_at.eq(at),
            );
            diesel::update(table.find(&id)).set(on).execute(connection).map(|changed| changed == 1)
        };
        self.pool.write("enable an endpoint", enable).await
    }

    /// Note that the organizer was warned for the `number`th time; whether it was not noted before.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn note_endpoint_warning(&self, id: &str, number: i32) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let note = move |connection: &mut AnyConnection| {
            let fewer = table.filter(columns::id.eq(id).and(columns::warnings.lt(number)));
            diesel::update(fewer).set(columns::warnings.eq(number)).execute(connection).map(|changed| changed == 1)
        };
        self.pool.write("note a warning about an endpoint", note).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(second: i64, well: bool) -> Answered {
        Answered { at: DateTime::from_timestamp(second, 0).expect("a time"), well }
    }

    #[test]
    fn only_the_failures_after_the_last_success_are_in_a_row() {
        let sum = Sum::of(vec![end(4, false), end(1, false), end(2, true), end(3, false)]).expect("a sum");
        assert_eq!((sum.successes, sum.failures, sum.failures_at_its_end), (1, 3, 2));
        assert_eq!((sum.last_success, sum.failing_since), (Some(end(2, true).at), Some(end(3, true).at)));
        let sum = Sum::of(vec![end(1, false), end(2, true)]).expect("a sum");
        assert_eq!((sum.failures_at_its_end, sum.failing_since), (0, None));
        let sum = Sum::of(vec![end(1, false), end(2, false)]).expect("a sum");
        assert_eq!((sum.failures_at_its_end, sum.last_success), (2, None));
        assert_eq!(Sum::of(Vec::new()), None);
    }
}
