//! Reading the log while somebody may be writing it.

use crate::record::{Kind, Record, Verdict};
use crate::segment::{Segment, list, open_read};
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which records are wanted; the default wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only this worker's.
    pub worker: Option<String>,
    /// Only requests with this verdict, with their outcomes.
    pub verdict: Option<Verdict>,
}

/// A record with its line as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Without the newline.
    pub line: String,
    /// The same, parsed.
    pub record: Record,
}

/// What cannot be read. Reading goes on after it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The folder or a segment cannot be read.
    #[error("audit log {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A whole line is no record; `doorward audit verify` says more.
    #[error("{segment}, line {line}: not a record: {why}")]
    Line {
        /// Name of the segment.
        segment: String,
        /// From 1.
        line: u64,
        /// Why.
        why: String,
    },
}

/// Reads records from all segments in order. `next` gives `None` at the present end of the log; called
/// again later, it goes on with what was written since. A line without its newline is not read yet.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    wanted: Wanted,
    /// Requests whose intent had the wanted verdict and whose outcome has not been seen.
    open_requests: BTreeSet<String>,
    current: Option<Current>,
    /// Number of the first record of the last segment that was opened.
    reached: Option<u64>,
}

#[derive(Debug)]
struct Current {
    segment: Segment,
    file: File,
    /// Read, and not yet made into lines; `scanned` bytes of it hold no newline.
    buffer: Vec<u8>,
    lines: VecDeque<Vec<u8>>,
    line: u64,
}

impl Reader {
    /// Reads the log in `dir` from its beginning.
    ///
    /// # Errors
    /// [`ReadError::File`] when the folder cannot be listed.
    pub fn open(dir: &Path, wanted: Wanted) -> Result<Reader, ReadError> {
        list(dir).map_err(|source| ReadError::File { path: dir.to_owned(), source })?;
        Ok(Reader {
            dir: dir.to_owned(),
            wanted,
            open_requests: BTreeSet::new(),
            current: None,
            reached: None,
        })
    }

    /// The same records, and then those to come, as they are written; asks the file system every `poll`.
    pub fn follow(self, poll: Duration) -> Follow {
        Follow { reader: self, poll }
    }

    /// The newest `count` wanted records, oldest first, with what cannot be read among them; the reader then
    /// stands at the end.
    pub fn newest(&mut self, count: usize) -> Vec<Result<Shown, ReadError>> {
        let mut kept = VecDeque::new();
        for shown in self.by_ref() {
            if kept.len() >= count {
                kept.pop_front();
            }
            if count > 0 {
                kept.push_back(shown);
            }
        }
        kept.into()
    }

    fn wants(&mut self, record: &Record) -> bool {
        let entry = &record.entry;
        if self.wanted.worker.is_some() && self.wanted.worker != entry.worker {
            return false;
        }
        let Some(verdict) = self.wanted.verdict else { return true };
        match (&entry.request, entry.kind) {
            (Some(request), Kind::Outcome) => self.open_requests.remove(request),
            (request, _) if entry.verdict == Some(verdict) => {
                self.open_requests.extend(request.clone());
                true
            }
            _ => false,
        }
    }

    /// The next line, with the segment's name and the line's number.
    fn next_line(&mut self) -> Result<Option<(String, u64, Vec<u8>)>, ReadError> {
        loop {
            if let Some(current) = &mut self.current {
                let path = current.segment.path.clone();
                let line = current.next_line().map_err(|source| ReadError::File { path, source })?;
                if let Some(line) = line {
                    current.line = current.line.saturating_add(1);
                    return Ok(Some((current.segment.name.clone(), current.line, line)));
                }
            }
            if !self.open_next()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next segment, when there is one.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        let segments =
            list(&self.dir).map_err(|source| ReadError::File { path: self.dir.clone(), source })?;
        let Some(segment) = segments.into_iter().find(|next| self.reached.is_none_or(|at| next.first > at))
        else {
            return Ok(false);
        };
        if let Some(current) = &mut self.current {
            // Between our last read and the new segment's birth more may have come to the old one.
            let path = current.segment.path.clone();
            if current.fill().map_err(|source| ReadError::File { path, source })? {
                return Ok(true);
            }
        }
        self.reached = Some(segment.first);
        let file = open_read(&segment.path)
            .map_err(|source| ReadError::File { path: segment.path.clone(), source })?;
        self.current = Some(Current { segment, file, buffer: Vec::new(), lines: VecDeque::new(), line: 0 });
        Ok(true)
    }
}

impl Current {
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        while self.lines.is_empty() {
            if !self.fill()? {
                break;
            }
        }
        Ok(self.lines.pop_front())
    }

    /// Reads once; whether anything came.
    fn fill(&mut self) -> io::Result<bool> {
        self.forget_what_was_cut()?;
        let before = self.buffer.len();
        (&mut self.file).take(1 << 18).read_to_end(&mut self.buffer)?;
        if self.buffer.len() == before {
            return Ok(false);
        }
        let Some(whole) = self.buffer.iter().rposition(|byte| *byte == b'\n') else { return Ok(true) };
        let rest = self.buffer.split_off(whole.saturating_add(1));
        let whole = std::mem::replace(&mut self.buffer, rest);
        let lines = whole.split_inclusive(|byte| *byte == b'\n');
        self.lines.extend(lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()));
        Ok(true)
    }

    /// The writer cuts half-written lines off; then ours is no beginning of a line.
    fn forget_what_was_cut(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if self.file.stream_position()? > length {
            self.file.seek(SeekFrom::Start(length))?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<Shown, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (segment, number, line) = match self.next_line() {
                Ok(line) => line?,
                Err(error) => return Some(Err(error)),
            };
            let shown = String::from_utf8(line).map_err(|error| error.to_string()).and_then(|line| {
                let record = serde_json::from_str(&line).map_err(|error| error.to_string())?;
                Ok(Shown { line, record })
            });
            match shown {
                Ok(shown) if self.wants(&shown.record) => return Some(Ok(shown)),
                Ok(_) => {}
                Err(why) => return Some(Err(ReadError::Line { segment, line: number, why })),
            }
        }
    }
}

/// An endless iterator over the log; see [`Reader::follow`].
#[derive(Debug)]
pub struct Follow {
    reader: Reader,
    poll: Duration,
}

impl Iterator for Follow {
    type Item = Result<Shown, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next() {
                Some(shown) => return Some(shown),
                None => std::thread::sleep(self.poll),
            }
        }
    }
}
