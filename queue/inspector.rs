//! What operators see of a queue: how deep, how old, who works. Reads only, but for pause and resume.

pub(crate) mod whereabouts;

use std::time::Duration;

use redis::Value;
use serde::Serialize;

use crate::{
    cards::{self, WorkerCard},
    clock::{Clock, Millis},
    error::QueueError,
    keys,
    link::Link,
    names::{JobId, QueueName},
    scripts::{Scripts, text},
    state::Priority,
};
pub use whereabouts::Whereabouts;

/// A queue at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct Depths {
    pub queue: QueueName,
    /// Lines that no daemon has admitted yet.
    pub inbox: u64,
    pub high: u64,
    pub normal: u64,
    pub low: u64,
    /// Waiting for their time: delays and retries.
    pub due_later: u64,
    /// Waiting for their turn in a lane.
    pub in_lanes: u64,
    /// Waiting to run apart, because they were there when a process died.
    pub suspects: u64,
    pub running: u64,
    /// Judged without a run, waiting to be recorded.
    pub departing: u64,
    pub paused: bool,
    /// The age of the job that has waited longest in any band.
    pub oldest_ms: Option<i64>,
    pub next_due_at: Option<i64>,
    pub workers: u64,
}

impl Depths {
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.inbox + self.high + self.normal + self.low
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting() + self.due_later + self.in_lanes + self.suspects + self.running + self.departing == 0
    }
}

#[derive(Debug, Clone)]
pub struct Inspector(Scripts);

pub(crate) fn count(value: &Value) -> u64 {
    if let Value::Int(n) = value { n.unsigned_abs() } else { 0 }
}

/// The time a stored job was enqueued at: the first 13 digits of what is stored.
fn stamp(stored: &str) -> Option<i64> {
    stored.get(..13)?.parse().ok()
}

/// The queues that ever had a daemon or a producer of ours, part by part.
///
/// # Errors
/// When Redis does not answer.
pub async fn queues(link: &Link) -> Result<Vec<QueueName>, QueueError> {
    let Value::Array(names) =
        link.at(keys::QUEUES).call("list queues", redis::cmd("SMEMBERS").arg(keys::QUEUES)).await?
    else {
        return Ok(Vec::new());
    };
    let mut names: Vec<_> = names.iter().filter_map(text).filter_map(|name| QueueName::parse(&name).ok()).collect();
    names.sort();
    let Value::Array(counts) =
        link.at(keys::SHARDS).call("list queues", redis::cmd("HGETALL").arg(keys::SHARDS)).await?
    else {
        return Ok(names);
    };
    let counts: Vec<_> = counts.iter().filter_map(text).collect();
    for pair in counts.chunks(2) {
        let [name, count] = pair else { continue };
        let Ok(queue) = QueueName::parse(name) else { continue };
        names.extend((1..count.parse().unwrap_or(1)).map(|number| queue.shard(number)));
    }
    names.sort();
    Ok(names)
}

/// What time it is for the queue: the server's clock, which decides what is due.
///
/// # Errors
/// When Redis does not answer.
pub async fn now(link: &Link) -> Result<Millis, QueueError> {
    Ok(redis_time(&link.call("time", &redis::cmd("TIME")).await?))
}

impl Inspector {
    #[must_use]
    pub fn new(link: Link, queue: QueueName) -> Self {
        Self(Scripts::new(link, queue, Clock::Redis))
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.0
    }

