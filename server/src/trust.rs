//! Whose certificates are trusted, and the rules: what can be added, what a change means to the entries, trash and undo. Each
//! operation is one transaction. Verifying is the mailer's affair. [`import`] reads files of certificates, [`client_certificate`] a
//! certificate of ours with its key; both are pure: bytes in, data out.

mod ber;
mod change;
pub mod client_certificate;
mod export;
mod fate;
pub mod import;
mod java;
mod known;
mod pem;
mod pkcs12;
mod pkcs7;
mod users;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::activity::{self as activity_of, Deed, Happening, Subject};
use domain::certificate::Certificate;
use domain::entry::UNDO_MS;
use domain::error::Problem;
use domain::field::{Field, FieldError, FieldErrors};
use domain::host::Host;
use domain::secret::Secret;
use domain::trust::{
    Fate, MAX_TRUSTED, NewPin, Pin, Preview, PreviewItem, SystemRoots, TrustId, TrustPage, TrustTrashPlan, TrustUndo, Trusted,
};
use rustls::pki_types::CertificateDer;

use self::change::Change;
pub(crate) use self::export::to_pem;
use self::import::{Found, What};
use self::known::Item;
pub use self::known::Known;
use self::users::Users;
use crate::activity::{self, By};
use crate::certificate::summary;
use crate::entries::{is_expired, undo_left_ms};
use crate::mailer::SystemAuthorities;
use crate::ports::Clock;
use crate::store::{Read, Store, StoreError, TrustBatch, TrustRecord, Write};

/// The certificates that are trusted besides the machine's own, and whether those are.
pub struct TrustedCertificates {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock + Send + Sync>,
    /// What was read last, until something else is trusted; by whoever asked.
    known: Arc<Mutex<Option<Arc<Known>>>>,
    by: By,
}

