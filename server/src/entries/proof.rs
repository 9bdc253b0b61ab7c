//! What the runs of an entry say of it as it is saved. A run counts only with exactly the settings it was made with: testing
//! what is typed and then saving it proves it, and saving anything that matters afterwards doesn't stay proven.

use domain::entry::EntryId;
use domain::run::{RunSummary, Standing, says_nothing};
use domain::secret::Secret;
use domain::smtp_server::{Kind, Protocol, Sender, SignIn, SmtpServer};
use domain::transcript::Finished;
use serde::Serialize;

use super::Entries;
use crate::seal::{Fingerprint, Sealer};
use crate::store::{Proof, SecretField, StoreError, Tested, Write};

/// The settings that a connection depends on: all but the name, the default, and what becomes of attachments. A field that is
/// added here makes every entry one that has to be tested again.
#[derive(Serialize)]
struct Settings<'a> {
    kind: Kind,
    protocol: Protocol,
    host: &'a domain::host::Host,
    port: u16,
    timeout_ms: u32,
    sign_in: &'a SignIn,
    sender: Option<&'a Sender>,
    mime_address_strict: bool,
}

/// The fingerprint of `server` with `password`.
pub(super) fn fingerprint(sealer: &Sealer, server: &SmtpServer, password: Option<&Secret>) -> Option<Fingerprint> {
    let settings = Settings {
        kind: server.kind,
        protocol: server.protocol,
        host: &server.host,
        port: server.port,
        timeout_ms: server.timeout_ms,
        sign_in: &server.sign_in,
        sender: server.sender.as_ref(),
        mime_address_strict: server.mime_address_strict,
    };
    let password = password.filter(|_| server.username().is_some()).map_or("", Secret::expose);
    let settings = serde_json::to_vec(&settings).ok()?;
    Some(sealer.fingerprint(&[&settings, password.as_bytes()]))
}

impl Proof {
    /// What is known of the settings that are saved.
    pub fn standing(&self) -> Standing {
        match &self.proven {
            Some(tested) if Some(tested.settings) == self.saved => tested.standing.clone(),
            None if self.tried.is_none() => Standing::Never,
            _ => Standing::Changed,
        }
    }

    /// These settings are saved now. What was found out about them before counts again.
    pub(super) fn save(&mut self, settings: Option<Fingerprint>) {
        self.saved = settings;
        if self.tried.as_ref().is_some_and(|tested| Some(tested.settings) == settings) {
            std::mem::swap(&mut self.proven, &mut self.tried);
        }
    }

    /// A run with these settings is over. Runs count in the order in which they began: one that began before the last that said
    /// something is old news.
    pub(super) fn ran(&mut self, settings: Fingerprint, own_sender: bool, finished: &Finished, run: &RunSummary) {
        let slot = if self.saved == Some(settings) { &mut self.proven } else { &mut self.tried };
        let before = slot.as_ref().filter(|tested| tested.settings == settings);
        if says_nothing(finished, own_sender) || before.is_some_and(|tested| tested.run > run.id.0) {
            return;
        }
        let standing = before.map(|tested| tested.standing.clone()).unwrap_or_default().after(finished, own_sender, run.at_ms);
        *slot = Some(Tested { settings, standing, run: run.id.0 });
    }
}

impl Entries {
    /// Notes what is saved of `id` now.
    pub(super) fn settle_proof(&self, tx: &mut dyn Write, id: EntryId, server: &SmtpServer) -> Result<(), StoreError> {
        let before = tx.proof(id)?;
        let mut proof = before.clone().unwrap_or_default();
        proof.save(self.fingerprint_of_saved(tx, id, server)?);
        if before.as_ref() == Some(&proof) { Ok(()) } else { tx.put_proof(id, &proof) }
    }

    /// The fingerprint of what is saved; `None` if the password doesn't open, which using it will say better.
    pub(super) fn fingerprint_of_saved(
        &self,
        tx: &dyn Write,
        id: EntryId,
        server: &SmtpServer,
    ) -> Result<Option<Fingerprint>, StoreError> {
        let field = SecretField::Password;
        let password = match tx.secret(id, field)? {
            Some(sealed) => match self.sealer.open(field.place(id), &sealed) {
                Ok(password) => Some(password),
                Err(_) => return Ok(None),
            },
            None => None,
        };
        Ok(fingerprint(&self.sealer, server, password.as_ref()))
    }
}
