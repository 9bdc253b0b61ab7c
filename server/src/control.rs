//! What the command line asks of the data, and how it is answered. While the program serves it alone has the database; then the
//! same question goes to it through a socket in the data directory, and one function answers it either way: [`perform`].
//!
//! A connection carries one question and its answer, each a JSON object a line: any number of events, then
//! [`Event::Done`] or [`Event::Refused`]. Another verb is another variant of [`Request`], with what it does in [`perform`] and its
//! result in [`Done`].

#[cfg(unix)]
pub mod client;
#[cfg(unix)]
pub mod server;

use std::collections::BTreeMap;
#[cfg(unix)]
use std::fs::File;
use std::io::{self, BufWriter};
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use app::backend::Caller;
use domain::access::{Account, AccountId, INVITATION_MS, SETUP_MS, Who};
use domain::activity::{Deed, Happening};
use domain::error::Problem;
use domain::exchange::{ExportSecrets, ImportItem};
use domain::field::Field;
use domain::secret::Secret;
use domain::words;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::activity::{By, Chain, Head};
use crate::backup::container::Protection;
use crate::backup::{self, BackupError, Summary};
use crate::data::{Data, start_problem};
use crate::data_dir::{StartError, plain};
use crate::entries::{Entries, Plan, Variables};
use crate::exchange::{self, MAX_FILE_HERE};
use crate::rotation::{self, RotateError, Rotated, Step};
use crate::store::{Read, SecretField};

/// The most bytes of a question; the longest honest one has a file of servers in it, in JSON once more, and what its variables hold.
const MAX_REQUEST: u64 = (MAX_FILE_HERE as u64) * 2 + (8 << 20);
/// The most bytes of a line of an answer.
const MAX_EVENT: u64 = 1 << 20;
/// About as many bytes of a back-up are in an event.
const PART: usize = 128 << 10;
/// How long a question may take to arrive.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// How long a line of an answer may take to leave, and how long the next one may let itself be waited for.
const EVENT_WITHIN: Duration = Duration::from_mins(1);

/// Bytes in JSON.
mod in_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(|_| D::Error::custom("it isn't base64"))
    }
}

/// The most bytes of a path that systems take for a socket.
#[cfg(unix)]
const MAX_PATH: usize = 100;

/// A path by which a socket can be reached, as long as this lives: where the directory's own is too long for the system, the one
/// through its descriptor.
#[cfg(unix)]
struct Reach {
    path: PathBuf,
    _directory: Option<File>,
}

#[cfg(unix)]
impl Reach {
    fn to(socket: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        match (socket.parent(), socket.file_name()) {
            (Some(parent), Some(name)) if socket.as_os_str().len() > MAX_PATH && cfg!(target_os = "linux") => {
                let directory = File::open(parent)?;
                let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
                Ok(Self { path, _directory: Some(directory) })
            }
            _ => Ok(Self { path: socket.to_owned(), _directory: None }),
        }
    }
}

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Replaces the keys: see [`rotation::rotate`].
    RotateKey {
        /// The file of the new key-encryption key.
        new_key_file: Option<PathBuf>,
    },
    /// Backs everything up: see [`backup::write`]. What is to be written comes as [`Event::Part`]s, so that whoever asks decides
    /// where it lies.
    Backup {
        /// The passphrase's key, or none and no secrets.
        protection: Protection,
    },
    /// Looks at the chain of the activity: see [`crate::activity::Activity::verify`].
    VerifyActivity {
        /// A head that was noted earlier.
        head: Option<Head>,
    },
    /// Writes all entries to a file, which comes as [`Event::Part`]s.
    ExportServers {
        /// What stands in the place of secrets.
        secrets: ExportSecrets,
    },
    /// Takes entries in from a file. What that comes to is told of each, as [`Event::Planned`].
    ImportServers {
        /// The file.
        file: Hidden,
        /// What the variables hold that it names: those of the command, not of the program that serves.
        variables: BTreeMap<String, Hidden>,
        /// Whether it is done, and not only told.
        keep: bool,
    },
    /// Makes a link for the first account.
    SetupLink,
    /// Lists the accounts.
    Users,
    /// Adds an account, with a link by which its owner chooses a password.
    AddUser {
        /// Its name.
        name: String,
        /// What it may do.
        role: String,
    },
    /// Makes a link for a new password. The one of before counts no more, nor does any session.
    ResetPassword {
        /// The account's name.
        name: String,
        /// Whether its second factor goes, too.
        second_factor: bool,
    },
}