impl TrustedCertificates {
    /// Those in `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock + Send + Sync>) -> Self {
        Self { store, clock, known: Arc::default(), by: By::default() }
    }

    /// The same, for one who asks.
    pub(crate) fn on_behalf_of(&self, by: By) -> Self {
        Self { store: Arc::clone(&self.store), clock: Arc::clone(&self.clock), known: Arc::clone(&self.known), by }
    }

    /// Adds a line to the activity in the transaction of what it tells of.
    fn note<'a>(
        &self,
        tx: &mut dyn Write,
        mut what: Happening,
        items: impl IntoIterator<Item = &'a Item>,
    ) -> Result<(), StoreError> {
        what.subjects = items.into_iter().map(subject).collect();
        activity::record(tx, self.clock.now_ms(), &what)
    }

    /// What is trusted now. As long as that doesn't change, nothing is read or built again.
    ///
    /// # Errors
    /// As the store.
    pub fn known(&self) -> Result<Arc<Known>, Problem> {
        self.store.reading(|tx| Ok(self.known_in(tx)?))
    }

    /// The same in a transaction that only reads: what one that writes finds may never come to be.
    pub(crate) fn known_in(&self, tx: &dyn Read) -> Result<Arc<Known>, StoreError> {
        let epoch = tx.trust_epoch()?;
        let last = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = last.filter(|known| known.epoch() == epoch) {
            return Ok(known);
        }
        let known = Arc::new(Known::read(tx)?);
        let mut last = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|last| last.epoch() < epoch) {
            *last = Some(Arc::clone(&known));
        }
        Ok(known)
    }

    /// What is trusted, for its page; `system` are the authorities of this machine.
    ///
    /// # Errors
    /// As the store.
    pub fn page(&self, system: &SystemAuthorities) -> Result<TrustPage, Problem> {
        let now_ms = self.clock.now_ms();
        self.store.reading(|tx| {
            let known = self.known_in(tx)?;
            let mut users = Users::of(tx, &known)?;
            let SystemAuthorities { count, source, error } = system.clone();
            let used_by = users.take_system();
            let system = SystemRoots { on: known.trusts_system(), count, source, error, used_by };
            let items = in_order(known.items().iter().collect()).into_iter().map(|item| told(item, &mut users)).collect();
            Ok(TrustPage { system, items, undo: undo_offer(tx, now_ms)?, now_ms })
        })
    }

    /// What is pinned for `host` and `port`.
    ///
    /// # Errors
    /// As the store.
    pub fn pinned(&self, host: &Host, port: u16) -> Result<Vec<Trusted>, Problem> {
        self.store.reading(|tx| {
            let known = self.known_in(tx)?;
            let mut users = Users::of(tx, &known)?;
            Ok(known.pinned(&host.with_port(port)).map(|item| told(item, &mut users)).collect())
        })
    }

    /// What of `file` could be trusted as an authority. Nothing is kept.
    ///
    /// # Errors
    /// [`Problem::NotImported`] if it can't be read; or as the store.
    pub fn preview(&self, file: &[u8], password: &Secret) -> Result<Preview, Problem> {
        let found = import::read(file, password).map_err(Problem::NotImported)?;
        let (now_ms, known) = (self.clock.now_ms(), self.known()?);
        let (mut items, mut pem, mut seen) = (Vec::new(), String::new(), BTreeSet::new());
        for Found { label, what } in found {
            let (certificate, fate) = match what {
                What::PrivateKey => (None, Fate::PrivateKey),
                What::Unreadable => (None, Fate::NotACertificate),
                What::Certificate(der) => {
                    let certificate = summary(&der);
                    if !seen.insert(certificate.sha256.clone()) {
                        continue;
                    }
                    let fate = fate::of_authority(&der, &certificate, &known, now_ms);
                    if fate == Fate::New {
                        pem.push_str(&export::to_pem(&der));
                    }
                    (Some(certificate), fate)
                }
            };
            items.push(PreviewItem { label, certificate, fate });
        }
        Ok(Preview { items, pem, now_ms })
    }

    /// What would become of `der` if it was to be trusted as an authority.
    ///
    /// # Errors
    /// As the store.
    pub fn fate(&self, der: &CertificateDer<'_>) -> Result<Fate, Problem> {
        Ok(fate::of_authority(der, &summary(der), &*self.known()?, self.clock.now_ms()))
    }

    /// Trusts the authorities in `pem`, or those of them that `only` names by SHA-256: all or none. What is trusted already is left
    /// as it is. Returns what was added. Whatever a preview said, everything is looked at anew.
    ///
    /// # Errors
    /// [`Problem::NotImported`]; [`Problem::NoCertificateChosen`]; [`Problem::Malformed`] if `only` names one that isn't in `pem`;
    /// [`Problem::NotTrustable`]; [`Problem::TooManyCertificates`]; or as the store.
    pub fn add_authorities(&self, pem: &str, only: Option<&[String]>, by: &str) -> Result<Vec<TrustId>, Problem> {
        let added_ms = self.clock.now_ms();
        let chosen = choose(pem, only)?;
        let added = self.store.writing(|tx| {
            let known = Known::read(&*tx)?;
            let (mut change, mut added) = (Change::default(), Vec::new());
            for (der, certificate) in &chosen {
                match fate::of_authority(der, certificate, &known, added_ms) {
                    Fate::Already => {}
                    Fate::New => {
                        let record = TrustRecord { der: der.to_vec(), pin: None, added_ms, added_by: by.to_owned() };
                        let item = Item::new(TrustId(tx.new_number()?), record)?;
                        tx.put_trusted(item.id, &item.record)?;
                        change.comes(&item);
                        added.push(item);
                    }
                    fate => return Err(Problem::NotTrustable(fate)),
                }
            }
            check_room(known.items().len() + added.len())?;
            change.carry_out(tx)?;
            if !added.is_empty() {
                self.note(tx, self.by.did(Deed::CertificatesTrusted), &added)?;
            }
            Ok(added)
        })?;
        for Item { certificate: Certificate { sha256, subject, .. }, .. } in &added {
            tracing::info!(sha256, subject, by, "trusts an authority");
        }
        Ok(added.into_iter().map(|item| item.id).collect())
    }

    /// Trusts one certificate for one host and port, beside what is pinned there or in its place. Pinned there already, it stays
    /// the one it is, with [`Pin::outlives`] as it is asked for now.
    ///
    /// # Errors
    /// [`Problem::Invalid`] with what is wrong with host and port; [`Problem::NotOneCertificate`]; [`Problem::NotTrustable`] if no
    /// connection would accept it; [`Problem::TooManyCertificates`]; or as the store.
    pub fn pin(&self, new: &NewPin, by: &str) -> Result<TrustId, Problem> {
        let added_ms = self.clock.now_ms();
        let host = check_server(new)?;
        let (der, certificate) = only_one(&new.pem)?;
        if let Some(fate) = fate::of_pin(&certificate, new.outlives, added_ms) {
            return Err(Problem::NotTrustable(fate));
        }
        let pin = Some(Pin { host: host.to_string(), port: new.port, outlives: new.outlives });
        let (id, replaced) = self.store.writing(|tx| {
            let known = Known::read(&*tx)?;
            let (same, others): (Vec<_>, Vec<_>) =
                known.pinned(&host.with_port(new.port)).partition(|item| item.record.der == *der);
            let replaced: Vec<&Item> = if new.replace { others } else { Vec::new() };
            let mut change = Change::default();
            for item in &replaced {
                tx.remove_trusted(item.id)?;
                change.goes(item);
            }
            let mut what = self.by.did(Deed::CertificatePinned);
            what.detail = pinned_for(&host.with_port(new.port), new.outlives, &certificate, &replaced);
            let id = if let Some(item) = same.first() {
                if change_pin(tx, item, new.outlives, added_ms, &mut change)? || !replaced.is_empty() {
                    self.note(tx, what, [*item])?;
                }
                item.id
            } else {
                check_room(known.items().len() - replaced.len() + 1)?;
                let record = TrustRecord { der: der.to_vec(), pin: pin.clone(), added_ms, added_by: by.to_owned() };
                let item = Item::new(TrustId(tx.new_number()?), record)?;
                tx.put_trusted(item.id, &item.record)?;
                change.comes(&item);
                self.note(tx, what, [&item])?;
                item.id
            };
            change.carry_out(tx)?;
            Ok((id, replaced.into_iter().map(|item| item.certificate.clone()).collect::<Vec<_>>()))
        })?;
        let server = host.with_port(new.port);
        let Certificate { sha256, subject, .. } = &certificate;
        tracing::info!(sha256, subject, server, outlives = new.outlives, by, "trusts a certificate for one server");
        for Certificate { sha256, subject, .. } in &replaced {
            tracing::info!(sha256, subject, server, by, "trusts it there no longer: another one took its place");
        }
        Ok(id)
    }

    /// Trusts a pinned certificate outside of its dates, or not.
    ///
    /// # Errors
    /// [`Problem::NoSuchCertificate`], also for an authority, which never outlives its dates; or as the store.
    pub fn set_outlives(&self, id: TrustId, outlives: bool) -> Result<(), Problem> {
        let now_ms = self.clock.now_ms();
        let changed = self.store.writing(|tx| {
            let known = Known::read(&*tx)?;
            let item = known.item(id).filter(|item| item.record.pin.is_some()).ok_or(Problem::NoSuchCertificate(id))?;
            let mut change = Change::default();
            let changed = change_pin(tx, item, outlives, now_ms, &mut change)?;
            change.carry_out(tx)?;
            if changed {
                let mut what = self.by.did(Deed::CertificateChanged);
                what.changes.push(switched("outlives", outlives));
                self.note(tx, what, [item])?;
            }
            Ok(changed.then(|| item.certificate.clone()))
        })?;
        if let Some(Certificate { sha256, subject, .. }) = changed {
            tracing::info!(sha256, subject, outlives, "changed whether it is trusted outside of its dates");
        }
        Ok(())
    }

    /// Trusts the authorities of this machine, or not.
    ///
    /// # Errors
    /// As the store.
    pub fn set_system_roots(&self, on: bool) -> Result<(), Problem> {
        let changed = self.store.writing(|tx| {
            let changed = tx.trusts_system()? != on;
            if changed {
                tx.set_trusts_system(on)?;
                Change::of_system(on).carry_out(tx)?;
                let mut what = self.by.did(Deed::SystemAuthoritiesChanged);
                what.changes.push(switched("system_authorities", on));
                self.note(tx, what, [])?;
            }
            Ok(changed)
        })?;
        if changed {
            tracing::info!(on, "changed whether the authorities of this machine are trusted");
        }
        Ok(())
    }

    /// What trashing `ids` would do, and who depends on them.
    ///
    /// # Errors
    /// [`Problem::NoCertificateChosen`], [`Problem::NoSuchCertificate`], or as the store.
    pub fn trash_plan(&self, ids: &[TrustId]) -> Result<TrustTrashPlan, Problem> {
        let now_ms = self.clock.now_ms();
        self.store.reading(|tx| {
            let known = self.known_in(tx)?;
            let going = named(&known, ids)?;
            let mut users = Users::of(tx, &known)?;
            Ok(TrustTrashPlan { going: going.into_iter().map(|item| told(item, &mut users)).collect(), now_ms })
        })
    }

    /// Trusts these no longer, all or none. It can be taken back for a while.
    ///
    /// # Errors
    /// [`Problem::NoCertificateChosen`], [`Problem::NoSuchCertificate`], or as the store.
    pub fn trash(&self, ids: &[TrustId]) -> Result<TrustUndo, Problem> {
        let trashed_ms = self.clock.now_ms();
        let (batch, gone) = self.store.writing(|tx| {
            let known = Known::read(&*tx)?;
            let going = named(&known, ids)?;
            let mut change = Change::default();
            for item in &going {
                tx.remove_trusted(item.id)?;
                change.goes(item);
            }
            change.carry_out(tx)?;
            let batch = tx.new_number()?;
            let certificates = going.iter().map(|item| (item.id, item.record.clone())).collect();
            tx.put_trust_batch(batch, &TrustBatch { trashed_ms, certificates })?;
            self.note(tx, self.by.did(Deed::CertificatesTrashed), going.iter().copied())?;
            Ok((batch, going.into_iter().map(|item| item.certificate.clone()).collect::<Vec<_>>()))
        })?;
        for Certificate { sha256, subject, .. } in &gone {
            tracing::info!(sha256, subject, batch, "trusts it no longer");
        }
        Ok(TrustUndo { batch, subjects: gone.into_iter().map(|certificate| certificate.subject).collect(), left_ms: UNDO_MS })
    }

    /// Trusts what was trashed together again, by [`TrustUndo::batch`]. What has been added anew since isn't there twice. The
    /// entries stay untested. Returns what came back.
    ///
    /// # Errors
    /// [`Problem::UndoGone`], [`Problem::TooManyCertificates`], or as the store.
    pub fn undo(&self, batch: u64) -> Result<Vec<TrustId>, Problem> {
        let now_ms = self.clock.now_ms();
        let back = self.store.writing(|tx| {
            let found = tx.trust_batches()?.into_iter().find(|(number, _)| *number == batch);
            let Some((number, found)) = found.filter(|(_, found)| !is_expired(found.trashed_ms, now_ms)) else {
                return Err(Problem::UndoGone);
            };
            let known = Known::read(&*tx)?;
            let (mut change, mut back) = (Change::default(), Vec::new());
            for (id, record) in found.certificates {
                if known.items().iter().any(|item| item.is_as(&record)) {
                    continue;
                }
                let item = Item::new(id, record)?;
                tx.put_trusted(id, &item.record)?;
                change.comes(&item);
                back.push(item);
            }
            check_room(known.items().len() + back.len())?;
            change.carry_out(tx)?;
            tx.remove_trust_batch(number)?;
            self.note(tx, self.by.did(Deed::CertificatesRestored), &back)?;
            Ok(back)
        })?;
        for Item { certificate: Certificate { sha256, subject, .. }, .. } in &back {
            tracing::info!(sha256, subject, batch, "trusts it again");
        }
        Ok(back.into_iter().map(|item| item.id).collect())
    }

    /// Removes what can't be brought back any more. Returns how many certificates went.
    ///
    /// # Errors
    /// As the store.
    pub fn purge(&self) -> Result<usize, Problem> {
        let now_ms = self.clock.now_ms();
        let expired = |tx: &dyn Read| -> Result<Vec<(u64, usize)>, StoreError> {
            let batches = tx.trust_batches()?.into_iter().filter(|(_, batch)| is_expired(batch.trashed_ms, now_ms));
            Ok(batches.map(|(number, batch)| (number, batch.certificates.len())).collect())
        };
        if self.store.reading(|tx| Ok(expired(tx)?))?.is_empty() {
            return Ok(0);
        }
        self.store.writing(|tx| {
            let mut gone = 0;
            for (number, count) in expired(&*tx)? {
                tx.remove_trust_batch(number)?;
                gone += count;
            }
            Ok(gone)
        })
    }

    /// These as PEM (RFC 7468), each under a comment that names it; all of them where none are named.
    ///
    /// # Errors
    /// [`Problem::NoSuchCertificate`], or as the store.
    pub fn export(&self, ids: &[TrustId]) -> Result<String, Problem> {
        let known = self.known()?;
        let chosen = if ids.is_empty() { in_order(known.items().iter().collect()) } else { named(&known, ids)? };
        Ok(chosen.into_iter().map(export::commented).collect())
    }
}

