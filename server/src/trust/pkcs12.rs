//! Reads PKCS#12 (RFC 7292), as Java, OpenSSL, Windows, NSS and Bouncy Castle write it: verifies the password by the MAC, opens
//! what is encrypted with it, and says what is there. Private keys stay sealed until somebody opens one. Pure.
//!
//! Not by the crate `p12-keystore`: it opens every key, which nobody needs who imports certificates, leaves it in memory,
//! bounds the iterations of each password hash but not how many there are (4 MiB can ask for an hour), takes one
//! unreadable certificate for an unreadable file, and knows no BER.

use std::num::NonZeroU32;

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, InnerIvInit as _, KeyInit};
use des::{TdesEde2, TdesEde3};
use domain::trust::{self, Format, ImportError};
use rc2::Rc2;
use ring::{digest, hmac, pbkdf2};
use x509_parser::asn1_rs::{Oid, oid};
use zeroize::Zeroizing;

use super::ber::{Ber, Value};

/// Iterations that are done for one file, all its password hashes together: five seconds at most where that was measured. Programs
/// ask for two thousand (Windows) to two million (NSS) in a file.
pub(super) const MAX_ITERATIONS: u64 = 5_000_000;
/// What a password hash counts at least, so that there can't be too many of them either.
const MIN_ITERATIONS: u64 = 1_000;

/// RFC 5652 sections 4 and 8, RFC 5280.
const DATA: Oid<'_> = oid!(1.2.840.113549.1.7.1);
const SIGNED_DATA: Oid<'_> = oid!(1.2.840.113549.1.7.2);
const ENVELOPED_DATA: Oid<'_> = oid!(1.2.840.113549.1.7.3);
const ENCRYPTED_DATA: Oid<'_> = oid!(1.2.840.113549.1.7.6);
/// RFC 8018 appendix A.
const PBES2: Oid<'_> = oid!(1.2.840.113549.1.5.13);
const PBKDF2: Oid<'_> = oid!(1.2.840.113549.1.5.12);
const HMAC_SHA1: Oid<'_> = oid!(1.2.840.113549.2.7);
/// RFC 7292 section 4.2.
const KEY_BAG: Oid<'_> = oid!(1.2.840.113549.1.12.10.1.1);
const SHROUDED_KEY_BAG: Oid<'_> = oid!(1.2.840.113549.1.12.10.1.2);
const CERTIFICATE_BAG: Oid<'_> = oid!(1.2.840.113549.1.12.10.1.3);
const SECRET_BAG: Oid<'_> = oid!(1.2.840.113549.1.12.10.1.5);
const X509: Oid<'_> = oid!(1.2.840.113549.1.9.22.1);
const FRIENDLY_NAME: Oid<'_> = oid!(1.2.840.113549.1.9.20);

/// Something in a store, with its name there.
pub(super) struct Bag {
    pub(super) alias: String,
    pub(super) what: What,
}

/// What it is.
pub(super) enum What {
    /// A certificate, or what is called one.
    Certificate(Vec<u8>),
    PrivateKey(Key),
    /// A key that is no half of a pair, or another secret.
    Secret,
    /// A certificate of another type than X.509, or something damaged.
    Unreadable,
}

/// A private key as it lies in the store: PKCS#8 (RFC 5958).
pub(super) enum Key {
    /// Encrypted with the store at most.
    Plain(Zeroizing<Vec<u8>>),
    /// Encrypted by itself, as an `EncryptedPrivateKeyInfo`.
    Sealed(Zeroizing<Vec<u8>>),
}

/// What is in a file, and what may still be spent on opening its keys.
pub(super) struct Store {
    pub(super) bags: Vec<Bag>,
    opener: Opener,
}

/// Whether `file` begins as such a store: `SEQUENCE { INTEGER 3, SEQUENCE { OBJECT IDENTIFIER …`.
pub(super) fn is_store(file: &[u8]) -> bool {
    let begins = || {
        let mut pfx = Ber::new(file).sequence()?;
        let version = pfx.unsigned()?;
        let content = pfx.sequence()?.oid()?;
        Some(version == 3 && (content == DATA || content == SIGNED_DATA))
    };
    begins() == Some(true)
}

