//! Secrets at rest: XChaCha20-Poly1305 under a ring of keys, bound to the row that holds them.
//!
//! The first key of the ring seals and every key opens, so a key is rotated by putting a new line on top and is
//! dropped once nothing is sealed with it any more. A sealed value copied to another row does not open there: the
//! row's identity is authenticated with it. The 24-byte nonce is long enough to be drawn at random for every value.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use thiserror::Error;

/// The layout: this byte, the length of the key's id, the id, the nonce, the ciphertext with its tag.
const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// The length of an id has one byte in the layout; the limit is for people.
const MAX_ID_BYTES: usize = 64;

/// The keys that seal and open what the store keeps secret. Clones share them: who replaces the keys of one replaces
/// them for all who hold it, so a running daemon learns of a new key everywhere at once.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<RwLock<Keys>>,
}

struct Keys {
    sealing: RingKey,
    retired: Vec<RingKey>,
}

#[derive(Clone)]
struct RingKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// What is wrong with a key file, or with a sealed value. Never quotes a key.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("the key file holds no key; it needs one line, `ID:` and 32 random bytes in base64")]
    Empty,
    #[error("line {line} of the key file is not `ID:` and 32 bytes in base64")]
    Line { line: usize },
    #[error("line {line} of the key file has an id that is empty, longer than {MAX_ID_BYTES} bytes or not plain ASCII")]
    Id { line: usize },
    #[error(
        "line {line} of the key file repeats the id `{id}`; an id names one key for ever, give the new one another"
    )]
    Repeated { line: usize, id: String },
    #[error("sealed with key `{id}`, which the key file does not hold; put its line back, below the first")]
    Unknown { id: String },
    #[error("the sealed value was changed, moved from another row, or sealed with another key of the id `{id}`")]
    Tampered { id: String },
    #[error("the sealed value is cut short, or was written by a newer release")]
    Malformed,
}

impl KeyRing {
    /// Read a key file: one `id:base64` per line, `#` begins a comment; the first key seals.
    ///
    /// # Errors
    /// Names the line that is no key, or says that there is none.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys: Vec<RingKey> = Vec::new();
        for (line, written) in (1..).zip(text.lines()) {
            let written = written.split('#').next().unwrap_or_default().trim();
            if written.is_empty() {
                continue;
            }
            let key = RingKey::parse(written, line)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(KeyError::Repeated { line, id: key.id });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let sealing = keys.next().ok_or(KeyError::Empty)?;
        Ok(Self { keys: Arc::new(RwLock::new(Keys { sealing, retired: keys.collect() })) })
    }

    /// Go on with the keys of `other`, here and in every clone.
    pub fn replace_with(&self, other: &Self) {
        let new = other.read(|keys| Keys { sealing: keys.sealing.clone(), retired: keys.retired.clone() });
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// The ids of the keys in their order: the first seals.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.read(|keys| keys.all().map(|key| key.id.clone()).collect())
    }

    /// How everything begins that the first key has sealed, and nothing else.
    pub(crate) fn mark(&self) -> Vec<u8> {
        self.read(|keys| mark(&keys.sealing.id))
    }

    fn read<T>(&self, look: impl FnOnce(&Keys) -> T) -> T {
        look(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new line for a key file.
    ///
    /// # Panics
    /// When the operating system gives no random bytes.
    #[must_use]
    pub fn generate_line(id: &str) -> String {
        format!("{id}:{}", BASE64.encode(<[u8; KEY_BYTES]>::generate()))
    }

    /// Seal `plain` for the row that `row_identity` names.
    ///
    /// # Panics
    /// When the operating system gives no random bytes.
    #[must_use]
    pub fn seal(&self, row_identity: &str, plain: &[u8]) -> Vec<u8> {
        let nonce = XNonce::generate();
        let payload = Payload { msg: plain, aad: row_identity.as_bytes() };
        self.read(|keys| {
            let sealed = keys.sealing.cipher.encrypt(&nonce, payload);
            let ciphertext = sealed.expect("a value is far below the cipher's 256 GiB");
            [&mark(&keys.sealing.id), &nonce[..], &ciphertext].concat()
        })
    }

    /// Open what was sealed for the row that `row_identity` names.
    ///
    /// # Errors
    /// Names the key that is missing, or says that the value was tampered with.
    pub fn open(&self, row_identity: &str, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (id, nonce, ciphertext) = split(sealed).ok_or(KeyError::Malformed)?;
        self.read(|keys| {
            let key = keys.all().find(|key| key.id == id).ok_or_else(|| KeyError::Unknown { id: id.to_owned() })?;
            let payload = Payload { msg: ciphertext, aad: row_identity.as_bytes() };
            key.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| KeyError::Tampered { id: id.to_owned() })
        })
    }
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &RingKey> {
        std::iter::once(&self.sealing).chain(&self.retired)
    }
}

fn mark(id: &str) -> Vec<u8> {
    let length = u8::try_from(id.len()).expect("ids are limited when the ring is read");
    [&[VERSION, length], id.as_bytes()].concat()
}

impl RingKey {
    fn parse(written: &str, line: usize) -> Result<Self, KeyError> {
        let (id, encoded) = written.split_once(':').ok_or(KeyError::Line { line })?;
        if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::Id { line });
        }
        let bytes = BASE64.decode(encoded.trim()).map_err(|_| KeyError::Line { line })?;
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| KeyError::Line { line })?;
        Ok(Self { id: id.to_owned(), cipher: XChaCha20Poly1305::new(&Key::from(bytes)) })
    }
}

