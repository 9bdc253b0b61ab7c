//! What a connection trusts, certificate by certificate; what a server may ask of us; and inspecting, which looks and does nothing
//! else. What the machine's own authorities vouch for is shown in `send_test`, where they can be chosen.

use std::sync::Arc;
use std::time::Duration;

use domain::diagnosis::Fix;
use domain::host::Host;
use domain::oauth::Oauth;
use domain::smtp_server::{Kind, MinTls, Protocol, SignIn, SmtpServer, StartTls};
use domain::transcript::{Aim, Cause, Outcome, Security, Stage, What, headline};
use domain::trust::{FindingKind, Ground};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SanType, date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use server::mailer::{Inspected, Mode, Pinned, TestRun, Trust, TrustList};

use super::canary::{CANARY, USER};
use super::peer::{Act, Authority, Identity, Peer, on, say};
use super::{HOST, Run, Secret, Sink, carry_out, ehlo, entry, hello, mailer, sending, smtp, transaction};

/// Only these authorities.
fn authorities(trusted: &[&Authority]) -> TrustList {
    TrustList { authorities: trusted.iter().map(|authority| authority.der()).collect(), ..TrustList::default() }
}

/// Only these certificates, for the host of every test.
fn pins(port: u16, trusted: &[&Identity]) -> TrustList {
    TrustList { pins: trusted.iter().map(|identity| pin(HOST, port, identity)).collect(), ..TrustList::default() }
}

fn pin(host: &str, port: u16, identity: &Identity) -> Pinned {
    Pinned { host: Host::Dns(host.into()), port, outlives: false, certificate: identity.der() }
}

/// A run with this trust, which may depend on the peer's port; with the canary as password, whether it is needed or not.
fn planned(
    peer: &Peer,
    trust: impl FnOnce(u16) -> TrustList,
    client: Option<Arc<CertifiedKey>>,
    change: impl FnOnce(&mut SmtpServer),
) -> TestRun {
    let mut server = entry(peer.address);
    server.protocol = Protocol::Smtps;
    let trust = Trust::new(trust(server.port));
    change(&mut server);
    let run = TestRun::new(server, Some(Secret::new(CANARY.into()).into()), sending());
    TestRun { trust: Some(Arc::new(trust)), client, ..run }
}

/// Sends over SMTPS, unless `change` says otherwise.
async fn send(scripts: Vec<Vec<Act>>, trust: impl FnOnce(u16) -> TrustList, change: impl FnOnce(&mut SmtpServer)) -> Run {
    send_as(scripts, trust, None, change).await
}

async fn send_as(
    scripts: Vec<Vec<Act>>,
    trust: impl FnOnce(u16) -> TrustList,
    client: Option<Arc<CertifiedKey>>,
    change: impl FnOnce(&mut SmtpServer),
) -> Run {
    let peer = Peer::new(scripts).await;
    let run = planned(&peer, trust, client, change);
    let mailer = mailer(None);
    carry_out(peer, run, async |run: TestRun, sink: Sink<'_>| mailer.run(run, sink).await).await.0
}

/// Inspects over SMTPS, unless `change` says otherwise.
async fn inspect(
    scripts: Vec<Vec<Act>>,
    trust: impl FnOnce(u16) -> TrustList,
    change: impl FnOnce(&mut SmtpServer),
) -> (Run, Inspected) {
    inspect_as(scripts, trust, None, change).await
}

async fn inspect_as(
    scripts: Vec<Vec<Act>>,
    trust: impl FnOnce(u16) -> TrustList,
    client: Option<Arc<CertifiedKey>>,
    change: impl FnOnce(&mut SmtpServer),
) -> (Run, Inspected) {
    let peer = Peer::new(scripts).await;
    let run = planned(&peer, trust, client, change);
    let mailer = mailer(None);
    let look = async |run: TestRun, sink: Sink<'_>| mailer.inspect(run, sink, std::future::pending()).await;
    let (run, inspected) = carry_out(peer, run, look).await;
    assert_eq!(run.finished.aim, Aim::Inspect);
    for command in ["AUTH", "MAIL", "RCPT", "DATA"] {
        assert!(!run.log.has(command), "only a look: {:?}", run.log);
    }
    (run, inspected)
}

/// A server that takes a message over SMTPS.
fn served(identity: &Identity) -> Vec<Act> {
    [vec![Act::Handshake(identity.server())], hello(""), transaction()].concat()
}

/// A server that shakes hands over SMTPS, if we want to.
fn offered(identity: &Identity) -> Vec<Act> {
    vec![Act::Handshake(identity.server())]
}

/// The same after STARTTLS, with a sign-in on offer that nobody may use.
fn upgraded(identity: &Identity) -> Vec<Act> {
    [hello("STARTTLS\nAUTH PLAIN LOGIN"), on("STARTTLS", "220 go").to_vec(), offered(identity)].concat()
}

fn accepted(run: &Run, how: Ground) {
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    assert_eq!(run.finished.trusted_by.as_ref().map(|by| by.how), Some(how));
    assert!(run.finished.pinned.is_empty());
    assert!(run.log.has("MESSAGE") && !run.log.has_in_clear("MESSAGE"));
}

/// It failed for this, and nothing was said after the handshake that failed.
fn refused(run: &Run, cause: Cause, kind: &str) {
    assert_eq!(run.failure(), (Stage::Tls, Some(cause), kind), "{:?}", run.finished);
    assert_eq!(run.finished.trusted_by, None);
    assert_eq!(run.log.connections.len(), 1, "no second try, in clear or not");
    assert!(run.log.lines().iter().all(|line| ["EHLO client.test", "STARTTLS"].contains(line)), "{:?}", run.log);
    assert!(run.log.hellos.is_empty(), "it came to no end on the other side, either");
}

fn evidence(run: &Run) -> &str {
    run.finished.diagnosis.as_ref().and_then(|diagnosis| diagnosis.evidence.as_deref()).unwrap_or_default()
}

fn kinds(inspected: &Inspected) -> Vec<FindingKind> {
    inspected.findings.iter().map(|finding| finding.kind).collect()
}

fn words(inspected: &Inspected) -> Vec<&str> {
    inspected.findings.iter().map(|finding| finding.words.as_str()).collect()
}

fn expired(params: &mut CertificateParams) {
    (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 2, 3));
}

fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(4000, 1, 1);
}

fn an_authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn signs_in(server: &mut SmtpServer) {
    server.sign_in = SignIn::Password { username: USER.into() };
}

const MODES: [Protocol; 3] = [
    Protocol::Smtp { starttls: StartTls::Enabled, allow_plaintext_credentials: true },
    Protocol::Smtp { starttls: StartTls::EnabledAndRequired, allow_plaintext_credentials: false },
    Protocol::Smtps,
];

/// What `identity` does first with this protocol.
fn as_asked(protocol: Protocol, identity: &Identity) -> Vec<Act> {
    if protocol == Protocol::Smtps { offered(identity) } else { upgraded(identity) }
}

#[tokio::test]
async fn the_authority_that_vouched_is_named_out_of_three() {
    let [one, two, three] = ["One", "Two", "Three"].map(Authority::new);
    let between = two.intermediate("Between");
    for (identity, by) in [(three.issue(&[HOST], |_| {}), "CN=Three"), (between.issue(&[HOST], |_| {}).with(&between), "CN=Two")] {
        let run = send(vec![served(&identity)], |_| authorities(&[&one, &two, &three]), |_| {}).await;
        accepted(&run, Ground::Authority);
        let trusted_by = run.finished.trusted_by.unwrap();
        assert_eq!(trusted_by.subject, by);
        let named = if by == "CN=Two" { &two } else { &three };
        assert_eq!(trusted_by.sha256, server::certificate::summary(&named.der()).sha256);
    }
}

#[tokio::test]
async fn an_intermediate_that_was_imported_vouches_without_its_root() {
    let between = Authority::new("Root").intermediate("Between");
    let run = send(vec![served(&between.issue(&[HOST], |_| {}))], |_| authorities(&[&between]), |_| {}).await;
    accepted(&run, Ground::Authority);
}

#[tokio::test]
async fn of_two_authorities_with_one_name_and_key_the_valid_one_vouches() {
    let new = Authority::new("Renewed");
    let old = new.again("Renewed", expired);
    let run = send(vec![served(&new.issue(&[HOST], |_| {}))], |_| authorities(&[&old, &new]), |_| {}).await;
    accepted(&run, Ground::Authority);
    assert_eq!(run.finished.trusted_by.unwrap().sha256, server::certificate::summary(&new.der()).sha256);
}

