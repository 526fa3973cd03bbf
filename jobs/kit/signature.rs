//! How a receiver knows that a webhook is ours: Standard Webhooks `v1`, and the plain HMAC that hosts already use. Both
//! sign the bytes that are sent, so serialise once and sign what you send.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{Secret, digest::hex};

/// By which a secret of Standard Webhooks is known.
const PREFIX: &str = "whsec_";
/// Of a key that we make. The specification allows 24 to 64.
const KEY_BYTES: usize = 32;
const SPECIFIED_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// With or without padding, and with whatever is left over in the last letter: the libraries of receivers do not look.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Why nothing can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotSign {
    NoSecret,
    /// It begins with `whsec_`, and what follows is not base64.
    NotBase64,
    /// The id is empty, or has a full stop or something invisible in it.
    Id,
    /// The operating system gives no random bytes.
    NoRandomness,
}

impl fmt::Display for CannotSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSecret => "there is no secret to sign with; give the endpoint one",
            Self::NotBase64 => "the secret begins with whsec_, and what follows is not base64; give another",
            Self::Id => "the id of a webhook must be visible letters without a full stop",
            Self::NoRandomness => "the operating system gives no random bytes; try again",
        })
    }
}

impl std::error::Error for CannotSign {}

/// A new secret: `whsec_` and 32 random bytes in base64.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn generate() -> Result<Secret, CannotSign> {
    let mut key = zeroize::Zeroizing::new([0; KEY_BYTES]);
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(key.as_mut_slice()).map_err(|_| CannotSign::NoRandomness)?;
    Ok(Secret::new(format!("{PREFIX}{}", STANDARD.encode(key.as_slice()))))
}

/// The value of `webhook-signature`: `v1,…` by each of the secrets, with a space between. While a secret is replaced
/// there are two, the new one first. The timestamp is that of this attempt, in seconds.
///
/// # Errors
/// When there is no secret, or it or the id cannot be used.
pub fn standard(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> Result<String, CannotSign> {
    if secrets.is_empty() {
        return Err(CannotSign::NoSecret);
    }
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic() && b != b'.') {
        return Err(CannotSign::Id);
    }
    let start = format!("{id}.{timestamp}.");
    let signed = secrets.iter().map(|secret| {
        let mac = hmac(&key(secret)?, &[start.as_bytes(), body]);
        Ok(format!("v1,{}", STANDARD.encode(mac)))
    });
    Ok(signed.collect::<Result<Vec<_>, CannotSign>>()?.join(" "))
}

/// The plain form: the HMAC of the body by the secret as it stands, in lower-case hexadecimal. Before it `sha256=`, for
/// receivers that expect it.
///
/// # Errors
/// When the secret is empty.
pub fn plain(secret: &Secret, body: &[u8], prefixed: bool) -> Result<String, CannotSign> {
    if secret.expose().is_empty() {
        return Err(CannotSign::NoSecret);
    }
    let mac = hmac(secret.expose().as_bytes(), &[body]);
    let start = if prefixed { "sha256=" } else { "" };
    Ok(format!("{start}{}", hex(&mac)))
}

/// The key of a secret. Behind `whsec_` it is base64. Without that it is base64 when that makes 24 to 64 bytes, as the
/// specification wants a key to be and as the libraries read it; else the text itself is the key, because hosts have
/// secrets such as `topsecret`, which no library of Standard Webhooks takes but which a receiver may well use as it is.
fn key(secret: &Secret) -> Result<zeroize::Zeroizing<Vec<u8>>, CannotSign> {
    let text = secret.expose().trim();
    let key = match text.strip_prefix(PREFIX) {
        Some(encoded) => LENIENT.decode(encoded).map_err(|_| CannotSign::NotBase64)?,
        None => match LENIENT.decode(text) {
            Ok(key) if SPECIFIED_KEY_BYTES.contains(&key.len()) => key,
            Ok(_) | Err(_) => text.as_bytes().to_vec(),
        },
    };
    if key.is_empty() { Err(CannotSign::NoSecret) } else { Ok(key.into()) }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        br#"{"event":"booking_created","timestamp":"2027-01-11T10:00:00Z","data":{"booking_id":"b-1"}}"#;

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| Secret::new(*text)).collect()
    }

    #[test]
    fn the_published_vectors_hold() {
        let published = standard(
            &secrets(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(published.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let ours = standard(&secrets(&["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"]), "evt_1", 1_799_661_600, BODY);
        assert_eq!(ours.unwrap(), "v1,oSF0CqL/YA8ZP63oQ4zJETxA8vGvb9kIYl5DxaIA1II=");
        let hex = "f51760e9d7d3fdbbdd042bb359c91bb3e87300e7c0ab56f71914ece2fdb09e51";
        assert_eq!(BODY.len(), 90);
        assert_eq!(plain(&Secret::new("topsecret"), BODY, false).unwrap(), hex);
        assert_eq!(plain(&Secret::new("topsecret"), BODY, true).unwrap(), format!("sha256={hex}"));
    }

    #[test]
    fn while_a_secret_is_replaced_both_sign() {
        let both = ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
        let each: Vec<String> =
            both.iter().map(|secret| standard(&secrets(&[secret]), "a", 1, BODY).unwrap()).collect();
        assert_eq!(standard(&secrets(&both), "a", 1, BODY).unwrap(), each.join(" "));
    }

    #[test]
    fn the_spellings_of_a_secret_are_one_key() {
        let bytes = [7; 32];
        let padded = STANDARD.encode(bytes);
        for text in [
            format!("whsec_{padded}"),
            format!("whsec_{}", padded.trim_end_matches('=')),
            padded.clone(),
            padded.trim_end_matches('=').to_owned(),
            format!(" {padded}\n"),
        ] {
            assert_eq!(key(&Secret::new(text.as_str())).unwrap().as_slice(), bytes, "{text}");
        }
        for text in ["topsecret", "password", "not base64 at all, but long enough to be", "müller"] {
            assert_eq!(key(&Secret::new(text)).unwrap().as_slice(), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_signed_is_refused() {
        assert_eq!(standard(&[], "a", 1, b""), Err(CannotSign::NoSecret));
        for (secret, fault) in
            [("", CannotSign::NoSecret), ("whsec_", CannotSign::NoSecret), ("whsec_ä", CannotSign::NotBase64)]
        {
            assert_eq!(standard(&secrets(&[secret]), "a", 1, b""), Err(fault), "{secret}");
        }
        for id in ["", "a.b", "a b", "ä", "a\n"] {
            assert_eq!(standard(&secrets(&["topsecret"]), id, 1, b""), Err(CannotSign::Id), "{id}");
        }
        assert_eq!(plain(&Secret::new(""), b"", true), Err(CannotSign::NoSecret));
    }

    #[test]
    fn a_new_secret_is_one_that_libraries_take() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert!(one.expose().starts_with("whsec_") && one.expose().len() == PREFIX.len() + 44);
        assert_eq!(key(&one).unwrap().len(), KEY_BYTES);
    }
}
