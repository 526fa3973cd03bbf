//! `[log]`: what the daemon says, and how.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;

use super::hint::distance;
use super::key::{Fault, Key, Setting, Value};
use super::mistake::quote;
use super::reader::Reader;

pub(crate) const DEFAULT_LEVEL: &str = "info";
pub(crate) const DEFAULT_FORMAT: Format = Format::Auto;

/// The words that stand for a level.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What the daemon says, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Log {
    /// What is logged, as an env-filter such as `info,liaison_queue=debug`. Defaults to `info`.
    pub(crate) level: String,
    /// How a line looks. Defaults to auto: human on a terminal, JSON otherwise.
    pub(crate) format: Format,
}

impl Log {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("log");
        let level =
            Key::new("level", "What is logged: a level, or `info,liaison_queue=debug` for one part of the code.")
                .default(Filter(DEFAULT_LEVEL.to_owned()));
        let format = Key::new("format", "How a line looks: `auto` is human on a terminal and JSON otherwise.")
            .default(DEFAULT_FORMAT);
        Self { level: from.value(level).0, format: from.value(format) }
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Format {
    Auto,
    Human,
    Json,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Auto, Self::Human, Self::Json];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

impl FromStr for Format {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| Fault::new(format!("{} is not a format", quote(text))))
    }
}

impl Setting for Format {
    const ALLOWED: &'static str = "auto, human or json";

    fn parse(written: &Value) -> Result<Self, Fault> {
        written.text()?.parse()
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.as_str().to_owned())
    }
}

/// A filter that `tracing_subscriber` accepts.
#[derive(Clone, PartialEq, PartialOrd)]
struct Filter(String);

impl Setting for Filter {
    const ALLOWED: &'static str = "off, error, warn, info, debug, trace, or a filter such as info,liaison_queue=debug";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        EnvFilter::builder().parse(text).map_err(|_| Fault::new(format!("{} is not a filter", quote(text))))?;
        text.split(',').try_for_each(refuse_mistyped_level)?;
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

/// A lone word that is no level names a part of the code, and would silence everything else.
fn refuse_mistyped_level(directive: &str) -> Result<(), Fault> {
    let word = directive.trim().to_ascii_lowercase();
    match LEVELS.iter().find(|level| (1..=2).contains(&distance(&word, level)) && !LEVELS.contains(&word.as_str())) {
        Some(level) if word.len() > 2 => {
            Err(Fault::new(format!("{} is not a level", quote(&word))).remedy(format!("did you mean {level}?")))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_called_auto_human_and_json() {
        assert_eq!(Format::ALL.map(Format::as_str), ["auto", "human", "json"]);
        assert_eq!("json".parse::<Format>().unwrap(), Format::Json);
        assert!("JSON".parse::<Format>().is_err());
    }

    #[test]
    fn a_mistyped_level_is_not_taken_for_a_part_of_the_code() {
        let parse = |text: &str| Filter::parse(&Value::Text(text.to_owned())).map(|filter| filter.0);
        for text in ["info", "DEBUG", "off", "info,liaison_queue=debug", "warn,redis", "liaison::queue=trace"] {
            assert_eq!(parse(text).unwrap(), text);
        }
        assert_eq!(parse("debgu").unwrap_err().remedy.unwrap(), "did you mean debug?");
        assert_eq!(parse("warn,inof").unwrap_err().problem, "\"inof\" is not a level");
        assert!(parse("liaison=loud").unwrap_err().problem.contains("is not a filter"));
    }
}
