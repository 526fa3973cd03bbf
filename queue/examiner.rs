//! What Redis is like: for whoever asks how a living system is. Reads only, and little.

use redis::Value;

use crate::{
    clock::{Clock, Millis},
    error::QueueError,
    inspector::redis_time,
    keys,
    link::Link,
    scripts::text,
    server::field,
};

/// One master, as it describes itself. What it does not tell, or not to us, is none.
#[derive(Debug, Clone, Default)]
pub struct ServerFacts {
    pub server: String,
    pub version: String,
    pub appending: bool,
    /// `always`, `everysec` or `no`; none if we may not ask.
    pub fsync: Option<String>,
    /// Whether the last write of the append-only file, and the last snapshot, went well.
    pub appended_well: bool,
    pub saved_well: bool,
    pub policy: String,
    pub used_bytes: u64,
    /// 0 is no limit.
    pub max_bytes: u64,
    pub replicas: u64,
    /// Below so many it takes no writes; none if we may not ask.
    pub min_replicas: Option<u64>,
    /// How far its clock is ahead of ours, give or take half a round trip.
    pub ahead_ms: i64,
    pub round_trip_ms: i64,
}

/// A key under our name that is not what we would make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    pub key: String,
    pub kind: String,
    /// What it should be; none for a name that this release does not know.
    pub expected: Option<&'static str>,
}

/// Keys that one round trip looks at.
const AT_ONCE: usize = 500;

/// Ask every master about itself.
///
/// # Errors
/// When one of them cannot be reached.
pub async fn servers(link: &Link) -> Result<Vec<ServerFacts>, QueueError> {
    let mut found = Vec::new();
    for (server, master) in link.masters().await? {
        found.push(ask(server, &master).await?);
    }
    Ok(found)
}

async fn ask(server: String, link: &Link) -> Result<ServerFacts, QueueError> {
    let info = text(&link.call("info", &redis::cmd("INFO")).await?).unwrap_or_default();
    let number = |name: &str| field(&info, name).and_then(|value| value.parse().ok()).unwrap_or(0);
    let word = |name: &str| field(&info, name).unwrap_or_default().to_owned();
    let before = Clock::wall();
    let there = redis_time(&link.call("time", &redis::cmd("TIME")).await?);
    let after = Clock::wall();
    Ok(ServerFacts {
        server,
        version: word("redis_version"),
        appending: word("aof_enabled") == "1",
        fsync: setting(link, "appendfsync").await,
        appended_well: field(&info, "aof_last_write_status").is_none_or(|status| status == "ok"),
        saved_well: field(&info, "rdb_last_bgsave_status").is_none_or(|status| status == "ok"),
        policy: word("maxmemory_policy"),
        used_bytes: number("used_memory"),
        max_bytes: number("maxmemory"),
        replicas: number("connected_slaves"),
        min_replicas: setting(link, "min-replicas-to-write").await.and_then(|value| value.parse().ok()),
        ahead_ms: there.0 - Millis(i64::midpoint(before.0, after.0)).0,
        round_trip_ms: after.0 - before.0,
    })
}

/// A setting of the server, if we may ask.
async fn setting(link: &Link, name: &str) -> Option<String> {
    match link.call("config", redis::cmd("CONFIG").arg("GET").arg(name)).await.ok()? {
        Value::Array(pair) => pair.get(1).and_then(text),
        Value::Map(pairs) => pairs.first().and_then(|(_, value)| text(value)),
        _ => None,
    }
}

/// Look at up to so many keys of ours on every master: how many were looked at, and those that are not as they should be.
///
/// # Errors
/// When Redis does not answer.
pub async fn strangers(link: &Link, most: usize) -> Result<(usize, Vec<Stranger>), QueueError> {
    let (mut looked, mut found) = (0, Vec::new());
    for (_, master) in link.masters().await? {
        let (mut cursor, mut here) = ("0".to_owned(), 0);
        loop {
            let scan =
                redis::cmd("SCAN").arg(&cursor).arg("MATCH").arg(keys::pattern()).arg("COUNT").arg(AT_ONCE).clone();
            let answer = master.call("scan", &scan).await?;
            let Value::Array(parts) = &answer else { return Err(master.odd("scan", &answer)) };
            let (Some(next), Some(Value::Array(names))) = (parts.first().and_then(text), parts.get(1)) else {
                return Err(master.odd("scan", &answer));
            };
            let names: Vec<String> = names.iter().filter_map(text).collect();
            here += names.len();
            found.extend(judge(&master, &names).await?);
            cursor = next;
            if cursor == "0" || here >= most {
                break;
            }
        }
        looked += here;
    }
    Ok((looked, found))
}

async fn judge(link: &Link, names: &[String]) -> Result<Vec<Stranger>, QueueError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for name in names {
        pipe.cmd("TYPE").arg(name);
    }
    let kinds = link.calls("look at types", &pipe).await?;
    let both = names.iter().zip(kinds).map(|(key, kind)| Stranger {
        key: key.clone(),
        kind: text(&kind).unwrap_or_default(),
        expected: keys::kind_of(key),
    });
    // One that has gone meanwhile is nothing.
    Ok(both.filter(|one| one.kind != "none" && one.expected != Some(one.kind.as_str())).collect())
}

/// The id of the store to which this Redis belongs, if it was tied to one.
///
/// # Errors
/// When Redis does not answer.
pub async fn tied_to(link: &Link) -> Result<Option<String>, QueueError> {
    Ok(text(&link.at(keys::STORE).call("read the tie", redis::cmd("GET").arg(keys::STORE)).await?))
}
