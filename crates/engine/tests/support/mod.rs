//! A small world of objects, and the whole way of a request through it.
#![allow(dead_code, unreachable_pub, reason = "test files share it, and none uses all of it")]

use doorward_engine::{ApiVersion, Approved, Decision, Facts, Lookup, judge, read_head};
use doorward_policy::{Bundle, Policy, Refusal, Source};
use serde_json::{Value, json};

pub const OWN: &str = "1111111111111111111111111111111111111111111111111111111111111111";
pub const OLLAMA: &str = "2222222222222222222222222222222222222222222222222222222222222222";
pub const NET: &str = "3333333333333333333333333333333333333333333333333333333333333333";
pub const NET2: &str = "4444444444444444444444444444444444444444444444444444444444444444";
pub const EXEC: &str = "5555555555555555555555555555555555555555555555555555555555555555";
pub const IMAGE: &str = "sha256:6666666666666666666666666666666666666666666666666666666666666666";

pub fn policy() -> Policy {
    policy_of(include_str!("../data/policy.toml"))
}

pub fn policy_of(text: &str) -> Policy {
    let file = Source { path: "/etc/doorward/policy.toml".into(), text: text.into() };
    Policy::load(&Bundle { files: vec![file] }).unwrap_or_else(|errors| panic!("{errors:?}"))
}

pub fn ceiling() -> ApiVersion {
    ApiVersion { major: 1, minor: 41 }
}

/// A container as `inspect` shows one that was made with nothing asked.
pub fn container(id: &str, name: &str, mut labels: Value, host: Value) -> Value {
    if labels.get("doorward.worker").is_some() {
        labels["doorward.from"] = json!(IMAGE);
    }
    let mut base = json!({
        "NetworkMode": "none", "Memory": 1 << 30, "MemorySwap": 1 << 30, "NanoCpus": 1_500_000_000, "PidsLimit": 256,
        "ShmSize": 128 << 20, "IpcMode": "private", "CgroupnsMode": "private", "Runtime": "runc",
        "SecurityOpt": ["no-new-privileges"], "CapDrop": ["CAP_MKNOD", "CAP_NET_RAW"], "CapAdd": null,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "LogConfig": {"Type": "json-file", "Config": {}},
        "MaskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        "Binds": null, "Privileged": false, "OomKillDisable": false, "MemorySwappiness": null
    });
    for (key, value) in host.as_object().unwrap() {
        base[key] = value.clone();
    }
    json!({"Id": id, "Name": format!("/{name}"), "Image": IMAGE,
        "Config": {"Labels": labels, "Env": ["SECRET=s3"], "Cmd": ["/bin/sleep", "9"], "Image": IMAGE, "User": ""},
        "HostConfig": base, "Mounts": [], "NetworkSettings": {"Networks": {"none": {}}}})
}

fn image(tags: &[&str], config: Value) -> Value {
    json!({"Id": IMAGE, "RepoTags": tags, "RepoDigests": [], "Config": config})
}

fn network(id: &str, name: &str, labels: Value) -> Value {
    json!({"Id": id, "Name": name, "Driver": "bridge", "Internal": true, "Labels": labels})
}

fn volume(name: &str, driver: &str, labels: Value, options: Value) -> Value {
    json!({"Name": name, "Driver": driver, "Labels": labels, "Options": options})
}

