//! The secrets of entries: passwords, and client certificates with their keys. They are sealed here, opened only to connect with,
//! and never leave the server.

use domain::activity::Deed;
use domain::certificate::Certificate;
use domain::entry::{EntryId, Version};
use domain::error::Problem;
use domain::field::{Field, FieldError, FieldErrors};
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::SmtpServer;

use super::{Entries, check_version, has, invalid, record, told};
use crate::store::{Read, Record, SecretField, StoreError, Write};
use crate::trust::client_certificate::{self, ClientCertificate};
use crate::vault::Unopened;

/// What becomes of a client certificate, read and found usable.
pub(super) enum Client {
    Keep,
    Clear,
    Set(ClientCertificate),
}

impl Client {
    /// # Errors
    /// [`FieldError::ClientCertificate`].
    pub(super) fn of(change: &SecretChange) -> Result<Self, FieldErrors> {
        Ok(match change {
            SecretChange::Keep => Self::Keep,
            SecretChange::Clear => Self::Clear,
            SecretChange::Set(pem) => Self::Set(read_client_certificate(pem.expose().as_bytes(), &Secret::default())?),
        })
    }

    /// What is told of the certificate that `server` has after this, and had before as `old`. Where there is no use for one, none is
    /// kept.
    pub(super) fn summary(&self, server: Option<&SmtpServer>, old: Option<&Certificate>) -> Option<Certificate> {
        match self {
            _ if server.is_some_and(|server| !server.has_use_for_client_certificate()) => None,
            Self::Keep => old.cloned(),
            Self::Clear => None,
            Self::Set(certificate) => Some(certificate.summary()),
        }
    }
}

/// Reads the client certificate in `file`, which `password` opens: PEM, or a store such as PKCS#12.
///
/// # Errors
/// [`FieldError::ClientCertificate`].
pub fn read_client_certificate(file: &[u8], password: &Secret) -> Result<ClientCertificate, FieldErrors> {
    client_certificate::read(file, password)
        .map_err(|error| FieldErrors::one(Field::ClientCertificate, FieldError::ClientCertificate(error)))
}

impl Entries {
    /// Does with the password of `id` what `change` says. Where `server` signs in without one, none is kept.
    pub(super) fn settle_password(
        &self,
        tx: &mut dyn Write,
        id: EntryId,
        server: &SmtpServer,
        change: &SecretChange,
    ) -> Result<(), StoreError> {
        let field = SecretField::Password;
        match change {
            SecretChange::Set(secret) if server.username().is_some() && !secret.is_empty() => self.vault.put(tx, id, field, secret),
            SecretChange::Keep if server.username().is_some() => Ok(()),
            _ => self.vault.remove(tx, id, field),
        }
    }

    /// Does with the client certificate of `id` what `client` says. Its summary is [`Client::summary`].
    pub(super) fn settle_client(&self, tx: &mut dyn Write, id: EntryId, encrypts: bool, client: &Client) -> Result<(), StoreError> {
        let field = SecretField::ClientCertificate;
        match client {
            Client::Set(certificate) if encrypts => self.vault.put(tx, id, field, &certificate.to_pem()),
            Client::Keep if encrypts => Ok(()),
            _ => self.vault.remove(tx, id, field),
        }
    }

    /// Gives an entry that was read at version `base` a client certificate, or takes the one it has.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`]; [`Problem::Stale`] if it has another version now; [`FieldError::NotEncrypted`] if it has no use
    /// for one; or as the store.
    pub fn set_client_certificate(
        &self,
        id: EntryId,
        base: Version,
        certificate: Option<ClientCertificate>,
    ) -> Result<Version, Problem> {
        let client = certificate.map_or(Client::Clear, Client::Set);
        self.store.writing(|tx| {
            let old = record(tx, id)?;
            check_version(&old, base, tx.default()? == Some(id), has(&*tx, id)?)?;
            let server = old.content.server();
            let encrypts = server.is_some_and(SmtpServer::has_use_for_client_certificate);
            if matches!(client, Client::Set(_)) && !encrypts {
                return Err(invalid(Field::ClientCertificate, FieldError::NotEncrypted));
            }
            let version = Version(old.version.0 + 1);
            let client_certificate = client.summary(server, old.client_certificate.as_ref());
            tx.put(id, &Record { version, client_certificate, ..old.clone() })?;
            self.settle_client(tx, id, encrypts, &client)?;
            if let Some(server) = server {
                self.settle_proof(tx, id, server)?;
            }
            let mut what = self.by.did(Deed::ClientCertificateChanged);
            what.subjects.push(told::server(id, old.content.name()));
            what.changes.push(told::secret(Field::ClientCertificate));
            if let Client::Set(certificate) = &client {
                let Certificate { subject, sha256, .. } = certificate.summary();
                what.detail = format!("{subject}, SHA-256 {sha256}");
            }
            self.note(tx, &what)?;
            Ok(version)
        })
    }

    /// The password stored for `id`, to sign in at `server` with.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`]; [`FieldError::PasswordForOtherServer`] if it was stored for another server or account;
    /// [`Problem::Corrupt`] if it doesn't open; or as the store.
    pub fn password_for(&self, id: EntryId, server: &SmtpServer) -> Result<Option<Secret>, Problem> {
        let field = SecretField::Password;
        self.store.reading(|tx| {
            let record = record(tx, id)?;
            let is_for = || record.content.server().is_some_and(|stored| stored.shares_password_with(server));
            if tx.secret(id, field)?.is_some() && !is_for() {
                return Err(invalid(Field::Password, FieldError::PasswordForOtherServer));
            }
            self.open_secret(tx, id, field, "password")
        })
    }

    /// The client certificate stored for `id`, PEM with its key. Whoever sees it learns nothing of the key, so it is shown to any
    /// server that the entry leads to.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`]; [`Problem::Corrupt`] if it doesn't open; or as the store.
    pub fn client_certificate(&self, id: EntryId) -> Result<Option<Secret>, Problem> {
        self.store.reading(|tx| {
            record(tx, id)?;
            self.open_secret(tx, id, SecretField::ClientCertificate, "client certificate")
        })
    }

    pub(super) fn open_secret(
        &self,
        tx: &dyn Read,
        id: EntryId,
        field: SecretField,
        what: &str,
    ) -> Result<Option<Secret>, Problem> {
        self.vault.get(tx, id, field).map_err(|error| match error {
            Unopened::Sealed(error) => Problem::Corrupt { detail: format!("the {what} of server {id}: {error}") },
            Unopened::Store(error) => error.into(),
        })
    }
}
