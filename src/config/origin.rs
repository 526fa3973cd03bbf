//! Where a value came from, and what a person would type there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value was written. The weakest come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody wrote it.
    Default,
    /// The configuration file; a line of 0 means the file as a whole.
    File { path: Arc<Path>, line: usize },
    /// The content of the file that a `url_file` names.
    Content(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line, with its dashes.
    Flag(&'static str),
    /// The command itself, such as `liaison dev` and its private Redis.
    Command,
}

impl Origin {
    /// Which layer it belongs to: what is written in a stronger layer wins.
    pub(super) fn strength(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } | Self::Content(_) => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
            Self::Command => 4,
        }
    }

    /// The line in the configuration file, or 0.
    pub(super) fn line(&self) -> usize {
        match self {
            Self::File { line, .. } => *line,
            Self::Default | Self::Content(_) | Self::Environment(_) | Self::Flag(_) | Self::Command => 0,
        }
    }

    /// The file that holds the value, for the question of who else can read it.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Content(path) => Some(path),
            Self::Default | Self::Environment(_) | Self::Flag(_) | Self::Command => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Content(path) => write!(f, "content of {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Command => f.write_str("set by this command"),
        }
    }
}

/// The full name of a key: `worker.lease`, or `queue[0].name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) section: String,
    /// Which `[[queue]]`, counted from 0.
    pub(crate) index: Option<usize>,
    pub(crate) name: String,
}

impl Place {
    pub(super) fn new(section: &str, name: &str) -> Self {
        Self { section: section.to_owned(), index: None, name: name.to_owned() }
    }

    pub(super) fn at(section: &str, index: Option<usize>, name: &str) -> Self {
        Self { index, ..Self::new(section, name) }
    }

    /// The environment variable that sets this key.
    pub(crate) fn environment(&self) -> String {
        let (section, name) = (self.section.to_uppercase(), self.name.to_uppercase());
        match self.index {
            Some(index) => format!("LIAISON_{section}__{index}__{name}"),
            None => format!("LIAISON_{section}__{name}"),
        }
    }

    /// How `value`, a TOML literal, would be written where `origin` is.
    pub(super) fn assignment(&self, origin: &Origin, value: &str) -> String {
        let bare = value.trim_matches(['"', '\'']);
        match origin {
            Origin::Environment(name) => format!("{name}={bare}"),
            Origin::Flag(name) => format!("{name} {bare}"),
            Origin::Content(_) => bare.to_owned(),
            Origin::Default | Origin::File { .. } | Origin::Command => format!("{} = {value}", self.name),
        }
    }
}

impl fmt::Display for Place {
    /// Keys come from outside: control characters are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.section.as_str(), self.index) {
            ("", _) => {}
            (section, Some(index)) => write!(f, "{}[{index}].", section.escape_debug())?,
            (section, None) => write!(f, "{}.", section.escape_debug())?,
        }
        write!(f, "{}", self.name.escape_debug())
    }
}
