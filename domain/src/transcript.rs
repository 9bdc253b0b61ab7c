//! The ordered events of one SMTP session, secrets redacted: what the page shows, the API streams and `send-test` prints;
//! and what they say together ([`headline`], [`exit_code`]). What a failure means is [`crate::diagnosis`]'s affair.

mod flat;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::diagnosis::Diagnosis;
use crate::trust::{TrustedBy, or_nobody};

/// One thing that happened. `elapsed_ms` counts from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "flat::FlatEvent")]
pub struct Event {
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// When: milliseconds.
    pub elapsed_ms: u64,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(not(target_family = "wasm"), expect(clippy::large_enum_variant, reason = "the large one comes once a run"))]
pub enum What {
    /// A stage begins. After a fallback the stages from `connect` on begin once more.
    Begun {
        /// Which.
        stage: Stage,
    },
    /// A line that we sent, secrets redacted; a message is one line with its size.
    Sent {
        /// In which stage.
        stage: Stage,
        /// The line without its end.
        line: String,
        /// Whether it was encrypted on the way.
        encrypted: bool,
    },
    /// A line that the server sent.
    Received {
        /// In which stage.
        stage: Stage,
        /// The line without its end, foreign bytes escaped.
        line: String,
        /// Whether it was encrypted on the way.
        encrypted: bool,
    },
    /// A stage ended well.
    Passed {
        /// Which.
        stage: Stage,
        /// What to know of it, such as the address or the cipher; empty where there is nothing.
        detail: String,
    },
    /// Something the administrator should know although the run goes on.
    Warning {
        /// In which stage.
        stage: Stage,
        /// The sentence.
        message: String,
    },
    /// The last event of every run.
    Finished(Finished),
}

/// How a run ended, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// How.
    pub outcome: Outcome,
    /// What it was for.
    #[serde(skip_serializing_if = "Aim::is_send")]
    pub aim: Aim,
    /// The stage it ended in: for a failure the one that failed, else the last one that matters to the outcome.
    pub stage: Stage,
    /// What protected the connection at the end.
    pub security: Security,
    /// Whether it was STARTTLS that encrypted it.
    #[serde(skip_serializing_if = "is_false")]
    pub upgraded: bool,
    /// Why the connection is not encrypted although the entry would have liked it to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downgrade: Option<Downgrade>,
    /// The server's last reply that matters to the outcome.
    pub reply: Option<Reply>,
    /// Why it failed, as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What a failure means, and what to do.
    pub diagnosis: Option<Diagnosis>,
    /// What became of each recipient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientResult>,
    /// Whether some recipients were refused although others were accepted.
    pub partial: bool,
    /// The id under which the server queued the message, where its reply names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// The certificate the server presented, trusted or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Box<Certificate>>,
    /// Why it was accepted, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_by: Option<Box<TrustedBy>>,
    /// The certificates that are pinned for this host and port, where it presented another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<Certificate>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The server accepted the message for at least one recipient.
    Sent,
    /// Nothing was to be sent, and everything up to there works.
    Checked,
    /// It failed; nothing was handed over.
    Failed,
    /// The message was handed over and the reply was lost. Never to be tried again by a program.
    Unknown,
    /// It was cancelled before anything was handed over.
    Cancelled,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// To send a message. So were all runs before this was kept, as far as anybody knows.
    #[default]
    Send,
    /// To see whether one could be sent.
    Check,
    /// To look at the certificate.
    Inspect,
}

impl Aim {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_send(&self) -> bool {
        *self == Self::Send
    }
}

/// A stage of a session, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "RFC 5321's own words")]
pub enum Stage {
    /// The access token is asked for, before anything is said to the mail server.
    Token,
    Resolve,
    Connect,
    Greeting,
    Ehlo,
    Starttls,
    Tls,
    Auth,
    MailFrom,
    RcptTo,
    /// From DATA to the last byte before the final dot.
    Data,
    /// From the final dot on.
    Accepted,
    Quit,
}

