//! What goes out: header fields and SMTP paths, written anew from what was read.
//!
//! Only [`Text`](super::text::Text)s and constants are written, so that no CR, LF or NUL can come out. Folding long
//! lines is left to whoever writes the message.

use std::fmt::{self, Write};

/// Whether a word needs no quotes: atext and, in a local part, single dots within.
pub(super) fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(is_atom)
}

fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| super::grammar::is_atext(octet) || octet >= 0x80)
}

/// A quoted string.
pub(super) fn quoted(text: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.write_char('\\')?;
        }
        out.write_char(c)?;
    }
    out.write_char('"')
}

/// A local part: a dot-atom where it is one, else quoted.
pub(super) fn local_part(local: &str, out: &mut dyn Write) -> fmt::Result {
    if is_dot_atom(local) { out.write_str(local) } else { quoted(local, out) }
}

/// A display name as people read it: atoms where it is such, else quoted.
pub(super) fn phrase(name: &str, out: &mut dyn Write) -> fmt::Result {
    let mut atoms = name.split(' ');
    let is_mailto = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("mailto"));
    if atoms.all(is_atom) && !name.contains("=?") && !is_mailto { out.write_str(name) } else { quoted(name, out) }
}

/// A display name in a header field: ASCII as it is, the rest in encoded words (RFC 2047).
pub(super) fn encoded_phrase(name: &str, out: &mut dyn Write) -> fmt::Result {
    if name.is_ascii() { phrase(name, out) } else { encoded_words(name, out) }
}

/// A line with an encoded word has 76 characters at most (RFC 2047 section 2); `Reply-To: `, `=?UTF-8?Q?` and `?=` may be 22 of
/// them.
const ENCODED_TEXT: usize = 76 - 22;

/// ```text
/// encoded-word = "=?" charset "?" encoding "?" encoded-text "?="
/// ```
/// In Q, or in B where that is much shorter; a character is never split over two words.
pub(super) fn encoded_words(text: &str, out: &mut dyn Write) -> fmt::Result {
    let encoding = if q_length(text) * 2 <= b_length(text) * 3 { 'Q' } else { 'B' };
    let length = if encoding == 'Q' { q_length } else { b_length };
    let mut start = 0;
    let is_selector = |c| matches!(c, '\u{fe0e}' | '\u{fe0f}');
    for (at, c) in text.char_indices().filter(|(_, c)| !is_selector(*c)) {
        // What chooses a glyph stays with its character.
        let rest = &text[at + c.len_utf8()..];
        let end = text.len() - rest.strip_prefix(is_selector).unwrap_or(rest).len();
        if length(&text[start..end]) > ENCODED_TEXT {
            encoded_word(encoding, &text[start..at], out)?;
            out.write_char(' ')?;
            start = at;
        }
    }
    encoded_word(encoding, &text[start..], out)
}

fn q_length(text: &str) -> usize {
    text.bytes().map(|octet| if q_literal(octet) || octet == b' ' { 1 } else { 3 }).sum()
}

fn b_length(text: &str) -> usize {
    text.len().div_ceil(3) * 4
}

fn encoded_word(encoding: char, text: &str, out: &mut dyn Write) -> fmt::Result {
    write!(out, "=?UTF-8?{encoding}?")?;
    if encoding == 'Q' {
        q_encode(text, out)?;
    } else {
        b_encode(text, out)?;
    }
    out.write_str("?=")
}

/// What stands for itself in the Q encoding of a phrase (RFC 2047 section 5).
fn q_literal(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'!' | b'*' | b'+' | b'-' | b'/')
}

fn q_encode(text: &str, out: &mut dyn Write) -> fmt::Result {
    for octet in text.bytes() {
        match octet {
            b' ' => out.write_char('_')?,
            octet if q_literal(octet) => out.write_char(char::from(octet))?,
            octet => write!(out, "={octet:02X}")?,
        }
    }
    Ok(())
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn b_encode(text: &str, out: &mut dyn Write) -> fmt::Result {
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * i) & 63) as usize];
            out.write_char(if i <= chunk.len() { char::from(digit) } else { '=' })?;
        }
    }
    Ok(())
}

/// What an encoded word says, in UTF-8, US-ASCII, ISO 8859-1 or -15, or Windows-1252. None for any other text.
pub(super) fn decode_word(atom: &str) -> Option<String> {
    let mut parts = atom.strip_prefix("=?")?.strip_suffix("?=")?.split('?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let octets = match encoding {
        "Q" | "q" => q_decode(text)?,
        "B" | "b" => b_decode(text)?,
        _ => return None,
    };
    // RFC 2231 section 5: a language may follow the character set.
    match charset.split('*').next()? {
        charset if charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii") => {
            String::from_utf8(octets).ok()
        }
        charset if charset.eq_ignore_ascii_case("iso-8859-1") => Some(octets.into_iter().map(char::from).collect()),
        charset if charset.eq_ignore_ascii_case("iso-8859-15") => Some(octets.into_iter().map(latin_9).collect()),
        charset if charset.eq_ignore_ascii_case("windows-1252") => Some(octets.into_iter().map(windows_1252).collect()),
        _ => None,
    }
}

/// ISO 8859-15, which is ISO 8859-1 but for eight characters.
fn latin_9(octet: u8) -> char {
    match octet {
        0xa4 => '€',
        0xa6 => 'Š',
        0xa8 => 'š',
        0xb4 => 'Ž',
        0xb8 => 'ž',
        0xbc => 'Œ',
        0xbd => 'œ',
        0xbe => 'Ÿ',
        octet => char::from(octet),
    }
}

/// Windows-1252, which has characters where ISO 8859-1 has the controls from 0x80 on; five stay controls, to be refused.
fn windows_1252(octet: u8) -> char {
    #[rustfmt::skip]
    static FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    octet.checked_sub(0x80).and_then(|at| FROM_80.get(usize::from(at)).copied()).unwrap_or(char::from(octet))
}

fn q_decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        out.push(match octet {
            b'_' => b' ',
            b'=' => {
                let mut digit = || char::from(octets.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            octet => octet,
        });
    }
    Some(out)
}

fn b_decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for octet in chunk {
            let digit = BASE64.iter().position(|digit| digit == octet)?;
            bits = bits << 6 | u32::try_from(digit).ok()?;
        }
        bits <<= 6 * (4 - chunk.len());
        out.extend_from_slice(bits.to_be_bytes().get(1..chunk.len())?);
    }
    Some(out)
}
