//! What the proxy and `explain` see of this room.

use doorward_policy::Refusal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An Engine API version like 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// 1.
    pub major: u16,
    /// 41.
    pub minor: u16,
}

impl ApiVersion {
    /// The oldest version that a worker may speak.
    pub const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 40 };
    /// The newest version that the tables know.
    pub const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 55 };

    /// Reads `1.41`; `None` for any other spelling.
    pub fn parse(text: &str) -> Option<ApiVersion> {
        let (major, minor) = text.split_once('.')?;
        let plain = |part: &str| match part.as_bytes() {
            [b'0'] => true,
            [b'1'..=b'9', rest @ ..] => rest.len() < 3 && rest.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if !plain(major) || !plain(minor) {
            return None;
        }
        Some(ApiVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a request does to the host. Stated for each endpoint, never guessed from the HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Looks, within what the worker may see.
    None,
    /// Takes content out: logs, archives, streams.
    ReadsOut,
    /// Changes something.
    Changes,
}

/// How the engine's answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One bounded body: read whole, filtered, sent.
    Whole,
    /// Passed on piece by piece as it comes.
    Stream,
    /// A raw two-way stream, only after the engine's own `101` (or raw-stream `200`). Without `stdin` what
    /// the worker sends is read and dropped.
    Hijack {
        /// Whether the worker's bytes go to the engine.
        stdin: bool,
    },
}

/// A fact that must be asked of the engine before judging. Ordered so that it can be a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// `GET /containers/{name}/json`.
    Container(String),
    /// `GET /images/{name}/json`.
    Image(String),
    /// `GET /networks/{name}`.
    Network(String),
    /// `GET /volumes/{name}`.
    Volume(String),
    /// `GET /exec/{id}/json`.
    Exec(String),
    /// `GET /containers/json?all=1` limited to this worker's label.
    OwnContainers,
    /// `GET /networks` limited to this worker's label.
    OwnNetworks,
}

/// What the engine said; `None` for an object that does not exist.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By question.
    pub found: BTreeMap<Lookup, Option<Value>>,
    /// Exec ids that this worker created through this proxy.
    pub execs: BTreeSet<String>,
}

/// What is to be sent in answer to a request.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// Send this to the engine.
    Forward(Box<crate::Approved>),
    /// Answer this without the engine, in the engine's own words: objects that are absent or foreign.
    Answer {
        /// HTTP status.
        status: u16,
        /// JSON body.
        body: Value,
    },
    /// Refused; [`http_status`] and [`refusal_body`] say how a client is told.
    Refuse(Refusal),
}

/// HTTP status for a refusal: what makes the docker CLI print the message and stop.
pub fn http_status(refusal: &Refusal) -> u16 {
    use doorward_policy::Reason;
    match refusal.reason {
        Reason::BadRequest | Reason::BadEncoding | Reason::UnknownField => 400,
        Reason::TooLarge => 413,
        Reason::RateLimited => 429,
        Reason::PolicyChanged | Reason::QuotaReached => 409,
        Reason::AuditUnavailable
        | Reason::BrokerUnavailable
        | Reason::EngineUnavailable
        | Reason::Unavailable
        | Reason::GatewayUnavailable => 503,
        Reason::Internal | Reason::EngineMismatch => 500,
        Reason::NotYet => 501,
        _ => 403,
    }
}

/// `{"message": "doorward: refused (code): …", "doorward": {verdict, rule, reason, message, nearest, path}}`:
/// clients print `message`, programs read the rest.
pub fn refusal_body(refusal: &Refusal) -> Value {
    serde_json::json!({
        "message": format!("doorward: {refusal}"),
        "doorward": {
            "verdict": "deny",
            "rule": refusal.rule,
            "reason": refusal.reason.code(),
            "message": refusal.message,
            "nearest": refusal.nearest,
            "path": refusal.path,
        }
    })
}
