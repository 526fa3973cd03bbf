//! The names that a Django site sets for its mail, so that one environment serves both. They count for less than our own
//! file: who writes `[mail]` means us.

use std::collections::BTreeMap;

use super::key::Value;
use super::origin::{Origin, Place};
use super::raw::{RawConfig, Written};

const BACKEND: &str = "EMAIL_BACKEND";
const HOST: &str = "EMAIL_HOST";
const USE_TLS: &str = "EMAIL_USE_TLS";
const USE_SSL: &str = "EMAIL_USE_SSL";
const TIMEOUT: &str = "EMAIL_TIMEOUT";

/// Those whose value is taken as it is: variable, key.
const SAME: [(&str, &str); 6] = [
    (HOST, "host"),
    ("EMAIL_PORT", "port"),
    ("EMAIL_HOST_USER", "user"),
    ("EMAIL_HOST_PASSWORD", "password"),
    ("DEFAULT_FROM_EMAIL", "from"),
    ("EMAIL_FILE_PATH", "folder"),
];

/// Whether this is a variable that is read here.
pub(super) fn is_known(name: &str) -> bool {
    [BACKEND, USE_TLS, USE_SSL, TIMEOUT].contains(&name) || SAME.iter().any(|(known, _)| *known == name)
}

/// Lay them over the defaults. An empty one is not set: that is how Django writes its own defaults.
pub(super) fn read(environment: &BTreeMap<String, String>, raw: &mut RawConfig) {
    let value = |name: &str| environment.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let mut set = |name: &str, key: &str, value: &str| {
        raw.set(Place::new("mail", key), Value::Word(value.to_owned()), Origin::Environment(name.to_owned()));
    };
    for (name, key) in SAME {
        if let Some(value) = value(name) {
            set(name, key, value);
        }
    }
    if let Some(seconds) = value(TIMEOUT) {
        set(TIMEOUT, "timeout", &format!("{seconds}s"));
    }
    match (value(USE_SSL).map(is_true), value(USE_TLS).map(is_true)) {
        (Some(true), _) => set(USE_SSL, "security", "tls"),
        (_, Some(true)) => set(USE_TLS, "security", "starttls"),
        (_, Some(false)) => set(USE_TLS, "security", "none"),
        (_, None) => {}
    }
    match value(BACKEND) {
        // Django's own default.
        None => {
            if value(HOST).is_some() {
                set(HOST, "transport", "smtp");
            }
        }
        Some(backend) => {
            if let Some(transport) = transport_of(backend) {
                set(BACKEND, "transport", transport);
            } else {
                let text = "names a backend that is not built in here; set [mail] transport to smtp, file or console";
                raw.warn("mail.transport", Origin::Environment(BACKEND.to_owned()), text);
            }
        }
    }
}

/// A password that only they set goes when we have a file with one.
pub(super) fn settle(raw: &mut RawConfig) {
    let place = Place::new("mail", "password");
    let theirs = |written: &Written| matches!(&written.origin, Origin::Environment(name) if is_known(name));
    if raw.values.get(&place).is_some_and(theirs) && raw.values.contains_key(&Place::new("mail", "password_file")) {
        raw.values.remove(&place);
    }
}

fn transport_of(backend: &str) -> Option<&'static str> {
    let module = backend.strip_prefix("django.core.mail.backends.")?.split('.').next()?;
    match module {
        "smtp" => Some("smtp"),
        "console" => Some("console"),
        "filebased" => Some("file"),
        _ => None,
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on")
}
