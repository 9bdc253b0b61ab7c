//! Reads what servers say: a reply's lines (RFC 5321 section 4.2), the capabilities in the answer to EHLO, and the queue
//! id in the answer to the final dot. Pure; the lines come from [`super::stream`]. What programs go by is read from them as
//! they came; what people read is made visible, and secrets removed, by [`super::record`].

use domain::transcript::{Cause, Reply};

/// The most bytes of a reply, counted with the escapes that it is shown with: they make it up to four times as long.
pub(super) const MAX_REPLY: usize = 100_000;

/// The most lines of a reply: each costs memory of its own until the reply is over.
pub(super) const MAX_REPLY_LINES: usize = 1_000;

/// The most mechanisms of AUTH that are remembered.
pub(super) const MAX_MECHANISMS: usize = 32;

/// Follows the lines of one reply.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    head: Option<Head>,
    lines: usize,
    bytes: usize,
}

/// What programs go by in a reply. It is read from the line as it came: a secret may look like a code or a keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) code: u16,
    enhanced: Option<String>,
}

/// What a line led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More lines follow.
    More,
    /// This was the last one.
    Done(Head),
}

impl ReplyReader {
    /// Takes a line as it came, without its end.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Progress, Cause> {
        // With its end, and with room for whatever must be escaped.
        let escaped = line.iter().filter(|byte| !matches!(byte, b' '..=b'~')).count();
        self.bytes += line.len() + 2 + 3 * escaped;
        self.lines += 1;
        if self.bytes > MAX_REPLY || self.lines > MAX_REPLY_LINES {
            return Err(Cause::TooLong);
        }
        let (code, last, text) = split(line).ok_or(Cause::Malformed)?;
        let head = self.head.get_or_insert_with(|| Head { code, enhanced: enhanced_code(text).map(Into::into) });
        if head.code != code {
            return Err(Cause::Malformed);
        }
        Ok(if last { Progress::Done(head.clone()) } else { Progress::More })
    }

    /// Whether a line of it was read already.
    pub(super) fn is_begun(&self) -> bool {
        self.head.is_some()
    }
}

impl Head {
    /// The reply, with its lines as they may be shown.
    pub(super) fn with_text<S: AsRef<str>>(self, shown: &[S]) -> Reply {
        let code = self.code.to_string();
        let text = |line| {
            // Where even the code is hidden, all of the line stands.
            let text = str::strip_prefix(line, &code).map_or(line, |rest| rest.strip_prefix([' ', '-']).unwrap_or(rest));
            let enhanced = self.enhanced.as_deref().and_then(|enhanced| text.strip_prefix(enhanced));
            match enhanced.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\\'])) {
                Some(rest) => rest.trim_start_matches(' '),
                None => text,
            }
        };
        let text = shown.iter().map(|line| text(line.as_ref())).collect::<Vec<_>>().join("\n");
        Reply { code: self.code, enhanced: self.enhanced, text }
    }
}

