//! What stands in a file of the corpus.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a corpus cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file is not there.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// A file is no JSON of this form.
    #[error("{0}: {1}")]
    Form(String, serde_json::Error),
    /// An entry says something that cannot be.
    #[error("{0}: {1}")]
    Entry(String, String),
}

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sheet {
    #[allow(dead_code, reason = "for who reads the file")]
    pub about: String,
    pub entries: Vec<Entry>,
}

/// One entry: a case, or with `each` one case for every combination.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Row of the catalogue: a letter and two digits.
    pub row: String,
    /// Distinguishes the entries of a row.
    pub name: String,
    /// What the case does, in a few words.
    pub what: String,
    /// File in `policies/`, without its ending.
    pub policy: Option<String>,
    /// Axes: a list's name, or values.
    #[serde(default)]
    pub each: BTreeMap<String, Axis>,
    /// Objects that are made on the engine beforehand.
    #[serde(default)]
    pub setup: Vec<Value>,
    /// What is sent, one connection each. One step may stand without the list.
    #[serde(alias = "step")]
    pub steps: Steps,
    /// What the proxy answers to the last step.
    pub told: Option<String>,
    /// What the bare engine does with it.
    pub bare: Option<String>,
    /// Texts that no answer may hold.
    #[serde(default)]
    pub never: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Axis {
    List(String),
    Values(Vec<Value>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Steps {
    Many(Vec<Value>),
    One(Value),
}

/// One step, before it is resolved. Exactly one of the first ten says what is sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepForm {
    /// A new container: the body, to which `Image` is added.
    pub create: Option<Value>,
    /// A new container: its `HostConfig`.
    pub host: Option<Value>,
    /// A new network: the body, to which `Name` is added.
    pub network: Option<Value>,
    /// A new volume: the body, to which `Name` is added.
    pub volume: Option<Value>,
    /// Target without version.
    pub get: Option<String>,
    /// Target without version.
    pub post: Option<String>,
    /// Target without version.
    pub delete: Option<String>,
    /// Target without version.
    pub put: Option<String>,
    /// Method, for a `target` that stands as it is sent.
    pub method: Option<String>,
    /// Words of the docker command.
    pub docker: Option<Vec<String>>,
    /// Every byte that is sent.
    pub raw: Option<String>,
    pub target: Option<String>,
    /// Prefix of the path; `/v1.41` when nothing is said.
    pub version: Option<String>,
    /// Further headers; `null` leaves one out that would be sent.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    /// A JSON body.
    pub json: Option<Value>,
    /// A body as text.
    pub body: Option<String>,
    /// How keys of the JSON body are written.
    pub spelling: Option<String>,
    /// How the request is cut into bytes.
    pub framing: Option<String>,
    /// Further requests on the same connection, sent without waiting.
    #[serde(default)]
    pub then: Vec<StepForm>,
    /// Words for later steps, from the answer: name and JSON pointer.
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
    /// What the proxy answers.
    pub told: Option<String>,
}
