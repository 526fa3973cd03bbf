//! The calls of the limiter: to pass, to be told, to keep and to give back; and what operators see of it.

use std::time::Duration;

use redis::Value;

use super::{Script, millis, script, text};
use crate::{
    clock::{Clock, Millis},
    error::QueueError,
    keys::LimitKeys,
    link::Link,
    names::{JobId, LimitKey},
};

script!(LIMIT, "limit", "../lua/limit.lua");
script!(FORGO, "forgo", "../lua/forgo.lua");
script!(TOLD, "told", "../lua/told.lua");
script!(RENEW, "renew", "../lua/renew.lua");
script!(GIVE_BACK, "give back", "../lua/give_back.lua");

/// The scripts of all limits.
#[derive(Debug, Clone)]
pub(crate) struct LimitScripts {
    pub(crate) link: Link,
    pub(crate) clock: Clock,
}

/// One rule as the script reads it: a word, a number, and what else it takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    pub kind: &'static str,
    pub passes: u32,
    pub terms: String,
}

/// What is the same in every question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub lease: Duration,
    pub grace: Duration,
    pub memory: Duration,
    pub spacing: Duration,
    pub line: usize,
    pub margin: Duration,
    pub waits: (Duration, Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Passed { now: Millis },
    Wait { now: Millis, until: Millis, ahead: u64 },
    OtherDay { now: Millis },
}

/// What is in force since the other side spoke.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub retry_after: Option<Duration>,
    pub remaining: Option<u32>,
    pub reset_at: Option<Millis>,
}

/// A permit on its way back.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    pub id: JobId,
    pub token: String,
    pub held: Option<Duration>,
}

impl LimitScripts {
    pub(crate) async fn ask(
        &self,
        key: &LimitKey,
        (id, token): (&JobId, &str),
        terms: &Terms,
        rules: &[Rule],
    ) -> Result<Ask, QueueError> {
        let k = LimitKeys::of(key);
        let mut command = LIMIT.command_of(&[&k.line, &k.slots, &k.late, &k.state, &k.passes, &k.holders, &k.permits]);
        command.arg(id.as_str()).arg(token).arg(self.clock.argument()).arg(millis(terms.lease));
        command.arg(millis(terms.grace)).arg(millis(terms.memory)).arg(millis(terms.spacing)).arg(terms.line);
        command.arg(millis(terms.margin)).arg(millis(terms.waits.0)).arg(millis(terms.waits.1));
        for rule in rules {
            command.arg(rule.kind).arg(rule.passes).arg(&rule.terms);
        }
        let answer = LIMIT.call(&self.link.at(&k.state), &command).await?;
        match numbers(&answer)[..] {
            [1, now] => Ok(Ask::Passed { now: Millis(now) }),
            [0, now, until, ahead] => {
                Ok(Ask::Wait { now: Millis(now), until: Millis(until), ahead: ahead.unsigned_abs() })
            }
            [2, now] => Ok(Ask::OtherDay { now: Millis(now) }),
            _ => Err(self.link.odd("limit", &answer)),
        }
    }

    pub(crate) async fn forgo(
        &self,
        key: &LimitKey,
        id: &JobId,
        (passed, until): (Millis, Millis),
        days: &[Millis],
    ) -> Result<(), QueueError> {
        let k = LimitKeys::of(key);
        let mut command = FORGO.command_of(&[&k.line, &k.slots, &k.state]);
        command.arg(id.as_str()).arg(passed.0).arg(until.0);
        for day in days {
            command.arg(day.0);
        }
        FORGO.call(&self.link.at(&k.state), &command).await.map(drop)
    }

    /// Until when nothing passes; how many more, and until when that counts.
    pub(crate) async fn told(
        &self,
        key: &LimitKey,
        heard: &Heard,
        most: Duration,
        unsaid: Duration,
        slack: Duration,
    ) -> Result<(), QueueError> {
        let mut command = TOLD.command_of(&[&LimitKeys::of(key).state]);
        command.arg(self.clock.argument()).arg(millis(most));
        command.arg(heard.retry_after.map_or_else(String::new, |after| millis(after).to_string()));
        command.arg(heard.remaining.map_or_else(String::new, |left| left.to_string()));
        command.arg(heard.reset_at.map_or_else(String::new, |at| at.0.to_string()));
        command.arg(millis(unsaid)).arg(millis(slack));
        TOLD.call(&self.link.at(&LimitKeys::of(key).state), &command).await.map(drop)
    }

