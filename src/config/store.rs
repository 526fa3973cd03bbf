//! `[store]`: where what happened is written down.

use std::path::PathBuf;
use std::time::Duration;

use super::address::read_url;
use super::key::{Fault, Key, Setting, Value};
use super::reader::Reader;
use super::url::{Url, scheme, take_apart};

pub(crate) const DEFAULT_URL: &str = "sqlite:/var/lib/liaison/liaison.db";
pub(crate) const DEFAULT_CONNECTIONS: u32 = 4;
pub(crate) const MIN_CONNECTIONS: u32 = 1;
pub(crate) const MAX_CONNECTIONS: u32 = 64;
pub(crate) const DEFAULT_STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const MIN_STATEMENT_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_STATEMENT_TIMEOUT: Duration = Duration::from_mins(10);

/// The database of runs and dead letters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Store {
    /// The database; `url_file` may name a file that holds it. Defaults to `sqlite:/var/lib/liaison/liaison.db`.
    pub(crate) url: Url,
    /// The keys that seal stored envelopes. Defaults to none: the worker requires it, other commands do not.
    pub(crate) key_file: Option<PathBuf>,
    /// Connections kept open. Defaults to 4.
    pub(crate) connections: u32,
    /// How long a statement may take. Defaults to 30 s.
    pub(crate) statement_timeout: Duration,
}

impl Store {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("store");
        let url = Key::new("url", "The database of runs and dead letters. A password is shown as `[redacted]`.")
            .default(StoreUrl(Url::plain(DEFAULT_URL)));
        Self {
            url: read_url(&mut from, url).0,
            key_file: from.optional(Key::new(
                "key_file",
                "The keys that seal stored envelopes. The worker requires it, other commands do not.",
            )),
            connections: from.value(
                Key::new("connections", "Connections kept open.")
                    .default(DEFAULT_CONNECTIONS)
                    .within(MIN_CONNECTIONS..=MAX_CONNECTIONS),
            ),
            statement_timeout: from.value(
                Key::new("statement_timeout", "How long a statement may take.")
                    .default(DEFAULT_STATEMENT_TIMEOUT)
                    .within(MIN_STATEMENT_TIMEOUT..=MAX_STATEMENT_TIMEOUT),
            ),
        }
    }
}

/// An address that the store understands.
#[derive(Clone, PartialEq, PartialOrd)]
struct StoreUrl(Url);

impl AsRef<Url> for StoreUrl {
    fn as_ref(&self) -> &Url {
        &self.0
    }
}

impl Setting for StoreUrl {
    const ALLOWED: &'static str = "sqlite:/path/of/file, or postgres://[user:password@]host[:port]/database";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        // A path may hold what an address may not, such as a space.
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite(text, path);
        }
        let (scheme, rest) = scheme(text)?;
        match scheme.as_str() {
            "postgres" | "postgresql" => Ok(Self(take_apart(text, rest)?.url)),
            _ => Err(Fault::new("has a scheme that is not one of sqlite, postgres and postgresql")),
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.to_string())
    }
}

fn sqlite(text: &str, path: &str) -> Result<StoreUrl, Fault> {
    let two_slashes = path.starts_with("//") && !path.starts_with("///");
    if path.is_empty() || two_slashes || path.ends_with('/') || path.contains(char::is_control) {
        return Err(Fault::new("names no file").remedy(format!("write {DEFAULT_URL} with a path of your own")));
    }
    if path.starts_with([':', '?']) || path.starts_with("file:") {
        return Err(Fault::new("is a database in memory or a file: address; history must outlive the process")
            .remedy(format!("write {DEFAULT_URL} with a path of your own")));
    }
    Ok(StoreUrl(Url::plain(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StoreUrl, Fault> {
        StoreUrl::parse(&Value::Text(text.to_owned()))
    }

    #[test]
    fn both_backends_are_understood() {
        for text in [
            DEFAULT_URL,
            "sqlite:liaison.db",
            "sqlite:///var/lib/a b@c.db",
            "postgres://u:pw@h:5432/liaison?sslmode=require",
            "postgresql://%2Frun%2Fpostgresql/liaison",
            "postgres:///liaison?host=/run/postgresql&port=5433",
            "postgres://a:1,b:2/liaison",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_would_lose_history_or_names_nothing_is_refused() {
        for text in [
            "sqlite:",
            "sqlite://liaison.db",
            "sqlite::memory:",
            "sqlite:file:a?mode=memory",
            "sqlite:/tmp/",
            "mysql://h/d",
            "a.db",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
