//! The broker or the engine is gone, comes back, or misbehaves. The engine here is a stand-in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_proxy::{ProxyError, Timings};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use support::ServedProxy;
use support::fake_broker::FakeBroker;
use support::fake_engine::{FakeEngine, answered};
use support::http::{Answer, ask, connect, read_answer, read_chunk, read_head};

const WORKER: &str = "gone";

fn policy(engine: &Path) -> String {
    format!(
        r#"version = 1
[engine]
socket = "{}"
[worker.{WORKER}]
user = "nobody"
roles = ["looks"]
[worker.{WORKER}.limits]
reads = {{ concurrent = 4, per_minute = 40 }}
[role.looks]
about = "Looks."
[role.looks.docker]
verbs = ["ps", "info", "version", "pull"]
containers = ["own"]
images = ["library-of-nobody/*"]
"#,
        engine.display()
    )
}

struct House {
    broker: FakeBroker,
    _proxy: ServedProxy,
}

impl House {
    fn with(engine: &Path) -> Self {
        Self::patient(engine, Duration::from_secs(20))
    }

    fn patient(engine: &Path, patience: Duration) -> Self {
        let broker = FakeBroker::start(&policy(engine), &[WORKER]);
        let timings = Timings { engine_reads: patience, body: patience, ..Timings::default() };
        let proxy = ServedProxy::with(&broker.path(), timings);
        House { broker, _proxy: proxy }
    }

    fn socket(&self) -> PathBuf {
        self.broker.worker_socket(WORKER)
    }

    fn get(&self, target: &str) -> Answer {
        ask(&self.socket(), "GET", target, "")
    }
}

#[test]
fn without_an_engine_the_refusal_says_so_and_with_one_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let house = House::with(&path);
    let refused = house.get("/_ping");
    assert_eq!((refused.status, refused.reason().as_str()), (503, "engine_unavailable"));
    assert!(refused.json()["message"].as_str().unwrap().contains("Docker Engine does not answer"));
    house.broker.intent(|intent| intent.reason.as_deref() == Some("engine_unavailable"));

    let engine = FakeEngine::start(|_, stream| drop(stream.write_all(&answered("200 OK", "[]"))));
    std::os::unix::fs::symlink(engine.path(), &path).unwrap();
    assert_eq!(house.get("/v1.41/containers/json").status, 200);
    engine.vanish();
    assert_eq!(house.get("/v1.41/containers/json").reason(), "engine_unavailable");
    let intents = house.broker.intents_within(3);
    let last = intents.last().unwrap();
    let told = house.broker.outcome(&last.request);
    assert_eq!(told.status, 503, "it was let through, and its record says how it ended: {told:?}");
}

#[test]
fn an_engine_of_another_version_is_asked_again() {
    let version = Arc::new(AtomicBool::new(false));
    let newer = Arc::clone(&version);
    let engine = FakeEngine::start(move |_, stream| {
        let says = if newer.load(Ordering::SeqCst) { "1.40" } else { "1.41" };
        let head = format!("HTTP/1.1 200 OK\r\nApi-Version: {says}\r\nContent-Type: application/json");
        drop(stream.write_all(format!("{head}\r\nContent-Length: 2\r\n\r\n[]").as_bytes()));
    });
    let house = House::with(&engine.path());
    let asked = || engine.heads().iter().filter(|head| head.starts_with("GET /version ")).count();
    for _ in 0..3 {
        house.get("/v1.40/containers/json");
    }
    // What the operator is told of the engine is asked for, too, once at the start.
    let before = asked();
    assert!(before <= 2, "once is enough for an engine that stays what it is: {before}");
    version.store(true, Ordering::SeqCst);
    house.get("/v1.40/containers/json");
    house.get("/v1.40/containers/json");
    assert!(asked() > before);
}