impl Stage {
    /// What the server is doing or asked for in it, for "… during {words}".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Token => "the request for an access token",
            Self::Resolve => "the look-up of the name",
            Self::Connect => "connecting",
            Self::Greeting => "the greeting",
            Self::Ehlo => "the introduction (EHLO)",
            Self::Starttls => "STARTTLS",
            Self::Tls => "the encryption handshake",
            Self::Auth => "the sign-in",
            Self::MailFrom => "the sender (MAIL FROM)",
            Self::RcptTo => "the recipient (RCPT TO)",
            Self::Data => "the start of the message (DATA)",
            Self::Accepted => "the acceptance of the message",
            Self::Quit => "the goodbye (QUIT)",
        }
    }
}

/// What protected a session, as it really was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// Nothing.
    #[default]
    #[serde(rename = "plaintext")]
    Plaintext,
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "tls1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "tls1.3")]
    Tls13,
}

impl Security {
    /// Whether it was encrypted at all.
    pub const fn is_encrypted(self) -> bool {
        !matches!(self, Self::Plaintext)
    }

    /// The version alone; how the detail of a passed [`Stage::Tls`] begins.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Plaintext => "",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Plaintext => "unencrypted",
            Self::Tls12 => "encrypted with TLS 1.2",
            Self::Tls13 => "encrypted with TLS 1.3",
        }
    }
}

/// Why a session that may be encrypted (`StartTls::Enabled`) went on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downgrade {
    /// The server does not offer STARTTLS.
    NotOffered,
    /// It offered STARTTLS and then refused the command.
    Refused,
    /// The handshake found no common protocol, was broken off or answered with nonsense.
    HandshakeFailed,
}

impl Downgrade {
    /// For people, after "because".
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotOffered => "the server doesn't offer STARTTLS",
            Self::Refused => "the server refused STARTTLS",
            Self::HandshakeFailed => "the encryption handshake failed",
        }
    }
}

/// A server's reply (RFC 5321 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// The enhanced status code (RFC 3463), such as `5.7.8`.
    pub enhanced: Option<String>,
    /// The text of all lines without the codes, joined by line feeds; foreign bytes as `\xNN`.
    pub text: String,
}

impl Reply {
    /// 2yz: done.
    pub const fn is_positive(&self) -> bool {
        matches!(self.code, 200..=299)
    }
}

/// On one line: `535 5.7.8 Authentication failed`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = &self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.text.lines().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientResult {
    /// The address as it went over the wire.
    pub address: String,
    /// Whether the server took it.
    pub accepted: bool,
    /// What it said.
    pub reply: Option<Reply>,
}

