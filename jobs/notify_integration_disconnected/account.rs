//! A notice about an account at a provider: a calendar, or a video conference.

use std::cmp::Ordering;

use liaison_queue::outcome::Failure;
use liaison_store::{CalendarSync, Integration, IntegrationKind};
use serde_json::{Map, Value, json};

use super::{Found, Kind, Notice, NotifyIntegrationDisconnected, Stage, date, plain};
use crate::kit::Context;

/// Providers by the names that people know.
const NAMES: &[(&str, &str)] = &[
    ("google", "Google Calendar"),
    ("outlook", "Outlook"),
    ("microsoft", "Microsoft"),
    ("apple", "Apple Calendar"),
    ("zoom", "Zoom"),
    ("google_meet", "Google Meet"),
    ("microsoft_teams", "Microsoft Teams"),
    ("webex", "Webex"),
];

async fn read(
    asked: &NotifyIntegrationDisconnected,
    kind: IntegrationKind,
    ctx: &Context,
) -> Result<Option<Integration>, Failure> {
    let found = ctx.store()?.integration(kind, &asked.id).await;
    found.map_err(|fault| Failure::retry(format!("read the integration: {fault}")))
}

/// Whom the account belongs to.
pub(super) async fn organizer(asked: &NotifyIntegrationDisconnected, ctx: &Context) -> Result<Option<String>, Failure> {
    let kind = if asked.kind == Kind::Video { IntegrationKind::Video } else { IntegrationKind::Calendar };
    Ok(read(asked, kind, ctx).await?.map(|account| account.organizer_id))
}

pub(super) async fn find(
    asked: &NotifyIntegrationDisconnected,
    kind: IntegrationKind,
    ctx: &Context,
) -> Result<Found, Failure> {
    let Some(account) = read(asked, kind, ctx).await? else {
        return Ok(Found::Over("the integration is not there any more".to_owned()));
    };
    let sync = match (asked.stage, kind) {
        (Stage::Disabled, IntegrationKind::Calendar) => read_sync(asked, ctx).await?,
        _ => None,
    };
    if let Some(found) = is_over(asked, &account, sync.as_ref()) {
        return Ok(found);
    }
    let provider = name_of(&account.provider);
    let link = ctx.services.mailer.reconnect_url(&account.provider, &account.organizer_id, &account.id);
    let reconnect = match link {
        Some(link) => format!("open {link} and connect it again."),
        None => format!("open the settings of your integrations, and connect {provider} again."),
    };
    let reason = match asked.stage {
        Stage::Warning => account.refresh_error.as_deref(),
        Stage::Disabled if sync.is_some() => sync.as_ref().and_then(|sync| sync.sync_error.as_deref()),
        Stage::Disconnected | Stage::Disabled | Stage::Recovered => {
            account.disconnected_reason.as_deref().or(account.refresh_error.as_deref())
        }
    };
    let shown = account.provider_email.clone().or(account.provider_user_id.clone()).unwrap_or(account.id.clone());
    let data = json!({
        "provider": plain(&provider),
        "account": plain(&shown),
        "organizer": plain(&account.organizer_id),
        "integration": plain(&account.id),
        "reason": plain(reason.unwrap_or("the provider takes our permission no more")),
        "since": date(account.disconnected_at.or(Some(account.updated_at))),
        "reconnect": reconnect,
    });
    let Value::Object(data) = data else { return Err(Failure::fatal("an object is an object")) };
    Ok(Found::Still(Box::new(notice(asked.stage, account, data))))
}

fn notice(stage: Stage, account: Integration, data: Map<String, Value>) -> Notice {
    let to = account.provider_email.as_deref().and_then(|address| address.parse().ok());
    Notice { organizer: account.organizer_id, to, template: format!("integration_{}", stage.as_str()), data }
}

/// How far a calendar is, if it is still switched on: then it is its synchronisation that was disabled.
async fn read_sync(asked: &NotifyIntegrationDisconnected, ctx: &Context) -> Result<Option<CalendarSync>, Failure> {
    let found = ctx.store()?.calendar_sync(&asked.id).await;
    let found = found.map_err(|fault| Failure::retry(format!("read the calendar: {fault}")))?;
    Ok(found.filter(|calendar| calendar.is_active))
}

/// What has become of it since, if that makes the notice needless.
fn is_over(asked: &NotifyIntegrationDisconnected, account: &Integration, sync: Option<&CalendarSync>) -> Option<Found> {
    let counted = i64::from(account.disconnects);
    let episode = i64::from(asked.episode);
    if let Some(sync) = sync {
        return match i64::from(sync.disables).cmp(&episode) {
            Ordering::Less => Some(Found::TooEarly("its synchronisation has not been disabled so often".to_owned())),
            Ordering::Greater => Some(Found::Over("that episode is over".to_owned())),
            Ordering::Equal if sync.sync_enabled => Some(Found::Over("it was enabled again meanwhile".to_owned())),
            Ordering::Equal => None,
        };
    }
    match asked.stage {
        Stage::Disconnected if counted > episode => Some(Found::Over("that episode is over".to_owned())),
        Stage::Disconnected if counted < episode => {
            Some(Found::TooEarly("the integration has not been disconnected so often".to_owned()))
        }
        Stage::Disconnected if account.disconnected_at.is_none() => {
            Some(Found::Over("it was connected again meanwhile".to_owned()))
        }
        Stage::Recovered if counted > episode => Some(Found::Over("it was disconnected anew meanwhile".to_owned())),
        Stage::Recovered if account.disconnected_at.is_some() => {
            Some(Found::TooEarly("it is not connected again".to_owned()))
        }
        Stage::Disabled if account.is_active => Some(Found::TooEarly("it is not switched off".to_owned())),
        Stage::Disconnected | Stage::Recovered | Stage::Disabled | Stage::Warning => None,
    }
}

fn name_of(provider: &str) -> String {
    NAMES
        .iter()
        .find(|(known, _)| *known == provider)
        .map_or_else(|| provider.to_owned(), |(_, name)| (*name).to_owned())
}
