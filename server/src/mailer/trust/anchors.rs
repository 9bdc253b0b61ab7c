//! Authorities, and what they vouch for: paths from a server's certificate up to one of them (RFC 5280 section 6), as webpki
//! finds them. Names, and the dates of the server's own certificate, are judged elsewhere.

use std::time::Duration;

use domain::certificate::{Certificate, Validity, instant_ms};
use domain::trust::{Flaw, Objection};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, VerifiedPath};

use crate::certificate;

/// Signature algorithms that are accepted.
pub(super) type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// Some authorities.
#[derive(Default)]
pub(super) struct Anchors {
    /// In the order of `certificates`.
    all: Vec<TrustAnchor<'static>>,
    certificates: Vec<CertificateDer<'static>>,
    /// Whether what an authority's own certificate says counts: its dates, and whether it may sign others. RFC 5280 section 6.2
    /// leaves that to whoever chose it; those who look after the system's do so.
    strict: bool,
}

/// A path to an authority.
pub(super) struct Path<'a> {
    /// The authority's own certificate.
    pub(super) authority: &'a CertificateDer<'static>,
    /// All others between that and the server's.
    pub(super) between: Vec<CertificateDer<'static>>,
}

/// A certificate with those that came with it.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) others: &'a [CertificateDer<'a>],
}

impl Anchors {
    /// What can't be an authority is left out.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>, strict: bool) -> Self {
        let mut anchors = Self { strict, ..Self::default() };
        for certificate in certificates {
            if let Ok(anchor) = webpki::anchor_from_trusted_cert(&certificate).map(|anchor| anchor.to_owned()) {
                anchors.all.push(anchor);
                anchors.certificates.push(certificate);
            }
        }
        anchors
    }

    pub(super) fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether `certificate` is itself one of them.
    pub(super) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.iter().any(|own| own == certificate)
    }

    /// A path from `chain` to one of them that is good at `moment`. `now` is when an authority itself has to be valid, if that
    /// counts at all.
    pub(super) fn path(
        &self,
        chain: Chain<'_>,
        moment: UnixTime,
        now: Option<UnixTime>,
        algorithms: Algorithms,
    ) -> Result<Path<'_>, Error> {
        let leaf = EndEntityCert::try_from(chain.leaf)?;
        let accept = |path: &VerifiedPath<'_>| self.accept(path, now);
        let found =
            leaf.verify_for_usage(algorithms, &self.all, chain.others, moment, KeyUsage::server_auth(), None, Some(&accept))?;
        let authority = self.authority(&found).ok_or(Error::UnknownIssuer)?;
        let between = found.intermediate_certificates().map(|between| between.der().into_owned()).collect();
        Ok(Path { authority, between })
    }

    /// Where this refuses a path, others are looked for.
    fn accept(&self, path: &VerifiedPath<'_>, now: Option<UnixTime>) -> Result<(), Error> {
        if !self.strict {
            return Ok(());
        }
        let authority = certificate::summary(self.authority(path).ok_or(Error::UnknownIssuer)?);
        if !authority.authority {
            return Err(Error::UnknownIssuer);
        }
        let Some(now) = now else { return Ok(()) };
        let at = |text: &str| UnixTime::since_unix_epoch(Duration::from_millis(instant_ms(text).unwrap_or_default()));
        match validity(&authority, now) {
            Validity::Expired { .. } => Err(Error::CertExpired { time: now, not_after: at(&authority.not_after) }),
            Validity::NotYet { .. } => Err(Error::CertNotValidYet { time: now, not_before: at(&authority.not_before) }),
            Validity::Valid { .. } => Ok(()),
            Validity::Unknown => Err(Error::BadDerTime),
        }
    }

    fn authority(&self, path: &VerifiedPath<'_>) -> Option<&CertificateDer<'static>> {
        let at = self.all.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()))?;
        self.certificates.get(at)
    }
}

/// Those of the certificates that came with a server's own that may lie on a path. The more of them bear one name, the more paths
/// there are to try: nine could keep a processor busy for a second.
pub(super) fn useful<'a>(others: &'a [CertificateDer<'a>]) -> Vec<CertificateDer<'a>> {
    /// An authority may have been signed by another one besides, and both be renewed.
    const OF_ONE_NAME: usize = 4;
    let mut subjects: Vec<Vec<u8>> = Vec::new();
    let mut useful = Vec::new();
    for other in others.iter().take(super::MAX_CHAIN - 1) {
        // What can't be read would only be skipped again and again.
        let Ok(subject) = EndEntityCert::try_from(other).map(|read| read.subject().to_vec()) else { continue };
        if subjects.iter().filter(|before| **before == subject).count() < OF_ONE_NAME {
            useful.push(CertificateDer::from_slice(other));
        }
        subjects.push(subject);
    }
    useful
}

impl Chain<'_> {
    /// The place, counted from the server's own certificate, of the one that signed that and is an authority's.
    pub(super) fn issuer(self, algorithms: Algorithms) -> Option<usize> {
        // Valid by itself then; that of its issuer doesn't count.
        let moment = start(&certificate::summary(self.leaf))?;
        let signed = |other: &CertificateDer<'_>| {
            let anchors = Anchors::new(vec![other.clone().into_owned()], true);
            anchors.path(Chain { others: &[], ..self }, moment, None, algorithms).is_ok()
        };
        self.others.iter().position(signed).map(|at| at + 1)
    }

    /// The moments at which one of the certificates begins to be valid: where all of a path ever were at once, they were so at one
    /// of these.
    pub(super) fn moments(self) -> Vec<UnixTime> {
        let all = std::iter::once(self.leaf).chain(self.others);
        let mut moments: Vec<_> = all.filter_map(|der| start(&certificate::summary(der))).collect();
        moments.sort_unstable();
        moments.dedup();
        moments
    }
}

fn start(certificate: &Certificate) -> Option<UnixTime> {
    instant_ms(&certificate.not_before).map(|ms| UnixTime::since_unix_epoch(Duration::from_millis(ms)))
}

/// What its dates mean now.
pub(super) fn validity(certificate: &Certificate, now: UnixTime) -> Validity {
    certificate.validity(now.as_secs().saturating_mul(1_000))
}

/// Whether a path failed because something of it wasn't valid at the moment.
pub(super) const fn is_about_dates(error: &Error) -> bool {
    matches!(error, Error::CertExpired { .. } | Error::CertNotValidYet { .. })
}

/// What stands against a certificate that nobody vouches for.
pub(super) fn objection(error: &Error, alone: bool) -> Objection {
    let flaw = match error {
        Error::UnknownIssuer | Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            return Objection::UnknownIssuer { alone };
        }
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) | Error::UnsupportedCertVersion => Flaw::Unreadable,
        Error::InvalidSignatureForPublicKey => Flaw::OtherKey,
        Error::UnsupportedCriticalExtension => Flaw::CriticalExtension,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Flaw::Purpose,
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            Flaw::Algorithm
        }
        Error::NameConstraintViolation => Flaw::NameConstraint,
        Error::CaUsedAsEndEntity => Flaw::AuthorityAsServer,
        _ => Flaw::Rule,
    };
    Objection::Flawed(flaw)
}
