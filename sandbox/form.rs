//! Forms and logins, as far as a stand-in has to read them.

use std::collections::HashMap;

/// The fields of a form. Nothing that tests send needs more than `%XX` and `+`.
pub(crate) fn form(body: &[u8]) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn decode(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_is_encoded_as_everywhere() {
        assert_eq!(["f", "fo", "foo", "foob"].map(base64), ["Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
        assert_eq!(decode("a%2Bb+c%zz"), "a+b c?");
    }
}
