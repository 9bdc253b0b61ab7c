//! Reads files of certificates as administrators have them: PEM with anything around it, DER, PKCS#7, PKCS#12 and Java stores.
//! It says what is there; what may be trusted is decided by others. Private keys are found, never opened and never kept. Pure.

use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::secret::Secret;
use domain::trust::{Format, ImportError, Lookalike};
use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::Tag;
use zeroize::Zeroizing;

use super::ber::{Ber, Value};
use super::pem::{self, Section};
use super::pkcs7::{self, Message};
use super::{java, pkcs12};
use crate::certificate::{is_certificate, visible};

/// Bytes of a file: more are refused. All roots of a system are 200 KB as text.
pub const MAX_FILE: usize = 4 << 20;
/// Certificates, keys and unreadable parts in one file: more are refused. A system has about 140 roots.
pub const MAX_CERTIFICATES: usize = 1_000;
/// Bytes of one certificate: a longer one counts as unreadable. It is what fits into a TLS handshake with a peer of ours.
pub const MAX_CERTIFICATE: usize = 64 << 10;

/// Something in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its alias in a store, shortened and made visible; empty where it has none.
    pub label: String,
    /// What it is.
    pub what: What,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A certificate that can be parsed; nothing is said of its dates, its names or who signed it.
    Certificate(CertificateDer<'static>),
    /// A private or secret key, which was not kept.
    PrivateKey,
    /// Something that is called a certificate and can't be read.
    Unreadable,
}

/// Reads what a file holds, or a text that was pasted, in its order; a certificate that is in it several times, once. The password
/// counts for stores only.
///
/// # Errors
/// An [`ImportError`]; also where nothing at all could be read. It never panics, and takes no more memory than a few times the
/// file's, but for a store seconds of computing: it belongs on a thread where that holds nobody up.
pub fn read(file: &[u8], password: &Secret) -> Result<Vec<Found>, ImportError> {
    read_within(file, password, pkcs12::MAX_ITERATIONS)
}

/// The same, hashing the password with at most so many `iterations`.
pub(super) fn read_within(file: &[u8], password: &Secret, iterations: u64) -> Result<Vec<Found>, ImportError> {
    guarded(|| {
        let mut all = All { password: password.expose(), iterations, found: Vec::new(), lookalike: None };
        let format = match content(file)? {
            Content::Pem(text) => all.pem(&text)?,
            Content::Binary(bytes) => all.binary(&bytes)?,
        };
        all.result(format)
    })
}

/// Parsers that aren't ours read what may be hostile: a panic in them (none is known) is a file that can't be read, not a crash.
pub(super) fn guarded<T, E: From<ImportError>>(read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(ImportError::Unknown { found: None }.into()))
}

/// A file, with its outermost layer taken off.
pub(super) enum Content<'a> {
    /// Text with at least one BEGIN line.
    Pem(Wiped<'a>),
    /// DER, or a store; also where its base64 was pasted.
    Binary(Wiped<'a>),
}

/// The bytes of a file, or a copy of ours that is wiped.
pub(super) enum Wiped<'a> {
    Theirs(&'a [u8]),
    Ours(Zeroizing<Vec<u8>>),
}

impl std::ops::Deref for Wiped<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Theirs(bytes) => bytes,
            Self::Ours(bytes) => bytes,
        }
    }
}

/// Takes off what surrounds the content: UTF-16, byte order marks, base64.
pub(super) fn content(file: &[u8]) -> Result<Content<'_>, ImportError> {
    if file.len() > MAX_FILE {
        return Err(ImportError::TooLarge { size: file.len() as u64, max: MAX_FILE as u64 });
    }
    let file = utf8(file);
    if file.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(ImportError::Empty);
    }
    if is_binary(&file) {
        return Ok(Content::Binary(file));
    }
    if pem::sections(&file).next().is_some() {
        return Ok(Content::Pem(file));
    }
    match pem::decode(&file).filter(|bytes| is_binary(bytes)) {
        Some(bytes) => Ok(Content::Binary(Wiped::Ours(bytes))),
        None => Err(ImportError::Unknown { found: lookalike(&file) }),
    }
}

/// A store of Java, or a sequence: a zero (0x30) begins texts, too, but what follows then is ASCII, which would be the length of a
/// short one.
fn is_binary(file: &[u8]) -> bool {
    java::is_store(file) || matches!(file, [0x30, 0x80..=0xff, ..] | [0x30, 1..0x80, 2 | 6, ..])
}

/// Text of Windows, which may be UTF-16 or have a byte order mark, as UTF-8 without one. Whatever else stays.
fn utf8(file: &[u8]) -> Wiped<'_> {
    let (big, units) = match file {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Wiped::Theirs(rest),
        [0xff, 0xfe, rest @ ..] => (false, rest),
        [0xfe, 0xff, rest @ ..] => (true, rest),
        [a, 0, b, 0, ..] if a.is_ascii_graphic() && b.is_ascii_graphic() => (false, file),
        [0, a, 0, b, ..] if a.is_ascii_graphic() && b.is_ascii_graphic() => (true, file),
        _ => return Wiped::Theirs(file),
    };
    let unit = |pair: &[u8]| u16::from_be_bytes(if big { [pair[0], pair[1]] } else { [pair[1], pair[0]] });
    // At once as long as it can become: memory that is given back while growing isn't wiped.
    let mut text = Zeroizing::new(Vec::with_capacity(units.len() / 2 * 3));
    for c in char::decode_utf16(units.chunks_exact(2).map(unit)) {
        let mut bytes = [0; 4];
        text.extend_from_slice(c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut bytes).as_bytes());
    }
    Wiped::Ours(text)
}

