//! One request that is served: judged, recorded; then it is forwarded, answered or refused.

use crate::build::{Building, build};
use crate::context::drain;
use crate::deliberate::{Absent, Court, Passed, Ruling, deliberate, fact};
use crate::forward::{Passage, forward};
use crate::limits::{Class, Permit};
use crate::record::{Asked, unrecorded};
use crate::reply::{self, Reply};
use crate::rules::Rules;
use crate::visit::{Guest, Visit};
use doorward_engine::{ApiVersion, Call, Effect, Endpoint, Lookup, Travel};
use doorward_policy::{Limits, Policy, Reason, Refusal};
use hyper::Request;
use hyper::body::Incoming;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// How a request that is not refused goes on.
enum Course {
    /// Sent on.
    Forward(Box<Passage>),
    /// Sent on with its context.
    Build(Box<Passage>, Box<Building>),
    /// Answered in the engine's words.
    Answer(Absent, Arc<Rules>),
}

/// Answers one request; always with a record of it, or with the refusal that there can be none.
pub(crate) async fn attend(visit: Arc<Visit>, request: Request<Incoming>) -> Reply {
    let mut asked = Asked::new(request.method(), request.uri());
    let (head, body) = request.into_parts();
    let mut body = Some(body);
    match decide(&visit, &mut asked, Request::from_parts(head, ()), &mut body).await {
        Ok(Course::Forward(passage)) => forward(visit, asked, *passage).await,
        Ok(Course::Answer(absent, rules)) => answer_absent(&visit, &mut asked, &absent, &rules).await,
        Ok(Course::Build(passage, building)) => build(visit, asked, *passage, *building).await,
        Err(refusal) => {
            // Of a build: whoever is still sending its context does not read the answer yet.
            drain(&mut body, visit.proxy.timings.body).await;
            refuse(&visit, &asked, &refusal).await
        }
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

async fn answer_absent(visit: &Visit, asked: &mut Asked, absent: &Absent, rules: &Rules) -> Reply {
    if absent.status >= 400 {
        asked.absent();
    }
    let recorded = match &absent.foreign {
        Some(refusal) => asked.deny_as_absent(visit, &rules.hash, refusal).await,
        None => {
            let allowed = asked.allow(visit, rules, absent.rule.as_deref(), &[], Effect::None).await;
            allowed.map(|mut outcome| {
                outcome.status(absent.status);
                outcome.end();
            })
        }
    };
    match recorded {
        Ok(()) => reply::json(absent.status, &absent.body),
        Err(unrecorded) => reply::refused(&unrecorded),
    }
}

async fn decide(
    visit: &Arc<Visit>,
    asked: &mut Asked,
    request: Request<()>,
    body: &mut Option<Incoming>,
) -> Result<Course, Refusal> {
    let rules = visit.proxy.rules()?;
    let entry = rules.policy.workers.get(&visit.worker).filter(|_| rules.admits(&visit.worker, visit.uid));
    let entry = entry
        .ok_or_else(|| Refusal::new(Reason::UnknownWorker, "this socket belongs to no worker any more"))?;
    let guest = visit.proxy.guest(&visit.worker);
    let mut served = Served::new(visit, asked, &rules, &entry.limits, &guest);
    let ruling = deliberate(&mut served, request, body).await?;
    let (permit, turn) = (served.permit, served.turn);
    match ruling {
        Ruling::Absent(absent) => Ok(Course::Answer(absent, rules)),
        Ruling::Pass(passed) => {
            asked.approved(&passed.approved);
            let Passed { approved, act, version, ceiling, upgrade, building } = *passed;
            let passage =
                Passage { rules, guest, approved, act, version, ceiling, upgrade, permit, _turn: turn };
            let passage = Box::new(passage);
            Ok(match building {
                Some(asking) => Course::Build(passage, Box::new(Building { asking, context: body.take() })),
                None => Course::Forward(passage),
            })
        }
    }
}

/// A request on a worker's socket: it counts, the engine answers for its objects and the broker for files.
pub(crate) struct Served<'a> {
    visit: &'a Visit,
    asked: &'a mut Asked,
    rules: &'a Rules,
    limits: &'a Limits,
    guest: &'a Guest,
    permit: Option<Permit>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl<'a> Served<'a> {
    pub(crate) fn new(
        visit: &'a Visit,
        asked: &'a mut Asked,
        rules: &'a Rules,
        limits: &'a Limits,
        guest: &'a Guest,
    ) -> Self {
        Served { visit, asked, rules, limits, guest, permit: None, turn: None }
    }
}

impl Court for Served<'_> {
    fn law(&self) -> (&Policy, &str) {
        (&self.rules.policy, &self.visit.worker)
    }

    async fn ceiling(&mut self) -> Result<ApiVersion, Refusal> {
        let patience = self.visit.proxy.timings.engine_reads;
        self.visit.proxy.engine.ceiling(&self.rules.policy.engine_socket, patience).await
    }

    fn enter(&mut self, call: Option<&Call>) -> Result<(), Refusal> {
        self.permit = Some(self.guest.counters.enter(class(call), self.limits)?);
        Ok(())
    }

    fn endpoint(&mut self, endpoint: &'static Endpoint) {
        self.asked.endpoint(endpoint);
    }

    fn body(&mut self, bytes: &[u8]) {
        self.asked.body(bytes);
    }

    fn body_patience(&self) -> Duration {
        self.visit.proxy.timings.body
    }

    async fn turn(&mut self) {
        self.turn = Some(self.guest.turn().await);
    }

    fn execs(&self) -> BTreeSet<String> {
        self.guest.execs()
    }

    async fn look_up(&mut self, _lookup: &Lookup, target: &str) -> Result<Option<Value>, Refusal> {
        let (socket, patience) = (&self.rules.policy.engine_socket, self.visit.proxy.timings.engine_reads);
        let answer = self.guest.spares.get(socket, target, patience).await;
        let (status, body) = answer.inspect_err(|_| self.visit.proxy.engine.forget())?;
        fact(status, &body)
    }

    async fn unsafe_bind(&mut self, paths: &[String]) -> Result<Option<String>, Refusal> {
        let found = self.visit.proxy.broker.check_binds(paths.to_vec()).await.map_err(unrecorded)?;
        Ok(found.map(|(path, _why)| path))
    }
}

fn class(call: Option<&Call>) -> Class {
    match call.map(Call::endpoint) {
        Some(endpoint) if endpoint.travel != Travel::Whole => Class::Streams,
        Some(endpoint) if endpoint.effect == Effect::Changes => Class::Writes,
        _ => Class::Reads,
    }
}
