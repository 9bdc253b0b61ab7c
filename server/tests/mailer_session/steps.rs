//! Every fault at every step of a session, in clear and encrypted: the same faults everywhere, and for each what it means
//! there. Nothing of the steps that would have followed is ever said.

use domain::smtp_server::{Protocol, SignIn, StartTls};
use domain::transcript::{Cause, Outcome, Security, Stage, exit_code};

use super::canary::{USER, echo};
use super::peer::{Act, Authority, on, raw, say};
use super::{HOST, ehlo, run, sending};

/// The place of a fault: in answer to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Greeting,
    Ehlo,
    Starttls,
    EhloAgain,
    Auth,
    Mail,
    Rcpt,
    Data,
    Dot,
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// 421.
    Busy,
    /// 4xx.
    Temporary,
    /// 5xx.
    Permanent,
    /// A code that fits no command.
    Unexpected,
    /// 999.
    NoCode,
    /// A multi-line reply of two codes.
    Mixed,
    Close,
    Reset,
    /// Half a reply, then nothing.
    Half,
    Silence,
}

const FAULTS: [Fault; 10] = [
    Fault::Busy,
    Fault::Temporary,
    Fault::Permanent,
    Fault::Unexpected,
    Fault::NoCode,
    Fault::Mixed,
    Fault::Close,
    Fault::Reset,
    Fault::Half,
    Fault::Silence,
];

/// What leads to a step, up to the command that the fault answers.
fn up_to(step: Step, ca: Option<&Authority>) -> Vec<Act> {
    use Step::{Auth, Data, Dot, Ehlo, EhloAgain, Greeting, Mail, Quit, Rcpt, Starttls};
    let upgrade = ca.map(|ca| {
        let shake = Act::Handshake(ca.server(&[HOST], |_| {}));
        [
            (Starttls, vec![Act::Hear("STARTTLS")], vec![say("220 go"), shake]),
            (EhloAgain, vec![Act::Hear("EHLO")], vec![ehlo("AUTH PLAIN")[1].clone()]),
        ]
    });
    let first = if ca.is_some() { "STARTTLS" } else { "AUTH PLAIN" };
    let mut all =
        vec![(Greeting, vec![], vec![say("220 mail.test ESMTP")]), (Ehlo, vec![Act::Hear("EHLO")], vec![ehlo(first)[1].clone()])];
    all.extend(upgrade.into_iter().flatten());
    all.extend([
        (Auth, vec![Act::Hear("AUTH PLAIN ")], vec![say("235 welcome")]),
        (Mail, vec![Act::Hear("MAIL")], vec![say("250 ok")]),
        (Rcpt, vec![Act::Hear("RCPT")], vec![say("250 ok")]),
        (Data, vec![Act::Hear("DATA")], vec![say("354 go")]),
        (Dot, vec![Act::HearMessage], vec![say("250 queued as 4F2B")]),
        (Quit, vec![Act::Hear("QUIT")], vec![]),
    ]);
    let mut script = Vec::new();
    for (at, command, answer) in all {
        script.extend(command);
        if at == step {
            break;
        }
        script.extend(answer);
    }
    script
}

fn acts(step: Step, fault: Fault) -> Vec<Act> {
    // A spiteful server repeats the password in every form.
    let echo = echo();
    match fault {
        Fault::Busy => vec![say(&format!("421 4.7.0 {echo}"))],
        Fault::Temporary => vec![say(&format!("450-4.7.0 no\n450 {echo}"))],
        // After that it is greeted the old way.
        Fault::Permanent if matches!(step, Step::Ehlo | Step::EhloAgain) => {
            [vec![say("550 no")], on("HELO", &format!("550 {echo}")).to_vec()].concat()
        }
        Fault::Permanent => vec![say(&format!("550 {echo}"))],
        Fault::Unexpected => vec![say(&format!("300 {echo}"))],
        Fault::NoCode => vec![say(&format!("999 {echo}"))],
        Fault::Mixed => vec![say(&format!("250-{echo}\n251 x"))],
        Fault::Close => vec![Act::Close],
        Fault::Reset => vec![Act::Reset],
        // It ends in the middle of the password.
        Fault::Half => vec![raw(format!("250-{echo}\r\n250 {}", &echo[..20]).as_bytes()), Act::Silence],
        Fault::Silence => vec![Act::Silence],
    }
}

