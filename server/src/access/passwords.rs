//! Passwords of accounts: what is kept is what argon2id (RFC 9106) makes of them, slowly and in much memory. So only a few are
//! checked at once, and not many more may wait.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use domain::access::{AccessError, AccessField, check_new_password};
use domain::error::Problem;
use domain::secret::Secret;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use zeroize::{Zeroize, Zeroizing};
use zxcvbn::Score;

use crate::ports::Random;
use crate::store::PasswordRecord;

/// How many passwords are checked at once.
pub const AT_ONCE: usize = 2;
/// How many more may wait for that.
pub const WAITING: usize = 32;
/// The bytes of a salt, and of what is made of the password.
const SALT: usize = 16;
const TAG: usize = 32;
/// The most memory that a record may ask for: KiB. It is ours, but what it says is not believed without a limit.
const MOST_MEMORY: u32 = 1 << 20;
const MOST_PASSES: u32 = 64;
/// The characters of a password that are looked at to find out whether it is easily guessed: that takes more than linear time.
const LOOKED_AT: usize = 100;

/// What checking a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory: KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// What it costs in earnest: as the second recommended option of RFC 9106 section 4, but in one lane.
    pub const PRODUCTION: Self = Self { memory: 64 << 10, passes: 3, lanes: 1 };
    /// Next to nothing, for tests.
    pub const TINY: Self = Self { memory: 8, passes: 1, lanes: 1 };

    const fn of(record: &PasswordRecord) -> Self {
        Self { memory: record.memory, passes: record.passes, lanes: record.lanes }
    }
}

/// Makes and checks what is kept of passwords.
pub(super) struct Passwords {
    cost: Cost,
    random: Arc<dyn Random + Send + Sync>,
    places: Arc<Semaphore>,
    queue: Semaphore,
}

impl Passwords {
    pub(super) fn new(cost: Cost, random: Arc<dyn Random + Send + Sync>) -> Self {
        Self { cost, random, places: Arc::new(Semaphore::new(AT_ONCE)), queue: Semaphore::new(AT_ONCE + WAITING) }
    }

    /// What is kept of a password.
    ///
    /// # Errors
    /// [`Problem::Busy`].
    pub(super) async fn hash(&self, password: &Secret) -> Result<PasswordRecord, Problem> {
        let (password, cost) = (password.clone(), self.cost);
        let mut salt = vec![0; SALT];
        self.random.fill(&mut salt);
        self.in_turn(move || {
            let tag = tag(cost, &password, &salt)?.to_vec();
            Ok(PasswordRecord { memory: cost.memory, passes: cost.passes, lanes: cost.lanes, salt, tag })
        })
        .await
    }

    /// Whether `password` is the one that `record` was made of. Where there is no record it isn't, after the same work.
    ///
    /// # Errors
    /// [`Problem::Busy`]; [`Problem::Corrupt`] for a record that can't be one.
    pub(super) async fn check(&self, password: &Secret, record: Option<&PasswordRecord>) -> Result<bool, Problem> {
        let password = password.clone();
        let record = record.cloned();
        let cost = record.as_ref().map_or(self.cost, Cost::of);
        self.in_turn(move || match record {
            Some(record) => Ok(tag(cost, &password, &record.salt)?.as_slice().ct_eq(&record.tag).into()),
            None => tag(cost, &password, &[0; SALT]).map(|_| false),
        })
        .await
    }

    /// Whether a record was made at another cost than it would be made at now.
    pub(super) fn is_outdated(&self, record: &PasswordRecord) -> bool {
        Cost::of(record) != self.cost
    }

    /// Runs `work` when it is its turn, where it may take its time.
    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
        let _waiting = self.queue.try_acquire().map_err(|_| Problem::Busy)?;
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Problem::Busy)?;
        let work = tokio::task::spawn_blocking(move || {
            // Held until it is done, also where nobody waits for it any more.
            let _place = place;
            work()
        });
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "checking a password broke off");
            Err(Problem::Internal)
        })
    }
}

fn tag(cost: Cost, password: &Secret, salt: &[u8]) -> Result<Zeroizing<[u8; TAG]>, Problem> {
    let corrupt = || Problem::Corrupt { detail: "the password of an account".into() };
    if cost.memory > MOST_MEMORY || cost.passes > MOST_PASSES {
        return Err(corrupt());
    }
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(TAG)).map_err(|_| corrupt())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut memory = vec![Block::default(); argon2.params().block_count()];
    let mut tag = Zeroizing::new([0; TAG]);
    let hashed =
        argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, tag.as_mut_slice(), memory.as_mut_slice());
    memory.zeroize();
    hashed.map_err(|_| corrupt())?;
    Ok(tag)
}

