//! Files in a folder of this machine. One arrives under a name of its own, is synced, and only then gets the name it is read under; so
//! whatever has that name is whole, whenever the process ends.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use domain::error::Problem;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use ring::digest::{self, SHA256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{FileId, Files, HEAD, Incoming, StoredFile};
use crate::data_dir::{create_private, plain, private_file};
use crate::ports::Random;

/// How much is read, hashed and written at once: bytes. Larger pieces are hardly faster, and every download holds two.
const PIECE: usize = 256 << 10;
/// After how many bytes the free space is looked at again.
const LOOK_EVERY: u64 = 1 << 20;
/// What a file takes of the quota is a multiple of this: bytes. Empty files fill a disk as well.
const BLOCK: u64 = 4 << 10;
/// What the name of a file ends in while it arrives.
const ARRIVING: &str = ".part";

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For all files together: bytes.
    pub quota: u64,
    /// What stays free on the disk for everything else: bytes.
    pub reserve: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { quota: 10 << 30, reserve: 1 << 30 }
    }
}

/// Says how many bytes are free on the disk of a folder.
type FreeSpace = dyn Fn(&Path) -> io::Result<u64> + Send + Sync;

/// A folder of files, which nobody else writes to.
#[derive(Clone)]
pub struct Folder(Arc<Inner>);

struct Inner {
    path: PathBuf,
    limits: Limits,
    free: Box<FreeSpace>,
    random: Arc<dyn Random + Send + Sync>,
    table: Mutex<Table>,
}

/// What is there.
#[derive(Default)]
struct Table {
    /// What all files take of the quota, those that are arriving included: bytes.
    used: u64,
    /// Those that are arriving.
    arriving: HashSet<FileId>,
}

impl Folder {
    /// Opens a folder; it is made if it is missing, for its owner only. What never arrived is removed.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path, limits: Limits, random: Arc<dyn Random + Send + Sync>) -> io::Result<Self> {
        Self::with_free_space(path, limits, random, free_space)
    }

    /// The same, where `free` says how many bytes are free on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn with_free_space(
        path: &Path,
        limits: Limits,
        random: Arc<dyn Random + Send + Sync>,
        free: impl Fn(&Path) -> io::Result<u64> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        create_private(path)?;
        if let Some(parent) = path.parent() {
            sync_names(parent)?;
        }
        let mut used = 0;
        for found in list(path)? {
            match found.name {
                Name::File(_) => used += charge(found.size),
                Name::Arriving(_) => fs::remove_file(found.path)?,
            }
        }
        let table = Mutex::new(Table { used, ..Table::default() });
        Ok(Self(Arc::new(Inner { path: path.to_owned(), limits, free: Box::new(free), random, table })))
    }
}

#[async_trait]
impl Files for Folder {
    async fn begin(&self) -> Result<Box<dyn Incoming>, Problem> {
        let folder = Arc::clone(&self.0);
        blocking(move || Writer::begin(folder)).await.map(|writer| Box::new(Arriving(Some(Box::new(writer)))) as Box<dyn Incoming>)
    }

    async fn open(&self, id: &FileId, from: u64, to: u64) -> Result<BoxStream<'static, io::Result<Bytes>>, Problem> {
        let path = self.0.file(id);
        let reader = blocking(move || Reader::open(&path, from, to)).await?;
        // The next piece is read while the one before is sent.
        let first = spawn_blocking(move || reader.piece());
        Ok(stream::unfold(Some(first), next_piece).boxed())
    }

    async fn remove(&self, id: &FileId) -> Result<(), Problem> {
        let (folder, id) = (Arc::clone(&self.0), id.clone());
        blocking(move || folder.remove(&id).map_err(|error| failed(&error))).await
    }

    async fn sweep(&self, keep: &HashSet<FileId>, older_than: Duration) -> Result<u64, Problem> {
        let (folder, keep) = (Arc::clone(&self.0), keep.clone());
        blocking(move || folder.sweep(&keep, older_than).map_err(|error| failed(&error))).await
    }

    async fn used(&self) -> Result<u64, Problem> {
        Ok(self.0.table().used)
    }
}

