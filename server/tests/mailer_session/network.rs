//! Where we connect: every address of the one look-up is checked, and the first that answers is used.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::host::Host;
use domain::secret::Secret;
use domain::smtp_server::StartTls;
use domain::transcript::{Cause, Outcome, Stage, What, exit_code};
use server::mailer::{Credential, Mailer, Mode, NetworkPolicy, Resolver, TestRun};
use server::ports::{SystemClock, SystemRandom};

use super::canary::CANARY;
use super::peer::{Mute, Peer, on};
use super::{Run, entry, hello, run_at, smtp};

/// Finds these, and counts how often it was asked. After the first time it finds something else.
struct Names {
    addresses: Vec<IpAddr>,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(self.addresses.clone()),
            _ => Ok(vec![[169, 254, 169, 254].into()]),
        }
    }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn finding(addresses: &[&str]) -> (Mailer, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let names = Names { addresses: ips(addresses), asked: asked.clone() };
    let mailer = Mailer::new(None, Arc::new(names), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    (mailer.with_ehlo_name("client.test"), asked)
}

fn policy(allow: &[&str], deny: &[&str]) -> NetworkPolicy {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    NetworkPolicy::parse(&texts(allow), &texts(deny)).unwrap()
}

fn password() -> Credential {
    Credential::Password(Secret::new(CANARY.into()))
}

async fn check(mailer: &Mailer, peer: Peer) -> Run {
    run_at(mailer, peer, Mode::Check(None), password(), |_| {}).await
}

fn passed(run: &Run, of: Stage) -> &str {
    let detail = run.events.iter().find_map(|event| match &event.what {
        What::Passed { stage, detail } if *stage == of => Some(detail.as_str()),
        _ => None,
    });
    detail.unwrap_or("")
}

fn evidence(run: &Run) -> &str {
    run.finished.diagnosis.as_ref().and_then(|diagnosis| diagnosis.evidence.as_deref()).unwrap_or("")
}

fn is_forbidden(run: &Run) {
    assert_eq!(run.failure(), (Stage::Resolve, Some(Cause::AddressForbidden), "address_forbidden"), "{:?}", run.finished);
    assert_eq!(exit_code(&run.finished), 2);
    assert!(!run.events.iter().any(|event| matches!(event.what, What::Begun { stage: Stage::Connect })));
    assert!(run.log.connections.is_empty(), "nothing was opened");
    let steps = run.finished.diagnosis.as_ref().unwrap().steps.concat();
    assert!(steps.contains("--allow-network") && steps.contains("--deny-network"), "{steps}");
}

#[tokio::test]
async fn an_address_that_is_forbidden_is_not_connected_to_however_it_is_written() {
    for text in ["169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "224.0.0.1"] {
        let (mailer, asked) = finding(&[]);
        let literal = run_at(&mailer, Peer::new(vec![]).await, Mode::Check(None), password(), |server| {
            server.host = Host::Ip(text.parse().unwrap());
        })
        .await;
        is_forbidden(&literal);
        assert!(evidence(&literal).contains(&text.parse::<IpAddr>().unwrap().to_string()), "{}", evidence(&literal));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        let (mailer, _) = finding(&[text, text]);
        is_forbidden(&check(&mailer, Peer::new(vec![]).await).await);
    }
}

#[tokio::test]
async fn what_is_allowed_among_forbidden_ones_is_used_and_the_rest_told() {
    let peer = Peer::new(vec![hello("")]).await;
    let (mailer, _) = finding(&["169.254.169.254", "127.0.0.1", "fe80::1"]);
    let run = check(&mailer, peer).await;
    assert_eq!(run.outcome(), Outcome::Checked, "{:?}", run.finished);
    let told = "Postroom doesn't connect to 169.254.169.254 (a cloud's own services), fe80::1 (link-local).";
    assert_eq!(run.warnings(), [told]);
    let detail = "127.0.0.1, not 169.254.169.254 (a cloud's own services), fe80::1 (link-local)";
    assert_eq!(passed(&run, Stage::Resolve), detail);
}

#[tokio::test]
async fn whoever_runs_it_denies_and_allows() {
    let denied = policy(&["127.0.0.1"], &["127.0.0.0/8"]);
    let (mailer, _) = finding(&["127.0.0.1"]);
    let run = check(&mailer.with_network_policy(denied), Peer::new(vec![hello("")]).await).await;
    is_forbidden(&run);
    assert_eq!(evidence(&run), "127.0.0.1 (denied by --deny-network)");

    // Linux takes 0.0.0.0 for itself: forbidden by default, and reached where it is allowed.
    let (mailer, _) = finding(&["0.0.0.0"]);
    let run = check(&mailer.with_network_policy(policy(&["0.0.0.0"], &[])), Peer::new(vec![hello("")]).await).await;
    assert_eq!(run.outcome(), Outcome::Checked, "{:?}", run.finished);
}

#[tokio::test]
async fn the_name_is_looked_up_once_also_for_a_second_connection() {
    let first = [hello("STARTTLS"), on("STARTTLS", "454 no").to_vec()].concat();
    let peer = Peer::new(vec![first, hello("")]).await;
    let (mailer, asked) = finding(&["127.0.0.1"]);
    let run = run_at(&mailer, peer, Mode::Check(None), password(), |server| server.protocol = smtp(StartTls::Enabled)).await;
    assert_eq!((run.outcome(), run.log.connections.len()), (Outcome::Checked, 2), "{:?}", run.finished);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "what it would have found then was never checked");
}

