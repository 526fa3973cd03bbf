//! The calls of those who work: from the inbox to the claim, and from the claim to the end.

use std::{borrow::Cow, time::Duration};

use redis::Value;

use super::{MAX_BYTES, MAX_ITEMS, Script, Scripts, bytes, millis, script, text};
use crate::{
    clock::Millis,
    envelope::Limits,
    error::QueueError,
    isolation::{Isolation, Suspects},
    names::JobId,
    outcome::RunOutcome,
    state::Priority,
};

script!(PEEK, "peek", "../lua/peek.lua");
script!(ADMIT, "admit", "../lua/admit.lua");
script!(CLAIM, "claim", "../lua/claim.lua");
script!(ACKNOWLEDGE, "acknowledge", "../lua/acknowledge.lua");
script!(PARK, "park", "../lua/park.lua");
script!(EXTEND, "extend", "../lua/extend.lua");
script!(REAP, "reap", "../lua/reap.lua");
script!(RELEASE, "release", "../lua/release.lua");

/// What a daemon decided about one line of the inbox.
#[derive(Debug)]
pub(crate) enum Admission {
    Job { id: JobId, given: bool, band: Priority, run_at: Option<Millis>, bonds: String, line: Vec<u8> },
    Malformed { id: JobId, verdict: String, line: Vec<u8> },
    Elsewhere { id: JobId, line: Vec<u8> },
}

