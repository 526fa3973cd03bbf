//! The way to Redis: whoever asks says which key it is about, and the link knows which server has it.
//!
//! A single server, a cluster and a master behind sentinels look the same from outside. Nothing else opens connections.
//! What was refused by a server that could not have done any of it (not there, not the master, a slot on the move) is
//! asked again with patience; a call that may have been carried out never is.

mod address;
mod cluster;
mod node;
mod route;
mod sentinel;
mod tls;

pub(crate) use self::cluster::slot_of as slot_of_text;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Value, aio::MultiplexedConnection};

use self::{
    address::{Address, Kind},
    node::Words,
    route::{Again, Route},
};
use crate::{error::QueueError, vitals::Pulse};

pub use self::tls::TlsFiles;

#[derive(Debug, Clone)]
pub struct LinkOptions {
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
    pub tls: TlsFiles,
    pub sentinel: SentinelUser,
}

impl Default for LinkOptions {
    fn default() -> Self {
        let (connect_timeout, response_timeout) = (Duration::from_secs(5), Duration::from_secs(10));
        Self { connect_timeout, response_timeout, tls: TlsFiles::default(), sentinel: SentinelUser::default() }
    }
}

/// Who asks the sentinels: their users are not those of the servers they watch.
#[derive(Clone, Default)]
pub struct SentinelUser {
    pub user: Option<String>,
    pub password: Option<String>,
}

impl std::fmt::Debug for SentinelUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentinelUser").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A cheap handle; clones share the connections.
#[derive(Clone)]
pub struct Link {
    route: Arc<Route>,
    /// What the calls of this handle are about, in a cluster.
    slot: Option<u16>,
    /// Whose progress every answer is, errors and broken connections too.
    pulse: Option<Pulse>,
}

/// Between two attempts at something that is on the move.
const PAUSE: Duration = Duration::from_millis(50);
/// A slot that moved this often during one call is looked up anew.
const HOPS: u32 = 5;

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Link").field(&self.route.shown).finish()
    }
}

impl Link {
    /// Prepare a link; nothing is connected yet.
    ///
    /// # Errors
    /// When the URL or a certificate cannot be used.
    pub fn new(url: &str, options: LinkOptions) -> Result<Self, QueueError> {
        let LinkOptions { connect_timeout, response_timeout, tls, sentinel } = options;
        let address = Address::parse(url, &tls, sentinel)?;
        Ok(Self { route: Arc::new(Route::new(address, (connect_timeout, response_timeout))?), slot: None, pulse: None })
    }

    /// The addresses in the URL, without credentials.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.route.shown
    }

    /// How long a call waits for its answer.
    pub(crate) fn response_timeout(&self) -> Duration {
        self.route.timeouts.1
    }

    /// The same link for calls about this key, and about all others with its hash tag.
    pub(crate) fn at(&self, key: &str) -> Self {
        self.clone().turned_to(key)
    }

    pub(crate) fn turned_to(mut self, key: &str) -> Self {
        self.slot = self.is_cluster().then(|| cluster::slot_of(key));
        self
    }

    /// A second link to the same place that shares nothing with this one, for threads with a runtime of their own; it
    /// waits for nothing longer than `patience`.
    ///
    /// # Errors
    /// None in practice: the address was understood before.
    pub fn separate(&self, patience: Duration) -> Result<Self, QueueError> {
        Ok(Self { route: Arc::new(self.route.separate(patience)?), slot: self.slot, pulse: None })
    }

    /// The same link for a part that shows by its calls that it progresses.
    #[cfg(feature = "worker")]
    pub(crate) fn of_part(&self, pulse: &Pulse) -> Self {
        Self { pulse: Some(pulse.clone()), ..self.clone() }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.route.kind() == &Kind::Cluster
    }

    /// One link for each master, with its name.
    pub(crate) async fn masters(&self) -> Result<Vec<(String, Self)>, QueueError> {
        if !self.is_cluster() {
            return Ok(vec![(self.server().to_owned(), self.clone())]);
        }
        let masters = self.route.masters().await?.into_iter();
        Ok(masters.map(|(slot, at)| (at, Self { slot: Some(slot), ..self.clone() })).collect())
    }

    /// A connection of one's own, for commands that block on the server for up to `patience`.
    pub(crate) async fn dedicated(&self, patience: Duration) -> Result<MultiplexedConnection, QueueError> {
        let (node, version) = self.route.node(self.slot, true).await?;
        let connection = node.connect(patience + self.response_timeout()).await;
        if connection.is_err() {
            self.route.forget(version).await;
        }
        connection
    }

    /// Send one command.
    pub(crate) async fn call(&self, step: &'static str, command: &redis::Cmd) -> Result<Value, QueueError> {
        let mut answers = self.send(step, Words::One(command)).await?;
        answers.pop().ok_or_else(|| self.odd(step, &Value::Nil))
    }

    /// Send several commands at once; an error in one of them is an error of the whole. They may be carried out twice,
    /// so they read only.
    pub(crate) async fn calls(&self, step: &'static str, pipe: &redis::Pipeline) -> Result<Vec<Value>, QueueError> {
        self.send(step, Words::Several(pipe)).await
    }

    async fn send(&self, step: &'static str, words: Words<'_>) -> Result<Vec<Value>, QueueError> {
        let answer = self.send_patiently(step, words).await;
        if let Some(pulse) = &self.pulse {
            pulse.beat();
        }
        #[cfg(feature = "worker")]
        if answer.is_err() {
            crate::meters::redis_failed();
        }
        answer
    }

    async fn send_patiently(&self, step: &'static str, words: Words<'_>) -> Result<Vec<Value>, QueueError> {
        if let Some(node) = self.route.single() {
            return node.send(step, words).await;
        }
        let (begin, mut slot, mut hops) = (Instant::now(), self.slot, 0);
        loop {
            let (fault, version) = match self.route.node(slot, false).await {
                Ok((node, version)) => match node.send(step, words).await {
                    Ok(answers) => return Ok(answers),
                    Err(fault) => (fault, Some(version)),
                },
                Err(fault) => (fault, None),
            };
            let again = self.route.learn(&fault, version).await;
            if let Again::Elsewhere(moved) = again
                && hops < HOPS
            {
                // Whoever asks about no key in particular learns from the answer where its key is.
                (slot, hops) = (slot.or(Some(moved)), hops + 1);
                continue;
            }
            // Connecting takes this long at most, and finding whom to connect to is a part of it.
            if again == Again::No || begin.elapsed() + PAUSE > self.route.timeouts.0 {
                return Err(fault);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// An answer nobody expected, shortened for the log.
    pub(crate) fn odd(&self, step: &'static str, answer: &Value) -> QueueError {
        let answer = format!("{answer:?}").chars().take(200).collect();
        QueueError::Answer { server: self.server().to_owned(), step, answer }
    }
}
