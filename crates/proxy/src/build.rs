//! A build that was let through by its head: its context is passed on as it comes and made anew, but not its end.
//! That follows when the Dockerfile in it has been judged and recorded, too. Then the answer is passed on, and what
//! was made compared with what was approved.

use crate::attend::Served;
use crate::context::{Sink, drain, read};
use crate::deliberate::{deliberate_dockerfile, look_up};
use crate::engine_link::{EngineError, Upstream, read_whole};
use crate::forward::Passage;
use crate::outcome::Outcome;
use crate::record::Asked;
use crate::reply::{self, Reply, ReplyBody};
use crate::upload::{Sender, Upload};
use crate::visit::Visit;
use doorward_engine::{ApiVersion, ContextReader, Made, Planned, Request as Asking, Steps};
use doorward_policy::{Reason, Refusal};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};
use tokio::task::JoinHandle;

/// How long the last step may still take once the worker has gone: what it makes is then compared, too. No longer,
/// since a step can print what looks like the begin of the last one.
const LAST_STEP: Duration = Duration::from_secs(3);
/// Pieces of the answer that may wait for the worker.
const WAITING: usize = 4;

/// What a build was asked with.
pub(crate) struct Building {
    pub(crate) asking: Asking,
    /// Not yet read.
    pub(crate) context: Option<Incoming>,
}

/// The engine, while it is sent the context and its answer is waited for; given up when this is dropped.
struct Waiting {
    sender: Sender,
    answer: JoinHandle<(Upstream, Result<Response<Incoming>, EngineError>)>,
}

impl Sink for Waiting {
    /// An engine that has answered wants no more.
    async fn take(&self, piece: Bytes) -> bool {
        !self.answer.is_finished() && self.sender.send(piece).await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answer.abort();
    }
}

/// A build that the engine has begun.
struct Begun {
    visit: Arc<Visit>,
    passage: Passage,
    planned: Planned,
    outcome: Outcome,
    /// The worker's next build waits for this one's end, whose images it counts.
    _turn: OwnedMutexGuard<()>,
}

/// Records, sends and answers.
pub(crate) async fn build(visit: Arc<Visit>, asked: Asked, passage: Passage, building: Building) -> Reply {
    let Building { asking, mut context } = building;
    let reply = upload(visit.clone(), asked, passage, asking, &mut context).await;
    // Whoever is still sending does not read the answer yet.
    drain(&mut context, visit.proxy.timings.body).await;
    reply.unwrap_or_else(|refusal| reply::refused(&refusal))
}

async fn upload(
    visit: Arc<Visit>,
    asked: Asked,
    passage: Passage,
    asking: Asking,
    context: &mut Option<Incoming>,
) -> Result<Reply, Refusal> {
    let approved = &passage.approved;
    let allowed =
        asked.allow(&visit, &passage.rules, Some(&approved.rule), &approved.objects, approved.effect);
    let mut outcome = allowed.await?;
    let fail = |outcome: &mut Outcome, refusal: Refusal| {
        outcome.status(doorward_engine::http_status(&refusal));
        outcome.fail(format!("{}: {}", refusal.reason, refusal.message), false);
        refusal
    };
    let Some(build) = &approved.build else {
        return Err(fail(&mut outcome, Refusal::new(Reason::Internal, "a build without a context")));
    };
    let mut reader = ContextReader::new(build);
    let mut waiting = send(&visit, &passage).await.map_err(|refusal| fail(&mut outcome, refusal))?;
    let patience = visit.proxy.timings.body;
    let dockerfile = read(context, &mut reader, patience, &waiting).await;
    let turn = passage.guest.building().await;
    let mut begun = asked.again();
    let judged = match dockerfile {
        Ok(Some(dockerfile)) => judge(&visit, &passage, &mut begun, asking, &dockerfile).await,
        // The engine has answered before it had everything: that is an error of its own.
        Ok(None) => {
            let told = early(&visit, &passage, &mut waiting, &mut outcome).await;
            return told.map_err(|refusal| fail(&mut outcome, refusal));
        }
        Err(refusal) => Err(refusal),
    };
    let (passage, planned) = match judged {
        Ok((approved, planned)) => (Passage { approved, ..passage }, planned),
        Err(refusal) => {
            let recorded = begun.deny(&visit, &passage.rules.hash, &refusal).await;
            return Err(fail(&mut outcome, recorded.err().unwrap_or(refusal)));
        }
    };
    let approved = &passage.approved;
    let allowed = begun
        .allow(&visit, &passage.rules, Some(&approved.rule), &approved.objects, approved.effect)
        .await
        .map_err(|refusal| fail(&mut outcome, refusal))?;
    outcome.status(200);
    outcome.end();
    drop(outcome);

    let outcome = allowed;
    let (tell, told) = oneshot::channel();
    let last = Bytes::from(reader.seal(&planned.dockerfile));
    // What has begun is looked after to its end, even when the worker goes away meanwhile.
    tokio::spawn(async move {
        let begun = Begun { visit, passage, planned, outcome, _turn: turn };
        begun.answer(waiting, last, tell).await;
    });
    told.await.map_err(|_| Refusal::new(Reason::Internal, "the build was cut short"))
}

