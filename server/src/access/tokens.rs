//! API tokens: what applications come with. Shown once; what is kept is a digest.

use app::backend::{Caller, Made};
use domain::access::{AccessError, AccessField, NewToken, Permit, Token, TokenId, Verb, Who, check_name};
use domain::activity::{Change, Deed, Happening, Subject};
use domain::error::Problem;
use domain::secret::Secret;
use domain::words;

use super::{Accounts, by, digest, still_may};
use crate::activity;
use crate::store::{Digest, Read, StoreError, TokenRecord};

/// What each token begins with, so that people and scanners recognise it.
pub const TOKEN_PREFIX: &str = "prt_";
/// The most tokens.
pub const MAX_TOKENS: u64 = 1_000;
/// The most days until a token ends.
const MAX_DAYS: u32 = 3_650;
/// A day: milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// How exactly the last use is kept: milliseconds.
const KEPT_MS: u64 = 60 * 1000;

impl Accounts {
    /// Who comes with a token.
    ///
    /// # Errors
    /// [`Problem::NotSignedIn`] for one that is wrong, over or revoked; [`Problem::WaitBefore`] after too many of them; or as the store.
    pub fn enter_token(&self, token: &Secret, address: &str) -> Result<Caller, Problem> {
        let (digest, now) = (digest(token), self.now_ms());
        let record = self.store.reading(|tx| Ok(tx.token(&digest)?))?;
        let Some(record) = record.filter(|record| record.expires_ms.is_none_or(|ends| now < ends)) else {
            return self.guessed(address, Problem::NotSignedIn);
        };
        if record.used_ms.is_none_or(|used| now.abs_diff(used) >= KEPT_MS) {
            let noted = self.store.writing(|tx| match tx.token(&digest)? {
                Some(record) => {
                    Ok(tx.put_token(&digest, &TokenRecord { used_ms: Some(now), used_from: words::quote(address), ..record })?)
                }
                None => Err(Problem::NotSignedIn),
            });
            match noted {
                Ok(()) => {}
                Err(Problem::NotSignedIn) => return Err(Problem::NotSignedIn),
                // On a full disk applications still read their servers.
                Err(problem) => tracing::warn!(?problem, "can't note that a token was used"),
            }
        }
        let who = Who::Token { id: record.id, name: record.name };
        Ok(Caller { address: address.into(), who, permit: record.permit, session: None })
    }

    /// Every token, the newest first.
    ///
    /// # Errors
    /// As the store.
    pub fn tokens(&self) -> Result<Vec<Token>, Problem> {
        self.store.reading(|tx| {
            let mut all = Vec::new();
            for (_, record) in tx.tokens()? {
                let mut entry_names = Vec::new();
                for id in record.permit.entries.iter().flatten() {
                    entry_names.extend(tx.entry(*id)?.map(|entry| entry.content.name().to_string()));
                }
                let TokenRecord { id, name, permit, made_ms, made_by, expires_ms, used_ms, used_from } = record;
                all.push(Token { id, name, permit, entry_names, made_ms, made_by, expires_ms, used_ms, used_from });
            }
            all.sort_by_key(|token| (std::cmp::Reverse(token.made_ms), token.id));
            Ok(all)
        })
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`Problem::InvalidAccess`] with every field's problem; [`Problem::TooManyAccess`], or as the store.
    pub fn make_token(&self, caller: &Caller, new: &NewToken) -> Result<Made<TokenId>, Problem> {
        let mut errors = Vec::new();
        let name = check_name(&new.name).unwrap_or_else(|error| {
            errors.push((AccessField::TokenName, error));
            String::new()
        });
        if new.entries.as_ref().is_some_and(Vec::is_empty) {
            errors.push((AccessField::TokenEntries, AccessError::Missing));
        }
        if new.verbs.as_ref().is_some_and(Vec::is_empty) {
            errors.push((AccessField::TokenVerbs, AccessError::Missing));
        }
        if new.days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
            errors.push((AccessField::TokenDays, AccessError::Days));
        }
        let (secret, now) = (Secret::new(format!("{TOKEN_PREFIX}{}", self.new_token().expose())), self.now_ms());
        let permit = Permit { role: Some(new.role), token: true, entries: new.entries.clone(), verbs: new.verbs.clone() };
        let id = self.store.writing(|tx| {
            still_may(tx, caller)?;
            let mut errors = errors.clone();
            for id in new.entries.iter().flatten() {
                if tx.entry(*id)?.is_none() {
                    errors.push((AccessField::TokenEntries, AccessError::NoSuchEntry));
                    break;
                }
            }
            if !errors.is_empty() {
                return Err(Problem::InvalidAccess(errors));
            }
            if tx.tokens()?.len() as u64 >= MAX_TOKENS {
                return Err(Problem::TooManyAccess { max: MAX_TOKENS });
            }
            let id = TokenId(self.new_id());
            let record = TokenRecord {
                id,
                name: name.clone(),
                permit: permit.clone(),
                made_ms: now,
                made_by: caller.who.name().to_owned(),
                expires_ms: new.days.map(|days| now + u64::from(days) * DAY_MS),
                used_ms: None,
                used_from: String::new(),
            };
            tx.put_token(&digest(&secret), &record)?;
            let changes = limits(&*tx, &record, new.days)?;
            let what = Happening { subjects: vec![named(&record)], changes, ..by(caller, Deed::TokenMade) };
            activity::record(tx, now, &what)?;
            Ok(id)
        })?;
        Ok(Made { id, secret })
    }

    /// Ends a token for good.
    ///
    /// # Errors
    /// [`Problem::NoSuchAccess`], or as the store.
    pub fn revoke_token(&self, caller: &Caller, id: TokenId) -> Result<(), Problem> {
        let now = self.now_ms();
        self.store.writing(|tx| {
            still_may(tx, caller)?;
            let (digest, record) = of_id(&*tx, id)?.ok_or(Problem::NoSuchAccess)?;
            tx.remove_token(&digest)?;
            let what = Happening { subjects: vec![named(&record)], ..by(caller, Deed::TokenRevoked) };
            Ok(activity::record(tx, now, &what)?)
        })
    }
}

fn of_id(tx: &(impl Read + ?Sized), id: TokenId) -> Result<Option<(Digest, TokenRecord)>, StoreError> {
    Ok(tx.tokens()?.into_iter().find(|(_, record)| record.id == id))
}

fn named(record: &TokenRecord) -> Subject {
    Subject { kind: "token".into(), id: Some(record.id.0), name: record.name.clone() }
}

/// What a new token may do, as a line of the activity tells it.
fn limits(tx: &(impl Read + ?Sized), record: &TokenRecord, days: Option<u32>) -> Result<Vec<Change>, StoreError> {
    let change = |field: AccessField, new: String| Change { field: field.key().into(), old: None, new: Some(new), secret: false };
    let Permit { role, entries, verbs, .. } = &record.permit;
    let mut changes = vec![change(AccessField::Role, role.map_or("", domain::access::Role::key).into())];
    if let Some(ids) = entries {
        let mut names = Vec::new();
        for id in ids {
            names.extend(tx.entry(*id)?.map(|entry| entry.content.name().to_string()));
        }
        changes.push(change(AccessField::TokenEntries, names.join(", ")));
    }
    changes.extend(verbs.as_ref().map(|verbs| {
        let verbs: Vec<&str> = verbs.iter().map(|verb: &Verb| verb.key()).collect();
        change(AccessField::TokenVerbs, verbs.join(", "))
    }));
    changes.extend(days.map(|days| change(AccessField::TokenDays, days.to_string())));
    Ok(changes)
}
