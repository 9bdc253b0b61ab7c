//! Signing a mailbox in, in the browser (RFC 6749 section 4.1): what is remembered between the way there and the way back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use app::backend::{Arriving, Leaving};
use domain::access::Who;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::oauth::Refusal;
use domain::secret::Secret;
use domain::transcript::Cause;
use ring::digest;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use super::{Saved, SignIns};
use crate::entries::{Entries, Kept};
use crate::mailer::{Trouble, refused};

/// How long somebody may take at the sign-in service.
const TIME: Duration = Duration::from_mins(10);
/// The most sign-ins under way: each takes a kilobyte. Beyond that the oldest is forgotten.
const MAX: usize = 200;
/// The most bytes of what somebody comes back with.
const MAX_CODE: usize = 8 << 10;

/// The sign-ins that are under way, by the digest of their `state`.
#[derive(Default)]
pub(super) struct Leavings(HashMap<[u8; 32], Left>);

/// Somebody is at the sign-in service.
struct Left {
    entry: EntryId,
    who: Who,
    /// Where on this machine, or elsewhere, it was begun: only there the cookie is shown.
    host: String,
    binding: [u8; 32],
    verifier: Secret,
    nonce: Secret,
    redirect: String,
    saved: Saved,
    at: Instant,
}

impl Left {
    fn counts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < TIME
    }
}

impl Leavings {
    pub(super) fn forget(&mut self, entry: EntryId) {
        self.0.retain(|_, left| left.entry != entry);
    }

    fn tidy(&mut self, now: Instant) {
        self.0.retain(|_, left| left.counts(now));
        while self.0.len() >= MAX {
            let Some(oldest) = self.0.iter().min_by_key(|(_, left)| left.at).map(|(state, _)| *state) else { return };
            self.0.remove(&oldest);
        }
    }
}

impl SignIns {
    /// Begins a sign-in for the settings that are saved of `id`, for `who`, whose browser is at `host`.
    ///
    /// # Errors
    /// [`Problem::SignInFailed`] where the settings lead nowhere; or as the store.
    pub async fn begin(&self, id: EntryId, who: Who, host: String) -> Result<Leaving, Problem> {
        let saved = self.saved(id).await?;
        let [state, nonce, verifier, binding] = std::array::from_fn(|_| self.unguessable());
        let redirect = self.redirect();
        let url = saved.client.authorize_url(&redirect, &state, &nonce, &verifier);
        let url = url.map_err(|trouble| saved.failed(&trouble, &[]))?;
        let left = Left { entry: id, who, host, binding: digest(&binding), verifier, nonce, redirect, saved, at: self.now() };
        let mut leavings = self.leavings();
        leavings.tidy(self.now());
        leavings.0.insert(digest(&state), left);
        Ok(Leaving { url, binding })
    }

    /// The host at which a sign-in was begun that goes on.
    pub fn began_at(&self, state: &Secret) -> Option<String> {
        self.leavings().0.get(&digest(state)).filter(|left| left.counts(self.now())).map(|left| left.host.clone())
    }

    /// Ends it, on behalf of `who`, by whom it was begun: what was granted is kept by `entries` when this returns.
    ///
    /// # Errors
    /// [`Problem::SignInGone`] where it wasn't begun by him, in this browser, just now, or the settings are others since;
    /// [`Problem::SignInFailed`] where nothing was granted; or as the store.
    pub async fn finish(self: &Arc<Self>, who: &Who, arriving: Arriving, entries: Arc<Entries>) -> Result<EntryId, Problem> {
        let left = {
            let mut leavings = self.leavings();
            let state = digest(&arriving.state);
            let mine = |left: &Left| {
                left.counts(self.now()) && left.who == *who && bool::from(left.binding.ct_eq(&digest(&arriving.binding)))
            };
            // Somebody else's isn't spoilt by trying.
            if !leavings.0.get(&state).is_some_and(mine) {
                return Err(Problem::SignInGone);
            }
            leavings.0.remove(&state).ok_or(Problem::SignInGone)?
        };
        // In a task of its own: a browser that goes on meanwhile mustn't lose what the code was spent for.
        let sign_ins = Arc::clone(self);
        tokio::spawn(async move { sign_ins.redeem(left, &arriving, entries).await }).await.unwrap_or(Err(Problem::Internal))
    }

    /// Asks what a code is worth, and keeps that.
    async fn redeem(&self, left: Left, arriving: &Arriving, entries: Arc<Entries>) -> Result<EntryId, Problem> {
        let Left { entry: id, verifier, nonce, redirect, saved, .. } = left;
        let secrets = [&arriving.code, &verifier];
        if !arriving.error.is_empty() || arriving.code.is_empty() || arriving.code.expose().len() > MAX_CODE {
            let Arriving { error, error_description, .. } = arriving.clone();
            return Err(saved.failed(&refused(&Refusal { error, error_description, ..Refusal::default() }), &secrets));
        }
        let client = saved.client.clone().with_time(super::STEP, Instant::now() + super::END);
        let granted = client.exchange(&arriving.code, &verifier, &redirect, &nonce).await;
        let granted = granted.map_err(|trouble| saved.failed(&trouble, &secrets))?;
        self.keep_new(id, &saved, &granted, entries).await?;
        Ok(id)
    }

    /// Keeps what somebody was granted who signed in just now.
    pub(super) async fn keep_new(
        &self,
        id: EntryId,
        saved: &Saved,
        granted: &crate::mailer::Granted,
        entries: Arc<Entries>,
    ) -> Result<(), Problem> {
        let Some(renew_with) = granted.refresh.clone() else {
            let detail = Some("nothing was granted that the sign-in could be renewed with: ask for it in the scope".to_owned());
            return Err(saved.failed(&Trouble { cause: Cause::TokenRefused, detail }, &[]));
        };
        let (server, note) = (saved.server.clone(), self.note_of(granted));
        let kept = tokio::task::spawn_blocking(move || entries.keep_sign_in(id, &server, &renew_with, &note)).await;
        match kept.unwrap_or(Err(Problem::Internal))? {
            Kept::Yes => {
                self.slots().remove(&id);
                Ok(())
            }
            Kept::OtherSettings => Err(Problem::SignInGone),
        }
    }

    /// A text of 256 bits that nobody can guess; also long enough for a verifier (RFC 7636 section 4.1).
    fn unguessable(&self) -> Secret {
        use base64::Engine as _;
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        self.random.fill(bytes.as_mut_slice());
        Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes.as_slice()))
    }
}

fn digest(secret: &Secret) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, secret.expose().as_bytes()).as_ref());
    out
}
