//! Every request that was let through is told to its end, whenever its worker goes away; and what is written down of
//! one is small. The engine here is a stand-in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::ServedProxy;
use support::fake_broker::FakeBroker;
use support::fake_engine::{FakeEngine, answered};
use support::http::{ask, connect};

const WORKER: &str = "ends";
const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// One of each way that a request is recorded and answered.
const REQUESTS: [&str; 7] = [
    "GET /v1.41/containers/json",
    "GET /v1.41/containers/x/logs?stdout=1",
    "POST /v1.41/containers/x/attach?stream=1&stdout=1",
    "POST /v1.41/containers/x/wait",
    "POST /v1.41/images/create?fromImage=library-of-nobody%2Fx&tag=1",
    "POST /v1.41/containers/x/kill",
    "GET /v1.41/containers/absent/json",
];

fn policy(engine: &Path) -> String {
    format!(
        r#"version = 1
[engine]
socket = "{}"
[worker.{WORKER}]
user = "nobody"
roles = ["bench"]
[worker.{WORKER}.limits]
reads = {{ concurrent = 1000, per_minute = 100000 }}
writes = {{ concurrent = 1000, per_minute = 100000 }}
streams = {{ concurrent = 1000 }}
[role.bench]
about = "For tests."
[role.bench.docker]
verbs = ["ps", "inspect", "logs", "wait", "kill", "pull", "run", "rename", "update"]
containers = ["own"]
images = ["library-of-nobody/*"]
[role.bench.docker.run]
memory = "256MiB"
"#,
        engine.display()
    )
}

struct House {
    broker: FakeBroker,
    _proxy: ServedProxy,
}

impl House {
    fn with(engine: &FakeEngine) -> Self {
        let broker = FakeBroker::start(&policy(&engine.path()), &[WORKER]);
        let proxy = ServedProxy::start(&broker.path());
        House { broker, _proxy: proxy }
    }

    fn socket(&self) -> PathBuf {
        self.broker.worker_socket(WORKER)
    }
}

