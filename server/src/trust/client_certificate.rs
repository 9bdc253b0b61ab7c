//! A certificate of ours with its private key, for servers that ask for one: read from PEM or PKCS#12, brought into one form, and
//! checked to belong together. Whether it is still valid is told by its [summary](ClientCertificate::summary), not decided here. Pure.

use std::fmt;
use std::sync::Arc;

use domain::certificate::Certificate;
use domain::secret::Secret;
use domain::trust::{ClientCertificateError, Format, ImportError};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::asn1_rs::Tag;
use zeroize::Zeroizing;

use super::ber::Ber;
use super::import::{self, Content, Kind, MAX_CERTIFICATES, content, guarded, is_certificate_label};
use super::pem;
use super::{java, pkcs12};
use crate::certificate;

/// Certificates of a chain: what follows is left out. Peers take few more, and none needs as many.
const MAX_CHAIN: usize = 10;

/// A chain of certificates, that of the key first, and the key. Its `Debug` prints nothing of the key, whose memory is wiped on drop.
pub struct ClientCertificate {
    /// Never empty.
    chain: Vec<CertificateDer<'static>>,
    /// PKCS#8 (RFC 5958).
    key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({})", self.summary().sha256)
    }
}

impl ClientCertificate {
    /// The certificates as they are shown to a server: first that of the key, then each issuer that is known.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// What there is to know of the certificate.
    pub fn summary(&self) -> Certificate {
        self.chain.first().map(|leaf| certificate::summary(leaf)).unwrap_or_default()
    }

    /// As it is kept, sealed: the chain, then the key as `PRIVATE KEY` (RFC 7468 section 10). [`read`] reads it.
    pub fn to_pem(&self) -> Secret {
        let room = |der: &[u8]| der.len() * 3 / 2 + 128;
        // At once as long as it can become: memory that is given back while growing isn't wiped.
        let mut text = String::with_capacity(self.chain.iter().map(|der| room(der)).sum::<usize>() + room(&self.key));
        for certificate in &self.chain {
            pem::write(&mut text, "CERTIFICATE", certificate);
        }
        pem::write(&mut text, "PRIVATE KEY", &self.key);
        Secret::new(text)
    }

    /// As rustls shows it. The provider makes copies of the key that it doesn't wipe.
    ///
    /// # Errors
    /// What `provider` says of a key that it can't use; the one that [`read`] asked could.
    pub fn certified_key(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, rustls::Error> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.to_vec()));
        // Not `from_der`: it has the certificate checked as one of a server, and refuses those of version 1.
        Ok(Arc::new(CertifiedKey::new(self.chain.clone(), provider.key_provider.load_private_key(key)?)))
    }
}

/// Reads a file, or a text that was pasted: PEM with certificate and key in any order, or PKCS#12 with its `password`.
/// Certificates that don't belong to the chain are left out.
///
/// # Errors
/// A [`ClientCertificateError`]. It never panics, and takes no more memory than a few times the file's, but for PKCS#12 seconds of
/// computing: it belongs on a thread where that holds nobody up.
pub fn read(file: &[u8], password: &Secret) -> Result<ClientCertificate, ClientCertificateError> {
    read_within(file, password, pkcs12::MAX_ITERATIONS)
}

/// The same, hashing the password with at most so many `iterations`.
pub(super) fn read_within(file: &[u8], password: &Secret, iterations: u64) -> Result<ClientCertificate, ClientCertificateError> {
    guarded(|| {
        let Parts { certificates, key } = match content(file)? {
            Content::Pem(text) => of_pem(&text)?,
            Content::Binary(bytes) => of_binary(&bytes, password.expose(), iterations)?,
        };
        if certificates.is_empty() {
            return Err(ClientCertificateError::NoCertificate);
        }
        if certificates.len() > MAX_CERTIFICATES {
            return Err(ImportError::TooMany { max: MAX_CERTIFICATES as u64 }.into());
        }
        let unusable = || ClientCertificateError::KeyUnusable { kind: certificate::summary(&certificates[0]).key };
        let signer = key.signer().ok_or_else(unusable)?;
        let public_key = signer.public_key().ok_or_else(unusable)?;
        let chain = chain(certificates, &public_key).ok_or(ClientCertificateError::KeyOfAnother)?;
        let key = key.into_pkcs8(&public_key).ok_or(ClientCertificateError::KeyUnusable { kind: String::new() })?;
        Ok(ClientCertificate { chain, key })
    })
}

/// What a file holds.
struct Parts {
    certificates: Vec<CertificateDer<'static>>,
    key: Key,
}

/// A private key as it was written.
#[derive(PartialEq)]
struct Key {
    format: KeyFormat,
    der: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq)]
