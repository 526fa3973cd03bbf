//! Addresses that may hold a password: taken apart just far enough to check them and to show them without it.
//!
//! A refusal never quotes the address: what is malformed cannot be redacted.

use std::fmt;

use super::key::Fault;
use super::secret::{REDACTED, Secret};

/// The longest address, in bytes.
pub(super) const MAX_URL: usize = 2048;

/// An address whose `Debug` and `Display` hide the password.
#[derive(Clone, PartialEq, Eq, PartialOrd)]
pub(crate) struct Url {
    shown: String,
    secret: Secret,
}

impl Url {
    /// The address itself, for the client that connects. Never log it.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose()
    }

    pub(crate) fn has_password(&self) -> bool {
        self.shown != self.secret.expose()
    }

    /// An address that cannot hold a password.
    pub(super) fn plain(text: &str) -> Self {
        Self { shown: text.to_owned(), secret: Secret::new(text) }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The scheme in lower case, and what follows the colon.
pub(super) fn scheme(text: &str) -> Result<(String, &str), Fault> {
    if text.len() > MAX_URL {
        return Err(Fault::new(format!("is {} bytes long; the most is {MAX_URL}", text.len())));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Fault::new("holds a space or a control character").remedy("percent-encode it: a space is %20"));
    }
    let (scheme, rest) = text.split_once(':').ok_or_else(|| Fault::new("has no scheme"))?;
    Ok((scheme.to_ascii_lowercase(), rest))
}

/// What a client will connect to.
pub(super) struct Parts<'a> {
    pub(super) hosts: Vec<&'a str>,
    /// With its leading slash, or empty.
    pub(super) path: &'a str,
    pub(super) url: Url,
}

/// Take `//[user[:password]@]host[:port][,…][/path][?query]` apart. `text` is all of it, `rest`
/// what follows the scheme.
pub(super) fn take_apart<'a>(text: &str, rest: &'a str) -> Result<Parts<'a>, Fault> {
    let rest = rest.strip_prefix("//").ok_or_else(|| Fault::new("lacks the // after the scheme"))?;
    if rest.contains('#') {
        return Err(Fault::new("holds a #").remedy("percent-encode it as %23"));
    }
    let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let pairs: Vec<Pair> = query.into_iter().flat_map(|query| query.split('&')).map(Pair::new).collect();
    // An unescaped password may have been cut at its / or ?: its end, with the @, would pass as a path.
    if [user.unwrap_or_default(), path].iter().any(|part| part.contains('@')) || pairs.iter().any(Pair::is_stray) {
        let remedy = "percent-encode the password: @ is %40, / is %2F, ? is %3F";
        return Err(Fault::new("has an @ where none can be").remedy(remedy));
    }
    let hosts: Vec<&str> = host.split(',').filter(|host| !host.is_empty()).collect();
    hosts.iter().try_for_each(|host| check_host(host))?;
    let user = user.map(redact_user);
    let shown = [
        text.strip_suffix(rest).unwrap_or_default(),
        user.as_deref().unwrap_or_default(),
        host,
        path,
        &query.map(|_| redact_query(&pairs)).unwrap_or_default(),
    ];
    let url = Url { shown: shown.concat(), secret: Secret::new(text) };
    Ok(Parts { hosts, path, url })
}

fn check_host(host: &str) -> Result<(), Fault> {
    let after = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').ok_or_else(|| Fault::new("has a [ without its ]"))?.1,
        None => &host[host.find(':').unwrap_or(host.len())..],
    };
    let port = match after.strip_prefix(':') {
        Some(port) => port,
        None if after.is_empty() => return Ok(()),
        None => return Err(Fault::new("has something behind the ] of its host")),
    };
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(Fault::new("has a port that is not 1 to 65535")
            .remedy("write host:port; percent-encode the password if it holds : / ? # or @")),
    }
}

fn redact_user(user: &str) -> String {
    match user.split_once(':') {
        Some((name, password)) if !password.is_empty() => format!("{name}:{REDACTED}@"),
        Some(_) | None => format!("{user}@"),
    }
}

fn redact_query(pairs: &[Pair]) -> String {
    let shown = pairs.iter().map(|pair| {
        if pair.is_secret() && !pair.value.is_empty() {
            format!("{}={REDACTED}", pair.name)
        } else {
            pair.whole.to_owned()
        }
    });
    format!("?{}", shown.collect::<Vec<_>>().join("&"))
}

/// One parameter of a query.
struct Pair<'a> {
    whole: &'a str,
    name: &'a str,
    value: &'a str,
}

impl<'a> Pair<'a> {
    fn new(whole: &'a str) -> Self {
        let (name, value) = whole.split_once('=').unwrap_or(("", whole));
        Self { whole, name, value }
    }

    /// It carries a password; an escaped name might hide one.
    fn is_secret(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        name.contains('%') || ["pass", "password", "sslpassword"].contains(&name.as_str())
    }

    fn is_stray(&self) -> bool {
        self.whole.contains('@') && !self.is_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, Fault> {
        take_apart(text, scheme(text)?.1).map(|parts| parts.url.to_string())
    }

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        for (text, expected) in [
            ("redis://:pw@h:1/0", "redis://:[redacted]@h:1/0"),
            ("rediss://u:pw@[::1]:6380", "rediss://u:[redacted]@[::1]:6380"),
            ("redis://u:a:b%40@h", "redis://u:[redacted]@h"),
            ("unix:///run/a.sock?db=1&pass=pw", "unix:///run/a.sock?db=1&pass=[redacted]"),
            ("unix:///run/a.sock?p%61ss=pw", "unix:///run/a.sock?p%61ss=[redacted]"),
            ("postgres://u:pw@a:1,b:2/db?SSLPassword=x@y", "postgres://u:[redacted]@a:1,b:2/db?SSLPassword=[redacted]"),
            ("postgres:///db?host=/run&password=", "postgres:///db?host=/run&password="),
            ("redis://u@h", "redis://u@h"),
            ("redis://u:@h", "redis://u:@h"),
        ] {
            assert_eq!(shown(text).unwrap(), expected);
        }
    }

    #[test]
    fn a_password_that_should_have_been_escaped_is_refused_and_never_quoted() {
        for text in [
            "redis://u:p@ss@h",
            "redis://u:12/34pw@h",
            "redis://u:12?34pw@h",
            "redis://u:12?a=34pw@h",
            "redis://u:a@b/pw@h",
            "redis://u:pw#x@h",
        ] {
            let fault = shown(text).unwrap_err();
            assert!(!format!("{fault:?}").contains("pw"), "{text}");
        }
    }

    #[test]
    fn a_malformed_address_is_refused() {
        for text in [
            "",
            "h",
            "redis:/h",
            "redis://h:0",
            "redis://h:70000",
            "redis://h:x",
            "redis://[::1",
            "redis://h\n",
            "a b:",
        ] {
            assert!(shown(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_and_display_hide_what_expose_gives() {
        let url = take_apart("redis://:pw@h", "//:pw@h").unwrap().url;
        assert!(url.has_password());
        assert_eq!(format!("{url} {url:?}"), "redis://:[redacted]@h \"redis://:[redacted]@h\"");
        assert_eq!(url.expose(), "redis://:pw@h");
        assert!(!Url::plain("sqlite:a").has_password());
    }
}
