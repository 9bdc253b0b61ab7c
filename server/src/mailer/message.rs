//! A message on its way: in pieces, some of which are made only while they are sent, so that what is big takes no memory.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::size::{BYTES_A_LINE, encoded_size};

/// Bytes of a message that are made and written in one step.
const CHUNK: usize = 64 << 10;
/// What a file of a chosen size is full of: what becomes one line of base64, so that every line is the same.
const LINE: &[u8] = b"Postroom sent this file to try a server. It means nothing";
const _: () = assert!(LINE.len() as u64 == BYTES_A_LINE, "a line of base64 is full");

/// A message (RFC 5322), not yet fit for DATA.
#[derive(Debug, Default)]
pub struct Message<'m> {
    pieces: Vec<Piece<'m>>,
}

#[derive(Debug)]
enum Piece<'m> {
    /// As it is.
    Bytes(Cow<'m, [u8]>),
    /// A file of so many bytes in base64 (RFC 2045 section 6.8), each line with its end.
    Filler(u64),
}

impl<'m> From<&'m [u8]> for Message<'m> {
    fn from(bytes: &'m [u8]) -> Self {
        Self { pieces: vec![Piece::Bytes(Cow::Borrowed(bytes))] }
    }
}

impl From<Vec<u8>> for Message<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self { pieces: vec![Piece::Bytes(Cow::Owned(bytes))] }
    }
}

impl Message<'_> {
    /// Adds what is there already.
    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        self.pieces.push(Piece::Bytes(Cow::Owned(bytes)));
    }

    /// Adds a file of so many bytes.
    pub(super) fn push_filler(&mut self, bytes: u64) {
        self.pieces.push(Piece::Filler(bytes));
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        let sizes = self.pieces.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Filler(bytes) => encoded_size(*bytes),
        });
        sizes.fold(0, u64::saturating_add)
    }

    /// Whether it has nothing but ASCII.
    pub fn is_ascii(&self) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Bytes(bytes) => bytes.is_ascii(),
            Piece::Filler(_) => true,
        })
    }

    /// It in parts of at most 64 KiB.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.pieces.iter().flat_map(|piece| -> Box<dyn Iterator<Item = Cow<'_, [u8]>> + Send> {
            match piece {
                Piece::Bytes(bytes) => Box::new(bytes.chunks(CHUNK).map(Cow::Borrowed)),
                Piece::Filler(bytes) => Box::new(filler(*bytes).map(Cow::Owned)),
            }
        })
    }
}

/// A file of so many bytes, encoded.
fn filler(bytes: u64) -> impl Iterator<Item = Vec<u8>> {
    let line = format!("{}\r\n", STANDARD.encode(LINE)).into_bytes();
    let at_once = (CHUNK / line.len()) as u64;
    let (lines, rest) = (bytes / BYTES_A_LINE, usize::try_from(bytes % BYTES_A_LINE).unwrap_or_default());
    let last = (rest > 0).then(|| format!("{}\r\n", STANDARD.encode(&LINE[..rest])).into_bytes());
    let whole = (0..lines.div_ceil(at_once)).map(move |part| {
        let count = at_once.min(lines - part * at_once);
        line.repeat(usize::try_from(count).unwrap_or_default())
    });
    whole.chain(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_bytes_that_were_asked_for_and_the_size_that_was_told() {
        for bytes in [0, 1, 2, 56, 57, 58, 114, 1000, 100_000, 3_000_001] {
            let mut message = Message::from(b"a\r\n\r\n".as_slice());
            message.push_filler(bytes);
            let all: Vec<u8> = message.chunks().flat_map(Cow::into_owned).collect();
            assert_eq!(message.size(), all.len() as u64, "{bytes}");
            let encoded: Vec<u8> = all[5..].iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let decoded = STANDARD.decode(encoded).unwrap();
            assert_eq!(decoded.len() as u64, bytes);
            assert!(decoded.iter().zip(LINE.iter().cycle()).all(|(found, expected)| found == expected));
            let text = String::from_utf8(all).unwrap();
            assert!(text.split("\r\n").all(|line| line.len() <= 76), "RFC 2045 section 6.8");
            assert!(message.is_ascii() && message.chunks().all(|chunk| chunk.len() <= CHUNK));
        }
    }
}
