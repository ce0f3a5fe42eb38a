//! Whatever comes, there is one clear decision; and what is let through is made of the tables alone.

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
