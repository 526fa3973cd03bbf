//! Forms, logins and answers, as far as a stand-in for an OAuth server needs them.

use std::collections::HashMap;

/// The fields of a form. Nothing that tests send needs more than `%XX` and `+`.
pub(crate) fn form(body: &[u8]) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(|digit| char::from(*digit)).collect();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            byte => *byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As in basic authentication.
pub(crate) fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            encoded.push(if at <= part.len() { char::from(digit) } else { '=' });
        }
    }
    encoded
}

/// An answer with a body.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content: &'static str,
    pub(crate) retry_after: Option<u64>,
    /// Where a browser goes on.
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        Self { status, content: "application/json", retry_after: None, location: None, body: body.into() }
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::json(status, format!(r#"{{"error":"{code}","error_description":"said by the sandbox"}}"#))
    }

    pub(crate) fn text(&self) -> String {
        let Self { status, content, retry_after, location, body } = self;
        let wait = retry_after.map_or(String::new(), |wait| format!("Retry-After: {wait}\r\n"));
        let on = location.as_ref().map_or(String::new(), |location| format!("Location: {location}\r\n"));
        let length = body.len();
        format!(
            "HTTP/1.1 {status} \r\nConnection: close\r\n{wait}{on}Content-Type: {content}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_is_encoded_as_everywhere() {
        assert_eq!(["f", "fo", "foo", "foob"].map(base64), ["Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
        assert_eq!(decode("a%2Bb+c%zz"), "a+b c?");
    }
}
