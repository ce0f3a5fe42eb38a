//! Changes to containers that exist: new names, new limits, and what `ps` may list in them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Decision, Facts, Lookup};
use doorward_policy::Reason;
use serde_json::{Value, json};
use support::{Http, NET, OWN, allowed, answer, body_of, decide_with, policy, refused};

fn rename(name: &str, to: &str) -> Http {
    Http::new("POST", &format!("/v1.41/containers/{name}/rename?name={to}"))
}

fn update(body: &Value) -> Http {
    Http::json("POST", "/v1.41/containers/bench-1/update", body)
}

fn top(arguments: &str) -> Http {
    Http::new("GET", &format!("/v1.41/containers/bench-1/top?ps_args={arguments}"))
}

#[test]
fn a_container_gets_no_name_that_a_new_one_could_not_have() {
    for (name, to) in [("bench-1", "free-1"), ("bench-1", "/free-1"), ("bench-1", "abc")] {
        let plain = to.trim_start_matches('/');
        assert_eq!(allowed(&rename(name, to)).target, format!("/v1.41/containers/{OWN}/rename?name={plain}"));
    }
    // An id's beginning, a pattern of another worker's, an engine's path, nothing.
    for to in ["1111", "aaa", "111111111111", "abcdefabcdef", "web-1", "a%2Fb", "-x", ""] {
        let refusal = refused(&rename("bench-1", to));
        assert_eq!(
            (refusal.reason, refusal.path.as_deref()),
            (Reason::NameNotAllowed, Some("?name")),
            "{to}"
        );
    }
}

#[test]
fn an_operators_container_keeps_its_name() {
    for to in ["free-1", "ollama"] {
        assert_eq!(refused(&rename("ollama", to)).reason, Reason::ObjectNotAllowed, "{to}");
    }
}

#[test]
fn a_new_container_or_network_is_not_named_like_the_beginning_of_an_id() {
    let create = |name: &str| {
        Http::json("POST", &format!("/v1.41/containers/create?name={name}"), &json!({"Image": "busybox"}))
    };
    let network = |name: &str| Http::json("POST", "/v1.41/networks/create", &json!({"Name": name}));
    for http in [create("aaaa"), create("a"), network("bbb")] {
        assert_eq!(refused(&http).reason, Reason::NameNotAllowed);
    }
    for http in [create("db"), network("db")] {
        let _ = allowed(&http);
    }
}

#[test]
fn new_limits_stay_within_the_roles_caps() {
    const GIB: i64 = 1 << 30;
    for (asked, sent) in [
        (json!({"Memory": GIB / 2}), json!({"Memory": GIB / 2, "MemorySwap": GIB / 2})),
        // What the docker command sends around the one limit that was asked for.
        (
            json!({"NanoCpus": 1_000_000_000, "Memory": 0, "MemorySwap": 0, "CpuShares": 0, "BlkioWeight": 0,
                "PidsLimit": null, "RestartPolicy": {"Name": "", "MaximumRetryCount": 0}, "Devices": []}),
            json!({"NanoCpus": 1_000_000_000}),
        ),
        (json!({"PidsLimit": -1}), json!({"PidsLimit": 256})),
        (json!({"PidsLimit": 0}), json!({"PidsLimit": 256})),
        (json!({"Memory": 0, "NanoCpus": 0}), json!({})),
        (
            json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}),
            json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}),
        ),
    ] {
        let approved = allowed(&update(&asked));
        assert_eq!(body_of(&approved), sent, "{asked}");
        assert_eq!(approved.target, format!("/v1.41/containers/{OWN}/update"));
    }
    for (field, value) in [
        ("Memory", json!(2 * GIB)),
        ("MemorySwap", json!(-1)),
        ("MemoryReservation", json!(2 * GIB)),
        ("NanoCpus", json!(2_000_000_000_i64)),
        ("PidsLimit", json!(257)),
        ("RestartPolicy", json!({"Name": "always", "MaximumRetryCount": 0})),
        ("CpuQuota", json!(-1)),
        ("CpuPeriod", json!(1000)),
        ("Ulimits", json!([{"Name": "nofile", "Soft": 1, "Hard": 1}])),
        ("Devices", json!([{"PathOnHost": "/dev/sda"}])),
        ("DeviceCgroupRules", json!(["a *:* rwm"])),
        ("CgroupParent", json!("/")),
        ("BlkioWeightDevice", json!([{"Path": "/dev/sda", "Weight": 10}])),
        ("OomKillDisable", json!(true)),
        ("Privileged", json!(true)),
        ("memory", json!(1)),
    ] {
        let refusal = refused(&update(&json!({field: value})));
        assert_eq!(refusal.path.as_deref(), Some(field), "{field}: {refusal:?}");
    }
}

