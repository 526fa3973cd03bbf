//! From a slot to the server that has it now: fixed, by the map of a cluster, or by what the sentinels say.
//!
//! What is known is kept until something shows that it is wrong: a refused or broken connection, a `MOVED`, a master
//! that is none any more. Then the nodes are asked again, each time beginning with another one, or all the sentinels, so
//! that one whose own picture is old cannot keep us there.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{
    address::{Address, At, Kind},
    cluster::Map,
    node::Node,
};
use crate::error::QueueError;

/// How long one of several may take to say where things are.
pub(super) const ASK: Duration = Duration::from_secs(1);
/// How long a master is trusted on what the sentinels said, and how long calls wait for hearing it again.
const CONFIRM_EVERY: Duration = Duration::from_secs(2);
const CONFIRM: Duration = Duration::from_millis(200);
/// They are asked this often at most.
const ASK_EVERY: Duration = Duration::from_millis(100);

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
    pub(super) address: Address,
    pub(super) shown: String,
    /// To connect, and to answer.
    pub(super) timeouts: (Duration, Duration),
    single: Option<Arc<Node>>,
    pub(super) nodes: std::sync::Mutex<HashMap<At, Arc<Node>>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    version: u64,
    masters: Option<Masters>,
    turn: usize,
    not_before: Option<Instant>,
    confirm_at: Option<Instant>,
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

    /// The server for a slot, and the version of the knowledge that says so. `anew` if it will be connected to anew.
    pub(super) async fn node(&self, slot: Option<u16>, anew: bool) -> Result<(Arc<Node>, u64), QueueError> {
        if let Some(node) = &self.single {
            return Ok((Arc::clone(node), 0));
        }
        // Invariant: whoever finds nothing asks, and all others wait for the answer.
        // Those who wait for one that asks in vain, and then ask in vain themselves, must not wait for each other's sum.
        let known = tokio::time::timeout(self.timeouts.0, self.known.lock()).await;
        let mut known = known.map_err(|_| self.astray(None))?;
        let outdated = match &known.masters {
            None => true,
            // What the sentinels said a while ago is good for a connection that stands, and for no new one: the old
            // master may be back by now, and does not know that it is none.
            Some(Masters::One(at)) => {
                known.not_before.is_none_or(|at| at <= Instant::now()) && (anew || !self.of(at)?.is_connected())
            }
            Some(Masters::Of(_)) => false,
        };
        if outdated {
            self.ask(&mut known).await?;
        } else if known.confirm_at.is_some_and(|at| at <= Instant::now()) {
            self.confirm(&mut known).await;
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
        if let Some(wait) = known.not_before.and_then(|at| at.checked_duration_since(Instant::now())) {
            // Everybody who does not know where to go waits behind the same lock.
            tokio::time::sleep(wait).await;
        }
        known.not_before = Some(Instant::now() + ASK_EVERY);
        let masters = match &self.address.kind {
            Kind::Sentinel(name) => Masters::One(self.ask_sentinels(name, ASK).await?),
            Kind::Cluster | Kind::Single => Masters::Of(self.ask_nodes(&mut known.turn).await?),
        };
        self.keep(&masters);
        known.version += 1;
        known.confirm_at = matches!(masters, Masters::One(_)).then(|| Instant::now() + CONFIRM_EVERY);
        known.masters = Some(masters);
        Ok(())
    }

    /// A failover can overtake a connection that stands: an old master that is back before it was deposed, or one that was
    /// cut off together with us. So the sentinels are asked now and then; if none answers, nothing changes.
    async fn confirm(&self, known: &mut Known) {
        known.confirm_at = Some(Instant::now() + CONFIRM_EVERY);
        let (Kind::Sentinel(name), Some(Masters::One(current))) = (&self.address.kind, &known.masters) else { return };
        match self.ask_sentinels(name, CONFIRM).await {
            Ok(at) if at != *current => {
                let masters = Masters::One(at);
                self.keep(&masters);
                known.version += 1;
                known.masters = Some(masters);
            }
            Ok(_) | Err(_) => {}
        }
    }

    pub(super) async fn patiently<T>(
        &self,
        patience: Duration,
        question: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        let answer = tokio::time::timeout(patience.min(self.timeouts.0), question).await;
        answer.unwrap_or_else(|_| Err(self.astray(None)))
    }

    /// Wrong credentials or certificates do not mend themselves: they are what there is to say.
    pub(super) fn worst(&self, mut faults: Vec<QueueError>) -> QueueError {
        match faults.iter().position(|fault| !fault.is_outage()) {
            Some(at) => faults.swap_remove(at),
            None => self.astray(faults.pop()),
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

    pub(super) fn of(&self, at: &At) -> Result<Arc<Node>, QueueError> {
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

    pub(super) fn astray(&self, source: Option<QueueError>) -> QueueError {
        let what = match &self.address.kind {
            Kind::Sentinel(name) => format!("a master by the name of {name}"),
            Kind::Cluster | Kind::Single => "a master for every slot".to_owned(),
        };
        QueueError::Astray { server: self.shown.clone(), what, source: source.map(Box::new) }
    }
}
