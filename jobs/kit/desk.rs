//! A call to the provider of an account: with a token that is good, under the provider's limits, and counted.
//!
//! The limits are passed right before the call, when its token is there. Who has to wait for either has asked nothing. An
//! account whose owner has to connect it again is disconnected here, as `calling.rs` says.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::outcome::Failure;
use liaison_store::{CalendarSync, Integration, IntegrationKind};
use oauth2::AccessToken;
use tracing::warn;

use super::{
    Context, Denied, Gate, Secret,
    calling::{LIMITED, disconnected, has_password, outcome},
    gate::SOON,
    hosts::Does,
    limits::Permits,
};
use crate::providers::{CalendarWriter, Fault, Login, Meetings, Opening, What, entry};

/// Why a provider has not done what it was asked for.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody asked it: there is no token, or a limit holds.
    NotAsked(Failure),
    Answered(Fault),
}

impl Trouble {
    /// For jobs that have nobody else to turn to: what becomes of them.
    pub(crate) fn failure(self, now: DateTime<Utc>) -> Failure {
        match self {
            Self::NotAsked(failure) => failure,
            Self::Answered(fault) => outcome(fault, now),
        }
    }
}

/// When a limit is over.
pub(crate) fn limit_ends(now: DateTime<Utc>, after: Option<Duration>) -> DateTime<Utc> {
    let wait = TimeDelta::from_std(after.unwrap_or(LIMITED)).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(wait).unwrap_or(now)
}

impl Context {
    /// Ask who makes meetings for this account.
    pub(crate) async fn meetings<T, F>(
        &self,
        account: &Integration,
        what: What,
        call: impl Fn(Box<dyn Meetings>) -> F + Send + Sync,
    ) -> Result<T, Trouble>
    where
        T: Send,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let open = |token: AccessToken, gate: Gate| {
            let login = Login::Token(Secret::new(token.secret().clone()));
            let opening = Opening { login, calendar: None, server: None, zone: None, now: self.now(), gate };
            self.services.providers.meetings(&account.provider, &opening)
        };
        self.at_provider(account, (what, None), open, call).await
    }

    /// Ask who keeps this account's calendar.
    pub(crate) async fn writer<T, F>(
        &self,
        account: &Integration,
        calendar: &CalendarSync,
        call: impl Fn(Box<dyn CalendarWriter>) -> F + Send + Sync,
    ) -> Result<T, Trouble>
    where
        T: Send,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let open = |token: AccessToken, gate: Gate| {
            let Some(entry) = entry(&account.provider) else {
                let why = format!("no client writes calendars of `{}`", account.provider);
                return Err(Fault::Misconfigured { why });
            };
            self.services.providers.writer(&account.provider, &self.opening(entry, calendar, &token, gate))
        };
        self.at_provider(account, (What::Calls, calendar.server_url.as_deref()), open, call).await
    }

    async fn at_provider<C, T, F>(
        &self,
        account: &Integration,
        (what, server): (What, Option<&str>),
        open: impl Fn(AccessToken, Gate) -> Result<C, Fault> + Send + Sync,
        call: impl Fn(C) -> F + Send + Sync,
    ) -> Result<T, Trouble>
    where
        C: Send,
        T: Send,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let (calls, used) = (AtomicI32::new(0), Mutex::new(None));
        let gate = self.gate(account);
        let (open, call, count, gate, using) = (&open, &call, &calls, &gate, &used);
        let id = account.account();
        let asked = self.with_token(&id, move |token| async move {
            let visit = self.visit(&account.provider, server, Does::Write)?;
            let _permits = self.pass_soon(account, what).await?;
            *using.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
            let client = match open(token, gate.clone()) {
                Ok(client) => client,
                Err(fault) => return Ok(Err(fault)),
            };
            count.fetch_add(1, Ordering::Relaxed);
            gate.begins();
            visit.begins();
            let answered = call(client).await;
            visit.ended(&answered);
            match answered {
                // There is no other password to try.
                Err(Fault::Unauthorized { why }) if is_by_password(account) => Ok(Err(Fault::Reconnect { why })),
                Err(Fault::Unauthorized { .. }) => Err(Denied::Unauthorized),
                answered => Ok(answered),
            }
        });
        let asked = asked.await;
        let (asked, limited) = match asked {
            // It was no word of the provider's; what was done before may have had its effect.
            Ok(Err(Fault::Limited { after, why })) => match gate.refused() {
                Some(Failure::Snooze { until }) => {
                    let after = Some((until.date() - self.now()).to_std().unwrap_or_default());
                    (Ok(Err(Fault::Limited { after, why })), None)
                }
                Some(failure) => (Err(failure), None),
                None => (Ok(Err(Fault::Limited { after, why })), Some(after.unwrap_or(LIMITED))),
            },
            asked => (asked, None),
        };
        if let Some(wait) = limited {
            self.told_by_provider(account, what, wait).await.map_err(Trouble::NotAsked)?;
        }
        self.count(account, calls.into_inner(), limited).await;
        match (asked, used.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            (Ok(Err(Fault::Reconnect { why })), Some(token)) => Err(self.disconnecting(account, &token, why).await),
            (Ok(answered), _) => answered.map_err(Trouble::Answered),
            (Err(failure), _) => Err(Trouble::NotAsked(failure)),
        }
    }

    /// Its owner has to connect the account again, and is told; unless somebody has just done so.
    async fn disconnecting(&self, account: &Integration, token: &AccessToken, why: String) -> Trouble {
        match self.refused(account, token, &why).await {
            Ok(true) => {
                let why = format!("{}: {why}", disconnected(&account.account()));
                Trouble::Answered(Fault::Reconnect { why })
            }
            Ok(false) => Trouble::Answered(Fault::Retry { after: None, why }),
            Err(failure) => Trouble::NotAsked(failure),
        }
    }

    async fn pass_soon(&self, account: &Integration, what: What) -> Result<Permits, Failure> {
        self.soon(SOON, || self.pass_provider(account, what)).await
    }

    /// For people who want to know how much an account is called. What cannot be noted is not worth a job.
    async fn count(&self, account: &Integration, calls: i32, limited: Option<Duration>) {
        if calls == 0 || account.kind != IntegrationKind::Video {
            return;
        }
        let now = self.now();
        let resets_at = limited.map(|wait| limit_ends(now, Some(wait)));
        let Ok(store) = self.store() else { return };
        if let Err(fault) = store.count_calls(&account.id, calls, resets_at, now).await {
            let fault = liaison_queue::chain(&fault);
            warn!(integration = %account.account(), "calls of {} could not be counted: {fault}", account.account());
        }
    }
}

fn is_by_password(account: &Integration) -> bool {
    entry(&account.provider).is_some_and(has_password)
}