/// What was found until now, and with what stores are opened.
struct All<'a> {
    password: &'a str,
    iterations: u64,
    found: Vec<Found>,
    lookalike: Option<Lookalike>,
}

impl All<'_> {
    fn add(&mut self, label: &str, what: What) -> Result<(), ImportError> {
        if matches!(what, What::Certificate(_)) && self.found.iter().any(|found| found.what == what) {
            return Ok(());
        }
        if self.found.len() == MAX_CERTIFICATES {
            return Err(ImportError::TooMany { max: MAX_CERTIFICATES as u64 });
        }
        self.found.push(Found { label: visible(label.chars()), what });
        Ok(())
    }

    fn certificate(&mut self, label: &str, der: &[u8]) -> Result<(), ImportError> {
        self.add(label, certificate(der).map_or(What::Unreadable, What::Certificate))
    }

    fn result(self, format: Format) -> Result<Vec<Found>, ImportError> {
        if self.found.iter().any(|found| found.what != What::Unreadable) {
            return Ok(self.found);
        }
        Err(match self.lookalike {
            _ if !self.found.is_empty() => ImportError::Unreadable { format },
            Some(found) => ImportError::Unknown { found: Some(found) },
            None => ImportError::NoCertificate { format },
        })
    }

    fn pem(&mut self, text: &[u8]) -> Result<Format, ImportError> {
        for section in pem::sections(text) {
            if section.is_private_key() {
                self.add("", What::PrivateKey)?;
            } else if is_certificate_label(&section.label) {
                self.certificate_section(&section)?;
            } else if matches!(&*section.label, "PKCS7" | "CMS" | "PKCS #7 SIGNED DATA" | "PKCS12") {
                match section.decode() {
                    Some(bytes) => drop(self.binary(&bytes)?),
                    None => self.add("", What::Unreadable)?,
                }
            } else {
                self.lookalike = self.lookalike.or_else(|| lookalike_of(&section.label));
            }
        }
        Ok(Format::Pem)
    }

    fn certificate_section(&mut self, section: &Section<'_>) -> Result<(), ImportError> {
        let bytes = section.decode().unwrap_or_default();
        // A trusted one is followed by what OpenSSL trusts it for; what is called a certificate may be a PKCS#7 file.
        let certificate = Ber::new(&bytes).next().map_or(&[][..], |value| value.whole);
        match pkcs7::read(&bytes) {
            Some(Message::Signed(certificates)) => certificates.into_iter().try_for_each(|der| self.certificate("", der)),
            _ if section.label.starts_with("TRUSTED") => self.certificate("", certificate),
            _ => self.certificate("", &bytes),
        }
    }

    fn binary(&mut self, bytes: &[u8]) -> Result<Format, ImportError> {
        if java::is_store(bytes) {
            for item in java::read(bytes, self.password)? {
                match item {
                    java::Item::Certificate { alias, der } => self.certificate(&String::from_utf8_lossy(alias), der)?,
                    java::Item::PrivateKey { alias } => self.add(&String::from_utf8_lossy(alias), What::PrivateKey)?,
                    java::Item::Other { alias } => self.add(&String::from_utf8_lossy(alias), What::Unreadable)?,
                }
            }
            return Ok(Format::Java);
        }
        if pkcs12::is_store(bytes) {
            let store = pkcs12::read(bytes, self.password, self.iterations)?;
            // A text may hold several.
            self.iterations = store.left();
            for pkcs12::Bag { alias, what } in store.bags {
                match what {
                    pkcs12::What::Certificate(der) => self.certificate(&alias, &der)?,
                    pkcs12::What::PrivateKey(_) | pkcs12::What::Secret => self.add(&alias, What::PrivateKey)?,
                    pkcs12::What::Unreadable => self.add(&alias, What::Unreadable)?,
                }
            }
            return Ok(Format::Pkcs12);
        }
        self.der(bytes)
    }

    fn der(&mut self, bytes: &[u8]) -> Result<Format, ImportError> {
        match Kind::of(bytes).ok_or(ImportError::Unreadable { format: Format::Der })? {
            Kind::PrivateKey => self.add("", What::PrivateKey)?,
            Kind::Message => match pkcs7::read(bytes).ok_or(ImportError::Unreadable { format: Format::Pkcs7 })? {
                Message::Signed(certificates) => {
                    certificates.into_iter().try_for_each(|der| self.certificate("", der))?;
                    return Ok(Format::Pkcs7);
                }
                Message::Other => self.lookalike = Some(Lookalike::Encrypted),
            },
            Kind::Other(lookalike) => self.lookalike = Some(lookalike),
            Kind::Certificate => {
                // One after the other, as `cat` puts them together, and perhaps a line end that an editor added.
                let mut rest = Ber::new(bytes);
                while !rest.rest().trim_ascii().is_empty() {
                    let Some(value) = rest.next() else {
                        self.add("", What::Unreadable)?;
                        break;
                    };
                    self.certificate("", value.whole)?;
                }
            }
        }
        Ok(Format::Der)
    }
}

