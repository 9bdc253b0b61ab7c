//! Sign-ins at sign-in services: access tokens that are kept in memory while they count, asked for once however many wait for one, and
//! renewed before anybody misses them; and how somebody signs a mailbox in, in the browser or with a device code.
//!
//! What is kept of a sign-in lies sealed in the store (`entries`); what is said to a service is the mailer's affair.

mod browser;
mod device;
mod renewal;
mod tokens;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use domain::diagnosis::{Diagnosis, diagnose_sign_in};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::secret::Secret;
use domain::smtp_server::SmtpServer;
use domain::transcript::Cause;
use tokio::time::Instant;

use crate::entries::{Entries, GrantedNote, Secrets};
use crate::mailer::{Granted, Mailer, TokenClient, Trouble, shown};
use crate::ports::Random;
use crate::runs::{Keys, client_key};
use crate::seal::Fingerprint;

pub use tokens::Source;
pub(crate) use tokens::passes;

/// How long a question to a service may take at most: each of its steps, and all of it.
const STEP: Duration = Duration::from_secs(15);
const END: Duration = Duration::from_mins(1);
/// How long the end of the program waits for an answer that is still to come.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The sign-ins of this process.
pub struct SignIns {
    entries: Arc<Entries>,
    mailer: Arc<Mailer>,
    random: Arc<dyn Random + Send + Sync>,
    /// Where people reach the page, without a slash at its end.
    base: OnceLock<String>,
    slots: Mutex<HashMap<EntryId, Arc<tokens::Slot>>>,
    leaving: Mutex<browser::Leavings>,
    devices: Mutex<HashMap<EntryId, device::Device>>,
    /// Milliseconds that are taken to have gone by besides those that have.
    passed_ms: AtomicU64,
}

/// Settings that are saved, and what asks for tokens with them.
struct Saved {
    server: SmtpServer,
    client: TokenClient,
    key: Fingerprint,
    /// The client secret, or the password.
    secret: Option<Secret>,
}

impl Saved {
    /// What went wrong, without the secrets that were sent.
    fn failed(&self, trouble: &Trouble, secrets: &[&Secret]) -> Problem {
        let all: Vec<&Secret> = self.secret.iter().chain(secrets.iter().copied()).collect();
        failed(trouble, &all)
    }
}

impl SignIns {
    /// The sign-ins of `entries`, made through `mailer`.
    pub fn new(entries: Arc<Entries>, mailer: Arc<Mailer>, random: Arc<dyn Random + Send + Sync>) -> Self {
        Self {
            entries,
            mailer,
            random,
            base: OnceLock::new(),
            slots: Mutex::default(),
            leaving: Mutex::default(),
            devices: Mutex::default(),
            passed_ms: AtomicU64::new(0),
        }
    }

    /// As if so much time went by, for tests: tokens get older, and whoever is to wait has waited.
    pub fn pass(&self, time: Duration) {
        self.passed_ms.fetch_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn now(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.passed_ms.load(Ordering::Relaxed))
    }

    /// Says where people reach the page, such as `https://post.example.com`. It is said once, when it is known.
    pub fn serve_at(&self, base: impl Into<String>) {
        // Said twice, the first counts.
        let _ = self.base.set(base.into());
    }

    /// Where whoever signs in comes back to.
    pub fn redirect(&self) -> String {
        format!("{}/oauth/callback", self.base.get().map_or("http://localhost", String::as_str))
    }

    /// What asks for tokens with what is saved of `id`.
    async fn saved(&self, id: EntryId) -> Result<Saved, Problem> {
        let (server, keys, trust, fingerprint) = self
            .entries
            .blocking(move |entries| {
                let (_, content) = entries.content(id)?;
                let server = content.server().filter(|server| server.oauth().is_some()).cloned();
                let server = server.ok_or_else(|| failed(&Cause::NotSignedIn.into(), &[]))?;
                let keys = Keys::stored(entries, id, &server)?;
                let key = fingerprint(entries, &server, &keys);
                Ok((server, keys, entries.trusted().known()?.trust(), key))
            })
            .await?;
        let key = fingerprint.ok_or(Problem::Internal)?;
        let application = keys.client_certificate.as_ref().map(client_key).transpose()?;
        let time = (STEP, Instant::now() + END);
        let client = self.mailer.token_client(&server, keys.password.as_ref(), application.as_ref(), Some(&trust), time);
        Ok(Saved { client: client.map_err(|trouble| failed(&trouble, &[]))?, server, key, secret: keys.password })
    }

    /// Forgets every token of an entry that is in memory: its settings were changed, it is gone, or somebody wants it so.
    pub fn forget(&self, id: EntryId) {
        self.slots().remove(&id);
        if let Some(device) = self.devices().remove(&id) {
            device.give_up();
        }
        self.leavings().forget(id);
    }

    /// Forgets the token of an entry that was saved anew. Whoever asks just now still ends; nobody else asks beside him.
    pub fn changed(self: &Arc<Self>, id: EntryId) {
        let Some(slot) = self.slots().get(&id).cloned() else { return };
        let sign_ins = Arc::clone(self);
        tokio::spawn(async move {
            slot.idle().await;
            let there = sign_ins.entries.blocking(move |entries| entries.has_sign_in(id)).await.unwrap_or(true);
            slot.wipe(!there).await;
        });
    }

    /// Waits until nobody asks for tokens of these entries; but not for ever.
    pub async fn idle(&self, ids: &[EntryId]) {
        let slots: Vec<_> = ids.iter().filter_map(|id| self.slots().get(id).cloned()).collect();
        let all = async {
            for slot in slots {
                slot.idle().await;
            }
        };
        // Who goes on asking after that loses what he is told.
        let _ = tokio::time::timeout(LAST_WORDS, all).await;
    }

    /// Waits until no token is being asked for, so that none is granted that isn't kept; but not for ever.
    pub async fn settle(&self) {
        let ids: Vec<EntryId> = self.slots().keys().copied().collect();
        self.idle(&ids).await;
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<EntryId, Arc<tokens::Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn devices(&self) -> MutexGuard<'_, HashMap<EntryId, device::Device>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leavings(&self) -> MutexGuard<'_, browser::Leavings> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is told of a token.
    fn note_of(&self, granted: &Granted) -> GrantedNote {
        let left = granted.left().map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let valid_until_ms = left.map(|left| self.entries.now_ms().saturating_add(left));
        GrantedNote { account: granted.account.clone(), valid_until_ms }
    }
}

/// What tells settings with their secrets from others.
fn fingerprint(entries: &Entries, server: &SmtpServer, keys: &Keys) -> Option<Fingerprint> {
    let used = keys.client_certificate.as_ref().filter(|_| server.has_use_for_client_certificate());
    entries.fingerprint(server, Secrets { password: keys.password.as_ref(), client_certificate: used })
}

/// What went wrong, as a problem. What a service says may hold `secrets`, if it means us ill.
fn failed(trouble: &Trouble, secrets: &[&Secret]) -> Problem {
    Problem::SignInFailed(Box::new(diagnosed(trouble, secrets)))
}

fn diagnosed(trouble: &Trouble, secrets: &[&Secret]) -> Diagnosis {
    let detail = trouble.detail.as_deref().map(|detail| shown(detail, secrets));
    diagnose_sign_in(trouble.cause, detail.as_deref())
}
