//! The keeper of tokens, put together from the configuration.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use liaison_jobs::{
    Secret,
    outbound::Outbound,
    tokens::{KnownProvider, Provider, Spool, TokenKeeper, TokenSettings, TokenTools},
};
use liaison_queue::{Isolation, Producer};
use liaison_store::Store;
use tracing::warn;

use crate::{
    app::App,
    config::{Config, queues::DEFAULT_NAME},
};

/// The keeper of a daemon, once it has looked at what a daemon before left in the spool.
pub(crate) async fn start(app: &App, store: Option<Store>, outbound: Outbound) -> Result<Option<Arc<TokenKeeper>>> {
    let Some(store) = store else { return Ok(None) };
    let keeper = keeper(&app.config, store, outbound, app.producer())?;
    if app.isolation == Isolation::None {
        keeper.recover(liaison_queue::now(&app.link).await?.date()).await;
    }
    Ok(Some(keeper))
}

/// Until every refresh has ended that was begun, or it takes too long.
pub(crate) async fn landed(keeper: Option<&TokenKeeper>, patience: Duration) {
    let Some(keeper) = keeper else { return };
    if tokio::time::timeout(patience, keeper.landed()).await.is_err() {
        warn!("a refresh of tokens did not end in time; if it is in the spool, the next start goes on with it");
    }
}

/// The keeper; reads the secrets of all clients.
pub(crate) fn keeper(
    config: &Config,
    store: Store,
    outbound: Outbound,
    producer: Producer,
) -> Result<Arc<TokenKeeper>> {
    let tokens = &config.tokens;
    let providers = config.provider.iter().map(provider).collect::<Result<Vec<_>>>()?;
    // Where nothing is refreshed, nothing has to wait.
    let spool = if providers.is_empty() { Ok(Spool::at(&tokens.spool)) } else { Spool::open(&tokens.spool) };
    let spool = spool.with_context(|| format!("make the folder {} (tokens.spool)", tokens.spool.display()))?;
    let settings = TokenSettings {
        refresh_before: tokens.refresh_before,
        skew: tokens.skew,
        spread: tokens.spread,
        concurrency: tokens.concurrency,
    };
    let providers = providers.into_iter().collect();
    Ok(TokenKeeper::new(TokenTools { store, outbound, producer, queue: queue(config), providers, spool, settings }))
}

/// Whether tokens of accounts at this provider are refreshed.
pub(crate) fn is_known(config: &Config, name: &str) -> bool {
    configured(config, name).is_some()
}

/// The entry of the configuration that serves accounts which call their provider so.
pub(crate) fn configured<'a>(config: &'a Config, name: &str) -> Option<&'a crate::config::Provider> {
    let serves = |provider: &str| KnownProvider::named(provider).is_some_and(|known| known.serves.contains(&name));
    let of_its_own = config.provider.iter().find(|provider| provider.name == name);
    of_its_own.or_else(|| config.provider.iter().find(|provider| serves(&provider.name)))
}

/// Where the jobs go that nobody names a queue for: into `default`, or the first that is served.
pub(crate) fn queue(config: &Config) -> String {
    let served = |name: &&str| config.queue.iter().any(|queue| queue.name == *name);
    let first = || config.queue.first().map(|queue| queue.name.as_str());
    Some(DEFAULT_NAME).filter(served).or_else(first).unwrap_or(DEFAULT_NAME).to_owned()
}

fn provider(config: &crate::config::Provider) -> Result<Provider> {
    let secret = config.client_secret_file.as_ref().map(|path| {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read {} (client_secret_file of provider {})", path.display(), config.name))?;
        anyhow::Ok(Secret::new(text.trim()))
    });
    let written = config.client_secret.as_ref().map(|secret| Secret::new(secret.expose()));
    Ok(Provider {
        name: config.name.clone(),
        token_url: config.token_url.clone(),
        auth_url: config.auth_url.clone(),
        revoke_url: config.revoke_url.clone(),
        client_id: config.client_id.clone(),
        client_secret: secret.transpose()?.or(written),
        auth: config.auth,
        single_use: config.single_use,
    })
}