/// The certificates in `pem` that `only` names, or all; each once, in their order.
fn choose(pem: &str, only: Option<&[String]>) -> Result<Vec<(CertificateDer<'static>, Certificate)>, Problem> {
    let mut wanted: Option<BTreeSet<String>> = only.map(|only| only.iter().map(|sha256| sha256.to_lowercase()).collect());
    let (mut chosen, mut seen) = (Vec::new(), BTreeSet::new());
    for Found { what, .. } in import::read(pem.as_bytes(), &Secret::default()).map_err(Problem::NotImported)? {
        let der = match what {
            What::Certificate(der) => der,
            // What isn't chosen does no harm.
            _ if wanted.is_some() => continue,
            What::PrivateKey => return Err(Problem::NotTrustable(Fate::PrivateKey)),
            What::Unreadable => return Err(Problem::NotTrustable(Fate::NotACertificate)),
        };
        let certificate = summary(&der);
        let is_wanted = wanted.as_mut().is_none_or(|wanted| wanted.remove(&certificate.sha256));
        if is_wanted && seen.insert(certificate.sha256.clone()) {
            chosen.push((der, certificate));
        }
    }
    if wanted.is_some_and(|wanted| !wanted.is_empty()) {
        return Err(Problem::Malformed { detail: "“only” names a certificate that isn't in “pem”".into() });
    }
    if chosen.is_empty() { Err(Problem::NoCertificateChosen) } else { Ok(chosen) }
}

