//! One request, in the order of the design: head, limits, body, facts, judgement, record; then it is
//! forwarded, answered or refused.

use crate::engine_link::{EngineError, Upstream};
use crate::forward::{Passage, forward};
use crate::intake;
use crate::limits::Class;
use crate::outcome::Outcome;
use crate::record::{Asked, unrecorded};
use crate::reply::{self, Reply};
use crate::rules::Rules;
use crate::visit::{Guest, Visit};
use doorward_engine::{
    Act, Approved, Call, Decision, Effect, Facts, Lookup, Request as Asking, Shape, Travel, judge, read_head,
};
use doorward_policy::{Reason, Refusal};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::upgrade::OnUpgrade;
use serde_json::Value;
use std::sync::Arc;

/// Most rounds of questions to the engine before a judgement; exec start needs two.
const ROUNDS: usize = 8;

/// How a request that is not refused goes on.
enum Course {
    /// Sent on.
    Forward(Box<Passage>),
    /// Answered in the engine's words.
    Answer(Absent),
}

/// An object that the worker cannot see.
struct Absent {
    status: u16,
    body: Value,
    rules: Arc<Rules>,
    /// It is there, but not for this worker: recorded as a refusal, answered like any that does not exist.
    foreign: bool,
}

/// Answers one request; always with a record of it, or with the refusal that there can be none.
pub(crate) async fn attend(visit: Arc<Visit>, request: Request<Incoming>) -> Reply {
    let mut asked = Asked::new(request.method(), request.uri());
    match decide(&visit, &mut asked, request).await {
        Ok(Course::Forward(passage)) => forward(visit, asked, *passage).await,
        Ok(Course::Answer(absent)) => answer_absent(&visit, &mut asked, &absent).await,
        Err(refusal) => refuse(&visit, &asked, &refusal).await,
    }
}

/// Records a refusal and words it for the worker.
pub(crate) async fn refuse(visit: &Visit, asked: &Asked, refusal: &Refusal) -> Reply {
    let rules = match visit.proxy.rules() {
        Ok(rules) => rules,
        Err(gone) => return reply::refused(&gone),
    };
    match asked.deny(visit, &rules.hash, refusal).await {
        Ok(()) => reply::refused(refusal),
        Err(unrecorded) => reply::refused(&unrecorded),
    }
}

async fn answer_absent(visit: &Visit, asked: &mut Asked, absent: &Absent) -> Reply {
    asked.absent();
    let recorded = if absent.foreign {
        let refusal =
            Refusal::new(Reason::ObjectNotAllowed, "the object is not this worker's; answered as absent");
        asked.deny(visit, &absent.rules.hash, &refusal).await
    } else {
        asked.allow(visit, &absent.rules, None, &[], Effect::None).await
    };
    if let Err(unrecorded) = recorded {
        return reply::refused(&unrecorded);
    }
    if !absent.foreign {
        let mut outcome = Outcome::of(&visit.proxy.broker, &asked.request);
        outcome.status(absent.status);
        outcome.end();
    }
    reply::json(absent.status, &absent.body)
}

async fn decide(
    visit: &Arc<Visit>,
    asked: &mut Asked,
    mut request: Request<Incoming>,
) -> Result<Course, Refusal> {
    let rules = visit.proxy.rules()?;
    let entry = rules.policy.workers.get(&visit.worker).filter(|_| rules.admits(&visit.worker, visit.uid));
    let entry = entry
        .ok_or_else(|| Refusal::new(Reason::UnknownWorker, "this socket belongs to no worker any more"))?;
    let guest = visit.proxy.guest(&visit.worker);
    let patience = visit.proxy.timings.engine_reads;
    let ceiling = visit.proxy.engine.ceiling(&rules.policy.engine_socket, patience).await?;

    let headers = intake::headers(&request);
    let call = read_head(request.method().as_str(), &request.uri().to_string(), &headers, ceiling);
    let permit = guest.counters.enter(class(call.as_ref().ok()), &entry.limits)?;
    let call = call?;
    asked.endpoint(call.endpoint());

    let upgrade = intake::offers_upgrade(&request).then(|| hyper::upgrade::on(&mut request));
    let asking = take_body(visit, asked, call, request).await?;
    let turn = match asking.endpoint().act {
        Act::ContainerCreate | Act::NetworkCreate | Act::VolumeCreate | Act::VolumeRemove => {
            Some(guest.turn().await)
        }
        _ => None,
    };
    let facts = gather(visit, &rules, &guest, &asking).await?;
    match judge(&asking, &facts, &rules.policy, &visit.worker) {
        Decision::Refuse(refusal) => Err(refusal),
        Decision::Answer { status, body } => {
            let foreign = is_foreign(&facts);
            Ok(Course::Answer(Absent { status, body, rules, foreign }))
        }
        Decision::Forward(approved) => {
            check_binds(visit, &approved).await?;
            check_stdin(&approved, upgrade.as_ref())?;
            asked.approved(&approved);
            let (act, version) = (asking.endpoint().act, asking.version());
            let passage = Passage {
                rules,
                guest,
                approved: *approved,
                act,
                version,
                ceiling,
                upgrade,
                permit,
                _turn: turn,
            };
            Ok(Course::Forward(Box::new(passage)))
        }
    }
}

