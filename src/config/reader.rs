//! From what was written to what runs, one key after the other.
//!
//! Each section's `read` is also the table of its keys: reading an empty configuration lists them all, and that list
//! drives the hints, the names of the environment variables, and the tests of `liaison.toml` and of the documentation.

use std::ops::RangeInclusive;

use super::key::{Key, Setting};
use super::origin::{Origin, Place};
use super::raw::{RawConfig, Written};

/// A key as the documentation shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    /// A TOML literal, or why there is none.
    pub(crate) default: Result<String, &'static str>,
    pub(crate) allowed: String,
    pub(crate) meaning: &'static str,
}

/// A value in effect, as it may be shown.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    /// The value, or in words what holds without one.
    pub(super) shown: Result<toml::Value, &'static str>,
    pub(super) origin: Origin,
}

/// Reads keys, and remembers what it was asked for, what it found, and what was wrong.
pub(crate) struct Reader {
    pub(super) raw: RawConfig,
    pub(super) known: Vec<Known>,
    pub(super) entries: Vec<Entry>,
}

impl Reader {
    pub(super) fn new(raw: RawConfig) -> Self {
        Self { raw, known: Vec::new(), entries: Vec::new() }
    }

    pub(super) fn section(&mut self, name: &'static str) -> Section<'_> {
        Section { reader: self, name, index: None }
    }

    pub(super) fn entry_of(&mut self, name: &'static str, index: usize) -> Section<'_> {
        Section { reader: self, name, index: Some(index) }
    }
}

/// One section while it is read.
pub(crate) struct Section<'a> {
    reader: &'a mut Reader,
    name: &'static str,
    index: Option<usize>,
}

impl Section<'_> {
    /// The value of a key that has a default.
    pub(super) fn value<T: Setting>(&mut self, key: Key<T>) -> T {
        let read = self.read(&key);
        // After a mistake the default only lets the reading go on: such a configuration never runs.
        read.or(key.default).expect("a key read by `value` has a default")
    }

    /// The value of a key that may well be missing. A mistake counts as missing here: it is remembered elsewhere.
    #[expect(clippy::needless_pass_by_value, reason = "a key is declared where it is read, like for `value`")]
    pub(super) fn optional<T: Setting>(&mut self, key: Key<T>) -> Option<T> {
        self.read(&key)
    }

    fn read<T: Setting>(&mut self, key: &Key<T>) -> Option<T> {
        self.remember(key);
        let place = self.place(key.name);
        let Some(Written { value, origin }) = self.reader.raw.values.get(&place).cloned() else {
            let shown = key.default.as_ref().map(Setting::show).ok_or(key.otherwise);
            self.reader.entries.push(Entry { place, shown, origin: Origin::Default });
            return None;
        };
        match key.parse(&value) {
            Ok(value) => {
                self.reader.entries.push(Entry { place, shown: Ok(value.show()), origin });
                Some(value)
            }
            Err(fault) => {
                let sample = key.default.as_ref().or(key.limits.as_ref().map(RangeInclusive::start));
                let remedy = fault.remedy.unwrap_or_else(|| match sample {
                    Some(sample) => {
                        format!("write, for example, {}", place.assignment(&origin, &sample.show().to_string()))
                    }
                    None => "write another, or leave it out".to_owned(),
                });
                self.reader.raw.mistake(place.to_string(), origin, fault.problem, key.allowed(), remedy);
                None
            }
        }
    }

    /// List the key among those that exist.
    pub(super) fn remember<T: Setting>(&mut self, key: &Key<T>) {
        if !self.reader.known.iter().any(|known| known.section == self.name && known.name == key.name) {
            self.reader.known.push(Known {
                section: self.name,
                name: key.name,
                default: key.default.as_ref().map(|default| default.show().to_string()).ok_or(key.otherwise),
                allowed: key.allowed(),
                meaning: key.meaning,
            });
        }
    }

    pub(super) fn place(&self, name: &str) -> Place {
        Place::at(self.name, self.index, name)
    }

    /// Where a key was written, if it was.
    pub(super) fn origin(&self, name: &str) -> Option<Origin> {
        self.reader.raw.values.get(&self.place(name)).map(|written| written.origin.clone())
    }

    pub(super) fn raw(&mut self) -> &mut RawConfig {
        &mut self.reader.raw
    }

    /// Do not show this key among the values in effect.
    pub(super) fn hide(&mut self, name: &str) {
        let place = self.place(name);
        self.reader.entries.retain(|entry| entry.place != place);
    }
}
