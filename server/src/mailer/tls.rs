//! Encryption: the handshake, what it showed of the peer, and what a failed one was. Certificate and name are verified in every
//! mode; there is no switch for that. What is trusted is [`super::trust`]'s affair.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use domain::certificate::Certificate;
use domain::smtp_server::{MinTls, SmtpServer};
use domain::transcript::{Cause, Security};
use domain::trust::{self, Finding, Flaw, Objection, TrustedBy};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::Watched;
use super::trust::{Asked, MAX_CHAIN, Trust, Verdict};
use crate::certificate;
use crate::ports::Clock;

/// The most bytes of a certificate that is kept.
const MAX_CERTIFICATE: usize = 64 << 10;

/// What a handshake is to be like.
pub(super) struct Terms {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) clock: Arc<dyn Clock + Send + Sync>,
    pub(super) trust: Arc<Trust>,
    pub(super) asked: Asked,
    pub(super) min: MinTls,
    /// What we show a server that asks who we are.
    pub(super) client: Option<Arc<CertifiedKey>>,
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
    /// The system's own words; none where it is the certificate that isn't trusted.
    pub(super) detail: Option<String>,
    /// What came in clear where nothing but TLS may come; empty with every other cause than [`Cause::Injected`].
    pub(super) injected: Vec<u8>,
}

/// Shakes hands over `stream`. After STARTTLS (`upgrade`) a first byte that is none of TLS is an injection, however late it comes
/// and whatever follows. What it shows of the peer stands in `seen`, also where it fails or never ends.
pub(super) async fn handshake(
    terms: &Terms,
    stream: TcpStream,
    upgrade: bool,
    seen: &Arc<Seen>,
) -> Result<Encrypted, HandshakeFailure> {
    let failure = |cause, detail: Option<&dyn ToString>| HandshakeFailure {
        cause,
        detail: detail.map(ToString::to_string),
        injected: Vec::new(),
    };
    terms.trust.ready().await;
    let config = terms.config(seen).map_err(|error| failure(Cause::NoCommonProtocol, Some(&error)))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(terms.asked.name.clone(), Watched::new(stream, upgrade));
    match connecting.into_fallible().await {
        Ok(mut stream) => {
            let (watched, connection) = stream.get_mut();
            watched.settle();
            let security = match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => Security::Tls13,
                _ => Security::Tls12,
            };
            let cipher = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
            Ok(Encrypted { stream, security, cipher })
        }
        Err((error, watched)) if upgrade && watched.head().first().is_some_and(|&first| !is_content_type(first)) => {
            let injected = watched.head().to_vec();
            Err(HandshakeFailure { cause: Cause::Injected, detail: Some(error.to_string()), injected })
        }
        Err((error, watched)) => {
            let presented = seen.lock();
            if let Some(objection) = presented.objections().first() {
                return Err(failure(objection.cause(), None));
            }
            let cause = handshake_cause(&error, watched.head(), &presented.ours);
            Err(match rustls_error(&error) {
                Some(rustls::Error::InvalidCertificate(_)) => failure(cause, Some(&Flaw::Unproven.words())),
                _ => failure(cause, Some(&error)),
            })
        }
    }
}

impl Terms {
    fn config(&self, seen: &Arc<Seen>) -> Result<ClientConfig, rustls::Error> {
        const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];
        const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
        let versions = match self.min {
            MinTls::Tls12 => BOTH,
            MinTls::Tls13 => ONLY_13,
        };
        let verifier =
            Verifier { trust: self.trust.clone(), asked: self.asked.clone(), provider: self.provider.clone(), seen: seen.clone() };
        let ours = OurCertificate { certified: self.client.clone(), seen: seen.clone() };
        let mut config = ClientConfig::builder_with_details(self.provider.clone(), Arc::new(Time(self.clock.clone())))
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(ours));
        // Each session is verified anew.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// Why a handshake failed although nothing stands against the certificate. The kinds of failure that let StartTLS "Enabled" go on in
/// clear are told from the others here.
fn handshake_cause(error: &io::Error, head: &[u8], ours: &Ours) -> Cause {
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
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Cause::BadCertificate,
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            ours.cause().unwrap_or(Cause::ClientCertificateWanted)
        }
        rustls::Error::AlertReceived(alert) => ours.cause().unwrap_or(match alert {
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => {
                Cause::NoCommonProtocol
            }
            _ => Cause::HandshakeBroken,
        }),
        rustls::Error::PeerIncompatible(_) => Cause::NoCommonProtocol,
        _ => Cause::HandshakeGarbage,
    }
}

