//! Files: what applications hand over and what download links stand for. [`Files`] is the narrow port to where they lie;
//! [`Folder`] keeps them in the data directory, an object store would be one more module. Which of them are needed, `links` knows.
//!
//! The crate `object_store` was tried for the folder and left: its files are readable by whoever the umask lets, what a killed process
//! left unfinished is listed and removed by nobody, and it reads 8 KiB at a time, which costs a download most of its speed.

mod folder;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use domain::error::Problem;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

pub use folder::{Folder, Limits};

use crate::ports::Random;

/// The bytes of a file that say what it is: its first ones.
pub const HEAD: usize = 1024;

/// Where files lie. Nothing here is ever changed once it is stored.
#[async_trait]
pub trait Files: Send + Sync {
    /// Begins to take a file.
    ///
    /// # Errors
    /// [`Problem::NoRoom`], or what went wrong with the disk.
    async fn begin(&self) -> Result<Box<dyn Incoming>, Problem>;

    /// The bytes of a file from `from` to before `to`, in large pieces. A piece is read when the one before is taken, or at most one
    /// piece earlier.
    ///
    /// # Errors
    /// [`Problem::Corrupt`] where there is no such file or it is shorter, or what went wrong with the disk.
    async fn open(&self, id: &FileId, from: u64, to: u64) -> Result<BoxStream<'static, io::Result<Bytes>>, Problem>;

    /// Removes a file, if it is there. Who reads it at the moment reads on.
    ///
    /// # Errors
    /// What went wrong with the disk.
    async fn remove(&self, id: &FileId) -> Result<(), Problem>;

    /// Removes what nobody needs: every file that isn't in `keep` and that nobody wrote to for `older_than`. Says how many went.
    ///
    /// # Errors
    /// What went wrong with the disk.
    async fn sweep(&self, keep: &HashSet<FileId>, older_than: Duration) -> Result<u64, Problem>;

    /// How much of the quota is taken, with what is arriving: bytes.
    ///
    /// # Errors
    /// What went wrong with the disk.
    async fn used(&self) -> Result<u64, Problem>;
}

/// A file that is arriving. Dropped before it is finished, it leaves nothing.
#[async_trait]
pub trait Incoming: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Problem::NoRoom`], or what went wrong with the disk. Then nothing of it is kept, whatever follows.
    async fn push(&mut self, bytes: Bytes) -> Result<(), Problem>;

    /// Ends it: whole and durable once this returns.
    ///
    /// # Errors
    /// As [`Incoming::push`].
    async fn finish(self: Box<Self>) -> Result<StoredFile, Problem>;
}

/// A file that is whole and durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Which.
    pub id: FileId,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// The first of them, at most [`HEAD`].
    pub head: Vec<u8>,
}

/// Names a stored file: 128 random bits in hexadecimal. It is no part of any address and no name of a person's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileId(String);

impl FileId {
    /// Bytes of an id.
    const LENGTH: usize = 16;

    /// A new one.
    pub fn draw(random: &dyn Random) -> Self {
        let mut bytes = [0; Self::LENGTH];
        random.fill(&mut bytes);
        Self(hex(&bytes))
    }

    /// The text, which is a name for a file on every system.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({})", self.0)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<FileId> for String {
    fn from(id: FileId) -> Self {
        id.0
    }
}

/// What was stored may have been changed by somebody: an id is never more than its 32 digits.
impl TryFrom<String> for FileId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 2 * Self::LENGTH && text.bytes().all(digit) { Ok(Self(text)) } else { Err("it isn't the id of a file") }
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Files that somebody works with, and that no link may stand for yet: no sweep takes them.
#[derive(Clone, Debug, Default)]
pub struct InUse(Arc<Mutex<HashMap<FileId, usize>>>);

impl InUse {
    /// Holds a file until what is returned is dropped.
    #[must_use]
    pub fn hold(&self, id: FileId) -> Held {
        *self.table().entry(id.clone()).or_default() += 1;
        Held { all: self.clone(), id }
    }

    /// Those that are held.
    pub fn ids(&self) -> HashSet<FileId> {
        self.table().keys().cloned().collect()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<FileId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is held.
#[derive(Debug)]
pub struct Held {
    all: InUse,
    id: FileId,
}

impl Held {
    /// Which.
    pub const fn id(&self) -> &FileId {
        &self.id
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.all.table();
        if let Some(count) = table.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.id);
            }
        }
    }
}

/// Nowhere for files to lie: takes none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

#[async_trait]
impl Files for NoFiles {
    async fn begin(&self) -> Result<Box<dyn Incoming>, Problem> {
        Err(Problem::NoRoom { quota: Some(0) })
    }

    async fn open(&self, id: &FileId, _: u64, _: u64) -> Result<BoxStream<'static, io::Result<Bytes>>, Problem> {
        Err(Problem::Corrupt { detail: format!("there is no file {id}") })
    }

    async fn remove(&self, _: &FileId) -> Result<(), Problem> {
        Ok(())
    }

    async fn sweep(&self, _: &HashSet<FileId>, _: Duration) -> Result<u64, Problem> {
        Ok(0)
    }

    async fn used(&self) -> Result<u64, Problem> {
        Ok(0)
    }
}
