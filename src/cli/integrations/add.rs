//! `liaison integrations add`: an account and its tokens, which are read and never typed.

use std::{
    fs::File,
    io::{Read, stdin},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::{JobId, clock::Clock};
use liaison_store::{AccountId, Added, CalendarPlace, IntegrationKind, LogEntry, NewIntegration, Store, Tokens};
use serde_json::{Value, json};

use super::kinds;
use crate::{
    app::App,
    cli::{
        answer::{self, Usage},
        typed, words,
    },
    config::environment::operator,
};

/// Far above what any provider gives.
const MAX_TOKENS: u64 = 64 * 1024;
/// What fits into every key and id that is made of it.
const MAX_ID: usize = 64;

#[derive(clap::Args)]
pub(crate) struct AddArgs {
    /// What it is for
    #[arg(value_parser = kinds())]
    kind: IntegrationKind,
    /// Whose it is
    #[arg(long, value_name = "ID")]
    organizer: String,
    /// Where it is: google, outlook, zoom, webex, or another that the configuration names
    #[arg(long, value_name = "NAME")]
    provider: String,
    /// What it is called here [default: that of the same user there, else a new one]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Who its owner is at the provider
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The address that the provider has of its owner
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Which of its calendars [default: its main one]
    #[arg(long, value_name = "ID")]
    calendar: Option<String>,
    /// Where the calendar is, if there are many such servers: an address
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// In which zone the days of the calendar are days, if the provider does not say: an IANA name
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    time_zone: Option<String>,
    /// A file with the answer of the token endpoint, in JSON [default: standard input]
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
}

impl AddArgs {
    /// Read the tokens. What is wrong with them is said without them.
    pub(super) fn tokens(&self) -> Result<Tokens> {
        let mut text = String::new();
        let read = match &self.tokens {
            Some(path) => {
                let shown = path.display();
                let file =
                    File::open(path).map_err(|fault| Usage(format!("--tokens: cannot read {shown}: {fault}")))?;
                file.take(MAX_TOKENS + 1).read_to_string(&mut text)
            }
            None => stdin().take(MAX_TOKENS + 1).read_to_string(&mut text),
        };
        read.map_err(|fault| Usage(format!("the tokens cannot be read: {fault}")))?;
        if text.len() as u64 > MAX_TOKENS {
            bail!(Usage(format!("the tokens are larger than {MAX_TOKENS} bytes")));
        }
        Ok(parse(&text, Clock::wall().date()).map_err(Usage)?)
    }
}

pub(super) fn zone(text: &str) -> Result<String, String> {
    let zone = text.parse::<chrono_tz::Tz>();
    zone.map(|zone| zone.name().to_owned()).map_err(|_| "no such zone; write an IANA name, as Europe/Berlin".to_owned())
}

/// What a token endpoint answers, or what a host kept of it.
fn parse(text: &str, now: DateTime<Utc>) -> Result<Tokens, String> {
    let remedy = r#"write the answer of the token endpoint: {"access_token": …, "refresh_token": …, "expires_in": …}"#;
    let parsed: Value = serde_json::from_str(text.trim()).map_err(|_| format!("the tokens are no JSON; {remedy}"))?;
    let text = |name: &str| match &parsed[name] {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(format!("{name} is no string; {remedy}")),
    };
    let access_token = text("access_token")?.ok_or_else(|| format!("access_token is missing; {remedy}"))?;
    let expires_at = match (&parsed["expires_at"], &parsed["expires_in"]) {
        (Value::Null, Value::Null) => None,
        (Value::Null, life) => {
            let seconds = life.as_u64().or_else(|| life.as_str()?.trim().parse().ok());
            let seconds = seconds.ok_or("expires_in is no number of seconds; write 3600, or leave it out")?;
            let life = TimeDelta::from_std(Duration::from_secs(seconds)).ok();
            life.and_then(|life| now.checked_add_signed(life))
        }
        (at, _) => {
            let seconds = || at.as_i64().and_then(|at| DateTime::from_timestamp(at, 0));
            let date = || at.as_str().and_then(|at| typed::instant(at).ok()).map(liaison_queue::clock::Millis::date);
            let wrong = "expires_at is no time; write RFC 3339, such as 2030-01-31T08:00:00Z, or seconds since 1970";
            Some(seconds().or_else(date).ok_or(wrong)?)
        }
    };
    Ok(Tokens { access_token, refresh_token: text("refresh_token")?, expires_at, scope: text("scope")? })
}

pub(super) async fn run(app: &App, args: &AddArgs, tokens: Tokens, json: bool) -> Result<ExitCode> {
    if let Some(id) = &args.id {
        check(id)?;
    }
    let place = CalendarPlace {
        calendar_id: args.calendar.clone(),
        server_url: args.server.clone(),
        time_zone: args.time_zone.clone(),
    };
    if args.kind == IntegrationKind::Video && place != CalendarPlace::default() {
        bail!(Usage("--calendar, --server and --time-zone: only for a calendar".to_owned()));
    }
    let store = app.store_with_keys().await?;
    let known = crate::tokens::is_known(&app.config, &args.provider);
    if !known && tokens.refresh_token.is_some() {
        answer::note(&format!(
            "no [[provider]] in the configuration refreshes tokens of {}: they end when they end",
            words::plain(&args.provider)
        ));
    }
    let new = NewIntegration {
        kind: args.kind,
        id: args.id.clone(),
        fresh_id: JobId::generate().to_string().to_lowercase(),
        organizer_id: args.organizer.clone(),
        provider: args.provider.clone(),
        provider_user_id: args.user.clone(),
        provider_email: args.email.clone(),
        tokens,
    };
    let message = format!("connected, with tokens of {}", args.provider);
    let Put { account, recovered, status } = put(app, &store, new, place, message).await?;
    if json {
        answer::json(&json!({
            "status": status, "kind": account.kind, "id": account.id, "recovered_from_episode": recovered,
        }));
    } else {
        answer::line(&format!("{account}: {status}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What became of an account.
pub(super) struct Put {
    pub(super) account: AccountId,
    /// The episode of being disconnected that this has ended.
    pub(super) recovered: Option<i32>,
    pub(super) status: &'static str,
}

/// Put an account and its tokens into the store, with this message in the log; its owner hears of it, if need be.
pub(super) async fn put(
    app: &App,
    store: &Store,
    new: NewIntegration,
    place: CalendarPlace,
    message: String,
) -> Result<Put> {
    let now = Clock::wall().date();
    let entry = LogEntry {
        id: JobId::generate().to_string(),
        log_type: "connected".to_owned(),
        integration_type: new.kind.as_str().to_owned(),
        organizer_id: Some(new.organizer_id.clone()),
        message,
        details: Some(json!({"by": operator(), "provider": new.provider}).to_string()),
        success: true,
        created_at: now,
        ..LogEntry::default()
    };
    let (account, recovered, status) = match store.add_integration(new, now, entry.into()).await? {
        Added::New(account) => (account, None, "added"),
        Added::Renewed { account, recovered } => (account, recovered, "renewed"),
        Added::Taken { account, organizer_id, provider } => {
            bail!("{account} belongs to organizer {organizer_id} at {provider}; choose another --id, or leave it out")
        }
    };
    if place != CalendarPlace::default() {
        store.place_calendar(&account.id, place, now).await?;
    }
    if let Some(episode) = recovered {
        tell(app, &account, episode).await;
    }
    Ok(Put { account, recovered, status })
}

/// Its owner was told that it is disconnected, and hears that it is no more.
async fn tell(app: &App, account: &AccountId, episode: i32) {
    let notice = liaison_jobs::tokens::notice(account, episode, "recovered", &crate::tokens::queue(&app.config));
    if let Err(fault) = app.producer().enqueue(&[notice]).await {
        answer::note(&format!("its tokens are stored, but its owner is not told that it is well again: {fault}"));
    }
}

pub(super) fn check(id: &str) -> Result<(), Usage> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(is_good) {
        return Ok(());
    }
    Err(Usage(format!("--id: empty, longer than {MAX_ID} bytes, or with other than letters, digits and _ . -")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn the_answer_of_a_token_endpoint_is_read_in_every_shape() {
        let life = |rest: &str| parse(&format!(r#"{{"access_token": "a", {rest}}}"#), at(0)).unwrap().expires_at;
        assert_eq!(life(r#""expires_in": 3599"#), Some(at(3599)));
        assert_eq!(life(r#""expires_in": "3599""#), Some(at(3599)));
        assert_eq!(life(r#""expires_at": 1795000007"#), Some(at(7)));
        assert_eq!(life(r#""expires_at": "2026-11-18T03:06:47Z""#), DateTime::from_timestamp(1_794_971_207, 0));
        assert_eq!(life(r#""scope": "a b""#), None);
        let bare = parse(r#"{"access_token": "a", "refresh_token": "", "token_type": "bearer"}"#, at(0)).unwrap();
        assert_eq!((bare.access_token.as_str(), bare.refresh_token), ("a", None));
    }

    #[test]
    fn what_is_wrong_with_tokens_is_said_without_them() {
        for (text, said) in [
            ("hunter2", "no JSON"),
            (r#"{"refresh_token": "hunter2"}"#, "access_token is missing"),
            (r#"{"access_token": ["hunter2"]}"#, "access_token is no string"),
            (r#"{"access_token": "hunter2", "expires_in": "hunter2"}"#, "expires_in is no number"),
        ] {
            let wrong = parse(text, at(0)).unwrap_err();
            assert!(wrong.contains(said) && !wrong.contains("hunter2"), "{wrong}");
        }
    }
}
