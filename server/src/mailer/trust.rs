//! What a connection trusts: the machine's authorities, imported ones, and certificates pinned for one host and port; and what is to
//! be thought of a certificate by that. The handshake itself is [`super::tls`]'s affair.

mod anchors;
mod system;

use domain::certificate::{Certificate, Validity};
use domain::host::Host;
use domain::smtp_server::SmtpServer;
use domain::trust::{Flaw, Ground, Objection, TrustedBy};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::EndEntityCert;

use self::anchors::{Algorithms, Anchors, Chain, Path};
pub use self::system::{SystemAuthorities, system_authorities};
use crate::certificate;

/// The most certificates of a chain that are looked at and kept. Honest ones are shorter.
pub(super) const MAX_CHAIN: usize = 10;

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

/// What is trusted, ready for use. Made once for each change of that, and shared.
pub struct Trust {
    system: bool,
    authorities: Anchors,
    /// For this run alone.
    given: Anchors,
    pins: Vec<Pinned>,
    algorithms: Algorithms,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("system", &self.system)
            .field("authorities", &self.authorities.len())
            .field("given", &self.given.len())
            .field("pins", &self.pins.len())
            .finish_non_exhaustive()
    }
}

/// What a certificate has to be good for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) name: ServerName<'static>,
}

impl Asked {
    /// What `server` asks of its certificate.
    pub(super) fn of(server: &SmtpServer) -> Result<Self, rustls::pki_types::InvalidDnsNameError> {
        let name = match server.certified_name() {
            Host::Ip(ip) => ServerName::from(*ip),
            Host::Dns(name) => ServerName::try_from(name.clone())?,
        };
        Ok(Self { host: server.host.clone(), port: server.port, name })
    }
}

/// Why a certificate is accepted, or everything that stands against it, what weighs most first.
pub(super) type Verdict = Result<TrustedBy, Vec<Objection>>;

impl Trust {
    /// What can't be used as an authority is left out: it was looked at when it was added.
    pub fn new(list: TrustList) -> Self {
        let TrustList { system, authorities, pins } = list;
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
        Self { system, authorities: Anchors::new(authorities, true), given: Anchors::default(), pins, algorithms }
    }

    /// Besides, `certificates`: authorities, or servers' own.
    pub(super) fn with_given(self, certificates: Vec<CertificateDer<'static>>) -> Self {
        Self { given: Anchors::new(certificates, true), ..self }
    }

    /// Ready when nothing has to be read any more.
    pub(super) async fn ready(&self) {
        if self.system {
            system::ready().await;
        }
    }

    /// Whether the machine's authorities are not trusted.
    pub(super) const fn is_system_off(&self) -> bool {
        !self.system
    }

