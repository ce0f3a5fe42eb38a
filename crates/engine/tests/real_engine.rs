//! What a real engine makes of what was approved: the engine is the judge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[path = "support/engine.rs"]
mod engine;
mod support;

use engine::{House, call};
use serde_json::{Value, json};
use support::{Http, body_of};

fn inspect(id: &str) -> Value {
    serde_json::from_slice(&call("GET", &format!("/v1.41/containers/{id}/json"), None).1).unwrap()
}

/// Judged, sent, compared; the container's id.
fn made(house: &House, body: &Value) -> String {
    let approved = house.approved(&Http::create(body));
    let (status, answer) = house.send(&approved);
    assert_eq!(status, 201, "{body} {answer}");
    let id = answer["Id"].as_str().unwrap().to_owned();
    let compared = approved.expected.as_ref().unwrap().compare(&inspect(&id));
    assert!(compared.is_ok(), "{body}\n{}\n{compared:?}", body_of(&approved));
    id
}

#[test]
fn what_is_made_is_what_was_approved_and_may_start() {
    let house = House::new();
    let bind = format!("{}:/models:ro", house.folder.path().display());
    for (config, host) in [
        (json!({}), json!({})),
        (
            json!({"Env": ["A=b", "C"], "Cmd": ["/bin/sleep", "60"], "Tty": true, "Hostname": "h", "User": "1000", "WorkingDir": "/tmp"}),
            json!({"Init": false}),
        ),
        (
            json!({"Labels": {"x": "y"}, "Volumes": {"/anon": {}}, "StopSignal": "SIGINT", "StopTimeout": 3, "ExposedPorts": {"80/tcp": {}}}),
            json!({"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20999"}]}}),
        ),
        (
            json!({"Healthcheck": {"Test": ["CMD", "/bin/true"], "Interval": 30_000_000_000_i64, "Retries": 2}}),
            json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
        ),
        (
            json!({}),
            json!({"Memory": 64 << 20, "MemoryReservation": 32 << 20, "NanoCpus": 500_000_000, "PidsLimit": 20, "ShmSize": 1 << 20, "CpuShares": 512, "BlkioWeight": 0, "OomScoreAdj": 100, "MemorySwappiness": -1}),
        ),
        (
            json!({}),
            json!({"Tmpfs": {"/t": "size=1m,mode=1777,noexec"}, "Mounts": [{"Type": "tmpfs", "Target": "/q", "TmpfsOptions": {"SizeBytes": 65536, "Mode": 511}}, {"Type": "volume", "Target": "/vv"}]}),
        ),
        (json!({}), json!({"Binds": [bind]})),
        (
            json!({}),
            json!({"Mounts": [{"Type": "bind", "Source": house.folder.path(), "Target": "/models", "ReadOnly": true, "BindOptions": {"Propagation": "rprivate"}}]}),
        ),
        (
            json!({}),
            json!({"ReadonlyRootfs": true, "CapDrop": ["all"], "SecurityOpt": ["no-new-privileges:true"], "IpcMode": "none", "AutoRemove": true}),
        ),
        (
            json!({}),
            json!({"Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}, "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/null", "CgroupPermissions": "rw"}]}),
        ),
    ] {
        let mut body = json!({"Image": house.image, "Cmd": ["/bin/sleep", "60"], "HostConfig": host});
        for (key, value) in config.as_object().unwrap() {
            body[key] = value.clone();
        }
        let id = made(&house, &body);
        // Its present configuration, before and after a start, is what the policy makes of it.
        for _ in 0..2 {
            let start = house.approved(&Http::new("POST", &format!("/v1.41/containers/{id}/start")));
            let (status, answer) = house.send(&start);
            assert!([204, 304].contains(&status), "{body} {status} {answer}");
        }
        holds(&inspect(&id), &body);
        let remove = house.approved(&Http::new("DELETE", &format!("/v1.41/containers/{id}?force=1&v=1")));
        assert_eq!(house.send(&remove).0, 204);
    }
}

