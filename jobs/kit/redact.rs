//! What is kept of an answer for people to read, without what looks like a secret. It masks too much rather than too
//! little; it is no proof that nothing is left, so what is kept is still nobody's but the operator's.

use std::borrow::Cow;

const MASK: &str = "[redacted]";

/// What a name has in it when its value is a secret, once `_` and `-` are taken out.
const SECRET_PARTS: &[&str] = &[
    "accesskey",
    "apikey",
    "assertion",
    "authorization",
    "cookie",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "signature",
    "token",
];
/// Names that are too short to be looked for in others.
const SECRET_NAMES: &[&str] = &["auth", "code", "jwt", "key", "pass", "pwd", "session", "sessionid", "sid", "sig"];
/// Has one of those in it and says nothing secret.
const PUBLIC_NAMES: &[&str] = &["tokentype"];

/// Of these the rest of the line is the secret.
const WHOLE_LINE: &[&str] = &["authorization", "cookie", "proxyauthorization", "setcookie"];

/// How tokens begin.
const BEGINNINGS: &[&str] = &[
    "whsec_",
    "whsk_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxe",
    "xapp-",
    "sk_",
    "rk_",
    "pk_live_",
    "ya29.",
    "1//0",
    "AKIA",
    "ASIA",
    "AIza",
    "GOCSPX-",
    "SG.",
    "eyJ",
    "glpat-",
    "shpat_",
    "dop_v1_",
];
/// A beginning alone is a word like others.
const MIN_TOKEN: usize = 12;
/// A word of this length with letters and digits mixed is taken for a secret, unless it is a UUID.
const MIN_UNKNOWN: usize = 32;

/// The text of a body, masked, without control characters; of what is not UTF-8 the replacement is shown.
#[must_use]
pub fn redact(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = without_private_keys(&text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while !rest.is_empty() {
        let word = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
        if word == 0 {
            let c = rest.chars().next().unwrap_or_default();
            out.push(if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c });
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (name, after) = rest.split_at(word);
        rest = after;
        if is_scheme(name) && after.starts_with([' ', '+']) {
            out.push_str(name);
            rest = mask_value(&mut out, &after[1..], &after[..1]);
        } else if let (true, Some(start)) = (is_secret_name(name), value_of(after)) {
            out.push_str(name);
            rest = if WHOLE_LINE.contains(&plain(name).as_str()) && !after[..start].contains(['"', '\'']) {
                let end = after[start..].find('\n').map_or(after.len(), |end| start + end);
                out.push_str(&after[..start]);
                out.push_str(MASK);
                &after[end..]
            } else {
                mask_value(&mut out, &after[start..], &after[..start])
            };
        } else if looks_like_a_token(name) {
            out.push_str(MASK);
        } else {
            out.push_str(name);
        }
    }
    out
}

fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.+/~%".contains(c)
}

/// `Bearer` and `Basic` are followed by what they are for.
fn is_scheme(word: &str) -> bool {
    ["bearer", "basic"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn is_secret_name(name: &str) -> bool {
    let name = plain(name);
    let is_secret = SECRET_NAMES.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part));
    is_secret && !PUBLIC_NAMES.contains(&name.as_str())
}

/// Where the value of a name begins: behind a `:`, a `=`, or the end of an element of XML, and a quote if there is one.
fn value_of(after: &str) -> Option<usize> {
    let end = after.find(|c: char| !"\"'\\:=> \t".contains(c)).unwrap_or(after.len());
    let quotes = after[..end].rfind([':', '=', '>']).map(|at| &after[at + 1..end])?;
    // A second quote would be an empty value.
    let opens = quotes.find(['"', '\'']).map_or(end, |at| after[..end].len() - quotes.len() + at + 1);
    Some(opens)
}

/// Mask a value up to its end, and say what comes behind it. `before` is what leads to it.
fn mask_value<'a>(out: &mut String, value: &'a str, before: &str) -> &'a str {
    out.push_str(before);
    let end = match before.chars().last() {
        Some(quote @ ('"' | '\'')) => end_of_quoted(value, quote),
        _ => value.find(|c: char| c.is_whitespace() || "&,;\"'<>{}[]()".contains(c)).unwrap_or(value.len()),
    };
    if end > 0 {
        out.push_str(MASK);
    }
    &value[end..]
}

