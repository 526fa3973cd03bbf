//! What a provider answers, and what may go wrong with it.

use serde_json::Value;
use std::borrow::Borrow;
use std::time::Duration;

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// This status, in the provider's words as far as it has some.
    Status(u16),
    /// This status, with a page of HTML.
    Page(u16),
    /// A limit, with `Retry-After` in seconds if there is a number.
    TooMany(Option<u64>),
    /// The token is taken no more, as long as this one request lasts.
    Unauthorized,
    /// No answer, ever.
    Hang,
    /// What was asked for is done, and the connection is closed without a word of it.
    LostAnswer,
    /// What was asked for is done, and half of the answer comes.
    HalfAnswer,
    /// The usual, so much later.
    Slow(Duration),
}

/// What a provider has its own words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unauthorized,
    TooMany {
        after: Option<u64>,
    },
    /// Too many at once.
    Crowded,
    Status(u16),
}

/// An answer of a provider.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Said {
    #[must_use]
    pub fn json(status: u16, body: impl Borrow<Value>) -> Self {
        Self { status, headers: vec![("Content-Type", "application/json".to_owned())], body: body.borrow().to_string() }
    }

    /// Nothing but a status.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a number or a text, as it stands at the caller's")]
    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(super) fn page(status: u16) -> Self {
        let body = "<html><body>Something went wrong</body></html>".to_owned();
        Self { status, headers: vec![("Content-Type", "text/html".to_owned())], body }
    }

    pub(super) fn text(&self) -> String {
        let mut head = format!("HTTP/1.1 {} \r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        // These two never have a body.
        let length = if [204, 304].contains(&self.status) {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", self.body.len())
        };
        format!("{head}{length}\r\n{}", self.body)
    }
}
