//! The container of a back-up: chunks that are sealed one by one, so that little memory is enough, and that open only whole, in their
//! order, and to the last.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `Postroom back-up` |
//! | 1 | version of the container: 1 |
//! | 1 | protection: 1, a passphrase; 0, a checksum only |
//! | 16 | salt of the passphrase |
//! | 19 | beginning of every nonce |
//! | – | chunks |
//!
//! A chunk is its length in 4 bytes, of which the highest bit marks the last one, and as many bytes. With a passphrase they are what
//! XChaCha20-Poly1305 makes of at most 64 KiB, under a nonce of the beginning, the chunk's number (4 bytes) and the mark of the last
//! one (1 byte): the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, 2015). Otherwise they are the text itself and the first 16 bytes
//! of the SHA-256 of the same, which finds what happened to a file, and no one who wants to deceive. The header is authenticated with every
//! chunk.

use std::io::{self, Read, Write};

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use ring::digest;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::ports::Random;
use crate::seal::Key;

const MAGIC: &[u8; 16] = b"Postroom back-up";
const VERSION: u8 = 1;
/// Bytes of a salt.
pub const SALT: usize = 16;
const NONCE_START: usize = 19;
const HEADER: usize = MAGIC.len() + 2 + SALT + NONCE_START;
/// The most bytes of text in a chunk.
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
/// Marks the last chunk, in the length before it.
const LAST: u32 = 1 << 31;

/// What keeps a back-up from being read or changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// A passphrase.
    Passphrase {
        /// What the key was made with.
        salt: [u8; SALT],
        /// The key that was made of it.
        #[serde(with = "key_in_base64")]
        key: Key,
    },
    /// Nothing: it only shows what was changed by accident.
    Checksum,
}

impl Protection {
    /// Whether nobody reads it who shouldn't.
    pub const fn is_secret(&self) -> bool {
        matches!(self, Self::Passphrase { .. })
    }

    fn sealing(&self) -> Sealing {
        match self {
            Self::Passphrase { key, .. } => Sealing::new(key),
            Self::Checksum => Sealing::Checksum,
        }
    }
}

/// A key on its way between two processes of one user.
mod key_in_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use zeroize::Zeroizing;

    use crate::seal::Key;

    pub(super) fn serialize<S: Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(key.bytes())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        // What is wrong with it is not to be quoted.
        let text = String::deserialize(deserializer).map(Zeroizing::new).map_err(|_| D::Error::custom("a key is text"))?;
        let bytes = STANDARD.decode(text.as_bytes()).map(Zeroizing::new);
        bytes.ok().and_then(|bytes| Key::from_slice(&bytes)).ok_or_else(|| D::Error::custom("a key has 32 bytes"))
    }
}

/// Why what is read is no back-up, or not a whole one.
#[derive(Debug)]
pub enum ReadError {
    /// It is something else.
    NotABackup,
    /// A later program wrote it.
    Newer,
    /// The passphrase is another one, or its very beginning was changed.
    WrongPassphrase,
    /// It was cut off or changed.
    Damaged(&'static str),
    /// It can't be read.
    In(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it breaks off"),
            _ => Self::In(error),
        }
    }
}

enum Sealing {
    Cipher(Box<XChaCha20Poly1305>),
    Checksum,
}

impl Sealing {
    fn new(key: &Key) -> Self {
        let mut copy = chacha20poly1305::Key::from(*key.bytes());
        let cipher = XChaCha20Poly1305::new(&copy);
        copy.zeroize();
        Self::Cipher(Box::new(cipher))
    }

    /// The text as it is written, its tag apart.
    fn seal(&self, place: &Place<'_>, text: &mut [u8]) -> io::Result<[u8; TAG]> {
        match self {
            Self::Cipher(cipher) => {
                let tag = cipher.encrypt_inout_detached(&place.nonce(), place.header, text.into());
                tag.map(Into::into).map_err(|_| io::Error::other("too much for one chunk"))
            }
            Self::Checksum => Ok(place.checksum(text)),
        }
    }

