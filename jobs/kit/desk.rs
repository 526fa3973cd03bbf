//! A call to the provider of an account: with a token that is good, under the provider's limits, and counted.
//!
//! The limits are passed right before the call, when its token is there. Who has to wait for either has asked nothing.

use std::{
    future::Future,
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::outcome::Failure;
use liaison_store::{Integration, IntegrationKind};
use oauth2::AccessToken;
use tracing::warn;

use super::{Context, Denied, Secret};
use crate::providers::{CalendarWriter, Fault, Login, Meetings, Opening, What};

/// When a provider does not say for how long its limit holds.
const UNSAID: Duration = Duration::from_mins(1);

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
        /// Somebody has to mend it, and may.
        const OURS: Duration = Duration::from_mins(5);
        match self {
            Self::NotAsked(failure) => failure,
            Self::Answered(Fault::Retry { after: Some(after), why }) => Failure::retry_after(after, why),
            Self::Answered(Fault::Limited { after, .. }) => Failure::Snooze { until: until(now, after) },
            Self::Answered(Fault::Retry { after: None, why } | Fault::Conflict { why } | Fault::Expired { why }) => {
                Failure::retry(why)
            }
            Self::Answered(Fault::Misconfigured { why }) => Failure::retry_after(OURS, why),
            Self::Answered(
                Fault::Unauthorized { why }
                | Fault::Reconnect { why }
                | Fault::Gone { why }
                | Fault::Refused { why },
            ) => Failure::fatal(why),
        }
    }
}

/// When a limit is over.
pub(crate) fn limit_ends(now: DateTime<Utc>, after: Option<Duration>) -> DateTime<Utc> {
    let wait = TimeDelta::from_std(after.unwrap_or(UNSAID)).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(wait).unwrap_or(now)
}

fn until(now: DateTime<Utc>, after: Option<Duration>) -> liaison_queue::clock::Millis {
    liaison_queue::clock::Millis::at(limit_ends(now, after))
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
        let providers = &self.services.providers;
        self.at_provider(account, what, async |token| {
            call(providers.meetings(&account.provider, &opening(token, None, self.now()))?).await
        })
        .await
    }

    /// Ask who keeps this account's calendar.
    pub(crate) async fn writer<T, F>(
        &self,
        account: &Integration,
        calendar: Option<&str>,
        call: impl Fn(Box<dyn CalendarWriter>) -> F + Send + Sync,
    ) -> Result<T, Trouble>
    where
        T: Send,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let providers = &self.services.providers;
        self.at_provider(account, What::Calls, async |token| {
            call(providers.writer(&account.provider, &opening(token, calendar, self.now()))?).await
        })
        .await
    }
}
