//! Files of certificates as programs really write them. Those in `data/trust` were made by its `make.sh`; what this machine has
//! (Java's keytool, the system's roots) is tried besides, and what it hasn't is said.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use domain::secret::Secret;
use domain::trust::{Format, ImportError, Lookalike, Store};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use server::certificate::summary;
use server::trust::import::{self, Found, What};

const PASSWORD: &str = "changeit";
const ROOT: &str = "CN=Example root";
const ISSUING: &str = "CN=Example issuing authority";
const CLIENT: &str = "CN=client.example.com";
const OTHER: &str = "CN=other.example.com";

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/trust").join(name)).unwrap()
}

fn read_with(file: &[u8], password: &str) -> Result<Vec<Found>, ImportError> {
    import::read(file, &Secret::new(password.into()))
}

/// Says so past the test's own output, which is not shown where nothing fails.
fn not_tested(why: &str) {
    std::io::stderr().write_all(format!("NOT TESTED: {why}.\n").as_bytes()).unwrap();
}

/// What is found, in short: the label and the common name, or what else it is.
fn short(found: &[Found]) -> Vec<(String, String)> {
    let what = |what: &What| match what {
        What::Certificate(der) => summary(der).subject.split(", ").find(|part| part.starts_with("CN=")).unwrap().to_owned(),
        What::PrivateKey => "private key".to_owned(),
        What::Unreadable => "unreadable".to_owned(),
    };
    found.iter().map(|found| (found.label.clone(), what(&found.what))).collect()
}