#[test]
fn the_engine_gets_nothing_that_the_worker_wrote_itself() {
    let engine = FakeEngine::start(|_, stream| drop(stream.write_all(&answered("200 OK", "[]"))));
    let house = House::with(&engine.path());
    let mut stream = connect(&house.socket());
    let head = "GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: worker-host\r\nX-Registry-Auth: c2VjcmV0\r\n\
                User-Agent: worker-agent\r\nCookie: x\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream).status, 200);
    let asked = engine.heads();
    let last = asked.last().unwrap().to_ascii_lowercase();
    assert!(last.contains("host: docker") && last.contains("user-agent: doorward"), "{last}");
    for word in ["worker-host", "c2VjcmV0", "worker-agent", "Cookie"] {
        assert!(!asked.iter().any(|head| head.contains(word)), "{word} in {asked:?}");
    }
}

#[test]
fn answers_that_cannot_be_read_are_not_passed_on() {
    let garbled: &[(&str, &'static [u8])] = &[
        ("no http", b"hello\r\n\r\n"),
        ("nothing", b""),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-"),
        ("half a body", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n["),
        ("no json", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n[{]}("),
        (
            "other json",
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"a\":null}",
        ),
        ("an upgrade", b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"),
    ];
    for (what, bytes) in garbled {
        let engine = FakeEngine::start(move |_, stream| drop(stream.write_all(bytes)));
        let house = House::with(&engine.path());
        let answer = house.get("/v1.41/containers/json");
        assert!(answer.status >= 500, "{what}: {answer:?}");
        assert!(answer.json()["message"].as_str().unwrap().starts_with("doorward: refused"), "{what}");
    }
}

#[test]
fn an_endless_answer_is_given_up_and_costs_no_more_than_its_bound() {
    let engine = FakeEngine::start(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n["));
        let piece = vec![b' '; 1 << 20];
        while stream.write_all(&piece).is_ok() {}
    });
    let house = House::with(&engine.path());
    let answer = house.get("/v1.41/containers/json");
    assert_eq!((answer.status, answer.reason().as_str()), (503, "engine_unavailable"));
}

#[test]
fn a_slow_engine_is_given_up_and_its_connection_closed() {
    let (closed, seen) = mpsc::channel();
    let engine = FakeEngine::start(move |_, stream| {
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        let _ = closed.send(());
    });
    let house = House::patient(&engine.path(), Duration::from_millis(300));
    let answer = house.get("/v1.41/containers/json");
    assert_eq!((answer.status, answer.reason().as_str()), (503, "engine_unavailable"));
    seen.recv_timeout(Duration::from_secs(20)).expect("the engine sees the connection end");
}

#[test]
fn a_worker_that_goes_away_ends_its_connection_to_the_engine() {
    let (closed, seen) = mpsc::channel();
    let engine = FakeEngine::start(move |_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"));
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        let _ = closed.send(());
    });
    let house = House::with(&engine.path());
    let mut stream = connect(&house.socket());
    let target = "/v1.41/images/create?fromImage=library-of-nobody%2Fx&tag=1";
    stream
        .write_all(format!("POST {target} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").as_bytes())
        .unwrap();
    assert_eq!(read_head(&mut stream).0, 200);
    assert_eq!(read_chunk(&mut stream).unwrap(), b"{}", "pieces come as they come");
    // Unread bytes on the way must not hide that the worker is gone.
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
    drop(stream);
    seen.recv_timeout(Duration::from_secs(20)).expect("the engine sees the connection end");
    let pull = house.broker.intent(|intent| intent.target == target);
    assert!(pull.durable);
    let ended = house.broker.outcome(&pull.request);
    assert_eq!(
        (ended.truncated, ended.bytes, ended.error.as_deref()),
        (true, 2, Some("the worker went away"))
    );
}

#[test]
fn a_stream_waits_for_its_reader() {
    const PIECES: usize = 512;
    let written = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let (stalled, on_stall) = mpsc::channel();
    let engine = FakeEngine::start(move |_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let piece = vec![b'x'; 64 << 10];
        let mut told = false;
        while counted.load(Ordering::SeqCst) < PIECES {
            match stream.write(&piece) {
                Ok(length) if length == piece.len() => {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                Ok(_) | Err(_) if !told => {
                    told = true;
                    let _ = stalled.send(());
                    stream.set_write_timeout(None).unwrap();
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    let house = House::with(&engine.path());
    let mut stream = connect(&house.socket());
    let target = "/v1.41/images/create?fromImage=library-of-nobody%2Fx&tag=1";
    let head = format!("POST {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    on_stall.recv_timeout(Duration::from_secs(20)).expect("the engine has to wait");
    let before = written.load(Ordering::SeqCst);
    assert!(before < PIECES / 8, "{before} pieces of {PIECES} are on their way");
    let answer = read_answer(&mut stream);
    assert!(answer.body.len() >= (PIECES - 1) * (64 << 10), "all of it comes: {}", answer.body.len());
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let engine = FakeEngine::start(|_, stream| drop(stream.write_all(&answered("200 OK", "[]"))));
    let broker = FakeBroker::start(&policy(&engine.path()).replace("\"pull\"", "\"run\""), &[WORKER]);
    let timings = Timings { body: Duration::from_millis(200), ..Timings::default() };
    let _proxy = ServedProxy::with(&broker.path(), timings);
    let mut stream = connect(&broker.worker_socket(WORKER));
    let head = "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = read_answer(&mut stream);
    assert_eq!((answer.status, answer.reason().as_str()), (400, "bad_request"));
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let engine = FakeEngine::start(|_, stream| drop(stream.write_all(&answered("200 OK", "[]"))));
    let broker = FakeBroker::start(&policy(&engine.path()), &[WORKER]);
    let timings = Timings { head: Duration::from_millis(200), ..Timings::default() };
    let _proxy = ServedProxy::with(&broker.path(), timings);
    let mut stream = connect(&broker.worker_socket(WORKER));
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost").unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).unwrap();
    assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn over_its_limit_a_worker_is_told_when_to_try_again() {
    let engine = FakeEngine::start(|_, stream| drop(stream.write_all(&answered("200 OK", "[]"))));
    let house = House::with(&engine.path());
    let answers: Vec<_> = (0..60).map(|_| house.get("/v1.41/containers/json")).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!((10..=20).contains(&refused.len()), "40 a minute: {} of 60 are refused", refused.len());
    assert_eq!(refused[0].reason(), "rate_limited");
    assert!(refused[0].json()["doorward"]["nearest"].as_str().unwrap().contains("try again in"));
}

#[test]
fn without_a_broker_nothing_is_done_and_with_it_the_new_policy_holds() {
    let engine = FakeEngine::start(|_, stream| drop(stream.write_all(&answered("200 OK", "[]"))));
    let house = House::with(&engine.path());
    assert_eq!(house.get("/v1.41/containers/json").status, 200);
    let before = engine.heads().len();
    house.broker.vanish();
    let refused = loop {
        let answer = house.get("/v1.41/containers/json");
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((refused.status, refused.reason().as_str()), (503, "broker_unavailable"));
    let after = engine.heads().len();
    assert_eq!(house.get("/v1.41/containers/json").status, 503);
    assert_eq!(engine.heads().len(), after, "nothing is forwarded ({before} before)");

    house.broker.come_back(&policy(&engine.path()).replace("\"ps\", ", ""));
    let denied = loop {
        let answer = house.get("/v1.41/containers/json");
        if answer.status != 503 {
            break answer;
        }
    };
    assert_eq!((denied.status, denied.reason().as_str()), (403, "verb_not_allowed"));
}

#[test]
fn a_new_policy_without_the_worker_ends_its_streams() {
    let engine = FakeEngine::start(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"));
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let house = House::with(&engine.path());
    let mut stream = connect(&house.socket());
    let head = "POST /v1.41/images/create?fromImage=library-of-nobody%2Fx&tag=1 HTTP/1.1\r\nHost: d\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_head(&mut stream).0, 200);
    house.broker.vanish();
    house.broker.come_back(&policy(&engine.path()).replace(&format!("worker.{WORKER}"), "worker.other"));
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
    assert_eq!(rest, b"2\r\n{}\r\n", "the stream is cut, not ended");
}

#[test]
fn a_first_policy_that_does_not_load_ends_the_service_with_words() {
    let broker = FakeBroker::start("version = 1\nworkers = 3\n", &[WORKER]);
    let ended = ServedProxy::start(&broker.path()).ended();
    assert!(matches!(&ended, Err(ProxyError::Welcome(_))), "{ended:?}");
    assert!(ended.unwrap_err().to_string().contains("the policy does not load"));
}

#[test]
fn a_later_policy_that_does_not_load_leaves_the_last_one_in_force() {
    let engine = FakeEngine::start(|_, stream| drop(stream.write_all(&answered("200 OK", "[]"))));
    let house = House::with(&engine.path());
    assert_eq!(house.get("/v1.41/containers/json").status, 200);
    house.broker.vanish();
    house.broker.come_back("version = 1\nworkers = 3\n");
    let answer = loop {
        let answer = house.get("/v1.41/containers/json");
        if answer.status != 503 {
            break answer;
        }
    };
    assert_eq!(answer.status, 200);
}

/// An engine that makes something else than it was asked for, and waits for `go` before it says that it did.
fn deceiving_engine(go: mpsc::Receiver<()>) -> (FakeEngine, mpsc::Receiver<String>) {
    const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let (removed, removals) = mpsc::channel();
    let go = std::sync::Mutex::new(go);
    let engine = FakeEngine::keeping(move |line, stream| {
        let answer = if line.starts_with("GET /v1.41/images/") {
            let image =
                format!(r#"{{"Id":"sha256:{ID}","RepoTags":["library-of-nobody/x:1"],"Config":{{}}}}"#);
            answered("200 OK", &image)
        } else if line.starts_with("GET /v1.41/containers/json") {
            answered("200 OK", "[]")
        } else if line.starts_with("POST /v1.41/containers/create") {
            go.lock().unwrap().recv_timeout(Duration::from_secs(20)).unwrap();
            answered("201 Created", &format!(r#"{{"Id":"{ID}","Warnings":[]}}"#))
        } else if line.starts_with("DELETE ") {
            removed.send(line.to_owned()).unwrap();
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
        } else {
            answered(
                "200 OK",
                &format!(r#"{{"Id":"{ID}","HostConfig":{{"Privileged":true}},"Config":{{}}}}"#),
            )
        };
        drop(stream.write_all(&answer));
    });
    (engine, removals)
}

const CREATE: &str = r#"{"Image":"library-of-nobody/x:1","Cmd":["true"]}"#;
const REMOVAL: &str =
    "DELETE /v1.41/containers/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?force=1&v=1 ";

#[test]
fn what_differs_from_what_was_approved_is_removed_before_it_is_answered() {
    let (go, gone) = mpsc::channel();
    let (engine, removals) = deceiving_engine(gone);
    let broker = FakeBroker::start(&policy(&engine.path()).replace("\"pull\"", "\"run\""), &[WORKER]);
    let _proxy = ServedProxy::start(&broker.path());
    go.send(()).unwrap();
    let answer = ask(&broker.worker_socket(WORKER), "POST", "/v1.41/containers/create", CREATE);
    assert_eq!((answer.status, answer.reason().as_str()), (500, "engine_mismatch"));
    assert!(removals.try_recv().unwrap().starts_with(REMOVAL), "it is gone when the answer is there");
    let create = broker.intent(|intent| intent.target.contains("/create"));
    let ended = broker.outcome(&create.request);
    assert_eq!(ended.status, 500);
    assert!(ended.error.unwrap().starts_with("engine_mismatch: "));
}

#[test]
fn a_create_is_compared_also_when_its_worker_is_gone() {
    let (go, gone) = mpsc::channel();
    let (engine, removals) = deceiving_engine(gone);
    let broker = FakeBroker::start(&policy(&engine.path()).replace("\"pull\"", "\"run\""), &[WORKER]);
    let _proxy = ServedProxy::start(&broker.path());
    let mut stream = connect(&broker.worker_socket(WORKER));
    let head = "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{CREATE}", CREATE.len());
    stream.write_all(request.as_bytes()).unwrap();
    let create = broker.intent(|intent| intent.target.contains("/create"));
    assert!(create.allow && create.durable, "{create:?}");
    drop(stream);
    go.send(()).unwrap();
    let removal = removals.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(removal.starts_with(REMOVAL), "{removal}");
    assert_eq!(broker.outcome(&create.request).status, 500);
}

#[test]
fn creates_that_come_at_once_do_not_all_count_the_same() {
    const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let engine = FakeEngine::keeping(move |line, stream| {
        let answer = if line.starts_with("GET /v1.41/images/") {
            let image =
                format!(r#"{{"Id":"sha256:{ID}","RepoTags":["library-of-nobody/x:1"],"Config":{{}}}}"#);
            answered("200 OK", &image)
        } else if line.starts_with("GET /v1.41/containers/json") {
            let list = vec!["{}"; counted.load(Ordering::SeqCst)].join(",");
            answered("200 OK", &format!("[{list}]"))
        } else if line.starts_with("POST /v1.41/containers/create") {
            std::thread::sleep(Duration::from_millis(100));
            counted.fetch_add(1, Ordering::SeqCst);
            answered("201 Created", &format!(r#"{{"Id":"{ID}","Warnings":[]}}"#))
        } else {
            answered("200 OK", &format!(r#"{{"Id":"{ID}","HostConfig":{{}},"Config":{{}}}}"#))
        };
        drop(stream.write_all(&answer));
    });
    let policy =
        policy(&engine.path()).replace("\"pull\"", "\"run\"") + "[role.looks.docker.run]\ncount = 2\n";
    let broker = FakeBroker::start(&policy, &[WORKER]);
    let _proxy = ServedProxy::start(&broker.path());
    let socket = broker.worker_socket(WORKER);
    let at_once: Vec<_> = (0..8)
        .map(|_| {
            let socket = socket.clone();
            std::thread::spawn(move || ask(&socket, "POST", "/v1.41/containers/create", CREATE).reason())
        })
        .collect();
    let reasons: Vec<_> = at_once.into_iter().map(|asking| asking.join().unwrap()).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "quota_reached").count(), 6, "{reasons:?}");
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[test]
fn any_bytes_get_an_answer_or_an_end_and_change_nothing() {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    let engine = FakeEngine::keeping(|_, stream| drop(stream.write_all(&answered("200 OK", "[]"))));
    let allowed = policy(&engine.path()).replace("\"pull\"", "\"run\"").replace("40", "100000");
    let broker = FakeBroker::start(&allowed, &[WORKER]);
    let brief = Duration::from_millis(100);
    let _proxy =
        ServedProxy::with(&broker.path(), Timings { head: brief, body: brief, ..Timings::default() });
    let socket = broker.worker_socket(WORKER);
    let body = r#"{"Image":"library-of-nobody/x:1","HostConfig":{"Privileged":true,"Binds":["/:/h"]}}"#;
    let head = "POST /v1.41/containers/create?name=x HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let length = request.len();
    let noise = proptest::collection::vec(any::<u8>(), 0..300);
    let near = proptest::collection::vec((0..length, any::<u8>()), 1..4).prop_map(move |changes| {
        let mut bytes = request.clone();
        for (place, value) in changes {
            bytes[place] = value;
        }
        bytes
    });
    let answers = std::cell::Cell::new(0);
    let say = |bytes: &[u8], end: bool| {
        let mut stream = connect(&socket);
        // The proxy may have said its last word before all is sent.
        drop(stream.write_all(bytes));
        if end {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut told = Vec::new();
        drop(stream.read_to_end(&mut told));
        let text = String::from_utf8_lossy(&told);
        prop_assert!(text.is_empty() || text.starts_with("HTTP/1."), "{text}");
        prop_assert!(!text.starts_with("HTTP/1.1 2"), "{text}");
        answers.set(answers.get() + u32::from(!text.is_empty()));
        Ok(())
    };
    TestRunner::default().run(&noise, |bytes| say(&bytes, true)).unwrap();
    answers.set(0);
    TestRunner::default().run(&near, |bytes| say(&bytes, false)).unwrap();
    assert!(answers.get() > 128, "most of what is nearly right is answered: {}", answers.get());
    assert!(engine.heads().iter().all(|head| head.starts_with("GET ")), "{:?}", engine.heads());
    assert_eq!(ask(&socket, "GET", "/v1.41/containers/json", "").status, 200, "it still serves");
}
