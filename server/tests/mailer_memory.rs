//! What a peer that never ends makes us keep in memory. In a program of its own: the allocator counts for all of it, and
//! nothing else may run meanwhile, so there is one test.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use domain::address::{Mailbox, Strictness};
use domain::fax::FaxSettings;
use domain::host::Host;
use domain::link::Language;
use domain::name::Name;
use domain::secret::Secret;
use domain::size::Size;
use domain::smtp_server::{
    Attachments, DEFAULT_LINK_DAYS, DEFAULT_THRESHOLD, Envelope, Kind, Protocol, SignIn, SmtpServer, StartTls, TlsSettings,
};
use domain::transcript::{Cause, Event, Outcome};
use peak_alloc::PeakAlloc;
use server::mailer::{FileContent, Mailer, Mode, Outgoing, Part, TestRun};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a run may need besides what was there before.
const LIMIT: usize = 1 << 20;

/// The most bytes that were allocated at once during `work`, besides those that were before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = work();
    (ALLOCATOR.peak_usage() - before, result)
}

/// A peer that answers `first` and then says `again` until the other side is gone, `limit` bytes at most. It allocates nothing
/// once it runs.
fn peer(first: &'static [u8], again: &'static [u8], limit: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        if stream.write_all(first).is_err() {
            return;
        }
        let mut said = 0;
        while said < limit && stream.write_all(again).is_ok() {
            said += again.len();
        }
    });
    address
}

/// An entry for the peer.
fn entry(address: SocketAddr) -> SmtpServer {
    SmtpServer {
        name: Name::parse("mail").unwrap(),
        kind: Kind::Smtp,
        fax: FaxSettings::default(),
        protocol: Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: false },
        host: Host::Ip(IpAddr::from([127, 0, 0, 1])),
        port: address.port(),
        tls: TlsSettings::default(),
        timeout_ms: 10_000,
        sign_in: SignIn::None,
        sender: None,
        mime_address_strict: true,
        attachments: Attachments {
            as_url: false,
            threshold: DEFAULT_THRESHOLD,
            link_days: DEFAULT_LINK_DAYS,
            link_language: Language::English,
        },
    }
}

/// Tests an entry for the peer and keeps every event, as the page does.
fn cause(mailer: &Mailer, runtime: &tokio::runtime::Runtime, address: SocketAddr) -> Option<Cause> {
    let credential = Some(Secret::new("not-a-password".into()).into());
    let mut events: Vec<Event> = Vec::new();
    let run = TestRun::new(entry(address), credential, Mode::Check(None));
    runtime.block_on(mailer.run(run, &mut |event| events.push(event))).cause
}

/// A server that takes any message. Like [`peer`] it allocates nothing once it runs.
fn sink() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut buffer, mut end) = ([0; 8 << 10], [0; 5]);
        stream.write_all(b"220 x\r\n").unwrap();
        for reply in [&b"250 x\r\n"[..], b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"] {
            if stream.read(&mut buffer).is_err() || stream.write_all(reply).is_err() {
                return;
            }
        }
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            // Only the last bytes matter.
            for &byte in &buffer[count.saturating_sub(5)..count] {
                end.rotate_left(1);
                end[4] = byte;
            }
            if end == *b"\r\n.\r\n" && stream.write_all(b"250 taken\r\n").is_err() {
                return;
            }
        }
    });
    address
}

/// Sends a test message with a file of so many bytes.
fn send(mailer: &Mailer, runtime: &tokio::runtime::Runtime, address: SocketAddr, bytes: u64) -> Outcome {
    let mut server = entry(address);
    server.attachments.threshold = Size::from_bytes(1 << 40);
    let mailbox = |text| Mailbox::parse(text, Strictness::Strict).unwrap();
    let envelope = Envelope {
        from: mailbox("scan@example.com"),
        to: vec![mailbox("anna@example.org")],
        attachment: Some(Size::from_bytes(bytes)),
    };
    let run = TestRun::new(server, None, Mode::Send(envelope));
    runtime.block_on(mailer.run(run, &mut |_| {})).outcome
}

/// A file of so many bytes, of which there is nothing on the disk.
fn file_of(bytes: u64) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
    (directory, path)
}