/// Why a run ended before its aim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The entry signs in with Azure OAuth, which earlier versions did not honour: only old runs ended so.
    AzureOauthUnsupported,
    /// The entry is a fax gateway, which earlier versions did not honour: only old runs ended so.
    FaxUnsupported,
    /// The attachments are too big and would become links, which sending does not honour yet.
    LinksUnsupported,
    /// The entry signs in with a password and none is stored.
    NoPassword,
    /// The username, password or token holds a control character, which would end or change what is said.
    ControlInCredentials,
    /// An address is a bare local name: it can't be sent from or to.
    AddressWithoutDomain,

    /// Neither a tenant nor a domain in the username says where tokens are asked for.
    NoTenant,

    /// What answered at the sign-in service's address is no such service: another content, a redirect, too much of it.
    TokenAnswerUnreadable,
    /// The sign-in service is busy or down.
    TokenServiceBusy,
    /// It refused, and nothing more is known.
    TokenRefused,
    /// The application is no public client (AADSTS7000218).
    TokenPublicClientOff,
    /// A secret was sent for a public client (AADSTS700025).
    TokenSecretUnwanted,
    /// The password is wrong (AADSTS50126).
    TokenPasswordWrong,
    /// There is no such user (AADSTS50034).
    TokenUserUnknown,
    /// The password has expired (AADSTS50055).
    TokenPasswordExpired,
    /// The account, or the address that asks, is locked for a while (AADSTS50053).
    TokenAccountLocked,
    /// The account is disabled (AADSTS50057).
    TokenAccountDisabled,
    /// More than a password is demanded (AADSTS50076 and others).
    TokenMoreFactors,
    /// Conditional Access or security defaults block the sign-in (AADSTS53003 and others).
    TokenConditionalAccess,
    /// Nobody consented to the permission (AADSTS65001 and others).
    TokenConsentMissing,
    /// The application or the tenant isn't the right one (AADSTS700016 and others).
    TokenWrongApplication,
    /// The client secret is wrong (AADSTS7000215).
    TokenSecretWrong,
    /// The client secret has expired (AADSTS7000222).
    TokenSecretExpired,
    /// The sign-in is no longer valid (AADSTS700082 and others).
    TokenSignInOver,
    /// The certificate isn't one of the application's (AADSTS700027).
    TokenCertificateUnknown,
    /// The clocks differ too much (AADSTS700024).
    TokenClockWrong,
    /// Whoever was to sign in declined.
    TokenDeclined,
    /// The code for signing in has expired.
    TokenCodeExpired,
    /// The token that was granted is for something else than mail, and the mail server refused it.
    TokenWrongAudience,
    /// The sign-in was renewed, but what it is renewed with next time can't be stored.
    TokenNotKept,
    /// Somebody has to sign in first.
    NotSignedIn,
    /// The strategy needs a client certificate and none is stored.
    NoClientCertificate,
    /// The client certificate can't sign what a token is asked for with.
    TokenCertificateUnfit,
    /// Secrets would go to the sign-in service in clear.
    TokenInClear,

    /// The name has no address.
    NameNotFound,
    /// Every address it leads to is one that Postroom does not connect to.
    AddressForbidden,
    /// The machine answered that nothing listens there.
    ConnectionRefused,
    /// There is no way to the machine.
    Unreachable,
    /// Nothing happened within the entry's Timeout.
    Timeout,
    /// The whole run took too long.
    Deadline,
    /// The server closed the connection.
    Closed,
    /// The connection broke in another way.
    Broken,

    /// The server replied 4yz or 5yz.
    Rejected,
    /// A reply that does not fit the command, such as 250 to DATA.
    Unexpected,
    /// A line that is no SMTP reply.
    Malformed,
    /// A part of a reply, then nothing.
    Unfinished,
    /// A line or a reply longer than any server has reason to send.
    TooLong,
    /// The server said something nobody had asked for.
    OutOfStep,
    /// Bytes came in clear after the reply to STARTTLS (RFC 3207 section 4.2).
    Injected,
    /// TLS where SMTP was expected.
    TlsInPlaintext,

    /// STARTTLS is required and not offered.
    StarttlsNotOffered,
    /// SMTP in clear where TLS was expected.
    PlaintextInTls,
    /// No common version or cipher.
    NoCommonProtocol,
    /// The server broke off the handshake.
    HandshakeBroken,
    /// It answered the handshake with something that is no TLS.
    HandshakeGarbage,
    /// It wants a certificate from us.
    ClientCertificateWanted,
    /// It doesn't take the one we showed.
    ClientCertificateRefused,
    /// Nobody we trust signed the certificate.
    UnknownIssuer,
    /// The certificate signed itself.
    SelfSigned,
    /// It is no longer valid.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for other names.
    WrongName,
    /// Another certificate is pinned for this host and port.
    PinChanged,
    /// Something else is wrong with it.
    BadCertificate,
    /// This machine has no list of trusted issuers.
    NoTrustedRoots,

    /// The server offers no sign-in.
    AuthNotOffered,
    /// It offers none with a password that we know.
    NoCommonMechanism,
    /// It offers none with an access token (XOAUTH2).
    TokenNotOffered,
    /// Signing in would send the credentials in clear, which the entry does not allow.
    PlaintextCredentials,
    /// The sign-in asks for more and more.
    AuthLoop,

    /// Somebody cancelled the run.
    Cancelled,

    /// An address needs SMTPUTF8 (RFC 6531), which the server does not offer.
    Smtputf8NotOffered,
    /// The message has bytes beyond ASCII and the server does not offer 8BITMIME (RFC 6152).
    EightBitMimeNotOffered,
    /// The message is bigger than the server takes (RFC 1870).
    TooBig,
    /// The attachments are bigger than the entry lets through.
    AttachmentsTooBig,
    /// The content of an attachment can't be read, or has not as many bytes as were told.
    AttachmentUnreadable,
}