/// The host that a certificate is to be pinned for.
fn check_server(new: &NewPin) -> Result<Host, Problem> {
    let mut errors = FieldErrors::default();
    let host = errors.take(Field::Host, Host::parse(&new.host));
    if new.port == 0 {
        errors.add(Field::Port, FieldError::OutOfRange { text: "0".into(), min: 1, max: u16::MAX.into() });
    }
    match host {
        Some(host) => errors.or(host),
        None => Err(errors),
    }
    .map_err(Problem::Invalid)
}

/// The certificate that is all there is in `pem`.
fn only_one(pem: &str) -> Result<(CertificateDer<'static>, Certificate), Problem> {
    let found = import::read(pem.as_bytes(), &Secret::default()).map_err(|_| Problem::NotOneCertificate)?;
    let Ok([Found { what: What::Certificate(der), .. }]) = <[Found; 1]>::try_from(found) else {
        return Err(Problem::NotOneCertificate);
    };
    let certificate = summary(&der);
    Ok((der, certificate))
}

/// Lets a pinned certificate outlive its dates, or not; whether that is a change. Within its dates it makes no difference to any
/// entry.
fn change_pin(tx: &mut dyn Write, item: &Item, outlives: bool, now_ms: u64, change: &mut Change) -> Result<bool, StoreError> {
    let Some(pin) = item.record.pin.as_ref().filter(|pin| pin.outlives != outlives) else { return Ok(false) };
    let record = TrustRecord { pin: Some(Pin { outlives, ..pin.clone() }), ..item.record.clone() };
    tx.put_trusted(item.id, &record)?;
    if !fate::is_within_dates(&item.certificate, now_ms) {
        change.goes(item);
    }
    Ok(true)
}