/// Cause and kind of diagnosis.
fn meaning(step: Step, fault: Fault) -> (Cause, &'static str) {
    use Step::{Auth, Data, Dot, Greeting, Mail, Rcpt, Starttls};
    let (cause, general) = match fault {
        Fault::Busy => return (Cause::Rejected, "server_busy"),
        Fault::Temporary => (Cause::Rejected, "temporary_refusal"),
        Fault::Permanent => (Cause::Rejected, "refused"),
        Fault::Unexpected => (Cause::Unexpected, "unexpected_reply"),
        Fault::NoCode | Fault::Mixed => (Cause::Malformed, "protocol_error"),
        Fault::Close => (Cause::Closed, "connection_closed"),
        Fault::Reset => (Cause::Broken, "connection_closed"),
        Fault::Half => (Cause::Unfinished, "half_reply"),
        Fault::Silence => (Cause::Timeout, "reply_timeout"),
    };
    let kind = match (step, fault) {
        (Mail | Rcpt | Data | Dot, Fault::Temporary) => "greylisted",
        (Dot, Fault::Permanent) => "content_refused",
        (Dot, _) => "reply_lost",
        (Greeting, Fault::Temporary | Fault::Permanent) => "turned_away",
        (Greeting, Fault::Silence) => "no_greeting",
        (Greeting, Fault::Unexpected | Fault::NoCode | Fault::Mixed | Fault::Half) => "not_smtp",
        (Starttls, Fault::Temporary | Fault::Permanent | Fault::Unexpected) => "starttls_refused",
        (Auth, Fault::Temporary) => "auth_temporary",
        (Mail, Fault::Permanent) => "sender_refused",
        (Rcpt, Fault::Permanent) => "unknown_recipient",
        _ => general,
    };
    (cause, kind)
}

const fn stage(step: Step) -> Stage {
    match step {
        Step::Greeting => Stage::Greeting,
        Step::Ehlo | Step::EhloAgain => Stage::Ehlo,
        Step::Starttls => Stage::Starttls,
        Step::Auth => Stage::Auth,
        Step::Mail => Stage::MailFrom,
        Step::Rcpt => Stage::RcptTo,
        Step::Data => Stage::Data,
        Step::Dot | Step::Quit => Stage::Accepted,
    }
}

/// As swaks has them.
fn code(step: Step, fault: Fault) -> u8 {
    match step {
        Step::Quit => 0,
        Step::Dot if !matches!(fault, Fault::Busy | Fault::Temporary | Fault::Permanent) => 40,
        Step::Starttls => 29,
        _ if matches!(fault, Fault::Close | Fault::Reset) => 6,
        Step::Greeting => 21,
        Step::Ehlo => 22,
        Step::EhloAgain => 32,
        Step::Auth => 28,
        Step::Mail => 23,
        Step::Rcpt => 24,
        Step::Data => 25,
        Step::Dot => 26,
    }
}

