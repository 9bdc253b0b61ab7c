//! `postroom verify-activity`.

use std::process::ExitCode;

use domain::words;

use super::data::{refuse, say};
use super::{USAGE, VerifyActivityArgs, fail};
use crate::activity::{Break, Chain, End, Fault, Head, Noted};
use crate::control::{Done, Refusal, Request};

/// The chain is broken, or another one than it was.
const BROKEN: u8 = 21;

pub(super) fn run(args: &VerifyActivityArgs) -> ExitCode {
    let head: Option<Head> = match args.head.as_deref().map(str::parse).transpose() {
        Ok(head) => head,
        Err(why) => return fail(&format!("--head can't be read: {why}."), USAGE),
    };
    let chain = match args.data.carry_out(Request::VerifyActivity { head: head.clone() }, &mut |_| Ok(())) {
        Ok(Done::Verified(chain)) => chain,
        Ok(_) => return refuse(&Refusal::other_version()),
        Err(refusal) => return refuse(&refusal),
    };
    if args.json {
        say(&serde_json::to_string(&chain).unwrap_or_default());
    } else {
        say(&told(&chain));
    }
    let noted = head.as_ref().and_then(|head| Some(of_noted(head, chain.noted?)));
    if let Some(sentence) = noted.as_deref().filter(|_| chain.is_whole() && !args.json) {
        say(sentence);
    }
    match (chain.broken, noted) {
        (Some(Break { number, fault }), _) => fail(&of_fault(number, fault), BROKEN),
        (None, Some(sentence)) if !chain.is_whole() => fail(&sentence, BROKEN),
        _ => ExitCode::SUCCESS,
    }
}

fn told(chain: &Chain) -> String {
    let Chain { lines, first, last, head, broken, .. } = chain;
    let count = if *lines == 1 { "1 line".to_owned() } else { format!("{} lines", words::grouped(*lines)) };
    let span = match (first, last) {
        (Some(End { at_ms: first, .. }), Some(End { at_ms: last, .. })) => {
            format!(" from {} to {}", words::utc(*first), words::utc(*last))
        }
        _ => String::new(),
    };
    let state = if broken.is_none() { "unbroken" } else { "unbroken up to there" };
    format!("{count}{span}, {state}. Head: {head}")
}

fn of_noted(head: &Head, noted: Noted) -> String {
    let number = words::grouped(head.number);
    match noted {
        Noted::Holds => format!("Line {number} is still the one that was noted."),
        Noted::Rewritten => format!("The activity was rewritten: line {number} isn't the one that was noted."),
        Noted::Forgotten => format!("Line {number} is older than what is kept, so nothing can be said of it."),
    }
}

fn of_fault(number: u64, fault: Fault) -> String {
    let line = words::grouped(number);
    match fault {
        Fault::Missing => format!("The activity is broken: line {line} is missing."),
        Fault::Changed => format!("The activity is broken: line {line} was changed, or one before it was removed."),
        Fault::CutOff => format!("The activity is broken: line {line} and all that followed are missing."),
        Fault::Unaccounted => format!("The activity is broken: line {line} doesn't belong to it."),
        Fault::OtherEnd => format!("The activity is broken: line {line} isn't the last one that was written."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_chain_is_told_in_a_line() {
        let end = |number, at_ms| Some(End { number, at_ms });
        let chain = Chain {
            lines: 1234,
            first: end(1, 1_795_425_120_000),
            last: end(1234, 1_795_511_520_000),
            head: Head { number: 1234, hash: "9f".repeat(32) },
            broken: None,
            noted: None,
        };
        let line = format!(
            "1\u{202f}234 lines from 2026-11-23 09:12 UTC to 2026-11-24 09:12 UTC, unbroken. Head: 1234:{}",
            "9f".repeat(32)
        );
        assert_eq!(told(&chain), line);
    }
}
