//! Whom a worker may touch, and what it sees.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Approved, Decision, Facts, Shape, http_status, refusal_body};
use doorward_policy::Reason;
use serde_json::{Value, json};
use support::{
    EXEC, Http, OLLAMA, allowed, answer, body_of, decide, decide_with, policy, policy_of, refused,
};

fn get(target: &str) -> Http {
    Http::new("GET", target)
}

fn post(target: &str) -> Http {
    Http::new("POST", target)
}

fn told(http: &Http) -> (u16, String) {
    match decide(http, &policy(), "hermes") {
        Ok(Decision::Answer { status, body, .. }) => (status, body["message"].as_str().unwrap().to_owned()),
        other => panic!("{} {}: {other:?}", http.method, http.target),
    }
}

fn seen(approved: &Approved, status: u16, body: &Value) -> Value {
    serde_json::from_slice(
        &approved.answer.apply(status, body.to_string().as_bytes(), &policy(), "hermes").unwrap(),
    )
    .unwrap()
}

#[test]
fn foreign_and_absent_containers_are_answered_alike() {
    for verb in [
        "start", "stop", "restart", "wait", "kill", "attach", "resize", "exec", "pause", "unpause", "rename",
        "update",
    ] {
        for name in ["theirs", "db", "nosuch"] {
            let body = match verb {
                "exec" => r#"{"Cmd":["ollama","list"]}"#,
                "update" => "{}",
                _ => "",
            };
            let http = post(&format!("/v1.41/containers/{name}/{verb}"))
                .header("Content-Type", "application/json")
                .body(body.as_bytes());
            assert_eq!(told(&http), (404, format!("No such container: {name}")), "{verb}");
        }
    }
    for name in ["theirs", "db", "nosuch", "busybox:latest"] {
        assert_eq!(
            told(&get(&format!("/containers/{name}/json"))),
            (404, format!("No such container: {name}"))
        );
        for verb in ["top", "stats", "logs"] {
            let absent = (404, format!("No such container: {name}"));
            assert_eq!(told(&get(&format!("/containers/{name}/{verb}"))), absent);
        }
        assert_eq!(told(&Http::new("DELETE", &format!("/containers/{name}"))).0, 404);
    }
    for name in ["theirnet", "prod-1", "nosuch", "bridge"] {
        assert_eq!(told(&get(&format!("/networks/{name}"))), (404, format!("network {name} not found")));
    }
    for name in ["theirs", "unlisted", "nosuch"] {
        assert_eq!(told(&get(&format!("/volumes/{name}"))), (404, format!("get {name}: no such volume")));
    }
    assert_eq!(told(&get("/images/evil/json")), (404, "No such image: evil:latest".into()));
}

#[test]
fn what_goes_on_names_full_ids() {
    for (http, want) in [
        (post("/v1.41/containers/ollama/stop?t=3"), format!("/v1.41/containers/{OLLAMA}/stop?t=3")),
        (post("/containers/ollama/restart"), format!("/v1.41/containers/{OLLAMA}/restart")),
        (post("/v1.40/containers/ollama/wait"), format!("/v1.40/containers/{OLLAMA}/wait")),
        (get("/v1.41/images/busybox/json"), format!("/v1.41/images/{}/json", support::IMAGE)),
        (get("/v1.41/networks/"), "/v1.41/networks".into()),
    ] {
        assert_eq!(allowed(&http).target, want);
    }
}

#[test]
fn what_comes_with_run_is_for_own_containers_alone() {
    for (method, path) in [("POST", "attach"), ("POST", "resize?h=1&w=1")] {
        assert_eq!(
            refused(&Http::new(method, &format!("/containers/ollama/{path}"))).reason,
            Reason::VerbNotAllowed
        );
        let _ = allowed(&Http::new(method, &format!("/containers/bench-1/{path}")));
    }
    assert_eq!(allowed(&post("/containers/bench-1/kill?signal=SIGINT")).verb, "run");
    let refusal = refused(&post("/containers/ollama/kill"));
    assert_eq!(refusal.reason, Reason::VerbNotAllowed);
    assert!(refusal.nearest.unwrap().contains("stop"));
    assert_eq!(refused(&Http::new("DELETE", "/containers/ollama?v=1")).reason, Reason::FieldNotAllowed);
    let _ = allowed(&Http::new("DELETE", "/containers/ollama"));
}

