//! Real mail servers and clients for the end-to-end tests and the benchmarks, from Debian's packages. They are unpacked into
//! `target/peers` and never installed: the packages conflict with each other, and would replace a mail server in use here.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::project::{Doing, Failure, Outcome, Project, output, run, which};
use crate::setup::apt_get;

/// Something that is unpacked.
pub(crate) struct Peer {
    /// Its directory in `target/peers`.
    name: &'static str,
    /// The packages it is made of. The libraries that they need and that are not installed come along.
    packages: &'static [&'static str],
    /// A file that is there afterwards.
    program: &'static str,
}

/// Postfix with its test programs `smtp-sink` and `smtp-source`, and Cyrus SASL with accounts in a file.
pub(crate) const POSTFIX: Peer = Peer {
    name: "postfix",
    packages: &["postfix", "libsasl2-2", "libsasl2-modules", "libsasl2-modules-db", "sasl2-bin"],
    program: "usr/sbin/smtp-sink",
};
/// Exim with everything compiled in. `libnss-wrapper` gives it the user that it wants to exist.
pub(crate) const EXIM: Peer =
    Peer { name: "exim4", packages: &["exim4-daemon-heavy", "libnss-wrapper"], program: "usr/sbin/exim4" };
/// A scriptable client in Perl.
pub(crate) const SWAKS: Peer = Peer { name: "swaks", packages: &["swaks"], program: "usr/bin/swaks" };

/// Where they are.
pub(crate) fn directory(project: &Project) -> PathBuf {
    project.target.join("peers")
}

impl Peer {
    /// A program of it that finds the libraries that came along.
    pub(crate) fn command(&self, project: &Project, path: &str) -> Command {
        let root = directory(project).join(self.name);
        let mut command = Command::new(root.join(path));
        command.env("LD_LIBRARY_PATH", libraries(&root).join(":"));
        command
    }

    /// Makes sure that it is there.
    pub(crate) fn unpack(&self, project: &Project) -> Outcome {
        let root = directory(project).join(self.name);
        let stamp = root.join(".unpacked");
        let recipe = self.packages.join(" ");
        if fs::read_to_string(&stamp).is_ok_and(|done| done == recipe) && root.join(self.program).is_file() {
            return Ok(());
        }
        println!("Unpacking {} from Debian's packages …", self.name);
        for tool in ["apt-get", "dpkg-deb"] {
            if which(tool).is_none() {
                return Err(self.missing(&format!("there is no {tool} here")));
            }
        }
        let work = directory(project).join(format!(".{}", self.name));
        let attempt = || fetch(&work, &self.with_libraries()?);
        // The lists of packages may be missing, or older than what there is to download.
        let fetched = attempt().or_else(|failure| {
            let mut apt = apt_get().ok_or(failure)?;
            run(apt().args(["-q", "update"]))?;
            attempt()
        });
        fetched.map_err(|failure| self.missing(&failure.to_string()))?;
        let tree = work.join("tree");
        if !tree.join(self.program).is_file() {
            return Err(self.missing(&format!("the packages hold no {}", self.program)));
        }
        fs::write(tree.join(".unpacked"), &recipe).doing(|| format!("write into {}", tree.display()))?;
        remove(&root)?;
        fs::rename(&tree, &root).doing(|| format!("put {} into place", root.display()))?;
        remove(&work)
    }

    fn missing(&self, why: &str) -> Failure {
        Failure::new(format!(
            "{} is missing, and it can't be had: {why}. It comes from Debian's packages {}; what needs it fails.",
            self.name,
            self.packages.join(", ")
        ))
    }

    /// Its packages and the libraries that an installation would bring along. Each package is asked for alone: together they
    /// may conflict.
    fn with_libraries(&self) -> Outcome<BTreeSet<String>> {
        let mut all: BTreeSet<String> = self.packages.iter().map(|&name| name.to_owned()).collect();
        for package in self.packages {
            let mut simulate = Command::new("apt-get");
            simulate.env("LC_ALL", "C").args(["--simulate", "--no-install-recommends", "install", package]);
            all.extend(new_libraries(&output(&mut simulate)?));
        }
        Ok(all)
    }
}

/// Downloads and unpacks into `work/tree`.
fn fetch(work: &Path, packages: &BTreeSet<String>) -> Outcome {
    remove(work)?;
    let tree = work.join("tree");
    fs::create_dir_all(&tree).doing(|| format!("create {}", tree.display()))?;
    // Nobody else comes near what is setuid until `harmless` has seen it, also where this is broken off before.
    fs::set_permissions(work, fs::Permissions::from_mode(0o700)).doing(|| format!("close {}", work.display()))?;
    let mut download = Command::new("apt-get");
    // The directory is ours; apt's own user, to whom root leaves downloads, has no right to write there.
    download.current_dir(work).args(["-q", "-o", "APT::Sandbox::User=", "download"]).args(packages);
    run(&mut download)?;
    let doing = || format!("read {}", work.display());
    for entry in fs::read_dir(work).doing(doing)? {
        let path = entry.doing(doing)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&tree))?;
        }
    }
    harmless(&tree).doing(|| format!("take the special rights from {}", tree.display()))
}

/// The libraries among what `apt-get --simulate install` would install. The C library itself is left out: it belongs to the
/// loader of this system.
fn new_libraries(simulation: &str) -> impl Iterator<Item = String> {
    let installed = simulation.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    installed.filter(|name| name.starts_with("lib") && *name != "libc6").map(ToOwned::to_owned)
}

/// The directories of `root` with libraries.
fn libraries(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for base in ["usr/lib", "lib"] {
        let base = root.join(base);
        let inner = fs::read_dir(&base).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let with_libraries = |name: &str| name == "postfix" || name.contains("-linux-gnu");
        all.extend(inner.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(with_libraries)));
        all.push(base);
    }
    all.into_iter().filter(|path| path.is_dir()).map(|path| path.to_string_lossy().into_owned()).collect()
}

/// Takes setuid and setgid away: nobody should find a way to other rights in a build directory, and the loader ignores
/// `LD_LIBRARY_PATH` for such programs.
fn harmless(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            continue;
        }
        let mode = entry.metadata()?.permissions().mode();
        if mode & 0o6000 != 0 {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode & 0o1777))?;
        }
        if kind.is_dir() {
            harmless(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(directory: &Path) -> Outcome {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::new(format!("can't remove {}: {error}", directory.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_that_are_new_come_along_and_never_the_c_library() {
        let simulation = "Reading package lists...\nRemv exim4-base [4.96]\nInst cpio (2.13 Debian:12 [amd64])\n\
                          Inst libc6 [2.36] (2.37 Debian:12 [amd64])\nInst libspf2-2 (1.2.10 Debian:12 [amd64])\n\
                          Inst libsasl2-2 [2.1] (2.2 Debian:12 [amd64])\nConf libspf2-2 (1.2.10 Debian:12 [amd64])\n";
        assert_eq!(new_libraries(simulation).collect::<Vec<_>>(), ["libspf2-2", "libsasl2-2"]);
    }

    #[test]
    fn nothing_that_was_unpacked_has_special_rights() {
        let directory = tempfile::tempdir().expect("a directory");
        let inner = directory.path().join("usr/sbin");
        fs::create_dir_all(&inner).expect("created");
        let file = inner.join("exim4");
        fs::write(&file, "x").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).expect("set");
        harmless(directory.path()).expect("walked");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o7777, 0o755);
    }
}
