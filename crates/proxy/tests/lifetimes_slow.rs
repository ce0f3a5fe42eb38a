//! Stops that take long, on a stand-in for an engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_proxy::Timings;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::ServedProxy;
use support::fake_broker::FakeBroker;
use support::fake_engine::{FakeEngine, answered};

const POLICY: &str = r#"
[worker.hermes]
user = "nobody"
roles = ["bench"]
[role.bench]
about = "Containers for an hour."
[role.bench.docker]
verbs = ["run"]
containers = ["own"]
images = ["busybox:*"]
[role.bench.docker.run]
lifetime = "1h"
"#;

fn id(number: usize) -> String {
    format!("{number:064x}")
}

fn entry(id: &str) -> Value {
    json!({"Id": id, "Names": [format!("/{id}")], "ImageID": "sha256:1", "State": "running", "Created": 1,
        "Labels": {"doorward.worker": "hermes", "doorward.role": "bench", "doorward.from": "sha256:1"}})
}

/// An engine whose containers run since 1970. Those that `hang` says never answer a stop.
struct Scene {
    engine: FakeEngine,
    broker: FakeBroker,
    _proxy: ServedProxy,
}

impl Scene {
    fn of(number: usize, hang: impl Fn(&str) -> bool + Send + Sync + 'static) -> Scene {
        let running: BTreeSet<String> = (0..number).map(id).collect();
        let running = Arc::new(Mutex::new(running));
        let engine = FakeEngine::start(move |line, stream| {
            let target = line.split(' ').nth(1).unwrap_or_default();
            let about = target.split('/').nth(3).unwrap_or_default().to_owned();
            let answer = if target.contains("/containers/json") {
                let list: Vec<Value> = running.lock().unwrap().iter().map(|id| entry(id)).collect();
                answered("200 OK", &Value::from(list).to_string())
            } else if target.ends_with("/update") {
                answered("200 OK", "{}")
            } else if hang(&about) {
                std::thread::sleep(Duration::from_secs(3600));
                return;
            } else {
                running.lock().unwrap().remove(&about);
                b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
            };
            drop(stream.write_all(&answer));
        });
        let socket = engine.path().display().to_string();
        let policy = format!("version = 1\n[engine]\nsocket = \"{socket}\"\n{POLICY}");
        let broker = FakeBroker::start(&policy, &["hermes"]);
        let timings = Timings { lifetimes: Duration::from_millis(50), ..Timings::default() };
        let proxy = ServedProxy::with(&broker.path(), timings);
        Scene { engine, broker, _proxy: proxy }
    }

    /// The containers whose stop was asked for, once for each time.
    fn stops(&self) -> Vec<String> {
        let heads = self.engine.heads();
        let stop = |head: &String| Some(head.split_once("/stop?")?.0.rsplit_once('/')?.1.to_owned());
        heads.iter().filter_map(stop).collect()
    }

    fn wait_for_stops(&self, number: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.stops().len() < number {
            assert!(Instant::now() < end, "{:?}", self.stops());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_container_that_is_slow_to_end_keeps_no_other_from_its_end() {
    let scene = Scene::of(4, |about| about == id(0));
    scene.wait_for_stops(4);
    std::thread::sleep(Duration::from_millis(500));
    let mut stops = scene.stops();
    stops.sort();
    assert_eq!(stops, (0..4).map(id).collect::<Vec<_>>(), "each once, the slow one too");
    for number in 1..4 {
        let intent = scene.broker.intent(|intent| intent.target.contains(&format!("{}/stop", id(number))));
        assert_eq!(scene.broker.outcome(&intent.request).status, 204);
        assert_eq!(intent.operation["weaker"], json!(["the proxy is not closed in"]));
    }
}

#[test]
fn only_so_many_containers_are_stopped_at_one_time() {
    let scene = Scene::of(40, |_| true);
    scene.wait_for_stops(16);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(scene.stops().into_iter().collect::<BTreeSet<_>>().len(), 16);
    assert_eq!(scene.stops().len(), 16);
}
