//! What can go wrong between us and Redis.

use std::path::PathBuf;

use crate::names::{JobId, QueueName};

/// Every message names the thing and the place; the remedy stands with it where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    #[error(
        "the Redis URL cannot be used: {0}; write redis://HOST:PORT, redis-cluster://HOST:PORT,HOST:PORT, \
         redis-sentinel://HOST:PORT,HOST:PORT/NAME (each with rediss for TLS) or unix:///PATH"
    )]
    Url(String),
    #[error("the TLS file {path} {problem}; {remedy}")]
    TlsFile { path: PathBuf, problem: String, remedy: &'static str },
    #[error("no TLS with Redis at {server}: {remedy}")]
    Tls { server: String, remedy: &'static str, source: redis::RedisError },
    #[error("nobody at {server} can name {what}; check that they run, and that the URL is right")]
    Astray { server: String, what: String, source: Option<Box<QueueError>> },
    #[error(
        "Redis at {server} did nothing for `{step}`: the keys are on their way to another node; \
         send again when their slot has moved"
    )]
    Moving { server: String, step: &'static str, source: redis::RedisError },
    #[error("Redis at {server} is a replica, which takes no work; its master is asked for again")]
    NotMaster { server: String },
    #[error("Redis at {server} is {found}; {remedy}")]
    WrongKind { server: String, found: &'static str, remedy: &'static str },
    #[error("Redis at {server} cannot be reached; check that it runs and that the URL is right")]
    Unreachable { server: String, source: redis::RedisError },
    #[error("Redis at {server} refused the user or password; check the URL's credentials")]
    Credentials { server: String, source: redis::RedisError },
    #[error("Redis at {server} {} `{step}`", how(source))]
    Call { server: String, step: &'static str, source: redis::RedisError },
    #[error(
        "Redis at {server} is full (maxmemory); nothing was accepted: free memory or raise the limit, then send again"
    )]
    Full { server: String },
    #[error(
        "Redis at {server} cannot write to its disk, and takes nothing until it can; nothing was accepted: \
         make room on its disk, or mend it, then send again"
    )]
    Disk { server: String, source: redis::RedisError },
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
    #[error(
        "queue {queue} has {there} shards in Redis and is configured with {wanted}, which can be changed only while it is \
         empty; set `shards = {there}`, let it drain, then change it"
    )]
    Shards { queue: QueueName, there: u32, wanted: u32 },
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
        // Redis 6.2 wraps what a script ran into in an error of its own.
        if source.code() == Some("MISCONF") || source.to_string().contains("-MISCONF ") {
            return Self::Disk { server, source };
        }
        if matches!(source.code(), Some("ASK" | "TRYAGAIN")) {
            return Self::Moving { server, step, source };
        }
        if let Some(remedy) = tls_remedy(&source) {
            return Self::Tls { server, remedy, source };
        }
        if source.is_connection_refusal() || (step == "connect" && source.is_io_error()) {
            return Self::Unreachable { server, source };
        }
        Self::Call { server, step, source }
    }

    /// What Redis does instead of its work, in few words, for lines that tell what follows from it.
    #[must_use]
    pub fn in_short(&self) -> &'static str {
        match self {
            Self::Disk { .. } => "cannot write to its disk",
            Self::Full { .. } => "is full",
            Self::Call { source, .. } if is_answer(source) => "refuses",
            _ => "does not answer",
        }
    }

    /// Redis is away, loading, full, without room on its disk, or slow: the same call may succeed later.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Full { .. }
            | Self::Disk { .. }
            | Self::Moving { .. }
            | Self::Astray { .. }
            | Self::NotMaster { .. } => true,
            Self::Call { source, .. } => {
                source.is_io_error()
                    // Redis 6.2 wraps what a script ran into in an error of its own.
                    || source.to_string().contains("READONLY")
                    || source.is_timeout()
                    || source.is_connection_dropped()
                    || source.code().is_some_and(|code| PASSING.contains(&code))
            }
            Self::Credentials { .. }
            | Self::Url(_)
            | Self::TlsFile { .. }
            | Self::Tls { .. }
            | Self::WrongKind { .. }
            | Self::Answer { .. }
            | Self::TooOld { .. }
            | Self::Evicting { .. }
            | Self::OtherStore { .. }
            | Self::Shards { .. }
            | Self::Envelope { .. } => false,
        }
    }
}

/// Answers that say "not now": a server that starts, fails over, has lost its replicas, or has another slot now.
const PASSING: &[&str] =
    &["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MOVED", "NOREPLICAS", "READONLY", "UNBLOCKED"];

/// Whether Redis said so itself, and is not just silent.
fn is_answer(source: &redis::RedisError) -> bool {
    matches!(source.kind(), redis::ErrorKind::Server(_) | redis::ErrorKind::Extension)
}

fn how(source: &redis::RedisError) -> &'static str {
    if is_answer(source) { "refused" } else { "did not answer" }
}

/// What to do about a handshake that failed for a reason that does not pass. The library has no type for it.
fn tls_remedy(source: &redis::RedisError) -> Option<&'static str> {
    let text = source.to_string();
    let remedies = [
        ("CertificateRequired", "it demands a client certificate; set [redis] cert_file and key_file"),
        ("HandshakeFailure", "it may demand a client certificate; set [redis] cert_file and key_file"),
        ("UnknownCA", "it does not trust our certificate; give one that its CA signed as [redis] cert_file"),
        ("BadCertificate", "it does not accept our certificate; give one that its CA signed as [redis] cert_file"),
        ("UnknownIssuer", "its certificate is signed by nobody we trust; name its CA as [redis] ca_file"),
        ("NotValidForName", "its certificate is for another name; write the name that it bears into the URL"),
        ("invalid peer certificate", "its certificate is not good; renew it, or name its CA as [redis] ca_file"),
        ("Unable to build client with TLS", "[redis] cert_file and key_file do not belong together; give a pair"),
        ("InvalidContentType", "it speaks no TLS; write redis:// without the second s"),
    ];
    remedies.iter().find(|(word, _)| text.contains(word)).map(|(_, remedy)| *remedy)
}

/// An error with its causes, on one line, for the log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        // The client's errors repeat their cause.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> QueueError {
        let answer = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("an answer");
        let source = answer.extract_error().expect_err("an error");
        QueueError::from_redis("there", "claim", source)
    }

    #[test]
    fn what_redis_says_is_told_by_what_an_operator_can_do() {
        let disk = "MISCONF Errors writing to the AOF file: No space left on device";
        let older = "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -MISCONF Errors writing";
        for line in [disk, older] {
            let fault = said(line);
            assert!(matches!(fault, QueueError::Disk { .. }) && fault.is_outage(), "{line}: {fault}");
            assert!(chain(&fault).contains("make room on its disk"), "{fault}");
        }
        let fault = said("OOM command not allowed when used memory > 'maxmemory'.");
        assert!(matches!(fault, QueueError::Full { .. }) && fault.is_outage(), "{fault}");
        let fault = said("NOREPLICAS Not enough good replicas to write.");
        assert!(fault.is_outage() && fault.to_string() == "Redis at there refused `claim`", "{fault}");
        let fault = said("NOPERM this user has no permissions");
        assert!(!fault.is_outage() && fault.to_string() == "Redis at there refused `claim`", "{fault}");
        let silence = redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let fault = QueueError::from_redis("there", "claim", silence);
        assert!(fault.is_outage() && fault.to_string() == "Redis at there did not answer `claim`", "{fault}");
    }
}
