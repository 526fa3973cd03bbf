//! What `liaison dev` gives jobs to talk to: an endpoint of webhooks, and the providers.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use liaison_queue::clock::Clock;
use liaison_sandbox::{CLIENT_SECRET, WebhookReceiver};
use liaison_store::{Endpoint, EndpointChanges, EndpointSecrets, Store};

use super::{providers::Providers, write_once};
use crate::app::App;

/// Whom the endpoint and the accounts belong to: the samples of jobs name them.
pub(super) const ORGANIZER: &str = "example";
/// What the endpoint is called, and an account that has tokens and nothing else.
pub(super) const NAME: &str = "sandbox";

pub(super) struct Sandbox {
    receiver: WebhookReceiver,
    providers: Providers,
    secret_file: PathBuf,
}

impl Sandbox {
    pub(super) async fn start(dir: &Path) -> Result<Self> {
        let receiver = WebhookReceiver::start().await.context("start the webhook receiver")?;
        let providers = Providers::start().await?;
        let secret_file = write_once(&dir.join("sandbox-client-secret"), CLIENT_SECRET)?;
        Ok(Self { receiver, providers, secret_file })
    }

    /// What the configuration has to say of it.
    pub(super) fn fixed(&self) -> Vec<(&'static str, String)> {
        let mut fixed = vec![
            // All of it is on this machine.
            ("outbound.allow", "127.0.0.0/8".to_owned()),
            // Nobody waits to see what happens.
            ("tokens.spread", "0s".to_owned()),
            ("calendars.spread", "0s".to_owned()),
        ];
        fixed.extend(self.providers.fixed(&self.secret_file));
        fixed
    }

    /// The endpoint and the accounts, which have other addresses and other tokens each time.
    pub(super) async fn furnish(&self, app: &App) -> Result<()> {
        let (store, now) = (app.store_with_keys().await?, Clock::wall().date());
        self.endpoint(&store, now).await?;
        self.providers.furnish(&store, now).await
    }

    async fn endpoint(&self, store: &Store, now: DateTime<Utc>) -> Result<()> {
        let url = self.hook();
        let current = Some(liaison_jobs::signature::generate()?.expose().to_owned());
        let secrets = EndpointSecrets { current, ..EndpointSecrets::default() };
        if !store.add_endpoint(Endpoint::new(NAME, ORGANIZER, &url, now), secrets).await? {
            let changes = EndpointChanges { webhook_url: Some(url), ..EndpointChanges::default() };
            store.edit_endpoint(NAME, changes, now).await?;
        }
        Ok(())
    }

    fn hook(&self) -> String {
        self.receiver.url("/webhooks")
    }

    /// What there is, for people.
    pub(super) fn lines(&self) -> [String; 6] {
        [
            format!("The organizer `{ORGANIZER}` has, at stand-ins that listen on this machine only:"),
            format!("  the endpoint `{NAME}`, which takes webhooks on {}", self.hook()),
            "  the calendars `google`, `microsoft` and `caldav`, with events of the next weeks".to_owned(),
            "  the accounts `zoom` and `webex`, which make meetings".to_owned(),
            format!("  the account `{NAME}`, which has tokens and nothing else; all tokens run out soon"),
            String::new(),
        ]
    }

    pub(super) async fn stop(self) {
        self.receiver.stop().await;
        self.providers.stop().await;
    }
}
