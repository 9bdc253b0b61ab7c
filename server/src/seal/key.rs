//! Keys, and how one wraps another.

use ring::hmac;
use zeroize::Zeroizing;

use super::cipher::{Cipher, NONCE, TAG};
use super::{ALGORITHM, SealError, VERSION};
use crate::ports::Random;

/// The bytes of a key.
pub const KEY_LENGTH: usize = 32;

/// What keys are made of the key-encryption key for; never changed, since what they wrap and sign is stored.
const WRAP: &[u8] = b"postroom v2 wrap";
const FINGERPRINTS_1: &[u8] = b"postroom v1 fingerprint";

/// A key. It is never printed, and wiped when it is dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_LENGTH]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Takes the bytes over.
    pub const fn new(bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        Self(bytes)
    }

    /// A key that nobody can guess.
    pub fn random(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        random.fill(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The key of these bytes, if they are as many as a key has.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        (bytes.len() == KEY_LENGTH).then(|| {
            key.copy_from_slice(bytes);
            Self(key)
        })
    }

    /// The bytes themselves. Call this only where a cipher takes them or where they are written to the key's own file.
    pub fn bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }

    /// Another key, made of this one.
    fn derive(&self, label: &[u8]) -> Self {
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.bytes()), label);
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        bytes.copy_from_slice(signed.as_ref());
        Self(bytes)
    }
}

/// What a key in the database is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPurpose {
    /// Seals secrets.
    Secrets,
    /// Opens secrets of version 1.
    SecretsV1,
    /// Makes fingerprints.
    Fingerprints,
}

impl KeyPurpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Secrets, Self::SecretsV1, Self::Fingerprints];

    /// Its name in the store; never changed, since keys are wrapped for it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::SecretsV1 => "secrets-v1",
            Self::Fingerprints => "fingerprints",
        }
    }
}

/// The name of a key in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Counts the keys of one purpose: the highest is the one that is used for what is new.
    pub number: u32,
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.purpose.key(), self.number)
    }
}

impl KeyName {
    /// The key that version 1 sealed with: the one in the file.
    pub const V1: Self = Self { purpose: KeyPurpose::SecretsV1, number: 0 };
    /// The key for fingerprints.
    pub const FINGERPRINTS: Self = Self { purpose: KeyPurpose::Fingerprints, number: 1 };

    /// A key for secrets.
    pub const fn secrets(number: u32) -> Self {
        Self { purpose: KeyPurpose::Secrets, number }
    }

    fn associated_data(self) -> Vec<u8> {
        format!("postroom v{VERSION} {ALGORITHM} key {} {}", self.purpose.key(), self.number).into_bytes()
    }
}

/// The key-encryption key: wraps the keys in the database, and is never kept there.
pub struct Kek {
    key: Key,
    cipher: Cipher,
}

impl std::fmt::Debug for Kek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kek(…)")
    }
}

impl Kek {
    /// Wraps with `key`.
    pub fn new(key: Key) -> Self {
        let cipher = Cipher::new(&key.derive(WRAP));
        Self { key, cipher }
    }

    /// The key itself, for its own file.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Wraps `key` under its name.
    pub fn wrap(&self, name: KeyName, key: &Key, random: &dyn Random) -> Vec<u8> {
        let mut wrapped = Vec::with_capacity(2 + NONCE + KEY_LENGTH + TAG);
        wrapped.extend_from_slice(&[VERSION, ALGORITHM]);
        let write = |out: &mut Vec<u8>| out.extend_from_slice(key.bytes());
        self.cipher.seal_in_place(&mut wrapped, &name.associated_data(), random, write);
        wrapped
    }

    /// Unwraps the key of this name.
    ///
    /// # Errors
    /// [`SealError`]; nothing of the key is known then.
    pub fn unwrap(&self, name: KeyName, wrapped: &[u8]) -> Result<Key, SealError> {
        match wrapped {
            [VERSION, ALGORITHM, sealed @ ..] => {
                let key = self.cipher.open(sealed, &name.associated_data())?;
                Key::from_slice(&key).ok_or(SealError::TooShort)
            }
            [] | [VERSION] => Err(SealError::TooShort),
            [VERSION, version, ..] | [version, ..] => Err(SealError::UnknownVersion(*version)),
        }
    }

    /// The keys of a database of version 1, which had no envelope: what sealed its secrets, and what made its fingerprints.
    pub fn keys_of_version_1(&self) -> [(KeyName, Key); 2] {
        [(KeyName::V1, self.key.clone()), (KeyName::FINGERPRINTS, self.key.derive(FINGERPRINTS_1))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::tests::{Counting, key};

    fn kek(byte: u8) -> Kek {
        Kek::new(key(byte))
    }

    #[test]
    fn a_wrapped_key_opens_whole_under_its_name_and_with_its_key_only() {
        let name = KeyName::secrets(3);
        let wrapped = kek(1).wrap(name, &key(9), &Counting);
        assert_eq!(kek(1).unwrap(name, &wrapped).unwrap().bytes(), key(9).bytes());
        assert!(!wrapped.windows(4).any(|part| part == [9; 4]), "nothing of it shows");
        for other in [KeyName::secrets(4), KeyName::V1, KeyName { number: 3, ..KeyName::FINGERPRINTS }] {
            assert_eq!(kek(1).unwrap(other, &wrapped).unwrap_err(), SealError::Refused);
        }
        assert_eq!(kek(2).unwrap(name, &wrapped).unwrap_err(), SealError::Refused);
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(kek(1).unwrap(name, &changed).is_err(), "byte {at}");
            assert!(kek(1).unwrap(name, &wrapped[..at]).is_err(), "cut to {at}");
        }
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        assert_eq!(format!("{:?} {:?}", key(1), kek(1)), "Key(…) Kek(…)");
    }
}
