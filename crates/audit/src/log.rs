//! The log as its one writing thread holds it: where the chain stands, what is not yet on the disk, and what
//! to do when the disk says no.

use crate::chain::{End, MAX_LINE, extend};
use crate::clock::Clock;
use crate::error::AuditError;
use crate::faults::Faults;
use crate::json::encode;
use crate::options::{Checkpointer, Options, Tip};
use crate::record::{Entry, Kind};
use crate::segment::{self, Place, Segment};
use serde_json::json;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Unsynced bytes after which the log syncs although nobody waits: bounds what is written again when a sync
/// fails.
const PENDING_MAX: usize = 1 << 20;

/// One entry to write: its JSON, and whether its asker waits for the disk.
pub(crate) struct Item {
    pub(crate) body: Vec<u8>,
    pub(crate) durable: bool,
}

/// How a batch went. When `written` is an error, nothing of the batch is in the log.
pub(crate) struct Written {
    /// Number of the batch's first entry; the others follow.
    pub(crate) first: u64,
    /// Whether a `sync` must follow before durable entries are told so.
    pub(crate) sync: bool,
}

pub(crate) struct Log {
    dir: PathBuf,
    directory: File,
    options: Options,
    faults: Faults,
    clock: Clock,
    end: End,
    /// What is open now.
    segment: Segment,
    file: File,
    length: u64,
    /// Length of `file` that is known to be on the disk.
    synced: u64,
    /// The bytes of `file` beyond `synced`, and the number of their first record.
    pending: Vec<u8>,
    pending_first: u64,
    failure: Option<Failure>,
    pub(crate) syncs: u64,
}

/// Why nothing can be written, kept until something can.
struct Failure {
    at: &'static str,
    error: Arc<io::Error>,
    refused: u64,
    /// Numbers of records that are in the log although their askers were refused.
    not_done: Vec<u64>,
    /// After a failed sync the kernel may have dropped pages and called them clean, so the file cannot be
    /// trusted beyond `synced`, and a second sync would lie.
    replace: bool,
}

impl Log {
    pub(crate) fn new(
        dir: PathBuf,
        directory: File,
        options: Options,
        faults: Faults,
        place: Place,
    ) -> io::Result<Log> {
        let end = place.end;
        let (segment, file, length) = match place.segment {
            Some(open) => open,
            None => {
                let segment = Segment::new(&dir, 1);
                let file = segment::create(&segment.path)?;
                (segment, file, 0)
            }
        };
        directory.sync_all()?;
        Ok(Log {
            dir,
            directory,
            options,
            faults,
            clock: Clock::new(),
            end,
            segment,
            file,
            length,
            synced: length,
            pending: Vec::new(),
            pending_first: end.seq.saturating_add(1),
            failure: None,
            syncs: 0,
        })
    }

    pub(crate) fn tip(&self) -> Tip {
        Tip { seq: self.end.seq, hash: self.end.hash.to_string() }
    }

    pub(crate) fn checkpointer(&mut self) -> Option<&mut dyn Checkpointer> {
        match &mut self.options.checkpointer {
            Some(checkpointer) if self.failure.is_none() => Some(checkpointer.as_mut()),
            _ => None,
        }
    }

