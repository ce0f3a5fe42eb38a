//! What allows a stage, and with how much privilege it then runs.

use crate::Broker;
use crate::executor::{self, Kind};
use doorward_policy::{BUILT_IN, DockerWords, How, Reason, Refusal, StageGrant, Verb, Worker};
use std::path::Path;

/// A stage that is allowed, ready to be planned.
pub(super) struct Granted {
    pub(super) rule: String,
    /// What is resolved and run: the rule's own first word.
    pub(super) program: String,
    /// How many of the worker's words the program stands for.
    pub(super) stands_for: usize,
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
    Ok(Granted { rule, program: program.to_owned(), stands_for: 1, always, kind, how, extra: Vec::new() })
}

fn docker(broker: &Broker, worker: &Worker, argv: &[String]) -> Result<Granted, Refusal> {
    let mut program = ("docker".to_owned(), 1);
    let rule = match broker.policy.judge_docker_words(&worker.name, argv)? {
        DockerWords::Dial => {
            let message = "dial-stdio is a pipe of the session, not a command";
            return Err(Refusal::new(Reason::BadRequest, message));
        }
        DockerWords::Help => broker.policy.docker_rule(&worker.name),
        DockerWords::Verb { verb: Verb::Compose, rule } => {
            program = (compose()?, 2);
            rule
        }
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
    let (program, stands_for) = program;
    Ok(Granted { rule, program, stands_for, always: &[], kind: Kind::Client, how, extra: vec![host] })
}

/// Compose's plugin, which also runs by itself: the docker client, which looks for it and starts it, would need
/// a room with more in it.
fn compose() -> Result<String, Refusal> {
    const FOLDERS: [&str; 5] = [
        "/usr/local/lib/docker/cli-plugins",
        "/usr/local/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/libexec/docker/cli-plugins",
        "/run/current-system/sw/libexec/docker/cli-plugins",
    ];
    let plugins = FOLDERS.iter().map(|folder| format!("{folder}/docker-compose"));
    plugins.into_iter().find(|path| Path::new(path).exists()).ok_or_else(|| {
        let message = "docker has no compose plugin on this host";
        Refusal::new(Reason::Unavailable, message)
            .nearest("docker compose on your side, with DOCKER_HOST=ssh://USER@HOST")
    })
}
