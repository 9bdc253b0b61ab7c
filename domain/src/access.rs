//! Who may do what: accounts and their roles, sessions, API tokens, and the rules for names and passwords. Who somebody is, is found out
//! by the server; nothing here knows how.

use serde::{Deserialize, Serialize};

use crate::entry::EntryId;
use crate::secret::Secret;

/// Identifies an account for ever; never used again after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub u64);

/// Identifies a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// Identifies an API token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u64);

macro_rules! shows_its_number {
    ($($id:ident),*) => {$(
        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
shows_its_number!(AccountId, SessionId, TokenId);

/// What an account, or a token, may do. Each may also do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything but accounts, tokens and activity.
    Viewer,
    /// Tests as well; changes nothing.
    Operator,
    /// Everything.
    Administrator,
}

impl Role {
    /// All of them, the one that may least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    /// As forms, JSON and the command line write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// The role of a key.
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.key() == key)
    }
}

/// What something that is asked for comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Looking at entries, their history and what is trusted.
    See,
    /// Trying entries, and looking at what servers present.
    Test,
    /// Handing messages over to be sent.
    Submit,
    /// Changing entries and what is trusted.
    Change,
    /// Accounts, tokens, activity. Never by a token.
    Manage,
    /// What everybody who is signed in may do with their own account. Never by a token.
    Own,
}

/// What a token may be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Trying entries, with the results.
    Test,
    /// Handing messages over.
    Submit,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Test, Self::Submit];

    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Submit => "submit",
        }
    }

    /// The verb of a key.
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.key() == key)
    }
}

/// What the one who asks may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// The role; without one, nothing.
    pub role: Option<Role>,
    /// Whether a token asks: it has no account of its own to look after, and no accounts of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token: bool,
    /// The only entries it is for; all of them where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<EntryId>>,
    /// The only things it is for; all of the role where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbs: Option<Vec<Verb>>,
}

impl Permit {
    /// Everything that an account of `role` may do.
    pub const fn of(role: Role) -> Self {
        Self { role: Some(role), token: false, entries: None, verbs: None }
    }

    /// Whether `act` is allowed at all: with some entry, perhaps.
    pub fn allows(&self, act: Act) -> bool {
        let Some(role) = self.role else { return false };
        let needed = match act {
            Act::See | Act::Own => Role::Viewer,
            Act::Test | Act::Submit => Role::Operator,
            Act::Change | Act::Manage => Role::Administrator,
        };
        let by_verb = self.verbs.as_ref().is_none_or(|verbs| match act {
            // Who may try an entry has to find it, and to see what came of it.
            Act::Test | Act::See => verbs.contains(&Verb::Test),
            Act::Submit => verbs.contains(&Verb::Submit),
            Act::Change | Act::Manage | Act::Own => false,
        });
        role >= needed && by_verb && !(self.token && matches!(act, Act::Manage | Act::Own))
    }

    /// Whether it is for this entry.
    pub fn covers(&self, entry: EntryId) -> bool {
        self.entries.as_ref().is_none_or(|entries| entries.contains(&entry))
    }

    /// Whether `act` is allowed with all of `entries`. What is about no entry in particular is for who is limited to none.
    pub fn allows_with(&self, act: Act, entries: &[EntryId]) -> bool {
        self.allows(act) && (self.entries.is_none() || (!entries.is_empty() && entries.iter().all(|entry| self.covers(*entry))))
    }
}

/// Who did something, as it stays true when the account or token is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Who {
    /// Nobody knows.
    #[default]
    Nobody,
    /// Somebody with an account.
    Account {
        /// The account.
        id: AccountId,
        /// Its name then.
        name: String,
    },
    /// An application.
    Token {
        /// Its token.
        id: TokenId,
        /// Its name then.
        name: String,
    },
    /// A command on the machine itself.
    CommandLine,
    /// The program by itself.
    Postroom,
}

impl Who {
    /// In words.
    pub fn name(&self) -> &str {
        match self {
            Self::Nobody => "",
            Self::Account { name, .. } | Self::Token { name, .. } => name,
            Self::CommandLine => "command line",
            Self::Postroom => "Postroom",
        }
    }
}

