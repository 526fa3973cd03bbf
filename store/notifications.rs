//! What people were told, and whom nothing is sent to any more.
//!
//! A notification is written with the run that told it. One that was sent stays sent: whoever comes later, with the same
//! occasion, finds it and does not tell it again.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _, Selectable,
    SelectableHelper as _,
};
use serde::Serialize;

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::{IDS_IN_A_QUERY, MAX_ROWS};
use crate::schema::{notifications, suppressed_addresses, webhook_integrations};
use crate::store::Store;

/// The closed set of what can become of a notification. The strings are in the database for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotificationStatus {
    /// A server has taken it.
    Sent,
    /// No server will.
    Failed,
    /// It was not tried: nothing is sent to this address.
    Suppressed,
}

impl NotificationStatus {
    pub const ALL: [Self; 3] = [Self::Sent, Self::Failed, Self::Suppressed];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
        }
    }
}

/// What somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The occasion: the same, however often it is told.
    pub id: String,
    pub kind: String,
    /// The whole address. Logs show it masked.
    pub recipient: String,
    pub organizer_id: Option<String>,
    pub integration_id: Option<String>,
    pub message_id: String,
    pub status: NotificationStatus,
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// A notification that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub id: String,
    pub recipient: String,
    /// The job that told it.
    pub job_id: String,
}

/// An address that nothing is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SuppressedAddress {
    /// In lower case.
    pub address: String,
    pub reason: String,
    pub created_at: DateTime<Utc>,
}

/// An endpoint of webhooks, as far as somebody is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointState {
    pub organizer_id: String,
    pub name: String,
    pub webhook_url: String,
    pub is_active: bool,
    pub disabled_at: Option<DateTime<Utc>>,
    pub disabled_reason: Option<String>,
    pub failing_since: Option<DateTime<Utc>>,
    pub failures_in_a_row: i32,
}

