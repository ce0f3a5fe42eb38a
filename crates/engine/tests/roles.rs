//! A worker of several roles: what exists goes on by one of them, and not by the best of each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Decision, Facts, Lookup};
use doorward_policy::{Policy, Reason, Refusal};
use serde_json::{Value, json};
use support::{Http, answer, decide_with, policy_of};

const GIB: i64 = 1 << 30;

/// The worker `hermes` with a second role, which has other images, more memory, and networks that lead out.
fn policy() -> Policy {
    let text =
        include_str!("data/policy.toml").replace("roles = [\"bench\"]", "roles = [\"bench\", \"serve\"]");
    let serve = r#"
[role.serve]
about = "Servers."
[role.serve.docker]
verbs      = ["run", "start", "restart", "update"]
containers = ["own", "ollama"]
images     = ["evil:*"]
networks   = ["own", "egress", "prod-*"]
[role.serve.docker.run]
memory = "4GiB"
cpus = 4.0
pids = 256
shm = "128MiB"
[role.serve.docker.run.always]
no_new_privileges = true
cap_drop = ["NET_RAW", "MKNOD"]
"#;
    policy_of(&format!("{text}{serve}"))
}

/// What becomes of a request when the container has these labels beside the worker's, and this `HostConfig`.
fn on(http: &Http, labels: &Value, host: &Value) -> Result<(), Refusal> {
    let world = |lookup: &Lookup| {
        let mut found = answer(lookup)?;
        if matches!(lookup, Lookup::Container(_)) {
            if found["Name"] == json!("/bench-1") {
                found["Name"] = json!("/hermes-1");
            }
            for (place, more) in [("/Config/Labels", labels), ("/HostConfig", host)] {
                let into = found.pointer_mut(place).and_then(Value::as_object_mut).unwrap();
                into.extend(more.as_object().unwrap().clone());
            }
        }
        Some(found)
    };
    match decide_with(http, &policy(), "hermes", Facts::default(), world) {
        Ok(Decision::Forward(_)) => Ok(()),
        Ok(Decision::Refuse(refusal)) | Err(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn connect(network: &str) -> Http {
    Http::json("POST", &format!("/v1.41/networks/{network}/connect"), &json!({"Container": "bench-1"}))
}

fn update(body: &Value) -> Http {
    Http::json("POST", "/v1.41/containers/bench-1/update", body)
}

fn start(name: &str) -> Http {
    Http::new("POST", &format!("/v1.41/containers/{name}/start"))
}

fn by(role: &str, image: &str) -> Value {
    json!({"doorward.role": role, "doorward.image": image})
}

#[test]
fn a_container_joins_only_what_the_role_allows_that_it_was_made_under() {
    let bound = json!({"Binds": ["/srv/models:/models:ro"]});
    // What one role binds does not go where the other's networks lead.
    assert_eq!(
        on(&connect("prod-1"), &by("bench", "busybox:latest"), &bound).unwrap_err().reason,
        Reason::ObjectNotAllowed
    );
    assert_eq!(
        on(&connect("prod-1"), &by("bench", "busybox:latest"), &json!({})).unwrap_err().reason,
        Reason::ObjectNotAllowed
    );
    // Nor does it by a label of a role that would not have made it so.
    assert_eq!(
        on(&connect("prod-1"), &by("serve", "evil:latest"), &bound).unwrap_err().path.as_deref(),
        Some("HostConfig.Binds[0]")
    );
    on(&connect("minenet"), &by("bench", "busybox:latest"), &bound).unwrap();
}

#[test]
fn new_limits_are_those_of_the_role_that_a_container_was_made_under() {
    let (more, serve) = (json!({"Memory": 2 * GIB}), by("serve", "evil:latest"));
    on(&update(&more), &serve, &json!({})).unwrap();
    let refusal = on(&update(&more), &by("bench", "busybox:latest"), &json!({})).unwrap_err();
    assert_eq!(refusal.path.as_deref(), Some("Memory"));
}

#[test]
fn a_container_starts_by_the_role_that_it_was_made_under() {
    let large = json!({"Memory": 2 * GIB, "MemorySwap": 2 * GIB});
    on(&start("bench-1"), &by("serve", "evil:latest"), &large).unwrap();
    let refusal = on(&start("bench-1"), &by("bench", "busybox:latest"), &large).unwrap_err();
    assert_eq!(refusal.path.as_deref(), Some("HostConfig.Memory"));
}

#[test]
fn what_a_lost_role_made_goes_on_by_one_that_allows_its_image_too() {
    let large = json!({"Memory": 2 * GIB, "MemorySwap": 2 * GIB});
    on(&start("bench-1"), &by("lost", "evil:latest"), &large).unwrap();
    for image in ["busybox:latest", "nobody/knows:1", "sha256:1"] {
        let _ = on(&start("bench-1"), &by("lost", image), &large).unwrap_err();
        let _ = on(&update(&json!({"Memory": 2 * GIB})), &by("lost", image), &json!({})).unwrap_err();
    }
    on(&start("bench-1"), &by("lost", "busybox:latest"), &json!({})).unwrap();
}

#[test]
fn an_operators_container_starts_by_one_role_that_names_it() {
    let bound = json!({"Binds": ["/srv/models:/models:ro"]});
    on(&start("ollama"), &json!({}), &bound).unwrap();
    let text =
        include_str!("data/policy.toml").replace("roles = [\"bench\"]", "roles = [\"bench\", \"web\"]");
    let policy = policy_of(&text);
    let world = |lookup: &Lookup| {
        let mut found = answer(lookup)?;
        if matches!(lookup, Lookup::Container(_)) {
            found["Name"] = json!("/web-1");
            found["Config"]["Labels"] = json!({});
            found["HostConfig"]["Binds"] = bound["Binds"].clone();
        }
        Some(found)
    };
    let http = start("bench-1");
    let decision = decide_with(&http, &policy, "hermes", Facts::default(), world);
    let Ok(Decision::Refuse(refusal)) = decision else { panic!("{decision:?}") };
    assert_eq!(refusal.path.as_deref(), Some("HostConfig.Binds[0]"));
}
