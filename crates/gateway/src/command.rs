//! A command: asked of the broker, its output forwarded and saved, its end told.

use crate::clock;
use crate::conversation::{Gone, Inlet};
use crate::pump::{DISCONNECT, OUTPUT_LIMIT, Pipes, Pumped, pump};
use crate::record::Request;
use crate::refuse;
use crate::session::{Answer, Session};
use crate::store::{Ended, Recorder, State};
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::{End, RequestId, Stage, ToBroker};
use doorward_wire::client::{BrokerLink, LinkError, Running};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::watch;

/// How a command that doorward ended appears: as one that SIGTERM ended.
const TERMINATED: u8 = 128 + 15;

/// How a command ended, as it is told and saved.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ending {
    exit: u8,
    how: &'static str,
    state: State,
    reason: Option<Reason>,
    message: Option<String>,
}

impl Session {
    /// Runs `argv`, which `rule` allows, and answers with its output, at most `limit` bytes of it.
    pub(crate) async fn run(
        &mut self,
        request: Request,
        argv: Vec<String>,
        rule: String,
        limit: u64,
    ) -> Result<Answer, Gone> {
        let _slot = match self.gateway.counts.slot(&self.asker.worker, &self.limits()) {
            Ok(slot) => slot,
            Err(refusal) => return self.refuse(request, refusal).await,
        };
        let row = request.row(&self.known, &self.asker.worker);
        let begun = self.gateway.store.begin(row, rule, Arc::clone(&self.known.policy)).await;
        let (Ok(recorder), Ok((pipes, ends))) = (begun, Pipes::new()) else {
            let refusal = Refusal::new(Reason::Internal, "its output could not be saved, so it was not run")
                .nearest("tell the operator to look at the gateway's log");
            return self.refuse(request, refusal).await;
        };
        match self.start(&request.id, argv, ends).await {
            Ok(running) => self.follow(&request.id, running, pipes, recorder, limit).await,
            Err(error) => {
                let refusal = refuse::by_broker(error);
                // The broker has recorded its own refusal; the row is what is left to do.
                let _ = recorder.finish(not_started(&refusal, self.kept_message(&refusal))).await;
                self.tell_refusal(&refusal).await
            }
        }
    }

    async fn start(
        &self,
        id: &RequestId,
        argv: Vec<String>,
        ends: Vec<OwnedFd>,
    ) -> Result<Running, LinkError> {
        let message = ToBroker::Run {
            request: id.clone(),
            asker: self.asker.clone(),
            policy: self.known.policy.hash.0.clone(),
            run: id.0.clone(),
            stages: vec![Stage::plain(argv)],
            stdin: false,
            seconds: None,
        };
        self.gateway.link.run(id.clone(), message, ends).await
    }

    async fn follow(
        &mut self,
        id: &RequestId,
        running: Running,
        pipes: Pipes,
        mut recorder: Recorder,
        limit: u64,
    ) -> Result<Answer, Gone> {
        let link = self.gateway.link.clone();
        let (tell_end, ended) = watch::channel(false);
        let to_end = async {
            let end = running.ended.await.ok();
            let _ = tell_end.send(true);
            end
        };
        let cancel = |why: &str| cancel(&link, id, why);
        let forward = pump(pipes, &mut self.outlet, &mut recorder, limit, ended, self.gateway.timing, cancel);
        let (pumped, end) = tokio::select! {
            both = async { tokio::join!(forward, to_end) } => both,
            never = cancel_when_gone(&mut self.inlet, &link, id) => match never {},
        };
        let _ =
            link.tell(&ToBroker::Output { request: id.clone(), bytes: pumped.bytes, truncated: pumped.cut });
        let end = end.and_then(|(ends, _)| ends.into_iter().next_back());
        let ending = ending_of(end, self.limits().lines_seconds);
        let rule = running.stages.first().map(|stage| stage.rule.clone()).unwrap_or_default();
        let saved = recorder.finish(ended_row(&ending, &rule, pumped)).await;
        if pumped.gone {
            return Err(Gone);
        }
        if saved.is_err() {
            let run = &id.0;
            let text =
                format!("doorward: the output of run {run} could not be saved whole; tell the operator\n");
            self.outlet.stderr(&text).await?;
        }
        self.tell_end(&ending).await
    }

