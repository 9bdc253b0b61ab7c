//! Reads what servers say: a reply's lines (RFC 5321 section 4.2), the capabilities in the answer to EHLO, and the queue
//! id in the answer to the final dot. Pure; the lines come from [`super::stream`], redacted and made visible by
//! [`super::record`].

use domain::transcript::{Cause, Reply};

/// The most bytes of a reply, both as it came and as it is shown: escapes make it up to four times as long.
pub(super) const MAX_REPLY: usize = 100_000;

/// The most mechanisms of AUTH that are remembered.
pub(super) const MAX_MECHANISMS: usize = 32;

/// Collects the lines of one reply.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    code: Option<u16>,
    enhanced: Option<String>,
    text: String,
    bytes: usize,
}

/// What a line led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More lines follow.
    More,
    /// This was the last one.
    Done(Reply),
}

impl ReplyReader {
    /// Takes a line without its end; `wire_bytes` is what it had on the wire.
    pub(super) fn line(&mut self, line: &str, wire_bytes: usize) -> Result<Progress, Cause> {
        self.bytes += wire_bytes.max(line.len());
        if self.bytes > MAX_REPLY {
            return Err(Cause::TooLong);
        }
        let (code, last, text) = split(line).ok_or(Cause::Malformed)?;
        match self.code {
            None => {
                self.code = Some(code);
                self.enhanced = enhanced_code(text).map(Into::into);
            }
            Some(first) if first != code => return Err(Cause::Malformed),
            Some(_) => self.text.push('\n'),
        }
        let text = match enhanced_code(text) {
            Some(enhanced) if self.enhanced.as_deref() == Some(enhanced) => text[enhanced.len()..].trim_start_matches(' '),
            _ => text,
        };
        self.text.push_str(text);
        if !last {
            return Ok(Progress::More);
        }
        let text = std::mem::take(&mut self.text);
        Ok(Progress::Done(Reply { code, enhanced: self.enhanced.take(), text }))
    }

    /// Whether a line of it was read already.
    pub(super) fn is_begun(&self) -> bool {
        self.code.is_some()
    }
}

/// `250-text`, `250 text`, or `250` alone: the code, whether it is the last line, the text.
fn split(line: &str) -> Option<(u16, bool, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    if !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    match rest.as_bytes().first() {
        None => Some((code, true, "")),
        Some(b' ') => Some((code, true, &rest[1..])),
        Some(b'-') => Some((code, false, &rest[1..])),
        Some(_) => None,
    }
}

/// The enhanced status code (RFC 3463 section 2) that `text` begins with.
fn enhanced_code(text: &str) -> Option<&str> {
    let word = text.split(' ').next()?;
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
    /// Reads the reply to EHLO: the first line is a greeting, each further one a keyword with parameters.
    pub(super) fn of(reply: &Reply) -> Self {
        let mut all = Self::default();
        for line in reply.text.lines().skip(1) {
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "STARTTLS" => all.starttls = true,
                "PIPELINING" => all.pipelining = true,
                "8BITMIME" => all.eight_bit_mime = true,
                "SMTPUTF8" => all.smtputf8 = true,
                "SIZE" => {
                    all.size = true;
                    all.size_limit = words.next().and_then(size_limit).or(all.size_limit);
                }
                "AUTH" => {
                    for mechanism in words.map(str::to_ascii_uppercase) {
                        if !all.auth.contains(&mechanism) && all.auth.len() < MAX_MECHANISMS {
                            all.auth.push(mechanism);
                        }
                    }
                }
                _ => {}
            }
        }
        all
    }

    /// For the transcript.
    pub(super) fn words(&self) -> String {
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
        if !self.auth.is_empty() {
            words.push(format!("AUTH {}", self.auth.join(" ")));
        }
        words.join(", ")
    }
}

/// 0 means no limit; a number too big for any machine means none either.
fn size_limit(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|limit| *limit != 0)
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
            if let Progress::Done(reply) = reader.line(line, line.len() + 2)? {
                return Ok(reply);
            }
        }
        Err(Cause::Unfinished)
    }

    fn reply(code: u16, enhanced: Option<&str>, text: &str) -> Reply {
        Reply { code, enhanced: enhanced.map(Into::into), text: text.into() }
    }

    #[test]
    fn replies_are_read_as_servers_write_them() {
        let table: [(&[&str], Result<Reply, Cause>); 14] = [
            (&["250 OK"], Ok(reply(250, None, "OK"))),
            (&["250"], Ok(reply(250, None, ""))),
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
        let read = (0..MAX_REPLY).take_while(|_| reader.line("250-x", 7) == Ok(Progress::More)).count();
        assert!(read * 7 <= MAX_REPLY && (read + 1) * 7 > MAX_REPLY);
    }

    #[test]
    fn capabilities_whatever_their_case_and_form() {
        let read = |text: &str| Capabilities::of(&reply(250, None, text));
        let all = read("host hello\nstarttls\nauth plain Login\nAUTH=LOGIN CRAM-MD5\nSize 100\npipelining\n8bitmime\nSMTPUTF8");
        assert!(all.starttls && all.pipelining && all.eight_bit_mime && all.smtputf8 && all.size);
        assert_eq!(all.auth, ["PLAIN", "LOGIN", "CRAM-MD5"]);
        assert_eq!(all.size_limit, Some(100));
        assert!(!read("STARTTLS").starttls, "the first line is a greeting");
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
                let _parsed = (Capabilities::of(&found).words(), queue_id(&found));
                match reader.line(&line.replace('\n', ""), line.len()) {
                    Ok(Progress::More) => {}
                    Ok(Progress::Done(reply)) => {
                        assert!((200..600).contains(&reply.code));
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
    }
}
