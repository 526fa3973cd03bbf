//! One refresh, from the question to the row. It runs to its end whatever becomes of the handler that wanted it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use liaison_queue::{
    JobId,
    faults::{self, Point},
};
use liaison_store::{AccountId, Grant, Integration, Line, LogEntry, Stored, Tokens};
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::{
    Moment, Provider, TokenKeeper,
    answer::Refusal,
    chain,
    exchange::exchange,
    meters::{self, Ended},
    spool::{Kept, SpoolFault},
};

/// Between tries to store what could not be spooled either: there is no other copy.
const NO_SPOOL: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

/// Everything that one refresh needs.
pub(super) struct Flight {
    pub(super) keeper: Arc<TokenKeeper>,
    pub(super) account: AccountId,
    /// As it was when the permit was ours.
    pub(super) grant: Grant,
    pub(super) provider: Arc<Provider>,
    pub(super) job_id: String,
    pub(super) clock: Moment,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Landed {
    Stored,
    /// The row has other tokens by now.
    Superseded,
    Dead {
        why: String,
    },
    Ours {
        why: String,
    },
    Later {
        why: String,
        after: Option<Duration>,
    },
}

impl Flight {
    pub(super) async fn run(self) -> Landed {
        if let Some(kept) = self.waiting().await {
            return self.store(kept.tokens, Ended::Recovered, true).await;
        }
        let Some(refresh_token) = &self.grant.refresh_token else {
            return self.refused(Refusal::Dead { why: "it has no refresh token".to_owned() }).await;
        };
        faults::at(Point::BeforeTokenCall);
        let tools = &self.keeper.tools;
        let answered = exchange(&tools.outbound, &self.provider, refresh_token, self.clock.now()).await;
        let tokens = match answered {
            Ok(tokens) => tokens,
            Err(refusal) => return self.refused(refusal).await,
        };
        faults::at(Point::TokenAnswered);
        let kept = self.keep(tokens.clone()).await;
        faults::at(Point::TokenSpooled);
        self.store(tokens, Ended::Refreshed, kept).await
    }

    fn version(&self) -> i32 {
        self.grant.integration.version
    }

    /// An answer that came before, to a process that died on it.
    async fn waiting(&self) -> Option<Kept> {
        let (tools, account, version) = (&self.keeper.tools, self.account.clone(), self.version());
        let (spool, store) = (tools.spool.clone(), tools.store.clone());
        let found = tokio::task::spawn_blocking(move || spool.find(store.keys(), &account, version)).await;
        match found {
            Ok(Ok(found)) => found,
            Ok(Err(fault)) => {
                warn!(integration = %self.account, "what waits in the spool cannot be used: {fault}");
                None
            }
            Err(_) => None,
        }
    }

    /// Put it where a crash cannot take it; whether that went well.
    async fn keep(&self, tokens: Tokens) -> bool {
        let kept = Kept { account: self.account.clone(), version: self.version(), tokens };
        let (spool, store) = (self.keeper.tools.spool.clone(), self.keeper.tools.store.clone());
        let written = tokio::task::spawn_blocking(move || spool.keep(store.keys(), &kept)).await;
        match written {
            Ok(Ok(_)) => true,
            Ok(Err(fault)) => {
                error!(integration = %self.account, "cannot write into the spool of tokens: {fault}; check tokens.spool");
                false
            }
            Err(_) => false,
        }
    }

    /// Into the row, and only then into use.
    async fn store(&self, tokens: Tokens, ended: Ended, spooled: bool) -> Landed {
        let mut pauses = NO_SPOOL.iter();
        let stored = loop {
            match self.put(tokens.clone(), ended).await {
                Ok(stored) => break stored,
                Err(fault) => {
                    let pause = pauses.next().filter(|_| !spooled && fault.is_outage());
                    let Some(pause) = pause else {
                        let why = format!("{}; what the provider gave waits in the spool", chain(&fault));
                        return Landed::Later { why, after: None };
                    };
                    tokio::time::sleep(*pause).await;
                }
            }
        };
        faults::at(Point::TokenStored);
        self.forget().await;
        match stored {
            Stored::Superseded => {
                info!(integration = %self.account, "{} has other tokens by now; these are dropped", self.account);
                Landed::Superseded
            }
            Stored::Now { recovered } => {
                meters::ended(&self.provider.name, ended);
                if let Some(episode) = recovered {
                    self.tell(episode, "recovered").await;
                }
                Landed::Stored
            }
        }
    }

