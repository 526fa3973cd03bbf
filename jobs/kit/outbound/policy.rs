//! What the operator allows: networks, hosts and ports, as they are written in the configuration.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use url::Host;

/// As many as anybody writes by hand.
const MAX_ENTRIES: usize = 256;

/// What may be called beyond the addresses that everybody reaches, and by which ports.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    pub(crate) allow: Networks,
    pub(crate) hosts: Hosts,
    pub(crate) ports: Ports,
}

/// `10.1.0.0/16,fd12::/16`; a single address is a network of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        entries(text, |entry| {
            let single = entry.parse::<IpAddr>().ok().map(IpNet::from);
            let network = single.or_else(|| entry.parse().ok());
            let network = network.ok_or_else(|| format!("`{entry}` is no network such as 10.1.0.0/16"))?;
            if network != network.trunc() {
                return Err(format!("`{entry}` has bits beyond its prefix; {} is the network", network.trunc()));
            }
            Ok(network)
        })
        .map(Self)
    }
}

/// `receiver.internal,*.example.net`; a `*.` stands for one name or more in front.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// `name` is as a URL has it: lower case, IDNA.
    pub(super) fn contain(&self, name: &str) -> bool {
        self.0.iter().any(|host| match host.strip_prefix('*') {
            Some(ending) => name.len() > ending.len() && name.ends_with(ending),
            None => name == host,
        })
    }
}

impl FromStr for Hosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        entries(text, |entry| {
            let (star, name) = entry.strip_prefix("*.").map_or(("", entry), |name| ("*.", name));
            match Host::parse(name) {
                Ok(Host::Domain(name)) if !name.contains('*') && !name.ends_with('.') => Ok(format!("{star}{name}")),
                Ok(Host::Ipv4(_) | Host::Ipv6(_)) => Err(format!("`{entry}` is an address, which belongs into allow")),
                Ok(Host::Domain(_)) | Err(_) => Err(format!("`{entry}` is no host name")),
            }
        })
        .map(Self)
    }
}

/// `80,443,1024-65535`, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    pub(super) fn contain(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }
}

/// The two of HTTP, and those that any user may listen on. Of those below 1024 the others speak something else, and a
/// request could be read as that.
impl Default for Ports {
    fn default() -> Self {
        Self(vec![(80, 80), (443, 443), (1024, u16::MAX)])
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        entries(text, |entry| {
            let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
            match (first.trim().parse(), last.trim().parse()) {
                (Ok(first), Ok(last)) if 0 < first && first <= last => Ok((first, last)),
                _ => Err(format!("`{entry}` is no port from 1 to 65535, nor two with a - between")),
            }
        })
        .map(Self)
    }
}

fn entries<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let found = text.split(',').map(|entry| parse(entry.trim())).collect::<Result<Vec<T>, String>>()?;
    if found.len() > MAX_ENTRIES {
        return Err(format!("has {} entries; the most is {MAX_ENTRIES}", found.len()));
    }
    Ok(found)
}

fn join<T>(f: &mut fmt::Formatter<'_>, entries: &[T], show: impl Fn(&T) -> String) -> fmt::Result {
    f.write_str(&entries.iter().map(show).collect::<Vec<_>>().join(","))
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.0, ToString::to_string)
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.0, Clone::clone)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.0, |(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in ["10.1.0.0/16,fd12::/16,127.0.0.1/32", "::1/128"] {
            assert_eq!(text.parse::<Networks>().unwrap().to_string(), text);
        }
        assert_eq!("127.0.0.1".parse::<Networks>().unwrap().to_string(), "127.0.0.1/32");
        assert_eq!("A.example, *.B.example".parse::<Hosts>().unwrap().to_string(), "a.example,*.b.example");
        assert_eq!("80, 1024-65535".parse::<Ports>().unwrap().to_string(), "80,1024-65535");
        assert_eq!(Ports::default().to_string(), "80,443,1024-65535");
    }

    #[test]
    fn a_slip_is_named() {
        for text in ["", "10.0.0.0/33", "10.0.0.1/8", "hello", "10.0.0.0/8,"] {
            assert!(text.parse::<Networks>().is_err(), "{text}");
        }
        for text in ["", "127.0.0.1", "[::1]", "a b", "*", "*.", "a.*.b", "http://a", "a."] {
            assert!(text.parse::<Hosts>().is_err(), "{text}");
        }
        for text in ["", "0", "65536", "2-1", "a", "1-2-3", "-"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
        assert!("10.0.0.1/8".parse::<Networks>().unwrap_err().contains("10.0.0.0/8 is the network"));
    }

    #[test]
    fn a_star_stands_for_what_is_in_front_and_for_nothing_less() {
        let hosts: Hosts = "*.b.example,c.example".parse().unwrap();
        for (name, is_there) in [
            ("a.b.example", true),
            ("x.a.b.example", true),
            ("b.example", false),
            (".b.example", false),
            ("ab.example", false),
            ("c.example", true),
            ("x.c.example", false),
        ] {
            assert_eq!(hosts.contain(name), is_there, "{name}");
        }
    }
}