/// The Dockerfile's judgement, which must leave the head as it was sent.
async fn judge(
    visit: &Visit,
    passage: &Passage,
    asked: &mut Asked,
    asking: Asking,
    dockerfile: &[u8],
) -> Result<(doorward_engine::Approved, Planned), Refusal> {
    let internal = |why: &str| Refusal::new(Reason::Internal, why);
    let Some(entry) = passage.rules.policy.workers.get(&visit.worker) else {
        return Err(Refusal::new(Reason::UnknownWorker, "this socket belongs to no worker any more"));
    };
    let mut court = Served::new(visit, asked, &passage.rules, &entry.limits, &passage.guest);
    let approved = deliberate_dockerfile(&mut court, asking, dockerfile).await?;
    if approved.target != passage.approved.target {
        let message =
            "the role that allows the Dockerfile gives builds other limits than the one that allows its tags";
        return Err(Refusal::new(Reason::NotInPolicy, message).rule(approved.rule));
    }
    let planned = approved.build.as_ref().and_then(|build| build.planned.clone());
    let planned = planned.ok_or_else(|| internal("a build without a plan"))?;
    asked.approved(&approved);
    asked.body(&planned.dockerfile);
    Ok((approved, planned))
}

async fn send(visit: &Visit, passage: &Passage) -> Result<Waiting, Refusal> {
    let (sender, pieces) = Upload::pieces();
    let connected = Upstream::connect(&passage.rules.policy.engine_socket).await;
    let mut upstream = connected.inspect_err(|_| visit.proxy.engine.forget())?;
    let mut head = Request::builder().method(passage.approved.method).uri(&passage.approved.target);
    for (name, value) in &passage.approved.headers {
        head = head.header(*name, value);
    }
    let patience = visit.proxy.timings.engine_writes;
    let answer = tokio::spawn(async move {
        let answer = upstream.send(head, pieces, patience).await;
        (upstream, answer)
    });
    Ok(Waiting { sender, answer })
}

async fn early(
    visit: &Visit,
    passage: &Passage,
    waiting: &mut Waiting,
    outcome: &mut Outcome,
) -> Result<Reply, Refusal> {
    let (_upstream, answer) = (&mut waiting.answer).await.map_err(|_| EngineError::Gone)?;
    whole(visit, passage, answer?, outcome).await
}

/// An answer that is no stream of steps: an error.
async fn whole(
    visit: &Visit,
    passage: &Passage,
    answer: Response<Incoming>,
    outcome: &mut Outcome,
) -> Result<Reply, Refusal> {
    let (head, body) = answer.into_parts();
    let status = head.status.as_u16();
    if status < 400 {
        return Err(EngineError::Garbled.into());
    }
    let body = read_whole(body, visit.proxy.timings.engine_reads).await?;
    let shown = passage.approved.answer.apply(status, &body, &passage.rules.policy, &visit.worker)?;
    outcome.status(status);
    outcome.add(shown.len());
    outcome.end();
    let mut reply = reply::whole(status, shown);
    reply::pass_headers(&mut reply, &head.headers, passage.ceiling);
    Ok(reply)
}

/// How a build's answer ended.
enum Ended {
    /// The engine has said everything.
    Whole,
    /// The worker is gone, and the build was ended.
    Alone,
}

