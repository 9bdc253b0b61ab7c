//! SMTP sessions into a sink on this machine (Postfix' `smtp-sink`): ours beside swaks as processes, beside lettre's own
//! connection in one process, and beside nodemailer's pool with many messages over one connection.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::sink::Sink;
use super::{Samples, ms, ratio, scratch};
use crate::peers::{POSTFIX, SWAKS};
use crate::project::{Doing, Failure, Outcome, Project, output, run as run_to_end};
use crate::setup;

const PROCESSES: usize = 50;
const SESSIONS: usize = 1_000;
const MESSAGES: usize = 1_000;
/// How often that many messages are sent.
const ROUNDS: usize = 11;

pub(super) fn run(project: &Project) -> Outcome {
    POSTFIX.unpack(project)?;
    SWAKS.unpack(project)?;
    setup::npm_packages(project)?;
    run_to_end(bench(project).arg("--no-run"))?;
    let sink = Sink::start(project, &[])?;
    processes(project, &sink)?;
    println!();
    overhead(project, "a server with PIPELINING", &sink)?;
    overhead(project, "a server without it", &Sink::start(project, &["-p"])?)?;
    println!();
    messages(project, &sink)
}

/// A whole test as a process each, in turns.
fn processes(project: &Project, sink: &Sink) -> Outcome {
    let config = scratch(project, "session")?.join("server.json");
    fs::write(&config, format!("{{ \"host\": \"127.0.0.1\", \"port\": {}, \"sender\": \"scan@example.com\" }}", sink.port()))
        .doing(|| format!("write {}", config.display()))?;
    let (mut ours, mut swaks, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    // The first of each is not counted.
    for round in 0..=PROCESSES {
        let mut postroom = Command::new(project.binary());
        postroom.args(["send-test", "--to", "anna@example.com", "--format", "ndjson", "--config"]).arg(&config);
        let mut perl = SWAKS.command(project, "usr/bin/swaks");
        let server = format!("127.0.0.1:{}", sink.port());
        perl.args(["--server", &server, "--helo", "bench.test", "--from", "scan@example.com", "--to", "anna@example.com"]);
        let times = [timed(&mut postroom)?, timed(&mut perl)?, timed(Command::new(project.binary()).arg("--version"))?];
        if round > 0 {
            ours.push(times[0]);
            swaks.push(times[1]);
            starts.push(times[2]);
        }
    }
    let (ours, swaks) = (Samples::new(ours), Samples::new(swaks));
    println!("postroom send-test, a process                {ours}");
    println!("swaks, a process                             {swaks}");
    println!("postroom --version, a process                {}", Samples::new(starts));
    println!("a test takes {:.2} times what swaks takes", ratio(ours.median(), swaks.median()));
    Ok(())
}

fn timed(command: &mut Command) -> Outcome<Duration> {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().doing(|| format!("start {}", command.get_program().to_string_lossy()))?;
    let elapsed = started.elapsed();
    if output.status.success() {
        return Ok(elapsed);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Err(Failure::new(format!("{} failed ({}): {said}", command.get_program().to_string_lossy(), output.status)))
}

/// A session with a message in one process, in turns.
fn overhead(project: &Project, server: &str, sink: &Sink) -> Outcome {
    let text = output(bench(project).args(["--", "overhead"]).args([sink.port().to_string(), SESSIONS.to_string()]))?;
    let (ours, lettre) = (samples(&text, "ours")?, samples(&text, "lettre")?);
    println!("with {server}:");
    println!("our session, recorded and guarded            {ours}");
    println!("lettre's connection, without delay           {lettre}");
    let more = (ratio(ours.median(), lettre.median()) - 1.0) * 100.0;
    println!("ours takes {more:+.1} % ({} against {} ms)", ms(ours.median()), ms(lettre.median()));
    Ok(())
}

/// Many messages over one connection, in turns.
fn messages(project: &Project, sink: &Sink) -> Outcome {
    let (port, count) = (sink.port().to_string(), MESSAGES.to_string());
    let (mut ours, mut nodemailer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(samples(&output(bench(project).args(["--", "messages", &port, &count]))?, "messages")?.median());
        let mut node = project.node();
        node.args(["bench-nodemailer.mjs", &port, &count]);
        nodemailer.push(samples(&output(&mut node)?, "messages")?.median());
    }
    let (ours, nodemailer) = (Samples::new(ours), Samples::new(nodemailer));
    println!("{MESSAGES} messages over one channel              {ours}: {:.0} a second", rate(&ours));
    println!("{MESSAGES} messages through nodemailer's pool     {nodemailer}: {:.0} a second", rate(&nodemailer));
    println!("ours are {:.2} times as many", ratio(nodemailer.median(), ours.median()));
    Ok(())
}

fn rate(samples: &Samples) -> f64 {
    1_000.0 * ratio(Duration::from_secs(1), samples.median())
}

/// The part that needs the mailer in the process. Built as the binary is: the assets are an input of the crate.
fn bench(project: &Project) -> Command {
    let mut command = project.cargo("bench");
    command.args(["--quiet", "-p", "server", "--bench", "session"]).env("POSTROOM_ASSETS", project.site());
    command
}

/// The lines that begin with `name`.
fn samples(text: &str, name: &str) -> Outcome<Samples> {
    let nanos = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    let all: Vec<Duration> = nanos.map(Duration::from_nanos).collect();
    if all.is_empty() {
        return Err(Failure::new(format!("the benchmark measured no {name}: {text}")));
    }
    Ok(Samples::new(all))
}