impl Notification {
    pub(crate) fn make_storable(&mut self) {
        let Self { id, kind, recipient, organizer_id, integration_id, message_id, error, .. } = self;
        let optional = [organizer_id, integration_id, error].into_iter().flatten();
        for text in [id, kind, recipient, message_id].into_iter().chain(optional) {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
    }
}

impl SuppressedAddress {
    pub(crate) fn make_storable(&mut self) {
        self.address = self.address.to_lowercase().replace('\0', "\u{fffd}");
        self.reason = self.reason.replace('\0', "\u{fffd}");
    }
}

/// Write a notification, or what became of it after all; one that was sent stays as it is.
pub(crate) fn insert(connection: &mut AnyConnection, told: &Notification, job_id: &str) -> QueryResult<()> {
    let values = (
        notifications::kind.eq(&told.kind),
        notifications::recipient.eq(&told.recipient),
        notifications::organizer_id.eq(told.organizer_id.as_deref()),
        notifications::integration_id.eq(told.integration_id.as_deref()),
        notifications::message_id.eq(&told.message_id),
        notifications::status.eq(told.status.as_str()),
        notifications::error.eq(told.error.as_deref()),
        notifications::job_id.eq(job_id),
        notifications::created_at.eq(told.created_at.naive_utc()),
    );
    let unsent =
        notifications::table.find(&told.id).filter(notifications::status.ne(NotificationStatus::Sent.as_str()));
    if diesel::update(unsent).set(values).execute(connection)? > 0 {
        return Ok(());
    }
    let row = (notifications::id.eq(&told.id), values);
    let table = notifications::table;
    match connection {
        AnyConnection::Sqlite(connection) => {
            diesel::insert_into(table).values(row).on_conflict_do_nothing().execute(connection)
        }
        AnyConnection::Postgres(connection) => {
            diesel::insert_into(table).values(row).on_conflict_do_nothing().execute(connection)
        }
    }
    .map(drop)
}

/// The first reason stays.
pub(crate) fn suppress(connection: &mut AnyConnection, entry: &SuppressedAddress) -> QueryResult<()> {
    let row = (
        suppressed_addresses::address.eq(&entry.address),
        suppressed_addresses::reason.eq(&entry.reason),
        suppressed_addresses::created_at.eq(entry.created_at.naive_utc()),
    );
    let table = suppressed_addresses::table;
    match connection {
        AnyConnection::Sqlite(connection) => {
            diesel::insert_into(table).values(row).on_conflict_do_nothing().execute(connection)
        }
        AnyConnection::Postgres(connection) => {
            diesel::insert_into(table).values(row).on_conflict_do_nothing().execute(connection)
        }
    }
    .map(drop)
}

impl Store {
    /// Which of these occasions somebody was told of.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn told(&self, ids: Vec<String>) -> Result<Vec<Told>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let mut found: Vec<(String, String, String)> = Vec::new();
            for ids in ids.chunks(IDS_IN_A_QUERY) {
                let sent = notifications::table
                    .filter(notifications::id.eq_any(ids))
                    .filter(notifications::status.eq(NotificationStatus::Sent.as_str()));
                let columns = (notifications::id, notifications::recipient, notifications::job_id);
                found.extend(sent.select(columns).load::<(String, String, String)>(connection)?);
            }
            Ok(found)
        };
        let rows = self.pool.read("look up what was told", load).await?;
        Ok(rows.into_iter().map(|(id, recipient, job_id)| Told { id, recipient, job_id }).collect())
    }

    /// Which of these addresses nothing is sent to, and why.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn suppressed(&self, addresses: Vec<String>) -> Result<Vec<SuppressedAddress>, StoreError> {
        let addresses: Vec<String> = addresses.iter().map(|address| address.to_lowercase()).collect();
        let load = move |connection: &mut AnyConnection| {
            let mut found: Vec<SuppressedRow> = Vec::new();
            for addresses in addresses.chunks(IDS_IN_A_QUERY) {
                let of_these = suppressed_addresses::table.filter(suppressed_addresses::address.eq_any(addresses));
                found.extend(of_these.select(SuppressedRow::as_select()).load(connection)?);
            }
            Ok(found)
        };
        let rows = self.pool.read("look up suppressed addresses", load).await?;
        Ok(rows.into_iter().map(SuppressedAddress::from).collect())
    }

    /// The addresses that nothing is sent to, the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn suppressed_addresses(&self, limit: u32) -> Result<Vec<SuppressedAddress>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let order = (suppressed_addresses::created_at.desc(), suppressed_addresses::address.asc());
            let table = suppressed_addresses::table.order(order).limit(limit.min(MAX_ROWS).into());
            table.select(SuppressedRow::as_select()).load(connection)
        };
        let rows: Vec<SuppressedRow> = self.pool.read("list suppressed addresses", load).await?;
        Ok(rows.into_iter().map(SuppressedAddress::from).collect())
    }

    /// Let mail go to this address again. False: nothing kept it from going there.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn unsuppress(&self, address: &str) -> Result<bool, StoreError> {
        let address = address.to_lowercase();
        let delete = move |connection: &mut AnyConnection| {
            diesel::delete(suppressed_addresses::table.find(&address)).execute(connection)
        };
        Ok(self.pool.write("remove a suppressed address", delete).await? > 0)
    }

    /// How an endpoint of webhooks is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoint_state(&self, id: &str) -> Result<Option<EndpointState>, StoreError> {
        let id = id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            webhook_integrations::table.find(&id).select(EndpointRow::as_select()).first(connection).optional()
        };
        let row: Option<EndpointRow> = self.pool.read("read an endpoint", load).await?;
        Ok(row.map(EndpointState::from))
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = suppressed_addresses)]
struct SuppressedRow {
    address: String,
    reason: String,
    created_at: NaiveDateTime,
}

