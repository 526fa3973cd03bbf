//! `[scheduler]`: where the file is that says when work starts by itself.

use std::path::{Path, PathBuf};

use super::key::Key;
use super::reader::Reader;

/// What the file is called, beside the configuration file.
const FILE: &str = "scheduler.toml";

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scheduler {
    /// The file with the `[[schedule]]` entries. Defaults to `scheduler.toml` beside the configuration file.
    pub(crate) file: Option<PathBuf>,
}

impl Scheduler {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("scheduler");
        Self {
            file: from.optional(
                Key::new("file", "The file that says when work starts by itself.")
                    .otherwise("scheduler.toml beside this file, if it is there"),
            ),
        }
    }

    /// The file to read: the one that was named, or the usual one if there is one.
    pub(crate) fn path(&self, configuration: Option<&Path>) -> Option<PathBuf> {
        self.file.clone().or_else(|| {
            let usual = configuration.and_then(Path::parent).unwrap_or_else(|| Path::new("")).join(FILE);
            usual.exists().then_some(usual)
        })
    }
}
