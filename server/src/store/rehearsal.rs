//! A database file that can be opened, repaired and migrated without a byte of it changing: what is written stays in
//! memory. Only what went well here is then done for good.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

const BLOCK: u64 = 4096;

/// Reads come from `below` where nothing was written; writes never reach it.
#[derive(Debug)]
pub(super) struct Rehearsal {
    below: Box<dyn StorageBackend>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    len: u64,
    /// Bytes of `below` from here on were cut off once, and are zero.
    below_len: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Rehearsal {
    /// A rehearsal on what `below` holds.
    pub(super) fn new(below: Box<dyn StorageBackend>) -> io::Result<Self> {
        let len = below.len()?;
        Ok(Self { below, written: Mutex::new(Written { len, below_len: len, blocks: BTreeMap::new() }) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes below a block, zeros where there are none.
    fn block_below(&self, block: u64, below_len: u64) -> io::Result<Vec<u8>> {
        let start = block * BLOCK;
        let have = below_len.saturating_sub(start).min(BLOCK);
        let mut bytes = vec![0; usize_of(BLOCK)];
        if have > 0 {
            self.below.read(start, &mut bytes[..usize_of(have)])?;
        }
        Ok(bytes)
    }
}

impl StorageBackend for Rehearsal {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset.saturating_add(out.len() as u64) > written.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (block, from, to) in pieces(offset, out.len()) {
            let (start, length) = (usize_of((block * BLOCK + from) - offset), usize_of(to - from));
            let out = &mut out[start..start + length];
            match written.blocks.get(&block) {
                Some(bytes) => out.copy_from_slice(&bytes[usize_of(from)..usize_of(to)]),
                None => out.copy_from_slice(&self.block_below(block, written.below_len)?[usize_of(from)..usize_of(to)]),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        if len < written.len {
            written.below_len = written.below_len.min(len);
            let edge = len / BLOCK;
            written.blocks.split_off(&(edge + 1));
            if let Some(bytes) = written.blocks.get_mut(&edge) {
                bytes[usize_of(len % BLOCK)..].fill(0);
            }
        }
        written.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let below_len = written.below_len;
        for (block, from, to) in pieces(offset, data.len()) {
            let (start, length) = (usize_of((block * BLOCK + from) - offset), usize_of(to - from));
            let bytes = match written.blocks.entry(block) {
                Entry::Occupied(bytes) => bytes.into_mut(),
                Entry::Vacant(free) => free.insert(self.block_below(block, below_len)?),
            };
            bytes[usize_of(from)..usize_of(to)].copy_from_slice(&data[start..start + length]);
        }
        written.len = written.len.max(offset + data.len() as u64);
        Ok(())
    }
}

/// The blocks that `length` bytes from `offset` on touch, with the part of each.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, u64, u64)> {
    let end = offset + length as u64;
    (offset / BLOCK..end.div_ceil(BLOCK)).map(move |block| {
        let start = block * BLOCK;
        (block, offset.max(start) - start, end.min(start + BLOCK) - start)
    })
}

#[expect(clippy::cast_possible_truncation, reason = "lengths within one buffer")]
const fn usize_of(length: u64) -> usize {
    length as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    #[test]
    fn what_is_written_is_read_back_and_never_reaches_the_file() -> io::Result<()> {
        let below = InMemoryBackend::new();
        below.set_len(10_000)?;
        below.write(0, &[1; 10_000])?;
        let rehearsal = Rehearsal::new(Box::new(below))?;
        rehearsal.write(4000, &[2; 200])?;
        let mut out = [0; 400];
        rehearsal.read(3900, &mut out)?;
        assert_eq!(out[..100], [1; 100]);
        assert_eq!(out[100..300], [2; 200]);
        assert_eq!(out[300..], [1; 100]);

        rehearsal.set_len(4050)?;
        rehearsal.set_len(9000)?;
        let mut out = [9; 5000];
        rehearsal.read(4000, &mut out)?;
        assert_eq!(out[..50], [2; 50]);
        assert!(out[50..].iter().all(|byte| *byte == 0), "what was cut off doesn't come back");
        assert!(rehearsal.read(4001, &mut [0; 5000]).is_err());

        let mut below = [0; 10_000];
        rehearsal.below.read(0, &mut below)?;
        assert_eq!(below, [1; 10_000]);
        Ok(())
    }
}
