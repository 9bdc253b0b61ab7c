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
use crate::host::Host;
use crate::name::Name;
use crate::size::Size;

/// A valid entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmtpServer {
    /// Its name, unique among all entries whatever the case.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
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
    /// With a token from Microsoft.
    AzureOauth {
        /// The mailbox.
        username: String,
        /// The id of the application registered in Entra, in lower case.
        application_id: String,
        /// The tenant; `None` stands for the domain of the username.
        tenant: Option<String>,
        /// How the token is asked for.
        #[serde(default, skip_serializing_if = "Strategy::is_default")]
        strategy: Strategy,
    },
}

/// How a token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As the mailbox, with its password (RFC 6749 section 4.3).
    #[default]
    Password,
    /// As the application, with its secret (RFC 6749 section 4.4).
    ClientCredentials,
}

impl Strategy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] = &["password", "client_credentials"];

    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
        }
    }
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

    /// Whether a password stored for `self` may be used for `other`: only while it goes to the same server and account.
    pub fn shares_password_with(&self, other: &Self) -> bool {
        self.host == other.host
            && self.port == other.port
            && self.protocol.key() == other.protocol.key()
            && self.username() == other.username()
            && self.password_is_for() == other.password_is_for()
    }

    /// What its password is: the account's, which goes to the mail server or to a sign-in service, or an application's secret.
    fn password_is_for(&self) -> Option<(Strategy, Option<&str>)> {
        match &self.sign_in {
            SignIn::None | SignIn::Password { .. } => None,
            SignIn::AzureOauth { strategy, application_id, .. } => {
                let application = *strategy == Strategy::ClientCredentials;
                Some((*strategy, application.then_some(application_id.as_str())))
            }
        }
    }
}
