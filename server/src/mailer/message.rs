//! A message on its way: in pieces, some of which are made or read only while they are sent, so that what is big takes no memory.

use std::borrow::Cow;
use std::sync::Arc;
use std::{fmt, io, mem, slice};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes};
use domain::size::{BYTES_A_LINE, encoded_size};
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::compose::DotStuffer;
use super::content::{Base64Lines, Content};

/// Bytes of a message that are made and written in one step, about.
const CHUNK: usize = 256 << 10;
/// Bytes of a piece that are taken in one step. What they become is at most twice as much.
const STEP: usize = 64 << 10;
/// The same of a file: lines, so that nothing is left over.
const LINES: usize = STEP / LINE.len();
/// What a file of a chosen size is full of: what becomes one line of base64, so that every line is the same.
const LINE: &[u8] = b"Postroom sent this file to try a server. It means nothing";
const _: () = assert!(LINE.len() as u64 == BYTES_A_LINE, "a line of base64 is full");

/// A message (RFC 5322), not yet fit for DATA.
#[derive(Debug, Default)]
pub struct Message<'m> {
    pieces: Vec<Piece<'m>>,
}

enum Piece<'m> {
    /// As it is.
    Bytes(Cow<'m, [u8]>),
    /// A file of so many bytes in base64 (RFC 2045 section 6.8), each line with its end.
    Filler(u64),
    /// The same of a file that is read while it is sent.
    File { content: Arc<dyn Content>, size: u64 },
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Filler(bytes) => write!(f, "Filler({bytes})"),
            Self::File { size, .. } => write!(f, "File({size})"),
        }
    }
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

    /// Adds a file that is read while it is sent. Where it has not exactly `size` bytes, the message isn't sent to its end.
    pub(super) fn push_file(&mut self, content: Arc<dyn Content>, size: u64) {
        self.pieces.push(Piece::File { content, size });
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        let sizes = self.pieces.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Filler(bytes) | Piece::File { size: bytes, .. } => encoded_size(*bytes),
        });
        sizes.fold(0, u64::saturating_add)
    }

    /// Whether it has nothing but ASCII.
    pub fn is_ascii(&self) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Bytes(bytes) => bytes.is_ascii(),
            Piece::Filler(_) | Piece::File { .. } => true,
        })
    }

    /// It as it follows DATA (RFC 5321 section 4.5.2).
    pub(super) fn wire(&self) -> Wire<'_> {
        // A few bytes for dots and the end.
        let room = usize::try_from(self.size()).unwrap_or(usize::MAX).saturating_add(512).min(CHUNK + 2 * STEP);
        Wire { pieces: self.pieces.iter(), current: Current::Bytes(&[]), stuffer: DotStuffer::default(), room }
    }
}

/// A message in chunks that are fit for DATA.
pub(super) struct Wire<'m> {
    pieces: slice::Iter<'m, Piece<'m>>,
    current: Current<'m>,
    stuffer: DotStuffer,
    /// What the buffer has to have room for.
    room: usize,
}

/// What is left of a piece.
enum Current<'m> {
    Bytes(&'m [u8]),
    Filler { line: Vec<u8>, bytes: u64 },
    File(Box<Reading>),
}

/// A file that is being read.
struct Reading {
    stream: BoxStream<'static, io::Result<Bytes>>,
    /// What came and isn't encoded.
    came: Bytes,
    lines: Base64Lines,
    /// How many bytes came, and how many there are to be.
    read: u64,
    size: u64,
}

impl Wire<'_> {
    /// Appends to `out` until it has about 256 KiB. Whether there may be more; the end of the message, with the final dot, is
    /// appended with the last of it.
    ///
    /// # Errors
    /// What the system says where a file can't be read, or has another size than was told.
    pub(super) async fn fill(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        out.reserve_exact(self.room.saturating_sub(out.len()));
        while out.len() < CHUNK {
            let done = match &mut self.current {
                Current::Bytes(bytes) => {
                    let (now, later) = bytes.split_at(bytes.len().min(STEP));
                    *bytes = later;
                    self.stuffer.push(now, out);
                    later.is_empty()
                }
                Current::Filler { line, bytes } => {
                    let lines = (*bytes / BYTES_A_LINE).min(LINES as u64);
                    *bytes -= lines * BYTES_A_LINE;
                    (0..lines).for_each(|_| out.extend_from_slice(line));
                    let done = *bytes < BYTES_A_LINE;
                    if done {
                        let mut last = Base64Lines::default();
                        last.push(&LINE[..usize::try_from(*bytes).unwrap_or_default()], out);
                        last.finish(out);
                    }
                    self.stuffer.lines();
                    done
                }
                Current::File(reading) => {
                    let done = reading.step(out).await?;
                    self.stuffer.lines();
                    done
                }
            };
            if !done {
                continue;
            }
            self.current = match self.pieces.next() {
                None => {
                    mem::take(&mut self.stuffer).finish(out);
                    return Ok(false);
                }
                Some(Piece::Bytes(bytes)) => Current::Bytes(bytes),
                Some(Piece::Filler(bytes)) => {
                    Current::Filler { line: format!("{}\r\n", STANDARD.encode(LINE)).into_bytes(), bytes: *bytes }
                }
                Some(Piece::File { content, size }) => Current::File(Box::new(Reading {
                    stream: content.open().await?,
                    came: Bytes::new(),
                    lines: Base64Lines::default(),
                    read: 0,
                    size: *size,
                })),
            };
        }
        Ok(true)
    }
}