impl From<SuppressedRow> for SuppressedAddress {
    fn from(row: SuppressedRow) -> Self {
        Self { address: row.address, reason: row.reason, created_at: row.created_at.and_utc() }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_integrations)]
struct EndpointRow {
    organizer_id: String,
    name: String,
    webhook_url: String,
    is_active: bool,
    disabled_at: Option<NaiveDateTime>,
    disabled_reason: Option<String>,
    failing_since: Option<NaiveDateTime>,
    failures_in_a_row: i32,
}

impl From<EndpointRow> for EndpointState {
    fn from(row: EndpointRow) -> Self {
        Self {
            organizer_id: row.organizer_id,
            name: row.name,
            webhook_url: row.webhook_url,
            is_active: row.is_active,
            disabled_at: row.disabled_at.map(|at| at.and_utc()),
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since.map(|at| at.and_utc()),
            failures_in_a_row: row.failures_in_a_row,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording_tests::{at, exit, record};
    use crate::test_database::on_both;
    use crate::{Fact, RunOutcome};

    fn notification(id: &str, status: NotificationStatus) -> Notification {
        Notification {
            id: id.to_owned(),
            kind: "integration_disconnected".to_owned(),
            recipient: "ann@example.org".to_owned(),
            organizer_id: Some("o".to_owned()),
            integration_id: Some("i".to_owned()),
            message_id: "<m@example.org>".to_owned(),
            status,
            error: (status != NotificationStatus::Sent).then(|| "550 no\0body".to_owned()),
            created_at: at(1),
        }
    }

    #[test]
    fn the_strings_in_the_database_stay() {
        assert_eq!(NotificationStatus::ALL.map(NotificationStatus::as_str), ["sent", "failed", "suppressed"]);
    }

    #[test]
    fn what_was_sent_stays_sent_and_what_failed_may_be_sent_after_all() {
        on_both(&async |database| {
            let store = database.store().await;
            let told = async |id: &str| store.told(vec![id.to_owned()]).await.expect("look");
            for (run, status) in
                (1..).zip([NotificationStatus::Failed, NotificationStatus::Sent, NotificationStatus::Failed])
            {
                let mut exit = exit("job", run, RunOutcome::Retry);
                exit.facts.push(Fact::Notified(notification("n", status)));
                record(&store, vec![exit]).await;
                assert_eq!(told("n").await.len(), usize::from(run > 1));
            }
            let mut late = exit("another", 1, RunOutcome::Done);
            late.facts.push(Fact::Notified(notification("n", NotificationStatus::Sent)));
            record(&store, vec![late]).await;
            assert_eq!(told("n").await[0].job_id, "job", "who told it first");
            assert!(told("other").await.is_empty());
        });
    }

    #[test]
    fn an_address_is_suppressed_in_any_case_until_it_is_taken_out() {
        on_both(&async |database| {
            let store = database.store().await;
            for (run, reason) in [(1, "first"), (2, "second")] {
                let mut exit = exit("job", run, RunOutcome::Retry);
                let address = "Nobody@Example.org".to_owned();
                let entry = SuppressedAddress { address, reason: reason.to_owned(), created_at: at(run.into()) };
                exit.facts.push(Fact::Suppressed(entry));
                record(&store, vec![exit]).await;
            }
            let asked = vec!["NOBODY@example.org".to_owned(), "ann@example.org".to_owned()];
            let found = store.suppressed(asked).await.expect("look");
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].address.as_str(), found[0].reason.as_str()), ("nobody@example.org", "first"));
            assert_eq!(store.suppressed_addresses(10).await.expect("list"), found);
            assert!(store.unsuppress("nobody@EXAMPLE.org").await.expect("remove"));
            assert!(!store.unsuppress("nobody@example.org").await.expect("remove"));
            assert!(store.suppressed_addresses(10).await.expect("list").is_empty());
            assert_eq!(store.endpoint_state("nobody").await.expect("read"), None);
        });
    }
}
