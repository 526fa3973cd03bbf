//! `[mail]`: how mail gets out, from whom, and in which words.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use liaison_jobs::Security;

use super::key::Key;
use super::reader::{Reader, Section};
use super::secret::Secret;

mod kinds;

pub(crate) use kinds::Transport;
use kinds::{Link, Mailbox, Password, Safety};

pub(crate) const DEFAULT_TRANSPORT: Transport = Transport::Console;
pub(crate) const DEFAULT_HOST: &str = "localhost";
pub(crate) const MIN_PORT: u32 = 1;
pub(crate) const MAX_PORT: u32 = 65_535;
pub(crate) const DEFAULT_FROM: &str = "Liaison <liaison@localhost>";
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const MIN_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_mins(3);
/// Providers let few more in at once.
pub(crate) const DEFAULT_CONNECTIONS: u32 = 4;
pub(crate) const MIN_CONNECTIONS: u32 = 1;
pub(crate) const MAX_CONNECTIONS: u32 = 64;

/// How mail gets out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mail {
    /// Defaults to the console.
    pub(crate) transport: Transport,
    /// Defaults to this machine.
    pub(crate) host: String,
    /// Defaults to what is usual: 587 with STARTTLS, 465 with TLS, 25 without.
    pub(crate) port: u16,
    /// Defaults to STARTTLS.
    pub(crate) security: Security,
    /// Who logs in. Defaults to nobody.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) from: String,
    /// Who is told of endpoints. Defaults to nobody.
    pub(crate) operator: Option<String>,
    /// For connecting, and for each answer. Defaults to 30 s.
    pub(crate) timeout: Duration,
    /// At once. Defaults to 4.
    pub(crate) connections: u32,
    /// Where letters are written to. Defaults to nowhere.
    pub(crate) folder: Option<PathBuf>,
    /// Texts in place of those that are built in.
    pub(crate) templates: Option<PathBuf>,
    pub(crate) reconnect_url: Option<String>,
    /// Who we say we are. Defaults to the name of this machine.
    pub(crate) helo: Option<String>,
    /// Whom to trust under TLS. Defaults to the roots that browsers trust.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Mail {
    #[expect(clippy::too_many_lines, reason = "the table of the keys, one after the other")]
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("mail");
        let transport = from.value(
            Key::new(
                "transport",
                "How mail gets out: `console` prints that it would, `file` writes it down, `smtp` sends it.",
            )
            .default(DEFAULT_TRANSPORT),
        );
        let host = from.value(Key::new("host", "The mail server.").default(DEFAULT_HOST.to_owned()));
        let port = from.optional(
            Key::new("port", "Its port.")
                .within(MIN_PORT..=MAX_PORT)
                .otherwise("587 with `starttls`, 465 with `tls`, 25 with `none`"),
        );
        let security = from.value(
            Key::new(
                "security",
                "How the way there is made safe. What the server cannot do is not done in clear instead.",
            )
            .default(Safety(Security::StartTls)),
        );
        let in_clear = from.value(
            Key::new("allow_plaintext", "Whether `security = \"none\"` may be used to another machine.").default(false),
        );
        let mail = Self {
            transport,
            host,
            port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(match security.0 {
                Security::StartTls => 587,
                Security::Tls => 465,
                Security::None => 25,
            }),
            security: security.0,
            user: from.optional(Key::new("user", "Who logs in there.").otherwise("nobody logs in")),
            password: from
                .optional(Key::new("password", "The password of `user`. Better in a file: `password_file`."))
                .map(|Password(secret)| secret),
            password_file: from.optional(Key::new(
                "password_file",
                "A file whose content is the password, such as a systemd credential. Instead of `password`.",
            )),
            from: from
                .value(
                    Key::new("from", "From whom mail is, and where what bounces goes.")
                        .default(Mailbox(DEFAULT_FROM.to_owned())),
                )
                .0,
            operator: from
                .optional(
                    Key::new("operator", "Who is told that a webhook does not take its deliveries.")
                        .otherwise("nobody"),
                )
                .map(|Mailbox(text)| text),
            timeout: from.value(
                Key::new(
                    "timeout",
                    "How long connecting and each answer may take; the answer after the text, four times as long.",
                )
                .default(DEFAULT_TIMEOUT)
                .within(MIN_TIMEOUT..=MAX_TIMEOUT),
            ),
            connections: from.value(
                Key::new("connections", "Connections to the server at once.")
                    .default(DEFAULT_CONNECTIONS)
                    .within(MIN_CONNECTIONS..=MAX_CONNECTIONS),
            ),
            folder: from.optional(Key::new("folder", "Where `transport = \"file\"` writes one `.eml` for each mail.")),
            templates: from.optional(
                Key::new("templates", "A folder with texts in place of those that are built in: see docs/mail.md.")
                    .otherwise("those that are built in"),
            ),
            reconnect_url: from
                .optional(Key::new(
                    "reconnect_url",
                    "Where an account is connected again; `{provider}`, `{organizer}`, `{integration}` are filled in.",
                ))
                .map(|Link(text)| text),
            helo: from
                .optional(Key::new("helo", "Who we say we are to the server.").otherwise("the name of this machine")),
            ca_file: from.optional(
                Key::new("ca_file", "The certificates to trust under TLS, in PEM.")
                    .otherwise("those that browsers trust"),
            ),
        };
        mail.judge(&mut from, in_clear);
        mail
    }

    /// What does not go together.
    fn judge(&self, from: &mut Section<'_>, in_clear: bool) {
        let is_smtp = self.transport == Transport::Smtp;
        let has_password = self.password.is_some() || self.password_file.is_some();
        let problems = [
            (
                "security",
                is_smtp && self.security == Security::None && !in_clear && !is_here(&self.host),
                "sends mail and password in clear to another machine",
                "write security = \"starttls\" or \"tls\"; or allow_plaintext = true, if the network is yours",
            ),
            (
                "transport",
                self.transport == Transport::File && self.folder.is_none(),
                "writes files, and no folder is named",
                "name one: folder = \"/var/lib/liaison/mail\"",
            ),
            ("user", is_smtp && self.user.is_some() && !has_password, "has no password beside it", "set password_file"),
            ("password", self.user.is_none() && self.password.is_some(), "has no user beside it", "set user"),
            ("password_file", self.user.is_none() && self.password_file.is_some(), "has no user beside it", "set user"),
            (
                "password_file",
                self.password.is_some() && self.password_file.is_some(),
                "stands beside password",
                "take one of the two out",
            ),
        ];
        for (name, _, problem, remedy) in problems.into_iter().filter(|(_, wrong, ..)| *wrong) {
            if let Some(origin) = from.origin(name) {
                let key = from.place(name).to_string();
                from.raw().mistake(key, origin, problem, "what goes together", remedy);
            }
        }
    }
}