    /// The text back, where it stands; whether it is what was written.
    fn open(&self, place: &Place<'_>, text: &mut [u8], tag: &[u8; TAG]) -> bool {
        match self {
            Self::Cipher(cipher) => {
                cipher.decrypt_inout_detached(&place.nonce(), place.header, text.into(), &Tag::from(*tag)).is_ok()
            }
            Self::Checksum => place.checksum(text) == *tag,
        }
    }
}

/// Where a chunk belongs.
struct Place<'a> {
    header: &'a [u8; HEADER],
    number: u32,
    last: bool,
}

impl Place<'_> {
    fn nonce(&self) -> XNonce {
        let mut nonce = XNonce::default();
        let (start, rest) = nonce.split_at_mut(NONCE_START);
        start.copy_from_slice(&self.header[HEADER - NONCE_START..]);
        rest[..4].copy_from_slice(&self.number.to_be_bytes());
        rest[4] = u8::from(self.last);
        nonce
    }

    fn checksum(&self, text: &[u8]) -> [u8; TAG] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.header);
        context.update(&self.number.to_be_bytes());
        context.update(&[u8::from(self.last)]);
        context.update(text);
        let mut sum = [0; TAG];
        sum.copy_from_slice(&context.finish().as_ref()[..TAG]);
        sum
    }
}

/// Writes a back-up; it is one once [`Writer::finish`] has returned.
pub struct Writer<W> {
    out: W,
    sealing: Sealing,
    header: [u8; HEADER],
    number: u32,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> Writer<W> {
    /// Begins one.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(mut out: W, protection: &Protection, random: &dyn Random) -> io::Result<Self> {
        let mut header = [0; HEADER];
        let (start, rest) = header.split_at_mut(MAGIC.len() + 2);
        start[..MAGIC.len()].copy_from_slice(MAGIC);
        start[MAGIC.len()..].copy_from_slice(&[VERSION, u8::from(protection.is_secret())]);
        let (salt, nonce) = rest.split_at_mut(SALT);
        if let Protection::Passphrase { salt: of, .. } = protection {
            salt.copy_from_slice(of);
        }
        random.fill(nonce);
        out.write_all(&header)?;
        // Never more than its capacity is in it, so that no copy of what is secret stays behind.
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
        Ok(Self { out, sealing: protection.sealing(), header, number: 0, chunk })
    }

    /// Ends the chunk here: what follows is in another one.
    ///
    /// # Errors
    /// What `out` says.
    pub fn cut(&mut self) -> io::Result<()> {
        self.put(false)
    }

    /// Writes the last chunk.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(mut self) -> io::Result<()> {
        self.put(true)?;
        self.out.flush()
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        let place = Place { header: &self.header, number: self.number, last };
        let tag = self.sealing.seal(&place, &mut self.chunk)?;
        let length = u32::try_from(self.chunk.len() + TAG).unwrap_or(LAST) | if last { LAST } else { 0 };
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&self.chunk)?;
        self.out.write_all(&tag)?;
        self.chunk.clear();
        self.number = self.number.checked_add(1).ok_or_else(|| io::Error::other("too many chunks"))?;
        Ok(())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.put(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The header of a back-up.
#[derive(Clone, Debug)]
pub struct Header {
    bytes: [u8; HEADER],
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    /// [`ReadError::NotABackup`], [`ReadError::Newer`] or [`ReadError::In`].
    pub fn read(input: &mut dyn Read) -> Result<Self, ReadError> {
        let mut bytes = [0; HEADER];
        let mut start = [0; MAGIC.len()];
        let cut_off = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::NotABackup,
            _ => ReadError::In(error),
        };
        input.read_exact(&mut start).map_err(cut_off)?;
        if start != *MAGIC {
            return Err(ReadError::NotABackup);
        }
        bytes[..MAGIC.len()].copy_from_slice(&start);
        input.read_exact(&mut bytes[MAGIC.len()..])?;
        match (bytes[MAGIC.len()], bytes[MAGIC.len() + 1]) {
            (VERSION, 0 | 1) => Ok(Self { bytes }),
            (VERSION, _) => Err(ReadError::Damaged("its protection is unknown")),
            _ => Err(ReadError::Newer),
        }
    }

    /// The salt of the passphrase that it opens with; `None` where it needs none.
    pub fn salt(&self) -> Option<[u8; SALT]> {
        let salt = self.bytes[MAGIC.len() + 2..].first_chunk().copied();
        salt.filter(|_| self.bytes[MAGIC.len() + 1] == 1)
    }
}

