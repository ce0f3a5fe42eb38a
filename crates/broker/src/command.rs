//! `Run`: judge again, record, execute, wait.

use crate::executor::{self, PrepareError};
use crate::plan::{Plan, Streams};
use crate::record::{self, Asked};
use crate::service::Peer;
use crate::supervise::{self, Cancel};
use crate::{Broker, spawn};
use doorward_policy::{DockerWords, How, Reason, Refusal, Worker};
use doorward_wire::broker::{Asker, Decision, End, FromBroker, RequestId, Stage, StartedStage};
use rustix::fs::FileType;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A `Run` message with its descriptors.
pub(crate) struct Run {
    pub(crate) request: RequestId,
    pub(crate) asker: Asker,
    pub(crate) policy: String,
    pub(crate) run: String,
    pub(crate) stages: Vec<Stage>,
    pub(crate) stdin: bool,
    pub(crate) seconds: Option<u64>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// How many commands of each worker run.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    running: Mutex<HashMap<String, u32>>,
}

/// A place among a worker's commands; given back when dropped.
struct Place<'a> {
    commands: &'a Commands,
    worker: String,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut running = self.commands.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.worker) {
            *count = count.saturating_sub(1);
        }
    }
}

/// A command that its rule allows, ready to be planned.
struct Granted {
    rule: String,
    /// What is resolved and run: the rule's own first word.
    program: String,
    how: How,
    extra: Vec<(&'static str, String)>,
}

impl Commands {
    /// Does a `Run` on a thread of its own.
    pub(crate) fn start(peer: &Arc<Peer>, run: Run) {
        let cancel = match Cancel::new() {
            Ok(cancel) => Arc::new(cancel),
            Err(_) => {
                return peer.refuse(run.request, Reason::Internal, "too many things are open; try again");
            }
        };
        if let Some((reason, why)) = peer.unfit(&run.request, &run.policy, true) {
            return peer.refuse(run.request, reason, why);
        }
        // Before the thread, so that a Cancel right behind is not lost.
        peer.running(&run.request, &cancel);
        let (thread_peer, request) = (peer.clone(), run.request.clone());
        let thread = std::thread::Builder::new().name("run".into()).stack_size(256 << 10);
        if thread.spawn(move || execute(&thread_peer, run, &cancel)).is_err() {
            peer.forget(&request);
            peer.refuse(request, Reason::Internal, "too many things are running; try again");
        }
    }

    fn place(&self, worker: &Worker) -> Option<Place<'_>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(worker.name.clone()).or_default();
        if *count >= worker.limits.lines_concurrent {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Place { commands: self, worker: worker.name.clone() })
    }
}

fn execute(peer: &Peer, mut run: Run, cancel: &Cancel) {
    let broker = &peer.broker;
    let fds = std::mem::take(&mut run.fds);
    match prepare(broker, &run, fds) {
        Ok(ready) => carry_out(peer, &run, ready, cancel),
        Err(refusal) => {
            peer.forget(&run.request);
            deny(peer, run, refusal);
        }
    }
}

struct Ready<'b> {
    rule: String,
    plan: Plan,
    deadline: Duration,
    _place: Place<'b>,
}

/// Step 1 and everything that can be refused.
fn prepare<'b>(broker: &'b Broker, run: &Run, fds: Vec<OwnedFd>) -> Result<Ready<'b>, Refusal> {
    let worker = broker
        .policy
        .workers
        .get(&run.asker.worker)
        .ok_or_else(|| Refusal::new(Reason::UnknownWorker, "the policy has no such worker"))?;
    let [stage] = run.stages.as_slice() else {
        return Err(Refusal::new(Reason::NotYet, "pipelines come with a later version"));
    };
    let granted = judge(broker, worker, &stage.argv)?;
    let place = broker.commands.place(worker).ok_or_else(|| {
        let most = worker.limits.lines_concurrent;
        Refusal::new(Reason::RateLimited, format!("{most} lines are running; wait until one has ended"))
    })?;
    let streams = streams(run.stdin, fds)?;
    // What runs is what the rule names: a worker's path to the same name is only another way to say it.
    let program = executor::resolve(&granted.program).map_err(|error| refusal(error, &granted.rule))?;
    let words = stage.argv.iter().skip(1).cloned();
    let argv: Vec<String> = std::iter::once(granted.program.clone()).chain(words).collect();
    let plan = broker
        .executor
        .plan(worker, &granted.how, program, &argv, &granted.extra, streams)
        .map_err(|error| refusal(error, &granted.rule))?;
    let most = record::seconds(granted.how.seconds, worker);
    let deadline = Duration::from_secs(run.seconds.map_or(most, |seconds| seconds.min(most)));
    Ok(Ready { rule: granted.rule, plan, deadline, _place: place })
}

