//! The bytes of files that go along with a message: where they come from, and base64 of them while they come. They are never
//! held whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::LazyLock;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use bytes::Bytes;
use domain::size::BYTES_A_LINE;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tokio::task::{JoinHandle, spawn_blocking};

/// Where the bytes of a file come from, in pieces.
#[async_trait]
pub trait Content: Send + Sync {
    /// The bytes from the beginning on; each call begins anew. Pieces may have any size; the larger they are, the less each byte
    /// takes.
    ///
    /// # Errors
    /// What the system says where there is nothing to read. A stream that breaks off says so as its last item.
    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>>;
}

/// Content in a file, which is read ahead by one piece.
#[derive(Clone, Debug)]
pub struct FileContent(PathBuf);

impl FileContent {
    /// Bytes that are read in one step.
    const PIECE: usize = 128 << 10;

    /// The content of the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

#[async_trait]
impl Content for FileContent {
    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let path = self.0.clone();
        let first = spawn_blocking(move || piece(File::open(path)?));
        Ok(stream::try_unfold(Some(first), following).boxed())
    }
}

/// A piece that was read, and the file to read the next one from.
type Piece = (File, Vec<u8>);

/// The piece that is being read, while the next one begins to be.
async fn following(
    reading: Option<JoinHandle<io::Result<Piece>>>,
) -> io::Result<Option<(Bytes, Option<JoinHandle<io::Result<Piece>>>)>> {
    let Some(reading) = reading else { return Ok(None) };
    let (file, bytes) = reading.await.map_err(io::Error::other)??;
    let is_last = bytes.len() < FileContent::PIECE;
    let next = (!is_last).then(|| spawn_blocking(move || piece(file)));
    Ok(Some((bytes.into(), next)))
}

fn piece(mut file: File) -> io::Result<Piece> {
    let mut bytes = Vec::with_capacity(FileContent::PIECE);
    (&mut file).take(FileContent::PIECE as u64).read_to_end(&mut bytes)?;
    Ok((file, bytes))
}

/// Bytes of a file that become one line.
const LINE: usize = 57;
const _: () = assert!(LINE as u64 == BYTES_A_LINE, "as sizes are told");
/// Characters of a line without its end (RFC 2045 section 6.8).
const WIDTH: usize = LINE / 3 * 4;
/// Lines that are encoded in one step.
const AT_ONCE: usize = 256;

/// The fastest that this machine has.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

/// Base64 of what comes in pieces, in full lines each with its end, the last one as long as it has to be (RFC 2045 section 6.8).
#[derive(Debug, Default)]
pub(super) struct Base64Lines {
    /// Less than a line.
    rest: Vec<u8>,
    /// Encoded, not yet in lines.
    encoded: Vec<u8>,
}

impl Base64Lines {
    /// Appends the lines that `bytes` completes.
    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if !self.rest.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(LINE - self.rest.len()));
            self.rest.extend_from_slice(head);
            bytes = tail;
            if self.rest.len() < LINE {
                return;
            }
            let line = std::mem::take(&mut self.rest);
            self.encode(&line, out);
        }
        let (lines, rest) = bytes.split_at(bytes.len() - bytes.len() % LINE);
        for lines in lines.chunks(AT_ONCE * LINE) {
            self.encode(lines, out);
        }
        self.rest.extend_from_slice(rest);
    }

    /// Appends the last line.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.rest);
        self.encode(&rest, out);
    }

    fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.encoded.resize(AT_ONCE * WIDTH, 0);
        // There is room for it.
        let length = BASE64.encode_slice(bytes, &mut self.encoded).unwrap_or_default();
        out.reserve(length + length.div_ceil(WIDTH) * 2);
        for line in self.encoded[..length].chunks(WIDTH) {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use futures::TryStreamExt as _;

    use super::*;

    #[test]
    fn lines_are_full_whatever_pieces_they_come_in() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for length in [0, 1, 2, 3, 56, 57, 58, 113, 114, 115, 57 * 256, 57 * 256 + 1, 100_001, 400_000] {
            let bytes = &bytes[..length];
            for size in [1, 7, 56, 57, 58, 4_096, 65_536, 1 << 20] {
                let (mut lines, mut out) = (Base64Lines::default(), Vec::new());
                bytes.chunks(size).for_each(|piece| lines.push(piece, &mut out));
                lines.finish(&mut out);
                let text = String::from_utf8(out).unwrap();
                assert_eq!(text.len() as u64, domain::size::encoded_size(length as u64), "{length} in {size}");
                let expected: String = bytes.chunks(57).map(|line| STANDARD.encode(line) + "\r\n").collect();
                assert!(text == expected, "{length} in {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_comes_whole_each_time_and_a_missing_one_says_so() {
        let directory = tempfile::tempdir().unwrap();
        for length in [0, 1, FileContent::PIECE - 1, FileContent::PIECE, FileContent::PIECE + 1, 3 * FileContent::PIECE] {
            let path = directory.path().join("file");
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            std::fs::write(&path, &bytes).unwrap();
            let content = FileContent::new(path);
            for _ in 0..2 {
                let pieces: Vec<Bytes> = content.open().await.unwrap().try_collect().await.unwrap();
                assert!(pieces.concat() == bytes, "{length}");
            }
        }
        let missing = FileContent::new(directory.path().join("missing"));
        let error = missing.open().await.unwrap().try_next().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
