//! What a failed run means, and what to do: an ordered list of rules, as data, over the stage, the cause, the reply and
//! enhanced codes and the provider. The first rule that fits speaks; the last ones fit everything. Nothing here looks at
//! the text of a reply.

use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, fingerprint_words};
use crate::smtp_server::{MinTls, Protocol, StartTls};
use crate::transcript::{Aim, Cause, Downgrade, RecipientResult, Reply, Stage};
use crate::trust::or_nobody;

/// The explanation of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// A stable name in snake case, for programs.
    pub kind: String,
    /// What it means, in one sentence.
    pub title: String,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// What it was concluded from, raw: the server's words, the certificate, the system's error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// A change of the entry that probably helps and that a button can make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// A change of the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", from = "FlatFix")]
pub enum Fix {
    /// Protocol SMTPS on this port.
    UseSmtps {
        /// The port.
        port: u16,
    },
    /// Protocol SMTP with STARTTLS required on this port.
    UseStarttls {
        /// The port.
        port: u16,
    },
    /// `StartTls::EnabledAndRequired`.
    RequireStarttls,
    /// "Allow credentials without encryption" on.
    AllowPlaintextCredentials,
    /// Another host name: one that the certificate is for.
    UseHost {
        /// The name.
        host: String,
    },
    /// No change yet: a look at what the server presents, with what it takes to trust it.
    InspectCertificate,
    /// TLS 1.2 is accepted, too.
    AcceptTls12,
    /// A longer Timeout.
    RaiseTimeout {
        /// Milliseconds.
        timeout_ms: u32,
    },
}

/// How a [`Fix`] is read: flat, as in JSON (see `transcript::flat`).
#[derive(Deserialize)]
struct FlatFix {
    change: FlatChange,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    host: String,
    #[serde(default)]
    timeout_ms: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FlatChange {
    UseSmtps,
    UseStarttls,
    RequireStarttls,
    AllowPlaintextCredentials,
    UseHost,
    InspectCertificate,
    AcceptTls12,
    RaiseTimeout,
}

impl From<FlatFix> for Fix {
    fn from(FlatFix { change, port, host, timeout_ms }: FlatFix) -> Self {
        match change {
            FlatChange::UseSmtps => Self::UseSmtps { port },
            FlatChange::UseStarttls => Self::UseStarttls { port },
            FlatChange::RequireStarttls => Self::RequireStarttls,
            FlatChange::AllowPlaintextCredentials => Self::AllowPlaintextCredentials,
            FlatChange::UseHost => Self::UseHost { host },
            FlatChange::InspectCertificate => Self::InspectCertificate,
            FlatChange::AcceptTls12 => Self::AcceptTls12,
            FlatChange::RaiseTimeout => Self::RaiseTimeout { timeout_ms },
        }
    }
}

impl Fix {
    /// The button's words.
    pub fn label(&self) -> String {
        match self {
            Self::UseSmtps { port } => format!("Use SMTPS on port {port}"),
            Self::UseStarttls { port } => format!("Use SMTP with StartTLS on port {port}"),
            Self::RequireStarttls => "Require StartTLS".into(),
            Self::AllowPlaintextCredentials => "Allow credentials without encryption".into(),
            Self::UseHost { host } => format!("Use the hostname {host}"),
            Self::InspectCertificate => "Inspect certificate".into(),
            Self::AcceptTls12 => "Accept TLS 1.2".into(),
            Self::RaiseTimeout { timeout_ms } => format!("Wait {}", seconds(*timeout_ms)),
        }
    }
}

/// What is known when a run ends before its aim.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is known or not, by itself")]
pub struct Evidence<'a> {
    /// Where it ended.
    pub stage: Stage,
    /// Why.
    pub cause: Cause,
    /// What the run was for.
    pub aim: Aim,
    /// The server's reply, where it is the cause.
    pub reply: Option<&'a Reply>,
    /// The entry's host, as it was asked for.
    pub host: &'a str,
    /// The entry's port.
    pub port: u16,
    /// The name that its certificate must be for.
    pub certified_name: &'a str,
    /// The lowest version of TLS that the entry accepts.
    pub min_tls: MinTls,
    /// The entry's protocol.
    pub protocol: Protocol,
    /// The entry's Timeout, milliseconds.
    pub timeout_ms: u32,
    /// Whether the entry has a username.
    pub signs_in: bool,
    /// Whether the connection was encrypted by then.
    pub encrypted: bool,
    /// Whether the server offered STARTTLS on the connection that ended.
    pub starttls_offered: bool,
    /// Whether it offered a sign-in there.
    pub auth_offered: bool,
    /// Why the connection is not encrypted although the entry would have liked it to be.
    pub downgrade: Option<Downgrade>,
    /// What the server presented.
    pub certificate: Option<&'a Certificate>,
    /// Whether it came without any other certificate.
    pub alone: bool,
    /// The certificates that are pinned for this host and port, where it is none of them.
    pub pinned: &'a [Certificate],
    /// Whether the system's authorities are switched off.
    pub system_off: bool,
    /// Whether it signed in with an access token instead of a password.
    pub token: bool,
    /// The message's size and the server's limit, bytes, where both are known.
    pub sizes: Option<(u64, u64)>,
    /// What became of the recipients so far.
    pub recipients: &'a [RecipientResult],
    /// The system's own words, or what the server said besides the reply: raw evidence, never looked at.
    pub detail: Option<&'a str>,
}

/// Who runs the server, told from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Google,
    Microsoft,
}

impl Provider {
    fn of(host: &str) -> Option<Self> {
        let under = |domains: &[&str]| {
            domains.iter().any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        };
        if under(&["gmail.com", "googlemail.com", "google.com"]) {
            Some(Self::Google)
        } else if under(&["office365.com", "outlook.com", "office365.us", "partner.outlook.cn"]) {
            Some(Self::Microsoft)
        } else {
            None
        }
    }
}

/// Beyond stage, cause and codes.
#[derive(Clone, Copy)]
enum Also {
    /// Nothing more is asked.
    Nothing,
    Unencrypted,
    /// Unencrypted, and the server offers STARTTLS.
    CouldEncrypt,
    /// Unencrypted, the server offers a sign-in all the same, and the entry has no username.
    CouldSignIn,
    /// STARTTLS was offered and didn't work.
    UpgradeFailed,
    /// The reply is 4yz: it may be different later.
    Temporary,
    Provider(Provider),
    /// It signed in with an access token.
    Token,
    /// Both the message's size and the server's limit are known.
    SizesKnown,
    /// The certificate is for no name at all.
    Nameless,
    /// It came without any other.
    Alone,
    /// The system's authorities are switched off.
    SystemOff,
    /// Nothing below TLS 1.3 is accepted.
    Tls13Only,
    /// The certificate must be for another name than the hostname.
    OtherName,
    /// The run only looks at the certificate.
    Inspecting,
    /// Protocol SMTP on this port.
    SmtpOn(&'static [u16]),
    SmtpsOn(&'static [u16]),
    PortIs(u16),
}

/// What a failed sign-in means that no mail server took part in.
pub fn diagnose_sign_in(cause: Cause, detail: Option<&str>) -> Diagnosis {
    diagnose(&Evidence {
        stage: Stage::Token,
        cause,
        aim: Aim::Check,
        reply: None,
        host: "",
        port: 0,
        certified_name: "",
        min_tls: MinTls::Tls12,
        protocol: Protocol::Smtps,
        timeout_ms: 0,
        signs_in: true,
        encrypted: false,
        starttls_offered: false,
        auth_offered: false,
        downgrade: None,
        certificate: None,
        alone: false,
        pinned: &[],
        system_off: false,
        token: false,
        sizes: None,
        recipients: &[],
        detail,
    })
}

/// The change a rule proposes.
#[derive(Clone, Copy)]
enum Change {
    None,
    SmtpsHere,
    Smtps465,
    StarttlsHere,
    RequireStarttls,
    AllowPlaintext,
    /// A name that the certificate is for, as hostname; else a look at it.
    NameInCertificate,
    Inspect,
    AcceptTls12,
    LongTimeout,
}

/// An empty list fits everything.
#[derive(Clone, Copy)]
struct Rule {
    kind: &'static str,
    stages: &'static [Stage],
    causes: &'static [Cause],
    codes: &'static [u16],
    enhanced: &'static [&'static str],
    also: Also,
    title: &'static str,
    steps: &'static [&'static str],
    change: Change,
}

/// What a rule leaves out.
const ANY: Rule = Rule {
    kind: "",
    stages: &[],
    causes: &[],
    codes: &[],
    enhanced: &[],
    also: Also::Nothing,
    title: "",
    steps: &[],
    change: Change::None,
};

/// What the failure described by `evidence` means.
pub fn diagnose(evidence: &Evidence<'_>) -> Diagnosis {
    let rule = RULES.iter().find(|rule| rule.fits(evidence)).unwrap_or(&LAST);
    Diagnosis {
        kind: rule.kind.into(),
        title: fill(rule.title, evidence),
        steps: rule.steps.iter().map(|step| fill(step, evidence)).collect(),
        evidence: raw(evidence),
        fix: change(rule.change, evidence),
    }
}

impl Rule {
    fn fits(&self, evidence: &Evidence<'_>) -> bool {
        let code = evidence.reply.map(|reply| reply.code);
        let enhanced = evidence.reply.and_then(|reply| reply.enhanced.as_deref());
        (self.stages.is_empty() || self.stages.contains(&evidence.stage))
            && (self.causes.is_empty() || self.causes.contains(&evidence.cause))
            && (self.codes.is_empty() || code.is_some_and(|code| self.codes.contains(&code)))
            && (self.enhanced.is_empty() || enhanced.is_some_and(|enhanced| self.enhanced.contains(&enhanced)))
            && self.also.holds(evidence)
    }
}

impl Also {
    fn holds(self, evidence: &Evidence<'_>) -> bool {
        let smtps = matches!(evidence.protocol, Protocol::Smtps);
        match self {
            Self::Nothing => true,
            Self::Unencrypted => !evidence.encrypted,
            Self::CouldEncrypt => !evidence.encrypted && evidence.starttls_offered,
            Self::CouldSignIn => !evidence.encrypted && evidence.auth_offered && !evidence.signs_in,
            Self::UpgradeFailed => matches!(evidence.downgrade, Some(Downgrade::Refused | Downgrade::HandshakeFailed)),
            Self::Temporary => evidence.reply.is_some_and(|reply| matches!(reply.code, 400..=499)),
            Self::Provider(provider) => Provider::of(evidence.host) == Some(provider),
            Self::Token => evidence.token,
            Self::SizesKnown => evidence.sizes.is_some(),
            Self::Nameless => evidence.certificate.is_some_and(|certificate| certificate.names.is_empty()),
            Self::Alone => evidence.alone,
            Self::SystemOff => evidence.system_off,
            Self::Tls13Only => evidence.min_tls == MinTls::Tls13,
            Self::OtherName => evidence.certified_name != evidence.host,
            Self::Inspecting => evidence.aim == Aim::Inspect,
            Self::SmtpOn(ports) => !smtps && ports.contains(&evidence.port),
            Self::SmtpsOn(ports) => smtps && ports.contains(&evidence.port),
            Self::PortIs(port) => evidence.port == port,
        }
    }
}

fn change(change: Change, evidence: &Evidence<'_>) -> Option<Fix> {
    match change {
        Change::None => None,
        Change::SmtpsHere => Some(Fix::UseSmtps { port: evidence.port }),
        Change::Smtps465 => Some(Fix::UseSmtps { port: 465 }),
        Change::StarttlsHere => Some(Fix::UseStarttls { port: evidence.port }),
        // Where StartTLS is on already, requiring it would not help.
        Change::RequireStarttls => {
            matches!(evidence.protocol, Protocol::Smtp { starttls: StartTls::Disabled, .. }).then_some(Fix::RequireStarttls)
        }
        Change::AllowPlaintext => Some(Fix::AllowPlaintextCredentials),
        Change::NameInCertificate => {
            let names = evidence.certificate.map_or(&[][..], |certificate| &certificate.names);
            let name = names.iter().find(|name| !name.contains('*'));
            Some(name.map_or(Fix::InspectCertificate, |name| Fix::UseHost { host: name.clone() }))
        }
        Change::Inspect => Some(Fix::InspectCertificate),
        Change::AcceptTls12 => Some(Fix::AcceptTls12),
        Change::LongTimeout => (evidence.timeout_ms < LONG_TIMEOUT).then_some(Fix::RaiseTimeout { timeout_ms: LONG_TIMEOUT }),
    }
}

