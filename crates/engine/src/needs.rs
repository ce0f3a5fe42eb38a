//! What must be asked of the engine before a request can be judged.

use crate::connect::named_container;
use crate::image_name::{ImageName, is_id};
use crate::objects::{is_full_id, is_name};
use crate::rules::{OWNER, named_networks, named_volumes};
use crate::{Act, ApiVersion, Facts, Lookup, Request, present, uri};
use serde_json::{Value, json};

impl Request {
    /// What must be known before [`crate::judge`]; to be asked again after each answer, until it is empty.
    pub fn needs(&self, facts: &Facts) -> Vec<Lookup> {
        let name = self.named();
        let mut wanted = match self.endpoint().act {
            Act::ContainerCreate => self.create_needs(),
            Act::ContainerStart | Act::ContainerRestart => start_needs(name, facts),
            Act::ContainerInspect
            | Act::ContainerLogs
            | Act::ContainerStop
            | Act::ContainerKill
            | Act::ContainerWait
            | Act::ContainerRemove
            | Act::ContainerAttach
            | Act::ContainerResize
            | Act::ExecCreate => container(name),
            Act::ExecStart | Act::ExecInspect | Act::ExecResize => exec_needs(name, facts),
            Act::ImageInspect => image(name),
            Act::NetworkInspect | Act::NetworkRemove if is_name(name) => {
                vec![Lookup::Network(name.to_owned())]
            }
            Act::VolumeInspect | Act::VolumeRemove if is_name(name) => vec![Lookup::Volume(name.to_owned())],
            Act::NetworkCreate => vec![Lookup::OwnNetworks],
            Act::NetworkConnect | Act::NetworkDisconnect if is_name(name) => self.connect_needs(name),
            Act::VolumeCreate => self.volume_needs(),
            Act::Info => vec![Lookup::OwnContainers],
            Act::Events => vec![Lookup::OwnNetworks, Lookup::OwnVolumes],
            _ => Vec::new(),
        };
        wanted.retain(|lookup| !facts.found.contains_key(lookup));
        wanted.sort();
        wanted.dedup();
        wanted
    }

    fn create_needs(&self) -> Vec<Lookup> {
        let Some(body) = &self.body else { return Vec::new() };
        let mut wanted = image(body.get("Image").and_then(Value::as_str).unwrap_or_default());
        wanted.push(Lookup::OwnContainers);
        wanted.extend(body_needs(body));
        if wanted.iter().any(|lookup| matches!(lookup, Lookup::Volume(_))) {
            wanted.push(Lookup::OwnVolumes);
        }
        wanted
    }

    fn connect_needs(&self, network: &str) -> Vec<Lookup> {
        let mut wanted = container(named_container(self.body.as_ref()));
        wanted.push(Lookup::Network(network.to_owned()));
        wanted
    }

    fn volume_needs(&self) -> Vec<Lookup> {
        let name = self.body.as_ref().and_then(|body| body.get("Name")).and_then(Value::as_str);
        let named = name.filter(|name| is_name(name)).map(|name| Lookup::Volume(name.to_owned()));
        named.into_iter().chain([Lookup::OwnVolumes]).collect()
    }
}

impl Lookup {
    /// The target of the `GET` that answers it: path with version and query, percent-encoded. A 404 is the
    /// fact `None`; any other error status means that the engine is not available.
    pub fn target(&self, version: ApiVersion, worker: &str) -> String {
        let own = || uri::encode(&json!({"label": {format!("{OWNER}={worker}"): true}}).to_string(), "");
        let path = match self {
            Lookup::Container(name) => format!("/containers/{}/json", uri::encode(name, "")),
            Lookup::Image(name) => format!("/images/{}/json", uri::encode(name, "/:@")),
            Lookup::Network(name) => format!("/networks/{}", uri::encode(name, "")),
            Lookup::Volume(name) => format!("/volumes/{}", uri::encode(name, "")),
            Lookup::Exec(id) => format!("/exec/{}/json", uri::encode(id, "")),
            Lookup::OwnContainers => format!("/containers/json?all=1&filters={}", own()),
            Lookup::OwnNetworks => format!("/networks?filters={}", own()),
            Lookup::OwnVolumes => format!("/volumes?filters={}", own()),
        };
        format!("/v{version}{path}")
    }
}

fn container(name: &str) -> Vec<Lookup> {
    if is_name(name) { vec![Lookup::Container(name.to_owned())] } else { Vec::new() }
}

/// Only what the engine would take for a reference or an id is asked for.
fn image(name: &str) -> Vec<Lookup> {
    let known = ImageName::read(name).is_some() || is_id(name);
    if known { vec![Lookup::Image(name.to_owned())] } else { Vec::new() }
}

fn start_needs(name: &str, facts: &Facts) -> Vec<Lookup> {
    let mut wanted = container(name);
    if let Some(Some(found)) = facts.found.get(&Lookup::Container(name.to_owned())) {
        wanted.extend(body_needs(&present::body(found)));
    }
    wanted
}

fn body_needs(body: &Value) -> impl Iterator<Item = Lookup> {
    let networks = named_networks(body).into_iter().map(Lookup::Network);
    networks.chain(named_volumes(body).into_iter().map(Lookup::Volume))
}

/// An exec, if this worker made it, and then its container.
fn exec_needs(id: &str, facts: &Facts) -> Vec<Lookup> {
    if !is_full_id(id) || !facts.execs.contains(id) {
        return Vec::new();
    }
    let exec = Lookup::Exec(id.to_owned());
    let inside = facts.found.get(&exec).and_then(Option::as_ref).and_then(|exec| exec.get("ContainerID"));
    let mut wanted = container(inside.and_then(Value::as_str).unwrap_or_default());
    wanted.push(exec);
    wanted
}