fn end_of_quoted(value: &str, quote: char) -> usize {
    // A value in JSON that itself is JSON has its quotes escaped; what opened with one also ends with one.
    let mut escaped = false;
    for (at, c) in value.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            _ if c == quote && !escaped => return at,
            _ => escaped = false,
        }
    }
    value.len()
}

fn looks_like_a_token(word: &str) -> bool {
    let begins = |start: &&str| word.len() >= MIN_TOKEN && word.starts_with(*start);
    if BEGINNINGS.iter().any(begins) {
        return true;
    }
    // Base64 may have a slash in it, and a path has several: each part of a path is looked at alone.
    if word.matches('/').count() > 2 { word.split('/').any(is_mixed) } else { is_mixed(word) }
}

fn is_mixed(word: &str) -> bool {
    let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
    word.len() >= MIN_UNKNOWN
        && has(char::is_ascii_digit)
        && has(char::is_ascii_alphabetic)
        && !is_uuid(word)
        && !word.contains('%')
}

fn is_uuid(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What stands between the two lines of a key in PEM is cut out.
fn without_private_keys(text: &str) -> Cow<'_, str> {
    let Some(start) = text.find("-----BEGIN").filter(|_| text.contains("PRIVATE KEY")) else {
        return Cow::Borrowed(text);
    };
    let end = text.rfind("-----END").filter(|end| *end > start);
    let end = end.map_or(text.len(), |end| end + text[end..].find('\n').unwrap_or(text.len() - end));
    Cow::Owned(format!("{}{MASK}{}", &text[..start], &text[end..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        let long = "a1B2c3D4".repeat(5);
        for text in [
            r#"{"access_token": "hunter2", "expires_in": 3600}"#.to_owned(),
            r#"{"password":"hunter2 and \"hunter2\""}"#.to_owned(),
            r#"{"error":"bad","client-secret":"hunter2"}"#.to_owned(),
            r#"{"inner":"{\"refreshToken\":\"hunter2\"}"}"#.to_owned(),
            "grant_type=x&refresh_token=hunter2&scope=a".to_owned(),
            "Authorization: Bearer hunter2\nX: y".to_owned(),
            "authorization: Digest a=hunter2, b=hunter2".to_owned(),
            "you sent Bearer hunter2.abc".to_owned(),
            "Set-Cookie: sid=hunter2; path=/".to_owned(),
            "<apiKey>hunter2</apiKey>".to_owned(),
            "X-Signature: hunter2".to_owned(),
            "the token = 'hunter2'".to_owned(),
            format!("unknown {}", long.replace("a1B2", "hunter2")),
            format!("key {}_hunter2hunter2", "ghp"),
            format!("-----BEGIN {}-----\nhunter2\n-----END X-----\n", "PRIVATE KEY"),
            format!("-----BEGIN RSA {}-----\nhunter2", "PRIVATE KEY"),
        ] {
            let redacted = redact(text.as_bytes());
            assert!(!redacted.contains("hunter2") && redacted.contains(MASK), "{text}: {redacted}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        for text in [
            r#"{"status":"ok","id":"0b9f3a52-6c1e-4c1e-9d59-1f2a3b4c5d6e","count":12}"#,
            "<html><body><h1>502 Bad Gateway</h1>nginx/1.18.0</body></html>",
            "the author of /api/v1/webhooks/incoming/42 says: not found",
            r#"{"token_type": "x", "error_code": 12, "assigned_to": "me", "message": "no such booking"}"#,
            "token expired",
            "",
        ] {
            assert_eq!(redact(text.as_bytes()), text);
        }
        assert_eq!(redact(r#"{"token": "a", "b": "c"}"#.as_bytes()), r#"{"token": "[redacted]", "b": "c"}"#);
        assert_eq!(redact(b"token=a&b=c"), "token=[redacted]&b=c");
        assert_eq!(redact(b"Authorization: Basic a\nb: c"), "Authorization: [redacted]\nb: c");
    }

    #[test]
    fn a_terminal_is_not_spoken_to() {
        assert_eq!(redact(b"a\x1b[31mb\x00c\n"), "a [31mb c\n");
        assert_eq!(redact(&[0xff, b'a']), "\u{fffd}a");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_something_comes_out(text in "(token|Bearer |[:=\"'\\\\ >\n]|[a-z0-9]{1,9}|\u{e4}){0,40}") {
            let _ = redact(text.as_bytes());
        }
    }
}