/// `250-text`, `250 text`, or `250` alone: the code, whether it is the last line, the text. White space at the end says
/// nothing, a carriage return too many included.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.trim_ascii_end().split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = str::from_utf8(code).ok()?.parse().ok().filter(|code| (200..600).contains(code))?;
    match rest.split_first() {
        None => Some((code, true, &[])),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

/// The enhanced status code (RFC 3463 section 2) that `text` begins with.
fn enhanced_code(text: &[u8]) -> Option<&str> {
    let word = text.split(|byte| b" \t".contains(byte)).next().and_then(|word| str::from_utf8(word).ok())?;
    let mut parts = word.split('.');
    let number = |part: Option<&str>| part.is_some_and(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
    let class = matches!(parts.next(), Some("2" | "4" | "5"));
    (class && number(parts.next()) && number(parts.next()) && parts.next().is_none()).then_some(word)
}

/// What the server offers (RFC 5321 section 4.1.1.1). Forgotten after STARTTLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword that stands there or not")]
pub(super) struct Capabilities {
    pub(super) starttls: bool,
    pub(super) pipelining: bool,
    pub(super) eight_bit_mime: bool,
    pub(super) smtputf8: bool,
    /// The most bytes a message may have; `None` where there is no limit or none is told (RFC 1870).
    pub(super) size_limit: Option<u64>,
    /// Whether SIZE is offered at all.
    pub(super) size: bool,
    /// The mechanisms of AUTH in upper case (RFC 4954), `AUTH=` included.
    pub(super) auth: Vec<String>,
}

impl Capabilities {
    /// Reads the reply to EHLO, its lines as they came, with codes and ends: the first one is a greeting, each further one a
    /// keyword with parameters.
    pub(super) fn of(reply: &[u8]) -> Self {
        let mut all = Self::default();
        for line in reply.split(|&byte| byte == b'\n').skip(1) {
            let line = line.get(4..).unwrap_or_default().trim_ascii_end();
            let words = line.split(|byte| b" \t=".contains(byte)).filter(|word| !word.is_empty());
            // Beyond printable ASCII there are no keywords and no parameters that we know.
            let mut words = words.map(|word| if word.iter().all(u8::is_ascii_graphic) { word } else { b"?" });
            let Some(keyword) = words.next() else { continue };
            match &*keyword.to_ascii_uppercase() {
                b"STARTTLS" => all.starttls = true,
                b"PIPELINING" => all.pipelining = true,
                b"8BITMIME" => all.eight_bit_mime = true,
                b"SMTPUTF8" => all.smtputf8 = true,
                b"SIZE" => {
                    all.size = true;
                    all.size_limit = words.next().and_then(size_limit).or(all.size_limit);
                }
                b"AUTH" => {
                    for mechanism in words.map(|word| String::from_utf8_lossy(word).to_ascii_uppercase()) {
                        if mechanism != "?" && !all.auth.contains(&mechanism) && all.auth.len() < MAX_MECHANISMS {
                            all.auth.push(mechanism);
                        }
                    }
                }
                _ => {}
            }
        }
        all
    }

    /// For the transcript. A mechanism has a free name: it is told only where it stands in `shown`, the reply as it may be
    /// shown.
    pub(super) fn words(&self, shown: &str) -> String {
        let shown = shown.to_ascii_uppercase();
        let mut words = Vec::new();
        for (offered, name) in [
            (self.starttls, "STARTTLS"),
            (self.pipelining, "PIPELINING"),
            (self.eight_bit_mime, "8BITMIME"),
            (self.smtputf8, "SMTPUTF8"),
        ] {
            if offered {
                words.push(name.to_owned());
            }
        }
        if let Some(limit) = self.size_limit {
            words.push(format!("SIZE {limit}"));
        }
        let auth: Vec<&str> = self.auth.iter().map(String::as_str).filter(|name| shown.contains(name)).collect();
        if !auth.is_empty() {
            words.push(format!("AUTH {}", auth.join(" ")));
        }
        words.join(", ")
    }
}

/// 0 means no limit; a number too big for any machine means none either.
fn size_limit(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok().filter(|limit| *limit != 0)
}

/// The id under which the server queued the message, as the common servers write it.
pub(super) fn queue_id(reply: &Reply) -> Option<String> {
    let text = reply.text.as_str();
    // Found by the lower-cased copy; ASCII lower-casing keeps every offset.
    let lower = text.to_ascii_lowercase();
    let after = |marker: &str| lower.find(marker).map(|at| &text[at + marker.len()..]);
    let word = |rest: &str| {
        let word = rest.split([' ', '\n', ',', ';', ']', ')', '>', '"']).find(|word| !word.is_empty())?;
        let word = word.trim_end_matches('.').trim_start_matches(['<', '(', '[']);
        (!word.is_empty() && word.len() <= 128).then(|| word.to_owned())
    };
    // Exchange: `<…> [InternalId=123, Hostname=…] Queued mail for delivery`; Postfix and many: `Ok: queued as 4F2B1`;
    // exim: `OK id=1abc-000-0`.
    for marker in ["[internalid=", "queued as ", "queued with id ", "ok id="] {
        if let Some(id) = after(marker).and_then(word) {
            return Some(id);
        }
    }
    // sendmail and OpenSMTPD: `4f2b1 Message accepted for delivery`.
    if let Some(at) = lower.find(" message accepted for delivery") {
        return text[..at].rsplit([' ', '\n']).next().and_then(word);
    }
    // Google: `OK  1700000000 a1-b2.3 - gsmtp`; Amazon: `Ok 0100018c…`. A single word that is no prose.
    let rest = after("ok").filter(|_| lower.starts_with("ok"))?.trim_start();
    let words: Vec<&str> = rest.lines().next()?.split_whitespace().collect();
    match words[..] {
        [_, id, "-", "gsmtp"] => word(id),
        [id] if id.len() >= 8 && id.bytes().any(|b| b.is_ascii_digit()) => word(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Reply, Cause> {
        let mut reader = ReplyReader::default();
        for line in lines {
            if let Progress::Done(head) = reader.line(line.as_bytes())? {
                return Ok(head.with_text(lines));
            }
        }
        Err(Cause::Unfinished)
    }

    fn reply(code: u16, enhanced: Option<&str>, text: &str) -> Reply {
        Reply { code, enhanced: enhanced.map(Into::into), text: text.into() }
    }

    #[test]
    fn replies_are_read_as_servers_write_them() {
        let table: [(&[&str], Result<Reply, Cause>); 17] = [
            (&["250 OK"], Ok(reply(250, None, "OK"))),
            (&["250"], Ok(reply(250, None, ""))),
            (&["250\r"], Ok(reply(250, None, "\r"))),
            (&["250 "], Ok(reply(250, None, ""))),
            (&["250-\t", "250 \t"], Ok(reply(250, None, "\t\n\t"))),
            (&["250-", "250"], Ok(reply(250, None, "\n"))),
            (&["535-5.7.8 no", "535 5.7.8 sorry"], Ok(reply(535, Some("5.7.8"), "no\nsorry"))),
            (&["550 5.7.1"], Ok(reply(550, Some("5.7.1"), ""))),
            (&["550 5.7 x"], Ok(reply(550, None, "5.7 x"))),
            (&["250 3.1.1 x"], Ok(reply(250, None, "3.1.1 x"))),
            (&["250-a", "251 b"], Err(Cause::Malformed)),
            (&["25"], Err(Cause::Malformed)),
            (&["999 x"], Err(Cause::Malformed)),
            (&["250x"], Err(Cause::Malformed)),
            (&["25\u{b2} x"], Err(Cause::Malformed)),
            (&[""], Err(Cause::Malformed)),
            (&["HTTP/1.1 400 Bad Request"], Err(Cause::Malformed)),
        ];
        for (lines, expected) in table {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_endless_reply_ends_at_the_cap() {
        let mut reader = ReplyReader::default();
        let read = (0..MAX_REPLY).take_while(|_| reader.line(b"250-x") == Ok(Progress::More)).count();
        assert_eq!(read, MAX_REPLY_LINES);
        let (mut reader, line) = (ReplyReader::default(), [b"250-".as_slice(), &[b'x'; 494]].concat());
        let read = (0..MAX_REPLY).take_while(|_| reader.line(&line) == Ok(Progress::More)).count();
        assert_eq!(read, MAX_REPLY / 500);
    }

    #[test]
    fn capabilities_whatever_their_case_and_form() {
        let read = |text: &str| {
            let lines: Vec<String> = text.split('\n').map(|line| format!("250-{line}\r\n")).collect();
            Capabilities::of(lines.concat().as_bytes())
        };
        let all = read("host hello\nstarttls\nauth plain Login\nAUTH=LOGIN CRAM-MD5\nSize 100\npipelining\n8bitmime\nSMTPUTF8");
        assert!(all.starttls && all.pipelining && all.eight_bit_mime && all.smtputf8 && all.size);
        assert_eq!(all.auth, ["PLAIN", "LOGIN", "CRAM-MD5"]);
        assert_eq!(all.size_limit, Some(100));
        assert!(!read("STARTTLS").starttls, "the first line is a greeting");
        // White space and carriage returns too many.
        let odd = read("x\nSTARTTLS\t\r\nauth\tplain  LOGIN\r\r\n\tSIZE\t5 ");
        assert!(odd.starttls && odd.size_limit == Some(5));
        assert_eq!(odd.auth, ["PLAIN", "LOGIN"]);
        // Only what may be shown is told, but it counts all the same.
        assert_eq!(odd.words("x\nSTARTTLS\nauth [redacted] login"), "STARTTLS, SIZE 5, AUTH LOGIN");
        assert_eq!(read("x\nAUTH PLAIN \u{fc} X\u{1}").auth, ["PLAIN"]);
        for (text, limit) in [
            ("x\nSIZE", None),
            ("x\nSIZE 0", None),
            ("x\nSIZE 1", Some(1)),
            ("x\nSIZE 99999999999999999999999", None),
            ("x\nSIZE -1", None),
        ] {
            assert_eq!(read(text).size_limit, limit, "{text}");
            assert!(read(text).size);
        }
    }

    #[test]
    fn queue_ids_of_the_common_servers() {
        let table = [
            ("Ok: queued as 4F2B1C0D", Some("4F2B1C0D")),
            ("OK id=1tAbCd-000000001Xy-2ZaB", Some("1tAbCd-000000001Xy-2ZaB")),
            ("4A1B2c3d012345 Message accepted for delivery", Some("4A1B2c3d012345")),
            ("1a2b3c4d Message accepted for delivery", Some("1a2b3c4d")),
            (
                "<x@y> [InternalId=1234567890, Hostname=a.example] 1580 bytes in 0.1, 1.2 KB/sec Queued mail for delivery",
                Some("1234567890"),
            ),
            ("OK  1700000000 a640c23a62f3a-99dsi.1 - gsmtp", Some("a640c23a62f3a-99dsi.1")),
            ("Ok 0100018c2f9a1b2c-11111111-2222", Some("0100018c2f9a1b2c-11111111-2222")),
            ("Message queued as abcdef.", Some("abcdef")),
            ("OK: message queued", None),
            ("OK", None),
            ("Ok thanks", None),
            ("", None),
        ];
        for (text, id) in table {
            assert_eq!(queue_id(&reply(250, None, text)).as_deref(), id, "{text}");
        }
    }

    /// Pieces that servers really send, in any order: what breaks parsers is seldom pure noise.
    #[test]
    fn no_sequence_of_pieces_breaks_the_readers() {
        const PIECES: &[&str] = &[
            "250",
            "220",
            "999",
            "25",
            "-",
            " ",
            "\t",
            "5.7.1",
            "2.0.0",
            ".",
            "SIZE",
            "AUTH",
            "=",
            "PLAIN",
            "STARTTLS",
            "0",
            "18446744073709551616",
            "\u{df}",
            "\u{1f4e7}",
            "ok id=",
            "queued as ",
            "[InternalId=",
            " Message accepted for delivery",
            "OK",
            "<",
            ">",
            ",",
            "\n",
            "- gsmtp",
            "",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..50_000 {
            let mut reader = ReplyReader::default();
            for _ in 0..random(5) {
                let line: String = (0..random(8)).map(|_| PIECES[random(PIECES.len())]).collect();
                let found = reply(250, None, &line);
                let _parsed = (Capabilities::of(line.as_bytes()).words(&line), queue_id(&found));
                match reader.line(line.replace('\n', "").as_bytes()) {
                    Ok(Progress::More) => {}
                    Ok(Progress::Done(head)) => {
                        assert!((200..600).contains(&head.with_text(&[&line]).code));
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
    }
}