fn class(call: Option<&Call>) -> Class {
    match call.map(Call::endpoint) {
        Some(endpoint) if endpoint.travel != Travel::Whole => Class::Streams,
        Some(endpoint) if endpoint.effect == Effect::Changes => Class::Writes,
        _ => Class::Reads,
    }
}

async fn take_body(
    visit: &Visit,
    asked: &mut Asked,
    call: Call,
    request: Request<Incoming>,
) -> Result<Asking, Refusal> {
    let (head, body) = request.into_parts();
    let bytes = intake::body(body, call.body_limit(), visit.proxy.timings.body).await?;
    asked.body(&bytes);
    call.with_body(head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()), &bytes)
}

/// The broker looks at the host paths that would be bound; this process cannot see files.
async fn check_binds(visit: &Visit, approved: &Approved) -> Result<(), Refusal> {
    if approved.binds.is_empty() {
        return Ok(());
    }
    match visit.proxy.broker.check_binds(approved.binds.clone()).await.map_err(unrecorded)? {
        None => Ok(()),
        // Why is a fact about the file system: it is the broker's to tell the operator.
        Some((path, _why)) => {
            let message = format!("{path} is not safe to bind on this host at the moment");
            Err(Refusal::new(Reason::BindUnsafe, message).nearest("ask the operator to make it safe"))
        }
    }
}

/// A container's stdin needs a connection that can carry it.
fn check_stdin(approved: &Approved, upgrade: Option<&OnUpgrade>) -> Result<(), Refusal> {
    match (approved.shape, upgrade) {
        (Shape::Hijack { stdin: true }, None) => {
            let message = "stdin needs a two-way connection, and the request does not ask for one";
            Err(Refusal::new(Reason::BadRequest, message).nearest("Connection: Upgrade with Upgrade: tcp"))
        }
        _ => Ok(()),
    }
}

/// Asks the engine for all that the judgement needs.
async fn gather(visit: &Visit, rules: &Rules, guest: &Guest, asking: &Asking) -> Result<Facts, Refusal> {
    let mut facts = Facts { execs: guest.execs(), ..Facts::default() };
    let mut upstream = None;
    for _ in 0..ROUNDS {
        let needs = asking.needs(&facts);
        if needs.is_empty() {
            return Ok(facts);
        }
        for lookup in needs {
            let open = match upstream.take() {
                Some(open) => open,
                None => Upstream::connect(&rules.policy.engine_socket)
                    .await
                    .inspect_err(|_| visit.proxy.engine.forget())?,
            };
            let target = lookup.target(asking.version(), &visit.worker);
            let found = look_up(upstream.insert(open), &target, visit.proxy.timings.engine_reads).await?;
            facts.found.insert(lookup, found);
        }
    }
    Err(Refusal::new(Reason::Internal, "the request needs more facts than it should"))
}

/// One question to the engine; `None` for what does not exist.
pub(crate) async fn look_up(
    upstream: &mut Upstream,
    target: &str,
    patience: std::time::Duration,
) -> Result<Option<Value>, Refusal> {
    let (status, body) = upstream.get(target, patience).await?;
    match status {
        200 => Ok(Some(serde_json::from_slice(&body).map_err(|_| EngineError::Garbled)?)),
        // 400 is what newer engines say to a name that cannot exist and to an ambiguous prefix of an id.
        400 | 404 => Ok(None),
        _ => Err(EngineError::Garbled.into()),
    }
}

/// Whether the engine has all the objects that were asked for, so that "absent" means "not yours".
fn is_foreign(facts: &Facts) -> bool {
    let mut objects = facts.found.iter().filter(|(lookup, _)| {
        !matches!(lookup, Lookup::OwnContainers | Lookup::OwnNetworks | Lookup::OwnVolumes)
    });
    let all_there = objects.all(|(_, found)| found.is_some());
    all_there && !facts.found.is_empty()
}