/// What is wrong with a new password of the account with this name. It may take a few milliseconds.
///
/// # Errors
/// The field, and what is wrong with it.
pub(super) fn check_new(name: &str, new: &Secret, confirm: &Secret) -> Result<(), (AccessField, AccessError)> {
    check_new_password(new, confirm)?;
    if is_guessable(name, new) { Err((AccessField::NewPassword, AccessError::Guessable)) } else { Ok(()) }
}

fn is_guessable(name: &str, password: &Secret) -> bool {
    let looked_at: Zeroizing<String> = Zeroizing::new(password.expose().chars().take(LOOKED_AT).collect());
    let mut known = vec![name, "postroom"];
    known.extend(name.split(['.', '-', '_', '@']).filter(|part| part.len() > 2));
    zxcvbn::zxcvbn(&looked_at, &known).score() < Score::Three
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemRandom;

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    fn passwords(cost: Cost) -> Passwords {
        Passwords::new(cost, Arc::new(SystemRandom))
    }

    #[test]
    fn in_earnest_a_password_costs_64_mib_and_three_passes() {
        assert_eq!(Cost::PRODUCTION, Cost { memory: 65_536, passes: 3, lanes: 1 });
        assert_eq!((AT_ONCE, WAITING), (2, 32));
    }

    #[tokio::test]
    async fn a_record_is_of_its_password_only_and_of_its_own_salt() {
        let passwords = passwords(Cost::TINY);
        let right = secret("four words that nobody knows");
        let (one, other) = (passwords.hash(&right).await.unwrap(), passwords.hash(&right).await.unwrap());
        assert_ne!(one.salt, other.salt);
        assert_ne!(one.tag, other.tag);
        assert_eq!(passwords.check(&right, Some(&one)).await, Ok(true));
        for wrong in ["four words that nobody know", "four words that nobody knows ", ""] {
            assert_eq!(passwords.check(&secret(wrong), Some(&one)).await, Ok(false), "{wrong}");
        }
        assert_eq!(passwords.check(&right, None).await, Ok(false));
        let longer = PasswordRecord { tag: [&one.tag[..], &[0]].concat(), ..one.clone() };
        assert_eq!(passwords.check(&right, Some(&longer)).await, Ok(false));
        let absurd = PasswordRecord { memory: u32::MAX, ..one };
        assert!(matches!(passwords.check(&right, Some(&absurd)).await, Err(Problem::Corrupt { .. })));
    }

    #[tokio::test]
    async fn a_record_says_what_it_was_made_with() {
        let dearer = Cost { passes: 2, ..Cost::TINY };
        let (before, now) = (passwords(Cost::TINY), passwords(dearer));
        let right = secret("four words that nobody knows");
        let record = before.hash(&right).await.unwrap();
        assert_eq!(now.check(&right, Some(&record)).await, Ok(true), "it is still read");
        assert!(now.is_outdated(&record) && !before.is_outdated(&record));
        assert!(!now.is_outdated(&now.hash(&right).await.unwrap()));
    }

    #[tokio::test]
    async fn whoever_comes_when_too_many_wait_is_sent_away() {
        let passwords = Arc::new(passwords(Cost::TINY));
        let all = passwords.places.acquire_many(2).await.unwrap();
        let waiting: Vec<_> = (0..AT_ONCE + WAITING)
            .map(|_| {
                let passwords = Arc::clone(&passwords);
                tokio::spawn(async move { passwords.hash(&Secret::new("x".into())).await })
            })
            .collect();
        while passwords.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.hash(&secret("x")).await, Err(Problem::Busy));
        drop(all);
        for waits in waiting {
            assert!(waits.await.unwrap().is_ok());
        }
    }

    #[test]
    fn what_is_easily_guessed_is_refused_with_the_name_and_ours() {
        let check = |text: &str| check_new("anna.example", &secret(text), &secret(text));
        for text in ["passwordpassword", "qwertyuiopasdf", "anna.example1", "postroom2026", "aaaaaaaaaaaaaaaa", "123456789012"] {
            assert_eq!(check(text), Err((AccessField::NewPassword, AccessError::Guessable)), "{text}");
        }
        for text in ["violet anchor tundra", "kX9#mq2!vLw4", &"correct horse battery staple ".repeat(8)] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        assert_eq!(check("short"), Err((AccessField::NewPassword, AccessError::TooShort)));
    }
}
