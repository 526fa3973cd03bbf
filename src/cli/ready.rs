//! `liaison ready`: whether the daemon of this configuration is ready, for scripts and for containers that have no other
//! client of HTTP.
//!
//! It asks where `[http] listen` says, and nobody else: Redis and the store are what the daemon speaks for.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Global, answer};
use crate::config::http::Listen;

/// A daemon answers within milliseconds, whatever its jobs do.
const PATIENCE: Duration = Duration::from_secs(5);
/// Far above the longest list of reasons; something else may listen there.
const MAX_ANSWER: u64 = 1024 * 1024;

pub(crate) fn run(global: &Global) -> Result<ExitCode> {
    let listen = global.load(Vec::new(), None)?.config.http.listen;
    let (place, asked) = match &listen {
        Listen::Off => bail!("[http] listen is \"off\", so no daemon answers; write an address there"),
        Listen::Port(address) => (address.to_string(), TcpStream::connect_timeout(address, PATIENCE).and_then(by_port)),
        Listen::Socket(path) => (format!("unix:{}", path.display()), UnixStream::connect(path).and_then(by_socket)),
    };
    let text = asked.with_context(|| format!("no daemon answers at {place} ([http] listen); see whether it runs"))?;
    let Some((is_ready, said)) = understood(&text) else {
        bail!("what answers at {place} ([http] listen) is no daemon of ours; give the daemon an address of its own");
    };
    if global.json {
        answer::json(&said);
    } else if is_ready {
        answer::line("ready");
    } else {
        let reasons = said["reasons"].as_array().into_iter().flatten();
        reasons.for_each(|reason| answer::line(&format!("not ready: {}", in_words(reason))));
    }
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn by_port(stream: TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    ask(stream)
}

fn by_socket(stream: UnixStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    ask(stream)
}

fn ask(mut stream: impl Read + Write) -> std::io::Result<String> {
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut text = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Whether it is ready, and all that it said.
fn understood(text: &str) -> Option<(bool, Value)> {
    let (_, body) = text.split_once("\r\n\r\n")?;
    let said: Value = serde_json::from_str(body).ok()?;
    Some((said["ready"].as_bool()?, said))
}

/// What is missing, since when, and for whom.
fn in_words(reason: &Value) -> String {
    let since = reason["since"].as_str().map_or_else(String::new, |since| format!(" since {since}"));
    format!("{}{since}", reason["what"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_of_ours_is_understood() {
        let text = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\n{\"ready\":false,\"reasons\":[]}";
        assert_eq!(understood(text).map(|(is_ready, _)| is_ready), Some(false));
        for other in
            ["", "HTTP/1.1 200 OK\r\n\r\nready", "HTTP/1.1 200 OK\r\n\r\n{\"ready\":\"yes\"}", "-ERR unknown\r\n"]
        {
            assert!(understood(other).is_none(), "{other}");
        }
    }
}
