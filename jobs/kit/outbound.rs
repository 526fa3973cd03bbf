//! The way out: one dialer, used by everything that calls an address. `send` calls what a user gave, after every check;
//! `send_trusted` calls what the operator wrote into the configuration, and checks no address.
//!
//! Checked: the URL before the call, and every address that its name leads to, on every connection; the connection goes
//! to an address that was checked. Redirects are answers, never followed. No proxy is taken from the environment.
//! Bounds: a time for connecting, a time for all of it, so many bytes of an answer. A call leaves nothing behind when it
//! is dropped half-way, but the other side may have got it.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration, time::Instant};

use reqwest::{
    Client, ClientBuilder, Proxy, Response,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::time::timeout_at;
use url::{Host, Url};

mod address;
mod call;
mod destination;
mod fault;
mod policy;
mod resolver;
#[cfg(test)]
mod spellings;
#[cfg(test)]
mod tests;
mod tls;

pub use call::{Answer, Call, End, KEPT};
pub use fault::CallFault;
use policy::Policy;
pub use policy::{Hosts, Networks, Ports};
use resolver::{Guard, Lookup, Plain, System};

use super::Secret;

/// Long enough for a receiver on the other side of the world, with one packet lost.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Servers close after 60 s at the earliest, most of them; a connection that we close first is never closed under us.
const IDLE: Duration = Duration::from_secs(20);
/// Kept for the next call, to one host.
const MAX_IDLE: usize = 64;

/// How a proxy and the connection are told apart from what is sent. Whoever could set these would speak for us.
const NOT_FOR_CALLERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What `[outbound]` says.
#[derive(Debug, Clone)]
pub struct OutboundSettings {
    /// Networks that may be called although they are not reached from everywhere.
    pub allow: Networks,
    /// Hosts that may be called wherever they lead.
    pub allow_hosts: Hosts,
    pub ports: Ports,
    /// `http://host:port`: everything goes through it but what is allowed by name or by address.
    pub proxy: Option<String>,
    /// `user:password`, for the proxy.
    pub proxy_login: Option<Secret>,
    /// An authority to believe beside those that browsers do.
    pub ca_file: Option<PathBuf>,
    pub connect_timeout: Duration,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self {
            allow: Networks::default(),
            allow_hosts: Hosts::default(),
            ports: Ports::default(),
            proxy: None,
            proxy_login: None,
            ca_file: None,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }
}

/// Why `[outbound]` cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    pub key: &'static str,
    pub problem: String,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[outbound] {}: {}", self.key, self.problem)
    }
}

impl std::error::Error for Unfit {}

