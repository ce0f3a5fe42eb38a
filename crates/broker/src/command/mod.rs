//! `Run`: judge again, record, execute, wait. A line with one command is a pipeline of one stage.

mod carry_out;
mod judge;
mod prepare;
mod wiring;

use crate::peer::Peer;
use crate::record::{self, Asked};
use crate::supervise::Cancel;
use doorward_policy::{Reason, Refusal, Worker};
use doorward_wire::broker::{Asker, Decision, RequestId, Stage};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

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
    let fds = std::mem::take(&mut run.fds);
    match prepare::prepare(&peer.broker, &run, fds) {
        Ok(ready) => carry_out::carry_out(peer, &run, ready, cancel),
        Err((at, refusal)) => {
            peer.forget(&run.request);
            deny(peer, run, at, refusal);
        }
    }
}

/// Records a refusal and tells it. `at` is the index of the stage that is refused.
fn deny(peer: &Peer, run: Run, at: usize, refusal: Refusal) {
    let decision = Decision {
        allow: false,
        rule: refusal.rule.clone(),
        reason: Some(refusal.reason.code().to_owned()),
        message: Some(refusal.message.clone()),
    };
    match peer.broker.audit.append(intent(peer, &run, at, decision), false) {
        Ok(_) => peer.refuse(run.request, refusal.reason, refusal.message),
        Err(error) => peer.refuse_unrecorded(run.request, &error),
    }
}

/// The intent of the stage with this index.
fn intent(peer: &Peer, run: &Run, at: usize, decision: Decision) -> doorward_audit::Entry {
    let weaker = if decision.allow { peer.broker.weaker() } else { Vec::new() };
    let stage = run.stages.get(at);
    let asked = Asked {
        request: &run.request,
        asker: &run.asker,
        policy: &peer.broker.policy.hash.0,
        decision,
        operation: stage.and_then(|stage| record::of_stage(stage, at, run.stages.len())),
        argv: stage.map(|stage| stage.argv.clone()),
        line_base64: None,
        http: None,
        objects: Vec::new(),
        weaker,
    };
    record::intent(asked, &peer.broker.policy.runs)
}
