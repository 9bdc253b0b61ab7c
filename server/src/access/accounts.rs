//! Accounts: one's own, and, for who looks after them, those of others. Nobody learns or chooses the password of another one.

use std::sync::Arc;

use app::backend::{Caller, Made, SignedIn};
use domain::access::{
    AccessError, AccessField, Account, AccountId, INVITATION_MS, Me, Role, SETUP_MS, Session, Who, check_name, name_key,
};
use domain::activity::{Change, Deed, Happening};
use domain::error::Problem;
use domain::secret::Secret;

use super::links::{invite, void};
use super::passwords::check_new;
use super::sessions::{current, end_all};
use super::{Accounts, account, account_named, by, digest, origin, owner, still_may, subject};
use crate::activity;
use crate::store::{AccountRecord, Read, SecondFactor, SessionRecord};

/// The most accounts.
pub const MAX_ACCOUNTS: u64 = 1_000;

impl Accounts {
    /// The caller's own account.
    ///
    /// # Errors
    /// As the store.
    pub fn me(&self, caller: &Caller) -> Result<Me, Problem> {
        let (id, now_ms) = (owner(caller)?, self.now_ms());
        let current = caller.session.map(|session| session.id);
        self.store.reading(|tx| {
            let record = account(tx, id)?;
            let mut sessions: Vec<Session> = self
                .open_sessions(tx, id, now_ms)?
                .into_iter()
                .map(|session| Session {
                    id: session.id,
                    current: Some(session.id) == current,
                    since_ms: session.since_ms,
                    seen_ms: session.seen_ms,
                    address: session.address,
                    agent: session.agent,
                })
                .collect();
            sessions.sort_by_key(|session| (!session.current, std::cmp::Reverse(session.seen_ms), session.id));
            let recovery_codes = Self::recovery_left(&record);
            Ok(Me { account: self.told(tx, id, record, now_ms)?, recovery_codes, sessions, now_ms })
        })
    }

