//! Events: one by one, only of what the worker may see, and of each only what it may know.

use crate::image_name::ImageName;
use crate::judged::Judged;
use crate::objects::{self, Standing};
use crate::query::Query;
use crate::rules::IMAGE;
use crate::seen::Seen;
use crate::{Decision, Lookup};
use doorward_policy::{Policy, Verb};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Longest event that is read, in bytes; a container's labels are the most of one. A longer one is left out.
const LONGEST: usize = 1 << 20;

/// Attributes of a container's event that are told when the container is not own.
const VISIBLE: [&str; 4] = ["exitCode", "image", "name", "signal"];

/// `GET /events`. Only the times go on to the engine.
pub(crate) fn judge(judged: Judged<'_>) -> Decision {
    let Judged { request, facts, .. } = judged;
    let (role, verb) = match judged.granted(None) {
        Ok(granted) => granted,
        Err(denied) => return Decision::denied(denied, "events", ""),
    };
    let query = &request.call.query;
    let mut approved = judged.approve(role, verb);
    approved.target = format!("/v{}/events{}", request.version(), query.render(&["filters"]));
    let volumes = facts.about(&Lookup::OwnVolumes).and_then(|found| found.get("Volumes"));
    approved.events = Some(EventFilter {
        query: query.clone(),
        networks: texts(facts.about(&Lookup::OwnNetworks), "Id"),
        volumes: texts(volumes, "Name"),
        line: Vec::new(),
        too_long: false,
    });
    Decision::forward(approved)
}

fn texts(list: Option<&Value>, field: &str) -> BTreeSet<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|entry| Some(entry.get(field)?.as_str()?.to_owned())).collect()
}

/// What of a stream of events goes on to a worker.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// The worker's own filters.
    query: Query,
    /// Own networks by id and own volumes by name: their events do not say whose they are.
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
    /// The beginning of an event whose end has not come.
    line: Vec<u8>,
    too_long: bool,
}

impl EventFilter {
    /// Takes the engine's next bytes; gives the whole events among them that the worker may see, rebuilt, each
    /// on a line. Keeps at most one event in memory.
    pub fn push(&mut self, bytes: &[u8], policy: &Policy, worker: &str) -> Vec<u8> {
        let seen = Seen { policy, worker };
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.too_long = self.too_long || self.line.len().saturating_add(piece.len()) > LONGEST;
            if !self.too_long {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let whole = !std::mem::take(&mut self.too_long);
                let event = serde_json::from_slice::<Value>(&line).ok().filter(|_| whole);
                if let Some(shown) = event.and_then(|event| self.shown(&event, &seen)) {
                    out.extend_from_slice(shown.to_string().as_bytes());
                    out.push(b'\n');
                }
            }
        }
        out
    }

    /// What the worker may know of an event; `None` when that is nothing, or when its filters leave it out.
    fn shown(&mut self, event: &Value, seen: &Seen<'_>) -> Option<Value> {
        let actor = event.get("Actor")?;
        let id = actor.get("ID")?.as_str()?;
        let no_attributes = Map::new();
        let attributes = actor.get("Attributes").and_then(Value::as_object).unwrap_or(&no_attributes);
        let kind = event.get("Type")?.as_str()?;
        let action = event.get("Action")?.as_str()?;
        let shown = match kind {
            "container" => container(action, attributes, seen)?,
            "image" => image(action, attributes, seen)?,
            "network" => self.network(action, id, attributes)?,
            "volume" => self.volume(action, id, attributes)?,
            _ => return None,
        };
        let (action, attributes) = shown;
        let shown = Shown { kind, id, action: &action, attributes: &attributes };
        shown.passes(&self.query).then(|| shown.event(event))
    }

    fn network(&mut self, action: &str, id: &str, given: &Map<String, Value>) -> Option<Told> {
        let own = self.networks.contains(id);
        if action == "destroy" {
            self.networks.remove(id);
        }
        own.then(|| (action.to_owned(), kept(given, &["container", "name", "type"])))
    }

    fn volume(&mut self, action: &str, name: &str, given: &Map<String, Value>) -> Option<Told> {
        let own = self.volumes.contains(name);
        // The next volume of that name may be anybody's.
        if action == "destroy" {
            self.volumes.remove(name);
        }
        own.then(|| {
            (
                action.to_owned(),
                kept(given, &["container", "destination", "driver", "propagation", "read/write"]),
            )
        })
    }
}

