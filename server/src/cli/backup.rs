//! `postroom backup`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::data::{refuse, say};
use super::{BackupArgs, USAGE, fail, passphrase};
use crate::backup::Summary;
use crate::backup::container::{Header, Protection, SALT};
use crate::backup::passphrase::derive;
use crate::control::{Done, Event, Refusal, Request};
use crate::data_dir::private_file;
use crate::key_file::sync_parent;
use crate::ports::{Random, SystemRandom};

/// The file can't be written.
const CANT_WRITE: u8 = 13;

pub(super) fn run(args: &BackupArgs) -> ExitCode {
    let path = &args.file;
    match is_free(path) {
        Ok(true) => {}
        Ok(false) => {
            return fail(&format!("{} is there already, and is no back-up; choose another name.", path.display()), USAGE);
        }
        Err(error) => return cant_write(path, &error),
    }
    let protection = if args.without_secrets {
        Protection::Checksum
    } else {
        match passphrase::choose(args.passphrase_file.as_deref()) {
            Ok(passphrase) => {
                let mut salt = [0; SALT];
                SystemRandom.fill(&mut salt);
                Protection::Passphrase { salt, key: derive(&passphrase, &salt) }
            }
            Err(sentence) => return fail(&sentence, USAGE),
        }
    };
    let mut file = match NewFile::begin(path) {
        Ok(file) => file,
        Err(error) => return cant_write(path, &error),
    };
    let mut failed = None;
    let done = args.data.carry_out(Request::Backup { protection }, &mut |event| {
        let Event::Part { bytes } = event else { return Ok(()) };
        file.file.write_all(&bytes).map_err(|error| {
            let kind = error.kind();
            failed = Some(error);
            kind.into()
        })
    });
    if let Some(error) = failed {
        return cant_write(path, &error);
    }
    match done {
        Ok(Done::BackedUp(summary)) => match file.put_in_place(path) {
            Ok(length) => {
                say(&sentence(&summary, path, length));
                ExitCode::SUCCESS
            }
            Err(error) => cant_write(path, &error),
        },
        Ok(_) => refuse(&Refusal::other_version()),
        Err(refusal) => refuse(&refusal),
    }
}

fn sentence(summary: &Summary, path: &Path, length: u64) -> String {
    let servers = match summary.entries {
        1 => "1 server".to_owned(),
        number => format!("{number} servers"),
    };
    let secrets = match summary.secrets {
        Some(1) => " and 1 secret".to_owned(),
        Some(number) => format!(" and {number} secrets"),
        None => ", without their secrets,".into(),
    };
    format!("Backed up {servers}{secrets} to {} ({length} bytes).", path.display())
}

fn cant_write(path: &Path, error: &io::Error) -> ExitCode {
    fail(&format!("The back-up {} can't be written ({error}), so there is none.", path.display()), CANT_WRITE)
}

/// Whether nothing is lost by a file of this name: there is none, or an older back-up.
fn is_free(path: &Path) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    Ok(file.metadata()?.is_file() && Header::read(&mut file as &mut dyn Read).is_ok())
}

/// A file under another name, which goes unless it is put in place.
pub(super) struct NewFile {
    pub(super) file: File,
    draft: PathBuf,
}

impl NewFile {
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(".new");
        let draft = path.with_file_name(name);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = private_file().create_new(true).open(&draft)?;
        Ok(Self { file, draft })
    }

    /// Its length.
    pub(super) fn put_in_place(self, path: &Path) -> io::Result<u64> {
        self.file.sync_all()?;
        let length = self.file.metadata()?.len();
        fs::rename(&self.draft, path)?;
        sync_parent(path)?;
        Ok(length)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Once it is in place there is nothing of this name.
        let _ = fs::remove_file(&self.draft);
    }
}
