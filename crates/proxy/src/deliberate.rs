//! The one way from a worker's request to its ruling: head, limits, body, facts, judgement, host paths. Who
//! serves goes it, and so does who only explains; what they do not share is a [`Court`].

use crate::engine_link::{EngineError, Upstream};
use crate::intake;
use doorward_engine::{
    Act, ApiVersion, Approved, Body, Call, Decision, Endpoint, Facts, Lookup, Request as Asking, Shape,
    judge, read_head,
};
use doorward_policy::{Policy, Reason, Refusal};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::upgrade::OnUpgrade;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most rounds of questions to the engine before a judgement; exec start needs two.
const ROUNDS: usize = 8;

/// What a request is judged by and with; told how far it got.
pub(crate) trait Court {
    /// The policy and the worker's name.
    fn law(&self) -> (&Policy, &str);
    /// The newest version that may be spoken.
    async fn ceiling(&mut self) -> Result<ApiVersion, Refusal>;
    /// The head was read; a refusal stands before that of the head itself.
    fn enter(&mut self, call: Option<&Call>) -> Result<(), Refusal>;
    /// The head made sense.
    fn endpoint(&mut self, endpoint: &'static Endpoint);
    /// The body came.
    fn body(&mut self, bytes: &[u8]);
    /// How long a body may take.
    fn body_patience(&self) -> Duration;
    /// Before something is judged that takes turns: the worker's next such request waits.
    async fn turn(&mut self);
    /// The execs that the worker created.
    fn execs(&self) -> BTreeSet<String>;
    /// One fact of the engine's; `None` for what does not exist.
    async fn look_up(&mut self, lookup: &Lookup, target: &str) -> Result<Option<Value>, Refusal>;
    /// The first of these host paths that may not be bound now.
    async fn unsafe_bind(&mut self, paths: &[String]) -> Result<Option<String>, Refusal>;
}

/// What is to become of a request that is not refused.
pub(crate) enum Ruling {
    /// To be sent on.
    Pass(Box<Passed>),
    /// To be answered in the engine's words: an object that the worker cannot see, or what the engine is not
    /// asked.
    Absent(Absent),
}

/// A request that may go on, and as what it was judged.
pub(crate) struct Passed {
    pub(crate) approved: Approved,
    pub(crate) act: Act,
    pub(crate) version: ApiVersion,
    pub(crate) ceiling: ApiVersion,
    /// Present when the worker would take a `101`.
    pub(crate) upgrade: Option<OnUpgrade>,
    /// Of a build, which is judged again with what its context holds: what was asked.
    pub(crate) building: Option<Asking>,
}

/// An object that the worker cannot see, or what the engine is not asked.
pub(crate) struct Absent {
    /// The rule that grants it; none for what is absent.
    pub(crate) rule: Option<String>,
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// It is there, but not for this worker: recorded as a refusal, answered like any that does not exist.
    pub(crate) foreign: Option<Refusal>,
}

/// Rules on one request. Of a build, `context` is its body, which is left there.
pub(crate) async fn deliberate(
    court: &mut impl Court,
    mut request: Request<()>,
    context: &mut Option<Incoming>,
) -> Result<Ruling, Refusal> {
    let ceiling = match court.ceiling().await {
        Ok(ceiling) => ceiling,
        Err(refusal) => {
            court.enter(None)?;
            return Err(refusal);
        }
    };
    let headers = intake::headers(&request);
    let call = read_head(request.method().as_str(), &request.uri().to_string(), &headers, ceiling);
    court.enter(call.as_ref().ok())?;
    intake::host(&request)?;
    let call = call?;
    court.endpoint(call.endpoint());

    let upgrade = intake::offers_upgrade(&request).then(|| hyper::upgrade::on(&mut request));
    let asking = match call.endpoint().body {
        Body::Context => call.with_body(content_type(&request), &[])?,
        Body::None | Body::Json(_) => take_body(court, call, request, context).await?,
    };
    let (act, version) = (asking.endpoint().act, asking.version());
    if act.takes_turns() {
        court.turn().await;
    }
    let (facts, decision) = decide(court, &asking).await?;
    match decision {
        Decision::Refuse(refusal) => Err(refusal),
        Decision::Answer { rule, status, body } => {
            Ok(Ruling::Absent(Absent { rule, status, body, foreign: foreign(&facts) }))
        }
        Decision::Forward(approved) => {
            check_binds(court, &approved).await?;
            check_stdin(&approved, upgrade.as_ref())?;
            let approved = *approved;
            let building = (act == Act::ImageBuild).then_some(asking);
            Ok(Ruling::Pass(Box::new(Passed { approved, act, version, ceiling, upgrade, building })))
        }
    }
}

/// Rules on a build again, with the Dockerfile that its context holds.
pub(crate) async fn deliberate_dockerfile(
    court: &mut impl Court,
    asking: Asking,
    dockerfile: &[u8],
) -> Result<Approved, Refusal> {
    let asking = asking.with_dockerfile(dockerfile)?;
    match decide(court, &asking).await?.1 {
        Decision::Forward(approved) => Ok(*approved),
        Decision::Refuse(refusal) => Err(refusal),
        Decision::Answer { .. } => {
            Err(Refusal::new(Reason::Internal, "a build is answered without the engine"))
        }
    }
}

async fn decide(court: &mut impl Court, asking: &Asking) -> Result<(Facts, Decision), Refusal> {
    let facts = gather(court, asking).await?;
    let (policy, worker) = court.law();
    let decision = judge(asking, &facts, policy, worker);
    Ok((facts, decision))
}

async fn take_body(
    court: &mut impl Court,
    call: Call,
    request: Request<()>,
    body: &mut Option<Incoming>,
) -> Result<Asking, Refusal> {
    let bytes = match body.take() {
        Some(body) => intake::body(body, call.body_limit(), court.body_patience()).await?,
        None => Bytes::new(),
    };
    court.body(&bytes);
    call.with_body(content_type(&request), &bytes)
}

fn content_type(request: &Request<()>) -> Option<&[u8]> {
    request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes())
}

