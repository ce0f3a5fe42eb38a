//! Tests: what happens when the disk says no at a moment that only a made-up failure hits.

use crate::faults::Faults;
use crate::{AuditError, Entry, Kind, Options, Reader, Record, Wanted, Writer, verify};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

fn intent(n: u64) -> Entry {
    Entry { request: Some(format!("r{n}")), ..Entry::new(Kind::Intent) }
}

fn open(dir: &Path, options: Options) -> (Writer, Faults) {
    let faults = Faults::default();
    (Writer::open_with(dir, options, faults.clone()).unwrap().0, faults)
}

fn records(dir: &Path) -> Vec<Record> {
    Reader::open(dir, Wanted::default()).unwrap().map(|shown| shown.unwrap().record).collect()
}

fn segments(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().ends_with(".jsonl")).count()
}

#[test]
fn a_failed_sync_refuses_and_the_log_goes_on_in_a_new_segment_that_names_what_was_not_done() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, faults) = open(dir.path(), Options::default());
    assert_eq!(writer.append(intent(2), true).unwrap(), 2);
    assert_eq!(writer.append(intent(3), false).unwrap(), 3);
    faults.sync.store(true, Ordering::SeqCst);
    let refused = writer.append(intent(4), true);
    assert!(matches!(refused, Err(AuditError::Write { at: "fdatasync", .. })), "{refused:?}");
    assert!(writer.status().failed.unwrap().starts_with("fdatasync"));
    faults.sync.store(false, Ordering::SeqCst);

    assert_eq!(writer.append(intent(6), true).unwrap(), 6);
    assert_eq!(writer.status().failed, None);
    writer.close().unwrap();
    assert_eq!(segments(dir.path()), 2);
    assert_eq!(verify(dir.path()).unwrap().records, 7);
    let records = records(dir.path());
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(records[2].entry, intent(3), "was told to be written, so it must stand");
    assert_eq!(records[4].entry.kind, Kind::Gap);
    assert_eq!(records[4].entry.detail.as_ref().unwrap()["not_done"], serde_json::json!([4]));
}

#[test]
fn a_sync_that_keeps_failing_keeps_refusing_and_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, faults) = open(dir.path(), Options::default());
    faults.sync.store(true, Ordering::SeqCst);
    for n in 0..5 {
        assert!(writer.append(intent(n), true).is_err());
    }
    faults.sync.store(false, Ordering::SeqCst);
    writer.append(intent(9), true).unwrap();
    writer.close().unwrap();
    verify(dir.path()).unwrap();
    let records = records(dir.path());
    let named: Vec<u64> = records
        .iter()
        .filter(|record| record.entry.kind == Kind::Gap)
        .flat_map(|record| record.entry.detail.as_ref().unwrap()["not_done"].as_array().unwrap().clone())
        .map(|seq| seq.as_u64().unwrap())
        .collect();
    let intents: Vec<u64> = records
        .iter()
        .filter(|record| record.entry.kind == Kind::Intent && record.entry != intent(9))
        .map(|record| record.seq)
        .collect();
    assert_eq!((named.len(), &named), (5, &intents), "each refused record is named once");
}

#[test]
fn a_failed_sync_before_a_new_segment_refuses_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, faults) = open(dir.path(), Options { segment_bytes: 400, ..Options::default() });
    writer.append(intent(2), false).unwrap();
    faults.sync.store(true, Ordering::SeqCst);
    assert!(writer.append(intent(3), false).is_err(), "the full segment cannot be finished");
    faults.sync.store(false, Ordering::SeqCst);
    writer.append(intent(3), false).unwrap();
    writer.close().unwrap();
    let kinds: Vec<Kind> = records(dir.path()).iter().map(|record| record.entry.kind).collect();
    assert_eq!(kinds, [Kind::Start, Kind::Intent, Kind::Gap, Kind::Intent, Kind::Stop]);
    verify(dir.path()).unwrap();
}

#[test]
fn a_failed_write_leaves_nothing_of_its_batch_and_counts_the_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, faults) = open(dir.path(), Options::default());
    faults.write.store(true, Ordering::SeqCst);
    let (tell, told) = mpsc::channel();
    for n in 0..10 {
        let tell = tell.clone();
        writer.submit(intent(n), n % 2 == 0, move |result| tell.send(result.is_err()).unwrap());
    }
    assert!(told.iter().take(10).all(|refused| refused));
    assert_eq!(writer.last_seq(), 1);
    faults.write.store(false, Ordering::SeqCst);
    assert_eq!(writer.append(intent(11), true).unwrap(), 3);
    writer.close().unwrap();
    let gap = &records(dir.path())[1].entry;
    assert_eq!((gap.kind, &gap.detail.as_ref().unwrap()["refused"]), (Kind::Gap, &10.into()));
    assert_eq!(segments(dir.path()), 1, "the segment itself is sound");
    assert_eq!(verify(dir.path()).unwrap().records, 4);
}

#[test]
fn what_waits_when_the_writer_is_closed_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = open(dir.path(), Options::default());
    let (tell, told) = mpsc::channel();
    let closer = writer.clone();
    let closing = std::thread::spawn(move || closer.close());
    for n in 0..500 {
        let tell = tell.clone();
        writer.submit(intent(n), false, move |result| tell.send(result.is_ok()).unwrap());
    }
    closing.join().unwrap().unwrap();
    let stood = told.iter().take(500).filter(|stood| *stood).count();
    assert_eq!(verify(dir.path()).unwrap().records, u64::try_from(stood).unwrap() + 2);
}
