//! The data directory: where it is, that it is ours alone, and why the program can't start with it. What is in its files
//! is the affair of `store` and `key_file`.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::key_file::KeySource;

/// A data directory that this process holds alone, as long as a clone of this value lives.
#[derive(Clone, Debug)]
pub struct DataDir(Arc<Held>);

#[derive(Debug)]
struct Held {
    path: PathBuf,
    /// Locked; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing, and takes it for this process.
    ///
    /// # Errors
    /// [`StartError::DirectoryUnusable`] or [`StartError::InUse`].
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let unusable = |error: io::Error| StartError::DirectoryUnusable { path: path.to_owned(), detail: plain(&error) };
        create_private(path).map_err(unusable)?;
        if !fs::metadata(path).map_err(unusable)?.is_dir() {
            return Err(unusable(io::ErrorKind::NotADirectory.into()));
        }
        let lock = private_file().read(true).create(true).truncate(false).open(path.join("postroom.lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self(Arc::new(Held { path: path.to_owned(), _lock: lock }))),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        database_in(&self.0.path)
    }

    /// The file of the key-encryption key, where it is the directory's own.
    pub fn key(&self) -> PathBuf {
        key_in(&self.0.path)
    }

    /// The file of the key that is about to take the place of that one.
    pub fn next_key(&self) -> PathBuf {
        self.0.path.join("postroom.key.new")
    }

    /// The socket through which the command line asks the program that serves.
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.0.path)
    }

    /// The folder of the files that download links stand for.
    pub fn attachments(&self) -> PathBuf {
        self.0.path.join("attachments")
    }

    /// Makes the names in the directory durable: what was created or renamed in it stays so.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        File::open(&self.0.path)?.sync_all()?;
        Ok(())
    }
}

/// The file of the key-encryption key in a data directory.
pub(crate) fn key_in(data_dir: &Path) -> PathBuf {
    data_dir.join("postroom.key")
}

/// The socket in a data directory.
pub(crate) fn socket_in(data_dir: &Path) -> PathBuf {
    data_dir.join("postroom.sock")
}

/// The database in a data directory.
pub(crate) fn database_in(data_dir: &Path) -> PathBuf {
    data_dir.join("postroom.redb")
}

/// Makes the directory, for its owner only; one that exists keeps its mode.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Options for a file that only its owner may read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// What the system said, without the number of the error.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// Why the program can't start with a data directory. Whatever it is, no file of the directory was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The directory can't be made or written to, or is none.
    DirectoryUnusable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// Another process has it.
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// The database has no bytes at all.
    DatabaseEmpty {
        /// Its file.
        path: PathBuf,
    },
    /// The database is something else: another program's file, or no file.
    DatabaseForeign {
        /// Its file.
        path: PathBuf,
    },
    /// The database was cut off or changed outside this program.
    DatabaseDamaged {
        /// Its file.
        path: PathBuf,
        /// What doesn't fit.
        detail: String,
    },
    /// A later version of this program wrote the database.
    DatabaseNewer {
        /// Its file.
        path: PathBuf,
        /// The schema it has.
        found: u64,
        /// The latest schema this program knows.
        known: u64,
    },
    /// There is a database, but not the key to its secrets.
    KeyMissing {
        /// Where the key should be.
        key: KeySource,
    },
    /// Others than its owner may read the key.
    KeyExposed {
        /// Where it is.
        key: KeySource,
        /// The permissions it has.
        mode: u32,
    },
    /// The key isn't 32 bytes long.
    KeyMalformed {
        /// Where it is.
        key: KeySource,
        /// The bytes it has.
        length: u64,
    },
    /// The key belongs to another database.
    KeyWrong {
        /// Where it is.
        key: KeySource,
    },
    /// The disk failed, or is full.
    Disk {
        /// The file it failed on.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
}

impl StartError {
    /// The exit code of the process.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::DirectoryUnusable { .. } => 3,
            Self::InUse { .. } => 4,
            Self::DatabaseEmpty { .. } => 5,
            Self::DatabaseForeign { .. } => 6,
            Self::DatabaseDamaged { .. } => 7,
            Self::DatabaseNewer { .. } => 8,
            Self::KeyMissing { .. } => 9,
            Self::KeyExposed { .. } => 10,
            Self::KeyMalformed { .. } => 11,
            Self::KeyWrong { .. } => 12,
            Self::Disk { .. } => 13,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectoryUnusable { path, detail } => {
                write!(f, "The data directory {} can't be used ({detail}); choose another with --data-dir.", path.display())
            }
            Self::InUse { path } => {
                write!(
                    f,
                    "Another Postroom is using the data directory {}; stop it, or choose another with --data-dir.",
                    path.display()
                )
            }
            Self::DatabaseEmpty { path } => {
                write!(
                    f,
                    "The database {} is an empty file; restore the back-up, or remove the file to start anew.",
                    path.display()
                )
            }
            Self::DatabaseForeign { path } => {
                write!(f, "{} isn't a database of Postroom; move it away, or choose another --data-dir.", path.display())
            }
            Self::DatabaseDamaged { path, detail } => {
                write!(f, "The database {} is damaged ({detail}) and was left as it is; restore the back-up.", path.display())
            }
            Self::DatabaseNewer { path, found, known } => {
                write!(
                    f,
                    "The database {} was written by a newer Postroom (schema {found}, this one knows {known}); start that one.",
                    path.display()
                )
            }
            Self::KeyMissing { key: key @ KeySource::Own(_) } => {
                write!(f, "The key {key} is missing, and without it no stored password can be read; restore it from the back-up.")
            }
            Self::KeyMissing { key } => {
                write!(
                    f,
                    "The key {key} is missing, and without it no stored password can be read; restore it from the back-up, or write 32 \
                     random bytes there before the first start."
                )
            }
            Self::KeyExposed { key, mode } => {
                write!(
                    f,
                    "Others may read the key {key} (mode {mode:04o}); run chmod 600 on it, and change the passwords if someone did."
                )
            }
            Self::KeyMalformed { key, length } => {
                write!(f, "The key {key} has {length} bytes instead of 32; restore it from the back-up.")
            }
            Self::KeyWrong { key } => {
                write!(f, "The key {key} belongs to another database; restore the one that was backed up with it.")
            }
            Self::Disk { path, detail } => {
                write!(f, "{} can't be read or written ({detail}); see to the disk, then start again.", path.display())
            }
        }
    }
}

impl std::error::Error for StartError {}
