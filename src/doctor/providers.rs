//! Providers: whether each that the configuration names answers. No token is shown to them, so any status will do.

use futures_util::future::join_all;
use liaison_jobs::outbound::{Call, Outbound};

use super::{Check, Finding, LOOK, Severity, unanswered};
use crate::{app::App, config::Provider};

pub(super) async fn look(app: &App) -> Vec<Finding> {
    let providers = &app.config.provider;
    if providers.is_empty() {
        return vec![Finding::ok(Check::Providers, "[[provider]]", "none is configured here")];
    }
    match App::outbound_of(&app.config) {
        Ok(outbound) => join_all(providers.iter().map(|provider| ask(&outbound, provider))).await,
        Err(fault) => vec![unanswered(Check::Providers, "[outbound]", &format!("{fault:#}"))],
    }
}

async fn ask(outbound: &Outbound, provider: &Provider) -> Finding {
    let url = provider.api_url.as_ref().unwrap_or(&provider.token_url);
    let place = &provider.name;
    match outbound.send_trusted(Call::get(url).within(LOOK)).await {
        Ok(answer) => Finding::ok(Check::Providers, place, format!("answers, with status {}", answer.status.as_u16())),
        Err(fault) => {
            let what = format!("does not answer: {fault}");
            let remedy = "see whether it has an outage, and what [outbound] says of the way there; jobs try again";
            Finding::new(Check::Providers, Severity::Warning, place, what, remedy)
        }
    }
}
