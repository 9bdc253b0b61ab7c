//! Reads from a certificate what people need to know of it (RFC 5280). It decides nothing: whether a certificate is
//! trusted is rustls' affair. Anything that can't be read stays empty.

use std::net::IpAddr;

use domain::transcript::Certificate;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

/// Names beyond these are not shown.
const MAX_NAMES: usize = 100;
/// Characters of a subject or issuer beyond these are not shown.
const MAX_TEXT: usize = 200;

/// What `der` says.
pub(super) fn summary(der: &[u8]) -> Certificate {
    let mut certificate = read(der).unwrap_or_default();
    certificate.sha256 = sha256(der);
    certificate
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let Some(suite) = TLS13_AES_128_GCM_SHA256.tls13() else { return String::new() };
    let hash = suite.common.hash_provider.hash(bytes);
    hash.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "a String takes everything");
        text
    })
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const SAN: &[u8] = &[0x55, 0x1d, 0x11];

/// Walks over values in DER (X.690).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag and content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            let (bytes, rest) = rest.split_at_checked(count).filter(|_| (1..=4).contains(&count))?;
            (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

fn read(der: &[u8]) -> Option<Certificate> {
    let whole = Der(der).expect(SEQUENCE)?;
    let mut fields = Der(Der(whole).expect(SEQUENCE)?);
    // The version is left out in v1.
    if fields.0.first() == Some(&0xa0) {
        fields.next()?;
    }
    let _serial = fields.next()?;
    let _algorithm = fields.next()?;
    let issuer = fields.expect(SEQUENCE)?;
    let mut validity = Der(fields.expect(SEQUENCE)?);
    let subject = fields.expect(SEQUENCE)?;
    let (not_before, not_after) = (validity.next()?, validity.next()?);
    let mut certificate = Certificate {
        subject: name(subject),
        names: Vec::new(),
        issuer: name(issuer),
        not_before: instant(not_before).unwrap_or_default(),
        not_after: instant(not_after).unwrap_or_default(),
        sha256: String::new(),
        self_signed: subject == issuer,
    };
    while let Some((tag, content)) = fields.next() {
        if tag == 0xa3 {
            certificate.names = alternative_names(content).unwrap_or_default();
        }
    }
    Some(certificate)
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some(extension) = extensions.expect(SEQUENCE) {
        let mut extension = Der(extension);
        if extension.expect(OID)? != SAN {
            continue;
        }
        let (mut tag, mut content) = extension.next()?;
        // The flag "critical" may stand in between.
        if tag != OCTET_STRING {
            (tag, content) = extension.next()?;
        }
        let mut names = Der(Der((tag == OCTET_STRING).then_some(content)?).expect(SEQUENCE)?);
        let mut all = Vec::new();
        while let Some((tag, content)) = names.next().filter(|_| all.len() < MAX_NAMES) {
            match (tag, content.len()) {
                (0x82, _) => all.push(text(0x16, content)),
                (0x87, 4) => all.extend(<[u8; 4]>::try_from(content).map(|ip| IpAddr::from(ip).to_string())),
                (0x87, 16) => all.extend(<[u8; 16]>::try_from(content).map(|ip| IpAddr::from(ip).to_string())),
                _ => {}
            }
        }
        return Some(all);
    }
    None
}

/// `CN=mail.example.com, O=Example`.
fn name(rdns: &[u8]) -> String {
    let mut out = String::new();
    let mut rdns = Der(rdns);
    while let Some(mut attributes) = rdns.expect(SET).map(Der) {
        while let Some(mut attribute) = attributes.expect(SEQUENCE).map(Der) {
            let (Some(oid), Some((tag, value))) = (attribute.expect(OID), attribute.next()) else { continue };
            let label = match oid {
                [0x55, 4, 3] => "CN",
                [0x55, 4, 6] => "C",
                [0x55, 4, 7] => "L",
                [0x55, 4, 8] => "ST",
                [0x55, 4, 10] => "O",
                [0x55, 4, 11] => "OU",
                _ => continue,
            };
            if !out.is_empty() {
                out.push_str(", ");
            }
            out.push_str(label);
            out.push('=');
            out.push_str(&text(tag, value));
        }
    }
    out.chars().take(MAX_TEXT).collect()
}

/// A string of any of X.509's types; what can't be shown becomes `?`.
fn text(tag: u8, bytes: &[u8]) -> String {
    let text: String = match tag {
        // BMPString
        0x1e => {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or('?')).collect()
        }
        // TeletexString, in practice Latin-1
        0x14 => bytes.iter().map(|&byte| char::from(byte)).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.chars().map(|c| if c.is_control() || super::redact::is_invisible(c) { '?' } else { c }).take(MAX_TEXT).collect()
}

/// `UTCTime` (`YYMMDDHHMMSSZ`, RFC 5280: 50 and more is 19YY) and `GeneralizedTime` (`YYYYMMDDHHMMSSZ`) as RFC 3339.
fn instant((tag, bytes): (u8, &[u8])) -> Option<String> {
    let digits = std::str::from_utf8(bytes).ok()?.strip_suffix('Z').filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    let full = match (tag, digits.len()) {
        (0x17, 12) => format!("{}{digits}", if digits >= "50" { "19" } else { "20" }),
        (0x18, 14) => digits.to_owned(),
        _ => return None,
    };
    let (date, time) = full.split_at(8);
    Some(format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4], &time[4..]))
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
