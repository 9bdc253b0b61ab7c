//! A stand-in until the reader of files is here.
#![expect(missing_docs, reason = "a stand-in")]
#![expect(clippy::missing_errors_doc, reason = "a stand-in")]

use std::sync::Arc;

use domain::certificate::Certificate;
use domain::secret::Secret;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

#[derive(Debug)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    pem: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificateError;

impl ClientCertificate {
    pub fn summary(&self) -> Certificate {
        crate::certificate::summary(&self.chain[0])
    }

    pub fn to_pem(&self) -> Secret {
        self.pem.clone()
    }

    pub fn certified_key(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, rustls::Error> {
        let key = PrivateKeyDer::from_pem_slice(self.pem.expose().as_bytes()).map_err(|_| rustls::Error::DecryptError)?;
        CertifiedKey::from_der(self.chain.clone(), key, provider).map(Arc::new)
    }
}

pub fn read(file: &[u8], _: &Secret) -> Result<ClientCertificate, ClientCertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(file).collect::<Result<_, _>>().map_err(|_| ClientCertificateError)?;
    PrivateKeyDer::from_pem_slice(file).map_err(|_| ClientCertificateError)?;
    let text = String::from_utf8(file.to_vec()).map_err(|_| ClientCertificateError)?;
    if chain.is_empty() { Err(ClientCertificateError) } else { Ok(ClientCertificate { chain, pem: Secret::new(text) }) }
}