/// What must be true of every container of a worker, whatever was asked.
fn holds(inspect: &Value, body: &Value) {
    let host = &inspect["HostConfig"];
    assert_eq!(host["Privileged"], json!(false), "{body}");
    assert!(host["CapAdd"].is_null() || host["CapAdd"] == json!([]), "{body}");
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]), "{body}");
    assert!((1..=1 << 30).contains(&host["Memory"].as_i64().unwrap()), "{body}");
    assert!((1..=256).contains(&host["PidsLimit"].as_i64().unwrap()), "{body}");
    assert_eq!(host["NetworkMode"], json!("none"), "{body}");
    assert_eq!(host["CgroupnsMode"], json!("private"), "{body}");
    assert!(
        host["CapDrop"] == json!(["CAP_ALL"])
            || host["CapDrop"].as_array().unwrap().len() >= 2
            || host["CapDrop"] == json!(["ALL"]),
        "{body}"
    );
}

#[test]
fn own_networks_are_internal_and_found_again() {
    let house = House::new();
    let name = format!("{}-net", house.worker);
    let create = house.approved(&Http::json(
        "POST",
        "/v1.41/networks/create",
        &json!({"Name": name, "Driver": "bridge", "Internal": false}),
    ));
    let (status, answer) = house.send(&create);
    assert_eq!(status, 201, "{answer}");
    let id = answer["Id"].as_str().unwrap();
    let (_, network) = house.send(&house.approved(&Http::new("GET", &format!("/v1.41/networks/{name}"))));
    assert_eq!(
        (&network["Internal"], &network["Labels"]["doorward.worker"]),
        (&json!(true), &json!(house.worker))
    );
    let address = network["IPAM"]["Config"][0]["Gateway"].as_str().unwrap().to_owned();
    let hosts_own = std::fs::read_to_string("/proc/net/fib_trie").unwrap();
    let bears = |line: &str| line.trim().strip_prefix("|-- ") == Some(address.as_str());
    assert!(!hosts_own.lines().any(bears), "the host listens at {address} to the network's containers");

    let body = json!({"Image": house.image, "Cmd": ["/bin/sleep", "60"], "HostConfig": {"NetworkMode": name},
        "NetworkingConfig": {"EndpointsConfig": {&name: {"Aliases": ["server"]}}}});
    let container = made(&house, &body);
    let start = house.approved(&Http::new("POST", &format!("/v1.41/containers/{container}/start")));
    assert_eq!(house.send(&start).0, 204);
    let networks = inspect(&container)["NetworkSettings"]["Networks"].clone();
    assert_eq!(networks.as_object().unwrap().len(), 1, "{networks}");
    assert_eq!(networks[&name]["NetworkID"], json!(id));
    assert!(networks[&name]["Aliases"].as_array().unwrap().contains(&json!("server")));

    assert_eq!(
        house
            .send(&house.approved(&Http::new("DELETE", &format!("/v1.41/containers/{container}?force=1"))))
            .0,
        204
    );
    assert_eq!(house.send(&house.approved(&Http::new("DELETE", &format!("/v1.41/networks/{name}")))).0, 204);
}

