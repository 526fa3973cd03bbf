//! Consents of owners that are under way: what a state stands for, until it is used or its time is over.
//!
//! The state itself is not in here, only what it hashes to. Using one is one transaction that notes it as used and
//! forgets its verifier: of two who come with the same state one gets what it stands for, and a process that dies right
//! after it has used the state up. Whoever was sent away with it is asked again.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use diesel::result::QueryResult;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _, Selectable,
    SelectableHelper as _,
};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::integrations::IntegrationKind;
use crate::runs::IDS_IN_A_QUERY;
use crate::schema::oauth_states::{self, expires_at, state_hash, table, used_at, verifier};
use crate::store::Store;

/// What a state stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct OauthState {
    /// What the state hashes to.
    pub hash: String,
    pub organizer_id: String,
    pub provider: String,
    pub kind: IntegrationKind,
    /// The account that is to be connected; none: that of the same user, or a new one.
    pub integration_id: Option<String>,
    pub redirect_url: String,
    /// The scopes that the account needs, with spaces between them.
    pub scope: String,
    /// Proves to the provider that we asked.
    pub verifier: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for OauthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthState").field("provider", &self.provider).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What became of a state that somebody came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateUse {
    /// It was good, and is used up by this.
    Good(Box<OauthState>),
    /// Nobody was sent away with it, or so long ago that nobody remembers.
    Unknown,
    /// Somebody came with it before.
    Used {
        at: DateTime<Utc>,
    },
    Expired {
        at: DateTime<Utc>,
    },
    /// It is of a consent at another provider, and still good there.
    OtherProvider {
        provider: String,
    },
}

fn sealed_for(hash: &str) -> String {
    format!("oauth_states:{hash}:verifier")
}

impl Store {
    /// Remember what a state stands for.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn begin_oauth(&self, state: OauthState) -> Result<(), StoreError> {
        let sealed = self.keys.seal(&sealed_for(&state.hash), state.verifier.as_bytes());
        let begin = move |connection: &mut AnyConnection| {
            let row = (
                oauth_states::state_hash.eq(&state.hash),
                oauth_states::organizer_id.eq(&state.organizer_id),
                oauth_states::provider.eq(&state.provider),
                oauth_states::kind.eq(state.kind.as_str()),
                oauth_states::integration_id.eq(state.integration_id.as_deref()),
                oauth_states::redirect_url.eq(&state.redirect_url),
                oauth_states::scope.eq(&state.scope),
                oauth_states::verifier.eq(Some(sealed)),
                oauth_states::created_at.eq(state.created_at.trunc_subsecs(6).naive_utc()),
                oauth_states::expires_at.eq(state.expires_at.trunc_subsecs(6).naive_utc()),
            );
            diesel::insert_into(table).values(row).execute(connection).map(drop)
        };
        self.pool.write("begin to connect an account", begin).await
    }

    /// Use a state up, if it is good for this provider.
    ///
    /// # Errors
    /// When the database cannot be written to; then it is as it was. [`StoreError::SealedColumn`] when no key opens its
    /// verifier; then it is used up.
    pub async fn use_oauth_state(
        &self,
        hash: &str,
        provider: &str,
        now: DateTime<Utc>,
    ) -> Result<StateUse, StoreError> {
        let (wanted, provider, now) = (hash.to_owned(), provider.to_owned(), now.trunc_subsecs(6));
        let spend = move |connection: &mut AnyConnection| {
            let find = |connection: &mut AnyConnection| -> QueryResult<Option<StateRow>> {
                table.find(&wanted).select(StateRow::as_select()).first(connection).optional()
            };
            let Some(row) = find(connection)? else { return Ok(Err(StateUse::Unknown)) };
            if let Some(refused) = row.refused(&provider, now) {
                return Ok(Err(refused));
            }
            let unused = table.find(&wanted).filter(used_at.is_null());
            let spent = diesel::update(unused)
                .set((used_at.eq(Some(now.naive_utc())), verifier.eq(None::<Vec<u8>>)))
                .execute(connection)?;
            // Somebody else was faster by a moment.
            Ok(if spent == 1 { Ok(row) } else { Err(StateUse::Used { at: now }) })
        };
        let row = match self.pool.write("use a state", spend).await? {
            Ok(row) => row,
            Err(refused) => return Ok(refused),
        };
        let place = sealed_for(hash);
        let opened = self.keys.open(&place, row.verifier.as_deref().unwrap_or_default());
        let opened = opened.map_err(|source| StoreError::SealedColumn { place, source })?;
        let state = row.read(String::from_utf8_lossy(&opened).into_owned());
        Ok(state.map_or(StateUse::Unknown, |state| StateUse::Good(Box::new(state))))
    }

    /// What would become of a state that is used; nothing is changed, and what is good is told without its verifier.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn oauth_state(&self, hash: &str, provider: &str, now: DateTime<Utc>) -> Result<StateUse, StoreError> {
        let wanted = hash.to_owned();
        let find = move |connection: &mut AnyConnection| {
            table.find(&wanted).select(StateRow::as_select()).first(connection).optional()
        };
        let row: Option<StateRow> = self.pool.read("look at a state", find).await?;
        let Some(row) = row else { return Ok(StateUse::Unknown) };
        if let Some(refused) = row.refused(provider, now) {
            return Ok(refused);
        }
        Ok(row.read(String::new()).map_or(StateUse::Unknown, |state| StateUse::Good(Box::new(state))))
    }

    /// Forget states whose time was over before this; how many there were.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn forget_oauth_states(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let forget = move |connection: &mut AnyConnection| {
                let old = table.filter(expires_at.lt(before.naive_utc())).select(state_hash);
                let old: Vec<String> = old.limit(i64::try_from(IDS_IN_A_QUERY).unwrap_or(i64::MAX)).load(connection)?;
                diesel::delete(table.filter(state_hash.eq_any(&old))).execute(connection)
            };
            let some = self.pool.write("forget old states", forget).await?;
            forgotten += some as u64;
            if some < IDS_IN_A_QUERY {
                return Ok(forgotten);
            }
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = oauth_states)]
struct StateRow {
    state_hash: String,
    organizer_id: String,
    provider: String,
    kind: String,
    integration_id: Option<String>,
    redirect_url: String,
    scope: String,
    verifier: Option<Vec<u8>>,
    created_at: NaiveDateTime,
    expires_at: NaiveDateTime,
    used_at: Option<NaiveDateTime>,
}

