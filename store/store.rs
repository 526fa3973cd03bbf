//! The handle that callers hold.

use std::sync::Arc;
use std::time::Duration;

use diesel::RunQueryDsl as _;

use crate::error::StoreError;
use crate::migrations;
use crate::pool::Pool;
use crate::sealing::KeyRing;
use crate::url::DatabaseUrl;

/// What happened, in `SQLite` or `PostgreSQL`. Cheap to clone; the last handle ends and joins the threads.
#[derive(Clone)]
pub struct Store {
    pub(crate) pool: Arc<Pool>,
    pub(crate) keys: Arc<KeyRing>,
}

/// The limits of a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Connections to `PostgreSQL`. `SQLite` always has one writer and two readers.
    pub connections: usize,
    /// How long a call may take, with its time in the queue.
    pub call_timeout: Duration,
    /// How many calls may wait for a thread; the next ones wait for a place, within their timeout.
    pub waiting_calls: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        // Two statements that run into the server's own timeouts fit into one call.
        Self { connections: 4, call_timeout: Duration::from_secs(30), waiting_calls: 256 }
    }
}

impl Store {
    /// Connect, and make sure that the schema is the one this release was built for.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] and [`StoreError::TooNew`] name the migrations; an outage when it cannot connect.
    pub async fn open(url: &DatabaseUrl, keys: KeyRing, options: StoreOptions) -> Result<Self, StoreError> {
        migrations::check(url).await?;
        let pool = Pool::start(url, &options).map_err(|source| StoreError::Threads { source })?;
        Ok(Self { pool: Arc::new(pool), keys: Arc::new(keys) })
    }

    /// What seals the secrets in here, for those that have to wait elsewhere.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Whether the store can be written to, now.
    ///
    /// # Errors
    /// The outage, if not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.pool.write("ping the database", |connection| diesel::sql_query("SELECT 1").execute(connection)).await?;
        Ok(())
    }
}
