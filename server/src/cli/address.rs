//! `postroom address`: address lists in, JSON out, a line each.

use std::io::{BufRead, BufWriter, Write};
use std::process::ExitCode;

use domain::address::{AddressError, AddressErrorKind, AddressList, MAX_INPUT, Strictness};
use serde::Serialize;

use super::{AddressArgs, USAGE, fail};

/// The answer to one line.
#[derive(Serialize)]
struct Answer<'a> {
    input: &'a str,
    valid: bool,
    mailboxes: Vec<Read<'a>>,
    error: Option<Wrong<'a>>,
}

#[derive(Serialize)]
struct Read<'a> {
    name: Option<&'a str>,
    local: &'a str,
    domain: Option<&'a str>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    offset: usize,
    char_offset: usize,
    kind: &'a str,
    message: String,
}

pub(super) fn run(args: &AddressArgs) -> ExitCode {
    let strictness = if args.lenient { Strictness::Lenient } else { Strictness::Strict };
    let out = std::io::stdout().lock();
    match answer_all(std::io::stdin().lock(), BufWriter::new(out), strictness, args.json) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // The reader went away: nobody is left to tell.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(1),
        Err(error) => fail(&format!("Reading or writing failed ({error}), so not every line was answered."), USAGE),
    }
}

/// Answers every line; whether all were valid.
fn answer_all(mut input: impl BufRead, mut out: impl Write, strictness: Strictness, json: bool) -> std::io::Result<bool> {
    let mut all_valid = true;
    let mut line = Vec::new();
    while read_line(&mut input, &mut line)? {
        let valid = match (std::str::from_utf8(&line), json) {
            _ if line.len() == KEPT => refuse_cut(&mut out, &String::from_utf8_lossy(&line))?,
            (Ok(text), false) => answer(&mut out, text, strictness)?,
            (Ok(text), true) => match serde_json::from_str::<String>(text) {
                Ok(text) => answer(&mut out, &text, strictness)?,
                Err(_) => refuse(&mut out, text, 0, "not_json", "The line isn't a JSON string; put it in quotes and escape it")?,
            },
            (Err(error), _) => {
                let text = String::from_utf8_lossy(&line);
                refuse(&mut out, &text, error.valid_up_to(), "not_utf8", "The line isn't UTF-8; convert the file first")?
            }
        };
        all_valid &= valid;
    }
    out.flush()?;
    Ok(all_valid)
}

/// Octets of a line that are kept, at most: a little more than an address list may have, where JSON escapes each with six.
const KEPT: usize = MAX_INPUT * 6 + 16;

/// The next line without its end, of which at most [`KEPT`] octets are kept. False at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            without_return(line);
            return Ok(any);
        }
        any = true;
        let end = chunk.iter().position(|b| *b == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        let room = KEPT.saturating_sub(line.len());
        line.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        let used = end.map_or(chunk.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            without_return(line);
            return Ok(true);
        }
    }
}

/// Without the CR of CR LF. One that stands where a line was cut is part of the line.
fn without_return(line: &mut Vec<u8>) {
    if line.len() < KEPT && line.last() == Some(&b'\r') {
        line.pop();
    }
}

/// What was cut is too long, whatever it is.
fn refuse_cut(out: &mut impl Write, line: &str) -> std::io::Result<bool> {
    let kind = AddressErrorKind::InputTooLong { length: u32::try_from(line.len()).unwrap_or(u32::MAX) };
    let error = AddressError { kind, offset: line.floor_char_boundary(MAX_INPUT), char_offset: 0 };
    refuse(out, line, error.offset, error.kind_name(), &error.sentence())
}

fn answer(out: &mut impl Write, input: &str, strictness: Strictness) -> std::io::Result<bool> {
    match AddressList::parse(input, strictness) {
        Ok(list) => {
            let mailboxes = list
                .mailboxes()
                .map(|m| Read { name: m.name(), local: m.local(), domain: m.domain().map(domain::address::Domain::as_str) })
                .collect();
            write_line(out, &Answer { input, valid: true, mailboxes, error: None })?;
            Ok(true)
        }
        Err(error) => {
            let wrong =
                Wrong { offset: error.offset, char_offset: error.char_offset, kind: error.kind_name(), message: error.sentence() };
            write_line(out, &Answer { input, valid: false, mailboxes: Vec::new(), error: Some(wrong) })?;
            Ok(false)
        }
    }
}

fn refuse(out: &mut impl Write, input: &str, offset: usize, kind: &str, message: &str) -> std::io::Result<bool> {
    let char_offset = input.get(..offset).map_or(0, |before| before.chars().count());
    let wrong = Wrong { offset, char_offset, kind, message: message.into() };
    write_line(out, &Answer { input, valid: false, mailboxes: Vec::new(), error: Some(wrong) })?;
    Ok(false)
}

fn write_line(out: &mut impl Write, answer: &Answer<'_>) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(input: &[u8], strictness: Strictness, json: bool) -> (bool, Vec<serde_json::Value>) {
        let mut out = Vec::new();
        let valid = answer_all(input, &mut out, strictness, json).unwrap();
        let lines = out.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
        (valid, lines)
    }

    #[test]
    fn every_line_gets_one_answer_empty_ones_included() {
        let (valid, lines) = run(b"a@example.com\r\n\nTeam: b@x.org, C <c@x.org>;\nlast@x.org", Strictness::Strict, false);
        assert!(!valid);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["mailboxes"][0]["domain"], "example.com");
        assert_eq!((&lines[1]["valid"], &lines[1]["input"]), (&false.into(), &"".into()));
        assert_eq!(lines[2]["mailboxes"][1]["name"], "C");
        assert_eq!(lines[3]["valid"], true);
    }

    #[test]
    fn json_lines_may_hold_anything_and_bad_lines_are_answered_too() {
        let (valid, lines) = run(b"\"a@example.com\\u0000\"\nnot json\n\xff@x.org\n", Strictness::Lenient, true);
        assert!(!valid);
        assert_eq!(lines[0]["error"]["offset"], 13);
        assert_eq!(lines[1]["error"]["kind"], "not_json");
        assert_eq!(lines[2]["error"]["kind"], "not_utf8");
    }

    #[test]
    fn an_endless_line_is_cut_and_refused() {
        let (valid, lines) = run(&vec![b'a'; 3 << 20], Strictness::Strict, false);
        assert!(!valid);
        assert_eq!((lines.len(), &lines[0]["error"]["kind"]), (1, &"input_too_long".into()));
        let (_, lines) = run(format!("\"{}\"", "a".repeat(3 << 20)).as_bytes(), Strictness::Strict, true);
        assert_eq!((lines.len(), &lines[0]["error"]["kind"]), (1, &"input_too_long".into()));
    }

    #[test]
    fn a_return_at_the_very_end_ends_the_line() {
        let (valid, lines) = run(b"a@b.c\r", Strictness::Strict, false);
        assert!(valid, "{lines:?}");
    }
}
