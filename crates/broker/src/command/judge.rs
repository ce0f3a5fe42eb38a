//! What allows a stage, and with how much privilege it then runs.

use crate::Broker;
use crate::executor::{self, Kind};
use doorward_policy::{DockerWords, How, Reason, Refusal, StageGrant, Worker};
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

/// The rule of a filter, which none of the policy's was needed for.
const BUILT_IN: &str = "built-in";

/// What a filter is always told. `sort` takes some 50 MiB for what comes through a pipe and then wants a folder
/// for temporary files, which it does not have: so it is given half of what a process may hold.
const ALWAYS: &[(&str, &[&str])] = &[("sort", &["--buffer-size=512M"])];

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
            let always =
                ALWAYS.iter().find(|(name, _)| *name == filter.name).map_or(&[][..], |(_, words)| words);
            (BUILT_IN.to_owned(), filter.name, always, Kind::Filter, executor::filter())
        }
    };
    Ok(Granted { rule, program: program.to_owned(), always, kind, how, extra: Vec::new() })
}

fn docker(broker: &Broker, worker: &Worker, argv: &[String]) -> Result<Granted, Refusal> {
    match broker.policy.judge_docker_words(&worker.name, argv)? {
        DockerWords::Dial => {
            Err(Refusal::new(Reason::BadRequest, "dial-stdio is a pipe of the session, not a command"))
        }
        DockerWords::Help | DockerWords::Verb { .. } => {
            let socket = broker
                .listeners
                .workers
                .iter()
                .find(|(account, _)| account.worker == worker.name)
                .map(|(account, _)| account.docker_sock.clone())
                .ok_or_else(|| Refusal::new(Reason::Internal, "the worker has no socket"))?;
            let how = executor::docker(Path::new(&socket));
            let host = ("DOCKER_HOST", format!("unix://{socket}"));
            let (rule, program) = ("docker".to_owned(), "docker".to_owned());
            Ok(Granted { rule, program, always: &[], kind: Kind::Client, how, extra: vec![host] })
        }
    }
}
