//! Much at once and much in a row through the whole service, sealed, in a process of its own, on the real
//! engine: what it needs of memory is looked at in that process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_proxy::{Config, Timings, serve};
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use support::bench::{Bench, engine};
use support::http::{connect, read_chunk, read_head};

const TESTS: [(&str, fn()); 2] = [
    ("five_hundred_logs_are_followed_at_once", five_hundred_logs_are_followed_at_once),
    (
        "a_stream_of_a_gibibyte_takes_no_more_memory_than_any_other",
        a_stream_of_a_gibibyte_takes_no_more_memory_than_any_other,
    ),
];
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
const STREAMS: u64 = 500;
/// In the tables of a role's `run` part, whose worker may do what these tests do.
const MAY: &str = "[role.bench.docker.exec]\nown = [\"head -c 1073741824 /dev/zero\"]\n\
                   [worker.WORKER.limits]\nstreams = { concurrent = 600 }\nreads = { concurrent = 64, per_minute = 100000 }";

/// Without the test harness, in the words that test runners speak: the service must have the only thread of
/// its process.
fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(broker) = asked.first().filter(|word| word.starts_with('/')) {
        return be_the_service(broker.into());
    }
    if asked.iter().any(|word| word == "--ignored") {
        return;
    }
    let listed = asked.iter().any(|word| word == "--list");
    let named = |name: &str| {
        listed || asked.iter().filter(|word| !word.starts_with('-')).all(|word| name.contains(word))
    };
    for (name, test) in TESTS.iter().filter(|(name, _)| named(name)) {
        if listed {
            println!("{name}: test");
        } else {
            test();
            println!("{name} ... ok");
        }
    }
}

fn be_the_service(broker: PathBuf) {
    let config = Config { broker, sealed: true, timings: Timings::default() };
    let ended = support::runtime().block_on(serve(config));
    panic!("the service ended: {ended:?}");
}

struct Service(Child);

impl Service {
    fn of(bench: &Bench) -> Self {
        let service =
            Service(Command::new(std::env::current_exe().unwrap()).arg(bench.broker.path()).spawn().unwrap());
        bench.ok(&["version"]);
        service
    }

    /// Bytes of `VmRSS` or `VmHWM`.
    fn memory(&self, which: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(which)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn five_hundred_logs_are_followed_at_once() {
    let bench = Bench::unserved(MAY);
    let service = Service::of(&bench);
    let name = bench.name("logs");
    let script = "echo first; while ! [ -e /tmp/go ]; do sleep 0.1; done; echo second; sleep 600";
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sh", "-c", script]);
    let before = service.memory("VmRSS");
    let head = format!("GET /v1.41/containers/{name}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n");
    let mut streams: Vec<UnixStream> = (0..STREAMS)
        .map(|_| {
            let mut stream = connect(&bench.socket());
            stream.write_all(head.as_bytes()).unwrap();
            assert_eq!(read_head(&mut stream).0, 200);
            stream
        })
        .collect();
    let said = |stream: &mut UnixStream| {
        let mut text = Vec::new();
        while let Some(piece) = read_chunk(stream) {
            text.extend(piece);
            if text.ends_with(b"\n") {
                break;
            }
        }
        text
    };
    assert!(streams.iter_mut().all(|stream| said(stream).ends_with(b"first\n")));
    assert_eq!(bench.ask("GET", "/v1.41/containers/json", "").status, 200, "others are served meanwhile");
    let grown = service.memory("VmHWM") - before;
    assert!(grown < 64 * MIB, "{STREAMS} streams take {} KiB each", grown / 1024 / STREAMS);
    assert!(engine(&["exec", &name, "sh", "-c", ": > /tmp/go"]).status.success());
    assert!(streams.iter_mut().all(|stream| said(stream).ends_with(b"second\n")));
    assert!(engine(&["rm", "-f", &name]).status.success());
    assert!(streams.iter_mut().all(|stream| read_chunk(stream).is_none()), "each ends with its container");
    println!("{STREAMS} streams: {} KiB each", grown / 1024 / STREAMS);
}

fn a_stream_of_a_gibibyte_takes_no_more_memory_than_any_other() {
    let bench = Bench::unserved(MAY);
    let service = Service::of(&bench);
    let name = bench.name("much");
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sleep", "600"]);
    for upgrade in ["Connection: Upgrade\r\nUpgrade: tcp\r\n", "Connection: close\r\n"] {
        let exec = json!({"Cmd": ["head", "-c", "1073741824", "/dev/zero"], "AttachStdout": true});
        let made = bench.ask("POST", &format!("/v1.41/containers/{name}/exec"), &exec.to_string());
        let id = made.json()["Id"].as_str().unwrap().to_owned();
        let body = r#"{"Detach":false,"Tty":false}"#;
        let start = format!(
            "POST /v1.41/exec/{id}/start HTTP/1.1\r\nHost: d\r\n{upgrade}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let before = service.memory("VmRSS");
        let mut stream = connect(&bench.socket());
        stream.write_all(start.as_bytes()).unwrap();
        let (status, _) = read_head(&mut stream);
        assert_eq!(status, if upgrade.contains("tcp") { 101 } else { 200 });
        let (mut piece, mut total) = (vec![0; 1 << 20], 0_u64);
        loop {
            let length = stream.read(&mut piece).unwrap();
            total += u64::try_from(length).unwrap();
            if length == 0 {
                break;
            }
        }
        assert!(total > GIB, "all of it came, with its frames: {total}");
        let grown = service.memory("VmHWM").saturating_sub(before);
        assert!(grown < 8 * MIB, "it took {grown} bytes");
        println!("{total} bytes as {status}: {} KiB of memory more", grown / 1024);
    }
}
