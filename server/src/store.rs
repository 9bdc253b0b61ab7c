//! The store: what is kept, and the narrow port through which the rules in `entries` and `trust` reach it. A store knows
//! records, an index by name, sealed bytes and transactions; it knows no rule. [`RedbStore`] keeps them in one file.

mod access;
mod codec;
mod links;
mod redb_store;
mod rehearsal;
mod schema;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use domain::access::AccountId;
use domain::certificate::Certificate;
use domain::entry::{Content, EntryId, RowServer, Version};
use domain::error::Problem;
use domain::host::Host;
use domain::link::LinkId;
use domain::oauth::SignInNote;
use domain::run::{Run, RunId, RunSummary, Standing};
use domain::smtp_server::SmtpServer;
use domain::submission::{Message, SubmissionId};
use domain::transcript::Event;
use domain::trust::{Pin, TrustId, TrustedBy};
use serde::{Deserialize, Serialize};

pub use access::{
    AccountRecord, ActivityHead, Digest, InvitationRecord, PasswordRecord, SecondFactor, SessionRecord, StoredLine, TokenRecord,
};
pub use links::LinkRecord;
pub use redb_store::{Backends, DatabaseFile, Draft, OpenError, RedbStore};
pub use schema::SCHEMA_VERSION;

use crate::seal::{Fingerprint, KeyName, Place};

/// Keeps everything, in transactions: what one wrote is there as a whole and durable when `write` has returned, or not
/// at all.
pub trait Store: Send + Sync {
    /// Runs `work` on one unchanging state. It may be run again, so it must have no other effect.
    ///
    /// # Errors
    /// What `work` says, or what went wrong with the disk.
    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<(), Problem>) -> Result<(), Problem>;

    /// Runs `work` alone among writers and keeps what it wrote, unless it fails. It may be run again.
    ///
    /// # Errors
    /// What `work` says, or what went wrong with the disk; nothing was changed then, except as
    /// [`Problem::OutcomeUnknown`] says.
    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<(), Problem>) -> Result<(), Problem>;
}

