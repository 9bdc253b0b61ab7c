//! Links by which somebody chooses a password: for the first account, for a new one, or in place of one that is forgotten. Each is good
//! for one use.

use std::sync::Arc;

use app::backend::{Origin, SignedIn, Welcome};
use domain::access::{AccessField, AccountId, Role, SETUP_MS, Who, check_name};
use domain::activity::{Deed, Happening};
use domain::error::Problem;
use domain::secret::Secret;

use super::passwords::check_new;
use super::sessions::{end_all, signed_in};
use super::{Accounts, account, digest, happening, subject, who};
use crate::activity;
use crate::store::{AccountRecord, Digest, InvitationRecord, Read, SecondFactor, StoreError, Write};

impl Accounts {
    /// A link by which the first administrator is made; those of before are void. `None` where there are accounts already.
    ///
    /// # Errors
    /// As the store.
    pub fn setup_link(&self, by: Who) -> Result<Option<Secret>, Problem> {
        let (link, now) = (self.new_token(), self.now_ms());
        let made = self.store.writing(|tx| {
            if !tx.accounts()?.is_empty() {
                return Ok(false);
            }
            invite(tx, None, &link, now + SETUP_MS)?;
            activity::record(tx, now, &happening(by.clone(), "", Deed::SetupLinkMade))?;
            Ok(true)
        })?;
        Ok(made.then_some(link))
    }

    /// What a link is for.
    ///
    /// # Errors
    /// [`Problem::LinkGone`]; [`Problem::WaitBefore`] after too many that were none; or as the store.
    pub fn welcome(&self, link: &Secret, from: &Origin) -> Result<Welcome, Problem> {
        let (digest, now) = (digest(link), self.now_ms());
        let found = self.store.reading(|tx| match usable(tx, &digest, now)? {
            None => Ok(None),
            Some(InvitationRecord { account: None, .. }) => Ok(Some(Welcome { name: None, second_factor: false })),
            Some(InvitationRecord { account: Some(id), .. }) => {
                let record = account(tx, id)?;
                Ok(Some(Welcome {
                    name: Some(record.name),
                    second_factor: matches!(record.second_factor, SecondFactor::On { .. }),
                }))
            }
        })?;
        found.map_or_else(|| self.guessed(&from.address, Problem::LinkGone), Ok)
    }

    /// Uses a link: gives its account the password, or makes the first one, and begins a session.
    ///
    /// # Errors
    /// [`Problem::InvalidAccess`] with every field's problem; [`Problem::LinkGone`], [`Problem::WaitBefore`], [`Problem::Busy`], or as
    /// the store.
    pub async fn accept(
        self: &Arc<Self>,
        link: Secret,
        name: String,
        password: Secret,
        confirm: Secret,
        from: Origin,
    ) -> Result<SignedIn, Problem> {
        let (asked, origin) = (link.clone(), from.clone());
        let welcome = self.blocking(move |all| all.welcome(&asked, &origin)).await?;
        let mut errors = Vec::new();
        let name = match welcome.name {
            Some(name) => name,
            None => check_name(&name).unwrap_or_else(|error| {
                errors.push((AccessField::Name, error));
                name
            }),
        };
        let (named, typed) = (name.clone(), (password.clone(), confirm));
        let checked = self.blocking(move |_| Ok(check_new(&named, &typed.0, &typed.1))).await?;
        errors.extend(checked.err());
        if !errors.is_empty() {
            return Err(Problem::InvalidAccess(errors));
        }
        let kept = self.passwords.hash(&password).await?;
        let token = self.new_token();
        let session = token.clone();
        let needs_code = self.blocking(move |all| {
            let (digest, now) = (digest(&link), all.now_ms());
            all.store.writing(|tx| {
                // Of two at once, one comes too late.
                let InvitationRecord { account: of, .. } = usable(&*tx, &digest, now)?.ok_or(Problem::LinkGone)?;
                tx.remove_invitation(&digest)?;
                let (id, record) = match of {
                    Some(id) => {
                        end_all(tx, id)?;
                        (id, account(&*tx, id)?)
                    }
                    None if tx.accounts()?.is_empty() => {
                        void(tx, None)?;
                        let id = AccountId(tx.new_number()?);
                        let record = AccountRecord {
                            name: name.clone(),
                            role: Role::Administrator,
                            added_ms: now,
                            last_sign_in_ms: None,
                            second_factor: SecondFactor::Off,
                            generation: 0,
                        };
                        tx.put_account(id, &record)?;
                        (id, record)
                    }
                    None => return Err(Problem::LinkGone),
                };
                tx.set_account_password(id, Some(&kept))?;
                let deed = if of.is_some() { Deed::PasswordChanged } else { Deed::AccountAdded };
                let what = happening(who(id, &record), &from.address, deed);
                activity::record(tx, now, &Happening { subjects: vec![subject(id, &record)], detail: "by a link".into(), ..what })?;
                let needs_code = matches!(record.second_factor, SecondFactor::On { .. });
                all.begin(tx, id, &token, &from, now, needs_code)?;
                if !needs_code {
                    signed_in(tx, id, record, &from, now, "by a link")?;
                }
                Ok(needs_code)
            })
        });
        Ok(SignedIn { session, needs_code: needs_code.await? })
    }

    /// Removes links that are too old.
    pub(super) fn purge_links(&self) -> Result<usize, Problem> {
        let now = self.now_ms();
        let over = |tx: &dyn Read| -> Result<Vec<Digest>, Problem> {
            Ok(tx.invitations()?.into_iter().filter(|(_, record)| now >= record.expires_ms).map(|(digest, _)| digest).collect())
        };
        if self.store.reading(|tx| over(tx))?.is_empty() {
            return Ok(0);
        }
        self.store.writing(|tx| {
            let gone = over(&*tx)?;
            for digest in &gone {
                tx.remove_invitation(digest)?;
            }
            Ok(gone.len())
        })
    }
}

/// Keeps a link for an account, or for the first one; those of before are void.
pub(super) fn invite(tx: &mut dyn Write, account: Option<AccountId>, link: &Secret, expires_ms: u64) -> Result<(), StoreError> {
    void(tx, account)?;
    tx.put_invitation(&digest(link), &InvitationRecord { account, expires_ms })
}

/// Voids the links of an account, or those for the first one.
pub(super) fn void(tx: &mut dyn Write, account: Option<AccountId>) -> Result<(), StoreError> {
    for (digest, record) in tx.invitations()? {
        if record.account == account {
            tx.remove_invitation(&digest)?;
        }
    }
    Ok(())
}

/// A link that can be used now.
fn usable(tx: &(impl Read + ?Sized), digest: &Digest, now: u64) -> Result<Option<InvitationRecord>, StoreError> {
    let found = tx.invitations()?.into_iter().find(|(kept, _)| kept == digest);
    Ok(found.map(|(_, record)| record).filter(|record| now < record.expires_ms))
}
