//! One typed call per Lua file. A server that lost its scripts (NOSCRIPT) is given them again and asked once more.
//!
//! A script says in its first lines which keys it uses and which parts it is made of; what several scripts do is
//! written once, in `lua/parts`. Here both are put together: the keys become local names, then come the parts.

#[cfg(feature = "worker")]
pub(crate) mod held;
pub(crate) mod limits;
pub(crate) mod schedule;
pub(crate) mod waiting;

use std::sync::OnceLock;

use redis::{Cmd, Value};

use crate::{
    clock::Clock,
    error::QueueError,
    keys::{self, Keys},
    link::Link,
    names::QueueName,
};

/// Arguments one call may carry: Lua's `unpack` dies near 8,000 values, and a long script makes everybody wait.
pub(crate) const MAX_ITEMS: usize = 1000;
/// What one call may carry or fetch.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What more than one script does.
const PARTS: &[(&str, &str)] = &[
    ("batches", include_str!("lua/parts/batches.lua")),
    ("clock", include_str!("lua/parts/clock.lua")),
    ("ghosts", include_str!("lua/parts/ghosts.lua")),
    ("lanes", include_str!("lua/parts/lanes.lua")),
    ("nudge", include_str!("lua/parts/nudge.lua")),
    ("putting", include_str!("lua/parts/putting.lua")),
    ("stored", include_str!("lua/parts/stored.lua")),
    ("taking_out", include_str!("lua/parts/taking_out.lua")),
    ("uniques", include_str!("lua/parts/uniques.lua")),
];

/// The last key of every script is never there: while its slot moves, a cluster then refuses the whole script instead of
/// stopping in its middle at a key that the script itself has emptied. See docs/decisions.md.
const NEVER: &str = "never";

struct Script {
    name: &'static str,
    source: &'static str,
    whole: OnceLock<Whole>,
}

/// A script with its parts, as the server gets it.
struct Whole {
    text: String,
    sha: String,
    keys: Vec<&'static str>,
}

macro_rules! script {
    ($constant:ident, $name:literal, $file:literal) => {
        static $constant: Script = Script::new($name, include_str!($file));
    };
}
use script;

/// The words after `-- LABEL ` in the comment that a source begins with.
fn declared(source: &'static str, label: &str) -> Vec<&'static str> {
    let comment = source.lines().take_while(|line| line.starts_with("--"));
    comment.filter_map(|line| line.strip_prefix("-- ")?.strip_prefix(label)).flat_map(str::split_whitespace).collect()
}

fn without_comments(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("--"))
}

impl Script {
    const fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source, whole: OnceLock::new() }
    }

    fn whole(&self) -> &Whole {
        self.whole.get_or_init(|| {
            let parts: Vec<&'static str> = declared(self.source, "PARTS ")
                .into_iter()
                .filter_map(|part| PARTS.iter().find(|(name, _)| *name == part).map(|(_, source)| *source))
                .collect();
            let mut keys: Vec<&'static str> = Vec::new();
            for key in [self.source].iter().chain(&parts).flat_map(|source| declared(source, "KEYS ")) {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            if !keys.is_empty() {
                keys.push(NEVER);
            }
            let names: Vec<_> = keys.iter().map(|key| key.rsplit(':').next().unwrap_or(key)).collect();
            let values: Vec<_> = (1..=keys.len()).map(|number| format!("KEYS[{number}]")).collect();
            let mut text = String::new();
            if !keys.is_empty() {
                text = format!("local {} = {}\n", names.join(", "), values.join(", "));
            }
            for line in parts.iter().chain([&self.source]).flat_map(|source| without_comments(source)) {
                text.push_str(&line.replace("KEYS_DECLARED", &keys.len().to_string()));
                text.push('\n');
            }
            let sha = redis::Script::new(&text).get_hash().to_owned();
            Whole { text, sha, keys }
        })
    }

    fn command(&self, keys: &Keys) -> Cmd {
        self.command_with(keys, &[])
    }

    /// With keys after those that the script declares.
    fn command_with(&self, keys: &Keys, further: &[String]) -> Cmd {
        let whole = self.whole();
        let mut command = redis::cmd("EVALSHA");
        command.arg(&whole.sha).arg(whole.keys.len() + further.len());
        for key in &whole.keys {
            command.arg(keys.named(key));
        }
        command.arg(further);
        command
    }

    /// For a script that counts its keys by itself.
    fn command_of(&self, keys: &[&str]) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        let never = keys.first().map(|key| keys::never(key));
        command.arg(&self.whole().sha).arg(keys.len() + 1).arg(keys).arg(never);
        command
    }

    async fn call(&self, link: &Link, command: &Cmd) -> Result<Value, QueueError> {
        // Twice: between the loading and the call, the queue may have moved to a node that does not know it either.
        for _ in 0..2 {
            match link.call(self.name, command).await {
                Err(QueueError::Call { source, .. }) if source.code() == Some("NOSCRIPT") => {
                    link.call("script load", redis::cmd("SCRIPT").arg("LOAD").arg(&self.whole().text)).await?;
                }
                answer => return answer,
            }
        }
        link.call(self.name, command).await
    }
}

/// The script of the scripted door, for hosts: its text, and the keys of a queue that it is called with, in order.
#[must_use]
pub fn door() -> (&'static str, &'static [&'static str]) {
    let whole = waiting::ENQUEUE.whole();
    (&whole.text, &whole.keys)
}

script!(TIE, "tie to the store", "lua/tie.lua");

/// The store that this Redis is tied to: ours, if it was tied to none.
pub(crate) async fn tie(link: &Link, store: &str) -> Result<Value, QueueError> {
    let mut command = redis::cmd("EVALSHA");
    command.arg(&TIE.whole().sha).arg(1).arg(keys::STORE).arg(store);
    TIE.call(&link.at(keys::STORE), &command).await
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

    /// A call of a script: its keys, then the time.
    fn asking(&self, script: &Script) -> Cmd {
        let mut command = script.command(&self.keys);
        command.arg(self.clock.argument());
        command
    }
}

pub(crate) fn millis(wait: std::time::Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_its_keys_its_parts_and_itself() {
        let (text, keys) = door();
        assert!(text.starts_with("local idle, inbox, "), "{text:.200}");
        let queue = QueueName::default_queue();
        for key in keys {
            assert!(Keys::of(&queue).named(key).starts_with("liaison:{default}:"), "{key}");
        }
        for (name, source) in PARTS {
            assert!(declared(source, "PARTS ").is_empty(), "{name} is a part, and parts are listed by the scripts");
        }
    }
}
