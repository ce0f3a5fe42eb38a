//! A request that was let through: recorded, sent to the engine as it was made anew, its answer passed back.

use crate::engine_link::{Carrier, EngineError, Upstream, read_whole};
use crate::limits::Permit;
use crate::outcome::Outcome;
use crate::record::Asked;
use crate::reply::{self, Passing, Reply, Sieve};
use crate::rules::Rules;
use crate::tunnel;
use crate::visit::{Guest, Visit};
use doorward_engine::{Act, ApiVersion, Approved, Effect, Lookup, Shape, is_full_id};
use doorward_policy::{Reason, Refusal};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// All that a request takes with it on its way to the engine.
#[derive(Debug)]
pub(crate) struct Passage {
    /// What it was judged by.
    pub(crate) rules: Arc<Rules>,
    /// What is kept of the worker.
    pub(crate) guest: Arc<Guest>,
    /// What is sent; nothing else is.
    pub(crate) approved: Approved,
    /// What it means.
    pub(crate) act: Act,
    /// The version it was judged as.
    pub(crate) version: ApiVersion,
    /// The newest version that the worker may speak.
    pub(crate) ceiling: ApiVersion,
    /// Present when the worker would take a `101`.
    pub(crate) upgrade: Option<OnUpgrade>,
    /// Counted as open until the answer has ended.
    pub(crate) permit: Option<Permit>,
    /// While it does what takes turns: the next is judged by what this one leaves.
    pub(crate) _turn: Option<OwnedMutexGuard<()>>,
}

/// The engine's answer's head, and the connection that its body comes on.
struct Answered {
    answer: Response<Incoming>,
    upstream: Upstream,
}

/// Records, sends and answers.
pub(crate) async fn forward(visit: Arc<Visit>, asked: Asked, passage: Passage) -> Reply {
    let lasting = passage.approved.shape == Shape::Whole && passage.approved.effect == Effect::Changes;
    if !lasting {
        return pass(visit, asked, passage).await;
    }
    // A change that has begun is brought to its end, the comparison after a create included, even when the
    // worker goes away meanwhile.
    match tokio::spawn(pass(visit, asked, passage)).await {
        Ok(reply) => reply,
        Err(_) => reply::refused(&Refusal::new(Reason::Internal, "the request was cut short")),
    }
}

async fn pass(visit: Arc<Visit>, asked: Asked, passage: Passage) -> Reply {
    let (mut outcome, sent) = match record_and_send(&visit, &asked, &passage).await {
        Ok(sent) => sent,
        Err(unrecorded) => return reply::refused(&unrecorded),
    };
    let carried = match sent {
        Ok(answered) => carry(&visit, passage, answered, &mut outcome).await,
        Err(refusal) => Err(refusal),
    };
    let carried = carried.unwrap_or_else(|refusal| Carried::Whole(fail(&mut outcome, &refusal)));
    match carried {
        Carried::Whole(reply) => reply,
        Carried::Stream { answer, sieve, held, ceiling } => {
            let (head, body) = answer.into_parts();
            let mut reply =
                reply::stream(head.status.as_u16(), Passing { body, outcome, sieve, _held: held });
            reply::pass_headers(&mut reply, &head.headers, ceiling);
            reply
        }
        Carried::Tunnel(tunnel) => {
            let reply = reply::upgraded(&tunnel.headers);
            tokio::spawn(tunnel.run(visit, outcome));
            reply
        }
    }
}

/// The intent, and the engine's answer. What only looks is asked first, and its record made meanwhile; everything
/// else waits for the record.
async fn record_and_send(
    visit: &Visit,
    asked: &Asked,
    passage: &Passage,
) -> Result<(Outcome, Result<Answered, Refusal>), Refusal> {
    let approved = &passage.approved;
    let recorded = async {
        if approved.effect == Effect::None {
            // The request goes to the engine before this goes on.
            tokio::task::yield_now().await;
        }
        asked.allow(visit, &passage.rules, Some(&approved.rule), &approved.objects, approved.effect).await
    };
    if approved.effect == Effect::None {
        let (sent, recorded) = tokio::join!(send(visit, passage, approved), recorded);
        return recorded.map(|outcome| (outcome, sent));
    }
    let outcome = recorded.await?;
    for first in &approved.beforehand {
        if let Err(refusal) = make(visit, passage, first).await {
            return Ok((outcome, Err(refusal)));
        }
    }
    Ok((outcome, send(visit, passage, approved).await))
}

