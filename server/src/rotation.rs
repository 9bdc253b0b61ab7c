//! Rotation: another data key takes over from the one before, secret by secret, and another key-encryption key from the one in
//! the key file. Whenever it breaks off everything is readable, with the key file of before or with the new one, and the next
//! start or rotation goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::error::Problem;
use serde::{Deserialize, Serialize};

use crate::data::Data;
use crate::data_dir::{DataDir, StartError, plain};
use crate::key_file::{self, KeySource};
use crate::seal::{Kek, Key};
use crate::vault::Resealed;

/// What is done, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// There is a new data key.
    DataKeyMade,
    /// So many secrets were looked at, of so many.
    Sealed {
        /// How many.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// No secret needs the data keys of before any more.
    DataKeysRetired,
    /// The new key-encryption key is on the disk.
    KeyWritten {
        /// In which file.
        path: PathBuf,
    },
    /// It opens the database, and the one before doesn't any more.
    KeysWrapped,
    /// Its file is the one that the next start reads.
    KeyInPlace,
}

/// What a rotation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The secrets.
    pub secrets: Resealed,
    /// Where the key-encryption key is now.
    pub key: KeySource,
    /// Whether it is another one.
    pub replaced: bool,
}

/// Why a rotation didn't come to its end. Everything is readable.
#[derive(Clone, Debug, PartialEq)]
pub enum RotateError {
    /// Another one is under way.
    Busy,
    /// The new key-encryption key can't be had.
    Key(StartError),
    /// The new key-encryption key is the one there is.
    SameKey(PathBuf),
    /// The store failed.
    Store(Problem),
}

impl From<Problem> for RotateError {
    fn from(problem: Problem) -> Self {
        Self::Store(problem)
    }
}

/// Seals every secret with a new data key, and then wraps the data keys with a new key-encryption key: the one in `new_key`,
/// which is made if there is no such file; without it, a new one where the key is the data directory's own, and none where it
/// isn't. `step` hears of each transaction and each change of a file; where it fails, the rotation ends there.
///
/// # Errors
/// [`RotateError`].
pub fn rotate(
    data: &Data,
    new_key: Option<&Path>,
    step: &mut dyn FnMut(Step) -> Result<(), Problem>,
) -> Result<Rotated, RotateError> {
    let mut source = data.key().ok_or(RotateError::Busy)?;
    let (store, vault) = (data.store(), data.vault());
    vault.settle_kek(store)?;
    // Where a rotation ended before the key that counts was put in its place, it is the next one still: it must not be taken for
    // one that was never used.
    if key_file::load_next(data.dir()).is_some_and(|next| next.key().bytes() == vault.kek().key().bytes()) {
        key_file::promote_next(data.dir()).map_err(|error| disk(&data.dir().next_key(), &error))?;
    }
    let named = new_key.map(|path| named_key(data, path)).transpose()?;

    vault.add_data_key(store)?;
    step(Step::DataKeyMade)?;
    let secrets = vault.finish(store, &mut |done, total| step(Step::Sealed { done, total }))?;
    step(Step::DataKeysRetired)?;

    let replaced = match (named, new_key, &*source) {
        (Some(kek), Some(path), _) => {
            step(Step::KeyWritten { path: path.to_owned() })?;
            vault.rewrap(store, kek)?;
            step(Step::KeysWrapped)?;
            let before = std::mem::replace(&mut *source, KeySource::Named(path.to_owned()));
            if matches!(before, KeySource::Own(_)) {
                remove_own(data.dir())?;
            }
            step(Step::KeyInPlace)?;
            true
        }
        (_, _, KeySource::Own(path)) => {
            replace_own(data, path, step)?;
            true
        }
        _ => false,
    };
    Ok(Rotated { secrets, key: source.clone(), replaced })
}

/// The key in the file that the administrator names. It is there, and can be read, before anything is changed.
fn named_key(data: &Data, path: &Path) -> Result<Arc<Kek>, RotateError> {
    let kek = key_file::load_or_make_named(path, data.random()).map_err(RotateError::Key)?;
    if kek.key().bytes() == data.vault().kek().key().bytes() {
        return Err(RotateError::SameKey(path.to_owned()));
    }
    Ok(Arc::new(kek))
}

fn replace_own(data: &Data, path: &Path, step: &mut dyn FnMut(Step) -> Result<(), Problem>) -> Result<(), RotateError> {
    let dir = data.dir();
    let disk = |error: io::Error| disk(path, &error);
    let kek = Arc::new(Kek::new(Key::random(data.random())));
    key_file::write_next(dir, kek.key()).map_err(disk)?;
    step(Step::KeyWritten { path: dir.next_key() })?;
    if let Err(problem) = data.vault().rewrap(data.store(), kek) {
        if !matches!(problem, Problem::OutcomeUnknown { .. }) {
            // Nothing is wrapped with it. What stays of the file the next start removes.
            let _ = key_file::discard_next(dir);
        }
        return Err(problem.into());
    }
    step(Step::KeysWrapped)?;
    key_file::promote_next(dir).map_err(disk)?;
    step(Step::KeyInPlace)?;
    Ok(())
}

/// Removes the data directory's own key, which opens nothing any more.
fn remove_own(dir: &DataDir) -> Result<(), RotateError> {
    let removed = match fs::remove_file(dir.key()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| dir.sync()),
    };
    removed.map_err(|error| disk(&dir.key(), &error))
}

fn disk(path: &Path, error: &io::Error) -> RotateError {
    RotateError::Key(StartError::Disk { path: path.to_owned(), detail: plain(error) })
}