impl Begun {
    /// Passes the answer on.
    async fn answer(mut self, mut waiting: Waiting, last: Bytes, tell: oneshot::Sender<Reply>) {
        if waiting.take(last).await {
            waiting.sender.end().await;
        }
        let (upstream, answer) = match (&mut waiting.answer).await {
            Ok((upstream, Ok(answer))) => (upstream, answer),
            Ok((_, Err(error))) => return self.refuse(error.into(), tell),
            Err(_) => return self.refuse(EngineError::Gone.into(), tell),
        };
        if !answer.status().is_success() {
            let told = whole(&self.visit, &self.passage, answer, &mut self.outcome).await;
            return match told {
                Ok(reply) => drop(tell.send(reply)),
                Err(refusal) => self.refuse(refusal, tell),
            };
        }
        let (head, body) = answer.into_parts();
        let (pieces, receiver) = mpsc::channel(WAITING);
        let mut reply = reply::whole(head.status.as_u16(), Bytes::new()).map(|_| ReplyBody::Pieces(receiver));
        reply::pass_headers(&mut reply, &head.headers, self.passage.ceiling);
        self.outcome.status(head.status.as_u16());
        drop(tell.send(reply));
        let passed = self.pass(body, &pieces).await;
        drop(upstream);
        let compared = match passed {
            // The outcome says that the worker went away.
            Ok(Ended::Alone) => return,
            Ok(Ended::Whole) => self.compare().await,
            Err(refusal) => Err(refusal),
        };
        match compared {
            Ok(()) => {
                let last = self.planned.steps.end();
                self.outcome.add(last.len());
                self.outcome.end();
                drop(pieces.send(last.into()).await);
            }
            Err(refusal) => {
                self.outcome.fail(format!("{}: {}", refusal.reason, refusal.message), false);
                drop(pieces.send(Steps::error(&format!("doorward: {refusal}")).into()).await);
            }
        }
    }

    fn refuse(mut self, refusal: Refusal, tell: oneshot::Sender<Reply>) {
        let reply = reply::refused(&refusal);
        self.outcome.status(reply.status().as_u16());
        self.outcome.fail(format!("{}: {}", refusal.reason, refusal.message), false);
        drop(tell.send(reply));
    }

    /// The stream of steps. A worker that goes away ends its build.
    async fn pass(&mut self, mut body: Incoming, pieces: &mpsc::Sender<Bytes>) -> Result<Ended, Refusal> {
        let gone = async {
            pieces.closed().await;
            tokio::time::sleep(LAST_STEP).await;
        };
        tokio::pin!(gone);
        loop {
            let steps = &mut self.planned.steps;
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = pieces.closed(), if !steps.is_last() => return Ok(Ended::Alone),
                () = &mut gone => return Ok(Ended::Alone),
            };
            let Some(frame) = frame else { return Ok(Ended::Whole) };
            let frame = frame.map_err(|_| EngineError::Gone)?;
            let Ok(data) = frame.into_data() else { continue };
            let told = steps.push(&data);
            steps.as_planned()?;
            self.outcome.add(told.len());
            if !told.is_empty() && pieces.send(told.into()).await.is_err() && !self.planned.steps.is_last() {
                return Ok(Ended::Alone);
            }
        }
    }

    /// Compares what the engine made with what was approved, and removes it when it differs.
    async fn compare(&self) -> Result<(), Refusal> {
        let steps = &self.planned.steps;
        let Some(id) = steps.image().filter(|_| !steps.has_failed()) else { return Ok(()) };
        let version = self.passage.version;
        let looked = self.look(id, version).await;
        let (removal, refusal) = match looked {
            Ok((image, history)) => match self.planned.made.compare(&image, &history) {
                Ok(()) => return Ok(()),
                Err(refusal) => (self.planned.made.removal(id, &image, version), refusal),
            },
            Err(refusal) => (None, refusal),
        };
        let removed = match removal {
            Some(target) => self.remove(target).await.is_ok(),
            None => false,
        };
        let fate = if removed { "it was removed" } else { "it could not be removed: tell the operator" };
        let message = format!("{}; {fate}", refusal.message);
        Err(Refusal { reason: Reason::EngineMismatch, message, ..refusal })
    }

    async fn look(
        &self,
        id: &str,
        version: ApiVersion,
    ) -> Result<(serde_json::Value, serde_json::Value), Refusal> {
        let mut upstream = Upstream::connect(&self.passage.rules.policy.engine_socket).await?;
        let patience = self.visit.proxy.timings.engine_reads;
        let [image, history] = Made::targets(id, version);
        let image = look_up(&mut upstream, &image, patience).await?;
        let history = look_up(&mut upstream, &history, patience).await?;
        image.zip(history).ok_or_else(|| EngineError::Garbled.into())
    }

    async fn remove(&self, target: String) -> Result<(), EngineError> {
        let mut upstream = Upstream::connect(&self.passage.rules.policy.engine_socket).await?;
        let head = Request::builder().method("DELETE").uri(target);
        let answer = upstream.send(head, None.into(), self.visit.proxy.timings.engine_writes).await?;
        if answer.status().is_success() { Ok(()) } else { Err(EngineError::Garbled) }
    }
}