    async fn put(&self, tokens: Tokens, ended: Ended) -> Result<Stored, liaison_store::StoreError> {
        let until = tokens.expires_at.map_or_else(
            || "until it is refused".to_owned(),
            |at| at.format("until %Y-%m-%d %H:%M:%S UTC").to_string(),
        );
        let details = json!({
            "provider": self.provider.name,
            "expires_at": tokens.expires_at,
            "rotated": tokens.refresh_token.is_some(),
            "from_spool": ended == Ended::Recovered,
        });
        let now = self.clock.now();
        let line = self.line("token_refreshed", &format!("refreshed, good {until}"), true, &details);
        self.keeper.tools.store.store_tokens(&self.account, self.version(), tokens, now, line).await
    }

    async fn forget(&self) {
        let (spool, account, version) = (self.keeper.tools.spool.clone(), self.account.clone(), self.version());
        let removed = tokio::task::spawn_blocking(move || spool.remove(&account, version)).await;
        if let Ok(Err(fault)) = removed {
            // The next round looks at it and finds that it is of no use.
            warn!(integration = %self.account, "cannot remove a file from the spool of tokens: {fault}");
        }
    }

    async fn refused(&self, refusal: Refusal) -> Landed {
        let (name, account) = (&self.provider.name, &self.account);
        match refusal {
            Refusal::Dead { why } => self.dead(why).await,
            Refusal::Ours { why } => {
                meters::ended(name, Ended::Client);
                error!(
                    provider = name, integration = %account,
                    "provider {name} does not take us for its client: {why}; check its [[provider]] in liaison.toml"
                );
                self.note(&why).await;
                Landed::Ours { why }
            }
            Refusal::Later { why, after } => {
                meters::ended(name, Ended::Retry);
                warn!(provider = name, integration = %account, "{account} was not refreshed: {why}");
                self.note(&why).await;
                Landed::Later { why, after }
            }
        }
    }

    /// The provider says that the grant is dead. Somebody else may have got another one meanwhile.
    async fn dead(&self, why: String) -> Landed {
        let (tools, account) = (&self.keeper.tools, &self.account);
        let why = if self.provider.single_use && self.grant.integration.refresh_errors > 0 {
            format!("{why} (an earlier answer may have been lost on the way, and with it the only good token)")
        } else {
            why
        };
        match tools.store.integration(account.kind, &account.id).await {
            Err(fault) => return Landed::Later { why: chain(&fault), after: None },
            Ok(row) if row.as_ref().is_none_or(|row| row.version != self.version()) => return Landed::Superseded,
            Ok(_) => {}
        }
        if let Some(kept) = self.waiting().await {
            return self.store(kept.tokens, Ended::Recovered, true).await;
        }
        let line = self.line("disconnected", &format!("disconnected: {why}"), false, &json!({}));
        match tools.store.disconnect(account, self.version(), &why, self.clock.now(), line).await {
            Err(fault) => Landed::Later { why: chain(&fault), after: None },
            Ok(None) => Landed::Superseded,
            Ok(Some(episode)) => {
                meters::ended(&self.provider.name, Ended::Dead);
                meters::disconnected(&self.provider.name);
                warn!(integration = %account, "{account} is disconnected: {why}");
                self.tell(episode, "disconnected").await;
                Landed::Dead { why }
            }
        }
    }

    /// Whoever finds the account disconnected asks again.
    async fn tell(&self, episode: i32, stage: &str) {
        if self.keeper.tell(&self.account, episode, stage).await.is_err() {
            warn!(integration = %self.account, "Redis does not take the notice that {} is {stage}", self.account);
        }
    }

    async fn note(&self, why: &str) {
        let line =
            self.line("error", &format!("not refreshed: {why}"), false, &json!({"provider": self.provider.name}));
        let store = &self.keeper.tools.store;
        if let Err(fault) = store.refresh_failed(&self.account, self.version(), why, self.clock.now(), line).await {
            warn!(integration = %self.account, "{}", chain(&fault));
        }
    }

    fn line(&self, log_type: &str, message: &str, success: bool, details: &Value) -> Line {
        line(&self.grant.integration, &self.job_id, self.clock.now(), (log_type, message, success), details)
    }
}

/// A line of the log of integrations that is written together with what it tells.
pub(super) fn line(
    row: &Integration,
    job_id: &str,
    now: DateTime<Utc>,
    (log_type, message, success): (&str, &str, bool),
    details: &Value,
) -> Line {
    let entry = LogEntry {
        id: JobId::generate().to_string(),
        log_type: log_type.to_owned(),
        integration_type: row.kind.as_str().to_owned(),
        integration_id: Some(row.id.clone()),
        organizer_id: Some(row.organizer_id.clone()),
        booking_id: None,
        message: message.to_owned(),
        details: Some(details.to_string()),
        success,
        created_at: now,
    };
    Line { entry, job_id: Some(job_id.to_owned()) }
}

impl std::fmt::Display for SpoolFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk(fault) => write!(f, "{fault}"),
            Self::Locked(fault) => write!(f, "{fault}"),
            Self::Spoilt => f.write_str("it is damaged, or none of ours"),
        }
    }
}
