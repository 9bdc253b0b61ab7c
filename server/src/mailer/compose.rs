//! The test message, and how a message travels in DATA: CRLF line ends only, dots stuffed.

use std::time::SystemTime;

use domain::address::{BareName, Domain, Mailbox};
use domain::fax::FaxDocument;
use domain::transcript::Security;
use lettre::message::Body;
use lettre::message::header::{ContentType, Date, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, MessageId, Subject};

use super::message::Message;
use super::test_fax;

/// What the test message tells.
pub(super) struct TestMessage<'a> {
    pub(super) from: &'a Mailbox,
    pub(super) to: &'a [Mailbox],
    /// What goes with it.
    pub(super) attachment: Option<TestFile>,
    /// What stands in the place of a file: a link to it, in words.
    pub(super) link: Option<&'a str>,
    /// The entry's name.
    pub(super) server: &'a str,
    /// `host:port`.
    pub(super) target: &'a str,
    pub(super) security: Security,
    pub(super) now: SystemTime,
    /// Makes the Message-ID one of its own.
    pub(super) random: [u8; 16],
}

/// A file that goes with a test message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TestFile {
    /// One of so many bytes that mean nothing.
    Filler(u64),
    /// The page that is faxed.
    Fax,
}

impl TestFile {
    /// How many bytes it has.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::Filler(bytes) => bytes,
            Self::Fax => test_fax::pdf().len() as u64,
        }
    }
}

impl TestMessage<'_> {
    /// The message as RFC 5322 writes it, not yet fit for DATA.
    ///
    /// # Errors
    /// A mailbox has no domain.
    pub(super) fn compose(&self) -> Result<Message<'static>, BareName> {
        use std::fmt::Write as _;
        let mut id = String::from("<");
        for byte in self.random {
            let written = write!(id, "{byte:02x}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        let domain = self.from.domain().map(Domain::ascii).filter(|domain| domain.is_ascii()).unwrap_or("postroom.invalid");
        id.push('@');
        id.push_str(domain);
        id.push('>');
        let body = format!(
            "This is a test message.\r\n\r\nPostroom sent it to prove that the mail server entry “{}” works:\r\nthrough {}, {}.\r\n\r\nNobody needs to answer it.\r\n{}",
            self.server,
            self.target,
            self.security.words(),
            self.link.map(|link| format!("\r\n{}", link.replace('\n', "\r\n"))).unwrap_or_default()
        );
        let body = Body::new(body);
        let mut headers = Headers::new();
        headers.set(Date::new(self.now));
        headers.set(MessageId::from(id));
        headers.insert_raw(raw("From", &self.from.to_header()?));
        let to: Vec<String> = self.to.iter().map(Mailbox::to_header).collect::<Result<_, _>>()?;
        headers.insert_raw(raw("To", &to.join(", ")));
        headers.set(Subject::from(format!("Test from Postroom through {}", self.server)));
        // Nobody's out-of-office note should answer (RFC 3834 section 5).
        headers.insert_raw(raw("Auto-Submitted", "auto-generated"));
        headers.set(MIME_VERSION_1_0);
        let mut text = Headers::new();
        text.set(ContentType::TEXT_PLAIN);
        text.set(body.encoding());
        let text = [text.to_string().as_bytes(), b"\r\n", body.as_ref()].concat();
        let Some(attachment) = self.attachment else {
            return Ok([headers.to_string().as_bytes(), &text].concat().into());
        };
        // 128 random bits that stand in no line of base64 or of ours (RFC 2046 section 5.1.1).
        let boundary: String = self.random.iter().rev().fold("=_".into(), |text, byte| text + &format!("{byte:02x}"));
        let mut message = Message::from(
            format!("{headers}Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n").into_bytes(),
        );
        message.push(text);
        let (media_type, name) = match attachment {
            TestFile::Filler(bytes) => ("application/octet-stream", format!("postroom-{bytes}-bytes.bin")),
            TestFile::Fax => (FaxDocument::Pdf.media_type(), test_fax::NAME.to_owned()),
        };
        message.push(
            format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n"
            )
            .into_bytes(),
        );
        match attachment {
            TestFile::Filler(bytes) => message.push_filler(bytes),
            TestFile::Fax => message.push(test_fax::encoded(&test_fax::pdf())),
        }
        message.push(format!("--{boundary}--\r\n").into_bytes());
        Ok(message)
    }
}

