//! `[role.NAME.docker]`: what may be done with the Docker Engine.

use crate::{Location, Pattern, Verb};
use std::collections::{BTreeMap, BTreeSet};

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

impl DockerRole {
    /// Whether new containers may come of it, and with them networks and volumes.
    pub fn makes_containers(&self) -> bool {
        self.verbs.contains(&Verb::Run) || self.verbs.contains(&Verb::Compose)
    }

    /// Whether `compose` is granted for this project. What compose itself would not take for a project's name
    /// is none, whatever a pattern says.
    pub fn has_project(&self, project: &str) -> bool {
        self.verbs.contains(&Verb::Compose)
            && is_project(project)
            && self.projects.iter().any(|glob| glob.matches(project))
    }

    /// The name of what it allows, for records: `ROLE.docker`.
    pub fn rule(&self) -> String {
        format!("{}.docker", self.role)
    }
}

/// Whether a text is what compose takes for a project's name: `[a-z0-9][a-z0-9_-]*`.
fn is_project(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63
        && text.bytes().next().is_some_and(fits)
        && text.bytes().all(|byte| fits(byte) || b"_-".contains(&byte))
}

/// One usage line of `[role.NAME.docker.exec]`.
#[derive(Debug, Clone)]
pub struct ExecRule {
    /// `role.exec.container#n`.
    pub id: String,
    /// As written.
    pub usage: String,
    /// Compiled.
    pub pattern: Pattern,
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
