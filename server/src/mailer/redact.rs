//! Makes text of what came from outside: secrets removed by value, controls and invisible characters as escapes. Pure. This
//! is the second net: the first is that [`super::auth`] never gives a secret to the record at all.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use domain::words::is_invisible;
use zeroize::Zeroizing;

/// What stands where a secret was.
pub(super) const REDACTED: &str = "[redacted]";
/// Shorter secrets are only removed by phase: by value they would show up everywhere, and so show themselves.
pub(super) const MIN_BY_VALUE: usize = 4;
/// What stands for a line that can't be shown otherwise: too short to be a secret itself.
const NOTHING: &str = "…";
/// So many bytes of a secret in a row are hidden, or fewer where it is short itself: see [`part_of`].
const MAX_PART: usize = 6;

/// Knows the forms in which secrets may be seen.
#[derive(Default)]
pub(super) struct Redactor {
    needles: Vec<Zeroizing<Vec<u8>>>,
    /// Every part of a needle that is long enough to be hidden wherever it stands, by [`pack`], sorted.
    parts: Zeroizing<Vec<u64>>,
}

/// How many bytes in a row of a secret with `length` bytes are too many to be seen: half of it, within limits.
pub(super) fn part_of(length: usize) -> usize {
    length.div_ceil(2).clamp(MIN_BY_VALUE, MAX_PART)
}

/// A part as a number: its bytes and how many they are.
fn pack(part: &[u8]) -> u64 {
    part.iter().fold(part.len() as u64, |packed, &byte| packed << 8 | u64::from(byte))
}

impl Redactor {
    /// Hides `secret` from now on, whole or in parts: as it is, in base64 on its own, and inside any other base64 text (there
    /// are three ways it can lie across the groups of three bytes).
    pub(super) fn hide(&mut self, secret: &[u8]) {
        self.hide_in(secret, true);
    }

    /// The same for a text around a secret that is hidden by itself: the rest of it, such as the username, is no secret, so
    /// that parts of it are hidden in base64 only.
    pub(super) fn hide_around(&mut self, text: &[u8]) {
        self.hide_in(text, false);
    }

    fn hide_in(&mut self, secret: &[u8], parts: bool) {
        if secret.len() < MIN_BY_VALUE {
            return;
        }
        self.needle(secret, parts);
        self.needle(&encoded(secret), true);
        for before in 0..3_usize {
            let shifted = Zeroizing::new([&[0; 2][..before], secret].concat());
            let whole = encoded(&shifted);
            // Only the characters that depend on nothing but the secret.
            let (from, to) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
            self.needle(&whole[from..to], true);
        }
        self.parts.sort_unstable();
        self.parts.dedup();
    }

    fn needle(&mut self, needle: &[u8], parts: bool) {
        if parts {
            self.parts.extend(needle.windows(part_of(needle.len())).map(pack));
        }
        self.needles.push(Zeroizing::new(needle.to_vec()));
    }

    /// Bytes from outside as text.
    pub(super) fn visible(&self, bytes: &[u8]) -> String {
        self.show(bytes, &self.covered(bytes))
    }

    /// The lines of one reply as text: a secret that is spread over them is hidden, too. Where `cut`, the last one was cut
    /// off: so is a secret that may have begun at its end.
    pub(super) fn visible_reply(&self, lines: &[&[u8]], cut: bool) -> Vec<String> {
        let mut covered: Vec<Vec<bool>> = lines.iter().map(|line| self.covered(line)).collect();
        for (line, covered) in lines.iter().zip(&mut covered) {
            for hidden in sign_ins(line) {
                covered[hidden].fill(true);
            }
        }
        if let (true, Some(last), Some(covered)) = (cut, lines.last(), covered.last_mut()) {
            let begun = self.needles.iter().filter_map(|needle| {
                let longest = needle.len().min(last.len());
                (MIN_BY_VALUE..=longest).rev().find(|&length| last.ends_with(&needle[..length]))
            });
            let begun = begun.max().unwrap_or(0);
            covered[last.len() - begun..].fill(true);
        }
        if lines.len() > 1 {
            let texts: Vec<_> = lines.iter().map(|line| text_of(line)).collect();
            let joined: Zeroizing<Vec<u8>> =
                Zeroizing::new(lines.iter().zip(&texts).flat_map(|(line, text)| &line[text.clone()]).copied().collect());
            let mut found = &self.covered(&joined)[..];
            for (text, covered) in texts.into_iter().zip(&mut covered) {
                let (here, rest) = found.split_at(text.len());
                for (covered, here) in covered[text].iter_mut().zip(here) {
                    *covered |= here;
                }
                found = rest;
            }
        }
        lines.iter().zip(covered).map(|(line, covered)| self.show(line, &covered)).collect()
    }

