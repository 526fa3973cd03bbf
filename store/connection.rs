//! One connection to either backend, set up so that what is committed stays and what hangs ends.

use std::path::Path;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::pg::PgConnection;
use diesel::result::{ConnectionError, ConnectionResult, QueryResult};
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, ConnectionError::BadConnection};

use crate::error::StoreError;
use crate::url::{DatabaseUrl, PostgresUrl};

/// A refused or silent server is given up after this, for each of its addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Sent data that nobody confirms for this long means a blackhole. Also bounds the keepalive probes.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is silent before the first probe: a server that vanished while we wait for its answer
/// leaves nothing unconfirmed, so only probes find out.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// Far above any statement of ours (a group of 5,000 runs takes a tenth of a second), below the default call timeout.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);
/// A transaction of ours pauses for no longer than it takes to send the next statement. One whose process stands still,
/// or was cut off, would keep its rows locked for as long as the server believes in it, and everybody who has the same
/// jobs to record would wait for it.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);
/// How long to wait for another connection's lock; `SQLite` has one for the whole file.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages that the writer keeps at hand. The two megabytes of the default are less than the inner pages of the indexes of a
/// large store, and what is thrown out in the middle of a transaction is written twice.
const WRITER_CACHE_KIB: u32 = 32 * 1024;
/// So many pages are written before the log is carried over into the file: those that are written again and again, as
/// the ends of indexes are, are carried over once.
const CHECKPOINT_PAGES: u32 = 4_000;
/// A checkpoint that readers held up must not leave a huge log behind.
const WAL_LIMIT_BYTES: u32 = 64 * 1024 * 1024;

pub(crate) use multi::{AnyConnection, MultiBackend};

#[expect(unreachable_pub, reason = "the derive makes its types public")]
mod multi {
    use diesel::pg::PgConnection;
    use diesel::sqlite::SqliteConnection;

    /// Either backend behind one set of queries.
    #[derive(diesel::MultiConnection)]
    pub enum AnyConnection {
        Postgres(PgConnection),
        Sqlite(SqliteConnection),
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Write,
    /// On `SQLite`, refuses to write. `PostgreSQL`'s connections do anything.
    Read,
    /// Creates the file if need be, and may take as long as an index needs.
    Migrate,
}

impl AnyConnection {
    pub(crate) fn open(url: &DatabaseUrl, purpose: Purpose) -> Result<Self, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => open_sqlite(path, purpose).map(Self::Sqlite),
            DatabaseUrl::Postgres(address) => open_postgres(address, purpose).map(Self::Postgres),
        }
        .map_err(|error| StoreError::connect(url.redacted(), error))
    }

    /// Begin a transaction. `SQLite`'s writer takes its lock at once: a transaction that reads first and writes later
    /// can be refused in the middle, however long it is ready to wait.
    pub(crate) fn begin(&mut self, purpose: Purpose) -> QueryResult<()> {
        match self {
            Self::Postgres(connection) => AnsiTransactionManager::begin_transaction(connection),
            Self::Sqlite(connection) => {
                let begin = if purpose == Purpose::Read { "BEGIN" } else { "BEGIN IMMEDIATE" };
                AnsiTransactionManager::begin_transaction_sql(connection, begin)
            }
        }
    }
}

fn open_sqlite(path: &Path, purpose: Purpose) -> ConnectionResult<SqliteConnection> {
    // A store that vanished must not come back empty.
    if purpose != Purpose::Migrate && !path.exists() {
        return Err(BadConnection("the file does not exist; run `liaison migrate`".to_owned()));
    }
    let path = path.to_str().ok_or_else(|| BadConnection("the path is not UTF-8".to_owned()))?;
    let mut connection = SqliteConnection::establish(path)?;
    // auto_vacuum counts only before the first page is written, which switching to WAL does.
    let pragmas = format!(
        "PRAGMA busy_timeout = {busy};
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA journal_size_limit = {WAL_LIMIT_BYTES};
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA foreign_keys = ON;
         PRAGMA query_only = {read_only};",
        busy = LOCK_TIMEOUT.as_millis(),
        read_only = purpose == Purpose::Read,
    );
    connection.batch_execute(&pragmas).map_err(ConnectionError::CouldntSetupConfiguration)?;
    if purpose == Purpose::Write {
        let cache = format!("PRAGMA cache_size = -{WRITER_CACHE_KIB}");
        connection.batch_execute(&cache).map_err(ConnectionError::CouldntSetupConfiguration)?;
    }
    Ok(connection)
}

fn open_postgres(address: &PostgresUrl, purpose: Purpose) -> ConnectionResult<PgConnection> {
    let url = address.with_settings(&[
        ("connect_timeout", CONNECT_TIMEOUT.as_secs().to_string()),
        ("tcp_user_timeout", TCP_USER_TIMEOUT.as_millis().to_string()),
        ("keepalives_idle", KEEPALIVE_IDLE.as_secs().to_string()),
        ("fallback_application_name", "liaison".to_owned()),
    ]);
    let mut connection = PgConnection::establish(&url).map_err(|error| redact(error, address))?;
    let statement_timeout = if purpose == Purpose::Migrate { Duration::ZERO } else { STATEMENT_TIMEOUT };
    // A commit that the server's configuration lets return before it is on disk would acknowledge jobs too early.
    // Any other setting is the operator's choice of how many disks.
    let settings = format!(
        "SET statement_timeout = {statement};
         SET lock_timeout = {lock};
         SET idle_in_transaction_session_timeout = {idle};
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';",
        statement = statement_timeout.as_millis(),
        lock = LOCK_TIMEOUT.as_millis(),
        idle = IDLE_IN_TRANSACTION.as_millis(),
    );
    connection.batch_execute(&settings).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// libpq quotes parts of a URL it cannot read.
fn redact(error: ConnectionError, address: &PostgresUrl) -> ConnectionError {
    match error {
        BadConnection(text) => BadConnection(
            address.secrets().fold(
                text,
                |text, secret| {
                    if secret.is_empty() { text } else { text.replace(secret, "***") }
                },
            ),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libpqs_complaint_about_a_url_shows_no_password() {
        let url: DatabaseUrl = "postgres://u:s3cret%zz@localhost/db".parse().expect("a URL");
        let error = AnyConnection::open(&url, Purpose::Write).map(|_| ()).expect_err("the escape is broken");
        let StoreError::Connect { database, source } = &error else { panic!("{error:?}") };
        for shown in [database, &source.to_string(), &format!("{error:?}")] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
