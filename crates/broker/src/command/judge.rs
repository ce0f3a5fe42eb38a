//! What allows a stage, and with how much privilege it then runs.

use crate::Broker;
use crate::executor::{self, Kind};
use doorward_policy::{BUILT_IN, DockerWords, How, Reason, Refusal, StageGrant, Worker};
use std::path::Path;

/// A stage that is allowed, ready to be planned.
pub(super) struct Granted {
    pub(super) rule: String,
    /// What is resolved and run: the rule's own first word.
    pub(super) program: String,
    /// Put between the program and the worker's own words.
    pub(super) always: &'static [&'static str],
    pub(super) kind: Kind,
    pub(super) how: How,
    pub(super) extra: Vec<(&'static str, String)>,
}

/// Judges a stage by itself.
pub(super) fn judge(broker: &Broker, worker: &Worker, argv: &[String]) -> Result<Granted, Refusal> {
    if argv.first().map(String::as_str) == Some("docker") {
        return docker(broker, worker, argv);
    }
    let (rule, program, always, kind, how) = match broker.policy.judge_stage(&worker.name, argv)? {
        StageGrant::Rule(rule) => {
            (rule.id.clone(), rule.pattern.first_word(), &[][..], Kind::Command, rule.how.clone())
        }
        StageGrant::Filter(filter) => {
            (BUILT_IN.to_owned(), filter.name, filter.always, Kind::Filter, executor::filter())
        }
    };
    Ok(Granted { rule, program: program.to_owned(), always, kind, how, extra: Vec::new() })
}

fn docker(broker: &Broker, worker: &Worker, argv: &[String]) -> Result<Granted, Refusal> {
    let rule = match broker.policy.judge_docker_words(&worker.name, argv)? {
        DockerWords::Dial => {
            let message = "dial-stdio is a pipe of the session, not a command";
            return Err(Refusal::new(Reason::BadRequest, message));
        }
        DockerWords::Help => broker.policy.docker_rule(&worker.name),
        DockerWords::Verb { rule, .. } => rule,
    };
    let socket = broker
        .listeners
        .workers
        .iter()
        .find(|(account, _)| account.worker == worker.name)
        .map(|(account, _)| account.docker_sock.clone())
        .ok_or_else(|| Refusal::new(Reason::Internal, "the worker has no socket"))?;
    let how = executor::docker(Path::new(&socket));
    let host = ("DOCKER_HOST", format!("unix://{socket}"));
    let program = "docker".to_owned();
    Ok(Granted { rule, program, always: &[], kind: Kind::Client, how, extra: vec![host] })
}
