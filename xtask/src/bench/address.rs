//! Addresses: one checked, against the crates `email_address` and `lettre` in the same run; and how many lists
//! `postroom address` reads a second.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::project::{Doing, Failure, Outcome, Project};

const LINES: usize = 200_000;

pub(super) fn run(project: &Project) -> Outcome {
    one_address(project)?;
    lists(project)
}

/// Runs the bench of `domain` and tells the ratios of its medians.
fn one_address(project: &Project) -> Outcome {
    let doing = || "run the bench of domain".to_owned();
    let mut cargo = project.cargo("bench");
    cargo.args(["--quiet", "--package", "domain", "--features", "idna", "--bench", "address"]);
    let output = cargo.stderr(Stdio::inherit()).output().doing(doing)?;
    let report = String::from_utf8_lossy(&output.stdout);
    print!("{report}");
    if !output.status.success() {
        return Err(Failure::new("the bench of domain failed"));
    }
    let medians = medians(&report);
    let median = |name: &str| medians.iter().find(|(known, _)| known == name).map(|(_, nanos)| *nanos);
    let peers = [("email_address", median("parse email_address")), ("lettre::Address", median("parse lettre_address"))];
    for ours in ["validate domain_addr_spec", "validate domain_mailbox", "parse domain_addr_spec", "parse domain_mailbox"] {
        let Some(nanos) = median(ours) else { return Err(Failure::new(format!("the bench of domain told nothing of {ours}"))) };
        print!("{ours}: {:.0} ns an address, {:.1} million a second", nanos / ADDRESSES, 1e3 * ADDRESSES / nanos);
        for (peer, theirs) in peers {
            let Some(theirs) = theirs else { return Err(Failure::new(format!("the bench of domain told nothing of {peer}"))) };
            print!("; {:.1} times as fast as {peer}", theirs / nanos);
        }
        println!();
    }
    Ok(())
}

/// Addresses in each sample of the bench.
const ADDRESSES: f64 = 10.0;

/// What divan's table says: `group name` and the median in nanoseconds.
fn medians(report: &str) -> Vec<(String, f64)> {
    let mut group = "";
    let mut found = Vec::new();
    for line in report.lines() {
        let text = line.trim_start_matches(['│', '├', '╰', '─', ' ']);
        let Some((name, _)) = text.split_once(' ') else { continue };
        let mut columns = text.split('│').skip(2);
        let Some(median) = columns.next().map(str::trim) else { continue };
        if median.is_empty() {
            group = name;
        } else if let Some((number, unit)) = median.split_once(' ')
            && let Ok(number) = number.parse::<f64>()
            && let Some(factor) = match unit {
                "ns" => Some(1.0),
                "µs" => Some(1e3),
                "ms" => Some(1e6),
                _ => None,
            }
        {
            found.push((format!("{group} {name}"), number * factor));
        }
    }
    found
}

fn lists(project: &Project) -> Outcome {
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

#[cfg(test)]
mod tests {
    use super::medians;

    #[test]
    fn medians_are_read_from_the_table() {
        let report = "Timer precision: 20 ns
address                    fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ parse                                 │               │               │               │         │
│  ├─ domain_addr_spec     900.7 ns      │ 5.788 µs      │ 980.7 ns      │ 1.057 µs      │ 100     │ 100
│  │                       11.1 Mitem/s  │ 1.727 Mitem/s │ 10.19 Mitem/s │ 9.455 Mitem/s │         │
│  ╰─ lettre_address       1.01 µs       │ 29.01 µs      │ 1.03 µs       │ 1.316 µs      │ 100     │ 100
╰─ validate                              │               │               │               │         │
   ╰─ domain_mailbox       492.9 ns      │ 565.7 ns      │ 502.9 ns      │ 505.2 ns      │ 100     │ 400
";
        let found = medians(report);
        let found: Vec<_> = found.iter().map(|(name, nanos)| (name.as_str(), nanos.round())).collect();
        assert_eq!(
            found,
            [("parse domain_addr_spec", 981.0), ("parse lettre_address", 1030.0), ("validate domain_mailbox", 503.0)]
        );
    }
}