/// Why an encrypted connection broke later on, if TLS says why. Whether it is our certificate that is missing or not taken,
/// [`Ours::cause`] knows: TLS 1.3 tells either only after its handshake.
pub(super) fn cause_after_handshake(error: &io::Error) -> Option<Cause> {
    use AlertDescription as Alert;
    match rustls_error(error)? {
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::HandshakeFailure,
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

/// What a peer presented, and what became of our own certificate.
#[derive(Debug, Default)]
pub(super) struct Presented {
    /// Its certificates, its own first: at most [`MAX_CHAIN`].
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// What is to be thought of the first one.
    pub(super) verdict: Option<Verdict>,
    /// Whether it has the key of that.
    pub(super) proved: bool,
    pub(super) ours: Ours,
}

/// What became of our own certificate.
#[derive(Debug, Default)]
pub(super) enum Ours {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// There was none to show.
    Asked,
    /// It was shown; its subject.
    Shown(String),
}

impl Ours {
    /// Why a server that asked for it broke off.
    pub(super) const fn cause(&self) -> Option<Cause> {
        match self {
            Self::NotAsked => None,
            Self::Asked => Some(Cause::ClientCertificateWanted),
            Self::Shown(_) => Some(Cause::ClientCertificateRefused),
        }
    }
}

impl Presented {
    /// Everything that stands against it.
    pub(super) fn objections(&self) -> &[Objection] {
        match &self.verdict {
            Some(Err(objections)) => objections,
            _ => &[],
        }
    }

    /// Why it was accepted.
    pub(super) fn trusted_by(&self) -> Option<&TrustedBy> {
        self.verdict.as_ref().filter(|_| self.proved)?.as_ref().ok()
    }

    /// Everything that stands against it, or the one ground to trust it.
    pub(super) fn findings(&self, server: &SmtpServer) -> Vec<Finding> {
        let Some(leaf) = self.chain.first() else { return Vec::new() };
        let certificate = certificate::summary(leaf);
        let (host, name) = (server.host.to_string(), server.certified_name().to_string());
        let asked = trust::Asked { host: &host, port: server.port, name: &name };
        match (&self.verdict, self.trusted_by()) {
            (_, Some(by)) => vec![trust::trusted(by, &asked)],
            (Some(Ok(_)), None) => vec![Objection::Flawed(Flaw::Unproven).finding(&certificate, &asked)],
            _ => self.objections().iter().map(|objection| objection.finding(&certificate, &asked)).collect(),
        }
    }

    /// What stands against it, in words, without the end of the sentence.
    pub(super) fn refusal(&self, certificate: &Certificate, server: &SmtpServer) -> Option<String> {
        let (host, name) = (server.host.to_string(), server.certified_name().to_string());
        let asked = trust::Asked { host: &host, port: server.port, name: &name };
        let words = self.objections().first()?.words(certificate, &asked);
        Some(words.trim_end_matches('.').to_owned())
    }
}

/// What a handshake showed so far.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Presented>);

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Presented> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Presented {
        std::mem::take(&mut *self.lock())
    }
}

/// Shows our certificate to whoever asks for one, if we have one, and remembers it. rustls sends it after the server's own was
/// accepted.
#[derive(Debug)]
struct OurCertificate {
    certified: Option<Arc<CertifiedKey>>,
    seen: Arc<Seen>,
}

impl ResolvesClientCert for OurCertificate {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // With another kind of key than they take, it would not be sent.
        let usable = self.certified.clone().filter(|certified| certified.key.choose_scheme(schemes).is_some());
        self.seen.lock().ours = match usable.as_ref().and_then(|certified| certified.cert.first()) {
            Some(shown) => Ours::Shown(certificate::summary(shown).subject),
            None => Ours::Asked,
        };
        usable
    }

    fn has_certs(&self) -> bool {
        self.certified.is_some()
    }
}

/// Asks what we trust, and remembers what it was asked about.
#[derive(Debug)]
struct Verifier {
    trust: Arc<Trust>,
    asked: Asked,
    provider: Arc<CryptoProvider>,
    seen: Arc<Seen>,
}

impl Verifier {
    /// The key counts whatever vouches for the certificate.
    fn proved(&self, valid: Result<HandshakeSignatureValid, rustls::Error>) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.seen.lock().proved = valid.is_ok();
        valid
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.trust.judge(end_entity, intermediates, &self.asked, now);
        let refusal = verdict.as_ref().err().map(|objections| alert_for(objections));
        let mut presented = self.seen.lock();
        presented.chain = std::iter::once(end_entity)
            .chain(intermediates)
            .take_while(|certificate| certificate.len() <= MAX_CERTIFICATE)
            .take(MAX_CHAIN)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        presented.verdict = Some(verdict);
        match refusal {
            Some(refusal) => Err(refusal.into()),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.proved(verify_tls12_signature(message, certificate, signature, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.proved(verify_tls13_signature(message, certificate, signature, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What the server is told (RFC 8446 section 6.2): rustls makes the alert of it.
fn alert_for(objections: &[Objection]) -> CertificateError {
    match objections.first() {
        Some(Objection::SelfSigned | Objection::UnknownIssuer { .. } | Objection::NothingTrusted { .. }) => {
            CertificateError::UnknownIssuer
        }
        Some(Objection::Expired) => CertificateError::Expired,
        Some(Objection::NotYetValid) => CertificateError::NotValidYet,
        Some(Objection::WrongName) => CertificateError::NotValidForName,
        _ => CertificateError::ApplicationVerificationFailure,
    }
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