/// A certificate, as a line of the activity names it.
fn subject(item: &Item) -> Subject {
    Subject { kind: "certificate".into(), id: Some(item.id.0), name: item.certificate.subject.clone() }
}

/// A switch that was put to `on`.
fn switched(field: &str, on: bool) -> activity_of::Change {
    activity_of::Change { field: field.into(), old: Some((!on).to_string()), new: Some(on.to_string()), secret: false }
}

/// What a pin is for, in words.
fn pinned_for(server: &str, outlives: bool, certificate: &Certificate, replaced: &[&Item]) -> String {
    let outlives = if outlives { ", also outside of its dates" } else { "" };
    let mut words = format!("For {server}{outlives}; SHA-256 {}.", certificate.sha256);
    if !replaced.is_empty() {
        let replaced: Vec<&str> = replaced.iter().map(|item| item.certificate.sha256.as_str()).collect();
        words.push_str(&format!(" In place of {}.", replaced.join(", ")));
    }
    words
}

fn check_room(count: usize) -> Result<(), Problem> {
    if count as u64 > MAX_TRUSTED { Err(Problem::TooManyCertificates { max: MAX_TRUSTED }) } else { Ok(()) }
}

/// Authorities first, each by subject.
fn in_order(mut items: Vec<&Item>) -> Vec<&Item> {
    items.sort_by_cached_key(|item| (item.record.pin.is_some(), item.certificate.subject.to_lowercase(), item.id));
    items
}

