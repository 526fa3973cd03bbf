//! Where a URL says that Redis is: one server, the seeds of a cluster, or the sentinels that know the master.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

use super::{SentinelUser, TlsFiles, tls};
use crate::error::QueueError;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// One server of several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct At {
    pub host: String,
    pub port: u16,
}

impl At {
    /// From `HOST:PORT`, where an empty host is the one that said it.
    pub(super) fn parse(text: &str, said_by: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Self::new(host, port.parse().ok()?, said_by)
    }

    /// A host that its node does not know is no host.
    pub(super) fn new(host: &str, port: u16, said_by: &str) -> Option<Self> {
        let host = if host.is_empty() { said_by } else { host };
        (host != "?" && port > 0).then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How the servers belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Single,
    Cluster,
    /// The name under which the sentinels watch the master.
    Sentinel(String),
}

/// A URL, understood. Holds passwords: it has no `Debug`.
#[derive(Clone)]
pub(super) struct Address {
    pub kind: Kind,
    /// Whom to ask first; empty for a single server.
    pub seeds: Vec<At>,
    /// How to greet a server that keeps data, and the address of the single one.
    server: ConnectionInfo,
    /// How to greet a sentinel.
    sentinel: ConnectionInfo,
}

impl Address {
    pub(super) fn parse(url: &str, files: &TlsFiles, asker: SentinelUser) -> Result<Self, QueueError> {
        let wrong = |problem: &str| QueueError::Url(problem.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        let (secure, kind) = match scheme.as_str() {
            "redis-cluster" => ("redis", Kind::Cluster),
            "rediss-cluster" => ("rediss", Kind::Cluster),
            "redis-sentinel" => ("redis", Kind::Sentinel(String::new())),
            "rediss-sentinel" => ("rediss", Kind::Sentinel(String::new())),
            _ => {
                let server = tls::equip(greeting(url)?, files)?;
                return Ok(Self { kind: Kind::Single, seeds: Vec::new(), sentinel: server.clone(), server });
            }
        };
        let (before, query) = rest.split_once('?').map_or((rest, String::new()), |(a, b)| (a, format!("?{b}")));
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        let (user, hosts) =
            authority.rsplit_once('@').map_or((String::new(), authority), |(user, hosts)| (format!("{user}@"), hosts));
        let (kind, database, port) = match kind {
            Kind::Sentinel(_) => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(wrong("it does not end with the name of the master, as in redis-sentinel://HOST/NAME"));
                }
                (Kind::Sentinel(name.to_owned()), database, SENTINEL_PORT)
            }
            kind => (kind, path, REDIS_PORT),
        };
        let seeds: Vec<At> = hosts.split(',').filter_map(|host| seed(host, port)).collect();
        let first = hosts.split(',').next().unwrap_or_default();
        if seeds.is_empty() || seeds.len() != hosts.split(',').count() {
            return Err(wrong("it names no host, or one that is not HOST or HOST:PORT"));
        }
        let server = tls::equip(greeting(&format!("{secure}://{user}{first}/{database}{query}"))?, files)?;
        let mut sentinel = redis::RedisConnectionInfo::default();
        if let Some(name) = asker.user {
            sentinel = sentinel.set_username(name);
        }
        if let Some(password) = asker.password {
            sentinel = sentinel.set_password(password);
        }
        let sentinel = server.clone().set_redis_settings(sentinel);
        Ok(Self { kind, seeds, server, sentinel })
    }

    /// The servers that were named, without credentials.
    pub(super) fn shown(&self) -> String {
        if self.kind == Kind::Single {
            return self.server.addr().to_string();
        }
        self.seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// The single server.
    pub(super) fn single(&self) -> ConnectionInfo {
        self.server.clone()
    }

    pub(super) fn server_at(&self, at: &At) -> ConnectionInfo {
        moved(&self.server, at)
    }

    pub(super) fn sentinel_at(&self, at: &At) -> ConnectionInfo {
        moved(&self.sentinel, at)
    }
}

fn greeting(url: &str) -> Result<ConnectionInfo, QueueError> {
    url.into_connection_info().map_err(|fault| QueueError::Url(fault.to_string()))
}

/// The same greeting for another server.
fn moved(info: &ConnectionInfo, at: &At) -> ConnectionInfo {
    let (host, port) = (at.host.clone(), at.port);
    let addr = match info.addr().clone() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure, tls_params }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    info.clone().set_addr(addr)
}

/// `HOST`, `HOST:PORT` or `[V6]:PORT`.
fn seed(text: &str, default_port: u16) -> Option<At> {
    let (host, port) = match text.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']')?;
            (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = if port.is_empty() { default_port } else { port.parse().ok()? };
    (!host.is_empty()).then(|| At { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, QueueError> {
        Address::parse(url, &TlsFiles::default(), SentinelUser::default())
    }

    #[test]
    fn the_ways_to_name_servers_are_understood() {
        let cluster = parse("redis-cluster://u:p%40w@a:1,[::1]:2,c").unwrap();
        assert_eq!((&cluster.kind, cluster.shown().as_str()), (&Kind::Cluster, "a:1,::1:2,c:6379"));
        let info = cluster.server_at(&cluster.seeds[1]);
        assert_eq!(info.addr(), &ConnectionAddr::Tcp("::1".into(), 2));
        assert_eq!((info.redis_settings().username(), info.redis_settings().password()), (Some("u"), Some("p@w")));

        let sentinel = parse("rediss-sentinel://:pw@a,b:7/main/3").unwrap();
        assert_eq!((&sentinel.kind, sentinel.shown().as_str()), (&Kind::Sentinel("main".into()), "a:26379,b:7"));
        assert_eq!(sentinel.server_at(&sentinel.seeds[0]).redis_settings().db(), 3);
        let asked = sentinel.sentinel_at(&sentinel.seeds[0]);
        assert_eq!((asked.redis_settings().password(), asked.redis_settings().db()), (None, 0));
        assert!(matches!(asked.addr(), ConnectionAddr::TcpTls { .. }));

        let single = parse("unix:///run/redis.sock").unwrap();
        assert_eq!((&single.kind, single.shown().as_str()), (&Kind::Single, "/run/redis.sock"));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for url in ["redis-cluster://", "redis-cluster://a,,b", "redis-cluster://a:x", "redis-sentinel://a", "a:1"] {
            assert!(matches!(parse(url), Err(QueueError::Url(_))), "{url}");
        }
    }

    #[test]
    fn an_unknown_host_is_that_of_the_node_that_said_it() {
        assert_eq!(At::parse(":7000", "here").unwrap().to_string(), "here:7000");
        assert_eq!(At::parse("::1:7000", "here").unwrap().to_string(), "::1:7000");
        assert_eq!(At::new("?", 7000, "here"), None);
        assert_eq!(At::parse("a:0", "here"), None);
    }
}
