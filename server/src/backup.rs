//! Back-ups: everything that is stored, in one file. What is in it is `rows`' affair, how it is kept from being read or changed
//! that of [`container`], and how it becomes a data directory again that of [`restore`].
//!
//! A back-up is of one instant: all of it is read in one transaction, while others go on. It holds the keys themselves, not
//! as they are wrapped on this machine, so it can be restored without the key file, and the key file doesn't open it.

pub mod container;
pub mod passphrase;
pub mod restore;
mod rows;

use std::io::{self, Write};
use std::ops::ControlFlow;

use domain::error::Problem;
use serde::{Deserialize, Serialize};

use self::container::{Protection, Writer};
use self::rows::Counted;
use crate::ports::Random;
use crate::store::{LeftOut, Read, SCHEMA_VERSION, Store};
use crate::vault::{Unopened, Vault};

/// What a back-up says of itself before everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The schema of what is in it.
    pub schema: u64,
    /// When it was made: milliseconds since 1970.
    pub made_ms: u64,
    /// The version of the program that made it.
    pub program: String,
    /// Whether secrets are in it.
    pub secrets: bool,
}

/// What is in a back-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many entries.
    pub entries: u64,
    /// How many secrets; `None` where they were left out.
    pub secrets: Option<u64>,
}

/// Why there is no back-up.
#[derive(Debug)]
pub enum BackupError {
    /// The store failed.
    Store(Problem),
    /// It can't be written.
    Out(io::Error),
}

/// Writes everything in `store` to `out`, protected so; without a passphrase, all but the secrets.
///
/// # Errors
/// [`BackupError`]; what was written until then is no back-up.
pub fn write(
    store: &dyn Store,
    vault: &Vault,
    protection: &Protection,
    random: &dyn Random,
    now_ms: u64,
    out: &mut dyn Write,
) -> Result<Summary, BackupError> {
    let secrets = protection.is_secret();
    let manifest = Manifest { schema: SCHEMA_VERSION, made_ms: now_ms, program: env!("CARGO_PKG_VERSION").into(), secrets };
    let mut out = Some(out);
    let mut written = Err(BackupError::Store(Problem::Internal));
    let read = store.reading(|tx| {
        // What is half-written can't be taken back, where a transaction is run again because the disk failed.
        let Some(out) = out.take() else { return Err(Problem::Disk { detail: "it failed while it was read".into() }) };
        written = write_all(tx, vault, &manifest, protection, random, out);
        Ok(())
    });
    read.map_err(BackupError::Store)?;
    written
}

fn write_all(
    tx: &dyn Read,
    vault: &Vault,
    manifest: &Manifest,
    protection: &Protection,
    random: &dyn Random,
    out: &mut dyn Write,
) -> Result<Summary, BackupError> {
    let mut writer = Writer::new(out, protection, random).map_err(BackupError::Out)?;
    let json = serde_json::to_vec(manifest).map_err(|error| BackupError::Out(error.into()))?;
    writer.write_all(&json).and_then(|()| writer.cut()).map_err(BackupError::Out)?;
    let mut counted = Counted::default();
    let mut failed = None;
    let left_out = if manifest.secrets { LeftOut::Keys } else { LeftOut::Secrets };
    let walked = tx.dump(left_out, &mut |row| {
        counted.rows += 1;
        match rows::write_row(&mut writer, row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = failed {
        return Err(BackupError::Out(error));
    }
    walked.map_err(|error| BackupError::Store(error.into()))?;
    if manifest.secrets {
        let keys = vault.keys(tx).map_err(|error| match error {
            Unopened::Store(error) => BackupError::Store(error.into()),
            Unopened::Sealed(error) => BackupError::Store(Problem::Corrupt { detail: format!("the keys: {error}") }),
        })?;
        for (name, key) in keys {
            counted.keys += 1;
            rows::write_key(&mut writer, name, &key).map_err(BackupError::Out)?;
        }
    }
    rows::write_end(&mut writer, counted).and_then(|()| writer.finish()).map_err(BackupError::Out)?;
    let count = |number: Result<u64, _>| number.map_err(|error: crate::store::StoreError| BackupError::Store(error.into()));
    let secrets = manifest.secrets.then(|| count(tx.count_secrets())).transpose()?;
    Ok(Summary { entries: count(tx.count())?, secrets })
}
