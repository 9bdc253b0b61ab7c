//! Messages of applications with files into a sink on this machine (Postfix' `smtp-sink`), over one connection: ours beside
//! nodemailer, Python's smtplib and Postfix' `smtp-source`. All but the last compose each message anew and read its files; the last
//! has nothing to compose, and sends as many bytes.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fs, io};

use serde_json::Value;

use super::sink::Sink;
use super::{Samples, mib, ratio, scratch};
use crate::peers::POSTFIX;
use crate::project::{Doing, Failure, Outcome, Project, output, show, which};
use crate::setup;

/// What is sent.
struct Case {
    name: &'static str,
    /// How many files, and how many bytes each has.
    files: usize,
    bytes: u64,
    /// How many messages, and how many before that don't count.
    messages: usize,
    warm_up: usize,
}

const CASES: [Case; 4] = [
    Case { name: "no file", files: 0, bytes: 0, messages: 5_000, warm_up: 1_000 },
    Case { name: "1 × 100 KiB", files: 1, bytes: 100 << 10, messages: 500, warm_up: 100 },
    Case { name: "3 × 1 MiB", files: 3, bytes: 1 << 20, messages: 60, warm_up: 6 },
    Case { name: "1 × 200 MiB", files: 1, bytes: 200 << 20, messages: 2, warm_up: 0 },
];

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Postroom,
    Nodemailer,
    Smtplib,
    SmtpSource,
}

const PEERS: [Peer; 4] = [Peer::Postroom, Peer::Nodemailer, Peer::Smtplib, Peer::SmtpSource];

impl Peer {
    const fn name(self) -> &'static str {
        match self {
            Self::Postroom => "Postroom",
            Self::Nodemailer => "nodemailer",
            Self::Smtplib => "smtplib",
            Self::SmtpSource => "smtp-source",
        }
    }
}

/// What was chosen.
struct Options {
    rounds: usize,
    /// A part of the messages only.
    quick: bool,
    /// Cases with these words in their names.
    only: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Outcome<Self> {
        let mut options = Self { rounds: 7, quick: false, only: Vec::new() };
        for arg in args {
            match arg.split_once('=').unwrap_or((arg, "")) {
                ("--quick", "") => (options.quick, options.rounds) = (true, 3),
                ("--rounds", number) => {
                    let rounds = number.parse().ok().filter(|rounds| *rounds > 0);
                    options.rounds = rounds.ok_or_else(|| Failure::usage(format!("“{number}” is no number of rounds")))?;
                }
                ("--only", words) if CASES.iter().any(|case| case.name.contains(words)) => options.only.push(words.into()),
                _ => return Err(Failure::usage(format!("`bench send` takes --quick, --rounds=N and --only=CASE, no “{arg}”"))),
            }
        }
        Ok(options)
    }

    fn wants(&self, case: &Case) -> bool {
        self.only.is_empty() || self.only.iter().any(|words| case.name.contains(words))
    }
}

pub(super) fn run(project: &Project, args: &[String]) -> Outcome {
    let options = Options::parse(args)?;
    if which("python3").is_none() {
        return Err(Failure::new("python3 is missing, a peer to measure against (Debian: apt-get install python3)"));
    }
    POSTFIX.unpack(project)?;
    setup::npm_packages(project)?;
    let ours = ours(project)?;
    let directory = scratch(project, "send")?;
    let sink = Sink::start(project, &[])?;
    println!("Messages a second over one connection into smtp-sink: median (10–90 %) of {} rounds, peak memory", options.rounds);
    for case in CASES.iter().filter(|case| options.wants(case)) {
        measure(project, &ours, &options, &sink, case, &files(&directory, case)?)?;
    }
    Ok(())
}

/// The files of a case, full of what can't be compressed.
fn files(directory: &Path, case: &Case) -> Outcome<Vec<PathBuf>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut paths = Vec::new();
    for number in 0..case.files {
        let path = directory.join(format!("{}-{number}.bin", case.bytes));
        let mut write = || {
            let mut file = io::BufWriter::new(fs::File::create(&path)?);
            for _ in 0..case.bytes.div_ceil(8) {
                // xorshift64
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                io::Write::write_all(&mut file, &state.to_le_bytes())?;
            }
            io::Write::flush(&mut file)
        };
        write().doing(|| format!("write {}", path.display()))?;
        paths.push(path);
    }
    Ok(paths)
}

