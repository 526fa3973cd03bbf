//! Accounts that come, go, and are switched on and off.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use super::grants::{Sealed, disconnected};
use super::{AccountId, IntegrationKind, Tokens, find, in_table};
use crate::calendars;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::logs::Line;
use crate::sealing::KeyRing;
use crate::store::Store;

/// An account as a host knows it after the consent of its owner.
#[derive(Clone, Debug)]
pub struct NewIntegration {
    pub kind: IntegrationKind,
    /// None: that of the same user at the same provider, if there is one; else `fresh_id`.
    pub id: Option<String>,
    pub fresh_id: String,
    pub organizer_id: String,
    pub provider: String,
    pub provider_user_id: Option<String>,
    pub provider_email: Option<String>,
    pub tokens: Tokens,
}

/// What adding an account did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    New(AccountId),
    /// It was there, and has these tokens now. If it was disconnected: the episode that this ended.
    Renewed {
        account: AccountId,
        recovered: Option<i32>,
    },
    /// Its id belongs to somebody else's account, or to one at another provider: nothing was changed.
    Taken {
        account: AccountId,
        organizer_id: String,
        provider: String,
    },
}

impl Store {
    /// Add an account, or give one that is there new tokens, with this line in the log.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was changed.
    pub async fn add_integration(
        &self,
        new: NewIntegration,
        now: DateTime<Utc>,
        line: Line,
    ) -> Result<Added, StoreError> {
        let keys = self.keys.clone();
        let add = move |connection: &mut AnyConnection| {
            let account = AccountId::new(new.kind, which(connection, &new)?);
            if new.kind == IntegrationKind::Calendar {
                calendars::lock(connection, &account.id)?;
            }
            let added = match find(connection, new.kind, &account.id)? {
                None => {
                    insert(connection, &keys, &account, &new, now.naive_utc())?;
                    Added::New(account.clone())
                }
                Some(there) if there.organizer_id != new.organizer_id || there.provider != new.provider => {
                    let (organizer_id, provider) = (there.organizer_id, there.provider);
                    return Ok(Added::Taken { account, organizer_id, provider });
                }
                Some(there) => {
                    let recovered = disconnected(connection, &account)?;
                    let is_another = is_another(there.provider_user_id.as_deref(), new.provider_user_id.as_deref());
                    // Neither a user that is no more nor another one shares a token.
                    let begins = recovered.is_some() || is_another;
                    renew(connection, &keys, &account, (&new, begins), now.naive_utc())?;
                    if new.kind == IntegrationKind::Calendar {
                        calendars::enable(connection, &account.id)?;
                        if is_another {
                            forget_calendar(connection, &account.id)?;
                        }
                    }
                    Added::Renewed { account: account.clone(), recovered }
                }
            };
            let mut line = line;
            line.entry.integration_id = Some(account.id);
            line.write(connection)?;
            Ok(added)
        };
        self.pool.write("add an integration", add).await
    }

    /// Switch an account on or off, with this line in the log; whether it was there.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn switch_integration(
        &self,
        account: &AccountId,
        active: bool,
        now: DateTime<Utc>,
        line: Line,
    ) -> Result<bool, StoreError> {
        let AccountId { kind, id } = account.clone();
        let switch = move |connection: &mut AnyConnection| {
            let updated = in_table!(kind, t => diesel::update(t::table.find(&id))
                .set((t::is_active.eq(active), t::updated_at.eq(now.naive_utc())))
                .execute(connection))?;
            if updated > 0 {
                if active && kind == IntegrationKind::Calendar {
                    calendars::enable(connection, &id)?;
                }
                line.write(connection)?;
            }
            Ok(updated > 0)
        };
        self.pool.write("switch an integration", switch).await
    }

    /// The provider takes these tokens no more: begin an episode, with this line in the log. Its number, or none if the
    /// row has other tokens by now, or is disconnected already.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was changed.
    pub async fn disconnect(
        &self,
        account: &AccountId,
        version: i32,
        reason: &str,
        now: DateTime<Utc>,
        line: Line,
    ) -> Result<Option<i32>, StoreError> {
        let (account, reason) = (account.clone(), reason.to_owned());
        let work = move |connection: &mut AnyConnection| {
            let id = &account.id;
            // The version stays: who refreshed it meanwhile may still store what he got, which ends the episode.
            let updated = in_table!(account.kind, t => {
                let row = t::table.find(id).filter(t::version.eq(version)).filter(t::disconnected_at.is_null());
                diesel::update(row)
                    .set((
                        t::disconnected_at.eq(Some(now.naive_utc())),
                        t::disconnected_reason.eq(Some(&reason)),
                        t::disconnects.eq(t::disconnects + 1),
                        t::updated_at.eq(now.naive_utc()),
                    ))
                    .execute(connection)
            })?;
            if updated == 0 {
                return Ok(None);
            }
            line.write(connection)?;
            disconnected(connection, &account)
        };
        self.pool.write("disconnect an integration", work).await
    }

    /// An operator takes an account off its provider: its tokens are forgotten, with this line in the log. The number
    /// of the episode that this began or went on in, or none if there is no such account.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was changed.
    pub async fn forget_grant(
        &self,
        account: &AccountId,
        reason: &str,
        now: DateTime<Utc>,
        line: Line,
    ) -> Result<Option<i32>, StoreError> {
        let (account, reason) = (account.clone(), reason.to_owned());
        let work = move |connection: &mut AnyConnection| {
            let (id, at) = (&account.id, now.naive_utc());
            let again = disconnected(connection, &account)?.is_some();
            let updated = in_table!(account.kind, t => {
                let updated = diesel::update(t::table.find(id))
                    .set((
                        t::access_token.eq(None::<Vec<u8>>),
                        t::refresh_token.eq(None::<Vec<u8>>),
                        t::token_expires_at.eq(None::<NaiveDateTime>),
                        // Whoever refreshes it right now must not bring it back.
                        t::version.eq(t::version + 1),
                        t::disconnected_reason.eq(Some(&reason)),
                        t::updated_at.eq(at),
                    ))
                    .execute(connection)?;
                if updated > 0 && !again {
                    diesel::update(t::table.find(id))
                        .set((t::disconnected_at.eq(Some(at)), t::disconnects.eq(t::disconnects + 1)))
                        .execute(connection)?;
                }
                QueryResult::Ok(updated)
            })?;
            if updated == 0 {
                return Ok(None);
            }
            line.write(connection)?;
            disconnected(connection, &account)
        };
        self.pool.write("forget a grant", work).await
    }
}

