//! The mailer's own part of `cargo xtask bench send`, which starts the peers and sums up: messages of an application with files,
//! composed, read, encoded and sent over one connection. Prints a line for each of: bytes of a message, and nanoseconds for all.
//!
//! `PORT WARM-UP COUNT [FILE …]`: that many messages with these files after those that don't count.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use domain::address::{Mailbox, Strictness};
use domain::fax::FaxSettings;
use domain::host::Host;
use domain::link::Language;
use domain::name::Name;
use domain::smtp_server::{
    Attachments, DEFAULT_LINK_DAYS, DEFAULT_THRESHOLD, Kind, Protocol, SignIn, SmtpServer, StartTls, TlsSettings,
};
use domain::transcript::{Event, Outcome};
use server::mailer::{Channel, Envelope, FileContent, Mailer, Message, Mode, Outgoing, Part, TestRun};
use server::ports::{Random as _, SystemRandom};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [port, warm_up, count, files @ ..] = args.as_slice() else {
        println!("This is a part of `cargo xtask bench send`.");
        return;
    };
    let (port, warm_up, count) = (port.parse().unwrap(), warm_up.parse().unwrap(), count.parse().unwrap());
    let application = Application::new(files);
    println!("size {}", application.message().size());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(send(port, warm_up, count, &application));
}

async fn send(port: u16, warm_up: usize, count: usize, application: &Application) {
    let mailer = Mailer::system(None).unwrap().with_ehlo_name("bench.test");
    let mut sink = |event: Event| drop(std::hint::black_box(event));
    let run = TestRun::new(entry(port), None, Mode::Check(None));
    let took = mailer
        .channel(run, &mut sink, async |channel| {
            application.send(channel, warm_up).await;
            let started = Instant::now();
            application.send(channel, count).await;
            started.elapsed()
        })
        .await;
    println!("messages {}", took.unwrap().as_nanos());
}

/// Who sends, and what.
struct Application {
    from: Mailbox,
    to: Vec<Mailbox>,
    text: String,
    files: Vec<(PathBuf, u64)>,
}

impl Application {
    fn new(files: &[String]) -> Self {
        let mailbox = |text| Mailbox::parse(text, Strictness::Strict).unwrap();
        Self {
            from: mailbox("Scan <scan@example.com>"),
            to: vec![mailbox("Anna <anna@example.com>")],
            text: "Nobody needs to read or answer this line of text.\r\n".repeat(13),
            files: files.iter().map(|path| (path.into(), std::fs::metadata(path).unwrap().len())).collect(),
        }
    }

    /// Each one is composed anew.
    fn message(&self) -> Message<'static> {
        let mut random = [0; 16];
        SystemRandom.fill(&mut random);
        let part = |(path, size): &(PathBuf, u64)| Part {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            content_type: "application/octet-stream".into(),
            size: *size,
            content: Arc::new(FileContent::new(path)),
        };
        Outgoing {
            from: &self.from,
            reply_to: &[],
            to: &self.to,
            cc: &[],
            subject: "A benchmark",
            text: Some(&self.text),
            html: None,
            attachments: self.files.iter().map(part).collect(),
            now: SystemTime::now(),
            random,
        }
        .compose()
        .unwrap()
    }

    async fn send(&self, channel: &mut Channel<'_, '_>, count: usize) {
        let envelope = Envelope { from: self.from.clone(), to: self.to.clone(), attachment: None };
        for _ in 0..count {
            assert_eq!(channel.send(&envelope, &self.message()).await.outcome, Outcome::Sent);
        }
    }
}

fn entry(port: u16) -> SmtpServer {
    SmtpServer {
        name: Name::parse("bench").unwrap(),
        kind: Kind::Smtp,
        fax: FaxSettings::default(),
        protocol: Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: false },
        host: Host::Ip([127, 0, 0, 1].into()),
        port,
        tls: TlsSettings::default(),
        timeout_ms: 60_000,
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
