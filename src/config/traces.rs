//! `[traces]`: where spans are sent, and which.

use std::path::PathBuf;
use std::time::Duration;

use super::key::{Fault, Key, Setting, Value};
use super::mistake::quote;
use super::reader::{Reader, Section};
use super::url::{scheme, take_apart};

pub(crate) const DEFAULT_ENDPOINT: Endpoint = Endpoint::Off;
/// Every trace that begins here.
pub(crate) const DEFAULT_ONE_IN: u32 = 1;
pub(crate) const MIN_ONE_IN: u32 = 0;
pub(crate) const MAX_ONE_IN: u32 = 1_000_000;
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const MIN_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_mins(1);
pub(crate) const DEFAULT_SERVICE: &str = "liaison";

/// Below the endpoint, by the protocol.
const PATH: &str = "/v1/traces";
/// As many as anybody says of one process.
const MAX_ATTRIBUTES: usize = 32;

/// Where spans are sent, and which.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traces {
    /// Defaults to off.
    pub(crate) endpoint: Endpoint,
    /// How many traces that begin here there are for one that is recorded; 0 is none. Defaults to 1.
    pub(crate) one_in: u32,
    /// How long one delivery may take. Defaults to 5 s.
    pub(crate) timeout: Duration,
    /// A file with headers to send along. Defaults to none.
    pub(crate) headers_file: Option<PathBuf>,
    /// Whom to trust under TLS. Defaults to the roots that browsers trust.
    pub(crate) ca_file: Option<PathBuf>,
    /// Under which name we appear. Defaults to `liaison`.
    pub(crate) service: String,
    /// What else is said of this process. Defaults to nothing.
    pub(crate) attributes: Vec<(String, String)>,
}

impl Traces {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("traces");
        let traces = Self {
            endpoint: from.value(
                Key::new("endpoint", "The collector that spans are sent to, by OTLP over HTTP in JSON.")
                    .default(DEFAULT_ENDPOINT),
            ),
            one_in: from.value(
                Key::new("one_in", "Of the traces that begin here one in so many is recorded; 0 records none.")
                    .default(DEFAULT_ONE_IN)
                    .within(MIN_ONE_IN..=MAX_ONE_IN),
            ),
            timeout: from.value(
                Key::new("timeout", "How long the collector may take for one delivery.")
                    .default(DEFAULT_TIMEOUT)
                    .within(MIN_TIMEOUT..=MAX_TIMEOUT),
            ),
            headers_file: from.optional(Key::new(
                "headers_file",
                "A file with headers for the collector, one `Name: value` a line, such as a systemd credential.",
            )),
            ca_file: from.optional(
                Key::new("ca_file", "The certificates to trust under TLS, in PEM.")
                    .otherwise("those that browsers trust"),
            ),
            service: from.value(
                Key::new("service", "Under which name this daemon appears in traces.")
                    .default(DEFAULT_SERVICE.to_owned()),
            ),
            attributes: from
                .optional(Key::new("attributes", "What else is said of this daemon in traces."))
                .map_or_else(Vec::new, |Attributes(pairs)| pairs),
        };
        traces.judge(&mut from);
        traces
    }

    /// What does not go together.
    fn judge(&self, from: &mut Section<'_>) {
        let plain = matches!(&self.endpoint, Endpoint::At(address) if !address.secure);
        if let Some(origin) = from.origin("ca_file").filter(|_| plain) {
            let key = from.place("ca_file").to_string();
            let problem = "is for TLS, which the endpoint does not ask for";
            from.raw().mistake(key, origin, problem, "only with what it is for", "write https://, or take it out");
        }
    }
}

/// A collector, or none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd)]
pub(crate) enum Endpoint {
    Off,
    At(Address),
}

/// What is connected to, and asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd)]
pub(crate) struct Address {
    pub(crate) secure: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As it stands in a URL and in the header `Host`.
    pub(crate) authority: String,
    pub(crate) path: String,
    /// As it was written: it holds no secret.
    pub(crate) shown: String,
}

impl Setting for Endpoint {
    const ALLOWED: &'static str = "http[s]://host[:port][/path], or off";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        if text == "off" { Ok(Self::Off) } else { address(text).map(Self::At) }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(match self {
            Self::Off => "off".to_owned(),
            Self::At(address) => address.shown.clone(),
        })
    }
}

