//! What was written, by anybody, before it is understood. Every key may be missing; an unknown one is refused here.

use std::collections::{BTreeMap, BTreeSet};

use super::hint::nearest;
use super::key::Value;
use super::mistake::{Mistake, Warning};
use super::origin::{Origin, Place};
use super::reader::Known;
use super::secret::Secret;

/// The most `[[queue]]` entries of one worker.
pub(crate) const MAX_QUEUES: usize = 256;

/// The most `[[provider]]` entries.
pub(crate) const MAX_PROVIDERS: usize = 64;

/// The sections that stand in double brackets, once for each entry.
pub(super) const LISTS: [&str; 2] = ["queue", "provider"];

/// A value and where it was written.
#[derive(Clone)]
pub(crate) struct Written {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// The layers laid over each other, weakest first. Holds secrets as they were written: it has no `Debug`.
pub(crate) struct RawConfig {
    /// Every key there is.
    pub(super) known: Vec<Known>,
    pub(super) values: BTreeMap<Place, Written>,
    /// Where each `[[queue]]` begins.
    pub(super) queues: Vec<Origin>,
    /// Where each `[[provider]]` begins.
    pub(super) providers: Vec<Origin>,
    /// The queues that the command line picked; empty means all.
    pub(super) picked: BTreeSet<String>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Warning>,
    /// The file as it was read.
    pub(super) text: Option<Secret>,
    /// Lines whose syntax is broken.
    pub(super) broken: BTreeSet<usize>,
}

impl RawConfig {
    pub(super) fn new(known: Vec<Known>) -> Self {
        Self {
            known,
            values: BTreeMap::new(),
            queues: Vec::new(),
            providers: Vec::new(),
            picked: BTreeSet::new(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
            text: None,
            broken: BTreeSet::new(),
        }
    }

    /// Lay a value over what weaker layers wrote.
    pub(super) fn set(&mut self, place: Place, value: Value, origin: Origin) {
        let is_known = |known: &Known| known.section == place.section && known.name == place.name;
        if self.known.iter().any(is_known) {
            self.values.insert(place, Written { value, origin });
        } else {
            self.refuse_unknown(&place, origin);
        }
    }

    /// Where each entry of a section in double brackets begins, and how many there may be.
    pub(super) fn list(&mut self, section: &str) -> (&mut Vec<Origin>, usize) {
        if section == "provider" { (&mut self.providers, MAX_PROVIDERS) } else { (&mut self.queues, MAX_QUEUES) }
    }

    pub(super) fn is_section(&self, name: &str) -> bool {
        self.known.iter().any(|known| known.section == name)
    }

    /// The sections, each once.
    pub(super) fn sections(&self) -> BTreeSet<&'static str> {
        self.known.iter().map(|known| known.section).collect()
    }

    fn refuse_unknown(&mut self, place: &Place, origin: Origin) {
        let names: Vec<_> =
            self.known.iter().filter(|known| known.section == place.section).map(|known| known.name).collect();
        if names.is_empty() {
            return self.refuse_section(place, origin);
        }
        let at = |section: &str, name: &str| match (&origin, section == place.section) {
            (Origin::Environment(_), same) => Place::at(section, place.index.filter(|_| same), name).environment(),
            (_, true) => name.to_owned(),
            (_, false) => format!("{name} in [{section}]"),
        };
        let elsewhere = self.known.iter().find(|known| known.name == place.name);
        let remedy = match (nearest(&place.name, names.iter().copied()), elsewhere) {
            (Some(name), _) => format!("did you mean {}?", at(&place.section, name)),
            (None, Some(known)) => format!("did you mean {}?", at(known.section, known.name)),
            (None, None) => "take it out".to_owned(),
        };
        let allowed = format!("in [{}]: {}", place.section, names.join(", "));
        self.mistake(place.to_string(), origin, "is not a key", allowed, remedy);
    }

    /// A key in a section that does not exist, or in none.
    fn refuse_section(&mut self, place: &Place, origin: Origin) {
        let sections = self.sections();
        let home = self.known.iter().find(|known| known.name == place.name);
        let (problem, remedy) = match (nearest(&place.section, sections.iter().copied()), home) {
            (Some(section), _) => {
                let meant = Place::at(section, place.index, &place.name).environment();
                ("is in no section that exists", format!("did you mean {meant}?"))
            }
            (None, Some(known)) if place.section.is_empty() => {
                ("stands in no section", format!("move it into [{}]", known.section))
            }
            (None, _) => ("is in no section that exists", "take it out".to_owned()),
        };
        let allowed = format!("sections {}", sections.into_iter().collect::<Vec<_>>().join(", "));
        self.mistake(place.to_string(), origin, problem, allowed, remedy);
    }

    pub(super) fn mistake(
        &mut self,
        key: impl Into<String>,
        origin: Origin,
        problem: impl Into<String>,
        allowed: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.mistakes.push(Mistake {
            key: key.into(),
            origin,
            problem: problem.into(),
            allowed: allowed.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn warn(&mut self, key: impl Into<String>, origin: Origin, text: impl Into<String>) {
        self.warnings.push(Warning { key: key.into(), origin, text: text.into() });
    }
}
