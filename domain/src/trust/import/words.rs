//! The sentences: what happened, what was not done, and what to do, with the command where one helps. `FILE` in it stands for
//! the file's name.

use super::{ClientCertificateError, Format, ImportError, Lookalike, Store};
use crate::size::Size;

impl Format {
    /// For a sentence, with its article.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pem => "a text with BEGIN and END lines (PEM)",
            Self::Der => "a certificate as bytes (DER)",
            Self::Pkcs7 => "a PKCS#7 file",
            Self::Pkcs12 => "a PKCS#12 file",
            Self::Java => "a Java keystore",
        }
    }
}

impl ImportError {
    /// What happened and what to do, for people, where certificates were to be added.
    pub fn sentence(&self) -> String {
        format!("{} Nothing was added. {}", self.what(), self.advice())
    }

    fn what(&self) -> String {
        match self {
            Self::Empty => "The file is empty.".into(),
            Self::TooLarge { size, max } => {
                format!("The file has {size} bytes, and at most {} are read.", Size::from_bytes(*max))
            }
            Self::TooMany { max } => format!("The file holds more than {max} certificates and keys."),
            Self::PasswordMissing { store } => format!("This is {}, which needs its password.", Format::from(*store).words()),
            Self::PasswordWrong { store } => {
                let store = Format::from(*store).words();
                format!("This is {store}, and the password doesn't open it, or the file was changed since it was written.")
            }
            Self::Unknown { found } => found.map_or("This is no file of certificates.", what_else).into(),
            Self::Unprotected => "This is a PKCS#12 file that no password protects from changes: nobody would notice them.".into(),
            Self::UnsupportedEncryption { method } => format!("The file is encrypted with {method}, which isn't supported."),
            Self::TooMuchWork { max } => {
                format!("The file wants its password hashed more than {} million times, which takes too long.", max / 1_000_000)
            }
            Self::Unreadable { format } => format!("This looks like {}, but it is damaged or cut off.", format.words()),
            Self::NoCertificate { format } => format!("This is {} without a certificate in it.", format.words()),
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Empty => "Choose the file with the certificate, or paste it with its BEGIN and END lines.",
            Self::TooLarge { .. } | Self::TooMany { .. } => "Import only the certificates that your mail servers need.",
            Self::PasswordMissing { store: Store::Java } => {
                "Enter it; Java's own is changeit. If nobody knows it, press Enter when this asks for it, and import what it \
                 writes: keytool -list -rfc -keystore FILE > certificates.pem"
            }
            Self::PasswordMissing { .. } => "Enter the password that the file was saved with.",
            Self::PasswordWrong { .. } => {
                "Enter the password that the file was saved with, capitals as they were; if it is right, fetch the file anew."
            }
            Self::Unknown { found } => found.map_or(ASK_FOR_PEM, instead),
            Self::Unprotected => {
                "Give it one, and import the new file: keytool -importkeystore -srckeystore FILE -destkeystore trust.p12 \
                 -deststoretype PKCS12 – or look at its certificates and import those: keytool -list -rfc -keystore FILE > \
                 certificates.pem"
            }
            Self::UnsupportedEncryption { .. } | Self::TooMuchWork { .. } => {
                "Import what this writes: openssl pkcs12 -in FILE -nokeys -out certificates.pem (with -legacy where the file is old)"
            }
            Self::Unreadable { format: Format::Pem } => {
                "Copy all of it, from the line -----BEGIN CERTIFICATE----- to the line -----END CERTIFICATE-----."
            }
            Self::Unreadable { .. } => "Fetch the file anew, as binary, or export it once more.",
            Self::NoCertificate { .. } => ASK_FOR_PEM,
        }
    }
}

const ASK_FOR_PEM: &str = "Ask whoever runs the mail server for the certificate of its authority; a text that begins with -----BEGIN CERTIFICATE----- \
     is right.";