async fn every_fault(step: Step, encrypted: bool) {
    let ca = encrypted.then(|| Authority::new("Test authority"));
    for fault in FAULTS {
        let name = format!("{fault:?} at {step:?}, encrypted: {encrypted}");
        let script = [up_to(step, ca.as_ref()), acts(step, fault)].concat();
        let run = run(vec![script], ca.as_ref().map(Authority::pem).as_deref(), sending(), |server| {
            // Only what ends by the clock gets a short one.
            server.timeout_ms = if matches!(fault, Fault::Half | Fault::Silence) { 300 } else { 10_000 };
            server.sign_in = SignIn::Password { username: USER.into() };
            let starttls = if encrypted { StartTls::EnabledAndRequired } else { StartTls::Disabled };
            server.protocol = Protocol::Smtp { starttls, allow_plaintext_credentials: !encrypted };
        })
        .await;
        if step == Step::Quit {
            assert_eq!((run.outcome(), run.finished.queue_id.as_deref()), (Outcome::Sent, Some("4F2B")), "{name}");
        } else {
            let (cause, kind) = meaning(step, fault);
            assert_eq!(run.failure(), (stage(step), Some(cause), kind), "{name}: {:?}", run.finished);
            let unknown = kind == "reply_lost";
            assert_eq!(run.outcome(), if unknown { Outcome::Unknown } else { Outcome::Failed }, "{name}");
        }
        assert_eq!(run.finished.stage, stage(step), "{name}");
        assert_eq!(exit_code(&run.finished), code(step, fault), "{name}");
        assert_eq!(run.finished.security.is_encrypted(), encrypted && step > Step::Starttls, "{name}");
        assert_eq!(run.log.connections.len(), 1, "nothing is tried again: {name}");
        // What the peer heard: nothing beyond the step, and nothing in clear that isn't meant to be.
        let commands =
            [(Step::Auth, "AUTH"), (Step::Mail, "MAIL"), (Step::Rcpt, "RCPT"), (Step::Data, "DATA"), (Step::Dot, "MESSAGE")];
        for (of, command) in commands {
            assert_eq!(run.log.has(command), of <= step, "{command}: {name}: {:?}", run.log);
            assert!(!encrypted || !run.log.has_in_clear(command), "{command} in clear: {name}");
        }
        assert!(step > Step::Greeting || !run.log.has("EHLO"), "{name}");
        assert!(fault != Fault::Busy || step == Step::Quit || !run.log.has("QUIT"), "a 421 closes: {name}: {:?}", run.log);
        assert!(run.finished.security != Security::Plaintext || !encrypted || step <= Step::Starttls, "{name}");
    }
}

macro_rules! steps {
    ($($name:ident: $step:ident, $encrypted:literal;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                every_fault(Step::$step, $encrypted).await;
            }
        )*
    };
}

steps! {
    at_the_greeting: Greeting, false;
    at_the_introduction: Ehlo, false;
    at_the_sign_in: Auth, false;
    at_the_sender: Mail, false;
    at_the_recipient: Rcpt, false;
    at_data: Data, false;
    after_the_final_dot: Dot, false;
    at_the_goodbye: Quit, false;
    at_the_greeting_before_starttls: Greeting, true;
    at_the_introduction_before_starttls: Ehlo, true;
    at_starttls: Starttls, true;
    at_the_introduction_after_starttls: EhloAgain, true;
    at_the_encrypted_sign_in: Auth, true;
    at_the_encrypted_sender: Mail, true;
    at_the_encrypted_recipient: Rcpt, true;
    at_encrypted_data: Data, true;
    after_the_encrypted_final_dot: Dot, true;
    at_the_encrypted_goodbye: Quit, true;
}

/// The script without a fault: what the faults above are measured against.
#[tokio::test]
async fn without_a_fault_it_is_sent() {
    let ca = Authority::new("Test authority");
    for ca in [None, Some(&ca)] {
        let run = run(vec![up_to(Step::Quit, ca)], ca.map(Authority::pem).as_deref(), sending(), |server| {
            server.sign_in = SignIn::Password { username: USER.into() };
            let starttls = if ca.is_some() { StartTls::EnabledAndRequired } else { StartTls::Disabled };
            server.protocol = Protocol::Smtp { starttls, allow_plaintext_credentials: ca.is_none() };
            server.timeout_ms = 2_000;
        })
        .await;
        assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    }
}
