//! The conversation with a mail server, and a few connections kept for the next letter.
//!
//! Each recipient is judged alone: those who are taken get the letter, the others are told of. A server that cannot do
//! what `security` asks for is refused: nothing is sent in clear that should not be. When the line breaks after the last
//! dot, nobody knows whether the server has the letter; it is sent again, with the same Message-ID.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::{
    Address,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    MailFault, Security, SmtpOptions,
    address::mask_all,
    verdict::{Step, Verdict, judge},
};

/// Servers hang up on those who are silent for a few minutes.
const IDLE: Duration = Duration::from_mins(1);
/// The answer to the last dot takes longest: the server keeps the letter first (RFC 5321, 4.5.3.2.6). Who gives up too
/// early sends it twice.
const AFTER_THE_DOT: u32 = 4;
/// After a refusal that only a person can mend, nobody asks again for so long.
const CLOSED: Duration = Duration::from_mins(1);

/// What became of a letter that was offered.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) accepted: Vec<Address>,
    /// For good.
    pub(crate) refused: Vec<Refusal>,
    /// For now.
    pub(crate) deferred: Vec<Refusal>,
}

#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) address: Address,
    /// What the server said, masked.
    pub(crate) reason: String,
    /// There is nobody of this address.
    pub(crate) nobody: bool,
}

/// Why nothing became of it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Try again.
    Later(String),
    /// The letter is at fault.
    Never(String),
    /// The configuration is at fault. `first`: it was found just now, and should be told loudly.
    Misconfigured { reason: String, first: bool },
    /// All connections are in use.
    Busy,
}

/// A server, and how it is talked to.
pub(crate) struct Post {
    options: SmtpOptions,
    tls: Option<TlsParameters>,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    places: Semaphore,
    /// Since when the server refuses us for a reason that only a person can mend, and which.
    closed: Mutex<Option<(Instant, String)>>,
}

/// The end of one exchange: what the server said, or that it is gone.
enum Answer {
    Yes,
    No { code: u16, said: String },
    Gone(String),
}

impl Post {
    pub(crate) fn new(options: SmtpOptions) -> Result<Self, MailFault> {
        let tls = match options.security {
            Security::None => None,
            Security::StartTls | Security::Tls => Some(tls_of(&options)?),
        };
        let (idle, places) = (Mutex::default(), Semaphore::new(options.connections.max(1)));
        Ok(Self { options, tls, idle, places, closed: Mutex::default() })
    }

    /// `host:port`, and how it is made safe.
    pub(crate) fn place(&self) -> String {
        let SmtpOptions { host, port, security, .. } = &self.options;
        format!("{host}:{port} ({})", security.as_str())
    }

    /// Offer a letter.
    pub(crate) async fn offer(&self, from: &Address, to: &[Address], bytes: &[u8]) -> Result<Delivery, Fault> {
        if let Some(reason) = self.closed() {
            return Err(Fault::Misconfigured { reason, first: false });
        }
        let place = timeout(self.options.timeout, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(Fault::Busy) };
        let mut connection = self.connection().await.map_err(|fault| self.remember(fault))?;
        let (delivery, sound) = self.talk(&mut connection, from, to, bytes).await;
        if sound {
            self.keep(connection);
        }
        delivery.map_err(|fault| self.remember(fault))
    }

