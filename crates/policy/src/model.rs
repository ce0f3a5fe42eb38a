//! The compiled policy: what every other room reads. Sizes are bytes, times are seconds, CPUs are nano-CPUs.

use crate::PolicyHash;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where in the policy's texts something stands; `line` and `column` count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// A docker verb, as the policy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the docker word of its name")]
#[rustfmt::skip]
pub enum Verb {
    Ps,
    Images,
    Info,
    Version,
    Stats,
    Top,
    Logs,
    Inspect,
    History,
    Wait,
    Start,
    Stop,
    Restart,
    Kill,
    Pause,
    Unpause,
    Rename,
    Update,
    Rm,
    Rmi,
    Pull,
    Run,
    Exec,
    Build,
    Compose,
    Df,
    Prune,
    Events,
    NetworkLs,
    VolumeLs,
    Tag,
    Push,
    Load,
    Save,
}

impl Verb {
    /// Every verb as the policy writes it.
    #[rustfmt::skip]
    pub const ALL: &[(Verb, &str)] = &[
        (Verb::Ps, "ps"), (Verb::Images, "images"), (Verb::Info, "info"), (Verb::Version, "version"),
        (Verb::Stats, "stats"), (Verb::Top, "top"), (Verb::Logs, "logs"), (Verb::Inspect, "inspect"),
        (Verb::History, "history"), (Verb::Wait, "wait"), (Verb::Start, "start"), (Verb::Stop, "stop"),
        (Verb::Restart, "restart"), (Verb::Kill, "kill"), (Verb::Pause, "pause"), (Verb::Unpause, "unpause"),
        (Verb::Rename, "rename"), (Verb::Update, "update"), (Verb::Rm, "rm"), (Verb::Rmi, "rmi"),
        (Verb::Pull, "pull"), (Verb::Run, "run"), (Verb::Exec, "exec"), (Verb::Build, "build"),
        (Verb::Compose, "compose"), (Verb::Df, "df"), (Verb::Prune, "prune"), (Verb::Events, "events"),
        (Verb::NetworkLs, "network ls"), (Verb::VolumeLs, "volume ls"), (Verb::Tag, "tag"),
        (Verb::Push, "push"), (Verb::Load, "load"), (Verb::Save, "save"),
    ];

    /// As the policy writes it, like `network ls`.
    pub fn words(self) -> &'static str {
        Verb::ALL.iter().find(|(verb, _)| *verb == self).map_or("", |(_, words)| words)
    }

    /// The verb of that name.
    pub fn named(words: &str) -> Option<Verb> {
        Verb::ALL.iter().find(|(_, known)| *known == words).map(|(verb, _)| *verb)
    }

    /// Whether this build carries the verb out; the others are accepted in a policy and refused with
    /// `not_yet`.
    pub fn in_force(self) -> bool {
        use Verb::*;
        matches!(
            self,
            Ps | Images
                | Info
                | Version
                | Logs
                | Inspect
                | Wait
                | Start
                | Stop
                | Restart
                | Rm
                | Pull
                | Run
                | Exec
                | NetworkLs
                | VolumeLs
        )
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}

/// `[role.NAME.docker]`.
#[derive(Debug, Clone)]
pub struct DockerRole {
    /// The role's name, for verdicts.
    pub role: String,
    /// Where the table stands.
    pub at: Location,
    /// What may be done.
    pub verbs: BTreeSet<Verb>,
    /// Whom those verbs may touch.
    pub containers: Vec<Selector>,
    /// Image name patterns like `ollama/ollama:*`.
    pub images: Vec<Glob>,
    /// Image names that may be built.
    pub tags: Vec<Glob>,
    /// Volumes.
    pub volumes: Vec<Selector>,
    /// Networks; `egress` is [`DockerRole::egress`].
    pub networks: Vec<Selector>,
    /// Whether the default bridge and non-internal own networks may be used.
    pub egress: bool,
    /// Compose project names.
    pub projects: Vec<Glob>,
    /// What a new container may ask for; the default allows nothing beyond neutral values.
    pub run: RunGrant,
    /// By container name: usage lines that may be executed in it.
    pub exec: BTreeMap<String, Vec<ExecRule>>,
}

/// One usage line of `[role.NAME.docker.exec]`.
#[derive(Debug, Clone)]
pub struct ExecRule {
    /// `role.exec.container#n`.
    pub id: String,
    /// As written.
    pub usage: String,
    /// Compiled.
    pub pattern: crate::Pattern,
}

/// Whom a verb may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Objects that carry this worker's label.
    Own,
    /// Objects of that name that no other worker owns.
    Named(Glob),
}

/// A name in which `*` stands for any characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(pub String);

impl Glob {
    /// Whether the whole of `name` matches; `*` stands for any characters, also none.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(first) = parts.next() else { return false };
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.len() >= part.len() && rest.ends_with(part);
            }
            match rest.find(part).and_then(|at| rest.get(at.saturating_add(part.len())..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        false
    }
}

/// `[role.NAME.docker.run]`.
#[derive(Debug, Clone, Default)]
pub struct RunGrant {
    /// `gpus`.
    pub gpus: Gpus,
    /// Host device paths, equal inside and out.
    pub devices: Vec<String>,
    /// Bind mounts.
    pub binds: Vec<Bind>,
    /// Published ports.
    pub ports: Vec<PortRange>,
    /// Cap in bytes.
    pub memory: Option<u64>,
    /// Cap in nano-CPUs.
    pub nano_cpus: Option<u64>,
    /// Cap on processes.
    pub pids: Option<u64>,
    /// Cap in bytes.
    pub shm: Option<u64>,
    /// Cap in bytes over all tmpfs mounts; `None`: no tmpfs.
    pub tmpfs: Option<u64>,
    /// Caps by ulimit name; -1 is unlimited.
    pub ulimits: BTreeMap<String, i64>,
    /// What `User` may be.
    pub users: Users,
    /// Own containers at one time.
    pub count: Option<u32>,
    /// Seconds.
    pub lifetime: Option<u64>,
    /// Restart policies beyond `no`.
    pub restart: Vec<String>,
    /// Whether stdin may be attached.
    pub stdin: bool,
    /// Put on every container.
    pub always: Always,
}

/// `gpus`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Gpus {
    /// None.
    #[default]
    None,
    /// Any number.
    All,
    /// At most so many.
    Count(u32),
}

/// One entry of `binds`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Absolute, clean; must be equalled exactly.
    pub host: String,
    /// Absolute path inside.
    pub at: String,
    /// `mode = "rw"`.
    pub writable: bool,
}

/// One entry of `ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange {
    /// The host address, as written.
    pub address: std::net::IpAddr,
    /// First port.
    pub first: u16,
    /// Last port, included.
    pub last: u16,
}

/// `users`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Users {
    /// Any: the default.
    #[default]
    Any,
    /// Exactly one of these.
    Only(Vec<String>),
}

/// `[role.NAME.docker.run.always]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Always {
    /// Adds `no-new-privileges`.
    pub no_new_privileges: bool,
    /// Upper case without `CAP_`, or `ALL`.
    pub cap_drop: Vec<String>,
    /// Forces a read-only root file system.
    pub read_only: bool,
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