/// Why an address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// Whoever runs Postroom denied its network.
    Denied,
    /// It belongs to a cloud's own services, which tell secrets to whoever asks.
    Metadata,
    /// It only means something on one cable (RFC 3927, RFC 4291 section 2.5.6).
    LinkLocal,
    /// It means many machines.
    Multicast,
    /// It means no machine, or this one.
    Unspecified,
    /// It means all machines.
    Broadcast,
}

impl Forbidden {
    /// For people, after the address.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Denied => "denied by --deny-network",
            Self::Metadata => "a cloud's own services",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
            Self::Broadcast => "broadcast",
        }
    }
}

impl Cause {
    /// Whether the entry itself is the cause, found before anything was opened.
    pub const fn is_configuration(self) -> bool {
        matches!(
            self,
            Self::AzureOauthUnsupported
                | Self::FaxUnsupported
                | Self::LinksUnsupported
                | Self::AttachmentsTooBig
                | Self::NoPassword
                | Self::ControlInCredentials
                | Self::AddressWithoutDomain
                | Self::NoTenant
                | Self::NotSignedIn
                | Self::NoClientCertificate
                | Self::TokenCertificateUnfit
                | Self::TokenInClear
        )
    }
}

impl Event {
    /// The stage it belongs to.
    pub const fn stage(&self) -> Stage {
        match &self.what {
            What::Begun { stage }
            | What::Sent { stage, .. }
            | What::Received { stage, .. }
            | What::Passed { stage, .. }
            | What::Warning { stage, .. } => *stage,
            What::Finished(finished) => finished.stage,
        }
    }
}

impl Finished {
    /// What to record of a run that somebody cancelled after `events`. Before the final dot it is cancelled; after it nobody
    /// knows, unless the reply had come; and during the goodbye the run has ended already, one way or the other.
    pub fn cancelled(events: &[Event]) -> Self {
        let begun = |event: &Event| match event.what {
            What::Begun { stage } => Some(stage),
            _ => None,
        };
        let stages: Vec<Stage> = events.iter().filter_map(begun).collect();
        let stage = stages.iter().rev().copied().find(|stage| *stage != Stage::Quit).unwrap_or(Stage::Resolve);
        let saying_goodbye = stages.last() == Some(&Stage::Quit);
        let passed = events.iter().rev().find_map(|event| match &event.what {
            What::Passed { stage: of, detail } if *of == stage => Some(detail.clone()),
            _ => None,
        });
        let outcome = match (stage, &passed) {
            (Stage::Accepted, Some(_)) => Outcome::Sent,
            (Stage::Accepted, None) if !last_reply_refuses(events) => Outcome::Unknown,
            // What failed, or was to be checked, is over.
            (_, None) if saying_goodbye => Outcome::Failed,
            (_, Some(_)) if saying_goodbye => Outcome::Checked,
            _ => Outcome::Cancelled,
        };
        let queue_id = passed.filter(|detail| outcome == Outcome::Sent && !detail.is_empty());
        Self { security: security_of(events), queue_id, ..Self::new(outcome, stage) }
    }

    /// Nothing known but these two.
    pub const fn new(outcome: Outcome, stage: Stage) -> Self {
        Self {
            outcome,
            aim: Aim::Send,
            stage,
            security: Security::Plaintext,
            upgraded: false,
            downgrade: None,
            reply: None,
            cause: None,
            diagnosis: None,
            recipients: Vec::new(),
            partial: false,
            queue_id: None,
            certificate: None,
            trusted_by: None,
            pinned: Vec::new(),
        }
    }
}

