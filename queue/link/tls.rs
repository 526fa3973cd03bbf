//! Certificates: whom we trust, and who we say we are.

use std::path::{Path, PathBuf};

use redis::{ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};

use crate::error::QueueError;

/// Files in PEM; they are read once, when the link is made.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Whom we trust; none means the roots that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// Who we are, with `key_file`.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

/// Give a greeting its certificates.
pub(super) fn equip(info: ConnectionInfo, files: &TlsFiles) -> Result<ConnectionInfo, QueueError> {
    let ConnectionAddr::TcpTls { .. } = info.addr() else {
        return match [&files.ca_file, &files.cert_file, &files.key_file].into_iter().flatten().next() {
            Some(path) => Err(QueueError::TlsFile {
                path: path.clone(),
                problem: "is given, but the URL does not ask for TLS".into(),
                remedy: "write rediss://, rediss-cluster:// or rediss-sentinel://, or leave the file out",
            }),
            None => Ok(info),
        };
    };
    // Whoever else in this process uses TLS may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root_cert = files.ca_file.as_deref().map(certificates).transpose()?;
    let client_tls = match (&files.cert_file, &files.key_file) {
        (Some(cert), Some(key)) => {
            let client_key = read(key)?;
            if !holds(&client_key, "PRIVATE KEY") {
                return Err(unfit(key, "holds no private key in PEM", "give the key that belongs to cert_file"));
            }
            Some(ClientTlsConfig { client_cert: certificates(cert)?, client_key })
        }
        (None, None) => None,
        (Some(path), None) => {
            return Err(unfit(path, "has no key beside it", "give key_file as well"));
        }
        (None, Some(path)) => {
            return Err(unfit(path, "has no certificate beside it", "give cert_file as well"));
        }
    };
    if root_cert.is_none() && client_tls.is_none() {
        return Ok(info);
    }
    // Each by itself, so that the file at fault can be named.
    if let (Some(path), Some(root)) = (&files.ca_file, &root_cert) {
        built(&info, None, Some(root.clone()), path)?;
    }
    let path = if client_tls.is_some() { &files.key_file } else { &files.ca_file };
    built(&info, client_tls, root_cert, path.as_deref().unwrap_or(Path::new("")))
}

fn built(
    info: &ConnectionInfo,
    client_tls: Option<ClientTlsConfig>,
    root_cert: Option<Vec<u8>>,
    path: &Path,
) -> Result<ConnectionInfo, QueueError> {
    let client = redis::Client::build_with_tls(info.clone(), TlsCertificates { client_tls, root_cert });
    match client {
        Ok(client) => Ok(client.get_connection_info().clone()),
        Err(fault) => Err(unfit(path, &format!("cannot be used: {fault}"), "give certificates and a key in PEM")),
    }
}

fn certificates(path: &Path) -> Result<Vec<u8>, QueueError> {
    let text = read(path)?;
    if holds(&text, "CERTIFICATE") {
        Ok(text)
    } else {
        Err(unfit(path, "holds no certificate in PEM", "give a file with BEGIN CERTIFICATE in it"))
    }
}

fn holds(text: &[u8], what: &str) -> bool {
    String::from_utf8_lossy(text).lines().any(|line| line.starts_with("-----BEGIN") && line.contains(what))
}

fn read(path: &Path) -> Result<Vec<u8>, QueueError> {
    std::fs::read(path).map_err(|fault| {
        unfit(path, &format!("cannot be read: {fault}"), "correct the path, or let the daemon's user read it")
    })
}

fn unfit(path: &Path, problem: &str, remedy: &'static str) -> QueueError {
    QueueError::TlsFile { path: path.to_owned(), problem: problem.to_owned(), remedy }
}
