//! The schema's history, embedded: bringing a database up to date, and refusing one that does not fit.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use diesel::backend::Backend;
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::result::QueryResult;
use diesel::sql_types::Bool;
use diesel::sqlite::Sqlite;
use diesel::{QueryDsl as _, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::{AnyConnection, LOCK_TIMEOUT, Purpose};
use crate::error::{Cause, StoreError};
use crate::url::DatabaseUrl;

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Two daemons that migrate at once take turns. The number only has to be ours: "liaison" in ASCII.
const ADVISORY_LOCK: i64 = 0x006c_6961_6973_6f6e;

/// How long one daemon waits for another's migrations.
const TURN_TIMEOUT: Duration = Duration::from_mins(1);

/// Apply what is missing, oldest first, and return the names of what was applied. An `SQLite` file is made if need be.
///
/// # Errors
/// Names the database; what was applied before the failure stays.
pub async fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, StoreError> {
    blocking(url, |url| {
        create_file(url)?;
        let mut connection = AnyConnection::open(url, Purpose::Migrate)?;
        let applied = run_pending(&mut connection).map_err(|source| failed(url, source))?;
        let known = embedded(url).map_err(|source| failed(url, source))?;
        Ok(known.into_iter().filter(|name| applied.contains(&version_of(name))).collect())
    })
    .await
}

/// Every migration by name, oldest first, and whether it was applied: those of this release, and after them those of
/// a newer release, known by their version only.
///
/// # Errors
/// When the database cannot be read.
pub async fn migration_status(url: &DatabaseUrl) -> Result<Vec<(String, bool)>, StoreError> {
    let Survey { known, unknown } = blocking(url, survey).await?;
    Ok(known.into_iter().chain(unknown.into_iter().map(|version| (version, true))).collect())
}

/// Refuse a database whose schema is not the one of this release.
pub(crate) async fn check(url: &DatabaseUrl) -> Result<(), StoreError> {
    let Survey { known, unknown } = blocking(url, survey).await?;
    let database = url.redacted();
    if !unknown.is_empty() {
        return Err(StoreError::TooNew { database, unknown });
    }
    let missing: Vec<String> = known.into_iter().filter(|(_, applied)| !applied).map(|(name, _)| name).collect();
    if missing.is_empty() { Ok(()) } else { Err(StoreError::NotMigrated { database, missing }) }
}

/// The schema of a database, against the one of this release.
struct Survey {
    /// This release's migrations, and whether each was applied.
    known: Vec<(String, bool)>,
    /// The versions of applied migrations that this release does not have.
    unknown: Vec<String>,
}

fn survey(url: &DatabaseUrl) -> Result<Survey, StoreError> {
    let names = embedded(url).map_err(|source| failed(url, source))?;
    let mut applied: BTreeSet<String> = match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => BTreeSet::new(),
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => {
            let mut connection = AnyConnection::open(url, Purpose::Read)?;
            applied_versions(&mut connection).map_err(|error| StoreError::query("read the schema's version", error))?
        }
    };
    let mut known = Vec::new();
    for name in names {
        let was_applied = applied.remove(&version_of(&name));
        known.push((name, was_applied));
    }
    Ok(Survey { known, unknown: applied.into_iter().collect() })
}

/// Diesel's own way would create its table, which the daemon's user may not be allowed to.
fn applied_versions(connection: &mut AnyConnection) -> QueryResult<BTreeSet<String>> {
    let table_exists = match connection {
        AnyConnection::Postgres(_) => "to_regclass('__diesel_schema_migrations') IS NOT NULL",
        AnyConnection::Sqlite(_) => "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '__diesel_schema_migrations')",
    };
    if !diesel::select(sql::<Bool>(table_exists)).get_result::<bool>(connection)? {
        return Ok(BTreeSet::new());
    }
    let versions: Vec<String> =
        __diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load(connection)?;
    Ok(versions.into_iter().collect())
}

/// The names of this release's migrations, oldest first.
fn embedded(url: &DatabaseUrl) -> Result<Vec<String>, Cause> {
    let mut names = match url {
        DatabaseUrl::Sqlite(_) => names::<Sqlite>(&SQLITE)?,
        DatabaseUrl::Postgres(_) => names::<Pg>(&POSTGRES)?,
    };
    names.sort();
    Ok(names)
}

fn names<DB: Backend>(source: &impl MigrationSource<DB>) -> Result<Vec<String>, Cause> {
    Ok(source.migrations()?.iter().map(|migration| migration.name().to_string()).collect())
}

