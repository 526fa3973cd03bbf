//! What a run leaves beside its row: lines of the integration log, attempts of deliveries. Written in the transaction of
//! the run, so that the log and the history cannot tell different stories; a run that is repeated leaves it once.

use diesel::result::QueryResult;

use crate::calendars::{self, SyncFailure};
use crate::connection::AnyConnection;
use crate::deliveries::{self, Attempt};
use crate::logs::{self, LogEntry};
use crate::notifications::{self, Notification, SuppressedAddress};
use crate::runs::Run;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    Log(LogEntry),
    /// What somebody was told, or was not.
    Notified(Notification),
    /// Nothing more is sent to this address.
    Suppressed(SuppressedAddress),
    /// Of a delivery.
    Attempt(Box<Attempt>),
    /// A calendar could not be synchronised.
    SyncFailed(SyncFailure),
}

impl Fact {
    /// `PostgreSQL`'s text cannot hold U+0000.
    pub(crate) fn make_storable(&mut self) {
        match self {
            Self::Log(entry) => entry.make_storable(),
            Self::Notified(told) => told.make_storable(),
            Self::Suppressed(entry) => entry.make_storable(),
            Self::Attempt(attempt) => attempt.make_storable(),
            Self::SyncFailed(failure) => failure.make_storable(),
        }
    }
}

/// Write what these runs leave, each with the number that it stands under. Those that were recorded before have left it
/// already.
pub(crate) fn write<'a>(
    connection: &mut AnyConnection,
    runs: impl Iterator<Item = (&'a Run, i32, &'a [Fact])>,
) -> QueryResult<()> {
    let (mut lines, mut attempts) = (Vec::new(), Vec::new());
    for (run, number, facts) in runs {
        for fact in facts {
            match fact {
                Fact::Notified(told) => notifications::insert(connection, told, &run.job_id)?,
                Fact::Suppressed(entry) => notifications::suppress(connection, entry)?,
                Fact::Log(entry) => lines.push((entry, Some(run.job_id.as_str()))),
                Fact::Attempt(attempt) => attempts.push((run, number, &**attempt)),
                Fact::SyncFailed(failure) => calendars::count_failure(connection, failure)?,
            }
        }
    }
    logs::insert(connection, &lines)?;
    if attempts.is_empty() { Ok(()) } else { deliveries::write(connection, &attempts) }
}