/// The most characters of an account's or a token's name.
pub const MAX_NAME: usize = 64;
/// The fewest characters of an account's password.
pub const MIN_PASSWORD: usize = 12;
/// The most characters of an account's password.
pub const MAX_PASSWORD: usize = 256;
/// How long a session lasts without a request: milliseconds.
pub const IDLE_MS: u64 = 30 * 60 * 1000;
/// How long a session lasts: milliseconds.
pub const SESSION_MS: u64 = 12 * 60 * 60 * 1000;
/// How long after the password was typed sensitive acts need no other proof: milliseconds.
pub const FRESH_MS: u64 = 10 * 60 * 1000;
/// How long the link to the first account, and one that was asked for on the machine, can be used: milliseconds.
pub const SETUP_MS: u64 = 60 * 60 * 1000;
/// How long a link for somebody else's account can be used: milliseconds.
pub const INVITATION_MS: u64 = 24 * 60 * 60 * 1000;

/// A field of the forms and calls about access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessField {
    /// The name of an account.
    Name,
    /// The role of an account or a token.
    Role,
    /// The password at signing in, or the one that is there.
    Password,
    /// The password from now on.
    NewPassword,
    /// The same once more.
    NewPasswordConfirm,
    /// A code from an app, or one for recovery.
    Code,
    /// The name of a token.
    TokenName,
    /// The entries of a token.
    TokenEntries,
    /// The verbs of a token.
    TokenVerbs,
    /// The days until a token expires.
    TokenDays,
}

impl AccessField {
    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Name | Self::TokenName => "name",
            Self::Role => "role",
            Self::Password => "password",
            Self::NewPassword => "new_password",
            Self::NewPasswordConfirm => "new_password_confirm",
            Self::Code => "code",
            Self::TokenEntries => "entries",
            Self::TokenVerbs => "verbs",
            Self::TokenDays => "days",
        }
    }
}

/// What is wrong with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// There is nothing.
    Missing,
    /// A name has other characters than letters, digits and `-_.@`, or too many.
    Name,
    /// Another one has the name, whatever the case.
    NameTaken,
    /// Fewer characters than a password needs.
    TooShort,
    /// More than it may have.
    TooLong,
    /// It is easily guessed.
    Guessable,
    /// The two differ.
    Differ,
    /// It isn't the one that is there.
    Wrong,
    /// There is no such choice.
    NoSuchChoice,
    /// Days outside of 1 to 3,650.
    Days,
    /// There is no such entry.
    NoSuchEntry,
}

/// A name as it is kept, or what is wrong with it.
///
/// # Errors
/// [`AccessError::Missing`], [`AccessError::Name`].
pub fn check_name(typed: &str) -> Result<String, AccessError> {
    let name = typed.trim();
    if name.is_empty() {
        return Err(AccessError::Missing);
    }
    let fine = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    if name.chars().count() > MAX_NAME || !name.chars().all(fine) {
        return Err(AccessError::Name);
    }
    Ok(name.to_owned())
}

/// What makes two names the same.
pub fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// What can be said of a new password without knowing which ones are easily guessed: that is the server's affair.
///
/// # Errors
/// The field, and what is wrong with it.
pub fn check_new_password(new: &Secret, confirm: &Secret) -> Result<(), (AccessField, AccessError)> {
    let length = new.expose().chars().count();
    let error = match length {
        0 => AccessError::Missing,
        1..MIN_PASSWORD => AccessError::TooShort,
        _ if length > MAX_PASSWORD => AccessError::TooLong,
        _ if new != confirm => return Err((AccessField::NewPasswordConfirm, AccessError::Differ)),
        _ => return Ok(()),
    };
    Err((AccessField::NewPassword, error))
}

/// An account, for those who look after them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it has a password yet: without one nobody can sign in with it.
    pub has_password: bool,
    /// Whether a second factor is asked for.
    pub second_factor: bool,
    /// When it was added: milliseconds since 1970.
    pub added_ms: u64,
    /// When somebody last signed in with it.
    pub last_sign_in_ms: Option<u64>,
    /// Until when the link can be used that lets its owner choose a password; `None` where there is none.
    pub invited_until_ms: Option<u64>,
    /// How many sessions there are.
    pub sessions: u64,
}

