//! A client of the daemon's own server, over its socket: one request, one answer.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use super::{House, PATIENCE};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Where a daemon answers.
pub(crate) struct Front(PathBuf);

impl Front {
    /// The same house with a socket to answer at, and who asks there.
    pub(crate) fn of(house: House) -> (House, Self) {
        let path = house.path("http");
        (house.set("LIAISON_HTTP__LISTEN", &format!("unix:{}", path.display())), Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn connect(&self) -> std::io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.0)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "*/*").expect("an answer")
    }

    pub(crate) fn json(&self, path: &str) -> (u16, serde_json::Value) {
        let answer = self.ask("GET", path, "application/json").expect("an answer");
        (answer.status, serde_json::from_str(&answer.body).unwrap_or_else(|fault| panic!("{fault}: {answer:?}")))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, accept: &str) -> std::io::Result<Answer> {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: here\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        send(self.connect()?, head.as_bytes())
    }
}

/// Send these bytes and read until the other side closes; it may have heard enough before it has heard all.
pub(crate) fn send(mut stream: UnixStream, bytes: &[u8]) -> std::io::Result<Answer> {
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Err(fault) if text.is_empty() => return Err(fault),
        Ok(_) | Err(_) => {}
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
