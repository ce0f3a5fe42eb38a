//! What a worker sees of the engine's answer.

use crate::image::image_names;
use crate::image_name::ImageName;
use crate::objects::{self, Standing, roles};
use crate::redact::{redacted, without_values};
use crate::rules::IMAGE;
use crate::system;
use crate::usage::usage;
use crate::volumes::is_plain_own;
use doorward_policy::{DockerRole, Policy, Reason, Refusal, Verb};
use serde_json::{Map, Value, json};

/// Which filter an answer goes through.
#[derive(Debug, Clone)]
pub struct Answer {
    filter: Filter,
    /// Paths that the worker or the container's own configuration said, so that errors may repeat them.
    said: Vec<String>,
}

#[derive(Debug, Clone)]
enum Filter {
    Pass,
    Created { warnings: Vec<String> },
    Containers { limit: Option<usize> },
    Container { own: bool },
    Images,
    Image,
    Networks,
    Network { own: bool },
    Volumes,
    Volume,
    OwnVolume,
    Exec,
    Info { states: Vec<String> },
    Usage,
    Version,
}

impl Answer {
    /// The bytes that the worker is sent instead of `body`, the engine's whole answer with `status`.
    ///
    /// # Errors
    /// When the engine's answer is not what its schema says: it is then not passed on.
    pub fn apply(&self, status: u16, body: &[u8], policy: &Policy, worker: &str) -> Result<Vec<u8>, Refusal> {
        if status >= 400 {
            return Ok(self.error(status, body));
        }
        if matches!(self.filter, Filter::Pass) || body.is_empty() {
            return Ok(body.to_vec());
        }
        let strange = || Refusal::new(Reason::EngineUnavailable, "the engine's answer makes no sense");
        let value: Value = serde_json::from_slice(body).map_err(|_| strange())?;
        let seen = Seen { policy, worker };
        let value = match (&self.filter, value) {
            (Filter::Containers { limit }, Value::Array(list)) => {
                let seen = list.into_iter().filter_map(|entry| seen.listed_container(entry));
                seen.take(limit.unwrap_or(usize::MAX)).collect()
            }
            (Filter::Created { warnings }, Value::Object(map)) => created(map, warnings),
            (Filter::Images, Value::Array(list)) => {
                list.into_iter().filter_map(|entry| seen.listed_image(entry)).collect()
            }
            (Filter::Networks, Value::Array(list)) => {
                list.into_iter().filter_map(|entry| seen.listed_network(entry)).collect()
            }
            (Filter::Volumes, Value::Object(map)) => seen.volumes(&map),
            (Filter::Container { own }, Value::Object(map)) => seen.container(map, *own),
            (Filter::Image, Value::Object(map)) => seen.image(map),
            (Filter::Network { own }, Value::Object(map)) => network(map, *own),
            (Filter::Volume, Value::Object(map)) => volume(map),
            (Filter::OwnVolume, value) if !is_plain_own(&value, worker) => return Err(taken()),
            (Filter::OwnVolume, Value::Object(map)) => volume(map),
            (Filter::Exec, Value::Object(map)) => exec(map),
            (Filter::Usage, Value::Object(map)) => usage(&map, &seen),
            (Filter::Info { states }, Value::Object(map)) => system::info(&map, states),
            (Filter::Version, Value::Object(map)) => system::version(&map),
            _ => return Err(strange()),
        };
        Ok(value.to_string().into_bytes())
    }

    /// An error in the engine's words, without paths and ids that are not the worker's.
    fn error(&self, status: u16, body: &[u8]) -> Vec<u8> {
        let message = serde_json::from_slice::<Value>(body).ok();
        let message = message.as_ref().and_then(|value| value.get("message")).and_then(Value::as_str);
        let message = match message {
            Some(message) => crate::error_text::clean(message, &self.said),
            None => format!("the engine answered {status}"),
        };
        json!({"message": message}).to_string().into_bytes()
    }