/// Makes what a request needs to be there before it.
async fn make(visit: &Visit, passage: &Passage, first: &Approved) -> Result<(), Refusal> {
    let Answered { answer, upstream: _upstream } = send(visit, passage, first).await?;
    let status = answer.status().as_u16();
    let body = read_whole(answer.into_body(), patience(visit, first)).await?;
    first.answer.apply(status, &body, &passage.rules.policy, &visit.worker)?;
    if status == 201 { Ok(()) } else { Err(EngineError::Garbled.into()) }
}

async fn send(visit: &Visit, passage: &Passage, approved: &Approved) -> Result<Answered, Refusal> {
    let sent = try_send(visit, passage, approved).await;
    sent.map_err(|error| {
        visit.proxy.engine.forget();
        error.into()
    })
}

async fn try_send(visit: &Visit, passage: &Passage, approved: &Approved) -> Result<Answered, EngineError> {
    let socket = &passage.rules.policy.engine_socket;
    if only_looks(approved)
        && let Some(spare) = passage.guest.spares.take(socket)
    {
        match send_on(spare, visit, passage, approved).await {
            // The engine has closed it meanwhile; what only looks may be asked again.
            Err(EngineError::Gone) => {}
            sent => return sent,
        }
    }
    send_on(Upstream::connect(socket).await?, visit, passage, approved).await
}

/// What may share a connection with others of its kind, and be asked again.
fn only_looks(approved: &Approved) -> bool {
    approved.shape == Shape::Whole && approved.effect == Effect::None && approved.body.is_none()
}

async fn send_on(
    mut upstream: Upstream,
    visit: &Visit,
    passage: &Passage,
    approved: &Approved,
) -> Result<Answered, EngineError> {
    let mut head = Request::builder().method(approved.method).uri(&approved.target);
    for (name, value) in &approved.headers {
        let upgrades = name.eq_ignore_ascii_case("connection") || name.eq_ignore_ascii_case("upgrade");
        // Without an upgrade the engine answers a plain stream, which is what such a worker can read.
        if !upgrades || passage.upgrade.is_some() {
            head = head.header(*name, value);
        }
    }
    let answer = upstream.send(head, approved.body.clone().into(), patience(visit, approved)).await?;
    visit.proxy.engine.notice(&answer);
    Ok(Answered { answer, upstream })
}

/// What the engine's answer came to.
enum Carried {
    Whole(Reply),
    Stream {
        answer: Response<Incoming>,
        sieve: Option<Sieve>,
        held: Box<(Carrier, Option<Permit>)>,
        ceiling: ApiVersion,
    },
    Tunnel(tunnel::Tunnel),
}

async fn carry(
    visit: &Visit,
    mut passage: Passage,
    answered: Answered,
    outcome: &mut Outcome,
) -> Result<Carried, Refusal> {
    let Answered { answer, upstream } = answered;
    let status = answer.status().as_u16();
    outcome.status(status);
    match (status, passage.approved.shape, passage.upgrade.take()) {
        (101, Shape::Hijack { stdin }, Some(worker)) => Ok(Carried::Tunnel(tunnel::Tunnel {
            headers: answer.headers().clone(),
            engine: hyper::upgrade::on(answer),
            worker,
            stdin,
            held: Box::new((upstream.into_carrier(), passage.permit)),
        })),
        (0..200, ..) => Err(EngineError::Garbled.into()),
        (200..300, Shape::Stream | Shape::Hijack { .. }, _) => {
            let held = Box::new((upstream.into_carrier(), passage.permit));
            let (rules, worker) = (passage.rules, visit.worker.clone());
            let sieve = passage.approved.events.map(|filter| Sieve { filter, rules, worker });
            Ok(Carried::Stream { answer, sieve, held, ceiling: passage.ceiling })
        }
        _ => whole(visit, &passage, Answered { answer, upstream }, outcome).await.map(Carried::Whole),
    }
}

