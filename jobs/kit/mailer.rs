//! Mail: what it looks like, and how it gets out.
//!
//! By SMTP, or by one of two stand-ins for trying things: the console prints that a mail would go out, the file writes it
//! down. A letter is the same bytes each time, so that what is sent twice after an unknown end can be recognised.

mod address;
mod builtin;
mod dispatch;
mod letter;
mod smtp;
mod templates;
mod verdict;

use std::{
    fmt,
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use lettre::Address;

pub(crate) use address::Recipient;
pub(crate) use dispatch::{Errand, send};
pub(crate) use letter::{Content, MAX_RECIPIENTS};
pub use templates::Templates;

use address::mask;
use letter::Letter;
use smtp::{Delivery, Fault, Post};
use templates::as_html;

/// Whether mail can go to this address, or come from it: `name@host.example`, or `Name <name@host.example>`.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn judge_address(text: &str) -> Result<(), String> {
    text.parse::<Recipient>().map(drop)
}

/// How the way to the server is made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// It begins in clear, and nothing is said before it is made safe.
    StartTls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

impl Security {
    pub const ALL: [Self; 3] = [Self::StartTls, Self::Tls, Self::None];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Tls => "tls",
            Self::None => "none",
        }
    }
}

/// A mail server. Holds a password: its `Debug` does not show it.
#[derive(Clone)]
pub struct SmtpOptions {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub user: Option<String>,
    pub password: Option<String>,
    /// For connecting, and for each answer.
    pub timeout: Duration,
    /// At once.
    pub connections: usize,
    /// Who we say we are.
    pub helo: String,
    /// Whom to trust instead of those that browsers trust, in PEM.
    pub ca_pem: Option<Vec<u8>>,
}

impl fmt::Debug for SmtpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpOptions").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// How mail gets out.
#[derive(Debug, Clone)]
pub enum MailTransport {
    /// Standard output; or standard error, where standard output is for programs.
    Console {
        aside: bool,
    },
    /// One file for each letter in this folder.
    File(PathBuf),
    Smtp(SmtpOptions),
}

/// What a mailer is made of.
#[derive(Debug, Clone)]
pub struct MailerOptions {
    pub transport: MailTransport,
    pub from: String,
    /// Who is told of endpoints.
    pub operator: Option<String>,
    pub templates: Option<PathBuf>,
    /// With `{provider}`, `{organizer}` and `{integration}`.
    pub reconnect_url: Option<String>,
}

/// What of a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFault {
    /// Of `[mail]`.
    pub key: &'static str,
    pub problem: String,
    pub remedy: &'static str,
}

impl fmt::Display for MailFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mail.{}: {}; {}", self.key, self.problem, self.remedy)
    }
}

impl std::error::Error for MailFault {}

/// Sends letters.
#[derive(Debug)]
pub struct Mailer {
    way: Way,
    from: Recipient,
    operator: Option<Recipient>,
    templates: Templates,
    reconnect_url: Option<String>,
}

#[derive(Debug)]
enum Way {
    Console { aside: bool },
    File(PathBuf),
    Smtp(Box<Post>),
}

