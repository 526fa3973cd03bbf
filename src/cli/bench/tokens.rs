//! Tokens: grants that all run out within the next minutes, at a provider that kills a refresh token as soon as it was
//! used. Each must be refreshed once, and before its old token is taken no more.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use liaison_jobs::tokens::ClientAuth;
use liaison_queue::{JobId, clock::Clock};
use liaison_store::{IntegrationKind, LogEntry, NewIntegration, Store, Tokens};
use serde_json::json;

use super::{
    figures::{Figure, Figures, Unit},
    measures::{self, Bench, Keep},
    server::{self, Server},
    webhooks::stop,
};
use crate::{app::App, cli::answer, config::Provider};

const QUEUE: &str = "bench-tokens";
const PROVIDER: &str = "bench";
/// The first and the last token run out so long from now; a scan finds them all.
const FIRST: TimeDelta = TimeDelta::seconds(150);
const WITHIN: TimeDelta = TimeDelta::seconds(400);
/// For so long a new token is good: none is refreshed again because of its age.
const LIFE_S: u32 = 3600;
/// Shorter than in the field: what is measured is a provider's and a store's work, not the waiting between.
const SPREAD: &str = "20s";
/// A token that ends so soon is used by no call: see `[tokens] skew`.
const SKEW_MS: i64 = 60_000;
const LOOK: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_mins(10);

impl Bench<'_> {
    pub(super) async fn tokens(&self, figures: &mut Figures) -> Result<()> {
        let grants = usize::try_from(self.args.tokens_grants)?;
        let book = Arc::new(Book(Mutex::new(vec![Seen::default(); grants])));
        let provider = Arc::clone(&book);
        let server = Server::start(move |request| Some(provider.refresh(request))).await?;
        let app = self.token_app(&server)?;
        liaison_store::migrate(&app.database()?).await?;
        let store = app.store_with_keys().await?;
        answer::progress("grants that run out …");
        // Before they are written, so that what this takes makes nothing late that is not.
        let ends = add(&store, grants).await?;
        let daemon = app.start_with(Some(store), None).await?;
        answer::progress("refreshing them …");
        let asked = Instant::now();
        app.producer().enqueue(&[json!({"job": "refresh_expired_tokens", "queue": QUEUE}).to_string()]).await?;
        while book.refreshed() < grants {
            if asked.elapsed() > LIMIT {
                bail!("{} of {grants} grants were refreshed within {LIMIT:?}", book.refreshed());
            }
            tokio::time::sleep(LOOK).await;
        }
        let took = asked.elapsed();
        // A second scan, and the jobs of the first to their end: what would be refreshed twice is refreshed twice now.
        let scan = json!({"job": "refresh_expired_tokens", "queue": QUEUE}).to_string();
        app.producer().enqueue(&[scan]).await?;
        let inspector = app.inspector(&measures::queue(QUEUE)?);
        while !inspector.depths().await?.is_empty() && asked.elapsed() < LIMIT {
            tokio::time::sleep(LOOK).await;
        }
        stop(daemon).await;
        book.tell(figures, &ends, took);
        Ok(())
    }

    fn token_app(&self, server: &Server) -> Result<App> {
        let mut fixed = self.fixed(Keep::Sqlite)?;
        fixed.push(("tokens.spread", SPREAD.to_owned()));
        fixed.push(("tokens.spool", self.folder.path.join("spool").display().to_string()));
        let mut config = self.global.load_with(vec![QUEUE.to_owned()], None, fixed)?.config;
        config.provider = vec![Provider {
            name: PROVIDER.to_owned(),
            client_id: "bench".to_owned(),
            client_secret_file: None,
            token_url: format!("http://{}/token", server.address),
            auth_url: None,
            redirect_url: None,
            client_secret: None,
            revoke_url: None,
            auth: ClientAuth::Body,
            api_url: None,
            single_use: true,
        }];
        App::new(config)
    }
}

