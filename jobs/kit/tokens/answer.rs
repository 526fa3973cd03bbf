//! What a token endpoint says: new tokens, or why there are none, in every shape that providers have for it.

use std::time::Duration;

use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse, basic::BasicTokenType};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What a description of a fault may have of a reason: more is somebody's help page.
const SHOWN: usize = 200;

/// Said of the grant: its owner has to consent anew. By the standard; Microsoft; GitHub; Slack.
const DEAD: &[&str] = &[
    "invalid_grant",
    "interaction_required",
    "consent_required",
    "login_required",
    "bad_refresh_token",
    "invalid_refresh_token",
    "token_expired",
    "token_revoked",
];
/// Said of us: the operator has to correct what is configured.
const OURS: &[&str] = &[
    "invalid_client",
    "unauthorized_client",
    "invalid_request",
    "invalid_scope",
    "unsupported_grant_type",
    "incorrect_client_credentials",
    "invalid_client_id",
    "bad_client_secret",
];

/// New tokens. Only what we use is read; the type is always that of a bearer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenAnswer {
    access_token: AccessToken,
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    /// A list with spaces, or with commas, as it was given.
    #[serde(default)]
    pub(super) scope: Option<String>,
    /// Who the owner is, for whom asked with `openid`.
    #[serde(default)]
    pub(super) id_token: Option<AccessToken>,
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

/// A number, or a string with one; whatever else it is says nothing.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(whole)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

impl TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        // An empty one is none: it would put out the one that we have.
        self.refresh_token.as_ref().filter(|token| !token.secret().is_empty())
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

/// Why there are no new tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The grant is dead.
    Dead { why: String },
    /// What is configured is wrong: no grant is.
    Ours { why: String },
    /// Later it may go well.
    Later { why: String, after: Option<Duration> },
}

/// Judge an answer that holds no tokens. `secrets` are what we sent: some quote it.
pub(super) fn judge(status: u16, body: &[u8], after: Option<Duration>, secrets: &[&str]) -> Refusal {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let code = parsed.as_ref().and_then(code).unwrap_or_default();
    let said = parsed.as_ref().and_then(description).unwrap_or_default();
    let why = words(status, code, said, secrets);
    let is_later = matches!(status, 408 | 425 | 429 | 500..);
    if !is_later && DEAD.contains(&code) {
        return Refusal::Dead { why };
    }
    if !is_later && OURS.contains(&code) {
        return Refusal::Ours { why };
    }
    // Webex has a shape of its own. Without a code only its own words on the refresh token count against the grant.
    let lower = said.to_lowercase();
    if code.is_empty() && matches!(status, 400 | 401) && !said.is_empty() {
        if lower.contains("client") {
            return Refusal::Ours { why };
        }
        if lower.contains("refresh token") {
            return Refusal::Dead { why };
        }
    }
    Refusal::Later { why, after }
}

fn code(answer: &Value) -> Option<&str> {
    answer.get("error")?.as_str()
}

/// By the standard, by Zoom, by Webex.
fn description(answer: &Value) -> Option<&str> {
    let webex = || answer.get("errors")?.get(0)?.get("description")?.as_str();
    let of = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    of("error_description").or_else(|| of("reason")).or_else(webex).or_else(|| of("message"))
}

fn words(status: u16, code: &str, said: &str, secrets: &[&str]) -> String {
    let mut text = format!("the token endpoint answers {status}");
    for part in [code, said].into_iter().filter(|part| !part.is_empty()) {
        text.push_str(": ");
        text.extend(part.chars().filter(|c| !c.is_control()).take(SHOWN));
    }
    if code.is_empty() && said.is_empty() {
        text.push_str(" with nothing that can be read");
    }
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text, |text, secret| text.replace(secret, "[redacted]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Refusal {
        judge(status, body.as_bytes(), None, &["r-secret"])
    }

    #[test]
    fn a_lifetime_may_be_a_number_a_string_or_nothing() {
        let life = |written: &str| {
            let text = format!(r#"{{"access_token": "a", "expires_in": {written}, "unknown": {{}}}}"#);
            serde_json::from_str::<TokenAnswer>(&text).unwrap().expires_in()
        };
        assert_eq!(life("3599"), Some(Duration::from_secs(3599)));
        assert_eq!(life("\"3599\""), Some(Duration::from_secs(3599)));
        assert_eq!(life("3599.5"), Some(Duration::from_secs(3599)));
        assert_eq!((life("null"), life("\"soon\""), life("-1")), (None, None, Some(Duration::ZERO)));
        let bare: TokenAnswer = serde_json::from_str(r#"{"access_token": "a", "refresh_token": ""}"#).unwrap();
        assert!(bare.expires_in().is_none() && bare.refresh_token().is_none());
    }

    #[test]
    fn every_provider_says_in_its_own_way_that_a_grant_is_dead() {
        for (status, body) in [
            (400, r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#),
            (400, r#"{"error":"invalid_grant","error_description":"AADSTS700082: …","error_codes":[700082]}"#),
            (400, r#"{"error":"interaction_required"}"#),
            (401, r#"{"reason":"Invalid Token!","error":"invalid_grant"}"#),
            (200, r#"{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect"}"#),
            (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
            (
                400,
                r#"{"message":"…","errors":[{"description":"The refresh token provided is expired."}],"trackingId":"R"}"#,
            ),
        ] {
            assert!(matches!(of(status, body), Refusal::Dead { .. }), "{status} {body}");
        }
    }

    #[test]
    fn what_is_the_operators_fault_kills_no_grant() {
        for (status, body) in [
            (401, r#"{"error":"invalid_client"}"#),
            (400, r#"{"reason":"Invalid client_id or client_secret","error":"invalid_client"}"#),
            (400, r#"{"error":"unauthorized_client","error_description":"AADSTS7000222"}"#),
            (200, r#"{"error":"incorrect_client_credentials"}"#),
            (401, r#"{"message":"…","errors":[{"description":"Invalid client secret."}],"trackingId":"R"}"#),
        ] {
            assert!(matches!(of(status, body), Refusal::Ours { .. }), "{status} {body}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_tried_again() {
        for (status, body) in [
            (500, r#"{"error":"invalid_grant"}"#),
            (429, r#"{"error":"invalid_client"}"#),
            (503, "<html>Bad gateway</html>"),
            (400, "<html>Bad request</html>"),
            (403, "<html>The proxy says no</html>"),
            (200, "<html>A captive portal</html>"),
            (200, ""),
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (401, r#"{"message":"The request requires a valid token.","trackingId":"R"}"#),
        ] {
            assert!(matches!(of(status, body), Refusal::Later { .. }), "{status} {body}");
        }
        let asked = judge(429, b"", Some(Duration::from_secs(7)), &[]);
        assert!(matches!(asked, Refusal::Later { after: Some(after), .. } if after.as_secs() == 7));
    }

    #[test]
    fn a_secret_that_is_quoted_back_is_not_repeated() {
        let refusal = of(400, r#"{"error":"invalid_grant","error_description":"no such token r-secret\n"}"#);
        let why = "the token endpoint answers 400: invalid_grant: no such token [redacted]".to_owned();
        assert_eq!(refusal, Refusal::Dead { why });
    }
}
