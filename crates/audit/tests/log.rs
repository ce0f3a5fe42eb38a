//! The log as its users see it: appended, reopened, read, verified.

use doorward_audit::{Entry, Kind, Options, Reader, Verdict, Wanted, Writer, verify};
use std::path::Path;

fn intent(worker: &str, n: usize) -> Entry {
    Entry {
        request: Some(format!("r{n}")),
        worker: Some(worker.to_owned()),
        argv: Some(vec!["docker".into(), "ps".into(), format!("--n={n}")]),
        verdict: Some(if n % 2 == 0 { Verdict::Allow } else { Verdict::Deny }),
        ..Entry::new(Kind::Intent)
    }
}

fn kinds(dir: &Path) -> Vec<Kind> {
    Reader::open(dir, Wanted::default()).unwrap().map(|shown| shown.unwrap().record.entry.kind).collect()
}

#[test]
fn what_is_appended_is_read_back_in_order_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, opened) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!((opened.start, opened.continues, opened.clean), (1, 0, true));
    assert_eq!(writer.append(intent("hermes", 0), true).unwrap(), 2);
    assert_eq!(writer.append(intent("hermes", 1), false).unwrap(), 3);
    assert_eq!(writer.last_seq(), 3);
    assert_eq!(writer.close().unwrap(), 4);
    assert!(writer.append(intent("hermes", 2), false).is_err());

    assert_eq!(kinds(dir.path()), [Kind::Start, Kind::Intent, Kind::Intent, Kind::Stop]);
    let entry = Reader::open(dir.path(), Wanted::default()).unwrap().nth(1).unwrap().unwrap().record.entry;
    assert_eq!(entry, intent("hermes", 0));
    let verified = verify(dir.path()).unwrap();
    assert_eq!((verified.records, verified.first, verified.last, verified.unfinished), (4, 1, 4, 0));
}

#[test]
fn reopening_continues_numbers_and_chain() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3_u64 {
        let (writer, opened) = Writer::open(dir.path(), Options::default()).unwrap();
        assert!(opened.clean);
        assert_eq!(opened.continues, round * 3);
        writer.append(intent("hermes", 0), false).unwrap();
        writer.close().unwrap();
    }
    assert_eq!(verify(dir.path()).unwrap().records, 9);
}
