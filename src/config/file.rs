//! The configuration file: found, read with its lines, and laid over the defaults.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::Value;
use super::mistake::SYNTAX;
use super::origin::{Origin, Place};
use super::raw::{LISTS, RawConfig};
use super::secret::Secret;

/// The largest configuration file, in bytes.
const MAX_FILE: usize = 1 << 20;

/// Read the file at `path`, which was asked for by `origin` or found in a usual place. A file in a usual place may be
/// missing, and then the answer is false.
pub(super) fn read(path: &Path, asked_by: Option<&Origin>, raw: &mut RawConfig) -> bool {
    if asked_by.is_none() && matches!(path.try_exists(), Ok(false)) {
        return false;
    }
    let whole = Origin::File { path: path.into(), line: 0 };
    match read_text(path, MAX_FILE) {
        Ok(text) => {
            lay(&Document::new(path, &text), raw);
            raw.text = Some(Secret::new(text));
        }
        Err(problem) => {
            let origin = asked_by.cloned().unwrap_or(whole);
            let problem = format!("{} {problem}", path.display());
            let remedy = "correct the path or the file's mode, or leave it out to run with the defaults";
            raw.mistake("config", origin, problem, "a readable TOML file", remedy);
        }
    }
    true
}

/// The text of a file of at most `most` bytes. The error is what the file did, such as `does not exist`.
pub(super) fn read_text(path: &Path, most: usize) -> Result<String, String> {
    let mut text = String::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text));
    match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length > most) => {
            Err(format!("is larger than {most} bytes"))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => "does not exist".to_owned(),
            ErrorKind::InvalidData => "is not UTF-8".to_owned(),
            _ => format!("cannot be read: {error}"),
        }),
    }
}

/// A text with what is needed to say where in it something stands.
pub(super) struct Document<'a> {
    path: Arc<Path>,
    pub(super) text: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn new(path: &Path, text: &'a str) -> Self {
        Self { path: path.into(), text }
    }

    pub(super) fn at(&self, offset: usize) -> Origin {
        let before = self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        Origin::File { path: Arc::clone(&self.path), line: 1 + before }
    }
}

fn lay(document: &Document<'_>, raw: &mut RawConfig) {
    let (table, errors) = DeTable::parse_recoverable(document.text);
    for error in errors {
        let origin = document.at(error.span().map_or(0, |span| span.start));
        // One error for a line: the parser's later ones follow from its first. The line itself may hold a password.
        if raw.broken.insert(origin.line()) {
            let remedy = "correct the line; strings and durations stand in quotes";
            raw.mistake(SYNTAX, origin, error.message(), "TOML 1.0", remedy);
        }
    }
    for (name, value) in table.get_ref() {
        let origin = document.at(name.span().start);
        let name: &str = name.get_ref();
        match (name, value.get_ref()) {
            (name, DeValue::Array(entries)) if LISTS.contains(&name) => {
                for entry in entries {
                    lay_entry(document, name, entry, raw);
                }
            }
            (name, _) if LISTS.contains(&name) => {
                let also = if name == "queue" { "; what holds for every queue stands in [queues]" } else { "" };
                let (problem, allowed) = (format!("is not a list of {name}s"), format!("[[{name}]]"));
                raw.mistake(name, origin, problem, allowed, format!("write [[{name}]] for one {name}{also}"));
            }
            (_, DeValue::Table(keys)) if raw.is_section(name) => lay_keys(document, keys, name, None, raw),
            (_, DeValue::Array(_)) if raw.is_section(name) => {
                raw.mistake(name, origin, "stands in double brackets", format!("[{name}]"), format!("write [{name}]"));
            }
            (_, DeValue::Table(_)) => refuse_section(name, origin, raw),
            (_, value) if raw.is_section(name) => {
                let remedy = format!("write [{name}], and its keys below");
                raw.mistake(name, origin, format!("is {}", what(value)), "a section", remedy);
            }
            (_, value) => raw.set(Place::new("", name), written(value), origin),
        }
    }
}

fn refuse_section(name: &str, origin: Origin, raw: &mut RawConfig) {
    let sections = raw.sections();
    let remedy = match super::hint::nearest(name, sections.iter().copied()) {
        Some(section) => format!("did you mean [{section}]?"),
        None => "take it out".to_owned(),
    };
    let allowed = sections.into_iter().collect::<Vec<_>>().join(", ");
    raw.mistake(name.escape_debug().to_string(), origin, "is not a section", allowed, remedy);
}

fn lay_entry(document: &Document<'_>, section: &str, entry: &Spanned<DeValue<'_>>, raw: &mut RawConfig) {
    let origin = document.at(entry.span().start);
    let (list, most) = raw.list(section);
    let index = list.len();
    let key = format!("{section}[{index}]");
    if index == most {
        let problem = format!("is one {section} more than {most}");
        return raw.mistake(key, origin, problem, format!("fewer {section}s"), "merge some");
    }
    match entry.get_ref() {
        DeValue::Table(keys) => {
            list.push(origin);
            lay_keys(document, keys, section, Some(index), raw);
        }
        value => {
            let (problem, allowed) = (format!("is {}", what(value)), format!("[[{section}]]"));
            raw.mistake(key, origin, problem, allowed, format!("write [[{section}]], and its keys below"));
        }
    }
}

fn lay_keys(document: &Document<'_>, keys: &DeTable<'_>, section: &str, index: Option<usize>, raw: &mut RawConfig) {
    for (name, value) in keys {
        let origin = document.at(name.span().start);
        raw.set(Place::at(section, index, name.get_ref()), written(value.get_ref()), origin);
    }
}

pub(super) fn written(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other("a huge integer"), Value::Integer)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Value::Other(what(value)),
    }
}

pub(super) fn what(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The usual places, nearest first.
pub(super) fn usual_places() -> Vec<PathBuf> {
    vec![PathBuf::from("liaison.toml"), PathBuf::from("/etc/liaison/liaison.toml")]
}
