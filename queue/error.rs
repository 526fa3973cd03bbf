//! What can go wrong between us and Redis.

use crate::names::JobId;

/// Every message names the thing and the place; the remedy stands with it where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    #[error("the Redis URL cannot be used: {0}; write redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH")]
    Url(String),
    #[error("Redis at {server} cannot be reached; check that it runs and that the URL is right")]
    Unreachable { server: String, source: redis::RedisError },
    #[error("Redis at {server} refused the user or password; check the URL's credentials")]
    Credentials { server: String, source: redis::RedisError },
    #[error("Redis at {server} did not answer `{step}`")]
    Call { server: String, step: &'static str, source: redis::RedisError },
    #[error(
        "Redis at {server} is full (maxmemory); nothing was accepted: free memory or raise the limit, then send again"
    )]
    Full { server: String },
    #[error("Redis at {server} gave an answer to `{step}` that this release does not understand: {answer}")]
    Answer { server: String, step: &'static str, answer: String },
    #[error("Redis at {server} is version {found}; Liaison needs 6.2 or newer (or Valkey)")]
    TooOld { server: String, found: String },
    #[error(
        "Redis at {server} has maxmemory-policy {policy}, which throws jobs away when memory is short; \
         set `maxmemory-policy noeviction`"
    )]
    Evicting { server: String, policy: String },
    #[error(
        "Redis at {server} keeps its history in store {found}, but this daemon is configured with store {ours}; \
         use the same database, or another Redis"
    )]
    OtherStore { server: String, found: String, ours: String },
    #[error("job {id} has an envelope that cannot be read back: {reason}")]
    Envelope { id: JobId, reason: String },
}

impl QueueError {
    /// Sort an error of the client by what it means to an operator.
    pub(crate) fn from_redis(server: &str, step: &'static str, source: redis::RedisError) -> Self {
        let server = server.to_owned();
        if source.kind() == redis::ErrorKind::AuthenticationFailed
            || matches!(source.code(), Some("NOAUTH" | "WRONGPASS"))
        {
            return Self::Credentials { server, source };
        }
        if source.code() == Some("OOM") || source.to_string().contains("OOM command not allowed") {
            return Self::Full { server };
        }
        if source.is_connection_refusal() || (step == "connect" && source.is_io_error()) {
            return Self::Unreachable { server, source };
        }
        Self::Call { server, step, source }
    }

    /// Redis is away, loading, full or slow: the same call may succeed later.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Full { .. } => true,
            Self::Call { source, .. } => {
                source.is_io_error()
                    // Redis 6.2 wraps what a script ran into in an error of its own.
                    || source.to_string().contains("READONLY")
                    || source.is_timeout()
                    || source.is_connection_dropped()
                    || matches!(
                        source.code(),
                        Some("LOADING" | "BUSY" | "READONLY" | "MASTERDOWN" | "TRYAGAIN" | "MISCONF")
                    )
            }
            Self::Credentials { .. }
            | Self::Url(_)
            | Self::Answer { .. }
            | Self::TooOld { .. }
            | Self::Evicting { .. }
            | Self::OtherStore { .. }
            | Self::Envelope { .. } => false,
        }
    }
}

/// An error with its causes, on one line, for the log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
