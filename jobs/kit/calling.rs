//! A call to a provider for an account: within its limits, with its token, and what becomes of its faults.
//!
//! This is the one place where a [`Fault`] becomes an outcome. A limit parks the job at no cost of an attempt, and holds for
//! all daemons; what may pass is tried again; a grant that is taken no more disconnects the account, and its owner is told
//! once. A process that dies after the account was disconnected leaves that in its row: the next job of the account tells.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::{clock::Millis, outcome::Failure};
use liaison_store::{AccountId, CalendarSync, Integration, IntegrationKind, LogEntry, StoreError};
use oauth2::AccessToken;
use serde_json::json;
use url::Url;

use super::{
    Context, Denied, Gate, Secret,
    hosts::{Busy, Does, Standing, Visit},
    tokens::notice,
};
use crate::providers::{Calendar, Entry, Fault, Login, Opening, What, entry};

/// When a provider has a limit and does not say for how long.
pub(super) const LIMITED: Duration = Duration::from_mins(1);
/// After a fault of the operator's nobody tries for so long: it is the same for all accounts.
const OURS: Duration = Duration::from_mins(5);
/// A disconnection that nobody may have been told of, because its process died right then, is told this much later at
/// most. Telling again is telling once.
const TELL_AGAIN: TimeDelta = TimeDelta::days(1);

/// When a call was let go that seemed to hang.
const LET_GO: Duration = Duration::from_secs(5);

/// A client that calls share, as long as its token is the same: what one of them found out the next need not ask for.
#[derive(Default)]
pub(crate) struct Shared {
    client: Mutex<Option<(AccessToken, Arc<dyn Calendar>)>>,
    gate: OnceLock<Gate>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The client of this token: the one that is kept, or else one that is opened.
    fn of(
        &self,
        token: &AccessToken,
        open: impl FnOnce() -> Result<Box<dyn Calendar>, Fault>,
    ) -> Result<Arc<dyn Calendar>, Fault> {
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, client)) if of.secret() == token.secret() => Ok(Arc::clone(client)),
            Some(_) | None => {
                let client: Arc<dyn Calendar> = Arc::from(open()?);
                *kept = Some((token.clone(), Arc::clone(&client)));
                Ok(client)
            }
        }
    }
}

/// An account, and whose it is.
struct Whose<'a> {
    account: AccountId,
    organizer: &'a str,
    provider: &'a str,
}

impl<'a> From<&'a Integration> for Whose<'a> {
    fn from(account: &'a Integration) -> Self {
        Self { account: account.account(), organizer: &account.organizer_id, provider: &account.provider }
    }
}

impl<'a> From<&'a CalendarSync> for Whose<'a> {
    fn from(calendar: &'a CalendarSync) -> Self {
        let account = AccountId::new(IntegrationKind::Calendar, calendar.integration_id.clone());
        Self { account, organizer: &calendar.organizer_id, provider: &calendar.provider }
    }
}

/// What a call came to.
pub(crate) type Called<T> = Result<Result<T, Fault>, Failure>;

