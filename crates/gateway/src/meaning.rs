//! What a command of a line means. Pure and total: built-in words first, then docker, then the rules, then
//! the filters; what none of them knows is refused.

use crate::words;
use doorward_policy::{DockerWords, Filter, Policy, Reason, Refusal, StageGrant};
use serde_json::{Value, json};

/// What a command means, when it is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A word about the worker's own things.
    Word(&'static words::Word),
    /// The session becomes a pipe to the worker's docker.sock.
    Dial {
        /// Of the role that has docker.
        rule: String,
    },
    /// The docker CLI, in its sandbox. Each of its calls is judged at the socket.
    Docker {
        /// `ROLE.docker`.
        rule: String,
    },
    /// A command on the host.
    Command {
        /// `ROLE#N`.
        rule: String,
        /// The rule's usage line.
        usage: String,
        /// Most output in bytes, when the rule says so.
        output: Option<u64>,
        /// Whether control sequences stay in its output.
        raw: bool,
    },
    /// A filter.
    Filter {
        /// Its row.
        filter: &'static Filter,
        /// Whether it reads its stdin at all.
        reads_stdin: bool,
    },
}

impl Meaning {
    /// The operation, for the record.
    pub(crate) fn operation(&self) -> Value {
        match self {
            Meaning::Word(word) => json!({ "op": "word", "word": word.name }),
            Meaning::Dial { .. } => json!({ "op": "dial" }),
            Meaning::Docker { .. } => json!({ "op": "docker" }),
            Meaning::Command { .. } | Meaning::Filter { .. } => json!({ "op": "command" }),
        }
    }

    /// The rule that allows it.
    pub(crate) fn rule(&self) -> &str {
        match self {
            Meaning::Word(_) | Meaning::Filter { .. } => "built-in",
            Meaning::Dial { rule } | Meaning::Docker { rule } | Meaning::Command { rule, .. } => rule,
        }
    }
}

/// What words mean to the gateway.
pub(crate) fn judge(policy: &Policy, worker: &str, argv: &[String]) -> Result<Meaning, Refusal> {
    let first = argv.first().map_or("", String::as_str);
    if let Some(word) = words::named(first) {
        return word.judge().map(|()| Meaning::Word(word));
    }
    if first == "docker" {
        return match policy.judge_docker_words(worker, argv)? {
            DockerWords::Dial => judge_dial(policy, worker, argv),
            DockerWords::Help => Ok(Meaning::Docker { rule: docker_rule(policy, worker) }),
            DockerWords::Verb { rule, .. } => Ok(Meaning::Docker { rule }),
        };
    }
    Ok(match policy.judge_stage(worker, argv)? {
        StageGrant::Rule(rule) => Meaning::Command {
            rule: rule.id.clone(),
            usage: rule.usage.clone(),
            output: rule.how.output,
            raw: rule.how.raw,
        },
        StageGrant::Filter(filter) => {
            Meaning::Filter { filter, reads_stdin: filter.reads_stdin(argv.get(1..).unwrap_or_default()) }
        }
    })
}

fn judge_dial(policy: &Policy, worker: &str, argv: &[String]) -> Result<Meaning, Refusal> {
    if !is_dial(argv) {
        return Err(Refusal::new(Reason::BadRequest, "dial-stdio takes no words").nearest(DIAL.join(" ")));
    }
    if policy.docker_roles(worker).next().is_none() {
        return Err(Refusal::new(Reason::NotInPolicy, "none of your roles has docker").nearest("help"));
    }
    Ok(Meaning::Dial { rule: docker_rule(policy, worker) })
}

/// What docker clients say to reach an engine over SSH.
const DIAL: [&str; 3] = ["docker", "system", "dial-stdio"];

/// Whether these are the words of a docker client.
pub(crate) fn is_dial(argv: &[String]) -> bool {
    argv.iter().map(String::as_str).eq(DIAL)
}

/// The rule of the worker's first role with docker: what any of its verbs would be recorded under.
fn docker_rule(policy: &Policy, worker: &str) -> String {
    policy
        .docker_roles(worker)
        .next()
        .map_or_else(|| "docker".into(), |docker| format!("{}.docker", docker.role))
}
