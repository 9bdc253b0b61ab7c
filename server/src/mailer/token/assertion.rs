//! What an application proves with a certificate that it is itself (RFC 7523 section 2.2): a JWT that only its key can sign, for one
//! service, once, and for ten minutes at most.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::secret::Secret;
use domain::transcript::Cause;
use ring::digest;
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use serde_json::json;

use crate::mailer::stream::Trouble;
use crate::ports::{Clock, Random};

/// How long before and after the moment it is made it counts: what Entra takes clocks to differ by.
const SKEW: Duration = Duration::from_mins(5);

/// An assertion for `audience` by the application of this id.
///
/// # Errors
/// [`Cause::TokenCertificateUnfit`] where the key can't sign it: PS256 takes an RSA key (RFC 7518 section 3.5), of at least the
/// 2048 bits that ring demands.
pub(super) fn signed(
    certificate: &CertifiedKey,
    application_id: &str,
    audience: &str,
    clock: &(dyn Clock + Send + Sync),
    random: &(dyn Random + Send + Sync),
) -> Result<Secret, Trouble> {
    let unfit = || Trouble::from(Cause::TokenCertificateUnfit);
    let leaf = certificate.cert.first().ok_or_else(unfit)?;
    if certificate.key.algorithm() != SignatureAlgorithm::RSA {
        return Err(unfit());
    }
    let signer = certificate.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).ok_or_else(unfit)?;
    let mut id = [0; 16];
    random.fill(&mut id);
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = clock.now();
    let header = json!({
        "alg": "PS256",
        "typ": "JWT",
        "x5t#S256": URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, leaf)),
    });
    let claims = json!({
        "iss": application_id,
        "sub": application_id,
        "aud": audience,
        "jti": URL_SAFE_NO_PAD.encode(id),
        "nbf": seconds(now - SKEW),
        "exp": seconds(now + SKEW),
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let said = format!("{}.{}", part(&header), part(&claims));
    let signature = signer.sign(said.as_bytes()).map_err(|_| unfit())?;
    Ok(Secret::new(format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))))
}
