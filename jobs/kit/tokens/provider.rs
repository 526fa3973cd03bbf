//! Who gives tokens, and how each of them wants to be asked.

use std::{collections::BTreeMap, sync::Arc};

use crate::kit::Secret;

/// Where the client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form.
    Body,
    /// HTTP Basic.
    Basic,
}

/// One provider, as it is configured.
#[derive(Clone, Debug)]
pub struct Provider {
    pub name: String,
    pub token_url: String,
    /// Where owners are asked for their consent; none: accounts come with tokens.
    pub auth_url: Option<String>,
    /// None: there is nobody to tell; tokens are only forgotten.
    pub revoke_url: Option<String>,
    pub client_id: String,
    /// None: a public client.
    pub client_secret: Option<Secret>,
    pub auth: ClientAuth,
    /// A refresh token is dead as soon as it was used: an answer that is lost strands the account.
    pub single_use: bool,
}

/// What is known of a provider before anybody configures it.
#[derive(Clone, Copy, Debug)]
pub struct KnownProvider {
    pub name: &'static str,
    /// What accounts call it.
    pub serves: &'static [&'static str],
    pub token_url: &'static str,
    pub auth_url: &'static str,
    /// What it has to be asked beside the usual, so that it gives a refresh token and comes back as it should.
    pub asks: &'static [(&'static str, &'static str)],
    /// The scopes by which it says who the owner is.
    pub identity: &'static [&'static str],
    /// Scopes stand in the app that is registered there, and are not asked for.
    pub fixed_scopes: bool,
    pub revoke_url: Option<&'static str>,
    pub auth: ClientAuth,
    pub single_use: bool,
}

/// From the documentation of each.
pub const KNOWN_PROVIDERS: &[KnownProvider] = &[
    KnownProvider {
        name: "google",
        serves: &["google", "google_meet"],
        token_url: "https://oauth2.googleapis.com/token",
        auth_url: "https://accounts.google.com/o/oauth2/v2/auth",
        asks: &[("access_type", "offline"), ("prompt", "consent")],
        identity: &["openid", "email"],
        fixed_scopes: false,
        revoke_url: Some("https://oauth2.googleapis.com/revoke"),
        auth: ClientAuth::Body,
        single_use: false,
    },
    KnownProvider {
        name: "microsoft",
        serves: &["microsoft", "outlook", "microsoft_teams"],
        token_url: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        auth_url: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        asks: &[("response_mode", "query"), ("prompt", "select_account")],
        identity: &["openid", "email"],
        fixed_scopes: false,
        // The one that there is ends all sessions of the user.
        revoke_url: None,
        auth: ClientAuth::Body,
        // Its refresh tokens rotate, and the old one stays good for a while.
        single_use: false,
    },
    KnownProvider {
        name: "zoom",
        serves: &["zoom"],
        token_url: "https://zoom.us/oauth/token",
        auth_url: "https://zoom.us/oauth/authorize",
        asks: &[],
        identity: &[],
        fixed_scopes: true,
        revoke_url: Some("https://zoom.us/oauth/revoke"),
        auth: ClientAuth::Basic,
        single_use: true,
    },
    KnownProvider {
        name: "webex",
        serves: &["webex"],
        token_url: "https://webexapis.com/v1/access_token",
        auth_url: "https://webexapis.com/v1/authorize",
        asks: &[],
        identity: &[],
        fixed_scopes: false,
        revoke_url: None,
        auth: ClientAuth::Body,
        single_use: false,
    },
];

impl KnownProvider {
    /// By its own name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KNOWN_PROVIDERS.iter().find(|known| known.name == name)
    }

    /// By what accounts call it.
    fn serving(name: &str) -> Option<&'static Self> {
        KNOWN_PROVIDERS.iter().find(|known| known.serves.contains(&name))
    }
}

/// All that are configured.
#[derive(Clone, Debug, Default)]
pub struct Providers(BTreeMap<String, Arc<Provider>>);

impl Providers {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The one that refreshes accounts which call their provider so.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Arc<Provider>> {
        self.0.get(name).or_else(|| self.0.get(KnownProvider::serving(name)?.name))
    }
}

impl FromIterator<Provider> for Providers {
    fn from_iter<T: IntoIterator<Item = Provider>>(all: T) -> Self {
        Self(all.into_iter().map(|provider| (provider.name.clone(), Arc::new(provider))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str) -> Provider {
        Provider {
            name: name.to_owned(),
            token_url: "https://a.example/token".to_owned(),
            auth_url: None,
            revoke_url: None,
            client_id: "id".to_owned(),
            client_secret: Some(Secret::new("hunter2")),
            auth: ClientAuth::Body,
            single_use: false,
        }
    }

    #[test]
    fn accounts_find_their_provider_by_every_name_it_has() {
        let all: Providers = ["microsoft", "google", "acme"].map(provider).into_iter().collect();
        let of = |name: &str| all.of(name).map(|found| found.name.clone());
        assert_eq!(of("outlook"), Some("microsoft".to_owned()));
        assert_eq!(of("google_meet"), Some("google".to_owned()));
        assert_eq!(of("acme"), Some("acme".to_owned()));
        assert_eq!(of("zoom"), None, "it is known, and not configured");
        assert_eq!(of("apple"), None, "it gives no tokens");
    }

    #[test]
    fn a_client_secret_is_shown_nowhere() {
        assert!(!format!("{:?}", provider("acme")).contains("hunter2"));
    }
}
