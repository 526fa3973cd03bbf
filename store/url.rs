//! Where the store is: one setting, two backends.
//!
//! A password never leaves this file except towards the server: `Debug`, `Display` and every error are redacted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// `sqlite:PATH`, or `postgres://…` (also `postgresql://…`) as libpq reads it.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// A `PostgreSQL` address. Opaque, because it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

/// Why a database URL was refused. The text never quotes the URL, which may hold a password.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    #[error("the database URL has no known scheme; write sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Scheme,
    #[error(
        "an SQLite store in memory would lose the history at every stop; write sqlite:PATH with the path of a file"
    )]
    Memory,
    #[error("the SQLite URL names no plain path; write sqlite:PATH, for example sqlite:/var/lib/liaison/liaison.db")]
    Path,
    #[error("the PostgreSQL URL is ambiguous; write an @ or / in the user or the password as %40 or %2F")]
    Ambiguous,
}

impl DatabaseUrl {
    /// The URL without its password, for people and logs.
    #[must_use]
    pub fn redacted(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => url.redacted(),
        }
    }

    /// Whether the URL itself holds a password, which belongs in a file with narrow permissions.
    #[must_use]
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(url) => url.has_password(),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text.trim().split_once(':') {
            Some(("sqlite", path)) => sqlite_path(path).map(Self::Sqlite),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                // libpq takes the first @ before a slash as the end of the credentials. With any other @ our
                // redaction and its reading could differ, and a part of a password could be shown.
                match rest[2..].find('@') {
                    Some(at) if rest[2..][..at].contains('/') || rest[2..][at + 1..].contains('@') => {
                        Err(UrlError::Ambiguous)
                    }
                    _ => Ok(Self::Postgres(PostgresUrl(text.trim().to_owned()))),
                }
            }
            _ => Err(UrlError::Scheme),
        }
    }
}

/// `sqlite:///abs` is common elsewhere and means /abs; `sqlite://name` would be read as a host or as a path, so no.
fn sqlite_path(path: &str) -> Result<PathBuf, UrlError> {
    let path = if path.starts_with("///") { &path[2..] } else { path };
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Err(UrlError::Memory);
    }
    if path.is_empty() || path.starts_with("//") || path.starts_with("file:") || path.contains('\0') {
        return Err(UrlError::Path);
    }
    Ok(Path::new(path).to_path_buf())
}

impl PostgresUrl {
    /// What libpq is given: the URL, plus those of `settings` that it does not set itself.
    pub(crate) fn with_settings(&self, settings: &[(&str, String)]) -> String {
        let mut url = self.0.clone();
        for (key, value) in settings {
            if self.parameters().all(|(known, _)| known != *key) {
                let has_query = url.len() > self.0.len() || self.query_start() < self.0.len();
                url.push(if has_query { '&' } else { '?' });
                url.extend([key, "=", value]);
            }
        }
        url
    }

    /// The password as it is written, to be struck out of what the server or libpq says.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let parameters = self.parameters().filter(|(key, _)| is_secret(key)).map(|(_, value)| value);
        self.credentials().and_then(|(_, password)| password).into_iter().chain(parameters)
    }

    fn has_password(&self) -> bool {
        self.secrets().next().is_some()
    }

    fn redacted(&self) -> String {
        let (before, query) = self.0.split_at(self.query_start());
        let shown = match self.credentials() {
            Some((user, Some(_))) => {
                let host = before.rsplit('@').next().unwrap_or_default();
                format!("{}://{user}:***@{host}", self.scheme())
            }
            _ => before.to_owned(),
        };
        let parameters: Vec<String> = self
            .parameters()
            .map(|(key, value)| if is_secret(key) { format!("{key}=***") } else { format!("{key}={value}") })
            .collect();
        if query.is_empty() { shown } else { format!("{shown}?{}", parameters.join("&")) }
    }

    fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    fn credentials(&self) -> Option<(&str, Option<&str>)> {
        let (_, rest) = self.0.split_once("://")?;
        let (credentials, _) = rest.split_once('@')?;
        Some(match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        })
    }

    /// Where `?` begins the parameters. One inside the password does not: libpq reads the credentials first.
    fn query_start(&self) -> usize {
        let after_credentials = self.0.find('@').unwrap_or(0);
        self.0[after_credentials..].find('?').map_or(self.0.len(), |at| after_credentials + at)
    }

    fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let query = self.0[self.query_start()..].trim_start_matches('?');
        query.split('&').filter_map(|pair| pair.split_once('='))
    }
}

fn is_secret(parameter: &str) -> bool {
    matches!(parameter, "password" | "sslpassword")
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> DatabaseUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_path_is_taken_as_it_is_written() {
        for (text, path) in [("sqlite:a.db", "a.db"), ("sqlite:/a/b.db", "/a/b.db"), ("sqlite:///a/b.db", "/a/b.db")] {
            assert_eq!(parse(text), DatabaseUrl::Sqlite(path.into()));
        }
    }

    #[test]
    fn what_cannot_be_a_store_is_refused_with_the_remedy() {
        let cases = [
            ("sqlite::memory:", UrlError::Memory),
            ("sqlite:file:x?mode=memory", UrlError::Memory),
            ("sqlite:", UrlError::Path),
            ("sqlite://a.db", UrlError::Path),
            ("mysql://host/db", UrlError::Scheme),
            ("liaison.db", UrlError::Scheme),
            ("postgres://u:p@ss@host/db", UrlError::Ambiguous),
            ("postgres://u:pa/ss@host/db", UrlError::Ambiguous),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<DatabaseUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let cases = [
            ("postgres://u:s3cret@host:5432/db?sslmode=require", "postgres://u:***@host:5432/db?sslmode=require"),
            ("postgres://u:s3?cret@host/db", "postgres://u:***@host/db"),
            ("postgresql://host/db?user=u&password=s3cret", "postgresql://host/db?user=u&password=***"),
        ];
        for (text, shown) in cases {
            let url = parse(text);
            assert!(url.has_password());
            assert_eq!((url.redacted().as_str(), format!("{url:?}").as_str()), (shown, shown));
        }
        assert!(!parse("postgres://u@host/db").has_password());
    }

    #[test]
    fn settings_yield_to_the_url() {
        let DatabaseUrl::Postgres(url) = parse("postgres://h/db?connect_timeout=2") else { panic!("not postgres") };
        let settings = [("connect_timeout", "5".to_owned()), ("keepalives_idle", "10".to_owned())];
        assert_eq!(url.with_settings(&settings), "postgres://h/db?connect_timeout=2&keepalives_idle=10");
    }
}
