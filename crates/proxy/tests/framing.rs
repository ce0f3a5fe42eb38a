//! Where one request ends and the next begins, on the real engine: each has one verdict and one record, and
//! the engine makes what was let through and nothing beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_proxy::Timings;
use serde_json::json;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};
use support::ServedProxy;
use support::bench::{Bench, engine_lines, text};
use support::http::{connect, read_head};

/// A worker's bytes, and the statuses of the answers that come to them; `{C}`, `{N}`, `{X}` and `{B}` stand for
/// the head of a create without its length, the length of its body, the same in hex, and that body, `{P}` for a ping.
type Case = (&'static str, &'static str, &'static [u16]);

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";

/// Served: these are requests, spelt in a way that the engine, too, reads as these and nothing else.
const SERVED: &[Case] = &[
    ("a length", "{C}Content-Length: {N}\r\n\r\n{B}", &[201]),
    ("chunks", "{C}Transfer-Encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n", &[201]),
    ("an extension", "{C}Transfer-Encoding: chunked\r\n\r\n{X};a=b\r\n{B}\r\n0\r\n\r\n", &[201]),
    ("lines that end in LF", "GET /_ping HTTP/1.1\nHost: d\n\n", &[200]),
    ("an empty line before", "\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", &[200]),
    ("an empty host", "GET /_ping HTTP/1.1\r\nHost:\r\n\r\n", &[200]),
    ("HTTP/1.0", "GET /_ping HTTP/1.0\r\n\r\n", &[200]),
    ("HTTP/1.0 ends there", "GET /_ping HTTP/1.0\r\n\r\nGET /_ping HTTP/1.0\r\n\r\n", &[200]),
    (
        "close ends there",
        "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n{C}Content-Length: {N}\r\n\r\n{B}",
        &[200],
    ),
    (
        "the next after a length",
        "{C}Content-Length: {N}\r\n\r\n{B}GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
        &[201, 200],
    ),
    (
        "the next after chunks",
        "{C}Transfer-Encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
        &[201, 200],
    ),
    (
        "another method in a header",
        "GET /_ping HTTP/1.1\r\nHost: d\r\nX-HTTP-Method-Override: DELETE\r\n\r\n",
        &[200],
    ),
    // Of these, the engine's own reader makes the same as this one. After a length beside chunks nothing is read.
    (
        "a length and chunks",
        "{C}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n{P}",
        &[201],
    ),
    (
        "chunks and a length",
        "{C}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n{P}",
        &[201],
    ),
    ("two equal lengths", "{C}Content-Length: {N}\r\nContent-Length: {N}\r\n\r\n{B}{P}", &[201, 200]),
    // No client sends one: it is no part of what is judged, and none of what is sent on.
    ("a fragment", "GET /_ping#x HTTP/1.1\r\nHost: d\r\n\r\n", &[200]),
];

/// Refused: two readers could disagree on these, or the engine would do something that was not judged.
const REFUSED: &[Case] = &[
    ("two lengths", "{C}Content-Length: {N}\r\nContent-Length: 0\r\n\r\n{B}", &[400]),
    ("a list of lengths", "{C}Content-Length: {N}, {N}\r\n\r\n{B}", &[400]),
    ("a length with a sign", "{C}Content-Length: +{N}\r\n\r\n{B}", &[400]),
    ("a length below zero", "{C}Content-Length: -1\r\n\r\n{B}", &[400]),
    ("a length in hex", "{C}Content-Length: 0x10\r\n\r\n{B}", &[400]),
    ("a length beyond numbers", "{C}Content-Length: 18446744073709551616\r\n\r\n{B}", &[400]),
    ("no length", "{C}\r\n{B}", &[400, 400]),
    ("a space before the colon", "{C}Transfer-Encoding : chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n", &[400]),
    ("a space in a name", "{C}Content Length: {N}\r\n\r\n{B}", &[400]),
    ("another coding", "{C}Transfer-Encoding: xchunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n", &[400]),
    ("two codings", "{C}Transfer-Encoding: gzip, chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n", &[400]),
    (
        "chunked twice",
        "{C}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "chunked and then another",
        "{C}Transfer-Encoding: chunked, identity\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n",
        &[400],
    ),
    ("a folded line", "{C}Transfer-Encoding:\r\n chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n", &[400]),
    ("a NUL", "GET /_ping HTTP/1.1\r\nHost: d\r\nX: a\0b\r\n\r\n", &[400]),
    ("a bare CR", "GET /_ping HTTP/1.1\r\nHost: d\r\nX: a\rContent-Length: 5\r\n\r\n", &[400]),
    (
        "trailers",
        "{C}Transfer-Encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\nX-Registry-Auth: e30=\r\n\r\n",
        &[400],
    ),
    (
        "announced trailers",
        "{C}Trailer: X-Registry-Auth\r\nTransfer-Encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\nX-Registry-Auth: e30=\r\n\r\n",
        &[400],
    ),
    ("a chunk's length with a sign", "{C}Transfer-Encoding: chunked\r\n\r\n+{X}\r\n{B}\r\n0\r\n\r\n", &[400]),
    ("a chunk's length in words", "{C}Transfer-Encoding: chunked\r\n\r\n0x{X}\r\n{B}\r\n0\r\n\r\n", &[400]),
    (
        "a chunk's length beyond numbers",
        "{C}Transfer-Encoding: chunked\r\n\r\n1{X}0000000000000000\r\n{B}\r\n0\r\n\r\n",
        &[400],
    ),
    ("a chunk longer than its length", "{C}Transfer-Encoding: chunked\r\n\r\n2\r\n{B}\r\n0\r\n\r\n", &[400]),
    ("chunks that do not end", "{C}Transfer-Encoding: chunked\r\n\r\n{X}\r\n{B}\r\n", &[400]),
    ("a body that does not end", "{C}Content-Length: 99999\r\n\r\n{B}", &[400]),
    ("a body where none is", "GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nGET /", &[400]),
    (
        "a form",
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
        &[400],
    ),
    ("a compressed body", "{C}Content-Encoding: gzip\r\nContent-Length: {N}\r\n\r\n{B}", &[400]),
    ("another expectation", "{C}Expect: 200-ok\r\nContent-Length: {N}\r\n\r\n{B}", &[400]),
    ("no host", "GET /_ping HTTP/1.1\r\n\r\n", &[400]),
    ("two hosts", "GET /_ping HTTP/1.1\r\nHost: d\r\nHost: e\r\n\r\n", &[400]),
    ("an absolute target", "GET http://d/_ping HTTP/1.1\r\nHost: d\r\n\r\n", &[403]),
    ("an absolute target elsewhere", "GET http://e/v1.41/info HTTP/1.1\r\nHost: d\r\n\r\n", &[403]),
    ("a target of a tunnel", "CONNECT docker:80 HTTP/1.1\r\nHost: d\r\n\r\n", &[403]),
    ("a star", "OPTIONS * HTTP/1.1\r\nHost: d\r\n\r\n", &[403]),
    ("a method in small letters", "get /_ping HTTP/1.1\r\nHost: d\r\n\r\n", &[403]),
    ("a space in the target", "GET /_ping x HTTP/1.1\r\nHost: d\r\n\r\n", &[400]),
    ("HTTP/1.2", "GET /_ping HTTP/1.2\r\nHost: d\r\n\r\n", &[400]),
    ("HTTP/0.9", "GET /_ping\r\n\r\n", &[400]),
    (
        "an upgrade to HTTP/2",
        "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        &[400],
    ),
    (
        "an upgrade where none is",
        "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        &[400],
    ),
    (
        "HTTP/1.0 with chunks",
        "POST /v1.41/containers/create HTTP/1.0\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n",
        &[400],
    ),
    // Closed without an answer that its client could read.
    ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]),
];