#[test]
fn what_the_engine_made_differently_is_found() {
    let house = House::new();
    let body = json!({"Image": house.image, "Cmd": ["/bin/sleep", "60"]});
    let approved = house.approved(&Http::create(&body));
    let expected = approved.expected.as_ref().unwrap();
    for (field, value) in [
        ("Privileged", json!(true)),
        ("Binds", json!(["/:/h"])),
        ("CapAdd", json!(["SYS_ADMIN"])),
        ("Memory", json!(1_i64 << 29)),
        ("SecurityOpt", json!(["seccomp=unconfined"])),
        ("PidMode", json!("host")),
        ("NetworkMode", json!("host")),
        ("PidsLimit", json!(0)),
        ("MaskedPaths", json!([])),
        ("ReadonlyPaths", json!([])),
        ("IpcMode", json!("host")),
        ("CgroupnsMode", json!("host")),
        (
            "Devices",
            json!([{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero", "CgroupPermissions": "r"}]),
        ),
        ("Sysctls", json!({"net.ipv4.ip_forward": "0"})),
        ("RestartPolicy", json!({"Name": "always"})),
        ("GroupAdd", json!(["0"])),
        ("Mounts", json!([{"Type": "bind", "Source": "/etc", "Target": "/e"}])),
        ("UsernsMode", json!("host")),
        ("UTSMode", json!("host")),
        ("PortBindings", json!({"80/tcp": [{"HostPort": "20998"}]})),
        ("CgroupParent", json!("/x")),
        ("OomKillDisable", json!(true)),
    ] {
        let mut sent = body_of(&approved);
        sent["HostConfig"][field] = value;
        let (status, answer) = call("POST", "/v1.41/containers/create", Some(sent.to_string().as_bytes()));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(status, 201, "{field} {answer}");
        let id = answer["Id"].as_str().unwrap();
        let found = expected.compare(&inspect(id));
        let refusal = found.expect_err(field);
        assert_eq!(refusal.reason.code(), "engine_mismatch", "{field}");
        if field != "CgroupnsMode" {
            let start = house.refused(&Http::new("POST", &format!("/v1.41/containers/{id}/start")));
            assert!(
                ["field_not_allowed", "object_not_allowed"].contains(&start.reason.code()),
                "{field} {start:?}"
            );
        }
        call("DELETE", &format!("/v1.41/containers/{id}?force=1&v=1"), None);
    }
}

#[test]
fn the_engines_own_answers_are_cut_to_what_the_worker_may_see() {
    let house = House::new();
    let foreign = json!({"Image": house.image, "Cmd": ["/bin/sleep", "60"], "Env": ["SECRET=s3"], "Labels": {"doorward.worker": "other"}});
    let (status, answer) = call("POST", "/v1.41/containers/create", Some(foreign.to_string().as_bytes()));
    assert_eq!(status, 201);
    let foreign = serde_json::from_slice::<Value>(&answer).unwrap()["Id"].as_str().unwrap().to_owned();
    let own = made(&house, &json!({"Image": house.image, "Cmd": ["/bin/sleep", "60"]}));

    let (_, list) = house.send(&house.approved(&Http::new("GET", "/v1.41/containers/json?all=1")));
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|entry| entry["Id"].as_str().unwrap()).collect();
    assert_eq!(ids, [own.as_str()]);
    assert_eq!(list[0]["Image"], json!(house.image));
    let absent = house.decide(&Http::new("GET", &format!("/v1.41/containers/{foreign}/json")));
    assert!(matches!(absent, Ok(doorward_engine::Decision::Answer { status: 404, .. })), "{absent:?}");
    let (_, images) = house.send(&house.approved(&Http::new("GET", "/v1.41/images/json")));
    let shown: Vec<&Value> =
        images.as_array().unwrap().iter().flat_map(|image| image["RepoTags"].as_array().unwrap()).collect();
    let allowed = |tag: &str| tag.starts_with("busybox:") || tag == house.image;
    assert!(
        shown.contains(&&json!(house.image)) && shown.iter().all(|tag| allowed(tag.as_str().unwrap())),
        "{shown:?}"
    );
    let (_, info) = house.send(&house.approved(&Http::new("GET", "/v1.41/info")));
    assert_eq!((&info["Containers"], &info["DockerRootDir"]), (&json!(1), &json!("")));
    let (_, version) = house.send(&house.approved(&Http::new("GET", "/version")));
    assert_eq!(version["MinAPIVersion"], json!("1.40"));
    let (_, own_inspect) =
        house.send(&house.approved(&Http::new("GET", &format!("/v1.41/containers/{own}/json"))));
    assert!(!own_inspect.to_string().contains("/var/lib/docker"), "{own_inspect}");
    call("DELETE", &format!("/v1.41/containers/{foreign}?force=1"), None);
}

#[test]
fn an_images_own_configuration_is_judged_with_the_request() {
    let house = House::new();
    let rich = house.image_with(
        "2",
        &[
            "USER 1000",
            "VOLUME /data",
            "ENV X=y",
            "LABEL a=b",
            "WORKDIR /tmp",
            "ENTRYPOINT [\"/bin/sleep\"]",
            "CMD [\"60\"]",
            "EXPOSE 80",
            "HEALTHCHECK --interval=30s CMD [\"/bin/true\"]",
        ],
    );
    let id = made(&house, &json!({"Image": rich, "Env": ["A=b"]}));
    let start = house.approved(&Http::new("POST", &format!("/v1.41/containers/{id}/start")));
    assert_eq!(house.send(&start).0, 204);
    assert_eq!(inspect(&id)["Config"]["User"], json!("1000"));
    assert_eq!(inspect(&id)["Config"]["Labels"]["doorward.worker"], json!(house.worker));

    let stamped = house.image_with("3", &["LABEL doorward.worker=other"]);
    let refusal = house.refused(&Http::create(&json!({"Image": stamped, "Cmd": ["/bin/sleep", "1"]})));
    assert_eq!(refusal.path.as_deref(), Some("Labels"));
}
