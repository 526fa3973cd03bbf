//! A notice about an endpoint of webhooks.

use liaison_queue::outcome::Failure;
use liaison_store::EndpointState;
use serde_json::{Value, json};

use super::{Found, Notice, NotifyIntegrationDisconnected, Stage, date, plain};
use crate::kit::Context;

pub(super) async fn find(asked: &NotifyIntegrationDisconnected, ctx: &Context) -> Result<Found, Failure> {
    let found = ctx.store()?.endpoint_state(&asked.id).await;
    let Some(endpoint) = found.map_err(|fault| Failure::retry(format!("read the endpoint: {fault}")))? else {
        return Ok(Found::Over("the endpoint is not there any more".to_owned()));
    };
    if let Some(found) = is_over(asked.stage, &endpoint) {
        return Ok(found);
    }
    let template = match asked.stage {
        Stage::Warning => "webhook_warning",
        Stage::Disconnected | Stage::Disabled => "webhook_disabled",
        Stage::Recovered => "webhook_recovered",
    };
    // The path and the query of a webhook are often its secret.
    let url = url::Url::parse(&endpoint.webhook_url).ok();
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("its address").to_owned();
    let data = json!({
        "name": plain(&endpoint.name),
        "host": host,
        "organizer": plain(&endpoint.organizer_id),
        "integration": plain(&asked.id),
        "reason": plain(endpoint.disabled_reason.as_deref().unwrap_or("its deliveries fail")),
        "since": date(endpoint.failing_since.or(endpoint.disabled_at)),
        "failures": endpoint.failures_in_a_row,
        "enable": format!("liaison webhooks enable {}", plain(&asked.id)),
    });
    let Value::Object(data) = data else { return Err(Failure::fatal("an object is an object")) };
    let to = ctx.services.mailer.operator().cloned();
    let notice = Notice { organizer: endpoint.organizer_id, to, template: template.to_owned(), data };
    Ok(Found::Still(Box::new(notice)))
}

/// What has become of it since, if that makes the notice needless.
fn is_over(stage: Stage, endpoint: &EndpointState) -> Option<Found> {
    let is_off = !endpoint.is_active || endpoint.disabled_at.is_some();
    match stage {
        Stage::Warning if endpoint.failing_since.is_none() => Some(Found::TooEarly("it does not fail".to_owned())),
        Stage::Disconnected | Stage::Disabled if !is_off => Some(Found::TooEarly("it is not switched off".to_owned())),
        Stage::Recovered if is_off || endpoint.failing_since.is_some() => {
            Some(Found::TooEarly("it does not work again".to_owned()))
        }
        Stage::Warning | Stage::Disconnected | Stage::Disabled | Stage::Recovered => None,
    }
}
