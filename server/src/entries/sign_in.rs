//! What is kept of entries' sign-ins at sign-in services: what they are renewed with, sealed, and how they stand. When services are
//! asked is `sign_ins`' affair.

use domain::activity::Deed;
use domain::diagnosis::Diagnosis;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::oauth::{SignInFailing, SignInNote, SignInView};
use domain::secret::Secret;
use domain::smtp_server::SmtpServer;

use super::{Entries, record, told};
use crate::seal::Fingerprint;
use crate::store::{Proof, Read, Record, SecretField, StoreError, Write};

/// What a token that was granted is told of.
#[derive(Clone, Debug, Default)]
pub struct GrantedNote {
    /// Whose it is, where the service says so.
    pub account: Option<String>,
    /// How long it counts; milliseconds since 1970.
    pub valid_until_ms: Option<u64>,
}

/// What became of a sign-in that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is on the disk.
    Yes,
    /// It is for settings that the entry has no more.
    OtherSettings,
}

impl Entries {
    /// What the sign-in of `id` is renewed with, if somebody signed in for settings such as these.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`]; [`Problem::Corrupt`] if it doesn't open; or as the store.
    pub fn sign_in_for(&self, id: EntryId, server: &SmtpServer) -> Result<Option<Secret>, Problem> {
        self.store.reading(|tx| {
            if !is_for(&record(tx, id)?, server) {
                return Ok(None);
            }
            self.renews_with(tx, id)
        })
    }

    /// Keeps that somebody signed in for `server`, with what that is renewed with.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], or as the store.
    pub fn keep_sign_in(
        &self,
        id: EntryId,
        server: &SmtpServer,
        renew_with: &Secret,
        granted: &GrantedNote,
    ) -> Result<Kept, Problem> {
        let now = self.now_ms();
        self.store.writing(|tx| {
            let of = record(&*tx, id)?;
            if !is_for(&of, server) {
                return Ok(Kept::OtherSettings);
            }
            self.vault.put(tx, id, SecretField::SignIn, renew_with)?;
            let note = SignInNote { since_ms: Some(now), ..SignInNote::default() };
            put_note(tx, id, Some(renewed(note, now, granted)))?;
            let mut what = self.by.did(Deed::MailboxSignedIn);
            what.subjects.push(told::server(id, of.content.name()));
            what.detail = granted.account.clone().unwrap_or_default();
            self.note(tx, &what)?;
            Ok(Kept::Yes)
        })
    }

    /// Keeps that a token was granted for `server`, and what the sign-in is renewed with from now on, where that is something else.
    /// `stored` is what it was renewed with, as it lay here when that was asked: who signed in meanwhile isn't overwritten.
    ///
    /// # Errors
    /// As the store. An entry that has gone is none.
    pub fn keep_granted(
        &self,
        id: EntryId,
        server: &SmtpServer,
        stored: Option<&Secret>,
        renew_with: Option<&Secret>,
        granted: &GrantedNote,
    ) -> Result<Kept, Problem> {
        let now = self.now_ms();
        self.store.writing(|tx| {
            let Some(of) = tx.entry(id)? else { return Ok(Kept::OtherSettings) };
            let same = if needs_a_person(server) {
                is_for(&of, server) && stored.is_some() && self.renews_with(&*tx, id)?.as_ref() == stored
            } else {
                asks_alike(&of, server)
            };
            if !same {
                return Ok(Kept::OtherSettings);
            }
            if let Some(secret) = renew_with {
                self.vault.put(tx, id, SecretField::SignIn, secret)?;
            }
            let note = tx.proof(id)?.and_then(|proof| proof.sign_in).unwrap_or_default();
            put_note(tx, id, Some(renewed(note, now, granted)))?;
            Ok(Kept::Yes)
        })
    }

    /// Notes that no token is granted any more for `server`, if those are the `settings` that are saved, and why. `stored` is as in
    /// [`Entries::keep_granted`].
    ///
    /// # Errors
    /// As the store. An entry that has gone, or other settings, are none.
    pub fn note_sign_in_failing(
        &self,
        id: EntryId,
        (server, settings): (&SmtpServer, Fingerprint),
        stored: Option<&Secret>,
        diagnosis: &Diagnosis,
    ) -> Result<(), Problem> {
        let now = self.now_ms();
        self.store.writing(|tx| {
            let saved = tx.proof(id)?.and_then(|proof| proof.saved) == Some(settings);
            if tx.entry(id)?.is_none() || !saved || needs_a_person(server) && self.renews_with(&*tx, id)?.as_ref() != stored {
                return Ok(());
            }
            let mut note = tx.proof(id)?.and_then(|proof| proof.sign_in).unwrap_or_default();
            let since_ms = note.failing.as_ref().map_or(now, |failing| failing.since_ms);
            note.failing = Some(SignInFailing { since_ms, diagnosis: diagnosis.clone() });
            put_note(tx, id, Some(note)).map_err(Into::into)
        })
    }

