//! The row of an endpoint, as it is read and written.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::{AsChangeset, Insertable, Queryable, Selectable};

use super::{Endpoint, EndpointChanges, EndpointSecrets};
use crate::error::StoreError;
use crate::schema::webhook_integrations;
use crate::sealing::KeyRing;

/// What a sealed value is bound to.
pub(super) fn place(id: &str, column: &str) -> String {
    format!("webhook_integrations:{id}:{column}")
}

pub(super) fn seal_headers(id: &str, headers: &[(String, String)], keys: &KeyRing) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(headers).unwrap_or_default();
    (!headers.is_empty()).then(|| keys.seal(&place(id, "headers"), &text))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_integrations)]
#[expect(clippy::struct_excessive_bools, reason = "columns")]
pub(super) struct EndpointRow {
    id: String,
    organizer_id: String,
    name: String,
    webhook_url: String,
    method: String,
    events: String,
    headers: Option<Vec<u8>>,
    secret_key: Option<Vec<u8>>,
    old_secret_until: Option<NaiveDateTime>,
    signature: String,
    signature_header: String,
    signature_prefix: bool,
    retry_failed: bool,
    max_retries: i32,
    timeout_seconds: i32,
    max_concurrent: Option<i32>,
    max_per_second: Option<i32>,
    ordered: bool,
    is_active: bool,
    disabled_at: Option<NaiveDateTime>,
    disabled_reason: Option<String>,
    success_count: i64,
    failure_count: i64,
    last_triggered_at: Option<NaiveDateTime>,
    last_success_at: Option<NaiveDateTime>,
    failures_in_a_row: i32,
    failing_since: Option<NaiveDateTime>,
    warnings: i32,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl From<EndpointRow> for Endpoint {
    fn from(row: EndpointRow) -> Self {
        let utc = |at: NaiveDateTime| at.and_utc();
        Self {
            id: row.id,
            organizer_id: row.organizer_id,
            name: row.name,
            webhook_url: row.webhook_url,
            method: row.method,
            // A list that a host wrote in some other way subscribes to nothing, which `show` shows.
            events: serde_json::from_str(&row.events).unwrap_or_default(),
            has_secret: row.secret_key.is_some(),
            old_secret_until: row.old_secret_until.map(utc),
            has_headers: row.headers.is_some(),
            signature: row.signature,
            signature_header: row.signature_header,
            signature_prefix: row.signature_prefix,
            retry_failed: row.retry_failed,
            max_retries: row.max_retries,
            timeout_seconds: row.timeout_seconds,
            max_concurrent: row.max_concurrent.filter(|limit| *limit > 0),
            max_per_second: row.max_per_second.filter(|limit| *limit > 0),
            ordered: row.ordered,
            is_active: row.is_active,
            disabled_at: row.disabled_at.map(utc),
            disabled_reason: row.disabled_reason,
            success_count: row.success_count,
            failure_count: row.failure_count,
            last_triggered_at: row.last_triggered_at.map(utc),
            last_success_at: row.last_success_at.map(utc),
            failures_in_a_row: row.failures_in_a_row,
            failing_since: row.failing_since.map(utc),
            warnings: row.warnings,
            created_at: utc(row.created_at),
            updated_at: utc(row.updated_at),
        }
    }
}

/// The columns that are sealed, and the row that they are bound to.
#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_integrations)]
pub(super) struct SealedRow {
    id: String,
    headers: Option<Vec<u8>>,
    secret_key: Option<Vec<u8>>,
    old_secret_key: Option<Vec<u8>>,
}

impl SealedRow {
    pub(super) fn open(self, keys: &KeyRing) -> Result<EndpointSecrets, StoreError> {
        let open = |column: &str, sealed: Option<Vec<u8>>| {
            let place = place(&self.id, column);
            let plain = sealed.map(|sealed| keys.open(&place, &sealed)).transpose();
            plain.map_err(|source| StoreError::SealedColumn { place, source })
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let headers = open("headers", self.headers)?;
        Ok(EndpointSecrets {
            current: open("secret_key", self.secret_key)?.map(text),
            old: open("old_secret_key", self.old_secret_key)?.map(text),
            headers: headers.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default(),
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = webhook_integrations)]
#[expect(clippy::struct_excessive_bools, reason = "columns")]
pub(super) struct NewRow {
    id: String,
    organizer_id: String,
    name: String,
    webhook_url: String,
    method: String,
    events: String,
    headers: Option<Vec<u8>>,
    secret_key: Option<Vec<u8>>,
    signature: String,
    signature_header: String,
    signature_prefix: bool,
    retry_failed: bool,
    max_retries: i32,
    timeout_seconds: i32,
    max_concurrent: Option<i32>,
    max_per_second: Option<i32>,
    ordered: bool,
    is_active: bool,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl NewRow {
    pub(super) fn of(endpoint: &Endpoint, secrets: &EndpointSecrets, keys: &KeyRing) -> Self {
        let id = &endpoint.id;
        Self {
            id: id.clone(),
            organizer_id: endpoint.organizer_id.clone(),
            name: endpoint.name.clone(),
            webhook_url: endpoint.webhook_url.clone(),
            method: endpoint.method.clone(),
            events: list(&endpoint.events),
            headers: seal_headers(id, &secrets.headers, keys),
            secret_key: secrets.current.as_ref().map(|text| keys.seal(&place(id, "secret_key"), text.as_bytes())),
            signature: endpoint.signature.clone(),
            signature_header: endpoint.signature_header.clone(),
            signature_prefix: endpoint.signature_prefix,
            retry_failed: endpoint.retry_failed,
            max_retries: endpoint.max_retries,
            timeout_seconds: endpoint.timeout_seconds,
            max_concurrent: endpoint.max_concurrent,
            max_per_second: endpoint.max_per_second,
            ordered: endpoint.ordered,
            is_active: endpoint.is_active,
            created_at: endpoint.created_at.naive_utc(),
            updated_at: endpoint.updated_at.naive_utc(),
        }
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = webhook_integrations)]
pub(super) struct ChangedRow {
    name: Option<String>,
    webhook_url: Option<String>,
    method: Option<String>,
    events: Option<String>,
    signature: Option<String>,
    signature_header: Option<String>,
    signature_prefix: Option<bool>,
    retry_failed: Option<bool>,
    max_retries: Option<i32>,
    timeout_seconds: Option<i32>,
    max_concurrent: Option<i32>,
    max_per_second: Option<i32>,
    ordered: Option<bool>,
    updated_at: NaiveDateTime,
}

impl ChangedRow {
    pub(super) fn of(changes: EndpointChanges, now: DateTime<Utc>) -> Self {
        Self {
            name: changes.name,
            webhook_url: changes.webhook_url,
            method: changes.method,
            events: changes.events.map(|events| list(&events)),
            signature: changes.signature,
            signature_header: changes.signature_header,
            signature_prefix: changes.signature_prefix,
            retry_failed: changes.retry_failed,
            max_retries: changes.max_retries,
            timeout_seconds: changes.timeout_seconds,
            max_concurrent: changes.max_concurrent,
            max_per_second: changes.max_per_second,
            ordered: changes.ordered,
            updated_at: now.naive_utc(),
        }
    }
}

fn list(events: &[String]) -> String {
    serde_json::to_string(events).unwrap_or_default()
}
