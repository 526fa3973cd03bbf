//! The consent of an account's owner: where a browser is sent, what comes back, and the code for tokens.
//!
//! Nothing is kept here: whoever asks for a consent keeps its state and its verifier until the owner is back, and sees
//! that each state is used once. A code is good once; whoever dies with it in his hands has the owner asked again.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use liaison_store::Tokens;
use oauth2::{AccessToken, AuthUrl, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{
    Provider, TokenKeeper,
    answer::Refusal,
    exchange::{Given, client, give},
    provider::KnownProvider,
};
use crate::kit::{Secret, digest};

/// Twice what the standard asks for.
const STATE_BYTES: u32 = 32;
/// What of a provider's words is repeated.
const SHOWN: usize = 200;
/// Far more than any callback has.
const MAX_CALLBACK: usize = 16 * 1024;

/// What a browser is sent away with.
pub struct Consent {
    /// For the owner's browser.
    pub url: String,
    /// Comes back with the owner.
    pub state: Secret,
    /// Proves that whoever has the code is whoever asked for it.
    pub verifier: Secret,
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent").finish_non_exhaustive()
    }
}

/// What an owner came back with.
#[derive(Debug)]
pub enum Callback {
    Agreed {
        state: Secret,
        code: Secret,
    },
    /// The provider, or its owner, said no.
    Refused {
        state: Secret,
        why: String,
    },
}

/// What a consent brought.
#[derive(Debug)]
pub struct Consented {
    pub tokens: Tokens,
    /// Who the owner is there, if the provider said so.
    pub user: Option<String>,
    pub email: Option<String>,
}

/// Why a code brought no tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRedeemed {
    /// The code is not good: used, too old, or for somebody else.
    BadCode { why: String },
    /// What is configured is wrong.
    Ours { why: String },
    /// The provider does not answer as it should.
    Later { why: String },
}

impl Callback {
    /// Read a whole address, or what stands behind its `?`.
    ///
    /// # Errors
    /// What is missing, without the rest.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > MAX_CALLBACK {
            return Err(format!("it is longer than {MAX_CALLBACK} bytes"));
        }
        let query = match Url::parse(text) {
            Ok(url) => url.query().unwrap_or_default().to_owned(),
            Err(_) => {
                text.split_once('?').map_or(text, |(_, query)| query).split('#').next().unwrap_or_default().to_owned()
            }
        };
        let of = |name: &str| {
            let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        let state = Secret::new(of("state").ok_or("there is no state in it")?);
        if let Some(error) = of("error") {
            let said = of("error_description").map_or(String::new(), |said| format!(": {said}"));
            let why = format!("{error}{said}").chars().filter(|c| !c.is_control()).take(SHOWN).collect();
            return Ok(Self::Refused { state, why });
        }
        let code = Secret::new(of("code").ok_or("there is neither a code nor an error in it")?);
        Ok(Self::Agreed { state, code })
    }

    #[must_use]
    pub fn state(&self) -> &Secret {
        match self {
            Self::Agreed { state, .. } | Self::Refused { state, .. } => state,
        }
    }
}

/// By what a state is remembered: it does not tell the state.
#[must_use]
pub fn mark_of(state: &Secret) -> String {
    digest(&["oauth state", state.expose()])
}

impl TokenKeeper {
    /// Where to send the owner of an account at the provider that it calls `name`, to be back at `redirect`.
    ///
    /// # Errors
    /// What has to be configured.
    pub fn ask_consent(&self, name: &str, scopes: &[String], redirect: &str) -> Result<Consent, String> {
        let provider = self.tools.providers.of(name);
        let provider = provider.ok_or_else(|| format!("no [[provider]] for `{name}`; add it to liaison.toml"))?;
        let url = provider.auth_url.clone();
        let url = url.ok_or_else(|| format!("the [[provider]] `{}` has no auth_url; add it", provider.name))?;
        consent(provider, url, scopes, redirect)
    }

    /// The code of a consent for tokens. `now` is when it is asked for.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn redeem(
        &self,
        name: &str,
        (code, verifier): (&Secret, &Secret),
        redirect: &str,
        now: DateTime<Utc>,
    ) -> Result<Consented, NotRedeemed> {
        let ours = || NotRedeemed::Ours { why: format!("no [[provider]] for `{name}`") };
        let provider = self.tools.providers.of(name).ok_or_else(ours)?;
        let given = Given::Code { code, verifier, redirect };
        match give(&self.tools.outbound, provider, &given, now).await {
            Ok((tokens, id)) => {
                let (user, email) = id.as_ref().map(owner).unwrap_or_default();
                Ok(Consented { tokens, user, email })
            }
            Err(Refusal::Dead { why }) => Err(NotRedeemed::BadCode { why }),
            Err(Refusal::Ours { why }) => Err(NotRedeemed::Ours { why }),
            Err(Refusal::Later { why, .. }) => Err(NotRedeemed::Later { why }),
        }
    }
}