/// Reads `file`, hashing the password with at most so many `iterations`. Keys stay sealed.
///
/// # Errors
/// A password that is missing or wrong, no password at all, an encryption that isn't known, too many iterations, or damage.
pub(super) fn read(file: &[u8], password: &str, iterations: u64) -> Result<Store, ImportError> {
    let mut opener = Opener { password: Password::new(password), max: iterations, left: iterations };
    let mut pfx = Ber::new(file).sequence().ok_or(DAMAGED)?;
    let _version = pfx.unsigned().ok_or(DAMAGED)?;
    let mut safe = pfx.sequence().ok_or(DAMAGED)?;
    if safe.oid().ok_or(DAMAGED)? != DATA {
        return Err(unsupported("a signature instead of a password"));
    }
    let content = safe.tagged(0).and_then(|mut content| content.octets()).ok_or(DAMAGED)?;
    if pfx.rest().is_empty() {
        return Err(ImportError::Unprotected);
    }
    opener.verify(pfx.sequence().ok_or(DAMAGED)?, &content)?;
    let mut bags = Vec::new();
    let mut safes = Ber::new(&content).sequence().ok_or(DAMAGED)?;
    while !safes.rest().is_empty() {
        let safe = opener.safe(safes.sequence().ok_or(DAMAGED)?)?;
        let mut contents = Ber::new(&safe).sequence().ok_or(DAMAGED)?;
        while !contents.rest().is_empty() {
            bags.push(bag(contents.sequence().ok_or(DAMAGED)?).ok_or(DAMAGED)?);
        }
    }
    Ok(Store { bags, opener })
}

impl Store {
    /// Iterations that weren't spent.
    pub(super) const fn left(&self) -> u64 {
        self.opener.left
    }

    /// Opens one of its keys.
    ///
    /// # Errors
    /// As [`read`]: a key may have another password than its store.
    pub(super) fn open(&mut self, key: &Key) -> Result<Zeroizing<Vec<u8>>, ImportError> {
        match key {
            Key::Plain(key) => Ok(key.clone()),
            Key::Sealed(sealed) => {
                let mut info = Ber::new(sealed).sequence().ok_or(DAMAGED)?;
                let algorithm = info.sequence().ok_or(DAMAGED)?;
                self.opener.decrypt(algorithm, info.octets().ok_or(DAMAGED)?)
            }
        }
    }
}

const DAMAGED: ImportError = ImportError::Unreadable { format: Format::Pkcs12 };

fn unsupported(method: impl Into<String>) -> ImportError {
    ImportError::UnsupportedEncryption { method: method.into() }
}

/// `SafeBag` (RFC 7292 section 4.2).
fn bag(mut bag: Ber<'_>) -> Option<Bag> {
    let kind = bag.oid()?;
    let value = bag.tagged(0)?;
    let alias = bag.set().and_then(alias).unwrap_or_default();
    let whole = || value.clone().next().map(|value| Zeroizing::new(value.whole.to_vec()));
    let what = if kind == CERTIFICATE_BAG {
        certificate(value.clone()).map_or(What::Unreadable, What::Certificate)
    } else if kind == SHROUDED_KEY_BAG {
        whole().map_or(What::Unreadable, |key| What::PrivateKey(Key::Sealed(key)))
    } else if kind == KEY_BAG {
        whole().map_or(What::Unreadable, |key| What::PrivateKey(Key::Plain(key)))
    } else if kind == SECRET_BAG {
        What::Secret
    } else {
        What::Unreadable
    };
    Some(Bag { alias, what })
}

/// `CertBag` (section 4.2.3).
fn certificate(mut value: Ber<'_>) -> Option<Vec<u8>> {
    let mut bag = value.sequence()?;
    let is_x509 = bag.oid()? == X509;
    is_x509.then_some(bag.tagged(0)?.octets()?.to_vec())
}

fn alias(mut attributes: Ber<'_>) -> Option<String> {
    loop {
        let mut attribute = attributes.sequence()?;
        if attribute.oid()? == FRIENDLY_NAME {
            return attribute.set()?.next()?.text();
        }
    }
}

/// The password in the two forms that are hashed.
struct Password {
    utf8: Zeroizing<Vec<u8>>,
    /// 16 bits a character, the higher byte first, with a zero at the end (RFC 7292 appendix B.1).
    wide: Zeroizing<Vec<u8>>,
}

impl Password {
    fn new(text: &str) -> Self {
        let mut wide = Zeroizing::new(Vec::with_capacity(text.len() * 2 + 2));
        wide.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        wide.extend([0, 0]);
        Self { utf8: Zeroizing::new(text.as_bytes().to_vec()), wide }
    }
}

/// Opens what the password opens, as long as there are iterations left.
struct Opener {
    password: Password,
    /// Iterations.
    max: u64,
    /// Those that aren't spent.
    left: u64,
}

