//! Sealing: how secrets lie on the disk, and which key opens what. Where the sealed bytes are kept is the store's affair, what is
//! secret is the rules', and where the key-encryption key comes from is [`crate::key_file`]'s.
//!
//! Keys lie in an envelope: the [`Kek`] wraps the keys that are kept in the database, and those do the work ([`DataKey`] seals
//! secrets, [`Fingerprints`] tells settings apart). So another key-encryption key means wrapping a few keys anew, and another
//! data key can take over secret by secret: each names the key that it was sealed with.
//!
//! | bytes of a sealed secret | version 2 | version 1 |
//! |---|---|---|
//! | version | 1: `2` | 1: `1` |
//! | algorithm | 1: `1`, XChaCha20-Poly1305 | – |
//! | number of the data key | 4, big-endian | – |
//! | nonce | 24 | 24 |
//! | the padded text, encrypted | a multiple of 64 | a multiple of 64 |
//! | tag | 16 | 16 |
//!
//! A wrapped key is a version byte (2), the algorithm, a nonce, the key encrypted, and a tag. Version 1 had no envelope: the key in
//! the file sealed the secrets itself. It is still opened, until its secrets are sealed anew, and never written.

mod cipher;
mod fingerprint;
mod key;

use domain::secret::Secret;
use zeroize::Zeroizing;

pub use fingerprint::{Fingerprint, Fingerprints};
pub use key::{KEY_LENGTH, Kek, Key, KeyName, KeyPurpose};

use crate::ports::Random;
use cipher::{Cipher, NONCE, TAG};

/// Texts are padded to a multiple of this, so that a password's length doesn't show.
const BLOCK: usize = 64;
/// The text's length stands before it.
const PREFIX: usize = size_of::<u32>();
const VERSION_1: u8 = 1;
const VERSION: u8 = 2;
/// XChaCha20-Poly1305; there is no other one yet.
const ALGORITHM: u8 = 1;
/// Version, algorithm and the number of the data key.
const HEADER: usize = 2 + size_of::<u32>();

/// Where a sealed secret belongs. It opens nowhere else: moved to another record or field, it is refused, and so is an earlier
/// secret of the same field in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the secret is for.
    pub purpose: &'static str,
    /// The table it lies in.
    pub table: &'static str,
    /// The record it belongs to.
    pub record: u64,
    /// The field of the record.
    pub field: &'static str,
    /// How often the secret of this field was replaced or removed.
    pub generation: u64,
}

impl Place {
    /// The bytes that are authenticated with the secret. The names have no spaces, so no two places give the same.
    fn associated_data(&self, key: u32) -> Vec<u8> {
        let Self { purpose, table, record, field, generation } = self;
        format!("postroom v{VERSION} {ALGORITHM} {key} {purpose} {table} {record} {field} {generation}").into_bytes()
    }

    /// Those of version 1, which knew no generations: everything it sealed is of the first.
    fn associated_data_1(&self) -> Option<Vec<u8>> {
        let Self { purpose, table, record, field, generation } = self;
        (*generation == 0).then(|| format!("postroom v{VERSION_1} {purpose} {table} {record} {field}").into_bytes())
    }
}

/// Why a sealed secret or a wrapped key doesn't open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// It is cut off.
    TooShort,
    /// It was sealed by a later version of the program.
    UnknownVersion(u8),
    /// It names a data key that isn't there.
    UnknownKey(u32),
    /// It was changed, belongs somewhere else, is an earlier one, or was sealed with another key.
    Refused,
}

impl std::fmt::Display for SealError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooShort => f.write_str("the sealed secret is cut off"),
            Self::UnknownVersion(version) => write!(f, "the secret was sealed in a way this program doesn't know ({version})"),
            Self::UnknownKey(number) => write!(f, "the data key it was sealed with is missing ({number})"),
            Self::Refused => f.write_str("the sealed secret was changed, or belongs elsewhere"),
        }
    }
}

impl std::error::Error for SealError {}

