//! One account at one provider, for as long as one token holds: what all clients that speak JSON have in common.
//!
//! A session makes one call and reads one answer. What a status other than 2xx means, each client says itself, because
//! each provider has its own words for it; what is no answer at all is a `Fault::Retry`, and says that the call may have
//! had its effect.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use serde_json::{Value, error::Category};
use url::{Url, form_urlencoded};

use super::Fault;
use crate::kit::{
    Gate, Secret, http,
    outbound::{Answer, Call, CallFault, End, Outbound},
};

/// A page of 250 events with long descriptions is below 2 MiB; whoever sends more is not read on.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// A page of a large calendar takes its time; a provider that is silent for longer is away.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Of what a provider says of a fault: more is somebody's help page.
const SHOWN: usize = 200;

/// Where and as whom calls are made.
#[derive(Clone)]
pub(crate) struct Session {
    /// As in `the calendar of google`: who is meant when something goes wrong.
    pub(crate) who: &'static str,
    /// The configured one, without a slash at its end.
    base: String,
    outbound: Outbound,
    token: Secret,
    timeout: Duration,
    gate: Gate,
    pub(crate) now: DateTime<Utc>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("who", &self.who).field("base", &self.base).finish_non_exhaustive()
    }
}

/// What is asked. Pieces of the path and values of the query are given as they are: they are encoded here.
#[derive(Clone)]
pub(crate) struct Ask {
    method: Method,
    /// Below the base, encoded.
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, String)>,
    body: Option<Value>,
    /// Instead of base, path and query: a link that a provider gave, which was checked.
    link: Option<String>,
}

impl Ask {
    /// `pieces` are joined by slashes, each percent-encoded.
    pub(crate) fn new(method: Method, pieces: &[&str]) -> Self {
        let path = pieces.iter().fold(String::new(), |path, piece| path + "/" + &encoded(piece));
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None, link: None }
    }

    pub(crate) fn get(pieces: &[&str]) -> Self {
        Self::new(Method::GET, pieces)
    }

    pub(crate) fn post(pieces: &[&str], body: Value) -> Self {
        Self::new(Method::POST, pieces).body(body)
    }

    pub(crate) fn patch(pieces: &[&str], body: Value) -> Self {
        Self::new(Method::PATCH, pieces).body(body)
    }

    pub(crate) fn delete(pieces: &[&str]) -> Self {
        Self::new(Method::DELETE, pieces)
    }

    pub(crate) fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn maybe(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Only if it is still of this version.
    pub(crate) fn if_match(self, version: Option<&str>) -> Self {
        match version {
            Some(version) => self.header(IF_MATCH, version),
            None => self,
        }
    }
}

/// What came back, of any status.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
    /// What is said of a status other than 2xx, if it is JSON.
    trouble: Option<Value>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Reply {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// How long the provider asks us to wait.
    pub(crate) fn retry_after(&self, now: DateTime<Utc>) -> Option<Duration> {
        http::retry_after(&self.headers, now)
    }

    /// Of an answer other than 2xx: a text in its body, such as `/error/code`; empty if there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.trouble.as_ref().and_then(|body| body.pointer(pointer)).and_then(Value::as_str).unwrap_or_default()
    }

    /// Of an answer other than 2xx: a whole number in its body.
    pub(crate) fn number(&self, pointer: &str) -> Option<i64> {
        self.trouble.as_ref().and_then(|body| body.pointer(pointer)).and_then(Value::as_i64)
    }

    /// Whether a provider said this, and not somebody on the way to it.
    pub(crate) fn is_the_providers(&self) -> bool {
        let challenge = || self.headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let is_challenge =
            || self.status == StatusCode::UNAUTHORIZED && challenge().is_some_and(|text| text.starts_with("Bearer"));
        self.trouble.as_ref().is_some_and(Value::is_object) || is_challenge()
    }
}

impl Session {
    /// A session at `base`, which the operator wrote or which is built in.
    pub(crate) fn new(who: &'static str, base: &str, outbound: &Outbound, token: Secret, now: DateTime<Utc>) -> Self {
        let (base, outbound) = (base.trim_end_matches('/').to_owned(), outbound.clone());
        Self { who, base, outbound, token, timeout: TIMEOUT, gate: Gate::default(), now }
    }

