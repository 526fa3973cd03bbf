//! Find the grants that run out soon, and have each refreshed by a job of its own, spread over the time that is left.
//!
//! Safe to run twice: of each account there is one such job at a time, and one that comes late finds nothing to do.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::{
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::{Expiring, IntegrationKind};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::kit::{Context, Job, Sample, TokenSettings};

/// Read and enqueued in one step.
const PAGE: u32 = 500;
/// Of each kind in one run; the next run goes on, with the most urgent first.
const MAX_PAGES: usize = 100;

#[derive(Debug, Deserialize)]
pub(crate) struct RefreshExpiredTokens {}

impl Job for RefreshExpiredTokens {
    const NAME: &'static str = "refresh_expired_tokens";
    const ABOUT: &'static str = "finds tokens that run out soon, and has each refreshed";
    // A hundred thousand grants, with a slow database.
    const TIMEOUT: Duration = Duration::from_mins(5);
    // The next tick does all of it anyway.
    const RETRY: Retry = Retry::doubling(Duration::from_secs(5)).attempts(3);
    const SAMPLE: Option<Sample> = Some(Sample { args: "{}", ends: RunOutcome::Done });

    async fn run(self, ctx: &Context) -> Outcome {
        let keeper = ctx.tokens()?;
        let recovered = keeper.recover(ctx.now()).await;
        let (mut found, mut asked) = (0, 0);
        for kind in IntegrationKind::ALL {
            let (pages_found, pages_asked) = scan(ctx, kind, keeper.settings()).await?;
            found += pages_found;
            asked += pages_asked;
        }
        let result = json!({"expiring": found, "enqueued": asked, "under_way": found - asked, "spool": recovered});
        Ok(Done(Some(result)))
    }
}

async fn scan(ctx: &Context, kind: IntegrationKind, settings: &TokenSettings) -> Result<(usize, usize), Failure> {
    let (store, now) = (ctx.store()?, ctx.now());
    let before = later(now, settings.refresh_before);
    let (mut found, mut asked, mut after) = (0, 0, None);
    for _ in 0..MAX_PAGES {
        let page = store.expiring(kind, before, after, PAGE).await;
        let page = page.map_err(|fault| Failure::retry(format!("{kind:?} integrations: {fault}")))?;
        let envelopes: Vec<Value> = page.iter().map(|grant| envelope(ctx, grant, now, settings)).collect();
        found += page.len();
        asked += ctx.enqueue_new(&envelopes).await?;
        match page.last() {
            Some(last) if page.len() == PAGE as usize => after = Some((last.expires_at, last.account.id.clone())),
            Some(_) | None => break,
        }
    }
    Ok((found, asked))
}

fn envelope(ctx: &Context, grant: &Expiring, now: DateTime<Utc>, settings: &TokenSettings) -> Value {
    let account = &grant.account;
    let mut envelope = json!({
        "job": "refresh_token",
        "args": account,
        "queue": ctx.queue(),
        "unique": format!("refresh:{account}"),
    });
    let wait = wait(&account.to_string(), grant.expires_at - now, settings);
    if !wait.is_zero() {
        envelope["run_at"] = later(now, wait).timestamp_millis().into();
    }
    envelope
}

/// By a part of its own, so that grants that were given together are not refreshed together; never so late that a call
/// would meet a token that is not used any more.
fn wait(account: &str, left: TimeDelta, settings: &TokenSettings) -> Duration {
    let left = left.to_std().unwrap_or_default().saturating_sub(settings.skew);
    // Half of what is left: the other half is for a provider that does not answer at once.
    let window = settings.spread.min(left / 2);
    let digest = Sha256::digest(account);
    let part = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    window.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

fn later(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    now.checked_add_signed(TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: TokenSettings = TokenSettings {
        refresh_before: Duration::from_mins(10),
        skew: Duration::from_mins(1),
        spread: Duration::from_mins(4),
        concurrency: 8,
    };

    #[test]
    fn refreshes_are_spread_and_none_comes_too_late() {
        let waits: Vec<_> =
            (0..1000).map(|n| wait(&format!("calendar:{n}"), TimeDelta::minutes(10), &SETTINGS)).collect();
        assert!(waits.iter().all(|wait| *wait <= SETTINGS.spread));
        for quarter in 0..4 {
            let range = SETTINGS.spread / 4 * quarter..SETTINGS.spread / 4 * (quarter + 1);
            let there = waits.iter().filter(|wait| range.contains(wait)).count();
            assert!((150..350).contains(&there), "{there} in quarter {quarter}");
        }
        for left in [-5, 0, 30, 61, 90, 120] {
            let wait = wait("calendar:1", TimeDelta::seconds(left), &SETTINGS);
            assert!(wait <= Duration::from_secs(u64::try_from(left - 60).unwrap_or(0)), "{left} s are left");
        }
    }
}