    fn renews_with(&self, tx: &dyn Read, id: EntryId) -> Result<Option<Secret>, Problem> {
        self.open_secret(tx, id, SecretField::SignIn, "sign-in")
    }

    /// Whether anything is kept that renews a sign-in of `id`.
    ///
    /// # Errors
    /// As the store.
    pub fn has_sign_in(&self, id: EntryId) -> Result<bool, Problem> {
        self.store.reading(|tx| Ok(tx.secret(id, SecretField::SignIn)?.is_some()))
    }

    /// Forgets the sign-in of `id`. Whether there was one.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], or as the store.
    pub fn end_sign_in(&self, id: EntryId) -> Result<bool, Problem> {
        self.store.writing(|tx| {
            let of = record(&*tx, id)?;
            if !self.forget_sign_in(tx, id)? {
                return Ok(false);
            }
            let mut what = self.by.did(Deed::MailboxSignedOut);
            what.subjects.push(told::server(id, of.content.name()));
            self.note(tx, &what)?;
            Ok(true)
        })
    }

    /// Forgets a sign-in that isn't one for `server`, which is saved in place of `old`.
    pub(super) fn settle_sign_in(
        &self,
        tx: &mut dyn Write,
        id: EntryId,
        old: Option<&SmtpServer>,
        server: &SmtpServer,
    ) -> Result<(), StoreError> {
        let stays = old.is_some_and(|old| match (old.oauth(), server.oauth()) {
            (Some(oauth), Some(_)) if oauth.strategy.needs_a_person() => old.shares_sign_in_with(server),
            (Some(_), Some(_)) => old.shares_password_with(server),
            _ => false,
        });
        if !stays {
            self.forget_sign_in(tx, id)?;
        }
        Ok(())
    }

    fn forget_sign_in(&self, tx: &mut dyn Write, id: EntryId) -> Result<bool, StoreError> {
        let noted = tx.proof(id)?.is_some_and(|proof| proof.sign_in.is_some());
        let there = noted || tx.secret(id, SecretField::SignIn)?.is_some();
        if there {
            self.vault.remove(tx, id, SecretField::SignIn)?;
            put_note(tx, id, None)?;
        }
        Ok(there)
    }

    /// The entries whose sign-in hasn't been renewed since `before_ms`, or doesn't work.
    ///
    /// # Errors
    /// As the store.
    pub fn sign_ins_due(&self, before_ms: u64) -> Result<Vec<EntryId>, Problem> {
        self.store.reading(|tx| {
            let mut noted = Vec::new();
            tx.scan_proofs(&mut |id, proof| {
                let due =
                    |note: SignInNote| note.failing.is_some() || note.renewed_ms.or(note.since_ms).is_none_or(|at| at < before_ms);
                if proof.sign_in.is_some_and(due) {
                    noted.push(id);
                }
            })?;
            let mut due = Vec::new();
            for id in noted {
                if tx.entry(id)?.is_some_and(|record| record.content.server().is_some_and(|server| server.oauth().is_some())) {
                    due.push(id);
                }
            }
            Ok(due)
        })
    }
}

/// How the sign-in of an entry stands; `None` where it has none.
pub(super) fn view(
    tx: &(impl Read + ?Sized),
    id: EntryId,
    record: &Record,
    proof: Option<&Proof>,
) -> Result<Option<SignInView>, StoreError> {
    let Some(oauth) = record.content.server().and_then(SmtpServer::oauth) else { return Ok(None) };
    let needs_a_person = oauth.strategy.needs_a_person();
    let mut note = proof.and_then(|proof| proof.sign_in.clone());
    // A back-up without secrets has the note, but not what it is about.
    if needs_a_person && note.is_some() && tx.secret(id, SecretField::SignIn)?.is_none() {
        note = None;
    }
    Ok(Some(SignInView { needs_a_person, note }))
}

/// Whether somebody who signed in for what is saved signed in for `server` as well.
fn is_for(record: &Record, server: &SmtpServer) -> bool {
    record.content.server().is_some_and(|saved| saved.shares_sign_in_with(server))
}

/// Whether tokens for what is saved are asked for as for `server`.
fn asks_alike(record: &Record, server: &SmtpServer) -> bool {
    record.content.server().is_some_and(|saved| saved.sign_in == server.sign_in)
}

fn needs_a_person(server: &SmtpServer) -> bool {
    server.oauth().is_some_and(|oauth| oauth.strategy.needs_a_person())
}

fn renewed(note: SignInNote, now_ms: u64, granted: &GrantedNote) -> SignInNote {
    let GrantedNote { account, valid_until_ms } = granted.clone();
    SignInNote { account: account.or(note.account), renewed_ms: Some(now_ms), valid_until_ms, failing: None, ..note }
}

fn put_note(tx: &mut dyn Write, id: EntryId, note: Option<SignInNote>) -> Result<(), StoreError> {
    let mut proof = tx.proof(id)?.unwrap_or_default();
    if proof.sign_in == note {
        return Ok(());
    }
    proof.sign_in = note;
    tx.put_proof(id, &proof)
}
