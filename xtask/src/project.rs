//! Where things are, how other programs are run from here, and how a command fails.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use serde_json::Value;

/// Why a command ended, as a sentence, and the exit code it ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    /// The process's exit code.
    pub(crate) code: u8,
}

/// What a step comes to.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// A failure with the exit code of the program that failed.
    pub(crate) fn with_code(message: impl Into<String>, code: u8) -> Self {
        Self { message: message.into(), code }
    }

    /// What was typed makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says what was being done when something failed.
pub(crate) trait Doing<T> {
    /// `what` completes “can't …”.
    fn doing(self, what: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|error| Failure::new(format!("can't {}: {error:#}", what())))
    }
}

/// The repository and its target directory.
pub(crate) struct Project {
    /// The workspace's directory.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
}

impl Project {
    /// Asks cargo.
    pub(crate) fn find() -> Outcome<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().map(Path::to_path_buf).ok_or_else(|| Failure::new("xtask has no directory above it"))?;
        let mut project = Self { target: root.join("target"), root };
        let metadata = project.metadata(&["--no-deps"])?;
        project.target = metadata["target_directory"].as_str().map_or(project.target, PathBuf::from);
        Ok(project)
    }

    /// `cargo metadata`.
    pub(crate) fn metadata(&self, args: &[&str]) -> Outcome<Value> {
        let text = output(self.cargo("metadata").args(["--format-version", "1"]).args(args))?;
        serde_json::from_str(&text).doing(|| "read what cargo metadata says".into())
    }

    /// A cargo command in the workspace.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root).arg(subcommand);
        // What `cargo run` tells this program about itself: some build scripts would take it for a change and run again.
        for (key, _) in env::vars_os() {
            if key.to_str().is_some_and(|key| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| key.starts_with(own))) {
                command.env_remove(key);
            }
        }
        command
    }

    /// A program of Node.js in `end2end`.
    pub(crate) fn node(&self) -> Command {
        let mut command = Command::new("node");
        command.current_dir(self.end2end());
        command
    }

    /// The directory of the end-to-end tests.
    pub(crate) fn end2end(&self) -> PathBuf {
        self.root.join("end2end")
    }

    /// Where the built web app is put.
    pub(crate) fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// The release binary.
    pub(crate) fn binary(&self) -> PathBuf {
        self.target.join("release").join("postroom")
    }
}

/// Runs a program to its end, with this program's input and output.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failure::with_code(format!("`{}` failed ({status}).", show(command)), code))
}

/// Runs a program to its end and takes what it prints; its errors are shown.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|error| cannot_start(command, &error))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{}` failed ({}).", show(command), output.status)));
    }
    String::from_utf8(output.stdout).doing(|| format!("read what `{}` prints", show(command)))
}

/// Whether a program can be started and is content; it prints nothing here.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy);
    words.map(|word| if word.contains(' ') { format!("'{word}'") } else { word.into_owned() }).collect::<Vec<_>>().join(" ")
}

/// The file that `name` would start.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn cannot_start(command: &Command, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return Failure::new(format!("{} is not installed or not in PATH.", command.get_program().to_string_lossy()));
    }
    Failure::new(format!("can't start `{}`: {error}", show(command)))
}