    /// Each request passes this gate.
    pub(crate) fn behind(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    /// For each call, all of it.
    #[cfg(test)]
    pub(crate) fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Make one call; the answer is of any status.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Reply, Fault> {
        let call = self.call(ask)?;
        self.gate.pass().await?;
        let answer = self.outbound.send_trusted(call).await.map_err(|fault| self.unanswered(&fault))?;
        self.read(answer)
    }

    /// The body of a 2xx. What it says of itself is not repeated: it may be anything.
    pub(crate) fn parsed<'a, T: Deserialize<'a>>(&self, reply: &'a Reply) -> Result<T, Fault> {
        serde_json::from_slice(&reply.body).map_err(|fault| {
            let what = match fault.classify() {
                Category::Io | Category::Eof | Category::Syntax => "with a body that is no JSON".to_owned(),
                Category::Data => format!("with JSON that says something else, at byte {}", fault.column()),
            };
            self.nonsense(reply.status, &what)
        })
    }

    /// A link that the provider gave, if it leads to where the token may go.
    pub(crate) fn follow(&self, link: &str) -> Result<Ask, Fault> {
        let ours = |text: &str| Url::parse(text).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
        if ours(link).is_none() || ours(link) != ours(&self.base) {
            return Err(Fault::Retry {
                after: None,
                why: format!("{}: a link to the next page leads away from {}; it is not followed", self.who, self.base),
            });
        }
        Ok(Ask { link: Some(link.to_owned()), ..Ask::get(&[]) })
    }

    /// What is said of an answer that was understood: who, the status, and the provider's own words.
    pub(crate) fn words(&self, reply: &Reply, code: &str, said: &str) -> String {
        let mut text = format!("{} answers {}", self.who, reply.status.as_u16());
        for part in [code, said].into_iter().filter(|part| !part.is_empty()) {
            text.push_str(": ");
            text.extend(part.chars().filter(|c| !c.is_control()).take(SHOWN));
        }
        let token = self.token.expose();
        if token.is_empty() { text } else { text.replace(token, "[redacted]") }
    }

    fn call(&self, ask: Ask) -> Result<Call, Fault> {
        let refused = |what: &str| Fault::Refused { why: format!("{}: {what}", self.who) };
        let url = ask.link.unwrap_or_else(|| {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&ask.query).finish();
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{}{}{mark}{query}", self.base, ask.path)
        });
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()))
            .map_err(|_| Fault::Reconnect { why: format!("{}: the token is no text for a header", self.who) })?;
        let mut call = Call::new(ask.method, url)
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .within(self.timeout)
            .keeping(MAX_ANSWER);
        for (name, value) in ask.headers {
            let value =
                HeaderValue::from_str(&value).map_err(|_| refused(&format!("{name} is no text for a header")))?;
            call = call.header(name, value);
        }
        if let Some(body) = ask.body {
            call.body = body.to_string().into_bytes();
            call = call.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(call)
    }

    fn read(&self, answer: Answer) -> Result<Reply, Fault> {
        let Answer { status, headers, body, end, .. } = answer;
        if status.is_success() {
            match end {
                End::Whole => {}
                End::Cut => return Err(self.nonsense(status, &format!("with more than {} MiB", MAX_ANSWER >> 20))),
                End::Broken => return Err(self.nonsense(status, "and breaks off")),
                End::TimedOut => return Err(self.nonsense(status, "and does not come to an end")),
            }
            return Ok(Reply { status, headers, body, trouble: None });
        }
        // A status that says what is wrong holds without its words.
        let trouble = serde_json::from_slice(&body).ok();
        Ok(Reply { status, headers, body: Vec::new(), trouble })
    }

    fn nonsense(&self, status: StatusCode, what: &str) -> Fault {
        Fault::Retry { after: None, why: format!("{} answers {} {what}", self.who, status.as_u16()) }
    }

    fn unanswered(&self, fault: &CallFault) -> Fault {
        let why = format!("{}: {fault}", self.who);
        // The address is the operator's: what is wrong with it is his to mend.
        if fault.is_permanent() { Fault::Misconfigured { why } } else { Fault::Retry { after: None, why } }
    }
}

/// Everything but what RFC 3986 calls unreserved: ids hold slashes, signs of equality and more.
fn encoded(piece: &str) -> String {
    let mut text = String::with_capacity(piece.len());
    for byte in piece.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.extend([byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]).map(char::from));
        }
    }
    text
}

#[cfg(test)]
impl Session {
    /// One that goes nowhere. It is noon.
    pub(crate) fn of_a_test() -> Self {
        let outbound = Outbound::new(&crate::kit::outbound::OutboundSettings::default()).expect("defaults are sound");
        let now = "2027-01-12T12:00:00Z".parse().expect("a time");
        Self::new("the calendar of acme", "https://api.acme.example/v3/", &outbound, Secret::new("t-secret"), now)
    }
}

#[cfg(test)]
impl Reply {
    pub(crate) fn of_a_test(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header")));
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
            end: End::Whole,
            took: Duration::ZERO,
            address: None,
        };
        Session::of_a_test().read(answer).expect("a whole answer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::of_a_test()
    }

    fn url(ask: Ask) -> String {
        session().call(ask).unwrap().url
    }

    #[test]
    fn what_stands_in_a_path_or_a_query_cannot_leave_its_place() {
        let ask = Ask::get(&["calendars", "a/b@c=?#..", "events"]).query("q", "a&b=c d").maybe("none", None);
        assert_eq!(url(ask), "https://api.acme.example/v3/calendars/a%2Fb%40c%3D%3F%23../events?q=a%26b%3Dc+d");
        assert_eq!(url(Ask::get(&["me"])), "https://api.acme.example/v3/me");
    }

    #[test]
    fn a_link_is_followed_only_where_the_token_may_go() {
        let here = "https://api.acme.example/v3/next?$skiptoken=a%2Fb";
        assert_eq!(url(session().follow(here).unwrap()), here);
        for away in [
            "http://api.acme.example/v3/next",
            "https://api.acme.example:8443/v3/next",
            "https://api.acme.example.evil.example/",
            "https://api.acme.example@evil.example/",
            "https://evil.example/?https://api.acme.example",
            "//api.acme.example/v3",
            "/v3/next",
            "file:///etc/passwd",
            "data:text/plain,hello",
            "",
        ] {
            let fault = session().follow(away).map(drop).unwrap_err();
            assert!(matches!(&fault, Fault::Retry { why, .. } if why.contains("not followed")), "{away}: {fault}");
        }
    }

    #[test]
    fn a_token_is_neither_shown_nor_repeated() {
        let session = session();
        let reply = Reply::of_a_test(403, &[], r#"{"error": "no such token t-secret"}"#);
        let words = session.words(&reply, "", reply.text("/error"));
        assert_eq!(words, "the calendar of acme answers 403: no such token [redacted]");
        assert!(!format!("{session:?} {reply:?}").contains("t-secret"));
    }
}
