//! What a worker sees of containers. Of its own, all but what the host's file system looks like. Of another, its
//! shape, named field by field: what the operator put into it, and what it has to do with other objects, is left
//! out.

use crate::error_text;
use crate::objects::{self, Standing};
use crate::redact::{redacted, without_values};
use crate::rules::IMAGE;
use crate::seen::Seen;
use doorward_policy::Verb;
use serde_json::{Map, Value, json};

/// What `inspect` leaves out of an own one.
const HOST_PATHS: [&str; 5] = ["ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "GraphDriver"];

/// What a part of a container keeps.
type Kept = &'static [&'static str];

/// Of an entry of a list.
#[rustfmt::skip]
const LISTED: Kept = &[
    "Command", "Created", "HostConfig", "Id", "Image", "ImageID", "Labels", "Mounts", "Names", "NetworkSettings",
    "Ports", "SizeRootFs", "SizeRw", "State", "Status",
];
/// Of `inspect`.
#[rustfmt::skip]
const INSPECTED: Kept = &[
    "Args", "Config", "Created", "Driver", "HostConfig", "Id", "Image", "Mounts", "Name", "NetworkSettings", "Path",
    "Platform", "RestartCount", "SizeRootFs", "SizeRw", "State",
];
/// Of `State`.
#[rustfmt::skip]
const STATE: Kept = &[
    "Dead", "Error", "ExitCode", "FinishedAt", "Health", "OOMKilled", "Paused", "Pid", "Restarting", "Running",
    "StartedAt", "Status",
];
/// Of `State.Health`; its log is output.
const HEALTH: Kept = &["FailingStreak", "Status"];
/// Of `Config`; a health check is a command of the operator's.
#[rustfmt::skip]
const CONFIG: Kept = &[
    "AttachStderr", "AttachStdin", "AttachStdout", "Cmd", "Domainname", "Entrypoint", "Env", "ExposedPorts",
    "Hostname", "Image", "Labels", "OpenStdin", "StdinOnce", "StopSignal", "StopTimeout", "Tty", "User", "Volumes",
    "WorkingDir",
];
/// Of `HostConfig`: limits, ports and privileges; no paths, names and options.
#[rustfmt::skip]
const HOST_CONFIG: Kept = &[
    "AutoRemove", "BlkioWeight", "CapAdd", "CapDrop", "CgroupnsMode", "CpuCount", "CpuPercent", "CpuPeriod",
    "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuShares", "CpusetCpus", "CpusetMems", "Init",
    "IpcMode", "Isolation", "KernelMemory", "Memory", "MemoryReservation", "MemorySwap", "MemorySwappiness",
    "NanoCpus", "NetworkMode", "OomKillDisable", "OomScoreAdj", "PidMode", "PidsLimit", "PortBindings", "Privileged",
    "PublishAllPorts", "ReadonlyRootfs", "RestartPolicy", "Runtime", "ShmSize", "UTSMode", "Ulimits", "UsernsMode",
];
/// Fields of `HostConfig` that may name another container.
const MODES: Kept = &["IpcMode", "NetworkMode", "PidMode", "UTSMode", "UsernsMode"];
/// What those say that names nothing.
const BUILTIN_MODES: Kept = &["", "bridge", "default", "host", "none", "private", "shareable"];
/// Of a mount; its name stays when the worker may see that volume.
const MOUNT: Kept = &["Destination", "Driver", "Mode", "Name", "Propagation", "RW", "Source", "Type"];
/// Of `NetworkSettings`.
#[rustfmt::skip]
const NETWORK_SETTINGS: Kept = &[
    "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress",
    "Networks", "Ports",
];
/// Of its place in a network.
#[rustfmt::skip]
const ENDPOINT: Kept = &[
    "EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway",
    "MacAddress", "NetworkID",
];
/// Says that there was something.
const REDACTED: &str = "[redacted]";

