//! The history of ticks, written beside their firing: a store that is slow or away makes no tick late.
//!
//! What was not written when the process dies stands in the entries' slots still, and is written by whoever looks next.

use std::time::Duration;

use liaison_queue::{
    chain,
    clock::Millis,
    faults::{self, Point},
    schedule::Slot,
};
use liaison_store::{Store, TickRow};
use tokio::sync::mpsc;
use tracing::{debug, warn};

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
}

impl Recording {
    /// Until all senders are gone and all is written.
    pub(crate) async fn run(mut self) {
        let (mut group, mut away) = (Vec::with_capacity(GROUP), false);
        while self.receiver.recv_many(&mut group, GROUP).await > 0 {
            while let Some(store) = &self.store
                && let rows = group.iter().flat_map(|ended: &Ended| ended.rows.iter().cloned()).collect()
                && let Err(fault) = store.keep_ticks(rows).await
            {
                if !std::mem::replace(&mut away, true) {
                    warn!(
                        error = chain(&fault),
                        "the history of ticks is written later; their jobs are in their queues"
                    );
                }
                tokio::time::sleep(AGAIN).await;
            }
            away = false;
            faults::at(Point::TickRecorded);
            for ended in group.drain(..) {
                while let Err(fault) = ended.slot.finish(&ended.ticks).await {
                    debug!(error = chain(&fault), "ticks are struck out later");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}