/// Those that are named, each once.
fn named<'a>(known: &'a Known, ids: &[TrustId]) -> Result<Vec<&'a Item>, Problem> {
    if ids.is_empty() {
        return Err(Problem::NoCertificateChosen);
    }
    let ids: BTreeSet<TrustId> = ids.iter().copied().collect();
    let items = ids.into_iter().map(|id| known.item(id).ok_or(Problem::NoSuchCertificate(id)));
    Ok(in_order(items.collect::<Result<_, _>>()?))
}

fn told(item: &Item, users: &mut Users) -> Trusted {
    let TrustRecord { pin, added_ms, added_by, .. } = item.record.clone();
    Trusted { id: item.id, certificate: item.certificate.clone(), pin, added_ms, added_by, used_by: users.take(item.id) }
}

/// The latest trashing, while it can be undone.
fn undo_offer(tx: &dyn Read, now_ms: u64) -> Result<Option<TrustUndo>, StoreError> {
    let mut batches = tx.trust_batches()?.into_iter().rev();
    Ok(batches.find_map(|(batch, TrustBatch { trashed_ms, certificates })| {
        let left_ms = undo_left_ms(trashed_ms, now_ms)?;
        let subjects = certificates.iter().map(|(_, record)| summary(&record.der).subject).collect();
        Some(TrustUndo { batch, subjects, left_ms })
    }))
}
