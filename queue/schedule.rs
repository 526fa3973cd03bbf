//! One entry of the schedule in Redis: up to which tick it is decided, what is left to do, and whether it is paused.
//!
//! A tick is decided in one step, by whichever daemon comes first; all others find it decided. What follows from it (a
//! job to enqueue, a row to write) is kept until it is done, so that a daemon that dies in between is succeeded by
//! another. The keys of an entry share a hash tag of their own; its job may belong to any queue.

use std::{collections::BTreeSet, time::Duration};

use redis::Value;

use crate::{
    clock::{Clock, Millis},
    error::QueueError,
    keys::{self, EntryKeys},
    link::Link,
    names::{EntryName, JobId, QueueName},
    scripts::{schedule, text},
};

/// Ticks whose jobs or rows are not through yet: beyond this nothing more is decided, and ticks are late.
pub const MAX_LEFT: usize = 1_000;
/// How many of them are read at once: each may carry a job of the largest size.
pub const LEFT_AT_ONCE: usize = 16;
/// A last tick that lies farther ahead than this was decided by a clock that was wrong.
pub const CLOCK_MISTAKE: Duration = Duration::from_hours(1);

#[derive(Debug, Clone)]
pub struct Slot {
    link: Link,
    keys: EntryKeys,
    clock: Clock,
}

/// What Redis knows of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Ticks up to this instant are decided; none where no daemon has taken the entry up.
    pub tick: Option<Millis>,
    /// Who paused it, and when, in words.
    pub paused: Option<String>,
    /// The entry's last job.
    pub last: Option<(QueueName, JobId)>,
}

/// What became of a wish to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    Done,
    /// Somebody else has, or the entry is paused.
    Otherwise,
    /// The clock that counts is behind ours.
    Early {
        by: Duration,
    },
    TooMuchLeft,
}

impl Slot {
    #[must_use]
    pub fn new(link: &Link, entry: &EntryName, clock: Clock) -> Self {
        let keys = EntryKeys::of(entry);
        Self { link: link.clone().turned_to(&keys.state), keys, clock }
    }

