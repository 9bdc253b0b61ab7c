//! Where the key-encryption key is kept: a systemd credential, a file that the administrator names, or one that is made in the
//! data directory. What it opens is the affair of `seal`.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::data_dir::{DataDir, StartError, key_in, plain, private_file};
use crate::ports::Random;
use crate::seal::{KEY_LENGTH, Kek, Key};

/// The name of the systemd credential, in the directory that `$CREDENTIALS_DIRECTORY` names.
pub const CREDENTIAL: &str = "postroom-key";

/// Where the key-encryption key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A credential that systemd hands to the service.
    Credential(PathBuf),
    /// The file that `--key-file` names.
    Named(PathBuf),
    /// The data directory's own file.
    Own(PathBuf),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            Self::Credential(_) => write!(f, "{path} (a systemd credential)"),
            Self::Named(_) => write!(f, "{path} (given by --key-file)"),
            Self::Own(_) => write!(f, "{path}"),
        }
    }
}

impl KeySource {
    /// The credential if there is one, else the file that was named, else the one in the data directory.
    pub fn choose(credentials: Option<&OsStr>, named: Option<&Path>, data_dir: &Path) -> Self {
        let credential = credentials.filter(|dir| !dir.is_empty()).map(|dir| Path::new(dir).join(CREDENTIAL));
        // One that can't be looked at is there, too: it is better refused than silently replaced by another key.
        match (credential.filter(|path| fs::exists(path).unwrap_or(true)), named) {
            (Some(path), _) => Self::Credential(path),
            (None, Some(path)) => Self::Named(path.to_owned()),
            (None, None) => Self::Own(key_in(data_dir)),
        }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Credential(path) | Self::Named(path) | Self::Own(path) => path,
        }
    }

    /// The permissions that nobody may have but those the key is for.
    ///
    /// systemd keeps credentials in a directory of the service's own, in memory that is never swapped, and lets the service in
    /// by an access-control list: the mode's bits for the group show the list's mask then, and no group. What is for everyone
    /// is wrong there, too.
    const fn forbidden(&self) -> u32 {
        match self {
            Self::Credential(_) => 0o007,
            Self::Named(_) | Self::Own(_) => 0o077,
        }
    }

    /// Reads the key.
    ///
    /// # Errors
    /// [`StartError::KeyMissing`], [`StartError::KeyExposed`], [`StartError::KeyMalformed`] or [`StartError::Disk`].
    pub fn load(&self) -> Result<Kek, StartError> {
        let key = || self.clone();
        let path = self.path();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => StartError::KeyMissing { key: key() },
            _ => StartError::Disk { path: path.to_owned(), detail: plain(&error) },
        };
        let metadata = fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(StartError::KeyMalformed { key: key(), length: 0 });
        }
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
            if mode & self.forbidden() != 0 {
                return Err(StartError::KeyExposed { key: key(), mode });
            }
        }
        if metadata.len() != KEY_LENGTH as u64 {
            return Err(StartError::KeyMalformed { key: key(), length: metadata.len() });
        }
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        File::open(path).and_then(|mut file| file.read_exact(bytes.as_mut_slice())).map_err(failed)?;
        Ok(Kek::new(Key::new(bytes)))
    }

    /// The key for a database that is yet to be made: the one that is there; where it would be the data directory's own, a new
    /// one if need be, durable before this returns.
    ///
    /// # Errors
    /// As [`KeySource::load`].
    pub fn load_or_make(&self, dir: &DataDir, random: &dyn Random) -> Result<Kek, StartError> {
        match (self.load(), self) {
            (Err(StartError::KeyMissing { .. }), Self::Own(path)) => {
                let disk = |error: io::Error| StartError::Disk { path: path.clone(), detail: plain(&error) };
                write_next(dir, &Key::random(random)).map_err(disk)?;
                promote_next(dir).map_err(disk)?;
                self.load()
            }
            (other, _) => other,
        }
    }
}

/// Writes what is to be the data directory's own key next, beside the one it has. When this returns it is durable. Nobody else
/// can do so meanwhile: the directory is locked.
///
/// # Errors
/// What the system says.
pub fn write_next(dir: &DataDir, key: &Key) -> io::Result<()> {
    discard_next(dir)?;
    write_new(&dir.next_key(), key)?;
    dir.sync()
}

/// Puts the key that [`write_next`] wrote in the place of the one before: at any moment there is one or the other, whole.
///
/// # Errors
/// What the system says.
pub fn promote_next(dir: &DataDir) -> io::Result<()> {
    fs::rename(dir.next_key(), dir.key())?;
    dir.sync()
}

