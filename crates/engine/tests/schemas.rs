//! The tables know everything that the published schemas have.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::ENDPOINTS;
use doorward_policy::Reason;
use serde_json::{Value, json};
use support::{Http, decide, policy};

#[test]
fn each_method_and_path_of_both_schemas_has_a_row() {
    let lines = include_str!("data/schema-endpoints.txt").lines().filter(|line| !line.starts_with('#'));
    let pairs: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    assert!(pairs.len() >= 108, "{}", pairs.len());
    for pair in pairs {
        // Templates differ in the parameter's name alone.
        let same = |own: &str| {
            own.split('{').next() == pair[1].split('{').next()
                && own.split('}').next_back() == pair[1].split('}').next_back()
        };
        assert!(ENDPOINTS.iter().any(|row| row.method == pair[0] && same(row.path)), "{pair:?}");
    }
}

#[test]
fn each_field_of_both_schemas_is_known() {
    let policy = policy();
    for line in include_str!("data/schema-fields.txt").lines().filter(|line| !line.starts_with('#')) {
        let (object, field) = line.split_once(' ').unwrap();
        let strange: Value = json!({field: {"x": [[[]]]}});
        if object == "Update" {
            let http = Http::json("POST", "/v1.41/containers/bench-1/update", &strange);
            let refusal = decide(&http, &policy, "hermes").unwrap_err();
            let unknown_itself = refusal.path.as_deref() == Some(field);
            assert!(refusal.reason != Reason::UnknownField || !unknown_itself, "{line}: {refusal:?}");
            continue;
        }
        let body = match object {
            "ContainerConfig" => json!({"Image": "busybox", field: {"x": [[[]]]}}),
            "HostConfig" => json!({"Image": "busybox", "HostConfig": strange}),
            "Mount" => json!({"Image": "busybox", "HostConfig": {"Mounts": [strange]}}),
            "EndpointSettings" => {
                json!({"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"minenet": strange}}})
            }
            other => match other.split_once('.') {
                Some(("HostConfig", inner)) => json!({"Image": "busybox", "HostConfig": {inner: strange}}),
                Some((_, inner)) => json!({"Image": "busybox", "HostConfig": {"Mounts": [{inner: strange}]}}),
                None => panic!("{line}"),
            },
        };
        if let Err(refusal) = decide(&Http::create(&body), &policy, "hermes") {
            let at = refusal.path.unwrap_or_default();
            let unknown_itself = refusal.reason == Reason::UnknownField && at.ends_with(field);
            assert!(!unknown_itself, "{line}: {at}");
        }
    }
}

#[test]
fn a_field_that_no_schema_has_is_unknown_everywhere() {
    for body in [
        json!({"Image": "busybox", "X": 1}),
        json!({"Image": "busybox", "HostConfig": {"X": 1}}),
        json!({"Image": "busybox", "HostConfig": {"Mounts": [{"X": 1}]}}),
        json!({"Image": "busybox", "HostConfig": {"Mounts": [{"VolumeOptions": {"X": 1}}]}}),
        json!({"Image": "busybox", "NetworkingConfig": {"X": 1}}),
        json!({"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"minenet": {"X": 1}}}}),
        json!({"Image": "busybox", "Healthcheck": {"X": 1}}),
    ] {
        let refusal = decide(&Http::create(&body), &policy(), "hermes").unwrap_err();
        assert_eq!(refusal.reason, Reason::UnknownField, "{body}");
        assert!(refusal.path.unwrap().ends_with('X'), "{body}");
    }
}
