//! `liaison webhooks`: endpoints, what is delivered to them, and what is not.

mod add;
mod deliveries;
mod edit;
mod list;
mod replay;
mod secrets;
mod settings;
mod switch;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_jobs::events::EVENTS;
use liaison_store::{Endpoint, LogEntry, Store};

use super::{Global, answer, block_on};

#[derive(clap::Subcommand)]
pub(crate) enum WebhooksCommand {
    /// Add an endpoint; its secret is shown once, and never again
    Add(Box<add::AddArgs>),
    /// All endpoints, and how they answer
    List(list::ListArgs),
    /// One endpoint; exit code 1 if there is none
    Show {
        /// The id of the endpoint
        id: String,
    },
    /// Change an endpoint
    Edit(Box<edit::EditArgs>),
    /// Send an event to an endpoint now, and wait for what it answers
    Test(test::TestArgs),
    /// Give an endpoint another secret; the old one signs as well for a while
    RotateSecret(secrets::RotateArgs),
    /// What was sent, newest first, and how it stands
    Deliveries(deliveries::ListArgs),
    /// One delivery with all its attempts; exit code 1 if there is none
    Delivery {
        /// The id of the delivery
        id: String,
    },
    /// Send deliveries again, under their ids and with the same bytes
    Replay(replay::ReplayArgs),
    /// Send to an endpoint again, whyever it was disabled
    Enable {
        /// The id of the endpoint
        id: String,
    },
    /// Send nothing to an endpoint any more
    Disable {
        /// The id of the endpoint
        id: String,
        #[command(flatten)]
        because: super::typed::Because,
    },
    /// The events that there are
    Events,
}

pub(crate) fn run(global: &Global, command: &WebhooksCommand) -> Result<ExitCode> {
    let json = global.json;
    if let WebhooksCommand::Events = command {
        events(json);
        return Ok(ExitCode::SUCCESS);
    }
    let app = global.app()?;
    block_on(async {
        match command {
            WebhooksCommand::Add(args) => add::run(&app, args, json).await,
            WebhooksCommand::List(args) => list::run(&app, args, json).await,
            WebhooksCommand::Show { id } => list::show(&app, id, json).await,
            WebhooksCommand::Edit(args) => edit::run(&app, args, json).await,
            WebhooksCommand::Test(args) => test::run(&app, args, json).await,
            WebhooksCommand::RotateSecret(args) => secrets::run(&app, args, json).await,
            WebhooksCommand::Deliveries(args) => deliveries::run(&app, args, json).await,
            WebhooksCommand::Delivery { id } => deliveries::show(&app, id, json).await,
            WebhooksCommand::Replay(args) => replay::run(&app, args, json).await,
            WebhooksCommand::Enable { id } => switch::enable(&app, id, json).await,
            WebhooksCommand::Disable { id, because } => switch::disable(&app, id, because, json).await,
            WebhooksCommand::Events => Ok(ExitCode::SUCCESS),
        }
    })
}

fn events(json: bool) {
    if json {
        return answer::json(&EVENTS);
    }
    let row = |event: &liaison_jobs::events::Event| vec![event.name.to_owned(), event.about.to_owned()];
    answer::table(&["EVENT", "WHEN"], &EVENTS.iter().map(row).collect::<Vec<_>>());
    answer::note("A host may send others; an endpoint gets them with custom_events, with * or by their names.");
}

/// The endpoint of this id, which must be there.
async fn find(store: &Store, id: &str) -> Result<Endpoint> {
    let Some(endpoint) = store.endpoint(id).await? else {
        bail!("there is no endpoint {id}; `liaison webhooks list` shows those that there are");
    };
    Ok(endpoint)
}

/// A line in the integration log about what an operator did.
async fn log(store: &Store, endpoint: &Endpoint, log_type: &str, message: String) -> Result<()> {
    let entry = LogEntry {
        id: liaison_queue::JobId::generate().to_string(),
        log_type: log_type.to_owned(),
        integration_type: "webhook".to_owned(),
        integration_id: Some(endpoint.id.clone()),
        organizer_id: Some(endpoint.organizer_id.clone()),
        message,
        success: true,
        created_at: liaison_queue::clock::Clock::wall().date(),
        ..LogEntry::default()
    };
    Ok(store.log(vec![entry]).await?)
}
