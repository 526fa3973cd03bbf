//! A call to a provider with a token that is good, and once more with another one if it was not.

use std::sync::Arc;

use liaison_queue::outcome::Failure;
use liaison_store::{AccountId, Grant, LogEntry};
use oauth2::AccessToken;

use super::{Need, NoToken, TokenKeeper, holds};
use crate::kit::Context;

/// Why a call with a token did not go well.
#[derive(Debug)]
pub(crate) enum Denied {
    /// 401: the token is not taken.
    Unauthorized,
    Failed(Failure),
}

impl From<Failure> for Denied {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Context {
    /// The keeper of tokens.
    ///
    /// # Errors
    /// Where there is none: a benchmark of the bare queue runs no such job.
    pub(crate) fn tokens(&self) -> Result<&Arc<TokenKeeper>, Failure> {
        self.services.tokens.as_ref().ok_or_else(|| Failure::fatal("this process keeps no tokens"))
    }

    /// Call a provider for this account. A token that is about to end is refreshed before; one that is refused with 401
    /// is refreshed once, and the call made once more. While somebody else refreshes, the job comes back later, at no
    /// cost of an attempt: so the first call stands before every effect.
    ///
    /// # Errors
    /// What the call decided; fatal if the account is disconnected, switched off, or its new token is refused as well.
    pub(crate) async fn with_token<T, F>(
        &self,
        account: &AccountId,
        call: impl Fn(AccessToken) -> F + Send + Sync,
    ) -> Result<T, Failure>
    where
        T: Send,
        F: Future<Output = Result<T, Denied>> + Send,
    {
        let keeper = self.tokens()?;
        let first = keeper.bearer(self, account).await?;
        match call(token(&first)).await {
            Ok(done) => return Ok(done),
            Err(Denied::Failed(failure)) => return Err(failure),
            Err(Denied::Unauthorized) => {}
        }
        let other = Need::OtherThan(first.integration.version);
        let second = keeper.refresh(self, account, other).await.map_err(|none| none.failure(account))?;
        match call(token(&second)).await {
            Ok(done) => Ok(done),
            Err(Denied::Failed(failure)) => Err(failure),
            Err(Denied::Unauthorized) => {
                let row = second.integration;
                let message = "the provider answers 401, also to a token that was refreshed right before".to_owned();
                self.log(LogEntry {
                    log_type: "error".to_owned(),
                    integration_type: row.kind.as_str().to_owned(),
                    integration_id: Some(row.id),
                    organizer_id: Some(row.organizer_id),
                    message: message.clone(),
                    ..LogEntry::default()
                });
                Err(Failure::fatal(format!("{account}: {message}; look at its permissions, or connect it again")))
            }
        }
    }
}

fn token(grant: &Grant) -> AccessToken {
    AccessToken::new(grant.access_token.clone().unwrap_or_default())
}

impl TokenKeeper {
    /// A token for the next call. One that cannot be refreshed now is used until its very end.
    async fn bearer(self: &Arc<Self>, ctx: &Context, account: &AccountId) -> Result<Grant, Failure> {
        let skew = self.settings().skew;
        match self.refresh(ctx, account, Need::Fresh(skew)).await {
            Ok(grant) => Ok(grant),
            Err(NoToken::Failed(failure)) => match self.tools.store.grant(account).await {
                Ok(Some(grant)) if holds(&grant, ctx.now(), std::time::Duration::ZERO) => Ok(grant),
                Ok(_) | Err(_) => Err(failure),
            },
            Err(none) => Err(none.failure(account)),
        }
    }
}