impl Context {
    /// Call the provider of a calendar, with the client that is shared, or one that is shared from now on. What the
    /// provider did not like is a fault; what is no matter of the provider, as a limit that has to be waited for, is a
    /// failure.
    ///
    /// # Errors
    /// A snooze until the account's turn; what the keeper of tokens says.
    pub(crate) async fn with_calendar<T, F>(
        &self,
        calendar: &CalendarSync,
        shared: &Shared,
        call: impl Fn(Arc<dyn Calendar>) -> F + Send + Sync,
    ) -> Called<T>
    where
        T: Send,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let Some(entry) = entry(&calendar.provider) else {
            let why = format!("no client reads calendars of `{}`", calendar.provider);
            return Ok(Err(Fault::Misconfigured { why }));
        };
        let account = AccountId::new(IntegrationKind::Calendar, calendar.integration_id.clone());
        let (call, refused) = (&call, &AtomicUsize::new(0));
        let gate = shared.gate.get_or_init(|| self.gate(calendar));
        let called = self.with_token(&account, move |token| async move {
            let visit = self.visit(&calendar.provider, calendar.server_url.as_deref(), Does::Read)?;
            let _permits = self.pass_provider(calendar, What::Calls).await?;
            let opening = self.opening(entry, calendar, &token, gate.clone());
            let fault = match shared.of(&token, || self.services.providers.calendar(&calendar.provider, &opening)) {
                Ok(client) => {
                    gate.begins();
                    match visit.read(call(client)).await {
                        Some(Ok(done)) => return Ok(Ok(done)),
                        Some(Err(fault)) => fault,
                        None => return Err(self.later(LET_GO).into()),
                    }
                }
                Err(fault) => fault,
            };
            if let Some(failure) = gate.refused() {
                return Err(failure.into());
            }
            match fault {
                // There is no other password to try.
                Fault::Unauthorized { why } if has_password(entry) => Ok(Err(Fault::Reconnect { why })),
                Fault::Unauthorized { .. } => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    Err(Denied::Unauthorized)
                }
                fault => Ok(Err(fault)),
            }
        });
        match called.await {
            // A token that was refreshed right before is refused as well: that is the provider's word.
            Err(Failure::Fatal { reason: why }) if refused.load(Ordering::Relaxed) > 1 => {
                Ok(Err(Fault::Unauthorized { why }))
            }
            called => called,
        }
    }

    /// Call the server of an account, if it answers; or come back later, at no cost of an attempt. What writes is told when
    /// it does not answer, as if it had asked: there may be another one to turn to.
    pub(super) fn visit(&self, provider: &str, server: Option<&str>, does: Does) -> Result<Visit, Failure> {
        let name = host(provider, server);
        self.services.hosts.visit(&name, does).map_err(|Busy { standing, wait }| match (standing, does) {
            (Standing::Silent, Does::Write) => {
                Failure::retry(format!("{name} does not answer: of many calls one goes on"))
            }
            (Standing::Good | Standing::New | Standing::Silent, _) => self.later(wait),
        })
    }

    /// Whether there is a way out at all: another server than that of this calendar has answered lately.
    pub(crate) fn hears_others(&self, calendar: &CalendarSync) -> bool {
        self.services.hosts.hears_others(&host(&calendar.provider, calendar.server_url.as_deref()))
    }

    fn later(&self, wait: Duration) -> Failure {
        Failure::Snooze { until: Millis::at(self.now()).plus(wait) }
    }

    /// What a client of this calendar is made of.
    pub(super) fn opening<'a>(
        &self,
        entry: &Entry,
        calendar: &'a CalendarSync,
        token: &AccessToken,
        gate: Gate,
    ) -> Opening<'a> {
        let secret = Secret::new(token.secret().clone());
        let login = if has_password(entry) {
            let user = calendar.provider_user_id.clone().or_else(|| calendar.provider_email.clone());
            Login::Password { user: user.unwrap_or_default(), password: secret }
        } else {
            Login::Token(secret)
        };
        Opening {
            login,
            calendar: calendar.calendar_id.as_deref(),
            server: calendar.server_url.as_deref(),
            zone: calendar.time_zone.as_deref().and_then(|zone| zone.parse().ok()),
            now: self.now(),
            gate,
        }
    }

    /// What becomes of the job that met this fault.
    pub(crate) async fn met(&self, calendar: &CalendarSync, fault: Fault) -> Failure {
        match fault {
            Fault::Limited { after, .. } => {
                // Without it, others find out by themselves.
                let _ = self.told_by_provider(calendar, What::Calls, after.unwrap_or(LIMITED)).await;
                outcome(fault, self.now())
            }
            Fault::Reconnect { why } => match self.disconnect(calendar.into(), calendar.version, &why).await {
                Ok(()) => Failure::fatal(format!("{}: {why}", disconnected(&Whose::from(calendar).account))),
                Err(failure) => failure,
            },
            fault => outcome(fault, self.now()),
        }
    }

    /// A call was refused in a way that only the account's owner can mend. Whether that holds: a token that somebody has
    /// replaced meanwhile says nothing of the one that is there now.
    pub(super) async fn refused(&self, account: &Integration, token: &AccessToken, why: &str) -> Result<bool, Failure> {
        let grant = self.store()?.grant(&account.account()).await.map_err(|fault| again(&fault))?;
        let Some(grant) = grant.filter(|grant| grant.access_token.as_deref() == Some(token.secret())) else {
            return Ok(false);
        };
        self.disconnect(account.into(), grant.integration.version, why).await?;
        Ok(true)
    }

    /// Only its owner can connect this account again: begin an episode, and have the owner told.
    async fn disconnect(&self, whose: Whose<'_>, version: i32, why: &str) -> Result<(), Failure> {
        let (store, now) = (self.store()?, self.now());
        let Whose { account, organizer, provider } = whose;
        let entry = LogEntry {
            id: liaison_queue::JobId::generate().to_string(),
            log_type: "disconnected".to_owned(),
            integration_type: account.kind.as_str().to_owned(),
            integration_id: Some(account.id.clone()),
            organizer_id: Some(organizer.to_owned()),
            message: format!("disconnected: {why}"),
            details: Some(json!({"provider": provider}).to_string()),
            created_at: now,
            ..LogEntry::default()
        };
        let line = liaison_store::Line { entry, job_id: Some(self.id.to_string()) };
        let begun = store.disconnect(&account, version, why, now, line).await.map_err(|fault| again(&fault))?;
        match begun {
            Some(episode) => self.tell(&account, episode, "disconnected").await,
            // Somebody else did, and tells.
            None => Ok(()),
        }
    }

    /// Whoever disconnected this account may have died before the owner was told. An operator who did has forgotten its
    /// tokens, and told whom he wanted to.
    pub(crate) async fn tell_again(&self, account: &Integration) -> Result<(), Failure> {
        match account.disconnected_at {
            Some(since) if self.now() - since < TELL_AGAIN => {}
            Some(_) | None => return Ok(()),
        }
        let id = account.account();
        match self.store()?.grant(&id).await {
            Ok(Some(grant)) if grant.access_token.is_some() => {
                self.tell(&id, account.disconnects, "disconnected").await
            }
            // Tokens that no key opens are whose they were; whoever uses them says so.
            Ok(_) | Err(StoreError::SealedColumn { .. }) => Ok(()),
            Err(fault) => Err(again(&fault)),
        }
    }

    /// Whoever disconnected this account may have died before the owner was told.
    pub(crate) async fn tell_of_disconnection(&self, calendar: &CalendarSync) -> Result<(), Failure> {
        let account = AccountId::new(IntegrationKind::Calendar, calendar.integration_id.clone());
        match calendar.disconnected_at {
            Some(since) if self.now() - since < TELL_AGAIN => {
                self.tell(&account, calendar.disconnects, "disconnected").await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Have the owner of an account told, once for each episode and stage.
    pub(crate) async fn tell(&self, account: &AccountId, episode: i32, stage: &str) -> Result<(), Failure> {
        self.enqueue_texts(&[notice(account, episode, stage, self.queue().as_str())]).await.map(drop)
    }
}

/// What becomes of a job that has nobody else to turn to, and nothing to tell anybody.
pub(super) fn outcome(fault: Fault, now: DateTime<Utc>) -> Failure {
    match fault {
        Fault::Retry { after: Some(after), why } => Failure::retry_after(after, why),
        Fault::Retry { after: None, why } | Fault::Conflict { why } | Fault::Expired { why } => Failure::retry(why),
        Fault::Limited { after, .. } => Failure::Snooze { until: Millis::at(now).plus(after.unwrap_or(LIMITED)) },
        Fault::Misconfigured { why } => Failure::retry_after(OURS, why),
        Fault::Unauthorized { why } | Fault::Reconnect { why } | Fault::Gone { why } | Fault::Refused { why } => {
            Failure::fatal(why)
        }
    }
}

/// What the database says is tried again, if it may pass.
pub(crate) fn again(fault: &StoreError) -> Failure {
    let reason = liaison_queue::chain(fault);
    if fault.is_outage() { Failure::retry(reason) } else { Failure::fatal(reason) }
}

/// Whose machines are called: a provider's, or those of a server that the account's owner named.
fn host(provider: &str, server: Option<&str>) -> String {
    let Some(entry) = entry(provider) else { return provider.to_owned() };
    let own = server.filter(|_| has_password(entry)).and_then(|server| Url::parse(server.trim()).ok());
    let named = own.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    named.map_or_else(|| entry.name.to_owned(), |(host, port)| format!("{host}:{port}"))
}

/// Calendar servers take a user and a password.
pub(crate) fn has_password(entry: &Entry) -> bool {
    matches!(entry.name, "caldav" | "apple")
}

pub(super) fn disconnected(account: &AccountId) -> String {
    format!("{account} is disconnected, its owner has to connect it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{Answering, Page, Window};

    struct Silent;

    impl Calendar for Silent {
        fn changes<'a>(&'a self, _at: Option<&'a str>, _window: Window) -> Answering<'a, Page> {
            Box::pin(async { Err(Fault::Retry { after: None, why: "it says nothing".to_owned() }) })
        }
    }

    #[test]
    fn accounts_share_a_server_as_far_as_they_call_the_same() {
        for (provider, server, name) in [
            ("google", None, "google"),
            ("google_meet", Some("https://elsewhere.example/"), "google"),
            ("microsoft_teams", None, "microsoft"),
            ("caldav", Some("https://Dav.example.org/cal/ada/"), "dav.example.org:443"),
            ("caldav", Some(" https://dav.example.org:8443/"), "dav.example.org:8443"),
            ("caldav", Some("nowhere"), "caldav"),
            ("apple", None, "apple"),
        ] {
            assert_eq!(host(provider, server), name, "{provider} {server:?}");
        }
    }

    #[test]
    fn a_client_is_opened_once_for_each_token() {
        let (shared, mut opened) = (Shared::default(), 0);
        for token in ["one", "one", "two", "two", "one"] {
            let open = || {
                opened += 1;
                Ok(Box::new(Silent) as Box<dyn Calendar>)
            };
            assert!(shared.of(&AccessToken::new(token.to_owned()), open).is_ok());
        }
        assert_eq!(opened, 3);
        let refused = || Err(Fault::Misconfigured { why: "no server".to_owned() });
        assert!(shared.of(&AccessToken::new("three".to_owned()), refused).is_err());
    }
}
