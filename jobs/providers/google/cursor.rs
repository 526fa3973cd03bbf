//! Where a round at Google goes on, as a text that nobody else reads.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::providers::Window;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cursor {
    /// All pages of a full round ask for the same window, whatever the time is by then.
    Full { from: DateTime<Utc>, to: DateTime<Utc>, page: Option<String> },
    /// What changed since the round that ended with this token.
    Since { sync: String, page: Option<String> },
}

impl Cursor {
    pub(super) fn begin(window: Window) -> Self {
        Self::Full { from: window.from, to: window.to, page: None }
    }

    pub(super) fn since(sync: String) -> Self {
        Self::Since { sync, page: None }
    }

    /// The same round, on this page.
    pub(super) fn on(self, page: String) -> Self {
        let page = Some(page);
        match self {
            Self::Full { from, to, .. } => Self::Full { from, to, page },
            Self::Since { sync, .. } => Self::Since { sync, page },
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_written() {
        let (from, to) = ("2027-01-01T00:00:00Z".parse().unwrap(), "2028-01-01T00:00:00Z".parse().unwrap());
        let begin = Cursor::begin(Window { from, to });
        for cursor in [begin.clone(), begin.on("p\"1".to_owned()), Cursor::since("s:1".to_owned()).on("p2".to_owned())]
        {
            assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        }
        for strange in ["", "CPDAlvWDx70CEPDAlvWDx70CGAU=", "{}", "{\"full\":{}}", "[1"] {
            assert_eq!(Cursor::read(strange), None, "{strange}");
        }
    }
}
