//! The way out under TLS. What it refuses to call, and what it makes of an answer, is tested where it is written.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use liaison_jobs::{
    Secret,
    outbound::{Call, CallFault, Outbound, OutboundSettings},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

type Heard = Arc<Mutex<Vec<String>>>;

/// A receiver that shows a certificate for 127.0.0.1, and what it was told.
struct Receiver {
    address: SocketAddr,
    heard: Heard,
    ca: PathBuf,
    _folder: tempfile::TempDir,
    _task: JoinSet<()>,
}

impl Receiver {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        certificate(folder.path());
        let (ca, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        let certificate = CertificateDer::from_pem_file(&ca).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key).expect("a certificate with its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, heard) = (listener.local_addr().expect("an address"), Heard::default());
        let (ears, mut task) = (Arc::clone(&heard), JoinSet::new());
        task.spawn(async move {
            loop {
                let (guest, _) = listener.accept().await.expect("a guest");
                // One that does not trust us goes away here.
                let Ok(mut guest) = acceptor.accept(guest).await else { continue };
                let request = head(&mut guest).await;
                ears.lock().expect("ears").push(request);
                let _ = guest.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
                let _ = guest.shutdown().await;
            }
        });
        Self { address, heard, ca, _folder: folder, _task: task }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("ears").clone()
    }
}

/// A certificate for this machine and its key.
fn certificate(folder: &Path) {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out ca.pem -days 2 \
                 -subj /CN=here -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let output = Command::new("openssl").args(words.split_ascii_whitespace()).current_dir(folder).output();
    let output = output.expect("run openssl: install it with `make deps`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn head(guest: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && guest.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
    String::from_utf8_lossy(&head).to_ascii_lowercase()
}

fn near(ca_file: Option<PathBuf>) -> OutboundSettings {
    let (allow, allow_hosts) = ("127.0.0.1".parse().expect("a network"), "localhost".parse().expect("a host"));
    OutboundSettings { allow, allow_hosts, ca_file, ..OutboundSettings::default() }
}

#[tokio::test]
async fn under_tls_only_a_receiver_that_we_trust_is_told_anything() {
    let receiver = Receiver::new().await;
    let url = format!("https://{}/hook", receiver.address);
    let outbound = Outbound::new(&near(None)).expect("a way out");
    for answer in [outbound.send(Call::get(&url)).await, outbound.send_trusted(Call::get(&url)).await] {
        let fault = answer.expect_err("nobody trusts it");
        assert!(matches!(fault, CallFault::Tls { .. }) && !fault.is_permanent(), "{fault:?}");
    }
    let outbound = Outbound::new(&near(Some(receiver.ca.clone()))).expect("a way out");
    // It is whom we trust, under a name that is not its own.
    let other = format!("https://localhost:{}/", receiver.address.port());
    let fault = outbound.send(Call::get(other)).await.expect_err("another name");
    assert!(matches!(&fault, CallFault::Tls { host, .. } if host == "localhost"), "{fault:?}");
    assert_eq!(receiver.heard(), [""; 0]);
    let answer = outbound.send(Call::get(&url)).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), receiver.heard().len()), (200, 1));
}

#[tokio::test]
async fn through_a_proxy_the_receiver_is_checked_all_the_same_and_never_sees_the_login() {
    let receiver = Receiver::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (proxy, to) = (listener.local_addr().expect("an address"), receiver.address);
    let (asked, mut task) = (Heard::default(), JoinSet::new());
    let ears = Arc::clone(&asked);
    task.spawn(async move {
        loop {
            let (mut guest, _) = listener.accept().await.expect("a guest");
            let request = head(&mut guest).await;
            ears.lock().expect("ears").push(request);
            guest.write_all(b"HTTP/1.1 200 Go On\r\n\r\n").await.expect("an answer");
            // Whatever it was asked for, it leads there.
            let mut there = TcpStream::connect(to).await.expect("the receiver");
            let _ = copy_bidirectional(&mut guest, &mut there).await;
        }
    });
    let settings = OutboundSettings {
        proxy: Some(format!("http://{proxy}")),
        proxy_login: Some(Secret::new("me:hunter2")),
        ca_file: Some(receiver.ca.clone()),
        ..OutboundSettings::default()
    };
    let outbound = Outbound::new(&settings).expect("a way out");
    let fault = outbound.send(Call::get("https://far.example/")).await.expect_err("another name");
    assert!(matches!(&fault, CallFault::Tls { .. }), "{fault:?}");
    assert_eq!(receiver.heard(), [""; 0]);
    // For an address of its own, the certificate is right; the operator's own calls may go there.
    let url = format!("https://{}/token?key=hunter2", receiver.address);
    assert!(outbound.send(Call::get(&url)).await.expect_err("loopback").is_permanent());
    outbound.send_trusted(Call::get(&url)).await.expect("an answer");
    let asked = asked.lock().expect("ears").clone();
    assert!(asked.iter().all(|head| head.starts_with("connect ") && !head.contains("hunter2")), "{asked:?}");
    assert!(asked.iter().all(|head| head.contains("\r\nproxy-authorization: basic ")), "{asked:?}");
    let heard = receiver.heard();
    assert!(heard.len() == 1 && !heard[0].contains("proxy-"), "{heard:?}");
}
