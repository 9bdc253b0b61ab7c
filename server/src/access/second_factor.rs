//! The second factor: codes from an app (TOTP, RFC 6238), and codes for recovery, each good for one use.

use std::sync::Arc;

use app::backend::{Caller, Offer, Origin, SignedIn};
use domain::access::AccountId;
use domain::activity::Deed;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::secret::Secret;
use subtle::ConstantTimeEq as _;
use totp_rs::{Algorithm, Builder};
use zeroize::Zeroizing;

use super::sessions::{current, signed_in};
use super::throttle::Key;
use super::{Accounts, account, base32, by, digest_of, origin, owner, subject};
use crate::activity;
use crate::store::{AccountRecord, Digest, Read, SecondFactor, SecretField, Write};
use crate::vault::Unopened;

/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;
/// The bytes of a recovery code: 120 bits, so that a plain digest keeps it.
const RECOVERY_BYTES: usize = 15;
/// The characters of a recovery code that stand together.
const GROUP: usize = 4;
/// The bytes of what codes are made with (RFC 4226 section 4).
const SECRET_BYTES: usize = 20;
/// A code is for so many seconds, and those around it are taken as well (RFC 6238 section 5.2).
const STEP: u64 = 30;

/// What a code turned out to be.
enum Code {
    /// One from the app, of this step.
    App(u64),
    /// One for recovery.
    Recovery(Digest),
}

impl Accounts {
    /// Makes of a session that awaits a code another one that doesn't.
    ///
    /// # Errors
    /// [`Problem::NotSignedIn`] where there is no such session (any more); [`Problem::SignInRefused`] for a wrong code;
    /// [`Problem::WaitBefore`], or as the store.
    pub async fn give_code(self: &Arc<Self>, session: Secret, code: Secret, from: Origin) -> Result<SignedIn, Problem> {
        let token = self.new_token();
        let given = token.clone();
        self.blocking(move |all| {
            let now = all.now_ms();
            let caller =
                all.enter(&session, &from.address)?.filter(|caller| caller.session.is_some_and(|session| session.awaits_code));
            let caller = caller.ok_or(Problem::NotSignedIn)?;
            let id = owner(&caller)?;
            let attempt = all.attempt(vec![Key::Codes(id), Key::address(&from.address)])?;
            let is_right = all.store.writing(|tx| {
                let record = account(&*tx, id)?;
                let Some(found) = all.find(&*tx, id, &record, &code)? else { return Ok(false) };
                let (old, half) = current(&*tx, &caller)?;
                tx.remove_session(&old)?;
                let (used, how) = spent(&record, &found);
                if matches!(found, Code::Recovery(_)) {
                    activity::record(tx, now, &by(&caller, Deed::RecoveryCodeUsed))?;
                }
                all.begin(tx, id, &token, &from, half.confirmed_ms, false)?;
                signed_in(tx, id, used, &from, now, how)?;
                Ok(true)
            })?;
            if is_right {
                attempt.succeeded(now);
                return Ok(());
            }
            let begins = attempt.failed(now);
            let record = all.store.reading(|tx| account(tx, id))?;
            all.write_failed(begins, &from, Some(subject(id, &record)), "a wrong code")?;
            Err(Problem::SignInRefused)
        })
        .await?;
        Ok(SignedIn { session: given, needs_code: false })
    }

    /// Offers the caller a second factor; an earlier offer is void.
    ///
    /// # Errors
    /// [`Problem::Malformed`] where one is on already; or as the store.
    pub fn offer_second_factor(&self, caller: &Caller) -> Result<Offer, Problem> {
        let id = owner(caller)?;
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        self.random.fill(bytes.as_mut_slice());
        let secret = Secret::new(base32(bytes.as_slice()));
        let record = self.store.writing(|tx| {
            let record = account(&*tx, id)?;
            if matches!(record.second_factor, SecondFactor::On { .. }) {
                return Err(Problem::Malformed { detail: "a second factor is on already; switch it off first".into() });
            }
            tx.put_account(id, &AccountRecord { second_factor: SecondFactor::Offered, ..record.clone() })?;
            self.vault.put(tx, EntryId(id.0), SecretField::SecondFactor, &secret)?;
            Ok(record)
        })?;
        Ok(offer(&record.name, secret))
    }

