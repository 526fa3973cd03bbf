//! The other side of a measurement: HTTP as far as one needs it, answered in this process, on connections that are kept.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What is answered to a request, head and body; none: nothing, until the client has had enough.
type Reply = dyn Fn(&str) -> Option<String> + Send + Sync;

/// It ends when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    _listening: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(reply: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Result<Self> {
        Self::start_slow(Duration::ZERO, reply).await
    }

    /// One that takes so long for each answer.
    pub(super) async fn start_slow(
        delay: Duration,
        reply: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen for the benchmark")?;
        let (address, reply, mut listening) = (listener.local_addr()?, Arc::new(reply) as Arc<Reply>, JoinSet::new());
        listening.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(stream, delay, Arc::clone(&reply)));
            }
        });
        Ok(Self { address, _listening: listening })
    }
}

/// 200, with this body.
pub(super) fn ok(body: &str) -> String {
    answer("200 OK", body)
}

pub(super) fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

async fn serve(mut stream: TcpStream, delay: Duration, reply: Arc<Reply>) {
    let _ = stream.set_nodelay(true);
    let mut bytes = Vec::new();
    loop {
        let Some(end) = whole(&bytes) else {
            match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        let answer = reply(&String::from_utf8_lossy(&bytes[..end]));
        bytes.drain(..end);
        let Some(answer) = answer else {
            while matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {}
            return;
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Where the first request ends, if it is all there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.split("content-length:").nth(1).and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok());
    let end = head + length.unwrap_or(0);
    (bytes.len() >= end).then_some(end)
}