    async fn tell_end(&mut self, ending: &Ending) -> Result<Answer, Gone> {
        match (&ending.reason, &ending.message) {
            (Some(reason), Some(message)) => {
                self.outlet.stderr(&refuse::lines(&Refusal::new(*reason, message.clone()))).await?;
            }
            (None, Some(message)) => self.outlet.stderr(&format!("doorward: {message}\n")).await?,
            (_, None) => {}
        }
        Ok(Answer::Exit(ending.exit))
    }
}

/// Watches for the session's end for as long as it is polled, and then wants the command ended.
async fn cancel_when_gone(inlet: &mut Inlet, link: &BrokerLink, id: &RequestId) -> std::convert::Infallible {
    inlet.gone().await;
    cancel(link, id, DISCONNECT);
    std::future::pending().await
}

fn cancel(link: &BrokerLink, id: &RequestId, why: &str) {
    // A broker that is gone took its commands with it.
    let _ = link.tell(&ToBroker::Cancel { request: id.clone(), why: why.into() });
}

/// What an end means to the session; `None`: the broker went away.
fn ending_of(end: Option<End>, seconds: u64) -> Ending {
    let ended = |exit, how, message| Ending { exit, how, state: State::Ended, reason: None, message };
    match end {
        Some(End::Exited { code }) => ended(code, "exited", None),
        Some(End::Signaled { signal }) => ended(signal.saturating_add(128), "signaled", None),
        Some(End::Deadline) => {
            let message =
                format!("ended at its deadline; a line may run for {seconds} s unless its rule says less");
            ended(refuse::DEADLINE, "deadline", Some(message))
        }
        Some(End::Cancelled { why }) if why == OUTPUT_LIMIT => ended(TERMINATED, OUTPUT_LIMIT, None),
        Some(End::Cancelled { why }) if why == DISCONNECT => ended(TERMINATED, DISCONNECT, None),
        Some(End::Cancelled { .. }) => {
            ended(TERMINATED, "cancelled", Some("ended because somebody cancelled it".into()))
        }
        Some(End::SpawnFailed { step, error }) => Ending {
            reason: Some(Reason::SpawnFailed),
            ..ended(
                refuse::FAILED,
                "spawn_failed",
                Some(format!("the sandbox could not be built (step {step}: {error}), so nothing was run")),
            )
        },
        None => Ending {
            state: State::CutOff,
            reason: Some(Reason::BrokerUnavailable),
            ..ended(
                refuse::FAILED,
                "broker_gone",
                Some("the service that runs commands went away, and the command with it".into()),
            )
        },
    }
}

fn ended_row(ending: &Ending, rule: &str, pumped: Pumped) -> Ended {
    Ended {
        state: ending.state,
        rule: Some(rule.to_owned()),
        reason: ending.reason.map(|reason| reason.code().to_owned()),
        message: ending.message.clone(),
        exit: Some(ending.exit),
        how: Some(ending.how.to_owned()),
        at: clock::now(),
        bytes: pumped.bytes,
        truncated: pumped.cut,
        removed: 0,
        stages: Vec::new(),
    }
}

fn not_started(refusal: &Refusal, message: String) -> Ended {
    Ended {
        state: State::Refused,
        rule: refusal.rule.clone(),
        reason: Some(refusal.reason.code().to_owned()),
        message: Some(message),
        exit: Some(refuse::exit_code(refusal.reason)),
        how: None,
        at: clock::now(),
        bytes: 0,
        truncated: false,
        removed: 0,
        stages: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_exit_code() {
        let cancelled = |why: &str| Some(End::Cancelled { why: why.into() });
        let spawn_failed = End::SpawnFailed { step: "16 landlock".into(), error: "EPERM".into() };
        let cases = [
            (Some(End::Exited { code: 3 }), 3),
            (Some(End::Signaled { signal: 9 }), 137),
            (Some(End::Signaled { signal: 255 }), 255),
            (Some(End::Deadline), 124),
            (cancelled("output_limit"), 143),
            (cancelled("anything"), 143),
            (Some(spawn_failed), 125),
            (None, 125),
        ];
        for (end, exit) in cases {
            assert_eq!(ending_of(end.clone(), 9).exit, exit, "{end:?}");
        }
    }
}
