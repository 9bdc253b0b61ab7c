//! What the runs of an entry say of it as it is saved. A run counts only with exactly the settings it was made with: testing
//! what is typed and then saving it proves it, and saving anything that matters afterwards doesn't stay proven. Nor does a
//! change of what is trusted, where that matters to it.

use domain::entry::EntryId;
use domain::fax::FaxSettings;
use domain::oauth::Oauth;
use domain::run::{RunSummary, Standing, says_nothing};
use domain::secret::Secret;
use domain::smtp_server::{Kind, Protocol, Sender, SignIn, SmtpServer, TlsSettings};
use domain::transcript::{Cause, Finished, Outcome};
use serde::Serialize;

use super::Entries;
use crate::seal::{Fingerprint, Fingerprints};
use crate::store::{Proof, SecretField, Seen, StoreError, Target, Tested, Write};
use crate::vault::Unopened;

/// The settings that a connection depends on: all but the name, the default, and what becomes of attachments. A field that is
/// added here makes every entry one that has to be tested again, unless it is left out where it has its default.
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
    #[serde(skip_serializing_if = "TlsSettings::is_default")]
    tls: &'a TlsSettings,
    #[serde(skip_serializing_if = "FaxSettings::is_default")]
    fax: &'a FaxSettings,
}

/// The secrets that belong to settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Secrets<'a> {
    /// The password.
    pub password: Option<&'a Secret>,
    /// The client certificate with its key.
    pub client_certificate: Option<&'a Secret>,
}

/// What a run was made with.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The settings; `None` where they can't be told from others.
    pub settings: Option<Fingerprint>,
    /// Where they lead.
    pub target: Target,
    /// What was trusted ([`crate::store::Read::trust_epoch`]).
    pub trust_epoch: u64,
    /// Whether the mail was from their own sender, not from one that was typed for the test.
    pub own_sender: bool,
}

/// The fingerprint of `server` with its secrets.
pub(super) fn fingerprint(fingerprints: &Fingerprints, server: &SmtpServer, secrets: Secrets<'_>) -> Option<Fingerprint> {
    // When a secret ends is a reminder, and changes nothing.
    let sign_in = match &server.sign_in {
        SignIn::AzureOauth { username, oauth } => {
            SignIn::AzureOauth { username: username.clone(), oauth: Oauth { secret_expires: None, ..oauth.clone() } }
        }
        sign_in => sign_in.clone(),
    };
    let settings = Settings {
        kind: server.kind,
        protocol: server.protocol,
        host: &server.host,
        port: server.port,
        timeout_ms: server.timeout_ms,
        sign_in: &sign_in,
        sender: server.sender.as_ref(),
        mime_address_strict: server.mime_address_strict,
        tls: &server.tls,
        fax: &server.fax,
    };
    let password = secrets.password.filter(|_| server.username().is_some()).map_or("", Secret::expose);
    let settings = serde_json::to_vec(&settings).ok()?;
    let mut parts = vec![settings.as_slice(), password.as_bytes()];
    parts.extend(secrets.client_certificate.filter(|_| server.has_use_for_client_certificate()).map(|pem| pem.expose().as_bytes()));
    Some(fingerprints.of(&parts))
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

    /// What was seen when a connection to `target` last worked encrypted.
    pub fn seen(&self, target: &Target) -> Option<&Seen> {
        let tested = self.proven.as_ref()?;
        let same = |of: &&Target| (&of.host, of.port) == (&target.host, target.port);
        tested.target.as_ref().filter(same).and(tested.seen.as_ref())
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
    pub(super) fn ran(&mut self, settings: Fingerprint, basis: &Basis, finished: &Finished, run: &RunSummary) {
        let slot = if self.saved == Some(settings) { &mut self.proven } else { &mut self.tried };
        let before = slot.as_ref().filter(|tested| tested.settings == settings);
        if says_nothing(finished, basis.own_sender) || before.is_some_and(|tested| tested.run > run.id.0) {
            return;
        }
        let standing = before.map(|tested| tested.standing.clone()).unwrap_or_default();
        *slot = Some(Tested {
            settings,
            standing: standing.after(finished, basis.own_sender, run.at_ms),
            run: run.id.0,
            target: Some(basis.target.clone()),
            seen: seen(finished).or_else(|| before.and_then(|tested| tested.seen.clone())),
            unseen: works_encrypted(finished) && finished.trusted_by.is_none(),
            unvouched: is_unvouched(finished.cause),
        });
    }
}

/// Whether somebody more to vouch may make it another failure, or none.
const fn is_unvouched(cause: Option<Cause>) -> bool {
    matches!(cause, Some(Cause::UnknownIssuer | Cause::SelfSigned | Cause::NoTrustedRoots | Cause::BadCertificate))
}

fn works_encrypted(finished: &Finished) -> bool {
    matches!(finished.outcome, Outcome::Sent | Outcome::Checked) && finished.security.is_encrypted()
}

/// What an encrypted connection that worked showed.
fn seen(finished: &Finished) -> Option<Seen> {
    let (certificate, by) = finished.certificate.as_ref().zip(finished.trusted_by.as_ref())?;
    if !works_encrypted(finished) {
        return None;
    }
    Some(Seen {
        by: (**by).clone(),
        subject: certificate.subject.clone(),
        not_before: certificate.not_before.clone(),
        not_after: certificate.not_after.clone(),
    })
}

impl Entries {
    /// Notes what is saved of `id` now.
    pub(super) fn settle_proof(&self, tx: &mut dyn Write, id: EntryId, server: &SmtpServer) -> Result<(), StoreError> {
        let before = tx.proof(id)?;
        let mut proof = before.clone().unwrap_or_default();
        proof.save(self.fingerprint_of_saved(tx, id, server)?);
        if before.as_ref() == Some(&proof) { Ok(()) } else { tx.put_proof(id, &proof) }
    }

    /// The fingerprint of what is saved; `None` if a secret doesn't open, which using it will say better.
    pub(super) fn fingerprint_of_saved(
        &self,
        tx: &dyn Write,
        id: EntryId,
        server: &SmtpServer,
    ) -> Result<Option<Fingerprint>, StoreError> {
        let mut secrets = [None, None];
        for (field, secret) in SecretField::ENTERED.into_iter().zip(&mut secrets) {
            match self.vault.get(tx, id, field) {
                Ok(opened) => *secret = opened,
                Err(Unopened::Sealed(_)) => return Ok(None),
                Err(Unopened::Store(error)) => return Err(error),
            }
        }
        let [password, client_certificate] = &secrets;
        let secrets = Secrets { password: password.as_ref(), client_certificate: client_certificate.as_ref() };
        Ok(fingerprint(self.vault.fingerprints(), server, secrets))
    }
}
