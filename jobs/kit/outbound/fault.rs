//! Why a call brought no answer, in words that may stand in a log: never a header, a body, or a whole URL.

use std::{error::Error, fmt, io, time::Duration};

use super::resolver::NotAllowed;

/// A call that got no answer. What the other side answered, whatever it is, is not a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFault {
    /// It will not be called, today or tomorrow, unless the configuration or the URL changes.
    Refused { why: String },
    /// Nobody knows the name.
    Dns { host: String, why: String },
    /// Nobody is there, or no proxy lets us through.
    Connect { host: String, why: String },
    /// Whoever is there cannot show that it is the right one.
    Tls { host: String, why: String },
    /// All of it took too long.
    TimedOut { after: Duration },
    /// The connection ended before there was an answer. The other side may have done what it was asked for.
    Broken { host: String, why: String },
}

impl CallFault {
    /// Trying again cannot help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// One word for counters and columns.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::TimedOut { .. } => "timeout",
            Self::Broken { .. } => "broken",
        }
    }

    /// What the client said. Its own text is not used, because it quotes the URL.
    pub(super) fn of(fault: &reqwest::Error, host: &str, connect_timeout: Duration) -> Self {
        let host = host.to_owned();
        if let Some(NotAllowed(why)) = cause(fault) {
            return Self::Refused { why: why.clone() };
        }
        if let Some(tls) = cause::<rustls::Error>(fault) {
            return Self::Tls { host, why: tls.to_string() };
        }
        if fault.is_builder() {
            return Self::Refused { why: format!("the request cannot be made: {}", last(fault)) };
        }
        if fault.is_connect() || fault.is_dns() {
            let why =
                if fault.is_timeout() { format!("no connection within {connect_timeout:?}") } else { last(fault) };
            return if fault.is_dns() { Self::Dns { host, why } } else { Self::Connect { host, why } };
        }
        Self::Broken { host, why: last(fault) }
    }
}

impl fmt::Display for CallFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { why } => write!(f, "not called: {why}"),
            Self::Dns { host, why } => write!(f, "{host} cannot be resolved: {why}"),
            Self::Connect { host, why } => write!(f, "cannot connect to {host}: {why}"),
            Self::Tls { host, why } => write!(f, "no connection to {host} under TLS: {why}"),
            Self::TimedOut { after } => write!(f, "no answer within {after:?}"),
            Self::Broken { host, why } => write!(f, "the connection to {host} broke: {why}"),
        }
    }
}

impl Error for CallFault {}

/// The first of this type among the causes; an `io::Error` does not show the one that it wraps.
fn cause<'a, T: Error + 'static>(fault: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(fault);
    while let Some(fault) = next {
        if let Some(found) = fault.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = fault.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| fault.source());
    }
    None
}

/// The innermost cause: the others only say that there is one.
fn last(fault: &(dyn Error + 'static)) -> String {
    let mut last = fault;
    while let Some(source) = last.source() {
        last = source;
    }
    if last.is::<reqwest::Error>() { "the client gives no reason".to_owned() } else { last.to_string() }
}
