//! The functions that the field tables name: one value of a body, judged by one role.
//!
//! Each says what is sent on, also when nothing came; a refusal says what is allowed instead. The same
//! functions judge the present configuration of a container before it starts.

mod compose;
mod identity;
mod limits;
mod mounts;
mod network;
mod privilege;

pub(crate) use compose::{PROJECT, compose_projects};
pub(crate) use identity::*;
pub(crate) use limits::*;
pub(crate) use mounts::*;
pub(crate) use network::*;
pub(crate) use privilege::*;

use crate::{ApiVersion, Facts};
use doorward_policy::{DockerRole, Policy, Reason, Refusal};
use serde_json::Value;

/// What a judging function says: what is sent on, which may be nothing, or why not.
pub(crate) type Made = Result<Option<Value>, Refusal>;

/// Everything that a body is judged with.
pub(crate) struct Wish<'a> {
    /// The role that must allow all of it.
    pub role: &'a DockerRole,
    pub policy: &'a Policy,
    pub worker: &'a str,
    pub facts: &'a Facts,
    pub version: ApiVersion,
    pub mode: Mode,
    /// The whole typed body, for fields that depend on each other.
    pub body: &'a Value,
    /// `GET /images/{name}/json` of the image that a new container is made from.
    pub image: Option<&'a Value>,
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A body that a worker sent.
    New,
    /// The present configuration of a container of this worker: it must be what the policy would make now.
    Own,
    /// The present configuration of an operator's container: what gives power over the host is judged, the
    /// rest is the operator's choice.
    Operator,
}

impl<'a> Wish<'a> {
    /// A field of `HostConfig`.
    fn host(&self, name: &str) -> Option<&'a Value> {
        self.body.get("HostConfig").and_then(|host| host.get(name))
    }

    /// A text of the image's own configuration.
    fn image_text(&self, name: &str) -> Option<&'a str> {
        self.image
            .and_then(|image| image.get("Config"))
            .and_then(|config| config.get(name))
            .and_then(Value::as_str)
    }
}

fn not_allowed(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::FieldNotAllowed, message)
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn int(value: Option<&Value>) -> i64 {
    value.and_then(Value::as_i64).unwrap_or_default()
}

fn flag(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool).unwrap_or_default()
}

/// A role's list for a hint: its entries, or what it means that there are none.
fn listed<T: AsRef<str>>(entries: impl IntoIterator<Item = T>, none: &str) -> String {
    let entries: Vec<String> = entries.into_iter().map(|entry| entry.as_ref().to_owned()).collect();
    if entries.is_empty() { none.to_owned() } else { entries.join(", ") }
}