/// The id, the nonce and the ciphertext of a sealed value.
fn split(sealed: &[u8]) -> Option<(&str, [u8; NONCE_BYTES], &[u8])> {
    let (&[version, id_length], rest) = sealed.split_first_chunk()?;
    let (id, rest) = rest.split_at_checked(id_length.into())?;
    let (nonce, ciphertext) = rest.split_first_chunk()?;
    (version == VERSION).then_some((std::str::from_utf8(id).ok()?, *nonce, ciphertext))
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(lines: &[&str]) -> KeyRing {
        KeyRing::parse(&lines.join("\n")).expect("a key file")
    }

    #[test]
    fn what_is_sealed_opens_in_its_own_row_only() {
        let ring = ring(&[&KeyRing::generate_line("a")]);
        let sealed = ring.seal("row 1", b"secret");
        assert_eq!(ring.open("row 1", &sealed), Ok(b"secret".to_vec()));
        assert_eq!(ring.open("row 2", &sealed), Err(KeyError::Tampered { id: "a".into() }));
        assert_ne!(sealed, ring.seal("row 1", b"secret"), "the nonce is drawn anew");
    }

    #[test]
    fn a_rotated_ring_opens_what_the_old_one_sealed() {
        let (old, new) = (KeyRing::generate_line("old"), KeyRing::generate_line("new"));
        let sealed = ring(&[&old]).seal("row", b"secret");
        assert_eq!(ring(&["# newest first", &new, "", &old]).open("row", &sealed), Ok(b"secret".to_vec()));
        assert_eq!(ring(&[&new]).open("row", &sealed), Err(KeyError::Unknown { id: "old".into() }));
    }

    #[test]
    fn replaced_keys_are_replaced_in_every_clone() {
        let (old, new) = (KeyRing::generate_line("old"), KeyRing::generate_line("new"));
        let held = ring(&[&old]);
        let clone = held.clone();
        let before = clone.seal("row", b"secret");
        held.replace_with(&ring(&[&new, &old]));
        assert_eq!(clone.ids(), ["new", "old"]);
        assert_eq!(clone.open("row", &before), Ok(b"secret".to_vec()));
        let after = clone.seal("row", b"secret");
        assert!(after.starts_with(&clone.mark()) && !before.starts_with(&clone.mark()));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let ring = ring(&[&KeyRing::generate_line("a")]);
        let sealed = ring.seal("row", b"secret");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ring.open("row", &changed).is_err(), "byte {at} changed");
            assert!(ring.open("row", &sealed[..at]).is_err(), "cut at byte {at}");
        }
    }

    #[test]
    fn a_bad_key_file_names_its_line_and_never_the_key() {
        let good = KeyRing::generate_line("a");
        let cases = [
            ("# nothing".to_owned(), KeyError::Empty),
            (format!("{good}\nb"), KeyError::Line { line: 2 }),
            ("a:c2hvcnQ=".to_owned(), KeyError::Line { line: 1 }),
            (good.replacen('a', "a b", 1), KeyError::Id { line: 1 }),
            (format!("{good}\n\n{}", KeyRing::generate_line("a")), KeyError::Repeated { line: 3, id: "a".into() }),
        ];
        for (text, error) in cases {
            assert_eq!(KeyRing::parse(&text).err(), Some(error), "{text}");
        }
        assert_eq!(format!("{:?}", ring(&[&good])), "[redacted]");
    }
}
