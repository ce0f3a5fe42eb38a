//! Policy × words → verdict.

use crate::{CommandGrant, DockerRole, ExecRule, Policy, Reason, Refusal, Role, Verb};

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

    /// Whether a worker may run this command line on the host. `docker …` belongs to
    /// [`Policy::judge_docker_words`] and is refused here unless a command rule names it.
    pub fn judge_argv(&self, _worker: &str, _argv: &[String]) -> Result<CommandGrant<'_>, Refusal> {
        Err(Refusal::new(Reason::NotInPolicy, "no rule allows this command"))
    }

    /// The early look at a `docker …` line, `argv` with the word `docker` first.
    pub fn judge_docker_words(&self, _worker: &str, _argv: &[String]) -> Result<DockerWords, Refusal> {
        Err(Refusal::new(Reason::NotInPolicy, "no rule allows this command"))
    }

    /// Whether a worker may execute `argv` in the container of this name (without a leading `/`);
    /// `owned_by` is the worker whose label the container carries.
    pub fn judge_exec(
        &self,
        _worker: &str,
        _container_name: &str,
        _owned_by: Option<&str>,
        _argv: &[&str],
    ) -> Result<&ExecRule, Refusal> {
        Err(Refusal::new(Reason::NotInPolicy, "no exec rule allows this"))
    }
}