impl Opener {
    /// Takes `iterations` from those that are left, for each of `blocks` that they are done for.
    fn spend(&mut self, iterations: u64, blocks: usize) -> Result<NonZeroU32, ImportError> {
        let cost = iterations.max(MIN_ITERATIONS).saturating_mul(blocks as u64);
        self.left = self.left.checked_sub(cost).ok_or(ImportError::TooMuchWork { max: self.max })?;
        u32::try_from(iterations).ok().and_then(NonZeroU32::new).ok_or(DAMAGED)
    }

    fn refused(&self) -> ImportError {
        if self.password.utf8.is_empty() {
            ImportError::PasswordMissing { store: trust::Store::Pkcs12 }
        } else {
            ImportError::PasswordWrong { store: trust::Store::Pkcs12 }
        }
    }

    /// `MacData` (RFC 7292 section 4).
    fn verify(&mut self, mut mac: Ber<'_>, content: &[u8]) -> Result<(), ImportError> {
        let mut info = mac.sequence().ok_or(DAMAGED)?;
        let (hash, _) = algorithm(info.sequence().ok_or(DAMAGED)?)?;
        let stored = info.octets().ok_or(DAMAGED)?;
        let salt = mac.octets().ok_or(DAMAGED)?;
        let iterations = if mac.rest().is_empty() { 1 } else { mac.unsigned().ok_or(DAMAGED)? };
        let hash = Hash::of_digest(&hash).ok_or_else(|| unsupported(method_words(&hash)))?;
        let key = self.derive(hash, Purpose::Mac, &salt, iterations, hash.digest().output_len())?;
        if hmac::verify(&hmac::Key::new(hash.hmac(), &key), content, &stored).is_ok() {
            return Ok(());
        }
        // No password is hashed as one without even the zero at its end by some (Windows), and with it by others (OpenSSL).
        if self.password.utf8.is_empty() && !self.password.wide.is_empty() {
            self.password.wide.clear();
            let key = self.derive(hash, Purpose::Mac, &salt, iterations, hash.digest().output_len())?;
            if hmac::verify(&hmac::Key::new(hash.hmac(), &key), content, &stored).is_ok() {
                return Ok(());
            }
        }
        Err(self.refused())
    }

    /// The `SafeContents` of a `ContentInfo`.
    fn safe(&mut self, mut info: Ber<'_>) -> Result<Zeroizing<Vec<u8>>, ImportError> {
        let kind = info.oid().ok_or(DAMAGED)?;
        let mut content = info.tagged(0).ok_or(DAMAGED)?;
        if kind == DATA {
            return content.octets().ok_or(DAMAGED);
        }
        if kind == ENVELOPED_DATA {
            return Err(unsupported("the key of a certificate instead of a password"));
        }
        if kind != ENCRYPTED_DATA {
            return Err(DAMAGED);
        }
        let mut data = content.sequence().ok_or(DAMAGED)?;
        let _version = data.unsigned().ok_or(DAMAGED)?;
        let mut encrypted = data.sequence().ok_or(DAMAGED)?;
        let _kind = encrypted.oid().ok_or(DAMAGED)?;
        let algorithm = encrypted.sequence().ok_or(DAMAGED)?;
        let sealed = encrypted.next().filter(|value| value.is_tagged(0));
        self.decrypt(algorithm, sealed.as_ref().and_then(Value::octets).ok_or(DAMAGED)?)
    }

    /// Decrypts `sealed` in its place.
    fn decrypt(&mut self, identifier: Ber<'_>, sealed: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, ImportError> {
        let (method, parameters) = algorithm(identifier)?;
        let parameters = parameters.and_then(|mut parameters| parameters.sequence()).ok_or(DAMAGED)?;
        let Unlocked { cipher, key, iv } = if method == PBES2 { self.pbes2(parameters)? } else { self.pbes1(&method, parameters)? };
        cipher.decrypt(&key, &iv, sealed).ok_or_else(|| self.refused())
    }

    /// RFC 7292 appendix C.
    fn pbes1(&mut self, method: &Oid<'_>, mut parameters: Ber<'_>) -> Result<Unlocked, ImportError> {
        let cipher = Cipher::of_pkcs12(method).ok_or_else(|| unsupported(method_words(method)))?;
        let salt = parameters.octets().ok_or(DAMAGED)?;
        let iterations = parameters.unsigned().ok_or(DAMAGED)?;
        let key = self.derive(Hash::Sha1, Purpose::Key, &salt, iterations, cipher.key_length())?;
        let iv = self.derive(Hash::Sha1, Purpose::Iv, &salt, iterations, 8)?;
        Ok(Unlocked { cipher, key, iv })
    }

