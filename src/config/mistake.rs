//! What is wrong with a configuration: every mistake at once, each with its key, place, limits and remedy.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::json;

use super::origin::Origin;

/// One thing to correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) key: String,
    pub(crate) origin: Origin,
    pub(crate) problem: String,
    pub(crate) allowed: String,
    pub(crate) remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, origin, problem, allowed, remedy } = self;
        write!(f, "{key} ({origin}): {problem}\n    allowed: {allowed}\n    remedy: {remedy}")
    }
}

/// All the mistakes of a configuration that cannot be used. Exit code 2.
#[derive(Debug)]
pub(crate) struct ConfigError {
    pub(super) mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// In the order of the layers and of the file's lines. A line with broken syntax is reported once, as that.
    pub(super) fn new(mut mistakes: Vec<Mistake>, broken: &BTreeSet<usize>) -> Self {
        mistakes.retain(|mistake| mistake.key == SYNTAX || !broken.contains(&mistake.origin.line()));
        mistakes.sort_by_key(|mistake| (mistake.origin.strength(), mistake.origin.line()));
        Self { mistakes }
    }

    /// These and more.
    pub(crate) fn and(mut self, more: Vec<Mistake>) -> Self {
        self.mistakes.extend(more);
        self
    }

    pub(crate) fn count(&self) -> usize {
        self.mistakes.len()
    }

    /// For those who found mistakes where values are used; none is no error.
    pub(crate) fn of(mistakes: Vec<Mistake>) -> Result<(), Self> {
        if mistakes.is_empty() { Ok(()) } else { Err(Self { mistakes }) }
    }

    /// For `liaison check --json`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let one = |mistake: &Mistake| {
            let Mistake { key, origin, problem, allowed, remedy } = mistake;
            json!({"key": key, "origin": origin.to_string(), "problem": problem, "allowed": allowed, "remedy": remedy})
        };
        json!({ "mistakes": self.mistakes.iter().map(one).collect::<Vec<_>>() })
    }
}

/// A written value in a message: escaped, and cut when it is long.
pub(super) fn quote(text: &str) -> String {
    const MOST: usize = 60;
    // Somebody put an address where it does not belong: it may hold a password.
    if text.contains("://") {
        return "an address".to_owned();
    }
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
        None => format!("{text:?}"),
    }
}

/// The key under which broken TOML is reported.
pub(super) const SYNTAX: &str = "syntax";

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.len() {
            1 => f.write_str("the configuration has 1 mistake:")?,
            n => write!(f, "the configuration has {n} mistakes:")?,
        }
        self.mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for ConfigError {}

/// What works, but that an operator should hear about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) key: String,
    pub(crate) origin: Origin,
    pub(crate) text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.origin, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(key: &str, origin: Origin) -> Mistake {
        let text = |text: &str| text.to_owned();
        Mistake { key: text(key), origin, problem: text("wrong"), allowed: text("right"), remedy: text("write right") }
    }

    #[test]
    fn the_error_lists_the_file_by_line_and_then_the_stronger_layers() {
        let line = |line| Origin::File { path: std::path::Path::new("a.toml").into(), line };
        let mistakes = vec![
            mistake("flag", Origin::Flag("--redis-url")),
            mistake("nine", line(9)),
            mistake("two", line(2)),
            mistake("follows from broken syntax", line(4)),
            mistake(SYNTAX, line(4)),
        ];
        let error = ConfigError::new(mistakes, &BTreeSet::from([4]));
        let keys: Vec<_> = error.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
        assert_eq!(keys, ["two", SYNTAX, "nine", "flag"]);
        let text = error.to_string();
        assert!(text.starts_with("the configuration has 4 mistakes:\n  two (a.toml:2): wrong\n    allowed: right\n"));
        assert_eq!(error.to_json()["mistakes"][0]["origin"], "a.toml:2");
    }
}