/// Whether the last line the server sent in answer to the final dot is a refusal.
fn last_reply_refuses(events: &[Event]) -> bool {
    let last = events.iter().rev().find_map(|event| match &event.what {
        What::Received { stage: Stage::Accepted, line, .. } => Some(line.as_bytes()),
        _ => None,
    });
    let Some([b'4' | b'5', b'0'..=b'9', b'0'..=b'9', rest @ ..]) = last else { return false };
    matches!(rest, [] | [b' ', ..])
}

/// What protected the connection of the last events.
fn security_of(events: &[Event]) -> Security {
    let last = events.iter().rev().find_map(|event| match &event.what {
        What::Begun { stage: Stage::Connect } => Some(Security::Plaintext),
        What::Passed { stage: Stage::Tls, detail } => {
            [Security::Tls12, Security::Tls13].into_iter().find(|security| detail.starts_with(security.version()))
        }
        _ => None,
    });
    last.unwrap_or_default()
}

/// The result in one or two sentences, outcome first. `host` is the entry's.
pub fn headline(finished: &Finished, host: &str) -> String {
    let text = match finished.outcome {
        Outcome::Sent => {
            let id = finished.queue_id.as_ref().map(|id| format!(" as {id}")).unwrap_or_default();
            let all = finished.recipients.len();
            let some = finished.recipients.iter().filter(|recipient| recipient.accepted).count();
            let to = if finished.partial { format!(" to {some} of {all} recipients") } else { String::new() };
            format!("Sent{to}. {host} accepted the message{id}, {}", how_protected(finished))
        }
        Outcome::Checked if finished.aim == Aim::Inspect => format!("Inspected. {}, and it is trusted", presents(finished, host)),
        Outcome::Checked => {
            let what = match finished.stage {
                Stage::RcptTo => "accepts the sender and the recipients",
                Stage::Auth => "accepts the sign-in",
                _ => "answers",
            };
            format!("Checked. {host} {what}, {}; nothing was sent", how_protected(finished))
        }
        Outcome::Failed => {
            let why = match &finished.diagnosis {
                Some(diagnosis) => diagnosis.title.trim_end_matches('.').to_owned(),
                None => format!("It failed during {}", finished.stage.words()),
            };
            match (finished.aim, &finished.certificate) {
                (Aim::Send, _) => format!("Not sent. {why}; nothing was handed over"),
                (Aim::Check, _) => format!("Check failed. {why}"),
                (Aim::Inspect, Some(_)) => format!("Inspected. {}. {why}", presents(finished, host)),
                (Aim::Inspect, None) => format!("Not inspected. {why}"),
            }
        }
        Outcome::Unknown if finished.cause == Some(Cause::Cancelled) => format!(
            "Unknown. The run was cancelled after the message had been handed to {host} and before its answer came. Look into the recipient's mailbox before sending it again"
        ),
        Outcome::Unknown => format!(
            "Unknown. The message was handed to {host}, but its answer was lost. Look into the recipient's mailbox before sending it again"
        ),
        Outcome::Cancelled => {
            let what = match finished.stage {
                Stage::Token | Stage::Resolve | Stage::Connect => "Nothing was sent",
                Stage::MailFrom | Stage::RcptTo => "No message was sent; the server may have seen the sender and the recipients",
                Stage::Data => {
                    "No message was delivered: a part of it may have been sent, but not its end, without which the server drops it"
                }
                Stage::Accepted => "No message was delivered: the server had refused it",
                _ => "No message was sent, and no address was named",
            };
            format!("Cancelled. {what}")
        }
    };
    format!("{text}.")
}

fn presents(finished: &Finished, host: &str) -> String {
    let unknown = Certificate::default();
    let certificate = finished.certificate.as_deref().unwrap_or(&unknown);
    format!("{host} presents {}, issued by {}", or_nobody(&certificate.subject), or_nobody(&certificate.issuer))
}

fn how_protected(finished: &Finished) -> String {
    match finished.downgrade {
        Some(downgrade) => format!("unencrypted because {}", downgrade.words()),
        None => finished.security.words().into(),
    }
}

