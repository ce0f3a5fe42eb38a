//! What `info` and `version` tell a worker.

use crate::ApiVersion;
use serde_json::{Map, Value, json};

/// Fields of `/info` that pass as they are: what clients need to print and to choose by. Left out are the
/// host's identity, paths, proxies, registries, labels and swarm.
const INFO: &[&str] = &[
    "Architecture",
    "BridgeNfIp6tables",
    "BridgeNfIptables",
    "CPUSet",
    "CPUShares",
    "CgroupDriver",
    "CgroupVersion",
    "ContainerdCommit",
    "CpuCfsPeriod",
    "CpuCfsQuota",
    "DefaultRuntime",
    "Driver",
    "IPv4Forwarding",
    "IndexServerAddress",
    "InitBinary",
    "InitCommit",
    "Isolation",
    "KernelVersion",
    "LiveRestoreEnabled",
    "LoggingDriver",
    "MemTotal",
    "MemoryLimit",
    "NCPU",
    "OSType",
    "OSVersion",
    "OomKillDisable",
    "OperatingSystem",
    "PidsLimit",
    "RuncCommit",
    "SecurityOptions",
    "ServerVersion",
    "SwapLimit",
    "SystemTime",
];

/// Fields of `/version` that pass as they are.
const VERSION: &[&str] = &["Arch", "BuildTime", "GitCommit", "GoVersion", "KernelVersion", "Os", "Version"];

/// `/info`, with only the worker's own containers counted, and the images that it may see.
pub(crate) fn info(engine: &Map<String, Value>, states: &[String], images: usize) -> Value {
    let count = |state: &str| states.iter().filter(|own| *own == state).count();
    let mut shown = kept(engine, INFO);
    let (running, paused) = (count("running"), count("paused"));
    for (name, value) in [
        ("ID", json!("")),
        ("Name", json!("doorward")),
        ("Containers", json!(states.len())),
        ("ContainersRunning", json!(running)),
        ("ContainersPaused", json!(paused)),
        ("ContainersStopped", json!(states.len().saturating_sub(running).saturating_sub(paused))),
        ("Images", json!(images)),
        ("DockerRootDir", json!("")),
        ("Debug", json!(false)),
        ("ExperimentalBuild", json!(false)),
        ("Labels", json!([])),
        (
            "Plugins",
            json!({"Volume": ["local"], "Network": ["bridge", "null"], "Authorization": null, "Log": ["json-file", "local"]}),
        ),
        ("Runtimes", json!({})),
        (
            "Swarm",
            json!({"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false}),
        ),
        ("Warnings", json!([])),
    ] {
        shown.insert(name.into(), value);
    }
    shown.into()
}

/// `/version`, with the versions that are spoken here.
pub(crate) fn version(engine: &Map<String, Value>) -> Value {
    let own = engine.get("ApiVersion").and_then(Value::as_str).and_then(ApiVersion::parse);
    let api = own.unwrap_or(ApiVersion::OLDEST).min(ApiVersion::NEWEST).to_string();
    let mut shown = kept(engine, VERSION);
    shown.insert("ApiVersion".into(), json!(api));
    shown.insert("MinAPIVersion".into(), json!(ApiVersion::OLDEST.to_string()));
    shown.insert("Platform".into(), json!({"Name": "Docker Engine behind doorward"}));
    let mut details = kept(engine, &["Arch", "BuildTime", "GitCommit", "GoVersion", "KernelVersion", "Os"]);
    details.insert("ApiVersion".into(), json!(api));
    details.insert("MinAPIVersion".into(), json!(ApiVersion::OLDEST.to_string()));
    details.insert("Experimental".into(), json!("false"));
    let engine = json!({"Name": "Engine", "Version": shown.get("Version"), "Details": details});
    shown.insert("Components".into(), json!([engine]));
    shown.into()
}

fn kept(engine: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    engine
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
