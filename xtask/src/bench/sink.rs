//! A mail server to send to: Postfix' `smtp-sink`.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::peers::POSTFIX;
use crate::project::{Doing, Failure, Outcome, Project};

/// A server that takes every message and keeps none; it ends when this is dropped.
pub(super) struct Sink {
    child: Child,
    port: u16,
}

impl Sink {
    /// It listens on a free port of loopback.
    pub(super) fn start(project: &Project, options: &[&str]) -> Outcome<Self> {
        let port = free_port().doing(|| "find a free port".into())?;
        let mut command = POSTFIX.command(project, "usr/sbin/smtp-sink");
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args(options).arg(format!("127.0.0.1:{port}")).arg("1000").stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().doing(|| "start smtp-sink".into())?;
        let mut sink = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if !matches!(sink.child.try_wait(), Ok(None)) || Instant::now() > deadline {
                return Err(Failure::new("smtp-sink does not listen"));
            }
            sleep(Duration::from_millis(10));
        }
        Ok(sink)
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
