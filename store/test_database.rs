//! A fresh database of each backend, so that a case is stated once and holds on both.

use std::sync::Arc;

use tempfile::TempDir;

use crate::test_postgres::TestPostgres;
use crate::{DatabaseUrl, KeyRing, Store, StoreOptions, migrate};

/// A database that goes away with this value.
pub(crate) struct TestDatabase {
    pub(crate) url: DatabaseUrl,
    pub(crate) folder: Option<TempDir>,
    _server: Option<Arc<TestPostgres>>,
}

impl TestDatabase {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = DatabaseUrl::Sqlite(folder.path().join("liaison.db"));
        Self { url, folder: Some(folder), _server: None }
    }

    pub(crate) fn postgres() -> Self {
        let server = TestPostgres::shared();
        let url = server.database().parse().expect("the server's URL");
        Self { url, folder: None, _server: Some(server) }
    }

    /// The store in this database, migrated.
    pub(crate) async fn store(&self) -> Store {
        migrate(&self.url).await.expect("migrate");
        open(&self.url).await
    }
}

pub(crate) async fn open(url: &DatabaseUrl) -> Store {
    Store::open(url, keys(), StoreOptions::default()).await.expect("open the store")
}

/// The same ring whenever it is asked for.
pub(crate) fn keys() -> KeyRing {
    KeyRing::parse("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("a key of 32 bytes")
}

/// Run `case` on an empty database of each backend.
#[expect(clippy::print_stdout, reason = "captured by the test runner, which shows it with a failure")]
pub(crate) fn on_both(case: &impl AsyncFn(&TestDatabase)) {
    for make in [TestDatabase::sqlite, TestDatabase::postgres] {
        let database = make();
        println!("on {}", database.url);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(case(&database));
    }
}
