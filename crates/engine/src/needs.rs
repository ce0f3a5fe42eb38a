//! What must be asked of the engine before a request can be judged.

use crate::connect::named_container;
use crate::image::could_name;
use crate::image_name::ImageName;
use crate::objects::{self, Standing, could_begin_id, is_full_id, is_name, plain_name};
use crate::rules::{OWNER, has_anonymous, named_networks, named_volumes, present_networks};
use crate::{Act, ApiVersion, Facts, Lookup, Request, present, uri};
use doorward_policy::{DockerRole, Policy};
use serde_json::{Value, json};

impl Request {
    /// What must be known before [`crate::judge`]; to be asked again after each answer, until it is empty.
    pub fn needs(&self, facts: &Facts, policy: &Policy, worker: &str) -> Vec<Lookup> {
        let name = self.named();
        let mut wanted = match self.endpoint().act {
            Act::ContainerCreate => self.create_needs(facts),
            Act::ContainerStart | Act::ContainerRestart | Act::ContainerUnpause | Act::ContainerUpdate => {
                start_needs(name, seen(name, facts, policy, worker))
            }
            Act::ContainerRename => self.rename_needs(name, seen(name, facts, policy, worker)),
            Act::ContainerInspect
            | Act::ContainerLogs
            | Act::ContainerStop
            | Act::ContainerKill
            | Act::ContainerWait
            | Act::ContainerRemove
            | Act::ContainerAttach
            | Act::ContainerResize
            | Act::ContainerPause
            | Act::ContainerTop
            | Act::ContainerStats
            | Act::ExecCreate => container(name),
            Act::ExecStart | Act::ExecInspect | Act::ExecResize => exec_needs(name, facts),
            Act::ImageInspect | Act::ImageHistory | Act::ImageRemove => image(name),
            Act::ImageTag | Act::ImagePush | Act::ImageSave => self.image_needs(),
            Act::NetworkInspect | Act::NetworkRemove if is_name(name) => {
                vec![Lookup::Network(name.to_owned())]
            }
            Act::VolumeInspect | Act::VolumeRemove if is_name(name) => vec![Lookup::Volume(name.to_owned())],
            Act::NetworkCreate => self.network_needs(),
            Act::NetworkConnect | Act::NetworkDisconnect if is_name(name) => {
                let asked = named_container(self.body.as_ref());
                self.connect_needs(name, asked, seen(asked, facts, policy, worker))
            }
            Act::VolumeCreate => self.volume_needs(),
            Act::ContainerPrune => vec![Lookup::OwnContainers],
            Act::ImageBuild => self.build_needs(),
            Act::Info => vec![Lookup::OwnContainers, Lookup::AllImages],
            Act::Events => vec![Lookup::OwnNetworks, Lookup::OwnVolumes],
            _ => Vec::new(),
        };
        wanted.retain(|lookup| !facts.found.contains_key(lookup));
        wanted.sort();
        wanted.dedup();
        wanted
    }

    fn create_needs(&self, facts: &Facts) -> Vec<Lookup> {
        let Some(body) = &self.body else { return Vec::new() };
        let asked = body.get("Image").and_then(Value::as_str).unwrap_or_default();
        let mut wanted = image(asked);
        wanted.push(Lookup::OwnContainers);
        wanted.extend(id_needs(self.new_name(), Lookup::AllContainers));
        wanted.extend(body_needs(body));
        let unnamed = has_anonymous(body, facts.about(&Lookup::Image(asked.to_owned())));
        if unnamed || wanted.iter().any(|lookup| matches!(lookup, Lookup::Volume(_))) {
            wanted.push(Lookup::OwnVolumes);
        }
        wanted
    }

    fn network_needs(&self) -> Vec<Lookup> {
        let name = self.body.as_ref().and_then(|body| body.get("Name")).and_then(Value::as_str);
        id_needs(name.unwrap_or_default(), Lookup::AllNetworks)
            .into_iter()
            .chain([Lookup::OwnNetworks])
            .collect()
    }

