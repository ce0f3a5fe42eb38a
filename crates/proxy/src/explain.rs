//! What the service would say to a worker's bytes: read by the same protocol, ruled on the same way, and then
//! nothing. The engine is asked for facts and never told to do anything.

use crate::context::{Nowhere, read};
use crate::deliberate::{Absent, Court, Ruling, deliberate, deliberate_dockerfile, look_up};
use crate::door::{no_request, protocol};
use crate::engine_link::{EngineLink, Upstream};
use crate::reply::{self, Reply};
use crate::serve::Timings;
use doorward_engine::{Act, ApiVersion, Call, ContextReader, Endpoint, Lookup, Shape};
use doorward_policy::{Policy, Reason, Refusal};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream, copy, duplex, sink, split};

/// How much of the bytes is on its way at a time.
const PIPE: usize = 64 * 1024;

/// What would become of one request.
#[derive(Debug)]
pub struct Explained {
    /// The verdict.
    pub said: Said,
    /// What the verdict does not rest on, because it could not be known here.
    pub unknown: Vec<&'static str>,
}

/// A verdict, and what the worker would see of it.
#[derive(Debug)]
pub enum Said {
    /// It would be sent on, by this rule.
    Allow(String),
    /// It would be answered with these words of the engine's: there is no such object.
    Absent(String),
    /// It would be answered with these words as well, though the object is there: it is not the worker's.
    Foreign(String, Refusal),
    /// It would be refused.
    Deny(Refusal),
}

/// The engine gave no answer.
const NO_ENGINE: &str = "the engine does not answer: judged as if it held nothing";
/// Which execs are a worker's, only the service remembers.
const NO_EXECS: &str = "which execs are this worker's only the running service knows: judged as if none were";

/// Rules on each request in `bytes` as the service would, in their order. Limits by the minute are not
/// counted. `unsafe_bind` tells the first of host paths that may not be bound now.
pub async fn explain(
    policy: &Policy,
    worker: &str,
    bytes: &[u8],
    unsafe_bind: impl Fn(&[String]) -> Option<String>,
) -> Vec<Explained> {
    let timings = Timings::default();
    let (near, far) = duplex(PIPE);
    let ruled = RefCell::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| {
        let mut court = Rehearsal {
            policy,
            worker,
            timings: &timings,
            unsafe_bind: &unsafe_bind,
            upstream: None,
            unknown: Vec::new(),
        };
        let ruled = &ruled;
        async move {
            let (head, body) = request.into_parts();
            let mut context = Some(body);
            let ruling = deliberate(&mut court, Request::from_parts(head, ()), &mut context).await;
            let ruling = with_dockerfile(&mut court, ruling, context).await;
            let reply = answer(&ruling);
            ruled.borrow_mut().push(Explained { said: said(ruling), unknown: court.unknown });
            Ok::<Reply, Infallible>(reply)
        }
    });
    let connection = protocol(&timings).serve_connection(TokioIo::new(far), service).with_upgrades();
    let (served, ()) = tokio::join!(connection, play(near, bytes));
    let mut ruled = ruled.take();
    let rest = match served {
        Err(error) if error.is_parse() => Some(no_request()),
        // The service says nothing to a head that never ends; here it is told when there is nothing else.
        _ if ruled.is_empty() => {
            Some(Refusal::new(Reason::BadRequest, "the bytes end before a request's head does"))
        }
        _ => None,
    };
    ruled.extend(rest.map(|refusal| Explained { said: Said::Deny(refusal), unknown: Vec::new() }));
    ruled
}

/// Says all bytes and reads whatever is answered, as a client does that has no more to say.
async fn play(client: DuplexStream, bytes: &[u8]) {
    let (mut from, mut to) = split(client);
    let say = async {
        // The other side may close before it has taken everything.
        if to.write_all(bytes).await.is_ok() {
            let _ = to.shutdown().await;
        }
    };
    let hear = async {
        let _ = copy(&mut from, &mut sink()).await;
    };
    tokio::join!(say, hear);
}

