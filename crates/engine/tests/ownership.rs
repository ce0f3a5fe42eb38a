//! Whose a container is that bears a worker's label by its image, and whose a volume is, with a name and without.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Approved, Decision, Facts, Lookup};
use doorward_policy::{Policy, Reason};
use serde_json::{Value, json};
use support::{Http, allowed, answer, body_of, decide, decide_with, policy, policy_of, refused};

fn told(http: &Http) -> (u16, String) {
    match decide(http, &policy(), "hermes") {
        Ok(Decision::Answer { status, body, .. }) => (status, body["message"].as_str().unwrap().to_owned()),
        other => panic!("{} {}: {other:?}", http.method, http.target),
    }
}

fn get(target: &str) -> Http {
    Http::new("GET", target)
}

#[test]
fn a_volume_without_a_name_bears_the_label_wherever_it_comes_from() {
    let labelled = |place: &str| json!({"Type": "volume", "Target": place, "VolumeOptions": {"Labels": {"doorward.worker": "hermes"}}});
    for (body, mounts) in [
        (json!({"Image": "busybox", "Volumes": {"/a": {}}}), json!([labelled("/a")])),
        (json!({"Image": "busybox:volumes"}), json!([labelled("/data"), labelled("/image")])),
        (
            json!({"Image": "busybox:volumes", "HostConfig": {"Binds": ["mine:/data"], "Tmpfs": {"/image": ""}}}),
            Value::Null,
        ),
        (
            json!({"Image": "busybox:volumes", "Volumes": {"/data": {}}, "HostConfig": {"Mounts": [
                {"Type": "volume", "Target": "/image"}, {"Type": "volume", "Source": "mine", "Target": "/data"}]}}),
            json!([labelled("/image"), {"Type": "volume", "Source": "mine", "Target": "/data"}]),
        ),
    ] {
        let approved = allowed(&Http::create(&body));
        assert_eq!(body_of(&approved)["HostConfig"]["Mounts"], mounts, "{body}");
        assert!(approved.beforehand.is_empty(), "{body}");
    }
    for (labels, fine) in [
        (json!({"doorward.worker": "hermes"}), true),
        (json!({"doorward.worker": "other"}), false),
        (json!({"a": "b"}), false),
    ] {
        let mount = json!({"Type": "volume", "Target": "/a", "VolumeOptions": {"Labels": labels}});
        let create = Http::create(&json!({"Image": "busybox", "HostConfig": {"Mounts": [mount]}}));
        let allowed = matches!(decide(&create, &policy(), "hermes"), Ok(Decision::Forward(_)));
        assert_eq!(allowed, fine, "{labels}");
    }
}

#[test]
fn what_bears_the_workers_label_by_its_image_alone_is_not_its_own() {
    for labels in [
        json!({"doorward.worker": "hermes"}),
        json!({"doorward.worker": "hermes", "doorward.from": "sha256:another"}),
        json!({"doorward.worker": "hermes", "doorward.from": null}),
        json!({"doorward.worker": "hermes", "doorward.from": "busybox", "doorward.role": "bench", "doorward.image": "busybox"}),
    ] {
        let mut found = support::container(support::OWN, "ollama", json!({}), json!({}));
        found["Config"]["Labels"] = labels.clone();
        let world = |lookup: &Lookup| match lookup {
            Lookup::Container(_) => Some(found.clone()),
            Lookup::OwnContainers => Some(json!([{"ImageID": support::IMAGE, "Labels": labels}])),
            other => answer(other),
        };
        let decided = |http: &Http| decide_with(http, &policy(), "hermes", Facts::default(), world).unwrap();
        let execs = json!({"Cmd": ["ollama", "list"], "AttachStdout": true});
        for http in [
            Http::new("DELETE", "/containers/ollama"),
            Http::new("POST", "/containers/ollama/start"),
            Http::new("POST", "/containers/ollama/rename?name=hermes-2"),
            get("/containers/ollama/json"),
            Http::json("POST", "/v1.41/containers/ollama/exec", &execs),
            Http::json("POST", "/v1.41/networks/minenet/connect", &json!({"Container": "ollama"})),
        ] {
            let decision = decided(&http);
            assert!(
                matches!(decision, Decision::Answer { status: 404, .. }),
                "{} {labels}: {decision:?}",
                http.target
            );
        }
        let pruned = decided(&Http::new("POST", "/containers/prune"));
        let Decision::Refuse(refusal) = pruned else { panic!("{pruned:?}") };
        assert_eq!(refusal.reason, Reason::ObjectNotAllowed);
    }
    let made = body_of(&allowed(&Http::create(&json!({"Image": "busybox"}))));
    assert_eq!(made["Labels"]["doorward.from"], made["Image"]);
}

#[test]
fn no_pattern_names_a_volume_without_a_name_of_its_own() {
    let all = policy_of(
        &include_str!("data/policy.toml")
            .replace("volumes    = [\"own\", \"ollama\"]", "volumes = [\"own\", \"*\"]"),
    );
    let create = |name: &str| {
        let mount = json!({"Type": "volume", "Source": name, "Target": "/a"});
        Http::create(&json!({"Image": "busybox", "HostConfig": {"Mounts": [mount]}}))
    };
    // What compose makes anew keeps the volumes of what it takes the place of.
    for (name, fine) in
        [("unlisted", true), ("d".repeat(64).as_str(), false), ("e".repeat(64).as_str(), true)]
    {
        let allowed = matches!(decide(&create(name), &all, "hermes"), Ok(Decision::Forward(_)));
        assert_eq!(allowed, fine, "{name}");
    }
    let volumes = json!({"Volumes": [{"Name": "d".repeat(64)}, {"Name": "e".repeat(64), "Labels": {"doorward.worker": "hermes"}}]});
    let listed =
        allowed_by(&get("/volumes"), &all).answer.apply(200, volumes.to_string().as_bytes(), &all, "hermes");
    let listed: Value = serde_json::from_slice(&listed.unwrap()).unwrap();
    assert_eq!(listed["Volumes"].as_array().unwrap().len(), 1, "{listed}");
}

fn allowed_by(http: &Http, policy: &Policy) -> Box<Approved> {
    match decide(http, policy, "hermes") {
        Ok(Decision::Forward(approved)) => approved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_own_volumes_are_removed() {
    assert_eq!(allowed(&Http::new("DELETE", "/volumes/mine?force=1")).target, "/v1.41/volumes/mine?force=1");
    assert_eq!(refused(&Http::new("DELETE", "/volumes/ollama")).reason, Reason::VerbNotAllowed);
    for name in ["theirs", "unlisted", "nosuch"] {
        assert_eq!(
            told(&Http::new("DELETE", &format!("/volumes/{name}"))),
            (404, format!("get {name}: no such volume"))
        );
    }
}
