//! One account at one server: a request, its answer, and what a status means.
//!
//! Redirects are followed here, by hand, with method and body, and each leads through the dialer that judges addresses.
//! The login goes to the account's own site only. A 401 is final: servers lock accounts that knock again.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION},
};
use std::time::Duration;
use url::Url;

use super::{
    super::Fault,
    place,
    xml::{self, Element, Response},
};
use crate::kit::{
    Secret, http,
    outbound::{Call, CallFault, End, Outbound},
};

/// As others follow; a server that needs more is in a circle.
const MAX_REDIRECTS: usize = 5;
/// A list of some 50,000 resources.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// A server that looks through a large calendar takes its time.
const TIMEOUT: Duration = Duration::from_mins(1);

const DEPTH: HeaderName = HeaderName::from_static("depth");
const XML: &str = "application/xml; charset=utf-8";
pub(super) const CALENDAR: &str = "text/calendar; charset=utf-8";

/// Whose calendars they are, and where.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// As its owner gave it: the address of the server, or of anything below it.
    pub(crate) server: Url,
    pub(crate) user: String,
    /// One for this application, where a server has such.
    pub(crate) password: Secret,
}

#[derive(Clone)]
pub(super) struct Dav {
    outbound: Outbound,
    account: Account,
    pub(super) now: DateTime<Utc>,
}

impl fmt::Debug for Dav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dav").field("server", &self.account.server.host_str()).finish_non_exhaustive()
    }
}

/// What is asked.
pub(super) struct Ask {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, String)>,
    body: String,
}

impl Ask {
    pub(super) fn new(method: Method, url: &Url) -> Self {
        Self { method, url: url.clone(), headers: Vec::new(), body: String::new() }
    }

    /// A question in XML, about a resource, or about it and what is in it.
    pub(super) fn xml(method: &'static str, url: &Url, depth: &'static str, body: String) -> Self {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::OPTIONS);
        Self { body, ..Self::new(method, url) }.header(DEPTH, depth).header(CONTENT_TYPE, XML)
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(self, body: String) -> Self {
        Self { body, ..self }
    }
}

/// What came back, of any status but a redirect and 401.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
    /// Who answered, after all redirects.
    pub(super) url: Url,
}

impl Reply {
    /// What a server calls the condition that was not met, if it says so.
    pub(super) fn condition(&self) -> Option<Element> {
        xml::read(&self.body, |_| {}).ok().filter(|top| top.name == "error")
    }
}

/// A whole answer to a question in XML.
pub(super) struct Answers {
    pub(super) responses: Vec<Response>,
    /// What is said beside them.
    pub(super) rest: Element,
    pub(super) url: Url,
}

impl Dav {
    pub(super) fn new(outbound: &Outbound, account: Account, now: DateTime<Utc>) -> Self {
        Self { outbound: outbound.clone(), account, now }
    }

    pub(super) fn server(&self) -> &Url {
        &self.account.server
    }

    pub(super) fn user(&self) -> &str {
        &self.account.user
    }

    /// As logs have it.
    pub(super) fn who(&self) -> String {
        format!("the calendar server {}", self.account.server.host_str().unwrap_or("without a name"))
    }

