//! What a new container must be, compared with what the engine made.

use crate::fields::{CREATE, Field, HOST_CONFIG, Rule};
use crate::rules::{MASKED, READ_ONLY, holds_paths, host_paths};
use crate::{objects, present, walk};
use doorward_policy::{Reason, Refusal};
use serde_json::{Map, Value};

/// What was approved for a new container.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The rebuilt body.
    pub(crate) body: Value,
}

impl Expected {
    /// Compares with `GET /containers/{id}/json` of the new container.
    ///
    /// # Errors
    /// [`Reason::EngineMismatch`] with the first field that differs; the container must then be removed.
    pub fn compare(&self, inspect: &Value) -> Result<(), Refusal> {
        let host = inspect.get("HostConfig");
        compare_fields(CREATE, &self.body, inspect.get("Config"), "")?;
        compare_fields(
            HOST_CONFIG,
            self.body.get("HostConfig").unwrap_or(&Value::Null),
            host,
            "HostConfig.",
        )?;
        if let Some(name) = present::unknown_setting(host) {
            return Err(mismatch(&format!("HostConfig.{}", crate::query::shown(&name))));
        }
        let hidden = |name: &str, paths| holds_paths(host.and_then(|host| host.get(name)), paths);
        if !hidden("MaskedPaths", MASKED) || !hidden("ReadonlyPaths", READ_ONLY) {
            return Err(mismatch("HostConfig.MaskedPaths"));
        }
        present::mounts_known(inspect, &host_paths(&self.body)).map_err(|_| mismatch("Mounts"))?;
        if inspect.get("Image") != self.body.get("Image") {
            return Err(mismatch("Image"));
        }
        self.compare_networks(inspect)
    }

    /// Every network that the engine put the container in was approved. Before the start an id may be missing;
    /// then the network's name is the engine's for the approved mode.
    fn compare_networks(&self, inspect: &Value) -> Result<(), Refusal> {
        let approved =
            self.body.get("NetworkingConfig").and_then(|networking| networking.get("EndpointsConfig"));
        let approved = approved.and_then(Value::as_object).map(Map::len).unwrap_or_default();
        let mode =
            self.body.get("HostConfig").and_then(|host| host.get("NetworkMode")).and_then(Value::as_str);
        let made = inspect.get("NetworkSettings").and_then(|settings| settings.get("Networks"));
        let made = made.and_then(Value::as_object).cloned().unwrap_or_default();
        let user_defined = mode.is_some_and(objects::is_full_id);
        let names_fit =
            user_defined || made.keys().all(|name| Some(name.as_str()) == mode || name == "default");
        match names_fit && made.len() <= approved.max(1) {
            true => Ok(()),
            false => Err(mismatch("NetworkSettings.Networks")),
        }
    }
}

fn compare_fields(fields: &[Field], sent: &Value, got: Option<&Value>, path: &str) -> Result<(), Refusal> {
    for field in fields.iter().filter(|field| !["HostConfig", "NetworkingConfig"].contains(&field.name)) {
        let sent = sent.get(field.name);
        let got = got.and_then(|got| got.get(field.name));
        let same = match field.rule {
            // A worker's health check replaces the image's as a whole.
            Rule::Parts(_) if sent.is_none() => true,
            _ => walk::same(field, sent, got),
        };
        if !same {
            return Err(mismatch(&format!("{path}{}", field.name)));
        }
    }
    Ok(())
}

fn mismatch(path: &str) -> Refusal {
    let message =
        format!("the engine made {path} differently from what was approved, so the container is removed");
    Refusal::new(Reason::EngineMismatch, message).path(path)
}
