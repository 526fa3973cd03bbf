//! Where an owner comes back to: a server on this machine for as long as the command waits, or what somebody pastes.
//!
//! The server answers with fixed pages only, and repeats nothing of what it was asked. When the command ends, it ends.

use std::{
    io::{BufRead as _, Read as _, stdin},
    net::{IpAddr, SocketAddr, TcpListener},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

/// Far more than any callback has.
const MAX_PASTED: u64 = 64 * 1024;
/// So long a browser has for its last page.
const LAST_PAGE: Duration = Duration::from_secs(1);
/// Owners who are back and not yet heard: there is one, and whoever else knocks.
const WAITING: usize = 8;

const CONNECTED: &str = "The account is connected. You may close this page.";
const NOT_CONNECTED: &str = "The account is not connected. Whoever asked you knows why.";
const NOT_FROM_HERE: &str = "This is not what was asked for here.";

type Knock = (String, oneshot::Sender<(StatusCode, &'static str)>);

/// Who waits for the owner.
pub(super) enum Door {
    Pasted(oneshot::Receiver<Result<String>>),
    Server { knocks: mpsc::Receiver<Knock>, stop: oneshot::Sender<()>, serving: JoinSet<()> },
}

/// Somebody who is back.
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) reply: Reply,
}

/// The page that he sees at last.
pub(super) struct Reply(Option<oneshot::Sender<(StatusCode, &'static str)>>);

impl Door {
    /// On a thread of its own, which nobody waits for: a line may never come.
    pub(super) fn paste() -> Self {
        let (said, heard) = oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = stdin().lock().take(MAX_PASTED).read_line(&mut line);
            let read = read.context("read the address from standard input");
            // Whoever waited may have given up.
            let _ = said.send(read.map(|_| line));
        });
        Self::Pasted(heard)
    }

    pub(super) fn listen(address: SocketAddr) -> Result<(Self, SocketAddr)> {
        let shown = || format!("listen on {address} for the owner to come back; name another place with --listen");
        let listener = TcpListener::bind(address).with_context(shown)?;
        listener.set_nonblocking(true).with_context(shown)?;
        let bound = listener.local_addr().with_context(shown)?;
        let listener = tokio::net::TcpListener::from_std(listener).with_context(shown)?;
        let (knock, knocks) = mpsc::channel(WAITING);
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(get(answer)).with_state(knock);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let until = async move { stopped.await.unwrap_or_default() };
            // It ends when it is told to; and without it nobody comes, which the caller notices in time.
            let _ = axum::serve(listener, router).with_graceful_shutdown(until).await;
        });
        Ok((Self::Server { knocks, stop, serving }, bound))
    }

    /// The next one who is back.
    pub(super) async fn next(&mut self) -> Result<Heard> {
        match self {
            Self::Pasted(heard) => {
                let text = heard.await.map_err(|_| anyhow!("standard input was read already"))??;
                Ok(Heard { text, reply: Reply(None) })
            }
            Self::Server { knocks, .. } => {
                let (text, reply) = knocks.recv().await.ok_or_else(|| anyhow!("the server for the owner has ended"))?;
                Ok(Heard { text, reply: Reply(Some(reply)) })
            }
        }
    }

    /// Let the last page out.
    pub(super) async fn close(self) {
        if let Self::Server { stop, mut serving, .. } = self {
            let _ = stop.send(());
            let _ = tokio::time::timeout(LAST_PAGE, serving.join_next()).await;
        }
    }
}

impl Reply {
    pub(super) async fn end(self, well: bool) {
        self.send(if well { (StatusCode::OK, CONNECTED) } else { (StatusCode::OK, NOT_CONNECTED) }).await;
    }

    pub(super) async fn refuse(self) {
        self.send((StatusCode::BAD_REQUEST, NOT_FROM_HERE)).await;
    }

    async fn send(self, page: (StatusCode, &'static str)) {
        if let Some(reply) = self.0 {
            // A browser that went away does not mind.
            let _ = reply.send(page);
            tokio::task::yield_now().await;
        }
    }
}

/// Whatever the path is: a proxy before us may have its own.
async fn answer(State(knock): State<mpsc::Sender<Knock>>, uri: Uri) -> Response {
    let Some(query) = uri.query().filter(|query| query.contains("state=")) else {
        // Browsers ask for icons, too.
        return page(StatusCode::NOT_FOUND, NOT_FROM_HERE);
    };
    let (reply, replied) = oneshot::channel();
    if knock.send((format!("?{query}"), reply)).await.is_err() {
        return page(StatusCode::GONE, NOT_FROM_HERE);
    }
    let (status, text) = replied.await.unwrap_or((StatusCode::GONE, NOT_FROM_HERE));
    page(status, text)
}

fn page(status: StatusCode, text: &str) -> Response {
    let head = [("cache-control", "no-store"), ("referrer-policy", "no-referrer")];
    (status, head, Html(format!("<!doctype html><meta charset=utf-8><title>Liaison</title><p>{text}</p>")))
        .into_response()
}

/// Where on this machine an address is, if it is.
pub(super) fn loopback(url: &str) -> Option<SocketAddr> {
    let (host, _) = url.strip_prefix("http://")?.split_once('/').unwrap_or((url.strip_prefix("http://")?, ""));
    if let Some(port) = host.strip_prefix("localhost:") {
        return Some(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port.parse().ok()?));
    }
    host.parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_machine_with_a_port_is_listened_at() {
        let here = |url: &str| loopback(url).map(|address| address.to_string());
        assert_eq!(here("http://127.0.0.1:8719/callback").as_deref(), Some("127.0.0.1:8719"));
        assert_eq!(here("http://localhost:9000").as_deref(), Some("127.0.0.1:9000"));
        assert_eq!(here("http://[::1]:9000/x?y=z").as_deref(), Some("[::1]:9000"));
        for elsewhere in
            ["https://127.0.0.1:8719/", "http://10.0.0.1:80/", "http://localhost/callback", "https://a.example/"]
        {
            assert_eq!(here(elsewhere), None, "{elsewhere}");
        }
    }
}
