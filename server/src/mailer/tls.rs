//! Encryption: what is trusted, the handshake, and what a failed one was. Certificate and name are verified in every
//! mode; there is no switch for that.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use domain::certificate::Certificate;
use domain::host::Host;
use domain::transcript::{Cause, Security};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::Watched;
use crate::certificate;
use crate::ports::Clock;

/// Whom we trust: the machine's certificate authorities and those given besides.
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    /// `None` where the machine has no authorities and none were given.
    roots: Option<Arc<dyn ServerCertVerifier>>,
    extra: Arc<[CertificateDer<'static>]>,
    clock: Arc<dyn Clock + Send + Sync>,
}

/// Extra certificates that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadRoots {
    /// The text is not PEM.
    #[error("it can't be read as PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// There is no certificate in it.
    #[error("it holds no certificate")]
    Empty,
    /// One of them can't be a root.
    #[error("a certificate in it can't be used")]
    Certificate(#[source] rustls::Error),
}

/// A handshake that succeeded.
pub(super) struct Encrypted {
    pub(super) stream: TlsStream<Watched>,
    pub(super) security: Security,
    pub(super) cipher: String,
}

/// A handshake that failed.
pub(super) struct HandshakeFailure {
    pub(super) cause: Cause,
    pub(super) detail: String,
    /// What came in clear where nothing but TLS may come; empty with every other cause than [`Cause::Injected`].
    pub(super) injected: Vec<u8>,
}

impl Trust {
    pub(super) fn new(extra_pem: Option<&[u8]>, clock: Arc<dyn Clock + Send + Sync>) -> Result<Self, BadRoots> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let extra = match extra_pem {
            None => Vec::new(),
            Some(pem) => CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(BadRoots::Pem)?,
        };
        if extra_pem.is_some() && extra.is_empty() {
            return Err(BadRoots::Empty);
        }
        let roots = rustls_platform_verifier::Verifier::new_with_extra_roots(extra.iter().cloned(), provider.clone());
        let roots: Option<Arc<dyn ServerCertVerifier>> = match roots {
            Ok(verifier) => Some(Arc::new(verifier)),
            Err(error) if !extra.is_empty() => return Err(BadRoots::Certificate(error)),
            Err(_) => None,
        };
        Ok(Self { provider, roots, extra: extra.into(), clock })
    }

    /// Shakes hands with `host`. The certificate is what the peer presented, trusted or not. After STARTTLS (`upgrade`) a
    /// first byte that is none of TLS is an injection, however late it comes and whatever follows.
    pub(super) async fn handshake(
        &self,
        host: &Host,
        stream: TcpStream,
        upgrade: bool,
    ) -> (Result<Encrypted, HandshakeFailure>, Option<Box<Certificate>>) {
        let failure =
            |cause, detail: &dyn ToString| Err(HandshakeFailure { cause, detail: detail.to_string(), injected: Vec::new() });
        let Some(roots) = self.roots.clone() else {
            return (failure(Cause::NoTrustedRoots, &"no certificate authorities found"), None);
        };
        let name = match host {
            Host::Ip(ip) => ServerName::from(*ip),
            Host::Dns(name) => match ServerName::try_from(name.clone()) {
                Ok(name) => name,
                Err(error) => return (failure(Cause::WrongName, &error), None),
            },
        };
        let seen = Arc::new(Seen::default());
        let verifier = Verifier { roots, extra: self.extra.clone(), seen: seen.clone() };
        let config = ClientConfig::builder_with_details(self.provider.clone(), Arc::new(Time(self.clock.clone())))
            .with_safe_default_protocol_versions();
        let config = match config {
            Ok(config) => config,
            Err(error) => return (failure(Cause::NoCommonProtocol, &error), None),
        };
        let mut config =
            config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_client_cert_resolver(seen.clone());
        config.resumption = Resumption::disabled();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, Watched::new(stream, upgrade)).into_fallible();
        let result = connecting.await;
        let certificate = seen.certificate().map(|der| Box::new(certificate::summary(&der)));
        let result = match result {
            Ok(stream) => {
                let (_, connection) = stream.get_ref();
                let security = match connection.protocol_version() {
                    Some(ProtocolVersion::TLSv1_3) => Security::Tls13,
                    _ => Security::Tls12,
                };
                let cipher = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
                Ok(Encrypted { stream, security, cipher })
            }
            Err((error, watched)) if upgrade && watched.head().first().is_some_and(|&first| !is_content_type(first)) => {
                let injected = watched.head().to_vec();
                Err(HandshakeFailure { cause: Cause::Injected, detail: error.to_string(), injected })
            }
            Err((error, watched)) => {
                let self_signed = certificate.as_ref().is_some_and(|certificate| certificate.self_signed);
                let cause = handshake_cause(&error, watched.head(), self_signed, seen.wants_ours.load(Ordering::Relaxed));
                match rustls_error(&error) {
                    Some(rustls::Error::InvalidCertificate(bad)) => failure(cause, &certificate_words(bad)),
                    _ => failure(cause, &error),
                }
            }
        };
        (result, certificate)
    }
}

