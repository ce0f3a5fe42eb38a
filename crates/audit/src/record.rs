//! What a record holds.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that every record carries as `v`; it changes when a field changes its meaning.
pub const VERSION: u32 = 1;

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The log was opened; `detail` says what was found. Written by [`crate::Writer::open`].
    Start,
    /// The log was closed in order. Written by [`crate::Writer::close`].
    Stop,
    /// A policy came into force, or failed to.
    Policy,
    /// A session began or ended.
    Session,
    /// A request and its verdict, before any effect.
    Intent,
    /// How a request ended.
    Outcome,
    /// A statement about the chain so far, by a [`crate::Checkpointer`].
    Checkpoint,
    /// For a while nothing could be written; `detail` says why and what was refused.
    Gap,
}

impl Kind {
    /// The word in the record.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Start => "start",
            Kind::Stop => "stop",
            Kind::Policy => "policy",
            Kind::Session => "session",
            Kind::Intent => "intent",
            Kind::Outcome => "outcome",
            Kind::Checkpoint => "checkpoint",
            Kind::Gap => "gap",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Allowed, by the record's `rule`.
    Allow,
    /// Refused, for the record's `reason`.
    Deny,
}

/// What the writer is asked to record. Secrets are already removed. The writer adds version, sequence
/// number, times, boot id and chain. Empty fields are left out of the line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What it tells.
    pub kind: Kind,
    /// Id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Id of the session or connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The worker's name in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The connected peer's uid, from the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Fingerprint of the SSH key, as claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Source address, as claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How it came: `line`, `docker.sock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// The typed operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Value>,
    /// A command line's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// A command line that is not clean UTF-8 or cannot be split into words: its bytes, standard base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_base64: Option<String>,
    /// An Engine API request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Full ids of the objects that it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The rule that allows, or that came closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Reason code of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// One line for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Hash of the policy that was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Codes of what is weaker on this host and concerns this request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weaker: Vec<String>,
    /// For an outcome: the sequence number of its intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<u64>,
    /// For an outcome: how the request ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Further facts of `start`, `policy`, `session`, `checkpoint` and `gap` records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl Entry {
    /// An entry with nothing but its kind, to be filled: `Entry { worker: …, ..Entry::new(Kind::Intent) }`.
    pub fn new(kind: Kind) -> Entry {
        Entry {
            kind,
            request: None,
            session: None,
            worker: None,
            uid: None,
            key: None,
            source: None,
            way: None,
            operation: None,
            argv: None,
            line_base64: None,
            http: None,
            objects: Vec::new(),
            verdict: None,
            rule: None,
            reason: None,
            message: None,
            policy: None,
            weaker: Vec::new(),
            intent: None,
            outcome: None,
            detail: None,
        }
    }
}

/// An Engine API request as it is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// As sent, cleaned and bounded.
    pub method: String,
    /// Path and query, secrets removed, bounded.
    pub target: String,
    /// SHA-256 in hex of the body as sent, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<String>,
}

/// How a request ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// `exited`, `signaled`, `deadline`, `cancelled`, `spawn_failed`, `answered`, `disconnected` …
    pub how: String,
    /// A command's own exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The signal that ended a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// Milliseconds from intent to end.
    #[serde(default)]
    pub millis: u64,
    /// Bytes of output, or sent to the worker.
    #[serde(default)]
    pub bytes: u64,
    /// Whether that was cut.
    #[serde(default)]
    pub truncated: bool,
    /// Id of the run that keeps the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What went wrong, when something did: one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One line of the log, read back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// [`VERSION`] of the writer.
    pub v: u32,
    /// Counts from 1 without a hole.
    pub seq: u64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// Nanoseconds since boot, time asleep included; comparable within one `boot`.
    pub mono: u64,
    /// The kernel's boot id.
    pub boot: String,
    /// What was recorded.
    #[serde(flatten)]
    pub entry: Entry,
    /// Lower-case hex SHA-256 of the previous line without its newline; 64 zeros in the first.
    pub prev: String,
}
