//! Asking with a certificate: what its key signs (RFC 7523 section 2.2).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::oauth::Strategy;
use domain::transcript::{Cause, Outcome, Stage};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use ring::{digest, signature};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::Value;
use server::mailer::{Credential, TestRun};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::super::peer::{Authority, Identity, Peer, on};
use super::super::sign_in_service::{Request, Service};
use super::super::{Run, carry_out, entry, hello, mailer, sending, transaction};
use super::{APPLICATION, azure, change, granted};

fn rsa() -> Identity {
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("../../data/rsa-2048.key.der")[..]);
    Authority::new("Applications").issue_for(KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256).unwrap(), &[])
}

/// A run for an application with this certificate, against a mail server that is asked only where it should be.
async fn run_as(application: Option<&Identity>, service: &Service, peer: Peer, credential: Option<Credential>) -> Run {
    let mut server = entry(peer.address);
    azure(&mut server);
    change(&mut server, |oauth| oauth.strategy = Strategy::ClientCertificate);
    let application = application.map(Identity::as_client);
    let run = TestRun { application, ..TestRun::new(server, credential, sending()) };
    let mailer = mailer(None).with_authority(service.url());
    carry_out(peer, run, async |run, sink| mailer.run(run, sink).await).await.0
}

/// Header and claims of what was sent, which the certificate's key has signed.
fn proven(request: &Request, certificate: &Identity) -> (Value, Value) {
    let assertion = request.field("client_assertion");
    let (said, signed) = assertion.rsplit_once('.').unwrap();
    let der = certificate.der();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let key = &certificate.public_key().subject_public_key.data;
    let key = signature::UnparsedPublicKey::new(&signature::RSA_PSS_2048_8192_SHA256, key);
    key.verify(said.as_bytes(), &URL_SAFE_NO_PAD.decode(signed).unwrap()).expect("PS256, by the certificate's key");
    let (header, claims) = said.split_once('.').unwrap();
    let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn an_application_asks_with_what_its_certificates_key_signed() {
    let (certificate, service) = (rsa(), Service::new(granted(), None).await);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let script = [hello("AUTH XOAUTH2"), on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(), transaction()].concat();
        let asked = seconds(SystemTime::now());
        let run = run_as(Some(&certificate), &service, Peer::new(vec![script]).await, None).await;
        assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);

        let request = service.requests().pop().unwrap();
        let fields: Vec<String> = request.form().into_keys().collect();
        assert_eq!(fields, ["client_assertion", "client_assertion_type", "client_id", "grant_type", "scope"], "and no secret");
        assert_eq!(request.field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!(
            (request.field("grant_type").as_str(), request.field("client_id").as_str()),
            ("client_credentials", APPLICATION)
        );
        assert_eq!(request.field("scope"), "https://outlook.office365.com/.default");
        assert!(!request.head.to_ascii_lowercase().contains("authorization:"), "{}", request.head);

        let (header, claims) = proven(&request, &certificate);
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &certificate.der()));
        assert_eq!((&header["alg"], &header["typ"], &header["x5t#S256"]), (&"PS256".into(), &"JWT".into(), &thumbprint.into()));
        assert_eq!((&claims["iss"], &claims["sub"]), (&APPLICATION.into(), &APPLICATION.into()));
        assert_eq!(claims["aud"], format!("{}/example.com/oauth2/v2.0/token", service.url()));
        let (from, to) = (claims["nbf"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert!(to - from <= 600, "{from} to {to}");
        // A service whose clock is nearly five minutes off, either way, takes it.
        assert!(from <= asked - 299 && to >= asked + 299, "{from} to {to}, asked at {asked}");
        ids.push(claims["jti"].as_str().unwrap().to_owned());

        let shown = format!("{} {:?}", run.shown(), run.finished);
        let assertion = request.field("client_assertion");
        for part in assertion.split('.') {
            assert!(!shown.contains(part), "{shown}");
        }
    }
    assert!(ids[0] != ids[1] && ids[0].len() >= 20, "{ids:?}");
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn a_secret_that_is_stored_beside_it_stays_here() {
    let (certificate, service) = (rsa(), Service::new(granted(), None).await);
    let script = [hello("AUTH XOAUTH2"), on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(), transaction()].concat();
    let run = run_as(Some(&certificate), &service, Peer::new(vec![script]).await, Some(super::password())).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    let request = &service.requests()[0];
    assert!(!request.body.contains(super::CANARY) && !request.form().contains_key("client_secret"), "{}", request.body);
}

#[tokio::test]
async fn a_key_of_another_kind_signs_nothing_and_nobody_is_asked() {
    let service = Service::new(granted(), None).await;
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        let certificate = Authority::new("Applications").issue_for(KeyPair::generate_for(algorithm).unwrap(), &[]);
        let run = run_as(Some(&certificate), &service, Peer::new(vec![]).await, None).await;
        assert_eq!(run.failure(), (Stage::Token, Some(Cause::TokenCertificateUnfit), "oauth_certificate_unfit"));
        assert!(run.log.connections.is_empty());
    }
    let run = run_as(None, &service, Peer::new(vec![]).await, None).await;
    assert_eq!(run.failure(), (Stage::Resolve, Some(Cause::NoClientCertificate), "oauth_no_certificate"));
    assert!(run.log.connections.is_empty() && service.requests().is_empty());
}

#[tokio::test]
async fn the_certificate_that_signs_isnt_shown_to_the_mail_server() {
    let (certificate, clients) = (rsa(), Authority::new("Clients"));
    let ca = Authority::new("Test authority");
    let service = Service::new(granted(), None).await;
    let asking = ca.issue(&[super::super::HOST], |_| {}).server_asking(&rustls::version::TLS13, &clients, false);
    let script = [
        vec![super::super::peer::Act::Handshake(asking)],
        hello("AUTH XOAUTH2"),
        on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(),
        transaction(),
    ];
    let peer = Peer::new(vec![script.concat()]).await;
    let mut server = entry(peer.address);
    azure(&mut server);
    change(&mut server, |oauth| oauth.strategy = Strategy::ClientCertificate);
    server.protocol = domain::smtp_server::Protocol::Smtps;
    let run = TestRun { application: Some(certificate.as_client()), ..TestRun::new(server, None, sending()) };
    let mailer = Arc::new(mailer(Some(&ca.pem())).with_authority(service.url()));
    let run = carry_out(peer, run, async |run, sink| mailer.run(run, sink).await).await.0;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    assert!(run.log.hellos[0].client.is_empty());
    assert!(run.took < Duration::from_secs(10));
}
