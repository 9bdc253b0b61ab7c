//! Installs what a command needs and this machine lacks. Nothing here compiles; what can't be had is said with the remedy.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::assets::hash;
use crate::project::{Doing, Failure, Outcome, Project, output, run, succeeds, which};

/// The target of the browser's build.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

const NODE_REMEDY: &str = "Install Node.js 20 or newer with npm (Debian: apt-get install nodejs npm; or https://nodejs.org).";

/// Makes sure that Rust can compile for the browser.
pub(crate) fn wasm_target(project: &Project) -> Outcome {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(&project.root).args(["--print", "target-libdir", "--target", WASM]);
    if PathBuf::from(output(&mut rustc)?.trim()).is_dir() {
        return Ok(());
    }
    println!("Adding the target {WASM} to Rust …");
    if which("rustup").is_none() {
        return Err(Failure::new(format!(
            "Rust has no target {WASM} here, and rustup, which could add it, is missing. Install Rust with https://rustup.rs, \
             or your system's package with the standard library for {WASM}."
        )));
    }
    run(Command::new("rustup").current_dir(&project.root).args(["target", "add", WASM]))
}

/// Whether Node.js and npm are here.
pub(crate) fn has_node() -> bool {
    which("node").is_some() && which("npm").is_some()
}

/// Makes sure that end2end's packages are installed as its lock file says.
pub(crate) fn npm_packages(project: &Project) -> Outcome {
    if !has_node() {
        return Err(Failure::new(format!("Node.js or npm is missing. {NODE_REMEDY}")));
    }
    let version = output(Command::new("node").arg("--version"))?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < 20) {
        return Err(Failure::new(format!("Node.js {} is too old. {NODE_REMEDY}", version.trim())));
    }
    let end2end = project.end2end();
    let lock = end2end.join("package-lock.json");
    let locked = hash(&fs::read(&lock).doing(|| format!("read {}", lock.display()))?);
    let stamp = end2end.join("node_modules").join(".installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == locked) {
        return Ok(());
    }
    println!("Installing the npm packages of end2end …");
    run(Command::new("npm").current_dir(&end2end).args(["ci", "--no-audit", "--no-fund"]))?;
    fs::write(&stamp, locked).doing(|| format!("write {}", stamp.display()))
}

/// Makes sure that there is a Chromium for the end-to-end tests: the system's, else Debian's package, else Playwright's own.
/// `end2end/playwright.config.ts` looks in the same places in the same order.
pub(crate) fn chromium(project: &Project) -> Outcome {
    if system_chromium().is_some() {
        return Ok(());
    }
    if let Some(mut apt) = apt_get() {
        println!("Installing Chromium for the end-to-end tests …");
        let installed = run(apt().arg("update")).and_then(|()| {
            run(apt().env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "--no-install-recommends", "chromium"]))
        });
        match installed {
            Ok(()) if system_chromium().is_some() => return Ok(()),
            Ok(()) => println!("The package brought no Chromium that starts."),
            Err(failure) => println!("{failure}"),
        }
    }
    println!("Asking Playwright for its own Chromium …");
    run(project.node().args(["node_modules/playwright/cli.js", "install", "chromium"])).map_err(|_| {
        Failure::new(
            "The end-to-end tests need Chromium, and it could not be installed. Install it (Debian: apt-get install chromium), \
             or set POSTROOM_CHROMIUM to the path of a Chromium or Chrome.",
        )
    })
}

fn system_chromium() -> Option<PathBuf> {
    let chosen = env::var_os("POSTROOM_CHROMIUM").filter(|path| !path.is_empty()).map(PathBuf::from);
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().filter_map(which);
    chosen.into_iter().chain(found).find(|path| succeeds(Command::new(path).arg("--version")))
}

/// How `apt-get` is started, if it may install.
pub(crate) fn apt_get() -> Option<impl FnMut() -> Command> {
    let root = rustix::process::geteuid().is_root();
    which("apt-get")?;
    if !root && !succeeds(Command::new("sudo").args(["-n", "true"])) {
        return None;
    }
    Some(move || {
        if root {
            return Command::new("apt-get");
        }
        let mut command = Command::new("sudo");
        command.args(["-n", "apt-get"]);
        command
    })
}
