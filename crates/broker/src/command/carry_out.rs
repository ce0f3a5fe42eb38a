//! Step 2 of all stages together and, when all records are durable, all other steps of all.

use super::prepare::{Ready, ReadyStage};
use super::{Run, intent};
use crate::peer::Peer;
use crate::spawn::{self, Child, SpawnError};
use crate::supervise::{self, Cancel, Past};
use crate::{executor, record};
use doorward_audit::{AuditError, Entry};
use doorward_wire::broker::{Decision, End, FromBroker, StartedStage};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Records, runs, waits and tells.
pub(super) fn carry_out(peer: &Peer, run: &Run, ready: Ready<'_>, cancel: &Cancel) {
    let Ready { mut stages, place } = ready;
    let seqs = match record_all(peer, run, &stages) {
        Ok(seqs) => seqs,
        Err(error) => {
            peer.forget(&run.request);
            return peer.refuse_unrecorded(run.request.clone(), &error);
        }
    };
    let began = Instant::now();
    let spawned = spawn::spawn_all(stages.iter_mut().map(|stage| &mut stage.plan));
    let rules = stages.iter().map(|stage| stage.rule.clone());
    let started = seqs.iter().zip(rules).map(|(seq, rule)| StartedStage { seq: *seq, rule }).collect();
    peer.say(FromBroker::Started { request: run.request.clone(), stages: started });
    let (pasts, children) = match all_or_blame(&stages, spawned) {
        Ok(children) => {
            let deadlines: Vec<Duration> = stages.iter().map(|stage| stage.deadline).collect();
            // Its streams, held here, would keep others from seeing their end.
            drop(stages);
            let watched: Vec<_> = children.iter().zip(deadlines).collect();
            (supervise::wait_all(&watched, cancel), children)
        }
        Err(ends) => (ends.into_iter().map(|end| Past { end, after: began.elapsed() }).collect(), Vec::new()),
    };
    drop(place);
    tell(peer, run, &seqs, pasts, began.elapsed());
    // Nothing of the commands runs any more; the kernel takes their namespaces apart at its leisure.
    drop(children);
}

/// The intents of all stages, handed in together so that one write to the disk serves them. When one cannot
/// be written nothing runs, and those that stand are completed by an outcome that says so.
fn record_all(peer: &Peer, run: &Run, stages: &[ReadyStage]) -> Result<Vec<u64>, AuditError> {
    let audit = &peer.broker.audit;
    let (sender, answers) = mpsc::sync_channel(stages.len());
    for (at, stage) in stages.iter().enumerate() {
        let rule = Some(stage.rule.clone());
        let decision = Decision { allow: true, rule, reason: None, message: None };
        let entry: Entry = intent(peer, run, at, decision);
        let sender = sender.clone();
        audit.submit(entry, true, move |result| {
            // The channel has room for all, and its reader waits for all.
            let _ = sender.try_send((at, result));
        });
    }
    drop(sender);
    let mut answers: Vec<(usize, Result<u64, AuditError>)> = answers.iter().collect();
    answers.sort_by_key(|(at, _)| *at);
    if let Some(error) = answers.iter().find_map(|(_, answer)| answer.as_ref().err().cloned()) {
        for seq in answers.into_iter().filter_map(|(_, answer)| answer.ok()) {
            let end = End::Cancelled { why: "another stage could not be recorded".into() };
            let outcome = record::of_end(&end, 0, &run.run);
            peer.write_outcome(&run.request, &run.asker.worker, seq, outcome);
        }
        return Err(error);
    }
    Ok(answers.into_iter().filter_map(|(_, answer)| answer.ok()).collect())
}

/// All children; or, when one did not start, the ends of all: the others are killed here.
fn all_or_blame(
    stages: &[ReadyStage],
    spawned: Vec<Result<Child, SpawnError>>,
) -> Result<Vec<Child>, Vec<End>> {
    if spawned.iter().all(Result::is_ok) {
        return Ok(spawned.into_iter().filter_map(Result::ok).collect());
    }
    let end = |(stage, spawned): (&ReadyStage, Result<Child, SpawnError>)| match spawned {
        Ok(_) => End::Cancelled { why: "another stage could not be started".into() },
        Err(error) => {
            let blame = executor::blame(&stage.plan, error).unwrap_or_default();
            eprintln!("doorward: broker: {}: {error} {blame}", stage.rule);
            let words = std::io::Error::from_raw_os_error(error.error).to_string();
            End::SpawnFailed { step: error.step.to_string(), error: words }
        }
    };
    Err(stages.iter().zip(spawned).map(end).collect())
}

/// Writes the outcomes and tells the ends. The last stage's outcome waits for `Output`, which knows what the
/// line gave.
fn tell(peer: &Peer, run: &Run, seqs: &[u64], pasts: Vec<Past>, took: Duration) {
    let worker = &run.asker.worker;
    let outcome = |past: &Past| record::of_end(&past.end, millis(past.after), &run.run);
    let mut outcomes: Vec<_> = seqs.iter().copied().zip(pasts.iter().map(outcome)).collect();
    let last = outcomes.pop();
    for (seq, outcome) in outcomes {
        peer.write_outcome(&run.request, worker, seq, outcome);
    }
    if let Some((seq, outcome)) = last {
        // Before it is told, since `Output` may come right behind.
        peer.ended(&run.request, seq, worker.clone(), outcome);
    }
    let ends = pasts.into_iter().map(|past| past.end).collect();
    peer.say(FromBroker::Ended { request: run.request.clone(), ends, millis: millis(took) });
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
