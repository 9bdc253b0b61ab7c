//! Whose certificates are trusted, as pages, API and transcripts tell it: authorities, pinned certificates, what a file would
//! add, and what a server presents. Verifying is the server's affair.

mod import;
mod objection;

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::entry::EntryId;
use crate::smtp_server::SmtpServer;
use crate::transcript::Event;

pub use import::{ClientCertificateError, Format, ImportError, Lookalike, Store};
pub(crate) use objection::or_nobody;
pub use objection::{Asked, Flaw, Objection, trusted};

/// The most certificates that can be trusted besides the system's.
pub const MAX_TRUSTED: u64 = 2_000;

/// Identifies a trusted certificate for ever; never used again after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrustId(pub u64);

impl std::fmt::Display for TrustId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a server's certificate was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedBy {
    /// On which ground.
    pub how: Ground,
    /// The subject of the certificate that is the ground.
    pub subject: String,
    /// Its SHA-256 in lower-case hexadecimal; empty with [`Ground::System`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
}

/// A ground to accept a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// An authority that this machine trusts.
    System,
    /// An authority that was imported.
    Authority,
    /// It is pinned for this host and port.
    Pin,
    /// It was given for this run (`--ca`).
    Given,
}

/// What is trusted, for its page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustPage {
    /// The authorities of this machine.
    pub system: SystemRoots,
    /// What was imported and pinned: authorities first, each by subject.
    pub items: Vec<Trusted>,
    /// What was trashed just now and can be brought back.
    pub undo: Option<TrustUndo>,
    /// Now, for "expires in 40 days": milliseconds since 1970.
    pub now_ms: u64,
}

/// The authorities of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemRoots {
    /// Whether they are trusted.
    pub on: bool,
    /// How many there are.
    pub count: usize,
    /// Where they come from: files, directories, or the system's store.
    pub source: String,
    /// What went wrong while they were read; raw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The entries whose last encrypted connection relied on them.
    pub used_by: Vec<(EntryId, String)>,
}

/// A certificate that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// Its id.
    pub id: TrustId,
    /// What it says.
    pub certificate: Certificate,
    /// The server it is pinned for; `None` for an authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// When it was added: milliseconds since 1970.
    pub added_ms: u64,
    /// Who added it; empty where nobody knows.
    pub added_by: String,
    /// The entries that rely on it, by name: those of a pin's host and port; those whose last encrypted connection an authority
    /// vouched for.
    pub used_by: Vec<(EntryId, String)>,
}

/// The one server that a pinned certificate is trusted for, until it presents another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Its host, as [`crate::host::Host`] writes it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is trusted outside of its dates, too.
    #[serde(default)]
    pub outlives: bool,
}

/// What can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustUndo {
    /// Names the trashing.
    pub batch: u64,
    /// The subjects of what went.
    pub subjects: Vec<String>,
    /// How long it can still be undone: milliseconds.
    pub left_ms: u64,
}

/// What a file would add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Everything that is in it, in its order.
    pub items: Vec<PreviewItem>,
    /// PEM (RFC 7468) of those that can be added.
    pub pem: String,
    /// Now: milliseconds since 1970.
    pub now_ms: u64,
}

/// Something that is in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewItem {
    /// The name it has in the file; empty where it has none.
    pub label: String,
    /// What it says; `None` where it is no certificate.
    pub certificate: Option<Certificate>,
    /// What would become of it.
    pub fate: Fate,
}

/// What becomes of something in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It would be added.
    New,
    /// It is trusted already.
    Already,
    /// A private key: never kept.
    PrivateKey,
    /// No certificate.
    NotACertificate,
    /// Not valid any more.
    Expired,
    /// Its key can be broken: RSA of less than 2,048 bits.
    TooWeak,
    /// Its kind of key can't be verified here.
    UnsupportedKey,
    /// A server's own certificate: it can be pinned for that server, but vouches for nobody.
    NotAnAuthority,
}

