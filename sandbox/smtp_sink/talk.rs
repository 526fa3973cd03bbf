//! One conversation with the sink.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::{BadDay, Mail, Memory, SmtpSettings};

const MAX_LINE_BYTES: usize = 16 * 1024;
const MAX_MAIL_BYTES: usize = 4 * 1024 * 1024;
/// For each line of a client.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// One client. However it ends, it is the client's business.
pub(super) async fn serve(stream: TcpStream, settings: Arc<SmtpSettings>, memory: Arc<Memory>) {
    let acceptor = settings.tls.clone().map(TlsAcceptor::from);
    let (Some(acceptor), true) = (acceptor.clone(), settings.at_once) else {
        let mut talk = Talk { settings: &settings, memory: &memory, secure: false, login: None };
        let offered = acceptor.is_some();
        let Ok(Some(stream)) = talk.hold(BufReader::new(stream), true, offered).await else { return };
        if let Some(acceptor) = acceptor
            && let Ok(stream) = acceptor.accept(stream.into_inner()).await
        {
            talk.secure = true;
            let _ended = talk.hold(BufReader::new(stream), false, false).await;
        }
        return;
    };
    if let Ok(stream) = acceptor.accept(stream).await {
        let mut talk = Talk { settings: &settings, memory: &memory, secure: true, login: None };
        let _ended = talk.hold(BufReader::new(stream), true, false).await;
    }
}

struct Talk<'a> {
    settings: &'a SmtpSettings,
    memory: &'a Memory,
    secure: bool,
    login: Option<String>,
}

/// Whether the conversation goes on.
enum Next {
    On,
    Tls,
    Over,
}

type Letter = (Option<String>, Vec<String>);

impl Talk<'_> {
    /// Until the client leaves, or asks for TLS: then the stream comes back.
    async fn hold<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        mut stream: BufReader<S>,
        greet: bool,
        offers_tls: bool,
    ) -> io::Result<Option<BufReader<S>>> {
        if greet {
            say(&mut stream, "220 sink.example ESMTP").await?;
        }
        let mut letter: Letter = (None, Vec::new());
        while let Some(line) = read_line(&mut stream).await? {
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            if verb != "AUTH" {
                self.memory.hear(&line);
            }
            match self.command(&mut stream, &verb, &line, &mut letter, offers_tls).await? {
                Next::On => {}
                Next::Tls => return Ok(Some(stream)),
                Next::Over => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn command<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        verb: &str,
        line: &str,
        letter: &mut Letter,
        offers_tls: bool,
    ) -> io::Result<Next> {
        let needs_login = self.settings.login.is_some() && self.login.is_none();
        let answer = match verb {
            "EHLO" => {
                let mut lines = vec!["sink.example", "8BITMIME"];
                lines.extend(offers_tls.then_some("STARTTLS"));
                lines.extend(self.settings.login.is_some().then_some("AUTH PLAIN LOGIN"));
                let last = lines.len() - 1;
                for line in &lines[..last] {
                    say(stream, &format!("250-{line}")).await?;
                }
                format!("250 {}", lines[last])
            }
            "STARTTLS" if offers_tls => {
                say(stream, "220 go ahead").await?;
                return Ok(Next::Tls);
            }
            "AUTH" => self.log_in(stream, line).await?.to_owned(),
            "MAIL" if needs_login => "530 5.7.0 Authentication required".to_owned(),
            "MAIL" => {
                let day = self.memory.day(|day| matches!(day, BadDay::Sender(_)));
                if let Some(BadDay::Sender(answer)) = day {
                    answer.to_owned()
                } else {
                    *letter = (Some(address_of(line)), Vec::new());
                    "250 2.1.0 ok".to_owned()
                }
            }
            "RCPT" if letter.0.is_some() => {
                let answer = self.memory.judge(&address_of(line));
                if answer.starts_with("250") {
                    letter.1.push(address_of(line));
                }
                answer
            }
            "DATA" if letter.0.is_some() && !letter.1.is_empty() => return self.text(stream, letter).await,
            "RCPT" | "DATA" => "503 5.5.1 not now".to_owned(),
            "RSET" => {
                *letter = (None, Vec::new());
                "250 2.0.0 ok".to_owned()
            }
            "NOOP" => "250 2.0.0 ok".to_owned(),
            "QUIT" => {
                say(stream, "221 2.0.0 bye").await?;
                return Ok(Next::Over);
            }
            _ => "502 5.5.2 what?".to_owned(),
        };
        say(stream, &answer).await?;
        // A server that closes does.
        Ok(if answer.starts_with("421") { Next::Over } else { Next::On })
    }

    async fn text<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        letter: &mut Letter,
    ) -> io::Result<Next> {
        say(stream, "354 end with a dot").await?;
        if self.memory.day(|day| *day == BadDay::DiesInText).is_some() {
            let _begun = read_line(stream).await?;
            return Ok(Next::Over);
        }
        let mut text = String::new();
        loop {
            let Some(line) = read_line(stream).await? else { return Ok(Next::Over) };
            if line == "." {
                break;
            }
            // A dot that begins a line was doubled.
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
            if text.len() > MAX_MAIL_BYTES {
                say(stream, "552 5.3.4 too large").await?;
                return Ok(Next::Over);
            }
        }
        let (from, to) = std::mem::take(letter);
        let day = self.memory.day(|day| matches!(day, BadDay::Text(_) | BadDay::LosesTheAnswer | BadDay::Slow(_)));
        if let Some(BadDay::Text(answer)) = day {
            say(stream, answer).await?;
            return Ok(Next::On);
        }
        let mail = Mail { from: from.unwrap_or_default(), to, text, secure: self.secure, login: self.login.clone() };
        self.memory.keep(mail);
        match day {
            Some(BadDay::LosesTheAnswer) => return Ok(Next::Over),
            Some(BadDay::Slow(wait)) => sleep(wait).await,
            _ => {}
        }
        say(stream, "250 2.0.0 kept").await?;
        Ok(Next::On)
    }

    /// PLAIN with an initial response, as clients send it; LOGIN is refused, as if it were mistyped.
    async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        line: &str,
    ) -> io::Result<&'static str> {
        let Some((user, password)) = &self.settings.login else { return Ok("503 5.5.1 no login here") };
        let mut words = line.split(' ').skip(1);
        let (mechanism, given) = (words.next().unwrap_or_default(), words.next());
        if !mechanism.eq_ignore_ascii_case("PLAIN") {
            return Ok("504 5.5.4 PLAIN only");
        }
        let given = if let Some(given) = given {
            given.to_owned()
        } else {
            say(stream, "334 ").await?;
            read_line(stream).await?.unwrap_or_default()
        };
        if given == base64(format!("\0{user}\0{password}").as_bytes()) {
            self.login = Some(user.clone());
            return Ok("235 2.7.0 welcome");
        }
        Ok("535 5.7.8 Authentication credentials invalid")
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// Without its end; none at the end of the stream.
async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = timeout(READ_TIMEOUT, stream.read_until(b'\n', &mut line)).await??;
    if read == 0 || line.len() > MAX_LINE_BYTES {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn address_of(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
