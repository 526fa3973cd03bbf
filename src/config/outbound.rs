//! `[outbound]`: which addresses are called, and how they are reached.

use std::path::PathBuf;
use std::time::Duration;

use liaison_jobs::outbound::{Hosts, Networks, OutboundSettings, Ports};

use super::key::{Fault, Key, Setting, Value};
use super::reader::{Reader, Section};
use super::url::{scheme, take_apart};

pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const MIN_CONNECT_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_CONNECT_TIMEOUT: Duration = Duration::from_mins(1);

/// Which addresses are called, and how they are reached.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outbound {
    /// Networks that may be called although not everybody reaches them. Defaults to none.
    pub(crate) allow: Networks,
    /// Hosts that may be called wherever they lead. Defaults to none.
    pub(crate) allow_hosts: Hosts,
    /// Defaults to 80, 443, and 1024 to 65535.
    pub(crate) ports: Ports,
    /// Defaults to none.
    pub(crate) proxy: Option<Proxy>,
    /// A file with `user:password` for the proxy. Defaults to none.
    pub(crate) proxy_login_file: Option<PathBuf>,
    /// Whom to believe beside those that browsers do. Defaults to nobody.
    pub(crate) ca_file: Option<PathBuf>,
    /// Defaults to 5 s.
    pub(crate) connect_timeout: Duration,
}

impl Outbound {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("outbound");
        let allow = from.optional(Key::new(
            "allow",
            "Networks that may be called although not everybody reaches them, such as those of receivers of our own.",
        ));
        let outbound = Self {
            allow: allow.unwrap_or_default(),
            allow_hosts: from
                .optional(Key::new("allow_hosts", "Hosts that may be called wherever their names lead."))
                .unwrap_or_default(),
            ports: from.value(Key::new("ports", "The ports that may be called.").default(Ports::default())),
            proxy: from.optional(Key::new(
                "proxy",
                "The proxy through which all is called but what `allow` and `allow_hosts` name.",
            )),
            proxy_login_file: from.optional(Key::new(
                "proxy_login_file",
                "A file whose content is `user:password` for the proxy, such as a systemd credential.",
            )),
            ca_file: from.optional(
                Key::new("ca_file", "Certificates to trust as well, in PEM.")
                    .otherwise("only those that browsers trust"),
            ),
            connect_timeout: from.value(
                Key::new("connect_timeout", "How long a connection may take, with its name and its TLS.")
                    .default(DEFAULT_CONNECT_TIMEOUT)
                    .within(MIN_CONNECT_TIMEOUT..=MAX_CONNECT_TIMEOUT),
            ),
        };
        outbound.judge(&mut from);
        outbound
    }

    /// What does not go together.
    fn judge(&self, from: &mut Section<'_>) {
        if let (None, Some(origin)) = (&self.proxy, from.origin("proxy_login_file")) {
            let key = from.place("proxy_login_file").to_string();
            let remedy = "set proxy, or take it out";
            from.raw().mistake(key, origin, "is for a proxy, and there is none", "only with proxy", remedy);
        }
    }

    /// As the jobs want it. The login is read from its file when the daemon starts.
    pub(crate) fn settings(&self) -> OutboundSettings {
        OutboundSettings {
            allow: self.allow.clone(),
            allow_hosts: self.allow_hosts.clone(),
            ports: self.ports.clone(),
            proxy: self.proxy.as_ref().map(|Proxy(address)| address.clone()),
            proxy_login: None,
            ca_file: self.ca_file.clone(),
            connect_timeout: self.connect_timeout,
        }
    }
}

/// `http[s]://host:port`, without a secret in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd)]
pub(crate) struct Proxy(String);

impl Setting for Proxy {
    const ALLOWED: &'static str = "http[s]://host[:port]";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        let (scheme, rest) = scheme(text)?;
        if !["http", "https"].contains(&scheme.as_str()) {
            return Err(Fault::new("has a scheme that is neither http nor https"));
        }
        if rest.contains(['@', '?']) {
            return Err(Fault::new("holds a user or a query, and would be shown with them")
                .remedy("put user:password into a file that proxy_login_file names"));
        }
        let parts = take_apart(text, rest)?;
        if parts.hosts.len() != 1 || !["", "/"].contains(&parts.path) {
            return Err(Fault::new("is no single host with its port"));
        }
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

macro_rules! listed {
    ($($name:ident: $allowed:literal;)*) => {$(
        impl Setting for $name {
            const ALLOWED: &'static str = $allowed;

            fn parse(written: &Value) -> Result<Self, Fault> {
                written.text()?.parse().map_err(|problem: String| Fault::new(problem))
            }

            fn show(&self) -> toml::Value {
                toml::Value::String(self.to_string())
            }
        }
    )*};
}

listed! {
    Networks: "networks and addresses, such as 10.1.0.0/16,fd12::/16";
    Hosts: "host names, such as receiver.internal,*.example.net";
    Ports: "ports and ranges of them, such as 80,443,8000-8999";
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Outbound, String> {
        let named = |(name, value): &(&str, &str)| (format!("LIAISON_OUTBOUND__{name}"), (*value).to_owned());
        let environment = variables.iter().map(named).collect();
        let loaded = load(&Sources { environment, ..Sources::default() });
        loaded.map(|loaded| loaded.config.outbound).map_err(|fault| fault.to_string())
    }

    #[test]
    fn lists_are_read_and_slips_are_named() {
        let all = [("ALLOW", "10.0.0.0/8,::1"), ("ALLOW_HOSTS", "*.example.net"), ("PORTS", "443")];
        let outbound = read(&all).unwrap();
        assert_eq!(
            (outbound.allow.to_string(), outbound.ports.to_string()),
            ("10.0.0.0/8,::1/128".into(), "443".into())
        );
        assert_eq!(outbound.allow_hosts.to_string(), "*.example.net");
        assert!(read(&[("ALLOW", "10.0.0.1/8")]).unwrap_err().contains("10.0.0.0/8 is the network"));
        assert!(read(&[("PORTS", "0")]).is_err() && read(&[("ALLOW_HOSTS", "127.0.0.1")]).is_err());
    }

    #[test]
    fn a_proxy_has_no_password_in_its_address() {
        assert!(read(&[("PROXY", "http://proxy:3128")]).is_ok());
        let fault = read(&[("PROXY", "http://u:hunter2@proxy")]).unwrap_err();
        assert!(fault.contains("proxy_login_file") && !fault.contains("hunter2"), "{fault}");
        for text in ["proxy:3128", "socks5://proxy", "http://proxy/path", "http://a,b", "http://"] {
            assert!(read(&[("PROXY", text)]).is_err(), "{text}");
        }
        assert!(read(&[("PROXY_LOGIN_FILE", "/f")]).unwrap_err().contains("set proxy, or take it out"));
    }

    #[test]
    fn the_defaults_are_those_of_the_dialer() {
        let (ours, theirs) = (read(&[]).unwrap().settings(), OutboundSettings::default());
        assert_eq!((ours.ports, ours.connect_timeout), (theirs.ports, theirs.connect_timeout));
    }
}
