//! Every Redis key name; nothing else may spell one. All keys of a queue share its hash tag, so a queue lives whole
//! on one node of a cluster. `docs/wire-protocol.md` lists them.

use crate::{
    names::{JobId, QueueName},
    state::Priority,
};

/// Names of all queues that ever had a daemon or a producer of ours.
pub(crate) const QUEUES: &str = "liaison:queues";
/// The id of the store that holds this Redis's history.
pub(crate) const STORE: &str = "liaison:store";

/// The keys of one queue.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "worker"), expect(dead_code, reason = "a producer needs only some of them"))]
pub(crate) struct Keys {
    pub inbox: String,
    pub jobs: String,
    pub tries: String,
    pub verdicts: String,
    pub held: String,
    pub claims: String,
    pub leases: String,
    pub due: String,
    pub departing: String,
    pub outbound: String,
    pub idle: String,
    pub paused: String,
    pub counters: String,
    pub admitter: String,
    pub recent: String,
    pub workers: String,
    pub pulse: String,
    pub started: String,
    ready: [String; 3],
    prefix: String,
}

/// A key beside this one that nobody ever sets; every script of ours names it.
#[must_use]
pub(crate) fn never(key: &str) -> String {
    format!("{}never", &key[..key.find("}:").map_or(0, |at| at + 2)])
}

impl Keys {
    #[must_use]
    pub(crate) fn of(queue: &QueueName) -> Self {
        let prefix = format!("liaison:{{{queue}}}:");
        let key = |name: &str| format!("{prefix}{name}");
        Self {
            inbox: key("inbox"),
            jobs: key("jobs"),
            tries: key("tries"),
            verdicts: key("verdicts"),
            held: key("held"),
            claims: key("claims"),
            leases: key("leases"),
            due: key("due"),
            departing: key("departing"),
            outbound: key("outbound"),
            idle: key("idle"),
            paused: key("paused"),
            counters: key("counters"),
            admitter: key("admitter"),
            recent: key("recent"),
            workers: key("workers"),
            pulse: key("pulse"),
            started: key("started"),
            ready: [key("ready:high"), key("ready:normal"), key("ready:low")],
            prefix,
        }
    }

    #[must_use]
    pub(crate) fn ready(&self, band: Priority) -> &str {
        match band {
            Priority::High => &self.ready[0],
            Priority::Normal => &self.ready[1],
            Priority::Low => &self.ready[2],
        }
    }

    /// Where a host that asked for a reply waits for it.
    #[must_use]
    pub(crate) fn reply(&self, id: &JobId) -> String {
        format!("{}reply:{id}", self.prefix)
    }
}