/// An action and its attributes, as they are told.
type Told = (String, Map<String, Value>);

/// A container's event bears the container's labels, and with them whose it is.
fn container(action: &str, given: &Map<String, Value>, seen: &Seen<'_>) -> Option<Told> {
    let labels = Value::Object(given.clone());
    let standing = Standing::of_made(Some(&labels), given.get("image"), seen.worker);
    if standing == Standing::Own {
        let mut given = given.clone();
        if let Some(image) = given.get(IMAGE).cloned() {
            given.insert("image".into(), image);
        }
        return Some((action.to_owned(), given));
    }
    let name = given.get("name").and_then(Value::as_str).unwrap_or_default();
    let visible = seen.any_role(|role| {
        role.verbs.contains(&Verb::Events) && objects::selects(&role.containers, name, standing)
    });
    // `exec_create: COMMAND` and `exec_start: COMMAND` tell what somebody else runs, with its arguments.
    let action = match action.split_once(':') {
        Some((word, _)) if word.starts_with("exec") => word,
        _ => action,
    };
    visible.then(|| (action.to_owned(), kept(given, &VISIBLE)))
}

fn image(action: &str, given: &Map<String, Value>, seen: &Seen<'_>) -> Option<Told> {
    let name = given.get("name").and_then(Value::as_str).and_then(ImageName::read);
    let visible = name
        .is_some_and(|name| seen.any_role(|role| role.verbs.contains(&Verb::Events) && name.allowed(role)));
    visible.then(|| (action.to_owned(), kept(given, &["name"])))
}

fn kept(given: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let kept = given.iter().filter(|(name, _)| names.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// An event as the worker sees it.
struct Shown<'a> {
    kind: &'a str,
    id: &'a str,
    action: &'a str,
    attributes: &'a Map<String, Value>,
}

impl Shown<'_> {
    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether every filter that is given has a value that fits; labels must all fit. What is compared is what
    /// the worker sees.
    fn passes(&self, query: &Query) -> bool {
        let word = self.action.split(':').next().unwrap_or_default();
        let any = |key: &str, fits: &dyn Fn(&str) -> bool| {
            query.filters(key).next().is_none() || query.filters(key).any(fits)
        };
        let object = |kind: &str, key: &str| {
            any(key, &|value| {
                let named = self.attribute("name") == value || (kind == "volume" && self.id == value);
                let by_id = value.len() >= 4 && self.id.starts_with(value);
                self.kind == kind && (named || by_id)
            })
        };
        let image = |value: &str| {
            let name = if self.kind == "image" { "name" } else { "image" };
            let own = self.attribute(name);
            own == value || own.strip_prefix(value).is_some_and(|rest| rest.starts_with(':'))
        };
        let label = |value: &str| match value.split_once('=') {
            Some((name, value)) => self.attributes.get(name).and_then(Value::as_str) == Some(value),
            None => self.attributes.contains_key(value),
        };
        any("type", &|value| value == self.kind)
            && any("event", &|value| value == word || value == self.action)
            && object("container", "container")
            && object("network", "network")
            && object("volume", "volume")
            && any("image", &image)
            && query.filters("label").all(label)
    }

    /// In the engine's shape, the older fields of containers and images included.
    fn event(&self, engine: &Value) -> Value {
        let mut event = Map::from_iter([
            ("Type".to_owned(), json!(self.kind)),
            ("Action".to_owned(), json!(self.action)),
            ("Actor".to_owned(), json!({"ID": self.id, "Attributes": self.attributes})),
            ("scope".to_owned(), json!("local")),
        ]);
        for name in ["time", "timeNano"] {
            let time = engine.get(name).and_then(Value::as_i64).unwrap_or_default();
            event.insert(name.to_owned(), json!(time));
        }
        for (name, value) in [("status", self.action), ("id", self.id), ("from", self.attribute("image"))] {
            if engine.get(name).is_some() {
                event.insert(name.to_owned(), json!(value));
            }
        }
        event.into()
    }
}
