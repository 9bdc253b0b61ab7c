//! The words about who may do what, and about what was done.

use super::grouped;
use crate::access::{AccessError, AccessField, Act, MAX_PASSWORD, MIN_PASSWORD, Role, Verb};
use crate::activity::Deed;

/// `1 second`, `2 seconds`.
pub(super) fn count(number: u64, unit: &str) -> String {
    if number == 1 { format!("1 {unit}") } else { format!("{} {unit}s", grouped(number)) }
}

/// What something takes that isn't allowed.
pub(super) const fn needed(act: Act) -> &'static str {
    match act {
        Act::See => "an account, or a token without such limits",
        Act::Test => "an operator, or a token for tests of this server",
        Act::Submit => "an operator, or a token to submit through this server",
        Act::Change => "an administrator",
        Act::Manage => "an administrator who is signed in; no token can",
        Act::Own => "somebody who is signed in; no token can",
    }
}

/// A role in words.
pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Operator => "Operator",
        Role::Administrator => "Administrator",
    }
}

/// What a role may do.
pub const fn role_help(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Sees servers, results and certificates.",
        Role::Operator => "Also tests servers. Changes nothing.",
        Role::Administrator => "Everything, accounts and tokens included.",
    }
}

/// A verb in words.
pub const fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Test => "Test servers",
        Verb::Submit => "Submit messages",
    }
}

/// What is wrong with a field about access, and what to do.
pub fn access_error(field: AccessField, error: AccessError) -> String {
    match (error, field) {
        (AccessError::Missing, AccessField::Name) => "Type a name.".into(),
        (AccessError::Missing, AccessField::TokenName) => "Type what the token is for, such as the application's name.".into(),
        (AccessError::Missing, AccessField::Code) => "Type the code.".into(),
        (AccessError::Missing, AccessField::TokenEntries) => "Tick at least one server, or choose all servers.".into(),
        (AccessError::Missing, AccessField::TokenVerbs) => "Tick at least one, or choose all that the role may do.".into(),
        (AccessError::Missing, _) => "Type a password.".into(),
        (AccessError::Name, _) => "Use 1 to 64 letters, digits or the characters - _ . and @.".into(),
        (AccessError::NameTaken, _) => "That name is taken, whatever the case. Choose another one.".into(),
        (AccessError::TooShort, _) => format!("Use at least {MIN_PASSWORD} characters. Several words in a row are fine."),
        (AccessError::TooLong, _) => format!("Use at most {MAX_PASSWORD} characters."),
        (AccessError::Guessable, _) => "That is easily guessed. Add another word or two that have nothing to do with it.".into(),
        (AccessError::Differ, _) => "The two passwords differ. Type the same one twice.".into(),
        (AccessError::Wrong, _) => "That isn't your password. Type the one you signed in with.".into(),
        (AccessError::NoSuchChoice, _) => "Choose one of the list.".into(),
        (AccessError::Days, _) => "Type a number of days, 1 to 3650.".into(),
        (AccessError::NoSuchEntry, _) => "One of these servers isn't there any more. Choose again.".into(),
    }
}

/// What was done, in a few words.
pub const fn deed(deed: Deed) -> &'static str {
    match deed {
        Deed::SignedIn => "Signed in",
        Deed::SignInRefused => "Sign-in refused",
        Deed::SignInThrottled => "Sign-ins held back after too many attempts",
        Deed::SignedOut => "Signed out",
        Deed::SessionsEnded => "Ended sessions",
        Deed::PasswordConfirmed => "Confirmed the password",
        Deed::PasswordChanged => "Changed the password",
        Deed::PasswordReset => "Made a link for a new password",
        Deed::SecondFactorOn => "Switched the second factor on",
        Deed::SecondFactorOff => "Switched the second factor off",
        Deed::RecoveryCodeUsed => "Used a recovery code",
        Deed::RecoveryCodesMade => "Made new recovery codes",
        Deed::SetupLinkMade => "Made a set-up link",
        Deed::AccountAdded => "Added an account",
        Deed::AccountChanged => "Changed an account",
        Deed::AccountRemoved => "Removed an account",
        Deed::TokenMade => "Made a token",
        Deed::TokenRevoked => "Revoked a token",
        Deed::Refused => "Refused: not allowed",
        Deed::ServerAdded => "Added a server",
        Deed::ServerSaved => "Saved a server",
        Deed::ServersTrashed => "Trashed servers",
        Deed::ServersRestored => "Restored servers",
        Deed::ServersImported => "Imported servers",
        Deed::ServersExported => "Exported servers",
        Deed::TestSent => "Sent a test email",
        Deed::ConnectionChecked => "Checked a connection",
        Deed::AllChecked => "Checked several connections",
        Deed::ClientCertificateChanged => "Changed a client certificate",
        Deed::MailboxSignedIn => "Signed a mailbox in",
        Deed::MailboxSignedOut => "Signed a mailbox out",
        Deed::CertificatesTrusted => "Trusted authorities",
        Deed::CertificatePinned => "Trusted a certificate for a server",
        Deed::CertificateChanged => "Changed how a certificate is trusted",
        Deed::SystemAuthoritiesChanged => "Changed whether the system's authorities are trusted",
        Deed::CertificatesTrashed => "Trashed certificates",
        Deed::CertificatesRestored => "Restored certificates",
        Deed::LinkRevoked => "Revoked a link",
        Deed::LinkExtended => "Extended a link",
        Deed::ActivityExported => "Exported the activity",
        Deed::KeysRotated => "Replaced the keys",
        Deed::BackedUp => "Made a back-up",
        Deed::Restored => "Restored a back-up",
    }
}
