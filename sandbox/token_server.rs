//! Somebody's OAuth server: it refreshes tokens in the style of one provider or another, knows which are good, and fails
//! as it is told to.
//!
//! A browser that is sent to it gets the answer of an owner who agrees at once, or does what he is told: see
//! `token_server/consent.rs`.
//!
//! It sees what a provider would see: how often each refresh token came, and with which client. What it issued it keeps
//! in memory, up to a limit; a request that breaks HTTP gets its 4xx.

mod consent;

use crate::form::{Reply, base64, form};
use crate::http::Request;
use crate::listening::Listening;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

pub use consent::Mood;

const MAX_CONNECTIONS: usize = 1024;
/// More grants than any test makes.
const MAX_GRANTS: usize = 100_000;
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Who the only client is.
pub const CLIENT_ID: &str = "client-1";
pub const CLIENT_SECRET: &str = "client-secret-of-the-sandbox";

/// What becomes of the refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// None is returned; the old one stays good. As Google.
    Kept,
    /// The same one is returned. As Webex.
    Same,
    /// A new one is returned; the old one stays good. As Microsoft.
    Renewed,
    /// A new one is returned, and the old one is dead at once. As Zoom.
    SingleUse,
}

/// What goes wrong with one request for tokens, instead of the usual.
#[derive(Clone, Debug)]
pub enum Mishap {
    /// This status, with a page of HTML.
    Page(u16),
    /// 429, with `Retry-After` in seconds.
    TooMany(u64),
    /// 401 `invalid_client`.
    InvalidClient,
    /// The tokens are issued, and the connection is closed without a word of them.
    LostAnswer,
    /// The usual, so much later.
    Slow(Duration),
}

/// A grant as its owner has it after consent.
#[derive(Clone, Debug)]
pub struct Issued {
    pub access_token: String,
    pub refresh_token: String,
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct TokenServer {
    state: Arc<Shared>,
    listening: Listening,
}

#[derive(Debug)]
struct Shared {
    style: Style,
    state: Mutex<State>,
    asked: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    /// Which grant a refresh token is of; a dead one is not in here.
    refresh: HashMap<String, usize>,
    /// The one token of each grant that is taken.
    access: HashMap<String, usize>,
    /// Refreshes of each grant.
    refreshes: Vec<usize>,
    /// Whose each grant is, if that was said.
    owners: HashMap<usize, String>,
    script: VecDeque<Mishap>,
    life: Option<u64>,
    invalid_grants: usize,
    calls: usize,
    refused_calls: usize,
    revoked: Vec<String>,
    /// What owners agreed to, until the code for it is used.
    codes: HashMap<String, consent::Code>,
    mood: Mood,
    made: usize,
}

impl TokenServer {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(style: Style) -> io::Result<Self> {
        let state = Mutex::new(State { life: Some(3600), ..State::default() });
        let state = Arc::new(Shared { style, state, asked: watch::Sender::default() });
        let shared = Arc::clone(&state);
        let serve = move |stream| serve(stream, Arc::clone(&shared));
        Ok(Self { state, listening: Listening::open(MAX_CONNECTIONS, serve).await? })
    }

    /// Where tokens are refreshed.
    #[must_use]
    pub fn token_url(&self) -> String {
        self.listening.url("/token")
    }

    /// Where owners are asked for their consent.
    #[must_use]
    pub fn auth_url(&self) -> String {
        self.listening.url("/authorize")
    }

    /// What owners do who are asked from now on.
    pub fn mood(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    #[must_use]
    pub fn revoke_url(&self) -> String {
        self.listening.url("/revoke")
    }

    /// What answers 200 to a good token and 401 to any other.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.listening.url("/api")
    }

    /// A new grant.
    #[must_use]
    pub fn issue(&self) -> Issued {
        self.state.lock().issue(None)
    }

    /// A new grant of the account `who`, for desks that trust this server.
    #[must_use]
    pub fn issue_to(&self, who: &str) -> Issued {
        self.state.lock().issue(Some(who))
    }

    pub(crate) fn register(&self) -> Register {
        Register(Arc::clone(&self.state))
    }

    /// No token for access that was issued so far is taken any more.
    pub fn expire(&self) {
        self.state.lock().access.clear();
    }

    /// No refresh token that was issued so far is good any more: every owner has taken back the consent.
    pub fn withdraw(&self) {
        self.state.lock().refresh.clear();
    }

    /// For how many seconds tokens are good from now on; none is not said.
    pub fn life(&self, seconds: Option<u64>) {
        self.state.lock().life = seconds;
    }

    /// The next requests for tokens go so, one each, in order.
    pub fn script(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        self.state.lock().script.extend(mishaps);
    }

    /// Refreshes that went well, of each grant in the order in which they were issued.
    #[must_use]
    pub fn refreshes(&self) -> Vec<usize> {
        self.state.lock().refreshes.clone()
    }

    /// Requests that came with a refresh token that is dead.
    #[must_use]
    pub fn invalid_grants(&self) -> usize {
        self.state.lock().invalid_grants
    }

    /// Calls with a good token, and those that were refused.
    #[must_use]
    pub fn calls(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.calls, state.refused_calls)
    }

    /// Tokens that somebody took back.
    #[must_use]
    pub fn revoked(&self) -> Vec<String> {
        self.state.lock().revoked.clone()
    }

    /// Wait until tokens were asked for so often; the last answer may not have been given yet.
    pub async fn asked(&self, at_least: usize) {
        let mut asked = self.state.asked.subscribe();
        // The sender is in `self`, so this cannot fail while we wait.
        let _ = asked.wait_for(|count| *count >= at_least).await;
    }

