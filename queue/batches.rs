//! Batches: a set of jobs with one end. When all have left, however they ended, a follow-up sets out with the counts.
//!
//! Open the batch with its follow-up; send its jobs, each with `"batch": ID`; then seal it with how many they are. Each
//! step may be done twice, so whoever opened it and died begins again: jobs with ids of their own are not doubled, and
//! a batch that is over stays over. If the process dies in between, the batch is open and waits; nothing is lost.

use std::{collections::BTreeMap, time::Duration};

use redis::Value;
use serde::Serialize;

use crate::{
    clock::Clock,
    envelope::{Envelope, Limits},
    error::QueueError,
    inspector::Inspector,
    link::Link,
    names::{BatchId, JobId, QueueName},
    scripts::{Scripts, text},
    state::closed_set,
};

/// For so long a batch that has ended cannot be opened again.
pub const ENDED_MEMORY: Duration = Duration::from_hours(7 * 24);

closed_set! {
    /// How a batch stands.
    BatchState { Open => "open", Sealed => "sealed", Over => "over" }
}

/// One batch that is not over.
#[derive(Debug, Clone, Serialize)]
pub struct BatchCard {
    pub batch: BatchId,
    pub queue: QueueName,
    pub state: BatchState,
    pub opened_at: i64,
    /// How many jobs it has, once it is sealed.
    pub size: Option<u64>,
    pub done: u64,
    pub dead: u64,
    pub expired: u64,
    pub cancelled: u64,
    pub replaced: u64,
    /// The id of the job that follows.
    pub follow_up: Option<String>,
}

/// What may be known of a batch.
#[derive(Debug, Clone)]
pub enum BatchFound {
    Living(Box<BatchCard>),
    Over,
    Unknown,
}

/// What a batch that is not over has in Redis: see `lua/parts/batches.lua`.
const FIELDS: [&str; 8] = ["opened", "size", "then", "done", "dead", "expired", "cancelled", "replaced"];

impl BatchCard {
    /// How many jobs of it have left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.done + self.dead + self.expired + self.cancelled + self.replaced
    }
}

/// Why a batch was not opened.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("the follow-up of the batch: {0}")]
    FollowUp(String),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Opens and seals the batches of one queue, where all of their jobs wait.
#[derive(Debug, Clone)]
pub struct Batches(Scripts);

impl Batches {
    #[must_use]
    pub fn new(link: Link, queue: QueueName) -> Self {
        Self(Scripts::new(link, queue, Clock::Redis))
    }

    #[cfg(all(test, feature = "worker"))]
    pub(crate) fn of(scripts: Scripts) -> Self {
        Self(scripts)
    }

    /// Open a batch; `follow_up` is the envelope of the job that comes after it. Opened twice, it is one.
    ///
    /// # Errors
    /// When the envelope is wrong, or Redis does not answer.
    pub async fn open(&self, batch: &BatchId, follow_up: Option<&[u8]>) -> Result<BatchState, BatchError> {
        let follow_up = follow_up.map(|envelope| self.follow_up(batch, envelope)).transpose()?;
        Ok(self.step(batch, None, &follow_up.unwrap_or_default()).await?)
    }

    /// No more jobs come: it has so many, those that were refused not counted.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn seal(&self, batch: &BatchId, size: u64) -> Result<BatchState, BatchError> {
        Ok(self.step(batch, Some(size), b"").await?)
    }

    async fn step(&self, batch: &BatchId, size: Option<u64>, follow_up: &[u8]) -> Result<BatchState, QueueError> {
        let word = self.0.batch(batch, size, follow_up, ENDED_MEMORY).await?;
        Ok(word.parse().unwrap_or(BatchState::Open))
    }

    /// As `lua/batch.lua` takes it. Its id follows from the batch unless it has one, so that it is one job.
    fn follow_up(&self, batch: &BatchId, envelope: &[u8]) -> Result<Vec<u8>, BatchError> {
        let refuse = |why: String| Err(BatchError::FollowUp(why));
        let judged = match Envelope::judge(envelope, Limits::default()) {
            Ok(judged) => judged,
            Err(refusal) => return refuse(refusal.0),
        };
        if judged.queue.as_ref().is_some_and(|queue| *queue != self.0.queue.base()) {
            return refuse(format!("queue: it waits where its batch does, in {}; leave the queue out", self.0.queue));
        }
        for (field, is_there) in [
            ("unique", judged.unique.is_some()),
            ("batch", judged.batch.is_some()),
            ("run_at", judged.run_at.is_some()),
        ] {
            if is_there {
                return refuse(format!("{field}: not for a follow-up, which has to come; leave it out"));
            }
        }
        let id = match &judged.id {
            Some(id) => id.clone(),
            // Not the same after a batch of the same id that is long over: that one is done for ever.
            None => JobId::parse(&format!("{batch}/{}", JobId::generate()))
                .or_else(|_| JobId::parse(batch.as_str()))
                .map_err(BatchError::FollowUp)?,
        };
        let bonds = judged.bonds().words();
        let head = format!("{id} {}{}{bonds}\n", judged.priority.digit(), if bonds.is_empty() { "" } else { " " });
        Ok([head.as_bytes(), envelope].concat())
    }
}