/// The raw words it was concluded from.
fn raw(evidence: &Evidence<'_>) -> Option<String> {
    if let Some(reply) = evidence.reply {
        return Some(match evidence.detail {
            Some(detail) => format!("{reply}; {detail}"),
            None => reply.to_string(),
        });
    }
    // Where it is about ours, the server's would be taken for that.
    let ours = matches!(evidence.cause, Cause::ClientCertificateWanted | Cause::ClientCertificateRefused);
    let certificate = evidence.certificate.filter(|_| evidence.stage == Stage::Tls && !ours).map(|certificate| {
        let presented = details(certificate);
        match evidence.pinned {
            [] => format!("Issued {presented}"),
            pinned => {
                let pinned: Vec<_> = pinned.iter().map(|pinned| format!("Pinned: issued {}.\n", details(pinned))).collect();
                format!("{}Presented: issued {presented}.", pinned.concat())
            }
        }
    });
    // The title says the same in fewer words.
    let told = matches!(
        evidence.cause,
        Cause::UnknownIssuer | Cause::SelfSigned | Cause::Expired | Cause::NotYetValid | Cause::WrongName | Cause::PinChanged
    );
    match (certificate, evidence.detail) {
        (Some(certificate), Some(detail)) if !told => Some(format!("{detail}; {certificate}")),
        (certificate, detail) => certificate.or_else(|| detail.map(Into::into)),
    }
}

/// What to compare of a certificate, after "issued".
fn details(certificate: &Certificate) -> String {
    let names = if certificate.names.is_empty() { "no name".into() } else { format!("the names {}", names(certificate)) };
    format!(
        "to {}; for {names}; issued by {}; valid from {} until {}; SHA-256 {}",
        or_nobody(&certificate.subject),
        or_nobody(&certificate.issuer),
        instant(&certificate.not_before),
        instant(&certificate.not_after),
        fingerprint_words(&certificate.sha256)
    )
}

/// RFC 3339 as people read it: `2020-01-01 00:00 UTC`. What isn't so stays.
fn instant(text: &str) -> String {
    let minutes = text.strip_suffix('Z').and_then(|text| text.get(..16)?.split_once('T'));
    minutes.map_or_else(|| text.to_owned(), |(date, time)| format!("{date} {time} UTC"))
}

/// `1 second`, `1.5 seconds`.
fn seconds(ms: u32) -> String {
    let (whole, rest) = (ms / 1_000, ms % 1_000);
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:03}").trim_end_matches('0').to_owned() };
    format!("{whole}{fraction} second{}", if ms == 1_000 { "" } else { "s" })
}

/// Who was refused: by address, where it is one.
fn recipients(recipients: &[RecipientResult]) -> String {
    match recipients {
        [] => "the recipient".into(),
        [one] => one.address.clone(),
        all => format!("any of the {} recipients", all.len()),
    }
}

/// At most five, so that a sentence stays one.
pub(crate) fn names(certificate: &Certificate) -> String {
    const SHOWN: usize = 5;
    let text = certificate.names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match certificate.names.len() {
        0 => "(none)".into(),
        n if n > SHOWN => format!("{text} and {} more", n - SHOWN),
        _ => text,
    }
}

