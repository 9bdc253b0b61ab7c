//! What becomes of a certificate that somebody wants to trust.

use domain::certificate::{Certificate, Validity};
use domain::trust::Fate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::Known;

/// Bits of an RSA key that is strong enough, and that can be verified with.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2_048..=8_192;

/// What becomes of `der`, which says `certificate`, as an authority, at `now_ms` (milliseconds since 1970).
pub(super) fn of_authority(der: &CertificateDer<'_>, certificate: &Certificate, known: &Known, now_ms: u64) -> Fate {
    if known.authority(&certificate.sha256).is_some() {
        Fate::Already
    } else if is_over(certificate, now_ms) {
        Fate::Expired
    } else if let Some(fate) = of_key(certificate) {
        fate
    } else if !certificate.authority {
        Fate::NotAnAuthority
    } else if RootCertStore::empty().add(der.clone().into_owned()).is_err() {
        // Whatever the page can read of it: who verifies can't.
        Fate::NotACertificate
    } else {
        Fate::New
    }
}

/// Why `certificate` can't be pinned, if it can't.
pub(super) fn of_pin(certificate: &Certificate, outlives: bool, now_ms: u64) -> Option<Fate> {
    if is_over(certificate, now_ms) && !outlives { Some(Fate::Expired) } else { of_key(certificate) }
}

/// Whether `certificate` is valid at `now_ms`.
pub(super) fn is_within_dates(certificate: &Certificate, now_ms: u64) -> bool {
    matches!(certificate.validity(now_ms), Validity::Valid { .. })
}

/// Dates that can't be read are none that it is valid at.
fn is_over(certificate: &Certificate, now_ms: u64) -> bool {
    matches!(certificate.validity(now_ms), Validity::Expired { .. } | Validity::Unknown)
}

/// Why nothing can be verified with its key, as [`crate::certificate::summary`] names it.
fn of_key(certificate: &Certificate) -> Option<Fate> {
    let key = certificate.key.as_str();
    let bits = key.strip_prefix("RSA ").and_then(|bits| bits.parse::<u32>().ok());
    match (bits, key) {
        (Some(bits), _) if bits < *RSA_BITS.start() => Some(Fate::TooWeak),
        (Some(bits), _) if RSA_BITS.contains(&bits) => None,
        (None, "ECDSA P-256" | "ECDSA P-384" | "Ed25519") => None,
        _ => Some(Fate::UnsupportedKey),
    }
}
