//! HTTP as far as a stand-in needs it: one request per connection, read within limits, and an answer that may be unkind.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long a client who was answered early may go on sending. Closing at once would reset the answer away.
const LINGER: Duration = Duration::from_secs(1);

/// What a stand-in does with one request.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    delay: Duration,
    retry_after: Option<Duration>,
    drip: Duration,
    dropped: bool,
}

impl Answer {
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, delay: Duration::ZERO, retry_after: None, drip: Duration::ZERO, dropped: false }
    }

    /// Read the request, then close the connection without a word.
    #[must_use]
    pub fn dropped() -> Self {
        Self { dropped: true, ..Self::status(0) }
    }

    /// Wait before the first byte, or before dropping.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Send `Retry-After`, in whole seconds.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Wait after each byte.
    #[must_use]
    pub fn dripping(self, pause: Duration) -> Self {
        Self { drip: pause, ..self }
    }

    pub(crate) async fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        sleep(self.delay).await;
        if self.dropped {
            return Ok(());
        }
        let wait = self.retry_after.map_or(String::new(), |wait| format!("Retry-After: {}\r\n", wait.as_secs()));
        // These two never have a body.
        let body = if [204, 304].contains(&self.status) { "" } else { "Content-Length: 9\r\n\r\nanswered\n" };
        let end = if body.is_empty() { "\r\n" } else { "" };
        let text = format!("HTTP/1.1 {} \r\nConnection: close\r\n{wait}{body}{end}", self.status);
        let step = if self.drip.is_zero() { text.len() } else { 1 };
        for bytes in text.as_bytes().chunks(step) {
            stream.write_all(bytes).await?;
            sleep(self.drip).await;
        }
        stream.shutdown().await?;
        let _still_sending = timeout(LINGER, copy(stream, &mut sink())).await;
        Ok(())
    }
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    /// In order; names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Read one request, or say with which status it is refused. `None`: the client went away.
    pub(crate) async fn read(stream: &mut TcpStream) -> Result<Self, Option<u16>> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if bytes.len() > MAX_HEAD_BYTES {
                return Err(Some(431));
            }
            if stream.read_buf(&mut bytes).await.map_err(|_| None)? == 0 {
                return Err(None);
            }
        };
        let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| Some(400))?;
        let mut request = Self::parse_head(head).ok_or(Some(400))?;
        if request.header("transfer-encoding").is_some() {
            return Err(Some(501));
        }
        let length = request.length().ok_or(Some(400))?;
        if length > MAX_BODY_BYTES {
            return Err(Some(413));
        }
        request.body = bytes.split_off(head_end + 4);
        let already = request.body.len();
        request.body.resize(length, 0);
        if already < length {
            stream.read_exact(&mut request.body[already..]).await.map_err(|_| None)?;
        }
        Ok(request)
    }

    fn parse_head(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, path, version) = (first.next()?, first.next()?, first.next()?);
        let in_order = method.bytes().all(|byte| byte.is_ascii_uppercase()) && path.starts_with('/');
        if method.is_empty() || !in_order || !["HTTP/1.0", "HTTP/1.1"].contains(&version) || first.next().is_some() {
            return None;
        }
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            sound.then(|| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.map(header).collect::<Option<_>>()?;
        Some(Self { method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() })
    }

    /// The declared length of the body. Two that differ are how requests get smuggled.
    fn length(&self) -> Option<usize> {
        let mut lengths = self.headers.iter().filter(|(name, _)| name == "content-length").map(|(_, value)| value);
        let Some(length) = lengths.next() else { return Some(0) };
        let digits = length.bytes().all(|byte| byte.is_ascii_digit());
        if digits && lengths.all(|other| other == length) { length.parse().ok() } else { None }
    }
}