    /// RFC 8018 section 6.2.
    fn pbes2(&mut self, mut parameters: Ber<'_>) -> Result<Unlocked, ImportError> {
        let (function, settings) = algorithm(parameters.sequence().ok_or(DAMAGED)?)?;
        let (scheme, iv) = algorithm(parameters.sequence().ok_or(DAMAGED)?)?;
        if function != PBKDF2 {
            return Err(unsupported(method_words(&function)));
        }
        let cipher = Cipher::of_pbes2(&scheme).ok_or_else(|| unsupported(method_words(&scheme)))?;
        let mut settings = settings.and_then(|mut settings| settings.sequence()).ok_or(DAMAGED)?;
        let salt = settings.octets().ok_or(DAMAGED)?;
        let iterations = settings.unsigned().ok_or(DAMAGED)?;
        let mut hash = HMAC_SHA1;
        while let Some(setting) = settings.next() {
            // The other one is the length of the key, which is that of the cipher's.
            if setting.is_sequence() {
                hash = Ber::new(setting.whole).sequence().and_then(|mut identifier| identifier.oid()).ok_or(DAMAGED)?;
            }
        }
        let hash = Hash::of_hmac(&hash).ok_or_else(|| unsupported(method_words(&hash)))?;
        let mut key = Zeroizing::new(vec![0; cipher.key_length()]);
        let iterations = self.spend(iterations, key.len().div_ceil(hash.digest().output_len()))?;
        pbkdf2::derive(hash.pbkdf2(), iterations, &salt, &self.password.utf8, &mut key);
        let iv = iv.and_then(|mut iv| iv.octets()).ok_or(DAMAGED)?;
        Ok(Unlocked { cipher, key, iv })
    }

    /// RFC 7292 appendix B.2, with its letters.
    fn derive(
        &mut self,
        hash: Hash,
        purpose: Purpose,
        salt: &[u8],
        iterations: u64,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, ImportError> {
        let (u, v) = (hash.digest().output_len(), hash.digest().block_len());
        let iterations = self.spend(iterations, length.div_ceil(u))?;
        let filled = |text: &[u8]| text.len().div_ceil(v) * v;
        let mut i = Zeroizing::new(Vec::with_capacity(filled(salt) + filled(&self.password.wide)));
        for text in [salt, &self.password.wide] {
            i.extend(text.iter().cycle().take(filled(text)));
        }
        let mut key = Zeroizing::new(Vec::with_capacity(length + u));
        loop {
            let mut context = digest::Context::new(hash.digest());
            context.update(&vec![purpose as u8; v]);
            context.update(&i);
            let mut a = context.finish();
            for _ in 1..iterations.get() {
                a = digest::digest(hash.digest(), a.as_ref());
            }
            key.extend_from_slice(a.as_ref());
            if key.len() >= length {
                key.truncate(length);
                return Ok(key);
            }
            for block in i.chunks_exact_mut(v) {
                // Block + B + 1, where B is A again and again; what is carried out of it is lost.
                let mut carried = 1;
                for (at, byte) in block.iter_mut().enumerate().rev() {
                    [carried, *byte] = (u16::from(*byte) + u16::from(a.as_ref()[at % u]) + u16::from(carried)).to_be_bytes();
                }
            }
        }
    }
}

/// What opens something that is sealed.
struct Unlocked {
    cipher: Cipher,
    key: Zeroizing<Vec<u8>>,
    iv: Zeroizing<Vec<u8>>,
}

/// What is derived from a password (RFC 7292 appendix B.3).
#[derive(Clone, Copy)]
enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// `AlgorithmIdentifier`: which, and its parameters.
fn algorithm(mut identifier: Ber<'_>) -> Result<(Oid<'_>, Option<Ber<'_>>), ImportError> {
    let oid = identifier.oid().ok_or(DAMAGED)?;
    Ok((oid, (!identifier.rest().is_empty()).then_some(identifier)))
}

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of_digest(oid: &Oid<'_>) -> Option<Self> {
        let known = [
            (oid!(1.3.14.3.2.26), Self::Sha1),
            (oid!(2.16.840.1.101.3.4.2.1), Self::Sha256),
            (oid!(2.16.840.1.101.3.4.2.2), Self::Sha384),
            (oid!(2.16.840.1.101.3.4.2.3), Self::Sha512),
        ];
        known.into_iter().find(|(known, _)| known == oid).map(|(_, hash)| hash)
    }

