//! Shards: a busy queue may be spread over several parts, each whole on one node of a cluster, each with keys of its own.
//!
//! A part is called like its queue, with `#1`, `#2` … for all but the first. What ties jobs together decides where they
//! go: the lane, the unique key, the batch, or the id that a host gave; so what must meet, meets. Other jobs stay where
//! they were pushed, or are spread evenly by our own client. How many parts a queue has stands in Redis, so that all
//! agree; it can be changed while the queue is empty.

use redis::Value;

use crate::{
    bonds::Bonds,
    envelope::Refusal,
    error::QueueError,
    keys,
    link::{Link, slot_of_text},
    names::{BatchId, JobId, QueueName},
    scripts::{Scripts, text},
};

/// More parts than any cluster needs for one queue.
pub const MAX_SHARDS: u32 = 64;

/// The part for a key: the CRC16 of Redis Cluster, modulo the number of parts. Hosts may count on it.
#[must_use]
pub fn shard_for(key: &str, shards: u32) -> u32 {
    u32::from(slot_of_text(key)) % shards.max(1)
}

/// Where a job belongs; nothing where it may be anywhere.
///
/// # Errors
/// When two of its ties lead to different parts.
pub(crate) fn route(bonds: &Bonds, id: Option<&JobId>, shards: u32) -> Result<Option<u32>, Refusal> {
    if shards <= 1 {
        return Ok(Some(0));
    }
    let ties = [
        ("lane", bonds.lane.as_ref().map(|lane| lane.name.as_str())),
        ("unique", bonds.unique.as_ref().map(|unique| unique.key.as_str())),
        ("batch", bonds.batch.as_ref().map(BatchId::as_str)),
    ];
    let mut found: Option<(&str, u32)> = None;
    for (field, key) in ties.into_iter().filter_map(|(field, key)| Some((field, key?))) {
        let number = shard_for(key, shards);
        match found {
            Some((first, other)) if other != number => {
                return Err(Refusal(format!(
                    "{field}: leads to shard {number} of this queue, but {first} to shard {other}; give both the same \
                     key, or the queue one shard"
                )));
            }
            _ => found = Some((field, number)),
        }
    }
    Ok(found.map(|(_, number)| number).or_else(|| id.map(|id| shard_for(id.as_str(), shards))))
}

/// How many parts a queue has.
pub(crate) async fn count(link: &Link, queue: &QueueName) -> Result<u32, QueueError> {
    let ask = redis::cmd("HGET").arg(keys::SHARDS).arg(queue.base().as_str()).clone();
    let answer = link.at(keys::SHARDS).call("count shards", &ask).await?;
    Ok(text(&answer).and_then(|count| count.parse().ok()).unwrap_or(1).clamp(1, MAX_SHARDS))
}

/// The parts of a queue, by name.
///
/// # Errors
/// When Redis does not answer.
pub async fn parts(link: &Link, queue: &QueueName) -> Result<Vec<QueueName>, QueueError> {
    Ok((0..count(link, queue).await?).map(|number| queue.shard(number)).collect())
}

/// The part of a queue in which what has this key is found: a lane, a unique key, a batch.
///
/// # Errors
/// When Redis does not answer.
pub async fn part_of(link: &Link, queue: &QueueName, key: &str) -> Result<QueueName, QueueError> {
    Ok(queue.shard(shard_for(key, count(link, queue).await?)))
}

/// See to it that Redis knows the number of parts that is configured.
pub(crate) async fn agree(link: &Link, queue: &QueueName, wanted: u32) -> Result<(), QueueError> {
    let there = count(link, queue).await?;
    if there == wanted {
        return Ok(());
    }
    for number in 0..there.max(wanted) {
        let part = Scripts::new(link.clone(), queue.shard(number), crate::clock::Clock::Redis);
        let mut pipe = redis::pipe();
        pipe.cmd("HLEN").arg(&part.keys.jobs).cmd("LLEN").arg(&part.keys.inbox).cmd("ZCARD").arg(&part.keys.outbound);
        if part.link.calls("count jobs", &pipe).await?.iter().any(|count| *count != Value::Int(0)) {
            return Err(QueueError::Shards { queue: queue.clone(), there, wanted });
        }
    }
    let set = redis::cmd("HSET").arg(keys::SHARDS).arg(queue.as_str()).arg(wanted).clone();
    link.at(keys::SHARDS).call("set shards", &set).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bonds::Lane;
    use crate::names::LaneName;

    #[test]
    fn what_must_meet_goes_to_one_part() {
        let lane = |name: &str| Some(Lane { name: LaneName::parse(name).unwrap(), passes: false });
        let bonds = Bonds { lane: lane("user:1"), ..Bonds::default() };
        let id = JobId::parse("a").unwrap();
        assert_eq!(route(&bonds, Some(&id), 4).unwrap(), route(&bonds, None, 4).unwrap());
        assert_eq!(route(&Bonds::default(), None, 4).unwrap(), None);
        assert_eq!(route(&Bonds::default(), Some(&id), 4).unwrap(), Some(shard_for("a", 4)));
        assert_eq!(route(&bonds, None, 1).unwrap(), Some(0));
        let torn = (0..100).map(|n| Bonds { batch: Some(BatchId::parse(&format!("b{n}")).unwrap()), ..bonds.clone() });
        let refused = torn.filter(|bonds| route(bonds, None, 4).is_err()).count();
        assert!((50..100).contains(&refused), "{refused}");
    }

    #[test]
    fn the_slot_is_that_of_a_cluster() {
        // From the cluster specification.
        assert_eq!(shard_for("123456789", 16384), 0x31C3);
    }
}
