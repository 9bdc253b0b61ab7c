//! The machine's own authorities: read once, by whoever first needs them, and kept for all.

use std::ffi::OsString;
use std::sync::OnceLock;

use rustls_native_certs::CertificateResult;

use super::anchors::Anchors;

/// The machine's authorities, as they were found.
#[derive(Clone, Debug, Default)]
pub struct SystemAuthorities {
    /// How many there are.
    pub count: usize,
    /// Where they come from: files and directories, or "the system's store". Empty where there is no such place.
    pub source: String,
    /// What went wrong while they were read.
    pub error: Option<String>,
}

/// The machine's authorities, as they were found: [`Trust`](super::Trust) relies on exactly these. Reads files if nobody did so
/// before.
pub fn system_authorities() -> SystemAuthorities {
    read().found.clone()
}

pub(super) struct System {
    pub(super) anchors: Anchors,
    found: SystemAuthorities,
}

static SYSTEM: OnceLock<System> = OnceLock::new();

/// Reads them, unless that is done.
pub(super) fn read() -> &'static System {
    SYSTEM.get_or_init(|| System::of(rustls_native_certs::load_native_certs(), source()))
}

/// Reads them where it may block.
pub(super) async fn ready() {
    if SYSTEM.get().is_none() {
        // Whoever needs them next tries again.
        let _broken_off = tokio::task::spawn_blocking(|| {
            read();
        })
        .await;
    }
}

impl System {
    fn of(loaded: CertificateResult, source: String) -> Self {
        /// A directory may hold as many wrong files as it likes.
        const SHOWN: usize = 3;
        let anchors = Anchors::new(loaded.certs, false);
        let errors: Vec<String> = loaded.errors.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = loaded.errors.len().saturating_sub(SHOWN);
        let error = match more {
            0 => errors.join("; "),
            _ => format!("{}; and {more} more", errors.join("; ")),
        };
        let found = SystemAuthorities { count: anchors.len(), source, error: Some(error).filter(|error| !error.is_empty()) };
        Self { anchors, found }
    }
}

/// Where [`rustls_native_certs`] reads: what the environment names, else what the system has.
fn source() -> String {
    named(std::env::var_os("SSL_CERT_FILE"), std::env::var_os("SSL_CERT_DIR")).unwrap_or_else(platform)
}

/// The file and the directories that are named instead of the system's.
fn named(file: Option<OsString>, directories: Option<OsString>) -> Option<String> {
    let file = file.map(|file| format!("{} (SSL_CERT_FILE)", file.display()));
    let directories = directories.filter(|paths| std::env::split_paths(paths).any(|path| !path.as_os_str().is_empty()));
    let directories = directories.map(|paths| format!("{} (SSL_CERT_DIR)", paths.display()));
    let all: Vec<String> = file.into_iter().chain(directories).collect();
    Some(all.join(", ")).filter(|all| !all.is_empty())
}

#[cfg(all(unix, not(target_os = "macos")))]
fn platform() -> String {
    let found = openssl_probe::probe();
    let paths: Vec<String> = found.cert_file.iter().chain(&found.cert_dir).map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn platform() -> String {
    "the system's store".into()
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustls_native_certs::{Error, ErrorKind};

    use super::*;

    #[test]
    fn what_was_found_is_told_with_the_first_errors() {
        let authority = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.der().clone();
        let error = |path: &str| {
            let kind = ErrorKind::Io { inner: io::Error::from(io::ErrorKind::PermissionDenied), path: path.into() };
            Error { context: "failed to open file", kind }
        };
        let loaded = |errors: &[&str]| {
            let mut loaded = CertificateResult::default();
            loaded.certs = vec![authority.clone(), b"no certificate".to_vec().into()];
            loaded.errors = errors.iter().copied().map(error).collect();
            System::of(loaded, "/etc/ssl/certs".into()).found
        };
        let found = loaded(&[]);
        assert_eq!((found.count, found.source.as_str(), found.error), (1, "/etc/ssl/certs", None));
        assert_eq!(loaded(&["/a"]).error.unwrap(), "failed to open file: permission denied at '/a'");
        let many = loaded(&["/a", "/b", "/c", "/d", "/e"]).error.unwrap();
        assert!(many.ends_with("at '/c'; and 2 more") && !many.contains("/d"), "{many}");
    }

    #[cfg(unix)]
    #[test]
    fn what_the_environment_names_stands_for_the_system() {
        let os = |text: &str| Some(OsString::from(text));
        assert_eq!(named(None, None), None);
        assert_eq!(named(None, os("")), None);
        assert_eq!(named(None, os(":")), None);
        assert_eq!(named(os("/a.pem"), None).unwrap(), "/a.pem (SSL_CERT_FILE)");
        assert_eq!(named(os("/a.pem"), os("/b:/c")).unwrap(), "/a.pem (SSL_CERT_FILE), /b:/c (SSL_CERT_DIR)");
    }
}
