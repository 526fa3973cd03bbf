//! What processes that died left in the spool, put into its rows: at the start of a daemon, and with every scan.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use liaison_store::Stored;
use serde::Serialize;
use serde_json::json;
use tracing::{error, info, warn};

use super::{
    TokenKeeper, chain, flight,
    meters::{self, Ended},
    spool::{Kept, Spool, SpoolFault},
};

/// The id that lines of the log have that belong to no job.
const NO_JOB: &str = "spool";

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Put into their rows.
    pub stored: usize,
    /// Of no use any more.
    pub dropped: usize,
    /// Left for later: the database is away, or a key is missing.
    pub waiting: usize,
}

enum Fate {
    Stored,
    Dropped,
    Waiting,
}

impl TokenKeeper {
    /// Look at everything that waits. One that somebody else is just about to store is stored by whoever is first.
    pub async fn recover(&self, now: DateTime<Utc>) -> Recovered {
        let mut found = Recovered::default();
        for path in self.files().await {
            match self.recover_one(&path, now).await {
                Fate::Stored => found.stored += 1,
                Fate::Dropped => found.dropped += 1,
                Fate::Waiting => found.waiting += 1,
            }
        }
        found
    }

    async fn files(&self) -> Vec<PathBuf> {
        let spool = self.tools.spool.clone();
        match tokio::task::spawn_blocking(move || spool.all()).await {
            Ok(Ok(files)) => files,
            Ok(Err(fault)) => {
                error!("cannot look into the spool of tokens: {fault}; check tokens.spool");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    async fn recover_one(&self, path: &Path, now: DateTime<Utc>) -> Fate {
        let (store, file) = (self.tools.store.clone(), path.to_owned());
        let read = tokio::task::spawn_blocking(move || Spool::read(store.keys(), &file)).await;
        let kept = match read {
            Ok(Ok(kept)) => kept,
            // Somebody else was first.
            Ok(Err(SpoolFault::Disk(fault))) if fault.kind() == std::io::ErrorKind::NotFound => return Fate::Dropped,
            Ok(Err(fault @ SpoolFault::Spoilt)) => {
                error!(file = %path.display(), "a file of the spool of tokens is dropped: {fault}");
                return remove(path, Fate::Dropped).await;
            }
            Ok(Err(fault)) => {
                error!(file = %path.display(), "a file of the spool of tokens cannot be read: {fault}");
                return Fate::Waiting;
            }
            Err(_) => return Fate::Waiting,
        };
        self.apply(path, kept, now).await
    }

    async fn apply(&self, path: &Path, kept: Kept, now: DateTime<Utc>) -> Fate {
        let Kept { account, version, tokens } = kept;
        let store = &self.tools.store;
        let row = match store.integration(account.kind, &account.id).await {
            Ok(Some(row)) => row,
            Ok(None) => return remove(path, Fate::Dropped).await,
            Err(fault) => {
                warn!(integration = %account, "tokens wait in the spool: {}", chain(&fault));
                return Fate::Waiting;
            }
        };
        let told = ("token_refreshed", "refreshed, from the spool of a process that died", true);
        let line = flight::line(&row, NO_JOB, now, told, &json!({"from_spool": true}));
        match store.store_tokens(&account, version, tokens, now, line).await {
            Ok(Stored::Now { recovered }) => {
                info!(integration = %account, "tokens of {account} were put into its row from the spool");
                let provider = self.tools.providers.of(&row.provider);
                meters::ended(provider.map_or("unknown", |provider| &provider.name), Ended::Recovered);
                if let Some(episode) = recovered
                    && self.tell(&account, episode, "recovered").await.is_err()
                {
                    warn!(integration = %account, "Redis does not take the notice that {account} is recovered");
                }
                remove(path, Fate::Stored).await
            }
            Ok(Stored::Superseded) => {
                info!(integration = %account, "{account} has other tokens by now; those in the spool are dropped");
                remove(path, Fate::Dropped).await
            }
            Err(fault) => {
                warn!(integration = %account, "tokens wait in the spool: {}", chain(&fault));
                Fate::Waiting
            }
        }
    }
}

async fn remove(path: &Path, fate: Fate) -> Fate {
    let file = path.to_owned();
    match tokio::task::spawn_blocking(move || Spool::unlink(&file)).await {
        Ok(Ok(())) | Err(_) => fate,
        Ok(Err(fault)) => {
            warn!(file = %path.display(), "cannot remove a file from the spool of tokens: {fault}");
            fate
        }
    }
}