/// Removes what [`write_next`] wrote, or what was left of it.
///
/// # Errors
/// What the system says.
pub fn discard_next(dir: &DataDir) -> io::Result<()> {
    match fs::remove_file(dir.next_key()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The key that was written to follow the data directory's own and never took its place, if it is whole.
pub fn load_next(dir: &DataDir) -> Option<Kek> {
    KeySource::Own(dir.next_key()).load().ok()
}

/// The key in a file that the administrator names: the one that is there, or a new one, durable before this returns.
///
/// # Errors
/// As [`KeySource::load`].
pub fn load_or_make_named(path: &Path, random: &dyn Random) -> Result<Kek, StartError> {
    let source = KeySource::Named(path.to_owned());
    match source.load() {
        Err(StartError::KeyMissing { .. }) => {}
        other => return other,
    }
    let disk = |error: io::Error| StartError::Disk { path: path.to_owned(), detail: plain(&error) };
    write_new(path, &Key::random(random)).map_err(disk)?;
    sync_parent(path).map_err(disk)?;
    source.load()
}

/// Writes a key where no file is. What stays of a file that could not be written whole is removed.
fn write_new(path: &Path, key: &Key) -> io::Result<()> {
    let mut file = private_file().create_new(true).open(path)?;
    let written = file.write_all(key.bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// Makes the name of a file durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::ports::SystemRandom;

    fn put(path: &Path, length: usize, mode: u32) {
        fs::write(path, vec![7; length]).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_credential_goes_before_a_named_file_and_that_before_the_directorys_own() {
        let dir = tempfile::tempdir().unwrap();
        let (credentials, named, data) = (dir.path().join("credentials"), dir.path().join("named"), dir.path().join("data"));
        let choose = |named| KeySource::choose(Some(credentials.as_os_str()), named, &data);
        assert_eq!(choose(None), KeySource::Own(data.join("postroom.key")));
        assert_eq!(choose(Some(&named)), KeySource::Named(named.clone()), "also where it is missing");
        fs::create_dir(&credentials).unwrap();
        assert_eq!(choose(Some(&named)), KeySource::Named(named.clone()), "other credentials are none of ours");
        put(&credentials.join(CREDENTIAL), KEY_LENGTH, 0o400);
        assert_eq!(choose(Some(&named)), KeySource::Credential(credentials.join(CREDENTIAL)));
        assert_eq!(KeySource::choose(Some(OsStr::new("")), None, &data), KeySource::Own(data.join("postroom.key")));
    }

    #[test]
    fn only_a_credential_may_show_bits_of_a_group() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let (credential, named, own) =
            (KeySource::Credential(path.clone()), KeySource::Named(path.clone()), KeySource::Own(path.clone()));
        put(&path, KEY_LENGTH, 0o440);
        assert!(credential.load().is_ok());
        for source in [named.clone(), own] {
            assert_eq!(source.load().unwrap_err(), StartError::KeyExposed { key: source, mode: 0o440 });
        }
        put(&path, KEY_LENGTH, 0o444);
        assert_eq!(credential.load().unwrap_err(), StartError::KeyExposed { key: credential.clone(), mode: 0o444 });
        put(&path, KEY_LENGTH - 1, 0o600);
        assert_eq!(named.load().unwrap_err(), StartError::KeyMalformed { key: named.clone(), length: 31 });
    }

    #[test]
    fn a_key_is_made_only_in_the_data_directory_and_never_in_the_place_of_another() {
        let outer = tempfile::tempdir().unwrap();
        let dir = DataDir::open(outer.path()).unwrap();
        let elsewhere = outer.path().join("elsewhere");
        for source in [KeySource::Credential(elsewhere.clone()), KeySource::Named(elsewhere.clone())] {
            let error = source.load_or_make(&dir, &SystemRandom).unwrap_err();
            assert_eq!(error, StartError::KeyMissing { key: source });
            assert!(!elsewhere.exists() && !dir.key().exists());
        }
        let own = KeySource::Own(dir.key());
        fs::write(dir.next_key(), "half").unwrap();
        let made = own.load_or_make(&dir, &SystemRandom).unwrap();
        assert_eq!(own.load_or_make(&dir, &SystemRandom).unwrap().key().bytes(), made.key().bytes());
        assert_eq!(fs::metadata(dir.key()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!dir.next_key().exists());

        let named = load_or_make_named(&elsewhere, &SystemRandom).unwrap();
        assert_ne!(named.key().bytes(), made.key().bytes());
        assert_eq!(load_or_make_named(&elsewhere, &SystemRandom).unwrap().key().bytes(), named.key().bytes());
        assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
