//! What a command of a line means. Pure and total: built-in words first, then docker, then the rules, then
//! the filters; what none of them knows is refused.

use crate::word::{self, Word};
use doorward_policy::{BUILT_IN, DockerWords, Filter, Policy, Reason, Refusal, StageGrant};
use serde_json::{Value, json};

/// What a command means, when it is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A word about the worker's own things.
    Word(&'static Word),
    /// The session becomes a pipe to the worker's docker.sock.
    Dial {
        /// Of the role that has docker.
        rule: String,
    },
    /// The docker CLI, in its sandbox. Each of its calls is judged at the socket.
    Docker {
        /// `ROLE.docker`.
        rule: String,
        /// Whether it only prints the client's help, which tells of more than the worker may do.
        only_help: bool,
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

    /// Whether nothing but its words could be judged so far: the calls that the docker client makes of them
    /// are judged at the engine's socket.
    pub(crate) fn is_judged_by_words(&self) -> bool {
        matches!(self, Meaning::Docker { only_help: false, .. })
    }

    /// Whether it prints the docker client's own help.
    pub(crate) fn is_only_help(&self) -> bool {
        matches!(self, Meaning::Docker { only_help: true, .. })
    }

    /// The rule that allows it.
    pub(crate) fn rule(&self) -> &str {
        match self {
            Meaning::Word(_) | Meaning::Filter { .. } => BUILT_IN,
            Meaning::Dial { rule } | Meaning::Docker { rule, .. } | Meaning::Command { rule, .. } => rule,
        }
    }
}

/// What words mean to the gateway.
pub(crate) fn judge(policy: &Policy, worker: &str, argv: &[String]) -> Result<Meaning, Refusal> {
    let first = argv.first().map_or("", String::as_str);
    if let Some(word) = word::named(first) {
        return word.judge().map(|()| Meaning::Word(word));
    }
    if first == "docker" {
        return match policy.judge_docker_words(worker, argv)? {
            DockerWords::Dial => judge_dial(policy, worker, argv),
            DockerWords::Help => Ok(Meaning::Docker { rule: policy.docker_rule(worker), only_help: true }),
            DockerWords::Verb { rule, .. } => Ok(Meaning::Docker { rule, only_help: false }),
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
    Ok(Meaning::Dial { rule: policy.docker_rule(worker) })
}

/// What docker clients say to reach an engine over SSH.
const DIAL: [&str; 3] = ["docker", "system", "dial-stdio"];

/// Whether these are the words of a docker client.
pub(crate) fn is_dial(argv: &[String]) -> bool {
    argv.iter().map(String::as_str).eq(DIAL)
}
