//! Tokens of providers: one that is good for the next call, refreshed by one at a time over all daemons.
//!
//! Whoever needs a token reads the grant. If it does not hold long enough, one job gets the permit of that grant, and
//! all others come back when it is done and find new tokens. With the permit the grant is read again; an answer that
//! waits in the spool is taken before anybody asks for another one; then the provider is asked, the answer goes into the
//! spool, into the row, and only then into use. All of that is a task of its own, a flight: a handler that is stopped in
//! the middle, by its timeout or by an operator, does not cut it off.
//!
//! The permit is a lease, so a process that stood still may still believe in one that others have by now. What it then
//! gets cannot go over what they stored, because a row takes tokens only for the version that they were got from.
//!
//! A process that dies leaves what `spool.rs` says. The job comes back and goes on from there.

mod answer;
mod bearer;
mod consent;
mod exchange;
mod flight;
mod meters;
mod provider;
mod recovery;
mod spool;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::{Limit, Permit, Producer, Receipt, Said, outcome::Failure};
use liaison_store::{AccountId, Grant, Store, StoreError};
use serde_json::json;
use tokio::{sync::oneshot, task::JoinSet};
use tracing::warn;

pub(crate) use bearer::Denied;
pub use consent::{Callback, Consent, Consented, NotRedeemed, mark_of, missing_scopes};
use flight::{Flight, Landed};
pub use provider::{ClientAuth, KNOWN_PROVIDERS, KnownProvider, Provider, Providers};
pub use recovery::Recovered;
pub use spool::Spool;

use super::{Context, outbound::Outbound};

/// After a fault of the configuration nobody asks this provider for so long: it is the same for all of its grants.
const OURS_PAUSE: Duration = Duration::from_mins(5);
/// A disconnection that nobody may have been told of, because its process died right then, is told this much later at
/// most. Telling again is telling once, as long as the history remembers.
const TELL_AGAIN: TimeDelta = TimeDelta::days(1);

/// When tokens are refreshed, and how many at once.
#[derive(Clone, Copy, Debug)]
pub struct TokenSettings {
    /// So long before its end a token is refreshed by itself.
    pub refresh_before: Duration,
    /// A token that ends this soon is not used any more: clocks differ, and calls take time.
    pub skew: Duration,
    /// Refreshes that are due together are spread over so long.
    pub spread: Duration,
    /// Refreshes at one provider at once, over all daemons.
    pub concurrency: u32,
}

/// What a keeper is made of.
pub struct TokenTools {
    pub store: Store,
    pub outbound: Outbound,
    pub producer: Producer,
    /// Where jobs for those go who have to be told.
    pub queue: String,
    pub providers: Providers,
    pub spool: Spool,
    pub settings: TokenSettings,
}

/// Keeps the grants of all accounts good.
pub struct TokenKeeper {
    tools: TokenTools,
    flights: Mutex<JoinSet<()>>,
}

impl fmt::Debug for TokenKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeeper").finish_non_exhaustive()
    }
}

/// What a token must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// Good for so long.
    Fresh(Duration),
    /// Another one than that of this version, which was refused.
    OtherThan(i32),
}

impl Need {
    fn is_met(self, grant: &Grant, now: DateTime<Utc>) -> bool {
        let row = &grant.integration;
        grant.access_token.is_some()
            && match self {
                Self::Fresh(margin) => holds(grant, now, margin),
                Self::OtherThan(version) => row.version != version,
            }
    }
}

/// Whether the token is good for so long. One whose end nobody knows is, until somebody refuses it.
fn holds(grant: &Grant, now: DateTime<Utc>, margin: Duration) -> bool {
    let until = now.checked_add_signed(TimeDelta::from_std(margin).unwrap_or(TimeDelta::MAX)).unwrap_or(now);
    grant.access_token.is_some() && grant.integration.token_expires_at.is_none_or(|at| at > until)
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// The owner of the account has to connect it again.
    Disconnected {
        why: String,
    },
    /// Nothing is done with it until somebody switches it on again.
    Off,
    Failed(Failure),
}

impl NoToken {
    pub(crate) fn failure(self, account: &AccountId) -> Failure {
        match self {
            Self::Disconnected { why } => {
                Failure::fatal(format!("{account} is disconnected: {why}; its owner has to connect it again"))
            }
            Self::Off => Failure::fatal(format!("{account} is switched off; `liaison integrations enable` it")),
            Self::Failed(failure) => failure,
        }
    }
}

