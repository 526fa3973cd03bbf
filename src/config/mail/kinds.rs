//! What the keys of `[mail]` may hold.

use liaison_jobs::Security;

use crate::config::{
    key::{Fault, Setting, Value},
    mistake::quote,
    secret::{REDACTED, Secret},
};

/// What may stand in the link, for what it is about.
const PLACES: [&str; 3] = ["{provider}", "{organizer}", "{integration}"];

/// How mail gets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Transport {
    Console,
    File,
    Smtp,
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::Console, Self::File, Self::Smtp];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::File => "file",
            Self::Smtp => "smtp",
        }
    }
}

impl Setting for Transport {
    const ALLOWED: &'static str = "console, file or smtp";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        let found = Self::ALL.into_iter().find(|transport| transport.as_str() == text);
        found.ok_or_else(|| Fault::new(format!("{} is no way for mail", quote(text))))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.as_str().to_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Safety(pub(super) Security);

impl PartialOrd for Safety {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.0.as_str().partial_cmp(other.0.as_str())
    }
}

impl Setting for Safety {
    const ALLOWED: &'static str = "starttls, tls or none";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        let found = Security::ALL.into_iter().find(|security| security.as_str() == text);
        found.map(Self).ok_or_else(|| Fault::new(format!("{} makes nothing safe", quote(text))))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.as_str().to_owned())
    }
}

/// Shown as `[redacted]`.
#[derive(Clone, PartialEq, PartialOrd)]
pub(super) struct Password(pub(super) Secret);

impl Setting for Password {
    const ALLOWED: &'static str = "a password";

    fn parse(written: &Value) -> Result<Self, Fault> {
        written.text().map(|text| Self(Secret::new(text)))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(REDACTED.to_owned())
    }
}

/// An address, perhaps with a name.
#[derive(Clone, PartialEq, PartialOrd)]
pub(super) struct Mailbox(pub(super) String);

impl Setting for Mailbox {
    const ALLOWED: &'static str = "name@host.example, or Name <name@host.example>";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        liaison_jobs::judge_address(text).map_err(Fault::new)?;
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

/// A link with places to fill in.
#[derive(Clone, PartialEq, PartialOrd)]
pub(super) struct Link(pub(super) String);

impl Setting for Link {
    const ALLOWED: &'static str = "http[s]://…, with {provider}, {organizer} and {integration}";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        let is_link = text.starts_with("https://") || text.starts_with("http://");
        if !is_link || text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"<>".contains(c)) {
            return Err(Fault::new("is no link that a mail can hold"));
        }
        let rest = PLACES.iter().fold(text.to_owned(), |rest, place| rest.replace(place, ""));
        if rest.contains(['{', '}']) {
            return Err(Fault::new("names a place that nothing is filled into"));
        }
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}