const fn what_else(found: Lookalike) -> &'static str {
    match found {
        Lookalike::Html => "This is a web page, not a certificate.",
        Lookalike::Request => "This is a request for a certificate, not yet the certificate.",
        Lookalike::RevocationList => "This is a list of revoked certificates, not a certificate.",
        Lookalike::PublicKey => "This is a public key without a certificate.",
        Lookalike::Ssh => "This is a key of SSH, which has nothing to do with certificates of mail servers.",
        Lookalike::Pgp => "This is something of OpenPGP, which has nothing to do with certificates of mail servers.",
        Lookalike::Archive => "This is an archive.",
        Lookalike::Pdf => "This is a PDF document.",
        Lookalike::BouncyCastle => "This is a keystore of Bouncy Castle (BKS, UBER or BCFKS), which only Java can read.",
        Lookalike::SecretKey => "This is a Java keystore with a secret key in it, which only Java can read.",
        Lookalike::Encrypted => "This is a message that is encrypted for somebody.",
        Lookalike::Text => "This is a text without a certificate.",
    }
}

const fn instead(found: Lookalike) -> &'static str {
    match found {
        Lookalike::Html => {
            "The download may have shown a sign-in page or an error; open the address in a browser and save the certificate itself."
        }
        Lookalike::Request => "Send it to your authority, and import what comes back.",
        Lookalike::Archive => "Unpack it, and import the certificate that is in it.",
        Lookalike::BouncyCastle => {
            "Import what this writes, with the type that it is (BKS, UBER or BCFKS): keytool -list -rfc -keystore FILE -storetype BKS \
             -providerpath bcprov.jar -provider org.bouncycastle.jce.provider.BouncyCastleProvider > certificates.pem"
        }
        Lookalike::SecretKey => "Import what this writes: keytool -list -rfc -keystore FILE > certificates.pem",
        _ => ASK_FOR_PEM,
    }
}

impl ClientCertificateError {
    /// What happened and what to do, for people, where a client certificate was to be saved.
    pub fn sentence(&self) -> String {
        format!("{} Nothing was saved. {}", self.what(), self.advice())
    }