enum KeyFormat {
    /// RFC 5958.
    Pkcs8,
    /// RSA only (RFC 8017 appendix A.1.2).
    Pkcs1,
    /// Elliptic curves only (RFC 5915).
    Sec1,
}

impl Key {
    fn signer(&self) -> Option<Arc<dyn SigningKey>> {
        let key = match self.format {
            KeyFormat::Pkcs8 => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.der.as_slice())),
            KeyFormat::Pkcs1 => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(self.der.as_slice())),
            KeyFormat::Sec1 => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(self.der.as_slice())),
        };
        rustls::crypto::ring::sign::any_supported_type(&key).ok()
    }

    /// The other formats are what PKCS#8 wraps, with the algorithm of the public key: `SEQUENCE { 0, algorithm, OCTET STRING }`.
    fn into_pkcs8(self, public_key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if self.format == KeyFormat::Pkcs8 {
            return Some(self.der);
        }
        let algorithm = Ber::new(public_key).sequence()?.next()?.whole;
        Some(encoded(Tag::Sequence, &[&[2, 1, 0], algorithm, &encoded(Tag::OctetString, &[&self.der])]))
    }
}

/// A value in DER, made of parts.
fn encoded(tag: Tag, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    const CONSTRUCTED: u8 = 0x20;
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
    let mut out = Zeroizing::new(Vec::with_capacity(length + 16));
    let [.., number] = tag.0.to_be_bytes();
    out.push(if tag == Tag::Sequence { number | CONSTRUCTED } else { number });
    match significant {
        [] => out.push(0),
        [short @ ..=0x7f] => out.push(*short),
        long => {
            let [.., count] = long.len().to_be_bytes();
            out.push(0x80 | count);
            out.extend_from_slice(long);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

fn of_pem(text: &[u8]) -> Result<Parts, ClientCertificateError> {
    const DAMAGED: ImportError = ImportError::Unreadable { format: Format::Pem };
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    let mut foreign = false;
    for section in pem::sections(text) {
        if section.is_private_key() {
            if section.is_encrypted() {
                return Err(ClientCertificateError::KeyEncrypted);
            }
            let format = match &*section.label {
                "PRIVATE KEY" => KeyFormat::Pkcs8,
                "RSA PRIVATE KEY" => KeyFormat::Pkcs1,
                "EC PRIVATE KEY" => KeyFormat::Sec1,
                _ => {
                    foreign = true;
                    continue;
                }
            };
            let key = Key { format, der: section.decode().filter(|_| section.complete).ok_or(DAMAGED)? };
            if !keys.contains(&key) {
                keys.push(key);
            }
        } else if is_certificate_label(&section.label) {
            certificates.push(section.decode().and_then(|der| import::certificate(&der)).ok_or(DAMAGED)?);
        }
    }
    if foreign && keys.is_empty() {
        let kind = certificates.first().map(|der| certificate::summary(der).key).unwrap_or_default();
        return Err(ClientCertificateError::KeyUnusable { kind });
    }
    if keys.is_empty() && certificates.is_empty() {
        return Err(ImportError::NoCertificate { format: Format::Pem }.into());
    }
    Ok(Parts { certificates, key: only(keys)? })
}

fn of_binary(bytes: &[u8], password: &str, iterations: u64) -> Result<Parts, ClientCertificateError> {
    if java::is_store(bytes) {
        return Err(ClientCertificateError::JavaStore);
    }
    if !pkcs12::is_store(bytes) {
        return Err(match Kind::of(bytes) {
            None => ImportError::Unreadable { format: Format::Der }.into(),
            Some(Kind::PrivateKey) => ClientCertificateError::NoCertificate,
            Some(Kind::Certificate | Kind::Message) => ClientCertificateError::NoKey,
            Some(Kind::Other(found)) => ImportError::Unknown { found: Some(found) }.into(),
        });
    }
    let mut store = pkcs12::read(bytes, password, iterations)?;
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for bag in std::mem::take(&mut store.bags) {
        match bag.what {
            pkcs12::What::Certificate(der) => certificates.extend(import::certificate(&der)),
            pkcs12::What::PrivateKey(key) => keys.push(key),
            pkcs12::What::Secret | pkcs12::What::Unreadable => {}
        }
    }
    let key = only(keys)?;
    Ok(Parts { certificates, key: Key { format: KeyFormat::Pkcs8, der: store.open(&key)? } })
}

fn only<T>(mut keys: Vec<T>) -> Result<T, ClientCertificateError> {
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (None, _) => Err(ClientCertificateError::NoKey),
        (Some(_), others) => Err(ClientCertificateError::SeveralKeys { count: others as u64 + 1 }),
    }
}

/// The certificate of the key, and after each its issuer as far as they are known; nothing where none is that of the key. Of several
/// for the same key the one counts that is valid longest: it was renewed.
fn chain(mut known: Vec<CertificateDer<'static>>, public_key: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let is_leaf = |der: &CertificateDer<'_>| certificate::ties(der).is_some_and(|ties| ties.public_key == public_key);
    let leaf = (0..known.len()).filter(|&at| is_leaf(&known[at])).max_by_key(|&at| certificate::summary(&known[at]).not_after)?;
    let mut chain = vec![known.remove(leaf)];
    loop {
        let ties = certificate::ties(chain.last()?)?;
        let is_issuer = |der: &CertificateDer<'_>| certificate::ties(der).is_some_and(|issuer| issuer.subject == ties.issuer);
        let issuer = known.iter().position(is_issuer).filter(|_| ties.subject != ties.issuer);
        match issuer {
            Some(issuer) if chain.len() < MAX_CHAIN => chain.push(known.remove(issuer)),
            _ => return Some(chain),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::trust::Store;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    /// What stands in a directory of test data.
    macro_rules! data {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/data/trust/", $name)).as_slice()
        };
    }

    fn read_with(file: &[u8], password: &str) -> Result<ClientCertificate, ClientCertificateError> {
        read(file, &Secret::new(password.into()))
    }

    fn refused(file: &[u8], password: &str) -> ClientCertificateError {
        read_with(file, password).unwrap_err()
    }

    fn names(certificate: &ClientCertificate) -> Vec<String> {
        certificate.chain().iter().map(|der| certificate::summary(der).subject.replace("O=Example, ", "")).collect()
    }

    const CHAIN: [&str; 3] = ["CN=client.example.com", "CN=Example issuing authority", "CN=Example root"];

    /// A certificate for `key`, signed by itself.
    fn issued(key: &KeyPair, until: i32) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["client.example.com".into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("until {until}"));
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.self_signed(key).unwrap()
    }

    #[test]
    fn pem_is_read_in_any_order_and_the_chain_is_put_into_its_own() {
        let parts = [data!("root.pem"), data!("client.key"), data!("other.pem"), data!("issuing.pem"), data!("client.pem")];
        let read = read_with(&parts.concat(), "").unwrap();
        assert_eq!(names(&read), CHAIN, "and without that of somebody else");
        assert_eq!(read.summary().names, ["client.example.com"]);
        let reversed: Vec<_> = parts.into_iter().rev().collect();
        assert_eq!(read_with(&reversed.concat(), "").unwrap().chain(), read.chain());
    }

    #[test]
    fn every_way_to_write_a_key_is_kept_as_pem_that_is_read_again() {
        let of = |key: &[u8], certificate: &[u8]| read_with(&[certificate, key].concat(), "").unwrap().to_pem();
        let rsa = of(data!("client.key"), data!("client.pem"));
        assert!(rsa == of(data!("client-pkcs1.key"), data!("client.pem")));
        let ecdsa = of(data!("other.key"), data!("other.pem"));
        // It is what OpenSSL writes.
        assert_eq!(rsa.expose().as_bytes(), [data!("client.pem"), data!("client.key")].concat());
        assert_eq!(ecdsa.expose().as_bytes(), [data!("other.pem"), data!("other.key")].concat());
        // With the curve in the key, too, and so not the same.
        let sec1 = of(data!("other-sec1.key"), data!("other.pem"));
        for pem in [rsa, ecdsa, sec1] {
            let again = read_with(pem.expose().as_bytes(), "").unwrap();
            assert!(again.to_pem() == pem);
            assert!(again.certified_key(&rustls::crypto::ring::default_provider()).unwrap().keys_match().is_ok());
        }
    }

    #[test]
    fn pkcs12_of_every_program_leads_to_the_same_certificate() {
        let expected = read_with(&[data!("client.pem"), data!("client.key")].concat(), "").unwrap();
        for file in [
            data!("openssl.p12"),
            data!("openssl-legacy.p12"),
            data!("openssl-2des.p12"),
            data!("openssl-sha512.p12"),
            data!("openssl-plain-key.p12"),
            data!("keystore.p12"),
            data!("bouncy-castle.p12"),
        ] {
            let read = read_with(file, "changeit").unwrap();
            assert_eq!(read.chain()[0], expected.chain()[0]);
            assert_eq!(names(&read), CHAIN[..read.chain().len()]);
            // NSS and Java may write a key anew, but not another one.
            assert!(read.certified_key(&rustls::crypto::ring::default_provider()).unwrap().keys_match().is_ok());
        }
    }

    #[test]
    fn a_key_of_each_kind_signs() {
        for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let key = KeyPair::generate_for(kind).unwrap();
            let read = read_with((issued(&key, 2030).pem() + &key.serialize_pem()).as_bytes(), "").unwrap();
            let certified = read.certified_key(&rustls::crypto::ring::default_provider()).unwrap();
            assert!(certified.keys_match().is_ok());
            assert_eq!(certified.cert, read.chain());
        }
    }

    #[test]
    fn an_expired_certificate_is_read_and_says_so() {
        let key = KeyPair::generate().unwrap();
        let read = read_with((issued(&key, 2001).pem() + &key.serialize_pem()).as_bytes(), "").unwrap();
        assert_eq!(read.summary().not_after, "2001-01-01T00:00:00Z");
    }

    #[test]
    fn of_several_certificates_for_a_key_the_newest_counts() {
        let key = KeyPair::generate().unwrap();
        let file = issued(&key, 2031).pem() + &key.serialize_pem() + &issued(&key, 2029).pem();
        assert_eq!(read_with(file.as_bytes(), "").unwrap().summary().subject, "CN=until 2031");
    }

    #[test]
    fn a_chain_of_authorities_that_sign_each_other_ends() {
        let (a, b) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let params = |name: &str| {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let signed = |name: &str, key: &KeyPair, by: &str, with: &KeyPair| {
            params(name).signed_by(key, &Issuer::from_params(&params(by), with)).unwrap().pem()
        };
        let file = signed("a", &a, "b", &b) + &signed("b", &b, "a", &a) + &a.serialize_pem();
        assert_eq!(names(&read_with(file.as_bytes(), "").unwrap()).len(), 2);
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        use ClientCertificateError as Error;
        assert_eq!(refused(data!("client.pem"), ""), Error::NoKey);
        assert_eq!(refused(data!("client.key"), ""), Error::NoCertificate);
        assert_eq!(refused(data!("client.key.der"), ""), Error::NoCertificate);
        assert_eq!(refused(data!("rsa-2048.der"), ""), Error::NoKey);
        assert_eq!(refused(data!("truststore.p12"), "changeit"), Error::NoKey);
        assert_eq!(refused(&[data!("other.pem"), data!("client.key")].concat(), ""), Error::KeyOfAnother);
        let keys = [data!("client.pem"), data!("client.key"), data!("other.key")].concat();
        assert_eq!(refused(&keys, ""), Error::SeveralKeys { count: 2 });
        assert_eq!(refused(data!("two-keys.p12"), "changeit"), Error::SeveralKeys { count: 2 });
        assert!(read_with(&[data!("client.pem"), data!("client.key"), data!("client.key")].concat(), "").is_ok(), "twice the same");
        let request = [data!("client.csr"), data!("client.pub")].concat();
        assert_eq!(refused(&request, ""), Error::File(ImportError::NoCertificate { format: Format::Pem }));
        assert_eq!(refused(b"", ""), Error::File(ImportError::Empty));
    }

    #[test]
    fn what_cannot_be_opened_is_said_with_what_helps() {
        use ClientCertificateError as Error;
        for key in [data!("client-encrypted.key"), data!("client-encrypted-pkcs1.key")] {
            let error = refused(&[data!("client.pem"), key].concat(), "changeit");
            assert_eq!(error, Error::KeyEncrypted);
            assert!(error.sentence().contains("openssl pkey -in FILE") && error.sentence().contains("openssl pkcs12 -export"));
        }
        let error = refused(data!("keystore.jks"), "changeit");
        assert_eq!(error, Error::JavaStore);
        assert!(error.sentence().contains("keytool -importkeystore -srckeystore FILE"));
        let store = Store::Pkcs12;
        assert_eq!(refused(data!("openssl.p12"), ""), Error::File(ImportError::PasswordMissing { store }));
        assert_eq!(refused(data!("openssl.p12"), "x"), Error::File(ImportError::PasswordWrong { store }));
        assert_eq!(refused(data!("openssl-no-mac.p12"), "changeit"), Error::File(ImportError::Unprotected));
    }

    #[test]
    fn a_key_that_is_damaged_or_too_weak_is_refused() {
        let text = String::from_utf8(data!("client.key").to_vec()).unwrap();
        let unusable = |kind: &str| ClientCertificateError::KeyUnusable { kind: kind.into() };
        let damaged = text.replacen("MII", "MIA", 1);
        assert_eq!(refused(&[data!("client.pem"), damaged.as_bytes()].concat(), ""), unusable("RSA 2048"));
        let foreign = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
        assert_eq!(refused(&[data!("client.pem"), foreign.as_bytes()].concat(), ""), unusable("RSA 2048"));
        let cut = &text[..text.len() / 2];
        let damaged = ClientCertificateError::File(ImportError::Unreadable { format: Format::Pem });
        assert_eq!(refused(&[data!("client.pem"), cut.as_bytes()].concat(), ""), damaged);
    }

    #[test]
    fn debug_prints_nothing_of_the_key() {
        let read = read_with(&[data!("client.pem"), data!("client.key")].concat(), "").unwrap();
        assert_eq!(format!("{read:?}"), format!("ClientCertificate({})", read.summary().sha256));
    }
}
