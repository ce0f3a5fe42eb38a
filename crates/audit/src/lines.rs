//! Raw lines of one segment.

use crate::chain::MAX_LINE;
use std::io::{self, BufRead, BufReader, Read};

/// Reads a segment line by line; what follows the last newline is told apart.
pub(crate) struct Lines<R> {
    from: BufReader<R>,
    buffer: Vec<u8>,
}

/// What came next.
pub(crate) enum Piece<'a> {
    /// A whole line, without its newline.
    Line(&'a [u8]),
    /// Bytes with no newline after them: the end of the segment, or more than a line may have.
    Torn(&'a [u8]),
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Lines { from: BufReader::with_capacity(256 * 1024, from), buffer: Vec::new() }
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.buffer.clear();
        let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
        let got = (&mut self.from).take(limit).read_until(b'\n', &mut self.buffer)?;
        Ok(match self.buffer.strip_suffix(b"\n") {
            _ if got == 0 => None,
            Some(line) => Some(Piece::Line(line)),
            None => Some(Piece::Torn(&self.buffer)),
        })
    }
}
