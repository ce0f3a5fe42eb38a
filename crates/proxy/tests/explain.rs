//! What `explain` says of a request is what the served proxy says to it, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_policy::Reason;
use doorward_proxy::{Explained, Said};
use serde_json::{Value, json};
use std::io::Write;
use std::net::Shutdown;
use support::bench::{Bench, engine, engine_lines, text};
use support::explained::{Explainer, is_no_request};
use support::http;

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: docker\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn json_request(method: &str, target: &str, body: &Value) -> Vec<u8> {
    request(method, target, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

fn explainer(bench: &Bench) -> Explainer {
    Explainer::new(&bench.policy(), &bench.worker)
}

/// Where the proxy says something else to the bytes than was explained.
fn difference(bench: &Bench, bytes: &[u8]) -> Option<String> {
    // Dropped last: to one that is gone the proxy need not say anything any more.
    let mut stream = http::connect(&bench.socket());
    explainer(bench).difference(&bench.broker, bytes, |explained| {
        // A proxy that refuses early does not read to the end.
        drop(stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write)));
        let answered = explained.iter().take_while(|one| !is_no_request(&one.said));
        answered.map(|_| http::read_answer(&mut stream).body).collect()
    })
}

#[test]
fn the_verdict_is_the_proxys_with_all_that_it_says() {
    let bench = Bench::start();
    let (own, foreign) = (bench.name("own"), bench.name("foreign"));
    bench.ok(&["run", "-d", "--name", &own, &bench.image, "sleep", "600"]);
    let made = engine(&["create", "--name", &foreign, &bench.image, "true"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let create = |host: Value| {
        let body = json!({"Image": bench.image, "Cmd": ["true"], "HostConfig": host});
        json_request("POST", "/v1.41/containers/create", &body)
    };
    let on = |method: &str, name: &str, act: &str| {
        request(method, &format!("/v1.41/containers/{name}/{act}"), &[], b"")
    };
    let driver = json!({"Mounts": [{"Type": "volume", "Target": "/x", "Source": "s",
        "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"device": "/"}}}}]});
    let cases = [
        ("a ping", request("GET", "/_ping", &[], b"")),
        ("a list", request("GET", "/v1.41/containers/json?all=1", &[], b"")),
        ("an own container", on("GET", &own, "json")),
        ("an absent one", on("GET", "nobody-has-this", "json")),
        ("a foreign one", on("GET", &foreign, "json")),
        ("a start of a foreign one", on("POST", &foreign, "start")),
        ("a plain create", create(json!({}))),
        ("a privileged one", create(json!({"Privileged": true}))),
        ("a bind", create(json!({"Binds": ["/:/h"]}))),
        ("a driver's options", create(driver)),
        (
            "an endpoint whose verb no role grants",
            request("POST", "/v1.41/containers/x/rename?name=y", &[], b""),
        ),
        ("a refused family", request("GET", "/v1.41/swarm", &[], b"")),
        ("no endpoint", request("GET", "/v1.41/nothing", &[], b"")),
        ("a body too many", json_request("POST", &format!("/v1.41/containers/{own}/start"), &json!({}))),
        (
            "both framings",
            request("POST", "/v1.41/containers/create", &[("Transfer-Encoding", "chunked")], b"{}"),
        ),
        ("a preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        (
            "several",
            [on("GET", &own, "json"), create(json!({"Privileged": true})), b"?\r\n\r\n".to_vec()].concat(),
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(what, bytes)| Some(format!("{what}: {}", difference(&bench, bytes)?)))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    drop(engine(&["rm", "-f", &own]));
}

#[test]
fn a_refusal_names_the_offending_field_also_in_the_engines_error() {
    let bench = Bench::start();
    let body = json!({"Image": bench.image, "HostConfig": {"Mounts": [{"Type": "volume", "Target": "/x",
        "Source": "s", "VolumeOptions": {"DriverConfig": {"Name": "elsewhere"}}}]}});
    let bytes = json_request("POST", "/v1.41/containers/create", &body);
    let Said::Deny(refusal) = explainer(&bench).explained(&bytes).remove(0).said else { panic!() };
    assert_eq!(refusal.reason, Reason::FieldNotAllowed);
    let path = refusal.path.unwrap();
    assert!(path.starts_with("HostConfig.Mounts[0].VolumeOptions.DriverConfig"), "{path}");
    let told = http::say(&bench.socket(), &bytes).json();
    assert!(told["message"].as_str().unwrap().contains(&path), "{told}");
    assert_eq!(told["doorward"]["path"], json!(path));
}

#[test]
fn explaining_makes_nothing_and_records_nothing() {
    let bench = Bench::start();
    let name = bench.name("never");
    let body = json!({"Image": bench.image, "Cmd": ["true"]});
    let target = format!("/v1.41/containers/create?name={name}");
    let said = explainer(&bench).explained(&json_request("POST", &target, &body)).remove(0).said;
    assert!(matches!(&said, Said::Allow(rule) if rule == "bench.docker.run"), "{said:?}");
    let volume = json_request("POST", "/v1.41/volumes/create", &json!({"Name": name}));
    let said = explainer(&bench).explained(&volume).remove(0).said;
    assert!(matches!(said, Said::Allow(_)), "{said:?}");
    assert_eq!(engine_lines(&["ps", "-aq", "--filter", &format!("name={name}")]), [""; 0]);
    assert_eq!(engine_lines(&["volume", "ls", "-q", "--filter", &format!("name={name}")]), [""; 0]);
    assert_eq!(bench.broker.intents().len(), 0);
}

#[test]
fn without_an_engine_it_is_judged_as_if_there_were_no_objects_and_says_so() {
    let text = "version = 1\n[engine]\nsocket = \"/nowhere/docker.sock\"\n[worker.w]\nuser = \"nobody\"\nroles = [\"r\"]\n\
                [role.r]\nabout = \"x\"\n[role.r.docker]\nverbs = [\"run\", \"inspect\"]\ncontainers = [\"own\"]\n\
                images = [\"busybox:*\"]\n";
    let explainer = Explainer::new(text, "w");
    let said = |bytes: &[u8]| explainer.explained(bytes).remove(0);
    let privileged = json!({"Image": "busybox", "HostConfig": {"Privileged": true}});
    let refused = said(&json_request("POST", "/v1.41/containers/create", &privileged));
    let Said::Deny(refusal) = &refused.said else { panic!("{refused:?}") };
    assert_eq!(refusal.path.as_deref(), Some("HostConfig.Privileged"));
    assert_eq!(refused.unknown.len(), 1, "{refused:?}");
    let absent = said(&request("GET", "/v1.41/containers/c/json", &[], b""));
    assert!(matches!(&absent.said, Said::Absent(words) if words == "No such container: c"), "{absent:?}");
    assert!(absent.unknown[0].contains("engine does not answer"));
}

#[test]
fn bytes_that_hold_no_request_are_refused() {
    let explainer = Explainer::new("version = 1\n[worker.w]\nuser = \"nobody\"\nroles = []\n", "w");
    for bytes in [&b""[..], b"GET /_pi", b"\x16\x03\x01", b"GET\r\n\r\n"] {
        let explained = explainer.explained(bytes);
        let [Explained { said: Said::Deny(refusal), .. }] = explained.as_slice() else {
            panic!("{explained:?}")
        };
        assert_eq!(refusal.reason, Reason::BadRequest, "{bytes:?}");
    }
}