/// All peers in turns.
fn measure(project: &Project, ours: &Path, options: &Options, sink: &Sink, case: &Case, files: &[PathBuf]) -> Outcome {
    let part = if options.quick { 5 } else { 1 };
    let (messages, warm_up) = ((case.messages / part).max(1), case.warm_up / part);
    let mut found: Vec<(Vec<Duration>, u64)> = vec![(Vec::new(), 0); PEERS.len()];
    let mut size = String::new();
    for _ in 0..options.rounds {
        for (peer, (took, peak)) in PEERS.into_iter().zip(&mut found) {
            let mut command = match peer {
                Peer::Postroom => Command::new(ours),
                Peer::Nodemailer => script(project.node(), "bench-nodemailer-send.mjs"),
                Peer::Smtplib => script(Command::new("python3"), &project.root.join("xtask/src/bench/send.py").to_string_lossy()),
                Peer::SmtpSource => source(project, sink, &size, messages),
            };
            if peer != Peer::SmtpSource {
                command.args([usize::from(sink.port()), warm_up, messages].map(|number| number.to_string())).args(files);
            }
            let watched = Watched::run(&mut command)?;
            if let Some(bytes) = watched.said("size") {
                size = bytes.to_string();
            }
            let whole = (peer == Peer::SmtpSource).then_some(watched.took);
            let time = whole.or_else(|| watched.said("messages").map(Duration::from_nanos));
            took.push(time.ok_or_else(|| Failure::new(format!("{} measured nothing", peer.name())))?);
            *peak = (*peak).max(watched.peak);
        }
    }
    println!("\n{}: {messages} messages of {size} bytes", case.name);
    let samples: Vec<(Samples, u64)> = found.into_iter().map(|(took, peak)| (Samples::new(took), peak)).collect();
    let ours = samples[0].0.median();
    for (peer, (took, peak)) in PEERS.into_iter().zip(&samples) {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let rate = |percent| messages as f64 / took.percentile(percent).as_secs_f64();
        let times = if peer == Peer::Postroom {
            String::new()
        } else {
            format!("Postroom sends {:.2} times as many", ratio(took.median(), ours))
        };
        println!(
            "  {:<12} {:>9.1} /s  ({:.1}–{:.1})  {:>10}  {times}",
            peer.name(),
            rate(50),
            rate(90),
            rate(10),
            mib((*peak > 0).then_some(*peak)),
        );
    }
    Ok(())
}

fn script(mut program: Command, path: &str) -> Command {
    program.arg(path);
    program
}

/// As many bytes as ours have, over one connection.
fn source(project: &Project, sink: &Sink, size: &str, messages: usize) -> Command {
    let mut command = POSTFIX.command(project, "usr/sbin/smtp-source");
    command.args(["-d", "-s", "1", "-f", "scan@example.com", "-t", "anna@example.com"]);
    command.args(["-l", size, "-m", &messages.to_string(), &format!("127.0.0.1:{}", sink.port())]);
    command
}

/// The part that needs the mailer in the process, built.
fn ours(project: &Project) -> Outcome<PathBuf> {
    let mut command = project.cargo("bench");
    command.args(["--quiet", "-p", "server", "--bench", "send", "--no-run", "--message-format", "json-render-diagnostics"]);
    let built = output(&mut command)?;
    let messages = built.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_it = |message: &Value| message["target"]["name"] == "send" && message["executable"].is_string();
    let path = messages.filter(is_it).find_map(|message| message["executable"].as_str().map(PathBuf::from));
    path.ok_or_else(|| Failure::new("cargo doesn't say where the benchmark is"))
}

/// A program that ran to its end.
struct Watched {
    took: Duration,
    /// The most memory that it had at once: bytes; 0 where the system doesn't tell.
    peak: u64,
    text: String,
}

impl Watched {
    fn run(command: &mut Command) -> Outcome<Self> {
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.doing(|| format!("start `{}`", show(command)))?;
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        let ended = loop {
            if let Some(ended) = child.try_wait().doing(|| "wait".into())? {
                break ended;
            }
            peak = high_water(&status).unwrap_or(peak);
            sleep(Duration::from_millis(2));
        };
        let took = started.elapsed();
        let mut text = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut text).doing(|| "read".into())?;
        }
        if !ended.success() {
            return Err(Failure::new(format!("`{}` failed ({ended})", show(command))));
        }
        Ok(Self { took, peak, text })
    }

    /// The number on the line that begins with `name`.
    fn said(&self, name: &str) -> Option<u64> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

/// The most memory that a process had so far, where Linux tells.
fn high_water(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}
