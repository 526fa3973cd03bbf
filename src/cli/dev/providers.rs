//! The providers that `liaison dev` plays, each with a server of tokens in its own style, and the accounts there.

use std::{io, path::Path};

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::JobId;
use liaison_sandbox::{
    CLIENT_ID, CalDavServer, Desk, GoogleServer, MicrosoftServer, Style, TokenServer, WebexServer, ZoomServer,
};
use liaison_store::{Added, CalendarPlace, IntegrationKind, LogEntry, NewIntegration, Store, Tokens};
use tracing::info;

use super::{
    agenda::{Agenda, ZONE},
    sandbox::{NAME, ORGANIZER},
};
use crate::cli::answer;

/// Who the organizer is at each of them.
const OWNER: &str = "owner";
/// The accounts' first tokens run out so soon: within what a scan looks ahead.
const LIFE: TimeDelta = TimeDelta::minutes(2);
/// What the organizer logs in with at a server of calendars.
const PASSWORD: &str = "sandbox-password";

/// Where the tokens of a provider come from.
struct Issuer {
    name: &'static str,
    style: Style,
    server: TokenServer,
}

impl Issuer {
    async fn start(name: &'static str, style: Style) -> io::Result<Self> {
        Ok(Self { name, style, server: TokenServer::start(style).await? })
    }
}

pub(super) struct Providers {
    google: GoogleServer,
    microsoft: MicrosoftServer,
    caldav: CalDavServer,
    zoom: ZoomServer,
    webex: WebexServer,
    issuers: Vec<Issuer>,
}

impl Providers {
    pub(super) async fn start() -> Result<Self> {
        Self::listen().await.context("start the stand-ins of providers")
    }

    async fn listen() -> io::Result<Self> {
        let providers = Self {
            google: GoogleServer::start().await?,
            microsoft: MicrosoftServer::start().await?,
            caldav: CalDavServer::start().await?,
            zoom: ZoomServer::start().await?,
            webex: WebexServer::start().await?,
            issuers: vec![
                Issuer::start(NAME, Style::SingleUse).await?,
                Issuer::start("google", Style::Kept).await?,
                Issuer::start("microsoft", Style::Renewed).await?,
                Issuer::start("zoom", Style::SingleUse).await?,
                Issuer::start("webex", Style::Same).await?,
            ],
        };
        for issuer in &providers.issuers {
            if let Some((desk, _)) = providers.place(issuer.name) {
                desk.trust(&issuer.server);
            }
        }
        providers.caldav.admit(OWNER, PASSWORD);
        Ok(providers)
    }

    /// Who answers for a provider, and where. None: it only gives tokens.
    fn place(&self, name: &str) -> Option<(&Desk, String)> {
        match name {
            "google" => Some((self.google.desk(), self.google.api_url())),
            "microsoft" => Some((self.microsoft.desk(), self.microsoft.api_url())),
            "zoom" => Some((self.zoom.desk(), self.zoom.api_url())),
            "webex" => Some((self.webex.desk(), self.webex.api_url())),
            _ => None,
        }
    }

    /// What the configuration has to say of them. Whatever a file says of the same ones does not count: nobody real is
    /// called from here.
    pub(super) fn fixed(&self, secret_file: &Path) -> Vec<(&'static str, String)> {
        let mut fixed = Vec::new();
        for Issuer { name, style, server } in &self.issuers {
            fixed.extend([
                ("provider.+.name", (*name).to_owned()),
                ("provider.+.client_id", CLIENT_ID.to_owned()),
                ("provider.+.client_secret_file", secret_file.display().to_string()),
                ("provider.+.token_url", server.token_url()),
                ("provider.+.revoke_url", server.revoke_url()),
                ("provider.+.single_use", (*style == Style::SingleUse).to_string()),
            ]);
            fixed.extend(self.place(name).map(|(_, url)| ("provider.+.api_url", url)));
        }
        fixed
    }

    /// The accounts, which have other tokens each time, and what stands in their calendars.
    pub(super) async fn furnish(&self, store: &Store, now: DateTime<Utc>) -> Result<()> {
        // The store remembers what was made when this ran before.
        let number = u32::try_from(now.timestamp()).unwrap_or(0);
        self.google.count_from(number);
        self.microsoft.count_from(number);
        self.zoom.count_from(number);
        self.webex.count_from(number);
        let agenda = Agenda::from(now);
        agenda.at_google(&self.google, OWNER);
        agenda.at_microsoft(&self.microsoft, OWNER);
        agenda.at_home(&self.caldav, OWNER);
        for issuer in &self.issuers {
            let kind = match issuer.name {
                "zoom" | "webex" => IntegrationKind::Video,
                _ => IntegrationKind::Calendar,
            };
            let issued = issuer.server.issue_to(OWNER);
            let tokens = Tokens {
                access_token: issued.access_token,
                refresh_token: Some(issued.refresh_token),
                expires_at: Some(now + LIFE),
                scope: None,
            };
            let is_ours = account(store, kind, issuer.name, tokens, now).await?;
            if is_ours && issuer.name == "microsoft" {
                let time_zone = Some(ZONE.name().to_owned());
                store.place_calendar("microsoft", CalendarPlace { time_zone, ..CalendarPlace::default() }, now).await?;
            }
        }
        let password = PASSWORD.to_owned();
        let tokens = Tokens { access_token: password, refresh_token: None, expires_at: None, scope: None };
        if account(store, IntegrationKind::Calendar, "caldav", tokens, now).await? {
            let server_url = Some(self.caldav.calendar_url(OWNER));
            store.place_calendar("caldav", CalendarPlace { server_url, ..CalendarPlace::default() }, now).await?;
        }
        Ok(())
    }

    pub(super) async fn stop(self) {
        let created = |desk: &Desk, method: &str, part: &str| desk.calls_of(method, part);
        // It can be seen from outside that nothing was made twice.
        info!(
            zoom = self.zoom.made(),
            webex = self.webex.made(),
            google = created(self.google.desk(), "POST", "/events"),
            microsoft = created(self.microsoft.desk(), "POST", "/events"),
            caldav = created(self.caldav.desk(), "PUT", "/dav/"),
            "what was made at the stand-ins",
        );
        self.google.stop().await;
        self.microsoft.stop().await;
        self.caldav.stop().await;
        self.zoom.stop().await;
        self.webex.stop().await;
        for issuer in self.issuers {
            issuer.server.stop().await;
        }
    }
}

/// An account that is called as its provider; whether it is the sandbox's.
async fn account(
    store: &Store,
    kind: IntegrationKind,
    provider: &str,
    tokens: Tokens,
    now: DateTime<Utc>,
) -> Result<bool> {
    let account = NewIntegration {
        kind,
        id: Some(provider.to_owned()),
        fresh_id: provider.to_owned(),
        organizer_id: ORGANIZER.to_owned(),
        provider: provider.to_owned(),
        provider_user_id: Some(OWNER.to_owned()),
        provider_email: Some("owner@example.com".to_owned()),
        tokens,
    };
    let line = LogEntry {
        id: JobId::generate().to_string(),
        log_type: "connected".to_owned(),
        integration_type: kind.as_str().to_owned(),
        organizer_id: Some(ORGANIZER.to_owned()),
        message: "connected by liaison dev".to_owned(),
        success: true,
        created_at: now,
        ..LogEntry::default()
    };
    if let Added::Taken { account, organizer_id, .. } = store.add_integration(account, now, line.into()).await? {
        answer::note(&format!("{account} belongs to {organizer_id}, and stays as it is"));
        return Ok(false);
    }
    Ok(true)
}