    /// Changes the caller's own password. Every other session ends; this one goes on under another cookie.
    ///
    /// # Errors
    /// [`Problem::InvalidAccess`] with every field's problem; [`Problem::WaitBefore`], [`Problem::Busy`], or as the store.
    pub async fn change_password(
        self: &Arc<Self>,
        caller: &Caller,
        old: Secret,
        new: Secret,
        confirm: Secret,
    ) -> Result<SignedIn, Problem> {
        let id = owner(caller)?;
        let typed = (new.clone(), confirm);
        self.blocking(move |all| {
            let record = all.store.reading(|tx| account(tx, id))?;
            check_new(&record.name, &typed.0, &typed.1).map_err(|error| Problem::InvalidAccess(vec![error]))
        })
        .await?;
        let wrong = Problem::InvalidAccess(vec![(AccessField::Password, AccessError::Wrong)]);
        self.prove(id, &old, &origin(caller), wrong).await?;
        let kept = self.passwords.hash(&new).await?;
        let token = self.new_token();
        let (session, caller) = (token.clone(), caller.clone());
        self.blocking(move |all| {
            let now = all.now_ms();
            all.store.writing(|tx| {
                let (_, session) = current(&*tx, &caller)?;
                tx.set_account_password(id, Some(&kept))?;
                void(tx, Some(id))?;
                end_all(tx, id)?;
                tx.put_session(&digest(&token), &SessionRecord { confirmed_ms: now, seen_ms: now, ..session })?;
                Ok(activity::record(tx, now, &by(&caller, Deed::PasswordChanged))?)
            })
        })
        .await?;
        Ok(SignedIn { session, needs_code: false })
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// As the store.
    pub fn accounts(&self) -> Result<Vec<Account>, Problem> {
        let now = self.now_ms();
        self.store.reading(|tx| {
            let mut all =
                tx.accounts()?.into_iter().map(|(id, record)| self.told(tx, id, record, now)).collect::<Result<Vec<_>, _>>()?;
            all.sort_by_key(|account| name_key(&account.name));
            Ok(all)
        })
    }

    /// Adds an account, with the link by which its owner chooses a password.
    ///
    /// # Errors
    /// [`Problem::InvalidAccess`], [`Problem::TooManyAccess`], or as the store.
    pub fn add_account(&self, caller: &Caller, name: &str, role: &str) -> Result<Made<AccountId>, Problem> {
        let mut errors = Vec::new();
        let mut take = |field, error| errors.push((field, error));
        let name = check_name(name).map_err(|error| take(AccessField::Name, error)).ok();
        let role = Role::parse(role).or_else(|| {
            take(AccessField::Role, AccessError::NoSuchChoice);
            None
        });
        let (Some(name), Some(role)) = (name, role) else { return Err(Problem::InvalidAccess(errors)) };
        let (link, now) = (self.new_token(), self.now_ms());
        let id = self.store.writing(|tx| {
            still_may(tx, caller)?;
            let all = tx.accounts()?;
            if account_named(&*tx, &name_key(&name))?.is_some() {
                return Err(Problem::InvalidAccess(vec![(AccessField::Name, AccessError::NameTaken)]));
            }
            if all.len() as u64 >= MAX_ACCOUNTS {
                return Err(Problem::TooManyAccess { max: MAX_ACCOUNTS });
            }
            let id = AccountId(tx.new_number()?);
            let record = AccountRecord {
                name: name.clone(),
                role,
                added_ms: now,
                last_sign_in_ms: None,
                second_factor: SecondFactor::Off,
                generation: 0,
            };
            tx.put_account(id, &record)?;
            // Whoever adds one has no need for a first one any more.
            void(tx, None)?;
            invite(tx, Some(id), &link, now + INVITATION_MS)?;
            let changes = vec![role_change(None, role)];
            let what = Happening { subjects: vec![subject(id, &record)], changes, ..by(caller, Deed::AccountAdded) };
            activity::record(tx, now, &what)?;
            Ok(id)
        })?;
        Ok(Made { id, secret: link })
    }

    /// Gives an account another role; its sessions have it at once.
    ///
    /// # Errors
    /// [`Problem::LastAdministrator`], [`Problem::NoSuchAccess`], or as the store.
    pub fn set_role(&self, caller: &Caller, id: AccountId, role: Role) -> Result<(), Problem> {
        let now = self.now_ms();
        self.store.writing(|tx| {
            still_may(tx, caller)?;
            let record = account(&*tx, id)?;
            if record.role == role {
                return Ok(());
            }
            keep_an_administrator(&*tx, id)?;
            tx.put_account(id, &AccountRecord { role, ..record.clone() })?;
            let changes = vec![role_change(Some(record.role), role)];
            let what = Happening { subjects: vec![subject(id, &record)], changes, ..by(caller, Deed::AccountChanged) };
            Ok(activity::record(tx, now, &what)?)
        })
    }

    /// A link for a new password. The one of before counts no more, nor does any session; with `second_factor`, that goes, too.
    ///
    /// # Errors
    /// [`Problem::LastAdministrator`], except for a command on the machine; [`Problem::NoSuchAccess`], or as the store.
    pub fn reset_password(&self, caller: &Caller, id: AccountId, second_factor: bool) -> Result<Made<AccountId>, Problem> {
        let (link, now) = (self.new_token(), self.now_ms());
        let on_the_machine = caller.who == Who::CommandLine;
        let lasts = if on_the_machine { SETUP_MS } else { INVITATION_MS };
        self.store.writing(|tx| {
            still_may(tx, caller)?;
            let record = account(&*tx, id)?;
            if !on_the_machine {
                keep_an_administrator(&*tx, id)?;
            }
            tx.set_account_password(id, None)?;
            end_all(tx, id)?;
            invite(tx, Some(id), &link, now + lasts)?;
            let what = Happening { subjects: vec![subject(id, &record)], ..by(caller, Deed::PasswordReset) };
            activity::record(tx, now, &what)?;
            if second_factor && self.drop_second_factor(tx, id)? {
                activity::record(tx, now, &Happening { deed: Deed::SecondFactorOff, ..what })?;
            }
            Ok(())
        })?;
        Ok(Made { id, secret: link })
    }

    /// Removes an account with its sessions.
    ///
    /// # Errors
    /// [`Problem::LastAdministrator`], [`Problem::NoSuchAccess`], or as the store.
    pub fn remove_account(&self, caller: &Caller, id: AccountId) -> Result<(), Problem> {
        let now = self.now_ms();
        self.store.writing(|tx| {
            still_may(tx, caller)?;
            let record = account(&*tx, id)?;
            keep_an_administrator(&*tx, id)?;
            end_all(tx, id)?;
            void(tx, Some(id))?;
            self.drop_second_factor(tx, id)?;
            tx.remove_account(id)?;
            let what = Happening { subjects: vec![subject(id, &record)], ..by(caller, Deed::AccountRemoved) };
            Ok(activity::record(tx, now, &what)?)
        })
    }

    /// An account for who looks after it.
    fn told(&self, tx: &(impl Read + ?Sized), id: AccountId, record: AccountRecord, now: u64) -> Result<Account, Problem> {
        let invited = tx.invitations()?.into_iter().find(|(_, link)| link.account == Some(id) && now < link.expires_ms);
        Ok(Account {
            id,
            role: record.role,
            has_password: tx.account_password(id)?.is_some(),
            second_factor: matches!(record.second_factor, SecondFactor::On { .. }),
            added_ms: record.added_ms,
            last_sign_in_ms: record.last_sign_in_ms,
            invited_until_ms: invited.map(|(_, link)| link.expires_ms),
            sessions: self.open_sessions(tx, id, now)?.len() as u64,
            name: record.name,
        })
    }

    /// The account of this name, whatever the case.
    ///
    /// # Errors
    /// [`Problem::NoSuchAccess`], or as the store.
    pub fn named(&self, name: &str) -> Result<AccountId, Problem> {
        let key = name_key(name.trim());
        self.store.reading(|tx| account_named(tx, &key)?.map(|(id, _)| id).ok_or(Problem::NoSuchAccess))
    }
}

/// Refuses to take away the last one who can look after everything: another administrator has to be able to sign in.
fn keep_an_administrator(tx: &(impl Read + ?Sized), but: AccountId) -> Result<(), Problem> {
    if account(tx, but)?.role != Role::Administrator {
        return Ok(());
    }
    for (id, record) in tx.accounts()? {
        if id != but && record.role == Role::Administrator && tx.account_password(id)?.is_some() {
            return Ok(());
        }
    }
    Err(Problem::LastAdministrator)
}

fn role_change(old: Option<Role>, new: Role) -> Change {
    let key = |role: Role| role.key().to_owned();
    Change { field: AccessField::Role.key().into(), old: old.map(key), new: Some(key(new)), secret: false }
}
