//! `liaison webhooks add`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::{JobId, clock::Clock};
use liaison_store::{Endpoint, EndpointSecrets};

use super::{
    secrets::SecretSource,
    settings::{EndpointSettings, check_url},
};
use crate::{app::App, cli::answer::Usage};

/// It stands in names of lanes and limits.
const MAX_ID: usize = 64;

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct AddArgs {
    /// Whose it is
    #[arg(long, value_name = "ID")]
    organizer: String,
    /// Where it is; the configuration says what may be called
    #[arg(long)]
    url: String,
    /// Its own id [default: a new one]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    settings: EndpointSettings,
    #[command(flatten)]
    secret: SecretSource,
}

pub(super) async fn run(app: &App, args: &AddArgs, json: bool) -> Result<ExitCode> {
    let id = match &args.id {
        Some(id) => check_id(id)?.to_owned(),
        None => JobId::generate().as_str().to_lowercase(),
    };
    check_url(app, &args.url)?;
    let (changes, headers) = (args.settings.changes()?, args.settings.headers()?);
    let now = Clock::wall().date();
    let usual = Endpoint::new(&id, &args.organizer, &args.url, now);
    let endpoint = Endpoint {
        name: changes.name.unwrap_or(usual.name),
        method: changes.method.unwrap_or(usual.method),
        events: changes.events.unwrap_or(usual.events),
        signature: changes.signature.unwrap_or(usual.signature),
        signature_header: changes.signature_header.unwrap_or(usual.signature_header),
        signature_prefix: changes.signature_prefix.unwrap_or(usual.signature_prefix),
        retry_failed: changes.retry_failed.unwrap_or(usual.retry_failed),
        max_retries: changes.max_retries.unwrap_or(usual.max_retries),
        timeout_seconds: changes.timeout_seconds.unwrap_or(usual.timeout_seconds),
        max_concurrent: changes.max_concurrent,
        max_per_second: changes.max_per_second,
        ordered: changes.ordered.unwrap_or(usual.ordered),
        ..usual
    };
    let store = app.store_with_keys().await?;
    let chosen = args.secret.read()?;
    let secrets = EndpointSecrets {
        current: chosen.secret.as_ref().map(|secret| secret.expose().to_owned()),
        old: None,
        headers: headers.unwrap_or_default(),
    };
    if !store.add_endpoint(endpoint.clone(), secrets).await? {
        bail!("there is an endpoint {id} already; `liaison webhooks edit {id}` changes it");
    }
    super::log(&store, &endpoint, "webhook_added", format!("endpoint {id} was added")).await?;
    chosen.show(&id, json);
    Ok(ExitCode::SUCCESS)
}

fn check_id(id: &str) -> Result<&str, Usage> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(is_good) && !id.starts_with("url_") {
        return Ok(id);
    }
    Err(Usage(format!("--id: at most {MAX_ID} letters, digits, _ and -, and not beginning with url_")))
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn an_id_fits_where_it_stands() {
        assert!(check_id("crm-1").is_ok());
        for bad in ["", "a.b", "a:b", "url_1", "ü", &"x".repeat(65)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }
}
