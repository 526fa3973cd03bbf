//! A refresh token, or the code of a consent, for new tokens, by the `oauth2` crate over our own way out; and telling a
//! provider that a grant has ended.

use std::{borrow::Cow, cell::RefCell};

use chrono::{DateTime, Utc};
use liaison_store::Tokens;
use oauth2::{
    AccessToken, AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, StandardRevocableToken, TokenResponse as _, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use url::form_urlencoded;

use super::{
    Provider,
    answer::{Refusal, TokenAnswer, judge},
    provider::ClientAuth,
};
use crate::kit::{
    Secret,
    http::retry_after,
    outbound::{Answer, Call, CallFault, Outbound},
    secret::basic,
};

/// An answer with tokens is a few KiB, also with an `id_token` in it.
const KEPT: usize = 256 * 1024;

pub(super) type Client = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// What came back, for whoever judges it.
type Heard = Result<Answer, CallFault>;

pub(super) fn client(provider: &Provider) -> Result<Client, Refusal> {
    let url = TokenUrl::new(provider.token_url.clone())
        .map_err(|fault| Refusal::Ours { why: format!("the token URL of {} is none: {fault}", provider.name) })?;
    let auth = match provider.auth {
        ClientAuth::Body => AuthType::RequestBody,
        ClientAuth::Basic => AuthType::BasicAuth,
    };
    let client = oauth2::Client::new(ClientId::new(provider.client_id.clone())).set_auth_type(auth).set_token_uri(url);
    Ok(match &provider.client_secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
        None => client,
    })
}

/// What is given for tokens.
pub(super) enum Given<'a> {
    Refresh(&'a Secret),
    /// The code that the owner's consent brought, what proves that we asked for it, and where it was brought to.
    Code {
        code: &'a Secret,
        verifier: &'a Secret,
        redirect: &'a str,
    },
}

impl Given<'_> {
    /// What must not be repeated.
    fn secrets(&self) -> [&str; 2] {
        match self {
            Self::Refresh(token) => [token.expose(), ""],
            Self::Code { code, verifier, .. } => [code.expose(), verifier.expose()],
        }
    }

    /// Have the crate ask by this client. None, if it cannot, or finds no tokens in the answer.
    fn ask(
        &self,
        provider: &Provider,
        by: &impl Fn(HttpRequest) -> Result<HttpResponse, CallFault>,
    ) -> Result<Option<TokenAnswer>, Refusal> {
        let client = client(provider)?;
        Ok(match self {
            Self::Refresh(token) => {
                let token = RefreshToken::new(token.expose().to_owned());
                client.exchange_refresh_token(&token).request(by).ok()
            }
            Self::Code { code, verifier, redirect } => {
                let redirect = RedirectUrl::new((*redirect).to_owned())
                    .map_err(|fault| Refusal::Ours { why: format!("the redirect URL is none: {fault}") })?;
                client
                    .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
                    .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
                    .set_redirect_uri(Cow::Owned(redirect))
                    .request(by)
                    .ok()
            }
        })
    }

    /// The request, as the crate makes it. It would also send it, but knows only what we need least of an answer.
    fn request(&self, provider: &Provider) -> Result<HttpRequest, Refusal> {
        let made = RefCell::new(None);
        let take = |request: HttpRequest| -> Result<HttpResponse, CallFault> {
            *made.borrow_mut() = Some(request);
            Err(CallFault::Refused { why: "it is sent elsewhere".to_owned() })
        };
        let _not_sent = self.ask(provider, &take)?;
        made.take().ok_or_else(|| Refusal::Ours { why: format!("no request can be made for {}", provider.name) })
    }

    /// The answer, as the crate reads it; none if there are no tokens in it.
    fn read(&self, provider: &Provider, answer: &Answer) -> Option<TokenAnswer> {
        let give = |_: HttpRequest| Ok::<_, CallFault>(response(answer));
        let read = self.ask(provider, &give).ok()?;
        read.filter(|tokens| !tokens.access_token().secret().is_empty())
    }
}

