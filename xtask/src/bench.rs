//! `cargo xtask bench`: figures of the release binary on this machine. Each is measured beside what it is to be compared with,
//! in the same run.

mod address;
mod list;
mod save;
mod send;
mod session;
mod sink;
mod startup;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::build;
use crate::project::{Doing, Failure, Outcome, Project};

/// A bench and its name.
type Bench = (&'static str, fn(&Project) -> Outcome);

const BENCHES: [Bench; 5] =
    [("startup", startup::run), ("list", list::run), ("save", save::run), ("address", address::run), ("session", session::run)];

/// Runs the benches that are named, or all of them. `send` alone takes options, and is named alone.
pub(crate) fn bench(project: &Project, names: &[String]) -> Outcome {
    if let Some(("send", options)) = names.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        // It needs no binary.
        return send::run(project, options);
    }
    let mut chosen = Vec::new();
    for name in names {
        let found = BENCHES.iter().find(|(known, _)| known == name);
        chosen.push(
            *found.ok_or_else(|| {
                Failure::usage(format!("there is no bench “{name}”: startup, list, save, address, session, send."))
            })?,
        );
    }
    let everything = chosen.is_empty();
    if everything {
        chosen.extend(BENCHES);
    }
    build::build(project)?;
    for (name, run) in chosen {
        println!("\n── {name}");
        run(project)?;
    }
    if everything {
        println!("\n── send");
        send::run(project, &[])?;
    }
    Ok(())
}

/// An empty directory beside what was built, on the same disk.
pub(crate) fn scratch(project: &Project, name: &str) -> Outcome<PathBuf> {
    let directory = project.target.join("bench").join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).doing(|| format!("create {}", directory.display()))?;
    Ok(directory)
}

/// Durations, to be told in one line.
struct Samples(Vec<Duration>);

impl Samples {
    fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The one that `percent` of the samples do not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * percent / 100).copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        self.percentile(50)
    }
}

impl std::fmt::Display for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p10, p50, p90] = [10, 50, 90].map(|percent| self.percentile(percent));
        write!(f, "median {} ms, 10–90 %: {}–{} ms, {} samples", ms(p50), ms(p10), ms(p90), self.0.len())
    }
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn ms(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1000.0)
}

/// Bytes as people say them.
fn mib(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "not told by this system".into(),
        |bytes| format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_up_by_rank() {
        let samples = Samples::new((1..=11).rev().map(Duration::from_millis).collect());
        assert_eq!(samples.to_string(), "median 6.00 ms, 10–90 %: 2.00–10.00 ms, 11 samples");
        assert_eq!(Samples::new(Vec::new()).median(), Duration::ZERO);
        assert_eq!(mib(Some(3 << 19)), "1.5 MiB");
    }
}
