//! What the stand-ins of calendars and meetings have in common: a desk that listens, knows whose a token is, counts, and
//! fails as it is told to.
//!
//! One connection is one request. A desk keeps the last requests in memory, up to a limit; a request that breaks HTTP gets
//! its 4xx and is not counted. When it is stopped, whatever hangs is let go, and no task is left.

mod answer;

pub use self::answer::Trouble;
pub(crate) use self::answer::{Refusal, Said};
use crate::http::Request;
use crate::listening::Listening;
use crate::token_server::{Register, TokenServer};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

const MAX_CONNECTIONS: usize = 4096;
/// More than any test makes; the oldest are forgotten first.
const MAX_REMEMBERED: usize = 200_000;
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The provider behind the desk.
pub(crate) trait Api: Send + Sync {
    /// Answer a request of the account `who`.
    fn answer(&self, who: &str, request: &Request) -> Said;

    fn refuse(&self, refusal: Refusal) -> Said;
}

/// A desk that is open until it is stopped or dropped.
pub struct Desk {
    shared: Arc<Shared>,
    listening: Listening,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("address", &self.listening.address()).finish_non_exhaustive()
    }
}

struct Shared {
    api: Arc<dyn Api>,
    state: Mutex<State>,
    asked: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// Whose each token is that is taken.
    tokens: HashMap<String, String>,
    trusted: Option<Register>,
    /// By method and a part of the path; each matches once.
    script: VecDeque<(String, String, Trouble)>,
    slowness: Duration,
    max_at_once: Option<usize>,
    /// Calls that each account may still make.
    quota: Option<usize>,
    accounts: HashMap<String, Account>,
    log: VecDeque<String>,
    unauthorized: usize,
    limited: usize,
}

#[derive(Default)]
struct Account {
    at_once: usize,
    most_at_once: usize,
    since_quota: usize,
    arrivals: Vec<Instant>,
}

impl Desk {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn open(api: Arc<dyn Api>) -> io::Result<Self> {
        let shared = Arc::new(Shared { api, state: Mutex::default(), asked: watch::Sender::default() });
        let served = Arc::clone(&shared);
        let serve = move |stream| serve(stream, Arc::clone(&served));
        Ok(Self { shared, listening: Listening::open(MAX_CONNECTIONS, serve).await? })
    }

    /// `path` begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.listening.url(path)
    }

    /// Take this token, and know whose it is.
    pub fn admit(&self, token: &str, who: &str) {
        self.shared.lock().tokens.insert(token.to_owned(), who.to_owned());
    }

    /// Take the tokens that this server has issued to somebody, as long as they are good there.
    pub fn trust(&self, server: &TokenServer) {
        self.shared.lock().trusted = Some(server.register());
    }

    /// Take this token no more.
    pub fn expire(&self, token: &str) {
        self.shared.lock().tokens.remove(token);
    }

    /// Take no token any more that was taken so far.
    pub fn expire_all(&self) {
        self.shared.lock().tokens.clear();
    }

    /// Take another token of this account, and none that it had.
    pub fn rotate(&self, who: &str, token: &str) {
        let mut state = self.shared.lock();
        state.tokens.retain(|_, of| of != who);
        state.tokens.insert(token.to_owned(), who.to_owned());
    }

    /// The next requests of this method (or of any, if it is empty) with this in their path go so, one each, in order.
    pub fn script(&self, method: &str, part: &str, troubles: impl IntoIterator<Item = Trouble>) {
        let entries = troubles.into_iter().map(|trouble| (method.to_owned(), part.to_owned(), trouble));
        self.shared.lock().script.extend(entries);
    }

    /// Every answer takes so long.
    pub fn slow(&self, delay: Duration) {
        self.shared.lock().slowness = delay;
    }

    /// How many requests of one account are answered at once; more are refused.
    pub fn at_once(&self, most: Option<usize>) {
        self.shared.lock().max_at_once = most;
    }

    /// How many calls each account may make from now on; more are refused. None: as many as it likes.
    pub fn quota(&self, calls: Option<usize>) {
        let mut state = self.shared.lock();
        state.quota = calls;
        state.accounts.values_mut().for_each(|account| account.since_quota = 0);
    }

    /// All requests with a token that was taken, refused ones as well: the provider counts them too.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.lock().log.len()
    }

    /// Those of this method with this in their path.
    #[must_use]
    pub fn calls_of(&self, method: &str, part: &str) -> usize {
        let state = self.shared.lock();
        state.log.iter().filter(|line| line.starts_with(method) && line.contains(part)).count()
    }

    /// Method and path of the last requests, in order.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.shared.lock().log.iter().cloned().collect()
    }

    /// Requests that came without a token that is taken, and those that a limit refused.
    #[must_use]
    pub fn refused(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.unauthorized, state.limited)
    }

    /// The most requests of this account that were there at once.
    #[must_use]
    pub fn most_at_once(&self, who: &str) -> usize {
        self.shared.lock().accounts.get(who).map_or(0, |account| account.most_at_once)
    }

    /// The most requests of this account that arrived within any such span.
    #[must_use]
    pub fn most_within(&self, who: &str, span: Duration) -> usize {
        let state = self.shared.lock();
        let arrivals = state.accounts.get(who).map(|account| account.arrivals.as_slice()).unwrap_or_default();
        let within = |first: usize| {
            let end = arrivals[first] + span;
            arrivals[first..].iter().take_while(|at| **at < end).count()
        };
        (0..arrivals.len()).map(within).max().unwrap_or(0)
    }

    /// Wait until so many requests came; the last answer may not have been given yet.
    pub async fn asked(&self, at_least: usize) {
        let mut asked = self.shared.asked.subscribe();
        // The sender is in `self`, so this cannot fail while we wait.
        let _ = asked.wait_for(|count| *count >= at_least).await;
    }

    /// Close every connection, and return when no task is left.
    pub(crate) async fn stop(self) {
        self.listening.stop().await;
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let request = timeout(READ_TIMEOUT, Request::read(&mut stream)).await.unwrap_or(Err(Some(408)));
    let text = match request {
        Ok(request) => tokio::select! {
            text = shared.answer(&request) => text,
            () = gone(&mut stream) => None,
        },
        Err(Some(status)) => Some(Said::empty(status).text()),
        Err(None) => None,
    };
    let Some(text) = text else { return };
    // A client that hangs up early has its reasons.
    let _hung_up = stream.write_all(text.as_bytes()).await;
    let _hung_up = stream.shutdown().await;
}

