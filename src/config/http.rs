//! `[http]`: where health and metrics are answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::key::{Fault, Key, Setting, Value};
use super::mistake::quote;
use super::reader::Reader;

/// Reached from this machine only, and no port that a neighbour is known for.
pub(crate) const DEFAULT_LISTEN: Listen = Listen::Port(SocketAddr::new(LOOPBACK, 7433));
const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const MIN_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_mins(1);

/// A socket's path must fit into 108 bytes, with its end.
const MAX_SOCKET_PATH: usize = 107;

/// Where health and metrics are answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Http {
    /// Defaults to `127.0.0.1:7433`.
    pub(crate) listen: Listen,
    /// Whether somebody wrote it: what was asked for is had or refused, a default is left out when it cannot be had.
    pub(crate) asked: bool,
    /// How long a client may take for a request. Defaults to 5 s.
    pub(crate) timeout: Duration,
}

impl Http {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("http");
        let listen = from.value(
            Key::new("listen", "Where `/healthz`, `/readyz` and `/metrics` are answered.").default(DEFAULT_LISTEN),
        );
        Self {
            listen,
            asked: from.origin("listen").is_some(),
            timeout: from.value(
                Key::new("timeout", "How long a client may take to send its request.")
                    .default(DEFAULT_TIMEOUT)
                    .within(MIN_TIMEOUT..=MAX_TIMEOUT),
            ),
        }
    }
}

/// An address, a socket, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd)]
pub(crate) enum Listen {
    Off,
    Port(SocketAddr),
    Socket(PathBuf),
}

impl Setting for Listen {
    const ALLOWED: &'static str = "address:port, unix:/path/of/socket, or off";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') {
                return Err(Fault::new(format!("{} is not a path from the root", quote(path))));
            }
            if path.len() > MAX_SOCKET_PATH {
                let problem = format!("is {} bytes long; a socket's path has at most {MAX_SOCKET_PATH}", path.len());
                return Err(Fault::new(problem));
            }
            return Ok(Self::Socket(PathBuf::from(path)));
        }
        let not_one = |_| Fault::new(format!("{} is not an address and a port", quote(text)));
        text.parse().map(Self::Port).map_err(not_one)
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(match self {
            Self::Off => "off".to_owned(),
            Self::Port(address) => address.to_string(),
            Self::Socket(path) => format!("unix:{}", path.display()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_socket_or_nothing() {
        let parse = |text: &str| Listen::parse(&Value::Text(text.to_owned()));
        for text in ["off", "127.0.0.1:0", "[::1]:9000", "0.0.0.0:80", "unix:/run/liaison/http.sock"] {
            assert_eq!(parse(text).unwrap().show(), toml::Value::String(text.to_owned()));
        }
        for text in ["", "9464", "localhost:9464", "unix:http.sock", "127.0.0.1", "127.0.0.1:65536", "http://[::1]:1"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("unix:/{}", "a".repeat(107))).unwrap_err().problem.contains("at most 107"));
    }
}
