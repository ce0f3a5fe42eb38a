//! What ordinary clients send, captured from docker CLI 28.2.2 and docker-py 7 on an engine with API 1.41, is understood, and
//! what goes on is what stands in the data.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::Decision;
use serde_json::{Value, json};
use support::{Http, body_of, decide, policy};

#[test]
fn ordinary_clients_are_understood() {
    let policy = policy();
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/clients.json")).unwrap();
    for case in &cases {
        let body = case.get("body").map(Value::to_string).unwrap_or_default();
        let mut http = Http::new(case["method"].as_str().unwrap(), case["target"].as_str().unwrap())
            .body(body.as_bytes());
        for (name, value) in case["headers"].as_object().unwrap() {
            http = http.header(name, value.as_str().unwrap());
        }
        let told = match decide(&http, &policy, "hermes") {
            Ok(Decision::Forward(approved)) => {
                let body = approved.body.is_some().then(|| body_of(&approved));
                json!({"method": approved.method, "target": approved.target, "verb": approved.verb, "body": body,
                    "upgrade": approved.headers.iter().any(|(name, _)| *name == "Upgrade")})
            }
            Ok(Decision::Answer { status, body, .. }) => json!({"status": status, "body": body}),
            other => panic!("{} {}: {other:?}", http.method, http.target),
        };
        if std::env::var_os("PRINT").is_some() {
            println!("{}", json!({"case": case, "told": told}));
            continue;
        }
        assert_eq!(told, case["told"], "{} {}", http.method, http.target);
    }
}
