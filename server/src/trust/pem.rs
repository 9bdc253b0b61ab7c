//! Finds the sections of PEM (RFC 7468) in whatever surrounds them, as leniently as they are pasted: on one line, indented, with
//! headers (RFC 1421), with line ends written as `\n`. What a section holds is decided by others. Writes them strictly.
//! Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

const DASHES: &[u8] = b"-----";

/// What stands between a BEGIN and an END line.
pub(super) struct Section<'a> {
    /// What the BEGIN line says, such as `CERTIFICATE`.
    pub(super) label: Cow<'a, str>,
    /// Whether the END line that belongs to it follows.
    pub(super) complete: bool,
    body: &'a [u8],
}

impl Section<'_> {
    /// Whether it is a private key of any kind.
    pub(super) fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether it is a private key that its own headers (RFC 1421), or its label (RFC 5958), call encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.label.starts_with("ENCRYPTED") || headers(self.body).0.windows(9).any(|word| word == b"ENCRYPTED")
    }

    /// The bytes; nothing where it isn't base64.
    pub(super) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        decode(headers(self.body).1)
    }
}

/// The headers, which have a colon that base64 has not, and what follows them.
fn headers(body: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = body.iter().rposition(|&byte| byte == b':') else { return body.split_at(0) };
    let end = body[colon..].iter().position(|&byte| byte == b'\n').unwrap_or(body.len() - colon);
    body.split_at(colon + end)
}

/// The sections in their order.
pub(super) fn sections(text: &[u8]) -> impl Iterator<Item = Section<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = split(rest, b"-----BEGIN ")?;
        // Where no dashes follow, the text was cut off in the middle of the line.
        let (label, after) = split(after, DASHES).unwrap_or((after, b""));
        let (body, _) = split(after, DASHES).unwrap_or((after, b""));
        let end = &after[body.len()..];
        let complete =
            end.strip_prefix(b"-----END ").and_then(|end| end.strip_prefix(label)).is_some_and(|e| e.starts_with(DASHES));
        // Behind it, the dashes of an END line begin nothing; those of a BEGIN line do.
        rest = end;
        Some(Section { label: String::from_utf8_lossy(label), complete, body })
    })
}

/// Writes a section, with lines as RFC 7468 section 2 wants them.
pub(super) fn write(out: &mut String, label: &str, bytes: &[u8]) {
    const LINE: usize = 64;
    let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(bytes));
    out.extend(["-----BEGIN ", label, "-----\n"]);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        out.extend([line, "\n"]);
        rest = after;
    }
    out.extend(["-----END ", label, "-----\n"]);
}

/// What stands before and after the first `mark`.
fn split<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let at = from + text[from..].iter().position(|byte| Some(byte) == mark.first())?;
        if let Some(after) = text[at..].strip_prefix(mark) {
            return Some((&text[..at], after));
        }
        from = at + 1;
    }
}

/// Reads base64 with anything between its characters that can't be seen, also where the padding is missing.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    // Both as long as they can become: memory that is given back while growing isn't wiped.
    let mut characters = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            // `\n` as a program writes it.
            b'\\' if bytes.next_if(|next| matches!(next, b'n' | b'r' | b't')).is_some() => {}
            // Spaces of every kind, among them those of web pages.
            byte if byte.is_ascii_whitespace() || !byte.is_ascii() => {}
            byte => characters.push(byte),
        }
    }
    let mut decoded = Zeroizing::new(vec![0; characters.len()]);
    let length = ENGINE.decode_slice(&*characters, &mut decoded).ok()?;
    decoded.truncate(length);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, bool, Option<Vec<u8>>)> {
        sections(text.as_bytes())
            .map(|section| (section.label.to_string(), section.complete, section.decode().map(|bytes| bytes.to_vec())))
            .collect()
    }

    #[test]
    fn a_section_is_found_however_it_was_pasted() {
        for text in [
            "-----BEGIN X-----\naGVsbG8=\n-----END X-----\n",
            "-----BEGIN X-----\r\naGVs\r\nbG8=\r\n-----END X-----",
            "Bag Attributes\n  name: y\n-----BEGIN X----- aGVs bG8 -----END X-----, and so on",
            "    -----BEGIN X-----\n    aGVs\n    bG8=\n    -----END X-----",
            r#"{"pem": "-----BEGIN X-----\naGVs\r\nbG8=\n-----END X-----\n"}"#,
            "-----BEGIN X-----\nProc-Type: 4,PLAIN\nOther: a\n\naGVs\u{a0}bG8=\n-----END X-----",
            "----- a line -----\n-----BEGIN X-----aGVsbG8-----END X-----",
        ] {
            assert_eq!(found(text), [("X".into(), true, Some(b"hello".to_vec()))], "{text}");
        }
    }

    #[test]
    fn a_section_without_its_end_is_incomplete_and_takes_nothing_of_the_next() {
        let next = ("Y".to_owned(), true, Some(b"hello".to_vec()));
        let cut = ("X".to_owned(), false, Some(b"hel".to_vec()));
        assert_eq!(found("-----BEGIN X-----\naGVs\n-----BEGIN Y-----\naGVsbG8=\n-----END Y-----"), [cut.clone(), next.clone()]);
        assert_eq!(
            found("-----BEGIN X-----\naGVs\n-----END Z-----\n-----BEGIN Y-----aGVsbG8=-----END Y-----"),
            [cut.clone(), next]
        );
        assert_eq!(found("-----BEGIN X-----\naGVs"), [cut]);
        assert_eq!(found("-----BEGIN X"), [("X".to_owned(), false, Some(vec![]))]);
        assert!(found("-----END X----- -----BEGINX").is_empty());
    }

    #[test]
    fn encrypted_keys_are_told_by_label_or_header() {
        let encrypted = |text: &str| sections(text.as_bytes()).next().unwrap().is_encrypted();
        assert!(encrypted("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
        assert!(encrypted("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\naGVs\n-----END"));
        assert!(!encrypted("-----BEGIN RSA PRIVATE KEY-----\naGVs\n-----END"));
    }

    #[test]
    fn what_is_no_base64_is_none() {
        assert_eq!(found("-----BEGIN X-----\na!b\n-----END X-----")[0].2, None);
        assert_eq!(found("-----BEGIN X-----\naGVs=aGVs\n-----END X-----")[0].2, None);
        assert_eq!(found(r"-----BEGIN X-----\q-----END X-----")[0].2, None);
    }
}
