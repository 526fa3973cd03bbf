//! What is left of entries that are not in our file: whoever had them may have died over a tick, and the file may have
//! changed since. A tick that was decided is a promise, whatever the file says today.
//!
//! Every daemon looks, also at entries that another daemon has in its own file: what is left for longer than any daemon
//! needs, anybody may do.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use liaison_queue::{EntryName, QueueError, chain, schedule};
use tracing::debug;

use super::{LOOK, Scheduler, Time, finisher::Finisher, turn::Turn};

/// Nobody waits for these: they were late already when the file was changed.
const EVERY: Duration = Duration::from_secs(30);

pub(super) struct Heir {
    /// The entries of our file.
    ours: BTreeSet<EntryName>,
    others: BTreeMap<EntryName, Finisher>,
}

impl Heir {
    pub(super) fn beside(turns: &[Turn]) -> Self {
        Self { ours: turns.iter().map(|turn| turn.entry.name.clone()).collect(), others: BTreeMap::new() }
    }

    /// Again and again, for as long as our file is the one that we know.
    pub(super) async fn look_after(mut self, all: &Scheduler, time: &Time) {
        loop {
            let wait = match self.round(all, time).await {
                Ok(true) => EVERY,
                Ok(false) => LOOK,
                Err(fault) => {
                    debug!(error = chain(&fault), "what is left of entries that are gone is looked at later");
                    LOOK
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// False when it has to be looked at again soon.
    async fn round(&mut self, all: &Scheduler, time: &Time) -> Result<bool, QueueError> {
        schedule::announce(&all.link, &self.ours).await?;
        for name in schedule::entries(&all.link).await? {
            if !self.ours.contains(&name) {
                let new = || Finisher::new(name.clone(), &all.link, &all.clock);
                self.others.entry(name.clone()).or_insert_with(new);
            }
        }
        let mut all_done = true;
        for finisher in self.others.values_mut() {
            let Some(now) = time.now() else { return Ok(false) };
            // One whose server is away keeps no other.
            all_done &= match finisher.succeed(all, now).await {
                Ok(young) => !young,
                Err(fault) => {
                    let name = &finisher.name;
                    debug!(schedule = %name, error = chain(&fault), "what is left of {name} is looked at later");
                    false
                }
            };
        }
        Ok(all_done)
    }
}
