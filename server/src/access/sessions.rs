//! Sessions: what a cookie stands for, until it isn't used for a while, is too old, or is ended.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::backend::{Caller, Origin, SessionState, SignedIn};
use domain::access::{AccountId, FRESH_MS, IDLE_MS, Permit, SESSION_MS, SessionId, name_key};
use domain::activity::{Deed, Happening};
use domain::error::Problem;
use domain::secret::Secret;
use domain::words;

use super::throttle::Key;
use super::{Accounts, account_named, by, digest, happening, origin, owner, subject, who};
use crate::activity;
use crate::store::{AccountRecord, Digest, Read, SecondFactor, SessionRecord, StoreError, Write};

/// How long a session waits for the code of a second factor: milliseconds.
pub const AWAITING_MS: u64 = 5 * 60 * 1000;
/// The most sessions of an account; of more, the oldest ends.
pub const MAX_SESSIONS: usize = 50;
/// The most sessions of an account that await a code; of more, the oldest ends.
const MAX_AWAITING: usize = 5;
/// How exactly the last use is kept on the disk: milliseconds.
const KEPT_MS: u64 = 60 * 1000;
/// The most characters that are kept of what a browser calls itself.
const MAX_AGENT: usize = 200;

/// When sessions and tokens were last used, exactly: the disk knows it to the minute.
#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<Digest, u64>>);

impl Seen {
    fn table(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, digest: &Digest) -> Option<u64> {
        self.table().get(digest).copied()
    }

    fn set(&self, digest: Digest, now: u64) {
        self.table().insert(digest, now);
    }

    fn forget(&self, digest: &Digest) {
        self.table().remove(digest);
    }
}

/// When a session ends unless it is used, and when in any case, where that is sooner.
fn ends_ms(record: &SessionRecord, seen_ms: u64) -> u64 {
    if record.awaits_code {
        return record.since_ms + AWAITING_MS;
    }
    (seen_ms.max(record.seen_ms) + IDLE_MS).min(record.since_ms + SESSION_MS)
}

impl Accounts {
    /// Who comes with a session; `None` where it is over.
    ///
    /// # Errors
    /// As the store.
    pub fn enter(&self, session: &Secret, address: &str) -> Result<Option<Caller>, Problem> {
        let (digest, now) = (digest(session), self.now_ms());
        let found = self.store.reading(|tx| {
            let Some(record) = tx.session(&digest)? else { return Ok(None) };
            Ok(tx.account(record.account)?.map(|account| (record, account)))
        })?;
        let Some((record, account)) = found else { return Ok(None) };
        let seen = self.seen.at(&digest).unwrap_or(record.seen_ms);
        // Whoever sets the clock back makes no session last longer.
        if now >= ends_ms(&record, seen) || now < record.since_ms {
            return Ok(None);
        }
        self.seen.set(digest, now);
        if now.saturating_sub(record.seen_ms) >= KEPT_MS && !record.awaits_code {
            let noted = self.store.writing(|tx| match tx.session(&digest)? {
                Some(record) => Ok(tx.put_session(&digest, &SessionRecord { seen_ms: now, ..record })?),
                None => Ok(()),
            });
            // On a full disk people still look after it; only a restart would end the session sooner.
            if let Err(problem) = noted {
                tracing::warn!(?problem, "can't note that a session was used");
            }
        }
        let state = SessionState {
            id: record.id,
            awaits_code: record.awaits_code,
            fresh: !record.awaits_code && now.abs_diff(record.confirmed_ms) < FRESH_MS,
            idle_left_ms: ends_ms(&record, now).saturating_sub(now),
        };
        let permit = if record.awaits_code { Permit::default() } else { Permit::of(account.role) };
        let who = who(record.account, &account);
        Ok(Some(Caller { address: address.into(), who, permit, session: Some(state) }))
    }

