//! What stands against a certificate that a server presented, as data: what it is as the cause of a failure, and what it is as a
//! finding in plain words. Verifying is the server's affair.

use super::{Finding, FindingKind, Ground, TrustedBy};
use crate::certificate::Certificate;
use crate::diagnosis::names;
use crate::transcript::Cause;

/// One thing that stands against a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// Another one is pinned for this host and port.
    Changed {
        /// The subject of the authority that would vouch for this one if nothing were pinned.
        vouched_by: Option<String>,
    },
    /// There is nothing that could vouch for any certificate.
    NothingTrusted {
        /// Whether the system's authorities are switched off; otherwise it has none.
        switched_off: bool,
    },
    /// It is its own issuer.
    SelfSigned,
    /// No authority that is trusted signed it.
    UnknownIssuer {
        /// Whether it came without any other certificate.
        alone: bool,
    },
    /// A rule is broken, by it or by one that it was signed with.
    Flawed(Flaw),
    /// A certificate that it was signed with isn't valid now.
    Above {
        /// The subject of that.
        subject: String,
        /// Whether it will be valid; otherwise it was.
        later: bool,
        /// From when, or until when, as RFC 3339 writes it.
        at: String,
    },
    /// It isn't valid any more.
    Expired,
    /// It isn't valid yet.
    NotYetValid,
    /// It is for other names.
    WrongName,
}

/// A rule that a certificate, or one that it was signed with, breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It can't be read.
    Unreadable,
    /// It is signed with another key than that of the authority it names.
    OtherKey,
    /// It has a critical extension that isn't known here (RFC 5280 section 4.2).
    CriticalExtension,
    /// It isn't meant for servers (RFC 5280 section 4.2.1.12).
    Purpose,
    /// It is signed in a way that isn't accepted here.
    Algorithm,
    /// An authority may not vouch for this name (RFC 5280 section 4.2.1.10).
    NameConstraint,
    /// It is an authority's own.
    AuthorityAsServer,
    /// The server didn't prove that it has the key.
    Unproven,
    /// Another one.
    Rule,
}

/// What a certificate is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The host that is connected to.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The name that the certificate must be for.
    pub name: &'a str,
}

impl Objection {
    /// It as the cause of a failure.
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Changed { .. } => Cause::PinChanged,
            Self::NothingTrusted { .. } => Cause::NoTrustedRoots,
            Self::SelfSigned => Cause::SelfSigned,
            Self::UnknownIssuer { .. } => Cause::UnknownIssuer,
            Self::Flawed(_) | Self::Above { .. } => Cause::BadCertificate,
            Self::Expired => Cause::Expired,
            Self::NotYetValid => Cause::NotYetValid,
            Self::WrongName => Cause::WrongName,
        }
    }

    /// It as a finding about `certificate`.
    pub fn finding(&self, certificate: &Certificate, asked: &Asked<'_>) -> Finding {
        Finding { kind: self.kind(), words: self.words(certificate, asked) }
    }

    const fn kind(&self) -> FindingKind {
        match self {
            Self::Changed { .. } => FindingKind::Changed,
            Self::NothingTrusted { .. } | Self::UnknownIssuer { .. } => FindingKind::UnknownIssuer,
            Self::SelfSigned => FindingKind::SelfSigned,
            Self::Flawed(_) | Self::Above { .. } => FindingKind::Other,
            Self::Expired => FindingKind::Expired,
            Self::NotYetValid => FindingKind::NotYetValid,
            Self::WrongName => FindingKind::WrongName,
        }
    }

    /// It in one or two sentences about `certificate`.
    pub fn words(&self, certificate: &Certificate, asked: &Asked<'_>) -> String {
        match self {
            Self::Changed { vouched_by } => {
                let pinned = format!("Another certificate is pinned for {}.", at(asked));
                match vouched_by {
                    Some(subject) => format!("{pinned} Without that, this one would be trusted: {subject} vouches for it."),
                    None => pinned,
                }
            }
            Self::NothingTrusted { switched_off: true } => {
                "Nobody can vouch for it: the system's authorities are switched off, and no other is trusted here.".into()
            }
            Self::NothingTrusted { switched_off: false } => {
                "Nobody can vouch for it: this machine has no certificate authorities, and no other is trusted here.".into()
            }
            Self::SelfSigned => "Signed by nobody but itself.".into(),
            Self::UnknownIssuer { alone } => {
                let issuer = format!("Issued by {}, whom this machine doesn't know.", or_nobody(&certificate.issuer));
                let missing = " If it is a public server, it probably doesn't send its intermediate certificate.";
                if *alone { issuer + missing } else { issuer }
            }
            Self::Flawed(flaw) => format!("{}.", flaw.words()),
            Self::Above { subject, later: false, at } => {
                format!("{}, who vouches for it, expired on {}.", or_nobody(subject), date(at))
            }
            Self::Above { subject, later: true, at } => {
                format!("{}, who vouches for it, isn't valid before {}.", or_nobody(subject), date(at))
            }
            Self::Expired => format!("Expired on {}.", date(&certificate.not_after)),
            Self::NotYetValid => format!("Not valid before {}.", date(&certificate.not_before)),
            Self::WrongName if certificate.names.is_empty() => format!("For no name at all; you asked for {}.", asked.name),
            Self::WrongName => format!("For {}; you asked for {}.", names(certificate), asked.name),
        }
    }
}