fn address(text: &str) -> Result<Address, Fault> {
    let (scheme, rest) = scheme(text)?;
    let (secure, usual) = match scheme.as_str() {
        "http" => (false, 80),
        "https" => (true, 443),
        _ => return Err(Fault::new("has a scheme that is neither http nor https")),
    };
    if rest.contains(['@', '?']) {
        return Err(Fault::new("holds a user or a query, and would be shown with them")
            .remedy("put what the collector wants to know of us into a file that headers_file names"));
    }
    let parts = take_apart(text, rest)?;
    let [authority] = parts.hosts[..] else { return Err(Fault::new("names no host, or several")) };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(usual)),
        Some(_) | None => (authority, usual),
    };
    let host = host.trim_matches(['[', ']']).to_owned();
    if host.is_empty() {
        return Err(Fault::new("names a port without a host"));
    }
    let base = parts.path.trim_end_matches('/');
    let path = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
    Ok(Address { secure, host, port, authority: authority.to_owned(), path, shown: text.to_owned() })
}

/// `name=value,name=value`, as other programs read it from `OTEL_RESOURCE_ATTRIBUTES`.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
struct Attributes(Vec<(String, String)>);

impl Setting for Attributes {
    const ALLOWED: &'static str = "name=value,name=value";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
            Some(_) | None => Err(Fault::new(format!("{} is no name=value", quote(pair)))),
        };
        let pairs = written.text()?.split(',').map(pair).collect::<Result<Vec<_>, _>>()?;
        if pairs.len() > MAX_ATTRIBUTES {
            return Err(Fault::new(format!("has {} pairs; the most is {MAX_ATTRIBUTES}", pairs.len())));
        }
        Ok(Self(pairs))
    }

    fn show(&self) -> toml::Value {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        toml::Value::String(pairs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    use super::*;

    fn at(text: &str) -> Address {
        address(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
    }

    #[test]
    fn an_endpoint_is_a_base_or_the_whole() {
        let plain = at("http://127.0.0.1:4318");
        assert_eq!((plain.secure, plain.host.as_str(), plain.port), (false, "127.0.0.1", 4318));
        assert_eq!((plain.authority.as_str(), plain.path.as_str()), ("127.0.0.1:4318", "/v1/traces"));
        assert_eq!(at("http://h/").path, "/v1/traces");
        assert_eq!(at("https://h/otlp/").path, "/otlp/v1/traces");
        assert_eq!(at("https://h/otlp/v1/traces").path, "/otlp/v1/traces");
        assert_eq!((at("https://h").port, at("http://h").port, at("HTTPS://h").secure), (443, 80, true));
        let v6 = at("http://[::1]:4318");
        assert_eq!((v6.host.as_str(), v6.port, v6.authority.as_str()), ("::1", 4318, "[::1]:4318"));
        assert_eq!((at("http://[::1]").host.as_str(), at("http://[::1]").port), ("::1", 80));
    }

    #[test]
    fn what_nobody_can_be_found_at_is_refused() {
        for text in ["", "h:4318", "grpc://h", "http://", "http://:4318", "http://a,b", "http://h:0", "http:/h"] {
            assert!(address(text).is_err(), "{text}");
        }
        let fault = address("http://u:hunter2@h").unwrap_err();
        assert!(fault.remedy.as_ref().unwrap().contains("headers_file"));
        assert!(!format!("{fault:?}").contains("hunter2"));
    }

    #[test]
    fn what_belongs_together_comes_together() {
        let read = |variables: &[(&str, &str)]| {
            let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            load(&Sources { environment, ..Sources::default() }).map(|loaded| loaded.config.traces)
        };
        let attributes = ("LIAISON_TRACES__ATTRIBUTES", "team=x, zone=b=c");
        let traces = read(&[attributes]).unwrap();
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(traces.attributes, [("team", "x"), ("zone", "b=c")].map(pair));
        assert!(read(&[("LIAISON_TRACES__ATTRIBUTES", "team")]).is_err());
        let ca = ("LIAISON_TRACES__CA_FILE", "/ca");
        let at = |url: &'static str| ("LIAISON_TRACES__ENDPOINT", url);
        assert!(read(&[ca, at("http://h")]).unwrap_err().to_string().contains("which the endpoint does not ask for"));
        // Off for a while is no reason to write all of it anew.
        assert!(read(&[ca, at("https://h")]).is_ok() && read(&[ca, at("off")]).is_ok());
    }
}