/// What can be read in a transaction. Everything here fails only with the disk.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Read {
    /// How many entries there are.
    fn count(&self) -> Result<u64, StoreError>;
    /// Which entry is the default.
    fn default(&self) -> Result<Option<EntryId>, StoreError>;
    /// An entry.
    fn entry(&self, id: EntryId) -> Result<Option<Record>, StoreError>;
    /// The entry that has a name, given as [`domain::name::Name::key`].
    fn id_of(&self, name_key: &str) -> Result<Option<EntryId>, StoreError>;
    /// Shows the index in the order of the names' keys, until `visit` has seen enough.
    fn scan(&self, visit: &mut dyn FnMut(IndexLine<'_>) -> ControlFlow<()>) -> Result<(), StoreError>;
    /// A sealed secret of an entry, or of the account that has this number.
    fn secret(&self, id: EntryId, field: SecretField) -> Result<Option<Vec<u8>>, StoreError>;
    /// What is in the trash, the oldest first.
    fn batches(&self) -> Result<Vec<(u64, Batch)>, StoreError>;
    /// An entry in the trash.
    fn trashed(&self, id: EntryId) -> Result<Option<Record>, StoreError>;
    /// The runs of an entry, newest first; only their numbers.
    fn run_ids(&self, id: EntryId) -> Result<Vec<RunId>, StoreError>;
    /// The runs of an entry, newest first.
    fn runs(&self, id: EntryId) -> Result<Vec<RunSummary>, StoreError>;
    /// A run, and whose it is.
    fn run(&self, run: RunId) -> Result<Option<(EntryId, Run)>, StoreError>;
    /// The highest number that a run was kept under; 0 if there was none yet.
    fn last_run(&self) -> Result<u64, StoreError>;
    /// What the runs of an entry showed; `None` where nothing is known.
    fn proof(&self, id: EntryId) -> Result<Option<Proof>, StoreError>;
    /// Shows what the runs of all entries showed, also of those in the trash.
    fn scan_proofs(&self, visit: &mut dyn FnMut(EntryId, Proof)) -> Result<(), StoreError>;
    /// A message that was handed over to be sent.
    fn message(&self, id: SubmissionId) -> Result<Option<Message>, StoreError>;
    /// What happened to a message; nothing where that isn't known yet.
    fn message_events(&self, id: SubmissionId) -> Result<Vec<Event>, StoreError>;
    /// The messages that are being sent.
    fn sending(&self) -> Result<Vec<SubmissionId>, StoreError>;
    /// How many messages are remembered.
    fn count_messages(&self) -> Result<u64, StoreError>;
    /// Shows messages, the newest first, from the one before `before` on, until `visit` has seen enough.
    fn messages_back(
        &self,
        before: Option<SubmissionId>,
        visit: &mut dyn FnMut(Message) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
    /// Shows messages, the oldest first, until `visit` has seen enough.
    fn messages_from(&self, visit: &mut dyn FnMut(Message) -> ControlFlow<()>) -> Result<(), StoreError>;
    /// A link.
    fn link(&self, id: LinkId) -> Result<Option<LinkRecord>, StoreError>;
    /// The link that what stands in an address leads to, given as its digest.
    fn link_of(&self, digest: &Digest) -> Result<Option<LinkId>, StoreError>;
    /// How many links are remembered.
    fn count_links(&self) -> Result<u64, StoreError>;
    /// Shows links, the newest first, from the one before `before` on, until `visit` has seen enough.
    fn links_back(
        &self,
        before: Option<LinkId>,
        visit: &mut dyn FnMut(LinkId, LinkRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
    /// The certificates that are trusted, by id.
    fn trusted(&self) -> Result<Vec<(TrustId, TrustRecord)>, StoreError>;
    /// The certificates in the trash, the oldest batch first.
    fn trust_batches(&self) -> Result<Vec<(u64, TrustBatch)>, StoreError>;
    /// Whether the authorities of the machine are trusted.
    fn trusts_system(&self) -> Result<bool, StoreError>;
    /// Tells one state of what is trusted from another: every change of it makes it higher.
    fn trust_epoch(&self) -> Result<u64, StoreError>;
    /// Shows every row of every table as it is kept, but for what is left out, until `visit` has seen enough.
    fn dump(&self, left_out: LeftOut, visit: &mut dyn FnMut(Row<'_>) -> ControlFlow<()>) -> Result<(), StoreError>;
    /// How many sealed secrets there are.
    fn count_secrets(&self) -> Result<u64, StoreError>;
    /// The first `max` sealed secrets, or those after this one, by entry and field.
    fn secrets(
        &self,
        after: Option<(EntryId, SecretField)>,
        max: usize,
    ) -> Result<Vec<(EntryId, SecretField, Vec<u8>)>, StoreError>;
    /// The wrapped keys, by name.
    fn keys(&self) -> Result<Vec<(KeyName, Vec<u8>)>, StoreError>;
    /// A wrapped key.
    fn key(&self, name: KeyName) -> Result<Option<Vec<u8>>, StoreError>;
    /// The sealed text that tells whether the key is the right one, in a database that has no keys of its own yet.
    fn key_check(&self) -> Result<Option<Vec<u8>>, StoreError>;
    /// The accounts, by id.
    fn accounts(&self) -> Result<Vec<(AccountId, AccountRecord)>, StoreError>;
    /// An account.
    fn account(&self, id: AccountId) -> Result<Option<AccountRecord>, StoreError>;
    /// What the password of an account is checked against.
    fn account_password(&self, id: AccountId) -> Result<Option<PasswordRecord>, StoreError>;
    /// The sessions, by the digest of what their cookies hold.
    fn sessions(&self) -> Result<Vec<(Digest, SessionRecord)>, StoreError>;
    /// A session.
    fn session(&self, digest: &Digest) -> Result<Option<SessionRecord>, StoreError>;
    /// The API tokens, by their digest.
    fn tokens(&self) -> Result<Vec<(Digest, TokenRecord)>, StoreError>;
    /// An API token.
    fn token(&self, digest: &Digest) -> Result<Option<TokenRecord>, StoreError>;
    /// The links by which somebody chooses a password, by their digest.
    fn invitations(&self) -> Result<Vec<(Digest, InvitationRecord)>, StoreError>;
    /// Where the activity begins and ends.
    fn activity_head(&self) -> Result<ActivityHead, StoreError>;
    /// Shows lines of the activity, the newest first, from the one before `before` on, until `visit` has seen enough.
    fn activity_back(
        &self,
        before: Option<u64>,
        visit: &mut dyn FnMut(StoredLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
    /// Shows lines of the activity, the oldest first, from `from` on, until `visit` has seen enough.
    fn activity_from(&self, from: u64, visit: &mut dyn FnMut(StoredLine<'_>) -> ControlFlow<()>) -> Result<(), StoreError>;
}

/// What can be changed in a transaction. Everything here fails only with the disk.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Write: Read {
    /// A number that no entry, account, trusted certificate, message, link or batch ever had.
    fn new_number(&mut self) -> Result<u64, StoreError>;
    /// Makes an entry the default, or none.
    fn set_default(&mut self, id: Option<EntryId>) -> Result<(), StoreError>;
    /// Puts an entry in place of what was there under its id; the index follows. Its name must be free.
    fn put(&mut self, id: EntryId, record: &Record) -> Result<(), StoreError>;
    /// Removes an entry; the index follows. Its secrets, runs and proof stay.
    fn remove(&mut self, id: EntryId) -> Result<(), StoreError>;
    /// Keeps a sealed secret, in place of what was there.
    fn put_secret(&mut self, id: EntryId, field: SecretField, sealed: &[u8]) -> Result<(), StoreError>;
    /// Removes a secret, if there is one.
    fn remove_secret(&mut self, id: EntryId, field: SecretField) -> Result<(), StoreError>;
    /// Notes what was trashed together.
    fn put_batch(&mut self, number: u64, batch: &Batch) -> Result<(), StoreError>;
    /// Forgets a batch; its entries are removed one by one.
    fn remove_batch(&mut self, number: u64) -> Result<(), StoreError>;
    /// Puts an entry in the trash.
    fn put_trashed(&mut self, id: EntryId, record: &Record) -> Result<(), StoreError>;
    /// Takes an entry out of the trash.
    fn remove_trashed(&mut self, id: EntryId) -> Result<(), StoreError>;
    /// Keeps a run of an entry, under a number that no run had.
    fn put_run(&mut self, id: EntryId, run: &Run) -> Result<(), StoreError>;
    /// Removes a run of an entry.
    fn remove_run(&mut self, id: EntryId, run: RunId) -> Result<(), StoreError>;
    /// Keeps a message, in place of what was there under its id. Until it has ended it is among those that are being sent.
    fn put_message(&mut self, message: &Message) -> Result<(), StoreError>;
    /// Keeps what happened to a message.
    fn put_message_events(&mut self, id: SubmissionId, events: &[Event]) -> Result<(), StoreError>;
    /// Removes a message, and what happened to it.
    fn remove_message(&mut self, id: SubmissionId) -> Result<(), StoreError>;
    /// Keeps a link, in place of what was there under its id. What stands in its address stays the same.
    fn put_link(&mut self, id: LinkId, record: &LinkRecord) -> Result<(), StoreError>;
    /// Removes a link. Its file stays.
    fn remove_link(&mut self, id: LinkId) -> Result<(), StoreError>;
    /// Keeps what the runs of an entry showed.
    fn put_proof(&mut self, id: EntryId, proof: &Proof) -> Result<(), StoreError>;
    /// Forgets it.
    fn remove_proof(&mut self, id: EntryId) -> Result<(), StoreError>;
    /// Trusts a certificate, in place of what was there under its id; the trust epoch follows.
    fn put_trusted(&mut self, id: TrustId, record: &TrustRecord) -> Result<(), StoreError>;
    /// Trusts it no longer; the trust epoch follows.
    fn remove_trusted(&mut self, id: TrustId) -> Result<(), StoreError>;
    /// Puts certificates in the trash.
    fn put_trust_batch(&mut self, number: u64, batch: &TrustBatch) -> Result<(), StoreError>;
    /// Takes them out of it.
    fn remove_trust_batch(&mut self, number: u64) -> Result<(), StoreError>;
    /// Trusts the authorities of the machine, or not; the trust epoch follows.
    fn set_trusts_system(&mut self, trusts: bool) -> Result<(), StoreError>;
    /// Keeps a row as [`Read::dump`] showed it.
    fn load(&mut self, row: Row<'_>) -> Result<(), StoreError>;
    /// Keeps a wrapped key, in place of what was there.
    fn put_key(&mut self, name: KeyName, wrapped: &[u8]) -> Result<(), StoreError>;
    /// Removes a key: what was sealed with it is lost.
    fn remove_key(&mut self, name: KeyName) -> Result<(), StoreError>;
    /// Removes the text that told whether the key is the right one: the keys tell it now.
    fn remove_key_check(&mut self) -> Result<(), StoreError>;
    /// Keeps an account, in place of what was there under its id.
    fn put_account(&mut self, id: AccountId, record: &AccountRecord) -> Result<(), StoreError>;
    /// Removes an account with what its password is checked against.
    fn remove_account(&mut self, id: AccountId) -> Result<(), StoreError>;
    /// Keeps what the password of an account is checked against, or nothing any more.
    fn set_account_password(&mut self, id: AccountId, password: Option<&PasswordRecord>) -> Result<(), StoreError>;
    /// Keeps a session.
    fn put_session(&mut self, digest: &Digest, record: &SessionRecord) -> Result<(), StoreError>;
    /// Removes a session.
    fn remove_session(&mut self, digest: &Digest) -> Result<(), StoreError>;
    /// Keeps an API token.
    fn put_token(&mut self, digest: &Digest, record: &TokenRecord) -> Result<(), StoreError>;
    /// Removes an API token.
    fn remove_token(&mut self, digest: &Digest) -> Result<(), StoreError>;
    /// Keeps a link.
    fn put_invitation(&mut self, digest: &Digest, record: &InvitationRecord) -> Result<(), StoreError>;
    /// Removes a link.
    fn remove_invitation(&mut self, digest: &Digest) -> Result<(), StoreError>;
    /// Adds a line to the activity, under [`ActivityHead::next`]; the head follows.
    fn append_activity(&mut self, hash: &Digest, line: &[u8]) -> Result<(), StoreError>;
    /// Removes the lines before `first`; the head follows, and keeps the hash of the last one that went.
    fn forget_activity(&mut self, first: u64) -> Result<(), StoreError>;
}

impl dyn Store + '_ {
    /// [`Store::read`] with a result.
    ///
    /// # Errors
    /// As `read`.
    pub fn reading<T>(&self, mut work: impl FnMut(&dyn Read) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut result = None;
        self.read(&mut |tx| {
            result = Some(work(tx)?);
            Ok(())
        })?;
        result.ok_or(Problem::Internal)
    }

    /// [`Store::write`] with a result.
    ///
    /// # Errors
    /// As `write`.
    pub fn writing<T>(&self, mut work: impl FnMut(&mut dyn Write) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut result = None;
        self.write(&mut |tx| {
            result = Some(work(tx)?);
            Ok(())
        })?;
        result.ok_or(Problem::Internal)
    }
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts its saves.
    pub version: Version,
    /// What it is.
    pub content: Content,
    /// What its client certificate says; the certificate itself and its key lie sealed beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<Certificate>,
    /// How often each of its secrets was replaced or removed. A secret that was sealed before opens no more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<SecretField, u64>,
}

impl Record {
    /// How often a secret of it was replaced or removed.
    pub fn generation(&self, field: SecretField) -> u64 {
        self.generations.get(&field).copied().unwrap_or(0)
    }
}

/// What was trashed together. The records lie beside it; the secrets stay where they are until the batch is purged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// When: milliseconds since 1970.
    pub trashed_ms: u64,
    /// The entries with their names, by name.
    pub entries: Vec<(EntryId, String)>,
    /// The one of them that was the default.
    pub default: Option<EntryId>,
    /// The one that became the default in its place.
    pub heir: Option<EntryId>,
}

/// What is known of an entry's connection settings: which are saved, and what runs showed of them and of others. The rules are
/// in `entries::proof`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The settings as they are saved; `None` where they are incomplete or the password doesn't open.
    pub saved: Option<Fingerprint>,
    /// What runs showed of the settings that are saved, or were when they were last tested.
    pub proven: Option<Tested>,
    /// What the last runs showed of others: typed, and perhaps saved next.
    pub tried: Option<Tested>,
    /// How the sign-in at a sign-in service stands, with the settings that are saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInNote>,
}

/// What runs showed of some settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// Which settings.
    pub settings: Fingerprint,
    /// What they showed.
    pub standing: Standing,
    /// The last run that it comes from.
    #[serde(default)]
    pub run: u64,
    /// Where they lead; unknown in what was kept before schema 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What was seen when a connection last worked encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Whether the last run worked encrypted, but hasn't told yet who vouched: it is recorded before its goodbye.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// Whether the last run failed since nobody who is trusted vouched for the server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unvouched: bool,
}

/// What connections of some settings have to do with trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// Whether they may be encrypted at all.
    pub encrypts: bool,
}

impl Target {
    /// Where `server` leads.
    pub fn of(server: &SmtpServer) -> Self {
        Self { host: server.host.clone(), port: server.port, encrypts: server.may_encrypt() }
    }

    /// As [`IndexLine::target`].
    pub fn text(&self) -> String {
        self.host.with_port(self.port)
    }
}

/// What an encrypted connection showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Why the certificate was accepted.
    pub by: TrustedBy,
    /// Its subject.
    pub subject: String,
    /// The first instant it is valid, as [`Certificate::not_before`].
    pub not_before: String,
    /// The last.
    pub not_after: String,
}

/// A trusted certificate as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRecord {
    /// The certificate itself (X.509, DER).
    #[serde(with = "codec::base64")]
    pub der: Vec<u8>,
    /// The server it is pinned for; `None` for an authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// When it was added: milliseconds since 1970.
    pub added_ms: u64,
    /// Who added it: an IP address; empty where nobody knows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub added_by: String,
}

/// Certificates that were trashed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustBatch {
    /// When: milliseconds since 1970.
    pub trashed_ms: u64,
    /// They themselves, by id.
    pub certificates: Vec<(TrustId, TrustRecord)>,
}

/// The secrets that an entry or an account can have. Their numbers come from the same source, so one never has the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretField {
    /// "SMTP password".
    Password,
    /// "Client certificate": PEM with its key.
    ClientCertificate,
    /// What the codes of an account's second factor are made with: base32. It lies under the account's number.
    SecondFactor,
    /// What the sign-in of an entry at a sign-in service is renewed with.
    SignIn,
}

impl SecretField {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Password, Self::ClientCertificate, Self::SecondFactor, Self::SignIn];
    /// Those of an entry.
    pub const OF_ENTRY: [Self; 3] = [Self::Password, Self::ClientCertificate, Self::SignIn];
    /// Those of them that are entered, and that a test is made with.
    pub const ENTERED: [Self; 2] = [Self::Password, Self::ClientCertificate];

    /// Its name in the store; never changed, since secrets are sealed for it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::ClientCertificate => "client_certificate",
            Self::SecondFactor => "second_factor",
            Self::SignIn => "sign_in",
        }
    }

    /// What the secret of an entry or an account is sealed for, the `generation`-th of its field.
    pub const fn place(self, id: EntryId, generation: u64) -> Place {
        let purpose = match self {
            Self::Password => "smtp-sign-in",
            Self::ClientCertificate => "tls-client",
            Self::SecondFactor => "second-factor",
            Self::SignIn => "oauth-refresh",
        };
        Place { purpose, table: "secrets", record: id.0, field: self.key(), generation }
    }
}

