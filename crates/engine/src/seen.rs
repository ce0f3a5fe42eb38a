//! What a worker sees of images, networks and volumes.

use crate::image::image_names;
use crate::image_name::ImageName;
use crate::objects::{self, Standing, roles};
use crate::own_images::is_own_listed;
use crate::redact::{redacted, without_arguments};
use crate::rules::NO_ADDRESS;
use doorward_policy::{DockerRole, Policy, Verb};
use serde_json::{Map, Value, json};

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

    pub(crate) fn listed_image(&self, mut entry: Value) -> Option<Value> {
        let own = self.any_role(|role| is_own_listed(&entry, role, self.worker));
        let map = entry.as_object_mut()?;
        let tagged = self.show_names(map);
        (own || tagged).then_some(entry)
    }

    pub(crate) fn image(&self, mut map: Map<String, Value>) -> Value {
        // The last two tell of the container that a build step ran in, and what it was given. Compose 1.29 looks
        // for the image's volumes in there.
        let config = map.remove("ContainerConfig");
        for name in ["GraphDriver", "Container"] {
            map.remove(name);
        }
        if let Some(config) = config.filter(|config| !config.is_null()) {
            map.insert("ContainerConfig".into(), json!({"Volumes": config.get("Volumes")}));
        }
        self.show_names(&mut map);
        map.into()
    }

    /// One step of an image's history, without its build arguments and the names that others gave it.
    pub(crate) fn layer(&self, mut layer: Value) -> Value {
        if let Some(map) = layer.as_object_mut() {
            let names = map.get("Tags").and_then(Value::as_array).into_iter().flatten();
            let names = names.filter_map(|name| ImageName::read(name.as_str()?));
            let names = names.filter(|name| self.any_role(|role| name.allowed(role)));
            let names: Vec<String> = names.map(|name| name.familiar()).collect();
            map.insert("Tags".into(), if names.is_empty() { Value::Null } else { json!(names) });
            for name in ["CreatedBy", "Comment"] {
                let said = map.get(name).and_then(Value::as_str).map(without_arguments);
                map.insert(name.into(), redacted(&json!(said.unwrap_or_default()), self.policy));
            }
        }
        layer
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

    pub(crate) fn listed_network(&self, entry: Value) -> Option<Value> {
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

    pub(crate) fn volumes(&self, map: &Map<String, Value>) -> Value {
        let list = map.get("Volumes").and_then(Value::as_array).cloned().unwrap_or_default();
        let seen: Vec<Value> = list.into_iter().filter_map(|entry| self.listed_volume(entry)).collect();
        json!({"Volumes": seen, "Warnings": null})
    }

    pub(crate) fn listed_volume(&self, entry: Value) -> Option<Value> {
        let standing = Standing::of_volume(&entry, self.worker);
        let Value::Object(entry) = entry else { return None };
        let name = entry.get("Name").and_then(Value::as_str).unwrap_or_default();
        let seen = standing == Standing::Own
            || self.any_role(|role| {
                role.verbs.contains(&Verb::VolumeLs) && objects::selects(&role.volumes, name, standing)
            });
        seen.then(|| self.volume(entry))
    }

    pub(crate) fn volume(&self, mut map: Map<String, Value>) -> Value {
        if self.standing(map.get("Labels")) != Standing::Own {
            map.insert("Labels".into(), json!({}));
            map.remove("Status");
        }
        map.insert("Mountpoint".into(), json!(""));
        map.insert("Options".into(), json!({}));
        map.into()
    }
}

pub(crate) fn network(mut map: Map<String, Value>, own: bool) -> Value {
    if !own {
        for name in ["Containers", "Options", "Labels"] {
            map.insert(name.into(), json!({}));
        }
    }
    // Put there by doorward: a client that finds an option which it did not ask for makes the network anew.
    if let Some(options) = map.get_mut("Options").and_then(Value::as_object_mut) {
        options.remove(NO_ADDRESS);
    }
    map.into()
}
