//! Whether a delivery may go now: so that a slow or dead endpoint delays only itself.
//!
//! * An endpoint that answers well has a few calls at once in each process.
//! * One that never took a delivery, or whose last one failed, is unproven: it has one call at a time over all daemons.
//!   Unproven ones hold at most half of this process's slots together, and those that failed at most half of these.
//! * One that failed several times in a row is left alone for a while; then one delivery tries it.
//!
//! Who may not go comes back later, at no cost of an attempt, each in its own moment.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use liaison_queue::{Limit, Permit, clock::Millis, outcome::Failure};
use liaison_store::{Endpoint, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    WebhookSettings,
    places::{Health, Places, Row, Visit},
    store_failure,
};
use crate::kit::Context;

/// When no slot is free for unproven endpoints: the least wait, and over how long those who wait are spread.
const NO_SLOT: Duration = Duration::from_millis(500);
/// Deliveries that park behind an open breaker come back over at most so long.
const MAX_SPREAD: Duration = Duration::from_secs(30);

/// What all deliveries of this process share.
#[derive(Debug)]
pub struct Webhooks {
    pub(super) settings: WebhookSettings,
    places: Arc<Places>,
    unproven: Arc<Semaphore>,
    failing: Arc<Semaphore>,
}

/// The right to call; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    /// The endpoint as it is now.
    pub(super) row: Row,
    _visit: Visit,
    _slots: Vec<OwnedSemaphorePermit>,
    _permits: Vec<Permit>,
}

impl Webhooks {
    /// For a process that runs so many jobs at once.
    #[must_use]
    pub fn new(settings: WebhookSettings, slots: usize) -> Self {
        let semaphore = |part: usize| Arc::new(Semaphore::new((slots / part).max(1)));
        Self { settings, places: Arc::default(), unproven: semaphore(2), failing: semaphore(4) }
    }

    /// An endpoint with what it is sent; of one that answers well it may be a second old.
    pub(super) async fn endpoint(&self, ctx: &Context, id: &str) -> Result<Option<Row>, StoreError> {
        if let Some(row) = self.places.row(id) {
            return Ok(Some(row));
        }
        let Ok(store) = ctx.store() else { return Ok(None) };
        let Some(found) = store.endpoint_with_secrets(id).await? else { return Ok(None) };
        let row = Arc::new(found);
        self.places.keep(&row);
        Ok(Some(row))
    }

    /// How a call ended: known here before it stands in the store.
    pub(super) fn saw(&self, ctx: &Context, endpoint: &Endpoint, well: bool, quiet: Option<Duration>) {
        self.places.saw(endpoint, ctx.now(), well, quiet);
    }

    pub(super) fn forget(&self, id: &str) {
        self.places.forget(id);
    }

    /// Go now, or come back later.
    pub(super) async fn admit(&self, ctx: &Context, row: Row) -> Result<Pass, Failure> {
        let (endpoint, health) = (&row.0, self.places.health(&row.0));
        self.wait_for_breaker(ctx, health)?;
        let most = if health.is_good() { self.settings.per_endpoint } else { 1 };
        let visit = self.places.visit(&endpoint.id, most).map_err(|wait| later(ctx, wait))?;
        let slots = self.slots(ctx, health)?;
        let mut permits = Vec::new();
        let rules = rules(endpoint);
        if !rules.is_empty() {
            permits.push(ctx.limits.pass(&format!("webhook:{}", endpoint.id), &rules).await?);
        }
        if health.is_good() {
            return Ok(Pass { row, _visit: visit, _slots: slots, _permits: permits });
        }
        let key = format!("webhook:{}:probe", endpoint.id);
        permits.push(ctx.limits.pass(&key, &[Limit::concurrent(1)]).await?);
        // Somebody else may have tried it since the row was read.
        let row = self.read_again(ctx, row).await?;
        self.wait_for_breaker(ctx, self.places.health(&row.0))?;
        Ok(Pass { row, _visit: visit, _slots: slots, _permits: permits })
    }

    async fn read_again(&self, ctx: &Context, row: Row) -> Result<Row, Failure> {
        let id = &row.0.id;
        // One that stands for another address has no row.
        if id.starts_with("url_") {
            return Ok(row);
        }
        let found = ctx.store()?.endpoint_with_secrets(id).await.map_err(|fault| store_failure(&fault))?;
        Ok(found.map_or(row, Arc::new))
    }

    /// While the breaker is open, deliveries park; after that, the permit of the probe lets one go.
    fn wait_for_breaker(&self, ctx: &Context, health: Health) -> Result<(), Failure> {
        let Some((wait, last)) = self.settings.parked(health.failures).zip(health.last) else { return Ok(()) };
        // A last attempt that is still to come, by a clock that was put, counts as one of now.
        let since = (ctx.now() - last).to_std().unwrap_or_default();
        match wait.checked_sub(since).filter(|left| !left.is_zero()) {
            None => Ok(()),
            Some(left) => Err(later(ctx, left + spread(ctx, (wait / 4).min(MAX_SPREAD)))),
        }
    }

    fn slots(&self, ctx: &Context, health: Health) -> Result<Vec<OwnedSemaphorePermit>, Failure> {
        let mut wanted = Vec::new();
        if !health.is_good() {
            wanted.push(&self.unproven);
        }
        if health.failures > 0 {
            wanted.push(&self.failing);
        }
        let held = wanted.into_iter().map(|semaphore| Arc::clone(semaphore).try_acquire_owned());
        held.collect::<Result<_, _>>().map_err(|_| later(ctx, NO_SLOT + spread(ctx, NO_SLOT * 2)))
    }
}

/// What the endpoint itself asks for, over all daemons.
fn rules(endpoint: &Endpoint) -> Vec<Limit> {
    let number = |limit: Option<i32>| limit.and_then(|limit| u32::try_from(limit).ok());
    let at_once = number(endpoint.max_concurrent).map(Limit::concurrent);
    at_once.into_iter().chain(number(endpoint.max_per_second).map(Limit::per_second)).collect()
}

fn later(ctx: &Context, wait: Duration) -> Failure {
    // Less than a millisecond from now is now.
    Failure::Snooze { until: Millis::at(ctx.now()).plus(wait.max(Duration::from_millis(1))) }
}

/// A part of this time, another one for each job.
fn spread(ctx: &Context, over: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (ctx.id.as_str(), ctx.now().timestamp_millis()).hash(&mut hasher);
    over * u32::try_from(hasher.finish() % 1000).unwrap_or(0) / 1000
}
