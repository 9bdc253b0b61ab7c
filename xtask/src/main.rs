//! `cargo xtask …`: everything one does with Postroom's source, in one tool that needs nothing installed but Rust (and
//! Node.js for the mail catcher and the end-to-end tests).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks on both")]

mod assets;
mod bench;
mod build;
mod check;
mod peers;
mod postroom;
mod project;
mod run;
mod setup;
mod size;
mod test;

use std::env;
use std::process::ExitCode;

use project::{Failure, Outcome, Project};

const HELP: &str = "\
Postroom's commands. Each of them installs what it needs and is missing.

  cargo xtask run [OPTIONS] [-- ARGS]    Build, then start Postroom and a mail catcher to try it with. Ctrl-C stops both.
      --addr ADDR        Where to listen; 127.0.0.1:3000 unless given
      --data-dir DIR     Where to keep data; ./data unless given
      --no-catcher       Leave the mail catcher (127.0.0.1:2525) out
      ARGS               Go to `postroom serve`
  cargo xtask build                      Build the release web app and the binary target/release/postroom
  cargo xtask test                       Run every test: the crates' own, then the release binary in a real browser
  cargo xtask test unit                  Only the crates' own
  cargo xtask test e2e [ARGS]            Only the end-to-end tests; ARGS go to Playwright
  cargo xtask check                      Check format, lints, documentation, dependencies and the repository
  cargo xtask size                       Measure what a browser loads
  cargo xtask bench [NAME …]             Measure the release binary: startup, list, save, address, session
  cargo xtask bench send [OPTIONS]       Measure how messages with files are sent, beside others
      --quick            A fifth of the messages, three rounds
      --rounds=N         So many rounds; 7 unless given
      --only=CASE        Only what has this in its name, such as “KiB”
  cargo xtask help                       Show this
";

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    match dispatch(command.as_deref(), &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(command: Option<&str>, args: &[String]) -> Outcome {
    if args.iter().take_while(|arg| *arg != "--").any(|arg| matches!(arg.as_str(), "--help" | "-h")) {
        print!("{HELP}");
        return Ok(());
    }
    match command {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some("build") => {
            none_expected("build", args)?;
            build::build(&Project::find()?)
        }
        Some("bench") => bench::bench(&Project::find()?, args),
        Some("size") => {
            none_expected("size", args)?;
            size::size(&Project::find()?)
        }
        Some("check") => {
            none_expected("check", args)?;
            check::check(&Project::find()?)
        }
        Some("test") => test::test(&Project::find()?, &test::Part::parse(args)?),
        Some("run") => run::run(&Project::find()?, &run::Options::parse(args)?),
        Some(other) => Err(Failure::usage(format!("there is no command “{other}”. `cargo xtask help` lists them."))),
    }
}

/// Refuses arguments of a command that takes none.
fn none_expected(command: &str, args: &[String]) -> Outcome {
    match args.first() {
        None => Ok(()),
        Some(arg) => Err(Failure::usage(format!("`{command}` takes no “{arg}”. `cargo xtask help` shows what it takes."))),
    }
}