impl Fate {
    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::New => "Will be added",
            Self::Already => "Already trusted",
            Self::PrivateKey => "Refused: a private key. It isn't needed here and nothing of it is kept",
            Self::NotACertificate => "Refused: not a certificate",
            Self::Expired => "Refused: expired",
            Self::TooWeak => "Refused: its key is too weak. RSA needs at least 2048 bits",
            Self::UnsupportedKey => "Refused: its kind of key can't be verified here. RSA, ECDSA P-256, P-384 and Ed25519 can",
            Self::NotAnAuthority => {
                "Refused: a server's own certificate, not an authority's. Open that server and use “Inspect certificate” to trust it there"
            }
        }
    }
}

/// A certificate that a server presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presented {
    /// What it says.
    pub certificate: Certificate,
    /// The certificate itself, PEM.
    pub pem: String,
}

/// What a server presents, and what is to be thought of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The host that was connected to.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What it presented, its own certificate first; empty where it came to no handshake.
    pub chain: Vec<Presented>,
    /// Everything that stands against it, or the one ground to trust it.
    pub findings: Vec<Finding>,
    /// The place in `chain` of the certificate that issued the server's own, where it could be trusted as an authority.
    pub issuer: Option<usize>,
    /// What is pinned for this host and port.
    pub pinned: Vec<Trusted>,
    /// The outcome in one sentence.
    pub headline: String,
    /// Everything that happened; the last event is `finished`.
    pub events: Vec<Event>,
    /// Now: milliseconds since 1970.
    pub now_ms: u64,
}

/// One thing to know of what was presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub kind: FindingKind,
    /// For people.
    pub words: String,
}

/// The kinds of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It is accepted.
    Trusted,
    /// Its issuer isn't trusted.
    UnknownIssuer,
    /// It is its own issuer.
    SelfSigned,
    /// It is for other names.
    WrongName,
    /// It isn't valid any more.
    Expired,
    /// It isn't valid yet.
    NotYetValid,
    /// Another certificate is pinned for this host and port.
    Changed,
    /// Something else.
    Other,
}

impl Inspection {
    /// Whether a connection would accept what was presented.
    pub fn is_trusted(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind == FindingKind::Trusted)
    }

    /// Whether another certificate than a pinned one was presented.
    pub fn is_changed(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind == FindingKind::Changed)
    }
}

/// A certificate to pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPin {
    /// The host it is trusted for.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The certificate, PEM; exactly one.
    pub pem: String,
    /// Whether it is trusted outside of its dates, too.
    #[serde(default)]
    pub outlives: bool,
    /// Whether it takes the place of what is pinned for this host and port, instead of standing beside it.
    #[serde(default)]
    pub replace: bool,
}

/// What the question before trashing shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustTrashPlan {
    /// What would go.
    pub going: Vec<Trusted>,
    /// Now: milliseconds since 1970.
    pub now_ms: u64,
}

/// A certificate that an entry needs, or a client secret, that ends soon or has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiring {
    /// Which one it is to the entry.
    pub role: Needed,
    /// Its subject; empty for a secret, which has none.
    pub subject: String,
    /// The last instant it is valid, as RFC 3339 writes it.
    pub not_after: String,
}

/// What a certificate is to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// Pinned for its server.
    Pin,
    /// The imported authority that vouches for its server.
    Authority,
    /// Its own client certificate.
    Client,
    /// Its server's own certificate.
    Server,
    /// No certificate, but the secret of its application.
    ClientSecret,
}

impl Needed {
    /// For people, as the beginning of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pin => "The trusted certificate",
            Self::Authority => "The trusted authority",
            Self::Client => "The client certificate",
            Self::Server => "The server's certificate",
            Self::ClientSecret => "The client secret",
        }
    }
}

impl Pin {
    /// Whether `server` is the one it is trusted for.
    pub fn is_for(&self, server: &SmtpServer) -> bool {
        self.port == server.port && self.host == server.host.to_string()
    }
}
