//! Every Redis key name; nothing else may spell one. All keys of a queue share its hash tag, so a queue lives whole
//! on one node of a cluster. `docs/wire-protocol.md` lists them.

use crate::{
    names::{EntryName, JobId, LimitKey, QueueName},
    state::Priority,
};

/// Names of all queues that ever had a daemon or a producer of ours.
pub(crate) const QUEUES: &str = "liaison:queues";
/// How many parts each queue has, where it has more than one.
pub(crate) const SHARDS: &str = "liaison:shards";
/// The id of the store that holds this Redis's history.
pub(crate) const STORE: &str = "liaison:store";

macro_rules! keys {
    ($($field:ident = $name:literal),+ $(,)?) => {
        /// The keys of one queue.
        #[derive(Debug, Clone)]
        #[cfg_attr(not(feature = "worker"), expect(dead_code, reason = "a producer needs only some of them"))]
        pub(crate) struct Keys {
            $(pub $field: String,)+
            prefix: String,
        }

        impl Keys {
            #[must_use]
            pub(crate) fn of(queue: &QueueName) -> Self {
                let prefix = format!("liaison:{{{queue}}}:");
                Self { $($field: format!("{prefix}{}", $name),)+ prefix }
            }

            /// The key that a script declares by this name.
            ///
            /// # Panics
            /// When there is none, which a test rules out for every script.
            #[must_use]
            pub(crate) fn named(&self, name: &str) -> &str {
                match name {
                    $($name => &self.$field,)+
                    _ => unreachable!("no key is called {name}"),
                }
            }
        }
    };
}

keys! {
    inbox = "inbox",
    admitter = "admitter",
    outbound = "outbound",
    jobs = "jobs",
    high = "ready:high",
    normal = "ready:normal",
    low = "ready:low",
    apart = "apart",
    alone = "alone",
    ghosts = "ghosts",
    due = "due",
    lanes = "lanes",
    turns = "turns",
    ends = "ends",
    fronts = "fronts",
    returning = "returning",
    uniques = "uniques",
    lapsing = "lapsing",
    expiring = "expiring",
    batches = "batches",
    held = "held",
    claims = "claims",
    leases = "leases",
    tries = "tries",
    verdicts = "verdicts",
    departing = "departing",
    recent = "recent",
    paused = "paused",
    idle = "idle",
    workers = "workers",
    pulse = "pulse",
    counters = "counters",
    never = "never",
}

/// A key beside this one that nobody ever sets; every script of ours names it.
#[must_use]
pub(crate) fn never(key: &str) -> String {
    format!("{}never", &key[..key.find("}:").map_or(0, |at| at + 2)])
}

impl Keys {
    #[must_use]
    pub(crate) fn ready(&self, band: Priority) -> &str {
        match band {
            Priority::High => &self.high,
            Priority::Normal => &self.normal,
            Priority::Low => &self.low,
        }
    }

    /// Where a host that asked for a reply waits for it.
    #[must_use]
    pub(crate) fn reply(&self, id: &JobId) -> String {
        format!("{}reply:{id}", self.prefix)
    }
}

/// How the keys of all limits begin: those of one share its hash tag.
const LIMITS: &str = "liaison:{limit:";

/// The keys of one limit.
#[derive(Debug, Clone)]
pub(crate) struct LimitKeys {
    pub line: String,
    pub slots: String,
    pub late: String,
    pub state: String,
    pub passes: String,
    pub holders: String,
    pub permits: String,
}

impl LimitKeys {
    #[must_use]
    pub(crate) fn of(limit: &LimitKey) -> Self {
        let part = |name: &str| format!("{LIMITS}{limit}}}:{name}");
        Self {
            line: part("line"),
            slots: part("slots"),
            late: part("late"),
            state: part("state"),
            passes: part("passes"),
            holders: part("holders"),
            permits: part("permits"),
        }
    }

    /// What the names of all of them match, and of nothing else.
    #[must_use]
    pub(crate) fn pattern() -> String {
        format!("{LIMITS}*")
    }

    /// Whose key this is.
    #[must_use]
    pub(crate) fn limit(key: &str) -> Option<LimitKey> {
        let (name, _) = key.strip_prefix(LIMITS)?.split_once('}')?;
        LimitKey::parse(name).ok()
    }
}

/// The keys of one entry of the schedule.
#[derive(Debug, Clone)]
pub(crate) struct EntryKeys {
    pub state: String,
    pub left: String,
}

impl EntryKeys {
    #[must_use]
    pub(crate) fn of(entry: &EntryName) -> Self {
        let part = |name: &str| format!("liaison:{{schedule:{entry}}}:{name}");
        Self { state: part("state"), left: part("left") }
    }
}
