//! Cuts what was read into lines, which are capped while they are collected. Pure; the bytes come from [`super::stream`].

use domain::transcript::Cause;

/// The most bytes of a line, its end included. RFC 5321 allows 512; nobody has reason for more than this.
pub(super) const MAX_LINE: usize = 4 << 10;

/// Bytes that were read and not yet taken: at most a line and one read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    /// So many of them are known to hold no line end.
    looked_at: usize,
}

impl Lines {
    /// Adds what was read. To be called only after [`Lines::next`] had no line, so that no more than one read is kept
    /// beyond a line.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next line with its end; `None` where there is no whole one yet.
    ///
    /// # Errors
    /// [`Cause::TooLong`] where it is, or is going to be, longer than [`MAX_LINE`].
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Cause> {
        let end = self.pending[self.looked_at..].iter().position(|&byte| byte == b'\n').map(|at| self.looked_at + at + 1);
        if end.unwrap_or(self.pending.len()) > MAX_LINE {
            return Err(Cause::TooLong);
        }
        self.looked_at = if end.is_some() { 0 } else { self.pending.len() };
        Ok(end.map(|end| {
            let rest = self.pending.split_off(end);
            std::mem::replace(&mut self.pending, rest)
        }))
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// What is left of a line that never ended, at most a line's worth.
    pub(super) fn unfinished(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.pending);
        self.looked_at = 0;
        rest.truncate(MAX_LINE);
        rest
    }

    /// How much memory it holds.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.pending.capacity()
    }
}

/// A line without its end: CRLF, or LF alone as some servers have it.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_whatever_pieces_they_come_in() {
        let bytes = b"220-a\r\n\r\n220 b\n221 c\rd\r\nrest";
        let expected: [&[u8]; 4] = [b"220-a\r\n", b"\r\n", b"220 b\n", b"221 c\rd\r\n"];
        for size in 1..=bytes.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in bytes.chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next().unwrap() {
                    found.push(line);
                }
            }
            assert_eq!(found, expected, "in pieces of {size}");
            assert_eq!(lines.unfinished(), b"rest");
            assert!(lines.is_empty());
        }
        assert_eq!(without_end(b"a\rb\r\n"), b"a\rb");
        assert_eq!(without_end(b"a\n"), b"a");
    }

    #[test]
    fn the_cap_counts_the_end_and_holds_before_it() {
        let mut lines = Lines::default();
        lines.push(&[b'x'; MAX_LINE - 1]);
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"\n");
        assert_eq!(lines.next().unwrap().unwrap().len(), MAX_LINE);
        lines.push(&[b'x'; MAX_LINE]);
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"\n");
        assert_eq!(lines.next(), Err(Cause::TooLong));
        assert_eq!(lines.unfinished().len(), MAX_LINE);
    }
}