/// Why a handshake failed. The kinds of failure that let StartTLS "Enabled" go on in clear are told from the others here.
fn handshake_cause(error: &io::Error, head: &[u8], self_signed: bool, wants_ours: bool) -> Cause {
    use CertificateError as Bad;
    if looks_like_smtp(head) {
        return Cause::PlaintextInTls;
    }
    let Some(error) = rustls_error(error) else {
        return match error.kind() {
            io::ErrorKind::TimedOut => Cause::Timeout,
            _ => Cause::HandshakeBroken,
        };
    };
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => Cause::Expired,
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => Cause::NotYetValid,
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Cause::WrongName,
            // A certificate that is its own authority's (what `openssl req -x509` makes) fails as `Other`.
            Bad::UnknownIssuer | Bad::Other(_) if self_signed => Cause::SelfSigned,
            Bad::UnknownIssuer => Cause::UnknownIssuer,
            _ => Cause::BadCertificate,
        },
        rustls::Error::NoCertificatesPresented => Cause::BadCertificate,
        rustls::Error::AlertReceived(_) if wants_ours => Cause::ClientCertificateWanted,
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Cause::ClientCertificateWanted,
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity,
        ) => Cause::NoCommonProtocol,
        rustls::Error::AlertReceived(_) => Cause::HandshakeBroken,
        _ => Cause::HandshakeGarbage,
    }
}

/// What is wrong with a certificate, where its fields don't show it.
fn certificate_words(bad: &CertificateError) -> &'static str {
    use CertificateError as Bad;
    match bad {
        Bad::BadEncoding => "the certificate can't be read",
        Bad::BadSignature => "the certificate's signature is wrong",
        Bad::Revoked => "the certificate was revoked",
        Bad::UnhandledCriticalExtension => "the certificate has a critical extension that isn't known here",
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => "the certificate isn't meant for servers",
        Bad::UnsupportedSignatureAlgorithmContext { .. } | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate is signed in a way that isn't accepted here"
        }
        Bad::Other(_) => "the certificate, or one it was signed with, breaks a rule for certificates of servers",
        _ => "the certificate can't be verified",
    }
}

/// Why an encrypted connection broke later on, if TLS says why.
pub(super) fn cause_after_handshake(error: &io::Error) -> Option<Cause> {
    match rustls_error(error)? {
        // TLS 1.3 says so only after its handshake.
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => Some(Cause::ClientCertificateWanted),
        _ => None,
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    let mut source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}

/// `220 …`, where TLS should be.
fn looks_like_smtp(head: &[u8]) -> bool {
    matches!(head, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-' | b'\r' | b'\n', ..])
}

/// What a record of TLS begins with (RFC 8446 section 5.1); no letter, digit or line end is among them.
pub(super) const fn is_content_type(byte: u8) -> bool {
    matches!(byte, 0x14..=0x17)
}

/// TLS, where `220 …` should be: a handshake or an alert, of SSL 3 or any TLS.
pub(super) fn looks_like_tls(head: &[u8]) -> bool {
    matches!(head, [0x15 | 0x16, 0x03, ..])
}

/// What a handshake showed of the peer.
#[derive(Debug, Default)]
struct Seen {
    certificate: Mutex<Option<CertificateDer<'static>>>,
    wants_ours: AtomicBool,
}

impl Seen {
    fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// We have no certificate to show, but want to know that one was asked for.
impl ResolvesClientCert for Seen {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.wants_ours.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Asks the machine's authorities, and takes a certificate that was given by itself: as a leaf it need not be signed by
/// anybody, but names and dates must be right all the same.
#[derive(Debug)]
struct Verifier {
    roots: Arc<dyn ServerCertVerifier>,
    extra: Arc<[CertificateDer<'static>]>,
    seen: Arc<Seen>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.certificate.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.clone().into_owned());
        if !self.extra.contains(end_entity) {
            return self.roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        rustls::client::verify_server_name(&parsed, server_name)?;
        check_dates(&certificate::summary(end_entity), now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.roots.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.roots.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.supported_verify_schemes()
    }
}

/// RFC 3339 in UTC sorts like time.
fn check_dates(certificate: &Certificate, now: UnixTime) -> Result<(), rustls::Error> {
    let now = i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|now| now.format(&time::format_description::well_known::Rfc3339).ok())
        .ok_or(rustls::Error::FailedToGetCurrentTime)?;
    let bad = match certificate {
        Certificate { not_before, not_after, .. } if not_before.is_empty() || not_after.is_empty() => CertificateError::BadEncoding,
        Certificate { not_before, .. } if now < *not_before => CertificateError::NotValidYet,
        Certificate { not_after, .. } if now > *not_after => CertificateError::Expired,
        _ => return Ok(()),
    };
    Err(bad.into())
}

/// Our clock as rustls asks for it.
struct Time(Arc<dyn Clock + Send + Sync>);

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time")
    }
}

impl rustls::time_provider::TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.now().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}
