//! `[redis]`: where live work waits.

use std::path::PathBuf;
use std::time::Duration;

use super::address::read_url;
use super::key::{Fault, Key, Setting, Value};
use super::reader::{Reader, Section};
use super::url::{Parts, Url, scheme, take_apart};

pub(crate) const DEFAULT_URL: &str = "redis://127.0.0.1:6379";
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const MIN_CONNECT_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_CONNECT_TIMEOUT: Duration = Duration::from_mins(5);
pub(crate) const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const MIN_RESPONSE_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_RESPONSE_TIMEOUT: Duration = Duration::from_mins(5);

/// The highest database number; servers are usually built with 16.
const MAX_DATABASE: u16 = 9999;

/// As many as anybody has to ask first.
const MAX_HOSTS: usize = 16;

/// The connection to Redis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Redis {
    /// The server; `url_file` may name a file that holds it. Defaults to `redis://127.0.0.1:6379`.
    pub(crate) url: Url,
    /// How long opening a connection may take. Defaults to 5 s.
    pub(crate) connect_timeout: Duration,
    /// How long an answer may take, beyond the time a blocking command waits. Defaults to 10 s.
    pub(crate) response_timeout: Duration,
    /// Whom to trust under TLS. Defaults to the roots that browsers trust.
    pub(crate) ca_file: Option<PathBuf>,
    /// Who we are under TLS; with `key_file`. Defaults to none: no certificate is shown.
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    /// Who asks the sentinels. Defaults to nobody in particular.
    pub(crate) sentinel_user: Option<String>,
    /// A file with the password for the sentinels. Defaults to none.
    pub(crate) sentinel_password_file: Option<PathBuf>,
}

impl Redis {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("redis");
        let url = Key::new(
            "url",
            "The Redis server, or all that may be asked where it is. A password is percent-encoded, and shown as `[redacted]`.",
        )
        .default(RedisUrl(Url::plain(DEFAULT_URL)));
        let redis = Self {
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
            ca_file: from.optional(
                Key::new("ca_file", "The certificates to trust under TLS, in PEM.")
                    .otherwise("those that browsers trust"),
            ),
            cert_file: from.optional(Key::new(
                "cert_file",
                "The certificate to show to a server that demands one, in PEM. With `key_file`.",
            )),
            key_file: from
                .optional(Key::new("key_file", "The private key of `cert_file`, in PEM. Nobody else should read it.")),
            sentinel_user: from
                .optional(Key::new("sentinel_user", "Who asks the sentinels, if they have users of their own.")),
            sentinel_password_file: from.optional(Key::new(
                "sentinel_password_file",
                "A file whose content is the password for the sentinels, such as a systemd credential.",
            )),
        };
        redis.judge(&mut from);
        redis
    }

    /// What does not go together.
    fn judge(&self, from: &mut Section<'_>) {
        let address = self.url.expose().to_ascii_lowercase();
        let (secure, watched) = (address.starts_with("rediss"), address.split(':').next().unwrap_or_default());
        let needs = [
            ("ca_file", secure, "is for TLS, which the url does not ask for", "write rediss://, or take it out"),
            ("cert_file", secure, "is for TLS, which the url does not ask for", "write rediss://, or take it out"),
            ("key_file", secure, "is for TLS, which the url does not ask for", "write rediss://, or take it out"),
            ("cert_file", self.key_file.is_some(), "has no key_file beside it", "name the key of the certificate"),
            ("key_file", self.cert_file.is_some(), "has no cert_file beside it", "name the certificate of the key"),
            (
                "sentinel_user",
                watched.ends_with("-sentinel"),
                "is for sentinels, which the url does not name",
                "take it out",
            ),
            (
                "sentinel_password_file",
                watched.ends_with("-sentinel"),
                "is for sentinels, which the url does not name",
                "take it out",
            ),
        ];
        for (name, holds, problem, remedy) in needs {
            if let Some(origin) = from.origin(name).filter(|_| !holds) {
                let key = from.place(name).to_string();
                from.raw().mistake(key, origin, problem, "only with what it is for", remedy);
            }
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
    const ALLOWED: &'static str = "redis://[user:password@]host[:port][/database], redis-cluster://host:port,host:port, \
         redis-sentinel://host:port,host:port/name[/database], each with rediss for TLS, or unix:///path/of/socket";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        let (scheme, rest) = scheme(text)?;
        match scheme.as_str() {
            "redis" | "rediss" => server(text, rest),
            "unix" | "redis+unix" => socket(text, rest),
            "redis-cluster" | "rediss-cluster" => cluster(text, rest),
            "redis-sentinel" | "rediss-sentinel" => sentinels(text, rest),
            _ => Err(Fault::new(
                "has a scheme that is not one of redis, redis-cluster, redis-sentinel (each with rediss for TLS), \
                 unix and redis+unix",
            )),
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.to_string())
    }
}

