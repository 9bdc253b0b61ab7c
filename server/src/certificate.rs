//! Reads from a certificate what people need to know of it (RFC 5280): the one place that knows X.509. It decides nothing:
//! whether a certificate is trusted is rustls' affair. Anything that can't be read stays empty.

use std::fmt::Write as _;
use std::net::IpAddr;

use domain::certificate::Certificate;
use domain::words::is_invisible;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::asn1_rs::{Any, Oid, Tag, oid};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::extensions::{BasicConstraints, GeneralName, SubjectAlternativeName};
use x509_parser::nom::Parser as _;
use x509_parser::oid_registry as known;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name, X509Version};

/// Names beyond these are not shown.
const MAX_NAMES: usize = 100;
/// Characters of a subject, an issuer or a name beyond these are not shown.
const MAX_TEXT: usize = 200;
/// Bytes of a serial number beyond these are not shown; RFC 5280 section 4.1.2.2 allows 20.
const MAX_SERIAL: usize = 32;

/// What `der` says. Never more than a few kilobytes, whatever it is.
pub fn summary(der: &[u8]) -> Certificate {
    let mut certificate = parse(der).map(|(_, certificate)| read(&certificate)).unwrap_or_default();
    certificate.sha256 = hex(ring::digest::digest(&ring::digest::SHA256, der).as_ref());
    certificate
}

/// Whether `der` is a certificate and nothing else.
pub fn is_certificate(der: &[u8]) -> bool {
    parse(der).is_some_and(|(rest, _)| rest.is_empty())
}

/// What ties certificates to each other and to keys, as the bytes that are compared.
pub(crate) struct Ties<'a> {
    pub(crate) subject: &'a [u8],
    pub(crate) issuer: &'a [u8],
    /// `SubjectPublicKeyInfo`.
    pub(crate) public_key: &'a [u8],
}

/// The ties of a certificate, if `der` is one.
pub(crate) fn ties(der: &[u8]) -> Option<Ties<'_>> {
    let tbs = parse(der)?.1.tbs_certificate;
    Some(Ties { subject: tbs.subject.as_raw(), issuer: tbs.issuer.as_raw(), public_key: tbs.subject_pki.raw })
}

/// Extensions are read one by one where they are needed: one that nobody asks for may be wrong.
fn parse(der: &[u8]) -> Option<(&[u8], X509Certificate<'_>)> {
    X509CertificateParser::new().with_deep_parse_extensions(false).parse(der).ok()
}

fn read(certificate: &X509Certificate<'_>) -> Certificate {
    let self_signed = certificate.subject().as_raw() == certificate.issuer().as_raw();
    Certificate {
        subject: name(certificate.subject()),
        names: extension(certificate, &known::OID_X509_EXT_SUBJECT_ALT_NAME).map(alternative_names).unwrap_or_default(),
        issuer: name(certificate.issuer()),
        not_before: instant(certificate.validity().not_before),
        not_after: instant(certificate.validity().not_after),
        sha256: String::new(),
        self_signed,
        key: key(certificate.public_key()),
        authority: is_authority(certificate, self_signed),
        serial: serial(certificate.raw_serial()),
    }
}

/// The content of an extension; nothing where it occurs twice, which RFC 5280 section 4.2 forbids: whoever believes the first
/// and whoever believes the last would see two certificates.
fn extension<'a>(certificate: &X509Certificate<'a>, oid: &Oid<'_>) -> Option<&'a [u8]> {
    certificate.get_extension_unique(oid).ok().flatten().map(|extension| extension.value)
}

/// Version 1 knows no extensions: who signs itself there is an authority, as old ones of companies are.
fn is_authority(certificate: &X509Certificate<'_>, self_signed: bool) -> bool {
    match certificate.version() {
        X509Version::V1 => self_signed,
        _ => extension(certificate, &known::OID_X509_EXT_BASIC_CONSTRAINTS)
            .and_then(|content| BasicConstraints::from_der(content).ok())
            .is_some_and(|(_, constraints)| constraints.ca),
    }
}

