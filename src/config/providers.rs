//! `[[provider]]`: who gives tokens to the accounts of integrations, one entry for each.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use liaison_jobs::{
    default_api_url,
    tokens::{ClientAuth, KNOWN_PROVIDERS, KnownProvider},
};

use super::key::{Fault, Key, Setting, Value};
use super::mistake::quote;
use super::origin::Origin;
use super::reader::{Reader, Section};
use super::secret::{REDACTED, Secret};
use super::url::{scheme, take_apart};

const MAX_NAME: usize = 64;
const BUILT_IN: &str = "that of a built-in provider, else required";

/// A provider, with what is known of it filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) client_id: String,
    /// Defaults to none: a public client, or `client_secret_file`.
    pub(crate) client_secret: Option<Secret>,
    /// Its content is read when the daemon starts. Defaults to none.
    pub(crate) client_secret_file: Option<PathBuf>,
    pub(crate) token_url: String,
    /// None of one that is not built in: its accounts come with tokens.
    pub(crate) auth_url: Option<String>,
    /// Where owners come back to after their consent. Defaults to where `integrations connect` listens.
    pub(crate) redirect_url: Option<String>,
    pub(crate) revoke_url: Option<String>,
    pub(crate) auth: ClientAuth,
    pub(crate) single_use: bool,
    /// Where its calendars and meetings are. None of one that is not built in.
    pub(crate) api_url: Option<String>,
}

impl Provider {
    pub(super) fn read_all(reader: &mut Reader) -> Vec<Self> {
        let count = reader.raw.providers.len();
        if count == 0 {
            Keys::all().remember(&mut reader.section("provider"));
            return Vec::new();
        }
        let all: Vec<_> = (0..count).map(|index| Self::read(reader, index)).collect();
        refuse_doubles(reader, &all);
        all
    }

    fn read(reader: &mut Reader, index: usize) -> Self {
        let keys = Keys::all();
        let mut from = reader.entry_of("provider", index);
        let name = from.optional(keys.name).map(|Name(name)| name).unwrap_or_default();
        let known = KnownProvider::named(&name);
        let client_id = from.optional(keys.client_id).unwrap_or_default();
        let client_secret = from.optional(keys.client_secret).map(|Hidden(secret)| secret);
        let client_secret_file = from.optional(keys.client_secret_file);
        let token_url = from.optional(keys.token_url).map(|TokenUrl(url)| url);
        let auth_url = from.optional(keys.auth_url).map(|TokenUrl(url)| url);
        let redirect_url = from.optional(keys.redirect_url).map(|TokenUrl(url)| url);
        let revoke_url = from.optional(keys.revoke_url).map(|TokenUrl(url)| url);
        let auth = from.optional(keys.auth).map(|Auth(auth)| auth);
        let single_use = from.optional(keys.single_use);
        let api_url = from.optional(keys.api_url).map(|TokenUrl(url)| url);
        require(&mut from, index, "name", "\"zoom\"");
        require(&mut from, index, "client_id", "\"the id that the provider gave you\"");
        if client_secret.is_some() && client_secret_file.is_some() {
            refuse_two_secrets(&mut from);
        }
        if known.is_none() && !name.is_empty() {
            let remedy = "\"https://…\"; only google, microsoft, zoom and webex are known without";
            require(&mut from, index, "token_url", remedy);
        }
        let api_url = api_url.or_else(|| default_api_url(&name).map(str::to_owned));
        Self {
            name,
            client_id,
            client_secret,
            client_secret_file,
            token_url: token_url.or(known.map(|known| known.token_url.to_owned())).unwrap_or_default(),
            auth_url: auth_url.or(known.map(|known| known.auth_url.to_owned())),
            redirect_url,
            revoke_url: revoke_url.or(known.and_then(|known| known.revoke_url).map(str::to_owned)),
            auth: auth.or(known.map(|known| known.auth)).unwrap_or(ClientAuth::Body),
            single_use: single_use.or(known.map(|known| known.single_use)).unwrap_or(false),
            api_url,
        }
    }
}

struct Keys {
    name: Key<Name>,
    client_id: Key<String>,
    client_secret: Key<Hidden>,
    client_secret_file: Key<PathBuf>,
    token_url: Key<TokenUrl>,
    auth_url: Key<TokenUrl>,
    redirect_url: Key<TokenUrl>,
    revoke_url: Key<TokenUrl>,
    auth: Key<Auth>,
    single_use: Key<bool>,
    api_url: Key<TokenUrl>,
}