/// A session, for its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When it began.
    pub since_ms: u64,
    /// When it was last used; a minute may be missing.
    pub seen_ms: u64,
    /// The IP address it began from.
    pub address: String,
    /// The browser, as it calls itself; shortened.
    pub agent: String,
}

/// One's own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// The account.
    pub account: Account,
    /// Recovery codes that can still be used.
    pub recovery_codes: u64,
    /// The sessions, the current one first, then the latest.
    pub sessions: Vec<Session>,
    /// Now.
    pub now_ms: u64,
}

/// An API token, for those who look after them. The token itself is shown once and never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub permit: Permit,
    /// The names of the entries that it is limited to, as far as they are there.
    pub entry_names: Vec<String>,
    /// When it was made, and by whom.
    pub made_ms: u64,
    /// By whom.
    pub made_by: String,
    /// When it ends; never where nothing is said.
    pub expires_ms: Option<u64>,
    /// When it was last used; a minute may be missing.
    pub used_ms: Option<u64>,
    /// The address it was last used from.
    pub used_from: String,
}

/// A token that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The only entries it is for.
    pub entries: Option<Vec<EntryId>>,
    /// The only things it is for.
    pub verbs: Option<Vec<Verb>>,
    /// Days until it ends; never where nothing is said.
    pub days: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_those_below_it_may() {
        let of = |role| {
            let permit = Permit::of(role);
            [Act::See, Act::Own, Act::Test, Act::Submit, Act::Change, Act::Manage].map(|act| permit.allows(act))
        };
        assert_eq!(of(Role::Viewer), [true, true, false, false, false, false]);
        assert_eq!(of(Role::Operator), [true, true, true, true, false, false]);
        assert_eq!(of(Role::Administrator), [true; 6]);
        for act in [Act::See, Act::Own, Act::Test, Act::Submit, Act::Change, Act::Manage] {
            assert!(!Permit::default().allows(act), "{act:?}");
        }
    }

    #[test]
    fn a_token_looks_after_no_accounts_and_keeps_to_its_limits() {
        let all = Permit { token: true, ..Permit::of(Role::Administrator) };
        assert!(all.allows(Act::Change) && !all.allows(Act::Manage) && !all.allows(Act::Own));
        let testing = Permit { verbs: Some(vec![Verb::Test]), ..all.clone() };
        assert!(
            testing.allows(Act::Test) && testing.allows(Act::See) && !testing.allows(Act::Submit) && !testing.allows(Act::Change)
        );
        let submitting = Permit { verbs: Some(vec![Verb::Submit]), ..all.clone() };
        assert!(submitting.allows(Act::Submit) && !submitting.allows(Act::See) && !submitting.allows(Act::Test));
        let one = Permit { entries: Some(vec![EntryId(3)]), ..all };
        assert!(one.allows_with(Act::Test, &[EntryId(3)]));
        for others in [&[][..], &[EntryId(4)], &[EntryId(3), EntryId(4)]] {
            assert!(!one.allows_with(Act::Test, others), "{others:?}");
        }
    }

    #[test]
    fn names_and_passwords_are_checked() {
        assert_eq!(check_name(" anna.b@example.com "), Ok("anna.b@example.com".into()));
        assert_eq!(check_name(" "), Err(AccessError::Missing));
        for name in ["a b", "a\u{202e}b", "<a>", &"x".repeat(65)] {
            assert_eq!(check_name(name), Err(AccessError::Name), "{name}");
        }
        let password = |text: &str| Secret::new(text.into());
        let check = |new: &str, confirm: &str| check_new_password(&password(new), &password(confirm));
        assert_eq!(check("", ""), Err((AccessField::NewPassword, AccessError::Missing)));
        assert_eq!(check("elevenchars", "elevenchars"), Err((AccessField::NewPassword, AccessError::TooShort)));
        assert_eq!(check(&"x".repeat(257), &"x".repeat(257)), Err((AccessField::NewPassword, AccessError::TooLong)));
        assert_eq!(check("twelve chars", "twelve chart"), Err((AccessField::NewPasswordConfirm, AccessError::Differ)));
        assert_eq!(check("twelve chars", "twelve chars"), Ok(()));
    }
}
