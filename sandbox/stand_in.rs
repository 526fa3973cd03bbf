//! What stand-ins for providers of meetings have in common: whose token is good, what goes wrong with the next request,
//! and what was asked.
//!
//! A request is answered by the provider's own rules, under one lock: two that come at once are answered one after the
//! other. All is in memory; of requests as many are remembered as tests make.

use crate::http::Request;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const MAX_CONNECTIONS: usize = 1024;
const MAX_REMEMBERED: usize = 100_000;
const READ_TIMEOUT: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What goes wrong with one request, instead of the usual.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// This status, with a page of HTML; nothing is done.
    Page(u16),
    /// This status, with these headers and this JSON; nothing is done.
    Says(u16, Vec<(&'static str, String)>, Value),
    /// It is done, and the connection is closed without a word.
    LostAnswer,
    /// Nothing is done, and the connection is closed without a word.
    Dropped,
    /// It is done, and the answer comes so much later.
    Slow(Duration),
}

/// An answer of a provider.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// None: there is no body.
    pub(crate) body: Option<Value>,
}

impl Said {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn text(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let body = self.body.as_ref().map(Value::to_string);
        let about = body.as_ref().map_or(String::new(), |body| {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        });
        let status = self.status;
        format!("HTTP/1.1 {status} \r\nConnection: close\r\n{headers}{about}\r\n{}", body.unwrap_or_default())
    }
}

/// The rules of one provider.
pub(crate) trait Rules: Send + 'static {
    /// The answer to a user whose token is good.
    fn answer(&mut self, user: &str, asked: &Asked) -> Said;

    /// The answer to a token that is not.
    fn unauthorized(&self) -> Said;
}

/// A request, taken apart.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Decoded, without the first one, which is the version of the API.
    pub(crate) pieces: Vec<String>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) body: Value,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let pieces = path.split('/').skip(2).filter(|piece| !piece.is_empty());
        Self {
            method: request.method.clone(),
            pieces: pieces.map(crate::form::decode).collect(),
            query: crate::form::form(query.as_bytes()),
            body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
        }
    }

    pub(crate) fn route(&self) -> (&str, Vec<&str>) {
        (&self.method, self.pieces.iter().map(String::as_str).collect())
    }
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct StandIn<R> {
    address: SocketAddr,
    shared: Arc<Shared<R>>,
    stop: oneshot::Sender<()>,
    listening: JoinSet<()>,
}

#[derive(Debug)]
struct Shared<R> {
    state: Mutex<State<R>>,
    asked: watch::Sender<usize>,
}

#[derive(Debug)]
pub(crate) struct State<R> {
    pub(crate) rules: R,
    /// Whose a token is.
    users: HashMap<String, String>,
    /// By the method of the request that it happens to.
    troubles: HashMap<String, VecDeque<Trouble>>,
    requests: Vec<(String, String)>,
    refused: usize,
}

impl<R: Rules> StandIn<R> {
    pub(crate) async fn start(rules: R) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (users, troubles, requests) = (HashMap::new(), HashMap::new(), Vec::new());
        let state = Mutex::new(State { rules, users, troubles, requests, refused: 0 });
        let shared = Arc::new(Shared { state, asked: watch::Sender::default() });
        let (stop, stopped) = oneshot::channel();
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, Arc::clone(&shared), stopped));
        Ok(Self { address, shared, stop, listening })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.shared.lock()
    }

    pub(crate) fn allow(&self, token: &str, user: &str) {
        self.lock().users.insert(token.to_owned(), user.to_owned());
    }

    pub(crate) fn expire(&self, token: &str) {
        self.lock().users.remove(token);
    }

    pub(crate) fn trouble(&self, method: &str, troubles: impl IntoIterator<Item = Trouble>) {
        self.lock().troubles.entry(method.to_owned()).or_default().extend(troubles);
    }

    pub(crate) fn requests(&self) -> Vec<(String, String)> {
        self.lock().requests.clone()
    }

    pub(crate) fn refused(&self) -> usize {
        self.lock().refused
    }

    pub(crate) async fn asked(&self, at_least: usize) {
        let mut asked = self.shared.asked.subscribe();
        // The sender is in `self`, so this cannot fail while we wait.
        let _ = asked.wait_for(|count| *count >= at_least).await;
    }

    pub(crate) async fn stop(mut self) {
        let _already_gone = self.stop.send(());
        while self.listening.join_next().await.is_some() {}
    }
}