/// A row as it is kept, whatever it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The table's name.
    pub table: &'a str,
    /// The key.
    pub key: &'a [u8],
    /// What is kept under it.
    pub value: &'a [u8],
}

/// What [`Read::dump`] doesn't show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// The wrapped keys, which nobody else can unwrap; and sessions and links, which aren't to come back.
    Keys,
    /// These, the sealed secrets, what passwords are checked against, API tokens, and the fingerprints of what has secrets in it.
    Secrets,
}

/// What the index says of an entry: enough to list, search and choose without reading the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexLine<'a> {
    /// The entry.
    pub id: EntryId,
    /// Whether it is complete.
    pub complete: bool,
    /// Its name as it was typed.
    pub name: &'a str,
    /// What a search looks at besides the name, in lower case; see [`IndexLine::matches`].
    pub searchable: &'a str,
}

/// Stands between the searchable texts of a line; no text has it.
const SEPARATOR: char = '\0';

impl IndexLine<'_> {
    /// Whether a search for `needle` (in lower case) finds the entry.
    pub fn matches(&self, needle: &str) -> bool {
        self.name.to_ascii_lowercase().contains(needle) || self.searchable.split(SEPARATOR).any(|text| text.contains(needle))
    }

    /// The searchable text of `content`.
    pub fn searchable(content: &Content) -> String {
        content.server().map(RowServer::of).map_or_else(String::new, |row| {
            [row.target, row.username, row.sender].map(|text| text.to_lowercase()).join(&SEPARATOR.to_string())
        })
    }

    /// `host:port` of the entry as [`domain::host::Host::with_port`] writes it; empty while it isn't complete.
    pub fn target(&self) -> &str {
        self.searchable.split(SEPARATOR).next().unwrap_or_default()
    }
}

/// How a store fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The disk is full.
    Full,
    /// The disk failed.
    Disk {
        /// What the system said.
        detail: String,
    },
    /// Something stored can't be read.
    Corrupt {
        /// What, and why.
        detail: String,
    },
    /// A mistake in the program.
    Internal {
        /// For the log.
        detail: String,
    },
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            StoreError::Disk { detail } => Self::Disk { detail },
            StoreError::Corrupt { detail } => Self::Corrupt { detail },
            StoreError::Internal { detail } => {
                tracing::error!(detail, "The store was used wrongly");
                Self::Internal
            }
        }
    }
}