#[track_caller]
fn check(file: &[u8], password: &str, expected: &[(&str, &str)]) {
    let found = read_with(file, password).unwrap_or_else(|error| panic!("{}", error.sentence()));
    let found = short(&found);
    let found: Vec<_> = found.iter().map(|(label, what)| (label.as_str(), what.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn stores_of_java_are_read_with_their_aliases() {
    for name in ["truststore.jks", "truststore.jceks"] {
        let mut found = short(&read_with(&data(name), PASSWORD).unwrap());
        // Java keeps them in no order.
        found.sort();
        assert_eq!(found, [("example root".into(), ROOT.into()), ("issuing".to_owned(), ISSUING.to_owned())], "{name}");
    }
    for name in ["truststore.p12", "truststore-legacy.p12"] {
        check(&data(name), PASSWORD, &[("Example Root", ROOT), ("issuing", ISSUING)]);
    }
}

#[test]
fn a_private_key_is_told_and_its_chain_is_given() {
    let expected = BTreeSet::from([
        ("client".to_owned(), "private key".to_owned()),
        ("client".to_owned(), CLIENT.to_owned()),
        ("client".to_owned(), ISSUING.to_owned()),
        ("client".to_owned(), ROOT.to_owned()),
        ("other".to_owned(), OTHER.to_owned()),
    ]);
    for name in ["keystore.jks", "keystore.p12"] {
        let found: BTreeSet<_> = short(&read_with(&data(name), PASSWORD).unwrap()).into_iter().collect();
        let unlabelled = |found: &BTreeSet<(String, String)>| found.iter().map(|(_, what)| what.clone()).collect::<BTreeSet<_>>();
        assert_eq!(unlabelled(&found), unlabelled(&expected), "{name}");
        assert!(found.contains(&("client".into(), "private key".into())), "{name}");
    }
    check(&data("secret.p12"), PASSWORD, &[("secret", "private key"), ("Example Root", ROOT), ("issuing", ISSUING)]);
}

#[test]
fn pkcs12_of_other_programs_is_read() {
    const ALL: &[(&str, &str)] = &[("client", CLIENT), ("", ROOT), ("", ISSUING), ("client", "private key")];
    for name in ["openssl.p12", "openssl-legacy.p12", "openssl-rc2-128.p12", "openssl-2des.p12", "openssl-sha512.p12"] {
        check(&data(name), PASSWORD, ALL);
    }
    check(&data("openssl-unencrypted.p12"), PASSWORD, &[("", ROOT), ("", ISSUING)]);
    check(&data("openssl-plain-key.p12"), PASSWORD, &[("", CLIENT), ("", "private key")]);
    check(&data("openssl-not-ascii.p12"), "Grüße€", &[("", ROOT)]);
    check(&data("openssl-empty-password.p12"), "", &[("", ROOT), ("", ISSUING)]);
    for name in ["nss.p12", "bouncy-castle.p12"] {
        let found: BTreeSet<_> = short(&read_with(&data(name), PASSWORD).unwrap()).into_iter().map(|(_, what)| what).collect();
        let chain = BTreeSet::from([CLIENT, ISSUING, ROOT, "private key"].map(str::to_owned));
        assert!(found.is_superset(&chain), "{name}: {found:?}");
    }
}

#[test]
fn a_password_that_is_missing_or_wrong_is_said() {
    for (name, store) in [
        ("truststore.jks", Store::Java),
        ("keystore.jks", Store::Java),
        ("truststore.p12", Store::Pkcs12),
        ("openssl-legacy.p12", Store::Pkcs12),
        ("openssl-unencrypted.p12", Store::Pkcs12),
        ("bouncy-castle.p12", Store::Pkcs12),
    ] {
        assert_eq!(read_with(&data(name), ""), Err(ImportError::PasswordMissing { store }), "{name}");
        for wrong in ["Changeit", "changeit "] {
            assert_eq!(read_with(&data(name), wrong), Err(ImportError::PasswordWrong { store }), "{name}");
        }
    }
}

#[test]
fn a_store_that_was_changed_is_refused() {
    for (name, store) in [("truststore.jks", Store::Java), ("openssl-unencrypted.p12", Store::Pkcs12)] {
        let mut file = data(name);
        // In the middle of a name.
        let at = file.windows(4).position(|bytes| bytes == b"root").unwrap();
        file[at] ^= 1;
        assert_eq!(read_with(&file, PASSWORD), Err(ImportError::PasswordWrong { store }), "{name}");
    }
}

#[test]
fn a_store_that_nothing_protects_is_refused_with_what_helps() {
    for (name, password) in [("unprotected.p12", ""), ("unprotected.p12", PASSWORD), ("openssl-no-mac.p12", PASSWORD)] {
        let error = read_with(&data(name), password).unwrap_err();
        assert_eq!(error, ImportError::Unprotected);
        assert!(error.sentence().contains("keytool -importkeystore -srckeystore FILE"), "{}", error.sentence());
    }
}

#[test]
fn what_cannot_be_opened_is_said_with_what_helps() {
    let rc4 = read_with(&data("openssl-rc4.p12"), PASSWORD).unwrap_err();
    assert_eq!(rc4, ImportError::UnsupportedEncryption { method: "128-bit RC4".into() });
    assert!(rc4.sentence().contains("openssl pkcs12 -in FILE -nokeys"), "{}", rc4.sentence());
    let found = |name: &str| read_with(&data(name), PASSWORD);
    assert_eq!(found("secret.jceks"), Err(ImportError::Unknown { found: Some(Lookalike::SecretKey) }));
    for name in ["bouncy-castle.bks", "bouncy-castle.uber", "bouncy-castle.bcfks"] {
        assert_eq!(found(name), Err(ImportError::Unknown { found: Some(Lookalike::BouncyCastle) }), "{name}");
    }
    assert_eq!(found("encrypted.p7m"), Err(ImportError::Unknown { found: Some(Lookalike::Encrypted) }));
}

#[test]
fn pkcs7_is_read_with_and_without_a_signature() {
    check(&data("chain.p7b"), "", &[("", ROOT), ("", ISSUING)]);
    check(&data("chain.p7b.pem"), "", &[("", ROOT), ("", ISSUING)]);
    let found: BTreeSet<_> = short(&read_with(&data("signed.p7m"), "").unwrap()).into_iter().map(|(_, what)| what).collect();
    assert_eq!(found, BTreeSet::from([CLIENT, ISSUING, ROOT].map(str::to_owned)));
}

#[test]
fn pem_is_read_with_what_stands_around_it_and_a_certificate_once() {
    let text = [
        b"subject=/O=Example \xfcber\n".to_vec(),
        data("root.pem"),
        data("client.key"),
        data("root-trusted.pem"),
        data("client.csr"),
        data("other.pem"),
        b"trailing".to_vec(),
    ]
    .concat();
    check(&text, "", &[("", ROOT), ("", "private key"), ("", OTHER)]);
}

#[test]
fn private_keys_of_every_label_are_told_and_none_of_their_bytes_is_given() {
    for name in ["client.key", "client-pkcs1.key", "other-sec1.key", "client-encrypted.key", "client-encrypted-pkcs1.key"] {
        check(&data(name), "", &[("", "private key")]);
    }
    check(&data("client.key.der"), "", &[("", "private key")]);
    // The shortest there is.
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    check(&ed25519.serialize_der(), "", &[("", "private key")]);
    for label in ["DSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "ANY PRIVATE KEY"] {
        check(format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n").as_bytes(), "", &[("", "private key")]);
    }
}

#[test]
fn what_windows_and_browsers_make_of_text_is_read() {
    let pem = String::from_utf8(data("root.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let utf16 = |bytes: fn(u16) -> [u8; 2], text: &str| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let crlf = pem.replace('\n', "\r\n");
    for file in [
        pem.clone().into_bytes(),
        crlf.clone().into_bytes(),
        format!("\u{feff}{crlf}").into_bytes(),
        utf16(u16::to_le_bytes, &format!("\u{feff}{crlf}")),
        utf16(u16::to_be_bytes, &format!("\u{feff}{crlf}")),
        utf16(u16::to_le_bytes, &crlf),
        pem.replace('\n', " ").into_bytes(),
        pem.replace('\n', "\\n").into_bytes(),
        pem.replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes(),
        body.clone().into_bytes(),
        format!("  {}\r\n{}\u{a0}\r\n", &body[..100], &body[100..]).into_bytes(),
        utf16(u16::to_le_bytes, &format!("\u{feff}{body}")),
        format!("0 s:CN = x\n{pem}").into_bytes(),
    ] {
        check(&file, "", &[("", ROOT)]);
    }
    // Any of it, as a secret of Kubernetes holds it.
    let base64 = |name: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, data(name)).into_bytes();
    check(&base64("chain.p7b"), "", &[("", ROOT), ("", ISSUING)]);
    check(&base64("truststore.p12"), PASSWORD, &[("Example Root", ROOT), ("issuing", ISSUING)]);
    assert_eq!(read_with(&base64("truststore.jks"), PASSWORD).unwrap().len(), 2);
}

#[test]
fn certificates_as_bytes_are_read_alone_and_one_after_the_other() {
    let der = |name: &str| CertificateDer::from_pem_slice(&data(name)).unwrap().to_vec();
    check(&der("root.pem"), "", &[("", ROOT)]);
    check(&[der("root.pem"), der("other.pem"), b"\r\n".to_vec()].concat(), "", &[("", ROOT), ("", OTHER)]);
    check(&[der("root.pem"), b"rubbish".to_vec()].concat(), "", &[("", ROOT), ("", "unreadable")]);
}

#[test]
fn what_is_damaged_is_said_and_takes_nothing_else_with_it() {
    let root = String::from_utf8(data("root.pem")).unwrap();
    let cut = &root[..root.len() / 2];
    check(format!("{cut}\n{root}").as_bytes(), "", &[("", "unreadable"), ("", ROOT)]);
    assert_eq!(read_with(cut.as_bytes(), ""), Err(ImportError::Unreadable { format: Format::Pem }));
    let der = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    assert_eq!(read_with(&der[..der.len() - 1], ""), Err(ImportError::Unreadable { format: Format::Der }));
    for (name, format) in [("truststore.jks", Format::Java), ("truststore.p12", Format::Pkcs12), ("chain.p7b", Format::Pkcs7)] {
        let file = data(name);
        for length in [file.len() - 1, file.len() / 2, 60] {
            let error = read_with(&file[..length], PASSWORD).unwrap_err();
            let expected = [ImportError::Unreadable { format }, ImportError::Unreadable { format: Format::Der }];
            assert!(expected.contains(&error), "{name}: {error:?}");
        }
    }
}

#[test]
fn what_holds_no_certificate_is_called_by_its_name() {
    let unknown = |found| Err(ImportError::Unknown { found });
    for (file, found) in [
        (&b"<!DOCTYPE html><html><body>Sign in</body></html>"[..], Some(Lookalike::Html)),
        (b"\n <HTML>", Some(Lookalike::Html)),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA somebody@example", Some(Lookalike::Ssh)),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----", Some(Lookalike::Pgp)),
        (b"PK\x03\x04\x14\0", Some(Lookalike::Archive)),
        (b"\x1f\x8b\x08\0", Some(Lookalike::Archive)),
        (b"%PDF-1.7\n", Some(Lookalike::Pdf)),
        (b"CN=mail.example.com", Some(Lookalike::Text)),
        (b"\x7fELF\0\0", None),
    ] {
        assert_eq!(read_with(file, ""), unknown(found), "{}", String::from_utf8_lossy(file));
    }
    assert_eq!(read_with(&data("client.csr"), ""), unknown(Some(Lookalike::Request)));
    assert_eq!(read_with(&data("client.pub"), ""), unknown(Some(Lookalike::PublicKey)));
    // The same, as bytes.
    let der = |text: Vec<u8>| {
        let text = String::from_utf8(text).unwrap();
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap()
    };
    assert_eq!(read_with(&der(data("client.csr")), ""), unknown(Some(Lookalike::Request)));
    assert_eq!(read_with(&der(data("client.pub")), ""), unknown(Some(Lookalike::PublicKey)));
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::Issuer::new(params, key);
    let list = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2027, 1, 1),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: vec![],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&issuer).unwrap();
    assert_eq!(read_with(list.der(), ""), unknown(Some(Lookalike::RevocationList)));
    assert_eq!(read_with(list.pem().unwrap().as_bytes(), ""), unknown(Some(Lookalike::RevocationList)));
}

#[test]
fn what_is_empty_or_too_big_or_too_much_is_refused() {
    for empty in [&b""[..], b" \r\n\t ", b"\xef\xbb\xbf", b"\0\0\0\0"] {
        assert_eq!(read_with(empty, ""), Err(ImportError::Empty));
    }
    let size = import::MAX_FILE + 1;
    assert_eq!(read_with(&vec![b'-'; size], ""), Err(ImportError::TooLarge { size: size as u64, max: import::MAX_FILE as u64 }));
    let key = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n";
    assert_eq!(read_with(key.repeat(import::MAX_CERTIFICATES).as_bytes(), "").unwrap().len(), import::MAX_CERTIFICATES);
    let max = import::MAX_CERTIFICATES as u64;
    assert_eq!(read_with(key.repeat(import::MAX_CERTIFICATES + 1).as_bytes(), ""), Err(ImportError::TooMany { max }));
    // The same certificate again and again is one.
    let root = String::from_utf8(data("root.pem")).unwrap();
    check(root.repeat(2_000).as_bytes(), "", &[("", ROOT)]);
}

#[test]
fn a_certificate_beyond_the_limit_is_unreadable() {
    let certificate = |bytes: usize| {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[1, 2, 3], vec![0; bytes])];
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
    };
    let (taken, refused) = (certificate(import::MAX_CERTIFICATE - 1_000), certificate(import::MAX_CERTIFICATE));
    assert!(taken.len() <= import::MAX_CERTIFICATE);
    assert_eq!(read_with(&taken, "").unwrap()[0].what, What::Certificate(taken));
    assert_eq!(read_with(&refused, ""), Err(ImportError::Unreadable { format: Format::Der }));
}

