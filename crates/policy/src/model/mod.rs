//! The compiled policy: what every other room reads. Sizes are bytes, times are seconds, CPUs are nano-CPUs.

mod docker;
mod verb;

pub use docker::*;
pub use verb::Verb;

use crate::PolicyHash;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where in the policy's texts something stands; `line` and `column` count from 1.
#[derive(Default, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Path of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A whole policy, ready to judge with.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Names the texts it was made from.
    pub hash: PolicyHash,
    /// `[engine] socket`; default `/var/run/docker.sock`.
    pub engine_socket: String,
    /// By name, like `hermes`.
    pub workers: BTreeMap<String, Worker>,
    /// By name, like `host-audit`.
    pub roles: BTreeMap<String, Role>,
    /// Retention and redaction of runs.
    pub runs: Runs,
    /// What `check` tells: keys that are accepted but not yet in force, dangers, dead rules.
    pub notices: Vec<Notice>,
}

/// Something `check` says about a policy that loads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Where.
    pub at: Location,
    /// One line.
    pub message: String,
}

/// `[worker.NAME]`.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The table's name: `[a-z][a-z0-9-]{0,31}`.
    pub name: String,
    /// Where its table stands.
    pub at: Location,
    /// The Unix account it logs in with.
    pub user: String,
    /// Public keys, as in `authorized_keys`.
    pub keys: Vec<String>,
    /// Addresses it may come from, as written (`10.0.0.0/8`).
    pub from: Vec<String>,
    /// Further uids that may connect to its docker.sock.
    pub uids: Vec<u32>,
    /// Names of roles; each exists.
    pub roles: Vec<String>,
    /// The account that its commands run as; unique in the policy.
    pub spawn_uid: u32,
    /// Counted limits.
    pub limits: Limits,
}

/// `[worker.NAME.limits]`; every value has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Lines at one time. Default 8.
    pub lines_concurrent: u32,
    /// Lines a minute. Default 120.
    pub lines_per_minute: u32,
    /// Longest a line may run. Default 3600.
    pub lines_seconds: u64,
    /// Most output of a line. Default 64 MiB.
    pub lines_output: u64,
    /// Engine reads at one time. Default 64.
    pub reads_concurrent: u32,
    /// Engine reads a minute. Default 3000.
    pub reads_per_minute: u32,
    /// Engine writes at one time. Default 16.
    pub writes_concurrent: u32,
    /// Engine writes a minute. Default 600.
    pub writes_per_minute: u32,
    /// Streams at one time. Default 64.
    pub streams_concurrent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            lines_concurrent: 8,
            lines_per_minute: 120,
            lines_seconds: 3600,
            lines_output: 64 << 20,
            reads_concurrent: 64,
            reads_per_minute: 3000,
            writes_concurrent: 16,
            writes_per_minute: 600,
            streams_concurrent: 64,
        }
    }
}

/// `[role.NAME]`.
#[derive(Debug, Clone)]
pub struct Role {
    /// The table's name.
    pub name: String,
    /// For people.
    pub about: String,
    /// In the file's order.
    pub commands: Vec<CommandRule>,
    /// `[role.NAME.docker]`.
    pub docker: Option<DockerRole>,
    /// Finds the rules that a line may match without trying them all.
    pub(crate) index: crate::judge::CommandIndex,
}

/// `[[role.NAME.command]]`.
#[derive(Debug, Clone)]
pub struct CommandRule {
    /// `role#n`, n from 1.
    pub id: String,
    /// Where `run` stands.
    pub at: Location,
    /// The usage line as written.
    pub usage: String,
    /// The usage line, compiled.
    pub pattern: crate::Pattern,
    /// With what privilege it runs.
    pub how: How,
}

/// How a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct How {
    /// Default: the worker's spawn uid.
    pub identity: Identity,
    /// Names of supplementary groups.
    pub groups: Vec<String>,
    /// Capabilities in lower case without `cap_`, each known to Linux.
    pub caps: BTreeSet<String>,
    /// Absolute paths it may read beneath.
    pub read: Vec<String>,
    /// Absolute paths of unix sockets it may connect to.
    pub sockets: Vec<String>,
    /// Which network it sees.
    pub network: Network,
    /// Deadline; `None`: the worker's limit.
    pub seconds: Option<u64>,
    /// Most output; `None`: the worker's limit.
    pub output: Option<u64>,
    /// Leave control sequences in the output.
    pub raw: bool,
}

/// `as`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The worker's spawn uid.
    Worker,
    /// uid 0, with the rule's capabilities only.
    Root,
    /// A named account.
    User(String),
}

/// `network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The host's namespace with no inet or packet sockets.
    Audit,
    /// An empty namespace.
    None,
    /// The host's network.
    Host,
}

/// `[runs]`.
#[derive(Debug, Clone)]
pub struct Runs {
    /// Days kept. Default 30.
    pub keep_days: u32,
    /// Bytes kept. Default 10 GiB.
    pub keep_size: u64,
    /// Regular expressions whose matches are replaced before anything is stored.
    pub redact: Vec<regex::Regex>,
}
