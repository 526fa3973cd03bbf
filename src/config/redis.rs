//! `[redis]`: where live work waits.

use std::time::Duration;

use super::address::read_url;
use super::key::{Fault, Key, Setting, Value};
use super::reader::Reader;
use super::url::{Url, scheme, take_apart};

pub(crate) const DEFAULT_URL: &str = "redis://127.0.0.1:6379";
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const MIN_CONNECT_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_CONNECT_TIMEOUT: Duration = Duration::from_mins(5);
pub(crate) const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const MIN_RESPONSE_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_RESPONSE_TIMEOUT: Duration = Duration::from_mins(5);

/// The highest database number; servers are usually built with 16.
const MAX_DATABASE: u16 = 9999;

/// The connection to Redis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Redis {
    /// The server; `url_file` may name a file that holds it. Defaults to `redis://127.0.0.1:6379`.
    pub(crate) url: Url,
    /// How long opening a connection may take. Defaults to 5 s.
    pub(crate) connect_timeout: Duration,
    /// How long an answer may take, beyond the time a blocking command waits. Defaults to 10 s.
    pub(crate) response_timeout: Duration,
}

impl Redis {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("redis");
        let url = Key::new("url", "The Redis server. A password is percent-encoded, and shown as `[redacted]`.")
            .default(RedisUrl(Url::plain(DEFAULT_URL)));
        Self {
            url: read_url(&mut from, url).0,
            connect_timeout: from.value(
                Key::new("connect_timeout", "How long opening a connection may take.")
                    .default(DEFAULT_CONNECT_TIMEOUT)
                    .within(MIN_CONNECT_TIMEOUT..=MAX_CONNECT_TIMEOUT),
            ),
            response_timeout: from.value(
                Key::new("response_timeout", "How long an answer may take, beyond the time a blocking command waits.")
                    .default(DEFAULT_RESPONSE_TIMEOUT)
                    .within(MIN_RESPONSE_TIMEOUT..=MAX_RESPONSE_TIMEOUT),
            ),
        }
    }
}

/// An address that the Redis client understands.
#[derive(Clone, PartialEq, PartialOrd)]
struct RedisUrl(Url);

impl AsRef<Url> for RedisUrl {
    fn as_ref(&self) -> &Url {
        &self.0
    }
}

impl Setting for RedisUrl {
    const ALLOWED: &'static str =
        "redis://[user:password@]host[:port][/database], the same with rediss:// (TLS), or unix:///path/of/socket";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        let (scheme, rest) = scheme(text)?;
        match scheme.as_str() {
            "redis" | "rediss" => server(text, rest),
            "unix" | "redis+unix" => socket(text, rest),
            "redis-cluster" | "redis-sentinel" => Err(Fault::new(format!("{scheme}:// comes with a later release"))
                .remedy("name one server for now: redis://host:port")),
            _ => Err(Fault::new("has a scheme that is not one of redis, rediss, unix and redis+unix")),
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.to_string())
    }
}

fn server(text: &str, rest: &str) -> Result<RedisUrl, Fault> {
    let parts = take_apart(text, rest)?;
    if parts.hosts.len() != 1 || parts.hosts[0].starts_with(':') {
        return Err(Fault::new("names no host, or several"));
    }
    let database = parts.path.trim_matches('/');
    match database.parse::<u16>() {
        Ok(..=MAX_DATABASE) => Ok(RedisUrl(parts.url)),
        Err(_) if database.is_empty() => Ok(RedisUrl(parts.url)),
        Ok(_) | Err(_) => Err(Fault::new(format!("has a path that is not a database number, 0 to {MAX_DATABASE}"))),
    }
}

fn socket(text: &str, rest: &str) -> Result<RedisUrl, Fault> {
    if !rest.starts_with("///") {
        return Err(Fault::new("lacks the three slashes before the absolute path of its socket"));
    }
    let parts = take_apart(text, rest)?;
    if parts.path.len() < 2 {
        return Err(Fault::new("names no socket"));
    }
    Ok(RedisUrl(parts.url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        RedisUrl::parse(&Value::Text(text.to_owned())).map(|_| ()).unwrap_err().problem
    }

    #[test]
    fn the_schemes_of_one_server_are_understood() {
        for text in [
            DEFAULT_URL,
            "redis://localhost",
            "redis://u:pw@h:6380/15",
            "rediss://[::1]:6380/",
            "redis://h?protocol=resp3",
            "unix:///run/redis.sock",
            "redis+unix:///run/redis.sock?db=1",
            "REDIS://h",
        ] {
            assert!(RedisUrl::parse(&Value::Text(text.to_owned())).is_ok(), "{text}");
        }
    }

    #[test]
    fn clusters_and_sentinels_are_recognised_and_refused() {
        assert_eq!(fault("redis-cluster://a:1,b:2"), "redis-cluster:// comes with a later release");
        assert_eq!(fault("redis-sentinel://a:1/main"), "redis-sentinel:// comes with a later release");
    }

    #[test]
    fn what_the_client_could_not_use_is_refused() {
        for text in [
            "redis://",
            "redis://:6379",
            "redis://a,b",
            "redis://h/main",
            "redis://h/10000",
            "unix://run/a",
            "unix:///",
        ] {
            assert!(!fault(text).is_empty(), "{text}");
        }
        assert!(fault("http://h").contains("scheme"));
        assert!(fault("localhost:6379").contains("scheme"));
    }
}
