//! What is wrong with what the engine made: the invariants that hold whatever was asked.

use crate::picture::{Picture, network, standing};
use doorward_attacks::{Reply, Scene, Stage};
use serde_json::Value;

/// What the engine makes when nothing is asked.
pub struct Plain(Value);

impl Plain {
    pub fn of(stage: &Stage) -> Plain {
        let name = format!("{}-plain", stage.tag);
        let body = serde_json::json!({"Image": stage.scene.get("image").unwrap(), "HostConfig": {}});
        let made = stage.engine("POST", &format!("/containers/create?name={name}"), Some(&body)).unwrap();
        assert_eq!(made.status, 201, "{:?}", made.json());
        let inspect = stage.engine("GET", &format!("/containers/{name}/json"), None).unwrap().json();
        stage.remove("containers", &name);
        Plain(inspect)
    }

    /// Whether a field of `HostConfig` has this value when nothing is asked.
    pub fn has(&self, field: &str, value: &Value) -> bool {
        same(value, &self.0["HostConfig"][field])
    }
}

/// Everything that an attack achieved between two pictures. `proxied`: what was made must be the worker's, too.
pub fn faults(
    before: &Picture,
    after: &Picture,
    plain: &Plain,
    stage: &Stage,
    replies: &[Reply],
    proxied: bool,
) -> Vec<String> {
    let mut faults = Faults { found: Vec::new(), plain, stage, scene: &stage.scene, proxied };
    for (id, inspect) in &after.containers {
        match before.containers.get(id) {
            None => faults.new_container(inspect),
            Some(was) => faults.standing_container(was, inspect),
        }
    }
    for (id, was) in &before.containers {
        let gone = !after.containers.contains_key(id);
        faults.note(gone && !faults.is_own(was), &format!("{} is gone", was["Name"]));
    }
    for (name, volume) in &after.volumes {
        match before.volumes.get(name) {
            None => faults.new_volume(volume),
            Some(was) => faults.note(was != volume, &format!("the volume {name} is another")),
        }
    }
    for (id, made) in &after.networks {
        match before.networks.get(id) {
            None => faults.new_network(made),
            Some(was) => {
                faults
                    .note(network(was) != network(made), &format!("the network {} is another", was["Name"]));
            }
        }
    }
    let kept = |name: &Value| !name.as_str().is_some_and(|name| name.contains("-own-"));
    for (name, volume) in &before.volumes {
        faults.note(
            !after.volumes.contains_key(name) && kept(&volume["Name"]),
            &format!("the volume {name} is gone"),
        );
    }
    for (id, was) in &before.networks {
        faults.note(
            !after.networks.contains_key(id) && kept(&was["Name"]),
            &format!("the network {} is gone", was["Name"]),
        );
    }
    for id in after.images.keys() {
        faults.note(!before.images.contains_key(id), &format!("a new image {id}"));
    }
    for (id, was) in &before.images {
        let now = after.images.get(id);
        faults.note(now.is_none(), &format!("the image {} is gone", was["RepoTags"]));
        faults
            .note(now.is_some_and(|now| now["RepoTags"] != was["RepoTags"]), "an image goes by other names");
    }
    faults.note(before.canary != after.canary, "files on the host changed");
    faults.note(before.calls != after.calls, "something on the host was called");
    for reply in replies {
        faults.note(reply.status == 101, "a tunnel was opened");
        let headers = format!("{:?}", reply.headers);
        let told = [&reply.body, headers.as_bytes()].concat();
        faults.note(holds(&told, stage.secret.as_bytes()), "an answer holds a secret");
    }
    faults.found
}

fn holds(text: &[u8], secret: &[u8]) -> bool {
    text.windows(secret.len()).any(|window| window == secret)
}

struct Faults<'a> {
    found: Vec<String>,
    plain: &'a Plain,
    stage: &'a Stage,
    scene: &'a Scene,
    proxied: bool,
}

