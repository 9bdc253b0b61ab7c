//! What a run is made with: settings, secrets, and what is trusted at the moment it is planned.

use std::sync::Arc;

use app::backend::Caller;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::secret::Secret;
use domain::smtp_server::SmtpServer;
use rustls::sign::CertifiedKey;

use crate::entries::{Basis, Entries, Secrets, read_client_certificate};
use crate::mailer::{Mode, TestRun};
use crate::store::Target;

/// A test that may be run.
pub struct Planned {
    /// The entry whose history it goes into; without one it isn't recorded.
    pub entry: Option<EntryId>,
    /// What is run.
    pub test: TestRun,
    /// What it is run with.
    pub basis: Basis,
    /// Who asked.
    pub caller: Caller,
    /// Whether it may use the tokens that the entry has, and what it finds out of them is told of that.
    pub shares_tokens: bool,
    /// Whether it is one of many that are checked: those are recorded once, when they are over.
    pub one_of_many: bool,
}

/// The secrets that a run is made with.
#[derive(Debug, Default)]
pub struct Keys {
    /// The password.
    pub password: Option<Secret>,
    /// The client certificate, PEM with its key.
    pub client_certificate: Option<Secret>,
}

impl Keys {
    /// Those stored for `id`, to use at `server`.
    ///
    /// # Errors
    /// As [`Entries::password_for`] and [`Entries::client_certificate`].
    pub fn stored(entries: &Entries, id: EntryId, server: &SmtpServer) -> Result<Self, Problem> {
        Ok(Self { password: entries.password_for(id, server)?, client_certificate: entries.client_certificate(id)? })
    }
}

impl Planned {
    /// A run of `server` with `keys`, which trusts what is trusted now.
    ///
    /// # Errors
    /// [`domain::field::FieldError::ClientCertificate`] if that can't be used; or as the store.
    pub fn new(
        entries: &Entries,
        entry: Option<EntryId>,
        server: SmtpServer,
        keys: Keys,
        mode: Mode,
        caller: Caller,
    ) -> Result<Self, Problem> {
        let known = entries.trusted().known()?;
        let Keys { password, client_certificate } = keys;
        let client_certificate = client_certificate.filter(|_| server.has_use_for_client_certificate());
        let secrets = Secrets { password: password.as_ref(), client_certificate: client_certificate.as_ref() };
        let basis = Basis {
            settings: entries.fingerprint(&server, secrets),
            target: Target::of(&server),
            trust_epoch: known.epoch(),
            own_sender: is_from_own_sender(&mode, &server),
        };
        let shares_tokens = match (entry, server.oauth(), basis.settings) {
            (Some(_), Some(oauth), _) if oauth.strategy.needs_a_person() => true,
            (Some(id), Some(_), Some(settings)) => entries.is_saved(id, settings)?,
            _ => false,
        };
        let key = client_certificate.map(|pem| client_key(&pem)).transpose()?;
        let application = key.clone().filter(|_| server.oauth().is_some());
        let client = key.filter(|_| server.may_encrypt());
        let credential = password.map(Into::into);
        let test = TestRun { credential, trust: Some(known.trust()), client, application, ..TestRun::new(server, None, mode) };
        Ok(Self { entry, test, basis, caller, shares_tokens, one_of_many: false })
    }
}

/// A client certificate as the mailer shows it, from PEM with its key.
///
/// # Errors
/// [`domain::field::FieldError::ClientCertificate`] if it can't be used.
pub(crate) fn client_key(pem: &Secret) -> Result<Arc<CertifiedKey>, Problem> {
    let certificate = read_client_certificate(pem.expose().as_bytes(), &Secret::default()).map_err(Problem::Invalid)?;
    certificate.certified_key(&rustls::crypto::ring::default_provider()).map_err(|error| {
        tracing::error!(%error, "a client certificate that was found usable isn't");
        Problem::Internal
    })
}

/// Whether a test is from the entry's own sender.
fn is_from_own_sender(mode: &Mode, server: &SmtpServer) -> bool {
    match (mode, &server.sender) {
        (Mode::Send(envelope) | Mode::Check(Some(envelope)), Some(own)) => envelope.from.addr() == own.mailbox.addr(),
        _ => false,
    }
}
