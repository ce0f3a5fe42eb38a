//! What the proxy and `explain` see of this room.

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
    /// `GET /containers/json?all=1`.
    AllContainers,
    /// `GET /networks`.
    AllNetworks,
    /// `GET /images/json`.
    AllImages,
    /// `GET /exec/{id}/json`.
    Exec(String),
    /// `GET /containers/json?all=1` limited to this worker's label.
    OwnContainers,
    /// `GET /networks` limited to this worker's label.
    OwnNetworks,
    /// `GET /volumes` limited to this worker's label.
    OwnVolumes,
    /// `GET /images/json` limited to this worker's label.
    OwnImages,
}

/// What the engine said; `None` for an object that does not exist.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By question.
    pub found: BTreeMap<Lookup, Option<Value>>,
    /// Unix time in seconds, for what has a lifetime.
    pub now: Option<i64>,
    /// Exec ids that this worker created through this proxy.
    pub execs: BTreeSet<String>,
}

impl Facts {
    /// The engine's answer about an object that exists; `None` also for what was not asked.
    pub(crate) fn about(&self, lookup: &Lookup) -> Option<&Value> {
        self.found.get(lookup).and_then(Option::as_ref)
    }
}
