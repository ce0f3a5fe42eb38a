//! What a session sends on stdin, and who reads it.

use super::fake_broker::SOON;
use super::house::{Answered, House, expect_stdout, listen_fed, most_memory};
use super::lists::runs;
use doorward_wire::broker::ToBroker;
use doorward_wire::session::{FromSession, ToSession};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const FRAME: usize = 64 * 1024;

/// A whole session with this on its stdin.
fn fed(house: &House, line: &str, stdin: &[u8]) -> Answered {
    let stdin = stdin.to_vec();
    listen_fed(&mut house.send(line), move |mut stream| {
        let stdin = stdin.clone();
        std::thread::spawn(move || {
            for piece in stdin.chunks(FRAME).chain([&b""[..]]) {
                if stream.write_all(&FromSession::Stdin(piece.to_vec()).encode()).is_err() {
                    return;
                }
            }
        });
    })
}

/// Feeds without end, and counts.
fn endless(mut stream: UnixStream, count: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let frame = FromSession::Stdin(vec![b'x'; FRAME]).encode();
        while stream.write_all(&frame).is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
}

#[test]
fn a_filter_at_the_begin_of_a_line_reads_the_sessions_stdin() {
    let house = House::new();
    let seq: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(fed(&house, "grep 7 | wc -l", seq.as_bytes()).out(), "40951\n");
    assert_eq!(fed(&house, "cat", seq.as_bytes()).out(), seq);
    let heard = runs(&house);
    assert!(matches!(&heard[0], ToBroker::Run { stages, stdin: true, .. } if stages.len() == 2));
}

#[test]
fn a_session_without_stdin_ends_it_at_once() {
    let house = House::new();
    assert_eq!(fed(&house, "wc -c", b"").out(), "0\n");
}

#[test]
fn stdin_is_not_asked_for_where_nothing_reads_it() {
    let house = House::new();
    // A session that hears `Feed` here fails the test.
    assert_eq!(house.say("echo a | cat && true; sh -c cat; false || echo b").out(), "a\nb\n");
}

#[test]
fn commands_of_one_line_share_it_as_under_sh() {
    let house = House::new();
    for line in ["head -c 2; cat", "head -c 2 >/dev/null && tr 3-5 a-c || cat", "true; cat | tr 1 x; cat"] {
        let mut sh = std::process::Command::new("sh")
            .args(["-c", line])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        sh.stdin.take().unwrap().write_all(b"12345\n").unwrap();
        let real = sh.wait_with_output().unwrap();
        assert_eq!(fed(&house, line, b"12345\n").stdout, real.stdout, "{line}");
    }
}

#[test]
fn a_slow_reader_holds_the_session_back_and_loses_nothing() {
    let house = House::new();
    let (before, count) = (most_memory(), Arc::new(AtomicU64::new(0)));
    let all = 32 * 1024 * 1024 / FRAME;
    let counted = Arc::clone(&count);
    let begun = Instant::now();
    let (tell, told) = std::sync::mpsc::channel();
    let answered = listen_fed(&mut house.send("cat | sh -c 'sleep 1; wc -c'"), move |mut stream| {
        let count = Arc::clone(&counted);
        std::thread::spawn(move || {
            let frame = FromSession::Stdin(vec![b'x'; FRAME]).encode();
            for _ in 0..all {
                stream.write_all(&frame).unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
            stream.write_all(&FromSession::Stdin(Vec::new()).encode()).unwrap();
        });
        let (counted, tell) = (Arc::clone(&counted), tell.clone());
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            tell.send((counted.load(Ordering::Relaxed), begun.elapsed())).unwrap();
        });
    });
    let (sent, after) = told.recv().unwrap();
    assert!(after > Duration::from_millis(900) || sent < 64, "{sent} frames nobody reads");
    assert_eq!(answered.out().trim(), (32 * 1024 * 1024).to_string());
    assert_eq!(count.load(Ordering::Relaxed), u64::try_from(all).unwrap());
    let grown = most_memory() - before;
    assert!(grown < 16 * 1024, "{grown} KiB more for 32 MiB");
}

#[test]
fn what_nobody_reads_any_more_is_thrown_away() {
    let house = House::new();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let line = "head -c 1; sh -c 'sleep 1; echo end'";
    let answered = listen_fed(&mut house.send(line), move |stream| endless(stream, Arc::clone(&counted)));
    assert_eq!((answered.out().as_str(), answered.exit), ("xend\n", Some(0)));
    assert!(count.load(Ordering::Relaxed) > 16, "the session was held back");
}

#[test]
fn a_session_that_goes_away_is_noticed_though_its_stdin_waits() {
    let house = House::new();
    // The pipe is kept for `cat`, which never comes: the session's frames wait, and its end behind them.
    let mut session = house.send("head -c 1; sh -c 'echo begun; sleep 1000'; cat");
    let mut feed = [0; 5];
    session.read_exact(&mut feed).unwrap();
    assert_eq!(feed.as_slice(), ToSession::Feed.encode());
    let count = Arc::new(AtomicU64::new(0));
    endless(session.try_clone().unwrap(), Arc::clone(&count));
    expect_stdout(&mut session, b"x");
    expect_stdout(&mut session, b"begun\n");
    let (mut before, mut same, since) = (0, 0, Instant::now());
    while same < 5 && since.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(50));
        let now = count.load(Ordering::Relaxed);
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
    assert_eq!(same, 5, "the session is not held back");
    session.shutdown(std::net::Shutdown::Both).unwrap();
    house.broker.wait_for(|message| matches!(message, ToBroker::Cancel { why, .. } if why == "disconnect"));
    house.broker.wait_until_idle();
}

#[test]
fn stdin_that_was_not_asked_for_ends_the_line() {
    let house = House::new();
    let mut session = house.send("sh -c 'echo begun; sleep 1000'");
    expect_stdout(&mut session, b"begun\n");
    session.write_all(&FromSession::Stdin(b"x".to_vec()).encode()).unwrap();
    house.broker.wait_for(|message| matches!(message, ToBroker::Cancel { why, .. } if why == "disconnect"));
    house.broker.wait_until_idle();
}