/// The queue's time, going on by itself.
#[derive(Clone, Copy, Debug)]
struct Moment(DateTime<Utc>, Instant);

impl Moment {
    fn of(now: DateTime<Utc>) -> Self {
        Self(now, Instant::now())
    }

    fn now(self) -> DateTime<Utc> {
        self.0 + self.1.elapsed()
    }
}

impl TokenKeeper {
    #[must_use]
    pub fn new(tools: TokenTools) -> Arc<Self> {
        for name in tools.providers.names() {
            meters::begin(name);
        }
        Arc::new(Self { tools, flights: Mutex::default() })
    }

    pub(crate) fn settings(&self) -> &TokenSettings {
        &self.tools.settings
    }

    /// A grant that meets the need: as it is, or refreshed.
    pub(crate) async fn refresh(
        self: &Arc<Self>,
        ctx: &Context,
        account: &AccountId,
        need: Need,
    ) -> Result<Grant, NoToken> {
        // Whoever stored other tokens meanwhile may have stored some that do not meet the need; but not for ever.
        for _ in 0..3 {
            let grant = self.usable(ctx, account).await?;
            if need.is_met(&grant, ctx.now()) {
                return Ok(grant);
            }
            let provider = self.provider(&grant).map_err(NoToken::Failed)?;
            let key = format!("tokens:{}", provider.name);
            let permits = self.permits(ctx, account, &key).await.map_err(NoToken::Failed)?;
            let grant = self.usable(ctx, account).await?;
            if need.is_met(&grant, ctx.now()) {
                return Ok(grant);
            }
            let flight = Flight {
                keeper: Arc::clone(self),
                account: account.clone(),
                grant,
                provider,
                job_id: ctx.id.to_string(),
                clock: Moment::of(ctx.now()),
            };
            let landed = self.fly(async move {
                let landed = flight.run().await;
                drop(permits);
                landed
            });
            match landed.await {
                Landed::Stored | Landed::Superseded => {}
                Landed::Dead { why } => return Err(NoToken::Disconnected { why }),
                Landed::Ours { why } => {
                    self.calm(ctx, &key, OURS_PAUSE).await;
                    return Err(NoToken::Failed(Failure::retry_after(OURS_PAUSE, why)));
                }
                Landed::Later { why, after: Some(after) } => {
                    self.calm(ctx, &key, after).await;
                    return Err(NoToken::Failed(Failure::retry_after(after, why)));
                }
                Landed::Later { why, after: None } => return Err(NoToken::Failed(Failure::retry(why))),
            }
        }
        Err(NoToken::Failed(Failure::retry(format!("the tokens of {account} change too often to be used"))))
    }

    /// That of the grant, which there is once, and one of the few of its provider.
    async fn permits(&self, ctx: &Context, account: &AccountId, provider: &str) -> Result<(Permit, Permit), Failure> {
        let one = ctx.limits.pass(&format!("grant:{account}"), &[Limit::concurrent(1)]).await?;
        let few = ctx.limits.pass(provider, &[Limit::concurrent(self.tools.settings.concurrency)]).await?;
        Ok((one, few))
    }

    /// Run this to its end, whatever becomes of the caller.
    async fn fly(&self, flight: impl Future<Output = Landed> + Send + 'static) -> Landed {
        let (land, landed) = oneshot::channel();
        {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            while flights.try_join_next().is_some() {}
            flights.spawn(async move {
                // Nobody listens when the handler was stopped; what came is stored all the same.
                let _unheard = land.send(flight.await);
            });
        }
        let why = || "the refresh ended half-way; the daemon stops, or there is a bug".to_owned();
        landed.await.unwrap_or_else(|_| Landed::Later { why: why(), after: None })
    }

    /// Until every refresh that was begun has ended.
    pub async fn landed(&self) {
        let mut flights = std::mem::take(&mut *self.flights.lock().unwrap_or_else(PoisonError::into_inner));
        while flights.join_next().await.is_some() {}
    }

    /// Let nobody ask this provider for so long.
    async fn calm(&self, ctx: &Context, key: &str, pause: Duration) {
        let said = Said { retry_after: Some(pause), ..Said::default() };
        // Without it, others find out by themselves.
        let _ = ctx.limits.told(key, said).await;
    }

    fn provider(&self, grant: &Grant) -> Result<Arc<Provider>, Failure> {
        let name = &grant.integration.provider;
        self.tools.providers.of(name).cloned().ok_or_else(|| {
            let reason = format!("no [[provider]] refreshes tokens of `{name}`; add it to liaison.toml and restart");
            Failure::retry_after(OURS_PAUSE, reason)
        })
    }