    /// Take the entry up as the file has it. Returns Redis' time.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn adopt(&self, line: &str, enabled: bool) -> Result<Millis, QueueError> {
        schedule::adopt(&self.link, &self.keys, &self.clock, line, enabled).await
    }

    /// # Errors
    /// When Redis does not answer.
    pub async fn look(&self) -> Result<Known, QueueError> {
        let mut command = redis::cmd("HMGET");
        command.arg(&self.keys.state).arg(&["tick", "paused", "last"]);
        match self.link.call("look at an entry", &command).await? {
            Value::Array(fields) if fields.len() == 3 => Ok(Known {
                tick: text(&fields[0]).and_then(|tick| tick.parse().ok()).map(Millis),
                paused: text(&fields[1]),
                last: text(&fields[2]).as_deref().and_then(job),
            }),
            odd => Err(self.link.odd("look at an entry", &odd)),
        }
    }

    /// Decide all ticks after `from`, up to `to`, and keep what is left to do for each that is named.
    ///
    /// # Errors
    /// When Redis does not answer: then it may or may not be decided, which a look tells.
    pub async fn decide(
        &self,
        (from, to): (Millis, Millis),
        last: Option<(&QueueName, &JobId)>,
        left: &[(Millis, String)],
    ) -> Result<Decided, QueueError> {
        let last = last.map_or_else(String::new, |(queue, id)| format!("{queue} {id}"));
        match schedule::decide(&self.link, &self.keys, &self.clock, (from, to), &last, left).await? {
            (0, _) => Ok(Decided::Otherwise),
            (1, _) => Ok(Decided::Done),
            (2, now) => {
                let by = u64::try_from(to.0 - now.0).unwrap_or(0);
                Ok(Decided::Early { by: Duration::from_millis(by.max(1)) })
            }
            (3, _) => Ok(Decided::TooMuchLeft),
            (odd, _) => Err(self.link.odd("decide", &Value::Int(odd))),
        }
    }

    /// The ticks that are decided, but not done, oldest first.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn left(&self) -> Result<Vec<Millis>, QueueError> {
        let answer = self.link.call("look at what is left", redis::cmd("HKEYS").arg(&self.keys.left)).await?;
        let Value::Array(fields) = &answer else { return Err(self.link.odd("look at what is left", &answer)) };
        let mut left: Vec<_> = fields.iter().filter_map(|field| text(field)?.parse().ok()).map(Millis).collect();
        left.sort_unstable();
        Ok(left)
    }

    /// What is left to do of this tick, if anything is.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn left_of(&self, tick: Millis) -> Result<Option<String>, QueueError> {
        let command = redis::cmd("HGET").arg(&self.keys.left).arg(tick.0).clone();
        Ok(text(&self.link.call("look at what is left", &command).await?))
    }

    /// What is left to do of these ticks, of which [`LEFT_AT_ONCE`] make a bearable answer. Those that are done by now
    /// are left out.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn left_of_all(&self, ticks: &[Millis]) -> Result<Vec<(Millis, String)>, QueueError> {
        let fields: Vec<i64> = ticks.iter().map(|tick| tick.0).collect();
        let command = redis::cmd("HMGET").arg(&self.keys.left).arg(&fields).clone();
        match self.link.call("look at what is left", &command).await? {
            Value::Array(texts) if texts.len() == ticks.len() => {
                Ok(ticks.iter().zip(&texts).filter_map(|(tick, what)| Some((*tick, text(what)?))).collect())
            }
            odd => Err(self.link.odd("look at what is left", &odd)),
        }
    }

    /// These are done.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn finish(&self, ticks: &[Millis]) -> Result<(), QueueError> {
        let ticks: Vec<i64> = ticks.iter().map(|tick| tick.0).collect();
        if ticks.is_empty() {
            return Ok(());
        }
        self.link.call("finish ticks", redis::cmd("HDEL").arg(&self.keys.left).arg(&ticks)).await.map(drop)
    }

    /// Fire no more until it is resumed. False when it was paused already.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn pause(&self, who: &str) -> Result<bool, QueueError> {
        let command = redis::cmd("HSETNX").arg(&self.keys.state).arg("paused").arg(who).clone();
        Ok(self.link.call("pause an entry", &command).await? == Value::Int(1))
    }

    /// Fire again, from now on. The last tick that was decided before the pause; none when it was not paused.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn resume(&self) -> Result<Option<Millis>, QueueError> {
        schedule::resume(&self.link, &self.keys, &self.clock).await
    }
}

/// Let every daemon know that these entries exist, whatever stands in its own file.
///
/// # Errors
/// When Redis does not answer.
pub async fn announce(link: &Link, entries: &BTreeSet<EntryName>) -> Result<(), QueueError> {
    if entries.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = entries.iter().map(EntryName::as_str).collect();
    let command = redis::cmd("SADD").arg(keys::ENTRIES).arg(&names).clone();
    link.at(keys::ENTRIES).call("announce entries", &command).await.map(drop)
}

/// All entries that any daemon ever had in its file.
///
/// # Errors
/// When Redis does not answer.
pub async fn entries(link: &Link) -> Result<Vec<EntryName>, QueueError> {
    let answer = link.at(keys::ENTRIES).call("list entries", redis::cmd("SMEMBERS").arg(keys::ENTRIES)).await?;
    let (Value::Array(names) | Value::Set(names)) = &answer else { return Err(link.odd("list entries", &answer)) };
    Ok(names.iter().filter_map(|name| EntryName::parse(&text(name)?).ok()).collect())
}

fn job(text: &str) -> Option<(QueueName, JobId)> {
    let (queue, id) = text.split_once(' ')?;
    Some((QueueName::parse(queue).ok()?, JobId::parse(id).ok()?))
}
