//! Is this Redis fit to keep jobs? Asked before anything is claimed.

use crate::{
    error::QueueError,
    link::Link,
    scripts::{self, text},
};

/// What Redis promises about what it accepted, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Every accepted job is on disk.
    Always,
    /// A power cut may cost the last second.
    EverySecond,
    /// A restart of Redis may cost everything since its last snapshot, or everything.
    Weak,
}

impl Durability {
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Always => "every accepted job is on disk (appendfsync always)",
            Self::EverySecond => "a power cut may cost the last second of accepted jobs (appendfsync everysec)",
            Self::Weak => {
                "a restart of Redis may lose accepted jobs: set `appendonly yes` and `appendfsync everysec` or `always`"
            }
        }
    }
}

/// A server that passed.
#[derive(Debug, Clone)]
pub struct Fitness {
    pub version: String,
    pub durability: Durability,
}

pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Check version, eviction and durability, of every master. What is promised is what the weakest of them promises.
///
/// # Errors
/// When Redis cannot be reached, or must not be used: each in one sentence with the remedy.
pub async fn check(link: &Link) -> Result<Fitness, QueueError> {
    let mut weakest: Option<Fitness> = None;
    for (server, master) in link.masters().await? {
        let found = check_one(&server, &master, link.is_cluster()).await?;
        if weakest.as_ref().is_none_or(|weakest| found.durability > weakest.durability) {
            weakest = Some(found);
        }
    }
    weakest.ok_or_else(|| link.odd("info", &redis::Value::Nil))
}

async fn check_one(server: &str, link: &Link, in_cluster: bool) -> Result<Fitness, QueueError> {
    let info = text(&link.call("info", &redis::cmd("INFO")).await?).unwrap_or_default();
    let server = || server.to_owned();
    let kinds = [
        ("cluster", "a node of a cluster", "write redis-cluster://HOST:PORT,HOST:PORT"),
        ("sentinel", "a sentinel", "write redis-sentinel://HOST:PORT,HOST:PORT/NAME"),
    ];
    // Valkey has its own word for it.
    let mode = field(&info, "redis_mode").or_else(|| field(&info, "server_mode"));
    if let Some((_, found, remedy)) = kinds.into_iter().find(|(kind, ..)| mode == Some(kind))
        && !in_cluster
    {
        return Err(QueueError::WrongKind { server: server(), found, remedy });
    }
    let version = field(&info, "redis_version").unwrap_or("0").to_owned();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 2) {
        return Err(QueueError::TooOld { server: server(), found: version });
    }
    if let Some(policy) = field(&info, "maxmemory_policy")
        && policy != "noeviction"
    {
        return Err(QueueError::Evicting { server: server(), policy: policy.to_owned() });
    }
    let appending = field(&info, "aof_enabled") == Some("1");
    // A producer's user may be forbidden to read the configuration; then the weaker promise is assumed.
    let fsync = link.call("config", redis::cmd("CONFIG").arg("GET").arg("appendfsync")).await.ok();
    let always = fsync.is_some_and(|value| format!("{value:?}").contains("always")
        || matches!(&value, redis::Value::Array(parts) if parts.iter().filter_map(text).any(|part| part == "always")));
    let durability = match (appending, always) {
        (false, _) => Durability::Weak,
        (true, true) => Durability::Always,
        (true, false) => Durability::EverySecond,
    };
    Ok(Fitness { version, durability })
}

/// Tie this Redis to the store that keeps its history, or find that it is tied to another.
///
/// # Errors
/// When the two do not belong together.
pub async fn tie_to_store(link: &Link, store: &str) -> Result<(), QueueError> {
    match text(&scripts::tie(link, store).await?) {
        Some(found) if found != store => {
            Err(QueueError::OtherStore { server: link.server().to_owned(), found, ours: store.to_owned() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_info_are_found_by_their_whole_name() {
        let info = "redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(field(info, "redis_version"), Some("7.0.15"));
        assert_eq!(field(info, "maxmemory"), Some("0"));
        assert_eq!(field(info, "version"), None);
    }
}
