//! What a key of the configuration may hold: its meaning, its default and its limits, in one typed declaration.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::mistake::quote;
use super::units::{Bytes, parse_bytes, parse_duration, show_duration};

/// The longest value that is read, in bytes.
pub(super) const MAX_TEXT: usize = 4096;

/// A value as it was written, before anybody knows what it should be. May hold a secret: it has no `Debug`.
#[derive(Clone)]
pub(crate) enum Value {
    /// A string of the file.
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// A word of the environment or of a flag, which may stand for any type.
    Word(String),
    /// What no key holds, such as an array.
    Other(&'static str),
}

impl Value {
    /// The text of a string or a word; otherwise what is wrong, without the value.
    pub(super) fn text(&self) -> Result<&str, Fault> {
        match self {
            Self::Text(text) | Self::Word(text) if text.is_empty() => {
                Err(Fault::new("is empty").remedy("give it a value, or leave it out to get the default"))
            }
            Self::Text(text) | Self::Word(text) if text.len() > MAX_TEXT => {
                Err(Fault::new(format!("is {} bytes long; the most is {MAX_TEXT}", text.len())))
            }
            Self::Text(text) | Self::Word(text) if text.contains(['\0', char::REPLACEMENT_CHARACTER]) => {
                Err(Fault::new("holds a NUL or bytes that are not UTF-8"))
            }
            Self::Text(text) | Self::Word(text) => Ok(text),
            Self::Integer(_) => Err(Fault::new("is an integer where a string in quotes is expected")),
            Self::Boolean(_) => Err(Fault::new("is a boolean where a string in quotes is expected")),
            Self::Other(what) => Err(Fault::new(format!("is {what} where a string in quotes is expected"))),
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::Word(_) => "a word",
            Self::Other(what) => what,
        }
    }
}

/// Why a value was refused, and what to do when that is not just another value.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(super) problem: String,
    pub(super) remedy: Option<String>,
}

impl Fault {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: None }
    }

    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// A type that a key can hold.
pub(crate) trait Setting: Clone + PartialOrd {
    /// What may be written, for a key that sets no limits of its own.
    const ALLOWED: &'static str;

    fn parse(written: &Value) -> Result<Self, Fault>;

    /// As it may be shown: secrets redacted.
    fn show(&self) -> toml::Value;
}

/// One key of a section.
pub(crate) struct Key<T> {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) default: Option<T>,
    /// What holds without a default, in words.
    pub(super) otherwise: &'static str,
    pub(super) limits: Option<RangeInclusive<T>>,
}

impl<T: Setting> Key<T> {
    pub(super) fn new(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, default: None, otherwise: "none", limits: None }
    }

    pub(super) fn default(self, default: T) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(super) fn otherwise(self, otherwise: &'static str) -> Self {
        Self { otherwise, ..self }
    }

    pub(super) fn within(self, limits: RangeInclusive<T>) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// The limits in words.
    pub(super) fn allowed(&self) -> String {
        match &self.limits {
            Some(limits) => format!("{} to {}", bare(limits.start()), bare(limits.end())),
            None => T::ALLOWED.to_owned(),
        }
    }

    pub(super) fn parse(&self, written: &Value) -> Result<T, Fault> {
        let value = T::parse(written)?;
        match &self.limits {
            Some(limits) if value < *limits.start() => Err(Fault::new(format!("{} is too little", bare(&value)))),
            Some(limits) if value > *limits.end() => Err(Fault::new(format!("{} is too much", bare(&value)))),
            Some(_) | None => Ok(value),
        }
    }
}

/// A shown value without the quotes.
fn bare<T: Setting>(value: &T) -> String {
    match value.show() {
        toml::Value::String(text) => text,
        other => other.to_string(),
    }
}

impl Setting for u32 {
    const ALLOWED: &'static str = "a whole number";

    fn parse(written: &Value) -> Result<Self, Fault> {
        match written {
            Value::Integer(number) => {
                Self::try_from(*number).map_err(|_| Fault::new(format!("{number} is out of range")))
            }
            Value::Word(word) => {
                word.parse().map_err(|_| Fault::new(format!("{} is not a whole number in range", quote(word))))
            }
            Value::Text(_) | Value::Boolean(_) | Value::Other(_) => {
                Err(Fault::new(format!("is {} where a whole number without quotes is expected", written.what())))
            }
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::Integer(i64::from(*self))
    }
}

impl Setting for bool {
    const ALLOWED: &'static str = "true or false";

    fn parse(written: &Value) -> Result<Self, Fault> {
        match written {
            Value::Boolean(value) => Ok(*value),
            Value::Word(word) => word.parse().map_err(|_| Fault::new(format!("{} is not true or false", quote(word)))),
            Value::Text(_) | Value::Integer(_) | Value::Other(_) => {
                Err(Fault::new(format!("is {} where true or false without quotes is expected", written.what())))
            }
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::Boolean(*self)
    }
}

impl Setting for Duration {
    const ALLOWED: &'static str = "a duration such as 10s";

    fn parse(written: &Value) -> Result<Self, Fault> {
        written.text().and_then(|text| parse_duration(text).map_err(Fault::new))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(show_duration(*self))
    }
}

impl Setting for Bytes {
    const ALLOWED: &'static str = "a size such as 256KiB";

    fn parse(written: &Value) -> Result<Self, Fault> {
        written.text().and_then(|text| parse_bytes(text).map_err(Fault::new))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

impl Setting for String {
    const ALLOWED: &'static str = "a name";

    fn parse(written: &Value) -> Result<Self, Fault> {
        written.text().map(str::to_owned)
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.clone())
    }
}

impl Setting for PathBuf {
    const ALLOWED: &'static str = "a path";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let path = written.text()?;
        if path.contains("://") {
            return Err(Fault::new("is an address where a path is expected"));
        }
        Ok(Self::from(path))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.display().to_string())
    }
}