/// One job as it came out of a claim.
#[derive(Debug)]
pub(crate) struct ClaimedItem {
    pub id: String,
    pub stored: Vec<u8>,
    pub tries: Vec<u8>,
    pub verdict: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct ClaimReply {
    pub now: Millis,
    pub next_due: Option<Millis>,
    pub waiting: usize,
    pub paused: bool,
    pub items: Vec<ClaimedItem>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ClaimTerms {
    pub lease: Duration,
    pub most: usize,
    pub low_share: u32,
    /// After this, on the clock of Redis, the call must do nothing.
    pub until: Option<Millis>,
    pub isolation: Isolation,
}

/// One job that leaves for good.
#[derive(Debug, Clone)]
pub(crate) struct Leaving<'a> {
    pub id: &'a JobId,
    pub token: &'a str,
    pub given: bool,
    /// Its bonds as far as they matter now, and how it has ended.
    pub tied: Option<(Cow<'a, str>, RunOutcome)>,
    pub reply: Option<&'a str>,
}

/// One job that goes back to wait.
#[derive(Debug, Clone)]
pub(crate) struct Parking<'a> {
    pub id: &'a JobId,
    pub token: &'a str,
    pub band: Priority,
    /// A suspect that is not cleared stays one.
    pub suspect: Isolation,
    /// Its bonds, if its lane goes on while it waits.
    pub passed_by: Option<&'a str>,
    pub at: Option<Millis>,
    pub tries: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reaped {
    pub back: u64,
    pub condemned: u64,
    pub calm_until: Option<Millis>,
    /// Waiting jobs whose time was over.
    pub expired: u64,
    pub suspects: Suspects,
}

impl Scripts {
    /// The oldest lines of the inbox; nothing while another daemon is admitting.
    pub(crate) async fn peek(&self, token: &str, right: Duration) -> Result<Option<Vec<Vec<u8>>>, QueueError> {
        let mut command = PEEK.command(&self.keys);
        command.arg(token).arg(MAX_ITEMS).arg(millis(right)).arg(MAX_BYTES);
        match PEEK.call(&self.link, &command).await? {
            Value::Nil => Ok(None),
            Value::Array(lines) => Ok(Some(lines.into_iter().filter_map(bytes).collect())),
            odd => Err(self.link.odd("peek", &odd)),
        }
    }

    /// How many were admitted and how many were duplicates; nothing when the right to admit was lost.
    /// Without a `look` (its token and how many lines it saw), lines that other queues forwarded are admitted.
    pub(crate) async fn admit(
        &self,
        look: (&str, usize),
        limits: Limits,
        items: &[Admission],
    ) -> Result<Option<(u64, u64)>, QueueError> {
        let mut command = self.asking(&ADMIT);
        command.arg(look.0).arg(look.1).arg(limits.max_lane_depth);
        for item in items {
            match item {
                Admission::Job { id, given, band, run_at, bonds, line } => {
                    command.arg(if *given { "+" } else { "-" }).arg(id.as_str()).arg(band.digit().to_string());
                    command.arg(run_at.map_or(0, |at| at.0)).arg(bonds).arg(line.as_slice());
                }
                Admission::Malformed { id, verdict, line } => {
                    command.arg("x").arg(id.as_str()).arg("1").arg(0).arg(verdict).arg(line.as_slice());
                }
                Admission::Elsewhere { id, line } => {
                    command.arg("o").arg(id.as_str()).arg("1").arg(0).arg("").arg(line.as_slice());
                }
            }
        }
        match ADMIT.call(&self.link, &command).await? {
            Value::Nil => Ok(None),
            Value::Array(counts) => match counts.as_slice() {
                [Value::Int(admitted), Value::Int(duplicates)] => {
                    Ok(Some((admitted.unsigned_abs(), duplicates.unsigned_abs())))
                }
                _ => Err(self.link.odd("admit", &Value::Array(counts))),
            },
            odd => Err(self.link.odd("admit", &odd)),
        }
    }

    pub(crate) async fn claim(&self, token: &str, terms: ClaimTerms) -> Result<ClaimReply, QueueError> {
        let mut command = self.asking(&CLAIM);
        command.arg(token).arg(millis(terms.lease)).arg(terms.most.min(MAX_ITEMS)).arg(MAX_BYTES).arg(terms.low_share);
        command.arg(terms.until.map_or_else(String::new, |until| until.0.to_string())).arg(terms.isolation.word());
        let Value::Array(values) = CLAIM.call(&self.link, &command).await? else {
            return Err(self.link.odd("claim", &Value::Nil));
        };
        let mut values = values.into_iter();
        let head: Vec<i64> =
            values.by_ref().take(4).filter_map(|v| if let Value::Int(n) = v { Some(n) } else { None }).collect();
        let [now, due, waiting, paused] = head[..] else { return Err(self.link.odd("claim", &Value::Nil)) };
        let mut items = Vec::with_capacity(values.len() / 4);
        let mut parts = values.filter_map(bytes);
        while let (Some(id), Some(stored), Some(tries), Some(verdict)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        {
            items.push(ClaimedItem { id: String::from_utf8_lossy(&id).into_owned(), stored, tries, verdict });
        }
        Ok(ClaimReply {
            now: Millis(now),
            next_due: (due > 0).then_some(Millis(due)),
            waiting: usize::try_from(waiting).unwrap_or(0),
            paused: paused == 1,
            items,
        })
    }

    /// The positions of those that were no longer held.
    pub(crate) async fn acknowledge(
        &self,
        items: &[Leaving<'_>],
        ended: &[&str],
        memory: Duration,
        reply_memory: Duration,
    ) -> Result<Vec<usize>, QueueError> {
        let replies: Vec<String> =
            items.iter().filter(|item| item.reply.is_some()).map(|item| self.keys.reply(item.id)).collect();
        let mut command = ACKNOWLEDGE.command_with(&self.keys, &replies);
        command.arg(self.clock.argument()).arg(millis(memory)).arg(millis(reply_memory)).arg(ended.len()).arg(ended);
        for item in items {
            command.arg(item.id.as_str()).arg(item.token);
            match &item.tied {
                None => command.arg(if item.given { "+" } else { "-" }),
                Some((bonds, outcome)) => {
                    command.arg(format!("{}{outcome} {bonds}", if item.given { '#' } else { '=' }))
                }
            };
            command.arg(item.reply.unwrap_or(""));
        }
        self.lost("acknowledge", ACKNOWLEDGE.call(&self.link, &command).await?)
    }

    /// The positions of those that were no longer held.
    pub(crate) async fn park(&self, items: &[Parking<'_>], ended: &[&str]) -> Result<Vec<usize>, QueueError> {
        let mut command = self.asking(&PARK);
        command.arg(ended.len()).arg(ended);
        for item in items {
            let mark = match (item.suspect, item.passed_by) {
                (Isolation::None, None) => item.band.digit().to_string(),
                (Isolation::None, Some(bonds)) => format!("{} {bonds}", item.band.digit()),
                (suspect, _) => suspect.mark().to_owned(),
            };
            command.arg(item.id.as_str()).arg(item.token).arg(mark);
            command.arg(item.at.map_or(0, |at| at.0.max(1))).arg(&item.tries);
        }
        self.lost("park", PARK.call(&self.link, &command).await?)
    }

    fn lost(&self, step: &'static str, answer: Value) -> Result<Vec<usize>, QueueError> {
        let Value::Array(positions) = answer else { return Err(self.link.odd(step, &answer)) };
        // Lua counts from one.
        Ok(positions
            .iter()
            .filter_map(|v| if let Value::Int(n) = v { usize::try_from(n - 1).ok() } else { None })
            .collect())
    }

    /// The tokens whose lease was taken away.
    pub(crate) async fn extend(&self, lease: Duration, tokens: &[&str]) -> Result<Vec<String>, QueueError> {
        let mut command = self.asking(&EXTEND);
        command.arg(millis(lease)).arg(tokens);
        match EXTEND.call(&self.link, &command).await? {
            Value::Array(lost) => Ok(lost.iter().filter_map(text).collect()),
            odd => Err(self.link.odd("extend", &odd)),
        }
    }

    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn reap(&self, lease: Duration, crash_limit: u32) -> Result<Reaped, QueueError> {
        // A dead worker's claims hold up to a thousand jobs each, so a few per step keep every step short.
        const CLAIMS_PER_STEP: usize = 4;
        let mut command = self.asking(&REAP);
        command.arg(millis(lease)).arg(crash_limit).arg(CLAIMS_PER_STEP).arg(MAX_ITEMS);
        let answer = REAP.call(&self.link, &command).await?;
        match &answer {
            Value::Array(counts) => match counts.as_slice() {
                [
                    Value::Int(back),
                    Value::Int(condemned),
                    Value::Int(calm),
                    Value::Int(apart),
                    Value::Int(alone),
                    Value::Int(expired),
                ] => Ok(Reaped {
                    back: back.unsigned_abs(),
                    condemned: condemned.unsigned_abs(),
                    calm_until: (*calm > 0).then_some(Millis(*calm)),
                    expired: expired.unsigned_abs(),
                    suspects: Suspects { apart: apart.unsigned_abs(), alone: alone.unsigned_abs() },
                }),
                _ => Err(self.link.odd("reap", &answer)),
            },
            _ => Err(self.link.odd("reap", &answer)),
        }
    }

    pub(crate) async fn release(&self, token: &str) -> Result<(), QueueError> {
        let mut command = self.asking(&RELEASE);
        command.arg(token);
        RELEASE.call(&self.link, &command).await.map(drop)
    }
}