fn consent(provider: &Provider, url: String, scopes: &[String], redirect: &str) -> Result<Consent, String> {
    let name = &provider.name;
    let url = AuthUrl::new(url).map_err(|fault| format!("the auth_url of {name} is none: {fault}"))?;
    let redirect = RedirectUrl::new(redirect.to_owned());
    let redirect = redirect.map_err(|fault| format!("the redirect_url of {name} is none: {fault}"))?;
    let client = client(provider).map_err(|refusal| format!("{refusal:?}"))?;
    let client = client.set_auth_uri(url).set_redirect_uri(redirect);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let known = KnownProvider::named(name);
    let mut request = client.authorize_url(|| CsrfToken::new_random_len(STATE_BYTES)).set_pkce_challenge(challenge);
    if known.is_none_or(|known| !known.fixed_scopes) {
        let identity = known.map_or(&[][..], |known| known.identity).iter().map(|scope| (*scope).to_owned());
        let all = scopes.iter().cloned().chain(identity.filter(|scope| !scopes.contains(scope)));
        request = request.add_scopes(all.map(Scope::new));
    }
    for (key, value) in known.map_or(&[][..], |known| known.asks) {
        request = request.add_extra_param(*key, *value);
    }
    let (url, state) = request.url();
    let (state, verifier) = (Secret::new(state.into_secret()), Secret::new(verifier.into_secret()));
    Ok(Consent { url: url.into(), state, verifier })
}

