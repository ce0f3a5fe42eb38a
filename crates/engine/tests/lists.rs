//! What counts, clears away and tells of many objects at once: df, prunes, events.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Decision, EventFilter, Lookup};
use doorward_policy::Reason;
use serde_json::{Value, json};
use support::{Http, NET, OLLAMA, OWN, allowed, answer, decide, decide_with, policy, refused};

/// A query value's bytes.
fn decoded(target: &str) -> String {
    let mut bytes = target.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).unwrap()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_prune_reaches_only_own_objects_whatever_its_filters_say() {
    for (kind, filters, want) in [
        ("containers", json!({}), json!({"label": {"doorward.worker=hermes": true}})),
        (
            "networks",
            json!({"label": ["a=b"]}),
            json!({"label": {"a=b": true, "doorward.worker=hermes": true}}),
        ),
        (
            "containers",
            json!({"label": ["doorward.worker=other"], "until": ["24h"]}),
            json!({"label": {"doorward.worker=hermes": true, "doorward.worker=other": true}, "until": {"24h": true}}),
        ),
        (
            "volumes",
            json!({"label!": {"doorward.worker=hermes": true}, "all": ["1"]}),
            json!({"all": {"1": true}, "label": {"doorward.worker=hermes": true}, "label!": {"doorward.worker=hermes": true}}),
        ),
        ("images", json!({}), json!({"dangling": {"true": true}, "label": {"doorward.worker=hermes": true}})),
    ] {
        let target = format!("/v1.41/{kind}/prune?filters={}", encoded(&filters.to_string()));
        let approved = allowed(&Http::new("POST", &target));
        let sent = decoded(&approved.target);
        let (path, sent) = sent.split_once("?filters=").unwrap();
        assert_eq!(path, format!("/v1.41/{kind}/prune"));
        assert_eq!(serde_json::from_str::<Value>(sent).unwrap(), want);
        assert!(approved.body.is_none());
    }
    let all = encoded(r#"{"dangling":["false"]}"#);
    let refusal = refused(&Http::new("POST", &format!("/v1.41/images/prune?filters={all}")));
    assert_eq!(refusal.reason, Reason::FieldNotAllowed);
    let strange = encoded(r#"{"name":["x"]}"#);
    let refusal = refused(&Http::new("POST", &format!("/v1.41/containers/prune?filters={strange}")));
    assert_eq!(refusal.reason, Reason::UnknownField);
}

#[test]
fn a_prune_of_the_build_cache_removes_nothing_and_the_engine_is_not_asked() {
    for query in ["", "?all=1", "?keep-storage=0&filters=%7B%22until%22%3A%5B%2224h%22%5D%7D"] {
        let http = Http::new("POST", &format!("/v1.41/build/prune{query}"));
        match decide(&http, &policy(), "hermes") {
            Ok(Decision::Answer { status: 200, body, .. }) => {
                assert_eq!(body, json!({"CachesDeleted": null, "SpaceReclaimed": 0}));
            }
            other => panic!("{query}: {other:?}"),
        }
    }
    let without = decide(&Http::new("POST", "/v1.41/build/prune"), &policy(), "other");
    assert!(
        matches!(&without, Ok(Decision::Refuse(refusal)) if refusal.reason == Reason::VerbNotAllowed),
        "{without:?}"
    );
}

#[test]
fn info_counts_the_images_that_may_be_seen() {
    let approved = allowed(&Http::new("GET", "/v1.41/info"));
    let shown =
        approved.answer.apply(200, br#"{"Images": 77, "Containers": 9}"#, &policy(), "hermes").unwrap();
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!((&shown["Images"], &shown["Containers"]), (&json!(2), &json!(1)));
}

#[test]
fn a_network_that_was_made_internal_unasked_is_told_of() {
    let made = |body: Value| {
        let approved = allowed(&Http::json("POST", "/v1.41/networks/create", &body));
        let engine = json!({"Id": NET, "Warning": ""}).to_string();
        let shown = approved.answer.apply(201, engine.as_bytes(), &policy(), "hermes").unwrap();
        serde_json::from_slice::<Value>(&shown).unwrap()
    };
    let told = made(json!({"Name": "mine-too"}));
    assert_eq!(told["Id"], NET);
    assert!(told["Warning"].as_str().unwrap().starts_with("doorward: the network is internal"), "{told}");
    assert_eq!(made(json!({"Name": "mine-too", "Internal": true}))["Warning"], "");
}

#[test]
fn a_refused_bind_is_answered_with_the_volumes_that_may_be_had() {
    let body = json!({"Image": "busybox:latest", "HostConfig": {"Binds": ["/srv/other:/data"]}});
    let refusal = refused(&Http::create(&body));
    assert!(refusal.nearest.is_some(), "{refusal}");
    let named = json!({"Image": "busybox:latest", "HostConfig": {"Binds": ["theirs:/data"]}});
    let nearest = refused(&Http::create(&named)).nearest.unwrap();
    assert!(nearest.contains("-v NAME:/data") && nearest.contains("-v /data"), "{nearest}");
}

#[test]
fn a_refused_verb_is_answered_with_the_verbs_that_the_roles_have() {
    let policy = support::policy_of(&include_str!("data/policy.toml").replace("\"df\", ", ""));
    match decide(&Http::new("GET", "/v1.41/system/df"), &policy, "hermes") {
        Ok(Decision::Refuse(refusal)) => {
            let nearest = refusal.nearest.unwrap();
            assert!(nearest.contains("container prune") && !nearest.contains("df"), "{nearest}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn df_counts_own_objects_and_the_images_that_may_be_seen() {
    let engine = json!({
        "LayersSize": 999, "BuilderSize": 77, "BuildCache": [{"ID": "secret-cache"}],
        "Images": [
            {"Id": "sha256:1", "RepoTags": ["busybox:latest", "prod/db:1"], "Size": 10, "Containers": 5},
            {"Id": "sha256:2", "RepoTags": ["prod/db:2"], "Size": 100, "Containers": 1}],
        "Containers": [
            {"Id": "1", "Names": ["/bench-1"], "ImageID": "sha256:1", "Labels": {"doorward.worker": "hermes", "doorward.from": "sha256:1"}},
            {"Id": "4", "Names": ["/inherits"], "ImageID": "sha256:1", "Labels": {"doorward.worker": "hermes"}},
            {"Id": "2", "Names": ["/ollama"], "ImageID": "sha256:1", "Labels": {}},
            {"Id": "3", "Names": ["/theirs"], "ImageID": "sha256:1", "Labels": {"doorward.worker": "other"}}],
        "Volumes": [
            {"Name": "mine", "Labels": {"doorward.worker": "hermes"}, "Mountpoint": "/var/lib/x", "UsageData": {"Size": 3}},
            {"Name": "ollama", "Labels": null}, {"Name": "theirs", "Labels": {"doorward.worker": "other"}}]});
    let approved = allowed(&Http::new("GET", "/v1.41/system/df"));
    let shown = approved.answer.apply(200, engine.to_string().as_bytes(), &policy(), "hermes").unwrap();
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    let ids = |list: &str, field: &str| {
        let list = shown[list].as_array().unwrap().iter();
        list.map(|entry| entry[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((ids("Images", "Id"), ids("Containers", "Id")), (vec!["sha256:1".into()], vec!["1".into()]));
    assert_eq!(ids("Volumes", "Name"), ["mine"]);
    assert_eq!(shown["Images"][0]["Containers"], json!(1));
    assert_eq!(
        (&shown["LayersSize"], &shown["BuilderSize"], &shown["BuildCache"]),
        (&json!(10), &json!(0), &json!([]))
    );
    for secret in ["prod/db", "secret-cache", "/var/lib", "theirs"] {
        assert!(!shown.to_string().contains(secret), "{secret}: {shown}");
    }
}

#[test]
fn by_what_a_list_does_not_show_of_others_nothing_of_theirs_is_found() {
    let sent = |path: &str, filters: &Value| {
        let approved =
            allowed(&Http::new("GET", &format!("/v1.41{path}?filters={}", encoded(&filters.to_string()))));
        let sent = decoded(&approved.target);
        serde_json::from_str::<Value>(sent.split_once("filters=").unwrap().1).unwrap()
    };
    let own = json!({"doorward.worker=hermes": true});
    for (path, key) in [
        ("/containers/json", "volume"),
        ("/containers/json", "network"),
        ("/containers/json", "label"),
        ("/networks", "label"),
        ("/volumes", "label"),
    ] {
        let mut want = json!({"label": own, "name": {"a": true}});
        want[key]["guess"] = json!(true);
        assert_eq!(sent(path, &json!({key: ["guess"], "name": ["a"]})), want, "{path} {key}");
        let shown = json!({"name": {"a": true}});
        assert_eq!(sent(path, &shown), shown, "{path}");
    }
    let image = json!({"label": {"guess": true}});
    assert_eq!(sent("/images/json", &image), image, "an image's labels are shown");
}

fn event(kind: &str, action: &str, id: &str, attributes: &Value) -> Value {
    json!({"status": action, "id": id, "from": attributes["image"], "Type": kind, "Action": action,
        "Actor": {"ID": id, "Attributes": attributes}, "scope": "local", "time": 7, "timeNano": 7_000_000_001_i64})
}

/// What a worker sees of some events, with a query of its own.
fn told(query: &str, events: &[Value]) -> Vec<Value> {
    let mut filter = filter(query);
    let bytes: Vec<u8> = events.iter().flat_map(|event| format!("{event}\n").into_bytes()).collect();
    // However the bytes come.
    let mut out = Vec::new();
    for piece in bytes.chunks(7) {
        out.extend(filter.push(piece, &policy(), "hermes"));
    }
    let mut whole = filter_again(query, &bytes);
    assert_eq!(out, std::mem::take(&mut whole));
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn filter_again(query: &str, bytes: &[u8]) -> Vec<u8> {
    filter(query).push(bytes, &policy(), "hermes")
}

fn filter(query: &str) -> EventFilter {
    let world = |lookup: &Lookup| match lookup {
        Lookup::OwnNetworks => Some(json!([{"Id": NET}])),
        Lookup::OwnVolumes => Some(json!({"Volumes": [{"Name": "mine"}]})),
        other => answer(other),
    };
    let http = Http::new("GET", &format!("/v1.41/events{query}"));
    match decide_with(&http, &policy(), "hermes", doorward_engine::Facts::default(), world) {
        Ok(doorward_engine::Decision::Forward(approved)) => {
            assert!(!approved.target.contains("filters"), "{}", approved.target);
            approved.events.unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn some_events() -> Vec<Value> {
    let own = json!({"doorward.worker": "hermes", "doorward.image": "busybox:1", "doorward.from": "sha256:x",
        "image": "sha256:x", "name": "bench-1", "a": "b"});
    let theirs = json!({"doorward.worker": "other", "image": "busybox", "name": "web-1"});
    let operators = json!({"image": "ollama/ollama", "name": "ollama", "token": "s3cret"});
    vec![
        event("container", "create", OWN, &own),
        event("container", "exec_create: sh -c 'own'", OWN, &own),
        event("container", "start", &"9".repeat(64), &theirs),
        event("container", "exec_create: sh -c 'theirs'", &"9".repeat(64), &theirs),
        event(
            "container",
            "start",
            &"b".repeat(64),
            &json!({"doorward.worker": "hermes", "image": "x", "name": "by-image"}),
        ),
        event("container", "start", OLLAMA, &operators),
        event("container", "exec_create: login --password s3cret", OLLAMA, &operators),
        event("container", "die", &"a".repeat(64), &json!({"name": "db", "image": "prod/db"})),
        event("image", "pull", "busybox:2", &json!({"name": "busybox:2", "secret": "label"})),
        event("image", "pull", "prod/db:2", &json!({"name": "prod/db:2"})),
        event("network", "connect", NET, &json!({"name": "minenet", "type": "bridge", "container": OWN})),
        event("network", "connect", &"b".repeat(64), &json!({"name": "theirnet", "type": "bridge"})),
        event("volume", "destroy", "mine", &json!({"driver": "local"})),
        event("volume", "create", "mine", &json!({"driver": "local"})),
        event("daemon", "reload", "host", &json!({"name": "the-hosts-name"})),
        event("plugin", "enable", "x", &json!({})),
    ]
}

#[test]
fn events_tell_of_what_may_be_seen_and_of_that_no_secrets() {
    let told = told("", &some_events());
    let lines: Vec<String> = told
        .iter()
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            [text(&event["Type"]), text(&event["Action"]), text(&event["Actor"]["ID"])].join(" ")
        })
        .collect();
    assert_eq!(
        lines,
        [
            format!("container create {OWN}"),
            format!("container exec_create: sh -c 'own' {OWN}"),
            format!("container start {OLLAMA}"),
            format!("container exec_create {OLLAMA}"),
            "image pull busybox:2".to_owned(),
            format!("network connect {NET}"),
            "volume destroy mine".to_owned(),
        ]
    );
    let all = json!(told).to_string();
    for secret in ["s3cret", "label", "theirs", "web-1", "prod/db", "the-hosts-name", "login"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    assert_eq!(
        (&told[0]["from"], &told[0]["status"], &told[0]["time"]),
        (&json!("busybox:1"), &json!("create"), &json!(7))
    );
    assert_eq!(told[3]["Actor"]["Attributes"], json!({"image": "ollama/ollama", "name": "ollama"}));
}

#[test]
fn events_are_filtered_by_what_the_worker_sees() {
    let count = |filters: Value| {
        told(&format!("?since=1&filters={}", encoded(&filters.to_string())), &some_events()).len()
    };
    for (filters, want) in [
        (json!({"type": ["container"]}), 4),
        (json!({"type": ["container", "volume"]}), 5),
        (json!({"container": ["bench-1"]}), 2),
        (json!({"container": [OLLAMA]}), 2),
        (json!({"event": ["exec_create"]}), 2),
        (json!({"container": ["ollama"], "event": ["start"]}), 1),
        (json!({"label": ["a=b"]}), 2),
        // By what the worker does not see nothing is found, so that it cannot be guessed.
        (json!({"label": ["token=s3cret"]}), 0),
        (json!({"label": ["token"]}), 0),
        (json!({"event": ["exec_create: login --password s3cret"]}), 0),
        (json!({"container": ["web-1"]}), 0),
        (json!({"image": ["busybox"]}), 3),
        (json!({"network": ["minenet"]}), 1),
        (json!({"volume": ["mine"]}), 1),
    ] {
        assert_eq!(count(filters.clone()), want, "{filters}");
    }
}

#[test]
fn an_endless_or_senseless_event_is_left_out_and_the_next_one_is_told() {
    let mut filter = filter("");
    let mut out = Vec::new();
    for _ in 0..64 {
        out.extend(filter.push(&vec![b'x'; 1 << 20], &policy(), "hermes"));
        assert!(format!("{filter:?}").len() < 8 << 20, "it is not kept");
    }
    for bytes in [&b"\n"[..], b"[]\n{}\nnull\n{\"Type\":1}\n\xff\xff\n", b"{\"Type\":\"container\"}\n"] {
        out.extend(filter.push(bytes, &policy(), "hermes"));
    }
    assert!(out.is_empty());
    let own = event(
        "container",
        "die",
        OWN,
        &json!({"doorward.worker": "hermes", "doorward.from": "i", "image": "i", "name": "bench-1"}),
    );
    assert!(!filter.push(format!("{own}\n").as_bytes(), &policy(), "hermes").is_empty());
}
