//! Batches on their way to Redis: while it works on one, the next is judged, and follows at once.

use std::{collections::VecDeque, sync::Arc};

use anyhow::{Context as _, Result};
use liaison_queue::{Producer, QueueError, Receipt, envelope::Limits};
use tokio::{sync::oneshot, task::JoinSet};

use super::lines::{Batch, Line};

/// Two are enough to keep Redis busy.
const MOST: usize = 2;

type Answer = Result<Vec<Receipt>, QueueError>;

pub(super) struct Flight {
    producer: Arc<Producer>,
    limits: Limits,
    tasks: JoinSet<()>,
    /// In the order of their lines, which is the order in which they are answered.
    flying: VecDeque<(Arc<Batch>, oneshot::Receiver<Answer>)>,
    landed: bool,
}

impl Flight {
    pub(super) fn new(producer: Producer, limits: Limits) -> Self {
        let (tasks, flying) = (JoinSet::new(), VecDeque::new());
        Self { producer: Arc::new(producer), limits, tasks, flying, landed: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }

    /// Whether this batch may fly now. The lines of a queue keep their order: only batches that need one call each fly
    /// together, and the first flies alone, because Redis may have to be given the script.
    pub(super) fn has_room_for(&self, batch: &Batch) -> bool {
        let together = || batch.is_one_call() && self.flying.iter().all(|(other, _)| other.is_one_call());
        self.is_empty() || (self.landed && self.flying.len() < MOST && together())
    }

    pub(super) fn start(&mut self, batch: Batch) {
        let (sender, receiver) = oneshot::channel();
        let (batch, producer, limits) = (Arc::new(batch), Arc::clone(&self.producer), self.limits);
        self.flying.push_back((Arc::clone(&batch), receiver));
        self.tasks.spawn(async move {
            // Nobody listens any more after a failure.
            let _ = sender.send(enqueue(&producer, &batch, limits).await);
        });
    }

    /// The answer to the batch that flew first; nothing when none is flying.
    pub(super) async fn land(&mut self) -> Result<Option<(Arc<Batch>, Answer)>> {
        let Some((batch, answer)) = self.flying.pop_front() else { return Ok(None) };
        let answer = answer.await.context("the task that enqueues ended early")?;
        self.landed = true;
        Ok(Some((batch, answer)))
    }

    /// The batches that are still on their way.
    pub(super) fn flying(&self) -> impl Iterator<Item = &Batch> {
        self.flying.iter().map(|(batch, _)| &**batch)
    }
}

/// A receipt for each line, also for those that were too long to be kept.
async fn enqueue(producer: &Producer, batch: &Batch, limits: Limits) -> Answer {
    let envelopes: Vec<&[u8]> = batch.envelopes().collect();
    let mut sent = producer.enqueue(&envelopes).await?.into_iter();
    let most = limits.max_envelope();
    let receipt = |line: &Line| match line.too_long {
        None => sent.next().unwrap_or_else(|| Receipt::Rejected { reason: "Redis gave no answer for it".to_owned() }),
        Some(bytes) => Receipt::Rejected {
            reason: format!(
                "the envelope has {bytes} bytes, {} more than the {most} allowed; send a reference to the data instead",
                bytes - most as u64
            ),
        },
    };
    Ok(batch.lines.iter().map(receipt).collect())
}
