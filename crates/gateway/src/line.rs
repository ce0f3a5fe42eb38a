//! A worker's line: read, decided, answered.

use crate::conversation::Gone;
use crate::record::Request;
use crate::session::{Answer, Session};
use crate::words;
use doorward_line::Line;
use doorward_policy::{DockerWords, Limits, Policy, Reason, Refusal};
use serde_json::{Value, json};
use std::time::Instant;

/// What a line means, when it is allowed.
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
    },
}

impl Meaning {
    /// The operation, for the record.
    pub(crate) fn operation(&self) -> Value {
        match self {
            Meaning::Word(word) => json!({ "op": "word", "word": word.name }),
            Meaning::Dial { .. } => json!({ "op": "dial" }),
            Meaning::Docker { .. } => json!({ "op": "docker" }),
            Meaning::Command { .. } => json!({ "op": "command" }),
        }
    }

    /// The rule that allows it.
    pub(crate) fn rule(&self) -> &str {
        match self {
            Meaning::Word(_) => "built-in",
            Meaning::Dial { rule } | Meaning::Docker { rule } | Meaning::Command { rule, .. } => rule,
        }
    }
}

/// The words of a line of one command, without leading `sudo`; none for a greeting.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    match doorward_line::read(bytes)? {
        Line::Greeting => Ok(Vec::new()),
        Line::List(list) => match (list.first.stages.as_slice(), list.rest.as_slice()) {
            ([stage], []) => Ok(stage.command.argv().to_vec()),
            _ => Err(Refusal::new(Reason::NotYet, "a line of several commands comes with a later version")
                .nearest("one command a line")),
        },
    }
}

/// What words mean to the gateway. Pure and total: built-in words first, then docker, then the rules;
/// what none of them knows is refused.
pub(crate) fn judge(policy: &Policy, worker: &str, argv: &[String]) -> Result<Meaning, Refusal> {
    let first = argv.first().map_or("", String::as_str);
    if let Some(word) = words::named(first) {
        return Ok(Meaning::Word(word));
    }
    if first == "docker" {
        return match policy.judge_docker_words(worker, argv)? {
            DockerWords::Dial => judge_dial(policy, worker, argv),
            DockerWords::Help => Ok(Meaning::Docker { rule: docker_rule(policy, worker) }),
            DockerWords::Verb { rule, .. } => Ok(Meaning::Docker { rule }),
        };
    }
    let rule = policy.judge_argv(worker, argv)?.rule;
    Ok(Meaning::Command { rule: rule.id.clone(), usage: rule.usage.clone(), output: rule.how.output })
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

fn is_dial(argv: &[String]) -> bool {
    argv.iter().map(String::as_str).eq(DIAL)
}

/// The rule of the worker's first role with docker: what any of its verbs would be recorded under.
fn docker_rule(policy: &Policy, worker: &str) -> String {
    policy
        .docker_roles(worker)
        .next()
        .map_or_else(|| "docker".into(), |docker| format!("{}.docker", docker.role))
}

impl Session {
    /// Answers one line.
    pub(crate) async fn line(&mut self, bytes: &[u8]) -> Result<Answer, Gone> {
        let mut request = Request::new(&self.known, bytes);
        let worker = self.asker.worker.clone();
        let limits = self.limits();
        let read = read(bytes);
        if let Err(refusal) = self.count(read.as_deref().unwrap_or_default(), &limits) {
            return self.refuse(request, refusal).await;
        }
        let argv = match read {
            Err(refusal) => return self.refuse(request, refusal).await,
            Ok(argv) if argv.is_empty() => return self.greet(request).await,
            Ok(argv) => argv,
        };
        request.argv = Some(argv.clone());
        let meaning = match judge(&self.known.policy, &worker, &argv) {
            Ok(meaning) => meaning,
            Err(refusal) => return self.refuse(request, refusal).await,
        };
        request.operation = meaning.operation();
        let rule = meaning.rule().to_owned();
        match meaning {
            Meaning::Word(word) => self.answer_word(word, request, &argv).await,
            Meaning::Dial { .. } => self.dial(request, &rule).await,
            Meaning::Docker { .. } => self.run(request, argv, rule, limits.lines_output).await,
            Meaning::Command { output, .. } => {
                self.run(request, argv, rule, output.unwrap_or(limits.lines_output)).await
            }
        }
    }

    fn count(&self, argv: &[String], limits: &Limits) -> Result<(), Refusal> {
        let (counts, worker, now) = (&self.gateway.counts, &self.asker.worker, Instant::now());
        match is_dial(argv) {
            true => counts.dial(worker, limits, now),
            false => counts.line(worker, limits, now),
        }
    }

    /// The worker's limits.
    pub(crate) fn limits(&self) -> Limits {
        self.known
            .policy
            .workers
            .get(&self.asker.worker)
            .map(|worker| worker.limits.clone())
            .unwrap_or_default()
    }

    /// The session goes to the socket by itself, with the worker's own uid: the gateway has no right there.
    async fn dial(&mut self, request: Request, rule: &str) -> Result<Answer, Gone> {
        let socket = self.known.docker_sock(&self.asker.worker).map(str::to_owned);
        let Some(socket) = socket else {
            let refusal = Refusal::new(Reason::Internal, "there is no docker.sock for this worker");
            return self.refuse(request, refusal).await;
        };
        if let Err(refusal) = self.record_allowed(&request, rule).await {
            return self.tell_refusal(&refusal).await;
        }
        self.record_outcome(&request, 0);
        Ok(Answer::Dial(socket))
    }
}
