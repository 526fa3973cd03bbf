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
/// Names of all entries of the schedule that any daemon ever had in its file.
pub(crate) const ENTRIES: &str = "liaison:entries";
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

/// What the names of all our keys match.
#[must_use]
pub(crate) fn pattern() -> &'static str {
    "liaison:*"
}

/// What type the key of this name has, by its whole name; none for one that no release of ours makes.
#[must_use]
pub(crate) fn kind_of(key: &str) -> Option<&'static str> {
    match key {
        QUEUES | ENTRIES => return Some("set"),
        SHARDS => return Some("hash"),
        STORE => return Some("string"),
        _ => {}
    }
    let (of, name) = key.strip_prefix("liaison:{")?.split_once("}:")?;
    if of.starts_with("limit:") {
        return match name {
            "line" | "slots" | "late" | "permits" => Some("zset"),
            "state" | "holders" => Some("hash"),
            "passes" => Some("list"),
            _ => None,
        };
    }
    if of.starts_with("schedule:") {
        return matches!(name, "state" | "left").then_some("hash");
    }
    match name {
        "inbox" | "ready:high" | "ready:normal" | "ready:low" | "apart" | "alone" | "departing" => Some("list"),
        "admitter" | "paused" | "idle" => Some("string"),
        "outbound" | "due" | "returning" | "lapsing" | "expiring" | "leases" | "recent" => Some("zset"),
        "jobs" | "ghosts" | "turns" | "ends" | "lanes" | "fronts" | "uniques" | "batches" | "held" | "claims"
        | "tries" | "verdicts" | "workers" | "pulse" | "counters" => Some("hash"),
        name if name.starts_with("reply:") => Some("list"),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn every_key_has_the_type_that_the_protocol_gives_it() {
        let document = include_str!("../docs/wire-protocol.md");
        let (_, section) = document.split_once("\n## Keys\n").expect("the keys");
        let rows = section.split("\n#").next().expect("its text").lines().filter_map(|line| line.strip_prefix("| `"));
        let mut seen = 0;
        for row in rows {
            let mut cells = row.split(" | ");
            let (Some(key), Some(kind)) = (cells.next(), cells.next()) else { panic!("{row}") };
            let key = key
                .trim_end_matches('`')
                .replace("QUEUE", "q")
                .replace("ID", "1")
                .replace("KEY", "k")
                .replace("ENTRY", "e");
            let kind = kind.split(',').next().map(|kind| if kind == "sorted set" { "zset" } else { kind });
            assert_eq!(kind_of(&key), kind.filter(|kind| *kind != "none"), "{key}");
            seen += 1;
        }
        assert!(seen > 40, "{seen}");
        assert_eq!(kind_of("liaison:{q}:elsewhere"), None);
    }
}
