//! Endpoints: where the events of organizers are sent, and how each of them has answered so far.
//!
//! Secrets and the values of headers are sealed for the row and the column they stand in; they are opened for whoever
//! sends, and for nobody who lists. Every change is one statement: half of one cannot be seen.

mod health;
mod row;

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _, SelectableHelper as _};
use serde::Serialize;

pub(crate) use self::health::{Answered, count};
use self::row::{ChangedRow, EndpointRow, NewRow, SealedRow};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::MAX_ROWS;
use crate::schema::webhook_integrations::{self, table};
use crate::store::Store;

/// An endpoint, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "switches of an endpoint, by the names that hosts know them under")]
pub struct Endpoint {
    pub id: String,
    pub organizer_id: String,
    pub name: String,
    pub webhook_url: String,
    pub method: String,
    /// Names of events; `*` stands for any rest of a name.
    pub events: Vec<String>,
    pub has_secret: bool,
    /// Until when the secret before the last rotation signs as well.
    pub old_secret_until: Option<DateTime<Utc>>,
    pub has_headers: bool,
    /// `standard`, `plain` or `both`.
    pub signature: String,
    pub signature_header: String,
    pub signature_prefix: bool,
    pub retry_failed: bool,
    pub max_retries: i32,
    pub timeout_seconds: i32,
    pub max_concurrent: Option<i32>,
    pub max_per_second: Option<i32>,
    pub ordered: bool,
    pub is_active: bool,
    pub disabled_at: Option<DateTime<Utc>>,
    pub disabled_reason: Option<String>,
    pub success_count: i64,
    pub failure_count: i64,
    pub last_triggered_at: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub failures_in_a_row: i32,
    pub failing_since: Option<DateTime<Utc>>,
    pub warnings: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Endpoint {
    /// One that wants everything, with what holds for endpoints that say nothing else.
    #[must_use]
    pub fn new(id: &str, organizer_id: &str, webhook_url: &str, now: DateTime<Utc>) -> Self {
        Self {
            id: id.to_owned(),
            organizer_id: organizer_id.to_owned(),
            name: id.to_owned(),
            webhook_url: webhook_url.to_owned(),
            method: "POST".to_owned(),
            events: vec!["*".to_owned()],
            has_secret: false,
            old_secret_until: None,
            has_headers: false,
            signature: "both".to_owned(),
            signature_header: "X-Webhook-Signature".to_owned(),
            signature_prefix: true,
            retry_failed: true,
            max_retries: 3,
            timeout_seconds: 15,
            max_concurrent: None,
            max_per_second: None,
            ordered: false,
            is_active: true,
            disabled_at: None,
            disabled_reason: None,
            success_count: 0,
            failure_count: 0,
            last_triggered_at: None,
            last_success_at: None,
            failures_in_a_row: 0,
            failing_since: None,
            warnings: 0,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What an endpoint is sent and nobody else may see.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EndpointSecrets {
    pub current: Option<String>,
    /// The one before the last rotation.
    pub old: Option<String>,
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for EndpointSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What an operator may change; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct EndpointChanges {
    pub name: Option<String>,
    pub webhook_url: Option<String>,
    pub method: Option<String>,
    pub events: Option<Vec<String>>,
    pub signature: Option<String>,
    pub signature_header: Option<String>,
    pub signature_prefix: Option<bool>,
    pub retry_failed: Option<bool>,
    pub max_retries: Option<i32>,
    pub timeout_seconds: Option<i32>,
    /// 0: no limit of its own.
    pub max_concurrent: Option<i32>,
    /// 0: no limit of its own.
    pub max_per_second: Option<i32>,
    pub ordered: Option<bool>,
}

/// What to list, by id.
#[derive(Clone, Debug, Default)]
pub struct EndpointFilter {
    pub organizer: Option<String>,
    /// Only those that are active, or only those that are not.
    pub active: Option<bool>,
    /// Only those whose last attempt failed.
    pub failing: bool,
    /// At most 10,000.
    pub limit: u32,
}

impl Store {
    /// Add an endpoint, as it is; whether it is new: one of this id that is there already is left alone.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn add_endpoint(&self, endpoint: Endpoint, secrets: EndpointSecrets) -> Result<bool, StoreError> {
        let keys = std::sync::Arc::clone(&self.keys);
        let add = move |connection: &mut AnyConnection| {
            let row = NewRow::of(&endpoint, &secrets, &keys);
            let written = match connection {
                AnyConnection::Sqlite(connection) => {
                    diesel::insert_into(table).values(row).on_conflict_do_nothing().execute(connection)?
                }
                AnyConnection::Postgres(connection) => {
                    diesel::insert_into(table).values(row).on_conflict_do_nothing().execute(connection)?
                }
            };
            Ok(written == 1)
        };
        self.pool.write("add an endpoint", add).await
    }

    /// One endpoint.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoint(&self, id: &str) -> Result<Option<Endpoint>, StoreError> {
        let id = id.to_owned();
        let find = move |connection: &mut AnyConnection| {
            table.find(&id).select(EndpointRow::as_select()).first(connection).optional()
        };
        let row: Option<EndpointRow> = self.pool.read("read an endpoint", find).await?;
        Ok(row.map(Endpoint::from))
    }

    /// One endpoint with what it is sent.
    ///
    /// # Errors
    /// When the database cannot be read, or what is sealed cannot be opened.
    pub async fn endpoint_with_secrets(&self, id: &str) -> Result<Option<(Endpoint, EndpointSecrets)>, StoreError> {
        let id = id.to_owned();
        let find = move |connection: &mut AnyConnection| {
            let columns = (EndpointRow::as_select(), SealedRow::as_select());
            table.find(&id).select(columns).first(connection).optional()
        };
        let row: Option<(EndpointRow, SealedRow)> = self.pool.read("read an endpoint", find).await?;
        row.map(|(row, sealed)| Ok((Endpoint::from(row), sealed.open(&self.keys)?))).transpose()
    }

    /// The endpoints that `filter` lets through, by id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoints(&self, filter: EndpointFilter) -> Result<Vec<Endpoint>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let mut query = table.into_boxed();
            if let Some(organizer) = filter.organizer {
                query = query.filter(webhook_integrations::organizer_id.eq(organizer));
            }
            if let Some(active) = filter.active {
                query = query.filter(webhook_integrations::is_active.eq(active));
            }
            if filter.failing {
                query = query.filter(webhook_integrations::failures_in_a_row.gt(0));
            }
            let query = query.order(webhook_integrations::id).limit(filter.limit.min(MAX_ROWS).into());
            query.select(EndpointRow::as_select()).load(connection)
        };
        let rows: Vec<EndpointRow> = self.pool.read("list endpoints", load).await?;
        Ok(rows.into_iter().map(Endpoint::from).collect())
    }

    /// Change an endpoint; whether there is one.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn edit_endpoint(
        &self,
        id: &str,
        changes: EndpointChanges,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let row = ChangedRow::of(changes, now);
        let id = id.to_owned();
        let edit = move |connection: &mut AnyConnection| {
            diesel::update(table.find(&id)).set(&row).execute(connection).map(|changed| changed == 1)
        };
        self.pool.write("change an endpoint", edit).await
    }

