//! The way to Redis: one shared connection that is made again whenever it breaks. Nothing else opens connections.
//!
//! A broken connection is an error for the calls that were under way, never for the link: the next call connects anew.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

use crate::error::QueueError;

#[derive(Debug, Clone, Copy)]
pub struct LinkOptions {
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(5), response_timeout: Duration::from_secs(10) }
    }
}

/// A cheap handle; clones share the connection.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    client: redis::Client,
    options: LinkOptions,
    server: String,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    generation: u64,
    /// After a failed attempt, callers get its error at once until this passes: no storm of connects.
    not_before: Option<Instant>,
}

/// A dead server is asked again this often at most.
const RECONNECT_EVERY: Duration = Duration::from_millis(200);

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Link").field(&self.0.server).finish()
    }
}

impl Link {
    /// Prepare a link; nothing is connected yet.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn new(url: &str, options: LinkOptions) -> Result<Self, QueueError> {
        let client = redis::Client::open(url).map_err(|fault| QueueError::Url(fault.to_string()))?;
        let server = client.get_connection_info().addr().to_string();
        Ok(Self(Arc::new(Shared { client, options, server, current: Mutex::default() })))
    }

    /// The server's address, without credentials.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// How long a call waits for its answer.
    pub(crate) fn response_timeout(&self) -> Duration {
        self.0.options.response_timeout
    }

    /// A second link to the same server that shares nothing with this one, for threads with a runtime of their own; it
    /// waits for nothing longer than `patience`.
    #[must_use]
    pub fn separate(&self, patience: Duration) -> Self {
        let LinkOptions { connect_timeout, response_timeout } = self.0.options;
        Self(Arc::new(Shared {
            client: self.0.client.clone(),
            options: LinkOptions {
                connect_timeout: connect_timeout.min(patience),
                response_timeout: response_timeout.min(patience),
            },
            server: self.0.server.clone(),
            current: Mutex::default(),
        }))
    }

    /// A connection of one's own, for commands that block on the server for up to `patience`.
    pub(crate) async fn dedicated(&self, patience: Duration) -> Result<MultiplexedConnection, QueueError> {
        self.connect(patience + self.0.options.response_timeout).await
    }

    async fn connect(&self, response_timeout: Duration) -> Result<MultiplexedConnection, QueueError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.0.options.connect_timeout))
            .set_response_timeout(Some(response_timeout));
        self.0
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|source| QueueError::from_redis(&self.0.server, "connect", source))
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), QueueError> {
        let mut current = self.0.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((connection.clone(), current.generation));
        }
        if let Some(wait) = current.not_before.and_then(|at| at.checked_duration_since(Instant::now())) {
            // Everybody who waits here waits behind the same lock, and the first one connects for all.
            tokio::time::sleep(wait).await;
        }
        match self.connect(self.0.options.response_timeout).await {
            Ok(connection) => {
                current.generation += 1;
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

    /// Send one command.
    pub(crate) async fn call(&self, step: &'static str, command: &redis::Cmd) -> Result<redis::Value, QueueError> {
        let (mut connection, generation) = self.connection().await?;
        match connection.send_packed_command(command).await.and_then(redis::Value::extract_error) {
            Ok(value) => Ok(value),
            Err(source) => Err(self.failed(step, source, generation).await),
        }
    }

    /// Send several commands at once; an error in one of them is an error of the whole.
    pub(crate) async fn calls(
        &self,
        step: &'static str,
        pipe: &redis::Pipeline,
    ) -> Result<Vec<redis::Value>, QueueError> {
        let (mut connection, generation) = self.connection().await?;
        let answers = connection.send_packed_commands(pipe, 0, pipe.len()).await;
        match answers.and_then(|values| values.into_iter().map(redis::Value::extract_error).collect()) {
            Ok(values) => Ok(values),
            Err(source) => Err(self.failed(step, source, generation).await),
        }
    }

    async fn failed(&self, step: &'static str, source: redis::RedisError, generation: u64) -> QueueError {
        // An error answer leaves the connection good; anything else may have left it half-read.
        // A server that became a replica answers well and is the wrong one.
        let answered = matches!(source.kind(), redis::ErrorKind::Server(_) | redis::ErrorKind::Extension);
        if !answered || source.to_string().contains("READONLY") {
            let mut current = self.0.current.lock().await;
            if current.generation == generation {
                current.connection = None;
            }
        }
        QueueError::from_redis(&self.0.server, step, source)
    }

    /// An answer nobody expected, shortened for the log.
    pub(crate) fn odd(&self, step: &'static str, answer: &redis::Value) -> QueueError {
        let answer = format!("{answer:?}").chars().take(200).collect();
        QueueError::Answer { server: self.0.server.clone(), step, answer }
    }
}
