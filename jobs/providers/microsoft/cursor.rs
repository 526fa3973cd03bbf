//! Where a round at Graph goes on, as a text that nobody else reads.
//!
//! Graph has rounds that never end: the same pages with ever new links. So the text remembers what the last pages were,
//! and a page that comes for the fourth time ends the delta. A page with nothing on it is no sign of that.

use serde::{Deserialize, Serialize};

use crate::providers::Window;

/// Pages that are remembered: a circle is seldom longer.
const REMEMBERED: usize = 32;
/// Pages that came again, after which it is a circle and no chance.
const MAX_REPEATED: u32 = 3;
/// Pages of one round, whatever is on them: half a million events.
const MAX_PAGES: u32 = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    Delta,
    /// The view as it is: it says all there is, and nothing of what has changed since.
    Plain,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) way: Way,
    /// The round tells everything, not only what has changed.
    pub(super) is_full: bool,
    pub(super) window: Window,
    /// None: it has not begun.
    pub(super) link: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<String>,
    #[serde(default)]
    repeated: u32,
    #[serde(default)]
    pages: u32,
}

impl Cursor {
    pub(super) fn begin(window: Window) -> Self {
        Self { way: Way::Delta, is_full: true, window, link: None, seen: Vec::new(), repeated: 0, pages: 0 }
    }

    pub(super) fn plain(window: Window) -> Self {
        Self { way: Way::Plain, ..Self::begin(window) }
    }

    /// The round is over; the next one begins with this link.
    pub(super) fn ended(self, link: String) -> Self {
        Self { is_full: false, link: Some(link), ..Self::begin(self.window) }
    }

    /// The same round, at this link, after a page that was so. None: it goes in circles.
    pub(super) fn on(mut self, link: String, fingerprint: &str) -> Option<Self> {
        self.pages += 1;
        if !fingerprint.is_empty() {
            let again = self.seen.iter().any(|seen| seen == fingerprint);
            self.repeated += u32::from(again);
            if !again {
                if self.seen.len() == REMEMBERED {
                    self.seen.remove(0);
                }
                self.seen.push(fingerprint.to_owned());
            }
        }
        self.link = Some(link);
        (self.repeated < MAX_REPEATED && self.pages < MAX_PAGES).then_some(self)
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

    fn begin() -> Cursor {
        let (from, to) = ("2027-01-01T00:00:00Z".parse().unwrap(), "2028-01-01T00:00:00Z".parse().unwrap());
        Cursor::begin(Window { from, to })
    }

    fn on(cursor: &Cursor, fingerprint: &str) -> Option<Cursor> {
        cursor.clone().on("https://graph.microsoft.com/next".to_owned(), fingerprint)
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_written() {
        let page = on(&begin(), "ab").unwrap();
        for cursor in [begin(), page.clone(), page.ended("https://graph.microsoft.com/delta".to_owned())] {
            assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        }
        assert_eq!((Cursor::read(""), Cursor::read("{}")), (None, None));
    }

    #[test]
    fn a_round_that_goes_in_circles_is_given_up() {
        let mut cursor = begin();
        for page in ["a", "b", "a", "b"] {
            cursor = on(&cursor, page).unwrap();
        }
        assert_eq!(on(&cursor, "a"), None);
        assert!(on(&cursor, "c").is_some());
    }

    #[test]
    fn empty_pages_are_followed_but_not_for_ever() {
        let mut cursor = Some(begin());
        let mut pages = 0;
        while let Some(page) = cursor.take() {
            cursor = on(&page, "");
            pages += 1;
        }
        assert_eq!(pages, MAX_PAGES);
    }

    #[test]
    fn what_is_remembered_stays_short() {
        let mut cursor = begin();
        for page in 0..1_000 {
            cursor = on(&cursor, &format!("{page:016x}")).unwrap();
        }
        assert!(cursor.text().len() < 1_000, "{}", cursor.text().len());
    }
}
