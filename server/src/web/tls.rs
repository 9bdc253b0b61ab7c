//! TLS for the page itself: a certificate and its key in PEM files, read anew when they change, so that whoever renews them has
//! nothing to restart.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::data_dir::plain;

/// How often is looked whether the files changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The most bytes of a file: a long chain has some 20 KB.
const MAX_FILE: u64 = 1 << 20;

/// Why files can't be used.
#[derive(Debug)]
pub enum TlsFileError {
    /// A file can't be read.
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is larger than any certificate.
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// Others may read the key.
    Exposed {
        /// Which.
        path: PathBuf,
    },
    /// There is no certificate in it.
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// There is no key in it, or one that is locked by a password.
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key don't fit together, or can't be used.
    Unusable {
        /// What rustls said.
        detail: String,
    },
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "{} can't be read ({}).", path.display(), plain(error)),
            Self::TooLarge { path } => write!(f, "{} is larger than any certificate; name another file.", path.display()),
            Self::Exposed { path } => {
                write!(f, "{} can be read by everybody on this machine; make it private with chmod o= first.", path.display())
            }
            Self::NoCertificate { path } => write!(f, "{} has no certificate in it; PEM is expected.", path.display()),
            Self::NoKey { path } => write!(f, "{} has no private key without a password in it; PEM is expected.", path.display()),
            Self::Unusable { detail } => write!(f, "Certificate and key can't be used together ({detail})."),
        }
    }
}

/// The files of certificate and key.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those above it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// What an acceptor of connections needs, and what keeps it current.
    ///
    /// # Errors
    /// [`TlsFileError`].
    pub fn load(self) -> Result<PageTls, TlsFileError> {
        let seen = self.stamp();
        let current = Arc::new(Current(RwLock::new(Arc::new(self.read()?))));
        let versions =
            ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| TlsFileError::Unusable { detail: error.to_string() })?;
        let mut config = versions.with_no_client_auth().with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(PageTls { acceptor: Arc::new(config).into(), files: self, current, seen })
    }

    fn read(&self) -> Result<CertifiedKey, TlsFileError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(&self.certificate)?)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsFileError::NoCertificate { path: self.certificate.clone() })?;
        if chain.is_empty() {
            return Err(TlsFileError::NoCertificate { path: self.certificate.clone() });
        }
        check_private(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&zeroize::Zeroizing::new(read(&self.key)?))
            .map_err(|_| TlsFileError::NoKey { path: self.key.clone() })?;
        CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| TlsFileError::Unusable { detail: error.to_string() })
    }

    /// What tells one state of the files from another.
    fn stamp(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.certificate, &self.key]
            .map(|path| fs::metadata(path).ok().and_then(|file| Some((file.modified().ok()?, file.len()))))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let failed = |error| TlsFileError::Read { path: path.to_owned(), error };
    if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(TlsFileError::TooLarge { path: path.to_owned() });
    }
    fs::read(path).map_err(failed)
}

/// A group may read it: that is how renewing programs hand keys to services.
#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), TlsFileError> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(path).map_err(|error| TlsFileError::Read { path: path.to_owned(), error })?;
    if file.mode().trailing_zeros() >= 3 { Ok(()) } else { Err(TlsFileError::Exposed { path: path.to_owned() }) }
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), TlsFileError> {
    Ok(())
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// TLS for connections, whose certificate follows its files.
pub struct PageTls {
    acceptor: TlsAcceptor,
    files: TlsFiles,
    current: Arc<Current>,
    seen: [Option<(SystemTime, u64)>; 2],
}

impl PageTls {
    /// Makes encrypted connections of those that arrive.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Follows the files, for ever. What can't be used is logged, and the certificate of before is shown on.
    pub async fn follow(mut self) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self = match tokio::task::spawn_blocking(move || {
                self.look();
                self
            })
            .await
            {
                Ok(looked) => looked,
                Err(error) => {
                    tracing::error!(%error, "following the certificate's files broke off");
                    return;
                }
            };
        }
    }

    /// Reads the files if they changed. Whether another certificate is shown from now on.
    pub fn look(&mut self) -> bool {
        let stamp = self.files.stamp();
        if stamp == self.seen {
            return false;
        }
        match self.files.read() {
            Ok(read) => {
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                self.seen = stamp;
                tracing::info!(path = %self.files.certificate.display(), "read the page's certificate anew");
                true
            }
            Err(error) => {
                // One of two files was replaced, perhaps: the next look sees both. It is said once a state.
                if self.seen != stamp {
                    tracing::warn!(%error, "the page's certificate changed and can't be used; the one before is shown on");
                }
                self.seen = stamp;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = TlsFiles { certificate: dir.join("page.pem"), key: dir.join("page.key") };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        private(&files.key, 0o640);
        files
    }

    fn private(path: &Path, mode: u32) {
        #[cfg(unix)]
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let _ = (path, mode);
    }

    fn shown(tls: &PageTls) -> Vec<u8> {
        tls.current.0.read().unwrap().cert[0].to_vec()
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut tls = write(dir.path(), "post.example.com").load().unwrap();
        let first = shown(&tls);
        assert!(!tls.look(), "nothing changed");
        let files = write(dir.path(), "post.example.com.renewed.example.com");
        assert!(tls.look());
        let second = shown(&tls);
        assert_ne!(first, second);
        fs::write(&files.certificate, "half").unwrap();
        assert!(!tls.look());
        assert_eq!(shown(&tls), second, "the one of before");
        write(dir.path(), "third.example.com");
        assert!(tls.look());
        assert_ne!(shown(&tls), second);
    }

    #[test]
    fn files_that_cannot_be_used_say_why() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |files: &TlsFiles| files.clone().load().err().unwrap().to_string();
        let missing = TlsFiles { certificate: dir.path().join("no.pem"), key: dir.path().join("no.key") };
        assert!(refused(&missing).contains("no.pem can't be read"), "{}", refused(&missing));
        let files = write(dir.path(), "a.example.com");
        let other = tempfile::tempdir().unwrap();
        let other = write(other.path(), "b.example.com");
        let mixed = TlsFiles { key: other.key, ..files.clone() };
        assert!(refused(&mixed).contains("can't be used together"), "{}", refused(&mixed));
        let swapped = TlsFiles { certificate: files.key.clone(), key: files.key.clone() };
        assert!(refused(&swapped).contains("no certificate"), "{}", refused(&swapped));
        let keyless = TlsFiles { certificate: files.certificate.clone(), key: files.certificate.clone() };
        private(&keyless.key, 0o600);
        assert!(refused(&keyless).contains("no private key"), "{}", refused(&keyless));
        #[cfg(unix)]
        {
            private(&files.key, 0o644);
            assert!(refused(&files).contains("chmod"), "{}", refused(&files));
        }
    }
}