impl Seen<'_> {
    pub(crate) fn listed_container(&self, mut entry: Value) -> Option<Value> {
        let standing = Standing::of_listed(&entry, self.worker);
        let map = entry.as_object_mut()?;
        let own = standing == Standing::Own;
        // Beside its name a container lists its links, as `/other/alias`.
        let names = map.get("Names").and_then(Value::as_array).cloned().unwrap_or_default();
        let names: Vec<String> = names
            .iter()
            .filter_map(|name| name.as_str()?.strip_prefix('/').filter(|name| !name.contains('/')))
            .map(str::to_owned)
            .collect();
        let name = names.first().map(String::as_str).unwrap_or_default();
        let seen = own
            || self.any_role(|role| {
                role.verbs.contains(&Verb::Ps) && objects::selects(&role.containers, name, standing)
            });
        if !seen {
            return None;
        }
        map.insert("Names".into(), names.iter().map(|name| format!("/{name}")).collect());
        if let Some(image) = image_label(map.get("Labels")).filter(|_| own) {
            map.insert("Image".into(), image);
        }
        if own {
            hide_mounts(map.get_mut("Mounts"));
        } else {
            self.shown_entry(map);
        }
        Some(entry)
    }

    pub(crate) fn container(&self, mut map: Map<String, Value>, own: bool) -> Value {
        if !own {
            self.shown_container(&mut map);
            return map.into();
        }
        for name in HOST_PATHS {
            map.remove(name);
        }
        hide_mounts(map.get_mut("Mounts"));
        clean_error(&mut map);
        if let Some(settings) = map.get_mut("NetworkSettings").and_then(Value::as_object_mut) {
            settings.remove("SandboxKey");
        }
        if let Some(config) = map.get_mut("Config").and_then(Value::as_object_mut)
            && let Some(image) = image_label(config.get("Labels"))
        {
            config.insert("Image".into(), image);
        }
        map.into()
    }

    /// What a list shows of a container that is not own.
    fn shown_entry(&self, map: &mut Map<String, Value>) {
        keep(map, LISTED);
        map.insert("Labels".into(), json!({}));
        change(map, "Command", |command| redacted(command, self.policy));
        self.places(map);
    }

    /// What `inspect` shows of it.
    fn shown_container(&self, map: &mut Map<String, Value>) {
        keep(map, INSPECTED);
        change(map, "Args", |args| redacted(args, self.policy));
        change(map, "Path", |path| redacted(path, self.policy));
        part(map, "Config", CONFIG, |config| {
            change(config, "Env", without_values);
            change(config, "Labels", without_label_values);
            change(config, "Cmd", |words| redacted(words, self.policy));
            change(config, "Entrypoint", |words| redacted(words, self.policy));
        });
        part(map, "State", STATE, |state| {
            change(state, "Pid", |_| json!(0));
            change(state, "Error", |error| json!(error_text::clean(error.as_str().unwrap_or_default(), &[])));
            part(state, "Health", HEALTH, |_| ());
        });
        self.places(map);
    }

    /// Its mounts, networks and namespaces: no paths of the host, no names of what the worker does not see.
    fn places(&self, map: &mut Map<String, Value>) {
        part(map, "HostConfig", HOST_CONFIG, |host| {
            for mode in MODES {
                change(host, mode, |value| self.shown_mode(value));
            }
        });
        for mount in map.get_mut("Mounts").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(mount) = mount.as_object_mut() else { continue };
            keep(mount, MOUNT);
            change(mount, "Source", |_| json!(""));
            change(mount, "Name", |name| if self.sees_volume(name) { name.clone() } else { json!("") });
        }
        part(map, "NetworkSettings", NETWORK_SETTINGS, |settings| {
            let Some(networks) = settings.get_mut("Networks").and_then(Value::as_object_mut) else { return };
            networks.retain(|name, _| self.sees_network(name));
            for endpoint in networks.values_mut().filter_map(Value::as_object_mut) {
                keep(endpoint, ENDPOINT);
            }
        });
    }

    /// A mode of the engine's own, or of a network that the worker sees.
    fn shown_mode(&self, mode: &Value) -> Value {
        let text = mode.as_str().unwrap_or_default();
        match text.split_once(':') {
            Some((kind, _)) => json!(format!("{kind}:{REDACTED}")),
            None if BUILTIN_MODES.contains(&text) || self.sees_network(text) => mode.clone(),
            None => json!(REDACTED),
        }
    }

    fn sees_volume(&self, name: &Value) -> bool {
        let name = name.as_str().unwrap_or_default();
        let unnamed = objects::is_full_id(name);
        !unnamed && self.any_role(|role| objects::selects(&role.volumes, name, Standing::Operators))
    }

    fn sees_network(&self, name: &str) -> bool {
        self.any_role(|role| {
            objects::builtin_network(role, name)
                || objects::selects(&role.networks, name, Standing::Operators)
        })
    }
}

/// An own container's volumes: their places on the host are nobody's business. Its binds are its own.
fn hide_mounts(mounts: Option<&mut Value>) {
    let mounts = mounts.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut);
    for mount in mounts {
        if mount.get("Type").and_then(Value::as_str) != Some("bind") {
            mount.insert("Source".into(), json!(""));
        }
    }
}

/// Why an own container did not start, in the engine's words: its own paths stay, the host's go.
fn clean_error(map: &mut Map<String, Value>) {
    let said = error_text::paths_of(|name| map.get(name));
    if let Some(state) = map.get_mut("State").and_then(Value::as_object_mut) {
        change(state, "Error", |error| json!(error_text::clean(error.as_str().unwrap_or_default(), &said)));
    }
}

fn image_label(labels: Option<&Value>) -> Option<Value> {
    labels.and_then(|labels| labels.get(IMAGE)).cloned()
}

fn keep(map: &mut Map<String, Value>, names: Kept) {
    map.retain(|name, _| names.contains(&name.as_str()));
}

fn part(map: &mut Map<String, Value>, name: &str, names: Kept, then: impl FnOnce(&mut Map<String, Value>)) {
    if let Some(part) = map.get_mut(name).and_then(Value::as_object_mut) {
        keep(part, names);
        then(part);
    }
}

fn change(map: &mut Map<String, Value>, name: &str, how: impl FnOnce(&Value) -> Value) {
    if let Some(value) = map.get_mut(name).filter(|value| !value.is_null()) {
        *value = how(value);
    }
}

fn without_label_values(labels: &Value) -> Value {
    let names = labels.as_object().into_iter().flat_map(Map::keys);
    names.map(|name| (name.clone(), json!(REDACTED))).collect::<Map<_, _>>().into()
}
