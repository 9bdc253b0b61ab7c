//! Sealing: how secrets lie on the disk, and the key that opens them; and fingerprints, which tell whether two texts with
//! secrets in them are the same. Where the sealed bytes are kept is the store's affair; what is secret is the rules'.
//!
//! A sealed secret is a version byte (1), a nonce (24 bytes), and what XChaCha20-Poly1305 makes of the padded text. A
//! later version byte is the place for keys in envelopes and their rotation: it would name the key after it.

use std::fs::{self, File};
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use domain::secret::Secret;
use ring::hmac;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::data_dir::{DataDir, StartError, plain, private_file};
use crate::ports::Random;

/// The bytes of a key.
pub const KEY_LENGTH: usize = 32;
/// Texts are padded to a multiple of this, so that a password's length doesn't show.
const BLOCK: usize = 64;
const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
/// The text's length stands before it.
const PREFIX: usize = size_of::<u32>();

/// What the key for fingerprints is derived for; never changed, since fingerprints are stored.
const FINGERPRINTS: &[u8] = b"postroom v1 fingerprint";

/// Seals and opens secrets with one key, which is wiped when this is dropped. (The key for fingerprints is another one, made
/// from it; ring keeps it, and doesn't wipe it. It opens nothing.)
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    fingerprints: hmac::Key,
}

/// Tells whether texts are the same without telling what they are: HMAC-SHA256 (RFC 2104). It never leaves the server: whoever
/// had it and the key could try passwords against it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        STANDARD_NO_PAD.encode(fingerprint.0)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = STANDARD_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("a fingerprint has 32 bytes")
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// Where a sealed secret belongs. It opens nowhere else: moved to another record or field, it is refused.
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
}

impl Place {
    /// The bytes that are authenticated with the secret. The names have no spaces, so no two places give the same.
    fn associated_data(&self) -> Vec<u8> {
        format!("postroom v{VERSION} {} {} {} {}", self.purpose, self.table, self.record, self.field).into_bytes()
    }
}

/// Why a sealed secret doesn't open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// It is cut off.
    TooShort,
    /// It was sealed by a later version of the program.
    UnknownVersion(u8),
    /// It was changed, belongs somewhere else, or was sealed with another key.
    Refused,
}

impl std::fmt::Display for SealError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooShort => f.write_str("the sealed secret is cut off"),
            Self::UnknownVersion(version) => write!(f, "the secret was sealed in a way this program doesn't know ({version})"),
            Self::Refused => f.write_str("the sealed secret was changed, or belongs elsewhere"),
        }
    }
}