/// What a worker's connection came to.
struct Talk {
    statuses: Vec<u16>,
    verdicts: Vec<bool>,
}

/// Says `bytes`, ends its side, and reads to the end; then what the broker knows of it and what the engine has.
fn talk(bench: &Bench, bytes: &[u8], expected: usize) -> Talk {
    let before = bench.broker.intents().len();
    let mut stream = connect(&bench.socket());
    // Where the proxy has heard enough it closes, and not all of it goes out.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(Shutdown::Write));
    let mut told = Vec::new();
    drop(stream.read_to_end(&mut told));
    let end = Instant::now() + Duration::from_secs(5);
    while bench.broker.intents().len() < before + expected && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    let verdicts = bench.broker.intents()[before..].iter().map(|intent| intent.allow).collect();
    Talk { statuses: statuses(&told), verdicts }
}

fn statuses(told: &[u8]) -> Vec<u16> {
    let told = text(told);
    let heads = told.match_indices("HTTP/1.").filter_map(|(at, _)| told.get(at + 9..at + 12));
    heads.filter_map(|status| status.parse().ok()).filter(|status| *status != 100).collect()
}

fn spelt(bench: &Bench, case: &str) -> Vec<u8> {
    let body = json!({"Image": bench.image, "Cmd": ["true"]}).to_string();
    let create = "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n";
    let parts = [("{C}", create), ("{N}", &body.len().to_string()), ("{X}", &format!("{:x}", body.len()))];
    let case = case.replace("{P}", PING);
    let case = parts.iter().fold(case.to_owned(), |case, (name, part)| case.replace(name, part));
    case.replace("{B}", &body).into_bytes()
}

