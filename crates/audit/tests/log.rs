//! The log as its users see it: appended, reopened, read, verified.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that fails may panic"
)]

use doorward_audit::{
    AuditError, Checkpointer, Entry, Http, Kind, Options, Outcome, Reader, Record, Tip, Verdict, Wanted,
    Writer, render, verify,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

fn intent(worker: &str, n: usize) -> Entry {
    Entry {
        request: Some(format!("r{n}")),
        worker: Some(worker.to_owned()),
        argv: Some(vec!["docker".into(), "ps".into(), format!("--n={n}")]),
        verdict: Some(if n.is_multiple_of(2) { Verdict::Allow } else { Verdict::Deny }),
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

#[test]
fn eight_threads_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 1 << 20, ..Options::default() };
    let (writer, _) = Writer::open(dir.path(), options).unwrap();
    let told: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let writer = writer.clone();
                scope.spawn(move || {
                    let append = |n: usize| {
                        writer.append(intent("hermes", thread * 2000 + n), n.is_multiple_of(50)).unwrap()
                    };
                    (0..2000).map(append).collect::<Vec<u64>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    writer.close().unwrap();

    let mut requests = BTreeSet::new();
    for shown in Reader::open(dir.path(), Wanted::default()).unwrap() {
        if let Some(request) = shown.unwrap().record.entry.request {
            assert!(requests.insert(request));
        }
    }
    assert_eq!(requests.len(), 16_000);
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), (2..16_002).collect());
    assert_eq!(verify(dir.path()).unwrap().records, 16_002);
    assert!(fs::read_dir(dir.path()).unwrap().count() > 3, "several segments and the lock");
}

#[test]
fn one_sync_serves_all_that_wait_and_none_is_made_for_those_that_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    let before = writer.status().syncs;
    let (tell, told) = mpsc::channel();
    let (hold, held) = mpsc::channel::<()>();
    // While the first completion holds the writing thread, the others gather in the queue.
    let first = tell.clone();
    writer.submit(intent("hermes", 0), false, move |result| {
        held.recv().unwrap();
        first.send(result).unwrap();
    });
    for n in 1..=100 {
        let tell = tell.clone();
        writer.submit(intent("hermes", n), true, move |result| tell.send(result).unwrap());
    }
    hold.send(()).unwrap();
    let seqs: Vec<u64> = told.iter().take(101).map(Result::unwrap).collect();
    assert_eq!(seqs, (2..103).collect::<Vec<u64>>());
    // The first batch may already have held some of the hundred.
    let syncs = writer.status().syncs - before;
    assert!((1..=2).contains(&syncs), "{syncs} syncs");

    let before = writer.status().syncs;
    for n in 0..10 {
        writer.append(intent("hermes", n), false).unwrap();
    }
    assert_eq!(writer.status().syncs, before);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::open(dir.path(), Options { queue: 1, ..Options::default() }).unwrap();
    let (hold, held) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    writer.submit(intent("hermes", 0), false, move |_| {
        entered.send(()).unwrap();
        held.recv().unwrap();
    });
    inside.recv().unwrap();
    let (tell, told) = mpsc::channel();
    for n in 1..=2 {
        let tell = tell.clone();
        writer.submit(intent("hermes", n), false, move |result| tell.send(result.is_ok()).unwrap());
    }
    assert!(!told.recv().unwrap(), "the second finds the queue full");
    hold.send(()).unwrap();
    assert!(told.recv().unwrap(), "the first is written");
}

#[test]
fn a_second_writer_is_kept_out_until_the_first_closes() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    let second = Writer::open(dir.path(), Options::default());
    assert!(matches!(second, Err(AuditError::Locked { .. })));
    writer.close().unwrap();
    Writer::open(dir.path(), Options::default()).unwrap().0.close().unwrap();
}

#[test]
fn a_folder_that_others_can_write_to_or_that_is_none_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).unwrap();
    assert!(matches!(
        Writer::open(dir.path(), Options::default()),
        Err(AuditError::Exposed { mode: 0o770, .. })
    ));
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(Writer::open(file.path(), Options::default()), Err(AuditError::Folder { .. })));
}

#[test]
fn segments_can_be_read_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("audit");
    Writer::open(&log, Options::default()).unwrap().0.close().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&log), 0o700);
    assert_eq!(mode(&log.join("audit-00000000000000000001.jsonl")), 0o600);
}

