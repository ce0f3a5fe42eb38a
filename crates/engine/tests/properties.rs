//! Whatever comes, there is one clear decision; and what is let through is made of the tables alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{ApiVersion, Decision, ENDPOINTS, Facts, Lookup, read_head};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::{Http, body_of, decide, decide_with, policy};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_head_gives_a_decision(method in "[A-Z]{0,8}", target in any::<Vec<u8>>(), name in "[a-zA-Z-]{0,20}", value in any::<Vec<u8>>()) {
        let target = String::from_utf8_lossy(&target).into_owned();
        let _ = read_head(&method, &target, &[(name, value)], ApiVersion::NEWEST);
    }

    #[test]
    fn any_text_in_a_known_path_gives_a_decision(row in 0..ENDPOINTS.len(), name in "\\PC{0,30}", query in "\\PC{0,60}", body in any::<Vec<u8>>()) {
        let row = &ENDPOINTS[row];
        let path = row.path.replace("{id}", &name).replace("{name}", &name);
        let http = Http::new(row.method, &format!("{path}?{query}")).header("Content-Type", "application/json").body(&body);
        let _ = decide(&http, &policy(), "hermes");
    }

    #[test]
    fn any_answer_of_the_engine_gives_a_decision(row in 0..ENDPOINTS.len(), fact in engine_object(), status in 200..600_u16, bytes in any::<Vec<u8>>()) {
        let row = &ENDPOINTS[row];
        let policy = policy();
        let path = row.path.replace("{id}", "bench-1").replace("{name}", "busybox");
        let body = if row.path.ends_with("create") || row.path.ends_with("exec") { r#"{"Image":"busybox","Name":"n","Cmd":["x"]}"# } else { "{}" };
        let takes_body = !matches!(row.body, doorward_engine::Body::None);
        let http = Http::new(row.method, &path).header("Content-Type", "application/json").body(if takes_body { body.as_bytes() } else { b"" });
        if let Ok(Decision::Forward(approved)) = decide_with(&http, &policy, "hermes", Facts::default(), |_| Some(fact.clone())) {
            let _ = approved.answer.apply(status, &bytes, &policy, "hermes");
            let _ = approved.answer.apply(status, fact.to_string().as_bytes(), &policy, "hermes");
        }
        if let Ok(Decision::Forward(approved)) = decide(&Http::create(&json!({"Image": "busybox"})), &policy, "hermes") {
            // Nothing that is made up at random is what was approved.
            prop_assert!(approved.expected.unwrap().compare(&fact).is_err());
        }
    }

    #[test]
    fn any_body_gives_a_decision_and_what_passes_is_stable(body in body()) {
        let policy = policy();
        if let Ok(Decision::Forward(approved)) = decide(&Http::create(&body), &policy, "hermes") {
            let made = body_of(&approved);
            prop_assert_eq!(&made["Labels"]["doorward.worker"], &json!("hermes"));
            prop_assert_eq!(&made["HostConfig"]["Memory"], &made["HostConfig"]["MemorySwap"]);
            prop_assert!(made["HostConfig"]["Memory"].as_i64().is_some_and(|bytes| (1..=1 << 30).contains(&bytes)));
            only_known(&made);
            starts_again(&made, &policy)?;
        }
    }
}

/// A body that was rebuilt is, as the present configuration of an own container, just what the policy makes.
fn starts_again(made: &Value, policy: &doorward_policy::Policy) -> Result<(), TestCaseError> {
    let mut config = made.clone();
    let mut inspect = support::container(support::OWN, "bench-1", json!({}), json!({}));
    let mut host = config["HostConfig"].take();
    for (name, list) in [
        ("MaskedPaths", &inspect["HostConfig"]["MaskedPaths"]),
        ("ReadonlyPaths", &inspect["HostConfig"]["ReadonlyPaths"]),
    ] {
        host[name] = list.clone();
    }
    config.as_object_mut().unwrap().remove("HostConfig");
    config.as_object_mut().unwrap().remove("NetworkingConfig");
    inspect["Config"] = config;
    inspect["HostConfig"] = host;
    let world = |lookup: &Lookup| match lookup {
        Lookup::Container(_) => Some(inspect.clone()),
        other => support::answer(other),
    };
    let start = Http::new("POST", "/v1.41/containers/bench-1/start");
    let decision = decide_with(&start, policy, "hermes", Facts::default(), world);
    prop_assert!(matches!(decision, Ok(Decision::Forward(_))), "{made} {decision:?}");
    Ok(())
}

/// No key outside the schemas' lists.
fn only_known(made: &Value) {
    let known = include_str!("data/schema-fields.txt");
    let has = |object: &str, field: &str| known.lines().any(|line| line == format!("{object} {field}"));
    for name in made.as_object().unwrap().keys() {
        assert!(
            ["HostConfig", "NetworkingConfig"].contains(&name.as_str()) || has("ContainerConfig", name),
            "{name}"
        );
    }
    for name in made["HostConfig"].as_object().unwrap().keys() {
        assert!(has("HostConfig", name), "{name}");
    }
}

/// Bodies of fields that exist, with values from harmless to harmful.
fn body() -> impl Strategy<Value = Value> {
    let values = prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(false)),
        Just(json!(0)),
        Just(json!(-1)),
        Just(json!(1 << 29)),
        Just(json!("")),
        Just(json!("private")),
        Just(json!("none")),
        Just(json!("minenet")),
        Just(json!([])),
        Just(json!({})),
        Just(json!(["a"])),
        Just(json!(["NET_RAW"])),
        Just(json!(["no-new-privileges"])),
        Just(json!({"/x": "size=1m"})),
        Just(json!({"/x": {}})),
        Just(json!([{"Type": "volume", "Target": "/v"}])),
        Just(json!([{"Type": "tmpfs", "Target": "/t"}])),
        Just(json!(["mine:/v"])),
        Just(json!(["/srv/models:/models:ro"])),
        Just(json!({"Name": "on-failure", "MaximumRetryCount": 2})),
        Just(json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20000"}]})),
        Just(json!([{"Name": "nofile", "Soft": 1, "Hard": 2}])),
        "\\PC{0,12}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
    ];
    let names: Vec<(String, String)> = include_str!("data/schema-fields.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .filter(|(object, _)| ["HostConfig", "ContainerConfig"].contains(object))
        .map(|(object, field)| (object.to_owned(), field.to_owned()))
        .collect();
    proptest::collection::vec((proptest::sample::select(names), values), 0..5).prop_map(|fields| {
        let (mut config, mut host) = (Map::new(), Map::new());
        for ((object, field), value) in fields {
            if object == "HostConfig" {
                host.insert(field, value);
            } else {
                config.insert(field, value);
            }
        }
        config.insert("Image".into(), json!("busybox"));
        config.insert("HostConfig".into(), host.into());
        config.into()
    })
}

/// Objects with the engine's keys and any values.
fn engine_object() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 20] = [
        "Id",
        "Name",
        "Names",
        "Config",
        "HostConfig",
        "Labels",
        "Mounts",
        "Driver",
        "Options",
        "Type",
        "Source",
        "RepoTags",
        "doorward.worker",
        "State",
        "NetworkSettings",
        "Networks",
        "Binds",
        "NetworkMode",
        "ContainerID",
        "ProcessConfig",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("hermes")),
        Just(json!(support::OWN)),
        Just(json!("/bench-1"))
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(&KEYS[..]), inner), 0..6).prop_map(|pairs| {
                pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
            }),
        ]
    })
}
