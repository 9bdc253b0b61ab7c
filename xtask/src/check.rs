//! `cargo xtask check`: everything that is held without running the program: format, lints, documentation, types of the
//! end-to-end tests, what may depend on what, and the repository itself.

mod dependencies;
mod evidence;
mod hygiene;

use crate::project::{Failure, Outcome, Project, run};
use crate::setup;

/// Runs every check, also after one failed, and lists those that did.
pub(crate) fn check(project: &Project) -> Outcome {
    setup::wasm_target(project)?;
    let mut failed = Vec::new();
    let mut step = |name: &str, outcome: &dyn Fn() -> Outcome| {
        println!("── {name}");
        if let Err(failure) = outcome() {
            println!("{failure}\n");
            failed.push(name.to_owned());
        }
    };
    step("format", &|| run(project.cargo("fmt").args(["--all", "--check"])));
    step("repository", &|| hygiene::check(project));
    step("evidence of security", &|| evidence::check(project));
    step("dependencies", &|| dependencies::check(project));
    step("types of the end-to-end tests", &|| {
        setup::npm_packages(project)?;
        run(project.node().args(["node_modules/typescript/bin/tsc", "--noEmit"]))
    });
    for arguments in LINTED {
        step(&format!("clippy {}", arguments.join(" ")), &|| {
            run(project.cargo("clippy").arg("--quiet").args(arguments).args(["--", "-D", "warnings"]))
        });
    }
    for arguments in DOCUMENTED {
        step(&format!("doc {}", arguments.join(" ")), &|| {
            run(project.cargo("doc").args(["--quiet", "--no-deps"]).args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
        });
    }
    if failed.is_empty() {
        println!("Every check passed.");
        return Ok(());
    }
    Err(Failure::new(format!("these checks failed: {}.", failed.join("; "))))
}

/// The crates as they are really built, each apart: together, cargo would unify `ssr` and `hydrate`.
const LINTED: [&[&str]; 7] = [
    &["-p", "domain", "--all-targets"],
    &["-p", "domain", "--all-targets", "--features", "idna"],
    &["-p", "app", "--all-targets", "--features", "ssr"],
    &["-p", "app", "--features", "hydrate", "--target", setup::WASM],
    &["-p", "frontend", "--target", setup::WASM],
    &["-p", "server", "--all-targets"],
    &["-p", "xtask", "--all-targets"],
];

const DOCUMENTED: [&[&str]; 5] = [
    &["-p", "domain", "--features", "idna"],
    &["-p", "app", "--features", "ssr"],
    &["-p", "frontend", "--target", setup::WASM],
    &["-p", "server"],
    &["-p", "xtask"],
];