#[test]
fn a_torn_tail_is_cut_off_kept_aside_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    writer.append(intent("hermes", 0), true).unwrap();
    // A crash: the files as they are now, and half a line more.
    let crashed = tempfile::tempdir().unwrap();
    let name = "audit-00000000000000000001.jsonl";
    fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    let half = b"{\"v\":1,\"seq\":3,\"time\":\"20";
    let mut file = fs::OpenOptions::new().append(true).open(crashed.path().join(name)).unwrap();
    file.write_all(half).unwrap();

    assert_eq!(verify(crashed.path()).unwrap().unfinished, half.len() as u64);
    assert_eq!(kinds(crashed.path()), [Kind::Start, Kind::Intent]);
    let (writer, opened) = Writer::open(crashed.path(), Options::default()).unwrap();
    assert!(!opened.clean);
    assert_eq!((opened.continues, opened.start), (2, 3));
    assert_eq!(opened.torn, [(half.len() as u64, format!("{name}.torn-1"))]);
    assert_eq!(fs::read(crashed.path().join(format!("{name}.torn-1"))).unwrap(), half);
    writer.close().unwrap();
    let verified = verify(crashed.path()).unwrap();
    assert_eq!((verified.records, verified.unfinished), (4, 0));
    let start = Reader::open(crashed.path(), Wanted::default()).unwrap().nth(2).unwrap().unwrap().record;
    assert_eq!(start.entry.kind, Kind::Start);
    assert_eq!(start.entry.detail.unwrap()["torn"][0]["bytes"], half.len());
}

#[test]
fn damage_before_the_end_is_told_at_opening_and_not_healed() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    for n in 0..3 {
        writer.append(intent("hermes", n), false).unwrap();
    }
    writer.close().unwrap();
    let path = dir.path().join("audit-00000000000000000001.jsonl");
    let text = fs::read_to_string(&path).unwrap().replacen("hermes", "hermit", 1);
    fs::write(&path, text).unwrap();
    let (writer, opened) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!(opened.fault.as_deref(), Some("line 3 does not follow the line before it"));
    writer.close().unwrap();
    assert_eq!(verify(dir.path()).unwrap_err().line, 3);
}

#[test]
fn an_empty_last_segment_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    Writer::open(dir.path(), Options::default()).unwrap().0.close().unwrap();
    fs::write(dir.path().join("audit-00000000000000000003.jsonl"), "").unwrap();
    let (writer, opened) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!((opened.continues, opened.clean), (2, false));
    writer.close().unwrap();
    assert_eq!(verify(dir.path()).unwrap().records, 4);
}

#[test]
fn filters_keep_a_worker_and_a_verdict_with_its_outcomes() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    for n in 0..4 {
        let worker = if n < 2 { "hermes" } else { "other" };
        let seq = writer.append(intent(worker, n), false).unwrap();
        let outcome = Entry {
            request: Some(format!("r{n}")),
            worker: Some(worker.into()),
            intent: Some(seq),
            outcome: Some(Outcome { how: "exited".into(), exit: Some(0), ..Outcome::default() }),
            ..Entry::new(Kind::Outcome)
        };
        writer.append(outcome, false).unwrap();
    }
    writer.close().unwrap();
    let seqs = |wanted| -> Vec<u64> {
        Reader::open(dir.path(), wanted).unwrap().map(|shown| shown.unwrap().record.seq).collect()
    };
    assert_eq!(seqs(Wanted { worker: Some("hermes".into()), verdict: None }), [2, 3, 4, 5]);
    assert_eq!(seqs(Wanted { worker: None, verdict: Some(Verdict::Deny) }), [4, 5, 8, 9]);
    let last = Reader::open(dir.path(), Wanted::default()).unwrap().newest(2);
    assert_eq!(last.into_iter().map(|shown| shown.unwrap().record.seq).collect::<Vec<_>>(), [9, 10]);
}

#[test]
fn follow_sees_what_is_written_later_and_in_later_segments() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 600, ..Options::default() };
    let (writer, _) = Writer::open(dir.path(), options).unwrap();
    let follow = Reader::open(dir.path(), Wanted::default()).unwrap().follow(Duration::from_millis(1));
    let seen = std::thread::spawn(move || {
        follow.take(41).map(|shown| shown.unwrap().record.seq).collect::<Vec<u64>>()
    });
    for n in 0..40 {
        writer.append(intent("hermes", n), false).unwrap();
    }
    assert_eq!(seen.join().unwrap(), (1..42).collect::<Vec<u64>>());
    assert!(fs::read_dir(dir.path()).unwrap().count() > 5);
}

#[derive(Debug)]
struct EveryTenth;

impl Checkpointer for EveryTenth {
    fn after(&mut self, tip: &Tip) -> Option<serde_json::Value> {
        (tip.seq.is_multiple_of(10)).then(|| serde_json::json!({"seq": tip.seq, "hash": tip.hash}))
    }
}

