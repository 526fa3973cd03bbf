//! Looking at the living system: what an operator would look at by hand, each with what to do about it.
//!
//! Every look has its own time and its own end: one that cannot be made is a finding, and the others go on. Nothing is
//! changed. To add a check, add its id to [`Check`], a look that finds it, and its line in `docs/operations.md`.

mod clocks;
mod files;
mod integrations;
mod keys;
mod providers;
mod queues;
mod redis;
mod schedule;
mod store;
mod workers;

use std::{future::Future, time::Duration};

use liaison_queue::{Depths, ServerFacts, WorkerCard};
use serde::Serialize;

use crate::app::App;

/// How long one look may take. Redis and the store are looked at side by side, and after a look that was not answered
/// those that would ask the same server are not made: so all together end within fifteen seconds, whatever is away.
const LOOK: Duration = Duration::from_secs(4);

macro_rules! checks {
    ($($name:ident = $id:literal),+ $(,)?) => {
        /// What is looked at. The words are for machines and never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Check { $($name),+ }

        impl Check {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id),+ }
            }
        }
    };
}

checks! {
    FileModes = "files.modes",
    RedisReachable = "redis.reachable",
    RedisVersion = "redis.version",
    RedisPersistence = "redis.persistence",
    RedisWrites = "redis.writes",
    RedisEviction = "redis.eviction",
    RedisMemory = "redis.memory",
    RedisReplicas = "redis.replicas",
    RedisKeys = "redis.keys",
    Clocks = "clocks.skew",
    StoreReachable = "store.reachable",
    StoreSchema = "store.schema",
    StoreVersion = "store.version",
    StoreTie = "store.tie",
    StoreSealed = "store.sealed",
    StoreKeys = "store.keys",
    StoreSpace = "store.space",
    QueuesServed = "queues.served",
    QueuesPaused = "queues.paused",
    QueuesSuspects = "queues.suspects",
    QueuesDeparting = "queues.departing",
    JobsKnown = "jobs.known",
    WorkersAlive = "workers.alive",
    WorkersVersions = "workers.versions",
    WorkersReload = "workers.reload",
    DeadRising = "dead.rising",
    ScheduleFires = "schedule.fires",
    SchedulePaused = "schedule.paused",
    Integrations = "integrations.well",
    Providers = "providers.reachable",
}

impl Serialize for Check {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Ok,
    /// It works; it could work better.
    Advice,
    /// Something is wrong that will hurt if it stays.
    Warning,
    /// Jobs are at risk, or stand still.
    Error,
}

impl Severity {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) severity: Severity,
    /// Where it was found: a server, a queue, a file.
    pub(crate) place: String,
    pub(crate) what: String,
    pub(crate) remedy: Option<String>,
}

impl Finding {
    fn new(check: Check, severity: Severity, place: &str, what: impl Into<String>, remedy: &str) -> Self {
        Self { check, severity, place: place.to_owned(), what: what.into(), remedy: Some(remedy.to_owned()) }
    }

    fn ok(check: Check, place: &str, what: impl Into<String>) -> Self {
        Self { check, severity: Severity::Ok, place: place.to_owned(), what: what.into(), remedy: None }
    }
}

/// A queue, or a part of one, and who works there.
struct Ward {
    depths: Depths,
    workers: Vec<(WorkerCard, bool)>,
}

/// What Redis told.
#[derive(Default)]
struct Seen {
    servers: Vec<ServerFacts>,
    tie: Option<String>,
    findings: Vec<Finding>,
}

/// Look at everything.
pub(crate) async fn examine(app: &App) -> Vec<Finding> {
    let mut findings = files::look(&app.config);
    let (seen, stored) = tokio::join!(look_at_redis(app), store::look(app));
    let store::Seen { clock, identity, findings: of_store } = stored;
    findings.extend(seen.findings);
    findings.extend(clocks::judge(&seen.servers, clock.as_ref()));
    findings.extend(of_store);
    if let (Some(tied), Some(identity)) = (seen.tie, identity) {
        findings.push(store::tie(&app.link, &tied, &identity));
    }
    findings.extend(providers::look(app).await);
    findings.sort_by_key(|finding| finding.check);
    findings
}

async fn look_at_redis(app: &App) -> Seen {
    let place = app.link.server().to_owned();
    let servers = match within(liaison_queue::servers(&app.link)).await {
        Ok(servers) => servers,
        Err(problem) => {
            let remedy = "see that it runs and that redis.url is right; queues, workers and keys were not looked at";
            let finding = Finding::new(Check::RedisReachable, Severity::Error, &place, problem, remedy);
            return Seen { findings: vec![finding], ..Seen::default() };
        }
    };
    let mut findings: Vec<Finding> = servers.iter().flat_map(redis::judge).collect();
    let mut tie = None;
    match within(liaison_queue::tied_to(&app.link)).await {
        Ok(found) => tie = found,
        Err(problem) => findings.push(unanswered(Check::StoreTie, &place, &problem)),
    }
    findings.push(keys::look(app).await);
    findings.extend(queues::look(app).await);
    findings.extend(schedule::look(app).await);
    Seen { servers, tie, findings }
}

/// So long, and no longer; what went wrong in words.
async fn within<T, E: Into<anyhow::Error>>(look: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(LOOK, look).await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(fault)) => Err(liaison_queue::chain(fault.into().as_ref())),
        Err(_) => Err(format!("no answer within {LOOK:?}")),
    }
}

/// A look that could not be made is a finding itself.
fn unanswered(check: Check, place: &str, problem: &str) -> Finding {
    let what = format!("could not be looked at: {problem}");
    Finding::new(
        check,
        Severity::Warning,
        place,
        what,
        "see to what is reported, and the rights of this user, then look again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_list_every_check_and_no_other() {
        let document = include_str!("../docs/operations.md");
        let (_, rest) = document.split_once("\n## Doctor\n").expect("the section");
        let section = rest.split("\n## ").next().expect("its text");
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let written: Vec<&str> = rows.map(|(id, _)| id).collect();
        let known: Vec<&str> = Check::ALL.iter().map(|check| check.as_str()).collect();
        assert_eq!(written, known);
    }
}
