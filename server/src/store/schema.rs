//! The tables of the file, the version of their schema, and how an older file becomes a current one.

use redb::{Table, TableDefinition, WriteTransaction};

use super::redb_store::failed;
use super::{StoreError, codec};

/// Every table maps bytes to bytes; `codec` says what they mean.
pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Single values, by the names below.
pub(super) const META: Definition = TableDefinition::new("meta");
/// Entries, by id.
pub(super) const SERVERS: Definition = TableDefinition::new("servers");
/// The index: lines, by the names' keys.
pub(super) const NAMES: Definition = TableDefinition::new("names");
/// Sealed secrets, by id and field.
pub(super) const SECRETS: Definition = TableDefinition::new("secrets");
/// Batches of trashed entries, by number.
pub(super) const TRASH: Definition = TableDefinition::new("trash");
/// Trashed entries, by id.
pub(super) const TRASHED: Definition = TableDefinition::new("trashed");

/// The history: summaries of runs, by entry and run.
pub(super) const RUNS: Definition = TableDefinition::new("runs");
/// Everything that happened in a run and whose it is, by run. Apart from the summaries, which are read more often and are short.
pub(super) const TRANSCRIPTS: Definition = TableDefinition::new("transcripts");
/// What runs showed of entries, by id.
pub(super) const PROOFS: Definition = TableDefinition::new("proofs");

/// Certificates that are trusted, by id.
pub(super) const TRUSTED: Definition = TableDefinition::new("trusted");
/// Batches of trashed certificates, by number.
pub(super) const TRUST_TRASH: Definition = TableDefinition::new("trust_trash");
/// Wrapped keys, by name.
pub(super) const KEYS: Definition = TableDefinition::new("keys");

/// Accounts, by id.
pub(super) const ACCOUNTS: Definition = TableDefinition::new("accounts");
/// What the passwords of accounts are checked against, by id. Apart from the accounts, as not every back-up has it.
pub(super) const PASSWORDS: Definition = TableDefinition::new("passwords");
/// Sessions, by the digest of what the cookie holds.
pub(super) const SESSIONS: Definition = TableDefinition::new("sessions");
/// API tokens, by their digest.
pub(super) const TOKENS: Definition = TableDefinition::new("tokens");
/// Links by which somebody chooses a password, by their digest.
pub(super) const INVITATIONS: Definition = TableDefinition::new("invitations");
/// What was done: the hash of each line and the line, by number.
pub(super) const ACTIVITY: Definition = TableDefinition::new("activity");

/// Messages that were handed over to be sent, by id; without their text.
pub(super) const MESSAGES: Definition = TableDefinition::new("messages");
/// Everything that happened to a message, by its id. Apart from what is listed, which is read more often and is short.
pub(super) const MESSAGE_EVENTS: Definition = TableDefinition::new("message_events");
/// Download links, by id.
pub(super) const LINKS: Definition = TableDefinition::new("links");
/// The ids of download links, by the digest of what stands in their address.
pub(super) const LINK_TOKENS: Definition = TableDefinition::new("link_tokens");

/// In [`META`]: the schema's version.
pub(super) const META_SCHEMA: &[u8] = b"schema_version";
/// In [`META`]: the number that is drawn next.
pub(super) const META_NEXT: &[u8] = b"next_number";
/// In [`META`]: the default's id; absent where there is none.
pub(super) const META_DEFAULT: &[u8] = b"default";
/// In [`META`], before schema 4: the text that tells whether the key is the right one.
pub(super) const META_KEY_CHECK: &[u8] = b"key_check";
/// In [`META`]: the highest number that a run was kept under.
pub(super) const META_LAST_RUN: &[u8] = b"last_run";
/// In [`META`]: there, whatever its value, where the authorities of the machine are not trusted.
pub(super) const META_SYSTEM_OFF: &[u8] = b"system_off";
/// In [`META`]: how often what is trusted was changed.
pub(super) const META_TRUST_EPOCH: &[u8] = b"trust_epoch";
/// In [`META`]: the number of the first line of the activity that is kept, and the hash of the one before it.
pub(super) const META_ACTIVITY_FIRST: &[u8] = b"activity_first";
/// In [`META`]: the number that the next line of the activity gets, and the hash of the one before it.
pub(super) const META_ACTIVITY_NEXT: &[u8] = b"activity_next";
/// In [`META`]: the messages that are being sent; absent where there never was one.
pub(super) const META_SENDING: &[u8] = b"sending";
/// In [`META`]: how many transactions were committed.
pub(super) const META_COMMITS: &[u8] = b"commits";

