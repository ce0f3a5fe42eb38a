//! Whether the log is whole: every line where it was written, none gone, none added.

use crate::chain::{BEGINNING, End, Hash, frame};
use crate::lines::{Lines, Piece};
use crate::options::Tip;
use crate::record::Record;
use crate::segment::{list, open_read};
use std::path::Path;

/// A log whose chain holds from the first record to the last.
///
/// It does not say that the end was not cut off or that the last record is as it was written: nothing in the
/// files can. Compare `last` and `last_hash` with what was kept elsewhere ([`verify_against`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many.
    pub records: u64,
    /// Number of the first: 1, or 0 for an empty log.
    pub first: u64,
    /// Number of the last, 0 for an empty log.
    pub last: u64,
    /// Lower-case hex SHA-256 of the last line; 64 zeros for an empty log.
    pub last_hash: String,
    /// Bytes after the last whole line: a record that is being written now, or was when the host went down
    /// (the next opening cuts it off). 0 for a log at rest.
    pub unfinished: u64,
}

/// Where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{segment}, line {line}: {kind}")]
pub struct Fault {
    /// Name of the segment, or of the folder.
    pub segment: String,
    /// From 1; 0 when no line is concerned.
    pub line: u64,
    /// The number that the record has, or should have.
    pub seq: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The file system refused.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The line is no record.
    #[error("not a record, where record {expected} should be")]
    NoRecord {
        /// The number that should come.
        expected: u64,
    },
    /// Records are missing: lines or segments were removed, or lines change places.
    #[error("record {found}, where record {expected} should be: records are missing or out of place")]
    Missing {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A record came again.
    #[error("record {found}, where record {expected} should be: duplicated or out of place")]
    Repeated {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The line before this one is not what it was when this one was written.
    #[error(
        "record {seq} follows another record {before} than the one that is there: one of them was changed"
    )]
    Changed {
        /// This record.
        seq: u64,
        /// The one before it.
        before: u64,
    },
    /// The file's name tells another first record.
    #[error("begins with record {found}, but its name says {named}")]
    Misnamed {
        /// By the name.
        named: u64,
        /// By the first line.
        found: u64,
    },
    /// Bytes without a newline, and segments after them.
    #[error("{bytes} bytes after the last whole line, in a segment that is not the last")]
    Torn {
        /// How many.
        bytes: u64,
    },
    /// The last line is chained, but cannot be parsed.
    #[error("the last record cannot be read: {0}")]
    LastUnreadable(String),
    /// The log does not have the record that was kept elsewhere.
    #[error("the log does not contain record {seq} as it was kept elsewhere: rewritten or cut short")]
    Anchor {
        /// The record's number.
        seq: u64,
    },
}

/// Verifies the log in `dir`, streaming.
///
/// # Errors
/// The first fault.
pub fn verify(dir: &Path) -> Result<Verified, Fault> {
    verify_against(dir, None)
}

/// Verifies the log in `dir`, and that it contains the record that `anchor` remembers from elsewhere.
///
/// # Errors
/// The first fault.
pub fn verify_against(dir: &Path, anchor: Option<&Tip>) -> Result<Verified, Fault> {
    let folder = |error: std::io::Error| Fault {
        segment: dir.display().to_string(),
        line: 0,
        seq: 0,
        kind: FaultKind::Unreadable(error.to_string()),
    };
    let segments = list(dir).map_err(folder)?;
    let mut walk = Walk { end: BEGINNING, records: 0, unfinished: 0, anchor, anchored: anchor.is_none() };
    let mut left = segments.len();
    for segment in &segments {
        left = left.saturating_sub(1);
        walk.segment(&segment.path, &segment.name, segment.first, left == 0)?;
    }
    if let (Some(anchor), false) = (anchor, walk.anchored) {
        let segment = segments.last().map(|segment| segment.name.clone()).unwrap_or_default();
        return Err(Fault { segment, line: 0, seq: anchor.seq, kind: FaultKind::Anchor { seq: anchor.seq } });
    }
    Ok(Verified {
        records: walk.records,
        first: u64::from(walk.records > 0),
        last: walk.end.seq,
        last_hash: walk.end.hash.to_string(),
        unfinished: walk.unfinished,
    })
}

struct Walk<'a> {
    end: End,
    records: u64,
    unfinished: u64,
    anchor: Option<&'a Tip>,
    anchored: bool,
}

impl Walk<'_> {
    fn segment(&mut self, path: &Path, name: &str, named: u64, last: bool) -> Result<(), Fault> {
        let expected = self.end.seq.saturating_add(1);
        let fault = |line, seq, kind| Fault { segment: name.to_owned(), line, seq, kind };
        let unreadable = |error: std::io::Error| fault(0, expected, FaultKind::Unreadable(error.to_string()));
        let mut lines = Lines::new(open_read(path).map_err(unreadable)?);
        let mut number = 0_u64;
        let mut tail = Vec::new();
        while let Some(piece) = lines.next().map_err(unreadable)? {
            number = number.saturating_add(1);
            match piece {
                Piece::Line(line) => {
                    self.line(line, named, number == 1).map_err(|(seq, kind)| fault(number, seq, kind))?;
                    if last {
                        tail.clear();
                        tail.extend_from_slice(line);
                    }
                }
                Piece::Torn(bytes) => {
                    let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    if !last {
                        let seq = self.end.seq.saturating_add(1);
                        return Err(fault(number, seq, FaultKind::Torn { bytes }));
                    }
                    self.unfinished = self.unfinished.saturating_add(bytes);
                }
            }
        }
        if !tail.is_empty()
            && let Err(error) = serde_json::from_slice::<Record>(&tail)
        {
            return Err(fault(number, self.end.seq, FaultKind::LastUnreadable(error.to_string())));
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], named: u64, heads_segment: bool) -> Result<(), (u64, FaultKind)> {
        let expected = self.end.seq.saturating_add(1);
        let (seq, prev) = frame(line).ok_or((expected, FaultKind::NoRecord { expected }))?;
        if heads_segment && seq != named && named == expected {
            return Err((seq, FaultKind::Misnamed { named, found: seq }));
        }
        match seq.cmp(&expected) {
            std::cmp::Ordering::Greater => return Err((seq, FaultKind::Missing { expected, found: seq })),
            std::cmp::Ordering::Less => return Err((seq, FaultKind::Repeated { expected, found: seq })),
            std::cmp::Ordering::Equal => {}
        }
        if heads_segment && seq != named {
            return Err((seq, FaultKind::Misnamed { named, found: seq }));
        }
        if prev != self.end.hash {
            return Err((seq, FaultKind::Changed { seq, before: self.end.seq }));
        }
        self.end = End { seq, hash: Hash::of(line) };
        self.records = self.records.saturating_add(1);
        if let Some(anchor) = self.anchor
            && anchor.seq == seq
        {
            self.anchored = Hash::parse(anchor.hash.as_bytes()) == Some(self.end.hash);
        }
        Ok(())
    }
}