#[tokio::test]
async fn a_missing_intermediate_is_suspected_where_the_certificate_comes_alone() {
    let root = Authority::new("Root");
    let between = root.intermediate("Between");
    let stranger = Authority::new("Stranger").intermediate("Between");
    let smtps = |server: &mut SmtpServer| server.protocol = Protocol::Smtps;
    let meet = async |identity: &Identity| super::run(vec![offered(identity)], Some(&root.pem()), sending(), smtps).await;
    let alone = meet(&between.issue(&[HOST], |_| {})).await;
    refused(&alone, Cause::UnknownIssuer, "certificate_unknown_issuer");
    let step = "the server probably doesn't send its intermediate certificate";
    assert!(alone.finished.diagnosis.unwrap().steps[0].contains(step));
    let whole = meet(&stranger.issue(&[HOST], |_| {}).with(&stranger)).await;
    refused(&whole, Cause::UnknownIssuer, "certificate_unknown_issuer");
    assert!(!whole.finished.diagnosis.unwrap().steps.iter().any(|words| words.contains(step)));
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_by_nobody_but_who_imported_it() {
    let authority = Authority::new("Somebody else");
    for change in [|_: &mut CertificateParams| {}, an_authority] {
        let own = Identity::self_signed(&[HOST], change);
        let run = send(vec![offered(&own)], |_| authorities(&[&authority]), |_| {}).await;
        refused(&run, Cause::SelfSigned, "certificate_self_signed");
        assert_eq!(run.finished.diagnosis.unwrap().fix, Some(Fix::InspectCertificate));
    }
    // What `openssl req -x509` makes, imported as the authority that it says it is.
    let itself = |names: &[&str]| {
        let names: Vec<SanType> = names.iter().map(|&name| SanType::DnsName(name.try_into().unwrap())).collect();
        Authority::made("Itself", |params| params.subject_alt_names = names)
    };
    let own = itself(&[HOST]);
    let run = send(vec![served(&own.itself())], |_| authorities(&[&own]), |_| {}).await;
    accepted(&run, Ground::Authority);
    let other = itself(&["other.test"]);
    let run = send(vec![offered(&other.itself())], |_| authorities(&[&other]), |_| {}).await;
    refused(&run, Cause::WrongName, "certificate_wrong_name");
}

#[tokio::test]
async fn names_are_alternative_names_and_never_the_common_name() {
    let ca = Authority::new("Test authority");
    let named = |names: &[&str]| ca.issue(names, |params| params.distinguished_name.push(DnType::CommonName, HOST));
    let run = send(vec![offered(&named(&["other.test"]))], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::WrongName, "certificate_wrong_name");
    let run = send(vec![offered(&named(&[]))], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::WrongName, "certificate_without_names");
    let below = |server: &mut SmtpServer| server.tls.certificate_name = Some(Host::Dns("mail.inner.test".into()));
    let run = send(vec![served(&named(&["*.inner.test"]))], |_| authorities(&[&ca]), below).await;
    accepted(&run, Ground::Authority);
}

#[tokio::test]
async fn an_address_is_a_name_only_as_an_address() {
    let ca = Authority::new("Test authority");
    let by_address = |server: &mut SmtpServer| server.host = Host::Ip([127, 0, 0, 1].into());
    let run = send(vec![served(&ca.issue(&["127.0.0.1"], |_| {}))], |_| authorities(&[&ca]), by_address).await;
    accepted(&run, Ground::Authority);
    assert_eq!(run.log.hellos[0].sni, None, "an address is no server name (RFC 6066 section 3)");
    for names in [&[HOST][..], &["127.0.0.2"]] {
        let run = send(vec![offered(&ca.issue(names, |_| {}))], |_| authorities(&[&ca]), by_address).await;
        refused(&run, Cause::WrongName, "certificate_wrong_name");
    }
}

#[tokio::test]
async fn dates_count_for_the_certificate_and_for_whoever_vouches() {
    let ca = Authority::new("Test authority");
    let run = send(vec![offered(&ca.issue(&[HOST], expired))], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::Expired, "certificate_expired");
    assert!(run.finished.diagnosis.unwrap().title.contains("2001-02-03"));
    let run = send(vec![offered(&ca.issue(&[HOST], not_yet_valid))], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::NotYetValid, "certificate_not_yet_valid");

    // Not the server's own: that isn't called expired then.
    let between = ca.intermediate_made("Between", expired);
    let run = send(vec![offered(&between.issue(&[HOST], |_| {}).with(&between))], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::BadCertificate, "certificate_bad");
    assert!(evidence(&run).starts_with("CN=Between, who vouches for it, expired on 2001-02-03; Issued to "), "{}", evidence(&run));
    let old = Authority::made("Old authority", expired);
    let run = send(vec![offered(&old.issue(&[HOST], |_| {}))], |_| authorities(&[&old]), |_| {}).await;
    refused(&run, Cause::BadCertificate, "certificate_bad");
    assert!(evidence(&run).starts_with("CN=Old authority, who vouches for it, expired on 2001-02-03"), "{}", evidence(&run));
}

#[tokio::test]
async fn rules_for_certificates_of_servers_are_kept() {
    let ca = Authority::new("Test authority");
    let client = ca.issue(&[HOST], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let run = send(vec![offered(&client)], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::BadCertificate, "certificate_bad");
    assert!(evidence(&run).starts_with("It isn't meant for servers; Issued to "), "{}", evidence(&run));
    let authority = ca.issue(&[HOST], an_authority);
    let run = send(vec![offered(&authority)], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::BadCertificate, "certificate_bad");
    assert!(evidence(&run).starts_with("It is an authority's own certificate"), "{}", evidence(&run));
    // Made anew under its old name.
    let imitation = Authority::new("Test authority");
    let run = send(vec![offered(&imitation.issue(&[HOST], |_| {}))], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::BadCertificate, "certificate_bad");
    assert!(evidence(&run).contains("made anew under its old name"), "{}", evidence(&run));
}

#[tokio::test]
async fn a_pinned_certificate_is_accepted_whoever_signed_it_and_whatever_it_is_for() {
    let stranger = Authority::new("Stranger");
    for identity in [
        Identity::self_signed(&[HOST], |_| {}),
        Identity::self_signed(&["other.test"], |_| {}),
        Identity::self_signed(&[], an_authority),
        stranger.issue(&["other.test"], |_| {}),
    ] {
        let run = send(vec![served(&identity)], |port| pins(port, &[&identity]), |_| {}).await;
        accepted(&run, Ground::Pin);
        assert_eq!(run.finished.trusted_by.unwrap().sha256, run.finished.certificate.unwrap().sha256);
    }
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_ends_it_in_every_mode() {
    let ca = Authority::new("Test authority");
    let (old, new) = (ca.issue(&[HOST], |_| {}), ca.issue(&[HOST], |_| {}));
    for protocol in MODES {
        // The authority vouches for both: the pin decides.
        let trust = |port| TrustList { pins: pins(port, &[&old]).pins, ..authorities(&[&ca]) };
        let run = send(vec![as_asked(protocol, &new), hello("AUTH PLAIN LOGIN")], trust, |server| {
            server.protocol = protocol;
            signs_in(server);
        })
        .await;
        refused(&run, Cause::PinChanged, "certificate_changed");
        let sha256 = |identity: &Identity| server::certificate::summary(&identity.der()).sha256;
        let pinned: Vec<&str> = run.finished.pinned.iter().map(|pinned| pinned.sha256.as_str()).collect();
        assert_eq!(pinned, [sha256(&old)]);
        assert_eq!(run.finished.certificate.as_ref().unwrap().sha256, sha256(&new));
        let (before, after) = evidence(&run).split_once('\n').unwrap();
        assert!(before.starts_with("Pinned: issued to ") && after.starts_with("Presented: issued to "), "{}", evidence(&run));
        for (text, identity) in [(before, &old), (after, &new)] {
            assert!(text.replace(' ', "").contains(&sha256(identity).to_uppercase()), "{text}");
        }
        assert_eq!(run.finished.diagnosis.as_ref().unwrap().fix, Some(Fix::InspectCertificate));
    }
}

#[tokio::test]
async fn while_a_certificate_is_rotated_both_are_accepted() {
    let (old, new, stranger) =
        (Identity::self_signed(&[HOST], |_| {}), Identity::self_signed(&[HOST], |_| {}), Identity::self_signed(&[HOST], |_| {}));
    for identity in [&old, &new] {
        accepted(&send(vec![served(identity)], |port| pins(port, &[&old, &new]), |_| {}).await, Ground::Pin);
    }
    let run = send(vec![offered(&stranger)], |port| pins(port, &[&old, &new]), |_| {}).await;
    refused(&run, Cause::PinChanged, "certificate_changed");
    assert_eq!(run.finished.pinned.len(), 2);
}

#[tokio::test]
async fn a_pin_outlives_the_dates_only_where_that_was_said() {
    for (change, cause, kind) in [
        (expired as fn(&mut CertificateParams), Cause::Expired, "certificate_expired"),
        (not_yet_valid, Cause::NotYetValid, "certificate_not_yet_valid"),
    ] {
        let identity = Identity::self_signed(&[HOST], change);
        let run = send(vec![offered(&identity)], |port| pins(port, &[&identity]), |_| {}).await;
        refused(&run, cause, kind);
        assert!(run.finished.pinned.is_empty(), "it is the pinned one");
        let outliving = |port| {
            let mut list = pins(port, &[&identity]);
            list.pins[0].outlives = true;
            list
        };
        accepted(&send(vec![served(&identity)], outliving, |_| {}).await, Ground::Pin);
    }
}

#[tokio::test]
async fn a_pin_counts_for_its_own_host_and_port_only() {
    let ca = Authority::new("Test authority");
    let (own, other) = (Identity::self_signed(&[HOST], |_| {}), ca.issue(&[HOST], |_| {}));
    let elsewhere = |port: u16, identity: &Identity| vec![pin(HOST, port ^ 1, identity), pin("other.test", port, identity)];
    let trust = |port| TrustList { pins: elsewhere(port, &own), ..authorities(&[&ca]) };
    refused(&send(vec![offered(&own)], trust, |_| {}).await, Cause::SelfSigned, "certificate_self_signed");
    // Nor is what is presented there a change here.
    let trust = |port| TrustList { pins: elsewhere(port, &own), ..authorities(&[&ca]) };
    accepted(&send(vec![served(&other)], trust, |_| {}).await, Ground::Authority);
    // It is bound to the host that is connected to, not to the name that the certificate must be for.
    let trust = |port| TrustList { pins: vec![pin("inner.test", port, &own)], ..authorities(&[&ca]) };
    let run = send(vec![offered(&own)], trust, |server| server.tls.certificate_name = Some(Host::Dns("inner.test".into()))).await;
    refused(&run, Cause::SelfSigned, "certificate_self_signed");
}

#[tokio::test]
async fn a_pinned_authority_vouches_for_nobody() {
    let own = Authority::made("Pinned", |params| params.subject_alt_names = vec![SanType::DnsName(HOST.try_into().unwrap())]);
    let (pinned, issued) = (own.itself(), own.issue(&[HOST], |_| {}).with(&own));
    accepted(&send(vec![served(&pinned)], |port| pins(port, &[&pinned]), |_| {}).await, Ground::Pin);
    // For this host a leaf that it signed is another certificate, for others it is a stranger's.
    let run = send(vec![offered(&issued)], |port| pins(port, &[&pinned]), |_| {}).await;
    refused(&run, Cause::PinChanged, "certificate_changed");
    let ca = Authority::new("Test authority");
    for (presented, cause, kind) in
        [(&issued, Cause::UnknownIssuer, "certificate_unknown_issuer"), (&pinned, Cause::SelfSigned, "certificate_self_signed")]
    {
        let trust = |port| TrustList { pins: vec![pin("other.test", port, &pinned)], ..authorities(&[&ca]) };
        refused(&send(vec![offered(presented)], trust, |_| {}).await, cause, kind);
    }
}

#[tokio::test]
async fn who_has_the_certificate_and_not_its_key_is_nobody() {
    let ca = Authority::new("Test authority");
    let real = ca.issue(&[HOST], |_| {});
    let by_pin = |port| pins(port, &[&real]);
    let by_authority = |_| authorities(&[&ca]);
    for trust in [&by_pin as &dyn Fn(u16) -> TrustList, &by_authority] {
        for version in ["in clear first", "at once"] {
            let script = [hello("STARTTLS"), on("STARTTLS", "220 go").to_vec(), vec![Act::Handshake(real.impostor())]].concat();
            let (script, protocol) = match version {
                "at once" => (vec![Act::Handshake(real.impostor())], Protocol::Smtps),
                _ => (script, smtp(StartTls::Enabled)),
            };
            let run = send(vec![script.clone(), hello("")], trust, |server| server.protocol = protocol).await;
            refused(&run, Cause::BadCertificate, "certificate_bad");
            assert!(evidence(&run).starts_with("The server didn't prove that it has the certificate's key"), "{}", evidence(&run));
            let (_, inspected) = inspect(vec![script], trust, |server| server.protocol = protocol).await;
            assert_eq!(kinds(&inspected), [FindingKind::Other], "trusted is only who has the key");
        }
    }
}

#[tokio::test]
async fn every_kind_of_key_works_with_an_authority_and_with_a_pin() {
    let rsa = PrivatePkcs8KeyDer::from(&include_bytes!("../data/rsa-2048.key.der")[..]);
    let made = |algorithm| KeyPair::generate_for(algorithm).unwrap();
    let ca = Authority::new("Test authority");
    for (name, key) in [
        ("RSA", KeyPair::from_pkcs8_der_and_sign_algo(&rsa, &PKCS_RSA_SHA256).unwrap()),
        ("ECDSA P-256", made(&PKCS_ECDSA_P256_SHA256)),
        ("ECDSA P-384", made(&PKCS_ECDSA_P384_SHA384)),
        ("Ed25519", made(&PKCS_ED25519)),
    ] {
        let identity = ca.issue_for(key, &[HOST]);
        for version in [&TLS12, &TLS13] {
            let script = || [vec![Act::Handshake(identity.server_with(&[version]))], hello(""), transaction()].concat();
            let run = send(vec![script()], |_| authorities(&[&ca]), |_| {}).await;
            accepted(&run, Ground::Authority);
            assert!(run.finished.certificate.unwrap().key.starts_with(name), "{name}");
            accepted(&send(vec![script()], |port| pins(port, &[&identity]), |_| {}).await, Ground::Pin);
        }
    }
}

#[tokio::test]
async fn with_nothing_to_trust_it_says_so_and_shows_the_certificate_all_the_same() {
    let identity = Authority::new("Test authority").issue(&[HOST], |_| {});
    let run = send(vec![offered(&identity)], |_| TrustList::default(), |_| {}).await;
    refused(&run, Cause::NoTrustedRoots, "no_trusted_roots");
    assert!(run.finished.diagnosis.as_ref().unwrap().title.starts_with("The system's authorities are switched off"));
    assert_eq!(run.finished.certificate.as_ref().unwrap().issuer, "CN=Test authority");
    assert!(evidence(&run).starts_with("Nobody can vouch for it: the system's authorities are switched off"), "{}", evidence(&run));
    // With a pin there is something.
    accepted(&send(vec![served(&identity)], |port| pins(port, &[&identity]), |_| {}).await, Ground::Pin);
}

#[tokio::test]
async fn what_was_given_for_a_run_is_named_as_that_and_vouches_only_if_it_is_an_authority() {
    let ca = Authority::new("Given authority");
    let smtps = |server: &mut SmtpServer| server.protocol = Protocol::Smtps;
    let run = super::run(vec![served(&ca.issue(&[HOST], |_| {}))], Some(&ca.pem()), sending(), smtps).await;
    accepted(&run, Ground::Given);
    assert_eq!(run.finished.trusted_by.unwrap().subject, "CN=Given authority");
    let server = Authority::made("A server", |params| params.is_ca = IsCa::ExplicitNoCa);
    let run = super::run(vec![offered(&server.issue(&[HOST], |_| {}))], Some(&server.pem()), sending(), smtps).await;
    refused(&run, Cause::UnknownIssuer, "certificate_unknown_issuer");
}

#[tokio::test]
async fn the_certificate_name_is_asked_for_and_verified_instead_of_the_host() {
    let ca = Authority::new("Test authority");
    let named = |name: &str| {
        let name = Host::Dns(name.into());
        move |server: &mut SmtpServer| server.tls.certificate_name = Some(name)
    };
    let run = send(vec![served(&ca.issue(&["inner.test"], |_| {}))], |_| authorities(&[&ca]), named("inner.test")).await;
    accepted(&run, Ground::Authority);
    assert_eq!(run.log.hellos[0].sni.as_deref(), Some("inner.test"));
    let run = send(vec![offered(&ca.issue(&[HOST], |_| {}))], |_| authorities(&[&ca]), named("inner.test")).await;
    refused(&run, Cause::WrongName, "certificate_wrong_name");
    let diagnosis = run.finished.diagnosis.unwrap();
    assert_eq!(diagnosis.title, "The server's certificate is for mail.test, not for inner.test.");
    assert_eq!(diagnosis.fix, Some(Fix::InspectCertificate), "another hostname would not help");
    // Reached by address.
    let run = send(
        vec![served(&ca.issue(&["inner.test"], |_| {}))],
        |_| authorities(&[&ca]),
        |server| {
            server.host = Host::Ip([127, 0, 0, 1].into());
            named("inner.test")(server);
        },
    )
    .await;
    accepted(&run, Ground::Authority);
    assert_eq!(run.log.hellos[0].sni.as_deref(), Some("inner.test"));
    // Without one, it is the host.
    let run = send(vec![served(&ca.issue(&[HOST], |_| {}))], |_| authorities(&[&ca]), |_| {}).await;
    assert_eq!(run.log.hellos[0].sni.as_deref(), Some(HOST));
}

#[tokio::test]
async fn the_minimum_version_is_kept_and_never_given_up_for_no_encryption() {
    let ca = Authority::new("Test authority");
    let identity = ca.issue(&[HOST], |_| {});
    for protocol in MODES {
        for (version, security) in [(&TLS12, Security::Tls12), (&TLS13, Security::Tls13)] {
            let config = identity.server_with(&[version]);
            for min in [MinTls::Tls12, MinTls::Tls13] {
                let before = if protocol == Protocol::Smtps {
                    vec![]
                } else {
                    [hello("STARTTLS"), on("STARTTLS", "220 go").to_vec()].concat()
                };
                let greeting = if protocol == Protocol::Smtps { hello("") } else { ehlo("").to_vec() };
                let script = [before, vec![Act::Handshake(config.clone())], greeting, transaction()].concat();
                let run = send(
                    vec![script, [hello(""), transaction()].concat()],
                    |_| authorities(&[&ca]),
                    |server| {
                        (server.protocol, server.tls.min) = (protocol, min);
                    },
                )
                .await;
                if security == Security::Tls12 && min == MinTls::Tls13 {
                    refused(&run, Cause::NoCommonProtocol, "tls_too_old");
                    assert_eq!(run.finished.diagnosis.as_ref().unwrap().fix, Some(Fix::AcceptTls12));
                    assert_eq!(run.finished.downgrade, None);
                } else {
                    accepted(&run, Ground::Authority);
                    assert_eq!(run.finished.security, security);
                    assert_eq!(run.log.connections.len(), 1);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_handshake_that_breaks_off_where_tls_1_3_is_wanted_is_no_reason_for_a_fallback() {
    for failure in [vec![Act::HearBytes, Act::Close], vec![Act::HearBytes, Act::Reset]] {
        let script = [hello("STARTTLS"), on("STARTTLS", "220 go").to_vec(), failure].concat();
        let run = send(
            vec![script, hello("")],
            |_| TrustList::default(),
            |server| {
                (server.protocol, server.tls.min) = (smtp(StartTls::Enabled), MinTls::Tls13);
            },
        )
        .await;
        refused(&run, Cause::HandshakeBroken, "handshake_broken");
        assert_eq!(run.finished.diagnosis.unwrap().fix, Some(Fix::AcceptTls12));
    }
    // What has nothing to do with the version is as before.
    let scripts = vec![[hello("STARTTLS"), on("STARTTLS", "454 no").to_vec()].concat(), [hello(""), transaction()].concat()];
    let run = send(
        scripts,
        |_| TrustList::default(),
        |server| {
            (server.protocol, server.tls.min) = (smtp(StartTls::Enabled), MinTls::Tls13);
        },
    )
    .await;
    assert_eq!((run.outcome(), run.finished.security), (Outcome::Sent, Security::Plaintext));
}

/// The detail of the handshake that passed.
fn detail(run: &Run) -> &str {
    let passed = run.events.iter().find_map(|event| match &event.what {
        What::Passed { stage: Stage::Tls, detail } => Some(detail.as_str()),
        _ => None,
    });
    passed.unwrap_or_default()
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks_and_to_nobody_else() {
    let (ca, clients) = (Authority::new("Test authority"), Authority::new("Clients"));
    let server = ca.issue(&[HOST], |_| {});
    let scanner = clients.issue(&[], |params| params.distinguished_name.push(DnType::CommonName, "Scanner"));
    for version in [&TLS12, &TLS13] {
        let talk = |config| vec![[vec![Act::Handshake(config)], hello(""), transaction()].concat()];
        let asking = |required| talk(server.server_asking(version, &clients, required));
        let trust = |_| authorities(&[&ca]);

        let given = send_as(asking(true), trust, Some(scanner.as_client()), |_| {}).await;
        accepted(&given, Ground::Authority);
        assert_eq!(given.log.hellos[0].client, scanner.chain());
        assert!(detail(&given).ends_with("CN=Test server, showed CN=Scanner"), "{}", detail(&given));

        let none = send_as(asking(false), trust, None, |_| {}).await;
        accepted(&none, Ground::Authority);
        assert!(none.log.hellos[0].client.is_empty() && detail(&none).ends_with("CN=Test server"), "{}", detail(&none));

        let unasked = send_as(talk(server.server_with(&[version])), trust, Some(scanner.as_client()), |_| {}).await;
        accepted(&unasked, Ground::Authority);
        assert!(unasked.log.hellos[0].client.is_empty() && detail(&unasked).ends_with("CN=Test server"), "{}", detail(&unasked));
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_missing_or_refused_is_told_from_everything_else() {
    let (ca, clients) = (Authority::new("Test authority"), Authority::new("Clients"));
    let server = ca.issue(&[HOST], |_| {});
    let stranger = Authority::new("Strangers").issue(&[], |_| {}).as_client();
    for version in [&TLS12, &TLS13] {
        for protocol in MODES {
            for (client, cause, kind) in [
                (None, Cause::ClientCertificateWanted, "client_certificate_wanted"),
                (Some(stranger.clone()), Cause::ClientCertificateRefused, "client_certificate_refused"),
            ] {
                let handshake = vec![Act::Handshake(server.server_asking(version, &clients, true))];
                let script = match protocol {
                    Protocol::Smtps => handshake,
                    Protocol::Smtp { .. } => [hello("STARTTLS\nAUTH PLAIN"), on("STARTTLS", "220 go").to_vec(), handshake].concat(),
                };
                let run = send_as(
                    vec![script, hello("AUTH PLAIN")],
                    |_| authorities(&[&ca]),
                    client,
                    |server| {
                        server.protocol = protocol;
                        signs_in(server);
                    },
                )
                .await;
                // With TLS 1.3 we are done before the server is: it says so in the next stage.
                let (_, found, diagnosed) = run.failure();
                assert_eq!((found, diagnosed), (Some(cause), kind), "{:?} {protocol:?}: {:?}", version.version, run.finished);
                assert_eq!(run.log.connections.len(), 1, "no fallback");
                assert!(!run.log.has("AUTH") && !run.log.has("MAIL"), "{:?}", run.log);
            }
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_not_shown_to_a_server_that_is_not_trusted() {
    let (ca, stranger) = (Authority::new("Test authority"), Authority::new("Stranger"));
    let client = ca.issue(&[], |_| {}).as_client();
    for version in [&TLS12, &TLS13] {
        let config = stranger.issue(&[HOST], |_| {}).server_asking(version, &ca, false);
        let run = send_as(vec![vec![Act::Handshake(config)]], |_| authorities(&[&ca]), Some(client.clone()), |_| {}).await;
        refused(&run, Cause::UnknownIssuer, "certificate_unknown_issuer");
        assert!(!run.shown().contains("showed"), "{}", run.shown());
    }
}

#[tokio::test]
async fn inspecting_looks_and_says_goodbye_in_every_mode() {
    let ca = Authority::new("Test authority");
    let identity = ca.issue(&[HOST], |_| {});
    let mut protocols = MODES.to_vec();
    protocols.push(Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: true });
    for protocol in protocols {
        let script = match protocol {
            Protocol::Smtps => [offered(&identity), vec![say("220 mail.test ESMTP")]].concat(),
            Protocol::Smtp { .. } => upgraded(&identity),
        };
        let (run, inspected) = inspect(
            vec![script],
            |_| authorities(&[&ca]),
            |server| {
                server.protocol = protocol;
                signs_in(server);
            },
        )
        .await;
        let expected: &[&str] = if protocol == Protocol::Smtps { &["QUIT"] } else { &["EHLO client.test", "STARTTLS", "QUIT"] };
        assert_eq!(run.log.lines(), expected);
        assert!(!run.log.has_in_clear("QUIT"));
        assert_eq!((run.outcome(), run.finished.stage), (Outcome::Checked, Stage::Tls), "{:?}", run.finished);
        assert_eq!(inspected.chain, identity.chain());
        let trusted = "Trusted: CN=Test authority, an authority that was imported, vouches for it.";
        assert_eq!(words(&inspected), [trusted]);
        let said = "Inspected. mail.test presents CN=Test server, issued by CN=Test authority, and it is trusted.";
        assert_eq!(headline(&run.finished, HOST), said);
    }
}

#[tokio::test]
async fn inspecting_finds_everything_that_stands_against_a_certificate_at_once() {
    let ca = Authority::new("Test authority");
    let bad = Identity::self_signed(&["mail.old.test"], |params| {
        expired(params);
        an_authority(params);
    });
    let (run, inspected) = inspect(vec![offered(&bad)], |_| authorities(&[&ca]), |_| {}).await;
    refused(&run, Cause::SelfSigned, "certificate_self_signed");
    let expected = ["Signed by nobody but itself.", "Expired on 2001-02-03.", "For mail.old.test; you asked for mail.test."];
    assert_eq!(words(&inspected), expected);
    assert_eq!(kinds(&inspected), [FindingKind::SelfSigned, FindingKind::Expired, FindingKind::WrongName]);
    assert_eq!((&inspected.chain[..], inspected.issuer), (bad.chain(), None));
    assert!(headline(&run.finished, HOST).starts_with("Inspected. mail.test presents CN=Test server, issued by CN=Test server. "));

    let stranger = Authority::new("Stranger");
    let bad = stranger.issue(&["mail.old.test"], not_yet_valid);
    let (_, inspected) = inspect(vec![offered(&bad)], |_| authorities(&[&ca]), |_| {}).await;
    assert_eq!(kinds(&inspected), [FindingKind::UnknownIssuer, FindingKind::NotYetValid, FindingKind::WrongName]);
    // Only what is true: the issuer of this one is known.
    let old = ca.issue(&["mail.old.test"], expired);
    let (_, inspected) = inspect(vec![offered(&old)], |_| authorities(&[&ca]), |_| {}).await;
    assert_eq!(kinds(&inspected), [FindingKind::Expired, FindingKind::WrongName]);
    let (_, inspected) = inspect(vec![offered(&old)], |_| TrustList::default(), |_| {}).await;
    assert_eq!(kinds(&inspected), [FindingKind::UnknownIssuer, FindingKind::Expired, FindingKind::WrongName]);
    assert!(words(&inspected)[0].contains("the system's authorities are switched off"));
}

#[tokio::test]
async fn inspecting_tells_whether_a_changed_certificate_would_be_trusted_without_the_pin() {
    let (ca, stranger) = (Authority::new("Test authority"), Authority::new("Stranger"));
    let pinned = Identity::self_signed(&[HOST], |_| {});
    let trust = |port| TrustList { pins: pins(port, &[&pinned]).pins, ..authorities(&[&ca]) };
    let (run, inspected) = inspect(vec![offered(&ca.issue(&[HOST], |_| {}))], trust, |_| {}).await;
    refused(&run, Cause::PinChanged, "certificate_changed");
    let port = run.events.iter().find_map(|event| match &event.what {
        What::Passed { stage: Stage::Connect, detail } => detail.rsplit(':').next(),
        _ => None,
    });
    let pin = format!("Another certificate is pinned for mail.test:{}.", port.unwrap());
    let vouched = "Without that, this one would be trusted: CN=Test authority vouches for it.";
    assert_eq!(words(&inspected), [format!("{pin} {vouched}")]);
    let (_, inspected) = inspect(vec![offered(&stranger.issue(&[HOST], |_| {}))], trust, |_| {}).await;
    assert_eq!(kinds(&inspected), [FindingKind::Changed, FindingKind::UnknownIssuer]);
    assert!(words(&inspected)[0].ends_with('.') && !words(&inspected)[0].contains("vouches"));
}

#[tokio::test]
async fn inspecting_shows_the_whole_chain_and_who_really_signed() {
    let root = Authority::new("Root");
    let (between, namesake) = (root.intermediate("Between"), Authority::new("Between"));
    let identity = between.issue(&[HOST], |_| {}).with(&root).with(&namesake).with(&between);
    let (run, inspected) = inspect(vec![offered(&identity)], |_| TrustList::default(), |_| {}).await;
    assert_eq!((&inspected.chain[..], inspected.issuer), (identity.chain(), Some(3)), "not by name alone");
    assert_eq!(run.finished.certificate.as_ref().unwrap().issuer, "CN=Between");
    // Wrong names and dates of the server's own don't hide it.
    let identity = between.issue(&["other.test"], expired).with(&between);
    let (_, inspected) = inspect(vec![offered(&identity)], |_| TrustList::default(), |_| {}).await;
    assert_eq!(inspected.issuer, Some(1));
    // Who may not sign others isn't proposed as an authority.
    let server = Authority::made("A server", |params| params.is_ca = IsCa::ExplicitNoCa);
    let identity = server.issue(&[HOST], |_| {}).with(&server);
    let (_, inspected) = inspect(vec![offered(&identity)], |_| TrustList::default(), |_| {}).await;
    assert_eq!((inspected.chain.len(), inspected.issuer), (2, None));
    // Trusting it is what makes the next one work.
    let identity = between.issue(&[HOST], |_| {}).with(&between);
    accepted(&send(vec![served(&identity)], |_| authorities(&[&between]), |_| {}).await, Ground::Authority);
}

#[tokio::test]
async fn no_more_of_a_chain_is_kept_than_ten_certificates() {
    let ca = Authority::new("Test authority");
    let long = (0..15).fold(ca.issue(&[HOST], |_| {}), |identity, n| identity.with(&Authority::new(&format!("Number {n}"))));
    let (_, inspected) = inspect(vec![offered(&long)], |_| authorities(&[&ca]), |_| {}).await;
    assert_eq!(inspected.chain, long.chain()[..10]);
    assert_eq!(kinds(&inspected), [FindingKind::Trusted]);
}

/// Each could be signed by each other one: their orders are too many to try.
#[tokio::test]
async fn a_chain_of_many_that_bear_one_name_keeps_nobody_busy() {
    let all: Vec<Authority> = (0..15).map(|_| Authority::new("Alike")).collect();
    let identity = all.iter().fold(all[14].issue(&[HOST], |_| {}), Identity::with);
    let run = send(vec![offered(&identity)], |_| authorities(&[&Authority::new("Test authority")]), |_| {}).await;
    refused(&run, Cause::UnknownIssuer, "certificate_unknown_issuer");
    assert!(run.took < Duration::from_secs(2), "{:?}", run.took);
    // Four may bear one, such as when one was signed by two others and renewed.
    let root = Authority::new("Root");
    let right = root.intermediate("Alike");
    let identity = all[..3].iter().fold(right.issue(&[HOST], |_| {}), Identity::with).with(&right);
    accepted(&send(vec![served(&identity)], |_| authorities(&[&root]), |_| {}).await, Ground::Authority);
}

#[tokio::test]
async fn inspecting_works_where_a_test_would_end_before() {
    let ca = Authority::new("Test authority");
    let identity = ca.issue(&[HOST], |_| {});
    let oauth = || SignIn::AzureOauth { username: USER.into(), oauth: Oauth::default() };
    for change in [
        (|server: &mut SmtpServer| server.kind = Kind::Fax) as fn(&mut SmtpServer),
        |server| server.attachments.as_url = true,
        |server| server.sign_in = SignIn::Password { username: "an\nna".into() },
    ] {
        let script = [offered(&identity), vec![say("220 mail.test ESMTP")]].concat();
        let (run, inspected) = inspect(vec![script], |_| authorities(&[&ca]), change).await;
        assert_eq!((run.outcome(), kinds(&inspected)), (Outcome::Checked, vec![FindingKind::Trusted]));
    }
    let script = [offered(&identity), vec![say("554 not today")]].concat();
    let (run, _) = inspect(vec![script], |_| authorities(&[&ca]), |server| server.sign_in = oauth()).await;
    assert_eq!((run.outcome(), run.log.lines()), (Outcome::Checked, vec!["QUIT"]));
}

#[tokio::test]
async fn inspecting_shows_no_client_certificate() {
    let (ca, clients) = (Authority::new("Test authority"), Authority::new("Clients"));
    let identity = ca.issue(&[HOST], |_| {});
    let client = clients.issue(&[], |_| {}).as_client();
    for version in [&TLS12, &TLS13] {
        let asking = |required| vec![vec![Act::Handshake(identity.server_asking(version, &clients, required)), say("220 x")]];
        let (run, inspected) = inspect_as(asking(false), |_| authorities(&[&ca]), Some(client.clone()), |_| {}).await;
        assert!(run.log.hellos[0].client.is_empty());
        assert_eq!(kinds(&inspected), [FindingKind::Trusted]);
        // Where one has to be shown, what the server presents is known all the same.
        let (_, inspected) = inspect_as(asking(true), |_| authorities(&[&ca]), Some(client.clone()), |_| {}).await;
        assert_eq!((&inspected.chain[..], kinds(&inspected)), (identity.chain(), vec![FindingKind::Trusted]));
    }
}

#[tokio::test]
async fn inspecting_a_server_without_encryption_finds_no_certificate() {
    for starttls in [StartTls::Disabled, StartTls::Enabled, StartTls::EnabledAndRequired] {
        let smtp = |server: &mut SmtpServer| server.protocol = smtp(starttls);
        let (run, inspected) = inspect(vec![hello("AUTH PLAIN")], |_| TrustList::default(), smtp).await;
        assert_eq!(run.failure(), (Stage::Starttls, Some(Cause::StarttlsNotOffered), "starttls_not_offered"));
        assert_eq!(run.log.lines(), ["EHLO client.test", "QUIT"]);
        assert!(inspected.chain.is_empty() && inspected.findings.is_empty() && inspected.issuer.is_none());
        assert!(headline(&run.finished, HOST).starts_with("Not inspected. mail.test offers no encryption on port "));
        // Nor does it go on in clear where the server refuses.
        let script = [hello("STARTTLS\nAUTH PLAIN"), on("STARTTLS", "454 no").to_vec()].concat();
        let (run, _) = inspect(vec![script], |_| TrustList::default(), smtp).await;
        assert_eq!(run.failure(), (Stage::Starttls, Some(Cause::Rejected), "starttls_refused"));
        assert_eq!(run.log.lines(), ["EHLO client.test", "STARTTLS", "QUIT"]);
    }
}

#[tokio::test]
async fn inspecting_a_peer_that_stalls_ends_at_the_timeout() {
    let stalled: [Vec<Act>; 3] = [vec![Act::Silence], vec![Act::HearBytes, Act::Silence], vec![Act::Drip(b"\x16")]];
    for script in stalled {
        let (run, inspected) = inspect(vec![script], |_| TrustList::default(), |server| server.timeout_ms = 200).await;
        assert_eq!(run.outcome(), Outcome::Failed, "{:?}", run.finished);
        assert!(run.took < Duration::from_secs(3), "{:?}", run.took);
        assert!(inspected.chain.is_empty() && inspected.findings.is_empty());
    }
    // During the goodbye it has what it came for.
    let ca = Authority::new("Test authority");
    let script = [offered(&ca.issue(&[HOST], |_| {})), vec![Act::Silence]].concat();
    let (run, inspected) = inspect(vec![script], |_| authorities(&[&ca]), |server| server.timeout_ms = 200).await;
    assert_eq!((run.outcome(), kinds(&inspected)), (Outcome::Checked, vec![FindingKind::Trusted]));
    assert!(run.took < Duration::from_secs(3), "{:?}", run.took);
}

#[tokio::test]
async fn an_inspection_can_be_cancelled() {
    let peer = Peer::new(vec![vec![Act::Silence]]).await;
    let run = planned(&peer, |_| TrustList::default(), None, |_| {});
    let mailer = mailer(None);
    let look = async |run: TestRun, sink: Sink<'_>| mailer.inspect(run, sink, tokio::time::sleep(Duration::from_millis(50))).await;
    let (run, inspected) = carry_out(peer, run, look).await;
    assert_eq!((run.outcome(), run.finished.cause), (Outcome::Cancelled, Some(Cause::Cancelled)));
    assert!(inspected.chain.is_empty() && run.log.lines().iter().all(|line| *line == "(TLS)"), "{:?}", run.log);
}

#[tokio::test]
async fn the_mode_alone_makes_a_run_a_look() {
    let ca = Authority::new("Test authority");
    let peer = Peer::new(vec![[offered(&ca.issue(&[HOST], |_| {})), vec![say("220 x")]].concat()]).await;
    let run = TestRun { mode: Mode::Inspect, ..planned(&peer, |_| authorities(&[&ca]), None, signs_in) };
    let mailer = mailer(None);
    let (run, _) = carry_out(peer, run, async |run: TestRun, sink: Sink<'_>| mailer.run(run, sink).await).await;
    assert_eq!((run.outcome(), run.log.lines()), (Outcome::Checked, vec!["QUIT"]));
}