/// Accounts, and when the token of each ends; as time of this process.
async fn add(store: &Store, grants: usize) -> Result<Vec<DateTime<Utc>>> {
    let mut ends = Vec::with_capacity(grants);
    let of_all = i32::try_from(grants)?;
    for number in 0..grants {
        let now = Clock::wall().date();
        let expires_at = now + FIRST + WITHIN / of_all * i32::try_from(number)?;
        let account = NewIntegration {
            kind: IntegrationKind::ALL[number % 2],
            id: Some(format!("bench-{number}")),
            fresh_id: String::new(),
            organizer_id: "bench".to_owned(),
            provider: PROVIDER.to_owned(),
            provider_user_id: None,
            provider_email: None,
            tokens: Tokens {
                access_token: format!("a-{number}-0"),
                refresh_token: Some(format!("r-{number}-0")),
                expires_at: Some(expires_at),
                scope: None,
            },
        };
        let entry = LogEntry { id: JobId::generate().to_string(), created_at: now, ..LogEntry::default() };
        store.add_integration(account, now, entry.into()).await?;
        ends.push(expires_at);
    }
    Ok(ends)
}

/// What the provider saw of each grant.
struct Book(Mutex<Vec<Seen>>);

#[derive(Clone, Default)]
struct Seen {
    refreshes: u64,
    /// Requests with a token that is dead.
    refused: u64,
    first: Option<DateTime<Utc>>,
}

impl Book {
    fn refresh(&self, request: &str) -> String {
        let token = request.split("refresh_token=r-").nth(1).and_then(|rest| rest.split('&').next());
        let parts = token.and_then(|token| token.split_once('-'));
        let Some((number, uses)) = parts.and_then(|(n, uses)| Some((n.parse().ok()?, uses.parse::<u64>().ok()?)))
        else {
            return server::answer("400 Bad Request", r#"{"error":"invalid_request"}"#);
        };
        let number: usize = number;
        let mut grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = grants.get_mut(number) else {
            return server::answer("400 Bad Request", r#"{"error":"invalid_grant"}"#);
        };
        if seen.refreshes != uses {
            seen.refused += 1;
            return server::answer("400 Bad Request", r#"{"error":"invalid_grant"}"#);
        }
        seen.refreshes += 1;
        seen.first.get_or_insert_with(|| Clock::wall().date());
        let next = seen.refreshes;
        server::ok(&format!(
            r#"{{"access_token":"a-{number}-{next}","refresh_token":"r-{number}-{next}","expires_in":{LIFE_S}}}"#
        ))
    }

    fn refreshed(&self) -> usize {
        let grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        grants.iter().filter(|seen| seen.refreshes > 0).count()
    }

    #[expect(clippy::cast_precision_loss, reason = "figures")]
    fn tell(&self, figures: &mut Figures, ends: &[DateTime<Utc>], took: Duration) {
        let grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |(seen, end): (&Seen, &DateTime<Utc>)| Some((*end - seen.first?).num_milliseconds());
        let left: Vec<i64> = grants.iter().zip(ends).filter_map(left).collect();
        let twice: u64 = grants.iter().map(|seen| seen.refreshes.saturating_sub(1) + seen.refused).sum();
        let late = left.iter().filter(|left| **left < SKEW_MS).count();
        let least = left.iter().min().copied().unwrap_or(0) as f64 / 1e3;
        let rate = measures::per_second(left.len() as u64, took);
        figures.add(Figure::new("tokens_per_s", "tokens refreshed, each stored before use", Unit::JobsPerSecond, rate));
        figures.add(Figure::new(
            "tokens_twice",
            "of them refreshed again, or with a dead token",
            Unit::Count,
            twice as f64,
        ));
        figures.add(Figure::new("tokens_late", "of them too late for a call", Unit::Count, late as f64));
        figures.add(Figure::new("tokens_least_left", "the least that an old token had left", Unit::Seconds, least));
    }
}
