//! The whole service, sealed, in a process of its own: what the docker CLI does must still work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_proxy::{Config, Timings, serve};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use support::bench::{Bench, engine, text};

const NAME: &str = "the docker CLI works through a sealed service";

/// Without the test harness, in the words that test runners speak: the service must have the only thread of
/// its process.
fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    match asked.first() {
        Some(argument) if argument.starts_with('/') => be_the_service(argument.into()),
        _ if asked.iter().any(|word| word == "--ignored") => {}
        _ if asked.iter().any(|word| word == "--list") => println!("{NAME}: test"),
        _ => {
            the_docker_cli_works_through_a_sealed_service();
            println!("{NAME} ... ok");
        }
    }
}

fn be_the_service(broker: PathBuf) {
    let config = Config { broker, sealed: true, timings: Timings::default() };
    let ended = support::runtime().block_on(serve(config));
    panic!("the service ended: {ended:?}");
}

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn the_docker_cli_works_through_a_sealed_service() {
    let bench = Bench::unserved("stdin = true");
    let child = Command::new(std::env::current_exe().unwrap()).arg(bench.broker.path()).spawn().unwrap();
    let service = Service(child);
    bench.ok(&["version"]);
    let seccomp = std::fs::read_to_string(format!("/proc/{}/status", service.0.id())).unwrap();
    assert!(seccomp.contains("Seccomp:\t2"), "{seccomp}");
    let first = bench.broker.intent(|intent| intent.allow);
    assert_eq!(first.operation.get("weaker"), None, "nothing is weaker here: {first:?}");

    let output = bench.run(&["run", "--rm", &bench.image, "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("out\n", "err\n"));
    assert_eq!(output.status.code(), Some(7));

    let mut cat = bench
        .docker(&["run", "-i", "--rm", &bench.image, "wc", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cat.stdin.take().unwrap().write_all(&vec![b'x'; 1 << 20]).unwrap();
    assert_eq!(text(&cat.wait_with_output().unwrap().stdout).trim(), "1048576");

    let name = bench.name("sealed");
    let script = "echo first; while ! [ -e /tmp/go ]; do sleep 0.05; done; echo second";
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sh", "-c", script]);
    let mut logs = bench.docker(&["logs", "-f", &name]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    assert!(engine(&["exec", &name, "sh", "-c", ": > /tmp/go"]).status.success());
    assert_eq!(lines.next().unwrap().unwrap(), "second");
    assert!(logs.wait().unwrap().success());
    bench.ok(&["rm", "-f", &name]);

    // The broker restarts: it is found again, and the sockets that it hands over are opened, from within the
    // seal.
    bench.broker.vanish();
    bench.broker.come_back(&bench.policy());
    while !bench.run(&["version"]).status.success() {}
    assert!(bench.refused(&["run", "--privileged", &bench.image, "true"]).contains("doorward: refused ("));
}