    /// What is to be thought of a certificate with those that came with it.
    pub(super) fn judge(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], asked: &Asked, now: UnixTime) -> Verdict {
        let others = anchors::useful(others);
        let chain = Chain { leaf, others: &others };
        let pins: Vec<&Pinned> = self.pins(asked).collect();
        if let Some(pin) = pins.iter().find(|pin| pin.certificate == *leaf) {
            let summary = certificate::summary(leaf);
            return match dates(&summary, now) {
                Some(objection) if !pin.outlives => Err(vec![objection]),
                _ => Ok(by(Ground::Pin, summary)),
            };
        }
        let summary = certificate::summary(leaf);
        let (vouched, mut objections) = match self.vouch(chain, &summary, now) {
            Ok(by) => (Some(by), Vec::new()),
            Err(objections) => (None, objections),
        };
        objections.extend(dates(&summary, now));
        objections.extend(name(leaf, &asked.name));
        objections.dedup();
        if !pins.is_empty() {
            let vouched_by = vouched.as_ref().filter(|_| objections.is_empty()).map(|by| by.subject.clone());
            objections.insert(0, Objection::Changed { vouched_by });
        }
        match vouched {
            Some(by) if objections.is_empty() => Ok(by),
            _ => Err(objections),
        }
    }

    /// The certificates that are pinned for this host and port.
    pub(super) fn pins(&self, asked: &Asked) -> impl Iterator<Item = &Pinned> {
        self.pins.iter().filter(|pin| pin.port == asked.port && pin.host == asked.host)
    }

    /// The place in a chain of the authority's certificate that signed the first one.
    pub(super) fn issuer(&self, chain: &[CertificateDer<'static>]) -> Option<usize> {
        let (leaf, others) = chain.split_first()?;
        Chain { leaf, others }.issuer(self.algorithms)
    }

    /// Whose word counts, in the order in which they are asked.
    fn grounds(&self) -> impl Iterator<Item = (Ground, &Anchors)> {
        let system = self.system.then(|| (Ground::System, &system::read().anchors));
        system
            .into_iter()
            .chain([(Ground::Authority, &self.authorities), (Ground::Given, &self.given)])
            .filter(|(_, anchors)| anchors.len() > 0)
    }

    /// Who vouches for a certificate, whatever names it has, and apart from its own dates, which [`dates`] judges.
    fn vouch(&self, chain: Chain<'_>, summary: &Certificate, now: UnixTime) -> Verdict {
        if self.grounds().next().is_none() {
            let nobody = Objection::NothingTrusted { switched_off: !self.system };
            return Err(std::iter::once(nobody).chain(summary.self_signed.then_some(Objection::SelfSigned)).collect());
        }
        // An authority's own certificate at a server, as `openssl req -x509` makes it, is signed by nobody else. Whoever has its
        // key could sign another one for any name.
        if let Some((how, _)) = self.grounds().find(|(_, anchors)| anchors.contains(chain.leaf)) {
            return Ok(by(how, summary.clone()));
        }
        let mut error = match self.path(chain, now, Some(now)) {
            Ok((how, path)) => return Ok(by(how, certificate::summary(path.authority))),
            Err(error) => error,
        };
        if anchors::is_about_dates(&error) {
            for moment in chain.moments() {
                match self.path(chain, moment, None) {
                    Ok((how, path)) => {
                        let mut above = above(how, &path, now);
                        // webpki refuses it now: something has to be wrong with dates, also if it were only that we read them
                        // otherwise.
                        if above.is_empty() && dates(summary, now).is_none() {
                            above.push(Objection::Flawed(Flaw::Rule));
                        }
                        return if above.is_empty() { Ok(by(how, certificate::summary(path.authority))) } else { Err(above) };
                    }
                    Err(other) if !anchors::is_about_dates(&other) => error = other,
                    Err(_) => {}
                }
            }
        }
        let objection = anchors::objection(&error, chain.others.is_empty());
        let own_issuer = matches!(objection, Objection::UnknownIssuer { .. } | Objection::Flawed(Flaw::AuthorityAsServer));
        Err(match objection {
            _ if summary.self_signed && own_issuer => vec![Objection::SelfSigned],
            other if summary.self_signed => vec![Objection::SelfSigned, other],
            other => vec![other],
        })
    }

    /// The first path that is found, or the error that says most.
    fn path(&self, chain: Chain<'_>, moment: UnixTime, now: Option<UnixTime>) -> Result<(Ground, Path<'_>), webpki::Error> {
        let mut worst = webpki::Error::UnknownIssuer;
        for (how, anchors) in self.grounds() {
            match anchors.path(chain, moment, now, self.algorithms) {
                Ok(path) => return Ok((how, path)),
                Err(error) if worst == webpki::Error::UnknownIssuer => worst = error,
                Err(_) => {}
            }
        }
        Err(worst)
    }
}

fn by(how: Ground, Certificate { subject, sha256, .. }: Certificate) -> TrustedBy {
    TrustedBy { how, subject, sha256: if how == Ground::System { String::new() } else { sha256 } }
}

/// What is wrong with the dates of those that vouch.
fn above(how: Ground, path: &Path<'_>, now: UnixTime) -> Vec<Objection> {
    let authority = (how != Ground::System).then_some(path.authority);
    let stale = |der: &CertificateDer<'_>| {
        let summary = certificate::summary(der);
        let (later, at) = match anchors::validity(&summary, now) {
            Validity::Expired { .. } => (false, summary.not_after),
            Validity::NotYet { .. } => (true, summary.not_before),
            Validity::Valid { .. } | Validity::Unknown => return None,
        };
        Some(Objection::Above { subject: summary.subject, later, at })
    };
    path.between.iter().chain(authority).filter_map(stale).collect()
}

/// What is wrong with the dates of a server's own certificate.
fn dates(summary: &Certificate, now: UnixTime) -> Option<Objection> {
    match anchors::validity(summary, now) {
        Validity::Valid { .. } => None,
        Validity::Expired { .. } => Some(Objection::Expired),
        Validity::NotYet { .. } => Some(Objection::NotYetValid),
        Validity::Unknown => Some(Objection::Flawed(Flaw::Unreadable)),
    }
}

/// What is wrong with its names: by its alternative names only (RFC 9525).
fn name(leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> Option<Objection> {
    match EndEntityCert::try_from(leaf) {
        Ok(leaf) => leaf.verify_is_valid_for_subject_name(name).is_err().then_some(Objection::WrongName),
        // Somebody else says so.
        Err(_) => None,
    }
}