    fn rename_needs(&self, name: &str, found: Option<&Value>) -> Vec<Lookup> {
        let mut wanted = container(name);
        wanted.extend(id_needs(self.new_name(), Lookup::AllContainers));
        if let Some(found) = found {
            wanted.extend(present_networks(found).into_iter().map(Lookup::Network));
        }
        wanted
    }

    /// The name that a container is to get.
    fn new_name(&self) -> &str {
        let name = self.call.query.text("name").unwrap_or_default();
        name.strip_prefix('/').unwrap_or(name)
    }

    fn connect_needs(&self, network: &str, asked: &str, found: Option<&Value>) -> Vec<Lookup> {
        let mut wanted = match self.endpoint().act {
            Act::NetworkConnect => start_needs(asked, found),
            _ => container(asked),
        };
        wanted.push(Lookup::Network(network.to_owned()));
        wanted
    }

    /// What bears the names that the image is to have, and what it is built from.
    fn build_needs(&self) -> Vec<Lookup> {
        let tags = self.call.query.texts("t").iter().filter_map(|tag| ImageName::read(tag));
        let mut wanted: Vec<Lookup> = tags.map(|tag| Lookup::Image(tag.familiar())).collect();
        wanted.push(Lookup::OwnImages);
        if let Some(dockerfile) = &self.dockerfile {
            let target = self.call.query.text("target").unwrap_or_default();
            wanted.extend(dockerfile.images(target).flat_map(image));
        }
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
            Lookup::AllContainers => "/containers/json?all=1".to_owned(),
            Lookup::AllNetworks => "/networks".to_owned(),
            Lookup::AllImages => "/images/json".to_owned(),
            Lookup::OwnContainers => format!("/containers/json?all=1&filters={}", own()),
            Lookup::OwnNetworks => format!("/networks?filters={}", own()),
            Lookup::OwnVolumes => format!("/volumes?filters={}", own()),
            Lookup::OwnImages => format!("/images/json?filters={}", own()),
        };
        format!("/v{version}{path}")
    }

    /// What an engine that holds nothing answers.
    pub fn of_nothing(&self) -> Option<Value> {
        match self {
            Lookup::OwnContainers | Lookup::OwnNetworks | Lookup::OwnImages | Lookup::AllImages => {
                Some(json!([]))
            }
            Lookup::OwnVolumes => Some(json!({"Volumes": null})),
            _ => None,
        }
    }
}

/// All ids, when a new name could be the beginning of one. Engines' own filters miss it when it begins several.
fn id_needs(name: &str, lookup: Lookup) -> Option<Lookup> {
    could_begin_id(name).then_some(lookup)
}

fn container(name: &str) -> Vec<Lookup> {
    if is_name(name) { vec![Lookup::Container(name.to_owned())] } else { Vec::new() }
}

/// Only what the engine would take for a reference or an id is asked for.
fn image(name: &str) -> Vec<Lookup> {
    if could_name(name) { vec![Lookup::Image(name.to_owned())] } else { Vec::new() }
}

fn start_needs(name: &str, found: Option<&Value>) -> Vec<Lookup> {
    let mut wanted = container(name);
    if let Some(found) = found {
        wanted.extend(body_needs(&present::body(found)));
        wanted.extend(present_networks(found).into_iter().map(Lookup::Network));
    }
    wanted
}

/// A container that was found and that the worker may see. Of another, no more is asked than of one that does
/// not exist: how long that takes would tell them apart.
fn seen<'f>(name: &str, facts: &'f Facts, policy: &Policy, worker: &str) -> Option<&'f Value> {
    let found = facts.about(&Lookup::Container(name.to_owned()))?;
    let standing = Standing::of_container(found, worker);
    let named = |role: &DockerRole| objects::selects(&role.containers, plain_name(found), standing);
    (standing == Standing::Own || objects::roles(policy, worker).any(named)).then_some(found)
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
    let inside = facts.about(&exec).and_then(|exec| exec.get("ContainerID"));
    let mut wanted = container(inside.and_then(Value::as_str).unwrap_or_default());
    wanted.push(exec);
    wanted
}
