//! `liaison integrations connect`: an owner is asked for consent in a browser, and what that brings becomes an account.
//!
//! The state that goes out with the browser is remembered before anybody sees it, and used up before the code that comes
//! back with it is: nobody connects anything twice with it, or to another provider. Whoever dies in between has the
//! owner asked again; whoever dies right after the account stands leaves its first synchronisation to the next tick.

mod door;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Result, anyhow, bail};
use chrono::TimeDelta;
use liaison_jobs::{
    AccountAt, account_at, first_sync,
    tokens::{Callback, Consented, NotRedeemed, TokenKeeper, mark_of, missing_scopes},
};
use liaison_queue::{Isolation, JobId, Receipt, clock::Clock, faults, faults::Point};
use liaison_store::{CalendarPlace, IntegrationKind, LogEntry, NewIntegration, OauthState, StateUse, Store};
use serde_json::json;

use self::door::{Door, Heard};
use super::{
    add::{Put, check, put, zone},
    kinds,
};
use crate::{
    app::App,
    cli::{
        answer::{self, Usage},
        typed, words,
    },
    config::{Provider, environment::operator},
};

/// How long an owner may take: long enough to find a password, too short for a link that lies around.
const PATIENCE: Duration = Duration::from_mins(10);
/// Where the owner comes back to, unless the configuration says otherwise.
const LISTEN: &str = "127.0.0.1:8719";

#[derive(clap::Args)]
pub(crate) struct ConnectArgs {
    /// Where the account is: google, outlook, zoom, webex, or another that the configuration names
    provider: String,
    /// Whose it is
    #[arg(long, value_name = "ID")]
    organizer: String,
    /// What it is for [default: calendars, where the provider has any]
    #[arg(long, value_parser = kinds())]
    kind: Option<IntegrationKind>,
    /// What it is called here [default: that of the same user there, else a new one]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Which of its calendars [default: its main one]
    #[arg(long, value_name = "ID")]
    calendar: Option<String>,
    /// In which zone the days of the calendar are days, if the provider does not say: an IANA name
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    time_zone: Option<String>,
    /// A scope to ask for, instead of those that are needed; may be given several times
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Connect it although its owner did not consent to all of them
    #[arg(long)]
    allow_missing_scopes: bool,
    /// Where on this machine to wait for the owner to come back [default: that of the configuration, else 127.0.0.1:8719]
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "paste")]
    listen: Option<SocketAddr>,
    /// Read the address at which the owner's browser ended from standard input, and listen nowhere
    #[arg(long)]
    paste: bool,
    /// How long to wait for the owner, at most 10m [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = typed::duration)]
    wait: Option<Duration>,
}

/// What is under way.
struct Errand<'a> {
    app: &'a App,
    args: &'a ConnectArgs,
    store: Store,
    keeper: std::sync::Arc<TokenKeeper>,
    at: AccountAt,
    /// What the state hashes to that we sent the owner away with.
    mark: String,
}

pub(super) async fn run(app: &App, args: &ConnectArgs, json: bool) -> Result<ExitCode> {
    crate::faults::arm(Isolation::None)?;
    let mut at = account_at(&args.provider, args.kind).map_err(Usage)?;
    if !args.scope.is_empty() {
        at.scopes.clone_from(&args.scope);
    }
    let wait = judge(args, &at)?;
    let Some(provider) = crate::tokens::configured(&app.config, &args.provider) else {
        bail!(Usage(format!(
            "no [[provider]] in the configuration for {}; add it with its client_id and client_secret_file",
            words::plain(&args.provider)
        )));
    };
    let (mut door, redirect) = open(args, provider)?;
    let store = app.store_with_keys().await?;
    refuse_others(&store, args, at.kind).await?;
    let keeper = crate::tokens::keeper(&app.config, store.clone(), App::outbound_of(&app.config)?, app.producer())?;
    let consent = keeper.ask_consent(&args.provider, &at.scopes, &redirect).map_err(Usage)?;
    let now = Clock::wall().date();
    let state = OauthState {
        hash: mark_of(&consent.state),
        organizer_id: args.organizer.clone(),
        provider: args.provider.clone(),
        kind: at.kind,
        integration_id: args.id.clone(),
        redirect_url: redirect,
        scope: at.scopes.join(" "),
        verifier: consent.verifier.expose().to_owned(),
        created_at: now,
        expires_at: now + TimeDelta::from_std(wait).unwrap_or_default(),
    };
    let mark = state.hash.clone();
    store.begin_oauth(state.clone()).await?;
    say(&consent.url, &state, args.paste, json);
    let errand = Errand { app, args, store, keeper, at, mark };
    let until = tokio::time::Instant::now() + wait;
    loop {
        let Ok(heard) = tokio::time::timeout_at(until, door.next()).await else {
            bail!("nobody came back within {} s; begin again, and open the new address at once", wait.as_secs());
        };
        let Heard { text, reply } = heard?;
        match errand.spend(&text).await? {
            Ok((callback, state)) => {
                let ended = errand.finish(callback, *state, json).await;
                reply.end(ended.is_ok()).await;
                door.close().await;
                return ended.map(|()| ExitCode::SUCCESS);
            }
            Err(why) if args.paste => bail!("{why}"),
            // Anybody on this machine may knock; the owner is still to come.
            Err(why) => {
                answer::note(&format!("somebody came back, and not from here: {why}"));
                reply.refuse().await;
            }
        }
    }
}