    fn closed(&self) -> Option<String> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.as_ref().filter(|(since, _)| since.elapsed() < CLOSED).map(|(_, reason)| reason.clone())
    }

    /// Ask no more for a while, once the server has said what only a person can mend.
    fn remember(&self, fault: Fault) -> Fault {
        let Fault::Misconfigured { reason, .. } = fault else { return fault };
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = closed.as_ref().is_none_or(|(since, _)| since.elapsed() >= CLOSED);
        *closed = Some((Instant::now(), reason.clone()));
        Fault::Misconfigured { reason, first }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.push((connection, Instant::now()));
    }

    fn kept(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.pop().map(|(connection, _)| connection)
    }

    /// One that was kept and still answers, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Fault> {
        while let Some(mut kept) = self.kept() {
            if let Answer::Yes = self.ask(&mut kept, Rset).await {
                return Ok(kept);
            }
        }
        let SmtpOptions { host, port, security, helo, .. } = &self.options;
        let hello = ClientId::Domain(helo.clone());
        let at_once = self.tls.clone().filter(|_| *security == Security::Tls);
        // Its own timeout covers the connection only, and not the greeting.
        let wait = Some(self.options.timeout);
        let opened = AsyncSmtpConnection::connect_tokio1((host.as_str(), *port), wait, &hello, at_once, None);
        let mut connection = match self.answered(opened).await {
            Ok(connection) => connection,
            Err(answer) => return Err(self.unreachable(answer)),
        };
        if let (Security::StartTls, Some(tls)) = (security, &self.tls) {
            if !connection.can_starttls() {
                let reason = format!(
                    "{host}:{port} offers no STARTTLS, and nothing is sent in clear; if it speaks TLS from the first \
                     byte, write security = \"tls\" in [mail]"
                );
                return Err(Fault::Misconfigured { reason, first: true });
            }
            if let Err(answer) = self.answered(connection.starttls(tls.clone(), &hello)).await {
                return Err(self.unreachable(answer));
            }
        }
        self.log_in(&mut connection).await?;
        Ok(connection)
    }

    async fn log_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Fault> {
        let SmtpOptions { host, port, user, password, .. } = &self.options;
        let (Some(user), Some(password)) = (user, password) else { return Ok(()) };
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
            let reason =
                format!("{host}:{port} lets nobody log in with a password; take [mail] user out, or ask its operator");
            return Err(Fault::Misconfigured { reason, first: true });
        }
        let credentials = Credentials::new(user.clone(), password.clone());
        match self.answered(connection.auth(&mechanisms, &credentials)).await {
            Ok(_) => Ok(()),
            Err(Answer::No { code, said }) if judge(Step::Login, code, &said) == Verdict::Misconfigured => {
                let said = mask_all(&said);
                let reason =
                    format!("{host}:{port} did not let us log in: {code} {said}; check [mail] user and password_file");
                Err(Fault::Misconfigured { reason, first: true })
            }
            Err(answer) => Err(self.unreachable(answer)),
        }
    }

    fn unreachable(&self, answer: Answer) -> Fault {
        let SmtpOptions { host, port, .. } = &self.options;
        match answer {
            Answer::Yes => unreachable!("a yes is no fault"),
            Answer::No { code, said } => {
                let reason = format!("{host}:{port} takes no mail now: {code} {}", mask_all(&said));
                match judge(Step::Connect, code, &said) {
                    Verdict::Misconfigured => Fault::Misconfigured { reason, first: true },
                    Verdict::Later | Verdict::Never { .. } => Fault::Later(reason),
                }
            }
            Answer::Gone(why) if why.contains("certificate") => {
                let why = mask_all(&why);
                let reason = format!(
                    "the certificate of {host}:{port} is not trusted: {why}; name its CA as [mail] ca_file, and the \
                     host as it stands in the certificate"
                );
                Fault::Misconfigured { reason, first: true }
            }
            Answer::Gone(why) => Fault::Later(format!("cannot talk to {host}:{port}: {}", mask_all(&why))),
        }
    }

    /// From the sender to the last dot. The flag says whether the connection can be used again.
    async fn talk(
        &self,
        connection: &mut AsyncSmtpConnection,
        from: &Address,
        to: &[Address],
        bytes: &[u8],
    ) -> (Result<Delivery, Fault>, bool) {
        let wide = connection.server_info().supports_feature(Extension::SmtpUtfEight);
        let mut parameters = Vec::new();
        if wide && !(is_plain(from) && to.iter().all(is_plain)) {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !bytes.is_ascii() && connection.server_info().supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        match self.ask(connection, Mail::new(Some(from.clone()), parameters)).await {
            Answer::Yes => {}
            other => return self.refused(Step::Sender, "the sender", other),
        }
        let delivery = match self.recipients(connection, to, wide).await {
            Ok(delivery) => delivery,
            Err(answer) => return self.refused(Step::Recipient, "a recipient", answer),
        };
        if delivery.accepted.is_empty() {
            return (Ok(delivery), true);
        }
        match self.ask(connection, Data).await {
            Answer::Yes => {}
            other => return self.refused(Step::Text, "the text", other),
        }
        let wait = self.options.timeout * AFTER_THE_DOT;
        match said(timeout(wait, connection.message(bytes)).await) {
            Ok(_) => (Ok(delivery), true),
            Err(Answer::Gone(why)) => {
                let reason = format!(
                    "{} went away while it took the text, so it may have it or not: {}; sent again with the same \
                     Message-ID",
                    self.place(),
                    mask_all(&why)
                );
                (Err(Fault::Later(reason)), false)
            }
            Err(other) => self.refused(Step::Text, "the text", other),
        }
    }

    /// Each is judged alone. An answer that is about us and not about a recipient counts for all.
    async fn recipients(
        &self,
        connection: &mut AsyncSmtpConnection,
        to: &[Address],
        wide: bool,
    ) -> Result<Delivery, Answer> {
        let mut delivery = Delivery::default();
        for address in to {
            if !wide && !is_plain(address) {
                let reason = "the server takes no addresses with letters beyond ASCII".to_owned();
                delivery.refused.push(Refusal { address: address.clone(), reason, nobody: false });
                continue;
            }
            let (code, said) = match self.ask(connection, Rcpt::new(address.clone(), Vec::new())).await {
                Answer::Yes => {
                    delivery.accepted.push(address.clone());
                    continue;
                }
                // It hangs up.
                Answer::No { code: 421, said } => return Err(Answer::No { code: 421, said }),
                Answer::No { code, said } => (code, said),
                gone @ Answer::Gone(_) => return Err(gone),
            };
            let reason = format!("{code} {}", mask_all(&said));
            let refusal = |nobody| Refusal { address: address.clone(), reason, nobody };
            match judge(Step::Recipient, code, &said) {
                Verdict::Later => delivery.deferred.push(refusal(false)),
                Verdict::Never { nobody } => delivery.refused.push(refusal(nobody)),
                Verdict::Misconfigured => return Err(Answer::No { code, said }),
            }
        }
        Ok(delivery)
    }

    fn refused(&self, step: Step, what: &str, answer: Answer) -> (Result<Delivery, Fault>, bool) {
        let place = self.place();
        match answer {
            Answer::Yes => unreachable!("a yes is no refusal"),
            Answer::Gone(why) => (Err(Fault::Later(format!("{place} went away: {}", mask_all(&why)))), false),
            Answer::No { code, said } => {
                let reason = format!("{place} refuses {what}: {code} {}", mask_all(&said));
                let fault = match judge(step, code, &said) {
                    Verdict::Later => Fault::Later(reason),
                    Verdict::Never { .. } => Fault::Never(reason),
                    Verdict::Misconfigured => Fault::Misconfigured {
                        reason: format!("{reason}; check [mail] from, user and security"),
                        first: true,
                    },
                };
                (Err(fault), code != 421)
            }
        }
    }

    async fn ask(&self, connection: &mut AsyncSmtpConnection, command: impl fmt::Display) -> Answer {
        match self.answered(connection.command(command)).await {
            Ok(_) => Answer::Yes,
            Err(answer) => answer,
        }
    }

    async fn answered<T>(
        &self,
        exchange: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, Answer> {
        said(timeout(self.options.timeout, exchange).await)
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("place", &self.place()).finish_non_exhaustive()
    }
}

fn is_plain(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

/// What an exchange came to.
fn said<T>(ended: Result<Result<T, lettre::transport::smtp::Error>, tokio::time::error::Elapsed>) -> Result<T, Answer> {
    use std::error::Error as _;
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fault)) => Err(match fault.status() {
            Some(code) => {
                Answer::No { code: code.into(), said: fault.source().map_or(String::new(), ToString::to_string) }
            }
            None => Answer::Gone(fault.to_string()),
        }),
        Err(_) => Err(Answer::Gone("no answer in time".to_owned())),
    }
}

fn tls_of(options: &SmtpOptions) -> Result<TlsParameters, MailFault> {
    let mut builder = TlsParameters::builder(options.host.clone());
    let unfit = |problem: String| MailFault { key: "ca_file", problem, remedy: "name a file with certificates in PEM" };
    if let Some(pem) = &options.ca_pem {
        if !String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(unfit("holds no certificate in PEM".to_owned()));
        }
        let certificates =
            Certificate::from_pem(pem).map_err(|fault| unfit(format!("holds no certificate in PEM: {fault}")))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    } else {
        builder = builder.certificate_store(CertificateStore::WebpkiRoots);
    }
    builder.build().map_err(|fault| unfit(format!("cannot be used: {fault}")))
}