/// Who the owner is, by the word of the provider. It came over TLS from the provider itself, which is as good as its
/// signature (`OpenID` Connect Core 3.1.3.7).
fn owner(id: &AccessToken) -> (Option<String>, Option<String>) {
    let claims = || -> Option<Value> {
        let claims = id.secret().split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()
    };
    let claims = claims().unwrap_or_default();
    let of = |name: &str| claims[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    (of("sub"), of("email"))
}

/// Which of these scopes were not granted. `granted` is what the provider said; nothing means all that was asked for.
#[must_use]
pub fn missing_scopes(needed: &[String], tokens: &Tokens) -> Vec<String> {
    let said = tokens.scope.as_deref().unwrap_or_default();
    let granted: Vec<String> = said.split([' ', ',']).filter(|scope| !scope.is_empty()).map(plain).collect();
    let has = |scope: &String| match plain(scope).as_str() {
        // It is never named among those that were granted; the token is what it is for.
        "offline_access" => tokens.refresh_token.is_some(),
        needed => granted.is_empty() || granted.iter().any(|granted| covers(granted, needed)),
    };
    needed.iter().filter(|scope| !has(scope)).cloned().collect()
}

/// As they can be compared: some shorten their own names, and write them as they like.
fn plain(scope: impl AsRef<str>) -> String {
    let scope = scope.as_ref().to_ascii_lowercase();
    let short = scope.strip_prefix("https://graph.microsoft.com/").unwrap_or(&scope);
    short.strip_prefix("https://www.googleapis.com/auth/userinfo.").unwrap_or(short).to_owned()
}

/// `…/auth/calendar` is all of `…/auth/calendar.events`; `meeting:write:meeting` is how a newer app says `meeting:write`.
fn covers(granted: &str, needed: &str) -> bool {
    let is_part =
        |whole: &str, part: &str, joint: char| part.strip_prefix(whole).is_some_and(|rest| rest.starts_with(joint));
    granted == needed
        || (granted.starts_with("https://") && is_part(granted, needed, '.'))
        || is_part(needed, granted, ':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::tokens::{ClientAuth, KNOWN_PROVIDERS};

    fn provider(name: &str) -> Provider {
        Provider {
            name: name.to_owned(),
            token_url: "https://a.example/token".to_owned(),
            auth_url: None,
            revoke_url: None,
            client_id: "us".to_owned(),
            client_secret: Some(Secret::new("hunter2")),
            auth: ClientAuth::Body,
            single_use: false,
        }
    }

    fn asked(name: &str) -> (Consent, Vec<(String, String)>) {
        let known = KnownProvider::named(name);
        let url = known.map_or("https://a.example/auth", |known| known.auth_url).to_owned();
        let consent = consent(&provider(name), url, &["one".to_owned()], "http://127.0.0.1:1/callback").unwrap();
        let pairs = Url::parse(&consent.url).unwrap().query_pairs().into_owned().collect();
        (consent, pairs)
    }

    fn of<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
        pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn everybody_is_asked_for_a_code_with_a_state_and_a_challenge() {
        for name in KNOWN_PROVIDERS.iter().map(|known| known.name).chain(["acme"]) {
            let (consent, pairs) = asked(name);
            let of = |name: &str| of(&pairs, name);
            assert_eq!((of("response_type"), of("client_id")), (Some("code"), Some("us")), "{name}");
            assert_eq!(of("redirect_uri"), Some("http://127.0.0.1:1/callback"));
            assert_eq!(of("code_challenge_method"), Some("S256"));
            assert_eq!(of("state"), Some(consent.state.expose()));
            assert!(consent.state.expose().len() >= 43 && consent.verifier.expose().len() >= 43);
            assert!(!consent.url.contains(consent.verifier.expose()) && !consent.url.contains("hunter2"));
            assert!(!format!("{consent:?}").contains(consent.state.expose()));
        }
    }

    #[test]
    fn each_provider_is_asked_for_what_makes_it_give_a_refresh_token() {
        let (_, google) = asked("google");
        assert_eq!((of(&google, "access_type"), of(&google, "prompt")), (Some("offline"), Some("consent")));
        assert_eq!(of(&google, "scope"), Some("one openid email"));
        assert_eq!(of(&asked("zoom").1, "scope"), None, "its scopes are fixed in the app");
        assert_eq!(of(&asked("acme").1, "scope"), Some("one"));
    }

    #[test]
    fn what_an_owner_comes_back_with_is_read_as_a_whole_address_or_its_query() {
        for text in
            ["http://h/callback?code=c&state=s", " /callback?state=s&code=c\n", "code=c&state=s", "?code=c&state=s#_"]
        {
            let Callback::Agreed { state, code } = Callback::read(text).unwrap() else { panic!("{text}") };
            assert_eq!((state.expose(), code.expose()), ("s", "c"), "{text}");
        }
        let refused = Callback::read("http://h/?error=access_denied&error_description=No%0Away&state=s").unwrap();
        assert!(matches!(&refused, Callback::Refused { why, .. } if why == "access_denied: Noway"), "{refused:?}");
        for (text, said) in
            [("http://h/?code=hunter2", "no state"), ("state=hunter2", "neither a code"), ("", "no state")]
        {
            let wrong = Callback::read(text).unwrap_err();
            assert!(wrong.contains(said) && !wrong.contains("hunter2"), "{wrong}");
        }
    }

    #[test]
    fn scopes_are_compared_as_each_provider_writes_them() {
        let tokens = |scope: Option<&str>, refresh: bool| Tokens {
            access_token: "a".to_owned(),
            refresh_token: refresh.then(|| "r".to_owned()),
            expires_at: None,
            scope: scope.map(str::to_owned),
        };
        let missing = |needed: &[&str], scope: Option<&str>| {
            let needed: Vec<_> = needed.iter().map(|scope| (*scope).to_owned()).collect();
            missing_scopes(&needed, &tokens(scope, true))
        };
        let events = "https://www.googleapis.com/auth/calendar.events";
        assert!(missing(&[events], Some("openid https://www.googleapis.com/auth/calendar")).is_empty());
        assert!(missing(&["email"], Some("https://www.googleapis.com/auth/userinfo.email openid")).is_empty());
        assert_eq!(missing(&[events], Some("openid https://www.googleapis.com/auth/calendar.readonly")), [events]);
        let graph = ["offline_access", "Calendars.ReadWrite"];
        assert!(missing(&graph, Some("https://graph.microsoft.com/calendars.readwrite")).is_empty());
        assert_eq!(missing(&graph, Some("Calendars.Read")), ["Calendars.ReadWrite"]);
        assert_eq!(missing_scopes(&["offline_access".to_owned()], &tokens(Some("a"), false)), ["offline_access"]);
        assert!(missing(&["meeting:write"], Some("meeting:write:meeting,user:read:user")).is_empty());
        assert_eq!(missing(&["meeting:write"], Some("meeting:read")), ["meeting:write"]);
        assert!(missing(&["anything"], None).is_empty(), "who says nothing has given what was asked for");
    }

    #[test]
    fn who_the_owner_is_stands_in_the_middle_of_an_id_token() {
        let token = |claims: &str| AccessToken::new(format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims)));
        let found = owner(&token(r#"{"sub": "1", "email": "a@b.example"}"#));
        assert_eq!(found, (Some("1".to_owned()), Some("a@b.example".to_owned())));
        for odd in ["", "h.!.s", "x"] {
            assert_eq!(owner(&AccessToken::new(odd.to_owned())), (None, None));
        }
    }
}
