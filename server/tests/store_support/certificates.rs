//! Certificates with keys, for the tests of what is trusted.

use std::sync::LazyLock;

use domain::certificate::Certificate;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use server::certificate::summary;
use time::OffsetDateTime;

use super::START;

/// A certificate and its key.
pub(crate) struct Made {
    pub(crate) der: Vec<u8>,
    pub(crate) key: KeyPair,
}

impl Made {
    /// One that signed itself, changed by `change`.
    pub(crate) fn new(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params(name, change).self_signed(&key).unwrap().der().to_vec();
        Self { der, key }
    }

    /// An authority's.
    pub(crate) fn authority(name: &str) -> Self {
        Self::new(name, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
    }

    /// A server's, which ends so many days after the clock's start.
    pub(crate) fn ending(name: &str, days: i64) -> Self {
        Self::new(name, |params| params.not_after = at(days))
    }

    /// The same of an authority.
    pub(crate) fn authority_ending(name: &str, days: i64) -> Self {
        Self::new(name, |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.not_after = at(days);
        })
    }

    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// The certificate with its key.
    pub(crate) fn pem_with_key(&self) -> String {
        self.pem() + &self.key.serialize_pem()
    }

    pub(crate) fn summary(&self) -> Certificate {
        summary(&self.der)
    }

    pub(crate) fn sha256(&self) -> String {
        self.summary().sha256
    }
}

/// Somebody who signs others.
pub(crate) fn issuer(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let params = params(name, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// So many days after the clock's start, at the same time of day.
pub(crate) fn at(days: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(START / 1_000).unwrap() + days * 86_400).unwrap()
}

fn params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![format!("{name}.example.com")]).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    change(&mut params);
    params
}

/// Anything as PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The same few in every test that compares what is stored.
pub(crate) static FIRST: LazyLock<Made> = LazyLock::new(|| Made::authority("first"));
pub(crate) static SECOND: LazyLock<Made> = LazyLock::new(|| Made::authority("second"));
pub(crate) static THIRD: LazyLock<Made> = LazyLock::new(|| Made::authority("third"));
pub(crate) static SERVER: LazyLock<Made> = LazyLock::new(|| Made::new("server", |_| {}));
pub(crate) static OTHER: LazyLock<Made> = LazyLock::new(|| Made::new("other", |_| {}));
pub(crate) static CLIENT: LazyLock<Made> = LazyLock::new(|| Made::new("client", |_| {}));
