//! A mail server that keeps what it is sent, and has bad days by script.
//!
//! It speaks enough of SMTP for a client that means it: EHLO, AUTH PLAIN, STARTTLS if it was given a certificate, each
//! recipient judged alone, DATA with its dots. A mail counts as kept once its last dot has come, also when the answer
//! gets lost.

mod talk;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use crate::listening::Listening;

const MAX_CONNECTIONS: usize = 256;
/// Older mails are forgotten first.
const MAX_REMEMBERED: usize = 1_000;

/// How the server is set up.
#[derive(Clone, Default)]
pub struct SmtpSettings {
    /// Offered by STARTTLS, or spoken at once.
    pub tls: Option<Arc<ServerConfig>>,
    /// TLS from the first byte.
    pub at_once: bool,
    /// Who may send; anybody, if nobody is named.
    pub login: Option<(String, String)>,
}

/// What goes wrong with one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadDay {
    /// This answer to the next recipient.
    Recipient(&'static str),
    /// This answer to the next sender.
    Sender(&'static str),
    /// This answer to the next text, which is not kept.
    Text(&'static str),
    /// It hangs up when the text has begun.
    DiesInText,
    /// It keeps the mail, and hangs up in place of an answer.
    LosesTheAnswer,
    /// It takes so long for the answer to the next text.
    Slow(Duration),
}

/// A mail as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// With its headers; the dots are undone.
    pub text: String,
    /// Whether it came under TLS.
    pub secure: bool,
    pub login: Option<String>,
}

impl Mail {
    /// The first header of this name, unfolded.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.text.split_once("\r\n\r\n").unwrap_or((&self.text, ""));
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.split("\r\n").find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct SmtpSink {
    memory: Arc<Memory>,
    listening: Listening,
}

#[derive(Default)]
struct Memory {
    script: Mutex<VecDeque<BadDay>>,
    /// There is nobody of these addresses.
    nobody: Mutex<HashSet<String>>,
    /// Recipients who have knocked before, once greylisting is on.
    grey: Mutex<Option<HashSet<String>>>,
    kept: watch::Sender<VecDeque<Mail>>,
    connections: watch::Sender<usize>,
    /// Every command but texts and logins.
    heard: Mutex<VecDeque<String>>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl SmtpSink {
    /// Listen on a free port of the loopback interface, in clear, for everybody.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(SmtpSettings::default()).await
    }

    /// The same, set up otherwise.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_with(settings: SmtpSettings) -> io::Result<Self> {
        let (settings, memory) = (Arc::new(settings), Arc::new(Memory::default()));
        let shared = Arc::clone(&memory);
        let serve = move |stream| {
            shared.connections.send_modify(|count| *count += 1);
            talk::serve(stream, Arc::clone(&settings), Arc::clone(&shared))
        };
        Ok(Self { memory, listening: Listening::open(MAX_CONNECTIONS, serve).await? })
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.listening.address().port()
    }

    /// What goes wrong next, each once, in order.
    pub fn script(&self, days: impl IntoIterator<Item = BadDay>) {
        lock(&self.memory.script).extend(days);
    }

    /// From now on there is nobody of this address.
    pub fn bury(&self, address: &str) {
        lock(&self.memory.nobody).insert(address.to_owned());
    }

    /// From now on each recipient is turned away the first time.
    pub fn greylist(&self) {
        *lock(&self.memory.grey) = Some(HashSet::new());
    }

    /// All mails that were kept.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.memory.kept.borrow().iter().cloned().collect()
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.memory.connections.borrow()
    }

    /// The commands that were heard, without logins.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        lock(&self.memory.heard).iter().cloned().collect()
    }

    /// Wait until that many mails are kept, and return all of them in the order of their arrival.
    pub async fn kept(&self, at_least: usize) -> Vec<Mail> {
        let mut arrivals = self.memory.kept.subscribe();
        let kept = arrivals.wait_for(|mails| mails.len() >= at_least).await;
        kept.map_or_else(|_| Vec::new(), |mails| mails.iter().cloned().collect())
    }

    /// Close every connection, and return when no task is left.
    pub async fn stop(self) {
        self.listening.stop().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    fn hear(&self, line: &str) {
        let mut heard = lock(&self.heard);
        if heard.len() == MAX_REMEMBERED {
            heard.pop_front();
        }
        heard.push_back(line.to_owned());
    }

    /// The next bad day, if it is one of these.
    fn day(&self, is_one: impl Fn(&BadDay) -> bool) -> Option<BadDay> {
        let mut script = lock(&self.script);
        if script.front().is_some_and(is_one) { script.pop_front() } else { None }
    }

    fn judge(&self, address: &str) -> String {
        if let Some(BadDay::Recipient(answer)) = self.day(|day| matches!(day, BadDay::Recipient(_))) {
            return answer.to_owned();
        }
        if lock(&self.nobody).contains(address) {
            return format!("550 5.1.1 <{address}>: Recipient address rejected: User unknown");
        }
        if lock(&self.grey).as_mut().is_some_and(|known| known.insert(address.to_owned())) {
            return "451 4.7.1 Greylisted, please try again later".to_owned();
        }
        "250 2.1.5 ok".to_owned()
    }

    fn keep(&self, mail: Mail) {
        self.kept.send_modify(|mails| {
            if mails.len() == MAX_REMEMBERED {
                mails.pop_front();
            }
            mails.push_back(mail);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn exchange(sink: &SmtpSink, words: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", sink.port())).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _reset = stream.read_to_string(&mut answer).await;
        answer
    }

    const MAIL: &str =
        "EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\nDATA\r\n";

    #[tokio::test]
    async fn recipients_are_judged_alone_and_dots_are_undone() {
        let sink = SmtpSink::start().await.unwrap();
        sink.bury("c@x.example");
        let said = exchange(&sink, &format!("{MAIL}Subject: one\r\n two\r\n\r\n..\r\n..x\r\n.\r\nQUIT\r\n")).await;
        assert!(said.contains("550 5.1.1 <c@x.example>") && said.contains("250 2.0.0 kept"), "{said}");
        let mails = sink.kept(1).await;
        assert_eq!((mails[0].from.as_str(), &mails[0].to[..]), ("a@x.example", &["b@x.example".to_owned()][..]));
        assert_eq!(mails[0].text, "Subject: one\r\n two\r\n\r\n.\r\n.x\r\n");
        assert_eq!(mails[0].header("subject").unwrap(), "one two");
        sink.stop().await;
    }

    #[tokio::test]
    async fn bad_days_come_as_they_were_written() {
        let sink = SmtpSink::start().await.unwrap();
        sink.script([BadDay::Recipient("421 closing"), BadDay::DiesInText, BadDay::LosesTheAnswer]);
        assert!(exchange(&sink, MAIL).await.ends_with("421 closing\r\n"));
        let text = format!("{MAIL}Subject: a\r\n\r\n.\r\nQUIT\r\n");
        assert!(exchange(&sink, &text).await.ends_with("354 end with a dot\r\n"));
        assert!(sink.mails().is_empty());
        assert!(exchange(&sink, &text).await.ends_with("354 end with a dot\r\n"));
        assert_eq!(sink.kept(1).await.len(), 1);
        assert!(exchange(&sink, &text).await.contains("250 2.0.0 kept"));
        assert_eq!(sink.connections(), 4);
    }

    #[tokio::test]
    async fn who_may_not_send_does_not() {
        let login = Some(("me".to_owned(), "pw".to_owned()));
        let sink = SmtpSink::start_with(SmtpSettings { login, ..SmtpSettings::default() }).await.unwrap();
        assert!(exchange(&sink, "EHLO me\r\nMAIL FROM:<a@x>\r\nQUIT\r\n").await.contains("530 5.7.0"));
        assert!(exchange(&sink, "EHLO me\r\nAUTH PLAIN AG1lAG5v\r\nQUIT\r\n").await.contains("535 5.7.8"));
        assert!(exchange(&sink, "EHLO me\r\nAUTH PLAIN AG1lAHB3\r\nQUIT\r\n").await.contains("235 2.7.0"));
        assert!(sink.heard().iter().all(|line| !line.contains("AG1l")));
    }
}
