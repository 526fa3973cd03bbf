//! Call an address with the token of an account: to see that it is refreshed when it must be.
//!
//! Safe to run twice: it only asks.

use std::time::Duration;

use liaison_queue::{
    outcome::{Done, Failure, Outcome},
    retry::Retry,
};
use liaison_store::AccountId;
use oauth2::AccessToken;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use serde_json::json;

use crate::kit::{Context, Denied, Job, Sample, outbound::Call};

#[derive(Debug, Deserialize)]
pub(crate) struct CallProvider {
    #[serde(flatten)]
    account: AccountId,
    url: String,
}

impl Job for CallProvider {
    const NAME: &'static str = "call_provider";
    const ABOUT: &'static str = "asks for `url` with the token of an integration, `kind` and `id`";
    const TIMEOUT: Duration = Duration::from_mins(1);
    const RETRY: Retry = Retry::doubling(Duration::from_millis(500)).attempts(5);
    // It needs an account, and somebody to ask.
    const SAMPLE: Option<Sample> = None;

    async fn run(self, ctx: &Context) -> Outcome {
        let status = ctx.with_token(&self.account, |token| ask(ctx, &self.url, token)).await?;
        Ok(Done(Some(json!({"status": status}))))
    }
}

async fn ask(ctx: &Context, url: &str, token: AccessToken) -> Result<u16, Denied> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.secret()))
        .map_err(|_| Failure::fatal("the token is no text for a header"))?;
    let call = Call::get(url).header(AUTHORIZATION, value);
    // The address came with the job: it is not to be trusted.
    let answer = ctx.services.outbound.send(call).await.map_err(|fault| fault.failure("the provider"))?;
    match answer.status.as_u16() {
        401 => Err(Denied::Unauthorized),
        status @ 200..=299 => Ok(status),
        _ => Err(answer
            .or_failure("the provider", ctx.now())
            .err()
            .unwrap_or_else(|| Failure::retry("no answer"))
            .into()),
    }
}