/// Reads a back-up. What it has given is what was written; whether that was all shows at the end.
pub struct Reader<R> {
    input: R,
    sealing: Sealing,
    header: [u8; HEADER],
    number: u32,
    chunk: Zeroizing<Vec<u8>>,
    at: usize,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads what follows the header; `key` was made of the passphrase, where one is needed.
    pub fn new(input: R, header: &Header, key: Option<&Key>) -> Self {
        let sealing = key.filter(|_| header.salt().is_some()).map_or(Sealing::Checksum, Sealing::new);
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK + TAG));
        Self { input, sealing, header: header.bytes, number: 0, chunk, at: 0, ended: false }
    }

    /// The whole of the first chunk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn first(&mut self) -> Result<&[u8], ReadError> {
        let secret = matches!(self.sealing, Sealing::Cipher(_));
        self.next_chunk().map_err(|error| match error {
            ReadError::Damaged(CHANGED) if secret => ReadError::WrongPassphrase,
            error => error,
        })?;
        self.at = self.chunk.len();
        Ok(&self.chunk)
    }

    /// The next bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn bytes(&mut self, out: &mut [u8]) -> Result<(), ReadError> {
        let mut filled = 0;
        while filled < out.len() {
            if self.at == self.chunk.len() {
                self.next_chunk()?;
            }
            let taken = (out.len() - filled).min(self.chunk.len() - self.at);
            out[filled..filled + taken].copy_from_slice(&self.chunk[self.at..self.at + taken]);
            (filled, self.at) = (filled + taken, self.at + taken);
        }
        Ok(())
    }

    /// The end, and nothing after it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn end(mut self) -> Result<(), ReadError> {
        while !self.ended {
            if self.at < self.chunk.len() {
                return Err(ReadError::Damaged("something stands after its end"));
            }
            self.next_chunk()?;
        }
        if self.at < self.chunk.len() || self.input.read(&mut [0])? > 0 {
            return Err(ReadError::Damaged("something stands after its end"));
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<(), ReadError> {
        if self.ended {
            return Err(ReadError::Damaged("it breaks off"));
        }
        let mut length = [0; 4];
        self.input.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        let last = length & LAST != 0;
        let length = usize::try_from(length & !LAST).unwrap_or(usize::MAX);
        if !(TAG..=CHUNK + TAG).contains(&length) {
            return Err(ReadError::Damaged(CHANGED));
        }
        self.chunk.clear();
        self.chunk.resize(length, 0);
        self.input.read_exact(&mut self.chunk)?;
        let (text, tag) = self.chunk.split_last_chunk_mut::<TAG>().ok_or(ReadError::Damaged(CHANGED))?;
        let place = Place { header: &self.header, number: self.number, last };
        if !self.sealing.open(&place, text, tag) {
            return Err(ReadError::Damaged(CHANGED));
        }
        self.chunk.truncate(length - TAG);
        self.at = 0;
        self.ended = last;
        self.number = self.number.checked_add(1).ok_or(ReadError::Damaged(CHANGED))?;
        Ok(())
    }
}