/// `der` as a certificate, if it is one that isn't too long.
pub(super) fn certificate(der: &[u8]) -> Option<CertificateDer<'static>> {
    (der.len() <= MAX_CERTIFICATE && is_certificate(der)).then(|| CertificateDer::from(der.to_vec()))
}

/// RFC 7468 section 5, and what OpenSSL writes and wrote.
pub(super) fn is_certificate_label(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "X.509 CERTIFICATE" | "TRUSTED CERTIFICATE")
}

/// What a sequence is, by its first members.
pub(super) enum Kind {
    Certificate,
    /// PKCS#8 (RFC 5958), encrypted or not, PKCS#1 (RFC 8017) or SEC 1 (RFC 5915).
    PrivateKey,
    /// `ContentInfo` (RFC 5652).
    Message,
    Other(Lookalike),
}

impl Kind {
    /// Nothing where it is no sequence, or cut off.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut members = Ber::new(bytes).sequence()?;
        let first = members.next()?;
        let second = members.next();
        let second = second.as_ref().and_then(Value::universal);
        // Of a private key, the version comes first, and then what it is of, a number, or the key itself.
        let is_version = Ber::new(first.whole).unsigned().is_some_and(|version| version <= 1);
        Some(match (first.universal(), second) {
            (Some(Tag::Oid), _) => Self::Message,
            (_, Some(Tag::Sequence | Tag::Integer | Tag::OctetString)) if is_version => Self::PrivateKey,
            (Some(Tag::Sequence), second) => Self::of_signed(&first, second),
            _ => Self::Certificate,
        })
    }

    /// By the members of the first member.
    fn of_signed(first: &Value<'_>, second: Option<Tag>) -> Self {
        let Some(mut members) = Ber::new(first.whole).sequence() else { return Self::Certificate };
        let tags: Vec<_> = std::iter::from_fn(|| members.next().map(|value| (value.universal(), value.whole))).take(4).collect();
        let tag = |at: usize| tags.get(at).and_then(|(tag, _)| *tag);
        let is_time = |at| matches!(tag(at), Some(Tag::UtcTime | Tag::GeneralizedTime));
        let inside = |at: usize| Ber::new(tags.get(at)?.1).sequence()?.next()?.universal();
        match (tag(0), tag(1)) {
            (Some(Tag::Oid), _) if second == Some(Tag::BitString) => Self::Other(Lookalike::PublicKey),
            (Some(Tag::Oid), _) if second == Some(Tag::OctetString) => Self::PrivateKey,
            (Some(Tag::Sequence), Some(Tag::OctetString)) => Self::Other(Lookalike::BouncyCastle),
            (Some(Tag::Integer), Some(Tag::Sequence)) if inside(1) != Some(Tag::Oid) => Self::Other(Lookalike::Request),
            // Version, algorithm, name and time; the first may be left out.
            (Some(Tag::Integer), Some(Tag::Sequence)) if is_time(3) => Self::Other(Lookalike::RevocationList),
            (Some(Tag::Sequence), Some(Tag::Sequence)) if is_time(2) => Self::Other(Lookalike::RevocationList),
            _ => Self::Certificate,
        }
    }
}

/// What a section that holds no certificate is.
fn lookalike_of(label: &str) -> Option<Lookalike> {
    match label {
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Some(Lookalike::Request),
        "X509 CRL" => Some(Lookalike::RevocationList),
        _ if label.starts_with("PGP ") => Some(Lookalike::Pgp),
        _ if label.ends_with("PUBLIC KEY") => Some(Lookalike::PublicKey),
        _ => None,
    }
}

/// What a file looks like in which there is nothing to read.
fn lookalike(file: &[u8]) -> Option<Lookalike> {
    let begins = |text: &str| file.trim_ascii_start().get(..text.len()).is_some_and(|b| b.eq_ignore_ascii_case(text.as_bytes()));
    if ["<!doctype html", "<html", "<head", "<body"].into_iter().any(begins) {
        Some(Lookalike::Html)
    } else if ["ssh-", "ecdsa-sha2-", "---- BEGIN SSH2"].into_iter().any(begins) {
        Some(Lookalike::Ssh)
    } else if begins("PK\u{3}\u{4}") || file.starts_with(&[0x1f, 0x8b]) {
        Some(Lookalike::Archive)
    } else if begins("%PDF-") {
        Some(Lookalike::Pdf)
    } else if matches!(file, [0, 0, 0, 1..=2, 0, 0, 0, 20, ..]) {
        // Version and length of the salt.
        Some(Lookalike::BouncyCastle)
    } else {
        let is_text = !file.contains(&0) && std::str::from_utf8(file).is_ok();
        is_text.then_some(Lookalike::Text)
    }
}
