//! Every way to change a log that its files alone can show.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use doorward_audit::{Entry, Fault, FaultKind, Kind, Options, Tip, Verified, Writer, verify, verify_against};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A good log of several segments.
struct Log {
    dir: TempDir,
}

impl Log {
    fn new() -> Log {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 900, ..Options::default() };
        let (writer, _) = Writer::open(dir.path(), options).unwrap();
        for n in 0..20 {
            let worker = Some(format!("worker{n}"));
            writer.append(Entry { worker, ..Entry::new(Kind::Intent) }, false).unwrap();
        }
        writer.close().unwrap();
        let log = Log { dir };
        assert!(log.segments().len() >= 4 && log.lines(1).len() >= 3);
        assert_eq!(log.verify().unwrap().records, 22);
        log
    }

    fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|x| x == "jsonl")).collect();
        segments.sort();
        segments
    }

    fn lines(&self, segment: usize) -> Vec<String> {
        let text = fs::read_to_string(&self.segments()[segment]).unwrap();
        text.split_inclusive('\n').map(str::to_owned).collect()
    }

    /// Changes the lines of the second segment.
    fn change(&self, change: impl FnOnce(&mut Vec<String>)) {
        let mut lines = self.lines(1);
        change(&mut lines);
        fs::write(&self.segments()[1], lines.concat()).unwrap();
    }

    fn verify(&self) -> Result<Verified, Fault> {
        verify(self.dir.path())
    }

    /// The fault's line and kind.
    fn fault(&self) -> (u64, FaultKind) {
        let fault = self.verify().unwrap_err();
        (fault.line, fault.kind)
    }

    /// Number of the first record of the second segment.
    fn second(&self) -> u64 {
        self.segments()[1]
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .strip_prefix("audit-")
            .unwrap()
            .parse()
            .unwrap()
    }
}

#[test]
fn an_edited_record_is_found_at_the_one_that_follows_it() {
    let log = Log::new();
    log.change(|lines| lines[0] = lines[0].replace("worker", "warder"));
    let seq = log.second() + 1;
    assert_eq!(log.fault(), (2, FaultKind::Changed { seq, before: seq - 1 }));
}

#[test]
fn an_edit_of_a_segments_last_record_is_found_in_the_next_segment() {
    let log = Log::new();
    log.change(|lines| {
        let last = lines.last_mut().unwrap();
        *last = last.replace("worker", "warder");
    });
    assert!(matches!(log.fault(), (1, FaultKind::Changed { .. })));
}

#[test]
fn a_dropped_record_is_found() {
    let log = Log::new();
    log.change(|lines| drop(lines.remove(1)));
    let seq = log.second() + 1;
    assert_eq!(log.fault(), (2, FaultKind::Missing { expected: seq, found: seq + 1 }));
}

#[test]
fn swapped_records_are_found() {
    let log = Log::new();
    log.change(|lines| lines.swap(1, 2));
    assert!(matches!(log.fault(), (2, FaultKind::Missing { .. })));
}

#[test]
fn a_duplicated_record_is_found() {
    let log = Log::new();
    log.change(|lines| lines.insert(1, lines[0].clone()));
    let seq = log.second();
    assert_eq!(log.fault(), (2, FaultKind::Repeated { expected: seq + 1, found: seq }));
}

#[test]
fn a_renumbered_record_is_found() {
    let log = Log::new();
    let seq = log.second() + 1;
    log.change(|lines| lines[1] = lines[1].replacen(&format!("\"seq\":{seq}"), "\"seq\":999", 1));
    assert_eq!(log.fault(), (2, FaultKind::Missing { expected: seq, found: 999 }));
}

#[test]
fn an_added_line_that_is_no_record_is_found() {
    for junk in ["\n", "{}\n", "{\"v\":2,\"seq\":3}\n", "\0\0\0\n"] {
        let log = Log::new();
        log.change(|lines| lines.insert(1, junk.to_owned()));
        assert_eq!(log.fault(), (2, FaultKind::NoRecord { expected: log.second() + 1 }), "{junk:?}");
    }
}

#[test]
fn a_removed_segment_is_found_at_the_start_and_in_the_middle() {
    for gone in [0, 1] {
        let log = Log::new();
        fs::remove_file(&log.segments()[gone]).unwrap();
        assert!(matches!(log.fault(), (1, FaultKind::Missing { .. })), "segment {gone}");
    }
}

#[test]
fn a_renamed_segment_is_found() {
    let log = Log::new();
    let last = log.segments().pop().unwrap();
    fs::rename(&last, last.with_file_name("audit-00000000000000000777.jsonl")).unwrap();
    assert!(matches!(log.fault(), (1, FaultKind::Misnamed { named: 777, .. })));
}

#[test]
fn a_copied_segment_is_found() {
    let log = Log::new();
    fs::copy(&log.segments()[1], log.dir.path().join("audit-00000000000000000777.jsonl")).unwrap();
    assert!(matches!(log.fault(), (1, FaultKind::Repeated { .. })));
}

#[test]
fn bytes_after_the_last_whole_line_pass_only_at_the_very_end() {
    let log = Log::new();
    let half = |segment: usize| {
        let path = &log.segments()[segment];
        fs::write(path, [&fs::read(path).unwrap()[..], b"{\"v\":1"].concat()).unwrap();
    };
    half(log.segments().len() - 1);
    assert_eq!(log.verify().unwrap().unfinished, 6);
    half(1);
    assert!(matches!(log.fault(), (_, FaultKind::Torn { bytes: 6 })));
}

#[test]
fn a_last_record_that_is_no_json_is_found() {
    let log = Log::new();
    let last = log.segments().pop().unwrap();
    let text = fs::read_to_string(&last).unwrap().replace("\"kind\":\"stop\"", "\"kind\":\"stop");
    fs::write(&last, text).unwrap();
    assert!(matches!(log.fault(), (_, FaultKind::LastUnreadable(_))));
}

#[test]
fn a_tail_cut_off_whole_is_found_only_with_an_anchor() {
    let log = Log::new();
    let whole = log.verify().unwrap();
    let anchor = Tip { seq: whole.last, hash: whole.last_hash };
    assert_eq!(verify_against(log.dir.path(), Some(&anchor)).unwrap().last, whole.last);
    fs::remove_file(log.segments().pop().unwrap()).unwrap();
    assert!(log.verify().unwrap().last < whole.last);
    let fault = verify_against(log.dir.path(), Some(&anchor)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Anchor { seq: whole.last });
}

#[test]
fn a_rewritten_last_record_is_found_with_an_anchor() {
    let log = Log::new();
    let whole = log.verify().unwrap();
    let anchor = Tip { seq: whole.last, hash: whole.last_hash };
    let last = log.segments().pop().unwrap();
    let text = fs::read_to_string(&last).unwrap().replace("\"kind\":\"stop\"", "\"kind\":\"start\"");
    fs::write(&last, text).unwrap();
    assert!(log.verify().is_ok());
    assert!(verify_against(log.dir.path(), Some(&anchor)).is_err());
}
