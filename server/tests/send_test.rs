//! The binary's `send-test` when somebody ends it in the middle.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

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
