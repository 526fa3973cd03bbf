//! The history of ticks, written beside their firing: a store that is slow or away makes no tick late.
//!
//! What was not written when the process dies stands in the entries' slots still, and is written by whoever looks next.

use std::time::Duration;

use liaison_queue::{
    Pulse, chain,
    clock::Millis,
    faults::{self, Point},
    schedule::Slot,
};
use liaison_store::{Store, TickRow};
use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use crate::patience::in_short;

/// The most entries' ticks in one commit.
const GROUP: usize = 256;
/// A store or a Redis that is away is tried again so often.
const AGAIN: Duration = Duration::from_secs(1);

/// Ticks of one entry whose jobs are where they belong.
pub(crate) struct Ended {
    pub(super) slot: Slot,
    pub(super) ticks: Vec<Millis>,
    pub(super) rows: Vec<TickRow>,
}

pub(crate) struct Recording {
    /// Where nothing is recorded, ticks have only to be struck out.
    pub(super) store: Option<Store>,
    pub(super) receiver: mpsc::UnboundedReceiver<Ended>,
    pub(super) pulse: Pulse,
}

impl Recording {
    /// Until all senders are gone and all is written.
    pub(crate) async fn run(mut self) {
        let (mut group, mut recorded) = (Vec::with_capacity(GROUP), Vec::new());
        loop {
            self.pulse.beat();
            // What could not be struck out is tried again beside the rest: no entry waits for another's server.
            let more = tokio::time::timeout(AGAIN, self.receiver.recv_many(&mut group, GROUP)).await;
            self.record(&group).await;
            recorded.append(&mut group);
            faults::at_if(Point::TickRecorded, || !recorded.is_empty());
            let mut left = Vec::new();
            for ended in recorded.drain(..) {
                if let Err(fault) = ended.slot.finish(&ended.ticks).await {
                    debug!(error = chain(&fault), "ticks are struck out later");
                    left.push(ended);
                }
            }
            recorded = left;
            if more == Ok(0) && recorded.is_empty() {
                return;
            }
            if more == Ok(0) {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Write the rows of a group, however long the store takes. A row that it refuses by its own fault is told, and left.
    async fn record(&self, group: &[Ended]) {
        let Some(store) = self.store.as_ref().filter(|_| !group.is_empty()) else { return };
        let mut away = false;
        loop {
            self.pulse.beat();
            match store.keep_ticks(group.iter().flat_map(|ended| ended.rows.iter().cloned()).collect()).await {
                Ok(()) => break,
                Err(fault) if !fault.is_outage() => return one_by_one(store, group).await,
                Err(fault) => {
                    self.pulse.waits_for(in_short(&fault));
                    if !std::mem::replace(&mut away, true) {
                        let error = chain(&fault);
                        warn!(error, "the history of ticks is written later; their jobs are in their queues");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        self.pulse.has_all();
    }
}

async fn one_by_one(store: &Store, group: &[Ended]) {
    for row in group.iter().flat_map(|ended| &ended.rows) {
        if let Err(fault) = store.keep_ticks(vec![row.clone()]).await {
            let entry = &row.entry;
            error!(schedule = entry, error = chain(&fault), "{entry}: the store refuses the row of {}", row.tick_at);
        }
    }
}
