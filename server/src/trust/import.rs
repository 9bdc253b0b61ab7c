//! A stand-in until the reader of files is here.
#![expect(missing_docs, reason = "a stand-in")]

use domain::secret::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

pub struct Found {
    pub label: String,
    pub what: What,
}

pub enum What {
    Certificate(CertificateDer<'static>),
    PrivateKey,
    Unreadable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError;

pub fn read(file: &[u8], _: &Secret) -> Result<Vec<Found>, ImportError> {
    let mut found = Vec::new();
    for section in <(rustls::pki_types::pem::SectionKind, Vec<u8>)>::pem_slice_iter(file) {
        let what = match section.map_err(|_| ImportError)? {
            (rustls::pki_types::pem::SectionKind::Certificate, der) if crate::certificate::is_certificate(&der) => {
                What::Certificate(der.into())
            }
            (rustls::pki_types::pem::SectionKind::PrivateKey, _) => What::PrivateKey,
            _ => What::Unreadable,
        };
        found.push(Found { label: String::new(), what });
    }
    if found.is_empty() { Err(ImportError) } else { Ok(found) }
}