    /// The grant, if anything can be done with it at all.
    async fn usable(&self, ctx: &Context, account: &AccountId) -> Result<Grant, NoToken> {
        let grant = match self.tools.store.grant(account).await {
            Ok(Some(grant)) => grant,
            Ok(None) => {
                return Err(NoToken::Failed(Failure::fatal(format!("there is no integration {account}"))));
            }
            Err(fault @ StoreError::SealedColumn { .. }) => return Err(self.locked(ctx, account, &fault).await),
            Err(fault) => return Err(NoToken::Failed(Failure::retry(chain(&fault)))),
        };
        let row = &grant.integration;
        if let Some(since) = row.disconnected_at {
            // Forgotten tokens are an operator's doing, who has told whom he wanted to.
            let has_tokens = grant.access_token.is_some() || grant.refresh_token.is_some();
            if has_tokens && ctx.now() - since < TELL_AGAIN {
                self.tell(account, row.disconnects, "disconnected").await.map_err(NoToken::Failed)?;
            }
            let why = row.disconnected_reason.clone().unwrap_or_default();
            return Err(NoToken::Disconnected { why });
        }
        if !row.is_active {
            return Err(NoToken::Off);
        }
        if grant.access_token.is_none() && grant.refresh_token.is_none() {
            return Err(NoToken::Failed(Failure::fatal(format!("{account} has no tokens; add them"))));
        }
        Ok(grant)
    }

    /// No key opens its tokens. It is noted in the row, once for each time it is tried, and nothing else is touched.
    async fn locked(&self, ctx: &Context, account: &AccountId, fault: &StoreError) -> NoToken {
        let why = chain(fault);
        if let Ok(Some(row)) = self.tools.store.integration(account.kind, &account.id).await {
            let line = flight::line(&row, ctx.id.as_str(), ctx.now(), ("error", &why, false), &json!({}));
            let noted = self.tools.store.refresh_failed(account, row.version, &why, ctx.now(), line).await;
            noted.unwrap_or_else(|fault| warn!(integration = %account, "{}", chain(&fault)));
        }
        NoToken::Failed(Failure::retry_after(OURS_PAUSE, why))
    }

    /// Tell the provider that an account's tokens are not wanted any more. Who forgets them does so whatever this brings.
    ///
    /// # Errors
    /// Why nobody was told.
    pub async fn revoke(&self, account: &AccountId) -> Result<(), String> {
        let grant = self.tools.store.grant(account).await.map_err(|fault| chain(&fault))?;
        let grant = grant.ok_or_else(|| "there is no such account".to_owned())?;
        let name = &grant.integration.provider;
        let provider = self.tools.providers.of(name).ok_or_else(|| format!("no [[provider]] for `{name}`"))?;
        let url = provider.revoke_url.as_deref().ok_or_else(|| format!("{name} takes no revocations"))?;
        let mut said = Err("it has no tokens".to_owned());
        // Most take either, and then both are gone; some only know the token for access.
        for token in [&grant.refresh_token, &grant.access_token].into_iter().flatten() {
            said = exchange::revoke(&self.tools.outbound, provider, url, token).await;
            if said.is_ok() {
                break;
            }
        }
        said
    }

    /// Have somebody told, once for each episode and stage.
    ///
    /// # Errors
    /// A retry, when Redis does not answer.
    async fn tell(&self, account: &AccountId, episode: i32, stage: &str) -> Result<(), Failure> {
        let envelope = notice(account, episode, stage, &self.tools.queue);
        let receipts = self.tools.producer.enqueue(&[envelope]).await;
        let receipts = receipts.map_err(|fault| Failure::retry(format!("enqueue a notification: {fault}")))?;
        for receipt in receipts {
            if let Receipt::Rejected { reason } = receipt {
                warn!(integration = %account, "nobody is told that {account} is {stage}: {reason}");
            }
        }
        Ok(())
    }
}

/// The job that tells an owner what happened to an account. The same is asked for once, whoever asks.
#[must_use]
pub fn notice(account: &AccountId, episode: i32, stage: &str, queue: &str) -> String {
    let AccountId { kind, id } = account;
    json!({
        "id": format!("notify:{account}:{episode}:{stage}"),
        "job": "notify_integration_disconnected",
        "args": {"kind": kind, "id": id, "episode": episode, "stage": stage},
        "queue": queue,
    })
    .to_string()
}

/// An error with its causes on one line.
fn chain(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut next = fault.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