#[tokio::test]
async fn the_other_family_is_tried_where_one_refuses() {
    for (listening, refusing) in [("::1", "127.0.0.7"), ("127.0.0.1", "::1"), ("127.0.0.2", "127.0.0.7")] {
        let peer = Peer::on(listening.parse().unwrap(), vec![hello("")]).await;
        let port = peer.address.port();
        let (mailer, _) = finding(&[refusing, listening]);
        let run = check(&mailer, peer).await;
        assert_eq!(run.outcome(), Outcome::Checked, "{:?}", run.finished);
        assert_eq!(passed(&run, Stage::Resolve), format!("{refusing}, {listening}"));
        let told = passed(&run, Stage::Connect);
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), port);
        assert!(told.starts_with(&format!("{}: Connection refused", at(refusing))), "{told}");
        assert!(told.ends_with(&format!("; {}: connected", at(listening))), "{told}");
    }
}

#[tokio::test]
async fn a_silent_address_only_has_a_head_start() {
    let peer = Peer::on([127, 0, 0, 2].into(), vec![hello("")]).await;
    let mute = Mute::on(SocketAddr::new([127, 0, 0, 3].into(), peer.address.port()));
    let (mailer, _) = finding(&["127.0.0.3", "127.0.0.2", "127.0.0.4"]);
    let run = check(&mailer, peer).await;
    assert_eq!(run.outcome(), Outcome::Checked, "{:?}", run.finished);
    let port = mute.address.port();
    assert_eq!(passed(&run, Stage::Connect), format!("127.0.0.3:{port}: no answer; 127.0.0.2:{port}: connected"));
    assert_eq!(run.log.connections.len(), 1);
}

#[tokio::test]
async fn where_nobody_answers_it_ends_at_the_timeout_and_every_address_is_told() {
    let mute = Mute::on(([127, 0, 0, 5], 0).into());
    let port = mute.address.port();
    for (addresses, told) in [
        (&["127.0.0.5"][..], format!("127.0.0.5:{port}: no answer")),
        (&["127.0.0.5", "127.0.0.7"], format!("127.0.0.5:{port}: no answer; 127.0.0.7:{port}: Connection refused (os error 111)")),
    ] {
        let (mailer, _) = finding(addresses);
        let mut server = entry(mute.address);
        server.timeout_ms = 600;
        let mut events = Vec::new();
        let run = TestRun::new(server, None, Mode::Check(None));
        let finished = mailer.run(run, &mut |event| events.push(event)).await;
        assert_eq!((finished.stage, finished.cause), (Stage::Connect, Some(Cause::Timeout)));
        assert_eq!(exit_code(&finished), 2);
        let diagnosis = finished.diagnosis.unwrap();
        assert_eq!(diagnosis.kind, "connect_timeout");
        assert_eq!(diagnosis.evidence, Some(told));
    }
}

#[tokio::test]
async fn where_all_refuse_every_address_is_told() {
    let peer = Peer::new(vec![]).await;
    let (mailer, _) = finding(&["127.0.0.7", "::1", "127.0.0.8"]);
    let run = check(&mailer, peer).await;
    assert_eq!(run.failure(), (Stage::Connect, Some(Cause::ConnectionRefused), "connection_refused"));
    let tried = evidence(&run).split("; ").filter(|one| one.contains("refused")).count();
    assert_eq!(tried, 3, "{}", evidence(&run));
}

#[tokio::test]
async fn a_silent_look_up_ends_at_the_timeout_too() {
    struct Never;
    #[async_trait]
    impl Resolver for Never {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }
    let mailer = Mailer::new(None, Arc::new(Never), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    let mut server = entry(([127, 0, 0, 1], 25).into());
    server.timeout_ms = 100;
    let finished = mailer.run(TestRun::new(server, None, Mode::Check(None)), &mut |_| {}).await;
    assert_eq!((finished.stage, finished.cause), (Stage::Resolve, Some(Cause::Timeout)));
    assert_eq!(finished.diagnosis.unwrap().kind, "resolve_timeout");
}