#[test]
fn an_update_leaves_nothing_that_could_not_start() {
    let on = |name: &str, body: &Value| Http::json("POST", &format!("/v1.41/containers/{name}/update"), body);
    assert_eq!(refused(&on("bound", &json!({"NanoCpus": 1}))).path.as_deref(), Some("HostConfig.Binds[0]"));
    assert_eq!(refused(&on("uncapped", &json!({"NanoCpus": 1}))).path.as_deref(), Some("HostConfig.Memory"));
    // What is missing in it is what the update brings.
    let _ = allowed(&on("uncapped", &json!({"Memory": 1 << 30})));
    assert_eq!(refused(&on("ollama", &json!({"Memory": 1 << 30}))).reason, Reason::ObjectNotAllowed);
}

#[test]
fn processes_are_listed_without_their_environment() {
    for (arguments, sent) in [
        ("", ""),
        ("-ef", "?ps_args=-ef"),
        ("aux", "?ps_args=aux"),
        ("-eo+pid,comm", "?ps_args=-eo%20pid%2Ccomm"),
        ("-o%20pid,args", "?ps_args=-o%20pid%2Cargs"),
    ] {
        assert_eq!(allowed(&top(arguments)).target, format!("/v1.41/containers/{OWN}/top{sent}"));
    }
    for arguments in [
        "auxe",
        "auxwwe",
        "axe",
        "e",
        "-ef%20e",
        "-eo%20comm",
        "-eo%20pid,environ",
        "-eo%20pid%3Dx",
        "-p%201",
        "-C%20x",
    ] {
        let refusal = refused(&top(arguments));
        assert_eq!(
            (refusal.reason, refusal.path.as_deref()),
            (Reason::BadRequest, Some("?ps_args")),
            "{arguments}"
        );
    }
}

#[test]
fn stats_are_streamed_unless_the_worker_says_no() {
    let stats =
        |query: &str| allowed(&Http::new("GET", &format!("/v1.41/containers/bench-1/stats{query}"))).target;
    let base = format!("/v1.41/containers/{OWN}/stats");
    assert_eq!(stats(""), base);
    assert_eq!(stats("?stream=1"), base);
    assert_eq!(stats("?stream=0&one-shot=1"), format!("{base}?one-shot=1&stream=0"));
}

#[test]
fn a_container_starts_only_in_networks_that_the_worker_may_use_now() {
    for (networks, starts) in [
        (json!({"minenet": {}}), true),
        (json!({"mine": {"NetworkID": NET}}), true),
        (json!({"minenet": {}, "prod-1": {}}), false),
        (json!({"theirnet": {}}), false),
        (json!({"gone": {"NetworkID": "f".repeat(64)}}), false),
    ] {
        let world = |lookup: &Lookup| {
            let mut found = answer(lookup)?;
            if matches!(lookup, Lookup::Container(_)) {
                found["NetworkSettings"]["Networks"] = networks.clone();
            }
            Some(found)
        };
        for verb in ["start", "restart", "unpause"] {
            let http = Http::new("POST", &format!("/v1.41/containers/bench-1/{verb}"));
            let decision = decide_with(&http, &policy(), "hermes", Facts::default(), world);
            assert_eq!(matches!(decision, Ok(Decision::Forward(_))), starts, "{networks} {decision:?}");
        }
    }
}
