//! The names that the documents of this product's hosts give to clients at providers, such as `GOOGLE_CLIENT_ID`, so that
//! one environment serves both. They count for less than a `[[provider]]` of ours: they fill in what it leaves out, or
//! are one by themselves.

use std::collections::BTreeMap;

use super::key::Value;
use super::origin::{Origin, Place};
use super::raw::{MAX_PROVIDERS, RawConfig};

/// How a variable begins, and whose it is. Of two of one provider the first counts.
const WHOSE: [(&str, &str); 5] =
    [("GOOGLE", "google"), ("MICROSOFT", "microsoft"), ("OUTLOOK", "microsoft"), ("ZOOM", "zoom"), ("WEBEX", "webex")];
/// How it goes on, and the key.
const ID: (&str, &str) = ("_CLIENT_ID", "client_id");
const SECRET: (&str, &str) = ("_CLIENT_SECRET", "client_secret");
const REDIRECT: (&str, &str) = ("_REDIRECT_URI", "redirect_url");

/// Whether this is a variable that is read here.
pub(super) fn is_known(name: &str) -> bool {
    WHOSE.iter().any(|(whose, _)| {
        name.strip_prefix(whose).is_some_and(|rest| [ID, SECRET, REDIRECT].iter().any(|(end, _)| *end == rest))
    })
}

/// Fill in what nobody else wrote. An empty one is not set, and without an id the others are somebody else's.
pub(super) fn settle(environment: &BTreeMap<String, String>, raw: &mut RawConfig) {
    for (whose, provider) in WHOSE {
        let value = |(end, _): (&str, &str)| {
            let name = format!("{whose}{end}");
            let value = environment.get(&name).filter(|value| !value.is_empty())?;
            Some((Value::Word(value.clone()), Origin::Environment(name)))
        };
        let Some((id, origin)) = value(ID) else { continue };
        let Some(index) = entry(provider, &origin, raw) else { continue };
        let at = |name: &str| Place::at("provider", Some(index), name);
        let same =
            |raw: &RawConfig| raw.values.get(&at(ID.1)).is_none_or(|ours| ours.value.text().ok() == id.text().ok());
        // A secret belongs to its client.
        if !same(raw) {
            continue;
        }
        let has_secret = raw.values.contains_key(&at("client_secret_file"));
        for key in [ID, SECRET, REDIRECT] {
            let is_ours = raw.values.contains_key(&at(key.1)) || (key == SECRET && has_secret);
            if let Some((value, origin)) = value(key).filter(|_| !is_ours) {
                raw.set(at(key.1), value, origin);
            }
        }
    }
}

/// The entry of this provider; a new one, if there is none and there is room.
fn entry(provider: &str, origin: &Origin, raw: &mut RawConfig) -> Option<usize> {
    let is_it = |index: &usize| {
        let name = raw.values.get(&Place::at("provider", Some(*index), "name"));
        name.is_some_and(|name| name.value.text().is_ok_and(|name| name == provider))
    };
    let count = raw.providers.len();
    if let Some(index) = (0..count).find(is_it) {
        return Some(index);
    }
    if count == MAX_PROVIDERS {
        return None;
    }
    raw.providers.push(origin.clone());
    raw.set(Place::at("provider", Some(count), "name"), Value::Word(provider.to_owned()), origin.clone());
    Some(count)
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Loaded, Provider, Secret, Sources, load};

    fn with(file: &str, variables: &[(&str, &str)]) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("liaison.toml");
        std::fs::write(&path, file).unwrap();
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources { search: vec![path], environment: environment.collect(), ..Sources::default() };
        load(&sources).unwrap_or_else(|error| panic!("{error}"))
    }

    fn of<'a>(config: &'a Config, name: &str) -> Option<&'a Provider> {
        config.provider.iter().find(|provider| provider.name == name)
    }

    const ZOOM: [(&str, &str); 3] = [
        ("ZOOM_CLIENT_ID", "theirs"),
        ("ZOOM_CLIENT_SECRET", "hunter2"),
        ("ZOOM_REDIRECT_URI", "https://app.example/zoom"),
    ];

    #[test]
    fn the_names_of_the_documents_are_a_provider_by_themselves() {
        let others = [("OUTLOOK_CLIENT_ID", "o"), ("GOOGLE_CLIENT_SECRET", "s"), ("WEBEX_CLIENT_ID", "")];
        let loaded = with("", &[&ZOOM[..], &others].concat());
        let config = &loaded.config;
        let zoom = of(config, "zoom").expect("a provider");
        assert_eq!((zoom.client_id.as_str(), zoom.token_url.as_str()), ("theirs", "https://zoom.us/oauth/token"));
        assert_eq!(zoom.client_secret.as_ref().map(Secret::expose), Some("hunter2"));
        assert_eq!(zoom.redirect_url.as_deref(), Some("https://app.example/zoom"));
        assert_eq!(of(config, "microsoft").map(|found| found.client_id.as_str()), Some("o"));
        assert_eq!(config.provider.len(), 2, "a secret without an id and an empty id are none");
        let shown = format!("{loaded:?}{}{}", config.print(), config.to_json());
        assert!(!shown.contains("hunter2") && shown.contains("environment ZOOM_CLIENT_ID"), "{shown}");
    }

    #[test]
    fn they_fill_in_what_an_entry_leaves_out_and_change_nothing_else() {
        let loaded = with("[[provider]]\nname = \"zoom\"\nredirect_url = \"https://ours.example/\"\n", &ZOOM);
        let zoom = of(&loaded.config, "zoom").expect("a provider");
        assert_eq!((zoom.client_id.as_str(), zoom.client_secret.is_some()), ("theirs", true));
        assert_eq!(zoom.redirect_url.as_deref(), Some("https://ours.example/"));
        let entry = "[[provider]]\nname = \"zoom\"\nclient_id = \"theirs\"\nclient_secret_file = \"/run/z\"\n";
        let zoom = with(entry, &ZOOM).config.provider.remove(0);
        assert_eq!((zoom.client_secret, zoom.client_secret_file.is_some()), (None, true));
        let zoom = with("[[provider]]\nname = \"zoom\"\nclient_id = \"ours\"\n", &ZOOM).config.provider.remove(0);
        assert_eq!((zoom.client_id.as_str(), zoom.client_secret), ("ours", None), "a secret belongs to its client");
        let environment = [("LIAISON_PROVIDER__0__NAME", "zoom"), ("LIAISON_PROVIDER__0__CLIENT_ID", "ours")];
        let config = with("", &[&ZOOM[..], &environment].concat()).config;
        assert_eq!(config.provider[0].client_id, "ours");
    }

    #[test]
    fn of_two_names_of_one_provider_the_first_counts() {
        let config = with("", &[("OUTLOOK_CLIENT_ID", "o"), ("MICROSOFT_CLIENT_ID", "m")]).config;
        assert_eq!((config.provider.len(), config.provider[0].client_id.as_str()), (1, "m"));
    }
}
