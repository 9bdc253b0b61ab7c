//! `postroom address`: how many address lists it reads a second.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::project::{Doing, Failure, Outcome, Project};

const LINES: usize = 200_000;

pub(super) fn run(project: &Project) -> Outcome {
    let mut input = String::new();
    for number in 0..LINES {
        let _ = match number % 4 {
            0 => writeln!(input, "user{number}@example.com"),
            1 => writeln!(input, "\"Last, First {number}\" <first.last@mail{number}.example.org>"),
            2 => writeln!(input, "a{number}@example.com, B <b@example.com>, c@[192.0.2.{}]", number % 256),
            _ => writeln!(input, "not an address {number}"),
        };
    }
    let doing = || "run postroom address".to_owned();
    let started = Instant::now();
    let mut child = Command::new(project.binary())
        .arg("address")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .doing(doing)?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Failure::new("postroom address has no input or output"));
    };
    let bytes = input.len();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let answers = BufReader::new(stdout).lines().map_while(Result::ok).count();
    let elapsed = started.elapsed().as_secs_f64();
    child.wait().doing(doing)?;
    let _ = writer.join();
    if answers != LINES {
        return Err(Failure::new(format!("{LINES} lines went in and {answers} answers came out")));
    }
    println!("{LINES} lines ({} KiB) in {elapsed:.2} s: {:.2} µs a line", bytes >> 10, elapsed * 1e6 / 200_000.0);
    Ok(())
}