    pub(crate) fn pass() -> Answer {
        Answer { filter: Filter::Pass, said: Vec::new() }
    }
    /// Adds warnings, which clients print.
    pub(crate) fn created(warnings: Vec<String>) -> Answer {
        Answer { filter: Filter::Created { warnings }, said: Vec::new() }
    }
    pub(crate) fn containers(limit: Option<usize>) -> Answer {
        Answer { filter: Filter::Containers { limit }, said: Vec::new() }
    }
    pub(crate) fn container(own: bool) -> Answer {
        Answer { filter: Filter::Container { own }, said: Vec::new() }
    }
    pub(crate) fn images() -> Answer {
        Answer { filter: Filter::Images, said: Vec::new() }
    }
    pub(crate) fn image() -> Answer {
        Answer { filter: Filter::Image, said: Vec::new() }
    }
    pub(crate) fn networks() -> Answer {
        Answer { filter: Filter::Networks, said: Vec::new() }
    }
    pub(crate) fn network(own: bool) -> Answer {
        Answer { filter: Filter::Network { own }, said: Vec::new() }
    }
    pub(crate) fn volumes() -> Answer {
        Answer { filter: Filter::Volumes, said: Vec::new() }
    }
    pub(crate) fn volume() -> Answer {
        Answer { filter: Filter::Volume, said: Vec::new() }
    }
    /// Only a volume of this worker's: engines answer the create of one that exists with it, whosever it is.
    pub(crate) fn own_volume() -> Answer {
        Answer { filter: Filter::OwnVolume, said: Vec::new() }
    }
    pub(crate) fn exec() -> Answer {
        Answer { filter: Filter::Exec, said: Vec::new() }
    }
    pub(crate) fn usage() -> Answer {
        Answer { filter: Filter::Usage, said: Vec::new() }
    }
    pub(crate) fn version() -> Answer {
        Answer { filter: Filter::Version, said: Vec::new() }
    }
    /// Counts only the worker's own containers, from their list.
    pub(crate) fn info(own: Option<&Value>) -> Answer {
        let own = own.and_then(Value::as_array).into_iter().flatten();
        let states = own.filter_map(|entry| Some(entry.get("State")?.as_str()?.to_owned())).collect();
        Answer { filter: Filter::Info { states }, said: Vec::new() }
    }

    /// Lets errors repeat the paths that a body says.
    pub(crate) fn said(mut self, body: &Value) -> Answer {
        collect_paths(body, &mut self.said);
        self
    }

    /// Lets errors repeat the paths that a container's own configuration says.
    pub(crate) fn said_by(mut self, inspect: &Value) -> Answer {
        for name in ["Config", "Path", "Args"] {
            collect_paths(inspect.get(name).unwrap_or(&Value::Null), &mut self.said);
        }
        self
    }
}

fn taken() -> Refusal {
    Refusal::new(Reason::EngineMismatch, "the name was taken by another volume meanwhile").path("Name")
}

fn collect_paths(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with('/') => into.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| collect_paths(value, into)),
        Value::Object(map) => map.values().for_each(|value| collect_paths(value, into)),
        _ => {}
    }
}

/// From a value to what may be seen of it.
type Redact = fn(&Value) -> Value;

/// What one worker may see.
pub(crate) struct Seen<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) worker: &'a str,
}