/// What does not go together; how long to wait.
fn judge(args: &ConnectArgs, at: &AccountAt) -> Result<Duration, Usage> {
    if let Some(id) = &args.id {
        check(id)?;
    }
    if at.kind == IntegrationKind::Video && (args.calendar.is_some() || args.time_zone.is_some()) {
        return Err(Usage("--calendar and --time-zone: only for a calendar".to_owned()));
    }
    let wait = args.wait.unwrap_or(PATIENCE);
    if wait.is_zero() || wait > PATIENCE {
        return Err(Usage("--wait: not above 0 and up to 10m; an address that waits longer lies around".to_owned()));
    }
    if args.listen.is_some_and(|address| !address.ip().is_loopback()) {
        return Err(Usage(
            "--listen: codes come there in clear; name an address of this machine alone, such as 127.0.0.1:8719, and \
             put a proxy before it"
                .to_owned(),
        ));
    }
    Ok(wait)
}

/// Where the owner comes back to, and who waits there.
fn open(args: &ConnectArgs, provider: &Provider) -> Result<(Door, String)> {
    let configured = provider.redirect_url.clone();
    if args.paste {
        return Ok((Door::paste(), configured.unwrap_or_else(|| format!("http://{LISTEN}/callback"))));
    }
    let here = configured.as_deref().map(door::loopback);
    let address = match (args.listen, here) {
        (Some(address), _) | (None, Some(Some(address))) => address,
        (None, None) => LISTEN.parse()?,
        (None, Some(None)) => bail!(Usage(format!(
            "owners come back to {}, which is not on this machine: add --paste, or --listen with what stands behind it",
            words::plain(configured.as_deref().unwrap_or_default())
        ))),
    };
    let (door, bound) = Door::listen(address)?;
    Ok((door, configured.unwrap_or_else(|| format!("http://{bound}/callback"))))
}

/// Better before somebody is asked than after.
async fn refuse_others(store: &Store, args: &ConnectArgs, kind: IntegrationKind) -> Result<()> {
    let Some(id) = &args.id else { return Ok(()) };
    let found = store.integration(kind, id).await?;
    if let Some(row) = found.filter(|row| row.organizer_id != args.organizer || row.provider != args.provider) {
        bail!(
            "{} belongs to organizer {} at {}; choose another --id, or leave it out",
            row.account(),
            row.organizer_id,
            row.provider
        );
    }
    Ok(())
}

fn say(url: &str, state: &OauthState, paste: bool, json: bool) {
    if json {
        answer::json(&json!({
            "status": "waiting", "authorization_url": url, "redirect_url": state.redirect_url,
            "expires_at": state.expires_at,
        }));
    } else {
        answer::line(url);
    }
    let then = if paste { "paste the address at which the browser ends here" } else { "come back by itself" };
    answer::note(&format!("open this address in the browser of the account's owner, consent, and {then}"));
}