/// Text that may hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(pub Zeroizing<String>);

impl Serialize for Hidden {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// A line of the answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Keys are being replaced.
    Rotating(Step),
    /// The next bytes of a back-up.
    Part {
        /// They themselves.
        #[serde(with = "in_base64")]
        bytes: Vec<u8>,
    },
    /// What becomes of a server of a file.
    Planned(ImportItem),
    /// It is done.
    Done(Done),
    /// It isn't done, or not whole.
    Refused(Refusal),
}

/// What came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Done {
    /// Keys were replaced.
    Rotated {
        /// How many secrets were sealed anew.
        sealed: u64,
        /// Those that don't open, as people know them: they were left as they are.
        unopened: Vec<String>,
        /// Where the key-encryption key is, in words.
        key: String,
        /// Whether it is another one.
        replaced: bool,
        /// The file in which the next start is to be told to find it.
        start_with: Option<PathBuf>,
    },
    /// There is a link by which somebody chooses a password.
    Link {
        /// What it ends with.
        link: Hidden,
        /// The address that people reach the program at, where it serves.
        base: Option<String>,
        /// How long it can be used.
        minutes: u64,
    },
    /// The accounts.
    Users {
        /// By name.
        accounts: Vec<Account>,
    },
    /// Everything was backed up.
    BackedUp(Summary),
    /// The activity was looked at.
    Verified(Chain),
    /// The entries were written.
    Exported {
        /// How many.
        servers: u64,
    },
    /// What an import would do was told; nothing was kept.
    Planned {
        /// The name of the default from then on, where it would be another one.
        default: Option<String>,
    },
    /// The file was taken in.
    Imported {
        /// How many are new.
        added: u64,
        /// How many have other values now.
        changed: u64,
        /// How many were like this already.
        unchanged: u64,
    },
}

/// Why it isn't done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The exit code of the command.
    pub code: u8,
    /// Why, and what to do.
    pub sentence: String,
}

impl Refusal {
    /// Usage that can't work.
    pub const USAGE: u8 = 1;
    /// The running program can't be asked, or broke off.
    pub const UNREACHABLE: u8 = 15;
    /// The same is under way already.
    pub const BUSY: u8 = 16;
    /// The accounts don't allow it.
    pub const ACCOUNTS: u8 = 23;
    /// A file of servers can't be taken in.
    pub const NOT_IMPORTABLE: u8 = 22;

    fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }

    /// The program that serves and the one that asks don't speak the same language.
    pub fn other_version() -> Self {
        Self::new(Self::UNREACHABLE, "The running Postroom has another version; restart it, then try again.")
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        Self::new(error.exit_code(), error.to_string())
    }
}

impl Refusal {
    fn of_rotation(data: &Data, error: RotateError) -> Self {
        match error {
            RotateError::Busy => Self::new(Self::BUSY, "Keys are being replaced already; wait until that is done."),
            RotateError::Key(error) => error.into(),
            RotateError::SameKey(path) => Self::new(
                Self::USAGE,
                format!("{} holds the key that is used already; name a file that is yet to be made.", path.display()),
            ),
            RotateError::Store(problem) => start_problem(data.dir(), problem).into(),
        }
    }
}