    /// Begins a session for whoever knows the password of the account `name`, or one that awaits a code.
    ///
    /// # Errors
    /// [`Problem::SignInRefused`], [`Problem::WaitBefore`], [`Problem::Busy`], or as the store.
    pub async fn sign_in(self: &Arc<Self>, name: String, password: Secret, from: Origin) -> Result<SignedIn, Problem> {
        let attempt = self.attempt(vec![Key::name(&name), Key::address(&from.address)])?;
        let key = name_key(name.trim());
        let found = self.blocking(move |all| {
            all.store.reading(|tx| match account_named(tx, &key)? {
                Some((id, record)) => Ok(Some((id, record, tx.account_password(id)?))),
                None => Ok(None),
            })
        });
        let found = found.await?;
        let kept = found.as_ref().and_then(|(_, _, kept)| kept.clone());
        let right = self.passwords.check(&password, kept.as_ref()).await?;
        let (Some((id, record, _)), Some(kept), true) = (&found, kept, right) else {
            let begins = attempt.failed(self.now_ms());
            let subject = found.as_ref().map(|(id, record, _)| subject(*id, record));
            // What stands in place of a name may be a password.
            let detail = if subject.is_some() { "a wrong password" } else { "an unknown name" };
            self.blocking(move |all| all.write_failed(begins, &from, subject, detail)).await?;
            return Err(Problem::SignInRefused);
        };
        attempt.succeeded(self.now_ms());
        let id = *id;
        let needs_code = matches!(record.second_factor, SecondFactor::On { .. });
        let renewed = if self.passwords.is_outdated(&kept) { Some(self.passwords.hash(&password).await?) } else { None };
        let token = self.new_token();
        let session = token.clone();
        self.blocking(move |all| {
            let now = all.now_ms();
            all.store.writing(|tx| {
                // Whatever was changed while the password was being checked: it is another one's now.
                let (Some(record), Some(still)) = (tx.account(id)?, tx.account_password(id)?) else {
                    return Err(Problem::SignInRefused);
                };
                if still != kept {
                    return Err(Problem::SignInRefused);
                }
                if let Some(renewed) = &renewed {
                    tx.set_account_password(id, Some(renewed))?;
                }
                all.begin(tx, id, &token, &from, now, needs_code)?;
                if !needs_code {
                    signed_in(tx, id, record, &from, now, "")?;
                }
                Ok(())
            })
        })
        .await?;
        Ok(SignedIn { session, needs_code })
    }

    /// Ends a session, whatever it is.
    ///
    /// # Errors
    /// As the store.
    pub fn sign_out(&self, session: &Secret, from: &Origin) -> Result<(), Problem> {
        let (digest, now) = (digest(session), self.now_ms());
        self.seen.forget(&digest);
        self.store.writing(|tx| {
            let Some(record) = tx.session(&digest)? else { return Ok(()) };
            tx.remove_session(&digest)?;
            if let Some(account) = tx.account(record.account)?.filter(|_| !record.awaits_code) {
                let what = happening(who(record.account, &account), &from.address, Deed::SignedOut);
                activity::record(tx, now, &what)?;
            }
            Ok(())
        })
    }

    /// Proves again that it is the one who is signed in. The session goes on under another cookie.
    ///
    /// # Errors
    /// [`Problem::InvalidAccess`] for a wrong password; [`Problem::WaitBefore`], [`Problem::Busy`], or as the store.
    pub async fn confirm(self: &Arc<Self>, caller: &Caller, password: Secret) -> Result<SignedIn, Problem> {
        use domain::access::{AccessError, AccessField};
        let id = owner(caller)?;
        let wrong = Problem::InvalidAccess(vec![(AccessField::Password, AccessError::Wrong)]);
        self.prove(id, &password, &origin(caller), wrong).await?;
        let token = self.new_token();
        let (session, caller) = (token.clone(), caller.clone());
        self.blocking(move |all| {
            let now = all.now_ms();
            all.store.writing(|tx| {
                let (old, record) = current(&*tx, &caller)?;
                tx.remove_session(&old)?;
                tx.put_session(&digest(&token), &SessionRecord { confirmed_ms: now, seen_ms: now, ..record })?;
                Ok(activity::record(tx, now, &by(&caller, Deed::PasswordConfirmed))?)
            })
        })
        .await?;
        Ok(SignedIn { session, needs_code: false })
    }

    /// Ends one of the caller's own sessions, or all others. How many there were.
    ///
    /// # Errors
    /// [`Problem::NoSuchAccess`] where there is no such, or as the store.
    pub fn end_sessions(&self, caller: &Caller, which: Option<SessionId>) -> Result<u64, Problem> {
        let (id, now) = (owner(caller)?, self.now_ms());
        let current = caller.session.map(|session| session.id);
        self.store.writing(|tx| {
            let ended = |record: &SessionRecord| match which {
                Some(which) => record.id == which,
                None => Some(record.id) != current,
            };
            let gone: Vec<Digest> =
                of_account(&*tx, id)?.into_iter().filter(|(_, record)| ended(record)).map(|(digest, _)| digest).collect();
            if which.is_some() && gone.is_empty() {
                return Err(Problem::NoSuchAccess);
            }
            for digest in &gone {
                tx.remove_session(digest)?;
            }
            if !gone.is_empty() {
                let what = Happening { detail: format!("{} ended", gone.len()), ..by(caller, Deed::SessionsEnded) };
                activity::record(tx, now, &what)?;
            }
            Ok(gone.len() as u64)
        })
    }

