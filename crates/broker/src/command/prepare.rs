//! Step 1 of every stage, and everything that can be refused. Nothing runs yet.

use super::judge::{self, Granted};
use super::wiring::{self, Line};
use super::{Place, Run};
use crate::Broker;
use crate::executor::{self, PrepareError, Task};
use crate::plan::{Plan, Streams};
use doorward_policy::{Reason, Refusal, Worker};
use doorward_wire::broker::MAX_STAGES;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A pipeline of which every stage can run.
pub(super) struct Ready<'b> {
    pub(super) stages: Vec<ReadyStage>,
    pub(super) place: Place<'b>,
}

/// A stage that can run.
pub(super) struct ReadyStage {
    pub(super) rule: String,
    pub(super) plan: Plan,
    pub(super) deadline: Duration,
}

/// Judges all stages, each by itself, before any is prepared. A refusal comes with the index of its stage.
pub(super) fn prepare<'b>(
    broker: &'b Broker,
    run: &Run,
    fds: Vec<OwnedFd>,
) -> Result<Ready<'b>, (usize, Refusal)> {
    let whole = |refusal| (0, refusal);
    let worker = broker
        .policy
        .workers
        .get(&run.asker.worker)
        .ok_or_else(|| whole(Refusal::new(Reason::UnknownWorker, "the policy has no such worker")))?;
    if run.stages.is_empty() || run.stages.len() > MAX_STAGES {
        let message = format!("a pipeline has from 1 to {MAX_STAGES} commands");
        return Err(whole(Refusal::new(Reason::BadRequest, message)));
    }
    let mut granted = Vec::with_capacity(run.stages.len());
    for (at, stage) in run.stages.iter().enumerate() {
        granted.push(judge::judge(broker, worker, &stage.argv).map_err(|refusal| (at, refusal))?);
    }
    let place = broker.commands.place(worker).ok_or_else(|| {
        let most = worker.limits.lines_concurrent;
        let message = format!("{most} lines are running; wait until one has ended");
        whole(Refusal::new(Reason::RateLimited, message))
    })?;
    let streams = Line::of(fds, run.stdin).and_then(|line| wiring::wire(&run.stages, line)).map_err(whole)?;
    let mut stages = Vec::with_capacity(granted.len());
    for (at, (granted, streams)) in granted.into_iter().zip(streams).enumerate() {
        let argv = run.stages.get(at).map_or(&[][..], |stage| &stage.argv);
        let stage = plan(broker, worker, granted, argv, streams, run.seconds);
        stages.push(stage.map_err(|refusal| (at, refusal))?);
    }
    Ok(Ready { stages, place })
}

fn plan(
    broker: &Broker,
    worker: &Worker,
    granted: Granted,
    argv: &[String],
    streams: Streams,
    seconds: Option<u64>,
) -> Result<ReadyStage, Refusal> {
    let Granted { rule, program, stands_for, always, kind, how, extra } = granted;
    let refused = |error| match error {
        PrepareError::Unavailable(message) => Refusal::new(Reason::Unavailable, message).rule(&rule),
        PrepareError::Bad(message) => Refusal::new(Reason::BadRequest, message).rule(&rule),
    };
    // What runs is what the rule names: a worker's path to the same name is only another way to say it.
    let resolved = executor::resolve(&program).map_err(refused)?;
    let always = always.iter().map(|word| (*word).to_owned());
    let argv: Vec<String> =
        std::iter::once(program).chain(always).chain(argv.iter().skip(stands_for).cloned()).collect();
    let task = Task { kind, how: &how, program: resolved, argv: &argv, extra: &extra, streams };
    let plan = broker.executor.plan(worker, task).map_err(refused)?;
    let most = most_seconds(how.seconds, worker);
    let deadline = Duration::from_secs(seconds.map_or(most, |seconds| seconds.min(most)));
    Ok(ReadyStage { rule, plan, deadline })
}

/// The seconds that a rule or else the worker's limit gives.
fn most_seconds(rule: Option<u64>, worker: &Worker) -> u64 {
    rule.unwrap_or(worker.limits.lines_seconds).min(worker.limits.lines_seconds)
}