fn server(text: &str, rest: &str) -> Result<RedisUrl, Fault> {
    let parts = take_apart(text, rest)?;
    if parts.hosts.len() != 1 || parts.hosts[0].starts_with(':') {
        return Err(Fault::new("names no host, or several").remedy("several are redis-cluster:// or redis-sentinel://"));
    }
    database(parts.path)?;
    Ok(RedisUrl(parts.url))
}

fn database(path: &str) -> Result<(), Fault> {
    let number = path.trim_matches('/');
    match number.parse::<u16>() {
        Ok(..=MAX_DATABASE) => Ok(()),
        Err(_) if number.is_empty() => Ok(()),
        Ok(_) | Err(_) => Err(Fault::new(format!("has a path that is not a database number, 0 to {MAX_DATABASE}"))),
    }
}

/// The nodes to ask first; the others are found by them.
fn cluster(text: &str, rest: &str) -> Result<RedisUrl, Fault> {
    let parts = several(text, rest)?;
    if !parts.path.trim_matches('/').is_empty() {
        return Err(Fault::new("has a path, and a cluster has but one database").remedy("take the path out"));
    }
    Ok(RedisUrl(parts.url))
}

fn sentinels(text: &str, rest: &str) -> Result<RedisUrl, Fault> {
    let parts = several(text, rest)?;
    let (name, number) = parts.path.trim_start_matches('/').split_once('/').unwrap_or((parts.path, ""));
    if name.trim_matches('/').is_empty() {
        return Err(Fault::new("does not name the master")
            .remedy("end it with the name under which the sentinels watch it: redis-sentinel://host:26379/mymaster"));
    }
    database(number)?;
    Ok(RedisUrl(parts.url))
}

fn several<'a>(text: &str, rest: &'a str) -> Result<Parts<'a>, Fault> {
    let parts = take_apart(text, rest)?;
    match parts.hosts.len() {
        0 => Err(Fault::new("names no host")),
        1..=MAX_HOSTS if parts.hosts.iter().all(|host| !host.starts_with(':')) => Ok(parts),
        1..=MAX_HOSTS => Err(Fault::new("names a port without a host")),
        _ => {
            Err(Fault::new(format!("names more than {MAX_HOSTS} hosts")).remedy("a few are enough: the rest is found"))
        }
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
    use crate::config::{Sources, load};

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
    fn clusters_and_sentinels_are_understood() {
        for text in [
            "redis-cluster://a:1,b:2",
            "rediss-cluster://u:pw@a",
            "redis-sentinel://a:1,b:2/main",
            "rediss-sentinel://u:pw@a/main/3",
        ] {
            assert!(RedisUrl::parse(&Value::Text(text.to_owned())).is_ok(), "{text}");
        }
        for (text, problem) in [
            ("redis-cluster://", "names no host"),
            ("redis-cluster://a/1", "one database"),
            ("redis-cluster://a,:1", "port without a host"),
            ("redis-sentinel://a:1", "does not name the master"),
            ("redis-sentinel://a:1/main/x", "database number"),
        ] {
            assert!(fault(text).contains(problem), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn what_belongs_together_comes_together() {
        let mistakes = |variables: &[(&str, &str)]| {
            let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            load(&Sources { environment, ..Sources::default() }).map(drop).map_err(|error| error.to_string())
        };
        let url = |url: &'static str| ("LIAISON_REDIS_URL", url);
        let (cert, key) = (("LIAISON_REDIS__CERT_FILE", "/c"), ("LIAISON_REDIS__KEY_FILE", "/k"));
        assert_eq!(mistakes(&[url("rediss://h"), cert, key]), Ok(()));
        assert!(mistakes(&[url("rediss://h"), cert]).unwrap_err().contains("has no key_file beside it"));
        assert!(mistakes(&[url("redis://h"), cert, key]).unwrap_err().contains("which the url does not ask for"));
        let user = ("LIAISON_REDIS__SENTINEL_USER", "u");
        assert_eq!(mistakes(&[url("redis-sentinel://h/m"), user]), Ok(()));
        assert!(mistakes(&[url("redis://h"), user]).unwrap_err().contains("is for sentinels"));
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