/// Does what is asked, over the opened data. `emit` hears of every step. Where it fails nobody listens any more: what was to be
/// given ends there, what was to be done is done all the same.
///
/// # Errors
/// [`Refusal`].
pub fn perform(data: &Data, request: Request, emit: &mut dyn FnMut(Event) -> io::Result<()>) -> Result<Done, Refusal> {
    match request {
        Request::RotateKey { new_key_file } => {
            let rotated = rotation::rotate(data, new_key_file.as_deref(), &mut |step| {
                let _ = emit(Event::Rotating(step));
                Ok(())
            });
            let rotated = rotated.map_err(|error| Refusal::of_rotation(data, error))?;
            tracing::info!(sealed = rotated.secrets.count, replaced = rotated.replaced, "replaced the keys");
            let sealed = rotated.secrets.count;
            let detail = if rotated.replaced { ", and the key-encryption key" } else { "" };
            note(data, Deed::KeysRotated, format!("A new data key for {sealed} secrets{detail}."))?;
            rotated_done(data, rotated, new_key_file).map_err(|problem| start_problem(data.dir(), problem).into())
        }
        Request::Backup { protection } => {
            // Before it begins: what leaves here leaves a trace, whatever becomes of it.
            let detail = if protection.is_secret() { "With secrets, encrypted." } else { "Without secrets." };
            note(data, Deed::BackedUp, detail.into())?;
            let summary = back_up(data, &protection, emit)?;
            tracing::info!(entries = summary.entries, secrets = summary.secrets.is_some(), "backed everything up");
            Ok(Done::BackedUp(summary))
        }
        Request::VerifyActivity { head } => {
            let chain = data.entries().activity().verify(head.as_ref()).map_err(|problem| refusal(data, problem))?;
            Ok(Done::Verified(chain))
        }
        Request::ExportServers { secrets } => {
            let (file, servers) = on_the_machine(data).export(&[], secrets).map_err(|problem| refusal(data, problem))?;
            tracing::info!(servers, "exported");
            for part in file.as_bytes().chunks(PART) {
                emit(Event::Part { bytes: part.to_vec() }).map_err(|error| unheard(&error))?;
            }
            Ok(Done::Exported { servers })
        }
        Request::ImportServers { file, variables, keep } => import(data, &file, variables, keep, emit),
        Request::SetupLink => {
            let link = data.accounts().setup_link(Who::CommandLine).map_err(|problem| refusal(data, problem))?;
            let link = link.ok_or_else(|| {
                Refusal::new(
                    Refusal::ACCOUNTS,
                    "There are accounts already; postroom user list tells them, postroom user add adds one.",
                )
            })?;
            Ok(link_done(data, &link, SETUP_MS))
        }
        Request::Users => Ok(Done::Users { accounts: data.accounts().accounts().map_err(|problem| refusal(data, problem))? }),
        Request::AddUser { name, role } => {
            let made = data.accounts().add_account(&command_line(), &name, &role).map_err(|problem| of_accounts(data, problem))?;
            Ok(link_done(data, &made.secret, INVITATION_MS))
        }
        Request::ResetPassword { name, second_factor } => {
            let reset =
                data.accounts().named(&name).and_then(|id| data.accounts().reset_password(&command_line(), id, second_factor));
            let made = reset.map_err(|problem| match problem {
                Problem::NoSuchAccess => {
                    let sentence = format!("There is no account {}; postroom user list tells them.", words::quote(&name));
                    Refusal::new(Refusal::ACCOUNTS, sentence)
                }
                problem => of_accounts(data, problem),
            })?;
            Ok(link_done(data, &made.secret, SETUP_MS))
        }
    }
}

/// Who asks.
fn command_line() -> Caller {
    Caller { who: Who::CommandLine, ..Caller::default() }
}

/// The entries, for a command.
fn on_the_machine(data: &Data) -> Entries {
    data.entries().on_behalf_of(&command_line())
}

fn link_done(data: &Data, link: &Secret, lasts_ms: u64) -> Done {
    let link = Hidden(Zeroizing::new(link.expose().to_owned()));
    Done::Link { link, base: data.base().map(str::to_owned), minutes: lasts_ms / 60_000 }
}

/// Why an account is not as it was asked for: a sentence a field.
fn of_accounts(data: &Data, problem: Problem) -> Refusal {
    match problem {
        Problem::InvalidAccess(fields) => {
            let sentences: Vec<String> = fields.iter().map(|(field, error)| words::access_error(*field, *error)).collect();
            Refusal::new(Refusal::ACCOUNTS, format!("Nothing was done. {}", sentences.join(" ")))
        }
        problem @ (Problem::TooManyAccess { .. } | Problem::LastAdministrator) => {
            Refusal::new(Refusal::ACCOUNTS, words::problem(&problem))
        }
        problem => refusal(data, problem),
    }
}

