//! Whatever a file holds: reading it never panics, and what is found keeps to its limits; a client certificate that was read is
//! read again from what is kept of it. The real files of the tests are the seeds:
//! `cargo +nightly fuzz run -s none import fuzz/corpus/import tests/data/trust -- -dict=fuzz/certificates.dict -max_len=6000`
//! (there is no unsafe code of ours for a sanitizer to watch).

#![no_main]

#[path = "../../src/trust/ber.rs"]
mod ber;
#[path = "../../src/certificate.rs"]
mod certificate;
#[path = "../../src/trust/client_certificate.rs"]
#[expect(dead_code, reason = "the page asks for what it allows")]
mod client_certificate;
#[path = "../../src/trust/import.rs"]
#[expect(dead_code, reason = "the page asks for what it allows")]
mod import;
#[path = "../../src/trust/java.rs"]
mod java;
#[path = "../../src/trust/pem.rs"]
mod pem;
#[path = "../../src/trust/pkcs12.rs"]
mod pkcs12;
#[path = "../../src/trust/pkcs7.rs"]
mod pkcs7;

use domain::secret::Secret;
use import::What;
use ring::{digest, hmac};

/// That of the seeds.
const PASSWORD: &str = "changeit";
/// What the seeds need, so that no input takes seconds.
const ITERATIONS: u64 = 60_000;

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    holds(file);
    if let Some(sealed) = java_sealed(file).or_else(|| pkcs12_sealed(file)) {
        holds(&sealed);
    }
});

fn holds(file: &[u8]) {
    let password = Secret::new(PASSWORD.into());
    match import::read_within(file, &password, ITERATIONS) {
        Ok(found) => {
            assert!(!found.is_empty() && found.len() <= import::MAX_CERTIFICATES);
            for (at, one) in found.iter().enumerate() {
                assert!(one.label.chars().count() <= 200 && !one.label.contains(char::is_control), "{:?}", one.label);
                if let What::Certificate(der) = &one.what {
                    assert!(der.len() <= import::MAX_CERTIFICATE && !found[..at].iter().any(|other| other.what == one.what));
                    summed_up(der);
                }
            }
        }
        Err(error) => assert!(error.sentence().contains("Nothing was added.") && error.sentence().len() < 600),
    }
    summed_up(file);
    match client_certificate::read_within(file, &password, ITERATIONS) {
        Ok(read) => {
            let again = client_certificate::read_within(read.to_pem().expose().as_bytes(), &Secret::default(), 0)
                .unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(again.chain(), read.chain());
            assert_eq!(again.to_pem(), read.to_pem());
            assert_eq!(read.summary().sha256, certificate::summary(&read.chain()[0]).sha256);
            read.certified_key(&rustls::crypto::ring::default_provider()).unwrap_or_else(|error| panic!("{error}"));
        }
        Err(error) => assert!(error.sentence().contains("Nothing was saved.") && error.sentence().len() < 700),
    }
}

fn summed_up(der: &[u8]) {
    let summary = certificate::summary(der);
    let texts = summary.names.iter().chain([&summary.subject, &summary.issuer, &summary.key, &summary.serial]);
    for text in texts {
        assert!(text.chars().count() <= 200 && !text.contains(char::is_control), "{text:?}");
    }
    assert!(summary.names.len() <= 100 && summary.sha256.len() == 64);
    let _ = summary.validity(0);
    for date in [&summary.not_before, &summary.not_after] {
        assert!(date.is_empty() || date.len() == 20, "{date}");
    }
}

/// A store of Java with the digest that belongs to what was changed.
fn java_sealed(file: &[u8]) -> Option<Vec<u8>> {
    let body = file.get(..file.len().checked_sub(20)?).filter(|body| java::is_store(body))?;
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(&PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>());
    context.update(b"Mighty Aphrodite");
    context.update(body);
    Some([body, context.finish().as_ref()].concat())
}

/// A PKCS#12 file with the MAC that belongs to what was changed: by HMAC-SHA256, with one iteration.
fn pkcs12_sealed(file: &[u8]) -> Option<Vec<u8>> {
    let mut pfx = ber::Ber::new(file).sequence()?;
    let _version = pfx.unsigned()?;
    let mut info = pfx.sequence()?;
    let _data = info.oid()?;
    let content = info.tagged(0)?.octets()?;
    // RFC 7292 appendix B.2, for one block and one iteration; salt and password fill 64 bytes each.
    let salt = [0; 8];
    let password: Vec<u8> = PASSWORD.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let password: Vec<u8> = password.iter().copied().cycle().take(64).collect();
    let key = digest::digest(&digest::SHA256, &[&[3; 64][..], &[0; 64], &password].concat());
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), &content);
    const DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
    const SHA256: [u8; 13] = [0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let content = value(0xa0, &[&value(0x04, &[&content])]);
    let hash = value(0x30, &[&SHA256, &value(0x04, &[mac.as_ref()])]);
    let mac = value(0x30, &[&hash, &value(0x04, &[&salt]), &[2, 1, 1]]);
    Some(value(0x30, &[&[2, 1, 3], &value(0x30, &[&DATA, &content]), &mac]))
}

fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [.., a, b, c, d] = content.len().to_be_bytes();
    [&[tag, 0x84, a, b, c, d][..], &content].concat()
}
