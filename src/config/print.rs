//! The configuration in effect, for `liaison check`: each value with where it came from, secrets redacted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, json};

use super::Config;
use super::raw::LISTS;
use super::reader::Entry;

impl Config {
    /// As TOML, with the origins as comments.
    pub(crate) fn print(&self) -> String {
        let mut text = String::new();
        let mut heading = (String::new(), None);
        for Entry { place, shown, origin } in &self.entries {
            let section = (place.section.clone(), place.index);
            if section != heading {
                let blank = if text.is_empty() { "" } else { "\n" };
                let _ = match place.index {
                    Some(_) => writeln!(text, "{blank}[[{}]]", place.section),
                    None => writeln!(text, "{blank}[{}]", place.section),
                };
                heading = section;
            }
            let _ = match shown {
                Ok(value) => writeln!(text, "{} = {value}  # {origin}", place.name),
                Err(otherwise) => writeln!(text, "# {}: {}", place.name, otherwise.replace('`', "")),
            };
        }
        text
    }

    /// As JSON: `{"worker": {"lease": {"value": "10s", "origin": "default"}}, "queue": [{…}], "provider": []}`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut sections = Map::new();
        let mut lists: BTreeMap<&str, BTreeMap<usize, Map<String, serde_json::Value>>> =
            LISTS.iter().map(|section| (*section, BTreeMap::new())).collect();
        for Entry { place, shown, origin } in &self.entries {
            let value = json!({ "value": shown.as_ref().ok(), "origin": origin.to_string() });
            if let Some(index) = place.index {
                let list = lists.entry(&place.section).or_default();
                list.entry(index).or_default().insert(place.name.clone(), value);
            } else {
                let section = sections.entry(&place.section).or_insert_with(|| json!({}));
                section[&place.name] = value;
            }
        }
        for (section, entries) in lists {
            sections.insert(section.to_owned(), entries.into_values().collect());
        }
        sections.into()
    }
}
