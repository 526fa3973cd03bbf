//! A collector of traces: takes deliveries over HTTP and keeps them, or behaves as badly as it is told to.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;

use crate::support::PATIENCE;

/// What it does with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Take,
    /// Take it, and say that the first span of it was of no use.
    TakeInPart,
    Answer(u16),
    /// Read it, and say nothing for as long as the other side waits.
    Hang,
    /// Read half of the head, and hang up.
    Close,
}

/// One POST.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) head: String,
    pub(crate) body: Value,
    /// What was done with it.
    pub(crate) manner: Manner,
}

#[derive(Default)]
struct Book {
    manner: Option<Manner>,
    deliveries: Vec<Delivery>,
    /// Connections that broke off or were closed unread.
    closed: usize,
}

type Shared = Arc<(Mutex<Book>, Condvar)>;

pub(crate) struct Collector {
    pub(crate) port: u16,
    book: Shared,
    gone: Arc<AtomicBool>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    /// One that speaks TLS, with the certificate and the key in these files.
    pub(crate) fn secure(certificate: &Path, key: &Path) -> Self {
        let chain = vec![CertificateDer::from_pem_file(certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        Self::listen(TcpListener::bind("127.0.0.1:0").expect("a port"), Some(Arc::new(config)))
    }

    /// At an address where there was none before.
    pub(crate) fn at(listener: TcpListener) -> Self {
        Self::listen(listener, None)
    }

    fn listen(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Self {
        let port = listener.local_addr().expect("its address").port();
        let (book, gone): (Shared, Arc<AtomicBool>) = Default::default();
        let (shared, ended) = (Arc::clone(&book), Arc::clone(&gone));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    match tls {
                        None => serve(stream, &shared),
                        Some(tls) => {
                            let tls = ServerConnection::new(tls).expect("a connection");
                            serve(StreamOwned::new(tls, stream), &shared);
                        }
                    }
                });
            }
        });
        Self { port, book, gone }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.book.0.lock().unwrap_or_else(PoisonError::into_inner).manner = Some(manner);
    }

    /// Wait until its book says so.
    fn until<T>(&self, what: &str, found: impl Fn(&Book) -> Option<T>) -> T {
        let book = self.book.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (book, _) = self
            .book
            .1
            .wait_timeout_while(book, PATIENCE, |book| found(book).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        found(&book).unwrap_or_else(|| panic!("waited for {what} among {:#?}", book.deliveries))
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.book.0.lock().unwrap_or_else(PoisonError::into_inner).deliveries.clone()
    }

    /// Wait for a delivery that was handled in this manner.
    pub(crate) fn delivery(&self, manner: Manner) -> Delivery {
        self.until("a delivery", |book| book.deliveries.iter().find(|one| one.manner == manner).cloned())
    }

    /// Wait until so many connections were closed unread.
    pub(crate) fn closes(&self, times: usize) {
        self.until("a closed connection", |book| (book.closed >= times).then_some(()));
    }

    /// All spans that it has taken.
    pub(crate) fn spans(&self) -> Vec<Value> {
        spans_of(&self.deliveries())
    }

    /// Wait for so many spans of a job; in the order in which they began.
    pub(crate) fn runs(&self, id: &str, count: usize) -> Vec<Value> {
        let mut runs = self.until(&format!("{count} spans of {id}"), |book| {
            let all = spans_of(&book.deliveries);
            let runs: Vec<_> = all.into_iter().filter(|span| attribute(span, "messaging.message.id") == id).collect();
            (runs.len() >= count).then_some(runs)
        });
        assert_eq!(runs.len(), count, "{runs:#?}");
        runs.sort_by_key(|span| span["startTimeUnixNano"].as_str().map(ToOwned::to_owned));
        runs
    }

    /// Wait for the span of this name.
    pub(crate) fn span(&self, name: &str) -> Value {
        self.until(name, |book| spans_of(&book.deliveries).into_iter().find(|span| span["name"] == name))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
        // So that it looks.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn spans_of(deliveries: &[Delivery]) -> Vec<Value> {
    let taken = deliveries.iter().filter(|one| matches!(one.manner, Manner::Take | Manner::TakeInPart));
    let spans = |one: &Delivery| {
        let spans = one.body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
        spans.unwrap_or_else(|| panic!("no spans: {one:?}")).clone()
    };
    taken.flat_map(spans).collect()
}

/// An attribute of a span or a resource; nothing if there is none.
pub(crate) fn attribute(of: &Value, name: &str) -> Value {
    let all = of["attributes"].as_array().expect("attributes");
    let value = all.iter().find(|pair| pair["key"] == name).map(|pair| pair["value"].clone()).unwrap_or_default();
    [&value["stringValue"], &value["intValue"]].into_iter().find(|value| !value.is_null()).cloned().unwrap_or_default()
}

fn serve(mut stream: impl Read + Write, shared: &Shared) {
    let manner = {
        let book = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.manner.unwrap_or(Manner::Take)
    };
    let read = (manner != Manner::Close).then(|| read(&mut stream)).flatten();
    let Some((head, body)) = read else {
        let _ = stream.read(&mut [0; 16]);
        drop(stream);
        shared.0.lock().unwrap_or_else(PoisonError::into_inner).closed += 1;
        shared.1.notify_all();
        return;
    };
    shared.0.lock().unwrap_or_else(PoisonError::into_inner).deliveries.push(Delivery { head, body, manner });
    shared.1.notify_all();
    let (status, answer) = match manner {
        Manner::Take => (200, "{}"),
        Manner::TakeInPart => (200, r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#),
        Manner::Answer(status) => (status, "{}"),
        Manner::Hang | Manner::Close => {
            // Until the other side has waited enough.
            let _ = stream.read(&mut [0; 16]);
            return;
        }
    };
    let head = format!("HTTP/1.1 {status} said\r\nContent-Type: application/json\r\nContent-Length: {}", answer.len());
    let _ = stream.write_all(format!("{head}\r\n\r\n{answer}").as_bytes());
}

/// A head and a body of JSON; nothing if the other side breaks off.
fn read(stream: &mut impl Read) -> Option<(String, Value)> {
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).expect("a body of JSON")))
}