/// Puts what is known into a sentence. A value is never looked at for placeholders again.
fn fill(template: &str, evidence: &Evidence<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, (name, after))) = rest.split_once('{').and_then(|(b, r)| Some((b, r.split_once('}')?))) {
        out.push_str(before);
        out.push_str(&value(name, evidence));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn value(name: &str, evidence: &Evidence<'_>) -> String {
    let certificate = |of: fn(&Certificate) -> String| evidence.certificate.map_or_else(|| "?".into(), of);
    match name {
        "host" => evidence.host.into(),
        "port" => evidence.port.to_string(),
        "certified_name" => evidence.certified_name.into(),
        "stage" => evidence.stage.words().into(),
        "code" => evidence.reply.map_or_else(
            || "?".into(),
            |reply| match &reply.enhanced {
                Some(enhanced) => format!("{} {enhanced}", reply.code),
                None => reply.code.to_string(),
            },
        ),
        "names" => certificate(names),
        "subject" => certificate(|c| c.subject.clone()),
        "issuer" => certificate(|c| c.issuer.clone()),
        "not_before" => certificate(|c| instant(&c.not_before)),
        "not_after" => certificate(|c| instant(&c.not_after)),
        "timeout" => seconds(evidence.timeout_ms),
        "recipients" => recipients(evidence.recipients),
        "downgrade" => evidence.downgrade.map_or("?", Downgrade::words).into(),
        "size" => evidence.sizes.map_or_else(|| "?".into(), |(size, _)| size.to_string()),
        "limit" => evidence.sizes.map_or_else(|| "?".into(), |(_, limit)| limit.to_string()),
        _ => String::new(),
    }
}

/// What the slowest servers need, milliseconds.
const LONG_TIMEOUT: u32 = 60_000;
const ASK_LATER: &str = "Try again in a few minutes.";
const ASK_PROVIDER: &str = "If it stays so, give the details to whoever runs {host}.";
const SPELLING: &str = "Check the spelling of the SMTP hostname.";
const COMPARE: &str = "Click “Inspect certificate” and compare the SHA-256 with the one that whoever runs {host} sees.";
const TRUST_EITHER: &str = "If it is the same: “Trust its issuer”, or “Trust this certificate” for this server alone. For send-test on the command line: --ca with that authority's certificate.";
const TRUST_PINNED: &str = "If it is the same: “Trust this certificate”. It counts for this server alone, until that presents another one. For send-test on the command line: --ca with the certificate.";
const NOT_THE_SAME: &str = "If it isn't the same, somebody may be listening in: don't send through this connection.";
const TRUST_DESPITE_NAMES: &str = "Or click “Inspect certificate”, compare the SHA-256 with whoever runs {host}, then “Trust this certificate”: for this server alone, names don't matter then.";
const TRUST_ANYWAY: &str = "If it has to be used all the same: click “Inspect certificate”, compare the SHA-256 with whoever runs {host}, then trust it for this server, also outside of its dates.";

/// From the special to the general; the first that fits wins.
const RULES: &[Rule] = &[
    // The access token.
    Rule {
        kind: "no_tenant",
        causes: &[Cause::NoTenant],
        title: "It isn't known where to ask for a token: the username has no domain and no tenant is given.",
        steps: &["Enter the “Azure tenant”: its id or a verified domain.", "Or use the mailbox's whole address as the username."],
        ..ANY
    },
    Rule {
        kind: "public_client_off",
        causes: &[Cause::TokenPublicClientOff],
        title: "The app registration doesn't allow sign-in with a username and password.",
        steps: &[
            "In Entra open the app registration, “Authentication”, and set “Allow public client flows” to “Yes”.",
            "Save, wait a minute, then test again.",
        ],
        ..ANY
    },
    Rule {
        kind: "secret_unwanted",
        causes: &[Cause::TokenSecretUnwanted],
        title: "The app registration is a public client, but a client secret was sent.",
        steps: &["Remove the client secret here, or use a registration that isn't a public client."],
        ..ANY
    },
    Rule {
        kind: "oauth_password_wrong",
        causes: &[Cause::TokenPasswordWrong],
        title: "Microsoft refused the password of this user.",
        steps: &[
            "Type the password again and test; sign in at https://outlook.office.com with the same to compare.",
            "Accounts of a federated domain can't sign in this way: use a cloud-only account.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_user_unknown",
        causes: &[Cause::TokenUserUnknown],
        title: "There is no such user in this tenant.",
        steps: &[
            "Check the username: it is the sign-in name (UPN), which may differ from the mail address.",
            "Check the “Azure tenant”.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_password_expired",
        causes: &[Cause::TokenPasswordExpired],
        title: "The password of this user has expired.",
        steps: &[
            "Change it at https://outlook.office.com, then enter the new one here.",
            "For a mailbox that only sends, let the password never expire in the tenant.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_account_locked",
        causes: &[Cause::TokenAccountLocked],
        title: "Microsoft blocks this account or this network's address for a while, after too many failed sign-ins.",
        steps: &[
            "Wait some minutes and don't test meanwhile: each attempt prolongs it.",
            "Look at the user's sign-in log in Entra for who else uses an old password.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_account_disabled",
        causes: &[Cause::TokenAccountDisabled],
        title: "The account is disabled.",
        steps: &["In the Microsoft 365 admin center open the user and allow sign-in."],
        ..ANY
    },
    Rule {
        kind: "oauth_more_factors",
        causes: &[Cause::TokenMoreFactors],
        title: "The tenant demands more than a password (multi-factor authentication), which this way of signing in can't give.",
        steps: &[
            "Exclude this account from the policy that demands it, if your rules allow that.",
            "Otherwise choose another “Azure strategy”: sign in in the browser, with a device code, or as an application.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_conditional_access",
        causes: &[Cause::TokenConditionalAccess],
        title: "Conditional Access or security defaults block the sign-in.",
        steps: &[
            "In Entra open “Sign-in logs”, find this attempt by its correlation id, and see which policy blocked it.",
            "Exclude this account, or allow this machine's address in a named location.",
            "Security defaults block this way of signing in for everybody.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_consent_missing",
        causes: &[Cause::TokenConsentMissing],
        title: "Nobody has consented yet that the app may send mail.",
        steps: &[
            "In Entra open the app registration, “API permissions”, add the delegated permission SMTP.Send of Office 365 Exchange Online.",
            "For the strategy “Application” add the application permission SMTP.SendAsApp instead.",
            "Then press “Grant admin consent”.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_wrong_application",
        causes: &[Cause::TokenWrongApplication],
        title: "Microsoft doesn't know this application in this tenant, or not the tenant.",
        steps: &[
            "Compare the “Azure application id” with “Application (client) ID” of the app registration.",
            "Compare the “Azure tenant” with “Directory (tenant) ID” of the same page.",
            "An app for several tenants has to be consented to in this one first.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_secret_wrong",
        causes: &[Cause::TokenSecretWrong],
        title: "The client secret is wrong.",
        steps: &["Copy the secret's value, not its id; the value is shown only once, so make a new one if it is gone."],
        ..ANY
    },
    Rule {
        kind: "oauth_secret_expired",
        causes: &[Cause::TokenSecretExpired],
        title: "The client secret has expired.",
        steps: &["Make a new one in the app registration, “Certificates and secrets”, and enter it here."],
        ..ANY
    },
    Rule {
        kind: "oauth_sign_in_over",
        causes: &[Cause::TokenSignInOver],
        title: "The sign-in is no longer valid.",
        steps: &[
            "Open “Azure OAuth” on the server's page and sign in again.",
            "A sign-in ends when the password is changed, when a policy limits it, or after 90 days without a renewal.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_certificate_unknown",
        causes: &[Cause::TokenCertificateUnknown],
        title: "Microsoft doesn't know this certificate for the application.",
        steps: &[
            "In Entra open the app registration, “Certificates & secrets”, “Certificates”, and upload the certificate, without its key.",
            "Compare the thumbprint there with the client certificate's here.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_clock_wrong",
        causes: &[Cause::TokenClockWrong],
        title: "The sign-in service finds that this machine's clock is wrong by more than five minutes.",
        steps: &["Set this machine's date and time, best by NTP, then test again."],
        ..ANY
    },
    Rule {
        kind: "oauth_declined",
        causes: &[Cause::TokenDeclined],
        title: "Whoever was to sign in declined, or may not consent.",
        steps: &[
            "Sign in again and accept what is asked.",
            "If only an administrator may consent: press “Grant admin consent” in Entra first.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_code_expired",
        causes: &[Cause::TokenCodeExpired],
        title: "The code has expired before anybody signed in with it.",
        steps: &["Get a new code and type it within its time."],
        ..ANY
    },
    Rule {
        kind: "oauth_not_kept",
        causes: &[Cause::TokenNotKept],
        title: "The sign-in was renewed, but it couldn't be stored, so the token wasn't used.",
        steps: &["Look whether the disk is full or fails.", "Then test again; if the sign-in is refused then, sign in again."],
        ..ANY
    },
    Rule {
        kind: "oauth_not_signed_in",
        causes: &[Cause::NotSignedIn],
        title: "Nobody has signed in for this server yet, so there is no token to send with.",
        steps: &["Save the server, open “Azure OAuth” on its page, and sign in as the mailbox."],
        ..ANY
    },
    Rule {
        kind: "oauth_no_certificate",
        causes: &[Cause::NoClientCertificate],
        title: "The strategy “Application (certificate)” needs a client certificate, and none is stored.",
        steps: &["Open “Client certificate” on the server's page and add one with its RSA key.", "Or use a client secret."],
        ..ANY
    },
    Rule {
        kind: "oauth_certificate_unfit",
        causes: &[Cause::TokenCertificateUnfit],
        title: "The client certificate can't ask for a token: its key isn't RSA of at least 2048 bits.",
        steps: &["Make a certificate with an RSA key, upload it in Entra, and store it here."],
        ..ANY
    },
    Rule {
        kind: "oauth_in_clear",
        causes: &[Cause::TokenInClear],
        title: "The sign-in service's address isn't encrypted, so nothing was sent to it.",
        steps: &[
            "Use an address that begins with https://.",
            "For development on this machine only: start Postroom with --oauth-authority and an address that begins with http://.",
        ],
        ..ANY
    },
    Rule {
        kind: "token_wrong_audience",
        causes: &[Cause::TokenWrongAudience],
        title: "The server refused the access token: it is for something else than mail ({code}).",
        steps: &[
            "Empty the “Scope” on the server's page, so that the usual one is asked for.",
            "A token for mail with Microsoft 365 is for outlook.office.com (or outlook.office365.com), not for graph.microsoft.com.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_service_busy",
        causes: &[Cause::TokenServiceBusy],
        title: "The sign-in service is busy or down.",
        steps: &["Try again in a few minutes; look at https://status.cloud.microsoft."],
        ..ANY
    },
    Rule {
        kind: "oauth_refused",
        causes: &[Cause::TokenRefused],
        title: "The sign-in service refused to give an access token.",
        steps: &[
            "Its answer is below; search for the number after AADSTS.",
            "In Entra open “Sign-in logs” and find this attempt by its correlation id.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_no_service",
        causes: &[Cause::TokenAnswerUnreadable],
        title: "What answered in place of the sign-in service isn't it.",
        steps: &[
            "A proxy or a firewall on the way may answer instead: let this machine reach login.microsoftonline.com, port 443.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_untrusted",
        stages: &[Stage::Token],
        causes: &[
            Cause::UnknownIssuer,
            Cause::SelfSigned,
            Cause::Expired,
            Cause::NotYetValid,
            Cause::WrongName,
            Cause::PinChanged,
            Cause::BadCertificate,
            Cause::NoTrustedRoots,
        ],
        title: "The sign-in service's certificate isn't trusted.",
        steps: &[
            "A proxy on the way may open the encryption: add its authority under “Certificates”, or let this machine reach the service directly.",
            "Check this machine's date and time.",
        ],
        ..ANY
    },
    Rule {
        kind: "oauth_unreachable",
        stages: &[Stage::Token],
        causes: &[
            Cause::NameNotFound,
            Cause::AddressForbidden,
            Cause::ConnectionRefused,
            Cause::Unreachable,
            Cause::Timeout,
            Cause::Deadline,
            Cause::Closed,
            Cause::Broken,
            Cause::NoCommonProtocol,
            Cause::HandshakeBroken,
            Cause::HandshakeGarbage,
        ],
        title: "The sign-in service can't be reached, so nothing was said to the mail server.",
        steps: &["This machine must reach login.microsoftonline.com, port 443: look at its name service, firewall and routes."],
        ..ANY
    },
    // What sending does not honour yet.
    Rule {
        kind: "azure_oauth_unsupported",
        causes: &[Cause::AzureOauthUnsupported],
        title: "The version of Postroom that ran this test didn't support Azure OAuth.",
        steps: &["Test it again."],
        ..ANY
    },
    Rule {
        kind: "fax_unsupported",
        causes: &[Cause::FaxUnsupported],
        title: "The version of Postroom that ran this test didn't support fax servers.",
        steps: &["Test it again."],
        ..ANY
    },
    Rule {
        kind: "links_unsupported",
        causes: &[Cause::LinksUnsupported],
        title: "The attachments have {size} bytes encoded, above the threshold of {limit}, and only a Postroom that serves makes links of them.",
        steps: &[
            "Test it on the page of the server instead, or attach less.",
            "Or raise the “Max attachment threshold size”, if the mail server takes that much.",
        ],
        ..ANY
    },
    Rule {
        kind: "attachments_too_big",
        causes: &[Cause::AttachmentsTooBig],
        title: "The attachments have {size} bytes encoded; this server's “Max attachment threshold size” is {limit} bytes.",
        steps: &[
            "Attach less, or raise the “Max attachment threshold size”, if the mail server takes that much.",
            "Encoded for mail, a file grows by more than a third: 10 MB of files need a threshold of 14 MB.",
        ],
        ..ANY
    },
    Rule {
        kind: "attachment_unreadable",
        causes: &[Cause::AttachmentUnreadable],
        title: "An attachment couldn't be read to its end, so the message was broken off before its end; the server drops such a one.",
        steps: &[
            "Hand the message over once more.",
            "If it happens again: look at the disk of the machine Postroom runs on, and at the log.",
        ],
        ..ANY
    },
    Rule {
        kind: "no_password",
        causes: &[Cause::NoPassword],
        title: "There is a username, but no password is stored.",
        steps: &[
            "Enter the password; with the strategy “Application” it is the client secret.",
            "Or leave the username empty, if the server wants no sign-in.",
        ],
        ..ANY
    },
    Rule {
        kind: "control_in_credentials",
        causes: &[Cause::ControlInCredentials],
        title: "The username or the password holds an invisible control character, so no sign-in was tried.",
        steps: &["Enter both again by hand; such a character comes along when copying."],
        ..ANY
    },
    Rule {
        kind: "address_without_domain",
        causes: &[Cause::AddressWithoutDomain],
        title: "The sender or a recipient has no domain, so no server would know where it belongs.",
        steps: &["Add @ and the domain to the address, such as @example.com."],
        ..ANY
    },
    // Reaching it.
    Rule {
        kind: "name_not_found",
        causes: &[Cause::NameNotFound],
        title: "The name {host} can't be found.",
        steps: &[
            SPELLING,
            "Ask whoever runs the mail server for its exact name.",
            "For a name inside your network: check that this machine asks a DNS server that knows it.",
        ],
        ..ANY
    },
    Rule {
        kind: "address_forbidden",
        causes: &[Cause::AddressForbidden],
        title: "{host} leads only to addresses that Postroom may not connect to, so nothing was opened.",
        steps: &[
            SPELLING,
            "If the address is right: start Postroom with --allow-network and that address (POSTROOM_ALLOW_NETWORKS).",
            "If the details say that it is denied: take it out of --deny-network (POSTROOM_DENY_NETWORKS), which wins over allowing.",
        ],
        ..ANY
    },
    Rule {
        kind: "resolve_timeout",
        stages: &[Stage::Resolve],
        causes: &[Cause::Timeout],
        title: "No DNS server answered in time for the name {host}.",
        steps: &["Check the network and the DNS settings of the machine Postroom runs on.", ASK_LATER],
        ..ANY
    },
    Rule {
        kind: "connection_refused",
        causes: &[Cause::ConnectionRefused],
        title: "Nothing accepts connections on port {port} of {host}.",
        steps: &[
            "Check the port: 587 with StartTLS, 465 with SMTPS, 25 between servers.",
            "Check that the mail server is running.",
            "Check whether a firewall refuses this machine.",
        ],
        ..ANY
    },
    Rule {
        kind: "port_25_blocked",
        stages: &[Stage::Connect],
        causes: &[Cause::Timeout],
        also: Also::PortIs(25),
        title: "{host} didn't answer on port 25; many networks block that port.",
        steps: &[
            "Use port 587 with StartTLS, or 465 with SMTPS.",
            SPELLING,
            "If it must be port 25, ask your network or hosting provider to open it.",
        ],
        ..ANY
    },
    Rule {
        kind: "connect_timeout",
        stages: &[Stage::Connect],
        causes: &[Cause::Timeout],
        title: "{host} didn't answer on port {port} in time.",
        steps: &[
            "Check hostname and port.",
            "Ask whether a firewall between this machine and {host} drops the connection.",
            "If the server is far away or slow, raise the Timeout.",
        ],
        ..ANY
    },
    Rule {
        kind: "unreachable",
        causes: &[Cause::Unreachable],
        title: "There is no route from this machine to {host}.",
        steps: &[
            "Check this machine's network connection, and its VPN if the server is inside one.",
            "Check the address the name leads to.",
        ],
        ..ANY
    },
    // Protocol and port don't fit.
    Rule {
        kind: "needs_smtps",
        causes: &[Cause::TlsInPlaintext],
        title: "Port {port} of {host} expects TLS from the first byte, but the protocol is SMTP.",
        steps: &["Set the protocol to SMTPS.", "Or use port 587 with StartTLS."],
        change: Change::SmtpsHere,
        ..ANY
    },
    Rule {
        kind: "needs_smtps",
        stages: &[Stage::Greeting],
        causes: &[Cause::Timeout, Cause::Unfinished, Cause::Malformed, Cause::Closed, Cause::Broken, Cause::TooLong],
        also: Also::SmtpOn(&[465]),
        title: "Port 465 usually expects TLS from the first byte, but the protocol is SMTP, and {host} sent no greeting.",
        steps: &["Set the protocol to SMTPS.", "Or use port 587 with StartTLS."],
        change: Change::SmtpsHere,
        ..ANY
    },
    Rule {
        kind: "needs_smtp",
        causes: &[Cause::PlaintextInTls],
        title: "Port {port} of {host} speaks SMTP in clear first, but the protocol is SMTPS.",
        steps: &["Set the protocol to SMTP with StartTLS “Enabled and required”.", "Or use port 465 with SMTPS."],
        change: Change::StarttlsHere,
        ..ANY
    },
    Rule {
        kind: "needs_smtp",
        stages: &[Stage::Tls],
        causes: &[Cause::Timeout, Cause::HandshakeBroken, Cause::HandshakeGarbage],
        also: Also::SmtpsOn(&[25, 587, 2525]),
        title: "Port {port} usually speaks SMTP in clear first, but the protocol is SMTPS, and {host} began no encryption.",
        steps: &["Set the protocol to SMTP with StartTLS “Enabled and required”.", "Or use port 465 with SMTPS."],
        change: Change::StarttlsHere,
        ..ANY
    },
    // After the final dot everything but a refusal leaves it open.
    Rule {
        kind: "cancelled_too_late",
        stages: &[Stage::Accepted],
        causes: &[Cause::Cancelled],
        title: "The run was cancelled after the whole message had been handed over: it may have been delivered.",
        steps: &["Look into the recipient's mailbox.", "Send it again only if it isn't there: otherwise it may arrive twice."],
        ..ANY
    },
    Rule {
        kind: "reply_lost",
        stages: &[Stage::Accepted],
        causes: &[
            Cause::Timeout,
            Cause::Deadline,
            Cause::Closed,
            Cause::Broken,
            Cause::Unexpected,
            Cause::Malformed,
            Cause::Unfinished,
            Cause::TooLong,
            Cause::OutOfStep,
        ],
        title: "The whole message was handed over, but no clear answer came back: it may have been delivered.",
        steps: &[
            "Look into the recipient's mailbox.",
            "Send it again only if it isn't there: otherwise it may arrive twice.",
            "If servers scan messages slowly, raise the Timeout: this answer may take ten times as long.",
        ],
        ..ANY
    },
    // The whole run, and being turned away at any point.
    Rule {
        kind: "deadline",
        causes: &[Cause::Deadline],
        title: "The whole run took too long and was ended during {stage}.",
        steps: &[
            "The server answers, but very slowly: ask whoever runs {host}.",
            "Raise the Timeout: the run may take twenty times as long.",
        ],
        ..ANY
    },
    Rule {
        kind: "server_busy",
        codes: &[421],
        title: "The server is busy, allows no more connections, or doesn't want this machine's: {code} during {stage}.",
        steps: &[
            ASK_LATER,
            "Check what else sends through {host} at the same time; servers limit connections for each account and address.",
            ASK_PROVIDER,
        ],
        ..ANY
    },
    Rule {
        kind: "turned_away",
        stages: &[Stage::Greeting],
        causes: &[Cause::Rejected],
        title: "{host} turns this machine away before anything was said ({code}).",
        steps: &[
            "Ask whoever runs {host} whether this machine's address may connect; many servers block addresses with a bad reputation.",
            "Use the provider's submission service: port 587 or 465.",
        ],
        ..ANY
    },
    Rule {
        kind: "no_greeting",
        stages: &[Stage::Greeting],
        causes: &[Cause::Timeout],
        title: "{host} accepted the connection but sent no greeting within {timeout}.",
        steps: &[
            "Check the port and the protocol: on port 465 it is usually SMTPS.",
            "Some servers greet slowly on purpose: raise the Timeout to 60 seconds (60 000).",
            "A firewall or virus scanner in between may hold the connection.",
        ],
        change: Change::LongTimeout,
        ..ANY
    },
    Rule {
        kind: "not_smtp",
        stages: &[Stage::Greeting],
        causes: &[Cause::Malformed, Cause::Unexpected, Cause::TooLong, Cause::Unfinished],
        title: "What answers on port {port} of {host} doesn't greet like an SMTP server.",
        steps: &["Check the port: 587 with StartTLS, 465 with SMTPS, 25 between servers.", SPELLING],
        ..ANY
    },
    // STARTTLS and TLS.
    Rule {
        kind: "starttls_not_offered",
        causes: &[Cause::StarttlsNotOffered],
        also: Also::Inspecting,
        title: "{host} offers no encryption on port {port}, so it presents no certificate there.",
        steps: &[
            "Try port 465 with SMTPS, or port 587.",
            "A virus scanner or firewall in between may hide StartTLS: check from another network.",
        ],
        change: Change::Smtps465,
        ..ANY
    },
    Rule {
        kind: "starttls_not_offered",
        causes: &[Cause::StarttlsNotOffered],
        title: "StartTLS is required, but {host} doesn't offer it on port {port}.",
        steps: &[
            "Try port 465 with SMTPS.",
            "Or use the hostname and port of the provider's submission service, usually port 587.",
            "A virus scanner or firewall in between may hide StartTLS: check from another network.",
        ],
        change: Change::Smtps465,
        ..ANY
    },
    Rule {
        kind: "starttls_refused",
        stages: &[Stage::Starttls],
        causes: &[Cause::Rejected, Cause::Unexpected],
        title: "The server offers StartTLS but refuses to start it ({code}).",
        steps: &[
            ASK_LATER,
            "Ask whoever runs {host}: often its certificate isn't installed or its key can't be read.",
            "Or try port 465 with SMTPS.",
        ],
        change: Change::Smtps465,
        ..ANY
    },
    Rule {
        kind: "starttls_injection",
        causes: &[Cause::Injected],
        title: "Somebody put unencrypted data between StartTLS and the encryption: the server is faulty or the connection is being tampered with.",
        steps: &[
            "Don't send through this connection.",
            "Tell whoever runs {host} and your network's security staff.",
            "Port 465 with SMTPS isn't open to this.",
        ],
        change: Change::Smtps465,
        ..ANY
    },
    Rule {
        kind: "certificate_changed",
        causes: &[Cause::PinChanged],
        title: "{host} presents another certificate than the one that is trusted for it on port {port}.",
        steps: &[
            "Either it was renewed, or somebody is in between: compare the SHA-256 of both in the details with what whoever runs {host} sees.",
            "If it was renewed: click “Inspect certificate”, then “Trust this certificate” in place of the old one.",
            "If nobody knows of the new one: don't send through this connection, and tell your network's security staff.",
        ],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "no_trusted_roots",
        causes: &[Cause::NoTrustedRoots],
        also: Also::SystemOff,
        title: "The system's authorities are switched off and no other is trusted, so nobody can vouch for a certificate.",
        steps: &[
            "If {host} is a public server: switch the system's authorities on again, on the page “Certificates”.",
            "If it is your organisation's own: import your organisation's authority there.",
            "Or click “Inspect certificate”, compare the SHA-256 with whoever runs {host}, then “Trust this certificate”.",
        ],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "no_trusted_roots",
        causes: &[Cause::NoTrustedRoots],
        title: "This machine has no list of trusted certificate authorities, so nobody can vouch for a certificate.",
        steps: &[
            "Install the package “ca-certificates” and restart Postroom.",
            "If {host} is your organisation's own: import your organisation's authority on the page “Certificates”.",
            "Or click “Inspect certificate”, compare the SHA-256 with whoever runs {host}, then “Trust this certificate”.",
        ],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_unknown_issuer",
        causes: &[Cause::UnknownIssuer],
        also: Also::SystemOff,
        title: "The server's certificate was signed by {issuer}, and the system's authorities are switched off.",
        steps: &[
            "If {host} is a public server: switch the system's authorities on again, on the page “Certificates”.",
            COMPARE,
            TRUST_EITHER,
            NOT_THE_SAME,
        ],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_unknown_issuer",
        causes: &[Cause::UnknownIssuer],
        also: Also::Alone,
        title: "The server's certificate was signed by {issuer}, whom this machine doesn't trust.",
        steps: &[
            "If {host} is a public server: the server probably doesn't send its intermediate certificate; tell whoever runs it.",
            COMPARE,
            TRUST_EITHER,
            NOT_THE_SAME,
        ],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_unknown_issuer",
        causes: &[Cause::UnknownIssuer],
        title: "The server's certificate was signed by {issuer}, whom this machine doesn't trust.",
        steps: &[COMPARE, TRUST_EITHER, NOT_THE_SAME],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_self_signed",
        causes: &[Cause::SelfSigned],
        title: "The server's certificate is signed by nobody but itself.",
        steps: &[COMPARE, TRUST_PINNED, NOT_THE_SAME, "Better: give the server a certificate from an authority."],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_expired",
        causes: &[Cause::Expired],
        title: "The server's certificate expired on {not_after}.",
        steps: &["Ask whoever runs {host} to renew it.", "Check this machine's clock.", TRUST_ANYWAY],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_not_yet_valid",
        causes: &[Cause::NotYetValid],
        title: "The server's certificate isn't valid before {not_before}.",
        steps: &["Check this machine's clock; it is probably wrong.", "Otherwise ask whoever runs {host}.", TRUST_ANYWAY],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_without_names",
        causes: &[Cause::WrongName],
        also: Also::Nameless,
        title: "The server's certificate names no host at all, so it can't be matched with {certified_name}.",
        steps: &[
            "Ask whoever runs {host} for a certificate with {certified_name} as “subject alternative name”; the common name alone no longer counts.",
            TRUST_DESPITE_NAMES,
        ],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_wrong_name",
        causes: &[Cause::WrongName],
        also: Also::OtherName,
        title: "The server's certificate is for {names}, not for {certified_name}.",
        steps: &[
            "Enter one of these names as “Certificate name” (advanced), or leave that empty if the hostname is one of them.",
            TRUST_DESPITE_NAMES,
            "Or ask whoever runs {host} for a certificate with that name.",
        ],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "certificate_wrong_name",
        causes: &[Cause::WrongName],
        title: "The server's certificate is for {names}, not for {certified_name}.",
        steps: &[
            "Use one of these names as SMTP hostname, if it leads to the same server.",
            "If the hostname has to stay, such as localhost or an address: enter one of these names as “Certificate name” (advanced).",
            TRUST_DESPITE_NAMES,
            "Or ask whoever runs {host} for a certificate with that name.",
        ],
        change: Change::NameInCertificate,
        ..ANY
    },
    Rule {
        kind: "certificate_bad",
        causes: &[Cause::BadCertificate],
        title: "The server's certificate can't be accepted.",
        steps: &[
            "The details say what is wrong with it; give them to whoever runs {host}.",
            "Click “Inspect certificate” to see everything that the server presents.",
        ],
        change: Change::Inspect,
        ..ANY
    },
    Rule {
        kind: "client_certificate_wanted",
        causes: &[Cause::ClientCertificateWanted],
        title: "The server wants a certificate from Postroom, and this entry has none to show.",
        steps: &[
            "Add the certificate and key that you were given for {host} as “Client certificate” (advanced).",
            "Or ask whoever runs {host} for a port or an account that signs in with a password.",
        ],
        ..ANY
    },
    Rule {
        kind: "client_certificate_refused",
        causes: &[Cause::ClientCertificateRefused],
        title: "The server doesn't accept the client certificate that Postroom showed.",
        steps: &[
            "Check that it is the one that was made for {host}, and that it hasn't expired.",
            "Add it once more with the intermediate certificates that belong to it: the server may need them.",
            "Ask whoever runs {host} what its log says.",
        ],
        ..ANY
    },
    Rule {
        kind: "tls_too_old",
        causes: &[Cause::NoCommonProtocol],
        also: Also::Tls13Only,
        title: "The server and Postroom have no common encryption, as this entry wants TLS 1.3; the server probably speaks TLS 1.2.",
        steps: &[
            "Set “Minimum TLS version” (advanced) to TLS 1.2, which is still safe.",
            "Or ask whoever runs {host} to enable TLS 1.3.",
        ],
        change: Change::AcceptTls12,
        ..ANY
    },
    Rule {
        kind: "handshake_broken",
        causes: &[Cause::HandshakeBroken],
        also: Also::Tls13Only,
        title: "The server closed the connection in the middle of the encryption handshake; it may not know TLS 1.3, which this entry wants.",
        steps: &[
            "Set “Minimum TLS version” (advanced) to TLS 1.2, which is still safe.",
            "Check port and protocol: 465 with SMTPS, 587 with StartTLS.",
            "Ask whoever runs {host} what its log says; often the certificate or its key is missing.",
        ],
        change: Change::AcceptTls12,
        ..ANY
    },
    Rule {
        kind: "no_common_tls",
        causes: &[Cause::NoCommonProtocol],
        title: "The server and Postroom have no common encryption; Postroom speaks TLS 1.2 and 1.3.",
        steps: &[
            "Ask whoever runs {host} to enable TLS 1.2 or later with current ciphers.",
            "Servers with TLS 1.0 only are no longer safe to send passwords to.",
        ],
        ..ANY
    },
    Rule {
        kind: "handshake_broken",
        causes: &[Cause::HandshakeBroken],
        title: "The server closed the connection in the middle of the encryption handshake.",
        steps: &[
            "Check port and protocol: 465 with SMTPS, 587 with StartTLS.",
            "Ask whoever runs {host} what its log says; often the certificate or its key is missing.",
        ],
        ..ANY
    },
    Rule {
        kind: "handshake_garbage",
        causes: &[Cause::HandshakeGarbage],
        title: "What the server sent instead of an encryption handshake isn't TLS.",
        steps: &[
            "Check port and protocol: 465 with SMTPS, 587 with StartTLS.",
            "A virus scanner or firewall in between may interfere.",
        ],
        ..ANY
    },
    Rule {
        kind: "handshake_timeout",
        stages: &[Stage::Tls],
        causes: &[Cause::Timeout],
        title: "The server didn't finish the encryption handshake in time.",
        steps: &["Check port and protocol: 465 with SMTPS, 587 with StartTLS.", "If the server is slow, raise the Timeout."],
        ..ANY
    },
    // Signing in.
    Rule {
        kind: "plaintext_credentials",
        causes: &[Cause::PlaintextCredentials, Cause::AuthNotOffered],
        also: Also::UpgradeFailed,
        title: "The connection couldn't be encrypted because {downgrade}, so no credentials were sent.",
        steps: &[
            "Set StartTLS to “Enabled and required” and test again: then the failure itself is explained.",
            "Or try port 465 with SMTPS.",
            "Only on a network you trust completely: tick “Allow credentials without encryption”.",
        ],
        ..ANY
    },
    Rule {
        kind: "plaintext_credentials",
        causes: &[Cause::PlaintextCredentials],
        also: Also::CouldEncrypt,
        title: "The connection isn't encrypted, so no credentials were sent. The server offers StartTLS.",
        steps: &[
            "Set StartTLS to “Enabled and required”.",
            "Only on a network you trust completely: tick “Allow credentials without encryption”.",
        ],
        change: Change::RequireStarttls,
        ..ANY
    },
    Rule {
        kind: "plaintext_credentials",
        causes: &[Cause::PlaintextCredentials],
        title: "The connection isn't encrypted, so no credentials were sent.",
        steps: &[
            "Use SMTPS on port 465, or a port where the server offers StartTLS (usually 587).",
            "Only on a network you trust completely: tick “Allow credentials without encryption”.",
            "If the server wants no sign-in, leave the username empty.",
        ],
        change: Change::AllowPlaintext,
        ..ANY
    },
    Rule {
        kind: "encryption_needed",
        causes: &[Cause::AuthNotOffered],
        also: Also::CouldEncrypt,
        title: "The server offers no sign-in on an unencrypted connection, but it offers StartTLS.",
        steps: &["Set StartTLS to “Enabled and required”."],
        change: Change::RequireStarttls,
        ..ANY
    },
    Rule {
        kind: "encryption_needed",
        stages: &[Stage::Auth, Stage::Ehlo],
        causes: &[Cause::Rejected],
        codes: &[530, 538, 523],
        also: Also::Unencrypted,
        title: "The server wants encryption before anything else ({code}).",
        steps: &["Set StartTLS to “Enabled and required”.", "Or use SMTPS on port 465."],
        change: Change::RequireStarttls,
        ..ANY
    },
    // Who offers a sign-in in clear doesn't insist on encryption; 530 is its answer to mail without one.
    Rule {
        kind: "sign_in_needed",
        stages: &[Stage::MailFrom],
        causes: &[Cause::Rejected],
        codes: &[530],
        also: Also::CouldSignIn,
        title: "The server wants a sign-in first ({code}).",
        steps: &[
            "Enter the SMTP username and password.",
            "If the server offers StartTLS, set it to “Enabled and required”, so that they travel encrypted.",
        ],
        ..ANY
    },
    // Without STARTTLS on offer, 530 asks for a sign-in (RFC 4954 section 6 has the same `5.7.0` for it).
    Rule {
        kind: "encryption_needed",
        stages: &[Stage::MailFrom],
        causes: &[Cause::Rejected],
        codes: &[530, 538, 523],
        also: Also::CouldEncrypt,
        title: "The server wants encryption before anything else ({code}).",
        steps: &["Set StartTLS to “Enabled and required”.", "Or use SMTPS on port 465."],
        change: Change::RequireStarttls,
        ..ANY
    },
    Rule {
        kind: "auth_not_offered",
        causes: &[Cause::AuthNotOffered],
        also: Also::Provider(Provider::Microsoft),
        title: "The server offers no sign-in here.",
        steps: &[
            "Use smtp.office365.com, port 587, with StartTLS “Enabled and required”.",
            "For a connector or relay that knows this machine's address, leave the username empty.",
        ],
        ..ANY
    },
    Rule {
        kind: "auth_not_offered",
        causes: &[Cause::AuthNotOffered],
        title: "The server offers no sign-in on port {port}.",
        steps: &[
            "If it accepts mail from this machine without sign-in, leave the username empty.",
            "Otherwise use the provider's submission port: 587 with StartTLS, or 465 with SMTPS.",
        ],
        ..ANY
    },
    Rule {
        kind: "no_common_mechanism",
        causes: &[Cause::NoCommonMechanism],
        title: "The server offers sign-in, but none with a password that Postroom knows (PLAIN, LOGIN, CRAM-MD5).",
        steps: &[
            "Ask whoever runs {host} to enable PLAIN over TLS.",
            "If it only offers XOAUTH2 or OAUTHBEARER, it takes tokens instead of passwords.",
        ],
        ..ANY
    },
    Rule {
        kind: "token_not_offered",
        causes: &[Cause::TokenNotOffered],
        title: "The server offers sign-in, but none with an access token (XOAUTH2).",
        steps: &[
            "Check that this is the provider's submission service, such as smtp.office365.com, port 587.",
            "Or switch “Azure OAuth enabled” off and use a password.",
        ],
        ..ANY
    },
    Rule {
        kind: "auth_loop",
        causes: &[Cause::AuthLoop],
        title: "What the server asks during the sign-in doesn't follow the standard.",
        steps: &["Give the transcript to whoever runs {host}."],
        ..ANY
    },
    Rule {
        kind: "smtp_auth_disabled",
        stages: &[Stage::Auth],
        codes: &[535],
        enhanced: &["5.7.139"],
        title: "SMTP AUTH is switched off for this mailbox or for the whole tenant.",
        steps: &[
            "In the Microsoft 365 admin center open the user, “Mail”, “Manage email apps”, and tick “Authenticated SMTP”.",
            "For the tenant: Exchange admin center, “Settings”, “Mail flow”, clear “Turn off SMTP AUTH protocol”.",
            "Security defaults and Conditional Access can block it too: look at the sign-in log in Entra.",
            "The change needs up to an hour. It concerns OAuth as well.",
        ],
        ..ANY
    },
    Rule {
        kind: "token_refused",
        stages: &[Stage::Auth],
        codes: &[535, 534, 501],
        also: Also::Token,
        title: "The server refused the access token ({code}).",
        steps: &[
            "Check that the username is the mailbox the token was issued for.",
            "The token needs the permission SMTP.Send for outlook.office.com; tokens for other resources are refused.",
            "Check that SMTP AUTH is switched on for this mailbox.",
            "An application needs a service principal in Exchange (New-ServicePrincipal) with rights on the mailbox (Add-MailboxPermission).",
        ],
        ..ANY
    },
    Rule {
        kind: "token_refused",
        stages: &[Stage::Auth],
        codes: &[535],
        enhanced: &["5.7.3"],
        also: Also::Provider(Provider::Microsoft),
        title: "Microsoft 365 refused the sign-in (535 5.7.3).",
        steps: &[
            "With a password: check username and password, and whether the mailbox may still use SMTP AUTH with one.",
            "With a token: it was issued for another resource, lacks SMTP.Send, or belongs to another user than the username.",
        ],
        ..ANY
    },
    Rule {
        kind: "basic_auth_gone",
        stages: &[Stage::Auth, Stage::MailFrom, Stage::Accepted],
        codes: &[550, 535],
        enhanced: &["5.7.30"],
        title: "The server no longer takes passwords (basic authentication); it wants OAuth.",
        steps: &[
            "Switch “Azure OAuth enabled” on, under “Advanced”.",
            "Or send through another server or a relay connector that knows this machine's address.",
        ],
        ..ANY
    },
    Rule {
        kind: "app_password_needed",
        stages: &[Stage::Auth],
        codes: &[534],
        enhanced: &["5.7.9"],
        title: "The account needs an app password: its own password isn't accepted here.",
        steps: &[
            "In the account's security settings switch on two-step verification, then create an app password.",
            "Enter the app password here, without spaces.",
        ],
        ..ANY
    },
    Rule {
        kind: "app_password_needed",
        stages: &[Stage::Auth],
        codes: &[535, 534],
        also: Also::Provider(Provider::Google),
        title: "Google refused the username or password; it wants an app password.",
        steps: &[
            "Use the full address as username.",
            "Switch on two-step verification at myaccount.google.com/security, then create an app password and enter it here, without spaces.",
        ],
        ..ANY
    },
    Rule {
        kind: "basic_auth_gone",
        stages: &[Stage::Auth],
        codes: &[534],
        title: "The server finds a password too weak a sign-in and wants another kind ({code}).",
        steps: &["Look up which sign-in the provider wants: an app password or OAuth.", ASK_PROVIDER],
        ..ANY
    },
    Rule {
        kind: "wrong_password",
        stages: &[Stage::Auth],
        codes: &[535],
        title: "The server refused the username or the password.",
        steps: &[
            "Check the username: many servers want the full mail address.",
            "Enter the password again; watch for spaces that came along when copying.",
            "An account with two-factor sign-in needs an app password or OAuth.",
        ],
        ..ANY
    },
    Rule {
        kind: "password_transition",
        stages: &[Stage::Auth],
        codes: &[432],
        title: "The account's password must be renewed before this sign-in works.",
        steps: &["Sign in to the account once on its web page, change the password, then enter the new one here."],
        ..ANY
    },
    Rule {
        kind: "auth_temporary",
        stages: &[Stage::Auth],
        codes: &[454, 451, 450],
        title: "The server can't check the sign-in at the moment ({code}).",
        steps: &[ASK_LATER, ASK_PROVIDER],
        ..ANY
    },
    Rule {
        kind: "encryption_needed",
        stages: &[Stage::Auth],
        codes: &[538],
        title: "The server wants stronger encryption for this sign-in ({code}).",
        steps: &["Use SMTPS on port 465, or StartTLS “Enabled and required”."],
        change: Change::RequireStarttls,
        ..ANY
    },
    // The envelope and the message.
    Rule {
        kind: "smtputf8_not_offered",
        causes: &[Cause::Smtputf8NotOffered],
        title: "An address has letters outside ASCII before the @, and the server can't take such addresses (no SMTPUTF8).",
        steps: &["Use another address for this sender or recipient.", "Or a server that offers SMTPUTF8."],
        ..ANY
    },
    Rule {
        kind: "eight_bit_not_offered",
        causes: &[Cause::EightBitMimeNotOffered],
        title: "The message has letters outside ASCII as they are, and the server can't take them (no 8BITMIME).",
        steps: &["Use addresses with ASCII letters only before the @.", "Or a server that offers 8BITMIME."],
        ..ANY
    },
    Rule {
        kind: "too_big",
        causes: &[Cause::TooBig],
        title: "The message has {size} bytes; the server takes {limit} at most.",
        steps: &["Send less, or turn on attachments as URL.", "Or ask whoever runs {host} to raise its limit."],
        ..ANY
    },
    Rule {
        kind: "mailbox_full",
        codes: &[552, 452, 422],
        enhanced: &["5.2.2", "4.2.2"],
        title: "The recipient's mailbox is full ({code}).",
        steps: &["Test with another recipient.", "The recipient has to make room."],
        ..ANY
    },
    Rule {
        kind: "too_big",
        stages: &[Stage::MailFrom, Stage::RcptTo, Stage::Data, Stage::Accepted],
        codes: &[552, 523],
        also: Also::SizesKnown,
        title: "The message is too big for the server ({code}): it has {size} bytes, and the announced limit is {limit}.",
        steps: &["Send less, or turn on attachments as URL.", "Or ask whoever runs {host} to raise its limit."],
        ..ANY
    },
    Rule {
        kind: "too_big",
        stages: &[Stage::MailFrom, Stage::RcptTo, Stage::Data, Stage::Accepted],
        codes: &[552, 523],
        title: "The message is too big for the server ({code}).",
        steps: &["Send less, or turn on attachments as URL.", "Or ask whoever runs {host} to raise its limit."],
        ..ANY
    },
    Rule {
        kind: "sign_in_needed",
        stages: &[Stage::MailFrom, Stage::RcptTo, Stage::Data],
        codes: &[530],
        title: "The server wants a sign-in before it takes mail ({code}).",
        steps: &["Enter username and password."],
        ..ANY
    },
    Rule {
        kind: "sender_not_allowed",
        stages: &[Stage::MailFrom, Stage::Data, Stage::Accepted],
        codes: &[550, 553, 554],
        enhanced: &["5.7.1", "5.7.60", "5.2.252", "5.2.0"],
        title: "The account may not send as this sender address ({code}).",
        steps: &[
            "Use the address of the account that signs in as sender.",
            "Or give the account the right “Send as” for this address (Microsoft 365: the mailbox's delegation; Google: “Send mail as”).",
        ],
        ..ANY
    },
    Rule {
        kind: "sender_refused",
        stages: &[Stage::MailFrom],
        codes: &[550, 551, 553, 501],
        title: "The server refused the sender address ({code}).",
        steps: &["Check the sender address, its domain above all.", "Use the address of the account that signs in as sender."],
        ..ANY
    },
    Rule {
        kind: "greylisted",
        stages: &[Stage::MailFrom, Stage::RcptTo, Stage::Data, Stage::Accepted],
        codes: &[450, 451],
        title: "The server refuses for now and asks to come back later ({code}); with unknown senders that is greylisting.",
        steps: &["Try again in 5 to 15 minutes.", "Ask whoever runs {host} to exempt this machine."],
        ..ANY
    },
    Rule {
        kind: "relay_denied",
        stages: &[Stage::RcptTo],
        codes: &[550, 553, 554, 571],
        enhanced: &["5.7.1", "5.7.54", "5.7.64", "5.4.1", "5.7.0"],
        title: "The server doesn't pass mail on to {recipients} for us ({code}).",
        steps: &[
            "If the username is empty: enter username and password.",
            "If it knows senders by their address: have this machine's address allowed there.",
            "Or use a server that is meant for sending, not one that only receives.",
        ],
        ..ANY
    },
    Rule {
        kind: "unknown_recipient",
        stages: &[Stage::RcptTo],
        codes: &[550, 551, 553, 501],
        title: "The server doesn't take mail for {recipients} ({code}).",
        steps: &[
            "Check the recipient's address.",
            "If the recipient is at another organisation: the server may pass mail on only after a sign-in.",
        ],
        ..ANY
    },
    Rule {
        kind: "content_refused",
        stages: &[Stage::Accepted],
        codes: &[550, 554],
        title: "The server read the message and refused it ({code}), as spam filters do.",
        steps: &[
            "Read the server's own words: they usually name the rule.",
            "Check the sender's domain: SPF and DKIM must allow {host} to send for it.",
        ],
        ..ANY
    },
    // In general.
    Rule {
        kind: "unexpected_reply",
        causes: &[Cause::Unexpected],
        title: "The server's answer {code} doesn't fit {stage}.",
        steps: &["The server or something in between doesn't follow the protocol: give the transcript to whoever runs {host}."],
        ..ANY
    },
    Rule {
        kind: "protocol_error",
        causes: &[Cause::Malformed, Cause::TooLong, Cause::OutOfStep],
        title: "The server doesn't follow the protocol during {stage}.",
        steps: &[
            "A firewall or virus scanner in between may interfere: try from another network.",
            "Give the transcript to whoever runs {host}.",
        ],
        ..ANY
    },
    Rule {
        kind: "half_reply",
        causes: &[Cause::Unfinished],
        title: "The server began an answer during {stage} and didn't finish it.",
        steps: &[ASK_LATER, "If the server is slow, raise the Timeout.", ASK_PROVIDER],
        ..ANY
    },
    Rule {
        kind: "reply_timeout",
        causes: &[Cause::Timeout],
        title: "The server stopped answering during {stage}.",
        steps: &[
            ASK_LATER,
            "If the server is slow, raise the Timeout; greylisting gateways need 30 seconds (30 000) and more.",
            ASK_PROVIDER,
        ],
        ..ANY
    },
    Rule {
        kind: "connection_closed",
        causes: &[Cause::Closed, Cause::Broken],
        title: "The connection broke during {stage}.",
        steps: &[
            ASK_LATER,
            "Servers that refuse a machine or a sign-in without a word do this: ask whoever runs {host} what its log says.",
        ],
        ..ANY
    },
    Rule {
        kind: "temporary_refusal",
        causes: &[Cause::Rejected],
        also: Also::Temporary,
        title: "The server refused for now during {stage}: {code}.",
        steps: &[ASK_LATER, "Read the server's own words.", ASK_PROVIDER],
        ..ANY
    },
    Rule {
        kind: "refused",
        causes: &[Cause::Rejected],
        title: "The server refused during {stage}: {code}.",
        steps: &["Read the server's own words: Postroom knows no rule for this answer.", ASK_PROVIDER],
        ..ANY
    },
];

/// Where no rule fits.
const LAST: Rule = Rule {
    kind: "unknown",
    title: "It failed during {stage}, in a way Postroom has no explanation for.",
    steps: &["Read the transcript.", ASK_PROVIDER],
    ..ANY
};

#[cfg(test)]
mod tests {
    use super::*;

    const SMTP: Protocol = Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: false };

    /// Evidence on port 587 of an unknown provider, in clear.
    fn evidence(stage: Stage, cause: Cause) -> Evidence<'static> {
        Evidence {
            stage,
            cause,
            aim: Aim::Send,
            reply: None,
            host: "smtp.example.com",
            port: 587,
            certified_name: "smtp.example.com",
            min_tls: MinTls::Tls12,
            protocol: SMTP,
            timeout_ms: 1_000,
            signs_in: false,
            encrypted: false,
            starttls_offered: false,
            auth_offered: false,
            downgrade: None,
            certificate: None,
            alone: false,
            pinned: &[],
            system_off: false,
            token: false,
            sizes: None,
            recipients: &[],
            detail: None,
        }
    }

    /// `535 5.7.8` as a reply.
    fn reply(codes: &str) -> Reply {
        let (code, enhanced) = codes.split_once(' ').map_or((codes, None), |(code, enhanced)| (code, Some(enhanced.to_owned())));
        Reply { code: code.parse().unwrap(), enhanced, text: "the server's own words".into() }
    }

    /// What a reply to `stage` means on an encrypted connection to `host`.
    fn on_reply(stage: Stage, codes: &str, host: &str) -> Diagnosis {
        let reply = reply(codes);
        diagnose(&Evidence { reply: Some(&reply), host, encrypted: true, ..evidence(stage, Cause::Rejected) })
    }

    #[test]
    fn each_reply_of_the_common_servers_has_its_meaning() {
        use Stage::{Accepted, Auth, Data, Greeting, MailFrom, RcptTo, Starttls};
        const ANYONE: &str = "smtp.example.com";
        const GOOGLE: &str = "smtp.gmail.com";
        const MICROSOFT: &str = "smtp.office365.com";
        let table = [
            (Auth, "535 5.7.8", ANYONE, "wrong_password"),
            (Auth, "535", ANYONE, "wrong_password"),
            (Auth, "535 5.7.8", GOOGLE, "app_password_needed"),
            (Auth, "534 5.7.9", ANYONE, "app_password_needed"),
            (Auth, "535 5.7.139", MICROSOFT, "smtp_auth_disabled"),
            (Auth, "535 5.7.3", MICROSOFT, "token_refused"),
            (Auth, "535 5.7.3", ANYONE, "wrong_password"),
            (Auth, "550 5.7.30", MICROSOFT, "basic_auth_gone"),
            (Auth, "534", ANYONE, "basic_auth_gone"),
            (Auth, "432 4.7.12", ANYONE, "password_transition"),
            (Auth, "454 4.7.0", ANYONE, "auth_temporary"),
            (Auth, "538 5.7.11", ANYONE, "encryption_needed"),
            (MailFrom, "530 5.7.0", ANYONE, "sign_in_needed"),
            (MailFrom, "550 5.7.60", MICROSOFT, "sender_not_allowed"),
            (MailFrom, "553 5.7.1", ANYONE, "sender_not_allowed"),
            (Accepted, "554 5.2.252", MICROSOFT, "sender_not_allowed"),
            (MailFrom, "553", ANYONE, "sender_refused"),
            (MailFrom, "552 5.3.4", ANYONE, "too_big"),
            (Accepted, "552 5.3.4", ANYONE, "too_big"),
            (RcptTo, "552 5.2.2", ANYONE, "mailbox_full"),
            (RcptTo, "550 5.7.1", ANYONE, "relay_denied"),
            (RcptTo, "554 5.7.1", ANYONE, "relay_denied"),
            (RcptTo, "550 5.1.1", ANYONE, "unknown_recipient"),
            (RcptTo, "451 4.7.1", ANYONE, "greylisted"),
            (RcptTo, "450 4.2.0", ANYONE, "greylisted"),
            (Data, "451 4.7.1", ANYONE, "greylisted"),
            (Accepted, "550 5.7.26", GOOGLE, "content_refused"),
            (Greeting, "421 4.3.2", ANYONE, "server_busy"),
            (Accepted, "421 4.7.0", ANYONE, "server_busy"),
            (Greeting, "554 5.7.1", ANYONE, "turned_away"),
            (Starttls, "454 4.7.0", ANYONE, "starttls_refused"),
            (Data, "503", ANYONE, "refused"),
            (Data, "432", ANYONE, "temporary_refusal"),
        ];
        for (stage, codes, host, kind) in table {
            let diagnosis = on_reply(stage, codes, host);
            assert_eq!(diagnosis.kind, kind, "{stage:?} {codes} {host}");
            assert_eq!(diagnosis.evidence, Some(format!("{codes} the server's own words")));
        }
        for codes in ["530 5.7.0", "538 5.7.11"] {
            for stage in [Auth, MailFrom] {
                let reply = reply(codes);
                let evidence = Evidence { starttls_offered: true, ..evidence(stage, Cause::Rejected) };
                let found = diagnose(&Evidence { reply: Some(&reply), ..evidence });
                assert_eq!((found.kind.as_str(), found.fix), ("encryption_needed", Some(Fix::RequireStarttls)), "{codes}");
            }
        }
        // The same words where a sign-in is on offer in clear, and where one was made.
        let offered = Evidence { starttls_offered: true, auth_offered: true, ..evidence(MailFrom, Cause::Rejected) };
        let found = diagnose(&Evidence { reply: Some(&reply("530 5.7.0")), ..offered });
        assert_eq!((found.kind.as_str(), found.fix), ("sign_in_needed", None));
        assert_eq!(found.steps[0], "Enter the SMTP username and password.");
        let found = diagnose(&Evidence { reply: Some(&reply("530 5.7.0")), signs_in: true, ..offered });
        assert_eq!((found.kind.as_str(), found.fix), ("encryption_needed", Some(Fix::RequireStarttls)));
        // The same words without STARTTLS on offer.
        let found = diagnose(&Evidence { reply: Some(&reply("530 5.7.0")), ..evidence(MailFrom, Cause::Rejected) });
        assert_eq!((found.kind.as_str(), found.fix), ("sign_in_needed", None));
    }

    #[test]
    fn an_unknown_reply_gets_an_honest_answer_with_the_servers_words() {
        let diagnosis = on_reply(Stage::Data, "599 5.9.9", "smtp.example.com");
        assert_eq!(diagnosis.kind, "refused");
        assert_eq!(diagnosis.title, "The server refused during the start of the message (DATA): 599 5.9.9.");
        assert_eq!(diagnosis.evidence.as_deref(), Some("599 5.9.9 the server's own words"));
    }

    #[test]
    fn what_happens_without_a_reply_has_its_meaning_and_its_fix() {
        use Cause as C;
        use Stage as S;
        let on = |port, protocol, stage, cause| Evidence { port, protocol, ..evidence(stage, cause) };
        let required = Protocol::Smtp { starttls: StartTls::EnabledAndRequired, allow_plaintext_credentials: false };
        let offers = |evidence: Evidence<'static>| Evidence { starttls_offered: true, ..evidence };
        let table = [
            (on(587, SMTP, S::Resolve, C::NameNotFound), "name_not_found", None),
            (on(587, SMTP, S::Resolve, C::Timeout), "resolve_timeout", None),
            (on(587, SMTP, S::Connect, C::ConnectionRefused), "connection_refused", None),
            (on(25, SMTP, S::Connect, C::Timeout), "port_25_blocked", None),
            (on(587, SMTP, S::Connect, C::Timeout), "connect_timeout", None),
            (on(587, SMTP, S::Connect, C::Unreachable), "unreachable", None),
            (on(465, SMTP, S::Greeting, C::Timeout), "needs_smtps", Some(Fix::UseSmtps { port: 465 })),
            (on(465, SMTP, S::Greeting, C::Malformed), "needs_smtps", Some(Fix::UseSmtps { port: 465 })),
            (on(2465, SMTP, S::Greeting, C::TlsInPlaintext), "needs_smtps", Some(Fix::UseSmtps { port: 2465 })),
            (on(25, SMTP, S::Greeting, C::Timeout), "no_greeting", Some(Fix::RaiseTimeout { timeout_ms: 60_000 })),
            (on(25, SMTP, S::Greeting, C::Malformed), "not_smtp", None),
            (on(2587, Protocol::Smtps, S::Tls, C::PlaintextInTls), "needs_smtp", Some(Fix::UseStarttls { port: 2587 })),
            (on(587, Protocol::Smtps, S::Tls, C::Timeout), "needs_smtp", Some(Fix::UseStarttls { port: 587 })),
            (on(465, Protocol::Smtps, S::Tls, C::Timeout), "handshake_timeout", None),
            (on(25, required, S::Starttls, C::StarttlsNotOffered), "starttls_not_offered", Some(Fix::UseSmtps { port: 465 })),
            (offers(on(587, SMTP, S::Auth, C::AuthNotOffered)), "encryption_needed", Some(Fix::RequireStarttls)),
            (offers(on(587, SMTP, S::Auth, C::PlaintextCredentials)), "plaintext_credentials", Some(Fix::RequireStarttls)),
            (on(25, SMTP, S::Auth, C::PlaintextCredentials), "plaintext_credentials", Some(Fix::AllowPlaintextCredentials)),
            (on(25, SMTP, S::Auth, C::AuthNotOffered), "auth_not_offered", None),
            (on(25, SMTP, S::Accepted, C::Closed), "reply_lost", None),
            (on(25, SMTP, S::Accepted, C::Deadline), "reply_lost", None),
            (on(25, SMTP, S::Accepted, C::Cancelled), "cancelled_too_late", None),
            (on(25, SMTP, S::RcptTo, C::Deadline), "deadline", None),
            (on(25, SMTP, S::RcptTo, C::Closed), "connection_closed", None),
        ];
        for (evidence, kind, fix) in table {
            let found = diagnose(&evidence);
            assert_eq!((found.kind.as_str(), found.fix), (kind, fix), "{evidence:?}");
        }
    }

    #[test]
    fn sizes_and_certificates_are_told_side_by_side() {
        let big = diagnose(&Evidence { sizes: Some((2_000, 1_000)), ..evidence(Stage::MailFrom, Cause::TooBig) });
        assert_eq!(big.title, "The message has 2000 bytes; the server takes 1000 at most.");

        let certificate = Certificate {
            subject: "CN={host}".into(),
            names: (1..=7).map(|n| format!("mx{n}.example.com")).collect(),
            issuer: "CN=Example CA".into(),
            not_before: "2020-01-01T00:00:00Z".into(),
            not_after: "2021-01-01T00:00:00Z".into(),
            sha256: "ab".repeat(32),
            self_signed: false,
            ..Certificate::default()
        };
        let tls =
            |cause| diagnose(&Evidence { certificate: Some(&certificate), detail: Some("detail"), ..evidence(Stage::Tls, cause) });
        let wrong = tls(Cause::WrongName);
        assert_eq!(wrong.fix, Some(Fix::UseHost { host: "mx1.example.com".into() }));
        assert!(wrong.title.contains("mx5.example.com and 2 more, not for smtp.example.com"), "{}", wrong.title);
        assert!(tls(Cause::Expired).title.contains("2021-01-01"));
        assert!(tls(Cause::NotYetValid).title.contains("2020-01-01"));
        assert!(tls(Cause::UnknownIssuer).title.contains("CN=Example CA"));
        let raw = tls(Cause::SelfSigned).evidence.unwrap();
        assert_eq!(
            raw,
            format!(
                "Issued to CN={{host}}; for the names mx1.example.com, mx2.example.com, mx3.example.com, mx4.example.com, \
                 mx5.example.com and 2 more; issued by CN=Example CA; valid from 2020-01-01 00:00 UTC until 2021-01-01 00:00 UTC; \
                 SHA-256{}",
                " ABAB".repeat(16)
            )
        );
        assert!(tls(Cause::BadCertificate).evidence.unwrap().starts_with("detail; Issued to"), "the title doesn't say what is bad");
    }

    #[test]
    fn who_was_refused_and_how_long_was_waited_is_named() {
        let refused = |address: &str| RecipientResult { address: address.into(), accepted: false, reply: None };
        let (one, two) = ([refused("bad1@example.com")], [refused("bad1@example.com"), refused("{host}@example.com")]);
        for (recipients, title) in [
            (&[][..], "The server doesn't take mail for the recipient (550 5.1.1)."),
            (&one[..], "The server doesn't take mail for bad1@example.com (550 5.1.1)."),
            (&two[..], "The server doesn't take mail for any of the 2 recipients (550 5.1.1)."),
        ] {
            let reply = reply("550 5.1.1");
            let found = diagnose(&Evidence { reply: Some(&reply), recipients, ..evidence(Stage::RcptTo, Cause::Rejected) });
            assert_eq!(found.title, title);
        }
        for (ms, words) in [(100, "0.1 seconds"), (1_000, "1 second"), (1_500, "1.5 seconds"), (60_000, "60 seconds")] {
            assert_eq!(seconds(ms), words);
        }
        let patient = diagnose(&Evidence { timeout_ms: 60_000, ..evidence(Stage::Greeting, Cause::Timeout) });
        assert_eq!(
            (patient.title.as_str(), patient.fix),
            ("smtp.example.com accepted the connection but sent no greeting within 60 seconds.", None)
        );
    }

    /// What a server may say, or fail to say, and what Postroom makes of it: every row of the table in the file beside this
    /// one, as people see it. `UPDATE_DIAGNOSES=1 cargo test -p domain` writes the file anew; read the difference.
    #[test]
    fn every_row_of_the_table_says_what_the_file_says() {
        let written: String = rows().into_iter().map(|(row, evidence)| row_text(row, &diagnose(&evidence))).collect();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/diagnosis/table.md");
        if std::env::var_os("UPDATE_DIAGNOSES").is_some() {
            std::fs::write(file, format!("{HEAD}{written}")).unwrap();
        }
        let kept = std::fs::read_to_string(file).unwrap();
        for (kept, written) in kept.split("\n## ").skip(1).zip(written.split("\n## ").skip(1)) {
            assert_eq!(kept.trim(), written.trim());
        }
        assert_eq!(kept, format!("{HEAD}{written}"));
        // No rule speaks that has no row.
        let spoken: std::collections::BTreeSet<_> = rows().iter().map(|(_, evidence)| rule_of(evidence)).collect();
        let silent = RULES.iter().enumerate().filter(|(at, _)| !spoken.contains(at)).map(|(_, rule)| rule.kind);
        assert_eq!(silent.collect::<Vec<_>>(), [""; 0], "rules without a row");
    }

    const HEAD: &str = "# What a failure means\n\nWritten by the test of `diagnosis.rs`; see there.\n";

    fn rule_of(evidence: &Evidence<'_>) -> usize {
        RULES.iter().position(|rule| rule.fits(evidence)).unwrap_or(RULES.len())
    }

    fn row_text(row: &str, found: &Diagnosis) -> String {
        let mut lines = vec![String::new(), format!("## {row}"), String::new(), format!("`{}`: {}", found.kind, found.title)];
        lines.push(String::new());
        lines.extend(found.steps.iter().enumerate().map(|(number, step)| format!("{}. {step}", number + 1)));
        lines.extend(found.fix.iter().flat_map(|fix| [String::new(), format!("Button: {}", fix.label())]));
        lines.extend(found.evidence.iter().flat_map(|evidence| [String::new(), format!("Evidence: {evidence}")]));
        lines.push(String::new());
        lines.join("\n")
    }

    /// The rows: their names, and what is known.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn rows() -> Vec<(&'static str, Evidence<'static>)> {
        use Cause as C;
        use Stage as S;
        const GOOGLE: &str = "smtp.gmail.com";
        const MICROSOFT: &str = "smtp.office365.com";
        const SMTPS: Protocol = Protocol::Smtps;
        const REQUIRED: Protocol = Protocol::Smtp { starttls: StartTls::EnabledAndRequired, allow_plaintext_credentials: false };
        const ENABLED: Protocol = Protocol::Smtp { starttls: StartTls::Enabled, allow_plaintext_credentials: false };
        let on = |port, protocol, stage, cause| Evidence { port, protocol, ..evidence(stage, cause) };
        let said = |stage, codes: &str| Evidence {
            reply: Some(Box::leak(Box::new(reply(codes)))),
            encrypted: true,
            protocol: REQUIRED,
            ..evidence(stage, C::Rejected)
        };
        let in_clear =
            |stage, codes: &str| Evidence { encrypted: false, protocol: SMTP, starttls_offered: true, ..said(stage, codes) };
        let at = |host, evidence| Evidence { host, ..evidence };
        let offers = |evidence| Evidence { starttls_offered: true, ..evidence };
        let unexpected = |stage, codes: &str| Evidence { cause: C::Unexpected, ..said(stage, codes) };
        let certificate: &Certificate = Box::leak(Box::new(Certificate {
            subject: "CN=mx.example.net".into(),
            names: vec!["*.example.net".into(), "mx.example.net".into()],
            issuer: "CN=Example CA".into(),
            not_before: "2020-01-01T00:00:00Z".into(),
            not_after: "2021-01-01T00:00:00Z".into(),
            sha256: "ab".repeat(32),
            self_signed: false,
            ..Certificate::default()
        }));
        let refused = vec![RecipientResult { address: "bad1@example.com".into(), accepted: false, reply: None }];
        let refused: &[RecipientResult] = Box::leak(refused.into_boxed_slice());
        let nameless: &Certificate = Box::leak(Box::new(Certificate { names: vec![], ..certificate.clone() }));
        let wild: &Certificate = Box::leak(Box::new(Certificate { names: vec!["*.example.net".into()], ..certificate.clone() }));
        let pinned: &[Certificate] = Box::leak(Box::new([Certificate {
            issuer: "CN=Former CA".into(),
            not_before: "2019-01-01T00:00:00Z".into(),
            not_after: "2020-01-01T00:00:00Z".into(),
            sha256: "cd".repeat(32),
            ..certificate.clone()
        }]));
        let tls = |cause| Evidence {
            certificate: Some(certificate),
            detail: Some("the system's own words"),
            protocol: REQUIRED,
            ..evidence(S::Tls, cause)
        };
        vec![
            ("The name does not resolve", on(587, SMTP, S::Resolve, C::NameNotFound)),
            ("No DNS server answers", on(587, SMTP, S::Resolve, C::Timeout)),
            (
                "Every address is forbidden",
                Evidence { detail: Some("169.254.0.1 (link-local)"), ..on(587, SMTP, S::Resolve, C::AddressForbidden) },
            ),
            ("Connection refused", on(587, SMTP, S::Connect, C::ConnectionRefused)),
            ("Time-out at connect", on(587, SMTP, S::Connect, C::Timeout)),
            ("Time-out at connect on port 25", on(25, SMTP, S::Connect, C::Timeout)),
            ("No route", on(587, SMTP, S::Connect, C::Unreachable)),
            ("Time-out at the greeting on 465 with SMTP", on(465, SMTP, S::Greeting, C::Timeout)),
            ("Garbage at the greeting on 465 with SMTP", on(465, SMTP, S::Greeting, C::Malformed)),
            ("TLS at the greeting with SMTP", on(2465, SMTP, S::Greeting, C::TlsInPlaintext)),
            ("SMTP greeting on SMTPS", on(587, SMTPS, S::Tls, C::PlaintextInTls)),
            ("Silence on SMTPS at a port that speaks first in clear", on(587, SMTPS, S::Tls, C::Timeout)),
            ("No greeting", on(587, SMTP, S::Greeting, C::Timeout)),
            ("No SMTP server", on(587, SMTP, S::Greeting, C::Malformed)),
            ("Turned away", said(S::Greeting, "554 5.7.1")),
            ("STARTTLS not offered, required", on(25, REQUIRED, S::Starttls, C::StarttlsNotOffered)),
            ("STARTTLS refused", said(S::Starttls, "454 4.7.0")),
            ("Injected after STARTTLS", on(587, REQUIRED, S::Starttls, C::Injected)),
            (
                "STARTTLS not offered, to inspect",
                Evidence { aim: Aim::Inspect, ..on(25, SMTP, S::Starttls, C::StarttlsNotOffered) },
            ),
            ("Unknown issuer", tls(C::UnknownIssuer)),
            ("Unknown issuer of a certificate that comes alone", Evidence { alone: true, ..tls(C::UnknownIssuer) }),
            (
                "Unknown issuer, the system's authorities switched off",
                Evidence { alone: true, system_off: true, ..tls(C::UnknownIssuer) },
            ),
            ("Self-signed", tls(C::SelfSigned)),
            ("Another certificate than the pinned one", Evidence { pinned, ..tls(C::PinChanged) }),
            ("Expired", tls(C::Expired)),
            ("Not yet valid", tls(C::NotYetValid)),
            ("Wrong name", tls(C::WrongName)),
            ("No name", Evidence { certificate: Some(nameless), ..tls(C::WrongName) }),
            (
                "Wrong name, where another one than the hostname is wanted",
                Evidence { certified_name: "mail.example.com", ..tls(C::WrongName) },
            ),
            ("Only a wildcard name", Evidence { certificate: Some(wild), ..tls(C::WrongName) }),
            ("Bad certificate", tls(C::BadCertificate)),
            ("No trusted authorities", tls(C::NoTrustedRoots)),
            ("The system's authorities switched off", Evidence { system_off: true, ..tls(C::NoTrustedRoots) }),
            ("Client certificate wanted", tls(C::ClientCertificateWanted)),
            ("Client certificate refused", tls(C::ClientCertificateRefused)),
            ("No common TLS", on(587, REQUIRED, S::Tls, C::NoCommonProtocol)),
            ("No TLS 1.3", Evidence { min_tls: MinTls::Tls13, ..on(587, REQUIRED, S::Tls, C::NoCommonProtocol) }),
            ("Handshake broken off", on(587, REQUIRED, S::Tls, C::HandshakeBroken)),
            (
                "Handshake broken off where TLS 1.3 is wanted",
                Evidence { min_tls: MinTls::Tls13, ..on(587, REQUIRED, S::Tls, C::HandshakeBroken) },
            ),
            ("Garbage instead of a handshake", on(587, REQUIRED, S::Tls, C::HandshakeGarbage)),
            ("Handshake too slow", on(465, SMTPS, S::Tls, C::Timeout)),
            ("530 5.7.0 before the sign-in, in clear", in_clear(S::Auth, "530 5.7.0")),
            ("530 5.7.0 at the sender, in clear", in_clear(S::MailFrom, "530 5.7.0")),
            (
                "530 5.7.0 at the sender, in clear, with a sign-in on offer",
                Evidence { auth_offered: true, ..in_clear(S::MailFrom, "530 5.7.0") },
            ),
            ("530 5.7.0, encrypted", said(S::MailFrom, "530 5.7.0")),
            ("538, in clear", in_clear(S::Auth, "538 5.7.11")),
            ("538, encrypted", said(S::Auth, "538 5.7.11")),
            ("AUTH offered only after STARTTLS", offers(on(587, SMTP, S::Auth, C::AuthNotOffered))),
            ("AUTH not offered", on(25, SMTP, S::Auth, C::AuthNotOffered)),
            ("AUTH not offered by Microsoft", at(MICROSOFT, on(25, SMTP, S::Auth, C::AuthNotOffered))),
            ("Credentials in clear, STARTTLS offered", offers(on(587, SMTP, S::Auth, C::PlaintextCredentials))),
            ("Credentials in clear, STARTTLS not offered", on(25, SMTP, S::Auth, C::PlaintextCredentials)),
            (
                "Credentials in clear, STARTTLS failed",
                Evidence { downgrade: Some(Downgrade::Refused), ..on(587, ENABLED, S::Auth, C::PlaintextCredentials) },
            ),
            ("No common mechanism", on(587, REQUIRED, S::Auth, C::NoCommonMechanism)),
            ("XOAUTH2 not offered", on(587, REQUIRED, S::Auth, C::TokenNotOffered)),
            ("The sign-in asks for ever", on(587, REQUIRED, S::Auth, C::AuthLoop)),
            ("535 5.7.8", said(S::Auth, "535 5.7.8")),
            ("535 5.7.8 of Google", at(GOOGLE, said(S::Auth, "535 5.7.8"))),
            ("534 5.7.9", said(S::Auth, "534 5.7.9")),
            ("535 5.7.139", at(MICROSOFT, said(S::Auth, "535 5.7.139"))),
            ("535 5.7.3 of Microsoft", at(MICROSOFT, said(S::Auth, "535 5.7.3"))),
            (
                "535 5.7.3 to a token",
                Evidence { token: true, detail: Some(r#"{"status":"401"}"#), ..at(MICROSOFT, said(S::Auth, "535 5.7.3")) },
            ),
            ("550 5.7.30", at(MICROSOFT, said(S::Auth, "550 5.7.30"))),
            ("534", said(S::Auth, "534")),
            ("432", said(S::Auth, "432 4.7.12")),
            ("454 at the sign-in", said(S::Auth, "454 4.7.0")),
            ("550 5.7.60 at the sender", at(MICROSOFT, said(S::MailFrom, "550 5.7.60"))),
            ("553 5.7.1 at the sender", said(S::MailFrom, "553 5.7.1")),
            ("554 5.2.252 after DATA", at(MICROSOFT, said(S::Accepted, "554 5.2.252"))),
            ("550 at the sender", said(S::MailFrom, "550")),
            ("550 5.7.1 at the recipient", said(S::RcptTo, "550 5.7.1")),
            ("550 5.1.1 at the recipient", Evidence { recipients: refused, ..said(S::RcptTo, "550 5.1.1") }),
            ("452 4.2.2", said(S::RcptTo, "452 4.2.2")),
            ("451 4.7.1", said(S::RcptTo, "451 4.7.1")),
            ("450", said(S::RcptTo, "450 4.2.0")),
            ("SIZE", Evidence { sizes: Some((2_000, 1_000)), ..evidence(S::MailFrom, C::TooBig) }),
            ("552 5.3.4, both sizes known", Evidence { sizes: Some((2_000, 9_000)), ..said(S::MailFrom, "552 5.3.4") }),
            ("552 5.3.4", said(S::Accepted, "552 5.3.4")),
            ("SMTPUTF8 needed", evidence(S::MailFrom, C::Smtputf8NotOffered)),
            ("8BITMIME needed", evidence(S::MailFrom, C::EightBitMimeNotOffered)),
            ("550 after the final dot", said(S::Accepted, "550 5.7.26")),
            ("Cancelled after the final dot", on(587, REQUIRED, S::Accepted, C::Cancelled)),
            ("No reply to the final dot", on(587, REQUIRED, S::Accepted, C::Closed)),
            ("421", said(S::Greeting, "421 4.3.2")),
            ("421 after the final dot", said(S::Accepted, "421 4.7.0")),
            ("The whole run took too long", evidence(S::RcptTo, C::Deadline)),
            ("A reply that does not fit", unexpected(S::Data, "250 2.0.0")),
            ("No SMTP any more", evidence(S::MailFrom, C::Malformed)),
            ("Half a reply", evidence(S::MailFrom, C::Unfinished)),
            ("No reply", evidence(S::MailFrom, C::Timeout)),
            ("Closed", evidence(S::MailFrom, C::Closed)),
            ("An unknown 4yz", said(S::Data, "432 4.9.9")),
            ("An unknown 5yz", said(S::Data, "599 5.9.9")),
            ("Azure OAuth", evidence(S::Resolve, C::AzureOauthUnsupported)),
            ("No tenant", evidence(S::Token, C::NoTenant)),
            ("AADSTS7000218", evidence(S::Token, C::TokenPublicClientOff)),
            ("AADSTS700025", evidence(S::Token, C::TokenSecretUnwanted)),
            ("AADSTS50126", evidence(S::Token, C::TokenPasswordWrong)),
            ("AADSTS50034", evidence(S::Token, C::TokenUserUnknown)),
            ("AADSTS50055", evidence(S::Token, C::TokenPasswordExpired)),
            ("AADSTS50053", evidence(S::Token, C::TokenAccountLocked)),
            ("AADSTS50057", evidence(S::Token, C::TokenAccountDisabled)),
            ("AADSTS50076", evidence(S::Token, C::TokenMoreFactors)),
            ("AADSTS53003", evidence(S::Token, C::TokenConditionalAccess)),
            ("AADSTS65001", evidence(S::Token, C::TokenConsentMissing)),
            ("AADSTS700016", evidence(S::Token, C::TokenWrongApplication)),
            ("AADSTS7000215", evidence(S::Token, C::TokenSecretWrong)),
            ("AADSTS7000222", evidence(S::Token, C::TokenSecretExpired)),
            ("AADSTS700082", evidence(S::Token, C::TokenSignInOver)),
            ("AADSTS700027", evidence(S::Token, C::TokenCertificateUnknown)),
            ("AADSTS700024", evidence(S::Token, C::TokenClockWrong)),
            ("Somebody declined to sign in", evidence(S::Token, C::TokenDeclined)),
            ("A device code has expired", evidence(S::Token, C::TokenCodeExpired)),
            ("A renewed sign-in can't be stored", evidence(S::Token, C::TokenNotKept)),
            ("Nobody signed in yet", evidence(S::Token, C::NotSignedIn)),
            ("No certificate to ask with", evidence(S::Token, C::NoClientCertificate)),
            ("A certificate that can't ask", evidence(S::Token, C::TokenCertificateUnfit)),
            ("A sign-in service in clear", evidence(S::Token, C::TokenInClear)),
            (
                "A token for something else",
                Evidence { token: true, cause: C::TokenWrongAudience, ..at(MICROSOFT, said(S::Auth, "535 5.7.3")) },
            ),
            ("The sign-in service is busy", evidence(S::Token, C::TokenServiceBusy)),
            ("No token, and no known number", evidence(S::Token, C::TokenRefused)),
            ("HTML in place of a token", evidence(S::Token, C::TokenAnswerUnreadable)),
            ("The sign-in service isn't trusted", evidence(S::Token, C::UnknownIssuer)),
            ("The sign-in service is silent", evidence(S::Token, C::Timeout)),
            ("Fax", evidence(S::Resolve, C::FaxUnsupported)),
            ("Attachments as URL", Evidence { sizes: Some((14_348_938, 10 << 20)), ..evidence(S::Resolve, C::LinksUnsupported) }),
            (
                "Attachments above the threshold",
                Evidence { sizes: Some((14_348_938, 10 << 20)), ..evidence(S::Resolve, C::AttachmentsTooBig) },
            ),
            (
                "An attachment that can't be read",
                Evidence { detail: Some("the file ends after 41 of 1048576 bytes"), ..evidence(S::Data, C::AttachmentUnreadable) },
            ),
            ("No password", evidence(S::Resolve, C::NoPassword)),
            ("A control character in the credentials", evidence(S::Resolve, C::ControlInCredentials)),
            ("A bare name", evidence(S::Resolve, C::AddressWithoutDomain)),
        ]
    }

    #[test]
    fn every_rule_is_well_formed_and_every_placeholder_known() {
        let certificate = Certificate { names: vec!["n".into()], ..Certificate::default() };
        let reply = reply("550 5.0.0");
        let full = Evidence {
            reply: Some(&reply),
            certificate: Some(&certificate),
            sizes: Some((1, 2)),
            ..evidence(Stage::Data, Cause::Rejected)
        };
        for rule in RULES.iter().chain([&LAST]) {
            assert!(rule.kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{}", rule.kind);
            assert!(!rule.steps.is_empty() && rule.steps.len() <= 4, "{}", rule.kind);
            for text in rule.steps.iter().chain([&rule.title]) {
                assert!(text.ends_with('.') && text.len() <= 220, "{}: {text}", rule.kind);
                for name in text.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                    assert!(PLACEHOLDERS.contains(&name), "{}: {name}", rule.kind);
                }
                let filled = fill(text, &full);
                assert!(!filled.contains(['{', '}']), "{filled}");
            }
        }
        assert!(RULES.iter().all(|rule| !rule.causes.is_empty() || !rule.codes.is_empty()), "a rule that takes everything");
    }

    const PLACEHOLDERS: [&str; 15] = [
        "host",
        "port",
        "certified_name",
        "stage",
        "code",
        "names",
        "subject",
        "issuer",
        "not_before",
        "not_after",
        "timeout",
        "recipients",
        "size",
        "limit",
        "downgrade",
    ];

    #[test]
    fn a_provider_is_told_by_whole_labels() {
        assert_eq!(Provider::of("smtp.gmail.com"), Some(Provider::Google));
        assert_eq!(Provider::of("outlook.com"), Some(Provider::Microsoft));
        assert_eq!(Provider::of("notgmail.com"), None);
        assert_eq!(Provider::of("gmail.com.example.org"), None);
    }

    #[test]
    fn a_fix_travels_as_json() {
        let fix = Fix::UseSmtps { port: 465 };
        let text = serde_json::to_string(&fix).unwrap();
        assert_eq!(text, r#"{"change":"use_smtps","port":465}"#);
        assert_eq!(serde_json::from_str::<Fix>(&text).unwrap(), fix);
        assert_eq!(fix.label(), "Use SMTPS on port 465");
        let fix = Fix::RaiseTimeout { timeout_ms: 60_000 };
        let text = serde_json::to_string(&fix).unwrap();
        assert_eq!(text, r#"{"change":"raise_timeout","timeout_ms":60000}"#);
        assert_eq!(serde_json::from_str::<Fix>(&text).unwrap(), fix);
        assert_eq!(fix.label(), "Wait 60 seconds");
    }
}