    fn of_hmac(oid: &Oid<'_>) -> Option<Self> {
        let known = [
            (HMAC_SHA1, Self::Sha1),
            (oid!(1.2.840.113549.2.9), Self::Sha256),
            (oid!(1.2.840.113549.2.10), Self::Sha384),
            (oid!(1.2.840.113549.2.11), Self::Sha512),
        ];
        known.into_iter().find(|(known, _)| known == oid).map(|(_, hash)| hash)
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// A block cipher in CBC mode.
#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    /// With three keys.
    Des3,
    /// With two keys.
    Des2,
    Rc2128,
    Rc240,
}

impl Cipher {
    fn of_pbes2(oid: &Oid<'_>) -> Option<Self> {
        let known = [
            (oid!(2.16.840.1.101.3.4.1.2), Self::Aes128),
            (oid!(2.16.840.1.101.3.4.1.22), Self::Aes192),
            (oid!(2.16.840.1.101.3.4.1.42), Self::Aes256),
            (oid!(1.2.840.113549.3.7), Self::Des3),
        ];
        known.into_iter().find(|(known, _)| known == oid).map(|(_, cipher)| cipher)
    }

    /// RFC 7292 appendix C.
    fn of_pkcs12(oid: &Oid<'_>) -> Option<Self> {
        let known = [
            (oid!(1.2.840.113549.1.12.1.3), Self::Des3),
            (oid!(1.2.840.113549.1.12.1.4), Self::Des2),
            (oid!(1.2.840.113549.1.12.1.5), Self::Rc2128),
            (oid!(1.2.840.113549.1.12.1.6), Self::Rc240),
        ];
        known.into_iter().find(|(known, _)| known == oid).map(|(_, cipher)| cipher)
    }

    /// Bytes.
    const fn key_length(self) -> usize {
        match self {
            Self::Aes256 => 32,
            Self::Aes192 | Self::Des3 => 24,
            Self::Aes128 | Self::Des2 | Self::Rc2128 => 16,
            Self::Rc240 => 5,
        }
    }

    /// Nothing where the key is wrong, or the bytes are damaged: what comes out then doesn't end as it must.
    fn decrypt(self, key: &[u8], iv: &[u8], sealed: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Aes128 => decrypt::<Aes128>(key, iv, sealed),
            Self::Aes192 => decrypt::<Aes192>(key, iv, sealed),
            Self::Aes256 => decrypt::<Aes256>(key, iv, sealed),
            Self::Des3 => decrypt::<TdesEde3>(key, iv, sealed),
            Self::Des2 => decrypt::<TdesEde2>(key, iv, sealed),
            Self::Rc2128 | Self::Rc240 => decrypt::<Rc2>(key, iv, sealed),
        }
    }
}

fn decrypt<C: BlockCipherDecrypt + KeyInit>(key: &[u8], iv: &[u8], mut sealed: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = C::new_from_slice(key).ok()?;
    let opened = cbc::Decryptor::inner_iv_slice_init(cipher, iv).ok()?.decrypt_padded::<Pkcs7>(&mut sealed).ok()?.len();
    sealed.truncate(opened);
    Some(sealed)
}

