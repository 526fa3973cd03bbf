//! Where things are on a server: paths that are written in many ways, and hosts that belong together.

use url::{Host, Url};

/// What may stand in a piece of a path as it is, beside letters and digits (RFC 3986).
const PLAIN: &[u8] = b"-._~!$&'()*+,;=:@";

/// The path of a reference, always written in the same way: what a server encodes differently from day to day is the same.
/// Nothing, if it is no reference.
pub(super) fn path(base: &Url, href: &str) -> Option<String> {
    let url = base.join(href.trim()).ok().filter(|url| ["http", "https"].contains(&url.scheme()))?;
    Some(url.path().split('/').map(|piece| encode(&decode(piece))).collect::<Vec<_>>().join("/"))
}

fn decode(piece: &str) -> Vec<u8> {
    let bytes = piece.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let escaped = digits.and_then(|digits| Some(value(digits[0])? * 16 + value(digits[1])?));
        decoded.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

fn value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

/// One piece of a path, of any bytes.
pub(super) fn encode(piece: &[u8]) -> String {
    let mut text = String::with_capacity(piece.len());
    for byte in piece {
        if byte.is_ascii_alphanumeric() || PLAIN.contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push('%');
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    text
}

/// Whether what belongs to one host may be shown to another: to the same, to those below it, and to those below what it
/// is below. Never from a connection that nobody can read to one that anybody can.
pub(super) fn is_same_site(ours: &Url, other: &Url) -> bool {
    if other.scheme() != ours.scheme() && other.scheme() != "https" {
        return false;
    }
    match (ours.host(), other.host()) {
        (Some(Host::Domain(ours)), Some(Host::Domain(other))) => {
            let below = |name: &str, parent: &str| name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
            ours == other || below(other, ours) || parent(ours).is_some_and(|site| other == site || below(other, site))
        }
        (Some(ours), Some(other)) => ours == other,
        _ => false,
    }
}

/// What a host is below, if that is somebody's and not a registry's such as `co.uk`.
fn parent(host: &str) -> Option<&str> {
    let (_, parent) = host.split_once('.')?;
    let labels: Vec<&str> = parent.split('.').collect();
    match labels[..] {
        [] | [_] => None,
        [second, first] if first.len() == 2 && second.len() <= 3 => None,
        _ => Some(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_path_is_one_however_it_is_written() {
        let base = url("https://dav.example/cal/work/");
        for (href, found) in [
            ("/cal/work/a.ics", "/cal/work/a.ics"),
            ("a.ics", "/cal/work/a.ics"),
            (" /cal/work/a.ics\n", "/cal/work/a.ics"),
            ("https://p07.dav.example:443/cal/work/a.ics", "/cal/work/a.ics"),
            ("/cal/work/a%40b.ics", "/cal/work/a@b.ics"),
            ("/cal/work/a@b.ics", "/cal/work/a@b.ics"),
            ("/cal/w%6Frk/%C3%A4%20b.ics", "/cal/work/%C3%A4%20b.ics"),
            ("/cal/work/ä b.ics", "/cal/work/%C3%A4%20b.ics"),
            ("/cal/work/a%2Fb.ics", "/cal/work/a%2Fb.ics"),
            ("/cal/work/a%2fb.ics", "/cal/work/a%2Fb.ics"),
            ("/cal/work/100%.ics", "/cal/work/100%25.ics"),
            ("../home/", "/cal/home/"),
        ] {
            assert_eq!(path(&base, href).as_deref(), Some(found), "{href}");
        }
        for href in ["mailto:a@b", "http://[", "javascript:x"] {
            assert_eq!(path(&base, href), None, "{href}");
        }
    }

    #[test]
    fn a_login_is_shown_to_its_own_site_only() {
        for (ours, other, same) in [
            ("https://caldav.icloud.com/", "https://caldav.icloud.com:443/1/", true),
            ("https://caldav.icloud.com/", "https://p07-caldav.icloud.com/", true),
            ("https://caldav.icloud.com/", "https://icloud.com/", true),
            ("https://example.com/", "https://caldav.example.com/", true),
            ("https://a.b.example.com/", "https://c.b.example.com/", true),
            ("http://dav.example.com/", "https://dav.example.com/", true),
            ("http://127.0.0.1:5232/", "http://127.0.0.1:5233/", true),
            ("https://dav.example.com/", "http://dav.example.com/", false),
            ("https://caldav.icloud.com/", "https://icloud.com.evil.example/", false),
            ("https://caldav.icloud.com/", "https://evilicloud.com/", false),
            ("https://example.com/", "https://evil.com/", false),
            ("https://example.co.uk/", "https://evil.co.uk/", false),
            ("https://dav.example.co.uk/", "https://p1.example.co.uk/", true),
            ("http://127.0.0.1/", "http://127.0.0.2/", false),
            ("http://127.0.0.1/", "http://dav.example.com/", false),
        ] {
            assert_eq!(is_same_site(&url(ours), &url(other)), same, "{ours} {other}");
        }
    }
}
