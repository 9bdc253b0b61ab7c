//! A message that an application handed over, as it is written: header fields (RFC 5322), texts and files in parts (RFC 2045,
//! 2046). Whatever the application gave is foreign: nothing of it becomes a field, a line or a part of its own.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use domain::address::{AddrSpec, BareName, Domain, Mailbox, encoded_words};
use domain::file_name::safe_file_name;
use lettre::message::Body;
use lettre::message::header::{ContentTransferEncoding, Date, Headers};

use super::compose::fold;
use super::content::Content;
use super::message::Message;

/// A message that an application handed over, as it is to be written (RFC 5322). Who gets a blind copy is in the envelope only.
pub struct Outgoing<'a> {
    /// Who wrote it.
    pub from: &'a Mailbox,
    /// Who gets the answers; the field is left out where there is nobody.
    pub reply_to: &'a [Mailbox],
    /// Whom it is for.
    pub to: &'a [Mailbox],
    /// Who gets a copy.
    pub cc: &'a [Mailbox],
    /// What it is about: one line, without controls.
    pub subject: &'a str,
    /// What it says, as plain text.
    pub text: Option<&'a str>,
    /// What it says, as HTML.
    pub html: Option<&'a str>,
    /// The files that go along, in order.
    pub attachments: Vec<Part>,
    /// When it is sent.
    pub now: SystemTime,
    /// Makes its Message-ID one of its own, and its boundaries.
    pub random: [u8; 16],
}

/// A file that goes along.
pub struct Part {
    /// Its name, as it was given; what is safe of it is written ([`safe_file_name`]).
    pub name: String,
    /// Its type, as it was given. What isn't simply `type/subtype`, with a character set at most, is written as
    /// `application/octet-stream`.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its bytes.
    pub content: Arc<dyn Content>,
}

/// The widest line of a text that stays as it is (RFC 5322 section 2.1.1).
const WIDTH: usize = 78;
/// An unbroken word of a header field that is longer is encoded, so that no line comes near 998 octets.
const LONGEST_WORD: usize = 500;

impl Outgoing<'_> {
    /// The message, its files still to be read.
    ///
    /// # Errors
    /// A mailbox has no domain.
    pub fn compose(self) -> Result<Message<'static>, BareName> {
        let id = self.random.iter().fold(String::with_capacity(32), |mut id, byte| {
            let _written = write!(id, "{byte:02x}");
            id
        });
        let mut out = String::with_capacity(1024 + self.text.map_or(0, str::len) + self.html.map_or(0, str::len));
        self.fields(&id, &mut out)?;
        if self.attachments.is_empty() {
            self.texts(&id, &mut out);
            // What is last ends its line, so that the size that is told is what is sent.
            if !out.ends_with("\r\n") {
                out.push_str("\r\n");
            }
            return Ok(out.into_bytes().into());
        }
        let has_text = self.text.is_some() || self.html.is_some();
        // 128 random bits that stand in no encoded text (RFC 2046 section 5.1.1); of others see `is_plain`.
        let boundary = format!("{BOUNDARY}m{id}");
        multipart("mixed", &boundary, &mut out);
        if has_text {
            push(&mut out, &["--", &boundary, "\r\n"]);
            self.texts(&id, &mut out);
            out.push_str("\r\n");
        }
        let mut message = Message::default();
        for Part { name, content_type, size, content } in self.attachments {
            push(&mut out, &["--", &boundary, "\r\nContent-Type: ", &safe_type(&content_type)]);
            out.push_str("\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;");
            file_name(&safe_file_name(&name), &mut out);
            out.push_str("\r\n\r\n");
            message.push(std::mem::take(&mut out).into_bytes());
            message.push_file(content, size);
        }
        push(&mut out, &["--", &boundary, "--\r\n"]);
        message.push(out.into_bytes());
        Ok(message)
    }

    /// Everything up to what is in it.
    fn fields(&self, id: &str, out: &mut String) -> Result<(), BareName> {
        let mut date = Headers::new();
        date.set(Date::new(self.now));
        out.push_str(&date.to_string());
        let domain = self.from.domain().map(Domain::ascii).filter(|domain| domain.is_ascii()).unwrap_or("postroom.invalid");
        push(out, &["Message-ID: <", id, "@", domain, ">\r\n"]);
        let addresses = |name: &str, mailboxes: &[Mailbox], out: &mut String| {
            let all = mailboxes.iter().map(written).collect::<Result<Vec<_>, _>>()?;
            field(name, &all.join(", "), out);
            Ok::<_, BareName>(())
        };
        addresses("From", std::slice::from_ref(self.from), out)?;
        if !self.reply_to.is_empty() {
            addresses("Reply-To", self.reply_to, out)?;
        }
        if !self.to.is_empty() {
            addresses("To", self.to, out)?;
        }
        if !self.cc.is_empty() {
            addresses("Cc", self.cc, out)?;
        }
        if self.to.is_empty() && self.cc.is_empty() {
            // Everybody gets a blind copy (RFC 5322 section 3.6.3).
            out.push_str("To: undisclosed-recipients:;\r\n");
        }
        field("Subject", &subject(self.subject), out);
        out.push_str("MIME-Version: 1.0\r\n");
        Ok(())
    }

    /// What it says, in one part: both ways to say it are alternatives, the better one last (RFC 2046 section 5.1.4).
    fn texts(&self, id: &str, out: &mut String) {
        match (self.text, self.html) {
            (Some(text), Some(html)) => {
                let boundary = format!("{BOUNDARY}a{id}");
                multipart("alternative", &boundary, out);
                for (subtype, text) in [("plain", text), ("html", html)] {
                    push(out, &["--", &boundary, "\r\n"]);
                    text_part(subtype, text, out);
                    out.push_str("\r\n");
                }
                push(out, &["--", &boundary, "--\r\n"]);
            }
            (None, Some(html)) => text_part("html", html, out),
            (text, None) => text_part("plain", text.unwrap_or_default(), out),
        }
    }
}