    /// One request, through its redirects.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Reply, Fault> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.outbound.send(self.call(&ask, &url)?).await.map_err(|fault| self.unanswered(&fault))?;
            if answer.status == StatusCode::UNAUTHORIZED {
                let why = format!("{} refuses the login; it wants a new password", self.who());
                return Err(Fault::Reconnect { why });
            }
            let is_moved = [301, 302, 303, 307, 308].contains(&answer.status.as_u16());
            match answer.header(&LOCATION).filter(|_| is_moved).map(|to| url.join(to)) {
                Some(Ok(to)) => url = to,
                Some(Err(_)) => return Err(self.retry("redirects to what is no URL")),
                None => {
                    let (status, headers, body, end) = (answer.status, answer.headers, answer.body, answer.end);
                    return Ok(Reply { status, headers, body, end, url });
                }
            }
        }
        Err(Fault::Misconfigured { why: format!("{} redirects more than {MAX_REDIRECTS} times", self.who()) })
    }

    /// A question in XML, and all of its answers.
    pub(super) async fn answers(&self, ask: Ask) -> Result<Answers, Fault> {
        let reply = self.ask(ask).await?;
        self.read(&reply)
    }

    pub(super) fn read(&self, reply: &Reply) -> Result<Answers, Fault> {
        if reply.status != StatusCode::MULTI_STATUS {
            let fault = self.fault(reply);
            return Err(if reply.status.is_success() {
                self.retry("answers as no calendar server does")
            } else {
                fault
            });
        }
        match reply.end {
            End::Whole => {}
            End::Cut => return Err(self.retry("answers with more than 16 MiB")),
            End::Broken => return Err(self.retry("breaks off in the middle of its answer")),
            End::TimedOut => return Err(self.retry("does not come to an end with its answer")),
        }
        let mut responses = Vec::new();
        let rest = xml::read(&reply.body, |response| responses.push(response));
        let rest = rest.map_err(|what| self.retry(&format!("answers with {what}")))?;
        Ok(Answers { responses, rest, url: reply.url.clone() })
    }

    fn call(&self, ask: &Ask, url: &Url) -> Result<Call, Fault> {
        let refused = |why: String| Fault::Refused { why };
        if !place::is_same_site(&self.account.server, url) {
            let there = url.host_str().unwrap_or("nowhere");
            let why = format!("{} leads to {there}, which is not told the login; connect that one instead", self.who());
            return Err(Fault::Misconfigured { why });
        }
        let mut call = Call::new(ask.method.clone(), url.as_str()).within(TIMEOUT).keeping(MAX_ANSWER);
        let login = Secret::new(format!("{}:{}", self.account.user, self.account.password.expose()));
        let login = Secret::new(format!("Basic {}", STANDARD.encode(login.expose())));
        let login = HeaderValue::from_str(login.expose()).map_err(|_| refused("the login is no header".to_owned()))?;
        call = call.header(AUTHORIZATION, login);
        for (name, value) in &ask.headers {
            let text = HeaderValue::from_str(value).map_err(|_| refused(format!("{name} is no text for a header")))?;
            call = call.header(name.clone(), text);
        }
        call.body = ask.body.clone().into_bytes();
        Ok(call)
    }

    fn unanswered(&self, fault: &CallFault) -> Fault {
        let why = format!("{}: {fault}", self.who());
        // A user gave the address, and has to give another one.
        if fault.is_permanent() { Fault::Refused { why } } else { Fault::Retry { after: None, why } }
    }

    pub(super) fn retry(&self, what: &str) -> Fault {
        Fault::Retry { after: None, why: format!("{} {what}", self.who()) }
    }

    /// What a status other than 2xx means.
    pub(super) fn fault(&self, reply: &Reply) -> Fault {
        let condition = reply.condition().and_then(|error| error.children.into_iter().next());
        // A word of the standard, and nobody's text.
        let known = |name: &str| name.len() < 60 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let named = condition.filter(|condition| known(&condition.name));
        let named = named.map(|condition| format!(": {}", condition.name)).unwrap_or_default();
        let why = format!("{} answers {}{named}", self.who(), reply.status.as_u16());
        let after = http::retry_after(&reply.headers, self.now);
        match reply.status.as_u16() {
            401 => Fault::Reconnect { why },
            // 421: somewhere else, which is found by looking for it again.
            404 | 410 | 421 => Fault::Gone { why },
            409 | 412 => Fault::Conflict { why },
            429 => Fault::Limited { after, why },
            503 if after.is_some() => Fault::Limited { after, why },
            // 507 is a quota, which only its owner can raise.
            507 => Fault::Refused { why },
            300..=399 | 408 | 423 | 425 | 500 | 502..=599 => Fault::Retry { after, why },
            _ => Fault::Refused { why },
        }
    }
}