    fn what(&self) -> String {
        match self {
            Self::File(error) => error.what(),
            Self::NoKey => "There is no private key in it, only the certificate.".into(),
            Self::SeveralKeys { count } => format!("There are {count} private keys in it, and it isn't clear which is meant."),
            Self::NoCertificate => "There is a private key in it, but no certificate.".into(),
            Self::KeyOfAnother => "The private key belongs to none of the certificates in it.".into(),
            Self::KeyEncrypted => "The private key is encrypted by itself, and such keys aren't opened.".into(),
            Self::KeyUnusable { kind } if kind.is_empty() => "The private key can't be read.".into(),
            Self::KeyUnusable { kind } => {
                format!(
                    "The private key is damaged or of a kind that can't be used (it belongs to a certificate with {kind}; RSA from \
                     2048 to 4096 bits, ECDSA with P-256 or P-384, and Ed25519 can)."
                )
            }
            Self::JavaStore => "This is a Java keystore, whose way to encrypt keys only Java knows.".into(),
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::File(ImportError::UnsupportedEncryption { .. } | ImportError::TooMuchWork { .. }) => {
                "Write it anew: openssl pkcs12 -in FILE -nodes -out client.pem, then openssl pkcs12 -export -in client.pem -out \
                 client.p12"
            }
            Self::File(ImportError::Unprotected) => {
                "Give it a password: keytool -importkeystore -srckeystore FILE -destkeystore client.p12 -deststoretype PKCS12"
            }
            Self::File(ImportError::PasswordMissing { .. } | ImportError::PasswordWrong { .. }) => {
                "Enter the password that the file was saved with, capitals as they were."
            }
            Self::File(ImportError::Unreadable { format: Format::Pem }) => {
                "Copy all of it, with its BEGIN and END lines: the certificate and its private key."
            }
            Self::File(ImportError::Unreadable { .. }) => "Fetch the file anew, as binary, or export it once more.",
            Self::File(_) => {
                "Choose a PKCS#12 file (.p12, .pfx), or a text with the certificate and its private key, each with its BEGIN and \
                 END lines."
            }
            Self::NoKey => {
                "Put the key below the certificate, or make one file of both: openssl pkcs12 -export -in certificate.pem -inkey \
                 key.pem -out client.p12"
            }
            Self::SeveralKeys { .. } => {
                "Export the one that is meant: keytool -importkeystore -srckeystore FILE -srcalias ALIAS -destkeystore client.p12 \
                 -deststoretype PKCS12"
            }
            Self::NoCertificate => "Put the certificate that was issued for this key above it.",
            Self::KeyOfAnother => "Choose the key that the certificate was requested with, or the certificate of this key.",
            Self::KeyEncrypted => {
                "Put certificate and key into a PKCS#12 file, which is opened with its password: openssl pkcs12 -export -in FILE \
                 -out client.p12 – or decrypt the key: openssl pkey -in FILE -out key.pem"
            }
            Self::KeyUnusable { kind } if kind.is_empty() => {
                "Export the key once more, as PKCS#8: its text begins with BEGIN PRIVATE KEY."
            }
            Self::KeyUnusable { .. } => "Have a certificate issued for a key of one of these kinds, or export the key once more.",
            Self::JavaStore => {
                "Convert it, and choose the new file: keytool -importkeystore -srckeystore FILE -destkeystore client.p12 \
                 -deststoretype PKCS12"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import_errors() -> Vec<ImportError> {
        use ImportError as E;
        let formats = [Format::Pem, Format::Der, Format::Pkcs7, Format::Pkcs12, Format::Java];
        let lookalikes = [
            Lookalike::Html,
            Lookalike::Request,
            Lookalike::RevocationList,
            Lookalike::PublicKey,
            Lookalike::Ssh,
            Lookalike::Pgp,
            Lookalike::Archive,
            Lookalike::Pdf,
            Lookalike::BouncyCastle,
            Lookalike::SecretKey,
            Lookalike::Encrypted,
            Lookalike::Text,
        ];
        let mut all = vec![
            E::Empty,
            E::TooLarge { size: 5_000_000, max: 4 << 20 },
            E::TooMany { max: 1_000 },
            E::Unprotected,
            E::Unknown { found: None },
            E::UnsupportedEncryption { method: "scrypt".into() },
            E::TooMuchWork { max: 5_000_000 },
        ];
        all.extend(lookalikes.map(|found| E::Unknown { found: Some(found) }));
        for format in formats {
            all.extend([E::Unreadable { format }, E::NoCertificate { format }]);
        }
        for store in [Store::Pkcs12, Store::Java] {
            all.extend([E::PasswordMissing { store }, E::PasswordWrong { store }]);
        }
        all
    }

    fn client_errors() -> Vec<ClientCertificateError> {
        use ClientCertificateError as E;
        let mut all = vec![
            E::NoKey,
            E::SeveralKeys { count: 2 },
            E::NoCertificate,
            E::KeyOfAnother,
            E::KeyEncrypted,
            E::KeyUnusable { kind: String::new() },
            E::KeyUnusable { kind: "RSA 1024".into() },
            E::JavaStore,
        ];
        all.extend(import_errors().into_iter().map(E::File));
        all
    }

    #[test]
    fn every_sentence_says_what_was_not_done_and_what_to_do() {
        let imports = import_errors().into_iter().map(|error| (error.sentence(), " Nothing was added. "));
        let clients = client_errors().into_iter().map(|error| (error.sentence(), " Nothing was saved. "));
        for (sentence, not_done) in imports.chain(clients) {
            let (what, advice) = sentence.split_once(not_done).unwrap_or_else(|| panic!("{sentence}"));
            assert!(what.ends_with('.') && what.len() < 200, "{what}");
            // A command stands at the end, so that it can be copied.
            assert!(advice.ends_with('.') || advice.contains("FILE") || advice.contains(": openssl "), "{advice}");
            assert!(advice.starts_with(char::is_uppercase) && advice.len() < 300, "{advice}");
        }
    }

    #[test]
    fn numbers_are_told_in_units_that_people_use() {
        let large = ImportError::TooLarge { size: 5_000_000, max: 4 << 20 };
        assert!(large.sentence().starts_with("The file has 5000000 bytes, and at most 4 MB are read."));
        assert!(ImportError::TooMuchWork { max: 5_000_000 }.sentence().contains("more than 5 million times"));
    }
}
