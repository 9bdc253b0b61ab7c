//! Makes text of what came from outside: secrets removed by value, controls and invisible characters as escapes. Pure. This
//! is the second net: the first is that [`super::auth`] never gives a secret to the record at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What stands where a secret was.
pub(super) const REDACTED: &str = "[redacted]";
/// Shorter secrets are only removed by phase: by value they would show up everywhere, and so show themselves.
pub(super) const MIN_BY_VALUE: usize = 4;
/// What stands for a line that can't be shown otherwise: too short to be a secret itself.
const NOTHING: &str = "…";

/// Knows the forms in which secrets may be seen.
#[derive(Default)]
pub(super) struct Redactor {
    needles: Vec<Zeroizing<Vec<u8>>>,
}

impl Redactor {
    /// Hides `secret` from now on: as it is, in base64 on its own, and inside any other base64 text (there are three ways it
    /// can lie across the groups of three bytes).
    pub(super) fn hide(&mut self, secret: &[u8]) {
        if secret.len() < MIN_BY_VALUE {
            return;
        }
        self.needles.push(Zeroizing::new(secret.to_vec()));
        self.needles.push(encoded(secret));
        for before in 0..3_usize {
            let shifted = Zeroizing::new([&[0; 2][..before], secret].concat());
            let whole = encoded(&shifted);
            // Only the characters that depend on nothing but the secret.
            let (from, to) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
            self.needles.push(Zeroizing::new(whole[from..to].to_vec()));
        }
    }

    /// Bytes from outside as text.
    pub(super) fn visible(&self, bytes: &[u8]) -> String {
        self.show(bytes, bytes.len())
    }

    /// The same for bytes that were cut off: a secret that may have begun at their end is hidden, too.
    pub(super) fn visible_cut(&self, bytes: &[u8]) -> String {
        let begun = self.needles.iter().filter_map(|needle| {
            let longest = needle.len().min(bytes.len());
            (MIN_BY_VALUE..=longest).rev().find(|&length| bytes.ends_with(&needle[..length]))
        });
        self.show(bytes, bytes.len() - begun.max().unwrap_or(0))
    }

    /// Everything from `hidden_from` on is a part of a secret.
    fn show(&self, bytes: &[u8], hidden_from: usize) -> String {
        let mut out = String::with_capacity(bytes.len());
        // Needles may overlap: a byte is shown only where none of them covers it.
        let (mut plain, mut covered) = (0, 0);
        for at in 0..bytes.len() {
            let longest = self.needles.iter().filter(|needle| begins(&bytes[at..], needle)).map(|needle| needle.len()).max();
            let end = match longest {
                _ if at >= hidden_from => bytes.len(),
                Some(length) => at + length,
                None => continue,
            };
            if at >= covered {
                escape(&bytes[plain..at], &mut out);
                out.push_str(REDACTED);
            }
            covered = covered.max(end);
            plain = covered;
        }
        escape(&bytes[plain..], &mut out);
        // The mark or an escape may complete another copy of a secret that looks like them.
        if !self.shows(&out) {
            return out;
        }
        if self.shows(REDACTED) { NOTHING.into() } else { REDACTED.into() }
    }

    fn shows(&self, text: &str) -> bool {
        self.needles.iter().any(|needle| text.as_bytes().windows(needle.len()).any(|part| begins(part, needle)))
    }
}

/// The first byte tells most: asked by itself, it spares the call of a comparison at nearly every place.
fn begins(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.first() == needle.first() && bytes.starts_with(needle)
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

/// Zero-width and direction-changing characters: they would make a line look like another.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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

    #[test]
    fn a_secret_that_was_cut_off_is_removed_too() {
        let redactor = redactor(PASSWORD);
        for length in MIN_BY_VALUE..PASSWORD.len() {
            let line = format!("535 you said {}", &PASSWORD[..length]);
            assert_eq!(redactor.visible_cut(line.as_bytes()), "535 you said [redacted]");
            let encoded = STANDARD.encode(PASSWORD);
            let line = format!("535 you said {}", &encoded[..length]);
            assert_eq!(redactor.visible_cut(line.as_bytes()), "535 you said [redacted]");
        }
        assert_eq!(redactor.visible_cut(b"535 no"), "535 no");
    }

    #[test]
    fn secrets_that_overlap_and_those_that_look_like_the_mark_leave_nothing() {
        let mut two = redactor("abcdef");
        two.hide(b"defghi");
        assert_eq!(two.visible(b"x abcdefghi y abcdefabcdef"), "x [redacted] y [redacted][redacted]");
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