impl Mailer {
    /// Read what it needs; nobody is connected to.
    ///
    /// # Errors
    /// All that cannot be used, with the keys of `[mail]`.
    pub fn new(options: MailerOptions) -> Result<Self, Vec<MailFault>> {
        let MailerOptions { transport, from, operator, templates, reconnect_url } = options;
        let mut wrong = Vec::new();
        let address = |key: &'static str, text: &str| {
            let remedy = "write name@host.example, or Name <name@host.example>";
            text.parse::<Recipient>().map_err(|problem| MailFault { key, problem, remedy })
        };
        let from = address("from", &from).map_err(|fault| wrong.push(fault));
        let operator = operator.map(|text| address("operator", &text)).transpose().map_err(|fault| wrong.push(fault));
        let templates = Templates::read(templates.as_deref()).map_err(|problems| {
            let remedy = "mend the file, or take it out to get the text that is built in";
            wrong.extend(problems.into_iter().map(|problem| MailFault { key: "templates", problem, remedy }));
        });
        let way = match transport {
            MailTransport::Console { aside } => Ok(Way::Console { aside }),
            MailTransport::File(folder) => Ok(Way::File(folder)),
            MailTransport::Smtp(options) => {
                Post::new(options).map(|post| Way::Smtp(Box::new(post))).map_err(|fault| wrong.push(fault))
            }
        };
        match (way, from, operator, templates) {
            (Ok(way), Ok(from), Ok(operator), Ok(templates)) => {
                Ok(Self { way, from, operator, templates, reconnect_url })
            }
            (_, _, _, _) => Err(wrong),
        }
    }

    /// How mail gets out, in words.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.way {
            Way::Console { .. } => "the console".to_owned(),
            Way::File(folder) => folder.display().to_string(),
            Way::Smtp(post) => post.place(),
        }
    }

    /// Send a letter that says where it came from. Its Message-ID.
    ///
    /// # Errors
    /// Why it could not be sent, in words for an operator.
    pub async fn test(&self, address: &str, host: &str, now: DateTime<Utc>) -> Result<String, String> {
        let to: Recipient = address.parse()?;
        let text = format!(
            "Hello,\n\nthis is a test of the mail that Liaison sends from {host}. If you can read it, mail works.\n"
        );
        let content = Content { subject: "Liaison: a test".to_owned(), html: Some(as_html(&text)), text };
        let occasion = format!("test:{}:{host}", now.timestamp_micros());
        let letter = Letter { occasion, to: vec![to.clone()], reply_to: None, content, date: now };
        match self.deliver(&letter, std::slice::from_ref(to.address())).await {
            Ok(Delivery { refused, deferred, .. }) => match refused.first().or(deferred.first()) {
                Some(refusal) => Err(format!("{} refuses {}: {}", self.place(), mask(address), refusal.reason)),
                None => Ok(letter.message_id(&self.from.0)),
            },
            Err(Fault::Later(reason) | Fault::Never(reason) | Fault::Misconfigured { reason, .. }) => Err(reason),
            Err(Fault::Busy) => Err("all connections are in use".to_owned()),
        }
    }

    /// Hand a letter over for these of its recipients.
    async fn deliver(&self, letter: &Letter, to: &[Address]) -> Result<Delivery, Fault> {
        let bytes = letter.bytes(&self.from.0).map_err(Fault::Never)?;
        let all = || Delivery { accepted: to.to_vec(), ..Delivery::default() };
        match &self.way {
            Way::Console { aside } => {
                let names: Vec<&str> = to.iter().map(AsRef::as_ref).collect();
                let line = format!("📧 [MOCK EMAIL] {} to {}\n", letter.content.subject, names.join(", "));
                // A reader that went away is no failure of the mail.
                let line = line.as_bytes();
                let _ = if *aside { io::stderr().write_all(line) } else { io::stdout().write_all(line) };
                Ok(all())
            }
            Way::File(folder) => {
                let name = letter.message_id(&self.from.0);
                let name = name.trim_matches(['<', '>']).split('@').next().unwrap_or_default().to_owned();
                let folder = folder.clone();
                let written = tokio::task::spawn_blocking(move || write(&folder, &name, &bytes)).await;
                match written {
                    Ok(Ok(())) => Ok(all()),
                    Ok(Err(fault)) => Err(Fault::Later(format!("cannot write into {}: {fault}", self.place()))),
                    Err(_) => Err(Fault::Later("the daemon stops".to_owned())),
                }
            }
            Way::Smtp(post) => post.offer(self.from.address(), to, &bytes).await,
        }
    }

    /// Who is told of endpoints, if anybody is.
    pub(crate) fn operator(&self) -> Option<&Recipient> {
        self.operator.as_ref()
    }

    pub(crate) fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Where an account is connected again, if the host has told us.
    pub(crate) fn reconnect_url(&self, provider: &str, organizer: &str, integration: &str) -> Option<String> {
        let fields = [("{provider}", provider), ("{organizer}", organizer), ("{integration}", integration)];
        let url = self.reconnect_url.clone()?;
        Some(fields.iter().fold(url, |url, (field, value)| url.replace(field, &percent_encoded(value))))
    }
}

/// As it may stand in any part of a URL.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Whole or not at all; the same letter again takes the place of the first.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (part, whole) = (folder.join(format!(".{name}.part")), folder.join(format!("{name}.eml")));
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, &whole)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(transport: MailTransport) -> MailerOptions {
        MailerOptions {
            transport,
            from: "Liaison <liaison@example.org>".to_owned(),
            operator: None,
            templates: None,
            reconnect_url: Some("https://app.example/connect/{provider}?who={organizer}&what={integration}".to_owned()),
        }
    }

    #[test]
    fn what_is_filled_into_a_link_stays_in_its_place() {
        let mailer = Mailer::new(options(MailTransport::Console { aside: false })).unwrap();
        let url = mailer.reconnect_url("google", "a&b=c/../", "é #1").unwrap();
        assert_eq!(url, "https://app.example/connect/google?who=a%26b%3Dc%2F..%2F&what=%C3%A9%20%231");
    }

    #[test]
    fn all_that_cannot_be_used_is_told_at_once() {
        let wrong = MailerOptions {
            from: "nobody".to_owned(),
            operator: Some("a@b\nc".to_owned()),
            templates: Some("/nowhere".into()),
            ..options(MailTransport::Console { aside: false })
        };
        let keys: Vec<&str> = Mailer::new(wrong).unwrap_err().iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["from", "operator", "templates"]);
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let smtp = SmtpOptions {
            host: "h".to_owned(),
            port: 587,
            security: Security::StartTls,
            user: Some("me".to_owned()),
            password: Some("hunter2".to_owned()),
            timeout: Duration::from_secs(1),
            connections: 1,
            helo: "here".to_owned(),
            ca_pem: None,
        };
        let options = options(MailTransport::Smtp(smtp));
        let shown = format!("{options:?}{:?}", Mailer::new(options.clone()).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[tokio::test]
    async fn a_letter_that_is_written_twice_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("mail");
        let mailer = Mailer::new(options(MailTransport::File(place.clone()))).unwrap();
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        for _ in 0..2 {
            mailer.test("ann@example.org", "here", now).await.unwrap();
        }
        let names: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(fs::read_to_string(&names[0]).unwrap().contains("Subject: Liaison: a test\r\n"));
    }
}