    /// The offer that is open.
    ///
    /// # Errors
    /// As the store.
    pub fn offered_second_factor(&self, caller: &Caller) -> Result<Option<Offer>, Problem> {
        let id = owner(caller)?;
        self.store.reading(|tx| {
            let record = account(tx, id)?;
            if record.second_factor != SecondFactor::Offered {
                return Ok(None);
            }
            Ok(self.secret(tx, id)?.map(|secret| offer(&record.name, secret)))
        })
    }

    /// Switches the offered second factor on; the codes for recovery are told this once.
    ///
    /// # Errors
    /// [`Problem::CodeWrong`]; [`Problem::NoSuchAccess`] where none is offered; [`Problem::WaitBefore`], or as the store.
    pub fn second_factor_on(&self, caller: &Caller, code: &Secret) -> Result<Vec<Secret>, Problem> {
        let (id, now) = (owner(caller)?, self.now_ms());
        let attempt = self.attempt(vec![Key::Codes(id), Key::address(&caller.address)])?;
        let codes = self.recovery_codes();
        let on = self.store.writing(|tx| {
            let record = account(&*tx, id)?;
            if record.second_factor != SecondFactor::Offered {
                return Err(Problem::NoSuchAccess);
            }
            let secret = self.secret(&*tx, id)?.ok_or(Problem::NoSuchAccess)?;
            let Some(last_step) = step_of(&secret, code.expose().trim(), now)? else { return Ok(false) };
            let recovery = codes.iter().map(|code| recovery_digest(code.expose())).collect();
            tx.put_account(id, &AccountRecord { second_factor: SecondFactor::On { last_step, recovery }, ..record })?;
            activity::record(tx, now, &by(caller, Deed::SecondFactorOn))?;
            Ok(true)
        })?;
        if on {
            attempt.succeeded(now);
            return Ok(codes);
        }
        let begins = attempt.failed(now);
        let record = self.store.reading(|tx| account(tx, id))?;
        self.write_failed(begins, &origin(caller), Some(subject(id, &record)), "a wrong code, at switching the second factor on")?;
        Err(Problem::CodeWrong)
    }

    /// Switches it off.
    ///
    /// # Errors
    /// As the store.
    pub fn second_factor_off(&self, caller: &Caller) -> Result<(), Problem> {
        let (id, now) = (owner(caller)?, self.now_ms());
        self.store.writing(|tx| {
            if self.drop_second_factor(tx, id)? {
                activity::record(tx, now, &by(caller, Deed::SecondFactorOff))?;
            }
            Ok(())
        })
    }

    /// New codes for recovery; those of before are void.
    ///
    /// # Errors
    /// [`Problem::NoSuchAccess`] where no second factor is on; or as the store.
    pub fn new_recovery_codes(&self, caller: &Caller) -> Result<Vec<Secret>, Problem> {
        let (id, now) = (owner(caller)?, self.now_ms());
        let codes = self.recovery_codes();
        self.store.writing(|tx| {
            let record = account(&*tx, id)?;
            let SecondFactor::On { last_step, .. } = record.second_factor else { return Err(Problem::NoSuchAccess) };
            let recovery = codes.iter().map(|code| recovery_digest(code.expose())).collect();
            tx.put_account(id, &AccountRecord { second_factor: SecondFactor::On { last_step, recovery }, ..record })?;
            Ok(activity::record(tx, now, &by(caller, Deed::RecoveryCodesMade))?)
        })?;
        Ok(codes)
    }

    /// Removes the second factor of an account, on or offered. Whether it was on.
    pub(super) fn drop_second_factor(&self, tx: &mut dyn Write, id: AccountId) -> Result<bool, Problem> {
        let record = account(&*tx, id)?;
        let was_on = matches!(record.second_factor, SecondFactor::On { .. });
        tx.put_account(id, &AccountRecord { second_factor: SecondFactor::Off, ..record })?;
        self.vault.remove(tx, EntryId(id.0), SecretField::SecondFactor)?;
        Ok(was_on)
    }