    /// Give an endpoint other headers; whether there is one.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn set_endpoint_headers(
        &self,
        id: &str,
        headers: Vec<(String, String)>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let sealed = row::seal_headers(id, &headers, &self.keys);
        let id = id.to_owned();
        let edit = move |connection: &mut AnyConnection| {
            let row = (webhook_integrations::headers.eq(sealed), webhook_integrations::updated_at.eq(now.naive_utc()));
            diesel::update(table.find(&id)).set(row).execute(connection).map(|changed| changed == 1)
        };
        self.pool.write("change the headers of an endpoint", edit).await
    }

    /// Give an endpoint another secret, or none; the one that it had signs as well until then. Whether there is one.
    ///
    /// # Errors
    /// When the database cannot be written to, or the secret that is there cannot be opened: nothing is changed then.
    pub async fn rotate_endpoint_secret(
        &self,
        id: &str,
        secret: Option<String>,
        old_until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let Some((_, before)) = self.endpoint_with_secrets(id).await? else { return Ok(false) };
        let seal = |column: &str, secret: Option<&String>| {
            secret.map(|secret| self.keys.seal(&row::place(id, column), secret.as_bytes()))
        };
        let old = seal("old_secret_key", before.current.as_ref().filter(|_| old_until.is_some()));
        let until = old_until.filter(|_| old.is_some()).map(|at| at.naive_utc());
        let sealed = seal("secret_key", secret.as_ref());
        let id = id.to_owned();
        let rotate = move |connection: &mut AnyConnection| {
            let row = (
                webhook_integrations::secret_key.eq(sealed),
                webhook_integrations::old_secret_key.eq(old),
                webhook_integrations::old_secret_until.eq(until),
                webhook_integrations::updated_at.eq(now.naive_utc()),
            );
            diesel::update(table.find(&id)).set(row).execute(connection).map(|changed| changed == 1)
        };
        self.pool.write("rotate the secret of an endpoint", rotate).await
    }
}