/// The dialer. A clone is the same one, with the same connections.
#[derive(Clone)]
pub struct Outbound {
    policy: Arc<Policy>,
    guarded: Client,
    trusted: Client,
    connect_timeout: Duration,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Outbound {
    /// # Errors
    /// When a file cannot be used, or the proxy is none.
    pub fn new(settings: &OutboundSettings) -> Result<Self, Unfit> {
        Self::with(settings, &(Arc::new(System) as Arc<dyn Lookup>))
    }

    fn with(settings: &OutboundSettings, lookup: &Arc<dyn Lookup>) -> Result<Self, Unfit> {
        let OutboundSettings { allow, allow_hosts, ports, connect_timeout, .. } = settings.clone();
        let policy = Arc::new(Policy { allow, hosts: allow_hosts, ports });
        let proxy = settings.proxy.as_deref().map(proxy_address).transpose()?;
        let host = proxy.as_ref().and_then(|proxy| proxy.host_str().map(str::to_owned));
        let guard = Guard { policy: Arc::clone(&policy), proxy: host, lookup: Arc::clone(lookup) };
        let client = || {
            let client = client(settings)?;
            Ok(match &proxy {
                Some(proxy) => client.proxy(through(proxy, settings.proxy_login.as_ref(), &policy)?),
                None => client,
            })
        };
        let built = |client: ClientBuilder| {
            let fault = |_| Unfit { key: "ca_file", problem: "no client can be made with it".to_owned() };
            client.build().map_err(fault)
        };
        let guarded = built(client()?.dns_resolver(guard))?;
        let trusted = built(client()?.dns_resolver(Plain(Arc::clone(lookup))))?;
        Ok(Self { policy, guarded, trusted, connect_timeout })
    }

    /// Whether a URL could be called, as far as it shows: for whoever takes one from a user. Where its name leads is
    /// judged by every call.
    ///
    /// # Errors
    /// Refused, with the reason.
    pub fn check(&self, url: &str) -> Result<(), CallFault> {
        destination::check(url, &self.policy).map(drop)
    }

    /// Call an address that a user gave.
    ///
    /// # Errors
    /// When there is no answer. An answer of any status is none.
    pub async fn send(&self, call: Call) -> Result<Answer, CallFault> {
        let url = destination::check(&call.url, &self.policy)?;
        self.go(&self.guarded, url, call).await
    }

    /// Call an address that the operator wrote, or that is built in: a provider's. Never one that came with a job or
    /// that a user can set.
    ///
    /// # Errors
    /// As `send`.
    pub async fn send_trusted(&self, call: Call) -> Result<Answer, CallFault> {
        let url = destination::read_trusted(&call.url)?;
        self.go(&self.trusted, url, call).await
    }

    async fn go(&self, client: &Client, url: Url, call: Call) -> Result<Answer, CallFault> {
        let Call { method, mut headers, body, timeout, keep, .. } = call;
        check_headers(&headers)?;
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        let (began, deadline) = (Instant::now(), tokio::time::Instant::now() + timeout);
        let host = url.host_str().unwrap_or_default().to_owned();
        let request = client.request(method, url).headers(headers).body(body);
        let mut answer = match timeout_at(deadline, request.send()).await {
            Err(_) => return Err(CallFault::TimedOut { after: timeout }),
            Ok(answer) => answer.map_err(|fault| CallFault::of(&fault, &host, self.connect_timeout))?,
        };
        let (status, address) = (answer.status(), answer.remote_addr());
        let headers = std::mem::take(answer.headers_mut());
        let (body, end) = read(answer, keep, deadline).await;
        Ok(Answer { status, headers, body, end, took: began.elapsed(), address })
    }
}

/// What is kept of the body. Whoever sends more has its connection dropped: that is cheaper than to read it.
async fn read(mut answer: Response, keep: usize, deadline: tokio::time::Instant) -> (Vec<u8>, End) {
    let mut body = Vec::new();
    loop {
        match timeout_at(deadline, answer.chunk()).await {
            Err(_) => return (body, End::TimedOut),
            Ok(Err(_)) => return (body, End::Broken),
            Ok(Ok(None)) => return (body, End::Whole),
            Ok(Ok(Some(more))) => {
                let room = keep - body.len();
                body.extend_from_slice(&more[..more.len().min(room)]);
                if more.len() > room {
                    return (body, End::Cut);
                }
            }
        }
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), CallFault> {
    let ours = |name: &&HeaderName| NOT_FOR_CALLERS.contains(&name.as_str());
    headers.keys().find(ours).map_or(Ok(()), |name| {
        Err(CallFault::Refused { why: format!("the header {name} is not for others to set; take it out") })
    })
}

/// The same for all calls.
fn client(settings: &OutboundSettings) -> Result<ClientBuilder, Unfit> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls::config(settings.ca_file.as_deref())?)
        .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE))
}

fn proxy_address(text: &str) -> Result<Url, Unfit> {
    let unfit = |problem: &str| Unfit { key: "proxy", problem: problem.to_owned() };
    let url = Url::parse(text).map_err(|fault| unfit(&format!("cannot be read: {fault}")))?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(unfit("is not http[s]://host:port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unfit("has a user in it; put user:password into a file that proxy_login_file names"));
    }
    Ok(url)
}

/// What is allowed by name or by address is our own network, and is called without the proxy, as `no_proxy` is elsewhere.
fn through(proxy: &Url, login: Option<&Secret>, policy: &Arc<Policy>) -> Result<Proxy, Unfit> {
    let (proxy, policy) = (proxy.clone(), Arc::clone(policy));
    let way = Proxy::custom(move |url| (!is_near(url, &policy)).then(|| proxy.clone()));
    let Some(login) = login else { return Ok(way) };
    let login = super::secret::basic(login);
    let mut login = HeaderValue::from_str(&login)
        .map_err(|_| Unfit { key: "proxy_login_file", problem: "holds no user:password".to_owned() })?;
    login.set_sensitive(true);
    Ok(way.custom_http_auth(login))
}

fn is_near(url: &Url, policy: &Policy) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => policy.hosts.contain(name),
        Some(Host::Ipv4(address)) => policy.allow.contains(address.into()),
        Some(Host::Ipv6(address)) => policy.allow.contains(address.into()),
        None => false,
    }
}
