//! What can be wrong with a file of certificates, or with a client certificate, as data. Reading such files is the server's
//! affair.

mod words;

/// Why a file of certificates was not read. Nothing was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// It has no bytes, or nothing but white space.
    Empty,
    /// It has too many bytes.
    TooLarge {
        /// How many.
        size: u64,
        /// How many are read.
        max: u64,
    },
    /// It holds too much.
    TooMany {
        /// How many certificates and keys are taken from one file.
        max: u64,
    },
    /// It needs a password and none was given.
    PasswordMissing {
        /// What it is.
        store: Store,
    },
    /// It was written with another password, or changed since.
    PasswordWrong {
        /// What it is.
        store: Store,
    },
    /// It is something else.
    Unknown {
        /// What it looks like, where that is known.
        found: Option<Lookalike>,
    },
    /// It is a PKCS#12 file without a MAC: no password protects it from changes that nobody would notice.
    Unprotected,
    /// It is encrypted in a way that isn't supported.
    UnsupportedEncryption {
        /// Which way, as standards name it.
        method: String,
    },
    /// Checking its password would take too long: the file says how often it is hashed.
    TooMuchWork {
        /// How many iterations are done for one file.
        max: u64,
    },
    /// It is what it seems to be, and damaged or cut off.
    Unreadable {
        /// What it seems to be.
        format: Format,
    },
    /// It can be read, and no certificate is in it.
    NoCertificate {
        /// What it is.
        format: Format,
    },
}

/// What files of certificates are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with BEGIN and END lines (RFC 7468).
    Pem,
    /// A certificate as bytes (RFC 5280, DER).
    Der,
    /// Certificates beside a signature, or without one (RFC 5652).
    Pkcs7,
    /// A store with a password (RFC 7292): `.p12`, `.pfx`.
    Pkcs12,
    /// Java's older store: `.jks`, and `.jceks`.
    Java,
}

/// Files that have a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// RFC 7292.
    Pkcs12,
    /// Java's older store.
    Java,
}

impl From<Store> for Format {
    fn from(store: Store) -> Self {
        match store {
            Store::Pkcs12 => Self::Pkcs12,
            Store::Java => Self::Java,
        }
    }
}

/// What is taken for a file of certificates and isn't one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookalike {
    /// A web page.
    Html,
    /// A request for a certificate (PKCS#10).
    Request,
    /// A list of revoked certificates.
    RevocationList,
    /// A public key without a certificate.
    PublicKey,
    /// A key of SSH.
    Ssh,
    /// Something of PGP.
    Pgp,
    /// A ZIP or gzip archive.
    Archive,
    /// A PDF document.
    Pdf,
    /// A store of Bouncy Castle: BKS, UBER or BCFKS.
    BouncyCastle,
    /// A Java store with a secret key in it: only Java can say where that ends.
    SecretKey,
    /// Certificates encrypted for somebody (CMS).
    Encrypted,
    /// Other text.
    Text,
}

/// Why a client certificate was not taken. Nothing was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificateError {
    /// The file can't be read.
    File(ImportError),
    /// There is no private key in it.
    NoKey,
    /// There are several private keys in it.
    SeveralKeys {
        /// How many.
        count: u64,
    },
    /// There is no certificate in it.
    NoCertificate,
    /// None of its certificates is that of the key.
    KeyOfAnother,
    /// The private key is encrypted by itself.
    KeyEncrypted,
    /// The private key is damaged, or of a kind that TLS can't sign with here.
    KeyUnusable {
        /// The kind of the key of the first certificate, as [`crate::certificate::Certificate::key`]; empty where it isn't known.
        kind: String,
    },
    /// It is a Java store, whose way to encrypt keys is no standard.
    JavaStore,
}

impl From<ImportError> for ClientCertificateError {
    fn from(error: ImportError) -> Self {
        Self::File(error)
    }
}
