//! How long what happened is kept, as the operator configured it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use liaison_store::Class;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// A class that is not in here is kept for ever.
    pub keep: BTreeMap<Class, Duration>,
    /// Where rows are exported to before they are deleted; none: they are not.
    pub export_folder: Option<PathBuf>,
    /// How long one batch may keep others who write waiting.
    pub batch: Duration,
}

impl Default for Retention {
    /// Nothing is deleted.
    fn default() -> Self {
        Self { keep: BTreeMap::new(), export_folder: None, batch: Duration::from_millis(50) }
    }
}