/// The id that is meant.
fn which(connection: &mut AnyConnection, new: &NewIntegration) -> QueryResult<String> {
    if let Some(id) = &new.id {
        return Ok(id.clone());
    }
    let Some(user) = &new.provider_user_id else { return Ok(new.fresh_id.clone()) };
    let known: Option<String> = in_table!(new.kind, t => t::table
        .filter(t::organizer_id.eq(&new.organizer_id))
        .filter(t::provider.eq(&new.provider))
        .filter(t::provider_user_id.eq(user))
        .order(t::created_at.desc())
        .select(t::id)
        .first(connection)
        .optional())?;
    Ok(known.unwrap_or_else(|| new.fresh_id.clone()))
}

fn insert(
    connection: &mut AnyConnection,
    keys: &KeyRing,
    account: &AccountId,
    new: &NewIntegration,
    now: NaiveDateTime,
) -> QueryResult<()> {
    let sealed = Sealed::of(keys, account, &new.tokens);
    let expires_at = new.tokens.expires_at.map(|at| at.naive_utc());
    in_table!(account.kind, t => diesel::insert_into(t::table)
        .values((
            t::id.eq(&account.id),
            t::organizer_id.eq(&new.organizer_id),
            t::provider.eq(&new.provider),
            t::provider_user_id.eq(new.provider_user_id.as_deref()),
            t::provider_email.eq(new.provider_email.as_deref()),
            t::access_token.eq(Some(sealed.access_token)),
            t::refresh_token.eq(sealed.refresh_token),
            t::token_expires_at.eq(expires_at),
            t::scope.eq(new.tokens.scope.as_deref()),
            t::created_at.eq(now),
            t::updated_at.eq(now),
        ))
        .execute(connection))
    .map(drop)
}

/// New tokens for an account that is there. One that was disconnected has no use for its old refresh token.
fn renew(
    connection: &mut AnyConnection,
    keys: &KeyRing,
    account: &AccountId,
    (new, begins): (&NewIntegration, bool),
    now: NaiveDateTime,
) -> QueryResult<()> {
    let sealed = Sealed::of(keys, account, &new.tokens);
    let id = &account.id;
    in_table!(account.kind, t => {
        diesel::update(t::table.find(id))
            .set((
                t::access_token.eq(Some(sealed.access_token)),
                t::token_expires_at.eq(new.tokens.expires_at.map(|at| at.naive_utc())),
                t::version.eq(t::version + 1),
                t::refresh_errors.eq(0),
                t::refresh_error.eq(None::<String>),
                t::disconnected_at.eq(None::<NaiveDateTime>),
                t::disconnected_reason.eq(None::<String>),
                t::updated_at.eq(now),
            ))
            .execute(connection)?;
        if sealed.refresh_token.is_some() || begins {
            diesel::update(t::table.find(id)).set(t::refresh_token.eq(sealed.refresh_token)).execute(connection)?;
        }
        // What is not said stays as it is.
        let given = [
            new.provider_user_id.as_ref().map(|value| diesel::update(t::table.find(id))
                .set(t::provider_user_id.eq(Some(value))).execute(connection)),
            new.provider_email.as_ref().map(|value| diesel::update(t::table.find(id))
                .set(t::provider_email.eq(Some(value))).execute(connection)),
            new.tokens.scope.as_ref().map(|value| diesel::update(t::table.find(id))
                .set(t::scope.eq(Some(value))).execute(connection)),
        ];
        given.into_iter().flatten().try_for_each(|updated| updated.map(drop))
    })
}

/// Whether an account is connected to another user than before. Who was not named before may be the same.
fn is_another(before: Option<&str>, now: Option<&str>) -> bool {
    before.zip(now).is_some_and(|(before, now)| before != now)
}

/// The calendar of another user is another one, whatever it is called there.
fn forget_calendar(connection: &mut AnyConnection, id: &str) -> QueryResult<()> {
    use crate::schema::calendar_integrations as columns;
    let row = columns::table.find(id);
    diesel::update(row).set(columns::calendar_id.eq(None::<String>)).execute(connection)?;
    calendars::begin_anew(connection, id)
}
