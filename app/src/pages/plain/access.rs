//! Signing in, one's own account, and, for administrators, the accounts of others and tokens.

mod accounts;
mod fields;
mod own;
mod signing;
mod tokens;

use domain::access::{Account, AccountId, Me, Token, Verb};
use domain::entry::EntryId;
use domain::error::ApiError;
use domain::secret::Secret;
use leptos::prelude::*;

use super::Section;
use crate::backend::Welcome;

/// What a page about access shows.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "`refused` is why a form was refused, `name` and what else was typed come back with it")]
pub enum AccessPage {
    /// "Sign in".
    SignIn { name: String, next: String, refused: Option<ApiError> },
    /// The code of the second factor.
    Code { next: String, refused: Option<ApiError> },
    /// The browser didn't keep the cookie.
    NotKept { secure: bool },
    /// Somebody sent a form without being signed in.
    SignInFirst(ApiError),
    /// There is no account yet.
    NotSetUp,
    /// What a link leads to.
    Welcome { link: Secret, welcome: Welcome, name: String, refused: Option<ApiError> },
    /// The password is asked for again. The form goes on to `action` with its `fields`; with `again` it has to be filled in anew.
    Confirm { action: String, fields: Vec<(String, String)>, again: bool, refused: Option<ApiError> },
    /// One's own account.
    Account { me: Box<Me>, form: OwnForm, refused: Option<ApiError>, done: Option<&'static str> },
    /// A second factor that is offered; `qr` has the squares of a side and the path of the dark ones.
    SecondFactor { secret: Secret, uri: Secret, qr: Option<(usize, String)>, refused: Option<ApiError> },
    /// New codes for recovery.
    RecoveryCodes { codes: Vec<Secret>, just_on: bool },
    /// "Accounts".
    Accounts { accounts: Vec<Account>, own: AccountId, now_ms: u64, name: String, role: String, refused: Option<ApiError> },
    /// An account, and what can be done about it.
    OneAccount { account: Account, refused: Option<ApiError> },
    /// The link for somebody.
    Link { name: String, link: Secret, new: bool },
    /// "Tokens".
    Tokens { tokens: Vec<Token>, now_ms: u64 },
    /// "Make a token".
    NewToken { servers: Vec<(EntryId, String)>, typed: Box<TypedToken>, refused: Option<ApiError> },
    /// A token, shown once.
    TokenMade { name: String, token: Secret, base: String, sees: bool },
    /// The question before a token is revoked.
    RevokeToken { token: Box<Token>, refused: Option<ApiError> },
}

/// A form of the page of one's own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnForm {
    /// None in particular.
    None,
    /// The one that changes the password.
    Password,
}

/// A token as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `domain::access::NewToken`; `chosen_…` says whether a limit is meant")]
pub struct TypedToken {
    pub name: String,
    pub role: String,
    pub chosen_entries: bool,
    pub entries: Vec<EntryId>,
    pub chosen_verbs: bool,
    pub verbs: Vec<Verb>,
    pub days: String,
}

impl AccessPage {
    pub(super) fn section(&self) -> Option<(Section, bool)> {
        match self {
            Self::SignIn { .. }
            | Self::Code { .. }
            | Self::NotKept { .. }
            | Self::SignInFirst(_)
            | Self::NotSetUp
            | Self::Welcome { .. }
            | Self::Confirm { .. } => None,
            Self::Account { .. } => Some((Section::Own, true)),
            Self::SecondFactor { .. } | Self::RecoveryCodes { .. } => Some((Section::Own, false)),
            Self::Accounts { .. } => Some((Section::Accounts, true)),
            Self::OneAccount { .. } | Self::Link { .. } => Some((Section::Accounts, false)),
            Self::Tokens { .. } => Some((Section::Tokens, true)),
            Self::NewToken { .. } | Self::TokenMade { .. } | Self::RevokeToken { .. } => Some((Section::Tokens, false)),
        }
    }