/// The key that `blob` was sealed with. Whether it is true shows when it is opened.
///
/// # Errors
/// [`SealError::TooShort`] or [`SealError::UnknownVersion`].
pub fn key_of(blob: &[u8]) -> Result<KeyName, SealError> {
    match blob {
        [] | [VERSION] => Err(SealError::TooShort),
        [VERSION_1, ..] => Ok(KeyName::V1),
        [VERSION, ALGORITHM, number @ ..] => {
            let number = number.first_chunk().ok_or(SealError::TooShort)?;
            Ok(KeyName::secrets(u32::from_be_bytes(*number)))
        }
        [VERSION, version, ..] | [version, ..] => Err(SealError::UnknownVersion(*version)),
    }
}

/// Seals and opens secrets. Its key is wiped when this is dropped.
pub struct DataKey {
    name: KeyName,
    cipher: Cipher,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey({:?}, …)", self.name)
    }
}

impl DataKey {
    /// The data key of this name.
    pub fn new(name: KeyName, key: &Key) -> Self {
        Self { name, cipher: Cipher::new(key) }
    }

    /// Its name.
    pub const fn name(&self) -> KeyName {
        self.name
    }

    /// Seals `secret` for `place`.
    pub fn seal(&self, place: Place, secret: &Secret, random: &dyn Random) -> Vec<u8> {
        let text = secret.expose().as_bytes();
        let padded = (PREFIX + text.len()).next_multiple_of(BLOCK);
        let mut blob = Vec::with_capacity(HEADER + NONCE + padded + TAG);
        blob.extend_from_slice(&[VERSION, ALGORITHM]);
        blob.extend_from_slice(&self.name.number.to_be_bytes());
        // The capacity is there already, so the text is written once and then sealed where it stands.
        self.cipher.seal_in_place(&mut blob, &place.associated_data(self.name.number), random, |blob| {
            blob.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            blob.extend_from_slice(text);
            blob.resize(HEADER + NONCE + padded, 0);
        });
        blob
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError`]; nothing of the secret is known then.
    pub fn open(&self, place: Place, blob: &[u8]) -> Result<Secret, SealError> {
        let name = key_of(blob)?;
        if name != self.name {
            return Err(SealError::UnknownKey(name.number));
        }
        let (header, associated) = match name.purpose {
            KeyPurpose::SecretsV1 => (1, place.associated_data_1().ok_or(SealError::Refused)?),
            KeyPurpose::Secrets | KeyPurpose::Fingerprints => (HEADER, place.associated_data(name.number)),
        };
        if blob.len() < header + NONCE + BLOCK + TAG {
            return Err(SealError::TooShort);
        }
        let text = self.cipher.open(blob.get(header..).unwrap_or_default(), &associated)?;
        unpadded(&text)
    }
}

fn unpadded(text: &Zeroizing<Vec<u8>>) -> Result<Secret, SealError> {
    let (length, rest) = text.split_first_chunk::<PREFIX>().ok_or(SealError::TooShort)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| SealError::Refused)?;
    let text = rest.get(..length).and_then(|text| std::str::from_utf8(text).ok()).ok_or(SealError::Refused)?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const PLACE: Place = Place { purpose: "smtp-sign-in", table: "secrets", record: 7, field: "password", generation: 3 };

    pub(crate) struct Counting;

    impl Random for Counting {
        fn fill(&self, buf: &mut [u8]) {
            for (byte, number) in buf.iter_mut().zip(1..) {
                *byte = number;
            }
        }
    }

    pub(crate) fn key(byte: u8) -> Key {
        Key::new(Zeroizing::new([byte; KEY_LENGTH]))
    }

    fn data_key(number: u32, byte: u8) -> DataKey {
        DataKey::new(KeyName::secrets(number), &key(byte))
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn seal(text: &str) -> Vec<u8> {
        data_key(5, 1).seal(PLACE, &secret(text), &Counting)
    }

    /// As version 1 of the program did it.
    fn seal_1(text: &str, place: Place) -> Vec<u8> {
        let mut blob = vec![VERSION_1];
        Cipher::new(&key(1)).seal_in_place(&mut blob, &place.associated_data_1().unwrap(), &Counting, |blob| {
            blob.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
            blob.extend_from_slice(text.as_bytes());
            blob.resize(1 + NONCE + (PREFIX + text.len()).next_multiple_of(BLOCK), 0);
        });
        blob
    }

    #[test]
    fn what_is_sealed_opens_again() {
        for text in ["", "hunter2", "pässwörd\u{1f512}", &"x".repeat(4096)] {
            let sealed = seal(text);
            assert_eq!(key_of(&sealed), Ok(KeyName::secrets(5)));
            assert_eq!(data_key(5, 1).open(PLACE, &sealed), Ok(secret(text)));
        }
    }

    #[test]
    fn its_length_does_not_show() {
        let lengths = |texts: std::ops::Range<usize>| texts.map(|length| seal(&"x".repeat(length)).len()).collect::<Vec<_>>();
        assert_eq!(lengths(0..61), [HEADER + NONCE + BLOCK + TAG; 61]);
        assert_eq!(lengths(61..125), [HEADER + NONCE + 2 * BLOCK + TAG; 64]);
    }

    #[test]
    fn every_changed_or_missing_byte_is_found() {
        let whole = seal("hunter2");
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x80;
            let expected = match at {
                0 => SealError::UnknownVersion(VERSION ^ 0x80),
                1 => SealError::UnknownVersion(ALGORITHM ^ 0x80),
                2..HEADER => SealError::UnknownKey(5 ^ (0x80 << (8 * (HEADER - 1 - at)))),
                _ => SealError::Refused,
            };
            assert_eq!(data_key(5, 1).open(PLACE, &changed), Err(expected), "byte {at}");
            assert!(data_key(5, 1).open(PLACE, &whole[..at]).is_err(), "cut to {at}");
        }
        assert!(data_key(5, 1).open(PLACE, &[whole.as_slice(), &[0]].concat()).is_err(), "one more");
    }

    #[test]
    fn it_opens_nowhere_else_at_no_other_time_and_with_no_other_key() {
        let whole = seal("hunter2");
        for elsewhere in [
            Place { purpose: "key-check", ..PLACE },
            Place { table: "trashed", ..PLACE },
            Place { record: 8, ..PLACE },
            Place { field: "token", ..PLACE },
            Place { generation: 2, ..PLACE },
            Place { generation: 4, ..PLACE },
        ] {
            assert_eq!(data_key(5, 1).open(elsewhere, &whole), Err(SealError::Refused), "{elsewhere:?}");
        }
        assert_eq!(data_key(5, 2).open(PLACE, &whole), Err(SealError::Refused));
        assert_eq!(data_key(6, 1).open(PLACE, &whole), Err(SealError::UnknownKey(5)));
        let mut renamed = whole;
        renamed[HEADER - 1] = 6;
        assert_eq!(data_key(6, 1).open(PLACE, &renamed), Err(SealError::Refused), "the number of the key is authenticated, too");
    }

    #[test]
    fn what_version_1_sealed_opens_with_its_key_as_the_first_generation_only() {
        let first = Place { generation: 0, ..PLACE };
        let sealed = seal_1("hunter2", first);
        assert_eq!(key_of(&sealed), Ok(KeyName::V1));
        let old = DataKey::new(KeyName::V1, &key(1));
        assert_eq!(old.open(first, &sealed), Ok(secret("hunter2")));
        assert_eq!(old.open(PLACE, &sealed), Err(SealError::Refused), "it was replaced since");
        assert_eq!(old.open(Place { record: 8, ..first }, &sealed), Err(SealError::Refused));
        assert_eq!(data_key(5, 1).open(first, &sealed), Err(SealError::UnknownKey(0)));
        assert_eq!(old.open(PLACE, &seal("hunter2")), Err(SealError::UnknownKey(5)));
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        assert_eq!(format!("{:?}", data_key(5, 1)), "DataKey(KeyName { purpose: Secrets, number: 5 }, …)");
    }
}
