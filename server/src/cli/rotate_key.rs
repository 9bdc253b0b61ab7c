//! `postroom rotate-key`.

use std::process::ExitCode;

use super::data::{refuse, say};
use super::{RotateKeyArgs, USAGE, fail};
use crate::control::{Done, Event, Refusal, Request};
use crate::rotation::Step;

/// Some secrets don't open, and stay as they are.
const UNOPENED: u8 = 17;

pub(super) fn run(args: &RotateKeyArgs) -> ExitCode {
    // Whoever does it may be in another directory.
    let new_key_file = match args.new_key_file.as_ref().map(std::path::absolute).transpose() {
        Ok(path) => path,
        Err(error) => return fail(&format!("--new-key-file names no file ({error})."), USAGE),
    };
    let mut told = 0;
    let done = args.data.carry_out(Request::RotateKey { new_key_file }, &mut |event| {
        if let Event::Rotating(step) = event
            && let Some(sentence) = sentence(&step, &mut told)
        {
            say(&sentence);
        }
        Ok(())
    });
    match done {
        Ok(Done::Rotated { sealed, unopened, key, replaced, start_with }) => {
            let secrets = if sealed == 1 { "1 secret is".to_owned() } else { format!("{sealed} secrets are") };
            say(&format!("Done: {secrets} sealed with a new data key."));
            if replaced {
                say(&format!(
                    "The key that opens them is a new one: {key}. Back it up, apart from the database; what was backed up before needs \
                     the key of before."
                ));
            } else {
                say(&format!("The key {key} stays as it was; --new-key-file replaces it, too."));
            }
            if let Some(path) = start_with {
                say(&format!("From now on start Postroom with --key-file {} (POSTROOM_KEY_FILE).", path.display()));
            }
            if unopened.is_empty() {
                return ExitCode::SUCCESS;
            }
            fail(
                &format!(
                    "Some secrets don't open and were left as they are, with the data key they name; enter them anew, then rotate \
                     again: {}.",
                    unopened.join(", ")
                ),
                UNOPENED,
            )
        }
        Ok(_) => refuse(&Refusal::other_version()),
        Err(refusal) => refuse(&refusal),
    }
}

/// A step in words; `told` is how far the last line was.
fn sentence(step: &Step, told: &mut u64) -> Option<String> {
    match step {
        Step::DataKeyMade => Some("Made a new data key.".into()),
        // A line for each tenth is enough.
        Step::Sealed { done, total } if done == total || *done >= *told + total / 10 => {
            *told = *done;
            Some(format!("Went through {done} of {total} secrets."))
        }
        Step::KeyWritten { path } => Some(format!("The new key is in {}.", path.display())),
        Step::KeysWrapped => Some("It opens the database now, and the one before doesn't any more.".into()),
        Step::Sealed { .. } | Step::DataKeysRetired | Step::KeyInPlace => None,
    }
}
