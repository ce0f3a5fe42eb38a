//! What a worker sees of the engine's answer.

use crate::redact::redacted;
use crate::seen::{Seen, network};
use crate::usage::usage;
use crate::volumes::is_plain_own;
use crate::{error_text, system};
use doorward_policy::{Policy, Reason, Refusal};
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
    NetworkCreated { warning: Option<&'static str> },
    Containers { limit: Option<usize> },
    Container { own: bool },
    Images,
    Image,
    History,
    Networks,
    Network { own: bool },
    Volumes,
    Volume,
    OwnVolume,
    Exec,
    Processes,
    Info { states: Vec<String>, images: Vec<Value> },
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
            (Filter::NetworkCreated { warning }, Value::Object(map)) => network_created(map, *warning),
            (Filter::Images, Value::Array(list)) => {
                list.into_iter().filter_map(|entry| seen.listed_image(entry)).collect()
            }
            (Filter::History, Value::Array(list)) => {
                list.into_iter().map(|layer| seen.layer(layer)).collect()
            }
            (Filter::Networks, Value::Array(list)) => {
                list.into_iter().filter_map(|entry| seen.listed_network(entry)).collect()
            }
            (Filter::Volumes, Value::Object(map)) => seen.volumes(&map),
            (Filter::Container { own }, Value::Object(map)) => seen.container(map, *own),
            (Filter::Image, Value::Object(map)) => seen.image(map),
            (Filter::Network { own }, Value::Object(map)) => network(map, *own),
            (Filter::Volume, Value::Object(map)) => seen.volume(map),
            (Filter::OwnVolume, value) if !is_plain_own(&value, worker) => return Err(taken()),
            (Filter::OwnVolume, Value::Object(map)) => seen.volume(map),
            (Filter::Exec, Value::Object(map)) => exec(map),
            (Filter::Processes, value) => redacted(&value, policy),
            (Filter::Usage, Value::Object(map)) => usage(&map, &seen),
            (Filter::Info { states, images }, Value::Object(map)) => {
                let seen = images.iter().filter_map(|entry| seen.listed_image(entry.clone())).count();
                system::info(&map, states, seen)
            }
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
            Some(message) => error_text::clean(message, &self.said),
            None => format!("the engine answered {status}"),
        };
        json!({"message": message}).to_string().into_bytes()
    }

    fn through(filter: Filter) -> Answer {
        Answer { filter, said: Vec::new() }
    }

    pub(crate) fn pass() -> Answer {
        Answer::through(Filter::Pass)
    }
    /// Adds warnings, which clients print.
    pub(crate) fn created(warnings: Vec<String>) -> Answer {
        Answer::through(Filter::Created { warnings })
    }
    /// Adds a warning.
    pub(crate) fn network_created(warning: Option<&'static str>) -> Answer {
        Answer::through(Filter::NetworkCreated { warning })
    }
    pub(crate) fn containers(limit: Option<usize>) -> Answer {
        Answer::through(Filter::Containers { limit })
    }
    pub(crate) fn container(own: bool) -> Answer {
        Answer::through(Filter::Container { own })
    }
    pub(crate) fn images() -> Answer {
        Answer::through(Filter::Images)
    }
    pub(crate) fn image() -> Answer {
        Answer::through(Filter::Image)
    }
    pub(crate) fn history() -> Answer {
        Answer::through(Filter::History)
    }
    pub(crate) fn networks() -> Answer {
        Answer::through(Filter::Networks)
    }
    pub(crate) fn network(own: bool) -> Answer {
        Answer::through(Filter::Network { own })
    }
    pub(crate) fn volumes() -> Answer {
        Answer::through(Filter::Volumes)
    }
    pub(crate) fn volume() -> Answer {
        Answer::through(Filter::Volume)
    }
    /// Only a volume of this worker's: engines answer the create of one that exists with it, whosever it is.
    pub(crate) fn own_volume() -> Answer {
        Answer::through(Filter::OwnVolume)
    }
    pub(crate) fn exec() -> Answer {
        Answer::through(Filter::Exec)
    }
    /// Processes of a container that is not own: what the policy redacts is taken out.
    pub(crate) fn processes() -> Answer {
        Answer::through(Filter::Processes)
    }
    pub(crate) fn usage() -> Answer {
        Answer::through(Filter::Usage)
    }
    pub(crate) fn version() -> Answer {
        Answer::through(Filter::Version)
    }
    /// Counts only the worker's own containers and the images that it may see, from their lists.
    pub(crate) fn info(own: Option<&Value>, images: Option<&Value>) -> Answer {
        let images = images.and_then(Value::as_array).cloned().unwrap_or_default();
        let own = own.and_then(Value::as_array).into_iter().flatten();
        let states = own.filter_map(|entry| Some(entry.get("State")?.as_str()?.to_owned())).collect();
        Answer::through(Filter::Info { states, images })
    }

    /// Lets errors repeat the paths that a body says.
    pub(crate) fn said(mut self, body: &Value) -> Answer {
        self.said.extend(error_text::paths(body));
        self
    }

    /// Lets errors repeat the paths that a container's own configuration says.
    pub(crate) fn said_by(mut self, inspect: &Value) -> Answer {
        self.said.extend(error_text::paths_of(|name| inspect.get(name)));
        self
    }
}

fn taken() -> Refusal {
    Refusal::new(Reason::EngineMismatch, "the name was taken by another volume meanwhile").path("Name")
}

fn created(mut map: Map<String, Value>, own: &[String]) -> Value {
    let engine = map.get("Warnings").and_then(Value::as_array).cloned().unwrap_or_default();
    let own = own.iter().map(|warning| json!(format!("doorward: {warning}")));
    map.insert("Warnings".into(), engine.into_iter().chain(own).collect());
    map.into()
}

/// Engines have one warning for a network, as a text.
fn network_created(mut map: Map<String, Value>, own: Option<&str>) -> Value {
    if let Some(own) = own {
        let engine = map.get("Warning").and_then(Value::as_str).filter(|warning| !warning.is_empty());
        let engine = engine.map(|warning| format!("{warning}\n")).unwrap_or_default();
        map.insert("Warning".into(), json!(format!("{engine}doorward: {own}")));
    }
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
