//! What every stand-in does first and last: it listens on a free port of the loopback interface, has each connection
//! served by a task of its own, up to a limit, and when it is stopped leaves none of them behind.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Between two tries to accept, when the system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Listens until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    /// The one that accepts; it owns those that answer.
    task: JoinSet<()>,
}

impl Listening {
    /// So many connections at once; more wait.
    pub(crate) async fn open<F>(most: usize, serve: impl Fn(TcpStream) -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(accept(listener, most, serve, stopped));
        Ok(Self { address, stop, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `path` begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Close every connection, and return when no task is left.
    pub(crate) async fn stop(mut self) {
        let _already_gone = self.stop.send(());
        while self.task.join_next().await.is_some() {}
    }
}

async fn accept<F>(
    listener: TcpListener,
    most: usize,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
    mut stopped: oneshot::Receiver<()>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < most => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream))),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }
    connections.shutdown().await;
}