#[test]
fn the_roots_of_the_system_are_read() {
    let path = Path::new("/etc/ssl/certs/ca-certificates.crt");
    let Ok(file) = std::fs::read(path) else {
        not_tested(&format!("there is no {}", path.display()));
        return;
    };
    let expected: Vec<_> = CertificateDer::pem_slice_iter(&file).map(|der| What::Certificate(der.unwrap())).collect();
    let found: Vec<_> = read_with(&file, "").unwrap().into_iter().map(|found| found.what).collect();
    assert!(found.len() > 100, "{}", found.len());
    assert_eq!(found, expected);
    for what in &found {
        let What::Certificate(der) = what else { panic!("{what:?}") };
        let summary = summary(der);
        assert!(summary.authority && summary.self_signed, "{summary:?}");
        assert!(!summary.subject.is_empty() && !summary.not_after.is_empty() && !summary.serial.is_empty(), "{summary:?}");
        assert!(["RSA 2048", "RSA 4096", "ECDSA P-256", "ECDSA P-384"].contains(&summary.key.as_str()), "{summary:?}");
    }
}

#[test]
fn javas_own_roots_are_read_or_refused_with_what_helps() {
    let homes = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("lib/security/cacerts"));
    let mut tried = 0;
    for path in homes.into_iter().chain(["/etc/ssl/certs/java/cacerts".into()]) {
        let Ok(file) = std::fs::read(&path) else { continue };
        tried += 1;
        match read_with(&file, PASSWORD) {
            Ok(found) => assert!(found.len() > 50 && found.iter().all(|found| matches!(found.what, What::Certificate(_)))),
            // Some builds of Java have them in a PKCS#12 file without a password.
            Err(error) => assert_eq!(error, ImportError::Unprotected, "{}", path.display()),
        }
    }
    if tried == 0 {
        not_tested("there are no cacerts of Java on this machine");
    }
}

