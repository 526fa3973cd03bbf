//! One typed call per Lua file. A server that lost its scripts (NOSCRIPT) is given them again and asked once more.

#[cfg(feature = "worker")]
pub(crate) mod held;

use std::sync::OnceLock;

use redis::{Cmd, Value};

use crate::{
    clock::Clock,
    envelope::Limits,
    error::QueueError,
    keys::{self, Keys},
    link::Link,
    names::{JobId, QueueName},
    state::Priority,
};

/// Arguments one call may carry: Lua's `unpack` dies near 8,000 values, and a long script makes everybody wait.
pub(crate) const MAX_ITEMS: usize = 1000;
/// What one call may carry or fetch.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;

struct Script {
    name: &'static str,
    source: &'static str,
    sha: OnceLock<String>,
}

macro_rules! script {
    ($constant:ident, $name:literal, $file:literal) => {
        static $constant: Script = Script { name: $name, source: include_str!($file), sha: OnceLock::new() };
    };
}

#[cfg(feature = "worker")]
use script;

script!(ENQUEUE, "enqueue", "lua/enqueue.lua");
script!(REVIVE, "revive", "lua/revive.lua");

impl Script {
    fn sha(&self) -> &str {
        self.sha.get_or_init(|| redis::Script::new(self.source).get_hash().to_owned())
    }

    fn command(&self, keys: &[&str]) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        // The last key is never there: while its slot moves, a cluster then refuses the whole script instead of
        // stopping in its middle at a key that the script itself has emptied. See docs/decisions.md.
        let never = keys.first().map(|key| keys::never(key));
        command.arg(self.sha()).arg(keys.len() + 1).arg(keys).arg(never);
        command
    }

    async fn call(&self, link: &Link, command: &Cmd) -> Result<Value, QueueError> {
        // Twice: between the loading and the call, the queue may have moved to a node that does not know it either.
        for _ in 0..2 {
            match link.call(self.name, command).await {
                Err(QueueError::Call { source, .. }) if source.code() == Some("NOSCRIPT") => {
                    link.call("script load", redis::cmd("SCRIPT").arg("LOAD").arg(self.source)).await?;
                }
                answer => return answer,
            }
        }
        link.call(self.name, command).await
    }
}

/// What the scripted door says to one envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Queued(String),
    Duplicate(String),
    Rejected(String),
}

/// The scripts of one queue.
#[derive(Debug, Clone)]
pub(crate) struct Scripts {
    pub(crate) link: Link,
    pub(crate) keys: Keys,
    pub(crate) queue: QueueName,
    pub(crate) clock: Clock,
}

impl Scripts {
    #[must_use]
    pub(crate) fn new(link: Link, queue: QueueName, clock: Clock) -> Self {
        let keys = Keys::of(&queue);
        Self { link: link.turned_to(&keys.inbox), keys, queue, clock }
    }

    fn bands(&self) -> [&str; 3] {
        [Priority::High, Priority::Normal, Priority::Low].map(|band| self.keys.ready(band))
    }

    pub(crate) async fn enqueue(&self, limits: Limits, items: &[(&JobId, &[u8])]) -> Result<Vec<Answer>, QueueError> {
        let k = &self.keys;
        let [high, normal, low] = self.bands();
        let mut command =
            ENQUEUE.command(&[&k.jobs, &k.due, high, normal, low, &k.recent, &k.idle, &k.inbox, &k.counters]);
        command.arg(self.queue.as_str()).arg(limits.max_args).arg(self.clock.argument());
        for (id, envelope) in items {
            command.arg(id.as_str()).arg(*envelope);
        }
        let answer = ENQUEUE.call(&self.link, &command).await?;
        let Value::Array(lines) = &answer else { return Err(self.link.odd("enqueue", &answer)) };
        lines
            .iter()
            .map(|line| {
                let text = text(line).ok_or_else(|| self.link.odd("enqueue", line))?;
                match text.split_once(' ') {
                    Some(("queued", id)) => Ok(Answer::Queued(id.to_owned())),
                    Some(("duplicate", id)) => Ok(Answer::Duplicate(id.to_owned())),
                    Some(("rejected", reason)) => Ok(Answer::Rejected(reason.to_owned())),
                    _ => Err(self.link.odd("enqueue", line)),
                }
            })
            .collect()
    }

    /// For each item whether it is queued now; if not, it was alive already.
    pub(crate) async fn revive(&self, items: &[(&JobId, Priority, u32, &[u8])]) -> Result<Vec<bool>, QueueError> {
        let k = &self.keys;
        let [high, normal, low] = self.bands();
        let mut command =
            REVIVE.command(&[&k.jobs, &k.tries, high, normal, low, &k.recent, &k.idle, &k.inbox, &k.counters]);
        command.arg(self.clock.argument());
        for (id, band, runs, envelope) in items {
            command.arg(id.as_str()).arg(band.digit().to_string()).arg(runs).arg(*envelope);
        }
        match REVIVE.call(&self.link, &command).await? {
            Value::Array(answers) => Ok(answers.iter().map(|a| text(a).as_deref() == Some("queued")).collect()),
            odd => Err(self.link.odd("revive", &odd)),
        }
    }
}

#[cfg(feature = "worker")]
pub(crate) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}