impl Flaw {
    /// A sentence without its end.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unreadable => "It can't be read",
            Self::OtherKey => {
                "A signature in the chain isn't that of the authority it names: it was made anew under its old name, or somebody imitates it"
            }
            Self::CriticalExtension => "It, or one it was signed with, has a critical extension that isn't known here",
            Self::Purpose => "It isn't meant for servers",
            Self::Algorithm => "It, or one it was signed with, is signed in a way that isn't accepted here",
            Self::NameConstraint => "An authority that signed it may not vouch for its names",
            Self::AuthorityAsServer => "It is an authority's own certificate, which can't be a server's",
            Self::Unproven => {
                "The server didn't prove that it has the certificate's key, or the key is of a kind that isn't accepted here"
            }
            Self::Rule => "It, or one it was signed with, breaks a rule for certificates of servers",
        }
    }
}

/// The finding that a certificate is trusted, and why.
pub fn trusted(by: &TrustedBy, asked: &Asked<'_>) -> Finding {
    let subject = or_nobody(&by.subject);
    let words = match by.how {
        Ground::System => format!("Trusted: {subject}, one of this machine's authorities, vouches for it."),
        Ground::Authority => format!("Trusted: {subject}, an authority that was imported, vouches for it."),
        Ground::Pin => format!("Trusted: it is pinned for {}.", at(asked)),
        Ground::Given => format!("Trusted: {subject}, which was given for this run, vouches for it."),
    };
    Finding { kind: FindingKind::Trusted, words }
}

/// `mail.example:465`, `[::1]:465`.
fn at(asked: &Asked<'_>) -> String {
    if asked.host.contains(':') { format!("[{}]:{}", asked.host, asked.port) } else { format!("{}:{}", asked.host, asked.port) }
}

/// A name of X.509, which may be empty.
pub(crate) fn or_nobody(name: &str) -> &str {
    if name.is_empty() { "(nobody named)" } else { name }
}

