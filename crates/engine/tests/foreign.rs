//! What a worker may not see is answered like what does not exist, and takes as many questions to the engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Access, Body, Decision, ENDPOINTS, Endpoint, Facts, Lookup};
use serde_json::{Value, json};
use std::cell::RefCell;
use support::{Http, answer, decide_with, policy};

/// The same world, where containers of others are in networks and have volumes.
fn world(lookup: &Lookup) -> Option<Value> {
    let mut found = answer(lookup)?;
    if matches!(lookup, Lookup::Container(_)) {
        found["HostConfig"]["NetworkMode"] = json!("prod-1");
        found["HostConfig"]["Binds"] = json!(["unlisted:/x"]);
        found["NetworkSettings"]["Networks"] = json!({"prod-1": {}, "theirnet": {}});
    }
    Some(found)
}

/// A request of the row that names this object, and nothing else that is wrong.
fn request(row: &Endpoint, name: &str) -> Http {
    let path = row.path.replace("{id}", name).replace("{name}", name);
    let query = if row.path.ends_with("/rename") { "?name=free-1" } else { "" };
    let http = Http::new(row.method, &format!("/v1.41{path}{query}"));
    let body = match row.path {
        path if path.ends_with("connect") => json!({"Container": name}),
        path if path.ends_with("/exec") => json!({"Cmd": ["ollama", "list"]}),
        _ => json!({}),
    };
    match row.body {
        Body::None | Body::Context => http,
        Body::Json(_) => http.header("Content-Type", "application/json").body(body.to_string().as_bytes()),
    }
}

/// The answer with the name taken out, and how many questions it took.
fn told(row: &Endpoint, name: &str) -> (u16, String, usize) {
    let asked = RefCell::new(0);
    let counted = |lookup: &Lookup| {
        *asked.borrow_mut() += 1;
        world(lookup)
    };
    match decide_with(&request(row, name), &policy(), "hermes", Facts::default(), counted) {
        Ok(Decision::Answer { status, body, .. }) => {
            let message = body["message"].as_str().unwrap().replace(name, "NAME");
            (status, message, *asked.borrow())
        }
        other => panic!("{} {} {name}: {other:?}", row.method, row.path),
    }
}

#[test]
fn objects_of_others_are_answered_like_those_that_do_not_exist() {
    let mut rows = 0;
    for row in ENDPOINTS.iter().filter(|row| matches!(row.access, Access::Granted(_))) {
        let objects: &[&str] = match row.path {
            path if path.starts_with("/containers/{id}") => &["theirs", "db"],
            path if path.starts_with("/networks/{id}") => &["theirnet", "prod-1"],
            path if path.starts_with("/volumes/{name}") => &["theirs", "unlisted"],
            path if path.starts_with("/images/{name}") => &["evil"],
            path if path.starts_with("/exec/{id}") => &[support::EXEC],
            _ => continue,
        };
        rows += 1;
        let absent = match row.path {
            path if path.starts_with("/exec/") => told(row, &"e".repeat(64)),
            _ => told(row, "nosuch"),
        };
        assert_eq!(absent.0, 404);
        for name in objects {
            assert_eq!(told(row, name), absent, "{} {} {name}", row.method, row.path);
        }
    }
    assert!(rows >= 29, "{rows}");
}
