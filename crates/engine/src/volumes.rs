//! Volumes: they have no id, so a name is a worker's only while the engine's label says so.

use crate::approved::approve;
use crate::create::{first_role, own, with_body};
use crate::fields::VOLUME_CREATE;
use crate::objects::{self, Standing};
use crate::redact::redacted;
use crate::rules::{Mode, OWNER, Wish, free_name, named_volumes};
use crate::{Answer, Approved, Decision, Effect, Facts, Lookup, Request, Shape, walk};
use doorward_policy::{DockerRole, Policy, Reason, Refusal, Selector};
use serde_json::{Value, json};

/// Most own volumes of a worker whose role says no `count`; twice `count` otherwise.
const VOLUMES: usize = 16;

/// `POST /volumes/create`.
pub(crate) fn create(request: &Request, facts: &Facts, policy: &Policy, worker: &str) -> Decision {
    first_role(policy, worker, |role| create_by(role, request, facts, policy, worker))
}

fn create_by(
    role: &DockerRole,
    request: &Request,
    facts: &Facts,
    policy: &Policy,
    worker: &str,
) -> Result<Decision, Refusal> {
    let body = request.needed_body()?;
    let version = request.version();
    let wish = Wish { role, policy, worker, facts, version, mode: Mode::New, body, image: None };
    may_own(role)?;
    let made = walk::judge_fields(VOLUME_CREATE, Some(body), &wish, "")?;
    let name = made.get("Name").and_then(Value::as_str).unwrap_or_default();
    match facts.found.get(&Lookup::Volume(name.to_owned())).and_then(Option::as_ref) {
        // The engine answers a create of what exists with what exists: it must be this worker's already.
        Some(volume) if !is_plain_own(volume, worker) => {
            return Err(Refusal::new(Reason::NameNotAllowed, "this name is taken")
                .path("Name")
                .nearest(format!("a name like {worker}-1")));
        }
        Some(_) => {}
        None => within_quota(role, facts, 1)?,
    }
    let mut approved = approve(request, policy, &format!("{}.docker.run", role.role), "run");
    approved.target = format!("/v{version}/volumes/create");
    approved.operation = json!({"op": "volume create", "body": redacted(&made, policy)});
    approved.answer = Answer::own_volume();
    Ok(Decision::forward(with_body(approved, &made)))
}

/// The creates that must come before a container's: an engine would make an absent volume itself, without a
/// label, and so as nobody's.
pub(crate) fn beforehand(wish: &Wish<'_>, made: &Value) -> Result<Vec<Approved>, Refusal> {
    let mut names = named_volumes(made);
    names.sort();
    names.dedup();
    names.retain(|name| wish.facts.found.get(&Lookup::Volume(name.clone())).is_none_or(Option::is_none));
    if !names.is_empty() {
        within_quota(wish.role, wish.facts, names.len())?;
    }
    Ok(names.iter().map(|name| own_volume(wish, name)).collect())
}

fn own_volume(wish: &Wish<'_>, name: &str) -> Approved {
    let body = json!({"Name": name, "Driver": "local", "Labels": {OWNER: wish.worker}});
    let approved = Approved {
        rule: format!("{}.docker.run", wish.role.role),
        verb: "run",
        operation: json!({"op": "volume create", "body": body}),
        objects: vec![name.to_owned()],
        effect: Effect::Changes,
        method: "POST",
        target: format!("/v{}/volumes/create", wish.version),
        headers: Vec::new(),
        body: None,
        shape: Shape::Whole,
        answer: Answer::own_volume(),
        expected: None,
        binds: Vec::new(),
        beforehand: Vec::new(),
        events: None,
    };
    with_body(approved, &body)
}

/// Whether a volume that is absent may be made under this name by this worker.
pub(crate) fn may_make(wish: &Wish<'_>, name: &str) -> Result<(), Refusal> {
    may_own(wish.role)?;
    free_name(wish, name, objects::volume_patterns)
}

fn may_own(role: &DockerRole) -> Result<(), Refusal> {
    match role.volumes.contains(&Selector::Own) {
        true => Ok(()),
        false => Err(Refusal::new(Reason::ObjectNotAllowed, "the role's volumes do not include own ones")
            .nearest("an anonymous volume: -v /data")),
    }
}

fn within_quota(role: &DockerRole, facts: &Facts, more: usize) -> Result<(), Refusal> {
    let count = role.run.count.and_then(|count| usize::try_from(count).ok());
    let most = count.map_or(VOLUMES, |count| count.saturating_mul(2));
    let have = own(facts, &Lookup::OwnVolumes)?;
    match have.saturating_add(more) <= most {
        true => Ok(()),
        false => Err(Refusal::new(
            Reason::QuotaReached,
            format!("this worker already has {have} volumes, of {most} allowed"),
        )
        .nearest("docker volume rm a volume that is no longer needed")),
    }
}

/// Whether a volume is this worker's, and nothing but a folder of the engine's: made by the local driver
/// without options, which could mount anything.
pub(crate) fn is_plain_own(volume: &Value, worker: &str) -> bool {
    Standing::of(volume.get("Labels"), worker) == Standing::Own && is_plain(volume)
}

/// Whether a volume was made by the local driver without options.
pub(crate) fn is_plain(volume: &Value) -> bool {
    volume.get("Driver").and_then(Value::as_str) == Some("local")
        && volume.get("Options").is_none_or(walk::is_zero)
}
