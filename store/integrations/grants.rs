//! The tokens of an account: opened, replaced by compare-and-set, and found before they run out.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _, RunQueryDsl as _,
};

use super::{AccountId, Integration, IntegrationKind, Row, columns, in_table};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::logs::Line;
use crate::runs::MAX_ROWS;
use crate::sealing::{KeyError, KeyRing};
use crate::store::Store;

/// What a provider gave.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access_token: String,
    /// None: the provider gave none, and the one that we have stays good.
    pub refresh_token: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    /// None: as it was.
    pub scope: Option<String>,
}

/// An account with its tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    pub integration: Integration,
    pub access_token: Option<String>,
    pub refresh_token: Option<String>,
}

/// A grant that runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    pub account: AccountId,
    pub provider: String,
    pub expires_at: DateTime<Utc>,
}

/// What became of new tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// They stand in the row. If it was disconnected: the episode that this ended.
    Now { recovered: Option<i32> },
    /// The row has others by now, or is gone: nothing was changed.
    Superseded,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("integration", &self.integration).finish_non_exhaustive()
    }
}

/// The sealed columns of an account.
pub(super) struct Sealed {
    pub(super) access_token: Vec<u8>,
    pub(super) refresh_token: Option<Vec<u8>>,
}

impl Sealed {
    pub(super) fn of(keys: &KeyRing, account: &AccountId, tokens: &Tokens) -> Self {
        let seal = |column: &str, token: &String| keys.seal(&account.sealed_for(column), token.as_bytes());
        Self {
            access_token: seal("access_token", &tokens.access_token),
            refresh_token: tokens.refresh_token.as_ref().map(|token| seal("refresh_token", token)),
        }
    }
}

type SealedGrant = (Row, Option<Vec<u8>>, Option<Vec<u8>>);

impl Store {
    /// An account with its tokens, opened.
    ///
    /// # Errors
    /// When the database cannot be read; [`StoreError::SealedColumn`] when no key opens a token of this row.
    pub async fn grant(&self, account: &AccountId) -> Result<Option<Grant>, StoreError> {
        let AccountId { kind, id } = account.clone();
        let load = move |connection: &mut AnyConnection| {
            in_table!(kind, t => t::table
                .find(id)
                .select((columns!(t), t::access_token, t::refresh_token))
                .first::<SealedGrant>(connection)
                .optional())
        };
        let Some((row, access, refresh)) = self.pool.read("read a grant", load).await? else { return Ok(None) };
        let open = |column: &'static str, sealed: Option<Vec<u8>>| {
            let identity = account.sealed_for(column);
            let opened = sealed.map(|sealed| self.keys.open(&identity, &sealed).and_then(text)).transpose();
            opened.map_err(|source| StoreError::SealedColumn { place: identity, source })
        };
        let (access_token, refresh_token) = (open("access_token", access)?, open("refresh_token", refresh)?);
        Ok(Some(Grant { integration: row.of(account.kind), access_token, refresh_token }))
    }

    /// Put new tokens into the row, if it still has the version that they were got from, with this line in the log.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was changed.
    pub async fn store_tokens(
        &self,
        account: &AccountId,
        from_version: i32,
        tokens: Tokens,
        now: DateTime<Utc>,
        line: Line,
    ) -> Result<Stored, StoreError> {
        let (account, sealed) = (account.clone(), Sealed::of(&self.keys, account, &tokens));
        let store = move |connection: &mut AnyConnection| {
            let episode = disconnected(connection, &account)?;
            if put(connection, &account, from_version, (sealed, &tokens), now.naive_utc())? == 0 {
                return Ok(Stored::Superseded);
            }
            line.write(connection)?;
            Ok(Stored::Now { recovered: episode })
        };
        self.pool.write("store refreshed tokens", store).await
    }

    /// Accounts of one kind whose tokens run out before this time, the most urgent first; those after the account and
    /// the time at which the page before ended. Whoever is switched off, disconnected, or has nothing to refresh with
    /// is left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn expiring(
        &self,
        kind: IntegrationKind,
        before: DateTime<Utc>,
        after: Option<(DateTime<Utc>, String)>,
        limit: u32,
    ) -> Result<Vec<Expiring>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            in_table!(kind, t => {
                let mut query = t::table
                    .filter(t::refresh_token.is_not_null())
                    .filter(t::disconnected_at.is_null())
                    .filter(t::is_active.eq(true))
                    .filter(t::token_expires_at.lt(before.naive_utc()))
                    .into_boxed();
                if let Some((at, id)) = after {
                    let at = at.naive_utc();
                    query = query.filter(t::token_expires_at.gt(at).or(t::token_expires_at.eq(at).and(t::id.gt(id))));
                }
                query
                    .order((t::token_expires_at.asc(), t::id.asc()))
                    .limit(limit.min(MAX_ROWS).into())
                    .select((t::id, t::provider, t::token_expires_at.assume_not_null()))
                    .load::<(String, String, NaiveDateTime)>(connection)
            })
        };
        let rows = self.pool.read("look for tokens that run out", load).await?;
        let of = |(id, provider, at): (String, String, NaiveDateTime)| Expiring {
            account: AccountId::new(kind, id),
            provider,
            expires_at: at.and_utc(),
        };
        Ok(rows.into_iter().map(of).collect())
    }

    /// Count a refresh that failed, and say why. Nothing happens if the row has other tokens by now.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn refresh_failed(
        &self,
        account: &AccountId,
        version: i32,
        reason: &str,
        now: DateTime<Utc>,
        line: Line,
    ) -> Result<(), StoreError> {
        let (AccountId { kind, id }, reason) = (account.clone(), reason.to_owned());
        let note = move |connection: &mut AnyConnection| {
            let updated = in_table!(kind, t => diesel::update(t::table.find(&id).filter(t::version.eq(version)))
                .set((
                    t::refresh_errors.eq(t::refresh_errors + 1),
                    t::refresh_error.eq(Some(&reason)),
                    t::updated_at.eq(now.naive_utc()),
                ))
                .execute(connection))?;
            if updated > 0 { line.write(connection) } else { Ok(()) }
        };
        self.pool.write("note a failed refresh", note).await
    }
}

