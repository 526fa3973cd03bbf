//! From a slot to the server that has it now: fixed, by the map of a cluster, or by what the sentinels say.
//!
//! What is known is kept until something shows that it is wrong: a refused or broken connection, a `MOVED`, a master
//! that is none any more. Then somebody is asked again, each time beginning with another one, so that a node whose own
//! picture is old cannot keep us there.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use redis::Value;
use tokio::sync::Mutex;

use super::{
    address::{Address, At, Kind},
    cluster::Map,
    node::{Node, Words},
};
use crate::{error::QueueError, scripts::text};

/// How long one of several may take to say where things are.
const ASK: Duration = Duration::from_secs(1);

/// What to do after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It was not carried out, and may succeed soon.
    Soon,
    /// It was not carried out: another node has this slot, and it is known which.
    Elsewhere(u16),
    /// It may have been carried out, or will never be.
    No,
}

pub(super) struct Route {
    address: Address,
    pub(super) shown: String,
    /// To connect, and to answer.
    pub(super) timeouts: (Duration, Duration),
    single: Option<Arc<Node>>,
    nodes: std::sync::Mutex<HashMap<At, Arc<Node>>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    version: u64,
    masters: Option<Masters>,
    turn: usize,
}

enum Masters {
    Of(Map),
    One(At),
}

impl Route {
    pub(super) fn new(address: Address, timeouts: (Duration, Duration)) -> Result<Self, QueueError> {
        let single = match address.kind {
            Kind::Single => Some(Arc::new(Node::new(address.single(), timeouts, false)?)),
            Kind::Cluster | Kind::Sentinel(_) => None,
        };
        let shown = address.shown();
        Ok(Self { address, shown, timeouts, single, nodes: std::sync::Mutex::default(), known: Mutex::default() })
    }

    pub(super) fn separate(&self, patience: Duration) -> Result<Self, QueueError> {
        let (connect, response) = self.timeouts;
        Self::new(self.address.clone(), (connect.min(patience), response.min(patience)))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.address.kind
    }

    pub(super) fn single(&self) -> Option<&Arc<Node>> {
        self.single.as_ref()
    }

    /// The server for a slot, and the version of the knowledge that says so.
    pub(super) async fn node(&self, slot: Option<u16>) -> Result<(Arc<Node>, u64), QueueError> {
        if let Some(node) = &self.single {
            return Ok((Arc::clone(node), 0));
        }
        // Invariant: whoever finds nothing asks, and all others wait for the answer.
        let mut known = self.known.lock().await;
        if known.masters.is_none() {
            self.ask(&mut known).await?;
        }
        let at = match &known.masters {
            Some(Masters::Of(map)) => map.master_of(slot).cloned(),
            Some(Masters::One(at)) => Some(at.clone()),
            None => None,
        };
        let Some(at) = at else {
            known.masters = None;
            return Err(self.astray(None));
        };
        Ok((self.of(&at)?, known.version))
    }

    /// Every master of a cluster, with one of its slots. All slots must have one.
    pub(super) async fn masters(&self) -> Result<Vec<(u16, String)>, QueueError> {
        let mut known = self.known.lock().await;
        self.ask(&mut known).await?;
        match &known.masters {
            Some(Masters::Of(map)) if map.uncovered() == 0 => {
                Ok(map.masters().into_iter().map(|(slot, at)| (slot, at.to_string())).collect())
            }
            _ => Err(self.astray(None)),
        }
    }

    /// That knowledge was wrong.
    pub(super) async fn forget(&self, version: u64) {
        let mut known = self.known.lock().await;
        if known.version == version {
            known.masters = None;
        }
    }

    /// Take from a fault what it says about where things are.
    pub(super) async fn learn(&self, fault: &QueueError, version: Option<u64>) -> Again {
        let again = match fault {
            // It stays with this master until it has moved.
            QueueError::Moving { .. } => return Again::Soon,
            QueueError::Unreachable { .. } | QueueError::NotMaster { .. } | QueueError::Astray { .. } => Again::Soon,
            QueueError::Call { server, source, .. } => match source.code() {
                Some("MOVED") => return self.follow(source, server).await,
                Some("CLUSTERDOWN" | "LOADING" | "READONLY" | "MASTERDOWN") => Again::Soon,
                // Redis 6.2 wraps what a script ran into in an error of its own.
                _ if source.to_string().contains("READONLY") => Again::Soon,
                // It broke off, or took too long: this may no longer be the place.
                _ if fault.is_outage() => Again::No,
                _ => return Again::No,
            },
            _ => return Again::No,
        };
        if let Some(version) = version {
            self.forget(version).await;
        }
        again
    }