fn import(
    data: &Data,
    file: &Hidden,
    variables: BTreeMap<String, Hidden>,
    keep: bool,
    emit: &mut dyn FnMut(Event) -> io::Result<()>,
) -> Result<Done, Refusal> {
    let refused = |problem| refusal(data, problem);
    let servers = exchange::read(file.0.as_bytes(), MAX_FILE_HERE).map_err(refused)?;
    let mut secrets = Variables::new();
    for (name, mut value) in variables {
        secrets.insert(name, Secret::new(std::mem::take(&mut *value.0)));
    }
    let entries = on_the_machine(data);
    if keep {
        let imported = entries.import(&servers, None, &secrets).map_err(refused)?;
        let (added, changed, unchanged) = (imported.added.len() as u64, imported.changed.len() as u64, imported.unchanged);
        tracing::info!(added, changed, "imported");
        return Ok(Done::Imported { added, changed, unchanged });
    }
    let Plan { items, default } = entries.plan_import(&servers, &secrets).map_err(refused)?;
    for item in items {
        emit(Event::Planned(item)).map_err(|error| unheard(&error))?;
    }
    Ok(Done::Planned { default })
}

fn refusal(data: &Data, problem: Problem) -> Refusal {
    match problem {
        Problem::NotImportable { .. } | Problem::TooLarge { .. } | Problem::TooManyEntries { .. } => {
            Refusal::new(Refusal::NOT_IMPORTABLE, words::problem(&problem))
        }
        problem => start_problem(data.dir(), problem).into(),
    }
}

fn unheard(error: &io::Error) -> Refusal {
    Refusal::new(13, format!("What was asked for can't be handed over ({}).", plain(error)))
}

/// Adds a line to the activity.
fn note(data: &Data, deed: Deed, detail: String) -> Result<(), Refusal> {
    let what = Happening { detail, ..By::command_line().did(deed) };
    data.entries().activity().note(&what).map_err(|problem| start_problem(data.dir(), problem).into())
}

fn back_up(data: &Data, protection: &Protection, emit: &mut dyn FnMut(Event) -> io::Result<()>) -> Result<Summary, Refusal> {
    let mut out = BufWriter::with_capacity(PART, Parts { emit });
    let now_ms = data.entries().now_ms();
    backup::write(data.store(), data.vault(), protection, data.random(), now_ms, &mut out).map_err(|error| match error {
        BackupError::Store(problem) => start_problem(data.dir(), problem).into(),
        BackupError::Out(error) => Refusal::new(13, format!("The back-up can't be written ({}), so there is none.", plain(&error))),
    })
}

/// Bytes that become events.
struct Parts<'a> {
    emit: &'a mut dyn FnMut(Event) -> io::Result<()>,
}

impl io::Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.emit)(Event::Part { bytes: bytes.to_vec() })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn rotated_done(data: &Data, rotated: Rotated, new_key_file: Option<PathBuf>) -> Result<Done, Problem> {
    let unopened = rotated.secrets.unopened.iter().map(|(id, field)| {
        data.store().reading(|tx: &dyn Read| {
            let of_entry = |field| {
                let record = tx.entry(*id)?;
                let name = record.map_or_else(|| format!("server {id} in the trash"), |record| record.content.name().to_string());
                Ok(format!("{name}: {}", words::label(field)))
            };
            match field {
                SecretField::Password => of_entry(Field::Password),
                SecretField::ClientCertificate => of_entry(Field::ClientCertificate),
                SecretField::SignIn => of_entry(Field::AzureOauth),
                SecretField::SecondFactor => {
                    let record = tx.account(AccountId(id.0))?;
                    Ok(format!("account {}: second factor", record.map_or_else(|| id.to_string(), |record| record.name)))
                }
            }
        })
    });
    let unopened = unopened.collect::<Result<_, Problem>>()?;
    let Rotated { secrets, key, replaced } = rotated;
    let start_with = new_key_file.filter(|_| replaced);
    Ok(Done::Rotated { sealed: secrets.count, unopened, key: key.to_string(), replaced, start_with })
}
