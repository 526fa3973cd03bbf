//! The producer: how our own clients put jobs in, by the scripted door, with an answer for each.
//!
//! If the connection breaks before the answer came, the jobs may or may not have been accepted. An envelope with an id
//! of its own can simply be sent again: same id, one job.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

use crate::{
    clock::Clock,
    envelope::{Envelope, Limits},
    error::QueueError,
    keys,
    link::Link,
    names::{JobId, QueueName},
    scripts::{Answer, MAX_BYTES, MAX_ITEMS, Scripts},
    state::Priority,
};

/// What became of one envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Receipt {
    Queued { id: String, queue: QueueName },
    Duplicate { id: String, queue: QueueName, of: String },
    Rejected { reason: String },
}

/// A dead letter on its way back.
#[derive(Debug)]
pub struct Revival {
    pub id: JobId,
    pub queue: QueueName,
    /// Claims in its earlier life: the count goes on.
    pub runs: u32,
    pub envelope: Vec<u8>,
}

#[derive(Debug)]
pub struct Producer {
    link: Link,
    limits: Limits,
    clock: Clock,
    announced: Mutex<HashSet<QueueName>>,
}

impl Producer {
    #[must_use]
    pub fn new(link: Link, limits: Limits, clock: Clock) -> Self {
        Self { link, limits, clock, announced: Mutex::default() }
    }

    /// Enqueue envelopes, in order, in as few steps as their number and size allow. One receipt each.
    ///
    /// # Errors
    /// When Redis does not answer; what was sent before then stands.
    pub async fn enqueue(&self, envelopes: &[impl AsRef<[u8]>]) -> Result<Vec<Receipt>, QueueError> {
        let mut receipts: Vec<Option<Receipt>> = vec![None; envelopes.len()];
        let mut by_queue: BTreeMap<QueueName, Vec<(usize, JobId)>> = BTreeMap::new();
        for (at, envelope) in envelopes.iter().enumerate() {
            match Envelope::judge(envelope.as_ref(), self.limits) {
                Err(refusal) => receipts[at] = Some(Receipt::Rejected { reason: refusal.0 }),
                Ok(judged) => {
                    let queue = judged.queue.unwrap_or_else(QueueName::default_queue);
                    let id = judged.id.unwrap_or_else(JobId::generate);
                    by_queue.entry(queue).or_default().push((at, id));
                }
            }
        }
        for (queue, items) in by_queue {
            self.announce(&queue).await?;
            let scripts = Scripts::new(self.link.clone(), queue.clone(), self.clock.clone());
            for chunk in chunks(&items, |(at, _)| envelopes[*at].as_ref().len()) {
                let call: Vec<_> = chunk.iter().map(|(at, id)| (id, envelopes[*at].as_ref())).collect();
                let answers = scripts.enqueue(self.limits, &call).await?;
                for ((at, id), answer) in chunk.iter().zip(answers) {
                    let queue = queue.clone();
                    receipts[*at] = Some(match answer {
                        Answer::Queued(id) => Receipt::Queued { id, queue },
                        Answer::Duplicate(of) => Receipt::Duplicate { id: id.to_string(), queue, of },
                        Answer::Rejected(reason) => Receipt::Rejected { reason },
                    });
                }
            }
        }
        Ok(receipts.into_iter().flatten().collect())
    }

    /// Bring dead letters back. For each whether it is queued now; if not, it was alive already.
    ///
    /// # Errors
    /// When Redis does not answer; what was sent before then stands, and can be sent again.
    pub async fn revive(&self, revivals: &[Revival]) -> Result<Vec<bool>, QueueError> {
        let mut queued = vec![false; revivals.len()];
        let mut by_queue: BTreeMap<&QueueName, Vec<(usize, Priority)>> = BTreeMap::new();
        for (at, revival) in revivals.iter().enumerate() {
            // A malformed envelope may come back too: its second life ends like the first unless it was mended.
            let band =
                Envelope::judge(&revival.envelope, self.limits).map_or(Priority::Normal, |judged| judged.priority);
            by_queue.entry(&revival.queue).or_default().push((at, band));
        }
        for (queue, items) in by_queue {
            self.announce(queue).await?;
            let scripts = Scripts::new(self.link.clone(), queue.clone(), self.clock.clone());
            for chunk in chunks(&items, |(at, _)| revivals[*at].envelope.len()) {
                let call: Vec<_> = chunk
                    .iter()
                    .map(|(at, band)| {
                        let revival = &revivals[*at];
                        (&revival.id, *band, revival.runs, revival.envelope.as_slice())
                    })
                    .collect();
                for ((at, _), fresh) in chunk.iter().zip(scripts.revive(&call).await?) {
                    queued[*at] = fresh;
                }
            }
        }
        Ok(queued)
    }

    /// Let operators see a queue that nobody serves yet.
    async fn announce(&self, queue: &QueueName) -> Result<(), QueueError> {
        if self.announced.lock().unwrap_or_else(PoisonError::into_inner).contains(queue) {
            return Ok(());
        }
        self.link.at(keys::QUEUES).call("announce", redis::cmd("SADD").arg(keys::QUEUES).arg(queue.as_str())).await?;
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.clone());
        Ok(())
    }
}

/// Runs of items that fit into one call, by number and by size; one that is too large by itself goes alone.
fn chunks<T>(items: &[T], size: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest
            .iter()
            .take(MAX_ITEMS)
            .take_while(|item| {
                bytes += size(item);
                bytes <= MAX_BYTES
            })
            .count();
        let (chunk, later) = rest.split_at(fits.max(1).min(rest.len()));
        rest = later;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_keep_the_order_and_the_limits() {
        let sizes = vec![MAX_BYTES / 2, MAX_BYTES / 2, 1, MAX_BYTES * 2, 1];
        let parts: Vec<Vec<usize>> = chunks(&sizes, |size| *size).map(<[usize]>::to_vec).collect();
        assert_eq!(parts, [vec![MAX_BYTES / 2, MAX_BYTES / 2], vec![1], vec![MAX_BYTES * 2], vec![1]]);
        assert_eq!(chunks(&vec![1; 2500], |s| *s).map(<[usize]>::len).collect::<Vec<_>>(), [1000, 1000, 500]);
    }
}