/// An answer that ends the connection where the service's would make a raw stream of it.
fn answer(ruling: &Result<Ruling, Refusal>) -> Reply {
    let mut reply = reply::whole(200, Vec::new());
    if let Ok(Ruling::Pass(passed)) = ruling
        && matches!(passed.approved.shape, Shape::Hijack { .. })
        && passed.upgrade.is_some()
    {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

/// A build is ruled on with what its context holds, too.
async fn with_dockerfile(
    court: &mut impl Court,
    ruling: Result<Ruling, Refusal>,
    mut context: Option<Incoming>,
) -> Result<Ruling, Refusal> {
    let mut ruling = ruling?;
    if let Ruling::Pass(passed) = &mut ruling
        && let (Some(asking), Some(build)) = (passed.building.take(), &passed.approved.build)
    {
        let mut reader = ContextReader::new(build);
        let patience = court.body_patience();
        let dockerfile = read(&mut context, &mut reader, patience, &Nowhere).await?;
        passed.approved = deliberate_dockerfile(court, asking, &dockerfile.unwrap_or_default()).await?;
    }
    Ok(ruling)
}

fn said(ruling: Result<Ruling, Refusal>) -> Said {
    match ruling {
        Ok(Ruling::Pass(passed)) => Said::Allow(passed.approved.rule),
        Ok(Ruling::Absent(Absent { rule: Some(rule), .. })) => Said::Allow(rule),
        Ok(Ruling::Absent(absent)) => {
            let words = absent.body.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
            match absent.foreign {
                Some(refusal) => Said::Foreign(words, refusal),
                None => Said::Absent(words),
            }
        }
        Err(refusal) => Said::Deny(refusal),
    }
}

/// A request that nobody serves: nothing is counted, recorded or kept.
struct Rehearsal<'a, F> {
    policy: &'a Policy,
    worker: &'a str,
    timings: &'a Timings,
    unsafe_bind: &'a F,
    upstream: Option<Upstream>,
    unknown: Vec<&'static str>,
}

impl<F> Rehearsal<'_, F> {
    fn unknown(&mut self, what: &'static str) {
        if !self.unknown.contains(&what) {
            self.unknown.push(what);
        }
    }

    async fn ask(&mut self, target: &str) -> Result<Option<Value>, Refusal> {
        let open = match self.upstream.take() {
            Some(open) => open,
            None => Upstream::connect(&self.policy.engine_socket).await?,
        };
        look_up(self.upstream.insert(open), target, self.timings.engine_reads).await
    }
}

impl<F: Fn(&[String]) -> Option<String>> Court for Rehearsal<'_, F> {
    fn law(&self) -> (&Policy, &str) {
        (self.policy, self.worker)
    }

    async fn ceiling(&mut self) -> Result<ApiVersion, Refusal> {
        if !self.policy.workers.contains_key(self.worker) {
            return Err(Refusal::new(Reason::UnknownWorker, "the policy has no such worker"));
        }
        let asked = EngineLink::default();
        let ceiling = asked.ceiling(&self.policy.engine_socket, self.timings.engine_reads).await;
        Ok(ceiling.unwrap_or_else(|_| {
            self.unknown(NO_ENGINE);
            ApiVersion::NEWEST
        }))
    }

    fn enter(&mut self, _call: Option<&Call>) -> Result<(), Refusal> {
        Ok(())
    }

    fn endpoint(&mut self, endpoint: &'static Endpoint) {
        if matches!(endpoint.act, Act::ExecStart | Act::ExecInspect | Act::ExecResize) {
            self.unknown(NO_EXECS);
        }
    }

    fn body(&mut self, _bytes: &[u8]) {}

    fn body_patience(&self) -> Duration {
        self.timings.body
    }

    async fn turn(&mut self) {}

    fn execs(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    async fn look_up(&mut self, lookup: &Lookup, target: &str) -> Result<Option<Value>, Refusal> {
        Ok(self.ask(target).await.unwrap_or_else(|_| {
            self.unknown(NO_ENGINE);
            lookup.of_nothing()
        }))
    }

    async fn unsafe_bind(&mut self, paths: &[String]) -> Result<Option<String>, Refusal> {
        Ok((self.unsafe_bind)(paths))
    }
}