    /// Which bytes belong to a secret, or to a part of one that is too long to be seen.
    fn covered(&self, bytes: &[u8]) -> Vec<bool> {
        let mut covered = vec![false; bytes.len()];
        let mut until = 0;
        for at in 0..bytes.len() {
            until = until.max(at + self.hidden_at(&bytes[at..]));
            covered[at] = at < until;
        }
        covered
    }

    /// How many bytes of what `bytes` begins with are to be hidden.
    fn hidden_at(&self, bytes: &[u8]) -> usize {
        let part = (MIN_BY_VALUE..=MAX_PART.min(bytes.len()))
            .rev()
            .find(|&length| self.parts.binary_search(&pack(&bytes[..length])).is_ok());
        let whole = self.needles.iter().filter(|needle| begins(bytes, needle)).map(|needle| needle.len()).max();
        part.max(whole).unwrap_or(0)
    }

    fn show(&self, bytes: &[u8], covered: &[bool]) -> String {
        let mut out = String::with_capacity(bytes.len());
        let mut at = 0;
        for run in covered.chunk_by(|a, b| a == b) {
            if run[0] {
                out.push_str(REDACTED);
            } else {
                escape(&bytes[at..at + run.len()], &mut out);
            }
            at += run.len();
        }
        // The mark or an escape may complete another copy of a secret that looks like them.
        if !self.shows(&out) {
            return out;
        }
        if self.shows(REDACTED) { NOTHING.into() } else { REDACTED.into() }
    }

    fn shows(&self, text: &str) -> bool {
        (0..text.len()).any(|at| self.hidden_at(&text.as_bytes()[at..]) > 0)
    }
}

/// The first byte tells most: asked by itself, it spares the call of a comparison at nearly every place.
fn begins(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.first() == needle.first() && bytes.starts_with(needle)
}

/// What a line of a reply says, without code and enhanced code (RFC 2034), and without spaces around it.
fn text_of(line: &[u8]) -> Range<usize> {
    let mut rest = line.trim_ascii_end();
    let end = rest.len();
    if let [a, b, c, b' ' | b'-', text @ ..] = rest
        && [a, b, c].iter().all(|byte| byte.is_ascii_digit())
    {
        rest = text.trim_ascii_start();
        let word = rest.split(|&byte| byte == b' ').next().unwrap_or_default();
        let mut numbers = word.split(|&byte| byte == b'.');
        if numbers.clone().count() == 3 && numbers.all(|number| number.iter().all(u8::is_ascii_digit)) {
            rest = rest[word.len()..].trim_ascii_start();
        }
    }
    end - rest.len()..end
}

/// What stands after `AUTH PLAIN` and its like in a line that was received: whatever it is, it may be our own line come back,
/// in a form in which no value is found. An offer in the answer to EHLO, and prose, stay.
fn sign_ins(line: &[u8]) -> Vec<Range<usize>> {
    const MECHANISMS: [&[u8]; 4] = [b"PLAIN", b"LOGIN", b"XOAUTH2", b"CRAM-MD5"];
    let is_offer = line.len() > 4 && line.starts_with(b"250") && line[4..].trim_ascii_start().get(..4).is_some_and(is_auth);
    let mut found = Vec::new();
    let mut at = if is_offer { line.len() } else { 0 };
    while let Some(next) = line[at..].windows(4).position(is_auth) {
        at += next + 4;
        let after_auth = skip_blank(line, at);
        let name =
            MECHANISMS.iter().find(|name| line[after_auth..].get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name)));
        let Some(name) = name.filter(|_| after_auth > at) else { continue };
        let blank = after_auth + name.len();
        let mut from = skip_blank(line, blank);
        if from == blank {
            continue;
        }
        while line.get(from).is_some_and(|byte| b"\"'<([{`".contains(byte)) {
            from += 1;
        }
        let length = line[from..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte)).count();
        let word = &line[from..from + length];
        at = from + length;
        if length > 0 && !is_prose(word) && !MECHANISMS.iter().any(|name| word.eq_ignore_ascii_case(name)) {
            found.push(from..at);
        }
    }
    found
}