/// Sends a file along with a message of an application.
fn send_file(mailer: &Mailer, runtime: &tokio::runtime::Runtime, address: SocketAddr, path: &Path, size: u64) -> Outcome {
    let mailbox = |text| Mailbox::parse(text, Strictness::Strict).unwrap();
    let (from, to) = (mailbox("scan@example.com"), vec![mailbox("anna@example.org")]);
    let content = Arc::new(FileContent::new(path));
    let outgoing = Outgoing {
        from: &from,
        reply_to: &[],
        to: &to,
        cc: &[],
        subject: "A large file",
        text: Some("Here it is."),
        html: None,
        attachments: vec![Part { name: "large.bin".into(), content_type: "application/octet-stream".into(), size, content }],
        now: UNIX_EPOCH,
        random: [0; 16],
    };
    let message = outgoing.compose().unwrap();
    let envelope = Envelope { from, to, attachment: None };
    let run = TestRun::new(entry(address), None, Mode::Check(None));
    let mut sink = |_: Event| {};
    let sending = mailer.channel(run, &mut sink, async |channel| channel.send(&envelope, &message).await.outcome);
    runtime.block_on(sending).unwrap()
}

#[test]
fn what_never_ends_stays_under_a_megabyte() {
    const ENDLESS_LINE: &[u8] = &[b'x'; 64 << 10];
    const CONTROLS: &[u8] = &[1; 64 << 10];
    const FOR_EVER: usize = usize::MAX;
    let mailer = Mailer::system(None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // What is made only once, such as the log's and the runtime's own, is made before anything is measured.
    assert_eq!(cause(&mailer, &runtime, peer(b"hello\r\n", b"", 0)), Some(Cause::Malformed));
    let table: [(&str, &'static [u8], &'static [u8]); 7] = [
        ("an endless line", b"220 ", ENDLESS_LINE),
        ("an endless line of what has to be escaped", b"220 ", CONTROLS),
        ("an endless greeting", b"", b"220-and on\r\n"),
        ("an endless greeting of short lines", b"", b"220-\n"),
        ("an endless greeting of escapes", b"", b"220-\x01\x02\x03\x04\x05\x06\x07\xff\xfe\xe2\x80\xae\r\n"),
        ("an endless introduction", b"220 x\r\n", b"250-AUTH X Y Z\r\n"),
        ("lines of just the length that is allowed", b"", line_of_4_kib()),
    ];
    for (name, first, again) in table {
        let (peak, cause) = peak_of(|| cause(&mailer, &runtime, peer(first, again, FOR_EVER)));
        // The introduction is said before it was asked for.
        let expected = if name.contains("introduction") { Cause::OutOfStep } else { Cause::TooLong };
        assert_eq!(cause, Some(expected), "{name}");
        assert!(peak < LIMIT, "{name} took {peak} bytes");
    }

    // What is sent is made while it is.
    let (peak, finished) = peak_of(|| send(&mailer, &runtime, sink(), 64 << 20));
    assert_eq!(finished, Outcome::Sent);
    assert!(peak < LIMIT, "a message of 88 MB took {peak} bytes");

    // Also what is read from a file.
    let (directory, file) = file_of(200 << 20);
    let (peak, finished) = peak_of(|| send_file(&mailer, &runtime, sink(), &file, 200 << 20));
    assert_eq!(finished, Outcome::Sent);
    assert!(peak < LIMIT, "a file of 200 MiB took {peak} bytes");
    drop(directory);

    // The same measure sees a reader without a cap.
    let address = peer(b"220 ", ENDLESS_LINE, 8 << 20);
    let (peak, line) = peak_of(|| {
        let mut line = Vec::new();
        BufReader::new(TcpStream::connect(address).unwrap()).read_until(b'\n', &mut line).unwrap();
        line
    });
    assert!(line.len() > 8 << 20 && peak > LIMIT, "{peak} bytes for {}", line.len());
}

const fn line_of_4_kib() -> &'static [u8] {
    const LINE: [u8; 4 << 10] = {
        let mut line = [b'x'; 4 << 10];
        (line[0], line[1], line[2], line[3]) = (b'2', b'2', b'0', b'-');
        line[(4 << 10) - 1] = b'\n';
        line
    };
    &LINE
}