async fn whole(
    visit: &Visit,
    passage: &Passage,
    answered: Answered,
    outcome: &mut Outcome,
) -> Result<Reply, Refusal> {
    let (head, body) = answered.answer.into_parts();
    let status = head.status.as_u16();
    let body = read_whole(body, patience(visit, &passage.approved)).await?;
    if only_looks(&passage.approved) {
        passage.guest.spares.keep(answered.upstream);
    }
    settle(visit, passage, status, &body).await?;
    let shown = passage.approved.answer.apply(status, &body, &passage.rules.policy, &visit.worker)?;
    outcome.add(shown.len());
    outcome.end();
    let mut reply = answer_with(status, shown, &head.headers, passage.ceiling);
    if passage.act == Act::Ping {
        reply::keep_from_buildkit(&mut reply);
    }
    Ok(reply)
}

fn answer_with(status: u16, body: Vec<u8>, engine: &HeaderMap, ceiling: ApiVersion) -> Reply {
    let empty = body.is_empty();
    let mut reply = reply::whole(status, body);
    reply::pass_headers(&mut reply, engine, ceiling);
    if empty && status == 204 {
        reply.headers_mut().remove(CONTENT_TYPE);
    }
    reply
}

/// What a successful create leaves to do before its answer may be given.
async fn settle(visit: &Visit, passage: &Passage, status: u16, body: &Bytes) -> Result<(), Refusal> {
    if status != 201 {
        return Ok(());
    }
    let made = serde_json::from_slice::<Value>(body).ok();
    let id =
        made.as_ref().and_then(|made| made.get("Id")).and_then(Value::as_str).filter(|id| is_full_id(id));
    if passage.act == Act::ExecCreate {
        passage.guest.remember_exec(id.ok_or(EngineError::Garbled)?.to_owned());
    }
    if passage.approved.expected.is_some() {
        compare(visit, passage, id.ok_or(EngineError::Garbled)?).await?;
    }
    Ok(())
}

/// Compares what the engine made with what was approved, and removes it when it differs or cannot be seen.
async fn compare(visit: &Visit, passage: &Passage, id: &str) -> Result<(), Refusal> {
    let Some(expected) = &passage.approved.expected else { return Ok(()) };
    let looked = inspect(visit, passage, id).await;
    let compared = looked.and_then(|made| expected.compare(&made));
    let Err(refusal) = compared else { return Ok(()) };
    let removed = remove(visit, passage, id).await;
    let fate = if removed.is_ok() { "it was removed" } else { "it could not be removed: tell the operator" };
    let message = format!("{}; {fate}", refusal.message);
    Err(Refusal { reason: Reason::EngineMismatch, message, ..refusal })
}

async fn inspect(visit: &Visit, passage: &Passage, id: &str) -> Result<Value, Refusal> {
    let target = Lookup::Container(id.to_owned()).target(passage.version, &visit.worker);
    let mut upstream = Upstream::connect(&passage.rules.policy.engine_socket).await?;
    let found = crate::deliberate::look_up(&mut upstream, &target, visit.proxy.timings.engine_reads).await?;
    found.ok_or_else(|| EngineError::Garbled.into())
}

async fn remove(visit: &Visit, passage: &Passage, id: &str) -> Result<(), EngineError> {
    let target = format!("/v{}/containers/{id}?force=1&v=1", passage.version);
    let mut upstream = Upstream::connect(&passage.rules.policy.engine_socket).await?;
    let head = Request::builder().method("DELETE").uri(target);
    let answer = upstream.send(head, None.into(), visit.proxy.timings.engine_writes).await?;
    if answer.status().is_success() { Ok(()) } else { Err(EngineError::Garbled) }
}

fn fail(outcome: &mut Outcome, refusal: &Refusal) -> Reply {
    let reply = reply::refused(refusal);
    outcome.status(reply.status().as_u16());
    outcome.fail(format!("{}: {}", refusal.reason, refusal.message), false);
    reply
}

/// How long the engine may take until its answer's head has come, and again until it is whole.
fn patience(visit: &Visit, approved: &Approved) -> Duration {
    match (approved.shape, approved.effect) {
        (Shape::Whole, Effect::None | Effect::ReadsOut) => visit.proxy.timings.engine_reads,
        _ => visit.proxy.timings.engine_writes,
    }
}
