//! What there is on the engine and the host, of a stage and of what was made of it.

use doorward_attacks::Stage;
use serde_json::Value;
use std::collections::BTreeMap;

/// One look at everything.
pub struct Picture {
    /// `inspect` by id.
    pub containers: BTreeMap<String, Value>,
    pub volumes: BTreeMap<String, Value>,
    pub networks: BTreeMap<String, Value>,
    /// Entry of the list by id.
    pub images: BTreeMap<String, Value>,
    /// Content by path.
    pub canary: BTreeMap<String, Vec<u8>>,
    pub calls: u32,
}

impl Picture {
    pub fn take(stage: &Stage) -> Picture {
        let by = |key: &str, list: Vec<Value>| {
            list.into_iter().map(|object| (object[key].as_str().unwrap().to_owned(), object)).collect()
        };
        let listed: BTreeMap<String, Value> = by("Id", stage.containers().unwrap());
        let inspected = listed.into_keys().map(|id| {
            let mut inspect = stage.engine("GET", &format!("/containers/{id}/json"), None).unwrap().json();
            let execs = inspect["ExecIDs"].as_array().cloned().unwrap_or_default();
            let look = |id: &Value| {
                let exec = stage
                    .engine("GET", &format!("/exec/{}/json", id.as_str().unwrap()), None)
                    .unwrap()
                    .json();
                serde_json::json!([id, exec["Running"], exec["ExitCode"], exec["ProcessConfig"]])
            };
            inspect["ExecIDs"] = execs.iter().map(look).collect();
            (id, inspect)
        });
        let mut canary = BTreeMap::new();
        for file in std::fs::read_dir(&stage.canary).into_iter().flatten() {
            let path = file.unwrap().path();
            canary.insert(path.display().to_string(), std::fs::read(&path).unwrap_or_default());
        }
        Picture {
            containers: inspected.collect(),
            volumes: by("Name", stage.volumes().unwrap()),
            networks: by("Id", stage.networks().unwrap()),
            images: by("Id", stage.images().unwrap()),
            canary,
            calls: stage.calls(),
        }
    }

    /// Removes what came after this picture, and makes anew what no longer stands as it did.
    pub fn clear_up(&self, after: &Picture, stage: &mut Stage) {
        for (kind, before, now) in [
            ("containers", &self.containers, &after.containers),
            ("networks", &self.networks, &after.networks),
            ("volumes", &self.volumes, &after.volumes),
            ("images", &self.images, &after.images),
        ] {
            for id in now.keys().filter(|id| !before.contains_key(*id)) {
                stage.remove(kind, id);
            }
        }
        for (id, image) in &after.images {
            let before = self.images.get(id).map(|was| was["RepoTags"].to_string()).unwrap_or_default();
            for tag in image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if self.images.contains_key(id) && !before.contains(tag) {
                    stage.remove("images", tag);
                }
            }
        }
        let was = self.containers.iter();
        let changed = was
            .filter(|(id, was)| after.containers.get(*id).is_some_and(|now| standing(now) != standing(was)));
        let changed: Vec<String> = changed.map(|(id, _)| id.clone()).collect();
        let gone = self.containers.keys().any(|id| !after.containers.contains_key(id))
            || self.networks.keys().any(|id| !after.networks.contains_key(id))
            || self.volumes.keys().any(|name| !after.volumes.contains_key(name));
        if gone || !changed.is_empty() {
            stage.raise_again(&changed).unwrap();
        }
    }
}

/// What must stay as it is of a container that is not the worker's.
pub fn standing(inspect: &Value) -> Value {
    let (state, settings) = (&inspect["State"], &inspect["NetworkSettings"]["Networks"]);
    let networks: Vec<&String> = settings.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    serde_json::json!([
        inspect["Name"],
        inspect["Config"],
        inspect["HostConfig"],
        inspect["RestartCount"],
        inspect["ExecIDs"],
        state["Status"],
        state["StartedAt"],
        inspect["Mounts"],
        networks,
    ])
}

/// What must stay as it is of a network that is not the worker's.
pub fn network(list: &Value) -> Value {
    serde_json::json!([list["Name"], list["Labels"], list["Options"], list["Internal"]])
}