/// Whether nobody can listen in between.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, Loaded, Sources, load};

    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load(&Sources { environment, ..Sources::default() })
    }

    fn mail(variables: &[(&str, &str)]) -> Mail {
        with(variables).unwrap_or_else(|error| panic!("{error}")).config.mail
    }

    const SMTP: (&str, &str) = ("LIAISON_MAIL__TRANSPORT", "smtp");

    #[test]
    fn the_port_follows_from_how_the_way_is_made_safe() {
        for (security, port) in [("starttls", 587), ("tls", 465), ("none", 25)] {
            assert_eq!(mail(&[SMTP, ("LIAISON_MAIL__SECURITY", security)]).port, port);
        }
        assert_eq!(mail(&[SMTP, ("LIAISON_MAIL__PORT", "2525")]).port, 2525);
    }

    #[test]
    fn nothing_goes_in_clear_to_another_machine_unless_it_is_allowed() {
        let to = |host: &'static str| [SMTP, ("LIAISON_MAIL__SECURITY", "none"), ("LIAISON_MAIL__HOST", host)];
        for host in ["localhost", "127.0.0.1", "127.3.2.1", "::1", "[::1]"] {
            assert!(with(&to(host)).is_ok(), "{host}");
        }
        for host in ["mail.example.org", "10.0.0.1", "127.0.0.1.example.org", "localhost.example.org"] {
            assert!(with(&to(host)).unwrap_err().to_string().contains("in clear to another machine"), "{host}");
        }
        let allowed = [&to("10.0.0.1")[..], &[("LIAISON_MAIL__ALLOW_PLAINTEXT", "true")]].concat();
        assert!(with(&allowed).is_ok());
    }

    #[test]
    fn what_belongs_together_comes_together_and_a_password_is_shown_nowhere() {
        let user = ("LIAISON_MAIL__USER", "me");
        let password = ("LIAISON_MAIL__PASSWORD", "hunter2");
        let file = ("LIAISON_MAIL__PASSWORD_FILE", "/run/credentials/mail");
        for wrong in [&[SMTP, user][..], &[password], &[file], &[SMTP, user, password, file]] {
            let error = with(wrong).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let loaded = with(&[SMTP, user, password]).unwrap();
        let shown = format!("{loaded:?}{}{}", loaded.config.print(), loaded.config.to_json());
        assert!(!shown.contains("hunter2") && shown.contains("password = \"[redacted]\""), "{shown}");
        assert!(with(&[("LIAISON_MAIL__TRANSPORT", "file")]).unwrap_err().to_string().contains("no folder is named"));
    }

    #[test]
    fn links_and_addresses_are_looked_at() {
        for link in ["ftp://h", "https://h/{who}", "https://h/ x", "https://h/{provider", "h"] {
            assert!(with(&[("LIAISON_MAIL__RECONNECT_URL", link)]).is_err(), "{link}");
        }
        assert!(with(&[("LIAISON_MAIL__RECONNECT_URL", "https://h/{provider}/{organizer}?i={integration}")]).is_ok());
        for from in ["nobody", "a@b\nc", "<a@b"] {
            assert!(with(&[("LIAISON_MAIL__FROM", from)]).is_err(), "{from:?}");
        }
    }

    #[test]
    fn the_names_of_django_count_for_less_than_ours() {
        let django = [
            ("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend"),
            ("EMAIL_HOST", "smtp.example.org"),
            ("EMAIL_PORT", "465"),
            ("EMAIL_USE_TLS", "False"),
            ("EMAIL_USE_SSL", "True"),
            ("EMAIL_HOST_USER", "me"),
            ("EMAIL_HOST_PASSWORD", "hunter2"),
            ("EMAIL_TIMEOUT", "7"),
            ("DEFAULT_FROM_EMAIL", "Us <us@example.org>"),
        ];
        let read = mail(&django);
        assert_eq!((read.transport, read.host.as_str(), read.port), (Transport::Smtp, "smtp.example.org", 465));
        assert_eq!((read.security, read.user.as_deref()), (Security::Tls, Some("me")));
        assert_eq!(read.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert_eq!((read.from.as_str(), read.timeout.as_secs()), ("Us <us@example.org>", 7));
        let ours = [&django[..], &[("LIAISON_MAIL__HOST", "ours.example.org"), ("LIAISON_MAIL__PASSWORD_FILE", "/p")]];
        let read = mail(&ours.concat());
        assert_eq!((read.host.as_str(), read.password.is_some()), ("ours.example.org", false));
        assert_eq!(mail(&[("EMAIL_HOST", "h")]).transport, Transport::Smtp, "as Django takes it");
        assert_eq!(mail(&[("EMAIL_USE_TLS", "true"), ("EMAIL_HOST", "h")]).port, 587);
        assert_eq!(mail(&[("EMAIL_HOST_USER", ""), ("EMAIL_HOST", "h")]).user, None, "Django's default is empty");
    }

    #[test]
    fn a_backend_of_django_that_is_not_here_is_told_and_changes_nothing() {
        let loaded = with(&[("EMAIL_BACKEND", "anymail.backends.mailgun.EmailBackend")]).unwrap();
        assert_eq!(loaded.config.mail.transport, Transport::Console);
        assert!(loaded.warnings[0].to_string().contains("mail.transport (environment EMAIL_BACKEND)"));
    }
}