    /// Puts a session in place, whose password was typed at `confirmed_ms`; the oldest of the account goes where there are too many.
    pub(super) fn begin(
        &self,
        tx: &mut dyn Write,
        account: AccountId,
        token: &Secret,
        from: &Origin,
        confirmed_ms: u64,
        awaits_code: bool,
    ) -> Result<(), StoreError> {
        let now = self.now_ms();
        // Each kind for itself: who has only the password ends none that the code was given for.
        let mut all: Vec<_> =
            of_account(&*tx, account)?.into_iter().filter(|(_, record)| record.awaits_code == awaits_code).collect();
        all.sort_by_key(|(_, record)| record.since_ms);
        let max = if awaits_code { MAX_AWAITING } else { MAX_SESSIONS };
        let surplus = (all.len() + 1).saturating_sub(max);
        for (digest, _) in all.iter().take(surplus) {
            tx.remove_session(digest)?;
        }
        let id = SessionId(self.new_id());
        let record = SessionRecord {
            id,
            account,
            since_ms: now,
            seen_ms: now,
            confirmed_ms,
            awaits_code,
            address: words::quote(&from.address),
            agent: agent(&from.agent),
        };
        tx.put_session(&digest(token), &record)
    }

    /// The sessions of an account that are not over and await nothing.
    pub(super) fn open_sessions(
        &self,
        tx: &(impl Read + ?Sized),
        id: AccountId,
        now: u64,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let open = |(digest, record): &(Digest, SessionRecord)| {
            !record.awaits_code && now < ends_ms(record, self.seen.at(digest).unwrap_or(record.seen_ms))
        };
        Ok(of_account(tx, id)?.into_iter().filter(open).map(|(_, record)| record).collect())
    }

    /// Removes sessions that are over.
    pub(super) fn purge_sessions(&self) -> Result<usize, Problem> {
        let now = self.now_ms();
        let over = |tx: &dyn Read| -> Result<Vec<Digest>, Problem> {
            let all = tx.sessions()?;
            let over =
                |(digest, record): &(Digest, SessionRecord)| now >= ends_ms(record, self.seen.at(digest).unwrap_or(record.seen_ms));
            Ok(all.into_iter().filter(over).map(|(digest, _)| digest).collect())
        };
        let kept: HashSet<Digest> = self.store.reading(|tx| Ok(tx.sessions()?.into_iter().map(|(digest, _)| digest).collect()))?;
        self.seen.table().retain(|digest, _| kept.contains(digest));
        if self.store.reading(|tx| over(tx))?.is_empty() {
            return Ok(0);
        }
        let gone = self.store.writing(|tx| {
            let gone = over(&*tx)?;
            for digest in &gone {
                tx.remove_session(digest)?;
            }
            Ok(gone)
        })?;
        for digest in &gone {
            self.seen.forget(digest);
        }
        Ok(gone.len())
    }
}

/// That somebody is in now.
pub(super) fn signed_in(
    tx: &mut dyn Write,
    id: AccountId,
    record: AccountRecord,
    from: &Origin,
    now: u64,
    how: &str,
) -> Result<(), StoreError> {
    let what = Happening { detail: how.into(), ..happening(who(id, &record), &from.address, Deed::SignedIn) };
    tx.put_account(id, &AccountRecord { last_sign_in_ms: Some(now), ..record })?;
    activity::record(tx, now, &what)
}

/// The sessions of an account.
pub(super) fn of_account(tx: &(impl Read + ?Sized), id: AccountId) -> Result<Vec<(Digest, SessionRecord)>, StoreError> {
    Ok(tx.sessions()?.into_iter().filter(|(_, record)| record.account == id).collect())
}

/// Ends every session of an account.
pub(super) fn end_all(tx: &mut dyn Write, id: AccountId) -> Result<(), StoreError> {
    of_account(&*tx, id)?.into_iter().try_for_each(|(digest, _)| tx.remove_session(&digest))
}

/// The session of the caller, if it is still there.
pub(super) fn current(tx: &(impl Read + ?Sized), caller: &Caller) -> Result<(Digest, SessionRecord), Problem> {
    let id = caller.session.map(|session| session.id).ok_or(Problem::NotSignedIn)?;
    tx.sessions()?.into_iter().find(|(_, record)| record.id == id).ok_or(Problem::NotSignedIn)
}

/// What a browser calls itself, without anything that doesn't show, and not for long.
fn agent(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !words::is_invisible(*c)).take(MAX_AGENT).collect()
}
