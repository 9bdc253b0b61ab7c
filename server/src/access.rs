//! The rules of access: accounts and their passwords, second factors, links, sessions and API tokens, and how attempts are held
//! back. Whatever changes something also writes its line of the activity, in the same transaction. Of what anybody gets in by, only
//! digests are kept.

mod accounts;
mod links;
mod passwords;
mod second_factor;
mod sessions;
pub(crate) mod throttle;
mod tokens;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use app::backend::{Caller, Origin};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::access::{AccountId, Act, Who};
use domain::activity::{Deed, Happening, Subject};
use domain::error::Problem;
use domain::secret::Secret;
use domain::words;
use zeroize::{Zeroize, Zeroizing};

pub use accounts::MAX_ACCOUNTS;
pub use passwords::{AT_ONCE, Cost, WAITING};
pub use second_factor::RECOVERY_CODES;
pub use sessions::{AWAITING_MS, MAX_SESSIONS};
pub use tokens::{MAX_TOKENS, TOKEN_PREFIX};

use self::passwords::Passwords;
use self::sessions::Seen;
use self::throttle::{Attempt, Key, Throttle};
use crate::activity;
use crate::entries::Entries;
use crate::ports::{Clock, Random};
use crate::store::{AccountRecord, Digest, Read, Store, StoreError, Write};
use crate::vault::Vault;

/// The bytes of what lets somebody in.
const TOKEN_BYTES: usize = 32;
/// How often the refusals of one account are written down at most: milliseconds.
const REFUSALS_MS: u64 = 1_000;
/// Whose refusals are remembered, to write down no more than that.
const MAX_REFUSED: usize = 2_000;

/// The accounts, with all that lets somebody in.
pub struct Accounts {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock + Send + Sync>,
    random: Arc<dyn Random + Send + Sync>,
    passwords: Passwords,
    throttle: Throttle,
    seen: Seen,
    /// When each account or token was last refused something that was written down.
    refused: Mutex<HashMap<String, u64>>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts(…)")
    }
}

impl Accounts {
    /// The accounts that lie beside `entries`. Checking a password takes `cost`.
    pub fn new(entries: &Entries, random: Arc<dyn Random + Send + Sync>, cost: Cost) -> Self {
        let clock = Arc::clone(entries.clock());
        Self {
            store: Arc::clone(entries.store()),
            vault: Arc::clone(entries.vault()),
            passwords: Passwords::new(cost, Arc::clone(&random)),
            throttle: Throttle::default(),
            seen: Seen::default(),
            refused: Mutex::default(),
            clock,
            random,
        }
    }

    /// Whether there is any account.
    ///
    /// # Errors
    /// As the store.
    pub fn is_set_up(&self) -> Result<bool, Problem> {
        self.store.reading(|tx| Ok(!tx.accounts()?.is_empty()))
    }

    /// Removes sessions and links that are over. Returns how many went.
    ///
    /// # Errors
    /// As the store.
    pub fn purge(&self) -> Result<usize, Problem> {
        let gone = self.purge_sessions()? + self.purge_links()?;
        let now = self.now_ms();
        self.throttle.forget(now);
        self.refused().retain(|_, at| now.abs_diff(*at) < REFUSALS_MS);
        Ok(gone)
    }

