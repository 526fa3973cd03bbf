//! Somebody's webhook endpoint: answers as its script says, and remembers what it was sent.
//!
//! A request that breaks HTTP or a limit gets its 4xx or 5xx, uses up no answer of the script and is not remembered.

use crate::http::{Answer, Request};
use crate::listening::Listening;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

const MAX_CONNECTIONS: usize = 256;
/// Older requests are forgotten first.
const MAX_REMEMBERED: usize = 1_000;
/// For the whole request, so that a client who sends a byte now and then holds nothing either.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// An endpoint that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct WebhookReceiver {
    memory: Arc<Memory>,
    listening: Listening,
}

#[derive(Debug, Default)]
struct Memory {
    script: Mutex<VecDeque<Answer>>,
    /// By the path, without its query.
    always: Mutex<HashMap<String, Answer>>,
    received: watch::Sender<VecDeque<Request>>,
}

impl WebhookReceiver {
    /// Listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        Self::patient_for(READ_TIMEOUT).await
    }

    async fn patient_for(patience: Duration) -> io::Result<Self> {
        let memory = Arc::new(Memory::default());
        let shared = Arc::clone(&memory);
        let serve = move |stream| serve(stream, patience, Arc::clone(&shared));
        Ok(Self { memory, listening: Listening::open(MAX_CONNECTIONS, serve).await? })
    }

    /// `path` begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.listening.url(path)
    }

    /// Answer the next requests with these, one each, in order. Beyond the script the answer is 200.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.memory.script.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
    }

    /// Answer every request for this path with this, whatever the script says; or go back to the script.
    pub fn always(&self, path: &str, answer: Option<Answer>) {
        let mut always = self.memory.always.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Some(answer) => always.insert(path.to_owned(), answer),
            None => always.remove(path),
        };
    }

    /// What is remembered now.
    #[must_use]
    pub fn remembered(&self) -> Vec<Request> {
        self.memory.received.borrow().iter().cloned().collect()
    }

    /// Wait until that many requests (1,000 at most) are remembered, and return all of them in the order of arrival.
    pub async fn received(&self, at_least: usize) -> Vec<Request> {
        let mut arrivals = self.memory.received.subscribe();
        // The sender is in `self`, so this cannot fail while we wait.
        let remembered = arrivals.wait_for(|requests| requests.len() >= at_least).await;
        remembered.map_or_else(|_| Vec::new(), |requests| requests.iter().cloned().collect())
    }

    /// Close every connection, and return when no task is left.
    pub async fn stop(self) {
        self.listening.stop().await;
    }
}

async fn serve(mut stream: TcpStream, patience: Duration, memory: Arc<Memory>) {
    let request = timeout(patience, Request::read(&mut stream)).await.unwrap_or(Err(Some(408)));
    let answer = match request {
        Ok(request) => memory.remember(request),
        Err(Some(status)) => Answer::status(status),
        Err(None) => return,
    };
    // A client that hangs up early has its reasons.
    let _hung_up = answer.send(&mut stream).await;
}

impl Memory {
    fn remember(&self, request: Request) -> Answer {
        // The answer is taken first: whoever waited for the request may change the script.
        let path = request.path.split('?').next().unwrap_or_default();
        let always = self.always.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        let next = always.or_else(|| self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front());
        self.received.send_modify(|requests| {
            if requests.len() == MAX_REMEMBERED {
                requests.pop_front();
            }
            requests.push_back(request);
        });
        next.unwrap_or_else(|| Answer::status(200))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Send these bytes, and read the answer to its end.
    async fn exchange(receiver: &WebhookReceiver, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(receiver.listening.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(receiver: &WebhookReceiver) -> String {
        exchange(receiver, b"GET / HTTP/1.1\r\n\r\n").await
    }

    #[tokio::test]
    async fn a_request_is_remembered_as_it_was_sent() {
        let receiver = WebhookReceiver::start().await.unwrap();
        let answer =
            exchange(&receiver, b"POST /a?b=c HTTP/1.1\r\nX-Sign:  abc \r\nContent-Length: 4\r\n\r\n\x00\xff{}").await;
        assert!(answer.starts_with("HTTP/1.1 200 \r\n"), "{answer}");
        let requests = receiver.received(1).await;
        assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/a?b=c"));
        assert_eq!(requests[0].header("x-SIGN"), Some("abc"));
        assert_eq!(requests[0].body, b"\x00\xff{}");
        receiver.stop().await;
    }

    #[tokio::test]
    async fn answers_follow_the_script_and_then_are_200() {
        let receiver = WebhookReceiver::start().await.unwrap();
        let busy = Answer::status(503).retry_after(Duration::from_secs(30)).after(Duration::from_millis(1));
        receiver.script([busy, Answer::dropped(), Answer::status(204).dripping(Duration::from_micros(1))]);
        let answer = get(&receiver).await;
        assert!(answer.starts_with("HTTP/1.1 503 \r\n") && answer.contains("\r\nRetry-After: 30\r\n"), "{answer}");
        assert_eq!(get(&receiver).await, "");
        assert_eq!(get(&receiver).await, "HTTP/1.1 204 \r\nConnection: close\r\n\r\n");
        assert!(get(&receiver).await.ends_with("\r\nContent-Length: 9\r\n\r\nanswered\n"));
        assert_eq!(receiver.received(4).await.len(), 4);
    }

    #[tokio::test]
    async fn a_path_may_have_an_answer_of_its_own() {
        let receiver = WebhookReceiver::start().await.unwrap();
        receiver.always("/down", Some(Answer::status(503)));
        let down = || exchange(&receiver, b"GET /down?a HTTP/1.1\r\n\r\n");
        assert!(down().await.starts_with("HTTP/1.1 503 "));
        assert!(get(&receiver).await.starts_with("HTTP/1.1 200 "));
        receiver.always("/down", None);
        assert!(down().await.starts_with("HTTP/1.1 200 "));
        assert_eq!(receiver.remembered().len(), 3);
    }

    #[tokio::test]
    async fn what_breaks_the_protocol_or_a_limit_is_refused_and_forgotten() {
        let receiver = WebhookReceiver::start().await.unwrap();
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
        for (request, status) in [
            ("hello\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n folded\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\nab", 413),
            (&long, 431),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        ] {
            let answer = exchange(&receiver, request.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.60} got {answer}");
        }
        assert_eq!(receiver.received(0).await, []);
    }

    #[tokio::test]
    async fn a_client_that_falls_silent_is_let_go() {
        let receiver = WebhookReceiver::patient_for(Duration::from_millis(10)).await.unwrap();
        let mut stream = TcpStream::connect(receiver.listening.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }

    #[tokio::test]
    async fn stopping_closes_what_is_open() {
        let receiver = WebhookReceiver::start().await.unwrap();
        let address = receiver.listening.address();
        receiver.script([Answer::status(200).after(Duration::from_hours(1))]);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        receiver.received(1).await;
        receiver.stop().await;
        let mut answer = Vec::new();
        assert!(!matches!(stream.read_to_end(&mut answer).await, Ok(1..)));
        assert!(TcpStream::connect(address).await.is_err());
    }
}