/// The day of an instant that RFC 3339 writes.
fn date(instant: &str) -> &str {
    instant.split('T').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'static> = Asked { host: "mail.example", port: 465, name: "mail.example" };

    fn certificate() -> Certificate {
        Certificate {
            subject: "CN=mail.old.example".into(),
            issuer: "CN=Example CA".into(),
            names: vec!["mail.old.example".into()],
            not_before: "2027-05-01T00:00:00Z".into(),
            not_after: "2026-01-02T12:00:00Z".into(),
            ..Certificate::default()
        }
    }

    #[test]
    fn every_objection_is_a_sentence_and_a_cause() {
        let changed = |vouched_by: Option<&str>| Objection::Changed { vouched_by: vouched_by.map(Into::into) };
        let above = |later| Objection::Above { subject: "CN=Between".into(), later, at: "2026-01-02T12:00:00Z".into() };
        let table = [
            (changed(None), Cause::PinChanged, FindingKind::Changed, "Another certificate is pinned for mail.example:465."),
            (
                changed(Some("CN=Root")),
                Cause::PinChanged,
                FindingKind::Changed,
                "Another certificate is pinned for mail.example:465. Without that, this one would be trusted: CN=Root vouches for it.",
            ),
            (
                Objection::NothingTrusted { switched_off: true },
                Cause::NoTrustedRoots,
                FindingKind::UnknownIssuer,
                "Nobody can vouch for it: the system's authorities are switched off, and no other is trusted here.",
            ),
            (
                Objection::NothingTrusted { switched_off: false },
                Cause::NoTrustedRoots,
                FindingKind::UnknownIssuer,
                "Nobody can vouch for it: this machine has no certificate authorities, and no other is trusted here.",
            ),
            (Objection::SelfSigned, Cause::SelfSigned, FindingKind::SelfSigned, "Signed by nobody but itself."),
            (
                Objection::UnknownIssuer { alone: false },
                Cause::UnknownIssuer,
                FindingKind::UnknownIssuer,
                "Issued by CN=Example CA, whom this machine doesn't know.",
            ),
            (
                Objection::UnknownIssuer { alone: true },
                Cause::UnknownIssuer,
                FindingKind::UnknownIssuer,
                "Issued by CN=Example CA, whom this machine doesn't know. If it is a public server, it probably doesn't send its intermediate certificate.",
            ),
            (Objection::Flawed(Flaw::Purpose), Cause::BadCertificate, FindingKind::Other, "It isn't meant for servers."),
            (above(false), Cause::BadCertificate, FindingKind::Other, "CN=Between, who vouches for it, expired on 2026-01-02."),
            (
                above(true),
                Cause::BadCertificate,
                FindingKind::Other,
                "CN=Between, who vouches for it, isn't valid before 2026-01-02.",
            ),
            (Objection::Expired, Cause::Expired, FindingKind::Expired, "Expired on 2026-01-02."),
            (Objection::NotYetValid, Cause::NotYetValid, FindingKind::NotYetValid, "Not valid before 2027-05-01."),
            (Objection::WrongName, Cause::WrongName, FindingKind::WrongName, "For mail.old.example; you asked for mail.example."),
        ];
        for (objection, cause, kind, words) in table {
            let finding = objection.finding(&certificate(), &ASKED);
            assert_eq!((objection.cause(), finding.kind, finding.words.as_str()), (cause, kind, words));
        }
        let nameless = Certificate { names: Vec::new(), ..certificate() };
        assert_eq!(Objection::WrongName.words(&nameless, &ASKED), "For no name at all; you asked for mail.example.");
    }

    #[test]
    fn every_ground_is_named() {
        let by = |how| TrustedBy { how, subject: "CN=Root".into(), sha256: String::new() };
        let table = [
            (Ground::System, "Trusted: CN=Root, one of this machine's authorities, vouches for it."),
            (Ground::Authority, "Trusted: CN=Root, an authority that was imported, vouches for it."),
            (Ground::Pin, "Trusted: it is pinned for [::1]:465."),
            (Ground::Given, "Trusted: CN=Root, which was given for this run, vouches for it."),
        ];
        for (how, words) in table {
            let found = trusted(&by(how), &Asked { host: "::1", ..ASKED });
            assert_eq!((found.kind, found.words.as_str()), (FindingKind::Trusted, words));
        }
    }
}