/// Lifts a file by one version of the schema, inside the transaction that notes the new version.
pub(super) type Migration = fn(&WriteTransaction) -> Result<(), StoreError>;

/// The first lifts schema 1 to 2, and so on. Each has a test that opens a checked-in file of the schema it starts from
/// (`tests/data/`; `tests/store_schema.rs` says how such a file is made).
pub(super) const MIGRATIONS: &[Migration] = &[add_runs, add_trust, add_keys, add_access, add_messages];

/// Schema 2 has runs. What was there before was never tested; the settings that are saved get their fingerprint with the next
/// save or run.
fn add_runs(transaction: &WriteTransaction) -> Result<(), StoreError> {
    for definition in [RUNS, TRANSCRIPTS, PROOFS] {
        transaction.open_table(definition).map_err(failed)?;
    }
    let mut meta = transaction.open_table(META).map_err(failed)?;
    meta.insert(META_LAST_RUN, codec::number(0).as_slice()).map(|_| ()).map_err(failed)
}

/// Schema 3 has trusted certificates. Before, the machine's authorities were trusted and nothing else. What is kept of entries and
/// runs only got members that may be missing; what an old run says of trust is seen with the next one.
fn add_trust(transaction: &WriteTransaction) -> Result<(), StoreError> {
    for definition in [TRUSTED, TRUST_TRASH] {
        transaction.open_table(definition).map_err(failed)?;
    }
    let mut meta = transaction.open_table(META).map_err(failed)?;
    meta.insert(META_TRUST_EPOCH, codec::number(0).as_slice()).map(|_| ()).map_err(failed)
}

/// Schema 4 has keys. They can't be made here, where the key that wraps them isn't known: `vault` does so, and seals with them what
/// was sealed without.
fn add_keys(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(KEYS).map(|_| ()).map_err(failed)
}

/// Schema 5 has accounts, and what was done. Before, whoever reached the page was asked nothing; the first start makes a set-up link.
fn add_access(transaction: &WriteTransaction) -> Result<(), StoreError> {
    for definition in [ACCOUNTS, PASSWORDS, SESSIONS, TOKENS, INVITATIONS, ACTIVITY] {
        transaction.open_table(definition).map_err(failed)?;
    }
    let mut meta = transaction.open_table(META).map_err(failed)?;
    begin_activity(&mut meta).map_err(failed)
}

/// Schema 6 has messages that were sent for applications, and the links in them. Before, only tests were sent.
fn add_messages(transaction: &WriteTransaction) -> Result<(), StoreError> {
    for definition in [MESSAGES, MESSAGE_EVENTS, LINKS, LINK_TOKENS] {
        transaction.open_table(definition).map_err(failed)?;
    }
    Ok(())
}

/// There is no line yet, and the chain begins with nothing.
fn begin_activity(meta: &mut Table<'_, &'static [u8], &'static [u8]>) -> Result<(), redb::StorageError> {
    for end in [META_ACTIVITY_FIRST, META_ACTIVITY_NEXT] {
        meta.insert(end, codec::chain_end(1, &[0; 32]).as_slice())?;
    }
    Ok(())
}

/// The schema this program writes.
pub const SCHEMA_VERSION: u64 = 1 + MIGRATIONS.len() as u64;

/// Makes the tables of a new file.
pub(super) fn create(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let definitions = [SERVERS, NAMES, SECRETS, TRASH, TRASHED, RUNS, TRANSCRIPTS, PROOFS, TRUSTED, TRUST_TRASH, KEYS];
    let of_access = [ACCOUNTS, PASSWORDS, SESSIONS, TOKENS, INVITATIONS, ACTIVITY];
    let of_messages = [MESSAGES, MESSAGE_EVENTS, LINKS, LINK_TOKENS];
    for definition in definitions.into_iter().chain(of_access).chain(of_messages) {
        transaction.open_table(definition)?;
    }
    let mut meta = transaction.open_table(META)?;
    meta.insert(META_SCHEMA, codec::number(SCHEMA_VERSION).as_slice())?;
    meta.insert(META_NEXT, codec::number(1).as_slice())?;
    meta.insert(META_LAST_RUN, codec::number(0).as_slice())?;
    meta.insert(META_TRUST_EPOCH, codec::number(0).as_slice())?;
    meta.insert(META_COMMITS, codec::number(0).as_slice())?;
    begin_activity(&mut meta)?;
    Ok(())
}