    /// The ids whose permit somebody else holds now.
    #[cfg_attr(not(feature = "worker"), expect(dead_code, reason = "the keeper renews"))]
    pub(crate) async fn renew(
        &self,
        key: &LimitKey,
        lease: Duration,
        held: &[(JobId, String)],
    ) -> Result<Vec<String>, QueueError> {
        let k = LimitKeys::of(key);
        let mut command = RENEW.command_of(&[&k.holders, &k.permits]);
        command.arg(self.clock.argument()).arg(millis(lease));
        for (id, token) in held {
            command.arg(id.as_str()).arg(token);
        }
        match RENEW.call(&self.link.at(&k.holders), &command).await? {
            Value::Array(lost) => Ok(lost.iter().filter_map(text).collect()),
            odd => Err(self.link.odd("renew", &odd)),
        }
    }

    pub(crate) async fn give_back(&self, key: &LimitKey, permits: &[Back]) -> Result<(), QueueError> {
        let k = LimitKeys::of(key);
        let mut command = GIVE_BACK.command_of(&[&k.holders, &k.permits, &k.state]);
        for back in permits {
            command.arg(back.id.as_str()).arg(&back.token);
            command.arg(back.held.map_or_else(String::new, |held| millis(held).to_string()));
        }
        GIVE_BACK.call(&self.link.at(&k.state), &command).await.map(drop)
    }

    /// In one step: all of them share a slot.
    pub(crate) async fn reset(&self, key: &LimitKey) -> Result<bool, QueueError> {
        let k = LimitKeys::of(key);
        let mut command = redis::cmd("DEL");
        command.arg(&[&k.line, &k.slots, &k.late, &k.state, &k.passes][..]);
        let answer = self.link.at(&k.state).call("reset a limit", &command).await?;
        let Value::Int(gone) = answer else { return Err(self.link.odd("reset a limit", &answer)) };
        Ok(gone > 0)
    }

    /// One step of a walk over all keys of all limits: what to go on with, and what was found.
    pub(crate) async fn scan(&self, from: u64, count: usize) -> Result<(u64, Vec<LimitKey>), QueueError> {
        let mut command = redis::cmd("SCAN");
        command.arg(from).arg("MATCH").arg(LimitKeys::pattern()).arg("COUNT").arg(count);
        let answer = self.link.call("list limits", &command).await?;
        let Value::Array(parts) = &answer else { return Err(self.link.odd("list limits", &answer)) };
        match parts.as_slice() {
            [next, Value::Array(keys)] => {
                let next = text(next).and_then(|next| next.parse().ok()).unwrap_or(0);
                Ok((next, keys.iter().filter_map(text).filter_map(|key| LimitKeys::limit(&key)).collect()))
            }
            _ => Err(self.link.odd("list limits", &answer)),
        }
    }

    /// All that Redis holds of one limit, as it stands there.
    pub(crate) async fn look(&self, key: &LimitKey, most: usize) -> Result<Vec<Value>, QueueError> {
        let k = LimitKeys::of(key);
        let mut pipe = redis::pipe();
        pipe.cmd("TIME").cmd("HGETALL").arg(&k.state);
        pipe.cmd("LLEN").arg(&k.passes).cmd("LINDEX").arg(&k.passes).arg(0).cmd("LINDEX").arg(&k.passes).arg(-1);
        pipe.cmd("ZCARD").arg(&k.slots);
        for rank in [0, -1] {
            pipe.cmd("ZRANGE").arg(&k.slots).arg(rank).arg(rank).arg("WITHSCORES");
        }
        pipe.cmd("ZCARD").arg(&k.late).cmd("ZCARD").arg(&k.permits);
        pipe.cmd("ZRANGE").arg(&k.permits).arg(0).arg(most.max(1) - 1).arg("WITHSCORES");
        pipe.cmd("HGETALL").arg(&k.holders);
        self.link.at(&k.state).calls("look at a limit", &pipe).await
    }
}

fn numbers(answer: &Value) -> Vec<i64> {
    let Value::Array(parts) = answer else { return Vec::new() };
    parts.iter().filter_map(|part| if let Value::Int(number) = part { Some(*number) } else { None }).collect()
}