/// `2026-11-20-000000_create_runs` is kept by the database as `20261120000000`.
fn version_of(name: &str) -> String {
    name.split('_').next().unwrap_or_default().replace('-', "")
}

fn run_pending(connection: &mut AnyConnection) -> Result<BTreeSet<String>, Cause> {
    match connection {
        AnyConnection::Postgres(connection) => {
            connection.batch_execute(&format!(
                "SET lock_timeout = '{turn}s'; SELECT pg_advisory_lock({ADVISORY_LOCK}); SET lock_timeout = '{lock}s'",
                turn = TURN_TIMEOUT.as_secs(),
                lock = LOCK_TIMEOUT.as_secs(),
            ))?;
            Ok(versions(connection.run_pending_migrations(POSTGRES)?))
        }
        // The transaction makes a second daemon wait for its turn.
        AnyConnection::Sqlite(connection) => {
            connection.immediate_transaction(|connection| Ok(versions(connection.run_pending_migrations(SQLITE)?)))
        }
    }
}

fn versions(applied: Vec<MigrationVersion<'_>>) -> BTreeSet<String> {
    applied.into_iter().map(|version| version.to_string()).collect()
}

/// The file holds payloads and results: only its owner may read it. `SQLite` gives its log the same permissions.
fn create_file(url: &DatabaseUrl) -> Result<(), StoreError> {
    let DatabaseUrl::Sqlite(path) = url else { return Ok(()) };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(url, error.into())),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn failed(url: &DatabaseUrl, source: Cause) -> StoreError {
    StoreError::Migrate { database: url.redacted(), source }
}

/// Migrations run before there is a pool.
async fn blocking<T: Send + 'static>(
    url: &DatabaseUrl,
    work: impl FnOnce(&DatabaseUrl) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let url = url.clone();
    let joined = tokio::task::spawn_blocking(move || work(&url)).await;
    joined.unwrap_or(Err(StoreError::Panicked { doing: "migrate the database" }))
}

diesel::table! {
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::AnyConnection;
    use crate::test_database::{keys, on_both};
    use crate::{Store, StoreOptions};

    async fn refusal(url: &DatabaseUrl) -> StoreError {
        let opened = Store::open(url, keys(), StoreOptions::default()).await;
        opened.map(|_| ()).expect_err("the schema does not fit")
    }

    #[test]
    fn a_store_opens_on_the_schema_of_its_own_release_only() {
        on_both(&async |database| {
            let url = &database.url;
            let Err(StoreError::NotMigrated { missing, .. }) = Err::<(), _>(refusal(url).await) else { panic!() };
            let applied = migrate(url).await.expect("migrate");
            assert_eq!(applied, missing);
            assert_eq!(applied[0], "2026-11-20-000000_create_runs");
            assert_eq!(migrate(url).await.expect("migrate"), [""; 0], "there is nothing left");

            let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')";
            AnyConnection::open(url, Purpose::Write).expect("connect").batch_execute(newer).expect("insert");
            let StoreError::TooNew { unknown, .. } = refusal(url).await else { panic!("not refused as newer") };
            assert_eq!(unknown, ["20990101000000"]);
            let status = migration_status(url).await.expect("status");
            assert_eq!(status.last(), Some(&("20990101000000".to_owned(), true)));
        });
    }

    #[test]
    fn every_migration_can_be_undone_and_done_again() {
        on_both(&async |database| {
            let up = migrate(&database.url).await.expect("up");
            let mut connection = AnyConnection::open(&database.url, Purpose::Migrate).expect("connect");
            let down = match &mut connection {
                AnyConnection::Postgres(connection) => connection.revert_all_migrations(POSTGRES).map(versions),
                AnyConnection::Sqlite(connection) => connection.revert_all_migrations(SQLITE).map(versions),
            };
            assert_eq!(down.expect("down").len(), up.len());
            assert_eq!(migrate(&database.url).await.expect("up again"), up);
        });
    }

    #[tokio::test]
    async fn a_new_file_is_private_and_gives_its_space_back() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("liaison.db");
        let url = DatabaseUrl::Sqlite(path.clone());
        migrate(&url).await.expect("migrate");
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut connection = AnyConnection::open(&url, Purpose::Read).expect("connect");
        let incremental = sql::<Bool>("(SELECT auto_vacuum = 2 FROM pragma_auto_vacuum)");
        assert!(diesel::select(incremental).get_result::<bool>(&mut connection).expect("the setting"));
    }
}
