//! One server: a shared connection that is made again whenever it breaks.
//!
//! A broken connection is an error for the calls that were under way, never for the node: the next call connects anew.

use std::time::{Duration, Instant};

use redis::{Value, aio::MultiplexedConnection};
use tokio::sync::Mutex;

use crate::{error::QueueError, scripts::text};

/// A dead server is asked again this often at most.
const RECONNECT_EVERY: Duration = Duration::from_millis(200);

/// What is sent in one go.
#[derive(Clone, Copy)]
pub(super) enum Words<'a> {
    One(&'a redis::Cmd),
    Several(&'a redis::Pipeline),
}

pub(super) struct Node {
    pub(super) server: String,
    pub(super) host: String,
    client: redis::Client,
    connect_timeout: Duration,
    response_timeout: Duration,
    /// Ask for its role before using it.
    must_be_master: bool,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    generation: u64,
    /// After a failed attempt, callers get its error at once until this passes: no storm of connects.
    not_before: Option<Instant>,
}

impl Node {
    pub(super) fn new(
        info: redis::ConnectionInfo,
        timeouts: (Duration, Duration),
        must_be_master: bool,
    ) -> Result<Self, QueueError> {
        let server = info.addr().to_string();
        let host = server.rsplit_once(':').map_or(server.as_str(), |(host, _)| host).to_owned();
        let client = redis::Client::open(info).map_err(|fault| QueueError::Url(fault.to_string()))?;
        let (connect_timeout, response_timeout) = timeouts;
        Ok(Self { server, host, client, connect_timeout, response_timeout, must_be_master, current: Mutex::default() })
    }

    pub(super) async fn connect(&self, response_timeout: Duration) -> Result<MultiplexedConnection, QueueError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(response_timeout));
        let fault = |source| QueueError::from_redis(&self.server, "connect", source);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await.map_err(fault)?;
        if self.must_be_master {
            let role = connection.send_packed_command(&redis::cmd("ROLE")).await.and_then(Value::extract_error);
            let Value::Array(parts) = role.map_err(fault)? else { return Err(self.is_no_master()) };
            if parts.first().and_then(text).as_deref() != Some("master") {
                return Err(self.is_no_master());
            }
        }
        Ok(connection)
    }

    fn is_no_master(&self) -> QueueError {
        QueueError::NotMaster { server: self.server.clone() }
    }

    fn is_silent(&self) -> QueueError {
        let source = redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        QueueError::from_redis(&self.server, "connect", source)
    }

    /// There is a connection, or somebody is making one.
    pub(super) fn is_connected(&self) -> bool {
        self.current.try_lock().map_or(true, |current| current.connection.is_some())
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), QueueError> {
        // Behind the lock one connects after the other while nobody answers: their times must not add up.
        let mut current =
            tokio::time::timeout(self.connect_timeout, self.current.lock()).await.map_err(|_| self.is_silent())?;
        if let Some(connection) = &current.connection {
            return Ok((connection.clone(), current.generation));
        }
        // Where a master is asked for, that is what waits; between the answer and the connection no time may pass.
        let not_before = current.not_before.filter(|_| !self.must_be_master);
        if let Some(wait) = not_before.and_then(|at| at.checked_duration_since(Instant::now())) {
            // Everybody who waits here waits behind the same lock, and the first one connects for all.
            tokio::time::sleep(wait).await;
        }
        match self.connect(self.response_timeout).await {
            Ok(connection) => {
                current.generation += 1;
                #[cfg(feature = "worker")]
                if current.generation > 1 {
                    crate::meters::redis_connected_again();
                }
                current.not_before = None;
                current.connection = Some(connection.clone());
                Ok((connection, current.generation))
            }
            Err(error) => {
                current.not_before = Some(Instant::now() + RECONNECT_EVERY);
                Err(error)
            }
        }
    }

    pub(super) async fn send(&self, step: &'static str, words: Words<'_>) -> Result<Vec<Value>, QueueError> {
        let (mut connection, generation) = self.connection().await?;
        let answers = match words {
            Words::One(command) => connection.send_packed_command(command).await.map(|value| vec![value]),
            Words::Several(pipe) => connection.send_packed_commands(pipe, 0, pipe.len()).await,
        };
        match answers.and_then(|values| values.into_iter().map(Value::extract_error).collect()) {
            Ok(values) => Ok(values),
            Err(source) => Err(self.failed(step, source, generation).await),
        }
    }

    async fn failed(&self, step: &'static str, source: redis::RedisError, generation: u64) -> QueueError {
        // An error answer leaves the connection good; anything else may have left it half-read.
        // A server that became a replica answers well and is the wrong one.
        let answered = matches!(source.kind(), redis::ErrorKind::Server(_) | redis::ErrorKind::Extension);
        if !answered || source.to_string().contains("READONLY") {
            // Whoever holds it for so long makes a new connection already.
            if let Ok(mut current) = tokio::time::timeout(self.connect_timeout, self.current.lock()).await
                && current.generation == generation
            {
                current.connection = None;
            }
        }
        QueueError::from_redis(&self.server, step, source)
    }
}
