//! `liaison webhooks edit`.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::clock::Clock;
use liaison_store::EndpointChanges;

use super::settings::{EndpointSettings, check_url};
use crate::app::App;

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct EditArgs {
    /// The id of the endpoint
    id: String,
    /// Where it is
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    settings: EndpointSettings,
}

pub(super) async fn run(app: &App, args: &EditArgs, json: bool) -> Result<ExitCode> {
    if let Some(url) = &args.url {
        check_url(app, url)?;
    }
    let changes = EndpointChanges { webhook_url: args.url.clone(), ..args.settings.changes()? };
    let headers = args.settings.headers()?;
    // Only headers are sealed.
    let store = if headers.is_some() { app.store_with_keys().await? } else { app.store().await? };
    let endpoint = super::find(&store, &args.id).await?;
    let now = Clock::wall().date();
    store.edit_endpoint(&args.id, changes, now).await?;
    if let Some(headers) = headers {
        store.set_endpoint_headers(&args.id, headers, now).await?;
    }
    super::log(&store, &endpoint, "webhook_changed", format!("endpoint {} was changed", args.id)).await?;
    super::list::show(app, &args.id, json).await
}
