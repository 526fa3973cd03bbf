//! What a browser sees of the server: an owner is asked for consent, and goes back with a code; the code is good for
//! tokens once, for whoever has the verifier of the challenge.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::{CLIENT_ID, Shared};
use crate::{
    form::{Reply, form},
    http::Request,
};

/// Who the owner is, for whom asks with `openid`.
const OWNER: &str = r#"{"sub":"owner-1","email":"owner@example.com"}"#;

/// What an owner does who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Agrees,
    /// To these scopes only, whatever was asked for.
    AgreesTo(String),
    Refuses,
}

/// What a code was given for.
#[derive(Debug)]
pub(super) struct Code {
    challenge: String,
    redirect: String,
    scope: String,
}

impl Shared {
    pub(super) fn authorize(&self, request: &Request) -> Reply {
        let asked = form(request.path.split_once('?').unwrap_or_default().1.as_bytes());
        let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let (redirect, state, challenge) = (of("redirect_uri"), of("state"), of("code_challenge"));
        let is_whole = of("client_id") == CLIENT_ID
            && of("response_type") == "code"
            && of("code_challenge_method") == "S256"
            && challenge.len() == 43
            && !redirect.is_empty();
        if !is_whole {
            return Reply::error(400, "invalid_request");
        }
        let mut here = self.lock();
        let answer = match here.mood.clone() {
            Mood::Refuses => "error=access_denied&error_description=The+owner+said+no".to_owned(),
            mood => {
                let scope = if let Mood::AgreesTo(scope) = mood { scope } else { of("scope") };
                let code = here.name("code");
                here.codes.insert(code.clone(), Code { challenge, redirect: redirect.clone(), scope });
                format!("code={code}")
            }
        };
        let joint = if redirect.contains('?') { '&' } else { '?' };
        Reply { location: Some(format!("{redirect}{joint}{answer}&state={state}")), ..Reply::json(302, "") }
    }

    pub(super) fn redeem(&self, form: &HashMap<String, String>) -> Reply {
        let mut here = self.lock();
        let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        // Whoever comes with it uses it up.
        let Some(code) = here.codes.remove(of("code")) else { return Reply::error(400, "invalid_grant") };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier")));
        if code.redirect != of("redirect_uri") || code.challenge != challenge {
            return Reply::error(400, "invalid_grant");
        }
        let (issued, life) = (here.issue(None), here.life);
        let mut answer = serde_json::json!({
            "access_token": issued.access_token,
            "refresh_token": issued.refresh_token,
            "token_type": "bearer",
            "scope": code.scope,
        });
        if let Some(life) = life {
            answer["expires_in"] = life.into();
        }
        if code.scope.split(' ').any(|scope| scope == "openid") {
            let claims = URL_SAFE_NO_PAD.encode(OWNER);
            answer["id_token"] = format!("{}.{claims}.unsigned", URL_SAFE_NO_PAD.encode("{}")).into();
        }
        Reply::json(200, answer.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CLIENT_SECRET, Style, TokenServer};
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    async fn ask(server: &TokenServer, head: &str, body: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(server.listening.address()).await.unwrap();
        let text = format!("{head} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn code(server: &TokenServer) -> String {
        let query = format!(
            "client_id={CLIENT_ID}&response_type=code&redirect_uri=http%3A%2F%2Fh%2Fback&state=s&scope=openid+a\
             &code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        let answer = ask(server, &format!("GET /authorize?{query}"), "").await;
        let (_, code) = answer.split_once("Location: http://h/back?code=").unwrap_or_else(|| panic!("{answer}"));
        code.split_once("&state=s\r\n").unwrap().0.to_owned()
    }

    async fn redeem(server: &TokenServer, code: &str, verifier: &str) -> String {
        let body = format!(
            "grant_type=authorization_code&code={code}&redirect_uri=http://h/back&code_verifier={verifier}\
             &client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
        );
        ask(server, "POST /token", &body).await
    }

    #[tokio::test]
    async fn a_code_is_good_once_and_for_whoever_has_the_verifier() {
        let server = TokenServer::start(Style::Kept).await.unwrap();
        let good = code(&server).await;
        let answer = redeem(&server, &good, VERIFIER).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("id_token"), "{answer}");
        assert!(redeem(&server, &good, VERIFIER).await.contains("invalid_grant"), "a second time");
        let other = code(&server).await;
        assert!(redeem(&server, &other, "another").await.contains("invalid_grant"));
        assert!(redeem(&server, &other, VERIFIER).await.contains("invalid_grant"), "it was used up");
        server.mood(Mood::Refuses);
        let head = format!(
            "GET /authorize?client_id={CLIENT_ID}&response_type=code&redirect_uri=http://h/b?x=1&state=s\
             &code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        let refused = ask(&server, &head, "").await;
        assert!(refused.contains("Location: http://h/b?x=1&error=access_denied"), "{refused}");
    }
}