impl Inner {
    fn file(&self, id: &FileId) -> PathBuf {
        self.path.join(id.as_str())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so much more of the quota.
    fn claim(&self, more: u64) -> Result<(), Problem> {
        let mut table = self.table();
        let used = table.used.saturating_add(more);
        if used > self.limits.quota {
            return Err(Problem::NoRoom { quota: Some(self.limits.quota) });
        }
        table.used = used;
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        let mut table = self.table();
        table.used = table.used.saturating_sub(bytes);
    }

    /// Looks whether the disk has room for what may arrive until it is looked at again, from everybody.
    fn check_free(&self) -> Result<(), Problem> {
        let arriving = self.table().arriving.len() as u64;
        let free = (self.free)(&self.path).map_err(|error| failed(&error))?;
        let needed = self.limits.reserve.saturating_add(arriving.saturating_mul(LOOK_EVERY));
        if free < needed { Err(Problem::NoRoom { quota: None }) } else { Ok(()) }
    }

    fn remove(&self, id: &FileId) -> io::Result<()> {
        let path = self.file(id);
        let size = match fs::symlink_metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match fs::remove_file(&path) {
            Ok(()) => {
                self.give_back(charge(size));
                Ok(())
            }
            // Somebody else did at the same time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sweep(&self, keep: &HashSet<FileId>, older_than: Duration) -> io::Result<u64> {
        let mut gone = 0;
        for found in list(&self.path)? {
            // The time is the system's, as that of the files is. One from the future stays.
            let old = found.modified.is_some_and(|at| at.elapsed().is_ok_and(|age| age >= older_than));
            if !old {
                continue;
            }
            match found.name {
                Name::File(id) if !keep.contains(&id) => self.remove(&id)?,
                Name::Arriving(id) if !self.table().arriving.contains(&id) => fs::remove_file(found.path)?,
                Name::File(_) | Name::Arriving(_) => continue,
            }
            gone += 1;
        }
        Ok(gone)
    }
}

/// A file that is being written. It goes unless it is finished.
struct Writer {
    folder: Arc<Inner>,
    id: FileId,
    path: PathBuf,
    file: File,
    hash: digest::Context,
    head: Vec<u8>,
    /// What is to be written with what follows.
    buffer: Vec<u8>,
    /// Bytes that came.
    size: u64,
    /// What it takes of the quota.
    claimed: u64,
    /// At how many bytes the free space is looked at again.
    look_at: u64,
    finished: bool,
}

impl Writer {
    fn begin(folder: Arc<Inner>) -> Result<Self, Problem> {
        let id = FileId::draw(&*folder.random);
        folder.claim(BLOCK)?;
        folder.table().arriving.insert(id.clone());
        let path = folder.path.join(format!("{id}{ARRIVING}"));
        let begun = folder.check_free().and_then(|()| {
            let made = private_file().create_new(true).open(&path);
            made.map_err(|error| failed(&error))
        });
        let file = match begun {
            Ok(file) => file,
            Err(problem) => {
                folder.give_back(BLOCK);
                folder.table().arriving.remove(&id);
                return Err(problem);
            }
        };
        Ok(Self {
            folder,
            id,
            path,
            file,
            hash: digest::Context::new(&SHA256),
            head: Vec::with_capacity(HEAD),
            buffer: Vec::new(),
            size: 0,
            claimed: BLOCK,
            look_at: LOOK_EVERY,
            finished: false,
        })
    }

    /// Whether bytes can wait for more of them.
    fn has_room_for(&self, bytes: &Bytes) -> bool {
        self.buffer.len() + bytes.len() <= PIECE
    }

    /// Counts bytes that came, before they are kept anywhere.
    fn admit(&mut self, bytes: &Bytes) -> Result<(), Problem> {
        let size = self.size.saturating_add(bytes.len() as u64);
        let claimed = charge(size);
        self.folder.claim(claimed.saturating_sub(self.claimed))?;
        self.claimed = self.claimed.max(claimed);
        self.size = size;
        let missing = HEAD - self.head.len();
        self.head.extend(bytes.iter().take(missing));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if self.size >= self.look_at {
            self.folder.check_free()?;
            self.look_at = self.size.saturating_add(LOOK_EVERY);
        }
        for piece in [&std::mem::take(&mut self.buffer), bytes] {
            self.hash.update(piece);
            self.file.write_all(piece).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<StoredFile, Problem> {
        self.write(&[])?;
        let durable = self.file.sync_all().and_then(|()| {
            fs::rename(&self.path, self.folder.file(&self.id))?;
            // From here on it has the name it is read under.
            self.finished = true;
            sync_names(&self.folder.path)
        });
        if let Err(error) = durable {
            if self.finished {
                self.finished = false;
                self.path = self.folder.file(&self.id);
            }
            return Err(failed(&error));
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.clone().finish().as_ref());
        Ok(StoredFile { id: self.id.clone(), size: self.size, sha256, head: std::mem::take(&mut self.head) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.path);
            self.folder.give_back(self.claimed);
        }
        self.folder.table().arriving.remove(&self.id);
    }
}

/// A [`Writer`], which is elsewhere while it writes; `None` once it failed.
struct Arriving(Option<Box<Writer>>);

#[async_trait]
impl Incoming for Arriving {
    async fn push(&mut self, bytes: Bytes) -> Result<(), Problem> {
        let mut writer = self.0.take().ok_or(Problem::Internal)?;
        writer.admit(&bytes)?;
        if writer.has_room_for(&bytes) {
            writer.buffer.extend_from_slice(&bytes);
        } else {
            writer = blocking(move || writer.write(&bytes).map(|()| writer)).await?;
        }
        self.0 = Some(writer);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<StoredFile, Problem> {
        let writer = self.0.take().ok_or(Problem::Internal)?;
        blocking(move || writer.finish()).await
    }
}

/// A part of a file that is being read.
struct Reader {
    file: File,
    left: u64,
}

/// What reading a piece comes to; `None` at the end.
type Piece = Option<(io::Result<Bytes>, Reader)>;

impl Reader {
    fn open(path: &Path, from: u64, to: u64) -> Result<Self, Problem> {
        let missing = |why: &str| Problem::Corrupt { detail: format!("a file of a link: {why}") };
        let mut file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing("it is missing"),
            _ => failed(&error),
        })?;
        let size = file.metadata().map_err(|error| failed(&error))?.len();
        if from > to || to > size {
            return Err(missing("it was cut off"));
        }
        file.seek(SeekFrom::Start(from)).map_err(|error| failed(&error))?;
        Ok(Self { file, left: to - from })
    }

    fn piece(mut self) -> Piece {
        if self.left == 0 {
            return None;
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
        let mut bytes = Vec::with_capacity(wanted);
        let read = (&mut self.file)
            .take(wanted as u64)
            .read_to_end(&mut bytes)
            .and_then(|_| if bytes.len() == wanted { Ok(Bytes::from(bytes)) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
        self.left = if read.is_ok() { self.left - wanted as u64 } else { 0 };
        Some((read, self))
    }
}

async fn next_piece(reading: Option<JoinHandle<Piece>>) -> Option<(io::Result<Bytes>, Option<JoinHandle<Piece>>)> {
    match reading?.await {
        Ok(None) => None,
        Ok(Some((Ok(piece), reader))) => Some((Ok(piece), Some(spawn_blocking(move || reader.piece())))),
        Ok(Some((Err(error), _))) => Some((Err(error), None)),
        Err(error) => Some((Err(io::Error::other(error)), None)),
    }
}

/// A file of the folder.
struct Found {
    name: Name,
    path: PathBuf,
    size: u64,
    modified: Option<std::time::SystemTime>,
}

enum Name {
    File(FileId),
    Arriving(FileId),
}

/// The files of a folder. What doesn't have a name of ours is nobody's business here.
fn list(path: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let (id, arriving) = name.strip_suffix(ARRIVING).map_or((name, false), |id| (id, true));
        let Ok(id) = FileId::try_from(id.to_owned()) else { continue };
        let found = match entry.metadata() {
            Ok(found) if found.is_file() => found,
            Ok(_) => continue,
            // It went meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let name = if arriving { Name::Arriving(id) } else { Name::File(id) };
        all.push(Found { name, path: entry.path(), size: found.len(), modified: found.modified().ok() });
    }
    Ok(all)
}

/// What a file of this size takes of the quota.
const fn charge(size: u64) -> u64 {
    let blocks = size.div_ceil(BLOCK);
    (if blocks == 0 { 1 } else { blocks }).saturating_mul(BLOCK)
}

/// What is free where a folder is, for whoever isn't root: bytes.
#[cfg(unix)]
fn free_space(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Nobody says; a disk that is full says so when it is written to.
#[cfg(not(unix))]
fn free_space(_: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

/// Makes the names in a folder durable.
fn sync_names(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn failed(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Problem::NoRoom { quota: None },
        _ => Problem::Disk { detail: plain(error) },
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    spawn_blocking(work).await.map_err(|_| Problem::Internal)?
}