    pub(crate) fn failed(&self) -> Option<String> {
        self.failure.as_ref().map(|failure| format!("{}: {}", failure.at, failure.error))
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes a batch with one `write(2)`. On an error nothing of it is in the log, and the next batch tries
    /// again, with a `gap` record before it.
    pub(crate) fn write(&mut self, items: &[Item]) -> Result<Written, AuditError> {
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let resumed = self.failure.is_some();
        let attempt = self.make_ready().and_then(|()| self.write_lines(items));
        match attempt {
            Ok(first) => {
                self.failure = None;
                let sync =
                    resumed || self.pending.len() > PENDING_MAX || items.iter().any(|item| item.durable);
                Ok(Written { first, sync })
            }
            Err(trouble) => Err(self.fail(trouble, count, Vec::new())),
        }
    }

    /// Makes all that is written durable. On an error `waiting`, the numbers of the records whose askers wait
    /// for this, stay in the log, are refused, and are named in the `gap` record.
    pub(crate) fn sync(&mut self, waiting: Vec<u64>) -> Result<(), AuditError> {
        match self.sync_file() {
            Ok(()) => Ok(()),
            Err(error) => {
                let count = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
                Err(self.fail(Trouble { at: "fdatasync", error, replace: true }, count, waiting))
            }
        }
    }

    fn sync_file(&mut self) -> io::Result<()> {
        self.syncs = self.syncs.saturating_add(1);
        self.faults.before_sync()?;
        rustix::fs::fdatasync(&self.file)?;
        self.synced = self.length;
        self.pending.clear();
        self.pending_first = self.end.seq.saturating_add(1);
        Ok(())
    }

    fn fail(&mut self, trouble: Trouble, refused: u64, not_done: Vec<u64>) -> AuditError {
        let Trouble { at, error, replace } = trouble;
        let error = Arc::new(error);
        match &mut self.failure {
            Some(failure) => {
                failure.refused = failure.refused.saturating_add(refused);
                failure.not_done.extend(not_done);
                failure.replace |= replace;
            }
            none => *none = Some(Failure { at, error: error.clone(), refused, not_done, replace }),
        }
        AuditError::Write { at, source: error }
    }

    /// Brings the file into a state that can be appended to: after a failure without what was half written or
    /// cannot be trusted, and below the size of a segment.
    fn make_ready(&mut self) -> Result<(), Trouble> {
        if let Some(failure) = &self.failure {
            if failure.replace {
                return self.replace_segment().map_err(Trouble::at("new segment"));
            }
            self.file.set_len(self.length).map_err(Trouble::at("truncate"))?;
        }
        if self.length < self.options.segment_bytes {
            return Ok(());
        }
        if self.has_pending() {
            self.sync_file().map_err(|error| Trouble { at: "fdatasync", error, replace: true })?;
        }
        self.start_segment(self.end.seq.saturating_add(1), &[]).map_err(Trouble::at("new segment"))
    }

    /// After a failed sync: the old segment ends where the disk surely has it, and the rest is written again
    /// into a new one. Chain and numbers stay as they are.
    fn replace_segment(&mut self) -> io::Result<()> {
        self.file.set_len(self.synced)?;
        // A cut that a crash undoes would leave records twice; if this fails too, there is no more to be done.
        let _ = self.file.sync_all();
        if self.synced == 0 {
            match std::fs::remove_file(&self.segment.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let pending = std::mem::take(&mut self.pending);
        let first = self.pending_first;
        let made = self.start_segment(first, &pending);
        self.pending = pending;
        self.pending_first = first;
        made
    }

    /// Makes the segment that begins with record `first` and holds `lines`, and goes on in it.
    fn start_segment(&mut self, first: u64, lines: &[u8]) -> io::Result<()> {
        let segment = Segment::new(&self.dir, first);
        let mut file = segment::create(&segment.path)?;
        if let Err(error) = file.write_all(lines).and_then(|()| self.directory.sync_all()) {
            // Best effort: if it stays, the next attempt finds its name taken and goes on refusing.
            let _ = std::fs::remove_file(&segment.path);
            return Err(error);
        }
        self.segment = segment;
        self.file = file;
        self.length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        self.synced = 0;
        self.pending.clear();
        self.pending_first = first;
        if let Some(failure) = &mut self.failure {
            failure.replace = false;
        }
        Ok(())
    }

    /// Appends the batch, after a `gap` record when there was a failure. All or nothing.
    fn write_lines(&mut self, items: &[Item]) -> Result<u64, Trouble> {
        let mut lines = Vec::new();
        let mut end = self.end;
        if let Some(failure) = &self.failure {
            let gap = encode(&failure.gap()).map_err(|error| Trouble {
                at: "gap record",
                error: error.into(),
                replace: false,
            })?;
            end = extend(end, &gap, &self.clock, &mut lines);
        }
        let first = end.seq.saturating_add(1);
        for item in items {
            end = extend(end, &item.body, &self.clock, &mut lines);
        }
        if let Err(error) = self.faults.before_write().and_then(|()| self.file.write_all(&lines)) {
            // Cut back to the last whole line now; if even that fails, `make_ready` does it before the next.
            let _ = self.file.set_len(self.length);
            return Err(Trouble { at: "write", error, replace: false });
        }
        self.end = end;
        self.length = self.length.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        self.pending.extend_from_slice(&lines);
        Ok(first)
    }
}

/// One thing that went wrong.
struct Trouble {
    at: &'static str,
    error: io::Error,
    replace: bool,
}

impl Trouble {
    fn at(at: &'static str) -> impl FnOnce(io::Error) -> Trouble {
        move |error| Trouble { at, error, replace: false }
    }
}

impl Failure {
    fn gap(&self) -> Entry {
        Entry {
            message: Some(format!("could not write ({}: {})", self.at, self.error)),
            detail: Some(json!({
                "at": self.at,
                "error": self.error.to_string(),
                "refused": self.refused,
                "not_done": self.not_done,
            })),
            ..Entry::new(Kind::Gap)
        }
    }
}

/// An entry as the body of a line.
pub(crate) fn body(entry: &Entry) -> Result<Vec<u8>, AuditError> {
    let body = encode(entry).map_err(|error| AuditError::Entry(error.to_string()))?;
    // The rest of a line is well below 1 KiB.
    if body.len() > MAX_LINE.saturating_sub(1024) {
        return Err(AuditError::Entry(format!("{} bytes are more than a record may have", body.len())));
    }
    Ok(body)
}
