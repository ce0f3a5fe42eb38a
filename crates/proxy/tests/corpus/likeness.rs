//! Plays legitimate requests through the proxy and against the bare engine: the answers and what comes of them
//! must be alike, but for what the role forces.

use crate::faults::Plain;
use crate::picture::Picture;
use crate::play::{Served, keep};
use doorward_attacks::{Case, ENGINE, Message, Reply, Stage, legitimate, policy, talk};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Every request of a file.
pub fn play(file: &str) {
    let only = std::env::var("ONLY").unwrap_or_default();
    let (_, cases) = legitimate().unwrap().into_iter().find(|(name, _)| name == file).unwrap();
    let begun = Instant::now();
    let mut stage = Stage::raise().unwrap();
    let plain = Plain::of(&stage);
    let served = Served::start(&stage, &policy("default").unwrap());
    let socket = served.socket();
    let mut wrong = Vec::new();
    let cases: Vec<_> = cases.into_iter().filter(|case| case.id.starts_with(&only)).collect();
    for case in &cases {
        let through = perform(case, &socket, &mut stage);
        let bare = perform(case, Path::new(ENGINE), &mut stage);
        wrong.extend(
            differences(&through, &bare, &plain).into_iter().map(|what| format!("{}: {what}", case.id)),
        );
    }
    drop(served);
    println!(
        "{file}: {} requests and lines, {} wrong; {:.1} s",
        cases.len(),
        wrong.len(),
        begun.elapsed().as_secs_f32()
    );
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What came of a case.
struct Outcome {
    /// For each step: status or exit, and what was said.
    told: Vec<(i32, Value)>,
    /// Everything of the worker's.
    made: Value,
    /// The `HostConfig` of each container, which may differ in what is forced.
    hosts: Vec<Value>,
}

fn perform(case: &Case, socket: &Path, stage: &mut Stage) -> Outcome {
    let before = Picture::take(stage);
    let mut scene = stage.scene.clone();
    scene.set("fresh", format!("{}-new-thing", stage.tag));
    let mut told = Vec::new();
    for (n, step) in case.steps.iter().enumerate() {
        let bytes = case.bytes(n, &scene).unwrap().unwrap();
        if let Message::Docker(_) = step.message {
            told.push(docker(&bytes, socket, &before));
            continue;
        }
        let replies = talk(socket, &bytes, Duration::from_secs(20)).unwrap();
        keep(&mut scene, step, &replies);
        let reply = replies.first().cloned().unwrap_or_default();
        told.push((i32::from(reply.status), said(&reply, &before)));
    }
    let after = Picture::take(stage);
    let (made, hosts) = made(&after, stage);
    before.clear_up(&after, stage);
    Outcome { told, made, hosts }
}

/// Runs the docker command on a socket.
fn docker(words: &[u8], socket: &Path, before: &Picture) -> (i32, Value) {
    let words: Vec<_> =
        words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let config = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args(["60", "docker"])
        .args(&words)
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("DOCKER_CONFIG", config.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| anonymous(&String::from_utf8_lossy(bytes), before);
    let stderr = if output.status.success() { text(&output.stderr) } else { "an error".to_owned() };
    (output.status.code().unwrap_or(-1), json!([text(&output.stdout), stderr]))
}

/// An answer, as far as two answers to the same must be alike: text as it stands, objects by their keys.
fn said(reply: &Reply, before: &Picture) -> Value {
    match reply.json() {
        // What an error says may hold less here: no ids, no paths.
        _ if reply.status >= 400 => "an error".into(),
        Value::Object(map) => json!(["keys", map.keys().collect::<Vec<_>>()]),
        Value::Array(_) => "a list".into(),
        Value::Null => anonymous(&String::from_utf8_lossy(&reply.body), before).into(),
        other => other,
    }
}

/// Ids, which differ from time to time, left out.
fn anonymous(text: &str, before: &Picture) -> String {
    let mut text = text.to_owned();
    for (n, id) in before.containers.keys().enumerate() {
        let short = id.get(..12).unwrap_or(id);
        text = text.replace(id, &format!("standing-{n}")).replace(short, &format!("standing-{n}"));
    }
    let words = text.split_inclusive(|sign: char| !sign.is_ascii_alphanumeric());
    let hexadecimal = |word: &str| word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    words
        .map(|word| {
            if hexadecimal(word.trim_end_matches(|sign: char| !sign.is_ascii_alphanumeric())) {
                "ID "
            } else {
                word
            }
        })
        .collect()
}

/// What of a container's `Config` counts.
#[rustfmt::skip]
const SHOWN: [&str; 14] = [
    "Env", "Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Volumes", "Healthcheck", "StopSignal",
    "StopTimeout", "Tty", "OpenStdin", "Domainname", "Shell",
];

/// What there is of the worker's, without ids and times; and the `HostConfig` of each container.
fn made(after: &Picture, stage: &Stage) -> (Value, Vec<Value>) {
    let containers = after.containers.values();
    let mut containers: Vec<_> =
        containers.map(|inspect| (container(inspect, stage), named(&inspect["HostConfig"], after))).collect();
    containers.sort_by_key(|(shown, _)| shown.to_string());
    let (shown, hosts): (Vec<_>, Vec<_>) = containers.into_iter().unzip();
    let volumes = after.volumes.values();
    let volumes: BTreeSet<_> = volumes
        .map(|volume| json!([volume["Name"], volume["Driver"], labels(&volume["Labels"])]).to_string())
        .collect();
    let networks = after.networks.values();
    let networks: BTreeSet<_> = networks
        .map(|network| {
            let of = ["Name", "Driver", "Internal", "Attachable"].map(|field| &network[field]);
            json!([of, labels(&network["Labels"])]).to_string()
        })
        .collect();
    (json!([shown, volumes, networks]), hosts)
}

fn container(inspect: &Value, stage: &Stage) -> Value {
    let named = |name: &Value| match name.as_str() {
        Some(name) if name.contains(&stage.tag) => name.to_owned(),
        _ => "by chance".to_owned(),
    };
    let config = &inspect["Config"];
    let mounts = inspect["Mounts"].as_array().into_iter().flatten();
    let mounts: BTreeSet<_> = mounts
        .map(|mount| {
            json!([mount["Type"], named(&mount["Name"]), mount["Destination"], mount["RW"]]).to_string()
        })
        .collect();
    // A container that names no network is in none here, and in the default one there.
    let unsaid = |name: &str| ["none", "bridge", "default"].contains(&name);
    let joined = inspect["NetworkSettings"]["Networks"].as_object().into_iter().flatten();
    let joined: Vec<_> =
        joined.map(|(name, _)| if unsaid(name) { "unsaid" } else { name.as_str() }).collect();
    let id = inspect["Id"].as_str().unwrap();
    let hostname = config["Hostname"].as_str().filter(|hostname| !id.starts_with(hostname));
    json!([
        named(&inspect["Name"]),
        [&inspect["State"]["Status"], &inspect["State"]["ExitCode"]],
        hostname,
        SHOWN.map(|field| &config[field]),
        labels(&config["Labels"]),
        mounts,
        joined
    ])
}

fn labels(labels: &Value) -> Value {
    let labels = labels.as_object().into_iter().flatten();
    let others = labels.filter(|(label, _)| !label.starts_with("doorward."));
    Value::from_iter(others.map(|(label, value)| (label.clone(), value.clone())))
}

/// A `HostConfig` whose network goes by its name.
fn named(host: &Value, after: &Picture) -> Value {
    let mut host = host.clone();
    let network = host["NetworkMode"]
        .as_str()
        .and_then(|id| after.networks.get(id))
        .map(|network| network["Name"].clone());
    if let Some(name) = network {
        host["NetworkMode"] = name;
    }
    host
}

/// Fields of `HostConfig` that the role fills where nothing was asked.
const FORCED: [&str; 10] = [
    "Memory",
    "MemorySwap",
    "NanoCpus",
    "PidsLimit",
    "ShmSize",
    "SecurityOpt",
    "CapDrop",
    "CgroupnsMode",
    "NetworkMode",
    "LogConfig",
];

fn differences(through: &Outcome, bare: &Outcome, plain: &Plain) -> Vec<String> {
    let mut found = Vec::new();
    for (n, (own, other)) in through.told.iter().zip(&bare.told).enumerate() {
        let keys = |value: &Value| {
            value
                .get(1)
                .and_then(Value::as_array)
                .map(|keys| keys.iter().map(Value::to_string).collect::<BTreeSet<_>>())
        };
        // An answer may leave out what is not the worker's to know.
        let narrower = own.1[0] == "keys"
            && other.1[0] == "keys"
            && keys(&own.1).zip(keys(&other.1)).is_some_and(|(own, other)| own.is_subset(&other));
        let shorter = own
            .1
            .as_str()
            .zip(other.1.as_str())
            .is_some_and(|(own, other)| other.contains(own.trim_matches('"')));
        if own.0 != other.0 || (own.1 != other.1 && !narrower && !shorter) {
            found.push(format!("step {n} is told {own:?}, and without the proxy {other:?}"));
        }
    }
    if through.made != bare.made {
        let parts =
            through.made.as_array().into_iter().flatten().zip(bare.made.as_array().into_iter().flatten());
        for (own, other) in parts.filter(|(own, other)| own != other) {
            found.push(format!("makes {}\n  and without the proxy {}", only(own, other), only(other, own)));
        }
        return found;
    }
    for (own, other) in through.hosts.iter().zip(&bare.hosts) {
        for (field, value) in other.as_object().into_iter().flatten() {
            let own = &own[field];
            let forced = FORCED.contains(&field.as_str());
            let asked = !(plain.has(field, value) || field == "MemorySwap" && twice(value, &other["Memory"]));
            let holds = own.as_array().zip(value.as_array());
            let holds = holds.is_some_and(|(own, asked)| asked.iter().all(|one| own.contains(one)));
            if crate::faults::same(&usual(field, own), &usual(field, value)) || (forced && (!asked || holds))
            {
                continue;
            }
            found.push(format!("HostConfig.{field} is {own}, and without the proxy {value}"));
        }
    }
    found
}

/// What one list has and the other has not.
fn only(list: &Value, other: &Value) -> Value {
    let other = other.as_array().cloned().unwrap_or_default();
    list.as_array().into_iter().flatten().filter(|one| !other.contains(one)).cloned().collect()
}

/// The engine lets a container swap as much as it has memory; here it gets none.
fn twice(swap: &Value, memory: &Value) -> bool {
    swap.as_i64().zip(memory.as_i64()).is_some_and(|(swap, memory)| swap == 2 * memory)
}

/// One spelling of what the engine reads alike.
fn usual(field: &str, value: &Value) -> Value {
    match (field, value) {
        ("RestartPolicy", policy) if policy["Name"] == "" => json!({"Name": "no", "MaximumRetryCount": 0}),
        ("Binds", Value::Array(binds)) => binds
            .iter()
            .filter_map(Value::as_str)
            .map(|bind| bind.strip_suffix(":rw").unwrap_or(bind))
            .collect(),
        // A volume without a name is a mount here, so that it bears the worker's label; that it is there is seen in the
        // container's mounts.
        ("Mounts", Value::Array(mounts)) => {
            let named = |mount: &&Value| mount["Type"] != "volume" || mount["Source"].is_string();
            let named: Vec<_> = mounts.iter().filter(named).cloned().collect();
            if named.is_empty() { Value::Null } else { named.into() }
        }
        ("Tmpfs", Value::Object(mounts)) => mounts.keys().map(String::as_str).collect(),
        _ => value.clone(),
    }
}
