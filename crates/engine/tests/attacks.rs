//! Every known attack on the Engine API that is a request is refused, for its own reason and at its own place.
//! A case that differs from an allowed request only in the attack shows that the attack is what is refused.
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
use support::{Http, decide, policy};

#[test]
fn each_known_attack_is_refused_for_its_own_reason() {
    let policy = policy();
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/attacks.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let text = |name: &str| case.get(name).and_then(Value::as_str);
        let refusal = match decide(&request(case), &policy, "hermes") {
            Err(refusal) | Ok(Decision::Refuse(refusal)) => refusal,
            other => {
                wrong.push(format!("{} {}: {other:?}", case["id"], case["what"]));
                continue;
            }
        };
        let reason = text("reason").is_none_or(|reason| refusal.reason.code() == reason);
        let path =
            text("path").is_none_or(|path| refusal.path.as_deref().is_some_and(|own| own.starts_with(path)));
        if !reason || !path {
            wrong.push(format!("{} {}: {refusal:?}", case["id"], case["what"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn request(case: &Value) -> Http {
    let create = "/v1.41/containers/create";
    let merged = |mut base: Value, own: &Value| {
        for (key, value) in own.as_object().unwrap() {
            base[key] = value.clone();
        }
        base
    };
    if let Some(host) = case.get("host") {
        return Http::create(&json!({"Image": "busybox", "HostConfig": host}));
    }
    if let Some(config) = case.get("config") {
        return Http::create(&merged(json!({"Image": "busybox"}), config));
    }
    if let Some(network) = case.get("network") {
        return Http::json("POST", "/v1.41/networks/create", &merged(json!({"Name": "n1"}), network));
    }
    if let Some(exec) = case.get("exec") {
        let base = json!({"Cmd": ["ollama", "list"], "AttachStdout": true});
        return Http::json("POST", case["target"].as_str().unwrap(), &merged(base, exec));
    }
    if let Some(body) = case.get("body") {
        return Http::create(body);
    }
    if let Some(name) = case.get("name") {
        let target = format!("{create}?name={}", name.as_str().unwrap());
        return Http::json("POST", &target, &json!({"Image": "busybox"}));
    }
    let raw = case.get("raw").and_then(Value::as_str).unwrap_or_default();
    let Some(target) = case.get("target").and_then(Value::as_str) else {
        return Http::new("POST", create).header("Content-Type", "application/json").body(raw.as_bytes());
    };
    let mut http = Http::new(case["method"].as_str().unwrap(), target).body(raw.as_bytes());
    for (name, value) in case.get("headers").and_then(Value::as_object).into_iter().flatten() {
        http = http.header(name, value.as_str().unwrap());
    }
    http
}

#[test]
fn what_the_attacks_are_built_on_is_allowed() {
    use support::allowed;
    allowed(&Http::create(&json!({"Image": "busybox", "HostConfig": {}})));
    allowed(&Http::json("POST", "/v1.41/networks/create", &json!({"Name": "n1"})));
    allowed(&Http::json(
        "POST",
        "/v1.41/containers/ollama/exec",
        &json!({"Cmd": ["ollama", "list"], "AttachStdout": true}),
    ));
    allowed(&Http::json("POST", "/v1.41/containers/create?name=free-1", &json!({"Image": "busybox"})));
    allowed(&Http::create(&json!({"Image": "busybox", "HostConfig": {"NetworkMode": "minenet"},
        "NetworkingConfig": {"EndpointsConfig": {"minenet": {"Aliases": ["server"]}}}})));
    allowed(&Http::new("POST", "/v1.41/images/create?fromImage=busybox&tag=1"));
}
