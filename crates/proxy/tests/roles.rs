//! A worker of two roles: what one of them made stays within that one, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use serde_json::{Value, json};
use support::ServedProxy;
use support::bench::{Bench, engine, text};

fn inspected(name: &str) -> Value {
    let output = engine(&["container", "inspect", name]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list[0].clone()
}

/// A worker of `bench`, which binds a folder of the host, and of `serve`, which has another image, more memory and
/// a network of the operator's.
fn bench() -> Bench {
    let serve = r#"
binds = [{ host = "/usr/share/doc", at = "/docs", mode = "ro" }]
[role.serve]
about = "Servers."
[role.serve.docker]
verbs = ["run", "start", "restart", "update"]
containers = ["own"]
images = ["WORKER-other:latest"]
networks = ["own", "WORKER-outside"]
[role.serve.docker.run]
memory = "512MiB"
pids = 256
"#;
    let mut bench = Bench::of_roles(&["bench", "serve"], serve);
    bench.proxy = Some(ServedProxy::start(&bench.broker.path()));
    let made = engine(&["network", "create", "--internal", &bench.name("outside")]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    bench
}

/// A second name for the worker's image; taken away again when dropped.
struct Tag(String);

impl Tag {
    fn of(bench: &Bench) -> Tag {
        let name = bench.name("other:latest");
        assert!(engine(&["tag", &bench.image, &name]).status.success());
        Tag(name)
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        drop(engine(&["rmi", &self.0]));
    }
}

#[test]
fn a_folder_of_one_role_does_not_meet_the_network_of_another() {
    let bench = bench();
    let (name, outside) = (bench.name("bound"), bench.name("outside"));
    let bind = "/usr/share/doc:/docs:ro";
    bench.ok(&["run", "-d", "--name", &name, "-v", bind, &bench.image, "sleep", "600"]);
    let before = inspected(&name)["NetworkSettings"]["Networks"].clone();
    let told = bench.refused(&["network", "connect", &outside, &name]);
    assert!(told.contains("object_not_allowed"), "{told}");
    assert_eq!(inspected(&name)["NetworkSettings"]["Networks"], before);
    // The role that has the network connects what it made itself.
    let other = Tag::of(&bench);
    let serving = bench.name("serving");
    let own = bench.name("net");
    bench.ok(&["network", "create", &own]);
    bench.ok(&["run", "-d", "--name", &serving, "--network", &own, &other.0, "sleep", "600"]);
    bench.ok(&["network", "connect", &outside, &serving]);
    let networks = inspected(&serving)["NetworkSettings"]["Networks"].clone();
    assert!(networks[&outside].is_object() && networks[&own].is_object(), "{networks}");
    bench.ok(&["restart", "-t", "0", &serving]);
}

#[test]
fn the_image_of_one_role_does_not_get_the_memory_of_another() {
    let bench = bench();
    let name = bench.name("c");
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sleep", "600"]);
    let told = bench.refused(&["update", "--memory", "512m", &name]);
    assert!(told.contains("field_not_allowed"), "{told}");
    assert_eq!(inspected(&name)["HostConfig"]["Memory"], json!(256 << 20));
    let other = Tag::of(&bench);
    let serving = bench.name("serving");
    bench.ok(&["run", "-d", "--name", &serving, "--memory", "256m", &other.0, "sleep", "600"]);
    bench.ok(&["update", "--memory", "512m", &serving]);
    assert_eq!(inspected(&serving)["HostConfig"]["Memory"], json!(512 << 20));
}