    fn secret(&self, tx: &(impl Read + ?Sized), id: AccountId) -> Result<Option<Secret>, Problem> {
        self.vault.get(tx, EntryId(id.0), SecretField::SecondFactor).map_err(|unopened| match unopened {
            Unopened::Store(error) => error.into(),
            Unopened::Sealed(_) => Problem::Corrupt { detail: format!("the second factor of account {id}") },
        })
    }

    /// What `code` is of the account, if it is any.
    fn find(
        &self,
        tx: &(impl Read + ?Sized),
        id: AccountId,
        record: &AccountRecord,
        code: &Secret,
    ) -> Result<Option<Code>, Problem> {
        let SecondFactor::On { last_step, recovery } = &record.second_factor else { return Ok(None) };
        let typed: Zeroizing<String> = Zeroizing::new(code.expose().split_whitespace().collect());
        if typed.len() <= 8 && typed.bytes().all(|byte| byte.is_ascii_digit()) {
            let Some(secret) = self.secret(tx, id)? else { return Ok(None) };
            return Ok(step_of(&secret, &typed, self.now_ms())?.filter(|step| step > last_step).map(Code::App));
        }
        let typed = recovery_digest(&typed);
        Ok(recovery.iter().find(|kept| bool::from(kept.ct_eq(&typed))).map(|kept| Code::Recovery(*kept)))
    }

    fn recovery_codes(&self) -> Vec<Secret> {
        let code = |_| {
            let mut bytes = Zeroizing::new([0; RECOVERY_BYTES]);
            self.random.fill(bytes.as_mut_slice());
            let letters = Zeroizing::new(base32(bytes.as_slice()).to_ascii_lowercase());
            let mut code = String::with_capacity(letters.len() / GROUP * (GROUP + 1));
            for (at, letter) in letters.chars().enumerate() {
                if at > 0 && at % GROUP == 0 {
                    code.push('-');
                }
                code.push(letter);
            }
            Secret::new(code)
        };
        (0..RECOVERY_CODES).map(code).collect()
    }

    /// How many recovery codes an account still has.
    pub(super) fn recovery_left(record: &AccountRecord) -> u64 {
        match &record.second_factor {
            SecondFactor::On { recovery, .. } => recovery.len() as u64,
            SecondFactor::Off | SecondFactor::Offered => 0,
        }
    }
}

/// The account after a code was used, and how that is told.
fn spent(record: &AccountRecord, code: &Code) -> (AccountRecord, &'static str) {
    let SecondFactor::On { last_step, recovery } = &record.second_factor else { return (record.clone(), "") };
    let (last_step, recovery, how) = match code {
        Code::App(step) => (*step, recovery.clone(), "with a code"),
        Code::Recovery(used) => {
            (*last_step, recovery.iter().filter(|kept| *kept != used).copied().collect(), "with a recovery code")
        }
    };
    (AccountRecord { second_factor: SecondFactor::On { last_step, recovery }, ..record.clone() }, how)
}

/// The step that a code is of, if it is of one around now.
fn step_of(secret: &Secret, code: &str, now_ms: u64) -> Result<Option<u64>, Problem> {
    let corrupt = || Problem::Corrupt { detail: "the secret of a second factor".into() };
    let secret = totp_rs::Secret::try_from_base32(secret.expose()).map_err(|_| corrupt())?;
    let totp =
        Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_skew(1).with_step_duration(STEP).with_secret(secret);
    Ok(totp.build().map_err(|_| corrupt())?.check(code, now_ms / 1_000))
}

/// A recovery code is the same however it is written.
fn recovery_digest(code: &str) -> Digest {
    let letters: Zeroizing<String> =
        Zeroizing::new(code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase());
    digest_of(letters.as_bytes())
}

fn offer(name: &str, secret: Secret) -> Offer {
    let label: String = name
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let uri =
        format!("otpauth://totp/Postroom:{label}?secret={}&issuer=Postroom&algorithm=SHA1&digits=6&period={STEP}", secret.expose());
    Offer { secret, uri: Secret::new(uri) }
}
