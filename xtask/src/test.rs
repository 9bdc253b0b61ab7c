//! `cargo xtask test`: the crates' own tests, then the release binary in a real browser. It ends at the first failure.

use crate::project::{Failure, Outcome, Project, run};
use crate::{build, peers, setup};

/// Which tests are run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything.
    All,
    /// The crates' own tests.
    Unit,
    /// The end-to-end tests, with these arguments for Playwright.
    EndToEnd(Vec<String>),
}

impl Part {
    /// Reads the arguments.
    pub(crate) fn parse(args: &[String]) -> Outcome<Self> {
        match args {
            [] => Ok(Self::All),
            [part] if part == "unit" => Ok(Self::Unit),
            [part, more @ ..] if part == "e2e" => Ok(Self::EndToEnd(more.to_vec())),
            [other, ..] => Err(Failure::usage(format!("`test` takes no “{other}”, only `unit` or `e2e [PLAYWRIGHT ARGS]`."))),
        }
    }
}

/// The crates with their features, each in a cargo invocation of its own: together, cargo would unify `ssr` and `hydrate`.
const CRATES: [&[&str]; 5] = [
    &["-p", "domain"],
    &["-p", "domain", "--features", "idna"],
    &["-p", "app", "--features", "ssr"],
    &["-p", "server"],
    &["-p", "xtask"],
];

/// Runs the tests.
pub(crate) fn test(project: &Project, part: &Part) -> Outcome {
    if matches!(part, Part::All | Part::Unit) {
        for arguments in CRATES {
            println!("\n── cargo test {}", arguments.join(" "));
            run(project.cargo("test").args(arguments))?;
        }
        println!("\n── the is_email suite by category");
        let report = ["-p", "domain", "--features", "idna", "--test", "address_is_email", "--quiet", "--", "--show-output"];
        run(project.cargo("test").args(report))?;
    }
    match part {
        Part::Unit => Ok(()),
        Part::All => end_to_end(project, &[]),
        Part::EndToEnd(arguments) => end_to_end(project, arguments),
    }
}

fn end_to_end(project: &Project, arguments: &[String]) -> Outcome {
    setup::npm_packages(project)?;
    setup::chromium(project)?;
    // Without one of them the others' tests still mean something: its own tests fail and say so.
    for peer in [peers::POSTFIX, peers::EXIM] {
        if let Err(failure) = peer.unpack(project) {
            println!("{failure}");
        }
    }
    println!("\n── release build");
    build::build(project)?;
    println!("\n── end-to-end tests");
    run(project
        .node()
        .args(["node_modules/@playwright/test/cli.js", "test"])
        .args(arguments)
        .env("POSTROOM_BINARY", project.binary())
        .env("POSTROOM_PEERS", peers::directory(project)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        let parse = |args: &[&str]| Part::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert_eq!(parse(&[]).expect("parses"), Part::All);
        assert_eq!(parse(&["unit"]).expect("parses"), Part::Unit);
        assert_eq!(parse(&["e2e", "--grep", "axe"]).expect("parses"), Part::EndToEnd(vec!["--grep".into(), "axe".into()]));
        assert!(parse(&["all"]).is_err());
    }
}
