//! Redis Cluster: which master has which slot. Asked of any node, and corrected by every `MOVED`.

use std::{collections::HashMap, sync::PoisonError};

use redis::Value;

use super::{
    address::At,
    node::Words,
    route::{ASK, Route},
};
use crate::{error::QueueError, scripts::text};

pub(super) const SLOTS: u16 = 16384;

/// What is known of the slots.
#[derive(Debug, Default)]
pub(super) struct Map {
    ranges: Vec<(u16, u16, At)>,
    /// What was learned from `MOVED` since the ranges were asked for.
    moved: HashMap<u16, At>,
}

impl Map {
    /// From the answer to `CLUSTER SLOTS`; an empty host is the one of the node that answered.
    pub(super) fn read(answer: &Value, said_by: &str) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let ranges: Vec<_> = ranges.iter().filter_map(|range| read_range(range, said_by)).collect();
        (!ranges.is_empty()).then(|| Self { ranges, moved: HashMap::new() })
    }

    /// The master of a slot, or for no slot in particular, any.
    pub(super) fn master_of(&self, slot: Option<u16>) -> Option<&At> {
        let Some(slot) = slot else { return self.ranges.first().map(|(_, _, at)| at) };
        let of_range = || self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        self.moved.get(&slot).or_else(|| of_range().map(|(_, _, at)| at))
    }

    pub(super) fn moved(&mut self, slot: u16, to: At) {
        self.moved.insert(slot, to);
    }

    /// Each master, with one of its slots.
    pub(super) fn masters(&self) -> Vec<(u16, At)> {
        let mut found: Vec<(u16, At)> = Vec::new();
        for (first, _, at) in &self.ranges {
            if !found.iter().any(|(_, known)| known == at) {
                found.push((*first, at.clone()));
            }
        }
        found
    }

    /// Slots that nobody serves.
    pub(super) fn uncovered(&self) -> u32 {
        let covered: u32 = self.ranges.iter().map(|(first, last, _)| u32::from(last - first) + 1).sum();
        u32::from(SLOTS).saturating_sub(covered)
    }
}

impl Route {
    /// The nodes one after the other; beginning each time with the next, because a node may have fallen behind.
    pub(super) async fn ask_nodes(&self, turn: &mut usize) -> Result<Map, QueueError> {
        let mut asked = self.address.seeds.clone();
        let known: Vec<At> = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        asked.extend(known.into_iter().filter(|at| !self.address.seeds.contains(at)));
        *turn = turn.wrapping_add(1);
        let first = *turn % asked.len().max(1);
        asked.rotate_left(first);
        let mut faults = Vec::new();
        for at in &asked {
            match self.patiently(ASK, self.ask_node(at)).await {
                Ok(map) => return Ok(map),
                Err(fault) => faults.push(fault),
            }
        }
        Err(self.worst(faults))
    }

    async fn ask_node(&self, at: &At) -> Result<Map, QueueError> {
        let node = self.of(at)?;
        let question = redis::cmd("CLUSTER").arg("SLOTS").clone();
        let answer = node.send("ask for the slots", Words::One(&question)).await.map_err(not_a_cluster)?;
        answer.first().and_then(|answer| Map::read(answer, &node.host)).ok_or_else(|| self.astray(None))
    }
}

fn not_a_cluster(fault: QueueError) -> QueueError {
    match fault {
        QueueError::Call { server, source, .. } if source.to_string().contains("cluster support disabled") => {
            let (found, remedy) = ("a server of its own, not a node of a cluster", "write redis://HOST:PORT");
            QueueError::WrongKind { server, found, remedy }
        }
        fault => fault,
    }
}

fn read_range(range: &Value, said_by: &str) -> Option<(u16, u16, At)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else { return None };
    let Value::Int(port) = master.get(1)? else { return None };
    let host = master.first().and_then(text).unwrap_or_default();
    let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
    let at = At::new(&host, u16::try_from(*port).ok()?, said_by)?;
    (first <= last && last < SLOTS).then_some((first, last, at))
}

/// The slot of a key: CRC-16 (XMODEM) of its hash tag, or of the whole key.
pub(crate) fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    let crc = hashed.bytes().fold(0_u16, |crc, byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // CLUSTER KEYSLOT says so.
        for (key, slot) in
            [("123456789", 12739), ("{default}:l", 5718), ("liaison:{default}:inbox", 5718), ("a{}b", 13694)]
        {
            assert_eq!(slot_of(key), slot, "{key}");
        }
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let node = Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString("id".into())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    #[test]
    fn the_map_is_corrected_by_what_moved() {
        let answer = Value::Array(vec![range(0, 99, "", 1), range(100, 16000, "b", 2), range(16001, 16383, "", 1)]);
        let mut map = Map::read(&answer, "a").unwrap();
        let of = |map: &Map, slot| map.master_of(slot).map(ToString::to_string);
        assert_eq!(of(&map, Some(99)).as_deref(), Some("a:1"));
        assert_eq!(of(&map, Some(100)).as_deref(), Some("b:2"));
        assert_eq!(of(&map, None).as_deref(), Some("a:1"));
        assert_eq!(map.masters().len(), 2);
        assert_eq!(map.uncovered(), 0);
        map.moved(100, At { host: "c".into(), port: 3 });
        assert_eq!(of(&map, Some(100)).as_deref(), Some("c:3"));
        assert!(Map::read(&Value::Array(Vec::new()), "a").is_none());
    }
}
