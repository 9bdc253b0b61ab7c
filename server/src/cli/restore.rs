//! `postroom restore`.

use std::fs::File;
use std::process::ExitCode;
use std::sync::Arc;

use time::OffsetDateTime;

use super::data::say;
use super::{RestoreArgs, fail, passphrase};
use crate::backup::restore::{RestoreError, Restored, Target, restore};
use crate::data_dir::plain;
use crate::ports::{Random, SystemClock, SystemRandom};

/// There are data already.
const EXISTS: u8 = 18;
/// The file is no back-up, or not a whole one.
const DAMAGED: u8 = 19;
/// The passphrase is missing or another one.
const PASSPHRASE: u8 = 20;
/// The file can't be read.
const CANT_READ: u8 = 13;
/// A newer program made it.
const NEWER: u8 = 8;

pub(super) fn run(args: &RestoreArgs) -> ExitCode {
    let path = args.file.display();
    let restored = File::open(&args.file).map_err(RestoreError::In).and_then(|file| {
        let target = Target { data_dir: &args.data.data_dir, key: args.data.key(), overwrite: args.overwrite };
        let random: Arc<dyn Random + Send + Sync> = Arc::new(SystemRandom);
        restore(&file, &mut || passphrase::know(args.passphrase_file.as_deref()), &target, &SystemClock, &random)
    });
    match restored {
        Ok(restored) => {
            tell(args, &restored);
            ExitCode::SUCCESS
        }
        Err(RestoreError::Exists { path }) => fail(
            &format!(
                "There are data already in {}; with --overwrite they are moved aside, or choose another --data-dir.",
                path.display()
            ),
            EXISTS,
        ),
        Err(RestoreError::NotABackup) => fail(&format!("{path} isn't a back-up of Postroom, so nothing was restored."), DAMAGED),
        Err(RestoreError::Newer) => {
            fail(&format!("{path} was made by a newer Postroom, so nothing was restored; use that one."), NEWER)
        }
        Err(RestoreError::WrongPassphrase) => fail(
            &format!("The passphrase doesn't open {path}, or its beginning is damaged; nothing was restored. Try again."),
            PASSPHRASE,
        ),
        Err(RestoreError::Damaged { detail }) => {
            fail(&format!("The back-up {path} is damaged ({detail}), so nothing was restored; use another one."), DAMAGED)
        }
        Err(RestoreError::In(error)) => {
            fail(&format!("{path} can't be read ({}), so nothing was restored.", plain(&error)), CANT_READ)
        }
        Err(RestoreError::NoPassphrase(sentence)) => fail(&sentence, PASSPHRASE),
        Err(RestoreError::Start(error)) => fail(&error.to_string(), error.exit_code()),
    }
}

fn tell(args: &RestoreArgs, restored: &Restored) {
    let Restored { entries, secrets, unopened, made_ms, without_secrets, aside, made_key } = restored;
    let made = OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_millis(*made_ms);
    let (date, time) = (made.date(), made.time());
    let servers = if *entries == 1 { "1 server".to_owned() } else { format!("{entries} servers") };
    say(&format!(
        "Restored {servers} to {}, as of {date} {:02}:{:02} UTC.",
        args.data.data_dir.display(),
        time.hour(),
        time.minute()
    ));
    match (without_secrets, secrets) {
        (true, _) => say("The back-up was made without secrets: passwords and client certificates have to be entered anew."),
        (false, 1) => say("1 secret is sealed again."),
        (false, number) => say(&format!("{number} secrets are sealed again.")),
    }
    if *unopened > 0 {
        say(&format!("{unopened} of them don't open, as before the back-up; enter them anew."));
    }
    if let Some(aside) = aside {
        say(&format!("The database of before is {}.", aside.display()));
    }
    if *made_key {
        say(&format!("A key was made for it: {}. Keep a copy of it apart from the database.", args.data.key()));
    }
}
