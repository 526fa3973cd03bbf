//! What a run leaves beside its row: lines of the integration log, attempts of deliveries. Written in the transaction of
//! the run, so that the log and the history cannot tell different stories; a run that is repeated leaves it once.

use diesel::result::QueryResult;

use crate::connection::AnyConnection;
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
}

impl Fact {
    /// `PostgreSQL`'s text cannot hold U+0000.
    pub(crate) fn make_storable(&mut self) {
        match self {
            Self::Log(entry) => entry.make_storable(),
            Self::Notified(told) => told.make_storable(),
            Self::Suppressed(entry) => entry.make_storable(),
        }
    }
}

/// Write what these runs leave. Those that were recorded before have left it already.
pub(crate) fn write<'a>(
    connection: &mut AnyConnection,
    runs: impl Iterator<Item = (&'a Run, &'a [Fact])>,
) -> QueryResult<()> {
    for (run, facts) in runs {
        for fact in facts {
            match fact {
                Fact::Log(entry) => logs::insert(connection, entry, Some(&run.job_id))?,
                Fact::Notified(told) => notifications::insert(connection, told, &run.job_id)?,
                Fact::Suppressed(entry) => notifications::suppress(connection, entry)?,
            }
        }
    }
    Ok(())
}
