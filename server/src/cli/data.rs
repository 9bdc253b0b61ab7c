//! What the verbs that need the data share: whichever process has it open does what is asked.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::fail;
use crate::control::{self, Done, Event, Refusal, Request};
use crate::data::Data;
use crate::data_dir::{DataDir, StartError, database_in};
use crate::key_file::KeySource;
use crate::ports::{SystemClock, SystemRandom};

/// Where the data is, and the key to it.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Where everything is kept; serving makes it if it is missing
    #[arg(long, env = "POSTROOM_DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub(super) data_dir: PathBuf,
    /// The key to the stored passwords: 32 random bytes that only the owner may read. Without it, the systemd credential
    /// postroom-key if there is one, else postroom.key in the data directory, which is made at the first start
    #[arg(long, env = "POSTROOM_KEY_FILE", value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
}

impl DataArgs {
    /// Where the key is.
    pub(super) fn key(&self) -> KeySource {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
        KeySource::choose(credentials.as_deref(), self.key_file.as_deref(), &self.data_dir)
    }

    /// Opens the data; the first time, it is made.
    pub(super) fn open(&self) -> Result<Data, StartError> {
        let dir = DataDir::open(&self.data_dir)?;
        Data::open(&dir, &self.key(), Arc::new(SystemClock), Arc::new(SystemRandom))
    }

    /// Has done what is asked: by the program that serves if there is one, else here. `on_event` sees every step.
    pub(super) fn carry_out(&self, request: Request, on_event: &mut dyn FnMut(Event) -> io::Result<()>) -> Result<Done, Refusal> {
        if !database_in(&self.data_dir).exists() {
            let sentence = format!("{} has no database of Postroom; name its directory with --data-dir.", self.data_dir.display());
            return Err(Refusal { code: Refusal::USAGE, sentence });
        }
        match self.open() {
            Ok(data) => control::perform(&data, request, on_event),
            #[cfg(unix)]
            Err(StartError::InUse { .. }) => control::client::ask(&self.data_dir, &request, on_event),
            Err(error) => Err(error.into()),
        }
    }
}

/// Says what was done. A reader that went away doesn't stop anything.
pub(super) fn say(sentence: &str) {
    let _ = writeln!(io::stdout(), "{sentence}");
}

/// Says why it isn't done.
pub(super) fn refuse(refusal: &Refusal) -> std::process::ExitCode {
    fail(&refusal.sentence, refusal.code)
}
