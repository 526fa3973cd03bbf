//! Whom we believe under TLS: whom browsers believe, and the operator's own authority if there is one.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::Unfit;

pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, Unfit> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let unfit = |problem: String| Unfit { key: "ca_file", problem: format!("{} {problem}", path.display()) };
        let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|fault| unfit(format!("cannot be used: {fault}")))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(unfit("holds no certificate in PEM".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("the cryptography that is built in has the usual versions");
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
