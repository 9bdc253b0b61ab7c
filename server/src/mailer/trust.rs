//! What a connection trusts: the machine's authorities, imported ones, and certificates pinned for one host and port.

use domain::host::Host;
use rustls::pki_types::CertificateDer;

/// What is to be trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustList {
    /// Whether the machine's authorities are.
    pub system: bool,
    /// Imported authorities.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Pinned certificates.
    pub pins: Vec<Pinned>,
}

/// A certificate that is trusted for one host and port, until that presents another one.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// Whether it is trusted outside of its dates, too.
    pub outlives: bool,
    /// The certificate.
    pub certificate: CertificateDer<'static>,
}

/// The machine's authorities, as they were found.
#[derive(Clone, Debug, Default)]
pub struct SystemAuthorities {
    /// How many there are.
    pub count: usize,
    /// Where they come from.
    pub source: String,
    /// What went wrong while they were read.
    pub error: Option<String>,
}

/// A stand-in until the verifier is here.
#[derive(Debug)]
pub struct Trust(TrustList);

impl Trust {
    /// A stand-in.
    pub fn new(list: TrustList) -> Self {
        Self(list)
    }
}

/// A stand-in.
pub fn system_authorities() -> SystemAuthorities {
    SystemAuthorities::default()
}
