//! The plain door: lines of the inbox become jobs.
//!
//! Look, judge, admit: the lines stay in the inbox until the step that admits them, so a process that dies in between
//! leaves everything as it was. Only whoever looked last may admit.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    envelope::{Envelope, Limits},
    error::QueueError,
    faults::{self, Point},
    keys,
    names::{JobId, QueueName},
    outcome::{RunOutcome, Verdict},
    scripts::{MAX_BYTES, Scripts, bytes, held::Admission},
    shards,
};

/// How long one daemon may take between its look and its admission before another may try.
const RIGHT: Duration = Duration::from_secs(2);

/// Lines for other inboxes that are sent on in one go.
const FORWARDED_AT_ONCE: usize = 200;

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
    pub limits: Limits,
    worker: String,
    /// How many parts the queue has.
    shards: u32,
    looks: AtomicU64,
}

impl Admitter {
    pub(crate) fn new(scripts: Scripts, shards: u32, limits: Limits, worker: String) -> Self {
        Self { scripts, limits, worker, shards, looks: AtomicU64::new(0) }
    }

    /// Admit the oldest lines.
    pub(crate) async fn round(&self) -> Result<Round, QueueError> {
        let token = format!("{}/{}", self.worker, self.looks.fetch_add(1, Ordering::Relaxed));
        let lines = match self.scripts.peek(&token, RIGHT).await? {
            None => return Ok(Round::Busy),
            Some(lines) if lines.is_empty() => return Ok(Round::Empty),
            Some(lines) => lines,
        };
        faults::at(Point::InboxSeen);
        let seen = lines.len();
        let items: Vec<Admission> =
            lines.into_iter().filter(|line| !line.is_empty()).map(|line| self.judge(line)).collect();
        let forwarded = items.iter().any(|item| matches!(item, Admission::Elsewhere { .. }));
        match self.scripts.admit((&token, seen), self.limits, &items).await? {
            None => Ok(Round::Busy),
            Some((jobs, duplicates)) => {
                faults::at(Point::Admitted);
                Ok(Round::Admitted { jobs, duplicates, forwarded })
            }
        }
    }

    fn judge(&self, line: Vec<u8>) -> Admission {
        let refusal = match Envelope::judge(&line, self.limits) {
            Err(refusal) => refusal,
            Ok(judged) => {
                let (bonds, given) = (judged.bonds(), judged.id.is_some());
                let is_ours = judged.queue.as_ref().is_none_or(|queue| *queue == self.scripts.queue.base());
                let part = shards::route(&bonds, judged.id.as_ref(), if is_ours { self.shards } else { 1 });
                let (band, run_at, id) = (judged.priority, judged.run_at, judged.id.unwrap_or_else(JobId::generate));
                match part {
                    Ok(_) if !is_ours => return Admission::Elsewhere { id, line },
                    Ok(Some(number)) if number != self.scripts.queue.number() => {
                        return Admission::Elsewhere { id, line };
                    }
                    Ok(_) => return Admission::Job { id, given, band, run_at, bonds: bonds.words(), line },
                    Err(refusal) => refusal,
                }
            }
        };
        let reason = format!("malformed: {refusal}");
        Admission::Malformed {
            id: JobId::generate(),
            verdict: Verdict { end: RunOutcome::Dead, reason }.line(),
            line: shortened(line, self.limits),
        }
    }

    /// Send on what came to the wrong inbox, all of it, in order. Each line was made durable with its id first, so a forward that
    /// is repeated after a crash meets its own id.
    pub(crate) async fn forward(&self) -> Result<(), QueueError> {
        loop {
            let outbound = &self.scripts.keys.outbound;
            let some = redis::cmd("ZRANGE").arg(outbound).arg(0).arg(FORWARDED_AT_ONCE - 1).clone();
            let redis::Value::Array(members) = self.scripts.link.call("forward", &some).await? else { return Ok(()) };
            if members.is_empty() {
                return Ok(());
            }
            let members: Vec<Vec<u8>> = members.into_iter().filter_map(bytes).collect();
            let (mut by_part, mut counts): (BTreeMap<QueueName, Vec<Admission>>, _) = (BTreeMap::new(), HashMap::new());
            for member in &members {
                // An id has no space.
                let at = member.iter().position(|byte| *byte == b' ').unwrap_or(member.len());
                let (id, line) = (String::from_utf8_lossy(&member[..at]), member.get(at + 1..).unwrap_or_default());
                if let Some((part, job)) = self.destination(&id, line.to_vec(), &mut counts).await? {
                    by_part.entry(part).or_default().push(job);
                }
            }
            for (part, jobs) in by_part {
                let there = Scripts::new(self.scripts.link.clone(), part, self.scripts.clock.clone());
                there.admit(("", 0), self.limits, &jobs).await?;
            }
            faults::at(Point::SentOn);
            self.scripts.link.call("forward", redis::cmd("ZREM").arg(outbound).arg(&members)).await?;
        }
    }

    /// Where a line goes, as a job of that part. It was judged when it was admitted; no limit that changed since may
    /// throw it away.
    async fn destination(
        &self,
        field: &str,
        line: Vec<u8>,
        counts: &mut HashMap<QueueName, u32>,
    ) -> Result<Option<(QueueName, Admission)>, QueueError> {
        let (Ok(id), Ok(judged)) = (JobId::parse(field), Envelope::judge(&line, Limits::NONE)) else { return Ok(None) };
        let queue = judged.queue.clone().unwrap_or_else(|| self.scripts.queue.base());
        let shards = if let Some(shards) = counts.get(&queue) {
            *shards
        } else {
            let announce = redis::cmd("SADD").arg(keys::QUEUES).arg(queue.as_str()).clone();
            self.scripts.link.at(keys::QUEUES).call("announce", &announce).await?;
            let shards = shards::count(&self.scripts.link, &queue).await?;
            counts.insert(queue.clone(), shards);
            shards
        };
        let bonds = judged.bonds();
        let number = match shards::route(&bonds, judged.id.as_ref(), shards) {
            Ok(number) => number.unwrap_or(0),
            Err(refusal) => {
                let verdict = Verdict { end: RunOutcome::Dead, reason: format!("malformed: {refusal}") }.line();
                return Ok(Some((queue, Admission::Malformed { id, verdict, line })));
            }
        };
        let (band, run_at) = (judged.priority, judged.run_at);
        let job = Admission::Job { id, given: true, band, run_at, bonds: bonds.words(), line };
        Ok(Some((queue.shard(number), job)))
    }
}

/// A line far beyond any limit is buried with its beginning only; the reason says how long it was.
fn shortened(mut line: Vec<u8>, limits: Limits) -> Vec<u8> {
    line.truncate(limits.max_envelope().max(MAX_BYTES / 4));
    line
}
