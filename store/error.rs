//! What can go wrong in the store, and whether waiting helps.
//!
//! [`StoreError::is_outage`] is the line that callers steer by: an outage is tried again later with the same call,
//! everything else needs a person. Drivers tell most outages only by their text, so the texts are listed here.

use std::time::Duration;

use diesel::result::{ConnectionError, DatabaseErrorKind, Error as QueryError};
use thiserror::Error;

use crate::run_outcome::UnknownOutcome;
use crate::sealing::KeyError;

/// What a driver said. Opaque: which driver it was is nobody's business.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failed call of the store. Messages name the place and the remedy, never a password.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot connect to {database}; check that it is up, and that this user may use it")]
    Connect {
        database: String,
        #[source]
        source: Cause,
    },
    #[error("lost the database while trying to {doing}")]
    Lost {
        doing: &'static str,
        #[source]
        source: Cause,
    },
    #[error("the database was too busy to {doing}")]
    Busy {
        doing: &'static str,
        #[source]
        source: Cause,
    },
    #[error("the database's disk did not let us {doing}; check its free space and its permissions")]
    Disk {
        doing: &'static str,
        #[source]
        source: Cause,
    },
    #[error("gave up after {limit:?} trying to {doing}; the database is hung, or too slow for its load")]
    TimedOut { doing: &'static str, limit: Duration },
    #[error("the database refused to {doing}; this is a bug, or the schema was changed by hand")]
    Query {
        doing: &'static str,
        #[source]
        source: Cause,
    },
    #[error("the caller could not be sure any more that it may {doing}; nothing was written")]
    Withdrawn { doing: &'static str },
    #[error("cannot start the threads of the store; check the limit on processes")]
    Threads {
        #[source]
        source: std::io::Error,
    },
    #[error("a bug made the attempt to {doing} panic; the log has the place")]
    Panicked { doing: &'static str },
    #[error("{database} lacks the migrations {}; run `liaison migrate`", missing.join(", "))]
    NotMigrated { database: String, missing: Vec<String> },
    #[error("{database} has migrations that this release does not know ({}); run the newer release", unknown.join(", "))]
    TooNew { database: String, unknown: Vec<String> },
    #[error("cannot migrate {database}")]
    Migrate {
        database: String,
        #[source]
        source: Cause,
    },
    #[error("cannot open the stored envelope of job {job_id}")]
    Sealed {
        job_id: String,
        #[source]
        source: KeyError,
    },
    #[error("cannot open what is sealed in {place}")]
    SealedColumn {
        /// Table, row and column.
        place: String,
        #[source]
        source: KeyError,
    },
    #[error("cannot read run {run} of job {job_id}")]
    Row {
        job_id: String,
        run: i32,
        #[source]
        source: UnknownOutcome,
    },
}

/// Texts of a connection that is no more, and of a server that is going down or coming up.
const LOST: &[&str] = &[
    "server closed the connection",
    "terminating connection",
    "no connection to the server",
    "connection to server",
    "could not receive data",
    "could not send data",
    "SSL SYSCALL",
    "SSL connection has been closed",
    "the database system is",
];
/// Texts of locks, limits and timeouts, which pass by themselves.
const BUSY: &[&str] = &[
    "is locked",
    "canceling statement due to",
    "deadlock detected",
    "too many connections",
    "too many clients",
    "remaining connection slots",
    "out of memory",
    "out of shared memory",
    "interrupted",
];
/// Texts of storage that is full, gone or read-only.
const DISK: &[&str] = &[
    "disk is full",
    "disk full",
    "No space left on device",
    "could not extend file",
    "could not write",
    "could not fsync",
    "disk I/O error",
    "unable to open database file",
    "readonly database",
    "read-only file system",
];

impl StoreError {
    /// Whether the same call may succeed later, with nobody doing anything to the caller.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Busy { .. }
            | Self::Disk { .. }
            | Self::TimedOut { .. } => true,
            Self::Query { .. }
            | Self::Withdrawn { .. }
            | Self::Threads { .. }
            | Self::Panicked { .. }
            | Self::NotMigrated { .. }
            | Self::TooNew { .. }
            | Self::Migrate { .. }
            | Self::Sealed { .. }
            | Self::SealedColumn { .. }
            | Self::Row { .. } => false,
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// A disk that fills up keeps a connection from being set up, and not only from being written over.
    pub(crate) fn connect(database: String, source: ConnectionError) -> Self {
        match source {
            ConnectionError::CouldntSetupConfiguration(source) if Outage::of(&source) == Some(Outage::Disk) => {
                Self::Disk { doing: "open a connection", source: source.into() }
            }
            source => Self::Connect { database, source: source.into() },
        }
    }

    pub(crate) fn query(doing: &'static str, source: QueryError) -> Self {
        if let QueryError::RollbackTransaction = source {
            return Self::Withdrawn { doing };
        }
        let outage = Outage::of(&source);
        let source = Cause::from(source);
        match outage {
            Some(Outage::Lost) => Self::Lost { doing, source },
            Some(Outage::Busy) => Self::Busy { doing, source },
            Some(Outage::Disk) => Self::Disk { doing, source },
            None => Self::Query { doing, source },
        }
    }
}

/// Which outage an error of the driver tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outage {
    Lost,
    Busy,
    Disk,
}

impl Outage {
    pub(crate) fn of(error: &QueryError) -> Option<Self> {
        match error {
            QueryError::BrokenTransactionManager => Some(Self::Lost),
            // The failure to commit is the cause; the failure to roll back only followed.
            QueryError::RollbackErrorOnCommit { commit_error, .. } => Self::of(commit_error),
            QueryError::DatabaseError(kind, info) => match kind {
                // A server that became a standby: another connection may find the new primary.
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction => Some(Self::Lost),
                DatabaseErrorKind::SerializationFailure => Some(Self::Busy),
                _ => Self::told_by(info.message()),
            },
            _ => None,
        }
    }

    fn told_by(message: &str) -> Option<Self> {
        let tells = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
        [(DISK, Self::Disk), (BUSY, Self::Busy), (LOST, Self::Lost)]
            .into_iter()
            .find_map(|(texts, outage)| tells(texts).then_some(outage))
    }
}

/// An error that says: later.
pub(crate) fn busy(reason: &impl ToString) -> QueryError {
    QueryError::DatabaseError(DatabaseErrorKind::SerializationFailure, Box::new(reason.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: DatabaseErrorKind, message: &str) -> Option<Outage> {
        Outage::of(&QueryError::DatabaseError(kind, Box::new(message.to_owned())))
    }

    #[test]
    fn outages_are_told_from_faults() {
        let cases = [
            ("database is locked", Some(Outage::Busy)),
            ("database or disk is full", Some(Outage::Disk)),
            ("could not extend file \"base/1\": No space left on device", Some(Outage::Disk)),
            ("canceling statement due to lock timeout", Some(Outage::Busy)),
            ("server closed the connection unexpectedly", Some(Outage::Lost)),
            ("value too long for type character varying(3)", None),
            ("no such table: job_runs", None),
        ];
        for (message, outage) in cases {
            assert_eq!(told(DatabaseErrorKind::Unknown, message), outage, "{message}");
        }
        assert_eq!(told(DatabaseErrorKind::ClosedConnection, ""), Some(Outage::Lost));
    }

    #[test]
    fn a_full_disk_is_one_also_while_a_connection_is_made() {
        let made = |message: &str| {
            let source = QueryError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
            StoreError::connect("sqlite:a".to_owned(), ConnectionError::CouldntSetupConfiguration(source))
        };
        assert!(matches!(made("disk I/O error"), StoreError::Disk { .. }));
        assert!(matches!(made("database is locked"), StoreError::Connect { .. }));
        let bad = StoreError::connect("sqlite:a".to_owned(), ConnectionError::BadConnection("no".to_owned()));
        assert!(matches!(bad, StoreError::Connect { .. }));
    }
}