/// How every boundary begins. In quoted-printable and in base64 nothing looks like it.
const BOUNDARY: &str = "=_";

fn push(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

/// A field whose value has no line ends, folded (RFC 5322 section 2.2.3).
fn field(name: &str, value: &str, out: &mut String) {
    push(out, &[name, ": ", &fold(name.len() + 2, value), "\r\n"]);
}

fn multipart(subtype: &str, boundary: &str, out: &mut String) {
    push(out, &["Content-Type: multipart/", subtype, ";\r\n boundary=\"", boundary, "\"\r\n\r\n"]);
}

/// A mailbox in a field.
fn written(mailbox: &Mailbox) -> Result<String, BareName> {
    let value = mailbox.to_header()?;
    if !has_long_word(&value) {
        return Ok(value);
    }
    let name = mailbox.name().map(encoded_words).unwrap_or_default();
    Ok(format!("{name} <{}>", mailbox.addr().map(AddrSpec::to_wire).unwrap_or_default()))
}

fn has_long_word(text: &str) -> bool {
    text.split(' ').any(|word| word.len() > LONGEST_WORD)
}

/// What it is about as the value of a field: controls, line ends too, are spaces, and what isn't ASCII, or would be taken for
/// encoded words, is written in such (RFC 2047).
fn subject(text: &str) -> Cow<'_, str> {
    let is_separator = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let text = if text.contains(is_separator) { text.replace(is_separator, " ").into() } else { Cow::Borrowed(text) };
    let trimmed = match &text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    if trimmed.is_ascii() && !trimmed.contains("=?") && !has_long_word(&trimmed) {
        return trimmed;
    }
    encoded_words(&trimmed).into()
}

