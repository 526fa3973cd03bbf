//! Whether a URL that a user gave may be called, as far as it shows: scheme, host, port, and the address if it is one.
//! A name says nothing of where it leads: that is judged when it is resolved, right before the connection is made.
//!
//! The URL is read once, by the same crate that the client reads it with, so there is no second opinion of what is the
//! host. What only a browser would forgive is refused before it is read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::{address::judge, fault::CallFault, policy::Policy};

/// As long as other clients and servers take them.
const MAX_URL: usize = 2048;
/// Of a provider: links to the next page hold all that it remembers of a round.
const MAX_TRUSTED_URL: usize = 8192;
/// Of a name, and of each part of it, by DNS.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Names by which clouds tell a machine who it is. Addresses are judged as well; these never get that far.
const METADATA: &[&str] = &["instance-data", "instance-data.ec2.internal", "metadata", "metadata.google.internal"];

/// Names of the machine itself, for which no DNS is asked.
const LOCAL: &[&str] = &["ip6-localhost", "ip6-loopback", "localhost", "localhost.localdomain", "localhost6"];

/// The URL as it will be called, without its fragment.
///
/// # Errors
/// Refused: why it never will be.
pub(super) fn check(text: &str, policy: &Policy) -> Result<Url, CallFault> {
    let url = read(text, MAX_URL)?;
    let port = url.port_or_known_default().unwrap_or(0);
    if !policy.ports.contain(port) {
        return Err(refused(format!("port {port} is not among {}; see [outbound] ports", policy.ports)));
    }
    match url.host() {
        Some(Host::Ipv4(address)) => literal(IpAddr::V4(address), policy)?,
        Some(Host::Ipv6(address)) => literal(IpAddr::V6(address), policy)?,
        Some(Host::Domain(name)) => named(name, policy)?,
        None => return Err(refused("the URL has no host")),
    }
    Ok(url)
}

/// The URL of one that the operator wrote: only what cannot be called at all is refused.
pub(super) fn read_trusted(text: &str) -> Result<Url, CallFault> {
    read(text, MAX_TRUSTED_URL)
}

fn read(text: &str, most: usize) -> Result<Url, CallFault> {
    if text.len() > most {
        return Err(refused(format!("the URL is {} bytes long; the most is {most}", text.len())));
    }
    let strange = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.contains(strange) {
        return Err(refused("the URL has a space, a line end, a control character or a backslash in it"));
    }
    let rest = text
        .split_once("://")
        .filter(|(scheme, _)| ["http", "https"].iter().any(|ours| scheme.eq_ignore_ascii_case(ours)));
    let Some((_, rest)) = rest else { return Err(refused("the URL does not begin with http:// or https://")) };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(refused("the URL has a user or a password in it; use a header for that"));
    }
    if authority.is_empty() {
        return Err(refused("the URL has no host"));
    }
    if authority.contains('%') {
        return Err(refused("the host of the URL is percent-encoded, or names a zone"));
    }
    let mut url = Url::parse(text).map_err(|fault| refused(format!("the URL cannot be read: {fault}")))?;
    url.set_fragment(None);
    Ok(url)
}

fn literal(address: IpAddr, policy: &Policy) -> Result<(), CallFault> {
    judge(address, policy).map_err(|what| refused(format!("{address} is {what}; {REMEDY}")))
}

pub(super) const REMEDY: &str = "if it should be called, allow it in [outbound]";

fn named(name: &str, policy: &Policy) -> Result<(), CallFault> {
    if name.ends_with('.') {
        return Err(refused("the host ends in a dot"));
    }
    if name.len() > MAX_NAME || name.split('.').any(|label| label.is_empty() || label.len() > MAX_LABEL) {
        return Err(refused("the host has a part that is empty or too long for a name"));
    }
    if policy.hosts.contain(name) {
        return Ok(());
    }
    if METADATA.contains(&name) {
        return Err(refused(format!("{name} is a metadata service")));
    }
    let is_local = LOCAL.contains(&name) || name.ends_with(".localhost");
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    if is_local && loopback.iter().all(|address| judge(*address, policy).is_err()) {
        return Err(refused(format!("{name} is loopback; {REMEDY}")));
    }
    Ok(())
}

fn refused(why: impl Into<String>) -> CallFault {
    CallFault::Refused { why: why.into() }
}
