//! Who this store is: an id made at its first migration, which the queue remembers.

use diesel::{QueryDsl as _, RunQueryDsl as _};

use crate::error::StoreError;
use crate::schema::store_identity;
use crate::store::Store;

impl Store {
    /// The id of this store. It never changes, and no other store has it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn identity(&self) -> Result<String, StoreError> {
        self.pool
            .read("read the store's identity", |connection| {
                store_identity::table.select(store_identity::id).first(connection)
            })
            .await
    }
}