    /// How often tokens were asked for.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.state.asked.borrow()
    }

    /// Close every connection, and return when no task is left.
    pub async fn stop(self) {
        self.listening.stop().await;
    }
}

/// Where a desk looks up whose a token is.
#[derive(Clone, Debug)]
pub(crate) struct Register(Arc<Shared>);

impl Register {
    /// None: it is no good, or nobody's.
    pub(crate) fn owner(&self, token: &str) -> Option<String> {
        let state = self.0.lock();
        state.owners.get(state.access.get(token)?).cloned()
    }
}

impl State {
    fn issue(&mut self, who: Option<&str>) -> Issued {
        let grant = self.refreshes.len() % MAX_GRANTS;
        self.refreshes.push(0);
        let issued = Issued { access_token: self.name("access"), refresh_token: self.name("refresh") };
        self.refresh.insert(issued.refresh_token.clone(), grant);
        self.access.insert(issued.access_token.clone(), grant);
        if let Some(who) = who {
            self.owners.insert(grant, who.to_owned());
        }
        issued
    }

    fn name(&mut self, what: &str) -> String {
        self.made += 1;
        format!("sandbox-{what}-token-{:06}", self.made)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Shared>) {
    let request = timeout(READ_TIMEOUT, Request::read(&mut stream)).await.unwrap_or(Err(Some(408)));
    let reply = match request {
        Ok(request) => match request.path.split('?').next().unwrap_or_default() {
            "/authorize" => Some(state.authorize(&request)),
            "/token" => state.token(&request).await,
            "/revoke" => Some(state.revoke(&request)),
            _ => Some(state.call(&request)),
        },
        Err(Some(status)) => Some(Reply::json(status, "{}")),
        Err(None) => None,
    };
    let Some(reply) = reply else { return };
    // A client that hangs up early has its reasons.
    let _hung_up = stream.write_all(reply.text().as_bytes()).await;
    let _hung_up = stream.shutdown().await;
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None: the connection is closed without an answer.
    async fn token(&self, request: &Request) -> Option<Reply> {
        let mishap = self.lock().script.pop_front();
        self.asked.send_modify(|asked| *asked += 1);
        match mishap {
            None => Some(self.give(request)),
            Some(Mishap::Page(status)) => {
                let body = "<html><body>Something went wrong</body></html>".to_owned();
                Some(Reply { content: "text/html", ..Reply::json(status, body) })
            }
            Some(Mishap::TooMany(wait)) => Some(Reply { retry_after: Some(wait), ..Reply::error(429, "slow_down") }),
            Some(Mishap::InvalidClient) => Some(Reply::error(401, "invalid_client")),
            Some(Mishap::LostAnswer) => {
                self.give(request);
                None
            }
            Some(Mishap::Slow(delay)) => {
                sleep(delay).await;
                Some(self.give(request))
            }
        }
    }

    fn give(&self, request: &Request) -> Reply {
        let form = form(&request.body);
        let is_client = match request.header("authorization") {
            Some(basic) => basic == format!("Basic {}", base64(&format!("{CLIENT_ID}:{CLIENT_SECRET}"))),
            None => {
                form.get("client_id").is_some_and(|id| id == CLIENT_ID)
                    && form.get("client_secret").is_some_and(|secret| secret == CLIENT_SECRET)
            }
        };
        if !is_client {
            return Reply::error(401, "invalid_client");
        }
        match form.get("grant_type").map(String::as_str) {
            Some("refresh_token") => self.refresh(&form),
            Some("authorization_code") => self.redeem(&form),
            Some(_) | None => Reply::error(400, "unsupported_grant_type"),
        }
    }

    fn refresh(&self, form: &HashMap<String, String>) -> Reply {
        let mut state = self.lock();
        let used = form.get("refresh_token").cloned().unwrap_or_default();
        let Some(grant) = state.refresh.get(&used).copied() else {
            state.invalid_grants += 1;
            return Reply::error(400, "invalid_grant");
        };
        state.refreshes[grant] += 1;
        state.access.retain(|_, of| *of != grant);
        let access = state.name("access");
        state.access.insert(access.clone(), grant);
        let returned = match self.style {
            Style::Kept => None,
            Style::Same => Some(used),
            Style::Renewed | Style::SingleUse => {
                if self.style == Style::SingleUse {
                    state.refresh.remove(&used);
                }
                let fresh = state.name("refresh");
                state.refresh.insert(fresh.clone(), grant);
                Some(fresh)
            }
        };
        let returned = returned.map_or(String::new(), |token| format!(r#","refresh_token":"{token}""#));
        let life = state.life.map_or(String::new(), |life| format!(r#","expires_in":{life}"#));
        Reply::json(200, format!(r#"{{"access_token":"{access}","token_type":"bearer"{life}{returned}}}"#))
    }

    fn revoke(&self, request: &Request) -> Reply {
        let token = form(&request.body).remove("token").unwrap_or_default();
        let mut state = self.lock();
        state.refresh.remove(&token);
        state.access.remove(&token);
        state.revoked.push(token);
        Reply::json(200, "{}")
    }

    fn call(&self, request: &Request) -> Reply {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let mut state = self.lock();
        if token.is_some_and(|token| state.access.contains_key(token)) {
            state.calls += 1;
            return Reply::json(200, "{}");
        }
        state.refused_calls += 1;
        Reply::error(401, "invalid_token")
    }
}

#[cfg(test)]
mod tests;