    /// Writes down that the caller was refused something, unless it was just done.
    ///
    /// # Errors
    /// As the store.
    pub fn note_refusal(&self, caller: &Caller, act: Act) -> Result<(), Problem> {
        let now = self.now_ms();
        let key = match &caller.who {
            Who::Account { id, .. } => format!("account {id}"),
            Who::Token { id, .. } => format!("token {id}"),
            Who::Nobody | Who::CommandLine | Who::Postroom => return Ok(()),
        };
        {
            let mut refused = self.refused();
            if refused.get(&key).is_some_and(|at| now.abs_diff(*at) < REFUSALS_MS) {
                return Ok(());
            }
            if refused.len() >= MAX_REFUSED {
                refused.retain(|_, at| now.abs_diff(*at) < REFUSALS_MS);
            }
            if refused.len() < MAX_REFUSED {
                refused.insert(key, now);
            }
        }
        let detail = words::problem(&Problem::NotAllowed { act });
        let what = Happening { detail, ..by(caller, Deed::Refused) };
        self.store.writing(|tx| Ok(activity::record(tx, now, &what)?))
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// A text of 256 bits that nobody can guess.
    fn new_token(&self) -> Secret {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        self.random.fill(bytes.as_mut_slice());
        Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
    }

    /// A number that nothing else of its kind has: 52 random bits, which every reader of JSON takes for what they are.
    fn new_id(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_be_bytes(bytes) >> 12
    }

    /// Runs `work` where it may block: every call of the store waits for the disk.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let accounts = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&accounts)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a call about access broke off");
            Err(Problem::Internal)
        })
    }

    /// Begins an attempt that may fail too often.
    ///
    /// # Errors
    /// [`Problem::WaitBefore`].
    fn attempt(&self, keys: Vec<Key>) -> Result<Attempt<'_>, Problem> {
        self.throttle.begin(keys, self.now_ms()).map_err(|seconds| Problem::WaitBefore { seconds })
    }

    /// Something that can't be guessed was wrong: that counts for the address. The line is written when it begins to be held back.
    ///
    /// # Errors
    /// [`Problem::WaitBefore`], or as the store; else `problem`.
    fn guessed<T>(&self, address: &str, problem: Problem) -> Result<T, Problem> {
        let attempt = self.attempt(vec![Key::address(address)])?;
        let now = self.now_ms();
        if attempt.failed(now) {
            let what = happening(Who::Nobody, address, Deed::SignInThrottled);
            self.store.writing(|tx| Ok(activity::record(tx, now, &what)?))?;
        }
        Err(problem)
    }

    /// Writes down an attempt that was really checked and failed; with `begins`, also that further ones are held back.
    fn write_failed(&self, begins: bool, from: &Origin, subject: Option<Subject>, detail: &str) -> Result<(), Problem> {
        let now = self.now_ms();
        let refused = happening(Who::Nobody, &from.address, Deed::SignInRefused);
        let refused = Happening { subjects: subject.into_iter().collect(), detail: detail.into(), ..refused };
        let throttled = begins.then(|| Happening { deed: Deed::SignInThrottled, detail: String::new(), ..refused.clone() });
        self.store.writing(|tx| {
            activity::record(tx, now, &refused)?;
            throttled.iter().try_for_each(|what| activity::record(tx, now, what))?;
            Ok(())
        })
    }

    /// Checks the password of an account that is there, as an attempt. `wrong` is what a wrong one comes to.
    ///
    /// # Errors
    /// [`Problem::WaitBefore`], [`Problem::Busy`], `wrong`, or as the store.
    async fn prove(
        self: &Arc<Self>,
        id: AccountId,
        password: &Secret,
        from: &Origin,
        wrong: Problem,
    ) -> Result<AccountRecord, Problem> {
        let (record, kept) =
            self.blocking(move |all| all.store.reading(|tx| Ok((account(tx, id)?, tx.account_password(id)?)))).await?;
        let attempt = self.attempt(vec![Key::name(&record.name), Key::address(&from.address)])?;
        if self.passwords.check(password, kept.as_ref()).await? {
            attempt.succeeded(self.now_ms());
            return Ok(record);
        }
        let begins = attempt.failed(self.now_ms());
        let (from, subject) = (from.clone(), subject(id, &record));
        self.blocking(move |all| all.write_failed(begins, &from, Some(subject), "the password, typed again")).await?;
        Err(wrong)
    }
}

/// The account whose owner asks.
///
/// # Errors
/// [`Problem::NotSignedIn`].
fn owner(caller: &Caller) -> Result<AccountId, Problem> {
    match &caller.who {
        Who::Account { id, .. } => Ok(*id),
        _ => Err(Problem::NotSignedIn),
    }
}

/// Where a caller's request comes from.
fn origin(caller: &Caller) -> Origin {
    Origin { address: caller.address.clone(), agent: String::new() }
}

/// SHA-256 of what is never kept itself.
pub(crate) fn digest(secret: &Secret) -> Digest {
    digest_of(secret.expose().as_bytes())
}

fn digest_of(bytes: &[u8]) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}

/// Base32 (RFC 4648 section 6) without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut kept, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        kept = (kept << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(kept >> bits & 31) as usize]));
        }
        kept &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(kept << (5 - bits) & 31) as usize]));
    }
    kept.zeroize();
    text
}

/// A line that says only who did what, and from where.
fn happening(who: Who, address: &str, deed: Deed) -> Happening {
    Happening { who, address: words::quote(address), deed, subjects: Vec::new(), changes: Vec::new(), detail: String::new() }
}

/// A line of what the caller did.
fn by(caller: &Caller, deed: Deed) -> Happening {
    happening(caller.who.clone(), &caller.address, deed)
}

/// An account as a line of the activity names it.
fn subject(id: AccountId, record: &AccountRecord) -> Subject {
    Subject { kind: "account".into(), id: Some(id.0), name: record.name.clone() }
}

/// The owner of an account as a line names whoever did something.
fn who(id: AccountId, record: &AccountRecord) -> Who {
    Who::Account { id, name: record.name.clone() }
}

/// The account that has a name, given as [`domain::access::name_key`].
fn account_named(tx: &(impl Read + ?Sized), key: &str) -> Result<Option<(AccountId, AccountRecord)>, StoreError> {
    Ok(tx.accounts()?.into_iter().find(|(_, record)| domain::access::name_key(&record.name) == key))
}

fn account(tx: &(impl Read + ?Sized), id: AccountId) -> Result<AccountRecord, Problem> {
    tx.account(id)?.ok_or(Problem::NoSuchAccess)
}

/// Refuses somebody whose role was changed or whose account was removed since he was let in.
fn still_may(tx: &dyn Write, caller: &Caller) -> Result<(), Problem> {
    match &caller.who {
        Who::Account { id, .. } if tx.account(*id)?.map(|record| record.role) != caller.permit.role => Err(Problem::NotSignedIn),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")] {
            assert_eq!(base32(bytes.as_bytes()), text, "{bytes}");
        }
    }
}
