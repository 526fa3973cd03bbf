//! Both tables of accounts as one: the columns that they share, and a way to say a query once.

use chrono::NaiveDateTime;
use diesel::Queryable;

use super::{Integration, IntegrationKind};

/// The same query on the table of either kind, which it calls by a name of its own.
macro_rules! in_table {
    ($kind:expr, $table:ident => $query:expr) => {
        match $kind {
            $crate::integrations::IntegrationKind::Calendar => {
                use $crate::schema::calendar_integrations as $table;
                $query
            }
            $crate::integrations::IntegrationKind::Video => {
                use $crate::schema::video_integrations as $table;
                $query
            }
        }
    };
}

/// The columns of a [`Row`], in its order.
macro_rules! columns {
    ($table:ident) => {
        (
            $table::id,
            $table::organizer_id,
            $table::provider,
            $table::provider_user_id,
            $table::provider_email,
            $table::is_active,
            $table::token_expires_at,
            $table::scope,
            $table::version,
            $table::refreshed_at,
            $table::refresh_errors,
            $table::refresh_error,
            $table::disconnected_at,
            $table::disconnected_reason,
            $table::disconnects,
            $table::created_at,
            $table::updated_at,
        )
    };
}

pub(super) use {columns, in_table};

/// A row of either table, as far as both have the same columns.
#[derive(Queryable)]
pub(super) struct Row {
    id: String,
    organizer_id: String,
    provider: String,
    provider_user_id: Option<String>,
    provider_email: Option<String>,
    is_active: bool,
    token_expires_at: Option<NaiveDateTime>,
    scope: Option<String>,
    version: i32,
    refreshed_at: Option<NaiveDateTime>,
    refresh_errors: i32,
    refresh_error: Option<String>,
    disconnected_at: Option<NaiveDateTime>,
    disconnected_reason: Option<String>,
    disconnects: i32,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl Row {
    pub(super) fn of(self, kind: IntegrationKind) -> Integration {
        Integration {
            kind,
            id: self.id,
            organizer_id: self.organizer_id,
            provider: self.provider,
            provider_user_id: self.provider_user_id,
            provider_email: self.provider_email,
            is_active: self.is_active,
            token_expires_at: self.token_expires_at.map(|at| at.and_utc()),
            scope: self.scope,
            version: self.version,
            refreshed_at: self.refreshed_at.map(|at| at.and_utc()),
            refresh_errors: self.refresh_errors,
            refresh_error: self.refresh_error,
            disconnected_at: self.disconnected_at.map(|at| at.and_utc()),
            disconnected_reason: self.disconnected_reason,
            disconnects: self.disconnects,
            created_at: self.created_at.and_utc(),
            updated_at: self.updated_at.and_utc(),
        }
    }
}