impl StateRow {
    /// Why it is not good.
    fn refused(&self, provider: &str, now: DateTime<Utc>) -> Option<StateUse> {
        if let Some(at) = self.used_at {
            return Some(StateUse::Used { at: at.and_utc() });
        }
        if self.expires_at.and_utc() <= now {
            return Some(StateUse::Expired { at: self.expires_at.and_utc() });
        }
        (self.provider != provider).then(|| StateUse::OtherProvider { provider: self.provider.clone() })
    }

    /// None, if a newer release wrote it and this one does not know what it is for.
    fn read(self, opened: String) -> Option<OauthState> {
        Some(OauthState {
            hash: self.state_hash,
            organizer_id: self.organizer_id,
            provider: self.provider,
            kind: self.kind.parse().ok()?,
            integration_id: self.integration_id,
            redirect_url: self.redirect_url,
            scope: self.scope,
            verifier: opened,
            created_at: self.created_at.and_utc(),
            expires_at: self.expires_at.and_utc(),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::recording_tests::at;
    use crate::test_database::on_both;

    fn state(hash: &str) -> OauthState {
        OauthState {
            hash: hash.to_owned(),
            organizer_id: "org".to_owned(),
            provider: "google".to_owned(),
            kind: IntegrationKind::Calendar,
            integration_id: Some("work".to_owned()),
            redirect_url: "http://127.0.0.1:1/callback".to_owned(),
            scope: "a b".to_owned(),
            verifier: "hunter2".to_owned(),
            created_at: at(0),
            expires_at: at(600),
        }
    }

    #[test]
    fn a_state_is_good_once_and_for_its_provider_and_its_time() {
        on_both(&async |database| {
            let store = database.store().await;
            for hash in ["one", "late"] {
                store.begin_oauth(state(hash)).await.expect("begin");
            }
            let spend = async |hash: &str, provider: &str, now| {
                store.use_oauth_state(hash, provider, now).await.expect("use it")
            };
            assert_eq!(spend("nobody's", "google", at(1)).await, StateUse::Unknown);
            let other = StateUse::OtherProvider { provider: "google".to_owned() };
            assert_eq!(spend("one", "zoom", at(1)).await, other);
            assert_eq!(spend("one", "google", at(2)).await, StateUse::Good(Box::new(state("one"))), "it is still good");
            assert_eq!(spend("one", "google", at(3)).await, StateUse::Used { at: at(2) });
            assert_eq!(spend("late", "google", at(600)).await, StateUse::Expired { at: at(600) });
            assert!(!format!("{:?}", state("one")).contains("hunter2"));
        });
    }

    #[test]
    fn of_those_who_come_at_once_with_one_state_one_gets_it() {
        on_both(&async |database| {
            let store = database.store().await;
            for round in 0..10 {
                let hash = format!("state-{round}");
                store.begin_oauth(state(&hash)).await.expect("begin");
                let one = || store.use_oauth_state(&hash, "google", at(1));
                let (a, b, c) = tokio::join!(one(), one(), one());
                let good = [a, b, c].map(|used| usize::from(matches!(used.expect("use it"), StateUse::Good(_))));
                assert_eq!(good.iter().sum::<usize>(), 1);
            }
        });
    }

    #[test]
    fn a_used_state_keeps_no_secret_and_old_ones_are_forgotten() {
        on_both(&async |database| {
            let store = database.store().await;
            for hash in ["used", "young"] {
                store.begin_oauth(state(hash)).await.expect("begin");
            }
            let late = OauthState { expires_at: at(6000), ..state("later") };
            store.begin_oauth(late).await.expect("begin");
            store.use_oauth_state("used", "google", at(1)).await.expect("use it");
            let sealed = store.sealed_counts().await.expect("count");
            let here = sealed.iter().filter(|count| count.column.table == "oauth_states").map(|count| count.values);
            assert_eq!(here.sum::<u64>(), 2);
            assert_eq!(store.forget_oauth_states(at(600) + TimeDelta::seconds(1)).await.expect("forget"), 2);
            assert_eq!(store.use_oauth_state("used", "google", at(2)).await.expect("use"), StateUse::Unknown);
            assert!(matches!(store.use_oauth_state("later", "google", at(2)).await.expect("use"), StateUse::Good(_)));
        });
    }
}
