//! Newline-delimited JSON as it arrives: pieces of any size, cut anywhere.

/// Puts lines together from pieces.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
}

/// Octets of a line, at most. No event is nearly as long; whoever sends more is no Postroom.
const MAX_LINE: usize = 1 << 20;

impl Lines {
    /// Takes the next piece and gives `take` every line that is complete, without its end. Empty lines are left out.
    ///
    /// # Errors
    /// [`TooLong`] if a line has no end within bounds.
    pub fn push(&mut self, piece: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut parts = piece.split(|octet| *octet == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.begun.extend_from_slice(part);
            if !self.begun.is_empty() {
                take(&self.begun);
            }
            self.begun.clear();
        }
        self.begun.extend_from_slice(last);
        if self.begun.len() > MAX_LINE { Err(TooLong) } else { Ok(()) }
    }
}

/// A line without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = "{\"a\":1}\n\n{\"b\":\"ü\"}\nrest".as_bytes();
        for size in 1..=text.len() {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines.push(piece, |line| got.push(line.to_vec())).unwrap();
            }
            assert_eq!(got, [b"{\"a\":1}".to_vec(), "{\"b\":\"ü\"}".as_bytes().to_vec()], "{size}");
        }
    }

    #[test]
    fn a_line_without_end_is_no_reason_to_grow() {
        let mut lines = Lines::default();
        let piece = [b'x'; 4096];
        let refused = (0..1000).find(|_| lines.push(&piece, |_| panic!("no line is complete")).is_err());
        assert_eq!(refused, Some(256));
    }
}