#[test]
fn a_checkpointer_states_the_chain_so_far() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { checkpointer: Some(Box::new(EveryTenth)), ..Options::default() };
    let (writer, _) = Writer::open(dir.path(), options).unwrap();
    for n in 0..12 {
        writer.append(intent("hermes", n), false).unwrap();
    }
    writer.close().unwrap();
    let records: Vec<Record> =
        Reader::open(dir.path(), Wanted::default()).unwrap().map(|shown| shown.unwrap().record).collect();
    let checkpoint = &records[10];
    assert_eq!(checkpoint.entry.kind, Kind::Checkpoint);
    assert_eq!(checkpoint.entry.detail.as_ref().unwrap()["hash"], checkpoint.prev.as_str());
    assert_eq!(verify(dir.path()).unwrap().records, 15);
}

#[test]
fn a_record_is_one_line_for_any_terminal() {
    let record = |entry| Record {
        v: 1,
        seq: 7,
        time: "2026-01-02T03:04:05.678Z".into(),
        mono: 1,
        boot: "b".into(),
        entry,
        prev: String::new(),
    };
    let denied = Entry {
        worker: Some("hermes".into()),
        argv: Some(vec!["docker".into(), "exec it's\u{1b}[2J".into()]),
        verdict: Some(Verdict::Deny),
        rule: Some("host#1".into()),
        reason: Some("verb_not_allowed".into()),
        message: Some("exec\nis not".into()),
        ..Entry::new(Kind::Intent)
    };
    assert_eq!(
        render(&record(denied)),
        "2026-01-02T03:04:05.678Z       7  hermes        deny     docker 'exec it'\\''s\\u{1b}[2J'  \
         verb_not_allowed: exec\\u{a}is not"
    );
    let outcome = Entry {
        worker: Some("hermes".into()),
        intent: Some(6),
        outcome: Some(Outcome {
            how: "answered".into(),
            status: Some(200),
            millis: 3,
            bytes: 12,
            truncated: true,
            run: Some("01J".into()),
            ..Outcome::default()
        }),
        ..Entry::new(Kind::Outcome)
    };
    assert_eq!(
        render(&record(outcome)),
        "2026-01-02T03:04:05.678Z       7  hermes        done     #6  answered HTTP 200, 3 ms, 12 bytes (cut), run 01J"
    );
    let bytes = Entry { line_base64: Some("aWT/Gw==".into()), ..Entry::new(Kind::Intent) };
    assert!(render(&record(bytes)).ends_with(r#""id\xff\x1b""#));
}

fn entries() -> impl Strategy<Value = Entry> {
    let text = || proptest::option::of(".{0,60}");
    let list = || proptest::collection::vec("\\PC{0,20}|.{0,20}", 0..5);
    let outcome = (".{0,9}", any::<Option<i32>>(), any::<u64>(), any::<bool>(), text());
    let outcome = outcome.prop_map(|(how, exit, bytes, truncated, error)| Outcome {
        how,
        exit,
        bytes,
        truncated,
        error,
        ..Outcome::default()
    });
    let http = (".{0,9}", ".{0,50}", text()).prop_map(|(method, target, body_sha256)| Http {
        method,
        target,
        body_sha256,
    });
    (
        text(),
        text(),
        list(),
        list(),
        proptest::option::of(outcome),
        proptest::option::of(http),
        any::<Option<u32>>(),
    )
        .prop_map(|(worker, message, argv, objects, outcome, http, uid)| Entry {
            operation: message.as_ref().map(|text| serde_json::json!({"is": text, text: [1, null]})),
            worker,
            message,
            argv: Some(argv),
            objects,
            outcome,
            http,
            uid,
            ..Entry::new(Kind::Outcome)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_entries_come_back_verified_and_on_clean_lines(
        entries in proptest::collection::vec((entries(), any::<bool>()), 0..30),
        segment_bytes in 200_u64..4000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (writer, _) = Writer::open(dir.path(), Options { segment_bytes, ..Options::default() }).unwrap();
        for (entry, durable) in &entries {
            writer.append(entry.clone(), *durable).unwrap();
        }
        writer.close().unwrap();
        let shown: Vec<_> =
            Reader::open(dir.path(), Wanted::default()).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(verify(dir.path()).unwrap().records, shown.len() as u64);
        for (shown, (entry, _)) in shown[1..].iter().zip(&entries) {
            prop_assert_eq!(&shown.record.entry, entry);
            let active = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}');
            prop_assert!(!shown.line.chars().any(active));
            prop_assert!(!render(&shown.record).chars().any(char::is_control));
        }
        prop_assert_eq!(shown.len(), entries.len() + 2);
    }
}
