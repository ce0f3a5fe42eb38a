//! The files of a log, and what is found in them when it is opened again.

use crate::chain::{BEGINNING, End, Hash, frame};
use crate::lines::{Lines, Piece};
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A segment on disk; its name tells the number of its first record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Segment {
    pub(crate) fn new(dir: &Path, first: u64) -> Segment {
        let name = format!("audit-{first:020}.jsonl");
        Segment { first, path: dir.join(&name), name }
    }
}

/// All segments of `dir` in order. Other files are none of the log's business.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl"));
        let digits = digits.filter(|digits| digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()));
        if let Some(first) = digits.and_then(|digits| digits.parse().ok()) {
            segments.push(Segment::new(dir, first));
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// Opens for reading, never through a symlink.
pub(crate) fn open_read(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDONLY)
}

/// Opens an existing segment for appending.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDWR | OFlags::APPEND)
}

/// Makes a new file, mode 0600.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL)
}

pub(crate) fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?))
}

/// What [`crate::Writer::open`] found; the `start` record tells the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Sequence number of this opening's `start` record.
    pub start: u64,
    /// Segments that were there.
    pub segments: usize,
    /// Number of the record that the log continues from; 0 for a new log.
    pub continues: u64,
    /// Whether the log was new or ended with a `stop` record: no crash.
    pub clean: bool,
    /// Bytes after the last whole line that were cut off, and the names of the files that keep them.
    pub torn: Vec<(u64, String)>,
    /// The first thing wrong with the chain of the last segment, which is left as it is for `verify`.
    pub fault: Option<String>,
}

impl Opened {
    pub(crate) fn detail(&self) -> Value {
        let torn: Vec<Value> =
            self.torn.iter().map(|(bytes, file)| json!({"bytes": bytes, "file": file})).collect();
        json!({
            "segments": self.segments,
            "continues": self.continues,
            "clean": self.clean,
            "torn": torn,
            "fault": self.fault,
        })
    }
}

/// Where to go on writing.
pub(crate) struct Place {
    pub(crate) end: End,
    /// The segment to append to, with its length; `None` for a new log.
    pub(crate) segment: Option<(Segment, File, u64)>,
    pub(crate) opened: Opened,
}

/// Finds the last whole line of the log and cuts off what follows it, keeping the cut bytes in a side file.
/// Damage before that line is not healed: `verify` must go on finding it.
pub(crate) fn recover(dir: &Path) -> io::Result<Place> {
    let mut segments = list(dir)?;
    let mut opened = Opened {
        start: 1,
        segments: segments.len(),
        continues: 0,
        clean: true,
        torn: Vec::new(),
        fault: None,
    };
    while let Some(segment) = segments.pop() {
        let mut file = open_append(&segment.path)?;
        let scan = scan(&file)?;
        let length = file.metadata()?.len();
        if scan.good < length {
            opened.clean = false;
            let kept = cut_off(dir, &segment, &mut file, scan.good)?;
            opened.torn.push((length.saturating_sub(scan.good), kept));
        }
        let Some(last) = scan.last else {
            // Made and never written to: a crash between the two, or a full disk.
            opened.clean = false;
            std::fs::remove_file(&segment.path)?;
            continue;
        };
        opened.clean &= last.stopped;
        opened.continues = last.end.seq;
        opened.start = last.end.seq.saturating_add(1);
        opened.fault = scan.fault;
        return Ok(Place { end: last.end, segment: Some((segment, file, scan.good)), opened });
    }
    Ok(Place { end: BEGINNING, segment: None, opened })
}

struct Scan {
    /// Length up to the end of the last line that is a record.
    good: u64,
    last: Option<Last>,
    fault: Option<String>,
}

struct Last {
    end: End,
    stopped: bool,
}

fn scan(file: &File) -> io::Result<Scan> {
    let mut lines = Lines::new(file);
    let mut found = Scan { good: 0, last: None, fault: None };
    let (mut at, mut number) = (0_u64, 0_u64);
    while let Some(piece) = lines.next()? {
        let Piece::Line(line) = piece else { continue };
        number = number.saturating_add(1);
        at = at.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX)).saturating_add(1);
        let Some((seq, prev)) = frame(line) else {
            found.fault.get_or_insert_with(|| format!("line {number} is no record"));
            continue;
        };
        if found
            .last
            .as_ref()
            .is_some_and(|last| last.end.hash != prev || last.end.seq.checked_add(1) != Some(seq))
        {
            found.fault.get_or_insert_with(|| format!("line {number} does not follow the line before it"));
        }
        found.good = at;
        found.last = Some(Last { end: End { seq, hash: Hash::of(line) }, stopped: is_stop(line) });
    }
    Ok(found)
}

fn is_stop(line: &[u8]) -> bool {
    // `kind` is the entry's first member, right after the boot id.
    let head = line.get(..line.len().min(256)).unwrap_or_default();
    std::str::from_utf8(head).is_ok_and(|head| head.contains("\",\"kind\":\"stop\""))
}

/// Moves everything from `good` on into `<segment>.torn-N` and truncates the segment.
fn cut_off(dir: &Path, segment: &Segment, file: &mut File, good: u64) -> io::Result<String> {
    let (name, mut side) = (1_u32..)
        .map(|n| format!("{}.torn-{n}", segment.name))
        .find_map(|name| match create(&dir.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            made => Some(made.map(|side| (name, side))),
        })
        .unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))?;
    file.seek(SeekFrom::Start(good))?;
    io::copy(&mut file.by_ref().take(u64::MAX), &mut side)?;
    side.sync_all()?;
    file.set_len(good)?;
    file.sync_all()?;
    Ok(name)
}
