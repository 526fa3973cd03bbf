//! The collector: one POST over HTTP/1.1, under TLS if its address asks for it. A connection for each delivery: there is
//! one in a second, and what a broken one has taken is never in doubt.

use std::{path::Path, sync::Arc, time::Duration};

use axum::body::{Body, to_bytes};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::otlp;
use crate::config::traces::{Address, Endpoint, Traces};

/// Of an answer: it says little.
const MAX_ANSWER: usize = 64 * 1024;
/// Headers that describe the delivery itself.
const OURS: [HeaderName; 3] = [HOST, CONTENT_TYPE, CONNECTION];

/// Where deliveries go.
pub(crate) struct Destination {
    address: Address,
    timeout: Duration,
    /// Secret.
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why `[traces]` cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) key: &'static str,
    pub(crate) problem: String,
    pub(crate) remedy: &'static str,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[traces] {}: {}; {}", self.key, self.problem, self.remedy)
    }
}

impl std::error::Error for Unfit {}

/// What became of a delivery that was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The same may be taken later.
    Away { why: String, retry_after: Option<Duration> },
    /// The same would be refused again.
    Refused { why: String },
}

impl Destination {
    /// Nothing if no traces are wanted.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub(crate) fn of(traces: &Traces) -> Result<Option<Self>, Unfit> {
        let Endpoint::At(address) = traces.endpoint.clone() else { return Ok(None) };
        let headers = traces.headers_file.as_deref().map(headers).transpose()?.unwrap_or_default();
        let tls = if address.secure {
            let name = ServerName::try_from(address.host.clone()).map_err(|_| Unfit {
                key: "endpoint",
                problem: format!("{} is no name that a certificate can bear", address.host),
                remedy: "write the name or the address of the collector",
            })?;
            Some((TlsConnector::from(Arc::new(tls(traces.ca_file.as_deref())?)), name))
        } else {
            None
        };
        Ok(Some(Self { address, timeout: traces.timeout, headers, tls }))
    }

    pub(super) fn shown(&self) -> &str {
        &self.address.shown
    }

    /// Deliver once; how many spans the collector could not use, and why.
    pub(super) async fn post(&self, body: Vec<u8>) -> Result<Option<(u64, String)>, Fault> {
        match tokio::time::timeout(self.timeout, self.attempt(body)).await {
            Ok(result) => result,
            Err(_) => Err(away(format!("no answer within {:?}, which is [traces] timeout", self.timeout))),
        }
    }

    async fn attempt(&self, body: Vec<u8>) -> Result<Option<(u64, String)>, Fault> {
        let Address { host, port, .. } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = stream.map_err(|fault| away(format!("cannot connect: {fault}")))?;
        let request = self.request(body);
        match &self.tls {
            None => talk(stream, request).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                talk(stream.map_err(|fault| away(format!("no connection under TLS: {fault}")))?, request).await
            }
        }
    }

    fn request(&self, body: Vec<u8>) -> Request<Body> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = hyper::Method::POST;
        // Checked when the configuration was read; a path that cannot be asked for is answered by a 404.
        *request.uri_mut() = self.address.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("liaison/", env!("CARGO_PKG_VERSION"))));
        headers.extend(self.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Ok(host) = HeaderValue::from_str(&self.address.authority) {
            headers.insert(HOST, host);
        }
        request
    }
}

async fn talk<S>(stream: S, request: Request<Body>) -> Result<Option<(u64, String)>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |fault: hyper::Error| away(format!("the connection broke: {fault}"));
    let (mut way, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async {
        let answer = way.send_request(request).await.map_err(broken)?;
        judge(answer).await
    };
    // The connection does its work while the answer is awaited; how it ends, the answer tells.
    let connection = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer,
        () = connection => Err(away("the connection broke".to_owned())),
    }
}

async fn judge(answer: Response<Incoming>) -> Result<Option<(u64, String)>, Fault> {
    let status = answer.status();
    if status.is_success() {
        // It is taken, whatever the rest says.
        let body = to_bytes(Body::new(answer.into_body()), MAX_ANSWER).await.unwrap_or_default();
        return Ok(otlp::rejected(&body));
    }
    let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let again = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    if again.contains(&status) {
        let retry_after = seconds.map(Duration::from_secs);
        return Err(Fault::Away { why: format!("it answers {status}"), retry_after });
    }
    let remedy = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "see that [traces] headers_file holds what it asks for",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "see that [traces] endpoint has the right path",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "it must take OTLP over HTTP in JSON: see that it does",
        _ => "its own log says why",
    };
    Err(Fault::Refused { why: format!("it answers {status}; {remedy}") })
}

fn away(why: String) -> Fault {
    Fault::Away { why, retry_after: None }
}

/// `Name: value`, one a line. What is wrong is told by the number of its line, never by what stands there.
fn headers(path: &Path) -> Result<HeaderMap, Unfit> {
    let unfit = |problem: String| Unfit {
        key: "headers_file",
        problem: format!("{} {problem}", path.display()),
        remedy: "write one `Name: value` a line, as in `Authorization: Bearer …`",
    };
    let text = std::fs::read_to_string(path).map_err(|fault| unfit(format!("cannot be read: {fault}")))?;
    let mut headers = HeaderMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let parsed = line.split_once(':').and_then(|(name, value)| {
            Some((name.trim().parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        let Some((name, mut value)) = parsed else { return Err(unfit(format!("has no header in line {number}"))) };
        if OURS.contains(&name) {
            return Err(unfit(format!("sets {name} in line {number}, which is not for others to say")));
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, Unfit> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unfit = |problem: String| Unfit {
                key: "ca_file",
                problem: format!("{} {problem}", path.display()),
                remedy: "give a file that can be read, with BEGIN CERTIFICATE in it",
            };
            let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let certificates = certificates.map_err(|fault| unfit(format!("cannot be used: {fault}")))?;
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err(unfit("holds no certificate in PEM".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("the cryptography that is built in has the usual versions");
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let read = headers(file("Authorization: Bearer hunter2\n\nX-Scope: a:b \n").path()).unwrap();
        assert_eq!(read["authorization"], "Bearer hunter2");
        assert_eq!(read["x-scope"], "a:b");
        assert!(!format!("{read:?}").contains("hunter2"));
        for text in ["hunter2", "a b: hunter2", "Host: hunter2", "content-type: hunter2", "X: hunter2\u{7}"] {
            let unfit = headers(file(&format!("X-Fine: 1\n{text}\n")).path()).unwrap_err();
            assert!(unfit.to_string().contains("line 2") && !unfit.to_string().contains("hunter2"), "{unfit}");
        }
        assert!(headers(Path::new("/nowhere/headers")).unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn whom_to_trust_is_read_from_a_file() {
        assert!(tls(None).is_ok());
        for path in [file("nonsense").path(), Path::new("/nowhere/ca.pem")] {
            let unfit = tls(Some(path)).unwrap_err();
            assert_eq!(unfit.key, "ca_file", "{unfit}");
        }
    }
}
