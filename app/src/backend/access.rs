//! The part of the port that is about who asks: signing in, one's own account, and, for administrators, those of others and tokens.

use std::sync::Arc;

use async_trait::async_trait;
use domain::access::{Account, AccountId, Act, Me, NewToken, Permit, Role, SessionId, Token, TokenId, Who};
use domain::error::Problem;
use domain::secret::Secret;

use super::Backend;

/// Who asks, and what he may do. A backend belongs to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The IP address the request came from; empty where nobody knows.
    pub address: String,
    /// Who it is.
    pub who: Who,
    /// What he may do; nothing by default.
    pub permit: Permit,
    /// The session, where somebody is signed in.
    pub session: Option<SessionState>,
}

impl Caller {
    /// For history and lists: the name with the address, as far as they are known.
    pub fn display(&self) -> String {
        match (self.who.name(), self.address.as_str()) {
            ("", address) => address.into(),
            (name, "") => name.into(),
            (name, address) => format!("{name}, {address}"),
        }
    }
}

/// A session as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// Which.
    pub id: SessionId,
    /// Whether its password was right, but the code of the second factor is still to come: it may do nothing else.
    pub awaits_code: bool,
    /// Whether the password was typed lately enough for sensitive acts.
    pub fresh: bool,
    /// When it ends unless it is used: milliseconds from now.
    pub idle_left_ms: u64,
}

/// Where a sign-in comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The IP address.
    pub address: String,
    /// The browser, as it calls itself; anything.
    pub agent: String,
}

/// What a request shows to say who makes it.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// The cookie of a session.
    Session(Secret),
    /// An API token.
    Token(Secret),
}

/// A session that began.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What the cookie is to hold.
    pub session: Secret,
    /// Whether the code of the second factor is still to come.
    pub needs_code: bool,
}

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The account that it is for; `None` for the first one, whose owner chooses its name.
    pub name: Option<String>,
    /// Whether the account has a second factor that will be asked for.
    pub second_factor: bool,
}

/// The way in. Attempts are throttled; whatever is wrong, a refusal says as little as it can.
#[async_trait]
pub trait Gate: Send + Sync {
    /// The backend for whoever makes a request. Whoever shows nothing gets one that refuses everything, and so does a session that is over.
    ///
    /// # Errors
    /// [`Problem::NotSignedIn`] for a token that is wrong, expired or revoked; [`Problem::WaitBefore`] after too many of them.
    async fn enter(&self, shown: Shown, address: String) -> Result<Arc<dyn Backend>, Problem>;
    /// Whether there is any account yet.
    async fn is_set_up(&self) -> Result<bool, Problem>;
    /// Begins a session, or one that awaits a code.
    async fn sign_in(&self, name: String, password: Secret, from: Origin) -> Result<SignedIn, Problem>;
    /// Makes of a session that awaits a code another one that doesn't. `code` is from an app, or one for recovery.
    async fn give_code(&self, session: Secret, code: Secret, from: Origin) -> Result<SignedIn, Problem>;
    /// Ends a session, whatever it is.
    async fn sign_out(&self, session: Secret, from: Origin) -> Result<(), Problem>;
    /// What a link is for.
    async fn welcome(&self, link: Secret, from: Origin) -> Result<Welcome, Problem>;
    /// Uses a link: makes the first account, or gives one a new password; then signs in. `name` counts for the first one only.
    async fn accept(
        &self,
        link: Secret,
        name: String,
        password: Secret,
        confirm: Secret,
        from: Origin,
    ) -> Result<SignedIn, Problem>;
}

/// A secret that is shown once.
#[derive(Clone, Debug)]
pub struct Made<T> {
    /// What it belongs to.
    pub id: T,
    /// The secret: of a token or a link.
    pub secret: Secret,
}

/// A second factor that is offered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What is typed into an app that can't scan (base32, RFC 4648 section 6).
    pub secret: Secret,
    /// What the QR code says (`otpauth://totp/…`).
    pub uri: Secret,
}

/// What a signed-in person, or an administrator, can do about access.
#[async_trait]
pub trait Access: Send + Sync {
    /// Whose backend it is.
    fn caller(&self) -> &Caller;
    /// Why the caller may not; that he tried is written down.
    fn refuse(&self, act: Act) -> Problem;
    /// One's own account.
    async fn me(&self) -> Result<Me, Problem>;
    /// Proves again that it is oneself, for the next ten minutes; the session goes on under another cookie. Throttled like signing in.
    async fn confirm(&self, password: Secret) -> Result<SignedIn, Problem>;
    /// Changes one's own password; every other session of the account ends, and this one goes on under another cookie.
    async fn change_password(&self, current: Secret, new: Secret, confirm: Secret) -> Result<SignedIn, Problem>;
    /// Ends one of one's own sessions, or all others.
    async fn end_sessions(&self, which: Option<SessionId>) -> Result<u64, Problem>;
    /// Offers a second factor; it counts from [`Access::second_factor_on`] on. An earlier offer is void.
    async fn offer_second_factor(&self) -> Result<Offer, Problem>;
    /// The offer that is open, to show it again.
    async fn offered_second_factor(&self) -> Result<Option<Offer>, Problem>;
    /// Switches the offered one on, and gives the codes for recovery.
    async fn second_factor_on(&self, code: Secret) -> Result<Vec<Secret>, Problem>;
    /// Switches it off.
    async fn second_factor_off(&self) -> Result<(), Problem>;
    /// New codes for recovery; those of before are void.
    async fn new_recovery_codes(&self) -> Result<Vec<Secret>, Problem>;

    /// Every account, by name.
    async fn accounts(&self) -> Result<Vec<Account>, Problem>;
    /// Adds an account, with the link by which its owner chooses a password.
    async fn add_account(&self, name: String, role: String) -> Result<Made<AccountId>, Problem>;
    /// Gives it another role; its sessions have it at once.
    async fn set_role(&self, id: AccountId, role: Role) -> Result<(), Problem>;
    /// A link for a new password. The one of before counts no more, nor does any session; with `second_factor`, that goes, too.
    async fn reset_password(&self, id: AccountId, second_factor: bool) -> Result<Made<AccountId>, Problem>;
    /// Removes an account with its sessions.
    async fn remove_account(&self, id: AccountId) -> Result<(), Problem>;
    /// Every token, the newest first.
    async fn tokens(&self) -> Result<Vec<Token>, Problem>;
    /// Makes a token.
    async fn make_token(&self, new: NewToken) -> Result<Made<TokenId>, Problem>;
    /// Ends a token for good.
    async fn revoke_token(&self, id: TokenId) -> Result<(), Problem>;
}
