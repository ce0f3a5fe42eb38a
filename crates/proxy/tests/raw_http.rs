//! Raw bytes on a worker's socket, on the real engine.
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
use std::os::unix::process::CommandExt;
use std::process::Command;
use support::bench::{Bench, engine, engine_lines, text};
use support::http::{self, ask, connect, read_answer, read_head, say};

#[test]
fn ping_tells_the_version_and_keeps_clients_from_buildkit() {
    let bench = Bench::start();
    let answer = bench.ask("HEAD", "/_ping", "");
    assert_eq!((answer.status, answer.header("api-version")), (200, Some("1.41")));
    assert_eq!(answer.header("builder-version"), Some("1"));
    assert_eq!(answer.header("ostype"), Some("linux"));
    assert_eq!(answer.header("server"), Some("doorward"));
    assert_eq!(answer.header("swarm"), None);
    assert_eq!(bench.ask("GET", "/_ping", "").body, b"OK");
}

#[test]
fn every_pipelined_request_has_a_verdict_and_a_record_of_its_own() {
    let bench = Bench::start();
    let mut stream = connect(&bench.socket());
    let body = json!({"Image": bench.image, "HostConfig": {"Privileged": true}}).to_string();
    let length = body.len();
    let create = format!(
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let bytes = format!(
        "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n{create}GET /v1.41/version HTTP/1.1\r\nHost: d\r\n\r\n"
    );
    stream.write_all(bytes.as_bytes()).unwrap();
    let statuses: Vec<_> = (0..3).map(|_| read_answer(&mut stream).status).collect();
    assert_eq!(statuses, [200, 403, 200]);
    let intents = bench.broker.intents_within(3);
    assert_eq!(intents.iter().map(|intent| intent.allow).collect::<Vec<_>>(), [true, false, true]);
    assert!(intents.iter().all(|intent| intent.session == intents[0].session), "one connection, one session");
}

#[test]
fn a_request_that_asks_for_an_upgrade_gets_no_tunnel_unless_the_engine_gives_one() {
    let bench = Bench::start();
    let mut stream = connect(&bench.socket());
    let missing = "0".repeat(64);
    let smuggled = format!(
        "POST /v1.41/exec/{missing}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: 29\r\n\r\n{{\"Detach\":false,\"Tty\":false}}\n\
         GET /v1.41/info HTTP/1.1\r\nHost: d\r\n\r\n"
    );
    stream.write_all(smuggled.as_bytes()).unwrap();
    let first = read_answer(&mut stream);
    assert!(matches!(first.status, 403 | 404), "{first:?}");
    // What follows is read as a request of its own, if the connection goes on at all.
    bench.broker.intent(|intent| intent.target.contains("/exec/"));
    assert!(bench.broker.intents().iter().all(|intent| intent.allow == intent.target.ends_with("/info")));
}

#[test]
fn bytes_that_a_worker_sends_early_are_not_lost() {
    let bench = Bench::with("stdin = true");
    let body = json!({
        "Image": bench.image, "Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true,
        "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
    });
    let made = bench.ask("POST", "/v1.41/containers/create", &body.to_string());
    assert_eq!(made.status, 201, "{:?}", text(&made.body));
    let id = made.json()["Id"].as_str().unwrap().to_owned();
    let mut stream = connect(&bench.socket());
    let attach = format!(
        "POST /v1.41/containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\nearly"
    );
    stream.write_all(attach.as_bytes()).unwrap();
    let (status, headers) = read_head(&mut stream);
    assert_eq!(status, 101, "{headers:?}");
    let started = bench.ask("POST", &format!("/v1.41/containers/{id}/start"), "");
    assert_eq!(started.status, 204);
    stream.write_all(b" and late").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    let mut words = String::new();
    while let Some(&[_, _, _, _, a, b, c, d]) = said.first_chunk::<8>() {
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap();
        words += &text(&said[8..8 + length]);
        said.drain(..8 + length);
    }
    assert_eq!(words, "early and late");
}

#[test]
fn attach_output_without_an_upgrade_comes_as_a_plain_stream() {
    let bench = Bench::start();
    let name = bench.name("plain");
    bench.ok(&["run", "--name", &name, &bench.image, "echo", "said"]);
    let target = format!("/v1.41/containers/{name}/attach?logs=1&stdout=1&stderr=1");
    let answer = bench.ask("POST", &target, "");
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    assert!(text(&answer.body).ends_with("said\n"), "{:?}", text(&answer.body));
}

#[test]
fn a_stranger_on_the_socket_is_turned_away_and_recorded() {
    let bench = Bench::start();
    let url = "http://d/_ping";
    let socket = bench.socket();
    let words = ["-s", "--unix-socket", socket.to_str().unwrap(), "-w", "%{http_code}", url];
    let told = text(&Command::new("curl").args(words).uid(65_533).output().unwrap().stdout);
    assert!(told.contains("unknown_worker") && told.ends_with("403"), "{told}");
    let intent = bench.broker.intent(|intent| intent.uid == 65_533);
    assert_eq!((intent.allow, intent.reason.as_deref()), (false, Some("unknown_worker")));
    let spawn = Command::new("curl").args(words).uid(60_001).output().unwrap();
    assert!(text(&spawn.stdout).ends_with("OK200"), "the worker's own commands may");
}

#[test]
fn a_body_over_its_bound_is_refused_and_never_skipped() {
    let bench = Bench::start();
    let body = json!({"Image": bench.image, "Env": ["A=".to_owned() + &"a".repeat(8 << 20)]}).to_string();
    let mut stream = connect(&bench.socket());
    let head = format!(
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The proxy stops reading at its bound, so not all of it may go out.
    drop(stream.write_all(body.as_bytes()));
    let answer = read_answer(&mut stream);
    assert_eq!((answer.status, answer.reason().as_str()), (413, "too_large"));
    assert_eq!(bench.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let bench = Bench::start();
    let body = json!({"Image": bench.image, "Cmd": ["true"]}).to_string();
    let mut stream = connect(&bench.socket());
    let head = format!(
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_head(&mut stream).0, 100);
    stream.write_all(body.as_bytes()).unwrap();
    let answer = read_answer(&mut stream);
    assert_eq!(answer.status, 201, "{}", text(&answer.body));
}

#[test]
fn bytes_that_are_no_http_are_answered_once_and_recorded() {
    let bench = Bench::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
    ] {
        let mut stream = connect(&bench.socket());
        stream.write_all(bytes).unwrap();
        let mut told = Vec::new();
        stream.read_to_end(&mut told).unwrap();
        assert!(told.starts_with(b"HTTP/1.1 400") || told.is_empty(), "{}", text(&told));
    }
    bench.broker.intent(|intent| intent.reason.as_deref() == Some("bad_request"));
    assert_eq!(ask(&bench.socket(), "GET", "/_ping", "").status, 200, "others are served");
}

#[test]
fn paths_and_queries_that_hide_something_are_refused() {
    let bench = Bench::start();
    for target in [
        "/v1.41/containers/../images/json",
        "//containers/json",
        "/v1.41/containers/json?all=1&all=0",
        "/v1.41/containers/json?nobody=knows",
        "http://d/v1.41/containers/json",
        "/v1.23/containers/json",
        "/v1.41/containers/json?x=/attach",
    ] {
        let answer = say(
            &bench.socket(),
            format!("GET {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        assert!((400..500).contains(&answer.status), "{target}: {answer:?}");
    }
}

#[test]
fn two_hundred_requests_at_once_are_answered_or_refused_and_all_recorded() {
    let bench = Bench::start();
    let socket = bench.socket();
    let asking: Vec<_> = (0..200)
        .map(|_| {
            let socket = socket.clone();
            std::thread::spawn(move || ask(&socket, "GET", "/v1.41/containers/json", "").status)
        })
        .collect();
    let statuses: Vec<_> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    let allowed = statuses.iter().filter(|status| **status == 200).count();
    assert!(allowed >= 64, "as many as the limit allows are served: {allowed}");
    let intents = bench.broker.intents_within(200);
    assert_eq!(intents.len(), 200, "nothing is lost from the record");
    assert_eq!(intents.iter().filter(|intent| intent.allow).count(), allowed);
}

#[test]
fn nothing_happens_when_it_cannot_be_recorded() {
    let bench = Bench::start();
    bench.broker.fail_audit(true);
    let body = json!({"Image": bench.image, "Cmd": ["true"]}).to_string();
    let create = bench.ask("POST", "/v1.41/containers/create", &body);
    assert_eq!((create.status, create.reason().as_str()), (503, "audit_unavailable"));
    let filter = format!("label=doorward.worker={}", bench.worker);
    assert_eq!(engine_lines(&["ps", "-aq", "--filter", &filter]), [""; 0]);
    for target in ["/v1.41/containers/json", "/v1.41/swarm"] {
        assert_eq!(bench.ask("GET", target, "").reason(), "audit_unavailable", "{target}");
    }
    bench.broker.fail_audit(false);
    assert_eq!(bench.ask("POST", "/v1.41/containers/create", &body).status, 201);
}

#[test]
fn a_container_with_an_unsafe_bind_is_not_made() {
    let bench = Bench::with("binds = [{ host = \"/usr/share\", at = \"/models\", mode = \"ro\" }]");
    let body =
        json!({"Image": bench.image, "Cmd": ["true"], "HostConfig": {"Binds": ["/usr/share:/models:ro"]}})
            .to_string();
    bench.broker.refuse_bind("/usr/share");
    let refused = bench.ask("POST", "/v1.41/containers/create", &body);
    assert_eq!((refused.status, refused.reason().as_str()), (403, "bind_unsafe"));
    assert!(!text(&refused.body).contains("writable"), "why is the operator's to know");
    bench.broker.refuse_bind("/elsewhere");
    let made = bench.ask("POST", "/v1.41/containers/create", &body);
    assert_eq!(made.status, 201, "{}", text(&made.body));
}

#[test]
fn a_worker_that_leaves_a_stream_ends_it() {
    let bench = Bench::start();
    let name = bench.name("leave");
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sleep", "600"]);
    for target in
        [format!("/v1.41/containers/{name}/logs?follow=1&stdout=1"), format!("/v1.41/containers/{name}/wait")]
    {
        let method = if target.ends_with("wait") { "POST" } else { "GET" };
        let mut stream = connect(&bench.socket());
        stream.write_all(format!("{method} {target} HTTP/1.1\r\nHost: d\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(http::read_head(&mut stream).0, 200);
        drop(stream);
        let intent = bench.broker.intent(|intent| intent.target == target);
        let ended = bench.broker.outcome(&intent.request);
        assert_eq!(ended.error.as_deref(), Some("the worker went away"), "{target}");
    }
    drop(engine(&["rm", "-f", &name]));
}