/// What the engine says of things that exist; `None` for what it is to do.
fn fact(line: &str) -> Option<Vec<u8>> {
    let container = json!({
        "Id": ID, "Name": "/x", "Image": format!("sha256:{ID}"), "HostConfig": {}, "NetworkSettings": {"Networks": {}},
        "Config": {"Labels": {"doorward.worker": WORKER, "doorward.role": "bench", "doorward.from": format!("sha256:{ID}")}},
    });
    let image = json!({"Id": format!("sha256:{ID}"), "RepoTags": ["library-of-nobody/x:1"], "Config": {}});
    if line.contains("/foreign/") {
        let theirs =
            json!({"Id": ID, "Name": "/foreign", "Config": {"Labels": {"doorward.worker": "other"}}});
        return Some(answered("200 OK", &theirs.to_string()));
    }
    if line.contains("/absent/") {
        return Some(answered("404 Not Found", r#"{"message":"no"}"#));
    }
    if line.starts_with("GET /v1.41/containers/x/json") || line.contains(&format!("/{ID}/json")) {
        return Some(answered("200 OK", &container.to_string()));
    }
    line.starts_with("GET /v1.41/images/").then(|| answered("200 OK", &image.to_string()))
}

/// An engine that knows what there is, and never answers anything else.
fn stuck_engine() -> FakeEngine {
    FakeEngine::keeping(|line, stream| match fact(line) {
        Some(answer) => drop(stream.write_all(&answer)),
        None => drop(stream.read_to_end(&mut Vec::new())),
    })
}

fn say(house: &House, request: &str) -> UnixStream {
    let mut stream = connect(&house.socket());
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: d\r\n\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn who_goes_away_while_the_engine_is_silent_leaves_an_end() {
    let engine = stuck_engine();
    let house = House::with(&engine);
    for request in REQUESTS {
        let stream = say(&house, request);
        let target = request.split(' ').nth(1).unwrap();
        let intent = house.broker.intent(|intent| intent.target == target);
        // What changes the host is brought to its end, also when nobody waits for it.
        if !request.contains("/kill") {
            drop(stream);
            let ended = house.broker.outcome(&intent.request);
            let expected = if request.contains("absent") { 404 } else { 0 };
            assert_eq!(ended.status, expected, "{request}: {ended:?}");
        }
    }
}

#[test]
fn who_goes_away_while_the_record_is_written_leaves_an_end() {
    let engine = stuck_engine();
    let house = House::with(&engine);
    assert_eq!(ask(&house.socket(), "GET", "/v1.41/containers/absent/json", "").status, 404);
    let before = house.broker.intent(|_| true);
    house.broker.keep_silent(true);
    for request in REQUESTS.iter().filter(|request| !request.contains("/kill")) {
        let stream = say(&house, request);
        let target = request.split(' ').nth(1).unwrap();
        let intent =
            house.broker.intent(|intent| intent.target == target && intent.request != before.request);
        drop(stream);
        house.broker.outcome(&intent.request);
    }
}

#[test]
fn what_is_foreign_is_answered_as_soon_as_what_is_absent() {
    let engine = stuck_engine();
    let house = House::with(&engine);
    let target = |name: &str| format!("/v1.41/containers/{name}/json");
    assert_eq!(ask(&house.socket(), "GET", &target("absent"), "").status, 404);
    // From now on, whoever waits for a record waits for ever.
    house.broker.keep_silent(true);
    for name in ["absent", "foreign"] {
        assert_eq!(ask(&house.socket(), "GET", &target(name), "").status, 404, "{name}");
    }
    house.broker.intent(|intent| !intent.allow && intent.target == target("foreign"));
}

#[test]
fn who_goes_away_at_any_moment_leaves_an_end() {
    let engine = FakeEngine::keeping(|line, stream| {
        std::thread::sleep(Duration::from_millis(1));
        let answer = fact(line).unwrap_or_else(|| {
            std::thread::sleep(Duration::from_millis(2));
            answered("200 OK", "[]")
        });
        drop(stream.write_all(&answer));
    });
    let house = House::with(&engine);
    let recorded = || house.broker.intents_within(0).iter().filter(|intent| intent.allow).count();
    for round in 0..1000 {
        let streams: Vec<_> = REQUESTS.iter().map(|request| say(&house, request)).collect();
        std::thread::sleep(Duration::from_micros(round % 40 * 500));
        drop(streams);
        if round >= 40 && recorded() > 60 {
            break;
        }
    }
    // All that was under way before this is done or given up when it is answered.
    assert_eq!(ask(&house.socket(), "GET", "/v1.41/containers/json", "").status, 200);
    let intents = house.broker.intents_within(usize::MAX);
    let allowed: Vec<_> = intents.iter().filter(|intent| intent.allow).collect();
    assert!(allowed.len() > 60, "too few got as far as a record: {}", allowed.len());
    for intent in allowed {
        house.broker.outcome(&intent.request);
    }
}

#[test]
fn what_is_written_down_of_a_large_create_is_short_and_everybody_is_still_served() {
    let engine = FakeEngine::keeping(|line, stream| {
        let made = format!(r#"{{"Id":"{ID}","Warnings":[]}}"#);
        let other =
            if line.contains("/create") { answered("201 Created", &made) } else { answered("200 OK", "[]") };
        drop(stream.write_all(&fact(line).unwrap_or(other)));
    });
    let house = House::with(&engine);
    let cmd: Vec<String> = (0..8).map(|n| format!("{n}{}", "\u{1}".repeat(12_000))).collect();
    let body = json!({"Image": "library-of-nobody/x:1", "Cmd": cmd}).to_string();
    assert!(body.len() > 400_000 && body.len() < 1 << 20, "{}", body.len());
    let answer = ask(&house.socket(), "POST", "/v1.41/containers/create", &body);
    // The stand-in's container is not what was approved; that it was compared shows that it went through.
    assert_eq!((answer.status, answer.reason().as_str()), (500, "engine_mismatch"));
    let create = house.broker.intent(|intent| intent.target.contains("/create"));
    assert!(create.operation.to_string().len() < 8192, "{}", create.operation);
    assert!(create.operation["body"]["cut"]["bytes"].as_u64().unwrap() > 400_000, "{}", create.operation);
    assert_eq!(create.body_sha256.unwrap().len(), 64);
    house.broker.outcome(&create.request);
    assert_eq!(ask(&house.socket(), "GET", "/v1.41/containers/json", "").status, 200);
}

#[test]
fn of_bytes_that_are_no_request_little_is_recorded_and_they_count() {
    let engine = stuck_engine();
    let few = policy(&engine.path()).replace("per_minute = 100000", "per_minute = 20");
    let broker = FakeBroker::start(&few, &[WORKER]);
    let _proxy = ServedProxy::start(&broker.path());
    let socket = broker.worker_socket(WORKER);
    let said = |bytes: &[u8]| {
        let mut stream = connect(&socket);
        // The proxy may have said its last word before all is sent.
        drop(stream.write_all(bytes));
        drop(stream.read_to_end(&mut Vec::new()));
    };
    said(b"GET /secret?token=hush x y\r\nX-Registry-Auth: hush\r\n\r\n");
    said(&[b"\x16\x03\x01".as_slice(), &[0xff; 60_000], b"\r\n\r\n"].concat());
    said(format!("GET /{} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n", "a".repeat(30_000)).as_bytes());
    let intents = broker.intents_within(3);
    assert_eq!(intents.len(), 3, "{intents:#?}");
    assert!(!format!("{intents:?}").contains("hush"), "{intents:#?}");
    for intent in &intents {
        let length = intent.operation.to_string().len() + intent.method.len() + intent.target.len();
        assert!(!intent.allow && length < 1500, "{length} bytes: {intent:#?}");
    }
    let begins: Vec<_> = intents.iter().map(|intent| intent.operation["begins"].as_str()).collect();
    assert_eq!(begins[0], Some("GET /secret"), "{intents:#?}");
    for _ in 0..30 {
        said(b"no request\r\n\r\n");
    }
    let intents = broker.intents_within(33);
    let limited = intents.iter().filter(|intent| intent.reason.as_deref() == Some("rate_limited")).count();
    assert_eq!(limited, 13, "20 a minute of 33: {intents:#?}");
}

#[test]
fn while_the_engine_is_away_refusals_count_too() {
    let engine = stuck_engine();
    let few = policy(&engine.path()).replace("per_minute = 100000", "per_minute = 5");
    let broker = FakeBroker::start(&few, &[WORKER]);
    engine.vanish();
    let _proxy = ServedProxy::start(&broker.path());
    let reasons: Vec<_> = (0..8)
        .map(|_| ask(&broker.worker_socket(WORKER), "GET", "/v1.41/containers/json", "").reason())
        .collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "rate_limited").count(), 3, "{reasons:?}");
}

#[test]
fn what_is_judged_by_what_exists_takes_turns() {
    let busy = Arc::new(AtomicBool::new(false));
    let overlaps = Arc::new(Mutex::new(Vec::new()));
    let (looked, seen) = (Arc::clone(&busy), Arc::clone(&overlaps));
    let engine = FakeEngine::keeping(move |line, stream| {
        let acts = line.starts_with("POST ") || line.starts_with("DELETE ");
        // From the first question about the container to the act, no other request asks.
        if line.starts_with("GET /v1.41/containers/x/json") && looked.swap(true, Ordering::SeqCst) {
            seen.lock().unwrap().push(line.to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
        if acts {
            looked.store(false, Ordering::SeqCst);
        }
        let other = if acts { answered("200 OK", "{}") } else { answered("200 OK", "[]") };
        drop(stream.write_all(&fact(line).unwrap_or(other)));
    });
    let house = House::with(&engine);
    let socket = house.socket();
    let at_once: Vec<_> = (0..8)
        .map(|number| {
            let socket = socket.clone();
            std::thread::spawn(move || {
                let target = format!("/v1.41/containers/x/rename?name={WORKER}-{number}");
                ask(&socket, "POST", &target, "").status
            })
        })
        .collect();
    let statuses: Vec<_> = at_once.into_iter().map(|asking| asking.join().unwrap()).collect();
    assert_eq!(statuses, [200; 8]);
    assert_eq!(*overlaps.lock().unwrap(), Vec::<String>::new());
}