impl Keys {
    fn all() -> Self {
        Self {
            name: Key::new("name", "The provider: what accounts call it, or the name of a built-in one.")
                .otherwise("required"),
            client_id: Key::new("client_id", "Who we are there.").otherwise("required"),
            client_secret: Key::new(
                "client_secret",
                "The secret of the client. Better in a file: `client_secret_file`.",
            ),
            client_secret_file: Key::new(
                "client_secret_file",
                "A file with the secret of the client, such as a systemd credential.",
            ),
            token_url: Key::new("token_url", "Where tokens are refreshed.").otherwise(BUILT_IN),
            auth_url: Key::new("auth_url", "Where `integrations connect` sends owners for their consent.")
                .otherwise("that of a built-in provider, else none"),
            redirect_url: Key::new("redirect_url", "Where owners come back to, as it is registered with the provider.")
                .otherwise("where `integrations connect` listens"),
            revoke_url: Key::new("revoke_url", "Where `integrations disconnect --revoke` says that one is not wanted.")
                .otherwise("that of a built-in provider, else none"),
            auth: Key::new("auth", "How the client says who it is: in the form, or by HTTP Basic.")
                .otherwise("that of a built-in provider, else `\"body\"`"),
            single_use: Key::new("single_use", "Whether a refresh token is dead as soon as it was used.")
                .otherwise("that of a built-in provider, else `false`"),
            api_url: Key::new("api_url", "Where its calendars and meetings are.")
                .otherwise("that of a built-in provider, else none"),
        }
    }

    fn remember(&self, section: &mut Section<'_>) {
        section.remember(&self.name);
        section.remember(&self.client_id);
        section.remember(&self.client_secret);
        section.remember(&self.client_secret_file);
        section.remember(&self.token_url);
        section.remember(&self.auth_url);
        section.remember(&self.redirect_url);
        section.remember(&self.revoke_url);
        section.remember(&self.auth);
        section.remember(&self.single_use);
        section.remember(&self.api_url);
    }
}

fn require(from: &mut Section<'_>, index: usize, name: &str, sample: &str) {
    if from.origin(name).is_some() {
        return;
    }
    let place = from.place(name);
    let origin = from.raw().providers[index].clone();
    let remedy = format!("write, for example, {}", place.assignment(&origin, sample));
    from.raw().mistake(place.to_string(), origin, "is missing", "required in each [[provider]]", remedy);
}

fn refuse_two_secrets(from: &mut Section<'_>) {
    if let Some(origin) = from.origin("client_secret") {
        let key = from.place("client_secret").to_string();
        let problem = "stands beside client_secret_file";
        from.raw().mistake(key, origin, problem, "one of the two", "take one of the two out");
    }
}

fn refuse_doubles(reader: &mut Reader, all: &[Provider]) {
    let mut first = BTreeMap::new();
    for (index, provider) in all.iter().enumerate().filter(|(_, provider)| !provider.name.is_empty()) {
        let Some(other) = first.insert(&provider.name, index) else { continue };
        let from = reader.entry_of("provider", index);
        let (key, origin) = (from.place("name").to_string(), from.origin("name").unwrap_or(Origin::Default));
        let problem = format!("{} is also the name of provider[{other}]", quote(&provider.name));
        reader.raw.mistake(key, origin, problem, "each name once", "merge the two");
    }
}

/// As accounts call it.
#[derive(Clone, PartialEq, PartialOrd)]
struct Name(String);

