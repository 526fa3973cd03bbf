//! `scheduler.toml`: WHEN work starts by itself, one `[[schedule]]` an entry, and everything that is wrong with it.

mod fields;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use liaison_queue::{EntryName, QueueName, envelope::Limits, state::Priority};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::file::{Document, read_text, what};
use super::hint::nearest;
use super::mistake::{ConfigError, Mistake, SYNTAX, quote};
use super::origin::Origin;
use crate::scheduler::ticks::Ticks;

/// The largest schedule file, in bytes.
const MAX_FILE: usize = 1 << 20;
pub(crate) const MAX_ENTRIES: usize = 1000;
pub(crate) const MAX_DESCRIPTION: usize = 500;
/// Ticks that one entry may make up for.
pub(crate) const MAX_CATCH_UP: u32 = 1000;
pub(crate) const MAX_WITHIN: Duration = Duration::from_hours(366 * 24);
/// How much later than its tick a job may start, by `jitter` and by `spread`.
pub(crate) const MAX_LATER: Duration = Duration::from_hours(24);

/// Everything that the scheduler goes by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schedule {
    pub(crate) entries: Vec<Entry>,
    /// Of what it enqueues.
    pub(crate) limits: Limits,
    /// How long the queue remembers the id of a job that has left.
    pub(crate) id_memory: Duration,
}

impl Schedule {
    /// What the configuration and its schedule file say.
    pub(crate) fn of(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { entries: read(config)?, limits: config.queues.limits(), id_memory: config.queues.id_memory })
    }
}

/// One entry, as the file has it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: EntryName,
    pub(crate) job: String,
    pub(crate) ticks: Ticks,
    pub(crate) args: serde_json::Value,
    pub(crate) queue: QueueName,
    pub(crate) priority: Priority,
    pub(crate) catch_up: CatchUp,
    pub(crate) overlap: Overlap,
    pub(crate) jitter: Duration,
    pub(crate) spread: Duration,
    pub(crate) enabled: bool,
    pub(crate) description: Option<String>,
}

/// What becomes of ticks at which no daemon was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatchUp {
    None,
    /// The last of them is made up for.
    Last,
    All {
        most: u32,
        within: Duration,
    },
}

/// What becomes of a tick while the entry's job before is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// It runs beside it.
    Allow,
    /// It is left out.
    Skip,
    /// It waits for it.
    Queue,
}

/// The keys of an entry, in the order of the documentation.
pub(crate) const KEYS: [&str; 13] = [
    "name",
    "job",
    "cron",
    "timezone",
    "args",
    "queue",
    "priority",
    "catch_up",
    "overlap",
    "jitter",
    "spread",
    "enabled",
    "description",
];

/// What the configuration's schedule file says, if there is one.
pub(crate) fn read(config: &Config) -> Result<Vec<Entry>, ConfigError> {
    match &config.scheduler.file {
        Some(path) => read_file(path, config.worker.diagnostics, config.queues.limits().max_args),
        None => Ok(Vec::new()),
    }
}

/// All that is wrong with it.
pub(crate) fn mistakes(config: &Config) -> Vec<Mistake> {
    read(config).err().map(|error| error.mistakes).unwrap_or_default()
}

fn read_file(path: &Path, diagnostics: bool, max_args: usize) -> Result<Vec<Entry>, ConfigError> {
    let text = read_text(path, MAX_FILE).map_err(|problem| {
        let origin = Origin::File { path: path.into(), line: 0 };
        let remedy = "correct scheduler.file or the file's mode";
        let mistake =
            mistake("scheduler.file", origin, format!("{} {problem}", path.display()), "a readable TOML file", remedy);
        ConfigError::new(vec![mistake], &BTreeSet::new())
    })?;
    read_document(&Document::new(path, &text), diagnostics, max_args)
}

