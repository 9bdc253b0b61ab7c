//! The binary's `send-test`: when somebody ends it in the middle, what it trusts, and how it gets tokens.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/canary.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod canary;
#[path = "common/peer.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod peer;
#[path = "send_test/sign_in.rs"]
mod sign_in;
#[path = "common/sign_in_service.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod sign_in_service;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rcgen::SanType;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

use peer::{Act, Authority, Hello, Identity, Peer, on, say};

/// Runs `send-test` against a peer that gives these `answers`, each but the first to a line and a message counting as one, and
/// then says nothing; `signal` comes then. The exit code, and the last event.
fn ended(signal: &str, answers: &'static [&'static str]) -> (Option<i32>, Value) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let config = json!({ "host": "127.0.0.1", "port": listener.local_addr().unwrap().port(), "timeout_ms": 60_000 });
    let (reached, wait) = mpsc::channel();
    let peer = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        talk(stream, answers, &reached);
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_postroom"))
        .args(["send-test", "--config", "-", "--format", "ndjson", "--from", "scan@example.com", "--to", "anna@example.org"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    write!(child.stdin.take().unwrap(), "{config}").unwrap();
    wait.recv_timeout(Duration::from_secs(20)).expect("the peer is asked");
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    peer.join().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), serde_json::from_str(stdout.lines().last().unwrap()).unwrap())
}

fn talk(mut stream: TcpStream, answers: &[&str], reached: &mpsc::Sender<()>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut in_message = false;
    for (turn, answer) in answers.iter().enumerate() {
        if turn > 0 {
            while lines.next().unwrap().unwrap() != "." && in_message {}
        }
        in_message = answer.starts_with("354");
        stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
    }
    // What the last answer leads to is here before anybody is told of it.
    if in_message {
        while lines.next().unwrap().unwrap() != "." {}
    }
    reached.send(()).unwrap();
    // Until the other side is gone.
    for line in lines {
        assert!(line.is_err(), "nothing more is said");
    }
}

#[test]
fn a_test_that_is_ended_says_that_it_was_cancelled() {
    for signal in ["-INT", "-TERM"] {
        let (code, last) = ended(signal, &[]);
        assert_eq!(
            (code, &last["event"], &last["outcome"]),
            (Some(41), &json!("finished"), &json!("cancelled")),
            "{signal} {last}"
        );
    }
}

#[test]
fn after_the_message_nobody_knows() {
    let answers = &["220 hi", "250 mail.test", "250 ok", "250 ok", "354 go"];
    let (code, last) = ended("-INT", answers);
    assert_eq!((code, &last["event"], &last["outcome"]), (Some(40), &json!("finished"), &json!("unknown")), "{last}");
    assert_eq!((&last["stage"], &last["cause"]), (&json!("accepted"), &json!("cancelled")), "{last}");
}