#[test]
fn a_container_starts_only_as_the_policy_would_make_it() {
    let _ = allowed(&post("/containers/bench-1/start"));
    for (name, field) in [("bound", "HostConfig.Binds[0]"), ("uncapped", "HostConfig.Memory")] {
        for verb in ["start", "restart", "unpause"] {
            let refusal = refused(&post(&format!("/containers/{name}/{verb}")));
            assert_eq!(refusal.path.as_deref(), Some(field), "{name}");
        }
    }
}

#[test]
fn an_operators_container_starts_with_its_own_limits_but_not_with_power_over_the_host() {
    let _ = allowed(&post("/containers/ollama/start"));
    for (field, value) in [
        ("Privileged", json!(true)),
        ("Binds", json!(["/:/h"])),
        ("NetworkMode", json!("host")),
        ("PidMode", json!("host")),
        ("CapAdd", json!(["SYS_ADMIN"])),
        ("MaskedPaths", json!([])),
        ("SecurityOpt", json!(["seccomp=unconfined"])),
        ("New", json!(1)),
        ("Devices", json!([{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda"}])),
        ("NetworkMode", json!("container:x")),
    ] {
        let world = |lookup: &doorward_engine::Lookup| {
            let mut found = answer(lookup)?;
            if matches!(lookup, doorward_engine::Lookup::Container(_)) {
                found["HostConfig"][field] = value.clone();
            }
            Some(found)
        };
        let decision =
            decide_with(&post("/containers/ollama/start"), &policy(), "hermes", Facts::default(), world);
        assert!(matches!(decision, Ok(Decision::Refuse(_))), "{field} {value}");
    }
}

#[test]
fn an_exec_belongs_to_who_made_it_and_is_judged_again() {
    let start = |id: &str| {
        Http::json("POST", &format!("/exec/{id}/start"), &json!({"Detach": false, "Tty": false}))
            .header("Upgrade", "tcp")
    };
    assert_eq!(allowed(&start(EXEC)).shape, Shape::Hijack { stdin: false });
    let foreign = decide_with(&start(EXEC), &policy(), "hermes", Facts::default(), answer);
    assert!(matches!(foreign, Ok(Decision::Answer { status: 404, .. })), "{foreign:?}");
    let detached =
        Http::json("POST", &format!("/exec/{EXEC}/start"), &json!({"Detach": true})).header("Upgrade", "tcp");
    assert_eq!(refused(&detached).reason, Reason::BadRequest);
    let mut facts = Facts::default();
    facts.execs.insert(EXEC.into());
    let other_command = |lookup: &doorward_engine::Lookup| {
        let mut found = answer(lookup)?;
        if matches!(lookup, doorward_engine::Lookup::Exec(_)) {
            found["ProcessConfig"]["arguments"] = json!(["run", "x"]);
        }
        Some(found)
    };
    let again = decide_with(&start(EXEC), &policy(), "hermes", facts, other_command);
    assert!(matches!(again, Ok(Decision::Refuse(_))), "{again:?}");
}

#[test]
fn an_absent_image_is_told_in_the_engines_words_so_that_clients_pull() {
    let create = Http::create(&json!({"Image": "busybox:9"}));
    assert_eq!(told(&create), (404, "No such image: busybox:9".into()));
    let bad = Http::create(&json!({"Image": "busybox:9", "HostConfig": {"Privileged": true}}));
    assert_eq!(refused(&bad).path.as_deref(), Some("HostConfig.Privileged"));
    assert_eq!(
        allowed(&post("/images/create?fromImage=busybox")).target,
        "/v1.41/images/create?fromImage=busybox&tag=latest"
    );
    let digest = format!("sha256:{}", "a".repeat(64));
    let pulled = allowed(
        &post(&format!("/images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag={digest}"))
            .header("X-Registry-Auth", "e30="),
    );
    assert_eq!(
        pulled.target,
        format!("/v1.41/images/create?fromImage=busybox&tag=sha256%3A{}", "a".repeat(64))
    );
    assert!(pulled.headers.is_empty());
}

#[test]
fn own_containers_are_counted() {
    let full = |lookup: &doorward_engine::Lookup| match lookup {
        doorward_engine::Lookup::OwnContainers => Some(json!([{}, {}, {}, {}])),
        other => answer(other),
    };
    let decision =
        decide_with(&Http::create(&json!({"Image": "busybox"})), &policy(), "hermes", Facts::default(), full);
    let Ok(Decision::Refuse(refusal)) = decision else { panic!("{decision:?}") };
    assert_eq!((refusal.reason, http_status(&refusal)), (Reason::QuotaReached, 409));
}

#[test]
fn egress_gives_the_bridge_and_its_lack_gives_no_network() {
    let mode = |policy: &doorward_policy::Policy, worker: &str, host: Value| match decide(
        &Http::create(&json!({"Image": "busybox", "HostConfig": host})),
        policy,
        worker,
    ) {
        Ok(Decision::Forward(approved)) => body_of(&approved)["HostConfig"]["NetworkMode"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(mode(&policy(), "hermes", json!({})), json!("none"));
    assert_eq!(mode(&policy(), "hermes", json!({"NetworkMode": "default"})), json!("none"));
    assert_eq!(mode(&policy(), "hermes", json!({"NetworkMode": "minenet"})), json!(support::NET));
    assert_eq!(mode(&policy(), "other", json!({})), json!("bridge"));
    assert_eq!(mode(&policy(), "other", json!({"NetworkMode": "prod-1"})), json!("c".repeat(64)));
}

#[test]
fn one_role_must_allow_all_of_it() {
    let text =
        include_str!("data/policy.toml").replace("roles = [\"bench\"]", "roles = [\"bench\", \"web\"]");
    let policy = policy_of(&text);
    let body = |host: Value| Http::create(&json!({"Image": "busybox", "HostConfig": host}));
    let of = |http: &Http| decide(http, &policy, "hermes");
    assert!(matches!(of(&body(json!({"Binds": ["/srv/models:/models:ro"]}))), Ok(Decision::Forward(_))));
    assert!(matches!(of(&body(json!({"NetworkMode": "bridge"}))), Ok(Decision::Forward(_))));
    let mixed = of(&body(json!({"NetworkMode": "bridge", "Binds": ["/srv/models:/models:ro"]})));
    assert!(matches!(mixed, Ok(Decision::Refuse(_))), "{mixed:?}");
}

#[test]
fn a_port_without_a_network_that_leads_out_is_warned_of() {
    let host = json!({"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20000"}]}});
    let answer = json!({"Id": "1", "Warnings": null});
    let with = seen(&allowed(&Http::create(&json!({"Image": "busybox", "HostConfig": host}))), 201, &answer);
    assert!(with["Warnings"][0].as_str().unwrap().contains("leads nowhere"), "{with}");
    let without = seen(&allowed(&Http::create(&json!({"Image": "busybox"}))), 201, &answer);
    assert_eq!(without["Warnings"], json!([]));
}

#[test]
fn binds_are_told_to_the_broker() {
    for host in [
        json!({"Binds": ["/srv/models:/models:ro"]}),
        json!({"Mounts": [{"Type": "bind", "Source": "/srv/models", "Target": "/models", "ReadOnly": true}]}),
    ] {
        assert_eq!(
            allowed(&Http::create(&json!({"Image": "busybox", "HostConfig": host}))).binds,
            ["/srv/models"]
        );
    }
}

#[test]
fn records_hold_no_secrets() {
    let create = Http::create(&json!({"Image": "busybox", "Env": ["TOKEN=s3cret", "EMPTY"]}));
    let approved = allowed(&create);
    assert!(!approved.operation.to_string().contains("s3cret"), "{}", approved.operation);
    assert_eq!(approved.operation["body"]["Env"], json!(["TOKEN=[redacted]", "EMPTY=[redacted]"]));
    assert_eq!(body_of(&approved)["Env"], json!(["TOKEN=s3cret", "EMPTY"]));
}

#[test]
fn lists_show_only_what_the_worker_may_see() {
    let containers = json!([
        {"Id": "1", "Names": ["/bench-1"], "Labels": {"doorward.worker": "hermes", "doorward.image": "busybox:1", "doorward.from": "sha256:x"}, "ImageID": "sha256:x", "Image": "sha256:x"},
        {"Id": "2", "Names": ["/web-1"], "Labels": {"doorward.worker": "other"}},
        {"Id": "3", "Names": ["/ollama", "/db/alias"], "Labels": {"secret": "x"}, "Mounts": [{"Type": "bind", "Source": "/srv/x"}]},
        {"Id": "4", "Names": ["/db"], "Labels": {}},
        {"Id": "5", "Names": ["/db2/ollama"], "Labels": {}},
        {"Id": "6", "Names": ["/ollama"], "Labels": {"doorward.worker": "other"}},
        {"Id": "7", "Names": ["/ollama"], "Labels": {"doorward.worker": "hermes"}, "ImageID": "sha256:x"},
        {"Id": "8", "Names": ["/ollama"], "Labels": {"doorward.worker": "hermes", "doorward.from": "sha256:y"}, "ImageID": "sha256:x"}]);
    let all = seen(&allowed(&get("/containers/json?all=1")), 200, &containers);
    assert_eq!(
        all,
        json!([
        {"Id": "1", "Names": ["/bench-1"], "Labels": {"doorward.worker": "hermes", "doorward.image": "busybox:1", "doorward.from": "sha256:x"}, "ImageID": "sha256:x", "Image": "busybox:1"},
        {"Id": "3", "Names": ["/ollama"], "Labels": {}, "Mounts": [{"Type": "bind", "Source": ""}]}])
    );
    assert_eq!(
        seen(&allowed(&get("/containers/json?limit=1")), 200, &containers).as_array().unwrap().len(),
        1
    );
    let images = json!([{"Id": "1", "RepoTags": ["busybox:1", "secret/prod:1"], "RepoDigests": null}, {"Id": "2", "RepoTags": ["secret/prod:2"]}, {"Id": "3", "RepoTags": null}]);
    assert_eq!(
        seen(&allowed(&get("/images/json")), 200, &images),
        json!([{"Id": "1", "RepoTags": ["busybox:1"], "RepoDigests": []}])
    );
    let networks = json!([{"Id": "1", "Name": "bridge"}, {"Id": "2", "Name": "none"}, {"Id": "3", "Name": "x", "Labels": {"doorward.worker": "hermes"}}, {"Id": "4", "Name": "y", "Labels": {"doorward.worker": "other"}}]);
    let networks = seen(&allowed(&get("/networks")), 200, &networks);
    assert_eq!(
        networks.as_array().unwrap().iter().map(|one| one["Id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["2", "3"]
    );
    let volumes = json!({"Volumes": [{"Name": "ollama", "Mountpoint": "/var/lib/x", "Options": {"device": "/x"}}, {"Name": "y"}, {"Name": "z", "Labels": {"doorward.worker": "hermes"}}], "Warnings": ["/x"]});
    assert_eq!(
        seen(&allowed(&get("/volumes")), 200, &volumes),
        json!({"Volumes": [
        {"Name": "ollama", "Labels": {}, "Mountpoint": "", "Options": {}}, {"Name": "z", "Labels": {"doorward.worker": "hermes"}, "Mountpoint": "", "Options": {}}], "Warnings": null})
    );
}

#[test]
fn inspect_of_what_is_not_own_tells_no_secrets() {
    let found = json!({"Id": OLLAMA, "LogPath": "/var/lib/docker/x", "GraphDriver": {"Data": "/var/lib"}, "Config": {"Env": ["TOKEN=s3"], "Labels": {"a": "s4"}},
        "HostConfig": {"Binds": ["/srv/s5:/x"]}, "Mounts": [{"Type": "bind", "Source": "/srv/s5"}], "State": {"Pid": 9, "Error": "mounting \"/var/lib/docker/x\" at \"/bin/own\""},
        "Path": "/bin/own"});
    let shown = seen(&allowed(&get("/containers/ollama/json")), 200, &found);
    for secret in ["s3", "s4", "s5", "/var/lib"] {
        assert!(!shown.to_string().contains(secret), "{secret} {shown}");
    }
    assert_eq!(shown["Config"]["Env"], json!(["TOKEN=[redacted]"]));
    let own = seen(&allowed(&get("/containers/bench-1/json")), 200, &found);
    assert_eq!(own["Config"]["Env"], json!(["TOKEN=s3"]));
    assert_eq!(own.get("LogPath"), None);
    assert_eq!(own["State"]["Error"], json!("mounting \"[path]\" at \"/bin/own\""));
}

#[test]
fn the_engines_errors_tell_no_host_paths() {
    let approved = allowed(&get("/containers/bench-1/logs?stdout=1"));
    let shown = seen(&approved, 500, &json!({"message": "open /var/lib/docker/containers/x: /bin/sleep"}));
    assert_eq!(shown, json!({"message": "open [path] /bin/sleep"}));
    assert_eq!(
        approved.answer.apply(500, b"\xff\xff", &policy(), "hermes").unwrap(),
        br#"{"message":"the engine answered 500"}"#
    );
    assert!(allowed(&get("/containers/json")).answer.apply(200, b"[1, {", &policy(), "hermes").is_err());
}

#[test]
fn a_refusal_says_what_is_allowed_instead() {
    let refusal = refused(&Http::create(&json!({"Image": "busybox", "HostConfig": {"Binds": ["/:/h"]}})));
    assert_eq!(refusal.nearest.as_deref(), Some("-v /srv/models:/models:ro"));
    assert_eq!(refusal.rule.as_deref(), Some("bench.docker"));
    let body = refusal_body(&refusal);
    assert!(body["message"].as_str().unwrap().starts_with("doorward: refused (field_not_allowed): "));
    let verb = refused(&post("/build"));
    assert_eq!((verb.reason, http_status(&verb)), (Reason::VerbNotAllowed, 403));
}

#[test]
fn an_unknown_worker_and_a_worker_without_the_verb_get_nothing() {
    let create = Http::create(&json!({"Image": "busybox"}));
    let nobody = decide(&create, &policy(), "nobody");
    assert!(
        matches!(nobody, Ok(Decision::Refuse(ref refusal)) if refusal.reason == Reason::UnknownWorker),
        "{nobody:?}"
    );
    let logs = decide(&get("/containers/web-1/logs"), &policy(), "other");
    assert!(
        matches!(logs, Ok(Decision::Refuse(ref refusal)) if refusal.reason == Reason::VerbNotAllowed),
        "{logs:?}"
    );
}

#[test]
fn a_named_volume_that_is_absent_is_made_with_the_label_before_its_container() {
    for host in [
        json!({"Binds": ["fresh:/data"]}),
        json!({"Mounts": [{"Type": "volume", "Source": "fresh", "Target": "/data"}]}),
    ] {
        let approved = allowed(&Http::create(&json!({"Image": "busybox", "HostConfig": host})));
        let [volume] = approved.beforehand.as_slice() else { panic!("{approved:?}") };
        assert_eq!((volume.method, volume.target.as_str()), ("POST", "/v1.41/volumes/create"));
        let want = json!({"Name": "fresh", "Driver": "local", "Labels": {"doorward.worker": "hermes"}});
        assert_eq!(body_of(volume), want);
        let foreign = json!({"Name": "fresh", "Driver": "local", "Options": null, "Labels": {"doorward.worker": "other"}});
        let taken = volume.answer.apply(201, foreign.to_string().as_bytes(), &policy(), "hermes");
        assert_eq!(taken.unwrap_err().reason, Reason::EngineMismatch);
    }
    for (name, there) in [("mine", true), ("ollama", true), ("theirs", false), ("withopts", false)] {
        let host = json!({"Binds": [format!("{name}:/data")]});
        match decide(&Http::create(&json!({"Image": "busybox", "HostConfig": host})), &policy(), "hermes") {
            Ok(Decision::Forward(approved)) => assert!(there && approved.beforehand.is_empty(), "{name}"),
            other => assert!(!there && matches!(other, Ok(Decision::Refuse(_))), "{name} {other:?}"),
        }
    }
}

#[test]
fn a_volume_is_made_plain_and_under_a_name_that_is_nobodys() {
    let create = |body: &Value| Http::json("POST", "/v1.41/volumes/create", body);
    let made = body_of(&allowed(&create(&json!({"Name": "fresh", "Labels": {"a": "b"}}))));
    let want = json!({"Name": "fresh", "Driver": "local", "Labels": {"a": "b", "doorward.worker": "hermes"}});
    assert_eq!(made, want);
    // Idempotent for what is the worker's already, and for nothing else.
    let _ = allowed(&create(&json!({"Name": "mine"})));
    for (body, reason) in [
        (json!({"Name": "theirs"}), Reason::NameNotAllowed),
        (json!({"Name": "unlisted"}), Reason::NameNotAllowed),
        (json!({"Name": "withopts"}), Reason::NameNotAllowed),
        (json!({"Name": "web-data"}), Reason::NameNotAllowed),
        (json!({"Name": "../x"}), Reason::NameNotAllowed),
        (json!({"Name": "a", "Driver": "../../x"}), Reason::FieldNotAllowed),
        (
            json!({"Name": "a", "DriverOpts": {"type": "none", "o": "bind", "device": "/"}}),
            Reason::FieldNotAllowed,
        ),
        (json!({"Name": "a", "Labels": {"doorward.worker": "other"}}), Reason::FieldNotAllowed),
        (json!({"Name": "a", "ClusterVolumeSpec": {"Group": {}}}), Reason::TooLarge),
    ] {
        assert_eq!(refused(&create(&body)).reason, reason, "{body}");
    }
    let full = |lookup: &doorward_engine::Lookup| match lookup {
        doorward_engine::Lookup::OwnVolumes => Some(json!({"Volumes": vec![json!({}); 16]})),
        other => answer(other),
    };
    let host = json!({"Binds": ["fresh:/data"]});
    let unnamed = json!({"Mounts": [{"Type": "volume", "Target": "/data"}]});
    for http in [
        create(&json!({"Name": "fresh"})),
        Http::create(&json!({"Image": "busybox", "HostConfig": host})),
        Http::create(&json!({"Image": "busybox", "HostConfig": unnamed})),
        Http::create(&json!({"Image": "busybox", "Volumes": {"/data": {}}})),
        Http::create(&json!({"Image": "busybox:volumes"})),
    ] {
        let decision = decide_with(&http, &policy(), "hermes", Facts::default(), full);
        let Ok(Decision::Refuse(refusal)) = decision else { panic!("{decision:?}") };
        assert_eq!(refusal.reason, Reason::QuotaReached);
    }
}

#[test]
fn own_containers_are_connected_to_networks_that_the_worker_may_use() {
    let on = |network: &str, what: &str, body: &Value| {
        Http::json("POST", &format!("/v1.41/networks/{network}/{what}"), body)
    };
    let approved = allowed(&on(
        "minenet",
        "connect",
        &json!({"Container": "bench-1", "EndpointConfig": {"Aliases": ["db"]}}),
    ));
    assert_eq!(approved.target, format!("/v1.41/networks/{}/connect", support::NET));
    let want = json!({"Container": support::OWN, "EndpointConfig": {"Aliases": ["db"]}});
    assert_eq!(body_of(&approved), want);
    let approved = allowed(&on("minenet", "disconnect", &json!({"Container": "bench-1", "Force": true})));
    assert_eq!(body_of(&approved), json!({"Container": support::OWN, "Force": true}));
    for what in ["connect", "disconnect"] {
        for container in ["theirs", "db", "nosuch"] {
            let want = (404, format!("No such container: {container}"));
            assert_eq!(told(&on("minenet", what, &json!({"Container": container}))), want);
        }
        for network in ["theirnet", "prod-1", "nosuch"] {
            let want = (404, format!("network {network} not found"));
            assert_eq!(told(&on(network, what, &json!({"Container": "bench-1"}))), want);
        }
        let operators = refused(&on("minenet", what, &json!({"Container": "ollama"})));
        assert_eq!(operators.reason, Reason::ObjectNotAllowed);
    }
    let fixed =
        json!({"Container": "bench-1", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.0.0.1"}}});
    assert_eq!(refused(&on("minenet", "connect", &fixed)).reason, Reason::FieldNotAllowed);
}

#[test]
fn in_an_operators_network_a_container_goes_by_its_own_name_alone() {
    let create = |name: &str, aliases: Value, hostname: &str| {
        let target = format!("/v1.41/containers/create{name}");
        let body = json!({"Image": "busybox", "Hostname": hostname, "HostConfig": {"NetworkMode": "prod-1"},
            "NetworkingConfig": {"EndpointsConfig": {"prod-1": {"Aliases": aliases}}}});
        decide(&Http::json("POST", &target, &body), &policy(), "other")
    };
    for (name, aliases, hostname) in [
        ("", json!([]), ""),
        ("?name=other-1", json!(["other-1"]), "other-1"),
        ("?name=other-1", json!(null), ""),
    ] {
        let decision = create(name, aliases, hostname);
        assert!(matches!(decision, Ok(Decision::Forward(_))), "{name} {decision:?}");
    }
    for (name, aliases, hostname) in [
        ("", json!(["db"]), ""),
        ("?name=db", json!([]), ""),
        ("?name=other-1", json!(["other-1", "db"]), ""),
        ("?name=other-1", json!([]), "db"),
        ("?name=otherdb", json!([]), ""),
    ] {
        let decision = create(name, aliases, hostname);
        let Ok(Decision::Refuse(refusal)) = decision else { panic!("{name} {decision:?}") };
        assert_eq!(refusal.reason, Reason::FieldNotAllowed);
    }
    // Without EndpointsConfig the mode alone joins.
    let body = json!({"Image": "busybox", "Hostname": "db", "HostConfig": {"NetworkMode": "prod-1"}});
    assert!(matches!(decide(&Http::create(&body), &policy(), "other"), Ok(Decision::Refuse(_))));
}