impl Errand<'_> {
    /// Use up the state that somebody came with; or say why it is not ours to use.
    async fn spend(&self, text: &str) -> Result<Result<(Callback, Box<OauthState>), String>> {
        let callback = match Callback::read(text) {
            Ok(callback) => callback,
            Err(why) => return Ok(Err(format!("this is not where a consent ends: {why}; copy the whole address"))),
        };
        let (mark, provider) = (mark_of(callback.state()), &self.args.provider);
        // Only what we sent away is used up; of others it is only said what they are.
        let used = if mark == self.mark {
            self.store.use_oauth_state(&mark, provider, Clock::wall().date()).await?
        } else {
            self.store.oauth_state(&mark, provider, Clock::wall().date()).await?
        };
        Ok(match used {
            StateUse::Good(state) if mark == self.mark => Ok((callback, state)),
            StateUse::Good(_) => Err("its state is of another `integrations connect`; paste it there".to_owned()),
            StateUse::Unknown => {
                Err("nobody was sent away with its state; open the address that stands here".to_owned())
            }
            StateUse::Used { at } => Err(format!("its state was used at {}; begin again", words::date(at))),
            StateUse::Expired { at } => Err(format!("its time was over at {}; begin again", words::date(at))),
            StateUse::OtherProvider { provider } => {
                Err(format!("its state is of a consent at {}, not at {}", words::plain(&provider), self.args.provider))
            }
        })
    }

    /// From a code to an account.
    async fn finish(&self, callback: Callback, state: OauthState, json: bool) -> Result<()> {
        faults::at(Point::StateUsed);
        let ended = match callback {
            Callback::Agreed { code, .. } => self.redeem(&code, &state).await,
            Callback::Refused { why, .. } => Err(refused(&why)),
        };
        let (consented, missing) = match ended {
            Ok(ended) => ended,
            Err(why) => {
                self.note_failure(&state, &why).await;
                bail!("{why}");
            }
        };
        faults::at(Point::CodeRedeemed);
        let scope = consented.tokens.scope.clone();
        let new = NewIntegration {
            kind: state.kind,
            id: state.integration_id,
            fresh_id: JobId::generate().to_string().to_lowercase(),
            organizer_id: state.organizer_id,
            provider: state.provider,
            provider_user_id: consented.user,
            provider_email: consented.email,
            tokens: consented.tokens,
        };
        let place = CalendarPlace {
            calendar_id: self.args.calendar.clone(),
            time_zone: self.args.time_zone.clone(),
            ..CalendarPlace::default()
        };
        let message = format!("connected, by the consent of its owner at {}", new.provider);
        let Put { account, recovered, status } = put(self.app, &self.store, new, place, message).await?;
        faults::at(Point::AccountConnected);
        let sync = if self.at.syncs { self.sync(&account.id).await } else { None };
        if json {
            answer::json(&json!({
                "status": status, "kind": account.kind, "id": account.id, "recovered_from_episode": recovered,
                "scope": scope, "missing_scopes": missing, "first_sync": sync,
            }));
        } else {
            let then = sync.map_or(String::new(), |job| format!("; its first synchronisation is {job}"));
            answer::line(&format!("{account}: {status}{then}"));
        }
        Ok(())
    }

    async fn redeem(
        &self,
        code: &liaison_jobs::Secret,
        state: &OauthState,
    ) -> Result<(Consented, Vec<String>), String> {
        let verifier = liaison_jobs::Secret::new(&state.verifier);
        let now = Clock::wall().date();
        let brought = self.keeper.redeem(&state.provider, (code, &verifier), &state.redirect_url, now).await;
        let mut consented = brought.map_err(|why| match why {
            NotRedeemed::BadCode { why } => format!("the code is not taken: {why}; begin again, and come back at once"),
            NotRedeemed::Ours { why } => {
                format!("{why}; correct the [[provider]] of {}, and begin again", state.provider)
            }
            NotRedeemed::Later { why } => format!("{why}; the code is lost with that: begin again in a while"),
        })?;
        // Who says nothing has given what was asked for (RFC 6749, 5.1).
        consented.tokens.scope = consented.tokens.scope.or_else(|| Some(state.scope.clone()).filter(|s| !s.is_empty()));
        let missing = missing_scopes(&self.at.scopes, &consented.tokens);
        if !missing.is_empty() && !self.args.allow_missing_scopes {
            return Err(format!(
                "the owner did not consent to {}; begin again and leave nothing out, or add --allow-missing-scopes",
                missing.join(", ")
            ));
        }
        if consented.tokens.refresh_token.is_none() {
            answer::note("the provider gave no refresh token: an account that has none yet ends with this first token");
        }
        Ok((consented, missing))
    }

    /// A calendar is of use once it was read. Whoever cannot ask for that now leaves it to the next tick.
    async fn sync(&self, id: &str) -> Option<String> {
        let queue = crate::tokens::queue(&self.app.config);
        let asked = async {
            let envelope = first_sync(id, &queue.parse().map_err(|why: String| anyhow!(why))?);
            let receipts = self.app.producer().enqueue(&[envelope]).await?;
            match receipts.into_iter().next() {
                Some(Receipt::Queued { id, .. }) => Ok(id),
                Some(Receipt::Duplicate { of, .. }) => Ok(of),
                Some(Receipt::Rejected { reason }) => bail!(reason),
                None => bail!("Redis did not say"),
            }
        };
        let asked: Result<String> = asked.await;
        match asked {
            Ok(job) => Some(job),
            Err(fault) => {
                answer::note(&format!(
                    "it is connected, but its first synchronisation is not asked for: {fault:#}; the next tick does"
                ));
                None
            }
        }
    }

    /// The log keeps that it was tried; that it cannot is no reason to say something else.
    async fn note_failure(&self, state: &OauthState, why: &str) {
        let entry = LogEntry {
            id: JobId::generate().to_string(),
            log_type: "error".to_owned(),
            integration_type: state.kind.as_str().to_owned(),
            integration_id: state.integration_id.clone(),
            organizer_id: Some(state.organizer_id.clone()),
            message: format!("not connected to {}: {why}", state.provider),
            details: Some(json!({"by": operator(), "provider": state.provider}).to_string()),
            success: false,
            created_at: Clock::wall().date(),
            ..LogEntry::default()
        };
        if let Err(fault) = self.store.log(vec![entry]).await {
            answer::note(&format!("the integration log does not know of it: {fault}"));
        }
    }
}

fn refused(why: &str) -> String {
    let why = words::plain(why);
    if why.starts_with("access_denied") {
        format!("the owner did not consent ({why}); begin again when that has changed")
    } else {
        format!("the provider sent the owner back with {why}; look at its client and its scopes, and begin again")
    }
}
