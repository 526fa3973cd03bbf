//! The producer: how our own clients put jobs in, by the scripted door, with an answer for each.
//!
//! If the connection breaks before the answer came, the jobs may or may not have been accepted. An envelope with an id
//! of its own can simply be sent again: same id, one job.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

use crate::{
    batches::Batches,
    bonds::{Bonds, Conflict},
    clock::Clock,
    envelope::{Envelope, Limits},
    error::QueueError,
    keys,
    link::Link,
    names::{JobId, QueueName},
    scripts::{
        MAX_BYTES, MAX_ITEMS, Scripts,
        waiting::{Objection, Putting},
    },
    shards,
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

impl Receipt {
    fn of(id: &JobId, queue: &QueueName, objection: Option<Objection>) -> Self {
        let (id, queue) = (id.to_string(), queue.clone());
        match objection {
            None => Self::Queued { id, queue },
            Some(Objection::Duplicate(of)) => Self::Duplicate { id, queue, of },
            Some(Objection::Rejected(reason)) => Self::Rejected { reason },
        }
    }
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
    /// The queues that were announced, with how many parts they have.
    announced: Mutex<HashMap<QueueName, u32>>,
}

impl Producer {
    #[must_use]
    pub fn new(link: Link, limits: Limits, clock: Clock) -> Self {
        Self { link, limits, clock, announced: Mutex::default() }
    }

    /// The batches of a queue, as jobs that fan out make them.
    #[must_use]
    pub fn batches(&self, queue: QueueName) -> Batches {
        Batches::new(self.link.clone(), queue)
    }

    /// Enqueue envelopes, in order, in as few steps as their number and size allow. One receipt each.
    ///
    /// # Errors
    /// When Redis does not answer; what was sent before then stands.
    pub async fn enqueue(&self, envelopes: &[impl AsRef<[u8]>]) -> Result<Vec<Receipt>, QueueError> {
        let mut receipts: Vec<Option<Receipt>> = vec![None; envelopes.len()];
        let mut parts = envelopes.chunks(MAX_ITEMS).enumerate().map(|(at, part)| (at * MAX_ITEMS, part));
        let mut judged = parts.next().map(|(first, part)| self.judge(first, part));
        while let Some((said, by_queue)) = judged {
            // The next ones are judged while Redis is at these: neither waits for the other.
            let (sent, next) = tokio::join!(self.send(by_queue, envelopes), async {
                parts.next().map(|(first, part)| self.judge(first, part))
            });
            for (at, receipt) in said.into_iter().chain(sent?) {
                receipts[at] = Some(receipt);
            }
            judged = next;
        }
        Ok(receipts.into_iter().flatten().collect())
    }

    /// Those that are wrong, with what is said to them; and the others, by their queues.
    fn judge(&self, first: usize, envelopes: &[impl AsRef<[u8]>]) -> (Vec<(usize, Receipt)>, ByQueue) {
        let (mut said, mut by_queue): (Vec<_>, ByQueue) = (Vec::new(), BTreeMap::new());
        for (at, envelope) in envelopes.iter().enumerate().map(|(at, envelope)| (first + at, envelope)) {
            match Envelope::judge(envelope.as_ref(), self.limits) {
                Err(refusal) => said.push((at, Receipt::Rejected { reason: refusal.0 })),
                Ok(envelope) => {
                    let queue = envelope.queue.clone().unwrap_or_else(QueueName::default_queue);
                    by_queue.entry(queue).or_default().push(Judged::of(at, &envelope));
                }
            }
        }
        (said, by_queue)
    }

    async fn send(
        &self,
        by_queue: ByQueue,
        envelopes: &[impl AsRef<[u8]>],
    ) -> Result<Vec<(usize, Receipt)>, QueueError> {
        let mut said = Vec::new();
        for (queue, items) in self.by_part(by_queue, &mut said).await? {
            let scripts = Scripts::new(self.link.clone(), queue.clone(), self.clock.clone());
            for chunk in chunks(&items, |item| envelopes[item.at].as_ref().len()) {
                let call: Vec<_> = chunk.iter().map(|item| item.putting(envelopes[item.at].as_ref())).collect();
                let objections = scripts.put(self.limits, &call).await?;
                let receipts = chunk.iter().zip(objections);
                said.extend(receipts.map(|(item, objection)| (item.at, Receipt::of(&item.id, &queue, objection))));
            }
        }
        Ok(said)
    }

    /// Bring dead letters back. One receipt each: a duplicate of its own id was alive already.
    ///
    /// # Errors
    /// When Redis does not answer; what was sent before then stands, and can be sent again.
    pub async fn revive(&self, revivals: &[Revival]) -> Result<Vec<Receipt>, QueueError> {
        let mut receipts: Vec<Option<Receipt>> = vec![None; revivals.len()];
        let mut by_queue: ByQueue = BTreeMap::new();
        for (at, revival) in revivals.iter().enumerate() {
            // A malformed envelope may come back too: its second life ends like the first unless it was mended.
            let mut judged = Envelope::judge(&revival.envelope, self.limits)
                .map_or_else(|_| Judged::unread(at), |envelope| Judged::of_a_revival(at, &envelope));
            (judged.id, judged.given) = (revival.id.clone(), true);
            by_queue.entry(revival.queue.base()).or_default().push(judged);
        }
        let mut said = Vec::new();
        let by_part = self.by_part(by_queue, &mut said).await?;
        for (at, receipt) in said {
            receipts[at] = Some(receipt);
        }
        for (queue, items) in by_part {
            let scripts = Scripts::new(self.link.clone(), queue.clone(), self.clock.clone());
            for chunk in chunks(&items, |item| revivals[item.at].envelope.len()) {
                let call: Vec<_> = chunk.iter().map(|item| item.putting(&revivals[item.at].envelope)).collect();
                let runs: Vec<u32> = chunk.iter().map(|item| revivals[item.at].runs).collect();
                for (item, objection) in chunk.iter().zip(scripts.revive(self.limits, &runs, &call).await?) {
                    receipts[item.at] = Some(Receipt::of(&item.id, &queue, objection));
                }
            }
        }
        Ok(receipts.into_iter().flatten().collect())
    }

    /// Where each job of a queue belongs; those whose ties lead apart are rejected.
    async fn by_part(&self, by_queue: ByQueue, said: &mut Vec<(usize, Receipt)>) -> Result<ByQueue, QueueError> {
        let mut by_part: ByQueue = BTreeMap::new();
        for (queue, items) in by_queue {
            let shards = self.announce(&queue).await?;
            if shards == 1 {
                by_part.insert(queue, items);
                continue;
            }
            for item in items {
                // Where it may be anywhere, neighbours are spread evenly.
                let anywhere = u32::try_from(item.at).unwrap_or(0) % shards;
                match shards::route(&item.ties, item.given.then_some(&item.id), shards) {
                    Ok(number) => by_part.entry(queue.shard(number.unwrap_or(anywhere))).or_default().push(item),
                    Err(refusal) => said.push((item.at, Receipt::Rejected { reason: refusal.0 })),
                }
            }
        }
        Ok(by_part)
    }

    /// Let operators see a queue that nobody serves yet. How many parts it has.
    async fn announce(&self, queue: &QueueName) -> Result<u32, QueueError> {
        if let Some(shards) = self.announced.lock().unwrap_or_else(PoisonError::into_inner).get(queue) {
            return Ok(*shards);
        }
        let announce = redis::cmd("SADD").arg(keys::QUEUES).arg(queue.as_str()).clone();
        self.link.at(keys::QUEUES).call("announce", &announce).await?;
        let shards = shards::count(&self.link, queue).await?;
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.clone(), shards);
        Ok(shards)
    }
}