fn judge(broker: &Broker, worker: &Worker, argv: &[String]) -> Result<Granted, Refusal> {
    if argv.first().map(String::as_str) != Some("docker") {
        let grant = broker.policy.judge_argv(&worker.name, argv)?;
        return Ok(Granted {
            rule: grant.rule.id.clone(),
            program: grant.rule.pattern.first_word().to_owned(),
            how: grant.rule.how.clone(),
            extra: Vec::new(),
        });
    }
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
            Ok(Granted { rule, program, how, extra: vec![host] })
        }
    }
}

/// The standard streams: pipes or sockets only, so that no terminal, folder or device is handed on.
fn streams(stdin: bool, fds: Vec<OwnedFd>) -> Result<Streams, Refusal> {
    let bad = |message| Refusal::new(Reason::BadRequest, message);
    let expected = if stdin { 3 } else { 2 };
    if fds.len() != expected {
        return Err(bad("the descriptors do not fit the request"));
    }
    for fd in &fds {
        let kind = rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
        if !matches!(kind, Ok(FileType::Fifo | FileType::Socket)) {
            return Err(bad("a descriptor is neither a pipe nor a socket"));
        }
    }
    let mut fds = fds.into_iter();
    let (Some(stdout), Some(stderr)) = (fds.next(), fds.next()) else {
        return Err(bad("the descriptors do not fit the request"));
    };
    let stdin = match fds.next() {
        Some(stdin) => stdin,
        None => std::fs::File::open("/dev/null")
            .map_err(|_| Refusal::new(Reason::Internal, "there is no /dev/null"))?
            .into(),
    };
    Ok(Streams { stdin, stdout, stderr })
}

fn refusal(error: PrepareError, rule: &str) -> Refusal {
    match error {
        PrepareError::Unavailable(message) => Refusal::new(Reason::Unavailable, message).rule(rule),
        PrepareError::Bad(message) => Refusal::new(Reason::BadRequest, message).rule(rule),
    }
}

/// Records a refusal and tells it.
fn deny(peer: &Peer, run: Run, refusal: Refusal) {
    let decision = Decision {
        allow: false,
        rule: refusal.rule.clone(),
        reason: Some(refusal.reason.code().to_owned()),
        message: Some(refusal.message.clone()),
    };
    let entry = intent(peer, &run, decision);
    match peer.broker.audit.append(entry, false) {
        Ok(_) => peer.refuse(run.request, refusal.reason, refusal.message),
        Err(error) => peer.refuse_unrecorded(run.request, &error),
    }
}

fn intent(peer: &Peer, run: &Run, decision: Decision) -> doorward_audit::Entry {
    let weaker = if decision.allow { peer.broker.weaker() } else { Vec::new() };
    let asked = Asked {
        request: &run.request,
        asker: &run.asker,
        policy: &peer.broker.policy.hash.0,
        decision,
        operation: None,
        argv: run.stages.first().map(|stage| stage.argv.clone()),
        line_base64: None,
        http: None,
        objects: Vec::new(),
        weaker,
    };
    record::intent(asked, &peer.broker.policy.runs)
}

/// Step 2 and, when the record is durable, all the others.
fn carry_out(peer: &Peer, run: &Run, mut ready: Ready<'_>, cancel: &Cancel) {
    let decision = Decision { allow: true, rule: Some(ready.rule.clone()), reason: None, message: None };
    let seq = match peer.broker.audit.append(intent(peer, run, decision), true) {
        Ok(seq) => seq,
        Err(error) => {
            peer.forget(&run.request);
            return peer.refuse_unrecorded(run.request.clone(), &error);
        }
    };
    let began = Instant::now();
    let spawned = spawn::spawn(&mut ready.plan);
    let stages = vec![StartedStage { seq, rule: ready.rule.clone() }];
    peer.say(FromBroker::Started { request: run.request.clone(), stages });
    let (end, child) = match spawned {
        Ok(child) => {
            // Its streams, held here, would keep the gateway from seeing their end.
            drop(ready.plan);
            (supervise::wait(&child, ready.deadline, cancel), Some(child))
        }
        Err(error) => {
            let blame = executor::blame(&ready.plan, error).unwrap_or_default();
            eprintln!("doorward: broker: {}: {error} {blame}", ready.rule);
            let words = std::io::Error::from_raw_os_error(error.error).to_string();
            (End::SpawnFailed { step: error.step.to_string(), error: words }, None)
        }
    };
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let outcome = record::of_end(&end, millis, &run.run);
    drop(ready._place);
    // Before it is told, since `Output` may come right behind.
    peer.ended(&run.request, seq, run.asker.worker.clone(), outcome);
    peer.say(FromBroker::Ended { request: run.request.clone(), ends: vec![end], millis });
    // Nothing of the command runs any more; the kernel takes its namespaces apart at its leisure.
    drop(child);
}
