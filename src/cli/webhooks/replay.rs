//! `liaison webhooks replay`: deliveries again, under their ids, so that receivers can tell them from new ones.
//!
//! One job for each, under a unique key: a delivery that is being replayed is not replayed twice. Who stops half-way has
//! asked for some of them, and can ask for all again.

use std::{collections::HashMap, process::ExitCode};

use anyhow::Result;
use liaison_jobs::webhooks::lane;
use liaison_queue::{QueueName, Receipt};
use liaison_store::{Delivery, DeliveryFilter, DeliveryStatus, Store};
use serde_json::{Value, json};

use super::deliveries::Which;
use crate::{
    app::App,
    cli::{answer, answer::Usage, typed, words},
};

const PAGE: u32 = 500;
const MAX: u32 = 1_000_000;

#[derive(clap::Args)]
pub(crate) struct ReplayArgs {
    /// The ids of deliveries; or say which with the flags below
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// At most so many, newest first: 1 to 1000000
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX)))]
    limit: u32,
    /// By the workers of which queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Only say how many
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl ReplayArgs {
    /// Without a status: what failed or was skipped. What was delivered is sent again only when somebody says so.
    fn filter(&self, limit: u32) -> DeliveryFilter {
        let mut filter = self.which.filter(limit);
        if filter.statuses.is_empty() {
            filter.statuses = vec![DeliveryStatus::Failed, DeliveryStatus::Skipped];
        }
        filter
    }

    fn filters(&self) -> bool {
        let Which { endpoint, organizer, event, booking, status, failed, since } = &self.which;
        let named = [endpoint, organizer, event, booking].into_iter().any(Option::is_some);
        named || !status.is_empty() || *failed || since.is_some()
    }
}

pub(super) async fn run(app: &App, args: &ReplayArgs, json: bool) -> Result<ExitCode> {
    if args.ids.is_empty() != args.filters() {
        let text = "name deliveries by their ids, or by flags such as --endpoint and --failed, and not both";
        return Err(Usage(text.to_owned()).into());
    }
    let queue = args.queue.as_deref().map(typed::name::<QueueName>).transpose()?;
    let store = app.store().await?;
    let mut replayer = Replayer { app, store, queue, ordered: HashMap::new(), counts: [0; 3] };
    if args.ids.is_empty() {
        let count = replayer.store.count_deliveries(args.filter(1)).await?.min(args.limit.into());
        if args.dry_run {
            say(json, &json!({"would_replay": count}), &format!("{} would be sent again", words::of_deliveries(count)));
            return Ok(ExitCode::SUCCESS);
        }
        if count == 0 {
            say(json, &json!({"replayed": 0}), "no deliveries");
            return Ok(ExitCode::SUCCESS);
        }
        if !args.yes && !answer::confirm(&format!("Send {} again?", words::of_deliveries(count)))? {
            answer::summary("nothing done", json);
            return Ok(ExitCode::SUCCESS);
        }
        replayer.filtered(args).await?;
    } else {
        replayer.named(&args.ids, args.dry_run).await?;
    }
    let [sent, running, refused] = replayer.counts;
    let text = format!("{sent} queued again, {running} were on their way already, {refused} left as they were");
    say(json, &json!({"replayed": sent, "running": running, "refused": refused}), &text);
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(as_json: bool, value: &Value, text: &str) {
    if as_json { answer::json(value) } else { answer::line(text) }
}

struct Replayer<'a> {
    app: &'a App,
    store: Store,
    queue: Option<QueueName>,
    /// Of endpoints, whether they keep an order.
    ordered: HashMap<String, bool>,
    /// Queued, on their way already, refused.
    counts: [u64; 3],
}

impl Replayer<'_> {
    async fn filtered(&mut self, args: &ReplayArgs) -> Result<()> {
        let (mut left, mut before) = (args.limit, None);
        while left > 0 {
            let filter = DeliveryFilter { before, ..args.filter(PAGE.min(left)) };
            let page = self.store.deliveries(filter).await?;
            let Some(last) = page.last() else { return Ok(()) };
            before = Some((last.created_at, last.id.clone()));
            left -= u32::try_from(page.len()).unwrap_or(left);
            self.send(&page).await?;
        }
        Ok(())
    }

    async fn named(&mut self, ids: &[String], dry_run: bool) -> Result<()> {
        let mut found = Vec::new();
        for id in ids {
            let delivery = self.store.delivery(id).await?;
            if delivery.is_none() {
                self.counts[2] += 1;
                answer::note(&format!("there is no delivery {id}"));
            }
            found.extend(delivery);
        }
        if dry_run { Ok(()) } else { self.send(&found).await }
    }

    async fn send(&mut self, deliveries: &[Delivery]) -> Result<()> {
        let mut envelopes = Vec::new();
        for delivery in deliveries {
            let ordered = self.is_ordered(&delivery.endpoint_id).await?;
            let mut envelope = json!({"job": "send_webhook", "args": {"delivery": delivery.id}});
            if ordered {
                envelope["lane"] = lane(&delivery.endpoint_id, delivery.subject.as_deref()).into();
            } else {
                // Not both: two ties may lead to different parts of a queue, and a lane keeps two replays apart.
                envelope["unique"] = json!({"key": format!("replay:{}", delivery.id)});
            }
            if let Some(queue) = &self.queue {
                envelope["queue"] = queue.as_str().into();
            }
            envelopes.push(envelope.to_string());
        }
        let receipts = self.app.producer().enqueue(&envelopes).await?;
        for (receipt, delivery) in receipts.into_iter().zip(deliveries) {
            let at = match receipt {
                Receipt::Queued { .. } => 0,
                Receipt::Duplicate { .. } => 1,
                Receipt::Rejected { reason } => {
                    answer::note(&format!("{}: {reason}", delivery.id));
                    2
                }
            };
            self.counts[at] += 1;
        }
        Ok(())
    }

    async fn is_ordered(&mut self, endpoint: &str) -> Result<bool> {
        if let Some(known) = self.ordered.get(endpoint) {
            return Ok(*known);
        }
        let ordered = self.store.endpoint(endpoint).await?.is_some_and(|endpoint| endpoint.ordered);
        self.ordered.insert(endpoint.to_owned(), ordered);
        Ok(ordered)
    }
}