fn read_document(document: &Document<'_>, diagnostics: bool, max_args: usize) -> Result<Vec<Entry>, ConfigError> {
    let (table, errors) = DeTable::parse_recoverable(document.text);
    let mut reading = Reading { document, diagnostics, max_args, mistakes: Vec::new() };
    let mut broken = BTreeSet::new();
    for error in errors {
        let origin = document.at(error.span().map_or(0, |span| span.start));
        if broken.insert(origin.line()) {
            let remedy = "correct the line; strings and durations stand in quotes";
            reading.mistakes.push(mistake(SYNTAX, origin, error.message(), "TOML 1.0", remedy));
        }
    }
    let mut entries = Vec::new();
    for (name, value) in table.get_ref() {
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("schedule", DeValue::Array(written)) => entries = reading.entries(written),
            (name_of_it, _) => {
                let problem = if name_of_it == "schedule" { "is not a list of entries" } else { "is not known" };
                let origin = document.at(name.span().start);
                let remedy = "write [[schedule]] for one entry, and its keys below";
                reading.mistakes.push(mistake(&quote(name_of_it), origin, problem, "[[schedule]]", remedy));
            }
        }
    }
    if reading.mistakes.is_empty() { Ok(entries) } else { Err(ConfigError::new(reading.mistakes, &broken)) }
}

fn mistake(
    key: &str,
    origin: Origin,
    problem: impl Into<String>,
    allowed: impl Into<String>,
    remedy: impl Into<String>,
) -> Mistake {
    Mistake { key: key.to_owned(), origin, problem: problem.into(), allowed: allowed.into(), remedy: remedy.into() }
}

struct Reading<'a> {
    document: &'a Document<'a>,
    diagnostics: bool,
    max_args: usize,
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn entries(&mut self, written: &[Spanned<DeValue<'_>>]) -> Vec<Entry> {
        let mut names = BTreeMap::new();
        let mut entries = Vec::new();
        for (index, entry) in written.iter().enumerate() {
            let origin = self.document.at(entry.span().start);
            let key = format!("schedule[{index}]");
            if index == MAX_ENTRIES {
                let problem = format!("is one entry more than {MAX_ENTRIES}");
                self.mistakes.push(mistake(
                    &key,
                    origin,
                    problem,
                    "fewer entries",
                    "let one job do the work of several",
                ));
                break;
            }
            let DeValue::Table(keys) = entry.get_ref() else {
                let problem = format!("is {}", what(entry.get_ref()));
                self.mistakes.push(mistake(&key, origin, problem, "[[schedule]]", "write its keys below [[schedule]]"));
                continue;
            };
            self.refuse_unknown(&key, keys);
            self.refuse_repeated(&key, keys, index, &mut names);
            let Some(entry) = self.entry(&key, keys, &origin) else { continue };
            entries.push(entry);
        }
        entries
    }

    /// A name that stands twice, whatever else is wrong with its entries.
    fn refuse_repeated<'k>(
        &mut self,
        key: &str,
        keys: &'k DeTable<'_>,
        index: usize,
        names: &mut BTreeMap<&'k str, usize>,
    ) {
        let Some((_, value)) = keys.iter().find(|(name, _)| name.get_ref() == "name") else { return };
        let Some(name) = value.get_ref().as_str() else { return };
        if let Some(other) = names.insert(name, index) {
            let problem = format!("{} is also the name of schedule[{other}]", quote(name));
            let remedy = "rename one; its past hangs on its name";
            let origin = self.document.at(value.span().start);
            self.mistakes.push(mistake(&format!("{key}.name"), origin, problem, "each name once", remedy));
        }
    }

    fn refuse_unknown(&mut self, key: &str, keys: &DeTable<'_>) {
        for name in keys.keys() {
            let written: &str = name.get_ref();
            if KEYS.contains(&written) {
                continue;
            }
            let remedy = match nearest(written, KEYS) {
                Some(near) => format!("did you mean {near}?"),
                None => "take it out".to_owned(),
            };
            let key = format!("{key}.{}", written.escape_debug());
            let origin = self.document.at(name.span().start);
            self.mistakes.push(mistake(&key, origin, "is not a key", KEYS.join(", "), remedy));
        }
    }
}
