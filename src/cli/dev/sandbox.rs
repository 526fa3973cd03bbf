//! What `liaison dev` gives jobs to talk to: an endpoint of webhooks, and a provider whose tokens run out.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use liaison_queue::{JobId, clock::Clock};
use liaison_sandbox::{CLIENT_ID, CLIENT_SECRET, Style, TokenServer, WebhookReceiver};
use liaison_store::{
    Endpoint, EndpointChanges, EndpointSecrets, IntegrationKind, LogEntry, NewIntegration, Store, Tokens,
};

use super::write_once;
use crate::app::App;

/// Whom the endpoint and the account belong to, and what both are called: the samples of jobs name them.
const ORGANIZER: &str = "example";
const NAME: &str = "sandbox";
/// The account's first tokens run out so soon: within what a scan looks ahead.
const LIFE: TimeDelta = TimeDelta::minutes(2);

pub(super) struct Sandbox {
    receiver: WebhookReceiver,
    tokens: TokenServer,
    secret_file: PathBuf,
}

impl Sandbox {
    pub(super) async fn start(dir: &Path) -> Result<Self> {
        let receiver = WebhookReceiver::start().await.context("start the webhook receiver")?;
        let tokens = TokenServer::start(Style::SingleUse).await.context("start the token server")?;
        let secret_file = write_once(&dir.join("sandbox-client-secret"), CLIENT_SECRET)?;
        Ok(Self { receiver, tokens, secret_file })
    }

    /// What the configuration has to say of it; `+` is one entry more than there are.
    pub(super) fn fixed(&self) -> Vec<(&'static str, String)> {
        vec![
            // All of it is on this machine.
            ("outbound.allow", "127.0.0.0/8".to_owned()),
            ("tokens.spread", "0s".to_owned()),
            ("provider.+.name", NAME.to_owned()),
            ("provider.+.client_id", CLIENT_ID.to_owned()),
            ("provider.+.client_secret_file", self.secret_file.display().to_string()),
            ("provider.+.token_url", self.tokens.token_url()),
            ("provider.+.single_use", "true".to_owned()),
        ]
    }

    /// The endpoint and the account, which have another address and other tokens each time.
    pub(super) async fn furnish(&self, app: &App) -> Result<()> {
        let store = app.store_with_keys().await?;
        self.endpoint(&store).await?;
        self.account(&store).await
    }

    async fn endpoint(&self, store: &Store) -> Result<()> {
        let (url, now) = (self.hook(), Clock::wall().date());
        let current = Some(liaison_jobs::signature::generate()?.expose().to_owned());
        let secrets = EndpointSecrets { current, ..EndpointSecrets::default() };
        if !store.add_endpoint(Endpoint::new(NAME, ORGANIZER, &url, now), secrets).await? {
            let changes = EndpointChanges { webhook_url: Some(url), ..EndpointChanges::default() };
            store.edit_endpoint(NAME, changes, now).await?;
        }
        Ok(())
    }

    async fn account(&self, store: &Store) -> Result<()> {
        let (now, issued) = (Clock::wall().date(), self.tokens.issue());
        let account = NewIntegration {
            kind: IntegrationKind::Calendar,
            id: Some(NAME.to_owned()),
            fresh_id: NAME.to_owned(),
            organizer_id: ORGANIZER.to_owned(),
            provider: NAME.to_owned(),
            provider_user_id: None,
            provider_email: Some("owner@example.com".to_owned()),
            tokens: Tokens {
                access_token: issued.access_token,
                refresh_token: Some(issued.refresh_token),
                expires_at: Some(now + LIFE),
                scope: None,
            },
        };
        let line = LogEntry {
            id: JobId::generate().to_string(),
            log_type: "connected".to_owned(),
            integration_type: IntegrationKind::Calendar.as_str().to_owned(),
            organizer_id: Some(ORGANIZER.to_owned()),
            message: "connected by liaison dev".to_owned(),
            success: true,
            created_at: now,
            ..LogEntry::default()
        };
        store.add_integration(account, now, line.into()).await?;
        Ok(())
    }

    fn hook(&self) -> String {
        self.receiver.url("/webhooks")
    }

    /// What there is, for people.
    pub(super) fn lines(&self) -> [String; 2] {
        [
            format!("A webhook receiver listens on {}; it is the endpoint `{NAME}` of `{ORGANIZER}`", self.hook()),
            format!(
                "A provider refreshes the tokens of the account `calendar:{NAME}` of `{ORGANIZER}`, which run out soon"
            ),
        ]
    }

    pub(super) async fn stop(self) {
        self.receiver.stop().await;
        self.tokens.stop().await;
    }
}
