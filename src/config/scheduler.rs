//! `[scheduler]`: where the file is that says when work starts by itself.

use std::path::{Path, PathBuf};

use super::key::Key;
use super::reader::Reader;

/// What the file is called, beside the configuration file.
const FILE: &str = "scheduler.toml";

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scheduler {
    /// The file with the `[[schedule]]` entries. Defaults to `scheduler.toml` beside the configuration file, if it
    /// is there.
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

    /// Without a file that was named: the usual one, beside the configuration file, if it is there.
    pub(super) fn look_beside(&mut self, configuration: Option<&Path>) {
        let usual = || configuration.and_then(Path::parent).unwrap_or_else(|| Path::new("")).join(FILE);
        self.file = self.file.take().or_else(|| Some(usual()).filter(|usual| usual.exists()));
    }
}