/// What the engine of this world answers.
pub fn answer(lookup: &Lookup) -> Option<Value> {
    let own = json!({"doorward.worker": "hermes"});
    let theirs = json!({"doorward.worker": "other"});
    match lookup {
        Lookup::Container(name) => match name.as_str() {
            "bench-1" | OWN => Some(container(OWN, "bench-1", own, json!({}))),
            "bound" => Some(container(&"7".repeat(64), "bound", own, json!({"Binds": ["/:/h"]}))),
            "uncapped" => {
                Some(container(&"8".repeat(64), "uncapped", own, json!({"Memory": 0, "MemorySwap": 0})))
            }
            "ollama" | OLLAMA => Some(container(
                OLLAMA,
                "ollama",
                json!({}),
                json!({"Memory": 0, "NetworkMode": "default",
                "MemorySwap": 0, "SecurityOpt": null, "CapDrop": null, "CgroupnsMode": "host", "RestartPolicy": {"Name": "always"},
                "PortBindings": {"11434/tcp": [{"HostIp": "", "HostPort": "11434"}]}}),
            )),
            "theirs" => Some(container(&"9".repeat(64), "theirs", theirs, json!({}))),
            "db" => Some(container(&"a".repeat(64), "db", json!({}), json!({}))),
            _ => None,
        },
        Lookup::Image(name) => match name.as_str() {
            "busybox" | "busybox:latest" => Some(image(&["busybox:latest", "secret/prod:1"], json!({}))),
            "busybox:labelled" => {
                Some(image(&["busybox:labelled"], json!({"Labels": {"doorward.worker": "other"}})))
            }
            "busybox:inproc" => Some(image(&["busybox:inproc"], json!({"WorkingDir": "/proc/self/fd/8"}))),
            "busybox:volumes" => {
                Some(image(&["busybox:volumes"], json!({"Volumes": {"/image": {}, "/data": {}}})))
            }
            "busybox:volproc" => Some(image(&["busybox:volproc"], json!({"Volumes": {"/proc/x": {}}}))),
            "evil" => Some(image(&["evil:latest"], json!({}))),
            _ => None,
        },
        Lookup::Network(name) => match name.as_str() {
            "minenet" | NET => Some(network(NET, "minenet", own)),
            "minenet2" => Some(network(NET2, "minenet2", own)),
            "theirnet" => Some(network(&"b".repeat(64), "theirnet", theirs)),
            "prod-1" => Some(network(&"c".repeat(64), "prod-1", json!({}))),
            _ => None,
        },
        Lookup::Volume(name) => match name.as_str() {
            "mine" => Some(volume("mine", "local", own, Value::Null)),
            "theirs" => Some(volume("theirs", "local", theirs, Value::Null)),
            "ollama" => Some(volume("ollama", "local", Value::Null, json!({}))),
            "withopts" => {
                Some(volume("withopts", "local", own, json!({"type": "none", "o": "bind", "device": "/"})))
            }
            // Of a container that worker "web" or an operator has.
            name if name == "d".repeat(64) => Some(volume(name, "local", Value::Null, Value::Null)),
            name if name == "e".repeat(64) => Some(volume(name, "local", own, Value::Null)),
            "otherdriver" => Some(volume("otherdriver", "x", own, Value::Null)),
            "unlisted" => Some(volume("unlisted", "local", Value::Null, Value::Null)),
            _ => None,
        },
        Lookup::Exec(id) if id == EXEC => Some(json!({"ID": EXEC, "ContainerID": OLLAMA, "OpenStdin": false,
            "ProcessConfig": {"entrypoint": "ollama", "arguments": ["list"], "privileged": false}})),
        Lookup::Exec(_) => None,
        Lookup::AllContainers => Some(json!([{"Id": OWN}, {"Id": "a".repeat(64)}])),
        Lookup::AllNetworks => Some(json!([{"Id": "b".repeat(64)}])),
        Lookup::AllImages => Some(json!([
            {"Id": "sha256:1", "RepoTags": ["busybox:latest", "prod/db:1"]},
            {"Id": "sha256:2", "RepoTags": ["prod/db:2"]},
            {"Id": "sha256:3", "RepoTags": null, "Labels": {"doorward.worker": "hermes"}},
        ])),
        Lookup::OwnContainers => Some(json!([{"Id": OWN, "State": "running", "ImageID": IMAGE,
            "Labels": {"doorward.worker": "hermes", "doorward.from": IMAGE}}])),
        Lookup::OwnNetworks => Some(json!([])),
        Lookup::OwnVolumes => Some(json!({"Volumes": null, "Warnings": null})),
        Lookup::OwnImages => Some(json!([])),
    }
}

pub struct Http {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Http {
    pub fn new(method: &str, target: &str) -> Http {
        Http { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }
    pub fn json(method: &str, target: &str, body: &Value) -> Http {
        Http::new(method, target).header("Content-Type", "application/json").body(body.to_string().as_bytes())
    }
    pub fn header(mut self, name: &str, value: &str) -> Http {
        self.headers.push((name.into(), value.as_bytes().to_vec()));
        self
    }
    pub fn body(mut self, body: &[u8]) -> Http {
        self.body = body.to_vec();
        self
    }
    pub fn create(body: &Value) -> Http {
        Http::json("POST", "/v1.41/containers/create", body)
    }
}

/// The whole way: head, body, lookups, judgement.
pub fn decide(http: &Http, policy: &Policy, worker: &str) -> Result<Decision, Refusal> {
    let mut facts = Facts::default();
    facts.execs.insert(EXEC.to_owned());
    decide_with(http, policy, worker, facts, answer)
}

pub fn decide_with(
    http: &Http,
    policy: &Policy,
    worker: &str,
    mut facts: Facts,
    answer: impl Fn(&Lookup) -> Option<Value>,
) -> Result<Decision, Refusal> {
    let call = read_head(&http.method, &http.target, &http.headers, ceiling())?;
    let kind = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let request = call.with_body(kind.map(|(_, value)| value.as_slice()), &http.body)?;
    for _ in 0..8 {
        let needs = request.needs(&facts, policy, worker);
        if needs.is_empty() {
            return Ok(judge(&request, &facts, policy, worker));
        }
        for lookup in needs {
            let found = answer(&lookup);
            facts.found.insert(lookup, found);
        }
    }
    panic!("needs does not come to an end");
}

pub fn allowed(http: &Http) -> Box<Approved> {
    match decide(http, &policy(), "hermes") {
        Ok(Decision::Forward(approved)) => approved,
        other => panic!("{} {}: {other:?}", http.method, http.target),
    }
}

pub fn refused(http: &Http) -> Refusal {
    match decide(http, &policy(), "hermes") {
        Ok(Decision::Refuse(refusal)) | Err(refusal) => refusal,
        other => panic!("{} {}: {other:?}", http.method, http.target),
    }
}

pub fn body_of(approved: &Approved) -> Value {
    serde_json::from_slice(approved.body.as_deref().unwrap()).unwrap()
}