/// A text, with line ends as they have to be.
fn text_part(subtype: &str, text: &str, out: &mut String) {
    let text = with_line_ends(text);
    push(out, &["Content-Type: text/", subtype, "; charset=utf-8\r\nContent-Transfer-Encoding: "]);
    if is_plain(&text) {
        push(out, &["7bit\r\n\r\n", &text]);
        return;
    }
    let literal = text.bytes().filter(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n')).count();
    let quoted = literal + (text.len() - literal) * 3;
    // What people can read is preferred, unless base64 is much shorter.
    let (name, encoding) = if quoted <= text.len() * 2 {
        ("quoted-printable", ContentTransferEncoding::QuotedPrintable)
    } else {
        ("base64", ContentTransferEncoding::Base64)
    };
    push(out, &[name, "\r\n\r\n"]);
    // Both can say everything, in ASCII.
    let body = Body::new_with_encoding(text.into_owned(), encoding).map_or_else(|raw| raw, Body::into_vec);
    out.push_str(std::str::from_utf8(&body).unwrap_or_default());
}

/// Whether a text can be written as it is (7bit, RFC 2045 section 2.7): short lines of visible ASCII, none of which could be a
/// boundary.
fn is_plain(text: &str) -> bool {
    let mut lines = text.split("\r\n");
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
        && lines.all(|line| line.len() <= WIDTH && !line.strip_prefix("--").is_some_and(|line| line.starts_with(BOUNDARY)))
}

/// Every line end is CRLF: those that are one octet only, too.
fn with_line_ends(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let is_fine = |at: usize| match bytes[at] {
        b'\r' => bytes.get(at + 1) == Some(&b'\n'),
        _ => at > 0 && bytes[at - 1] == b'\r',
    };
    if memchr::memchr2_iter(b'\r', b'\n', bytes).all(is_fine) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut rest = text;
    while let Some(end) = rest.find(['\r', '\n']) {
        push(&mut out, &[&rest[..end], "\r\n"]);
        rest = &rest[end..];
        rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
    }
    out.push_str(rest);
    out.into()
}

/// The type of a file. What has parts of its own can't be in base64 (RFC 2045 section 6.4), so it is bytes like any other.
fn safe_type(given: &str) -> Cow<'_, str> {
    const UNKNOWN: &str = "application/octet-stream";
    const LONGEST: usize = 127;
    let is_token = |text: &str| !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_token_char);
    let (essence, parameters) = given.split_once(';').map_or((given, None), |(essence, rest)| (essence, Some(rest)));
    let essence = essence.trim_matches([' ', '\t']);
    let Some((main, sub)) = essence.split_once('/') else { return UNKNOWN.into() };
    let is_composite = ["multipart", "message"].iter().any(|composite| main.eq_ignore_ascii_case(composite));
    if is_composite || !is_token(main) || !is_token(sub) {
        return UNKNOWN.into();
    }
    let Some(parameters) = parameters else { return essence.into() };
    let charset = parameters.split_once('=').filter(|(name, _)| name.trim_matches([' ', '\t']).eq_ignore_ascii_case("charset"));
    let charset = charset.map(|(_, value)| value.trim_matches([' ', '\t']));
    let charset = charset.map(|value| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value));
    match charset.filter(|value| is_token(value)) {
        Some(charset) => format!("{essence};\r\n charset={charset}").into(),
        None => UNKNOWN.into(),
    }
}

/// A character of a token (RFC 2045 section 5.1).
const fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'=')
}

/// The parameters that name a file. What isn't ASCII is written as RFC 2231 has it, in as many lines as it takes, and before
/// what stands for it where that isn't read: whoever takes the first of both takes the right one.
fn file_name(name: &str, out: &mut String) {
    const ROOM: usize = 55;
    if !name.is_ascii() {
        let mut segments = vec![String::new()];
        for c in name.chars() {
            let mut encoded = String::new();
            percent_encode(c, &mut encoded);
            match segments.last_mut() {
                // A character is never split over two lines.
                Some(segment) if segment.len() + encoded.len() <= ROOM => segment.push_str(&encoded),
                _ => segments.push(encoded),
            }
        }
        let is_single = segments.len() == 1;
        for (number, segment) in segments.iter().enumerate() {
            let number = if is_single { String::new() } else { format!("*{number}") };
            let charset = if out.ends_with(" attachment;") { "UTF-8''" } else { "" };
            push(out, &["\r\n filename", &number, "*=", charset, segment, ";"]);
        }
    }
    out.push_str("\r\n filename=\"");
    // It has neither quotes nor backslashes nor controls.
    out.extend(name.chars().map(|c| if c.is_ascii() { c } else { '_' }));
    out.push('"');
}

/// `attribute-char` as it is, everything else in hexadecimal (RFC 2231 section 7).
fn percent_encode(c: char, out: &mut String) {
    if c.is_ascii_alphanumeric() || matches!(c, '!' | '#' | '$' | '&' | '+' | '-' | '.' | '^' | '_' | '`' | '{' | '|' | '}' | '~') {
        out.push(c);
        return;
    }
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let _written = write!(out, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests;