impl Setting for Name {
    const ALLOWED: &'static str = "1 to 64 of a-z, 0-9, _, . and -; each name once";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let name = written.text()?;
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
        if name.len() > MAX_NAME || !name.bytes().all(is_good) {
            return Err(Fault::new(format!("{} is not a name for a provider", quote(name))));
        }
        let of = |known: &KnownProvider| known.name != name && known.serves.contains(&name);
        match KNOWN_PROVIDERS.iter().find(|known| of(known)) {
            Some(known) => Err(Fault::new(format!("{} is built in as {}", quote(name), known.name))
                .remedy(format!("write name = \"{}\"", known.name))),
            None => Ok(Self(name.to_owned())),
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

/// Shown as `[redacted]`.
#[derive(Clone, PartialEq, PartialOrd)]
struct Hidden(Secret);

impl Setting for Hidden {
    const ALLOWED: &'static str = "a secret";

    fn parse(written: &Value) -> Result<Self, Fault> {
        written.text().map(|text| Self(Secret::new(text)))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(REDACTED.to_owned())
    }
}

/// Tokens go over TLS, or stay on this machine.
#[derive(Clone, PartialEq, PartialOrd)]
struct TokenUrl(String);

impl Setting for TokenUrl {
    const ALLOWED: &'static str = "https://host[:port][/path], or http:// to this machine";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        let (scheme, rest) = scheme(text)?;
        if rest.contains('@') {
            return Err(Fault::new("holds a user, and would be shown with it").remedy("use client_secret_file"));
        }
        let parts = take_apart(text, rest)?;
        let [host] = parts.hosts[..] else { return Err(Fault::new("names no host, or several")) };
        let is_here = is_here(host);
        match scheme.as_str() {
            "https" => Ok(Self(text.to_owned())),
            "http" if is_here => Ok(Self(text.to_owned())),
            "http" => Err(Fault::new("would send tokens in clear to another machine").remedy("write https://")),
            _ => Err(Fault::new("has a scheme that is not https")),
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

/// `host`, with a port or without, is this machine by its spelling: a name that only begins so may lead anywhere.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    };
    name.is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[derive(Clone, PartialEq)]
struct Auth(ClientAuth);

impl PartialOrd for Auth {
    fn partial_cmp(&self, _: &Self) -> Option<std::cmp::Ordering> {
        // It has no limits.
        None
    }
}

impl Setting for Auth {
    const ALLOWED: &'static str = "\"body\" or \"basic\"";

    fn parse(written: &Value) -> Result<Self, Fault> {
        match written.text()? {
            "body" => Ok(Self(ClientAuth::Body)),
            "basic" => Ok(Self(ClientAuth::Basic)),
            other => Err(Fault::new(format!("{} is neither body nor basic", quote(other)))),
        }
    }

    fn show(&self) -> toml::Value {
        let text = match self.0 {
            ClientAuth::Body => "body",
            ClientAuth::Basic => "basic",
        };
        toml::Value::String(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError, Sources, load};

    fn of(written: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("liaison.toml");
        std::fs::write(&path, written).unwrap();
        load(&Sources { search: vec![path], ..Sources::default() }).map(|loaded| loaded.config)
    }

    #[test]
    fn a_built_in_provider_needs_only_a_client() {
        let config = of("[[provider]]\nname = \"zoom\"\nclient_id = \"z\"\nclient_secret_file = \"/run/z\"\n").unwrap();
        let [zoom] = &config.provider[..] else { panic!("one provider") };
        assert_eq!(zoom.token_url, "https://zoom.us/oauth/token");
        assert!(zoom.single_use && zoom.auth == liaison_jobs::tokens::ClientAuth::Basic);
        assert_eq!(zoom.revoke_url.as_deref(), Some("https://zoom.us/oauth/revoke"));
        assert_eq!(zoom.api_url.as_deref(), Some("https://api.zoom.us/v2"));
        assert_eq!((zoom.auth_url.as_deref(), &zoom.redirect_url), (Some("https://zoom.us/oauth/authorize"), &None));
    }

    #[test]
    fn everything_of_it_can_be_overridden_also_from_the_environment() {
        let environment = [
            ("LIAISON_PROVIDER__0__NAME", "acme"),
            ("LIAISON_PROVIDER__0__CLIENT_ID", "a"),
            ("LIAISON_PROVIDER__0__TOKEN_URL", "http://127.0.0.1:1/token"),
            ("LIAISON_PROVIDER__0__AUTH", "basic"),
            ("LIAISON_PROVIDER__0__SINGLE_USE", "true"),
            ("LIAISON_PROVIDER__0__API_URL", "http://127.0.0.1:1/v3"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let config = load(&Sources { environment, ..Sources::default() }).unwrap().config;
        let acme = &config.provider[0];
        assert_eq!(
            (acme.name.as_str(), acme.token_url.as_str(), acme.single_use),
            ("acme", "http://127.0.0.1:1/token", true)
        );
        assert_eq!(acme.api_url.as_deref(), Some("http://127.0.0.1:1/v3"));
        assert_eq!(config.queue.len(), 1, "a provider is no queue");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_remedy() {
        let entry = |rest: &str| format!("[[provider]]\nclient_id = \"a\"\n{rest}\n");
        for (written, said) in [
            (entry(""), "provider[0].name"),
            (entry("name = \"acme\""), "token_url"),
            (entry("name = \"outlook\""), "name = \"microsoft\""),
            (entry("name = \"a\"\ntoken_url = \"http://a.example/t\""), "in clear to another machine"),
            (entry("name = \"a\"\ntoken_url = \"http://localhost.a.example/t\""), "in clear to another machine"),
            (entry("name = \"a\"\ntoken_url = \"http://127.a.example/t\""), "in clear to another machine"),
            (entry("name = \"a\"\ntoken_url = \"https://u:p@a.example/t\""), "client_secret_file"),
            (entry("name = \"zoom\"\napi_url = \"http://a.example/v2\""), "in clear to another machine"),
            (entry("name = \"zoom\"\nauth = \"digest\""), "neither body nor basic"),
            (entry("name = \"zoom\"\nredirect_url = \"http://a.example/back\""), "in clear to another machine"),
            (entry("name = \"zoom\"\nclient_secret = \"s\"\nclient_secret_file = \"/s\""), "stands beside"),
            (entry("name = \"zoom\"") + &entry("name = \"zoom\""), "is also the name of provider[0]"),
            ("[provider]\nname = \"zoom\"\n".to_owned(), "write [[provider]] for one provider"),
            ("[tokens]\nskew = \"10m\"\n".to_owned(), "is not less than refresh_before"),
        ] {
            let error = of(&written).unwrap_err().to_string();
            assert!(error.contains(said), "{written}: {error}");
        }
    }
}
