//! One SMTP server: how to reach it and how to send through it. Only valid ones can be made; what is typed is a
//! [`ServerDraft`], what travels as JSON a [`ServerPatch`] (in) or a [`ServerOut`] (out).

mod draft;
mod json;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use draft::{Checked, Envelope, Mode, PasswordDraft, ServerDraft, TestDraft};
pub use json::{AzureOut, AzurePatch, Has, SecretInput, ServerOut, ServerPatch};

use crate::address::{Mailbox, Strictness};
use crate::fax::FaxSettings;
use crate::host::Host;
use crate::link::Language;
use crate::name::Name;
use crate::oauth::{Oauth, Strategy};
use crate::size::Size;

/// A valid entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmtpServer {
    /// Its name, unique among all entries whatever the case.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// What a fax gateway makes of numbers; nothing is set for a mail server.
    #[serde(default, skip_serializing_if = "FaxSettings::is_default")]
    pub fax: FaxSettings,
    /// SMTP or SMTPS, with what belongs to each.
    pub protocol: Protocol,
    /// Where it is.
    pub host: Host,
    /// Its port, never 0.
    pub port: u16,
    /// What is demanded of encryption.
    #[serde(default, skip_serializing_if = "TlsSettings::is_default")]
    pub tls: TlsSettings,
    /// To connect, and for each reply: milliseconds, 100–600,000.
    pub timeout_ms: u32,
    /// How to sign in.
    pub sign_in: SignIn,
    /// The address it sends from.
    pub sender: Option<Sender>,
    /// "MIME address strict".
    pub mime_address_strict: bool,
    /// What becomes of attachments.
    pub attachments: Attachments,
}

/// What an entry leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mail server.
    #[default]
    Smtp,
    /// A mail-to-fax gateway, reached by SMTP.
    Fax,
}

/// The protocol and what only exists with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Plain, or upgraded by STARTTLS.
    Smtp {
        /// Whether it is upgraded.
        starttls: StartTls,
        /// Whether credentials may travel unencrypted. False where it can't happen.
        allow_plaintext_credentials: bool,
    },
    /// TLS from the first byte (RFC 8314).
    Smtps,
}

/// What is done with STARTTLS (RFC 3207).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartTls {
    /// Never asked for.
    #[default]
    Disabled,
    /// Used where it is offered and works.
    Enabled,
    /// Used, or the session ends.
    EnabledAndRequired,
}

/// What an entry demands of an encrypted connection. Without one it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSettings {
    /// The name that the certificate must be for; `None` stands for the hostname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_name: Option<Host>,
    /// The lowest version.
    #[serde(default)]
    pub min: MinTls,
}

impl TlsSettings {
    /// Whether it demands nothing special.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The lowest version of TLS that is accepted. Older ones than these never are (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MinTls {
    /// TLS 1.2 (RFC 5246).
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

impl MinTls {
    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] = &["1.2", "1.3"];

    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// How an entry signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    /// Not at all.
    None,
    /// With a password, which is kept sealed beside the entry.
    Password {
        /// The account.
        username: String,
    },
    /// With a token from Microsoft, or from another sign-in service.
    AzureOauth {
        /// The account that signs in; the mailbox, where none is named.
        username: String,
        /// How the token is got.
        #[serde(flatten)]
        oauth: Oauth,
    },
}

/// The sender address of an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sender {
    /// The address; it always has a domain.
    pub mailbox: Mailbox,
    /// Whether it replaces the sender of what a BPM mail node hands over.
    pub overrides: bool,
}

/// What becomes of attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachments {
    /// Whether those that are too big become links; otherwise such a message is refused.
    pub as_url: bool,
    /// What all of them together, encoded, may have.
    pub threshold: Size,
    /// Days that a link lives, 1–365.
    pub link_days: u16,
    /// The language in which recipients are told of links. What was kept before there was a choice has the default, and stays as it was.
    #[serde(default, skip_serializing_if = "is_default")]
    pub link_language: Language,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_default(language: &Language) -> bool {
    *language == Language::default()
}

/// The default for "Timeout": milliseconds. Long enough for a greylisting gateway's second thoughts, short enough to wait for.
pub const DEFAULT_TIMEOUT_MS: u32 = 10_000;
/// The limits of "Timeout": milliseconds.
pub const TIMEOUT_RANGE_MS: (u32, u32) = (100, 600_000);
/// The default for "Max attachment threshold size".
pub const DEFAULT_THRESHOLD: Size = Size::from_bytes(10 << 20);
/// The default for "Links expire after": days.
pub const DEFAULT_LINK_DAYS: u16 = 30;
/// The limits of "Links expire after": days.
pub const LINK_DAYS_RANGE: (u16, u16) = (1, 365);
/// The most characters of a username.
pub const MAX_USERNAME: usize = 320;
/// The most characters of a password.
pub const MAX_PASSWORD: usize = 1024;
/// The largest file that a test may carry: more than servers take.
pub const MAX_TEST_ATTACHMENT: Size = Size::from_bytes(200 << 20);
/// The most recipients of a test.
pub const MAX_TEST_RECIPIENTS: usize = 20;