/// Ask once. `now` is when: the lifetime counts from the request, so that a slow answer makes no token live longer.
pub(super) async fn exchange(
    outbound: &Outbound,
    provider: &Provider,
    refresh_token: &str,
    now: DateTime<Utc>,
) -> Result<Tokens, Refusal> {
    give(outbound, provider, &Given::Refresh(&Secret::new(refresh_token)), now).await.map(|(tokens, _)| tokens)
}

/// The same of anything that is given for tokens; with the word of the provider on who the owner is.
pub(super) async fn give(
    outbound: &Outbound,
    provider: &Provider,
    given: &Given<'_>,
    now: DateTime<Utc>,
) -> Result<(Tokens, Option<AccessToken>), Refusal> {
    let heard = outbound.send_trusted(call(given.request(provider)?)).await;
    let tokens = heard.as_ref().ok().filter(|answer| answer.is_whole()).and_then(|heard| given.read(provider, heard));
    let Some(answer) = tokens else { return Err(refusal(provider, given, heard, now)) };
    let tokens = Tokens {
        access_token: answer.access_token().secret().clone(),
        refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
        expires_at: answer
            .expires_in()
            .and_then(|life| now.checked_add_signed(chrono::TimeDelta::from_std(life).ok()?)),
        scope: answer.scope.clone(),
    };
    Ok((tokens, answer.id_token))
}

fn refusal(provider: &Provider, given: &Given<'_>, heard: Heard, now: DateTime<Utc>) -> Refusal {
    match heard {
        Ok(answer) if answer.is_whole() => {
            let secret = provider.client_secret.as_ref().map_or("", Secret::expose);
            let after = retry_after(&answer.headers, now);
            let [one, other] = given.secrets();
            judge(answer.status.as_u16(), &answer.body, after, &[one, other, secret])
        }
        Ok(answer) => {
            let why = format!("the token endpoint answers {}, and breaks off", answer.status.as_u16());
            Refusal::Later { why, after: None }
        }
        Err(fault) if fault.is_permanent() => Refusal::Ours { why: format!("the token endpoint: {fault}") },
        Err(fault) => Refusal::Later { why: format!("the token endpoint: {fault}"), after: None },
    }
}

fn call(request: HttpRequest) -> Call {
    let (parts, body) = request.into_parts();
    let mut call = Call::post(parts.uri.to_string(), body).keeping(KEPT);
    call.headers = parts.headers;
    call
}

fn response(answer: &Answer) -> HttpResponse {
    let mut response = HttpResponse::new(answer.body.clone());
    *response.status_mut() = answer.status;
    // Some say `text/plain`, and mean JSON.
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Tell the provider that this token is not wanted any more (RFC 7009). It is a courtesy: whatever it answers, we forget
/// the token. What it said, if it was not yes.
pub(super) async fn revoke(outbound: &Outbound, provider: &Provider, url: &str, token: &str) -> Result<(), String> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token);
    let mut call = Call::post(url, Vec::new()).header(ACCEPT, HeaderValue::from_static("application/json"));
    match (provider.auth, &provider.client_secret) {
        (ClientAuth::Basic, Some(secret)) => {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let login = Secret::new(format!("{}:{}", encoded(&provider.client_id), encoded(secret.expose())));
            let value = HeaderValue::from_str(&basic(&login)).map_err(|_| "the client cannot be sent".to_owned())?;
            call = call.header(AUTHORIZATION, value);
        }
        (ClientAuth::Basic | ClientAuth::Body, secret) => {
            form.append_pair("client_id", &provider.client_id);
            if let Some(secret) = secret {
                form.append_pair("client_secret", secret.expose());
            }
        }
    }
    call = call.header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    call.body = form.finish().into_bytes();
    let answer = outbound.send_trusted(call).await.map_err(|fault| fault.to_string())?;
    if answer.status.is_success() { Ok(()) } else { Err(format!("it answers {}", answer.status.as_u16())) }
}
