//! What the process does without from its first moment: core dumps, which would hold every secret, and panic messages that could
//! quote a request.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::{self, PanicHookInfo};

/// Begins it, for the whole process.
pub fn begin() {
    panic::set_hook(Box::new(report));
    #[cfg(unix)]
    if let Err(error) = no_core_dumps() {
        let _ = writeln!(std::io::stderr(), "postroom: The system doesn't let core dumps be switched off ({error}).");
    }
}

/// Neither this process nor what it starts leaves a core dump, and nobody else of the same user reads its memory (Linux).
///
/// # Errors
/// What the system says.
#[cfg(unix)]
pub fn no_core_dumps() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Says where a panic was, and its message only if that is a part of the program.
fn report(info: &PanicHookInfo<'_>) {
    let message = literal(info.payload());
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = if backtrace.status() == BacktraceStatus::Captured { backtrace.to_string() } else { String::new() };
    if tracing::dispatcher::has_been_set() {
        tracing::error!(message_of_panic = message, %place, backtrace, "a mistake in the program; what it was doing broke off");
    } else {
        let _ = writeln!(std::io::stderr(), "postroom: A mistake in the program at {place}: {message}\n{backtrace}");
    }
}

/// A message that was put together could hold anything: a password that isn't UTF-8 where it is cut, or a form that wasn't
/// understood.
fn literal(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(its message could quote what was typed, and is left out)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(work: impl FnOnce() + panic::UnwindSafe) -> &'static str {
        literal(&*panic::catch_unwind(work).unwrap_err())
    }

    #[test]
    fn a_panic_says_only_what_stands_in_the_program() {
        let typed = String::from("pässword");
        assert_eq!(message(|| panic!("a literal")), "a literal");
        for said in [
            message(|| panic!("it was {typed}")),
            message(|| drop(typed[..2].to_owned())),
            message(|| assert_eq!(typed.parse::<u8>().expect("a number"), 1)),
        ] {
            assert!(said.starts_with("(its message"), "{said}");
        }
    }
}
