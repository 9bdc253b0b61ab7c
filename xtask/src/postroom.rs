//! The release binary as a process to be measured, and just enough HTTP to talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::project::{Doing, Failure, Outcome, Project};

/// The beginning of the line that says where the first account is made. It comes after the one with [`READY`].
const SET_UP: &str = "Set up the first account within one hour: ";
/// Where the cookie of a data directory's first account is kept for the next start on it.
const COOKIE_FILE: &str = "bench-cookie";

/// The beginning of the line with which the server says where it is.
pub(crate) const READY: &str = "Postroom is ready at ";

/// A running server on a port of its own; it ends when this is dropped.
pub(crate) struct Postroom {
    child: Child,
    /// `host:port`.
    pub(crate) authority: String,
    /// When the process was started.
    pub(crate) started: Instant,
    /// The session of the first account, as a cookie.
    cookie: String,
}

impl Postroom {
    /// Starts it on `data_dir` and waits until it is ready.
    pub(crate) fn start(project: &Project, data_dir: &Path) -> Outcome<Self> {
        let started = Instant::now();
        let mut child = Command::new(project.binary())
            .args(["serve", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .env("POSTROOM_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .doing(|| format!("start {}", project.binary().display()))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("the server has no output"))?;
        let kept = data_dir.join(COOKIE_FILE);
        let cookie = fs::read_to_string(&kept).unwrap_or_default();
        let mut server = Self { child, authority: String::new(), started, cookie };
        for line in BufReader::new(stdout).lines() {
            let line = line.doing(|| "read what the server says".into())?;
            if let Some(authority) = line.strip_prefix(READY).and_then(|url| url.trim().strip_prefix("http://")) {
                authority.trim_end_matches('/').clone_into(&mut server.authority);
                if !server.cookie.is_empty() {
                    return Ok(server);
                }
            } else if let Some(link) = line.strip_prefix(SET_UP) {
                let token = link.split_once("token=").map(|(_, token)| token.trim()).unwrap_or_default();
                server.cookie = server.connect()?.set_up(token)?;
                fs::write(&kept, &server.cookie).doing(|| format!("write {}", kept.display()))?;
                return Ok(server);
            }
        }
        Err(Failure::new("the server ended before it was ready"))
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Outcome<Http> {
        Http::connect(&self.authority, &self.cookie)
    }

    /// Its resident memory in bytes, where the system tells (Linux).
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }
}

impl Drop for Postroom {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that stays open between requests (HTTP/1.1, RFC 9112).
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    authority: String,
    cookie: String,
}

/// An answer; its body is without the transfer coding.
struct Answer {
    status: u16,
    /// The cookie that it sets.
    cookie: Option<String>,
    body: Vec<u8>,
}

impl Http {
    fn connect(authority: &str, cookie: &str) -> Outcome<Self> {
        let doing = || format!("connect to {authority}");
        let stream = TcpStream::connect(authority).doing(doing)?;
        stream.set_nodelay(true).doing(doing)?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).doing(doing)?;
        Ok(Self { stream: BufReader::new(stream), authority: authority.into(), cookie: cookie.into() })
    }

    /// Makes the first account, and gives its session as a cookie.
    fn set_up(&mut self, token: &str) -> Outcome<String> {
        let form =
            format!("token={token}&name=bench&new_password=seven+quiet+lighthouses&new_password_confirm=seven+quiet+lighthouses");
        let kind = "application/x-www-form-urlencoded";
        let answer = self.request("POST", "/welcome", kind, form.as_bytes()).doing(|| "make the first account".into())?;
        answer.cookie.ok_or_else(|| Failure::new(format!("/welcome answers {} without a session", answer.status)))
    }

    /// The body at `path`; anything but a success is a failure.
    pub(crate) fn get(&mut self, path: &str) -> Outcome<Vec<u8>> {
        let answer = self.request("GET", path, "", b"").doing(|| format!("get {path}"))?;
        if answer.status != 200 {
            return Err(Failure::new(format!("{path} answers {}", answer.status)));
        }
        Ok(answer.body)
    }

    /// `POST /api/…` with JSON; anything but a success is a failure.
    pub(crate) fn api(&mut self, path: &str, body: &Value) -> Outcome<Value> {
        let json = body.to_string();
        let answer = self
            .request("POST", &format!("/api/{path}"), "application/json", json.as_bytes())
            .doing(|| format!("post to {path}"))?;
        if answer.status != 200 {
            return Err(Failure::new(format!("{path} answers {}: {}", answer.status, String::from_utf8_lossy(&answer.body))));
        }
        serde_json::from_slice(&answer.body).doing(|| format!("read what {path} answers"))
    }

    fn request(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<Answer> {
        let content = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: {kind}\r\nContent-Length: {length}\r\nOrigin: http://{}\r\n", self.authority),
        };
        let cookie = if self.cookie.is_empty() { String::new() } else { format!("Cookie: {}\r\n", self.cookie) };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{cookie}{content}\r\n", self.authority);
        self.stream.get_mut().write_all(&[request.as_bytes(), body].concat())?;

        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this is no HTTP answer");
        let status = self.line()?.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(wrong)?;
        let mut length = None;
        let mut chunked = false;
        let mut cookie = None;
        loop {
            let line = self.line()?;
            if let Some(set) = line.get(..11).filter(|name| name.eq_ignore_ascii_case("set-cookie:")).and(line.get(11..)) {
                cookie = set.split(';').next().map(|pair| pair.trim().to_owned());
            }
            let line = line.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse::<usize>().ok();
            }
            chunked |= line.strip_prefix("transfer-encoding:").is_some_and(|value| value.trim() == "chunked");
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size =
                    usize::from_str_radix(self.line()?.split(';').next().unwrap_or_default().trim(), 16).map_err(|_| wrong())?;
                self.take(size, &mut body)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            self.take(length.ok_or_else(wrong)?, &mut body)?;
        }
        Ok(Answer { status, cookie, body })
    }

    fn take(&mut self, bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let start = into.len();
        into.resize(start + bytes, 0);
        self.stream.read_exact(&mut into[start..])
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}
