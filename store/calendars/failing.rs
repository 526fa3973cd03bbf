//! Synchronisation that fails by its account's own fault: counted with the run that failed, and disabled after so many.

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::Text;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use super::storable;
use crate::connection::AnyConnection;
use crate::schema::calendar_integrations::{self as columns, table};
use crate::schema::calendar_syncs;

/// A failure that counts on the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncFailure {
    pub integration_id: String,
    pub reason: String,
    /// So many in a row disable it.
    pub disable_after: i32,
    pub at: DateTime<Utc>,
}

impl SyncFailure {
    pub(crate) fn make_storable(&mut self) {
        storable(&mut self.reason);
    }
}

/// Count it, and disable the account if it is one too many.
pub(crate) fn count(connection: &mut AnyConnection, failure: &SyncFailure) -> QueryResult<()> {
    let id = failure.integration_id.as_str();
    // In the order in which accounts are connected and pages are written.
    super::rounds::lock(connection, id)?;
    let counted = (
        columns::sync_errors.eq(columns::sync_errors + 1),
        columns::sync_error.eq(Some(&failure.reason)),
        columns::updated_at.eq(failure.at.naive_utc()),
    );
    diesel::update(table.find(id)).set(counted).execute(connection)?;
    let too_many =
        table.find(id).filter(columns::sync_enabled.eq(true)).filter(columns::sync_errors.ge(failure.disable_after));
    if diesel::update(too_many).set(columns::sync_enabled.eq(false)).execute(connection)? > 0 {
        let first = "INSERT INTO calendar_syncs (integration_id) VALUES ($1) ON CONFLICT DO NOTHING";
        diesel::sql_query(first).bind::<Text, _>(id).execute(connection)?;
        diesel::update(calendar_syncs::table.find(id))
            .set(calendar_syncs::disables.eq(calendar_syncs::disables + 1))
            .execute(connection)?;
    }
    Ok(())
}

/// Synchronise it again, if errors have disabled it: without an error it was its owner who did not want it.
pub(crate) fn enable(connection: &mut AnyConnection, id: &str) -> QueryResult<()> {
    let failing: Option<Option<String>> = table.find(id).select(columns::sync_error).first(connection).optional()?;
    if failing.flatten().is_some() {
        let fresh =
            (columns::sync_enabled.eq(true), columns::sync_errors.eq(0), columns::sync_error.eq(None::<String>));
        diesel::update(table.find(id)).set(fresh).execute(connection)?;
    }
    Ok(())
}
