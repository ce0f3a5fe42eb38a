//! The docker command's words.

use serde::{Deserialize, Serialize};

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
    Tag,
    Push,
    Save,
    Run,
    Exec,
    Build,
    Compose,
    Df,
    Prune,
    Events,
    NetworkLs,
    VolumeLs,
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
        (Verb::Pull, "pull"), (Verb::Tag, "tag"), (Verb::Push, "push"), (Verb::Save, "save"), (Verb::Run, "run"), (Verb::Exec, "exec"), (Verb::Build, "build"),
        (Verb::Compose, "compose"), (Verb::Df, "df"), (Verb::Prune, "prune"), (Verb::Events, "events"),
        (Verb::NetworkLs, "network ls"), (Verb::VolumeLs, "volume ls"),
    ];

    /// Words of the docker command that no policy can grant, with why.
    pub const NEVER: &[(&str, &str)] = &[
        ("load", "images come from a registry, or are built"),
        ("import", "images come from a registry, or are built"),
        ("commit", "images come from a registry, or are built"),
        ("cp", "it takes files out of containers or puts them in"),
        ("export", "it takes files out of containers"),
        ("diff", "it lists a container's files"),
        ("plugin", "plugins run on the host with the engine's privilege"),
        ("swarm", "it would hand the host to its managers"),
    ];

    /// As the policy writes it, like `network ls`.
    pub fn words(self) -> &'static str {
        Verb::ALL.iter().find(|(verb, _)| *verb == self).map_or("", |(_, words)| words)
    }

    /// As the docker command writes it, which has two words for some.
    pub fn command(self) -> &'static str {
        match self {
            Verb::Df => "system df",
            Verb::Prune => "container prune",
            other => other.words(),
        }
    }

    /// The verb of that name.
    pub fn named(words: &str) -> Option<Verb> {
        Verb::ALL.iter().find(|(_, known)| *known == words).map(|(verb, _)| *verb)
    }

    /// Whether this build carries the verb out; another would be accepted in a policy and refused with
    /// `not_yet`. All are.
    pub fn in_force(self) -> bool {
        true
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}