impl Reading {
    /// Appends some of it. Whether that was all.
    async fn step(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        if self.came.is_empty() {
            let Some(came) = self.stream.next().await else {
                if self.read < self.size {
                    return Err(io::Error::other(format!("the content ends after {} of {} bytes", self.read, self.size)));
                }
                mem::take(&mut self.lines).finish(out);
                return Ok(true);
            };
            self.came = came?;
            self.read = self.read.saturating_add(self.came.len() as u64);
            if self.read > self.size {
                return Err(io::Error::other(format!("the content has more than the {} bytes that were told", self.size)));
            }
        }
        let now = self.came.len().min(LINES * LINE.len());
        self.lines.push(&self.came[..now], out);
        self.came.advance(now);
        Ok(false)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use async_trait::async_trait;
    use futures::executor::block_on;
    use futures::stream;

    use super::*;

    /// All of it as it follows DATA, and how it came.
    fn chunks(message: &Message<'_>) -> io::Result<Vec<Vec<u8>>> {
        let (mut wire, mut all, mut more) = (message.wire(), Vec::new(), true);
        while more {
            let mut chunk = Vec::new();
            more = block_on(wire.fill(&mut chunk))?;
            all.push(chunk);
        }
        Ok(all)
    }

    /// All of it as it was before it was made fit for DATA.
    pub(in crate::mailer) fn whole(message: &Message<'_>) -> String {
        let text = String::from_utf8(chunks(message).unwrap().concat()).unwrap();
        text.strip_suffix(".\r\n").expect("the final dot").replace("\r\n..", "\r\n.")
    }

    /// Content in these pieces; `None` is one that fails.
    struct Pieces(Vec<Option<&'static [u8]>>);

    #[async_trait]
    impl Content for Pieces {
        async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
            let pieces =
                self.0.clone().into_iter().map(|piece| piece.map(Bytes::from_static).ok_or(io::ErrorKind::InvalidData.into()));
            Ok(stream::iter(pieces).boxed())
        }
    }

    fn with_file(pieces: Vec<Option<&'static [u8]>>, size: u64) -> Message<'static> {
        let mut message = Message::from(b"a\r\n\r\n".to_vec());
        message.push_file(Arc::new(Pieces(pieces)), size);
        message.push(b".end\r\n".to_vec());
        message
    }

    #[test]
    fn a_file_has_the_bytes_that_were_asked_for_and_the_size_that_was_told() {
        for bytes in [0, 1, 2, 56, 57, 58, 114, 1000, 100_000, 3_000_001] {
            let mut message = Message::from(b"a\r\n\r\n".as_slice());
            message.push_filler(bytes);
            let all = whole(&message);
            assert_eq!(message.size(), all.len() as u64, "{bytes}");
            let decoded = STANDARD.decode(all[5..].replace("\r\n", "")).unwrap();
            assert_eq!(decoded.len() as u64, bytes);
            assert!(decoded.iter().zip(LINE.iter().cycle()).all(|(found, expected)| found == expected));
            assert!(all.split("\r\n").all(|line| line.len() <= 76), "RFC 2045 section 6.8");
            assert!(message.is_ascii());
            let chunks = chunks(&message).unwrap();
            assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK + 2 * STEP && chunk.capacity() <= CHUNK + 2 * STEP));
            assert!(chunks.iter().rev().skip(1).all(|chunk| chunk.len() >= CHUNK));
        }
    }

    #[test]
    fn a_file_that_is_read_while_it_is_sent_has_the_size_that_was_told() {
        static BIG: [u8; 1 << 20] = [0xa5; 1 << 20];
        let empty: &[u8] = b"";
        for pieces in
            [vec![], vec![empty], vec![b"x"], vec![b"Man".as_slice(); 19], vec![b"", b"ab", b"", b"c"], vec![&BIG, b"x", &BIG]]
        {
            let content = pieces.concat();
            let message = with_file(pieces.into_iter().map(Some).collect(), content.len() as u64);
            let all = whole(&message);
            assert_eq!(message.size(), all.len() as u64);
            let encoded = all.strip_prefix("a\r\n\r\n").unwrap().strip_suffix(".end\r\n").unwrap();
            assert!(STANDARD.decode(encoded.replace("\r\n", "")).unwrap() == content);
            assert!(encoded.split("\r\n").all(|line| line.len() <= 76));
            assert!(chunks(&message).unwrap().iter().all(|chunk| chunk.capacity() <= CHUNK + 2 * STEP));
        }
    }

    #[test]
    fn a_file_that_is_not_as_it_was_told_never_gets_to_the_end() {
        let table = [
            (vec![Some(b"abc".as_slice())], 4, "the content ends after 3 of 4 bytes"),
            (vec![], 1, "the content ends after 0 of 1 bytes"),
            (vec![Some(b"abc")], 2, "the content has more than the 2 bytes that were told"),
            (vec![Some(b"ab"), Some(b"c")], 2, "the content has more than the 2 bytes that were told"),
            (vec![Some(b"ab"), None], 4, "invalid data"),
            (vec![None], 0, "invalid data"),
        ];
        for (pieces, size, error) in table {
            let message = with_file(pieces, size);
            let mut out = Vec::new();
            assert_eq!(block_on(message.wire().fill(&mut out)).unwrap_err().to_string(), error);
            assert!(!out.windows(3).any(|end| end == b".\r\n"), "no final dot: {out:?}");
        }
    }
}