/// Judged envelopes by their queues, or by the parts of them.
type ByQueue = BTreeMap<QueueName, Vec<Judged>>;

/// A judged envelope, by its position among those that were sent.
struct Judged {
    at: usize,
    id: JobId,
    given: bool,
    band: Priority,
    run_at: i64,
    bonds: String,
    ties: Bonds,
}

impl Judged {
    fn of(at: usize, envelope: &Envelope<'_>) -> Self {
        let (id, given) = (envelope.id.clone().unwrap_or_else(JobId::generate), envelope.id.is_some());
        let run_at = envelope.run_at.map_or(0, |at| at.0);
        let ties = envelope.bonds();
        Self { at, id, given, band: envelope.priority, run_at, bonds: ties.words(), ties }
    }

    /// Its time has come already, and its batch has counted it.
    fn of_a_revival(at: usize, envelope: &Envelope<'_>) -> Self {
        let mut bonds = Bonds { batch: None, expires_at: None, ..envelope.bonds() };
        // What is old never takes the place of what is new.
        if let Some(unique) = &mut bonds.unique {
            unique.on_conflict = Conflict::Reject;
        }
        Self { run_at: 0, bonds: bonds.words(), ties: bonds, ..Self::of(at, envelope) }
    }

    fn unread(at: usize) -> Self {
        Self {
            at,
            id: JobId::generate(),
            given: true,
            band: Priority::Normal,
            run_at: 0,
            bonds: String::new(),
            ties: Bonds::default(),
        }
    }

    fn putting<'a>(&'a self, envelope: &'a [u8]) -> Putting<'a> {
        let Self { id, given, band, run_at, bonds, .. } = self;
        Putting { id, given: *given, band: *band, run_at: *run_at, bonds, envelope }
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