fn is_auth(bytes: &[u8]) -> bool {
    bytes.eq_ignore_ascii_case(b"AUTH")
}

/// A word of a sentence, such as `failed`: far from all that base64 looks like.
fn is_prose(word: &[u8]) -> bool {
    word.len() < 16 && word[1..].iter().all(u8::is_ascii_lowercase) && word[0].is_ascii_alphabetic()
}

fn skip_blank(line: &[u8], from: usize) -> usize {
    from + line[from..].iter().take_while(|byte| b" \t".contains(byte)).count()
}

fn encoded(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(STANDARD.encode(bytes).into_bytes())
}

fn escape(bytes: &[u8], out: &mut String) {
    use std::fmt::Write as _;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let written = match c {
                c if c.is_ascii_control() => write!(out, "\\x{:02X}", u32::from(c)),
                c if c.is_control() || is_invisible(c) => write!(out, "{}", c.escape_unicode()),
                c => out.write_char(c),
            };
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        for byte in chunk.invalid() {
            let written = write!(out, "\\x{byte:02X}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
    }
}

/// Foreign text as it may be shown where no session tells of it: without `secrets`, and with nothing in it that can't be seen. Its lines
/// stay.
pub(crate) fn shown(text: &str, secrets: &[&Secret]) -> String {
    let mut redactor = Redactor::default();
    for secret in secrets {
        redactor.hide(secret.expose().as_bytes());
    }
    let lines: Vec<String> = text.lines().map(|line| redactor.visible(line.as_bytes())).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "canary-7f3a-not-real";

    fn redactor(secret: &str) -> Redactor {
        let mut redactor = Redactor::default();
        redactor.hide(secret.as_bytes());
        redactor
    }

    #[test]
    fn a_secret_is_removed_in_every_form() {
        let redactor = redactor(PASSWORD);
        for prefix in ["", "x", "xy", "xyz", "user=anna\u{1}auth=Bearer "] {
            for suffix in ["", "1", "22", "\u{1}\u{1}"] {
                let echoed = STANDARD.encode(format!("{prefix}{PASSWORD}{suffix}"));
                let shown = redactor.visible(format!("535 {PASSWORD} or {echoed}").as_bytes());
                assert!(!shown.contains(PASSWORD), "{shown}");
                // What is left decodes to nothing of the middle of it.
                let core = &echoed[(prefix.len() * 8).div_ceil(6)..(prefix.len() + PASSWORD.len()) * 8 / 6];
                assert!(!shown.contains(&core[..8]), "{prefix:?} {suffix:?}: {shown}");
            }
        }
    }

    /// A line as it is shown in a reply of its own.
    fn line(redactor: &Redactor, line: &str) -> String {
        redactor.visible_reply(&[line.as_bytes()], false).remove(0)
    }

    #[test]
    fn parts_of_a_secret_are_removed_wherever_they_stand() {
        let redactor = redactor(PASSWORD);
        let plain = STANDARD.encode(format!("\0anna\0{PASSWORD}"));
        let mut known = redactor;
        known.hide_around(format!("\0anna\0{PASSWORD}").as_bytes());
        for whole in [PASSWORD, &STANDARD.encode(PASSWORD), &plain] {
            for length in part_of(whole.len())..=whole.len() {
                for part in [&whole[..length], &whole[whole.len() - length..]] {
                    assert_eq!(line(&known, &format!("500 what is \"{part}\"?")), "500 what is \"[redacted]\"?");
                    assert_eq!(known.visible(format!("x{part}").as_bytes()), "x[redacted]");
                }
            }
        }
        // Half of a short one, but never so little that it would stand everywhere.
        for (length, part) in [(4, 4), (7, 4), (8, 4), (9, 5), (11, 6), (12, 6), (1_000, 6)] {
            assert_eq!(part_of(length), part, "{length}");
        }
        // What stands around a secret is none.
        assert_eq!(line(&known, "535 anna: no"), "535 anna: no");
        let mut digest = Redactor::default();
        digest.hide_around(b"anna@example.com 0123456789abcdef");
        assert_eq!(line(&digest, "535 anna@example.com: no"), "535 anna@example.com: no");
    }

    #[test]
    fn a_secret_that_is_spread_over_the_lines_of_a_reply_is_removed() {
        let known = redactor(PASSWORD);
        for size in 1..PASSWORD.len() {
            for (between, end) in [("535-", ""), ("535-5.7.8 ", ""), ("535-5.7.8 ", " \r")] {
                let lines: Vec<String> = PASSWORD
                    .as_bytes()
                    .chunks(size)
                    .map(|part| format!("{between}{}{end}", String::from_utf8_lossy(part)))
                    .collect();
                let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
                for shown in known.visible_reply(&lines, false) {
                    let rest = shown.replacen("[redacted]", "", 1);
                    assert!(rest.len() < shown.len() && rest.chars().all(|c| "53-5.7.8 \\x0D".contains(c)), "{shown}");
                }
            }
        }
        let shown = known.visible_reply(&[b"535-not so", b"535-canary-7", b"535 f3a"], true);
        assert_eq!(shown, ["535-not so", "535-[redacted]", "535 [redacted]"]);
    }

    #[test]
    fn what_follows_the_command_to_sign_in_is_removed_by_its_form() {
        let known = Redactor::default();
        for (said, shown) in [
            ("500 unrecognized: \"AUTH PLAIN AGFu\"", "500 unrecognized: \"AUTH PLAIN [redacted]\""),
            ("500 auth  login YWJj== again", "500 auth  login [redacted] again"),
            ("500 AUTH XOAUTH2 'dXNlcj1h, AUTH CRAM-MD5\tYQ==", "500 AUTH XOAUTH2 '[redacted], AUTH CRAM-MD5\\x09[redacted]"),
            ("500 AUTH PLAIN AGFUBMFA", "500 AUTH PLAIN [redacted]"),
            ("535 AUTH LOGIN failed: no AUTH here", "535 AUTH LOGIN failed: no AUTH here"),
            ("504 AUTH PLAIN", "504 AUTH PLAIN"),
            ("504 AUTH PLAIN LOGIN Not here", "504 AUTH PLAIN LOGIN Not here"),
            ("250-AUTH PLAIN LOGIN NTLM", "250-AUTH PLAIN LOGIN NTLM"),
            ("250 auth LOGIN NTLM", "250 auth LOGIN NTLM"),
        ] {
            assert_eq!(line(&known, said), shown);
        }
    }

    #[test]
    fn a_secret_that_was_cut_off_is_removed_too() {
        let redactor = redactor(PASSWORD);
        let cut = |line: &str| redactor.visible_reply(&[line.as_bytes()], true).remove(0);
        for length in MIN_BY_VALUE..PASSWORD.len() {
            let line = format!("535 you said {}", &PASSWORD[..length]);
            assert_eq!(cut(&line), "535 you said [redacted]");
            let encoded = STANDARD.encode(PASSWORD);
            let line = format!("535 you said {}", &encoded[..length]);
            assert_eq!(cut(&line), "535 you said [redacted]");
        }
        assert_eq!(cut("535 no"), "535 no");
    }

    #[test]
    fn secrets_that_overlap_and_those_that_look_like_the_mark_leave_nothing() {
        let mut two = redactor("abcdef");
        two.hide(b"defghi");
        assert_eq!(two.visible(b"x abcdefghi y abcdefabcdef"), "x [redacted] y [redacted]");
        assert_eq!(redactor("d]xyz").visible(b"d]xyzxyz"), REDACTED);
        assert_eq!(redactor("redacted").visible(b"so redacted"), NOTHING);
        assert_eq!(redactor("\\x01").visible(b"a\x01b"), REDACTED);
        assert_eq!(redactor("abc").visible(b"abc"), "abc", "too short to be removed by value");
    }

    #[test]
    fn what_is_shown_never_holds_a_control_or_the_secret_whatever_stands_around_it() {
        let redactor = redactor(PASSWORD);
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        for n in 0..1_500 {
            let mut line: Vec<u8> = (0..3).flat_map(|_| random()).collect();
            if n % 2 == 0 {
                let at = usize::from(random()[0]) % line.len();
                line.splice(at..at, PASSWORD.bytes());
            }
            let line = redactor.visible(&line);
            assert!(!line.contains(PASSWORD) && !line.contains(char::is_control) && !line.contains(is_invisible), "{line:?}");
        }
    }

    #[test]
    fn foreign_bytes_are_made_visible() {
        let line = redactor("-").visible(b"250 gr\xfc\xdfe \0 \x1b[31m \xc3\xbc \xe2\x80\xae");
        assert_eq!(line, "250 gr\\xFC\\xDFe \\x00 \\x1B[31m ü \\u{202e}");
    }
}