impl Inspector {
    /// The batches of this queue that are not over, in the order in which they were opened.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn batches(&self) -> Result<Vec<BatchCard>, QueueError> {
        let (link, k) = (&self.scripts().link, &self.scripts().keys);
        let mut cards: BTreeMap<String, BatchCard> = BTreeMap::new();
        let mut cursor = "0".to_owned();
        loop {
            let page = link
                .call("list batches", redis::cmd("HSCAN").arg(&k.batches).arg(&cursor).arg("COUNT").arg(1000))
                .await?;
            let Value::Array(page) = page else { break };
            let [next, Value::Array(pairs)] = page.as_slice() else { break };
            for pair in pairs.chunks(2) {
                let [field, value] = pair else { continue };
                if let (Some(field), Some(value)) = (text(field), text(value)) {
                    self.note(&mut cards, &field, &value);
                }
            }
            cursor = text(next).unwrap_or_default();
            if cursor.is_empty() || cursor == "0" {
                break;
            }
        }
        let mut cards: Vec<_> = cards.into_values().collect();
        cards.sort_by_key(|card| card.opened_at);
        Ok(cards)
    }

    /// One batch; over is one that has ended within the last week.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn batch(&self, batch: &BatchId) -> Result<BatchFound, QueueError> {
        let (link, k) = (&self.scripts().link, &self.scripts().keys);
        let fields = FIELDS.map(|what| format!("{batch} {what}"));
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(&k.batches).arg(&fields);
        pipe.cmd("ZSCORE").arg(&k.recent).arg(format!("batch {batch}"));
        let found = link.calls("show a batch", &pipe).await?;
        let mut cards = BTreeMap::new();
        if let Value::Array(values) = &found[0] {
            for (field, value) in fields.iter().zip(values) {
                if let Some(value) = text(value) {
                    self.note(&mut cards, field, &value);
                }
            }
        }
        Ok(match (cards.pop_first(), text(&found[1])) {
            (Some((_, card)), _) => BatchFound::Living(Box::new(card)),
            (None, Some(_)) => BatchFound::Over,
            (None, None) => BatchFound::Unknown,
        })
    }

    fn note(&self, cards: &mut BTreeMap<String, BatchCard>, field: &str, value: &str) {
        let Some((name, what)) = field.rsplit_once(' ') else { return };
        let Ok(batch) = BatchId::parse(name) else { return };
        let card = cards.entry(name.to_owned()).or_insert_with(|| BatchCard {
            batch,
            queue: self.scripts().queue.clone(),
            state: BatchState::Open,
            opened_at: 0,
            size: None,
            done: 0,
            dead: 0,
            expired: 0,
            cancelled: 0,
            replaced: 0,
            follow_up: None,
        });
        let number = || value.parse().unwrap_or(0);
        match what {
            "opened" => card.opened_at = value.parse().unwrap_or(0),
            "size" => (card.size, card.state) = (value.parse().ok(), BatchState::Sealed),
            "then" => card.follow_up = value.split(' ').next().map(str::to_owned),
            "done" => card.done = number(),
            "dead" => card.dead = number(),
            "expired" => card.expired = number(),
            "cancelled" => card.cancelled = number(),
            "replaced" => card.replaced = number(),
            _ => {}
        }
    }
}
