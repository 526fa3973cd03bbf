//! What another configuration would change, and what of it a running daemon can take.

use std::collections::BTreeSet;

use super::{Config, log::Log, origin::Origin, reader::Entry, worker::Worker};

/// The keys outside of `[[queue]]` that count as soon as they are read again. All others need a restart: connections,
/// keys and addresses are made once, and leases that are out keep their length.
pub(crate) const LIVE: &[(&str, &str)] = &[
    ("worker", "concurrency"),
    ("worker", "grace"),
    ("worker", "cancel_grace"),
    ("worker", "crash_limit"),
    ("queues", "id_memory"),
    ("queues", "max_args"),
    ("queues", "low_priority_share"),
    ("queues", "max_lane_depth"),
    ("scheduler", "file"),
    ("log", "level"),
];

/// One key that has another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) key: String,
    /// Both as they may be shown.
    pub(crate) from: String,
    pub(crate) to: String,
    /// It counts without a restart.
    pub(crate) live: bool,
}

impl Config {
    /// What is different in `new`, besides which queues there are.
    pub(crate) fn changes(&self, new: &Self) -> Vec<Change> {
        let mut found: Vec<Change> = new.entries.iter().filter_map(|entry| self.change(entry)).collect();
        // A password is not shown, so it does not show that it changed.
        let hidden = [("redis", "redis.url", self.redis != new.redis), ("store", "store.url", self.store != new.store)];
        let hidden = hidden.into_iter().chain([("mail", "mail.password", self.mail != new.mail)]);
        for (section, key, is_other) in hidden {
            if is_other && !found.iter().any(|change| change.key.starts_with(section)) {
                found.push(Change { key: key.into(), from: "[redacted]".into(), to: "[redacted]".into(), live: false });
            }
        }
        if self.provider != new.provider {
            let count = |config: &Self| config.provider.len().to_string();
            let (from, to) = (count(self), count(new));
            found.push(Change { key: "what the [[provider]] entries say".into(), from, to, live: false });
        }
        for queue in &new.queue {
            let before = self.queue.iter().find(|before| before.name == queue.name);
            if let Some(before) = before.filter(|before| before.shards != queue.shards) {
                let (from, to) = (before.shards.to_string(), queue.shards.to_string());
                found.push(Change { key: format!("shards of queue {}", queue.name), from, to, live: false });
            }
        }
        found
    }

    fn change(&self, new: &Entry) -> Option<Change> {
        if new.place.index.is_some() {
            return None;
        }
        let old = self.entries.iter().find(|old| old.place == new.place)?;
        let shown = |entry: &Entry| entry.shown.as_ref().map_or("nothing".to_owned(), ToString::to_string);
        let (from, to) = (shown(old), shown(new));
        (from != to).then(|| Change { key: new.place.to_string(), from, to, live: is_live(new) })
    }

    /// Where the value of a key, such as `redis.url`, came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let found = self.entries.iter().find(|entry| entry.place.index.is_none() && entry.place.to_string() == key);
        found.map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// What runs once `new` was read: all of it that counts without a restart, and the rest as it was.
    pub(crate) fn taking(self, new: Self) -> Self {
        let worker = Worker { lease: self.worker.lease, diagnostics: self.worker.diagnostics, ..new.worker };
        let log = Log { format: self.log.format, ..new.log };
        let mut queue = new.queue;
        for queue in &mut queue {
            if let Some(before) = self.queue.iter().find(|before| before.name == queue.name) {
                queue.shards = before.shards;
            }
        }
        let is_kept =
            |entry: &Entry| entry.place.section == "provider" || (entry.place.index.is_none() && !is_live(entry));
        let kept = self.entries.into_iter().filter(is_kept);
        let mut entries: Vec<Entry> = kept.collect();
        let there: BTreeSet<_> = entries.iter().map(|entry| entry.place.clone()).collect();
        let is_new = |entry: &Entry| entry.place.section != "provider" && !there.contains(&entry.place);
        entries.extend(new.entries.into_iter().filter(is_new));
        entries.sort_by(|a, b| a.place.cmp(&b.place));
        Self {
            redis: self.redis,
            store: self.store,
            worker,
            queues: new.queues,
            queue,
            scheduler: new.scheduler,
            tokens: self.tokens,
            provider: self.provider,
            retention: self.retention,
            http: self.http,
            traces: self.traces,
            outbound: self.outbound,
            mail: self.mail,
            meetings: self.meetings,
            webhooks: self.webhooks,
            calendars: self.calendars,
            log,
            entries,
        }
    }
}

fn is_live(entry: &Entry) -> bool {
    LIVE.contains(&(entry.place.section.as_str(), entry.place.name.as_str()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::config::{Sources, load};

    fn config(text: &str) -> Config {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("write it");
        load(&Sources { search: vec![file.path().to_owned()], ..Sources::default() }).expect("a configuration").config
    }

    #[test]
    fn what_needs_a_restart_is_named_and_stays_as_it_was() {
        let old = config("[redis]\nurl = \"redis://a\"\n[[queue]]\nname = \"q\"\nshards = 2\n");
        let text = "[redis]\nurl = \"redis://b\"\n[worker]\nlease = \"20s\"\nconcurrency = 3\n[log]\nlevel = \"debug\"\n\
                    format = \"json\"\n[[queue]]\nname = \"q\"\nshards = 3\nweight = 5\n[[queue]]\nname = \"r\"\nshards = 4\n";
        let new = config(text);
        let changes = old.changes(&new);
        let (live, later): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|change| change.live);
        let named = |changes: Vec<&Change>| changes.iter().map(|change| change.key.clone()).collect::<Vec<_>>();
        assert_eq!(named(later), ["redis.url", "worker.lease", "log.format", "shards of queue q"]);
        assert_eq!(named(live), ["worker.concurrency", "log.level"]);
        let taken = old.clone().taking(new.clone());
        assert_eq!((taken.redis, taken.worker.lease), (old.redis.clone(), old.worker.lease));
        assert_eq!((taken.worker.concurrency, taken.log.level.as_str()), (3, "debug"));
        assert_eq!(taken.log.format, old.log.format);
        let queues: Vec<_> = taken.queue.iter().map(|q| (q.name.as_str(), q.weight, q.shards)).collect();
        assert_eq!(queues, [("q", 5, 2), ("r", 1, 4)]);
        // Said again the next time, since it still waits for the restart.
        let taken = old.clone().taking(new.clone());
        assert_eq!(taken.changes(&new).len(), 4, "{:?}", taken.changes(&new));
    }

    #[test]
    fn another_password_is_a_change_and_is_shown_to_nobody() {
        let of = |password: &str| config(&format!("[redis]\nurl = \"redis://me:{password}@h\"\n"));
        let changes = of("hunter2").changes(&of("hunter3"));
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(changes[0].key, "redis.url");
        assert!(!format!("{changes:?}").contains("hunter"), "{changes:?}");
    }

    #[test]
    fn every_key_that_counts_at_once_exists_and_is_documented() {
        let document = include_str!("../../docs/operations.md");
        let (_, rest) = document.split_once("\n## Reload\n").expect("the section");
        let section = rest.split("\n## ").next().expect("its text");
        for (group, name) in LIVE {
            assert!(
                crate::config::known().iter().any(|known| known.section == *group && known.name == *name),
                "{name}"
            );
            assert!(section.contains(&format!("`{name}`")), "operations.md, Reload: {group}.{name} is missing");
        }
    }
}
