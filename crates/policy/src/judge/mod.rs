//! Policy × words → verdict.

mod command;
mod compose_words;
mod docker;
mod exec;
mod index;
mod local_files;
mod stage;
mod words;

use crate::{DockerRole, Policy, Role, Verb};

pub(crate) use command::shown;
pub(crate) use index::CommandIndex;
pub use stage::{BUILT_IN, StageGrant};
pub use words::BUILDKIT_REFUSED;

/// The folders that a bare program name is looked for in, first match wins.
pub const SEARCH_PATH: [&str; 5] = ["/run/current-system/sw/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What the words of a `docker …` line ask for, as far as that can be told early. The socket judges again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum DockerWords {
    /// Only prints help or the client's version; contacts nothing that matters.
    Help,
    /// `docker system dial-stdio`: the session becomes a pipe to the worker's own socket.
    Dial,
    /// Run the CLI; `role` is the first of the worker's roles that has the verb.
    Verb {
        /// What the words come to.
        verb: Verb,
        /// `ROLE.docker`, for records.
        rule: String,
    },
}

impl Policy {
    /// Roles of a worker, in the order in which it lists them; none for an unknown worker.
    pub fn roles_of<'p>(&'p self, worker: &str) -> impl Iterator<Item = &'p Role> {
        let names = self.workers.get(worker).map(|worker| worker.roles.as_slice()).unwrap_or_default();
        names.iter().filter_map(|name| self.roles.get(name))
    }

    /// The docker parts of a worker's roles, in the order in which it lists them.
    pub fn docker_roles<'p>(&'p self, worker: &str) -> impl Iterator<Item = &'p DockerRole> {
        self.roles_of(worker).filter_map(|role| role.docker.as_ref())
    }
}