/// The episode that the row is in, if it is disconnected.
pub(super) fn disconnected(connection: &mut AnyConnection, account: &AccountId) -> QueryResult<Option<i32>> {
    let id = &account.id;
    let found: Option<i32> = in_table!(account.kind, t => t::table
        .find(id)
        .filter(t::disconnected_at.is_not_null())
        .select(t::disconnects)
        .first(connection)
        .optional())?;
    Ok(found)
}

fn put(
    connection: &mut AnyConnection,
    account: &AccountId,
    from_version: i32,
    (sealed, tokens): (Sealed, &Tokens),
    now: NaiveDateTime,
) -> QueryResult<usize> {
    let AccountId { kind, id } = account;
    in_table!(*kind, t => {
        let row = t::table.find(id).filter(t::version.eq(from_version));
        let updated = diesel::update(row)
            .set((
                t::access_token.eq(Some(sealed.access_token)),
                t::token_expires_at.eq(tokens.expires_at.map(|at| at.naive_utc())),
                t::version.eq(t::version + 1),
                t::refreshed_at.eq(Some(now)),
                t::refresh_errors.eq(0),
                t::refresh_error.eq(None::<String>),
                t::disconnected_at.eq(None::<NaiveDateTime>),
                t::disconnected_reason.eq(None::<String>),
                t::updated_at.eq(now),
            ))
            .execute(connection)?;
        if updated > 0 {
            if let Some(refresh) = sealed.refresh_token {
                diesel::update(t::table.find(id)).set(t::refresh_token.eq(Some(refresh))).execute(connection)?;
            }
            if let Some(scope) = &tokens.scope {
                diesel::update(t::table.find(id)).set(t::scope.eq(Some(scope))).execute(connection)?;
            }
        }
        Ok(updated)
    })
}

fn text(opened: Vec<u8>) -> Result<String, KeyError> {
    String::from_utf8(opened).map_err(|_| KeyError::Malformed)
}
