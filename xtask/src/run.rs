//! `cargo xtask run`: Postroom and a mail catcher to try it with, until Ctrl-C.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::postroom::READY;
use crate::project::{Doing, Failure, Outcome, Project, show};
use crate::{build, setup};

/// Where the catcher listens.
const CATCHER: (&str, &str) = ("127.0.0.1", "2525");
/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(15);

/// What `cargo xtask run` was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    addr: String,
    data_dir: String,
    catcher: bool,
    more: Vec<String>,
}

impl Options {
    /// Reads the arguments.
    pub(crate) fn parse(args: &[String]) -> Outcome<Self> {
        let mut options = Self { addr: "127.0.0.1:3000".into(), data_dir: "./data".into(), catcher: true, more: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (name, inline) = arg.split_once('=').map_or((arg.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
            let mut value =
                || inline.clone().or_else(|| args.next().cloned()).ok_or_else(|| Failure::usage(format!("{name} needs a value.")));
            match name {
                "--addr" => options.addr = value()?,
                "--data-dir" => options.data_dir = value()?,
                "--no-catcher" => options.catcher = false,
                "--" => options.more = args.by_ref().cloned().collect(),
                _ => {
                    return Err(Failure::usage(format!(
                        "`run` takes no “{arg}”. `cargo xtask help` shows what it takes; what is for Postroom comes after “--”."
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// What happens while the programs run.
enum Event {
    /// The server said where it is.
    Ready(String),
    /// A program ended.
    Ended(usize, std::io::Result<ExitStatus>),
    /// This program was asked to end.
    Signal,
}

/// A program that was started.
struct Running {
    name: &'static str,
    pid: Pid,
    has_ended: bool,
}

/// Builds, starts both programs and waits. Ends well when asked to stop, badly when one of them ends by itself.
pub(crate) fn run(project: &Project, options: &Options) -> Outcome {
    if options.catcher {
        setup::npm_packages(project)
            .map_err(|failure| Failure::new(format!("{failure}\nWithout the mail catcher: --no-catcher")))?;
    }
    build::build(project)?;

    let (events, inbox) = channel();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).doing(|| "listen for Ctrl-C".into())?;
    let on_signal = events.clone();
    thread::spawn(move || signals.forever().all(|_| on_signal.send(Event::Signal).is_ok()));

    let mut server = Command::new(project.binary());
    server.current_dir(&project.root).args(["serve", "--addr", &options.addr, "--data-dir", &options.data_dir]).args(&options.more);
    let mut running = vec![start("Postroom", server.stdout(Stdio::piped()), 0, &events)?];
    if options.catcher {
        let mut catcher = project.node();
        catcher.args(["catcher.mjs", "--host", CATCHER.0, "--port", CATCHER.1]);
        match start("the mail catcher", &mut catcher, 1, &events) {
            Ok(catcher) => running.push(catcher),
            Err(failure) => {
                stop(&mut running, &inbox);
                return Err(failure);
            }
        }
    }
    let outcome = wait(&mut running, &inbox, options.catcher);
    stop(&mut running, &inbox);
    outcome
}

/// Starts a program in a process group of its own: Ctrl-C reaches only this program, which then asks the others to end.
fn start(name: &'static str, command: &mut Command, index: usize, events: &Sender<Event>) -> Outcome<Running> {
    let mut child =
        command.stdin(Stdio::null()).process_group(0).spawn().doing(|| format!("start {name} (`{}`)", show(command)))?;
    if let Some(stdout) = child.stdout.take() {
        let events = events.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                println!("{line}");
                if let Some(url) = line.strip_prefix(READY) {
                    let _ = events.send(Event::Ready(url.trim().into()));
                }
            }
        });
    }
    let pid = Pid::from_child(&child);
    let events = events.clone();
    thread::spawn(move || {
        let mut child: Child = child;
        let _ = events.send(Event::Ended(index, child.wait()));
    });
    Ok(Running { name, pid, has_ended: false })
}

fn wait(running: &mut [Running], inbox: &Receiver<Event>, catcher: bool) -> Outcome {
    loop {
        match inbox.recv().doing(|| "wait for the programs".into())? {
            Event::Ready(url) => println!("{}", welcome(&url, catcher)),
            Event::Signal => return Ok(()),
            Event::Ended(index, status) => {
                running[index].has_ended = true;
                let name = running[index].name;
                let status = status.doing(|| format!("wait for {name}"))?;
                let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1);
                return Err(Failure::with_code(format!("{name} ended by itself ({status}), so everything was stopped."), code));
            }
        }
    }
}

fn welcome(url: &str, catcher: bool) -> String {
    let (host, port) = CATCHER;
    let catcher = if catcher {
        format!(
            "  Mail catcher  {host}:{port}   takes every message and prints it here\n\n  \
             To try it: Add SMTP server, then SMTP hostname {host}, SMTP port {port}, StartTLS Disabled,\n  \
             no username; Send test email from and to any address.\n"
        )
    } else {
        String::new()
    };
    format!("\n  Postroom      {url}   ← open this in a browser\n{catcher}\n  Ctrl-C stops it.\n")
}

/// Asks what still runs to end, waits for it, and kills what does not end in time or when asked a second time.
fn stop(running: &mut [Running], inbox: &Receiver<Event>) {
    signal(running, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while running.iter().any(|program| !program.has_ended) {
        match inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Ended(index, _)) => running[index].has_ended = true,
            Ok(Event::Ready(_)) => {}
            Ok(Event::Signal) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                println!("Not everything ended within {} s; it is killed now.", GRACE.as_secs());
                break;
            }
        }
    }
    signal(running, Signal::KILL);
    println!("Stopped.");
}

fn signal(running: &[Running], signal: Signal) {
    for program in running.iter().filter(|program| !program.has_ended) {
        // Only fails when the program has just ended.
        let _ = kill_process(program.pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Outcome<Options> {
        Options::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_taken_in_both_forms_and_the_rest_goes_to_the_server() {
        let options =
            parse(&["--addr=127.0.0.1:4000", "--data-dir", "x", "--no-catcher", "--", "--public-url", "y"]).expect("parses");
        let more = vec!["--public-url".to_owned(), "y".to_owned()];
        assert_eq!(options, Options { addr: "127.0.0.1:4000".into(), data_dir: "x".into(), catcher: false, more });
        assert!(parse(&["--addr"]).is_err());
        assert!(parse(&["--port", "1"]).is_err());
    }
}