/// Section 4.2.1.6.
fn alternative_names(content: &[u8]) -> Vec<String> {
    let Ok((_, names)) = SubjectAlternativeName::from_der(content) else { return Vec::new() };
    let shown = names.general_names.iter().filter_map(|name| match *name {
        GeneralName::DNSName(name) => Some(visible(name.chars())),
        GeneralName::IPAddress(octets) => ip(octets).map(|ip| ip.to_string()),
        _ => None,
    });
    shown.take(MAX_NAMES).collect()
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// `CN=mail.example.com, O=Example`.
fn name(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    for attribute in name.iter_attributes() {
        let Some(label) = label(attribute.attr_type()) else { continue };
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(label);
        out.push('=');
        out.push_str(&text(attribute.attr_value()));
        if out.len() > 4 * MAX_TEXT {
            break;
        }
    }
    out.chars().take(MAX_TEXT).collect()
}

fn label(attribute: &Oid<'_>) -> Option<&'static str> {
    let labels = [
        (known::OID_X509_COMMON_NAME, "CN"),
        (known::OID_X509_COUNTRY_NAME, "C"),
        (known::OID_X509_LOCALITY_NAME, "L"),
        (known::OID_X509_STATE_OR_PROVINCE_NAME, "ST"),
        (known::OID_X509_ORGANIZATION_NAME, "O"),
        (known::OID_X509_ORGANIZATIONAL_UNIT, "OU"),
    ];
    labels.into_iter().find(|(oid, _)| oid == attribute).map(|(_, label)| label)
}

/// A string of any of X.509's types.
fn text(value: &Any<'_>) -> String {
    match value.tag() {
        Tag::BmpString => {
            let units = value.data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            visible(char::decode_utf16(units).map(|c| c.unwrap_or('?')))
        }
        // In practice Latin-1.
        Tag::T61String => visible(value.data.iter().map(|&byte| char::from(byte))),
        _ => visible(String::from_utf8_lossy(value.data).chars()),
    }
}

/// At most [`MAX_TEXT`] characters; what can't be shown becomes `?`.
pub(crate) fn visible(chars: impl Iterator<Item = char>) -> String {
    chars.take(MAX_TEXT).map(|c| if c.is_control() || is_invisible(c) { '?' } else { c }).collect()
}

/// As RFC 3339 writes it, in UTC; empty beyond the years that it can write.
fn instant(time: ASN1Time) -> String {
    OffsetDateTime::from_unix_timestamp(time.timestamp()).ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// `RSA 2048`, `ECDSA P-256`; what isn't known says so.
fn key(key: &SubjectPublicKeyInfo<'_>) -> String {
    const ED448: Oid<'_> = oid!(1.3.101.113);
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == known::OID_PKCS1_RSAENCRYPTION {
        with_size("RSA", key)
    } else if *algorithm == known::OID_PKCS1_RSASSAPSS {
        with_size("RSA-PSS", key)
    } else if *algorithm == known::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters().and_then(|parameters| parameters.as_oid().ok()).and_then(|oid| curve(&oid));
        curve.map_or_else(|| "ECDSA".into(), |curve| format!("ECDSA {curve}"))
    } else if *algorithm == known::OID_SIG_ED25519 {
        "Ed25519".into()
    } else if *algorithm == ED448 {
        "Ed448".into()
    } else if *algorithm == known::OID_KEY_TYPE_DSA {
        "DSA".into()
    } else {
        "unknown".into()
    }
}

/// The size of an RSA key is the bits of its modulus (RFC 8017 section 3.1).
fn with_size(kind: &str, key: &SubjectPublicKeyInfo<'_>) -> String {
    let Ok((_, key)) = RSAPublicKey::from_der(&key.subject_public_key.data) else { return kind.into() };
    let zeros = key.modulus.iter().take_while(|&&byte| byte == 0).count();
    let modulus = &key.modulus[zeros..];
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    format!("{kind} {bits}")
}

fn curve(oid: &Oid<'_>) -> Option<&'static str> {
    let curves = [
        (oid!(1.2.840.10045.3.1.7), "P-256"),
        (oid!(1.3.132.0.34), "P-384"),
        (oid!(1.3.132.0.35), "P-521"),
        (oid!(1.3.132.0.33), "P-224"),
        (oid!(1.2.840.10045.3.1.1), "P-192"),
        (oid!(1.3.132.0.10), "secp256k1"),
        (oid!(1.3.36.3.3.2.8.1.1.7), "brainpoolP256r1"),
        (oid!(1.3.36.3.3.2.8.1.1.11), "brainpoolP384r1"),
        (oid!(1.3.36.3.3.2.8.1.1.13), "brainpoolP512r1"),
    ];
    curves.into_iter().find(|(known, _)| known == oid).map(|(_, name)| name)
}

/// Without the zero that only says that the number is positive.
fn serial(bytes: &[u8]) -> String {
    let bytes = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    match bytes.get(..MAX_SERIAL) {
        Some(shown) if bytes.len() > MAX_SERIAL => hex(shown) + "…",
        _ => hex(bytes),
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_summed_up() {
        let mut params = rcgen::CertificateParams::new(vec!["mail.example.com".into(), "127.0.0.1".into()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "mail\u{202e}x");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Beispiel & Söhne");
        params.not_before = rcgen::date_time_ymd(1999, 12, 31);
        params.not_after = rcgen::date_time_ymd(2064, 2, 29);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let found = summary(certificate.der());
        assert_eq!(found.subject, "CN=mail?x, O=Beispiel & Söhne");
        assert_eq!(found.issuer, found.subject);
        assert!(found.self_signed);
        assert_eq!(found.names, ["mail.example.com", "127.0.0.1"]);
        assert_eq!(found.not_before, "1999-12-31T00:00:00Z");
        assert_eq!(found.not_after, "2064-02-29T00:00:00Z");
        assert_eq!(found.sha256.len(), 64);
    }

    fn of(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Certificate {
        let mut params = rcgen::CertificateParams::new(vec!["mail.example.com".into()]).unwrap();
        change(&mut params);
        summary(params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn strings_of_every_type_are_read() {
        let subject = |value: rcgen::DnValue| of(|params| params.distinguished_name.push(rcgen::DnType::CommonName, value)).subject;
        assert_eq!(subject(rcgen::DnValue::BmpString("Zürich €".try_into().unwrap())), "CN=Zürich €");
        assert_eq!(subject(rcgen::DnValue::PrintableString("Zurich".try_into().unwrap())), "CN=Zurich");
        assert_eq!(subject(rcgen::DnValue::TeletexString("Zurich".try_into().unwrap())), "CN=Zurich");
        assert_eq!(text(&Any::from_tag_and_data(Tag::T61String, b"Z\xfcrich")), "Zürich");
        assert_eq!(text(&Any::from_tag_and_data(Tag::BmpString, b"\xd8\x00\x00a\x00")), "?a");
        assert_eq!(text(&Any::from_tag_and_data(Tag::Utf8String, b"a\xff\r\n")), "a\u{fffd}??");
    }

    #[test]
    fn names_are_bounded_in_number_and_length() {
        let found = of(|params| {
            let name = |n: usize| rcgen::SanType::DnsName(format!("n{n}.{}", "x".repeat(300)).try_into().unwrap());
            params.subject_alt_names = (0..200).map(name).collect();
            params.distinguished_name.push(rcgen::DnType::OrganizationName, "O".repeat(10_000));
            params.distinguished_name.push(rcgen::DnType::CommonName, "N".repeat(10_000));
        });
        assert_eq!(found.names.len(), MAX_NAMES);
        assert!(found.names.iter().all(|name| name.chars().count() == MAX_TEXT));
        assert_eq!(found.subject.chars().count(), MAX_TEXT);
    }

    #[test]
    fn addresses_of_both_families_are_names() {
        let found = of(|params| {
            let ips = ["192.0.2.1", "2001:db8::1"];
            params.subject_alt_names = ips.map(|ip| rcgen::SanType::IpAddress(ip.parse().unwrap())).into();
        });
        assert_eq!(found.names, ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn dates_on_both_sides_of_2050_are_read() {
        // Of two types, and the first of them has two digits for the year: RFC 5280 section 4.1.2.5.
        for year in [1950, 2049, 2050, 9999] {
            let found = of(|params| {
                params.not_before = rcgen::date_time_ymd(1950, 1, 1);
                params.not_after = rcgen::date_time_ymd(year, 12, 31);
            });
            assert_eq!((found.not_before, found.not_after), ("1950-01-01T00:00:00Z".into(), format!("{year}-12-31T00:00:00Z")));
        }
    }

    #[test]
    fn the_kind_of_key_is_told_with_its_size() {
        let made = |algorithm| {
            let params = rcgen::CertificateParams::new(vec!["mail.example.com".into()]).unwrap();
            summary(params.self_signed(&rcgen::KeyPair::generate_for(algorithm).unwrap()).unwrap().der()).key
        };
        assert_eq!(made(&rcgen::PKCS_ECDSA_P256_SHA256), "ECDSA P-256");
        assert_eq!(made(&rcgen::PKCS_ECDSA_P384_SHA384), "ECDSA P-384");
        assert_eq!(made(&rcgen::PKCS_ED25519), "Ed25519");
        assert_eq!(summary(include_bytes!("../tests/data/trust/rsa-2048.der")).key, "RSA 2048");
        assert_eq!(summary(include_bytes!("../tests/data/trust/rsa-1024-version-1.der")).key, "RSA 1024");
        assert_eq!(summary(include_bytes!("../tests/data/trust/rsa-pss-2048.der")).key, "RSA-PSS 2048");
        assert_eq!(summary(include_bytes!("../tests/data/trust/ecdsa-p521.der")).key, "ECDSA P-521");
        assert_eq!(summary(include_bytes!("../tests/data/trust/ed448.der")).key, "Ed448");
        assert_eq!(summary(include_bytes!("../tests/data/trust/dsa.der")).key, "DSA");
    }

    #[test]
    fn who_may_sign_is_an_authority() {
        use rcgen::{BasicConstraints, IsCa};
        let authority = |is_ca: IsCa| of(|params| params.is_ca = is_ca).authority;
        assert!(authority(IsCa::Ca(BasicConstraints::Unconstrained)) && authority(IsCa::Ca(BasicConstraints::Constrained(0))));
        assert!(!authority(IsCa::ExplicitNoCa) && !authority(IsCa::NoCa), "it signed itself, but may not sign others");
        let old = summary(include_bytes!("../tests/data/trust/rsa-1024-version-1.der"));
        assert!(old.authority && old.self_signed, "version 1");
    }

    #[test]
    fn an_old_certificate_that_somebody_else_signed_is_no_authority() {
        // Its own issuer, changed in one letter.
        let mut der = include_bytes!("../tests/data/trust/rsa-1024-version-1.der").to_vec();
        let at = der.windows(13).position(|bytes| bytes == b"Old authority").unwrap();
        der[at] = b'C';
        let found = summary(&der);
        assert_eq!((found.issuer.as_str(), found.subject.as_str()), ("O=Example, CN=Cld authority", "O=Example, CN=Old authority"));
        assert!(!found.authority && !found.self_signed);
    }

    #[test]
    fn a_serial_number_is_hexadecimal_and_bounded() {
        assert_eq!(of(|params| params.serial_number = Some(vec![0xab, 0x01].into())).serial, "ab01");
        assert_eq!(serial(&[0]), "00");
        assert_eq!(serial(&[0x7f; 33]), "7f".repeat(32) + "…");
        assert_eq!(serial(&[]), "");
    }

    #[test]
    fn what_is_no_certificate_has_a_fingerprint_and_nothing_else() {
        let found = summary(b"abc");
        assert_eq!(found.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Certificate { sha256: String::new(), ..found }, Certificate::default());
    }

    #[test]
    fn bytes_after_a_certificate_are_told() {
        let der = include_bytes!("../tests/data/trust/rsa-2048.der");
        assert!(is_certificate(der));
        assert!(!is_certificate(&[der, &b"\0"[..]].concat()) && !is_certificate(&der[..der.len() - 1]));
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_of_a_certificate_does_harm() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["mail.example.com".into()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        for at in 0..der.len() {
            drop(summary(&der[..at]));
            for flip in [0x80, 0x01, 0xff] {
                let mut broken = der.clone();
                broken[at] ^= flip;
                drop(summary(&broken));
            }
        }
    }
}
