//! The plain door: lines of the inbox become jobs.
//!
//! Look, judge, admit: the lines stay in the inbox until the step that admits them, so a process that dies in between
//! leaves everything as it was. Only whoever looked last may admit.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    envelope::{Envelope, Limits},
    error::QueueError,
    keys,
    link::Link,
    names::{JobId, QueueName},
    outcome::{RunOutcome, Verdict},
    scripts::{MAX_BYTES, Scripts, bytes, held::Admission},
};

/// How long one daemon may take between its look and its admission before another may try.
const RIGHT: Duration = Duration::from_secs(2);

/// What a round at the inbox brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    Empty,
    /// Another daemon is at it.
    Busy,
    Admitted {
        jobs: u64,
        duplicates: u64,
        forwarded: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Admitter {
    scripts: Scripts,
    limits: Limits,
    worker: String,
    looks: AtomicU64,
}

impl Admitter {
    pub(crate) fn new(scripts: Scripts, limits: Limits, worker: String) -> Self {
        Self { scripts, limits, worker, looks: AtomicU64::new(0) }
    }

    /// Admit the oldest lines.
    pub(crate) async fn round(&self) -> Result<Round, QueueError> {
        let token = format!("{}/{}", self.worker, self.looks.fetch_add(1, Ordering::Relaxed));
        let lines = match self.scripts.peek(&token, RIGHT).await? {
            None => return Ok(Round::Busy),
            Some(lines) if lines.is_empty() => return Ok(Round::Empty),
            Some(lines) => lines,
        };
        let seen = lines.len();
        let items: Vec<Admission> =
            lines.into_iter().filter(|line| !line.is_empty()).map(|line| self.judge(line)).collect();
        let forwarded = items.iter().any(|item| matches!(item, Admission::Elsewhere { .. }));
        match self.scripts.admit((&token, seen), self.limits, &items).await? {
            None => Ok(Round::Busy),
            Some((jobs, duplicates)) => Ok(Round::Admitted { jobs, duplicates, forwarded }),
        }
    }

    fn judge(&self, line: Vec<u8>) -> Admission {
        match Envelope::judge(&line, self.limits) {
            Ok(judged) if judged.queue.as_ref().is_some_and(|queue| *queue != self.scripts.queue) => {
                Admission::Elsewhere { id: judged.id.unwrap_or_else(JobId::generate), line }
            }
            Ok(judged) => Admission::Job {
                bonds: judged.bonds().words(),
                given: judged.id.is_some(),
                id: judged.id.unwrap_or_else(JobId::generate),
                band: judged.priority,
                run_at: judged.run_at,
                line,
            },
            Err(refusal) => {
                let reason = format!("malformed: {refusal}");
                Admission::Malformed {
                    id: JobId::generate(),
                    verdict: Verdict { end: RunOutcome::Dead, reason }.line(),
                    line: shortened(line, self.limits),
                }
            }
        }
    }

    /// Send on what came to the wrong inbox, all of it. Each line was made durable with its id first, so a forward that
    /// is repeated after a crash meets its own id.
    pub(crate) async fn forward(&self) -> Result<(), QueueError> {
        loop {
            let outbound = &self.scripts.keys.outbound;
            let some = redis::cmd("HRANDFIELD").arg(outbound).arg(100).arg("WITHVALUES").clone();
            let redis::Value::Array(pairs) = self.scripts.link.call("forward", &some).await? else { return Ok(()) };
            if pairs.is_empty() {
                return Ok(());
            }
            let mut parts = pairs.into_iter().filter_map(bytes);
            while let (Some(id), Some(line)) = (parts.next(), parts.next()) {
                self.send_on(&String::from_utf8_lossy(&id), line).await?;
            }
        }
    }

    async fn send_on(&self, field: &str, envelope: Vec<u8>) -> Result<(), QueueError> {
        let link: &Link = &self.scripts.link;
        // It was judged when it was admitted; no limit that changed since may throw it away.
        if let (Ok(id), Ok(judged)) = (JobId::parse(field), Envelope::judge(&envelope, Limits::NONE)) {
            let (band, run_at, bonds) = (judged.priority, judged.run_at, judged.bonds().words());
            let queue = judged.queue.unwrap_or_else(QueueName::default_queue);
            let there = Scripts::new(link.clone(), queue.clone(), self.scripts.clock.clone());
            let announce = redis::cmd("SADD").arg(keys::QUEUES).arg(queue.as_str()).clone();
            link.at(keys::QUEUES).call("announce", &announce).await?;
            let job = Admission::Job { id, given: true, band, run_at, bonds, line: envelope };
            there.admit(("", 0), self.limits, &[job]).await?;
        }
        link.call("forward", redis::cmd("HDEL").arg(&self.scripts.keys.outbound).arg(field)).await.map(drop)
    }
}

/// A line far beyond any limit is buried with its beginning only; the reason says how long it was.
fn shortened(mut line: Vec<u8>, limits: Limits) -> Vec<u8> {
    line.truncate(limits.max_envelope().max(MAX_BYTES / 4));
    line
}