/// What an encryption is called.
fn method_words(oid: &Oid<'_>) -> String {
    let known = [
        (oid!(1.2.840.113549.1.12.1.1), "128-bit RC4"),
        (oid!(1.2.840.113549.1.12.1.2), "40-bit RC4"),
        (oid!(1.3.6.1.4.1.11591.4.11), "scrypt"),
        (oid!(1.2.840.113549.1.5.3), "DES and MD5"),
        (oid!(1.2.840.113549.1.5.10), "DES and SHA-1"),
        (oid!(1.2.840.113549.1.5.14), "PBMAC1"),
        (oid!(1.2.840.113549.2.8), "HMAC-SHA224"),
        (oid!(2.16.840.1.101.3.4.2.4), "HMAC-SHA224"),
        (oid!(1.2.840.113549.2.5), "HMAC-MD5"),
        (oid!(1.2.840.113549.3.2), "RC2"),
        (oid!(1.3.14.3.2.7), "DES"),
    ];
    known.into_iter().find(|(known, _)| known == oid).map_or_else(|| oid.to_id_string(), |(_, words)| words.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "changeit";
    const STORE: &[u8] = include_bytes!("../../tests/data/trust/keystore.p12");
    const LEGACY: &[u8] = include_bytes!("../../tests/data/trust/openssl-legacy.p12");

    fn opener(password: &str) -> Opener {
        Opener { password: Password::new(password), max: MAX_ITERATIONS, left: MAX_ITERATIONS }
    }

    #[test]
    fn a_key_is_derived_as_others_derive_it() {
        // The values are those in the tests of the crate `pkcs12`; the last key needs several blocks.
        let salt = [1, 2, 3, 4, 5, 6, 7, 8];
        let derived = |hash, purpose, iterations, length| {
            let key = opener("ge@äheim").derive(hash, purpose, &salt, iterations, length).unwrap();
            crate::certificate::hex(&key)
        };
        assert_eq!(
            derived(Hash::Sha256, Purpose::Key, 100, 32),
            "fae4d4957a3cc781e1180b9d4fb79c1e0c8579b746a3177e5b0768a3118bf863"
        );
        assert_eq!(derived(Hash::Sha256, Purpose::Iv, 100, 32), "e5ff813bc6547de5155b14d2fada85b3201a977349db6e26ccc998d9e8f83d6c");
        assert_eq!(
            derived(Hash::Sha256, Purpose::Mac, 100, 32),
            "136355ed9434516682534f46d63956db5ff06b844702c2c1f3b46321e2524a4d"
        );
        assert_eq!(
            derived(Hash::Sha256, Purpose::Key, 1_000, 100),
            "2b95a0569b63f641fae1efca32e84db3699ab74540628ba66283b58cf5400527d8d0ebe2ccbf768c51c4d8fbd1bb156be06c1c59cbb69e44052ffc\
             37376fdb47b2de7f9e543de9d096d8e5474b220410ff1c5d8bb7e5bc0f61baeaa12fd0da1d7a970172"
        );
    }

    #[test]
    fn no_more_iterations_are_done_than_are_allowed_for_the_whole_file() {
        let too_much = |max| Some(ImportError::TooMuchWork { max });
        // 10,000 each for the MAC, the certificates and a key.
        assert_eq!(read(STORE, PASSWORD, 9_999).err(), too_much(9_999));
        assert_eq!(read(STORE, PASSWORD, 19_999).err(), too_much(19_999));
        let mut store = read(STORE, PASSWORD, 20_000).ok().unwrap();
        assert_eq!(store.left(), 0);
        let bags = std::mem::take(&mut store.bags);
        let keys: Vec<_> =
            bags.iter().filter_map(|bag| if let What::PrivateKey(key) = &bag.what { Some(key) } else { None }).collect();
        assert_eq!(store.open(keys[0]).err(), too_much(20_000));
        // The old ways derive key and initialisation vector apart, and a key of three is longer than a hash.
        assert_eq!(opener("").spend(MAX_ITERATIONS + 1, 1).err(), too_much(MAX_ITERATIONS));
        assert_eq!(opener("").spend(u64::MAX, 2).err(), too_much(MAX_ITERATIONS));
        let mut opener = opener("");
        assert!((0..MAX_ITERATIONS / MIN_ITERATIONS).all(|_| opener.spend(1, 1).is_ok()));
        assert_eq!(opener.spend(1, 1).err(), too_much(MAX_ITERATIONS), "so many that each costs little");
    }

    #[test]
    fn a_key_stays_sealed_until_it_is_opened() {
        for file in [STORE, LEGACY] {
            let mut store = read(file, PASSWORD, MAX_ITERATIONS).ok().unwrap();
            let bags = std::mem::take(&mut store.bags);
            let sealed = bags.iter().find_map(|bag| if let What::PrivateKey(key) = &bag.what { Some(key) } else { None }).unwrap();
            assert!(matches!(sealed, Key::Sealed(_)));
            let opened = store.open(sealed).unwrap();
            let expected = include_bytes!("../../tests/data/trust/client.key.der");
            assert_eq!(opened.as_slice(), expected);
        }
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_of_a_store_does_harm() {
        let file: &[u8] = include_bytes!("../../tests/data/trust/openssl-plain-key.p12");
        for at in 0..file.len() {
            assert!(read(&file[..at], PASSWORD, 10_000).is_err());
        }
        // Not each, since its MAC takes thousands of iterations.
        for at in (0..file.len()).step_by(11) {
            let mut broken = file.to_vec();
            broken[at] ^= 0x80;
            drop(read(&broken, PASSWORD, 10_000));
        }
    }
}