    /// # Errors
    /// When Redis does not answer.
    pub async fn depths(&self) -> Result<Depths, QueueError> {
        let k = &self.0.keys;
        let mut pipe = redis::pipe();
        pipe.cmd("TIME").cmd("LLEN").arg(&k.inbox);
        for band in Priority::ALL {
            pipe.cmd("LLEN").arg(k.ready(*band));
        }
        pipe.cmd("ZCARD").arg(&k.due).cmd("HLEN").arg(&k.held).cmd("LLEN").arg(&k.departing);
        pipe.cmd("EXISTS").arg(&k.paused).cmd("ZRANGE").arg(&k.due).arg(0).arg(0).arg("WITHSCORES");
        for band in Priority::ALL {
            pipe.cmd("LINDEX").arg(k.ready(*band)).arg(0);
        }
        pipe.cmd("HLEN").arg(&k.lanes).cmd("LLEN").arg(&k.apart).cmd("LLEN").arg(&k.alone);
        // Entries of the bands that were taken out of them.
        pipe.cmd("HMGET").arg(&k.ghosts).arg(&["0", "1", "2"]);
        // What wakes a sleeper is no job; it comes to an inbox that is empty.
        pipe.cmd("LINDEX").arg(&k.inbox).arg(0);
        pipe.cmd("ZCARD").arg(&k.returning);
        let v = self.0.link.calls("inspect", &pipe).await?;
        let wake_ups = u64::from(text(&v[17]).is_some_and(|line| line.is_empty()));
        let now = redis_time(&v[0]);
        let next_due_at = if let Value::Array(pair) = &v[9] {
            pair.get(1).and_then(text).and_then(|score| score.parse::<f64>().ok())
        } else {
            None
        };
        let oldest = self.oldest(&v[10..13]).await?;
        let workers = cards::all(&self.0).await?;
        let ghosts: Vec<u64> = if let Value::Array(counts) = &v[16] {
            counts.iter().map(|n| text(n).and_then(|n| n.parse().ok()).unwrap_or(0)).collect()
        } else {
            Vec::new()
        };
        let ready = |band: usize| count(&v[2 + band]).saturating_sub(ghosts.get(band).copied().unwrap_or(0));
        Ok(Depths {
            queue: self.0.queue.clone(),
            inbox: count(&v[1]).saturating_sub(wake_ups),
            high: ready(0),
            normal: ready(1),
            low: ready(2),
            due_later: count(&v[5]),
            in_lanes: count(&v[13]) + count(&v[18]),
            suspects: count(&v[14]) + count(&v[15]),
            running: count(&v[6]),
            departing: count(&v[7]),
            paused: count(&v[8]) == 1,
            oldest_ms: oldest.map(|at| (now.0 - at).max(0)),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "milliseconds up to the year 9999 are exact in a double"
            )]
            next_due_at: next_due_at.map(|at| at as i64),
            workers: workers.iter().filter(|card| card.is_alive(now)).count() as u64,
        })
    }

    async fn oldest(&self, heads: &[Value]) -> Result<Option<i64>, QueueError> {
        let ids: Vec<_> = heads.iter().filter_map(text).collect();
        if ids.is_empty() {
            return Ok(None);
        }
        match self.0.link.call("inspect", redis::cmd("HMGET").arg(&self.0.keys.jobs).arg(&ids)).await? {
            Value::Array(stored) => Ok(stored.iter().filter_map(text).filter_map(|s| stamp(&s)).min()),
            _ => Ok(None),
        }
    }

    /// The workers of this queue; the flag says whether they have shown themselves lately.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn workers(&self) -> Result<Vec<(WorkerCard, bool)>, QueueError> {
        let now = now(&self.0.link).await?;
        Ok(cards::all(&self.0)
            .await?
            .into_iter()
            .map(|card| {
                let alive = card.is_alive(now);
                (card, alive)
            })
            .collect())
    }

    /// Stop all claiming from this queue, on every daemon. What runs goes on.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn pause(&self) -> Result<(), QueueError> {
        self.0.link.call("pause", redis::cmd("SET").arg(&self.0.keys.paused).arg(1)).await.map(drop)
    }

    /// # Errors
    /// When Redis does not answer.
    pub async fn resume(&self) -> Result<(), QueueError> {
        let (link, k) = (&self.0.link, &self.0.keys);
        link.call("resume", redis::cmd("DEL").arg(&k.paused)).await?;
        // An empty line wakes whoever sleeps; if this stops half-way, they look by themselves within a second.
        if count(&link.call("resume", redis::cmd("DEL").arg(&k.idle)).await?) == 1 {
            link.call("resume", redis::cmd("RPUSH").arg(&k.inbox).arg("")).await?;
        }
        Ok(())
    }

    /// Wait until the end of a job that was sent with `"reply": true`.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn reply(&self, id: &JobId, patience: Duration) -> Result<Option<String>, QueueError> {
        let mut connection = self.0.link.dedicated(patience).await?;
        let mut command = redis::cmd("BLPOP");
        command.arg(self.0.keys.reply(id)).arg(format!("{:.3}", patience.as_secs_f64().max(0.001)));
        match connection.send_packed_command(&command).await {
            Ok(Value::Array(pair)) => Ok(pair.get(1).and_then(text)),
            Ok(_) => Ok(None),
            Err(source) => Err(QueueError::from_redis(self.0.link.server(), "wait for the reply", source)),
        }
    }
}

pub(crate) fn redis_time(value: &Value) -> Millis {
    let part = |at: usize| -> i64 {
        if let Value::Array(parts) = value {
            parts.get(at).and_then(text).and_then(|t| t.parse().ok()).unwrap_or(0)
        } else {
            0
        }
    };
    Millis(part(0) * 1000 + part(1) / 1000)
}