/// Checks `config`, completed for the peer, with these variables and further arguments: the exit code, the last event, and what the
/// peer saw. Over SMTPS, unless it says something of StartTLS.
async fn checked(
    handshake: Act,
    config: Value,
    variables: Vec<(&'static str, PathBuf)>,
    arguments: Vec<PathBuf>,
) -> (Option<i32>, Value, Vec<Hello>) {
    let hello = on("EHLO", "250 mail.test").to_vec();
    let mut config = config;
    let script = if config["starttls"].is_null() {
        config["protocol"] = "smtps".into();
        [vec![handshake, say("220 hi")], hello].concat()
    } else {
        let before = [vec![say("220 hi")], on("EHLO", "250-mail.test\n250 STARTTLS").to_vec(), on("STARTTLS", "220 go").to_vec()];
        [before.concat(), vec![handshake], hello].concat()
    };
    let peer = Peer::new(vec![script]).await;
    config["port"] = peer.address.port().into();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postroom"))
            .args(["send-test", "--config", "-", "--format", "ndjson", "--check-only"])
            .args(arguments)
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR")
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        write!(child.stdin.take().unwrap(), "{config}").unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(!stdout.contains("PRIVATE KEY"), "{stdout}");
    let last = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    (output.status.code(), last, peer.log().await.hellos)
}

/// A file that holds `text`; it goes with the directory.
fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn shakes(identity: &Identity) -> Act {
    Act::Handshake(identity.server())
}

#[tokio::test]
async fn what_the_systems_authorities_vouch_for_is_named_as_that() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new("System authority");
    let own = Authority::made("Itself", |params| params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())]);
    let roots = file(&dir, "roots.pem", &format!("{}{}", ca.pem(), own.pem()));
    let here = || json!({ "host": "127.0.0.1" });
    for (identity, subject) in [(ca.issue(&["127.0.0.1"], |_| {}), "CN=System authority"), (own.itself(), "CN=Itself")] {
        let (code, last, _) = checked(shakes(&identity), here(), vec![("SSL_CERT_FILE", roots.clone())], vec![]).await;
        assert_eq!((code, &last["outcome"]), (Some(0), &json!("checked")), "{last}");
        assert_eq!(last["trusted_by"], json!({ "how": "system", "subject": subject }));
    }
    // Only those, and none at all.
    let stranger = Authority::new("Stranger").issue(&["127.0.0.1"], |_| {});
    let empty = file(&dir, "empty.pem", "");
    for (roots, kind) in [(&roots, "certificate_unknown_issuer"), (&empty, "no_trusted_roots")] {
        let (code, last, hellos) = checked(shakes(&stranger), here(), vec![("SSL_CERT_FILE", roots.clone())], vec![]).await;
        assert_eq!((code, &last["diagnosis"]["kind"]), (Some(29), &json!(kind)), "{last}");
        assert!(last["trusted_by"].is_null() && hellos.is_empty());
    }
    // What is given besides is told from them.
    let given = file(&dir, "given.pem", &Authority::new("Given").pem());
    let (code, last, _) =
        checked(shakes(&ca.issue(&["127.0.0.1"], |_| {})), here(), vec![("SSL_CERT_FILE", given)], vec!["--ca".into(), roots])
            .await;
    assert_eq!((code, &last["trusted_by"]["how"]), (Some(0), &json!("given")), "{last}");
}

#[tokio::test]
async fn the_certificate_name_and_the_minimum_version_are_honoured() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new("Test authority");
    let roots = vec!["--ca".into(), file(&dir, "ca.pem", &ca.pem())];
    let identity = ca.issue(&["inner.test"], |_| {});
    let named = || json!({ "host": "127.0.0.1", "certificate_name": "inner.test" });
    let (code, last, hellos) = checked(shakes(&identity), named(), vec![], roots.clone()).await;
    assert_eq!(code, Some(0), "{last}");
    assert_eq!(hellos[0].sni.as_deref(), Some("inner.test"));
    let (code, last, _) = checked(shakes(&identity), json!({ "host": "127.0.0.1" }), vec![], roots.clone()).await;
    assert_eq!((code, &last["diagnosis"]["kind"]), (Some(29), &json!("certificate_wrong_name")), "{last}");
    let old = Act::Handshake(identity.server_with(&[&TLS12]));
    for (min, code, kind) in [("1.2", 0, json!(null)), ("1.3", 29, json!("tls_too_old"))] {
        let mut config = named();
        config["min_tls"] = min.into();
        let (found, last, _) = checked(old.clone(), config, vec![], roots.clone()).await;
        assert_eq!((found, &last["diagnosis"]["kind"]), (Some(code), &kind), "{last}");
    }
}

#[tokio::test]
async fn a_client_certificate_comes_from_the_configuration_or_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, clients) = (Authority::new("Test authority"), Authority::new("Clients"));
    let (identity, client) = (ca.issue(&["127.0.0.1"], |_| {}), clients.issue(&[], |_| {}));
    let roots = vec!["--ca".into(), file(&dir, "ca.pem", &ca.pem())];
    let asking = || Act::Handshake(identity.server_asking(&TLS12, &clients, true));
    let with = |certificate: Value| json!({ "host": "127.0.0.1", "client_certificate": certificate });
    let variable = || vec![("SCANNER", PathBuf::from(client.pem_with_key()))];
    for (given, variables) in [(json!({ "value": client.pem_with_key() }), vec![]), (json!({ "env": "SCANNER" }), variable())] {
        let (code, last, hellos) = checked(asking(), with(given), variables, roots.clone()).await;
        assert_eq!(code, Some(0), "{last}");
        assert_eq!(hellos[0].client, client.chain());
    }
    // Without its key, or without a value, nothing is opened.
    for wrong in [json!({ "value": "no certificate" }), json!({ "env": "NOBODY_SET_THIS" })] {
        let (code, last, hellos) = checked(asking(), with(wrong), vec![], roots.clone()).await;
        assert_eq!((code, &last["diagnosis"]["kind"]), (Some(1), &json!("configuration")), "{last}");
        assert!(last["fields"]["client_certificate"].is_string() && hellos.is_empty(), "{last}");
    }
}

