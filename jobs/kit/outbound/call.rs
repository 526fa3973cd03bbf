//! What is asked, and what came back.

use std::{fmt, net::SocketAddr, time::Duration};

use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};

/// Of an answer, unless a call wants more.
pub const KEPT: usize = 16 * 1024;
/// The most that any call may keep.
const MAX_KEPT: usize = 16 * 1024 * 1024;
/// For all of a call, unless it says otherwise: as the specification of webhooks suggests, at the lower end.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One request. Its `Debug` shows neither path, nor header, nor body.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    /// As it was given; it is checked when the call is made.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// For all of it, from the name's resolution to the last byte that is kept.
    pub timeout: Duration,
    /// How much of the body of an answer is kept; what comes behind is not read.
    pub keep: usize,
}

impl Call {
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let (url, headers) = (url.into(), HeaderMap::new());
        Self { method, url, headers, body: Vec::new(), timeout: TIMEOUT, keep: KEPT }
    }

    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// The bytes are sent as they are, so a signature over them holds.
    #[must_use]
    pub fn post(url: impl Into<String>, body: Vec<u8>) -> Self {
        Self { body, ..Self::new(Method::POST, url) }
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Keep more of the answer than a log needs, or less.
    #[must_use]
    pub fn keeping(self, keep: usize) -> Self {
        Self { keep: keep.min(MAX_KEPT), ..self }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What the other side answered.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// What was kept of it; see `end`.
    pub body: Vec<u8>,
    pub end: End,
    /// Until the last byte that was kept.
    pub took: Duration,
    /// Who answered: with a proxy, the proxy.
    pub address: Option<SocketAddr>,
}

/// Where the body of an answer ended. The status had come by then, and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Whole,
    /// There was more than is kept.
    Cut,
    /// The connection broke.
    Broken,
    /// Time was over.
    TimedOut,
}

impl Answer {
    /// A header, if it is text.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// There is no more of the body than is here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.end == End::Whole
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("end", &self.end)
            .field("took", &self.took)
            .finish_non_exhaustive()
    }
}