impl<R: Rules> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is said, and after which time; none: nothing.
    fn answer(&self, request: &Request) -> Option<(Duration, String)> {
        let mut state = self.lock();
        if state.requests.len() < MAX_REMEMBERED {
            state.requests.push((request.method.clone(), request.path.clone()));
        }
        self.asked.send_modify(|asked| *asked += 1);
        let trouble = state.troubles.get_mut(&request.method).and_then(VecDeque::pop_front);
        match trouble {
            Some(Trouble::Page(status)) => {
                let page = "<html><body>Something went wrong</body></html>";
                let length = page.len();
                let head = format!("HTTP/1.1 {status} \r\nConnection: close\r\nContent-Type: text/html\r\n");
                return Some((Duration::ZERO, format!("{head}Content-Length: {length}\r\n\r\n{page}")));
            }
            Some(Trouble::Says(status, headers, body)) => {
                return Some((Duration::ZERO, Said { status, headers, body: Some(body) }.text()));
            }
            Some(Trouble::Dropped) => return None,
            Some(Trouble::LostAnswer | Trouble::Slow(_)) | None => {}
        }
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let user = token.and_then(|token| state.users.get(token).cloned());
        let said = match user {
            Some(user) => state.rules.answer(&user, &Asked::of(request)),
            None => {
                state.refused += 1;
                state.rules.unauthorized()
            }
        };
        match trouble {
            Some(Trouble::LostAnswer) => None,
            Some(Trouble::Slow(delay)) => Some((delay, said.text())),
            _ => Some((Duration::ZERO, said.text())),
        }
    }
}

async fn listen<R: Rules>(listener: TcpListener, shared: Arc<Shared<R>>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                match accepted {
                    Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&shared)))),
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                }
            }
        }
    }
    connections.shutdown().await;
}

async fn serve<R: Rules>(mut stream: TcpStream, shared: Arc<Shared<R>>) {
    let request = timeout(READ_TIMEOUT, Request::read(&mut stream)).await.unwrap_or(Err(Some(408)));
    let answer = match request {
        Ok(request) => shared.answer(&request),
        Err(Some(status)) => Some((Duration::ZERO, Said::empty(status).text())),
        Err(None) => None,
    };
    let Some((delay, text)) = answer else { return };
    sleep(delay).await;
    // A client that hangs up early has its reasons.
    let _hung_up = stream.write_all(text.as_bytes()).await;
    let _hung_up = stream.shutdown().await;
}

/// The handles that every stand-in gives to tests, around the one that is called `stand_in`.
macro_rules! handles {
    ($name:ident) => {
        impl $name {
            /// This token is good from now on, and is that user's.
            pub fn allow(&self, token: &str, user: &str) {
                self.stand_in.allow(token, user);
            }

            /// This token is good no more.
            pub fn expire(&self, token: &str) {
                self.stand_in.expire(token);
            }

            /// So the next requests of this method go, one each, in order.
            pub fn trouble(&self, method: &str, troubles: impl IntoIterator<Item = $crate::Trouble>) {
                self.stand_in.trouble(method, troubles);
            }

            /// All requests so far: the method, and the path with its query.
            #[must_use]
            pub fn requests(&self) -> Vec<(String, String)> {
                self.stand_in.requests()
            }

            /// How many requests of this method came.
            #[must_use]
            pub fn count(&self, method: &str) -> usize {
                self.requests().iter().filter(|(asked, _)| asked == method).count()
            }

            /// Requests with a token that is not good.
            #[must_use]
            pub fn refused(&self) -> usize {
                self.stand_in.refused()
            }

            /// Wait until so many requests came; the last answer may not have been given yet.
            pub async fn asked(&self, at_least: usize) {
                self.stand_in.asked(at_least).await;
            }

            /// Close every connection, and return when no task is left.
            pub async fn stop(self) {
                self.stand_in.stop().await;
            }
        }
    };
}

pub(crate) use handles;