impl Sealer {
    /// Seals with `key`, which is wiped.
    pub fn new(mut key: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        let mut copy = Key::from(*key);
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), FINGERPRINTS);
        let fingerprints = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        let sealer = Self { cipher: XChaCha20Poly1305::new(&copy), fingerprints };
        copy.zeroize();
        key.zeroize();
        sealer
    }

    /// The fingerprint of these texts in this order. Nothing of them is copied.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.fingerprints);
        for part in parts {
            // The length keeps the border between two parts where it is.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        Fingerprint(bytes)
    }

    /// Seals `secret` for `place`.
    ///
    /// # Panics
    /// Never: a secret is far shorter than the 256 GiB that a nonce takes.
    pub fn seal(&self, place: Place, secret: &Secret, random: &dyn Random) -> Vec<u8> {
        let text = secret.expose().as_bytes();
        let padded = (PREFIX + text.len()).next_multiple_of(BLOCK);
        let mut blob = Vec::with_capacity(1 + NONCE + padded + TAG);
        blob.push(VERSION);
        blob.resize(1 + NONCE, 0);
        random.fill(&mut blob[1..]);
        let nonce = nonce(&blob[1..]);
        // The capacity is there already, so the text is written once and then sealed where it stands.
        blob.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        blob.extend_from_slice(text);
        blob.resize(1 + NONCE + padded, 0);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &place.associated_data(), (&mut blob[1 + NONCE..]).into())
            .expect("it is shorter than 256 GiB");
        blob.extend_from_slice(&tag);
        blob
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError`]; nothing of the secret is known then.
    pub fn open(&self, place: Place, blob: &[u8]) -> Result<Secret, SealError> {
        match blob.first() {
            None => return Err(SealError::TooShort),
            Some(&VERSION) => {}
            Some(&version) => return Err(SealError::UnknownVersion(version)),
        }
        if blob.len() < 1 + NONCE + BLOCK + TAG {
            return Err(SealError::TooShort);
        }
        let (nonced, rest) = blob[1..].split_at(NONCE);
        let (sealed, tag) = rest.split_at(rest.len() - TAG);
        let tag = Tag::try_from(tag).map_err(|_| SealError::TooShort)?;
        let mut text = Zeroizing::new(sealed.to_vec());
        self.cipher
            .decrypt_inout_detached(&nonce(nonced), &place.associated_data(), text.as_mut_slice().into(), &tag)
            .map_err(|_| SealError::Refused)?;
        let (length, rest) = text.split_at(PREFIX);
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let text = rest.get(..length).and_then(|text| std::str::from_utf8(text).ok()).ok_or(SealError::Refused)?;
        Ok(Secret::new(text.to_owned()))
    }
}

fn nonce(bytes: &[u8]) -> XNonce {
    let mut nonce = XNonce::default();
    nonce.copy_from_slice(bytes);
    nonce
}

/// Reads the key of an existing database.
///
/// # Errors
/// [`StartError::KeyMissing`], [`StartError::KeyExposed`], [`StartError::KeyMalformed`] or [`StartError::Disk`].
pub fn load_key(dir: &DataDir) -> Result<Sealer, StartError> {
    let path = dir.key();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => StartError::KeyMissing { path: path.clone() },
        _ => StartError::Disk { path: path.clone(), detail: plain(&error) },
    };
    let metadata = fs::metadata(&path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(StartError::KeyMalformed { path, length: 0 });
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
        if mode & 0o077 != 0 {
            return Err(StartError::KeyExposed { path, mode });
        }
    }
    if metadata.len() != KEY_LENGTH as u64 {
        return Err(StartError::KeyMalformed { path, length: metadata.len() });
    }
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    File::open(&path).and_then(|mut file| file.read_exact(key.as_mut_slice())).map_err(failed)?;
    Ok(Sealer::new(key))
}

/// The key for a database that is yet to be made: the one that is there, or a new one, durable before this returns.
///
/// # Errors
/// As [`load_key`], but a missing key is made.
pub fn load_or_make_key(dir: &DataDir, random: &dyn Random) -> Result<Sealer, StartError> {
    match load_key(dir) {
        Err(StartError::KeyMissing { .. }) => {}
        other => return other,
    }
    let path = dir.key();
    make_key(dir, random).map_err(|error| StartError::Disk { path, detail: plain(&error) })?;
    load_key(dir)
}

/// Written under another name and renamed, so that a key file is never half a key. Nobody else can make one meanwhile:
/// the directory is locked.
fn make_key(dir: &DataDir, random: &dyn Random) -> io::Result<()> {
    let draft = dir.path().join("postroom.key.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    random.fill(key.as_mut_slice());
    let mut file = private_file().create_new(true).open(&draft)?;
    file.write_all(key.as_slice())?;
    file.sync_all()?;
    fs::rename(&draft, dir.key())?;
    dir.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { purpose: "smtp-sign-in", table: "secrets", record: 7, field: "password" };

    struct Counting;

    impl Random for Counting {
        fn fill(&self, buf: &mut [u8]) {
            for (byte, number) in buf.iter_mut().zip(1..) {
                *byte = number;
            }
        }
    }

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(Zeroizing::new([byte; KEY_LENGTH]))
    }

    fn seal(text: &str) -> Vec<u8> {
        sealer(1).seal(PLACE, &Secret::new(text.to_owned()), &Counting)
    }

    #[test]
    fn what_is_sealed_opens_again() {
        for text in ["", "hunter2", "pässwörd\u{1f512}", &"x".repeat(4096)] {
            assert_eq!(sealer(1).open(PLACE, &seal(text)), Ok(Secret::new(text.to_owned())));
        }
    }

    #[test]
    fn its_length_does_not_show() {
        let lengths = |texts: std::ops::Range<usize>| texts.map(|length| seal(&"x".repeat(length)).len()).collect::<Vec<_>>();
        assert_eq!(lengths(0..61), [1 + NONCE + BLOCK + TAG; 61]);
        assert_eq!(lengths(61..125), [1 + NONCE + 2 * BLOCK + TAG; 64]);
    }

    #[test]
    fn every_changed_or_missing_byte_is_found() {
        let whole = seal("hunter2");
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let expected = if at == 0 { SealError::UnknownVersion(0) } else { SealError::Refused };
            assert_eq!(sealer(1).open(PLACE, &changed), Err(expected), "byte {at}");
            assert!(sealer(1).open(PLACE, &whole[..at]).is_err(), "cut to {at}");
        }
        assert!(sealer(1).open(PLACE, &[whole.as_slice(), &[0]].concat()).is_err(), "one more");
    }

    #[test]
    fn it_opens_nowhere_else_and_with_no_other_key() {
        let whole = seal("hunter2");
        for elsewhere in [
            Place { purpose: "key-check", ..PLACE },
            Place { table: "trashed", ..PLACE },
            Place { record: 8, ..PLACE },
            Place { field: "token", ..PLACE },
        ] {
            assert_eq!(sealer(1).open(elsewhere, &whole), Err(SealError::Refused), "{elsewhere:?}");
        }
        assert_eq!(sealer(2).open(PLACE, &whole), Err(SealError::Refused));
    }

    #[test]
    fn a_fingerprint_tells_texts_apart_and_is_of_this_key_only() {
        let of = |parts: &[&[u8]]| sealer(1).fingerprint(parts);
        let whole = of(&[b"ab", b"c"]);
        assert_eq!(whole, of(&[b"ab", b"c"]));
        for other in [of(&[b"a", b"bc"]), of(&[b"abc"]), of(&[b"ab", b"c", b""]), sealer(2).fingerprint(&[b"ab", b"c"])] {
            assert_ne!(whole, other);
        }
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), whole);
        assert!(serde_json::from_str::<Fingerprint>("\"AAAA\"").is_err());
    }

    #[test]
    fn nothing_of_the_key_is_printed() {
        assert_eq!(format!("{:?}", sealer(1)), "Sealer(…)");
        assert_eq!(format!("{:?}", sealer(1).fingerprint(&[b"secret"])), "Fingerprint(…)");
    }
}