/// A header whose value our own serialiser wrote, folded (RFC 5322 section 2.2.3).
fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.into(), fold(name.len() + 2, value))
}

/// Breaks lines before a space that a word follows, where they would have more than 78 characters; `used` are taken
/// already on the first one.
pub(super) fn fold(used: usize, value: &str) -> String {
    const WIDTH: usize = 78;
    let mut out = String::with_capacity(value.len() + 16);
    let mut width = used;
    // Every piece but the first begins with the spaces in front of its word.
    let mut rest = value;
    while !rest.is_empty() {
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        let word = rest[spaces..].find(' ').unwrap_or(rest.len() - spaces);
        let piece = &rest[..spaces + word];
        let length = piece.chars().count();
        if spaces > 0 && word > 0 && width + length > WIDTH {
            out.push_str("\r\n");
            width = 0;
        }
        out.push_str(piece);
        width += length;
        rest = &rest[spaces + word..];
    }
    out
}

/// Turns a message into what follows DATA (RFC 5321 section 4.5.2), chunk by chunk: bare CR and LF become CRLF, a dot at
/// the beginning of a line is doubled. `CRLF . CRLF` comes from [`DotStuffer::finish`] and from nowhere else.
#[derive(Debug)]
pub(super) struct DotStuffer {
    last: u8,
    line_start: bool,
}

/// At the beginning of a line.
impl Default for DotStuffer {
    fn default() -> Self {
        Self { last: b'\n', line_start: true }
    }
}