/// The exit code of `send-test`: those of `swaks`, which scripts know, and four of ours (40 unknown, 41 cancelled,
/// 42 the run's deadline, 1 configuration).
pub const fn exit_code(finished: &Finished) -> u8 {
    match (finished.outcome, finished.cause) {
        (Outcome::Sent | Outcome::Checked, _) => 0,
        (Outcome::Unknown, _) => 40,
        (Outcome::Cancelled, _) => 41,
        (Outcome::Failed, Some(Cause::Deadline)) => 42,
        (Outcome::Failed, Some(cause)) if cause.is_configuration() => 1,
        (Outcome::Failed, cause) => match finished.stage {
            Stage::Token => 28,
            Stage::Resolve | Stage::Connect => 2,
            Stage::Starttls | Stage::Tls => 29,
            _ if matches!(cause, Some(Cause::Closed | Cause::Broken)) => 6,
            Stage::Greeting => 21,
            Stage::Ehlo if finished.upgraded => 32,
            Stage::Ehlo => 22,
            Stage::Auth => 28,
            Stage::MailFrom => 23,
            Stage::RcptTo => 24,
            Stage::Data => 25,
            Stage::Accepted | Stage::Quit => 26,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(stage: Stage, cause: Cause) -> Finished {
        Finished { cause: Some(cause), ..Finished::new(Outcome::Failed, stage) }
    }

    #[test]
    fn an_event_is_flat_json_with_event_stage_and_time() {
        let events = [
            (What::Begun { stage: Stage::MailFrom }, json!({ "event": "begun", "stage": "mail_from", "elapsed_ms": 7 })),
            (
                What::Received { stage: Stage::Greeting, line: "220 x".into(), encrypted: false },
                json!({ "event": "received", "stage": "greeting", "line": "220 x", "encrypted": false, "elapsed_ms": 7 }),
            ),
            (
                What::Finished(Finished {
                    reply: Some(Reply { code: 454, enhanced: Some("4.7.0".into()), text: "later".into() }),
                    diagnosis: Some(Diagnosis {
                        kind: "starttls_refused".into(),
                        title: "t".into(),
                        steps: vec!["s".into()],
                        evidence: None,
                        fix: None,
                    }),
                    ..failed(Stage::Starttls, Cause::Rejected)
                }),
                json!({
                    "event": "finished", "outcome": "failed", "stage": "starttls", "security": "plaintext", "cause": "rejected",
                    "reply": { "code": 454, "enhanced": "4.7.0", "text": "later" }, "partial": false,
                    "diagnosis": { "kind": "starttls_refused", "title": "t", "steps": ["s"] }, "elapsed_ms": 7
                }),
            ),
        ];
        for (what, expected) in events {
            let event = Event { what, elapsed_ms: 7 };
            let value = serde_json::to_value(&event).unwrap();
            assert_eq!(value, expected);
            assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
        }
    }

    #[test]
    fn reply_and_diagnosis_are_null_where_there_is_none() {
        let value = serde_json::to_value(Finished::new(Outcome::Checked, Stage::Auth)).unwrap();
        assert!(value["reply"].is_null() && value["diagnosis"].is_null());
        assert!(value.as_object().unwrap().contains_key("reply"));
    }

    #[test]
    fn exit_codes_are_those_of_swaks() {
        use Cause::{AzureOauthUnsupported, Closed, Deadline, HandshakeBroken, NameNotFound, Rejected, Timeout};
        let table = [
            (Finished::new(Outcome::Sent, Stage::Accepted), 0),
            (Finished::new(Outcome::Checked, Stage::Auth), 0),
            (Finished::new(Outcome::Unknown, Stage::Accepted), 40),
            (Finished::new(Outcome::Cancelled, Stage::Data), 41),
            (failed(Stage::Auth, Deadline), 42),
            (failed(Stage::Resolve, AzureOauthUnsupported), 1),
            (failed(Stage::Token, NameNotFound), 28),
            (failed(Stage::Resolve, NameNotFound), 2),
            (failed(Stage::Connect, Timeout), 2),
            (failed(Stage::Greeting, Timeout), 21),
            (failed(Stage::Greeting, Closed), 6),
            (failed(Stage::Ehlo, Rejected), 22),
            (Finished { upgraded: true, ..failed(Stage::Ehlo, Rejected) }, 32),
            (failed(Stage::Starttls, Rejected), 29),
            (failed(Stage::Tls, HandshakeBroken), 29),
            (failed(Stage::Auth, Rejected), 28),
            (failed(Stage::MailFrom, Rejected), 23),
            (failed(Stage::RcptTo, Rejected), 24),
            (failed(Stage::Data, Rejected), 25),
            (failed(Stage::Accepted, Rejected), 26),
            (failed(Stage::RcptTo, Closed), 6),
        ];
        for (finished, code) in table {
            assert_eq!(exit_code(&finished), code, "{finished:?}");
        }
    }

    #[test]
    fn the_headline_says_the_outcome_first() {
        let sent =
            Finished { security: Security::Tls13, queue_id: Some("4f2".into()), ..Finished::new(Outcome::Sent, Stage::Accepted) };
        assert_eq!(
            headline(&sent, "smtp.example.com"),
            "Sent. smtp.example.com accepted the message as 4f2, encrypted with TLS 1.3."
        );
        let downgraded = Finished {
            downgrade: Some(Downgrade::Refused),
            partial: true,
            recipients: vec![
                RecipientResult { address: "a@example.com".into(), accepted: true, reply: None },
                RecipientResult { address: "b@example.com".into(), accepted: false, reply: None },
            ],
            ..Finished::new(Outcome::Sent, Stage::Accepted)
        };
        assert_eq!(
            headline(&downgraded, "h"),
            "Sent to 1 of 2 recipients. h accepted the message, unencrypted because the server refused STARTTLS."
        );
        let failed = Finished {
            diagnosis: Some(Diagnosis { title: "The server refused the password.".into(), ..Diagnosis::default() }),
            ..failed(Stage::Auth, Cause::Rejected)
        };
        assert_eq!(headline(&failed, "h"), "Not sent. The server refused the password; nothing was handed over.");
        let checked = Finished { aim: Aim::Check, ..failed };
        assert_eq!(headline(&checked, "h"), "Check failed. The server refused the password.", "nothing was to be sent");
    }

    #[test]
    fn the_headline_of_an_inspection_says_what_is_presented_whether_or_not_it_is_trusted() {
        let certificate =
            Certificate { subject: "CN=mail.example".into(), issuer: "CN=Example CA".into(), ..Certificate::default() };
        let trusted =
            Finished { aim: Aim::Inspect, certificate: Some(Box::new(certificate)), ..Finished::new(Outcome::Checked, Stage::Tls) };
        assert_eq!(headline(&trusted, "h"), "Inspected. h presents CN=mail.example, issued by CN=Example CA, and it is trusted.");
        let title = |title: &str| Some(Diagnosis { title: title.into(), ..Diagnosis::default() });
        let expired = Finished { outcome: Outcome::Failed, diagnosis: title("It expired."), ..trusted.clone() };
        assert_eq!(headline(&expired, "h"), "Inspected. h presents CN=mail.example, issued by CN=Example CA. It expired.");
        let nameless = Finished { certificate: Some(Box::default()), ..expired.clone() };
        assert_eq!(headline(&nameless, "h"), "Inspected. h presents (nobody named), issued by (nobody named). It expired.");
        let nothing = Finished { certificate: None, diagnosis: title("Nobody answers."), ..expired };
        assert_eq!(headline(&nothing, "h"), "Not inspected. Nobody answers.");
    }

    #[test]
    fn what_a_run_was_for_travels_unless_it_was_to_send() {
        for (aim, written) in [(Aim::Send, json!(null)), (Aim::Check, json!("check")), (Aim::Inspect, json!("inspect"))] {
            let event = Event { what: What::Finished(Finished { aim, ..failed(Stage::Tls, Cause::Expired) }), elapsed_ms: 1 };
            let value = serde_json::to_value(&event).unwrap();
            assert_eq!(value["aim"], written);
            assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
        }
    }

    #[test]
    fn cancelling_tells_what_had_been_sent_at_every_stage() {
        let at = |what| Event { what, elapsed_ms: 0 };
        let begun = |stage| at(What::Begun { stage });
        let passed = |stage, detail: &str| at(What::Passed { stage, detail: detail.into() });
        let received = |stage, line: &str| at(What::Received { stage, line: line.into(), encrypted: true });
        let end = |events: &[Event]| {
            let finished = Finished::cancelled(events);
            (finished.outcome, finished.stage, headline(&finished, "h"))
        };
        let nothing = "Nothing was sent.";
        let neither = "No message was sent, and no address was named.";
        let named = "No message was sent; the server may have seen the sender and the recipients.";
        for (stage, what) in [
            (Stage::Resolve, nothing),
            (Stage::Connect, nothing),
            (Stage::Greeting, neither),
            (Stage::Ehlo, neither),
            (Stage::Starttls, neither),
            (Stage::Tls, neither),
            (Stage::Auth, neither),
            (Stage::MailFrom, named),
            (Stage::RcptTo, named),
            (
                Stage::Data,
                "No message was delivered: a part of it may have been sent, but not its end, without which the server drops it.",
            ),
        ] {
            let (outcome, of, headline) = end(&[begun(Stage::Resolve), passed(Stage::Resolve, ""), begun(stage)]);
            assert_eq!((outcome, of), (Outcome::Cancelled, stage));
            assert_eq!(headline, format!("Cancelled. {what}"));
        }
        assert_eq!(end(&[]).0, Outcome::Cancelled);

        // From the final dot on.
        let dot = [begun(Stage::Data), passed(Stage::Data, "9 bytes"), begun(Stage::Accepted)];
        let with = |more: &[Event]| end(&[&dot, more].concat());
        assert_eq!((with(&[]).0, with(&[]).1), (Outcome::Unknown, Stage::Accepted));
        assert_eq!(with(&[received(Stage::Accepted, "550-read on")]).0, Outcome::Unknown, "the reply isn't whole");
        for refusal in ["550 5.7.1 no", "451"] {
            let (outcome, stage, headline) = with(&[received(Stage::Accepted, refusal)]);
            assert_eq!((outcome, stage), (Outcome::Cancelled, Stage::Accepted));
            assert_eq!(headline, "Cancelled. No message was delivered: the server had refused it.");
        }
        let strange = [received(Stage::Accepted, "354 more"), begun(Stage::Quit)];
        assert_eq!(with(&strange).0, Outcome::Unknown, "neither accepted nor refused");

        // During the goodbye it is over already.
        let accepted = [passed(Stage::Accepted, "4F2B"), begun(Stage::Quit)];
        assert_eq!(with(&accepted), (Outcome::Sent, Stage::Accepted, "Sent. h accepted the message as 4F2B, unencrypted.".into()));
        let encrypted =
            [begun(Stage::Connect), passed(Stage::Tls, "TLS 1.3, suite"), begun(Stage::Auth), passed(Stage::Auth, "PLAIN")];
        let checked = Finished::cancelled(&[&encrypted[..], &[begun(Stage::Quit)]].concat());
        assert_eq!((checked.outcome, checked.stage, checked.security), (Outcome::Checked, Stage::Auth, Security::Tls13));
        let again = Finished::cancelled(&[&encrypted[..], &[begun(Stage::Connect)]].concat());
        assert_eq!((again.outcome, again.security), (Outcome::Cancelled, Security::Plaintext), "a fallback begins in clear");
        let failed = [begun(Stage::Auth), received(Stage::Auth, "535 no"), begun(Stage::Quit)];
        assert_eq!((end(&failed).0, end(&failed).1), (Outcome::Failed, Stage::Auth));
    }

    #[test]
    fn a_message_that_was_cancelled_too_late_is_not_called_lost() {
        let finished = Finished { cause: Some(Cause::Cancelled), ..Finished::new(Outcome::Unknown, Stage::Accepted) };
        assert!(headline(&finished, "h").starts_with("Unknown. The run was cancelled after the message had been handed to h"));
    }
}
