//! One master of Redis: whether it keeps what it accepts.

use liaison_queue::ServerFacts;

use super::{Check, Finding, Severity};

/// Above this part of its limit a burst may fill it.
const FULL_PERCENT: u64 = 80;

pub(super) fn judge(facts: &ServerFacts) -> Vec<Finding> {
    let reached = format!("answers in {} ms", facts.round_trip_ms);
    let mut findings =
        vec![Finding::ok(Check::RedisReachable, &facts.server, reached), version(facts), persistence(facts)];
    findings.extend([writes(facts), eviction(facts), memory(facts), replicas(facts)]);
    findings
}

fn version(facts: &ServerFacts) -> Finding {
    let mut numbers = facts.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let is_new = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 2);
    if is_new {
        return Finding::ok(Check::RedisVersion, &facts.server, &*facts.version);
    }
    let what = format!("version {} is too old: no daemon starts on it", facts.version);
    Finding::new(Check::RedisVersion, Severity::Error, &facts.server, what, "install Redis 6.2 or newer, or Valkey")
}

fn persistence(facts: &ServerFacts) -> Finding {
    let found = |severity, what: &str, remedy: &str| {
        Finding::new(Check::RedisPersistence, severity, &facts.server, what, remedy)
    };
    let remedy = "set `appendonly yes` and `appendfsync everysec` or `always`, in its file too";
    match (facts.appending, facts.fsync.as_deref()) {
        (false, _) => found(Severity::Error, "keeps no append-only file: a restart may lose accepted jobs", remedy),
        (true, Some("no")) => {
            found(Severity::Warning, "leaves it to the system when accepted jobs reach the disk", remedy)
        }
        (true, Some("always")) => Finding::ok(Check::RedisPersistence, &facts.server, "every accepted job is on disk"),
        (true, Some(_)) => {
            Finding::ok(Check::RedisPersistence, &facts.server, "a power cut may cost the last second of accepted jobs")
        }
        (true, None) => found(
            Severity::Advice,
            "keeps an append-only file; how often it reaches the disk may not be asked by this user",
            "give the user `+config|get`, or look at `appendfsync` by hand",
        ),
    }
}

fn writes(facts: &ServerFacts) -> Finding {
    let failed = [(facts.appended_well, "append-only file"), (facts.saved_well, "snapshot")];
    let failed: Vec<&str> = failed.into_iter().filter(|(well, _)| !well).map(|(_, what)| what).collect();
    if failed.is_empty() {
        return Finding::ok(Check::RedisWrites, &facts.server, "its last writes to disk went well");
    }
    let what = format!("its last write failed: {}", failed.join(" and "));
    let remedy = "make room on its disk or mend it; its own log says more";
    Finding::new(Check::RedisWrites, Severity::Error, &facts.server, what, remedy)
}

fn eviction(facts: &ServerFacts) -> Finding {
    if facts.policy.is_empty() || facts.policy == "noeviction" {
        return Finding::ok(Check::RedisEviction, &facts.server, "throws nothing away");
    }
    let what = format!("maxmemory-policy {} throws jobs away when memory is short", facts.policy);
    let remedy = "set `maxmemory-policy noeviction`, in its file too";
    Finding::new(Check::RedisEviction, Severity::Error, &facts.server, what, remedy)
}

fn memory(facts: &ServerFacts) -> Finding {
    let used = facts.used_bytes >> 20;
    if facts.max_bytes == 0 {
        let what = format!("uses {used} MiB of memory and has no limit: the system may kill it when memory is short");
        let remedy = "set `maxmemory` to what the machine can spare";
        return Finding::new(Check::RedisMemory, Severity::Advice, &facts.server, what, remedy);
    }
    let percent = facts.used_bytes.saturating_mul(100) / facts.max_bytes;
    let what = format!("uses {used} MiB, {percent} % of its limit");
    if percent < FULL_PERCENT {
        return Finding::ok(Check::RedisMemory, &facts.server, what);
    }
    let severity = if percent >= 100 { Severity::Error } else { Severity::Warning };
    let remedy = "raise `maxmemory`, or find the queue that grows: `liaison queues list`";
    Finding::new(Check::RedisMemory, severity, &facts.server, what, remedy)
}

fn replicas(facts: &ServerFacts) -> Finding {
    let count = facts.replicas;
    match facts.min_replicas {
        Some(least) if least > count => {
            let what = format!("has {count} replicas and takes no writes below {least}");
            let remedy = "bring the replicas back, or lower `min-replicas-to-write`";
            Finding::new(Check::RedisReplicas, Severity::Error, &facts.server, what, remedy)
        }
        Some(0) if count > 0 => {
            let what = format!("has {count} replicas, and accepts jobs that none of them has");
            let remedy = "set `min-replicas-to-write 1`, so that a master that was cut off accepts nothing";
            Finding::new(Check::RedisReplicas, Severity::Advice, &facts.server, what, remedy)
        }
        Some(_) | None => Finding::ok(Check::RedisReplicas, &facts.server, format!("{count} replicas")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> ServerFacts {
        ServerFacts {
            server: "there".into(),
            version: "7.0.15".into(),
            appending: true,
            fsync: Some("always".into()),
            appended_well: true,
            saved_well: true,
            policy: "noeviction".into(),
            used_bytes: 10,
            max_bytes: 100,
            min_replicas: Some(0),
            ..ServerFacts::default()
        }
    }

    fn worst(facts: &ServerFacts) -> (Severity, Check) {
        judge(facts).into_iter().map(|finding| (finding.severity, finding.check)).max().expect("findings")
    }

    #[test]
    fn every_bad_day_of_a_server_is_told() {
        assert_eq!(worst(&good()).0, Severity::Ok);
        let cases = [
            (ServerFacts { version: "6.0.9".into(), ..good() }, Severity::Error, Check::RedisVersion),
            (ServerFacts { appending: false, ..good() }, Severity::Error, Check::RedisPersistence),
            (ServerFacts { fsync: Some("no".into()), ..good() }, Severity::Warning, Check::RedisPersistence),
            (ServerFacts { fsync: None, ..good() }, Severity::Advice, Check::RedisPersistence),
            (ServerFacts { appended_well: false, ..good() }, Severity::Error, Check::RedisWrites),
            (ServerFacts { saved_well: false, ..good() }, Severity::Error, Check::RedisWrites),
            (ServerFacts { policy: "allkeys-lru".into(), ..good() }, Severity::Error, Check::RedisEviction),
            (ServerFacts { max_bytes: 0, ..good() }, Severity::Advice, Check::RedisMemory),
            (ServerFacts { used_bytes: 85, ..good() }, Severity::Warning, Check::RedisMemory),
            (ServerFacts { used_bytes: 120, ..good() }, Severity::Error, Check::RedisMemory),
            (ServerFacts { min_replicas: Some(1), ..good() }, Severity::Error, Check::RedisReplicas),
            (ServerFacts { replicas: 2, ..good() }, Severity::Advice, Check::RedisReplicas),
        ];
        for (facts, severity, check) in cases {
            assert_eq!(worst(&facts), (severity, check), "{facts:?}");
        }
    }
}
