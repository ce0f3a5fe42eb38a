//! A case as it is played.

use crate::{Framing, Scene, Spelling};
use serde_json::Value;
use std::collections::BTreeMap;

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// `D07/host/v1.41`.
    pub id: String,
    /// Row of the catalogue: `D07`.
    pub row: String,
    /// What it does, in a few words.
    pub what: String,
    /// Name of the policy that it runs under.
    pub policy: String,
    /// Objects that are made on the engine beforehand: `{"container": {…}}`, `{"volume": {…}}`,
    /// `{"network": {…}}`.
    pub setup: Vec<Value>,
    /// What is sent, each on a connection of its own.
    pub steps: Vec<Step>,
    /// What the bare engine does with it.
    pub bare: Bare,
    /// Texts that no answer may hold, with words of the scene in them.
    pub never: Vec<String>,
}

/// What the bare engine does with a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bare {
    /// The attack succeeds.
    Bites,
    /// Nothing happens, and why.
    Harmless(String),
    /// It is not played, and why.
    Skipped(String),
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is sent.
    pub message: Message,
    /// Words for later steps, from the answer: name and JSON pointer.
    pub keep: BTreeMap<String, String>,
    /// What the proxy answers; `None` leaves the judgement to what the engine made.
    pub told: Option<Told>,
}

/// What a step sends.
#[derive(Debug, Clone)]
pub enum Message {
    /// Exactly these bytes, with words of the scene in them.
    Raw(String),
    /// A request.
    Http(Http),
    /// The docker command with these words.
    Docker(Vec<String>),
    /// Several, one after the other without waiting.
    Pipelined(Vec<Message>),
}

/// A request, with words of the scene in it.
#[derive(Debug, Clone)]
pub struct Http {
    /// Method.
    pub method: String,
    /// Request target, version and query included.
    pub target: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// A JSON body before it is spelled; for who looks at which fields a case names.
    pub json: Option<Value>,
    /// The body.
    pub body: Option<String>,
    /// How the JSON body was spelled.
    pub spelling: Spelling,
    /// How it is cut into bytes.
    pub framing: Framing,
}

/// What the proxy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A refusal with this reason code, and where said, a field's path that begins so.
    Refused {
        /// Reason code.
        reason: String,
        /// Beginning of the path.
        path: Option<String>,
    },
    /// A refusal, whatever the reason.
    Denied,
    /// This status.
    Status(u16),
    /// Let through: what the engine then makes is what counts.
    Allowed,
}

impl Told {
    /// Reads `404`, `allowed`, `refused`, `unknown_field` or `unknown_field HostConfig.X`.
    pub(crate) fn read(text: &str) -> Told {
        match (text.parse(), text.split_once(' ')) {
            (Ok(status), _) => Told::Status(status),
            _ if text == "allowed" => Told::Allowed,
            _ if text == "refused" => Told::Denied,
            (_, Some((reason, path))) => {
                Told::Refused { reason: reason.to_owned(), path: Some(path.to_owned()) }
            }
            (_, None) => Told::Refused { reason: text.to_owned(), path: None },
        }
    }
}

impl Case {
    /// The bytes of a step, once the scene says how the objects are called; `None` for a step that is not there.
    ///
    /// # Errors
    /// When the scene does not know a word.
    pub fn bytes(&self, step: usize, scene: &Scene) -> Result<Option<Vec<u8>>, String> {
        self.steps.get(step).map(|step| step.message.bytes(scene)).transpose()
    }
}

impl Message {
    /// The bytes, once the scene says how the objects are called; of a docker command its words, parted by NUL.
    ///
    /// # Errors
    /// When the scene does not know a word.
    pub fn bytes(&self, scene: &Scene) -> Result<Vec<u8>, String> {
        let http = match self {
            Message::Raw(text) => return scene.fill(text),
            Message::Http(http) => http,
            Message::Docker(words) => return scene.fill(&words.join("\0")),
            Message::Pipelined(messages) => {
                let bytes = messages.iter().map(|message| message.bytes(scene));
                return Ok(bytes.collect::<Result<Vec<_>, _>>()?.concat());
            }
        };
        let headers = http.headers.iter().map(|(name, value)| Ok((scene.text(name)?, scene.fill(value)?)));
        let headers = headers.collect::<Result<Vec<_>, String>>()?;
        let body = http.body.as_deref().map(|body| scene.fill(body)).transpose()?;
        Ok(http.framing.write(&http.method, &scene.fill(&http.target)?, &headers, body.as_deref()))
    }
}