/// Runs Java's keytool; nothing where there is none.
fn keytool(arguments: &[&str]) -> Option<String> {
    let output = Command::new("keytool").args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "keytool {arguments:?}: {text}");
    Some(text)
}

#[test]
fn stores_that_keytool_makes_now_are_read_and_its_lines_help() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let root = path("root.pem");
    std::fs::write(&root, data("root.pem")).unwrap();
    std::fs::write(path("unprotected.p12"), data("unprotected.p12")).unwrap();
    for kind in ["JKS", "PKCS12"] {
        let store = path(kind);
        let common = ["-keystore", &store, "-storetype", kind, "-storepass", "a password"];
        let import = [&["-importcert", "-noprompt", "-alias", "one", "-file", &root][..], &common].concat();
        if keytool(&import).is_none() {
            not_tested("there is no keytool on this machine");
            return;
        }
        let key = ["-genkeypair", "-alias", "two", "-keyalg", "EC", "-dname", "CN=two.example.com", "-keypass", "a password"];
        keytool(&[&key[..], &common].concat()).unwrap();
        let file = std::fs::read(&store).unwrap();
        let found: BTreeSet<_> = short(&read_with(&file, "a password").unwrap()).into_iter().collect();
        let expected = [("one", ROOT), ("two", "private key"), ("two", "CN=two.example.com")];
        assert_eq!(found, BTreeSet::from(expected.map(|(label, what)| (label.to_owned(), what.to_owned()))), "{kind}");
        assert!(matches!(read_with(&file, "another"), Err(ImportError::PasswordWrong { .. })), "{kind}");
        assert!(matches!(read_with(&file, ""), Err(ImportError::PasswordMissing { .. })), "{kind}");
    }
    // What is said to whoever has forgotten the password of a Java store, or has a store without one.
    let jks = keytool(&["-list", "-rfc", "-keystore", &path("JKS")]).unwrap();
    assert_eq!(read_with(jks.as_bytes(), "").unwrap().len(), 2, "{jks}");
    let unprotected = keytool(&["-list", "-rfc", "-keystore", &path("unprotected.p12")]).unwrap();
    check(unprotected.as_bytes(), "", &[("", ROOT), ("", ISSUING)]);
    let destination = path("trust.p12");
    let source = path("unprotected.p12");
    let convert = ["-importkeystore", "-srckeystore", &source, "-destkeystore", &destination];
    keytool(&[&convert[..], &["-deststoretype", "PKCS12", "-deststorepass", "a password"]].concat()).unwrap();
    check(&std::fs::read(destination).unwrap(), "a password", &[("example root", ROOT), ("issuing", ISSUING)]);
}
