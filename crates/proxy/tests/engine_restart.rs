//! A real Docker Engine of the test's own is stopped, killed and started again under a served proxy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::ServedProxy;
use support::fake_broker::FakeBroker;
use support::http::{ask, connect, read_head};

/// Longest that an engine may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);
const WORKER: &str = "restart";
const LIST: &str = "/v1.41/containers/json";

/// A Docker Engine that shares nothing with the machine's: its folders and socket are the test's.
struct OwnEngine {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl OwnEngine {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("daemon.json"), "{}").unwrap();
        let mut engine = OwnEngine { folder, daemon: None };
        engine.start_again();
        engine
    }

    fn start_again(&mut self) {
        let at = |name: &str| self.folder.path().join(name);
        // In a network namespace of its own: an engine that wants no bridge takes away the host's `docker0`.
        let mut dockerd = Command::new("unshare");
        dockerd.args(["--net", "dockerd"]).args([
            "--bridge=none",
            "--iptables=false",
            "--storage-driver=vfs",
            "--host",
        ]);
        dockerd.arg(format!("unix://{}", self.socket().display()));
        for (option, name) in [
            ("--config-file", "daemon.json"),
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
        ] {
            dockerd.arg(option).arg(at(name));
        }
        let log = std::fs::File::create(at("log")).unwrap();
        self.daemon =
            Some(dockerd.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let end = Instant::now() + PATIENCE;
        while !self.answers() {
            let log = || std::fs::read_to_string(at("log")).unwrap_or_default();
            assert!(Instant::now() < end, "it does not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.socket()) else { return false };
        let asked = stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n");
        let mut told = String::new();
        asked.and_then(|()| stream.read_to_string(&mut told)).is_ok() && told.ends_with("OK")
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let _ = kill_process(Pid::from_child(&daemon), signal);
        drop(daemon.wait());
        // One that was killed leaves its containerd behind.
        let pid = std::fs::read_to_string(self.folder.path().join("exec/containerd/containerd.pid"));
        let left = pid.unwrap_or_default().trim().to_owned();
        let words = std::fs::read_to_string(format!("/proc/{left}/cmdline")).unwrap_or_default();
        if words.contains(self.folder.path().to_str().unwrap()) {
            let _ = kill_process(Pid::from_raw(left.parse().unwrap()).unwrap(), Signal::KILL);
        }
        drop(std::fs::remove_dir_all(self.folder.path().join("exec")));
        drop(std::fs::remove_file(self.folder.path().join("pid")));
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        self.end(Signal::TERM);
    }
}

fn policy(engine: &OwnEngine) -> String {
    format!(
        r#"version = 1
[engine]
socket = "{}"
[worker.{WORKER}]
user = "nobody"
roles = ["looks"]
[role.looks]
about = "Looks."
[role.looks.docker]
verbs = ["ps", "run", "events"]
containers = ["own"]
images = ["none-of-them"]
[role.looks.docker.run]
"#,
        engine.socket().display()
    )
}

#[test]
fn an_engine_that_restarts_is_missed_in_clear_words_and_found_again() {
    let mut engine = OwnEngine::start();
    let broker = FakeBroker::start(&policy(&engine), &[WORKER]);
    let _proxy = ServedProxy::start(&broker.path());
    let socket = broker.worker_socket(WORKER);
    let mut kept = connect(&socket);
    for signal in [Signal::TERM, Signal::KILL] {
        assert_eq!(ask(&socket, "GET", LIST, "").status, 200);
        let mut events = connect(&socket);
        events.write_all(b"GET /v1.41/events HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
        assert_eq!(read_head(&mut events).0, 200);

        engine.end(signal);
        let mut rest = Vec::new();
        // The stream ends; it is not left hanging.
        drop(events.read_to_end(&mut rest));
        let create = r#"{"Image":"none-of-them","Cmd":["true"]}"#;
        for (method, target, body) in [
            ("GET", LIST, ""),
            ("GET", "/v1.41/events", ""),
            ("POST", "/v1.41/containers/create", create),
            ("GET", "/_ping", ""),
        ] {
            let told = ask(&socket, method, target, body);
            assert_eq!((told.status, told.reason().as_str()), (503, "engine_unavailable"), "{target}");
            let message = told.json()["message"].as_str().unwrap().to_owned();
            assert!(message.contains("Docker Engine does not answer"), "{message}");
        }

        engine.start_again();
        let first = ask(&socket, "GET", LIST, "");
        assert_eq!(first.status, 200, "the first after it is back: {}", String::from_utf8_lossy(&first.body));
        // A worker's own connection outlives the engine's.
        kept.write_all(format!("GET {LIST} HTTP/1.1\r\nHost: d\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(support::http::read_answer(&mut kept).status, 200);
    }
}
