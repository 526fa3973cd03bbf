//! The daemon's own small server: health, readiness, metrics.
//!
//! It runs on the attendant's thread, which no handler can block, and answers from the first moment to the last. What
//! is slow, huge or without end costs a place among a few, and the longest without an answer makes room for the next.

mod answers;

use std::{
    collections::VecDeque,
    fs,
    io::{Error, ErrorKind},
    net::TcpListener,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, anyhow};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{AbortHandle, JoinSet},
};
use tracing::{debug, info, warn};

pub(crate) use self::answers::{Asked, router};
use crate::config::http::{Http, Listen};

/// Connections at once; scrapers and probes are a handful.
const MAX_CONNECTIONS: usize = 64;
/// Bytes of a request's line and headers, and how many of these.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// After an error of the listener itself, such as too many open files.
const AFTER_AN_ERROR: Duration = Duration::from_millis(200);

/// A listening socket.
pub(crate) struct Door {
    way: Way,
    /// For people.
    shown: String,
    timeout: Duration,
}

enum Way {
    Port(TcpListener),
    /// Its file goes with it.
    Socket(UnixListener, PathBuf),
}

impl Door {
    /// Listen, if that is wanted. What somebody asked for is had or refused; the default may be another daemon's.
    pub(crate) fn open(http: &Http) -> Result<Option<Self>> {
        let opened = match &http.listen {
            Listen::Off => return Ok(None),
            Listen::Port(address) => TcpListener::bind(address).map(Way::Port),
            Listen::Socket(path) => bind(path).map(|socket| Way::Socket(socket, path.clone())),
        };
        match opened.and_then(Way::ready) {
            Ok((way, shown)) => {
                info!(listen = shown, "health and metrics are answered at {shown}");
                Ok(Some(Self { way, shown, timeout: http.timeout }))
            }
            Err(fault) => {
                let why = anyhow!(refusal(&http.listen, &fault));
                if http.asked {
                    return Err(why);
                }
                warn!("{why}; going on without");
                Ok(None)
            }
        }
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Answer until dropped.
    pub(crate) async fn serve(self, router: Router) {
        let timeout = self.timeout;
        let served = async {
            match &self.way {
                Way::Port(listener) => {
                    let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
                    accept(timeout, router, || async { listener.accept().await.map(|(stream, _)| stream) }).await
                }
                Way::Socket(listener, _) => {
                    let listener = tokio::net::UnixListener::from_std(listener.try_clone()?)?;
                    accept(timeout, router, || async { listener.accept().await.map(|(stream, _)| stream) }).await
                }
            }
        };
        let ended: std::io::Result<()> = served.await;
        if let Err(fault) = ended {
            warn!(error = %fault, "health and metrics cannot be answered");
        }
    }
}

impl Way {
    fn ready(self) -> std::io::Result<(Self, String)> {
        let shown = match &self {
            Self::Port(listener) => {
                listener.set_nonblocking(true)?;
                listener.local_addr()?.to_string()
            }
            Self::Socket(listener, path) => {
                listener.set_nonblocking(true)?;
                // The group is let in: a proxy or a scraper of another user.
                fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
                format!("unix:{}", path.display())
            }
        };
        Ok((self, shown))
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Self::Socket(_, path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

/// A socket file that nobody answers at was left by a process that was killed.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(fault) if fault.kind() == ErrorKind::AddrInUse => {
            match UnixStream::connect(path) {
                Err(gone) if gone.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)?,
                Ok(_) | Err(_) => return Err(fault),
            }
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

fn refusal(listen: &Listen, fault: &Error) -> String {
    let place = match listen {
        Listen::Off => "nowhere".to_owned(),
        Listen::Port(address) => address.to_string(),
        Listen::Socket(path) => format!("unix:{}", path.display()),
    };
    let remedy = match fault.kind() {
        ErrorKind::AddrInUse => "another process has it; give this daemon an address of its own",
        ErrorKind::PermissionDenied => "this user may not have it; choose another",
        ErrorKind::AddrNotAvailable => "this machine has no such address; choose another",
        ErrorKind::NotFound => "its folder is not there; make it, or choose another",
        _ => "choose another",
    };
    format!("[http] listen: cannot listen at {place} ({fault}); {remedy}, or write `listen = \"off\"`")
}

/// Take connections, each with a task of its own, and never more than a few.
async fn accept<S, F>(timeout: Duration, router: Router, next: impl Fn() -> F) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = std::io::Result<S>>,
{
    let (mut tasks, mut open): (JoinSet<()>, VecDeque<AbortHandle>) = (JoinSet::new(), VecDeque::new());
    loop {
        let stream = match next().await {
            Ok(stream) => stream,
            Err(fault) => {
                debug!(error = %fault, "a connection could not be taken");
                tokio::time::sleep(AFTER_AN_ERROR).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        open.retain(|task| !task.is_finished());
        if open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        open.push_back(tasks.spawn(converse(stream, timeout, router.clone())));
    }
}

async fn converse<S>(stream: S, timeout: Duration, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(fault) = connection.await {
        debug!(error = %fault, "a connection for health or metrics broke off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(listen: Listen, asked: bool) -> Http {
        Http { listen, asked, timeout: Duration::from_secs(1) }
    }

    #[test]
    fn what_was_asked_for_is_refused_and_a_default_is_done_without() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let listen = Listen::Port(taken.local_addr().expect("its address"));
        let fault = Door::open(&http(listen.clone(), true)).err().expect("a refusal").to_string();
        assert!(fault.starts_with("[http] listen: cannot listen at 127.0.0.1:"), "{fault}");
        assert!(fault.contains("another process has it") && fault.contains("listen = \"off\""), "{fault}");
        assert!(Door::open(&http(listen, false)).expect("no refusal").is_none());
        assert!(Door::open(&http(Listen::Off, true)).expect("no refusal").is_none());
    }

    #[test]
    fn a_socket_left_by_the_dead_is_taken_and_one_of_the_living_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("http");
        drop(UnixListener::bind(&path).expect("bind"));
        let door = Door::open(&http(Listen::Socket(path.clone()), true)).expect("taken").expect("a door");
        assert!(Door::open(&http(Listen::Socket(path.clone()), true)).is_err());
        drop(door);
        assert!(!path.exists(), "its file goes with it");
        let nowhere = Listen::Socket(folder.path().join("no/http"));
        let fault = Door::open(&http(nowhere, true)).err().expect("a refusal").to_string();
        assert!(fault.contains("its folder is not there"), "{fault}");
    }
}
