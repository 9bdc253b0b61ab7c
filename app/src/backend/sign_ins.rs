//! The part of the port that is about signing mailboxes in at sign-in services.

use async_trait::async_trait;
use domain::entry::{EntryId, EntryView};
use domain::error::Problem;
use domain::oauth::{DeviceCode, SignInView};
use domain::secret::Secret;

/// What the page about an entry's sign-in shows.
#[derive(Clone, Debug, PartialEq)]
pub struct SignInPage {
    /// The entry; how its sign-in stands is [`EntryView::sign_in`].
    pub view: EntryView,
    /// Where whoever signs in comes back to: what is entered at the sign-in service.
    pub redirect: String,
    /// A code that was asked for and can still be typed, or what became of the last one.
    pub device: Option<DeviceCode>,
    /// Now: milliseconds since 1970.
    pub now_ms: u64,
}

/// A sign-in that was begun in the browser.
#[derive(Debug)]
pub struct Leaving {
    /// Where somebody signs in: the sign-in service's page, with what it is told.
    pub url: String,
    /// What binds the answer to this browser: for a cookie that comes along from another site, for ten minutes.
    pub binding: Secret,
}

/// What somebody came back with from the sign-in service.
#[derive(Clone, Debug, Default)]
pub struct Arriving {
    /// What was sent along, to tell sign-ins apart.
    pub state: Secret,
    /// What it is worth something for; empty where it was refused.
    pub code: Secret,
    /// Why it was refused, as RFC 6749 section 4.1.2.1 names it.
    pub error: String,
    /// In words of the service's.
    pub error_description: String,
    /// What the cookie holds.
    pub binding: Secret,
}

/// Signing mailboxes in.
#[async_trait]
pub trait SignIns {
    /// What the page about an entry's sign-in shows.
    async fn sign_in_page(&self, id: EntryId) -> Result<SignInPage, Problem>;
    /// Begins a sign-in in the browser, which shows the page at the origin `host` (such as `http://127.0.0.1:3000`), for the settings that are saved.
    async fn begin_sign_in(&self, id: EntryId, host: String) -> Result<Leaving, Problem>;
    /// The origin at which a sign-in was begun that goes on: whoever comes back at another one, as sign-in services demand of
    /// this machine's own names, is led there, where the cookie is.
    fn sign_in_host(&self, state: &Secret) -> Option<String>;
    /// Ends it: what was granted is kept, sealed, when this returns. The entry.
    async fn finish_sign_in(&self, arriving: Arriving) -> Result<EntryId, Problem>;
    /// Gets a code for somebody to type. Whether somebody did is asked for by itself from now on.
    async fn begin_device(&self, id: EntryId) -> Result<DeviceCode, Problem>;
    /// How that stands; `None` where no code was asked for lately.
    async fn device(&self, id: EntryId) -> Result<Option<DeviceCode>, Problem>;
    /// Gives it up. Whether there was anything to give up.
    async fn cancel_device(&self, id: EntryId) -> Result<bool, Problem>;
    /// Asks for a token now.
    async fn renew_sign_in(&self, id: EntryId) -> Result<SignInView, Problem>;
    /// Forgets the sign-in and every token. Whether there was one.
    async fn end_sign_in(&self, id: EntryId) -> Result<bool, Problem>;
}
