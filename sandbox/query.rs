//! Paths and queries, as far as a stand-in has to read and write them.

use crate::form::decode;
use std::collections::HashMap;

/// The pieces of a path, decoded, and the values of its query.
pub(crate) fn take_apart(path: &str) -> (Vec<String>, HashMap<String, String>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pieces = path.split('/').skip(1).map(|piece| decode(&piece.replace('+', "%2B"))).collect();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    (pieces, pairs.map(|(name, value)| (decode(name), decode(value))).collect())
}

/// What may stand in a query as it is.
pub(crate) fn encode(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let mut encoded = String::new();
    for c in text.chars() {
        if is_plain(c) {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            encoded.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_comes_back() {
        let text = "a b+c/ü=~1&";
        let (pieces, query) = take_apart(&format!("/x/{0}/y?q={0}&$top=5&empty", encode(text)));
        assert_eq!(pieces, ["x", text, "y"]);
        assert_eq!((query["q"].as_str(), query["$top"].as_str(), query["empty"].as_str()), (text, "5", ""));
        assert_eq!(take_apart("/a+b").0, ["a+b"]);
    }
}