impl DotStuffer {
    /// Appends what `chunk` becomes.
    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let Some(&last) = chunk.last() else { return };
        // What is fine as it is is copied in one go, up to the next byte that isn't.
        let (mut copied, mut at) = (0, 0);
        // The CR of the chunk before made the line end already.
        if self.last == b'\r' && chunk[0] == b'\n' {
            (copied, at) = (1, 1);
        }
        if self.line_start && chunk.get(at) == Some(&b'.') {
            out.push(b'.');
        }
        while let Some(end) = memchr::memchr2(b'\r', b'\n', &chunk[at..]).map(|end| at + end) {
            at = end + 1;
            if chunk[end] == b'\r' && chunk.get(at) == Some(&b'\n') {
                at += 1;
            } else {
                out.extend_from_slice(&chunk[copied..end]);
                out.extend_from_slice(b"\r\n");
                copied = at;
            }
            if chunk.get(at) == Some(&b'.') {
                out.extend_from_slice(&chunk[copied..at]);
                out.push(b'.');
                copied = at;
            }
        }
        out.extend_from_slice(&chunk[copied..]);
        self.line_start = matches!(last, b'\r' | b'\n');
        self.last = last;
    }

    /// Lines were appended that are fit for DATA as they are: each with its end, none that begins with a dot.
    pub(super) fn lines(&mut self) {
        *self = Self::default();
    }

    /// Appends the end of the message.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        if !self.line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use domain::address::Strictness;

    use super::super::message::tests::whole;
    use super::*;

    #[test]
    fn a_file_goes_with_it_as_a_part_of_its_own() {
        let parse = |text| Mailbox::parse(text, Strictness::Strict).unwrap();
        let message = TestMessage {
            from: &parse("scan@example.com"),
            to: &[parse("anna@example.com")],
            attachment: Some(TestFile::Filler(100)),
            link: None,
            server: "mail",
            target: "smtp.example.com:587",
            security: Security::Tls13,
            now: UNIX_EPOCH,
            random: [0xab; 16],
        };
        let text = whole(&message.compose().unwrap());
        let boundary = text.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
        let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
        assert_eq!(parts.len(), 4, "{text}");
        assert!(parts[1].contains("text/plain") && parts[1].contains("This is a test message."));
        assert!(parts[2].contains("filename=\"postroom-100-bytes.bin\""));
        let encoded = parts[2].split("\r\n\r\n").nth(1).unwrap().replace("\r\n", "");
        assert_eq!(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded).unwrap().len(), 100);
        assert_eq!(parts[3], "--\r\n");
    }

    #[test]
    fn a_test_fax_carries_a_page() {
        let parse = |text| Mailbox::parse(text, Strictness::Strict).unwrap();
        let message = TestMessage {
            from: &parse("scan@example.com"),
            to: &[parse("FAX=+4930123456@fax.example.com")],
            attachment: Some(TestFile::Fax),
            link: None,
            server: "fax",
            target: "smtp.example.com:587",
            security: Security::Tls13,
            now: UNIX_EPOCH,
            random: [0xab; 16],
        };
        let text = whole(&message.compose().unwrap());
        assert!(text.contains("\r\nTo: FAX=+4930123456@fax.example.com\r\n"), "{text}");
        let part = text.split("Content-Type: application/pdf\r\n").nth(1).unwrap();
        assert!(part.contains("filename=\"postroom-test-fax.pdf\""));
        let encoded = part.split("\r\n\r\n").nth(1).unwrap().split("--").next().unwrap().replace("\r\n", "");
        let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded).unwrap();
        assert_eq!((decoded.len() as u64, decoded), (TestFile::Fax.size(), test_fax::pdf()));
    }

    #[test]
    fn the_test_message_is_exact() {
        let parse = |text| Mailbox::parse(text, Strictness::Strict).unwrap();
        let message = TestMessage {
            from: &parse("scan@example.com"),
            to: &[parse("anna@example.com"), parse("otto@example.org")],
            attachment: None,
            link: None,
            server: "mail",
            target: "smtp.example.com:587",
            security: Security::Tls13,
            now: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            random: [0xab; 16],
        };
        let text = whole(&message.compose().unwrap());
        let (headers, body) = text.split_once("\r\n\r\n").unwrap();
        for header in [
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "Message-ID: <abababababababababababababababab@example.com>",
            "Subject: Test from Postroom through mail",
            "From: scan@example.com",
            "To: anna@example.com, otto@example.org",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(headers.contains(header), "{header} in {headers}");
        }
        assert!(text.is_ascii());
        assert!(body.contains("smtp.example.com:587"), "{body}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn long_headers_are_folded_and_unfold_to_the_same() {
        let value = (0..40).map(|n| format!("\"A  B, {n}\" <a{n}@example.com>")).collect::<Vec<_>>().join(", ");
        let folded = fold(4, &value);
        assert_eq!(folded.replace("\r\n", ""), value);
        for (number, line) in folded.split("\r\n").enumerate() {
            assert!(line.len() <= 78 && !line.trim().is_empty(), "{line:?}");
            assert!(number == 0 || line.starts_with(' '), "{line:?}");
        }
        assert_eq!(fold(4, "short"), "short");
    }

    #[test]
    fn dots_are_stuffed_and_line_ends_repaired_across_every_chunk_border() {
        let table: [(&[u8], &[u8]); 14] = [
            (b"a", b"a\r\n.\r\n"),
            (b"", b".\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\n\r.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
            (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
            (b"..a\r\n", b"...a\r\n.\r\n"),
            (b"\n", b"\r\n.\r\n"),
            (b"\r.\n.\r\n..", b"\r\n..\r\n..\r\n...\r\n.\r\n"),
            (b"a\r\n.\rb\n\n.", b"a\r\n..\r\nb\r\n\r\n..\r\n.\r\n"),
            (b"\r\n\r\n\r\n", b"\r\n\r\n\r\n.\r\n"),
            (b"a\r.\r\nMAIL FROM:<x>", b"a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n"),
        ];
        for (input, expected) in table {
            for border in 0..=input.len() {
                let (mut stuffer, mut out) = (DotStuffer::default(), Vec::new());
                stuffer.push(&input[..border], &mut out);
                stuffer.push(&input[border..], &mut out);
                stuffer.finish(&mut out);
                assert_eq!(out, expected, "{input:?} at {border}");
            }
            let (mut stuffer, mut out) = (DotStuffer::default(), Vec::new());
            input.chunks(1).for_each(|byte| stuffer.push(byte, &mut out));
            stuffer.finish(&mut out);
            assert_eq!(out, expected, "{input:?} byte by byte");
        }
    }
}