#[tokio::test]
async fn a_fax_goes_to_a_number() {
    let script = [
        vec![say("220 hi")],
        on("EHLO", "250 mail.test").to_vec(),
        on("MAIL", "250 ok").to_vec(),
        on("RCPT TO:<FAX=+4930123456@fax.example.com>", "250 ok").to_vec(),
        on("DATA", "354 go").to_vec(),
        vec![Act::HearMessage, say("250 ok")],
    ];
    let peer = Peer::new(vec![script.concat()]).await;
    let config = json!({
        "host": "127.0.0.1", "port": peer.address.port(), "kind": "fax", "fax_domain": "fax.example.com", "fax_country": "DE"
    });
    let sent = async |to: &'static str, more: &'static [&'static str]| {
        let config = config.clone();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = Command::new(env!("CARGO_BIN_EXE_postroom"))
                .args(["send-test", "--config", "-", "--format", "ndjson", "--from", "scan@example.com", "--to", to])
                .args(more)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            write!(child.stdin.take().unwrap(), "{config}").unwrap();
            child.wait_with_output().unwrap()
        });
        let output = output.await.unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), serde_json::from_str::<Value>(stdout.lines().last().unwrap()).unwrap())
    };
    // What is no number, or asks for what a fax can't carry, opens nothing: the peer takes one connection only.
    let (code, last) = sent("anna", &[]).await;
    assert_eq!((code, &last["diagnosis"]["kind"]), (Some(1), &json!("configuration")), "{last}");
    assert!(last["fields"]["to"].as_str().unwrap().contains("“a”"), "{last}");
    let (code, last) = sent("030 123456", &["--attach", "1 KB"]).await;
    assert_eq!(code, Some(1), "{last}");
    assert!(last["diagnosis"]["title"].as_str().unwrap().starts_with("--attach: "), "{last}");
    let (code, last) = sent("030 123456", &[]).await;
    assert_eq!((code, &last["outcome"]), (Some(0), &json!("sent")), "{last}");
    assert_eq!(last["recipients"][0]["address"], "FAX=+4930123456@fax.example.com");
    let log = peer.log().await;
    assert_eq!(log.connections.len(), 1);
    assert!(log.lines().iter().any(|line| line.contains("application/pdf")), "{log:?}");
}

/// Only between two programs, who don't wait for each other: the server is gone before everything is written.
#[tokio::test]
async fn why_a_server_broke_off_is_heard_although_it_takes_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, clients) = (Authority::new("Test authority"), Authority::new("Clients"));
    let (identity, stranger) = (ca.issue(&["127.0.0.1"], |_| {}), ca.issue(&[], |_| {}));
    let roots = vec!["--ca".into(), file(&dir, "ca.pem", &ca.pem())];
    for version in [&TLS12, &TLS13] {
        for starttls in [json!(null), json!("enabled"), json!("enabled_and_required")] {
            for (given, cause) in [
                (json!(null), "client_certificate_wanted"),
                (json!({ "value": stranger.pem_with_key() }), "client_certificate_refused"),
            ] {
                let asking = Act::Handshake(identity.server_asking(version, &clients, true));
                let config = json!({ "host": "127.0.0.1", "starttls": starttls, "client_certificate": given });
                let (_, last, _) = checked(asking, config, vec![], roots.clone()).await;
                assert_eq!(last["cause"], cause, "{:?} {starttls}: {last}", version.version);
                assert!(last["downgrade"].is_null(), "no fallback: {last}");
            }
        }
    }
}