    pub(super) fn title(&self) -> String {
        match self {
            Self::SignIn { .. } => "Sign in".into(),
            Self::Code { .. } => "Code".into(),
            Self::NotKept { .. } | Self::SignInFirst(_) => "Not signed in".into(),
            Self::NotSetUp => "No account yet".into(),
            Self::Welcome { .. } => "Welcome".into(),
            Self::Confirm { .. } => "Confirm your password".into(),
            Self::Account { .. } => "Your account".into(),
            Self::SecondFactor { .. } => "Second factor".into(),
            Self::RecoveryCodes { .. } => "Recovery codes".into(),
            Self::Accounts { .. } => "Accounts".into(),
            Self::OneAccount { account, .. } => account.name.clone(),
            Self::Link { name, .. } => format!("Link for {name}"),
            Self::Tokens { .. } => "Tokens".into(),
            Self::NewToken { .. } => "Make a token".into(),
            Self::TokenMade { .. } => "Token made".into(),
            Self::RevokeToken { .. } => "Revoke a token".into(),
        }
    }

    pub(super) fn refused(&self) -> Option<&ApiError> {
        match self {
            Self::SignInFirst(error) => Some(error),
            Self::SignIn { refused, .. }
            | Self::Code { refused, .. }
            | Self::Welcome { refused, .. }
            | Self::Account { refused, .. }
            | Self::SecondFactor { refused, .. }
            | Self::Accounts { refused, .. }
            | Self::OneAccount { refused, .. }
            | Self::NewToken { refused, .. }
            | Self::RevokeToken { refused, .. } => refused.as_ref(),
            Self::NotKept { .. }
            | Self::NotSetUp
            // Its own status says it, and nobody is to ask again because of it.
            | Self::Confirm { .. }
            | Self::RecoveryCodes { .. }
            | Self::Link { .. }
            | Self::Tokens { .. }
            | Self::TokenMade { .. } => None,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::NotKept { .. } | Self::NotSetUp => Some(401),
            Self::Confirm { refused, .. } => Some(refused.as_ref().map_or(403, |error| error.error.status())),
            _ => None,
        }
    }
}

/// The view of such a page.
#[component]
pub(super) fn AccessView(page: AccessPage) -> impl IntoView {
    match page {
        AccessPage::SignIn { name, next, refused } => signing::sign_in(name, next, refused).into_any(),
        AccessPage::Code { next, refused } => signing::code(next, refused).into_any(),
        AccessPage::NotKept { secure } => signing::not_kept(secure).into_any(),
        AccessPage::SignInFirst(error) => signing::sign_in_first(error).into_any(),
        AccessPage::NotSetUp => signing::not_set_up().into_any(),
        AccessPage::Welcome { link, welcome, name, refused } => signing::welcome(&link, welcome, name, refused).into_any(),
        AccessPage::Confirm { action, fields, again, refused } => signing::confirm(action, fields, again, refused).into_any(),
        AccessPage::Account { me, form, refused, done } => own::account(*me, form, refused, done).into_any(),
        AccessPage::SecondFactor { secret, uri, qr, refused } => own::second_factor(&secret, &uri, qr, refused).into_any(),
        AccessPage::RecoveryCodes { codes, just_on } => own::recovery_codes(&codes, just_on).into_any(),
        AccessPage::Accounts { accounts, own, now_ms, name, role, refused } => {
            accounts::list(accounts, own, now_ms, (name, role), refused).into_any()
        }
        AccessPage::OneAccount { account, refused } => accounts::one(account, refused).into_any(),
        AccessPage::Link { name, link, new } => accounts::link(name, &link, new).into_any(),
        AccessPage::Tokens { tokens, now_ms } => tokens::list(tokens, now_ms).into_any(),
        AccessPage::NewToken { servers, typed, refused } => tokens::new(servers, *typed, refused).into_any(),
        AccessPage::TokenMade { name, token, base, sees } => tokens::made(name, &token, &base, sees).into_any(),
        AccessPage::RevokeToken { token, refused } => tokens::revoke(*token, refused).into_any(),
    }
}
