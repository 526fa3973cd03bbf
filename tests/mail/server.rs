//! A mail server beside the daemons, with a runtime of its own.

use std::{path::Path, process::Command, sync::Arc};

use liaison_sandbox::{SmtpSettings, SmtpSink};
use tokio::runtime::Runtime;

/// It ends with this value.
pub(crate) struct MailServer {
    pub(crate) sink: SmtpSink,
    _runtime: Runtime,
}

impl MailServer {
    pub(crate) fn start(settings: SmtpSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let sink = runtime.block_on(SmtpSink::start_with(settings)).expect("a mail server");
        Self { sink, _runtime: runtime }
    }

    pub(crate) fn port(&self) -> u16 {
        self.sink.port()
    }
}

/// A CA in `ca.crt`, and what a server needs that it signed, for `127.0.0.1`.
pub(crate) fn certified(folder: &Path) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    let openssl = |words: &str| {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
        let output = output.expect("run openssl: install it with `make deps`");
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").expect("write the names");
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {new_key} -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca"));
    openssl(&format!("req {new_key} -keyout mail.key -out mail.csr -subj /CN=test"));
    openssl("x509 -req -in mail.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out mail.crt -days 2 -extfile names");
    openssl(&format!("req -x509 {new_key} -keyout other.key -out other.crt -days 2 -subj /CN=stranger"));
    let certificate = CertificateDer::from_pem_file(folder.join("mail.crt")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("mail.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a server"))
}