/// What a chunk is that doesn't open.
const CHANGED: &str = "a part of it was changed";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemRandom;
    use crate::seal::tests::key;

    fn passphrase() -> Protection {
        Protection::Passphrase { salt: [3; SALT], key: key(1) }
    }

    fn written(text: &[u8], protection: &Protection) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, protection, &SystemRandom).unwrap();
        writer.write_all(b"first").unwrap();
        writer.cut().unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap();
        out
    }

    fn read(mut file: &[u8], with: &Key, length: usize) -> Result<Vec<u8>, ReadError> {
        let header = Header::read(&mut file)?;
        let mut reader = Reader::new(file, &header, Some(with));
        assert_eq!(reader.first()?, b"first");
        let mut text = vec![0; length];
        reader.bytes(&mut text)?;
        reader.end()?;
        Ok(text)
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_back_whatever_its_length() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 200_000] {
            for protection in [passphrase(), Protection::Checksum] {
                let file = written(&text(length), &protection);
                assert_eq!(read(&file, &key(1), length).unwrap(), text(length), "{length}");
                assert!(read(&file, &key(1), length + 1).is_err(), "{length}: there is no more");
                if length > 0 {
                    assert!(read(&file, &key(1), length - 1).is_err(), "{length}: there is more");
                }
            }
        }
    }

    #[test]
    fn a_passphrase_hides_and_a_checksum_does_not() {
        let canary = b"canary in a back-up";
        let holds = |file: &[u8]| file.windows(canary.len()).any(|part| part == canary);
        assert!(!holds(&written(canary, &passphrase())));
        assert!(holds(&written(canary, &Protection::Checksum)));
        assert_ne!(written(canary, &passphrase()), written(canary, &passphrase()), "never the same");
        assert_eq!(
            format!("{:?}", passphrase()),
            "Passphrase { salt: [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], key: Key(…) }"
        );
    }

    #[test]
    fn another_passphrase_is_told_from_damage() {
        let file = written(&text(100), &passphrase());
        assert!(matches!(read(&file, &key(2), 100), Err(ReadError::WrongPassphrase)));
        let mut damaged = file.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(read(&damaged, &key(1), 100), Err(ReadError::Damaged(_))));
        for (at, value) in [(0, b'p'), (15, b'P')] {
            let mut other = file.clone();
            other[at] = value;
            assert!(matches!(read(&other, &key(1), 100), Err(ReadError::NotABackup)));
        }
        let mut newer = file;
        newer[16] = 2;
        assert!(matches!(read(&newer, &key(1), 100), Err(ReadError::Newer)));
        assert!(matches!(read(b"Post", &key(1), 0), Err(ReadError::NotABackup)));
    }

    #[test]
    fn every_changed_or_missing_byte_is_found() {
        for protection in [passphrase(), Protection::Checksum] {
            let file = written(&text(100), &protection);
            for at in 0..file.len() {
                let mut changed = file.clone();
                changed[at] ^= 0x81;
                assert!(read(&changed, &key(1), 100).is_err(), "byte {at}");
                assert!(read(&file[..at], &key(1), 100).is_err(), "cut to {at}");
            }
            assert!(read(&[file.as_slice(), &[0]].concat(), &key(1), 100).is_err(), "one more");
        }
    }

    #[test]
    fn chunks_that_are_missing_moved_or_of_another_back_up_are_found() {
        let length = 3 * CHUNK;
        for protection in [passphrase(), Protection::Checksum] {
            let (file, other) = (written(&text(length), &protection), written(&text(length), &protection));
            // The header, the first chunk, and three full ones.
            let start = HEADER + 4 + 5 + TAG;
            let size = 4 + CHUNK + TAG;
            let chunk = |of: &[u8], number: usize| of[start + number * size..start + (number + 1) * size].to_vec();
            let with = |chunks: &[Vec<u8>]| [&file[..start], &chunks.concat()].concat();
            let whole = [chunk(&file, 0), chunk(&file, 1), chunk(&file, 2)];
            assert_eq!(read(&with(&whole), &key(1), length).unwrap(), text(length));
            let mut early = chunk(&file, 1);
            early[0] |= 0x80;
            for (what, chunks, length) in [
                ("cut off between chunks", vec![chunk(&file, 0), chunk(&file, 1)], 2 * CHUNK),
                ("marked as the last", vec![chunk(&file, 0), early], 2 * CHUNK),
                ("one is missing", vec![chunk(&file, 0), chunk(&file, 2)], 2 * CHUNK),
                ("swapped", vec![chunk(&file, 1), chunk(&file, 0), chunk(&file, 2)], length),
                ("twice", vec![chunk(&file, 0), chunk(&file, 0), chunk(&file, 1), chunk(&file, 2)], length + CHUNK),
                ("another's", vec![chunk(&file, 0), chunk(&other, 1), chunk(&file, 2)], length),
            ] {
                assert!(matches!(read(&with(&chunks), &key(1), length), Err(ReadError::Damaged(_))), "{what}");
            }
        }
    }
}