/// Asks for all that the judgement needs.
async fn gather(court: &mut impl Court, asking: &Asking) -> Result<Facts, Refusal> {
    let mut facts = Facts { execs: court.execs(), now: Some(now()), ..Facts::default() };
    for _ in 0..ROUNDS {
        let (policy, worker) = court.law();
        let needs = asking.needs(&facts, policy, worker);
        if needs.is_empty() {
            return Ok(facts);
        }
        for lookup in needs {
            let target = lookup.target(asking.version(), court.law().1);
            let found = court.look_up(&lookup, &target).await?;
            facts.found.insert(lookup, found);
        }
    }
    Err(Refusal::new(Reason::Internal, "the request needs more facts than it should"))
}

/// One question to the engine; `None` for what does not exist.
pub(crate) async fn look_up(
    upstream: &mut Upstream,
    target: &str,
    patience: Duration,
) -> Result<Option<Value>, Refusal> {
    let (status, body) = upstream.get(target, patience).await?;
    fact(status, &body)
}

/// What an answer to a question says.
pub(crate) fn fact(status: u16, body: &[u8]) -> Result<Option<Value>, Refusal> {
    match status {
        200 => Ok(Some(serde_json::from_slice(body).map_err(|_| EngineError::Garbled)?)),
        // 400 is what newer engines say to a name that cannot exist and to an ambiguous prefix of an id.
        400 | 404 => Ok(None),
        // What older engines say to such a prefix of a container's id.
        500 if is_ambiguous(body) => Ok(None),
        _ => Err(EngineError::Garbled.into()),
    }
}

fn is_ambiguous(body: &[u8]) -> bool {
    let said = serde_json::from_slice::<Value>(body).ok();
    let message = said.as_ref().and_then(|said| said.get("message")).and_then(Value::as_str);
    message.is_some_and(|message| message.to_ascii_lowercase().contains("multiple ids found"))
}

/// When the engine has all the objects that were asked for, "absent" means "not yours".
fn foreign(facts: &Facts) -> Option<Refusal> {
    let mut objects = facts.found.iter().filter(|(lookup, _)| {
        !matches!(
            lookup,
            Lookup::OwnContainers | Lookup::OwnNetworks | Lookup::OwnVolumes | Lookup::OwnImages
        )
    });
    let all_there = objects.all(|(_, found)| found.is_some());
    (all_there && !facts.found.is_empty()).then(|| {
        Refusal::new(Reason::ObjectNotAllowed, "the object is not this worker's; answered as absent")
    })
}

/// This process cannot see files: somebody else looks at the host paths that would be bound. Why one may not
/// is a fact about the file system, and the operator's to know.
async fn check_binds(court: &mut impl Court, approved: &Approved) -> Result<(), Refusal> {
    if approved.binds.is_empty() {
        return Ok(());
    }
    match court.unsafe_bind(&approved.binds).await? {
        None => Ok(()),
        Some(path) => {
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

/// Unix time in seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
