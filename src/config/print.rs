//! The configuration in effect, for `liaison check`: each value with where it came from, secrets redacted.

use std::fmt::Write as _;

use serde_json::{Map, json};

use super::Config;
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

    /// As JSON: `{"worker": {"lease": {"value": "10s", "origin": "default"}}, "queue": [{…}]}`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut sections = Map::new();
        let mut queues: Vec<(Option<usize>, Map<String, serde_json::Value>)> = Vec::new();
        for Entry { place, shown, origin } in &self.entries {
            let value = json!({ "value": shown.as_ref().ok(), "origin": origin.to_string() });
            if place.index.is_none() {
                let section = sections.entry(&place.section).or_insert_with(|| json!({}));
                section[&place.name] = value;
            } else {
                if queues.last().is_none_or(|(index, _)| *index != place.index) {
                    queues.push((place.index, Map::new()));
                }
                let queue = queues.last_mut().map(|(_, queue)| queue);
                queue.map(|queue| queue.insert(place.name.clone(), value));
            }
        }
        sections.insert("queue".to_owned(), queues.into_iter().map(|(_, queue)| queue).collect());
        sections.into()
    }
}
