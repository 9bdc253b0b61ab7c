//! Reads Java's older stores, JKS and JCEKS, as Java's `JavaKeyStore` and `JceKeyStore` write them: a header, entries, and a
//! digest over password and everything. Of private keys it only says that they are there. Pure.
//!
//! Not by the crate `jks`: it reserves the memory that 34 bytes ask for, and that ends the process.

use domain::trust::{Format, ImportError, Lookalike, Store};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use zeroize::Zeroizing;

/// How a store begins.
const JKS: u32 = 0xfeed_feed;
const JCEKS: u32 = 0xcece_cece;

/// What an entry is.
const PRIVATE_KEY: u32 = 1;
const CERTIFICATE: u32 = 2;
const SECRET_KEY: u32 = 3;

/// What is digested between the password and the store.
const WHITENER: &[u8] = b"Mighty Aphrodite";
const DIGEST: usize = 20;

/// An entry, or a part of one; the alias is not copied, since a chain may have a million parts.
pub(super) enum Item<'a> {
    Certificate {
        alias: &'a [u8],
        der: &'a [u8],
    },
    PrivateKey {
        alias: &'a [u8],
    },
    /// A certificate of another type than X.509.
    Other {
        alias: &'a [u8],
    },
}

/// Whether `file` begins as such a store.
pub(super) fn is_store(file: &[u8]) -> bool {
    matches!(Reader(file).number(), Some(JKS | JCEKS))
}

/// What is in it, in its order.
///
/// # Errors
/// A password that is missing or wrong, a store that is damaged, or one with a secret key: how long that is, only Java knows.
pub(super) fn read<'a>(file: &'a [u8], password: &str) -> Result<Vec<Item<'a>>, ImportError> {
    const DAMAGED: ImportError = ImportError::Unreadable { format: Format::Java };
    let store = Store::Java;
    let mut reader = Reader(file);
    let items = entries(&mut reader).ok_or(DAMAGED)?;
    let items = items.map_err(|SecretKey| ImportError::Unknown { found: Some(Lookalike::SecretKey) })?;
    let digested = &file[..file.len() - reader.0.len()];
    let stored = reader.take(DIGEST).ok_or(DAMAGED)?;
    if digest(digested, password).as_ref() == stored {
        Ok(items)
    } else if password.is_empty() {
        Err(ImportError::PasswordMissing { store })
    } else {
        Err(ImportError::PasswordWrong { store })
    }
}

/// An entry that can't be skipped.
struct SecretKey;

fn entries<'a>(reader: &mut Reader<'a>) -> Option<Result<Vec<Item<'a>>, SecretKey>> {
    let _magic = reader.number()?;
    let version = reader.number().filter(|version| (1..=2).contains(version))?;
    let count = reader.number()?;
    let mut items = Vec::new();
    // However many it says there are: each takes bytes of the file.
    for _ in 0..count {
        let kind = reader.number()?;
        let alias = reader.short()?;
        let _date = reader.take(8)?;
        let certificates = match kind {
            CERTIFICATE => 1,
            PRIVATE_KEY => {
                let _sealed = reader.long()?;
                items.push(Item::PrivateKey { alias });
                reader.number()?
            }
            SECRET_KEY => return Some(Err(SecretKey)),
            _ => return None,
        };
        for _ in 0..certificates {
            let is_x509 = version == 1 || matches!(reader.short()?, b"X.509" | b"X509");
            let der = reader.long()?;
            items.push(if is_x509 { Item::Certificate { alias, der } } else { Item::Other { alias } });
        }
    }
    Some(Ok(items))
}

/// The password counts as Java's characters do: 16 bits each, the higher byte first.
fn digest(store: &[u8], password: &str) -> ring::digest::Digest {
    let password: Zeroizing<Vec<u8>> = Zeroizing::new(password.encode_utf16().flat_map(u16::to_be_bytes).collect());
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(&password);
    context.update(WHITENER);
    context.update(store);
    context.finish()
}

/// What was not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        self.0.split_off(..length)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Bytes after their number in four bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Bytes after their number in two bytes.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?.try_into().ok().map(u16::from_be_bytes)?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "changeit";

    /// A store of `body` after magic, version and number of entries, with its digest.
    fn store(count: u32, body: &[u8]) -> Vec<u8> {
        let mut store = [&JKS.to_be_bytes()[..], &[0, 0, 0, 2], &count.to_be_bytes(), body].concat();
        store.extend_from_slice(digest(&store, PASSWORD).as_ref());
        store
    }

    #[test]
    fn a_count_that_nothing_follows_reserves_no_memory() {
        // One private key with four billion certificates, in 34 bytes.
        let body = [&[0, 0, 0, 1, 0, 0][..], &[0; 8], &[0; 4], &[0xff; 4]].concat();
        let unreadable = || Some(ImportError::Unreadable { format: Format::Java });
        assert_eq!(read(&store(1, &body), PASSWORD).err(), unreadable());
        assert_eq!(read(&store(u32::MAX, &[]), PASSWORD).err(), unreadable());
    }

    #[test]
    fn a_store_of_the_first_version_names_no_types() {
        let entry = [&[0, 0, 0, 2, 0, 1, b'a'][..], &[0; 8], &[0, 0, 0, 2, 1, 2]].concat();
        let mut store = [&JKS.to_be_bytes()[..], &[0, 0, 0, 1], &[0, 0, 0, 1], &entry].concat();
        store.extend_from_slice(digest(&store, PASSWORD).as_ref());
        assert!(matches!(&read(&store, PASSWORD).ok().unwrap()[..], [Item::Certificate { alias, der: [1, 2] }] if *alias == b"a"));
    }

    #[test]
    fn a_certificate_of_another_type_is_told() {
        let entry = [&[0, 0, 0, 2, 0, 1, b'a'][..], &[0; 8], &[0, 3, b'P', b'G', b'P', 0, 0, 0, 1, 9]].concat();
        assert!(matches!(&read(&store(1, &entry), PASSWORD).ok().unwrap()[..], [Item::Other { alias }] if *alias == b"a"));
    }
}
