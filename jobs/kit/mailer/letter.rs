//! A message as it goes over the wire. The same letter is the same bytes, however often it is sent: its Message-ID, its
//! date and its boundary follow from what it is, so that a mailbox recognises a second copy.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::{
    Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use super::address::{Recipient, one_line};
use crate::kit::digest;

/// The longest subject, in bytes: a line of a header ends at 998.
const MAX_SUBJECT: usize = 900;
/// More than a mailing is none of ours.
pub(crate) const MAX_RECIPIENTS: usize = 50;

/// What a letter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
}

/// What is sent, to whom.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// The occasion, from which the Message-ID follows.
    pub(crate) occasion: String,
    pub(crate) to: Vec<Recipient>,
    pub(crate) reply_to: Option<Recipient>,
    pub(crate) content: Content,
    /// When it was asked for.
    pub(crate) date: DateTime<Utc>,
}

impl Content {
    /// Whether it can be sent; if not, what to change.
    pub(crate) fn judge(&self) -> Result<(), String> {
        one_line("the subject", &self.subject)?;
        if self.subject.trim().is_empty() {
            return Err("the subject is empty".to_owned());
        }
        if self.subject.len() > MAX_SUBJECT {
            return Err(format!("the subject is {} bytes long; the most is {MAX_SUBJECT}", self.subject.len()));
        }
        let parts = [("the text", Some(&self.text)), ("the html", self.html.as_ref())];
        match parts.into_iter().find(|(_, part)| part.is_some_and(|part| part.contains('\0'))) {
            Some((what, _)) => Err(format!("{what} holds a NUL, which no mail may")),
            None => Ok(()),
        }
    }
}

impl Letter {
    /// `<…@domain of the sender>`.
    pub(crate) fn message_id(&self, from: &Mailbox) -> String {
        format!("<{}@{}>", digest(&[&self.occasion]), from.email.domain())
    }

    /// The bytes.
    ///
    /// # Errors
    /// What is wrong with it, without the addresses.
    pub(crate) fn bytes(&self, from: &Mailbox) -> Result<Vec<u8>, String> {
        self.content.judge()?;
        if self.to.is_empty() || self.to.len() > MAX_RECIPIENTS {
            return Err(format!("it goes to {} addresses; 1 to {MAX_RECIPIENTS} are allowed", self.to.len()));
        }
        let mut message = Message::builder()
            .from(from.clone())
            .subject(&self.content.subject)
            .date(SystemTime::from(self.date))
            .message_id(Some(self.message_id(from)));
        for to in &self.to {
            message = message.to(to.0.clone());
        }
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.0.clone());
        }
        // Nobody's holiday notice shall answer it (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        message = message.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
        let text = self.content.text.clone();
        let built = match &self.content.html {
            Some(html) => message.multipart(
                MultiPart::alternative()
                    .boundary(self.boundary())
                    .singlepart(SinglePart::plain(text))
                    .singlepart(SinglePart::html(html.clone())),
            ),
            None => message.singlepart(SinglePart::plain(text)),
        };
        built.map(|message| message.formatted()).map_err(|fault| format!("it cannot be put together: {fault}"))
    }

    /// It follows from what it parts, so none of the parts can hold it.
    fn boundary(&self) -> String {
        let html = self.content.html.as_deref().unwrap_or_default();
        format!("=_{}", digest(&[&self.occasion, &self.content.text, html]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(subject: &str, text: &str) -> Letter {
        let html = Some(format!("<p>{text}</p>"));
        Letter {
            occasion: "a".to_owned(),
            to: vec!["Ann <ann@example.org>".parse().unwrap()],
            reply_to: None,
            content: Content { subject: subject.to_owned(), text: text.to_owned(), html },
            date: DateTime::from_timestamp(1_795_000_000, 0).unwrap(),
        }
    }

    fn from() -> Mailbox {
        "Liaison <liaison@example.org>".parse().unwrap()
    }

    fn bytes(letter: &Letter) -> String {
        String::from_utf8(letter.bytes(&from()).unwrap()).unwrap()
    }

    #[test]
    fn the_same_letter_is_the_same_bytes() {
        let text = bytes(&letter("Grüße", "one\n.\ntwo"));
        assert_eq!(text, bytes(&letter("Grüße", "one\n.\ntwo")));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for line in [
            "From: Liaison <liaison@example.org>",
            "To: Ann <ann@example.org>",
            "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Date: Wed, 18 Nov 2026 11:06:40 +0000",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} is not in\n{head}");
        }
        assert!(head.contains("Message-ID: <") && head.contains("@example.org>"), "{head}");
        assert!(head.contains("Content-Type: multipart/alternative"), "{head}");
        assert!(body.contains("text/plain; charset=utf-8") && body.contains("text/html; charset=utf-8"), "{body}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "every line ends as the protocol wants it");
        let other = Letter { occasion: "b".to_owned(), ..letter("Grüße", "one\n.\ntwo") };
        assert_ne!(letter("a", "b").message_id(&from()), other.message_id(&from()));
    }

    #[test]
    fn a_subject_that_could_forge_a_header_is_refused() {
        for subject in ["a\r\nBcc: eve@evil.example", "a\nb", "a\rb", "a\0b", "a\u{2028}b", "", "  ", &"x".repeat(901)]
        {
            assert!(letter(subject, "text").bytes(&from()).is_err(), "{subject:?}");
        }
        assert!(letter("fine", "a\0b").bytes(&from()).unwrap_err().contains("NUL"));
        let nobody = Letter { to: Vec::new(), ..letter("a", "b") };
        assert!(nobody.bytes(&from()).unwrap_err().contains("1 to 50"));
    }

    /// Whatever is asked for: it is refused, or its headers are ours alone, and its parts are two.
    #[test]
    fn no_text_gets_out_of_its_place() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let pieces = [
            "\r\n",
            "\n",
            "\r",
            "\0",
            ".",
            "\r\n.\r\n",
            "Bcc: eve@evil.example",
            ": ",
            " ",
            "=?utf-8?q?=0A?=",
            "é",
            "\t",
            "-",
            "--=_",
            "\u{2028}",
            "\u{85}",
            "\"",
            "<",
            ">",
            ",",
            "x",
            "Content-Type: text/x",
            "\u{7f}",
            "\u{1b}[31m",
            ";",
        ];
        let mut draw = |most: usize| {
            let text: Vec<&str> = (0..most)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    pieces[usize::try_from(seed % pieces.len() as u64).unwrap()]
                })
                .collect();
            text.concat()
        };
        let mut sent = 0;
        for round in 0..4_000 {
            let letter = letter(&draw(round % 5 + 1), &draw(8));
            let Ok(bytes) = letter.bytes(&from()) else { continue };
            sent += 1;
            let text = String::from_utf8(bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(": ").next().unwrap())
                .collect();
            let ours =
                ["From", "Subject", "Date", "Message-ID", "To", "Auto-Submitted", "MIME-Version", "Content-Type"];
            assert!(names.iter().all(|name| ours.contains(name)) && names.len() == ours.len(), "{head}");
            assert_eq!(body.matches(&format!("--{}\r\n", letter.boundary())).count(), 2, "{text}");
        }
        assert!(sent > 500, "only {sent} letters came through");
    }
}
