//! What operators see of a queue: how deep, how old, who works, where a job is. Reads only, but for pause and resume.

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
    state::{Priority, State},
};

/// How far back in a band a place is looked for: cheap at any depth.
const PLACES: usize = 10_000;

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
        self.waiting() + self.due_later + self.running + self.departing == 0
    }
}

/// A job that Redis knows.
#[derive(Debug, Clone, Serialize)]
pub struct Whereabouts {
    pub id: JobId,
    pub queue: QueueName,
    pub state: State,
    pub job: Option<String>,
    pub priority: Priority,
    pub enqueued_at: i64,
    /// Its place in its band, from 1, unless it is too far back to be counted cheaply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_since: Option<i64>,
    pub runs: u32,
    pub attempts: u32,
    pub crashes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Inspector(Scripts);

fn count(value: &Value) -> u64 {
    if let Value::Int(n) = value { n.unsigned_abs() } else { 0 }
}

/// The time a stored job was enqueued at: the first 13 digits of what is stored.
fn stamp(stored: &str) -> Option<i64> {
    stored.get(..13)?.parse().ok()
}

/// The queues that ever had a daemon or a producer of ours.
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
        let v = self.0.link.calls("inspect", &pipe).await?;
        let now = redis_time(&v[0]);
        let next_due_at = if let Value::Array(pair) = &v[9] {
            pair.get(1).and_then(text).and_then(|score| score.parse::<f64>().ok())
        } else {
            None
        };
        let oldest = self.oldest(&v[10..13]).await?;
        let workers = cards::all(&self.0).await?;
        Ok(Depths {
            queue: self.0.queue.clone(),
            inbox: count(&v[1]),
            high: count(&v[2]),
            normal: count(&v[3]),
            low: count(&v[4]),
            due_later: count(&v[5]),
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

    /// Where this job is, if Redis knows it.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn find(&self, id: &JobId) -> Result<Option<Whereabouts>, QueueError> {
        let k = &self.0.keys;
        let mut pipe = redis::pipe();
        for key in [&k.jobs, &k.held, &k.tries, &k.verdicts] {
            pipe.cmd("HGET").arg(key).arg(id.as_str());
        }
        for band in Priority::ALL {
            pipe.cmd("ZSCORE").arg(&k.due).arg(format!("{}{id}", band.digit()));
        }
        for band in Priority::ALL {
            pipe.cmd("LPOS").arg(k.ready(*band)).arg(id.as_str()).arg("MAXLEN").arg(PLACES);
        }
        let v = self.0.link.calls("find", &pipe).await?;
        let Some(stored) = text(&v[0]) else { return Ok(None) };
        let numbers: Vec<u32> =
            text(&v[2]).unwrap_or_default().split(' ').filter_map(|number| number.parse().ok()).collect();
        let due_at = v[4..7].iter().filter_map(text).find_map(|score| score.parse::<f64>().ok());
        let holder = text(&v[1]);
        let state = match (&holder, due_at) {
            (Some(_), _) => State::Running,
            (None, Some(_)) => State::Scheduled,
            (None, None) if text(&v[3]).is_some() => State::Departing,
            (None, None) => State::Ready,
        };
        let worker = holder.and_then(|token| token.split_once('/').map(|(worker, _)| worker.to_owned()));
        let running_since = match &worker {
            Some(worker) => cards::all(&self.0)
                .await?
                .iter()
                .filter(|card| card.worker == *worker)
                .flat_map(|card| &card.jobs)
                .find(|job| job.id == id.as_str())
                .map(|job| job.since),
            None => None,
        };
        Ok(Some(Whereabouts {
            id: id.clone(),
            queue: self.0.queue.clone(),
            state,
            job: stored.get(15..).and_then(job_name),
            priority: stored.as_bytes().get(13).and_then(|d| Priority::from_digit(*d)).unwrap_or(Priority::Normal),
            enqueued_at: stamp(&stored).unwrap_or(0),
            place: v[7..10]
                .iter()
                .find_map(|place| if let Value::Int(n) = place { Some(n.unsigned_abs() + 1) } else { None }),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "milliseconds up to the year 9999 are exact in a double"
            )]
            due_at: due_at.map(|at| at as i64),
            worker,
            running_since,
            runs: numbers.first().copied().unwrap_or(0),
            attempts: numbers.get(1).copied().unwrap_or(0),
            crashes: numbers.get(2).copied().unwrap_or(0),
            verdict: text(&v[3]),
        }))
    }

    /// The first jobs in a state, in the order in which they will be taken.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn list(&self, state: State, limit: usize) -> Result<Vec<Whereabouts>, QueueError> {
        let k = &self.0.keys;
        let last = limit.max(1) - 1;
        let mut pipe = redis::pipe();
        match state {
            State::Scheduled => {
                pipe.cmd("ZRANGE").arg(&k.due).arg(0).arg(last);
            }
            State::Ready => {
                for band in Priority::ALL {
                    pipe.cmd("LRANGE").arg(k.ready(*band)).arg(0).arg(last);
                }
            }
            State::Departing => {
                pipe.cmd("LRANGE").arg(&k.departing).arg(0).arg(last);
            }
            State::Running => {
                // Held jobs have no order; so many different ones, or all there are.
                pipe.cmd("HRANDFIELD").arg(&k.held).arg(limit);
            }
            State::Done | State::Dead | State::Expired | State::Cancelled => return Ok(Vec::new()),
        }
        let mut ids = Vec::new();
        for answer in self.0.link.calls("list jobs", &pipe).await? {
            let Value::Array(parts) = answer else { continue };
            // In the due set, the digit of its band stands before the id.
            let skip = usize::from(state == State::Scheduled);
            ids.extend(parts.iter().filter_map(text).filter_map(|member| member.get(skip..).map(str::to_owned)));
        }
        ids.truncate(limit);
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids.iter().filter_map(|id| JobId::parse(id).ok()) {
            // One that moved on between the two looks is left out.
            jobs.extend(self.find(&id).await?);
        }
        Ok(jobs)
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

fn job_name(envelope: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        job: String,
    }
    serde_json::from_str::<Named>(envelope).ok().map(|named| named.job)
}

fn redis_time(value: &Value) -> Millis {
    let part = |at: usize| -> i64 {
        if let Value::Array(parts) = value {
            parts.get(at).and_then(text).and_then(|t| t.parse().ok()).unwrap_or(0)
        } else {
            0
        }
    };
    Millis(part(0) * 1000 + part(1) / 1000)
}