impl Seen<'_> {
    pub(crate) fn standing(&self, labels: Option<&Value>) -> Standing {
        Standing::of(labels, self.worker)
    }

    pub(crate) fn any_role(&self, sees: impl Fn(&DockerRole) -> bool) -> bool {
        roles(self.policy, self.worker).any(sees)
    }

    pub(crate) fn listed_container(&self, mut entry: Value) -> Option<Value> {
        let map = entry.as_object_mut()?;
        let standing = self.standing(map.get("Labels"));
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
        if !own {
            map.insert("Labels".into(), json!({}));
        }
        hide_mounts(map.get_mut("Mounts"), own);
        Some(entry)
    }

    fn container(&self, mut map: Map<String, Value>, own: bool) -> Value {
        const REDACTED: [(&str, Redact); 2] = [("Env", without_values), ("Labels", redact_values)];
        const HOST_PATHS: [&str; 5] =
            ["ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "GraphDriver"];
        for name in HOST_PATHS {
            map.remove(name);
        }
        hide_mounts(map.get_mut("Mounts"), own);
        if let Some(settings) = map.get_mut("NetworkSettings").and_then(Value::as_object_mut) {
            settings.remove("SandboxKey");
        }
        let Some(config) = map.get_mut("Config").and_then(Value::as_object_mut) else { return map.into() };
        if own {
            if let Some(image) = image_label(config.get("Labels")) {
                config.insert("Image".into(), image);
            }
            return map.into();
        }
        for (name, redact) in REDACTED {
            if let Some(value) = config.get(name).filter(|value| !value.is_null()).map(redact) {
                config.insert(name.into(), value);
            }
        }
        self.redact_words(config);
        self.hide_foreign(&mut map);
        map.into()
    }

    /// Commands of containers that are not own: what the policy redacts is taken out.
    fn redact_words(&self, config: &mut Map<String, Value>) {
        for name in ["Cmd", "Entrypoint", "Healthcheck"] {
            if let Some(value) = config.get(name) {
                config.insert(name.into(), redacted(value, self.policy));
            }
        }
    }

    fn hide_foreign(&self, map: &mut Map<String, Value>) {
        if let Some(args) = map.get("Args") {
            map.insert("Args".into(), redacted(args, self.policy));
        }
        if let Some(host) = map.get_mut("HostConfig").and_then(Value::as_object_mut) {
            for name in
                ["Binds", "Mounts", "LogConfig", "ContainerIDFile", "CgroupParent", "Sysctls", "ExtraHosts"]
            {
                host.remove(name);
            }
        }
        if let Some(state) = map.get_mut("State").and_then(Value::as_object_mut) {
            state.insert("Pid".into(), json!(0));
            if let Some(health) = state.get_mut("Health").and_then(Value::as_object_mut) {
                health.remove("Log");
            }
        }
    }

    pub(crate) fn listed_image(&self, mut entry: Value) -> Option<Value> {
        let map = entry.as_object_mut()?;
        let own = self.standing(map.get("Labels")) == Standing::Own;
        let tagged = self.show_names(map);
        (own || tagged).then_some(entry)
    }

    fn image(&self, mut map: Map<String, Value>) -> Value {
        map.remove("GraphDriver");
        self.show_names(&mut map);
        map.into()
    }

    /// Leaves an image only the names that the worker's roles name; says whether there is one.
    fn show_names(&self, map: &mut Map<String, Value>) -> bool {
        let names = image_names(&Value::Object(map.clone()));
        let shown: Vec<String> = names
            .iter()
            .filter(|name| self.any_role(|role| name.allowed(role)))
            .map(ImageName::familiar)
            .collect();
        let digests = map.get("RepoDigests").and_then(Value::as_array).cloned().unwrap_or_default();
        let digests: Vec<Value> = digests
            .into_iter()
            .filter(|digest| {
                let name = digest.as_str().and_then(ImageName::read);
                name.is_some_and(|name| self.any_role(|role| name.allowed(role)))
            })
            .collect();
        let seen = !shown.is_empty() || !digests.is_empty();
        map.insert("RepoTags".into(), json!(shown));
        map.insert("RepoDigests".into(), digests.into());
        seen
    }

    fn listed_network(&self, entry: Value) -> Option<Value> {
        let Value::Object(map) = entry else { return None };
        let standing = self.standing(map.get("Labels"));
        let name = map.get("Name").and_then(Value::as_str).unwrap_or_default();
        let seen = standing == Standing::Own
            || self.any_role(|role| {
                role.verbs.contains(&Verb::NetworkLs)
                    && (objects::selects(&role.networks, name, standing)
                        || objects::builtin_network(role, name))
            });
        seen.then(|| network(map, standing == Standing::Own))
    }

    fn volumes(&self, map: &Map<String, Value>) -> Value {
        let list = map.get("Volumes").and_then(Value::as_array).cloned().unwrap_or_default();
        let seen: Vec<Value> = list.into_iter().filter_map(|entry| self.listed_volume(entry)).collect();
        json!({"Volumes": seen, "Warnings": null})
    }

    pub(crate) fn listed_volume(&self, entry: Value) -> Option<Value> {
        let Value::Object(entry) = entry else { return None };
        let standing = self.standing(entry.get("Labels"));
        let name = entry.get("Name").and_then(Value::as_str).unwrap_or_default();
        let seen = standing == Standing::Own
            || self.any_role(|role| {
                role.verbs.contains(&Verb::VolumeLs) && objects::selects(&role.volumes, name, standing)
            });
        seen.then(|| volume(entry))
    }
}

fn created(mut map: Map<String, Value>, own: &[String]) -> Value {
    let engine = map.get("Warnings").and_then(Value::as_array).cloned().unwrap_or_default();
    let own = own.iter().map(|warning| json!(format!("doorward: {warning}")));
    map.insert("Warnings".into(), engine.into_iter().chain(own).collect());
    map.into()
}

fn image_label(labels: Option<&Value>) -> Option<Value> {
    labels.and_then(|labels| labels.get(IMAGE)).cloned()
}

fn redact_values(labels: &Value) -> Value {
    let names = labels.as_object().into_iter().flat_map(Map::keys);
    names.map(|name| (name.clone(), json!("[redacted]"))).collect::<Map<_, _>>().into()
}

/// Volumes' places on the host are nobody's business; binds are, to who has them.
fn hide_mounts(mounts: Option<&mut Value>, own: bool) {
    let mounts = mounts.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut);
    for mount in mounts {
        if !own || mount.get("Type").and_then(Value::as_str) != Some("bind") {
            mount.insert("Source".into(), json!(""));
        }
    }
}

fn network(mut map: Map<String, Value>, own: bool) -> Value {
    if !own {
        for name in ["Containers", "Options", "Labels"] {
            map.insert(name.into(), json!({}));
        }
    }
    map.into()
}

fn volume(mut map: Map<String, Value>) -> Value {
    map.insert("Mountpoint".into(), json!(""));
    map.insert("Options".into(), json!({}));
    map.into()
}

fn exec(map: Map<String, Value>) -> Value {
    const KEPT: [&str; 10] = [
        "ID",
        "ContainerID",
        "Running",
        "ExitCode",
        "ProcessConfig",
        "OpenStdin",
        "OpenStderr",
        "OpenStdout",
        "CanRemove",
        "DetachKeys",
    ];
    map.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str())).collect::<Map<_, _>>().into()
}