fn made(bench: &Bench) -> usize {
    engine_lines(&["ps", "-aq", "--filter", &format!("label=doorward.worker={}", bench.worker)]).len()
}

#[test]
fn each_request_has_one_verdict_and_the_engine_makes_no_more_than_was_let_through() {
    let bench = Bench::with("count = 100");
    let (mut wrong, mut creates) = (Vec::new(), 0);
    for (what, case, expected) in SERVED.iter().chain(REFUSED) {
        let Talk { statuses, verdicts } = talk(&bench, &spelt(&bench, case), expected.len().max(1));
        let fits = statuses.iter().zip(&verdicts).all(|(status, allowed)| (*status < 300) == *allowed);
        if statuses != *expected || verdicts.len() != expected.len().max(1) || !fits {
            wrong.push(format!("{what}: {statuses:?} and verdicts {verdicts:?}, not {expected:?}"));
        }
        creates += statuses.iter().filter(|status| **status == 201).count();
        let there = made(&bench);
        if there != creates {
            wrong.push(format!("{what}: the engine has {there} containers, not {creates}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), SERVED.len() + REFUSED.len(), wrong.join("\n"));
}

#[test]
fn a_refused_requests_body_is_never_read_as_requests() {
    let bench = Bench::start();
    let inner = text(&spelt(&bench, "{C}Content-Length: {N}\r\n\r\n{B}"));
    for head in [
        "POST /v1.41/swarm/init HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n",
        "GET /v1.41/containers/json HTTP/1.1\r\nHost: d\r\n",
        "POST /v1.41/nothing HTTP/1.1\r\nHost: d\r\n",
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: text/plain\r\n",
    ] {
        for bytes in [
            format!("{head}Content-Length: {}\r\n\r\n{inner}{PING}", inner.len()),
            format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n{PING}",
                inner.len()
            ),
        ] {
            let before = bench.broker.intents().len();
            let Talk { statuses, .. } = talk(&bench, bytes.as_bytes(), 1);
            // What only looks is recorded soon, not at once.
            let intents = bench.broker.intents_within(before + statuses.len());
            let targets: Vec<String> = intents[before..].iter().map(|intent| intent.target.clone()).collect();
            assert!((400..500).contains(&statuses[0]), "{head}: {statuses:?}");
            assert!(
                statuses.len() <= 2 && targets.len() == statuses.len(),
                "{head}: {statuses:?} {targets:?}"
            );
            assert!(targets[1..].iter().all(|target| target == "/_ping"), "{head}: {targets:?}");
            assert_eq!(made(&bench), 0, "{head}");
        }
    }
}

#[test]
fn heads_over_their_bound_are_refused_and_never_cut() {
    let bench = Bench::start();
    let long = "a".repeat(200 << 10);
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    for (what, bytes) in [
        ("a header", format!("GET /_ping HTTP/1.1\r\nHost: d\r\nX: {long}\r\n\r\n{PING}")),
        ("many headers", format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{many}\r\n{PING}")),
        ("a target", format!("GET /v1.41/containers/json?x={long} HTTP/1.1\r\nHost: d\r\n\r\n{PING}")),
        (
            "a target of 21 KiB",
            format!(
                "GET /v1.41/{} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n{PING}",
                "a".repeat(21 << 10)
            ),
        ),
        ("a method", format!("{} /_ping HTTP/1.1\r\nHost: d\r\n\r\n{PING}", "A".repeat(200 << 10))),
    ] {
        let Talk { statuses, verdicts } = talk(&bench, bytes.as_bytes(), 1);
        assert!(matches!(statuses.as_slice(), [400 | 413 | 414 | 431]), "{what}: {statuses:?}");
        assert_eq!(verdicts, [false], "{what}");
    }
}

#[test]
fn a_head_or_a_body_that_trickles_has_a_deadline_and_holds_up_nobody() {
    let mut bench = Bench::unserved("");
    let second = Duration::from_secs(1);
    let timings = Timings { head: second, body: second, ..Timings::default() };
    bench.proxy = Some(ServedProxy::with(&bench.broker.path(), timings));
    let head = "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n";
    for (what, at_once) in [("head", 10), ("body", head.len())] {
        let mut stream = connect(&bench.socket());
        stream.write_all(&head.as_bytes()[..at_once]).unwrap();
        let mut trickle = stream.try_clone().unwrap();
        let trickling = std::thread::spawn(move || {
            for _ in 0..600 {
                std::thread::sleep(Duration::from_millis(100));
                if trickle.write_all(b" ").is_err() {
                    return true;
                }
            }
            false
        });
        assert_eq!(bench.ask("GET", "/_ping", "").status, 200, "others are served meanwhile");
        let mut told = Vec::new();
        drop(stream.read_to_end(&mut told));
        assert!(statuses(&told).iter().all(|status| *status >= 400), "{what}: {}", text(&told));
        assert!(trickling.join().unwrap(), "the proxy hung up on a trickled {what}");
        if what == "body" {
            bench.broker.intent(|intent| intent.target.contains("create") && !intent.allow);
        }
    }
    assert_eq!(made(&bench), 0);
}

#[test]
fn what_follows_a_detached_exec_is_a_request_of_its_own() {
    let bench = Bench::with("[role.bench.docker.exec]\nown = [\"true\"]");
    let name = bench.name("exec");
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sleep", "600"]);
    let exec = json!({"Cmd": ["true"]}).to_string();
    let id = bench.ask("POST", &format!("/v1.41/containers/{name}/exec"), &exec).json()["Id"].clone();
    let body = r#"{"Detach":true,"Tty":false}"#;
    let next = "POST /v1.41/swarm/init HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
    for (upgrade, started) in [("Connection: Upgrade\r\nUpgrade: tcp\r\n", 400), ("", 200)] {
        let start = format!(
            "POST /v1.41/exec/{}/start HTTP/1.1\r\nHost: d\r\n{upgrade}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            id.as_str().unwrap(),
            body.len()
        );
        let Talk { statuses, verdicts } = talk(&bench, format!("{start}{next}").as_bytes(), 2);
        assert_eq!((statuses, verdicts), (vec![started, 403], vec![started == 200, false]));
    }
}

#[test]
fn early_bytes_are_dropped_when_the_engine_gives_no_stream() {
    let bench = Bench::with("stdin = true");
    let missing = "POST /v1.41/containers/no-such/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\
                   Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n";
    let inner = text(&spelt(&bench, "{C}Content-Length: {N}\r\n\r\n{B}"));
    let mut stream = connect(&bench.socket());
    stream.write_all(format!("{missing}{inner}").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_head(&mut stream).0, 404);
    let mut told = Vec::new();
    stream.read_to_end(&mut told).unwrap();
    let judged = bench.broker.intents().iter().filter(|intent| intent.target.contains("create")).count();
    assert_eq!((judged, made(&bench)), (statuses(&told).len(), judged), "{}", text(&told));
}