/// Fields of `HostConfig` that have a rule of their own below, or that a worker may choose.
const CHOSEN: [&str; 23] = [
    "AutoRemove",
    "Init",
    "ReadonlyRootfs",
    "ConsoleSize",
    "CpuShares",
    "MemorySwappiness",
    "BlkioWeight",
    "CpusetCpus",
    "CpusetMems",
    "CapDrop",
    "Memory",
    "MemorySwap",
    "MemoryReservation",
    "NanoCpus",
    "PidsLimit",
    "ShmSize",
    "ContainerIDFile",
    "SecurityOpt",
    "NetworkMode",
    "PortBindings",
    "RestartPolicy",
    "LogConfig",
    "OomScoreAdj",
];

impl Faults<'_> {
    fn note(&mut self, wrong: bool, what: &str) {
        if wrong {
            self.found.push(what.to_owned());
        }
    }

    fn is_own(&self, inspect: &Value) -> bool {
        inspect["Config"]["Labels"]["doorward.worker"].as_str() == self.scene.get("worker")
    }

    fn standing_container(&mut self, was: &Value, now: &Value) {
        if !self.is_own(was) {
            self.note(standing(was) != standing(now), &format!("{} is not as it was", was["Name"]));
            return;
        }
        for part in ["Config", "Mounts"] {
            self.note(was[part] != now[part], &format!("{part} of {} changed", was["Name"]));
        }
        if was["HostConfig"] != now["HostConfig"] {
            for (field, value) in now["HostConfig"].as_object().into_iter().flatten() {
                let free = CHOSEN.contains(&field.as_str());
                self.note(
                    !free && *value != was["HostConfig"][field],
                    &format!("{field} changed to {value}"),
                );
            }
            self.limits(&now["HostConfig"]);
            self.chosen(&now["HostConfig"]);
        }
        if was["State"]["Running"] == false && now["State"]["Running"] == true {
            self.new_container(now);
        }
        let networks = now["NetworkSettings"]["Networks"].as_object();
        let were = &was["NetworkSettings"]["Networks"];
        let mut joined = networks.into_iter().flatten().filter(|(name, _)| were.get(name.as_str()).is_none());
        let strange = joined.any(|(name, _)| name != "none" && !self.is_own_network(name));
        self.note(strange, "an own container is in a foreign network");
        for exec in now["ExecIDs"].as_array().into_iter().flatten() {
            let process = &exec[3];
            let plain = process["entrypoint"] == "/bin/echo"
                && process["arguments"] == serde_json::json!(["hello"])
                && process["privileged"] == false
                && process["user"].as_str().unwrap_or_default().is_empty();
            self.note(!plain, &format!("a command was made: {process}"));
        }
    }

    fn is_own_network(&self, name: &str) -> bool {
        ["own_network", "own_network_id"].iter().any(|word| Some(name) == self.scene.get(word))
    }

    fn new_container(&mut self, inspect: &Value) {
        let (config, host) = (&inspect["Config"], &inspect["HostConfig"]);
        for (field, value) in host.as_object().into_iter().flatten() {
            if !CHOSEN.contains(&field.as_str()) {
                let usual = &self.plain.0["HostConfig"][field];
                let private = ["IpcMode", "CgroupnsMode"].contains(&field.as_str()) && value == "private";
                self.note(!private && !same(value, usual), &format!("HostConfig.{field} is {value}"));
            }
        }
        self.limits(host);
        self.chosen(host);
        self.labels(&config["Labels"]);
        for field in ["MacAddress", "OnBuild"] {
            self.note(!empty(&config[field]), &format!("{field} is {}", config[field]));
        }
        let folder = config["WorkingDir"].as_str().unwrap_or_default();
        self.note(
            !folder.is_empty() && unclean(folder) && !folder.starts_with("/sys"),
            &format!("WorkingDir is {folder}"),
        );
        let volumes = config["Volumes"].as_object();
        self.note(
            volumes.into_iter().flatten().any(|(at, _)| unclean(at)),
            "an anonymous volume at a strange place",
        );
        let interval = config["Healthcheck"]["Interval"].as_i64().unwrap_or(0);
        self.note(interval != 0 && interval < 1_000_000_000, "the health check never rests");
        self.note(config["StopTimeout"].as_i64().unwrap_or(0) > 600, "the engine waits long for its end");
        self.note(self.proxied && config["OpenStdin"] == true, "stdin is open");
        for mount in inspect["Mounts"].as_array().into_iter().flatten() {
            let own = mount["Name"].as_str().is_some_and(|name| {
                !name.contains(&self.stage.tag) || name.contains("-own-") || name.contains("-new-")
            });
            let fine =
                mount["Type"] == "tmpfs" || (mount["Type"] == "volume" && mount["Driver"] == "local" && own);
            self.note(!fine, &format!("a mount: {mount}"));
        }
        let name = inspect["Name"].as_str().unwrap_or_default().trim_start_matches('/');
        let like_an_id = name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.note(like_an_id, &format!("the name {name} could be an id"));
        self.claimed(name);
        for (name, endpoint) in inspect["NetworkSettings"]["Networks"].as_object().into_iter().flatten() {
            for field in ["IPAMConfig", "Links", "DriverOpts"] {
                self.note(!empty(&endpoint[field]), &format!("{name}: {field} is {}", endpoint[field]));
            }
            let usual = ["none", "default", "bridge"].contains(&name.as_str());
            self.note(!usual && !self.is_own_network(name), &format!("it is in the network {name}"));
        }
        let image = inspect["Image"].as_str();
        let allowed =
            [self.scene.get("image_id"), self.scene.get("inproc_id"), self.scene.get("labelled_id")];
        self.note(!allowed.contains(&image), "it runs an image that the worker may not run");
    }

    fn limits(&mut self, host: &Value) {
        for (field, cap) in [
            ("Memory", 256_i64 << 20),
            ("MemorySwap", 256 << 20),
            ("MemoryReservation", 256 << 20),
            ("NanoCpus", 1_000_000_000),
            ("PidsLimit", 256),
            ("ShmSize", 64 << 20),
        ] {
            let value = host[field].as_i64().unwrap_or(0);
            let unlimited = value < 0 && (self.proxied || field != "MemorySwap" || host["Memory"] != 0);
            let missing = self.proxied && value == 0 && field != "MemoryReservation";
            self.note(value > cap || missing || unlimited, &format!("{field} is {value}"));
        }
        self.note(host["OomScoreAdj"].as_i64().unwrap_or(0) < 0, "the kernel spares it");
        self.note(host["CpuShares"].as_i64().unwrap_or(0) > 1024, "it has more than its share");
    }

    fn chosen(&mut self, host: &Value) {
        for option in host["SecurityOpt"].as_array().into_iter().flatten() {
            let hardening = ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"];
            self.note(
                !hardening.contains(&option.as_str().unwrap_or_default()),
                &format!("SecurityOpt has {option}"),
            );
        }
        let mode = host["NetworkMode"].as_str().unwrap_or_default();
        let usual = if self.proxied { ["none", "none"] } else { ["none", "default"] };
        self.note(!usual.contains(&mode) && !self.is_own_network(mode), &format!("NetworkMode is {mode}"));
        for (port, bindings) in host["PortBindings"].as_object().into_iter().flatten() {
            for binding in bindings.as_array().into_iter().flatten() {
                let number: u32 =
                    binding["HostPort"].as_str().and_then(|port| port.parse().ok()).unwrap_or(0);
                let fine = binding["HostIp"] == "127.0.0.1"
                    && (number == 11434 || (20_000..21_000).contains(&number));
                self.note(!fine, &format!("{port} is published: {binding}"));
            }
        }
        let restart = host["RestartPolicy"]["Name"].as_str().unwrap_or_default();
        self.note(!["", "no", "on-failure"].contains(&restart), &format!("RestartPolicy is {restart}"));
        let log = &host["LogConfig"];
        let options: Vec<_> =
            log["Config"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let known = options.iter().all(|key| ["max-size", "max-file"].contains(key));
        self.note(
            !["json-file", "local", "none"].contains(&log["Type"].as_str().unwrap_or_default()) || !known,
            &format!("LogConfig is {log}"),
        );
    }

    fn labels(&mut self, labels: &Value) {
        for (label, value) in labels.as_object().into_iter().flatten() {
            // The role that allowed it, which only doorward says, and in this spelling.
            if self.proxied && label == "doorward.role" && value == "bench" {
                continue;
            }
            // Of an own container from before, which the stage has made as doorward would.
            if label == "doorward.from" && value.as_str() == self.scene.get("image_id") {
                continue;
            }
            let label = label.to_lowercase().replace('\u{212a}', "k");
            if label == "doorward.worker" {
                self.note(
                    value.as_str() != self.scene.get("worker"),
                    &format!("it carries the owner's label: {value}"),
                );
                continue;
            }
            let taken = [
                "doorward.",
                "traefik.",
                "ofelia.",
                "com.docker.",
                "com.centurylinklabs.",
                "socket-proxy",
                "socketproxy",
                "io.kubernetes.",
                "caddy",
            ];
            let project = label.starts_with("com.docker.compose.")
                && value.as_str().is_some_and(|value| value.contains(&self.stage.tag));
            self.note(
                taken.iter().any(|start| label.starts_with(start))
                    && !project
                    && !(self.proxied && ["doorward.image", "doorward.role"].contains(&label.as_str())),
                &format!("it carries {label}"),
            );
        }
        let owner = labels["doorward.worker"].as_str();
        self.note(self.proxied && owner != self.scene.get("worker"), "it does not carry the worker's label");
    }

    /// Names that a role of another worker's speaks of.
    fn claimed(&mut self, name: &str) {
        let claimed = name.starts_with(&format!("{}-web-", self.stage.tag));
        self.note(claimed, &format!("the name {name} is another role's"));
    }

    fn new_volume(&mut self, volume: &Value) {
        self.claimed(volume["Name"].as_str().unwrap_or_default());
        self.note(volume["Driver"] != "local", &format!("a volume of the driver {}", volume["Driver"]));
        self.note(!empty(&volume["Options"]), &format!("a volume with options: {}", volume["Options"]));
        self.labels(&volume["Labels"]);
    }

    fn new_network(&mut self, network: &Value) {
        self.claimed(network["Name"].as_str().unwrap_or_default());
        self.note(network["Driver"] != "bridge", &format!("a network of the driver {}", network["Driver"]));
        let options = network["Options"].as_object().into_iter().flatten();
        let known = options.clone().all(|(key, _)| key == "com.docker.network.bridge.inhibit_ipv4");
        self.note(!known, &format!("a network with options: {}", network["Options"]));
        for field in ["EnableIPv6", "Ingress", "ConfigOnly"] {
            self.note(network[field] == true, &format!("a network with {field}"));
        }
        self.note(!empty(&network["ConfigFrom"]["Network"]), "a network from another's configuration");
        self.note(network["Scope"] != "local", "a network of a swarm");
        for pool in network["IPAM"]["Config"].as_array().into_iter().flatten() {
            let subnet = pool["Subnet"].as_str().unwrap_or_default();
            let usual = subnet.starts_with("172.") || subnet.starts_with("192.168.");
            self.note(!usual, &format!("a network over {subnet}"));
        }
        self.note(
            !["", "default"].contains(&network["IPAM"]["Driver"].as_str().unwrap_or_default()),
            "an address driver",
        );
        self.note(!empty(&network["IPAM"]["Options"]), "address driver options");
        self.note(self.proxied && network["Internal"] != true, "a network with a way out");
        self.labels(&network["Labels"]);
    }
}

/// Whether a path is not clean, or leads where no worker may put anything.
fn unclean(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').skip(1).collect();
    !path.starts_with('/')
        || parts.iter().any(|part| [".", ".."].contains(part))
        || path.contains("//")
        || ["proc", "sys", "dev"].contains(parts.first().unwrap_or(&""))
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(true) => false,
    }
}

pub fn same(value: &Value, usual: &Value) -> bool {
    value == usual || (empty(value) && empty(usual))
}
