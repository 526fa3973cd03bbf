//! Refresh the tokens of one account, if they run out soon.
//!
//! Safe to run twice: whoever comes second finds them refreshed. What a process got that died is in the spool, and is
//! taken from there.

use std::time::Duration;

use liaison_queue::{
    outcome::{Done, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::AccountId;
use serde::Deserialize;
use serde_json::json;

use crate::kit::{Context, Job, Need, NoToken, Sample};

#[derive(Debug, Deserialize)]
pub(crate) struct RefreshToken {
    #[serde(flatten)]
    account: AccountId,
}

impl Job for RefreshToken {
    const NAME: &'static str = "refresh_token";
    const ABOUT: &'static str = "refreshes the tokens of one integration, `kind` and `id`, if they run out soon";
    // A call to the provider takes 15 s at most; what it began goes on by itself after that.
    const TIMEOUT: Duration = Duration::from_mins(1);
    // Outages of providers last for hours. While this one waits, the scan starts no other for the same account.
    const RETRY: Retry = Retry::doubling(Duration::from_secs(5)).cap(Duration::from_mins(10)).attempts(60);
    // The account that the sandbox has.
    const SAMPLE: Option<Sample> =
        Some(Sample { args: r#"{"kind": "calendar", "id": "sandbox"}"#, ends: RunOutcome::Done });

    async fn run(self, ctx: &Context) -> Outcome {
        let keeper = ctx.tokens()?;
        let need = Need::Fresh(keeper.settings().refresh_before);
        match keeper.refresh(ctx, &self.account, need).await {
            Ok(grant) => {
                let row = grant.integration;
                Ok(Done(Some(json!({"status": "fresh", "expires_at": row.token_expires_at, "version": row.version}))))
            }
            // Its owner was told; here is nothing left to do.
            Err(NoToken::Disconnected { why }) => Ok(Done(Some(json!({"status": "disconnected", "reason": why})))),
            Err(NoToken::Off) => Ok(Done(Some(json!({"status": "off"})))),
            Err(NoToken::Failed(failure)) => Err(failure),
        }
    }
}