impl Kind {
    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] = &["smtp", "fax"];

    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Fax => "fax",
        }
    }
}

impl StartTls {
    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] = &["disabled", "enabled", "enabled_and_required"];

    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::EnabledAndRequired => "enabled_and_required",
        }
    }
}

impl Protocol {
    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] = &["smtp", "smtps"];

    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Smtp { .. } => "smtp",
            Self::Smtps => "smtps",
        }
    }

    /// The port that is used where none is entered.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Smtp { .. } => 25,
            Self::Smtps => 465,
        }
    }

    /// Whether a session may be unencrypted and still sign in.
    pub const fn allows_plaintext_credentials(self) -> bool {
        matches!(self, Self::Smtp { allow_plaintext_credentials: true, .. })
    }
}

impl SmtpServer {
    /// The name that the server's certificate must be for.
    pub fn certified_name(&self) -> &Host {
        self.tls.certificate_name.as_ref().unwrap_or(&self.host)
    }

    /// What a fax gateway makes of numbers, with the hostname as the domain where no other is set; `None` for a mail server.
    pub fn fax_settings(&self) -> Option<FaxSettings> {
        let domain = || self.fax.domain.clone().unwrap_or_else(|| self.host.clone());
        (self.kind == Kind::Fax).then(|| FaxSettings { domain: Some(domain()), ..self.fax.clone() })
    }

    /// Whether a connection may be encrypted at all.
    pub const fn may_encrypt(&self) -> bool {
        !matches!(self.protocol, Protocol::Smtp { starttls: StartTls::Disabled, .. })
    }

    /// The account, if it signs in at all.
    pub fn username(&self) -> Option<&str> {
        match &self.sign_in {
            SignIn::None => None,
            SignIn::Password { username } | SignIn::AzureOauth { username, .. } => Some(username),
        }
    }

    /// How addresses are read.
    pub fn strictness(&self) -> Strictness {
        if self.mime_address_strict { Strictness::Strict } else { Strictness::Lenient }
    }

    /// How it gets tokens, where it signs in with them.
    pub const fn oauth(&self) -> Option<&Oauth> {
        match &self.sign_in {
            SignIn::AzureOauth { oauth, .. } => Some(oauth),
            SignIn::None | SignIn::Password { .. } => None,
        }
    }

    /// Whom it says it is to the mail server: the mailbox of another one, or else the account.
    pub fn identity(&self) -> Option<&str> {
        self.oauth().and_then(|oauth| oauth.mailbox.as_deref()).or_else(|| self.username())
    }

    /// Whether it can't sign in without a password, or a client secret in its place.
    pub fn needs_password(&self) -> bool {
        match &self.sign_in {
            SignIn::None => false,
            SignIn::Password { .. } => true,
            SignIn::AzureOauth { oauth, .. } => matches!(oauth.strategy, Strategy::Password | Strategy::ClientCredentials),
        }
    }

    /// Whether a client certificate is of any use to it: to show to a mail server, or to sign what a token is asked for with.
    pub fn has_use_for_client_certificate(&self) -> bool {
        self.may_encrypt() || self.oauth().is_some_and(|oauth| oauth.strategy == Strategy::ClientCertificate)
    }

    /// Whether a password stored for `self` may be used for `other`: only while it goes to the same server and account.
    pub fn shares_password_with(&self, other: &Self) -> bool {
        let same_sign_in = match (self.oauth(), other.oauth()) {
            (None, None) => true,
            (Some(own), Some(other)) => own.shares_secret_with(other),
            _ => false,
        };
        same_sign_in
            && self.host == other.host
            && self.port == other.port
            && self.protocol.key() == other.protocol.key()
            && self.username() == other.username()
    }

    /// Whether somebody who signed in for `self` signed in for `other` as well. Where mail goes doesn't matter to the sign-in
    /// service, but to who signed in: what they gave goes to the same server only.
    pub fn shares_sign_in_with(&self, other: &Self) -> bool {
        let (Some(oauth), Some(other_oauth)) = (self.oauth(), other.oauth()) else { return false };
        let (username, other_username) = (self.username().unwrap_or_default(), other.username().unwrap_or_default());
        oauth.shares_sign_in_with(username, other_oauth, other_username)
            && (&self.host, self.port, self.protocol.key()) == (&other.host, other.port, other.protocol.key())
    }
}