/// Until the client has closed its side: nobody waits for an answer then.
async fn gone(stream: &mut TcpStream) {
    let mut more = Vec::new();
    while stream.read_buf(&mut more).await.is_ok_and(|bytes| bytes > 0) {
        more.clear();
    }
}

/// Whoever is at the desk leaves it when the answer is made, or when the client is gone.
struct Visit {
    shared: Arc<Shared>,
    who: String,
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(account) = self.shared.lock().accounts.get_mut(&self.who) {
            account.at_once -= 1;
        }
    }
}

impl State {
    fn owner(&self, token: &str) -> Option<String> {
        let trusted = || self.trusted.as_ref()?.owner(token);
        self.tokens.get(token).cloned().or_else(trusted)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None: the connection is closed without an answer.
    async fn answer(self: &Arc<Self>, request: &Request) -> Option<String> {
        let visit = self.enter(request);
        self.asked.send_modify(|asked| *asked += 1);
        let (visit, trouble, slowness) = match visit {
            Ok(entered) => entered,
            Err(refusal) => return Some(self.api.refuse(refusal).text()),
        };
        sleep(slowness).await;
        let usual = || self.api.answer(&visit.who, request).text();
        match trouble {
            None => Some(usual()),
            Some(Trouble::Status(status)) => Some(self.api.refuse(Refusal::Status(status)).text()),
            Some(Trouble::Page(status)) => Some(Said::page(status).text()),
            Some(Trouble::TooMany(after)) => {
                self.lock().limited += 1;
                Some(self.api.refuse(Refusal::TooMany { after }).text())
            }
            Some(Trouble::Unauthorized) => Some(self.api.refuse(Refusal::Unauthorized).text()),
            Some(Trouble::Hang) => std::future::pending().await,
            Some(Trouble::LostAnswer) => {
                usual();
                None
            }
            Some(Trouble::HalfAnswer) => {
                let text = usual();
                let half: String = text.chars().take(text.chars().count() - 8).collect();
                Some(half)
            }
            Some(Trouble::Slow(delay)) => {
                sleep(delay).await;
                Some(usual())
            }
        }
    }

    fn enter(self: &Arc<Self>, request: &Request) -> Result<(Visit, Option<Trouble>, Duration), Refusal> {
        // A login of user and password is a token as well: as it stands in the header.
        let token = request.header("authorization").and_then(|value| value.split_once(' ')).map(|(_, token)| token);
        let mut state = self.lock();
        let Some(who) = token.and_then(|token| state.owner(token)) else {
            state.unauthorized += 1;
            return Err(Refusal::Unauthorized);
        };
        if state.log.len() == MAX_REMEMBERED {
            state.log.pop_front();
        }
        state.log.push_back(format!("{} {}", request.method, request.path));
        let (max_at_once, quota, slowness) = (state.max_at_once, state.quota, state.slowness);
        let account = state.accounts.entry(who.clone()).or_default();
        if account.arrivals.len() < MAX_REMEMBERED {
            account.arrivals.push(Instant::now());
        }
        account.since_quota += 1;
        account.most_at_once = account.most_at_once.max(account.at_once + 1);
        let refusal = if quota.is_some_and(|quota| account.since_quota > quota) {
            Some(Refusal::TooMany { after: None })
        } else if max_at_once.is_some_and(|most| account.at_once >= most) {
            Some(Refusal::Crowded)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            state.limited += 1;
            return Err(refusal);
        }
        account.at_once += 1;
        let is_meant = |(method, part, _): &(String, String, Trouble)| {
            (method.is_empty() || *method == request.method) && request.path.contains(part.as_str())
        };
        let found = state.script.iter().position(is_meant);
        let trouble = found.and_then(|at| state.script.remove(at)).map(|(_, _, trouble)| trouble);
        drop(state);
        Ok((Visit { shared: Arc::clone(self), who }, trouble, slowness))
    }
}
