//! `postroom export`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use domain::exchange::ExportSecrets;

use super::backup::NewFile;
use super::data::{refuse, say};
use super::{ExportArgs, USAGE, fail};
use crate::control::{Done, Event, Refusal, Request};

/// The file can't be written.
const CANT_WRITE: u8 = 13;
/// How each export begins.
const BEGINNING: &[u8] = br#"{"postroom": "servers""#;

pub(super) fn run(args: &ExportArgs) -> ExitCode {
    let mut file = match &args.file {
        None => None,
        Some(path) => match is_free(path).and_then(|free| free.then(|| NewFile::begin(path)).transpose()) {
            Ok(Some(file)) => Some((file, path)),
            Ok(None) => {
                return fail(&format!("{} is there already, and is no export; choose another name.", path.display()), USAGE);
            }
            Err(error) => return cant_write(&error),
        },
    };
    let secrets = if args.env { ExportSecrets::Env } else { ExportSecrets::LeftOut };
    let mut failed = None;
    let done = args.data.carry_out(Request::ExportServers { secrets }, &mut |event| {
        let Event::Part { bytes } = event else { return Ok(()) };
        let written = match &mut file {
            Some((file, _)) => file.file.write_all(&bytes),
            None => io::stdout().write_all(&bytes),
        };
        written.map_err(|error| {
            let kind = error.kind();
            failed = Some(error);
            kind.into()
        })
    });
    if let Some(error) = failed {
        return cant_write(&error);
    }
    match (done, file) {
        (Ok(Done::Exported { .. }), None) => match io::stdout().flush() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => cant_write(&error),
        },
        (Ok(Done::Exported { servers }), Some((file, path))) => match file.put_in_place(path) {
            Ok(_) => {
                let servers = if servers == 1 { "1 server".to_owned() } else { format!("{servers} servers") };
                say(&format!("Exported {servers} to {}, without secrets.", path.display()));
                ExitCode::SUCCESS
            }
            Err(error) => cant_write(&error),
        },
        (Ok(_), _) => refuse(&Refusal::other_version()),
        (Err(refusal), _) => refuse(&refusal),
    }
}

fn cant_write(error: &io::Error) -> ExitCode {
    fail(&format!("The export can't be written ({error}), so there is none."), CANT_WRITE)
}

/// Whether nothing is lost by a file of this name: there is none, or an older export.
fn is_free(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    let mut beginning = Vec::new();
    file.take(BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning == BEGINNING)
}
