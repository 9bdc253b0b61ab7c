//! How keys and values are written: values are a version byte and JSON, keys are bytes that sort as they should.

use domain::entry::EntryId;
use domain::run::RunId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::seal::{KeyName, KeyPurpose};

use super::{Digest, IndexLine, Record, SecretField, StoreError};

/// The version of every value that is written now. A value that changes its shape gets the next one, and its old shape
/// stays readable until a migration has rewritten it.
const VERSION: u8 = 1;

/// A number as a key: its order is the numbers'.
pub(super) const fn number(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number back.
pub(super) fn read_number(bytes: &[u8]) -> Result<u64, StoreError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| corrupt("a number", "it doesn't have 8 bytes"))
}

/// An end of the activity: a number, and the hash that the chain has there.
pub(super) fn chain_end(number: u64, hash: &Digest) -> [u8; 40] {
    let mut end = [0; 40];
    end[..8].copy_from_slice(&self::number(number));
    end[8..].copy_from_slice(hash);
    end
}

/// The end back.
pub(super) fn read_chain_end(bytes: &[u8]) -> Result<(u64, Digest), StoreError> {
    let (number, hash) = bytes.split_first_chunk::<8>().ok_or_else(|| corrupt("the activity", "an end is cut off"))?;
    Ok((u64::from_be_bytes(*number), digest(hash)?))
}

/// A digest back.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes.try_into().map_err(|_| corrupt("a digest", "it doesn't have 32 bytes"))
}

/// A line of the activity back: its hash, and the line itself.
pub(super) fn read_line(bytes: &[u8]) -> Result<(Digest, &[u8]), StoreError> {
    let (hash, line) = bytes.split_first_chunk::<32>().ok_or_else(|| corrupt("the activity", "a line is cut off"))?;
    Ok((*hash, line))
}

/// The key of a secret.
pub(super) fn secret_key(id: EntryId, field: SecretField) -> Vec<u8> {
    [&number(id.0), field.key().as_bytes()].concat()
}

/// The secret that a key names.
pub(super) fn read_secret_key(key: &[u8]) -> Result<(EntryId, SecretField), StoreError> {
    let (id, field) = key.split_first_chunk::<8>().ok_or_else(|| corrupt("the secrets", "a key is cut off"))?;
    let field = SecretField::ALL.into_iter().find(|known| known.key().as_bytes() == field);
    let field = field.ok_or_else(|| corrupt("the secrets", "one is of a kind this program doesn't know"))?;
    Ok((EntryId(u64::from_be_bytes(*id)), field))
}

/// The key of a wrapped key: what it is for, and its number.
pub(super) fn key_key(name: KeyName) -> Vec<u8> {
    [name.purpose.key().as_bytes(), &name.number.to_be_bytes()].concat()
}

/// The name of a wrapped key.
pub(super) fn read_key_key(key: &[u8]) -> Result<KeyName, StoreError> {
    let (purpose, number) = key.split_last_chunk::<4>().ok_or_else(|| corrupt("the keys", "a name is cut off"))?;
    let purpose = KeyPurpose::ALL.into_iter().find(|known| known.key().as_bytes() == purpose);
    let purpose = purpose.ok_or_else(|| corrupt("the keys", "one is for what this program doesn't know"))?;
    Ok(KeyName { purpose, number: u32::from_be_bytes(*number) })
}

/// The key of a run's line in the history of its entry.
pub(super) fn run_key(id: EntryId, run: RunId) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number(id.0));
    key[8..].copy_from_slice(&number(run.0));
    key
}

/// The run that a key of the history names.
pub(super) fn read_run_key(key: &[u8]) -> Result<RunId, StoreError> {
    let (_, run) = key.split_first_chunk::<8>().ok_or_else(|| corrupt("the history", "a key is cut off"))?;
    read_number(run).map(RunId)
}

/// A value.
pub(super) fn value<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, value).map_err(|error| StoreError::Internal { detail: error.to_string() })?;
    Ok(bytes)
}

/// The value back; `what` says of what, should it be unreadable.
pub(super) fn read_value<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    let json = body(what, bytes)?;
    // The position is enough: the reader's own words could quote what is stored.
    serde_json::from_slice(json).map_err(|error| corrupt(what, &format!("it breaks off or changes at byte {}", error.column())))
}

/// A line of the index: id, completeness, the name after its length, and the searchable text.
pub(super) fn index_line(id: EntryId, record: &Record) -> Vec<u8> {
    let name = record.content.name().as_str();
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&number(id.0));
    bytes.push(u8::from(record.content.server().is_some()));
    bytes.push(length);
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(IndexLine::searchable(&record.content).as_bytes());
    bytes
}

/// The line back.
pub(super) fn read_index_line(bytes: &[u8]) -> Result<IndexLine<'_>, StoreError> {
    let cut_off = || corrupt("the index", "a line is cut off");
    let (id, rest) = body("the index", bytes)?.split_first_chunk::<8>().ok_or_else(cut_off)?;
    let ([complete, length], rest) = rest.split_first_chunk::<2>().ok_or_else(cut_off)?;
    let text = std::str::from_utf8(rest).map_err(|_| corrupt("the index", "a line isn't text"))?;
    let (name, searchable) = text.split_at_checked(usize::from(*length)).ok_or_else(cut_off)?;
    Ok(IndexLine { id: EntryId(u64::from_be_bytes(*id)), complete: *complete == 1, name, searchable })
}

/// Bytes in JSON: base64 (RFC 4648 section 4).
pub(super) mod base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(|_| D::Error::custom("it isn't base64"))
    }
}

/// A digest in JSON: base64.
pub(super) mod digest_text {
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    use super::Digest;

    pub(crate) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        super::base64::serialize(digest, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        super::base64::deserialize(deserializer)?.try_into().map_err(|_| D::Error::custom("a digest isn't one"))
    }
}

fn body<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((version, _)) => Err(corrupt(what, &format!("it was written in a way this program doesn't know: {version}"))),
        None => Err(corrupt(what, "it is empty")),
    }
}

pub(super) fn corrupt(what: &str, why: &str) -> StoreError {
    StoreError::Corrupt { detail: format!("{what}: {why}") }
}