    async fn follow(&self, source: &redis::RedisError, server: &str) -> Again {
        let said_by = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let Some((slot, at)) = source.redirect_node().and_then(|(at, slot)| Some((slot, At::parse(at, said_by)?)))
        else {
            return Again::No;
        };
        if let Some(Masters::Of(map)) = &mut self.known.lock().await.masters {
            map.moved(slot, at);
        }
        Again::Elsewhere(slot)
    }

    async fn ask(&self, known: &mut Known) -> Result<(), QueueError> {
        let mut asked = self.address.seeds.clone();
        if self.address.kind == Kind::Cluster {
            let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            asked.extend(nodes.keys().filter(|at| !self.address.seeds.contains(at)).cloned());
        }
        known.turn = known.turn.wrapping_add(1);
        let first = known.turn % asked.len().max(1);
        asked.rotate_left(first);
        let mut last = None;
        for at in &asked {
            let answer = match tokio::time::timeout(ASK.min(self.timeouts.0), self.ask_one(at)).await {
                Ok(answer) => answer,
                Err(_) => continue,
            };
            match answer {
                Ok(masters) => {
                    known.version += 1;
                    self.keep(&masters);
                    known.masters = Some(masters);
                    return Ok(());
                }
                // Wrong credentials or certificates do not mend themselves; they are what there is to say.
                Err(fault) if last.as_ref().is_none_or(QueueError::is_outage) => last = Some(fault),
                Err(_) => {}
            }
        }
        match last {
            Some(fault) if !fault.is_outage() => Err(fault),
            last => Err(self.astray(last)),
        }
    }

    async fn ask_one(&self, at: &At) -> Result<Masters, QueueError> {
        match &self.address.kind {
            Kind::Sentinel(name) => {
                let sentinel = Node::new(self.address.sentinel_at(at), self.timeouts, false)?;
                let mut question = redis::cmd("SENTINEL");
                question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
                let answer = sentinel.send("ask for the master", Words::One(&question)).await?;
                let Some(Value::Array(parts)) = answer.first() else { return Err(self.astray(None)) };
                let (host, port) = (parts.first().and_then(text), parts.get(1).and_then(text));
                let port = port.and_then(|port| port.parse().ok()).unwrap_or(0);
                let master = At::new(&host.unwrap_or_default(), port, &sentinel.host);
                master.map(Masters::One).ok_or_else(|| self.astray(None))
            }
            Kind::Cluster | Kind::Single => {
                let node = self.of(at)?;
                let question = redis::cmd("CLUSTER").arg("SLOTS").clone();
                let answer = node.send("ask for the slots", Words::One(&question)).await.map_err(not_a_cluster)?;
                let map = answer.first().and_then(|answer| Map::read(answer, &node.host));
                map.map(Masters::Of).ok_or_else(|| self.astray(None))
            }
        }
    }

    /// Forget servers that have gone, so that their number is bounded by that of the masters.
    fn keep(&self, masters: &Masters) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        match masters {
            Masters::One(master) => nodes.retain(|at, _| at == master),
            Masters::Of(map) => {
                let masters = map.masters();
                nodes.retain(|at, _| masters.iter().any(|(_, known)| known == at));
            }
        }
    }

    fn of(&self, at: &At) -> Result<Arc<Node>, QueueError> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(at) {
            return Ok(Arc::clone(node));
        }
        // A replica of a cluster sends us on by itself; one behind sentinels has to be asked what it is.
        let must_be_master = self.address.kind != Kind::Cluster;
        let node = Arc::new(Node::new(self.address.server_at(at), self.timeouts, must_be_master)?);
        nodes.insert(at.clone(), Arc::clone(&node));
        Ok(node)
    }

    fn astray(&self, source: Option<QueueError>) -> QueueError {
        let what = match &self.address.kind {
            Kind::Sentinel(name) => format!("a master by the name of {name}"),
            Kind::Cluster | Kind::Single => "a master for every slot".to_owned(),
        };
        QueueError::Astray { server: self.shown.clone(), what, source: source.map(Box::new) }
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
